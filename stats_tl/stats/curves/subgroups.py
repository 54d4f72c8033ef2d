"""The difference in AUC within subgroups of cases, and whether it differs between them.

Notation: in run r the AUC of subgroup g is taken over the pairs of a positive and a negative
case of g that were *scored by one model*, that is, lie in one fold:

    A_rg = sum over folds of (pairs ranked rightly) / sum over folds of (pairs).

A fold without one of the classes in g has no pair and adds nothing, so that small subgroups
need no fold to hold both classes. With n1, n0 the cases of g in a fold and N the pairs of g
in the run, a positive case i has the influence (n0 / N) (V_i - A_rg) on it, V_i its placement
among the negative cases of g in its fold; negative cases likewise with n1. Sums of influences
over a patient give the covariance matrix of the differences of all subgroups, which share
patients where a patient has images in several. It is averaged over runs, as the
repeat-averaged DeLong variance is (:mod:`stats_tl.stats.crossvalidation.repeated_cv`).
"""

from __future__ import annotations

__all__ = ["SubgroupResult", "subgroup_auc_test"]

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy

from .._shared.fold_cells import FoldCells, placements_within
from .._shared.inference import (
    Hypothesis,
    Inference,
    check_confidence_level,
    conclude,
    wald_inference,
)
from .._shared.paired_sample import CaseSample
from .._shared.validation import as_score_matrix, check_positive_int
from ..procedure import Procedure, ResultWarning
from ..results import TestResult


@dataclass(frozen=True)
class SubgroupResult:
    """Differences within subgroups.

    Attributes
    ----------
    table : DataFrame
        One row per subgroup: ``subgroup, n_cases, n_events, n_groups, auc_a, auc_a_se, auc_b,
        auc_b_se, difference, standard_error, ci_low, ci_high, pvalue``; NaN from ``auc_a`` on
        where there are too few cases.
    interaction : TestResult
        Chi-square test that the differences of the subgroups with enough cases are equal.
    n_unknown : int
        Cases of no subgroup.
    """

    table: pd.DataFrame
    interaction: TestResult
    n_unknown: int


def subgroup_auc_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    folds: Any,
    subgroups: Any,
    *,
    groups: Any = None,
    min_cases: int = 10,
    confidence_level: float = 0.95,
) -> SubgroupResult:
    """Difference in AUC of two arms within subgroups, with a test of interaction.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Reference standard, 0 or 1, both present.
    scores_a, scores_b : array_like of shape (runs, n)
        Scores of candidate and reference; compared within a fold of a run only.
    folds : array_like of int, shape (runs, n)
        Fold in which the case was tested; all equal where there is one test set.
    subgroups : array_like of shape (n,)
        Subgroup of each case; None or NaN where it is not known.
    groups : array_like of shape (n,), optional
        Patient of each case; variances are then clustered by patient.
    min_cases : int
        Positive and negative cases that a subgroup needs, each.
    confidence_level : float
        Coverage of the intervals.

    Returns
    -------
    SubgroupResult

    Raises
    ------
    ValueError
        If shapes differ, a class is absent or a score is NaN.

    See Also
    --------
    repeated_cv_test : The difference in all cases.

    Notes
    -----
    The pair-weighted AUC of all cases differs a little from the mean of the folds' AUCs that
    :func:`repeated_cv_test` gives. Do not read a small p value in one subgroup and a large one
    in another as a difference between them: that is what the interaction test is for. With a
    single run of a cross-validation, or fewer than five, the p values are too small.

    References
    ----------
    .. [1] Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data.
       Biometrics 53, 567-578. :doi:`10.2307/2533958`
    .. [2] LeDell, E., Petersen, M. and van der Laan, M. (2015). Computationally efficient
       confidence intervals for cross-validated area under the ROC curve estimates.
       Electronic Journal of Statistics 9, 1583-1607. :doi:`10.1214/15-EJS1035`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import subgroup_auc_test
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(300) % 2
    >>> device = np.where(np.arange(300) < 150, "old", "new")
    >>> a = y * np.where(device == "new", 2.0, 0.5) + rng.standard_normal((1, 300))
    >>> b = 0.5 * y + rng.standard_normal((1, 300))
    >>> result = subgroup_auc_test(y, a, b, np.zeros((1, 300)), device)
    >>> result.table[["subgroup", "n_cases", "difference"]].round(2)
      subgroup  n_cases  difference
    0      new      150        0.29
    1      old      150        0.08
    >>> print(f"{result.interaction.pvalue:.4f}")
    0.0056
    """
    sample = CaseSample.of(y_true, groups)
    labels = sample.labels
    a = as_score_matrix(np.atleast_2d(np.asarray(scores_a)), labels.size, name="scores_a")
    b = as_score_matrix(np.atleast_2d(np.asarray(scores_b)), labels.size, name="scores_b")
    fold = np.atleast_2d(np.asarray(folds))
    names = np.asarray(subgroups, dtype=object)
    if not a.shape == b.shape == fold.shape:
        raise ValueError(
            "`scores_a`, `scores_b` and `folds` must have one shape, (runs, cases), got "
            f"{a.shape}, {b.shape} and {fold.shape}."
        )
    if names.shape != (labels.size,):
        raise ValueError(f"`subgroups` must be of shape ({labels.size},), got {names.shape}.")
    min_cases = check_positive_int(min_cases, name="min_cases")
    level = check_confidence_level(confidence_level)

    known = ~pd.isna(names)
    levels = sorted(set(names[known].tolist()), key=str)
    member = np.full(labels.size, -1)
    for number, name in enumerate(levels):
        member[known & (names == name)] = number
    clusters = sample.units
    rows = [
        _counts(name, labels[own], clusters[own], sample.clustered)
        for name, own in ((name, member == n) for n, name in enumerate(levels))
    ]
    enough = [
        number
        for number, row in enumerate(rows)
        if min(row["n_events"], row["n_cases"] - row["n_events"]) >= min_cases
    ]
    use = np.isin(member, enough)
    estimates, covariance = np.empty((3, 0)), np.empty((3, 0, 0))
    if enough:
        position = np.searchsorted(enough, member[use])
        estimates, covariance = _estimates(
            labels[use],
            a[:, use],
            b[:, use],
            folds=fold[:, use],
            member=position,
            clusters=clusters[use],
            n_levels=len(enough),
        )
    for order, number in enumerate(enough):
        errors = np.sqrt(covariance[:, order, order])
        difference = float(estimates[2, order])
        _, pvalue, interval = wald_inference(
            difference, float(errors[2]), confidence_level=level, bounds=(-1.0, 1.0)
        )
        rows[number] |= {
            "auc_a": estimates[0, order],
            "auc_a_se": errors[0],
            "auc_b": estimates[1, order],
            "auc_b_se": errors[1],
            "difference": difference,
            "standard_error": errors[2],
            "ci_low": interval.low,
            "ci_high": interval.high,
            "pvalue": pvalue,
        }
    table = pd.DataFrame(rows, columns=[*_COUNTS, *_NUMBERS])
    interaction = _interaction(estimates[2], covariance[2], sample, level)
    return SubgroupResult(table, interaction, int((~known).sum()))


_COUNTS = ("subgroup", "n_cases", "n_events", "n_groups")
_NUMBERS = (
    "auc_a",
    "auc_a_se",
    "auc_b",
    "auc_b_se",
    "difference",
    "standard_error",
    "ci_low",
    "ci_high",
    "pvalue",
)


def _counts(name: Any, labels: np.ndarray, clusters: np.ndarray, named: bool) -> dict[str, Any]:
    patients = np.unique(clusters).size if named else None
    counts = {"n_cases": labels.size, "n_events": int(labels.sum()), "n_groups": patients}
    return {"subgroup": str(name), **counts, **dict.fromkeys(_NUMBERS, math.nan)}


def _estimates(
    labels: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    *,
    folds: np.ndarray,
    member: np.ndarray,
    clusters: np.ndarray,
    n_levels: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates (3, G) and covariances (3, G, G) of arm a, arm b and their difference."""
    n_runs = len(a)
    cells = _cells(labels, folds, member, n_levels)
    n_pairs = (cells.n_positive * cells.n_negative).astype(float)
    level_of = np.arange(cells.n_positive.size) % n_levels
    run_of = np.arange(cells.n_positive.size) // cells.n_folds
    in_level = np.bincount(run_of * n_levels + level_of, weights=n_pairs).reshape(n_runs, n_levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = (
            np.where(labels[None], cells.n_negative[cells.cell], cells.n_positive[cells.cell])
            / in_level[:, member]
        )
        aucs, placed = zip(
            *(placements_within(labels, scores, cells) for scores in (a, b)), strict=True
        )
    estimates, influences = [], []
    for auc, own in zip(aucs, placed, strict=True):
        sums = np.bincount(
            run_of * n_levels + level_of, weights=np.where(n_pairs > 0, auc.ravel(), 0) * n_pairs
        ).reshape(n_runs, n_levels)
        with np.errstate(invalid="ignore"):
            per_run = sums / in_level
        estimates.append(per_run)
        # A case without a partner in its cell has weight 0 and no placement.
        influences.append(np.where(weight > 0, weight * (own - per_run[:, member]), 0.0))
    estimates.append(estimates[0] - estimates[1])
    influences.append(influences[0] - influences[1])
    _, codes = np.unique(clusters, return_inverse=True)
    covariance = np.stack([_mean_covariance(own, codes, member, n_levels) for own in influences])
    return np.stack([own.mean(axis=0) for own in estimates]), covariance


def _cells(labels: np.ndarray, folds: np.ndarray, member: np.ndarray, n_levels: int) -> FoldCells:
    """Cells of run, fold and subgroup; some may lack a class."""
    n_runs = len(folds)
    codes = np.stack([np.unique(row, return_inverse=True)[1] for row in folds])
    n_folds = int(codes.max()) + 1
    index = (np.arange(n_runs)[:, None] * n_folds + codes) * n_levels + member
    n_cells = n_runs * n_folds * n_levels
    total = np.bincount(index.ravel(), minlength=n_cells)
    positive = np.bincount(index[:, labels].ravel(), minlength=n_cells)
    return FoldCells(index, n_runs, n_folds * n_levels, positive, total - positive)


def _mean_covariance(
    influence: np.ndarray, codes: np.ndarray, member: np.ndarray, n_levels: int
) -> np.ndarray:
    """Mean over runs of the clustered covariance matrix of the subgroups' estimates."""
    n_clusters = int(codes.max()) + 1
    place = codes * n_levels + member
    total = np.zeros((n_levels, n_levels))
    for run in influence:
        sums = np.bincount(place, weights=run, minlength=n_clusters * n_levels)
        matrix = sums.reshape(n_clusters, n_levels)
        total += matrix.T @ matrix
    own = np.array([np.unique(codes[member == level]).size for level in range(n_levels)])
    small = np.sqrt(own / np.maximum(own - 1, 1))
    return total / len(influence) * np.outer(small, small)


def _interaction(
    differences: np.ndarray, covariance: np.ndarray, sample: CaseSample, level: float
) -> TestResult:
    """Chi-square test that all differences are equal."""
    df = len(differences) - 1
    statistic = pvalue = math.nan
    notes: tuple[ResultWarning, ...] = ()
    if df < 1:
        text = "fewer than two subgroups have enough cases: no interaction can be tested"
        notes = (ResultWarning("few-subgroups", text),)
    else:
        contrast = np.hstack([np.ones((df, 1)), -np.eye(df)])
        middle = contrast @ covariance @ contrast.T
        if np.isfinite(middle).all() and np.linalg.matrix_rank(middle) == df:
            shift = contrast @ differences
            statistic = float(shift @ np.linalg.solve(middle, shift))
            pvalue = float(scipy.stats.chi2.sf(statistic, df))
        else:
            text = "the differences carry no variance, so that the test is not defined"
            notes = (ResultWarning("zero-variance", text),)
    clusters = ", clustered by patient" if sample.clustered else ""
    return conclude(
        Hypothesis(confidence_level=level),
        Inference(statistic, pvalue, df=float(max(df, 0))),
        estimates=differences,
        size=sample.size,
        procedure=Procedure(name="subgroup-interaction", clustered=sample.clustered, n_arms=2),
        method=f"Chi-square test that subgroups do not differ in the difference in AUC{clusters}",
        warnings=notes,
    )
