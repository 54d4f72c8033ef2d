"""Scores as predicted risks: which scores are probabilities, and what class weights did to them."""

from __future__ import annotations

__all__ = ["as_risks"]

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from ..measures.inputs import class_weights, log_odds
from .curves import CurveScores

if TYPE_CHECKING:
    from ..results.material import Material

#: Why scores that look like this are no risks.
_NO_RISKS = {
    "confidence": "the scores look like the confidence in the predicted class, which is no risk",
    "labels": "the scores of an arm are two values only, which are labels and no risks",
    "saturated": "most scores of an arm are exactly 0 or 1, which are no risks",
}
#: Probabilities of exactly 0 or 1 have no logit.
_CLIP = 1e-6


def as_risks(
    settings: Sequence[CurveScores], material: Material
) -> tuple[list[CurveScores], str, str]:
    """The settings with logits of predicted risks as scores.

    Parameters
    ----------
    settings : sequence of CurveScores
    material : Material

    Returns
    -------
    risks : list of CurveScores
        Empty where the scores are no probabilities.
    note : str
        What was done to them.
    reason : str
        Why there are none.

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
    hard = {p.kind for p in material.problems} & {"labels", "saturated", "confidence"}
    if hard:
        return [], "", _NO_RISKS[sorted(hard)[0]]
    if material.evidence.reference is not None:
        weights = class_weights(material.evidence.plan)
        if weights == {"balanced"}:
            note = (
                "Balanced class weights in training moved the logits by minus the log odds of the "
                "events; this is undone."
            )
            return [_shifted(s) for s in settings], note, ""
        mixed = "balanced" in weights
        note = "Some models were trained with class weights, which moves their risks." * mixed
        return list(settings), note, ""
    values = [v for s in settings for v in s.scores.values()]
    if any((v < 0).any() or (v > 1).any() for v in values):
        return [], "", "the scores are not probabilities, as some lie outside 0 to 1"
    clipped = any((v < _CLIP).any() or (v > 1 - _CLIP).any() for v in values)
    note = f"Risks were kept between {_CLIP:g} and 1 − {_CLIP:g}." if clipped else ""
    return [_logits(s) for s in settings], note, ""


def _shifted(scores: CurveScores) -> CurveScores:
    shift = log_odds(scores.y_true)
    return dataclasses.replace(scores, scores={a: v + shift for a, v in scores.scores.items()})


def _logits(scores: CurveScores) -> CurveScores:
    return dataclasses.replace(
        scores,
        scores={
            arm: special.logit(np.clip(values, _CLIP, 1 - _CLIP))
            for arm, values in scores.scores.items()
        },
    )
