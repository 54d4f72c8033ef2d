"""The components of every comparison of a repeated cross-validation, for three of the figures."""

from __future__ import annotations

__all__ = ["PairComponents", "pair_components"]

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...stats import CVComponents, DegenerateDataWarning, repeated_cv_components
from ..evidence.alignment import Aligned

if TYPE_CHECKING:
    from ..results.material import Material


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


def pair_components(material: Material) -> list[PairComponents | None]:
    """Components of each row of the comparisons; None where there is no cross-validation."""
    return [
        _components(material.aligned(row), row["arm"], row["reference"])
        for _, row in material.comparisons.iterrows()
    ]


def _half_sample(
    extra: Aligned | None, pair: list[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The complete half-sample repeats, which show the learning curve."""
    if extra is None:
        return None
    folds = extra.folds[pair]
    runs = np.flatnonzero((folds >= 0).all(axis=(0, 2)))
    if not len(runs):
        return None
    a, b = (extra.scores[number, runs] for number in pair)
    return a, b, folds[0, runs]


def _components(aligned: Aligned, arm: str, reference: str) -> PairComponents | None:
    pair = [aligned.arm(arm), aligned.arm(reference)]
    folds = aligned.folds[pair]
    runs = np.flatnonzero((folds >= 0).all(axis=(0, 2)))
    if not len(runs) or len(np.unique(folds[0, runs[0]])) < 2:
        return None
    repeats = np.array([aligned.runs[run][0] for run in runs])
    a, b = (aligned.scores[number, runs] for number in pair)
    first = np.unique(repeats, return_index=True)[1]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateDataWarning)
            parts = repeated_cv_components(
                aligned.y_true,
                a[first],
                b[first],
                folds[0, runs][first],
                groups=aligned.groups,
                half=_half_sample(aligned.half, pair),
            )
            every = (
                parts
                if len(first) == len(runs)
                else repeated_cv_components(
                    aligned.y_true, a, b, folds[0, runs], groups=aligned.groups
                )
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
