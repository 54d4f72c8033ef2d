"""What a metric takes of the scores of a study: ranks, probabilities, or calls at a threshold."""

from __future__ import annotations

__all__ = ["MetricInputs", "class_weights", "log_odds"]

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from ...errors import UserError
from ..evidence.alignment import SETTING, Aligned
from ..evidence.further import further_scores
from .study_metric import StudyMetric


def class_weights(plan: Mapping[str, Any]) -> set[str]:
    """Class weights that the models of a plan were trained with."""
    general = plan.get("training", {}).get("class_weights", "none")
    blocks = plan.get("grid", [])
    own = [(block.get("training") or {}).get("class_weights", general) for block in blocks]
    return {str(value) for value in own or [general]}


def log_odds(y_true: np.ndarray) -> float:
    """Of the positive cases: what balanced class weights take from every logit."""
    return float(special.logit(y_true.mean()))


@dataclass(frozen=True)
class MetricInputs:
    """What is known of the scores of a study.

    Attributes
    ----------
    logits : bool
        Whether scores are logits, as in an archive; else they are taken as they are.
    shifts : mapping of str to float
        By task, what has to be added to the logits of models that were trained with balanced
        class weights, which moved them by minus the log odds of the events.
    thresholds : mapping of tuple to float
        Of every model, by setting, arm, repeat, seed and fold, set on its tuning cases.
    """

    logits: bool = False
    shifts: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[tuple[Any, ...], float] = field(default_factory=dict)

    @classmethod
    def of_table(
        cls, thresholds: pd.DataFrame, *, logits: bool, shifts: Mapping[str, float] | None = None
    ) -> MetricInputs:
        """With thresholds from the table of :func:`~.thresholds.cell_thresholds`."""
        *keys, values = (
            thresholds[name] for name in (*SETTING, "arm", "repeat", "seed", "fold", "threshold")
        )
        known = dict(zip(zip(*keys, strict=True), values, strict=True))
        return cls(logits, shifts or {}, known)

    def values(self, study: StudyMetric, aligned: Aligned, scores: np.ndarray) -> np.ndarray:
        """Scores as the metric takes them; calls are made later, at the thresholds.

        Raises
        ------
        UserError
            If the metric needs probabilities and these are none.
        """
        if study.metric.needs == "scores" or study.by_case:
            return scores
        if self.logits:
            probabilities: np.ndarray = special.expit(
                scores + self.shifts.get(aligned.setting["task"], 0.0)
            )
            return probabilities
        outside = int(((scores < 0) | (scores > 1)).sum())
        if study.metric.needs == "probabilities" and outside:
            raise UserError(
                f"metric {study.name!r} needs probabilities from 0 to 1, and {outside:,} of "
                f"{scores.size:,} scores lie outside; give probabilities (those of logits are "
                "1 / (1 + exp(-logit))), or a metric of ranks such as 'average_precision'"
            )
        return scores

    def of_pair(
        self,
        study: StudyMetric,
        aligned: Aligned,
        arms: tuple[str, str],
        runs: np.ndarray,
        use: np.ndarray | slice = slice(None),
    ) -> tuple[tuple[np.ndarray, np.ndarray], tuple[Any, Any]]:
        """What the metric takes of candidate and reference, and their thresholds.

        Parameters
        ----------
        study : StudyMetric
        aligned : Aligned
        arms : tuple of two str
        runs : ndarray of int
            Positions in ``aligned.runs``.
        use : ndarray of bool, optional
            Cases to take.

        Returns
        -------
        scores : tuple of two ndarray of shape (runs, cases)
        thresholds : tuple of two
            None, a number, or of every run and fold, shape (runs, folds).

        Raises
        ------
        UserError
            If the metric needs probabilities, or thresholds, and there are none.
        """
        a, b = (
            self.values(study, aligned, aligned.scores[aligned.arm(arm), runs][:, use])
            for arm in arms
        )
        cuts = [self._cuts(study, aligned, arm, runs, use) for arm in arms]
        return (a, b), (cuts[0], cuts[1])

    def further(
        self,
        study: StudyMetric,
        aligned: Aligned,
        arms: tuple[str, str],
        runs: Mapping[str, np.ndarray],
    ) -> dict[str, Any]:
        """What :func:`~..evidence.further.further_scores` gives of what the metric can use.

        Half-sample repeats tell of the AUC alone, and halvings have no tuning cases.
        """
        if not study.is_auc:
            none = ("half", "halving") if study.by_case else ("half",)
            runs = {design: own for design, own in runs.items() if design not in none}
        return {
            name: (*(self.values(study, aligned, own) for own in scores), folds)
            for name, (*scores, folds) in further_scores(aligned, *arms, runs).items()
        }

    def _cuts(
        self,
        study: StudyMetric,
        aligned: Aligned,
        arm: str,
        runs: np.ndarray,
        use: np.ndarray | slice,
    ) -> float | np.ndarray | None:
        if study.metric.needs != "decisions":
            return None
        if study.threshold is not None:
            return study.threshold
        setting = tuple(aligned.setting[key] for key in SETTING)
        found = []
        for run in runs:
            repeat, seed = aligned.runs[run]
            folds = aligned.folds[aligned.arm(arm), run][use]
            found.append(
                [
                    self.thresholds.get((*setting, arm, repeat, seed, int(fold)), math.nan)
                    for fold in np.unique(folds[folds >= 0])
                ]
            )
        cuts = np.array(found)
        if np.isnan(cuts).any():
            lacking = (
                f"{int(np.isnan(cuts).sum())} of {cuts.size} models of {arm!r} have none"
                if self.thresholds
                else "there are no tuning cases to set one on"
            )
            raise UserError(
                f"metric {study.name!r} needs a threshold, and {lacking}; name one that was fixed "
                f"before, as {study.name}:threshold=0.5, or add the scores of the tuning cases "
                "(partition = 'validation')"
            )
        return cuts
