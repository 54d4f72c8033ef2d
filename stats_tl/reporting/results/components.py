"""What the variance of a comparison under repeated cross-validation consists of."""

from __future__ import annotations

__all__ = ["PairComponents", "pair_components"]

import warnings
from dataclasses import dataclass

import numpy as np

from ...stats import CVComponents, DegenerateDataWarning, repeated_cv_components
from ..evidence.alignment import Aligned, complete_runs
from .pairs import half_sample


@dataclass(frozen=True)
class PairComponents:
    """One comparison, run by run.

    Attributes
    ----------
    differences : ndarray of shape (runs, folds)
        Of AUC, candidate minus reference.
    repeats : ndarray of int, shape (runs,)
        Repeat of each run.
    parts : CVComponents
        Of one run a repeat: further seeds on a split are no further splits.
    seed_variance : float
        Variance of a run's mean difference between seeds on one split; NaN with one seed.
    """

    differences: np.ndarray
    repeats: np.ndarray
    parts: CVComponents
    seed_variance: float


def pair_components(aligned: Aligned, arm: str, reference: str) -> PairComponents | None:
    """Components of one comparison; None where there is no cross-validation."""
    runs, _ = complete_runs(aligned, arm, reference)
    number_a, number_b = aligned.arm(arm), aligned.arm(reference)
    folds = aligned.folds[number_a, runs]
    if not len(runs) or len(np.unique(folds[0])) < 2:
        return None
    assert aligned.half is not None
    half, _ = complete_runs(aligned.half, arm, reference)
    repeats = np.array([aligned.runs[run][0] for run in runs])
    a, b = aligned.scores[number_a, runs], aligned.scores[number_b, runs]
    first = np.unique(repeats, return_index=True)[1]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateDataWarning)
            parts = repeated_cv_components(
                aligned.y_true,
                a[first],
                b[first],
                folds[first],
                groups=aligned.groups,
                half=half_sample(aligned.half, number_a, number_b, half),
            )
            every = (
                parts
                if len(first) == len(runs)
                else repeated_cv_components(aligned.y_true, a, b, folds, groups=aligned.groups)
            )
    except ValueError:
        return None  # the table says why
    means = every.differences.mean(axis=1)
    seeds = [means[repeats == r] for r in np.unique(repeats)]
    several = [own for own in seeds if len(own) > 1]
    seed_variance = (
        float(sum(((own - own.mean()) ** 2).sum() for own in several))
        / sum(len(own) - 1 for own in several)
        if several
        else float("nan")
    )
    return PairComponents(every.differences, repeats, parts, seed_variance)
