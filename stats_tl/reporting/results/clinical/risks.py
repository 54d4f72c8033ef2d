"""Scores as predicted risks: which scores are probabilities, and what class weights did to them."""

from __future__ import annotations

__all__ = ["RiskRule", "risk_rule"]

from dataclasses import dataclass

import numpy as np
from scipy import special

from ...measures.inputs import class_weights, log_odds
from ..material import Material

#: Why scores that look like this are no risks.
_NO_RISKS = {
    "confidence": "the scores look like the confidence in the predicted class, which is no risk",
    "labels": "the scores of an arm are two values only, which are labels and no risks",
    "saturated": "most scores of an arm are exactly 0 or 1, which are no risks",
}
#: Probabilities of exactly 0 or 1 have no logit.
_CLIP = 1e-6
#: As far from 0 and 1 a logit is kept that leaves no room for more in a double.
_ROUNDING = 1e-15


@dataclass(frozen=True)
class RiskRule:
    """How the scores of a study become predicted risks.

    Attributes
    ----------
    reason : str
        Why there are none; empty where there are.
    note : str
        What is done to the scores.
    logits : bool
        Whether the scores are logits.
    balanced : bool
        Whether logits have to be moved by the log odds of the events.
    """

    reason: str = ""
    note: str = ""
    logits: bool = False
    balanced: bool = False

    def as_logits(self, scores: np.ndarray, y_true: np.ndarray) -> np.ndarray:
        """Logits of the risks, from scores and the labels of all cases of the task."""
        if not self.logits:
            found: np.ndarray = special.logit(np.clip(scores, _CLIP, 1 - _CLIP))
            return found
        return scores + log_odds(y_true) if self.balanced else scores

    def as_risks(self, scores: np.ndarray, y_true: np.ndarray) -> np.ndarray:
        """The risks themselves, never exactly 0 or 1."""
        risks = special.expit(self.as_logits(scores, y_true))
        kept: np.ndarray = np.clip(risks, _ROUNDING, 1 - _ROUNDING)
        return kept


def risk_rule(material: Material) -> RiskRule:
    """How scores become risks in a study.

    Notes
    -----
    An archive holds logits. Predictions made elsewhere are taken as probabilities where all of
    them lie between 0 and 1, and as no risks otherwise. Training with balanced class weights
    moves every logit by minus the log odds of the events, which is undone here [1]_.

    References
    ----------
    .. [1] Elkan C. The foundations of cost-sensitive learning. Proceedings of the 17th
       International Joint Conference on Artificial Intelligence 2001:973-978.
    """
    hard = {problem.kind for problem in material.problems} & set(_NO_RISKS)
    if hard:
        return RiskRule(_NO_RISKS[min(hard)])
    if material.evidence.reference is not None:  # of an archive
        weights = class_weights(material.evidence.plan)
        if weights == {"balanced"}:
            note = (
                "Balanced class weights in training moved the logits by minus the log odds of the "
                "events; this is undone."
            )
            return RiskRule(note=note, logits=True, balanced=True)
        mixed = "balanced" in weights
        note = "Some models were trained with class weights, which moves their risks." * mixed
        return RiskRule(note=note, logits=True)
    low, high = np.inf, -np.inf
    for aligned in material.settings:
        tested = aligned.scores[aligned.folds >= 0]
        low, high = min(low, float(tested.min())), max(high, float(tested.max()))
    if low < 0 or high > 1:
        return RiskRule("the scores are not probabilities, as some lie outside 0 to 1")
    clipped = low < _CLIP or high > 1 - _CLIP
    note = f"Risks were kept between {_CLIP:g} and 1 − {_CLIP:g}." if clipped else ""
    return RiskRule(note=note)
