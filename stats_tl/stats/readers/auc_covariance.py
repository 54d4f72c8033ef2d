"""Three estimators of the covariance between AUCs of curves that share their cases.

With psi(x, y) = 1, 1/2 or 0 as x is above, equal to or below y, an AUC is the mean of psi
over all pairs of a positive and a negative case. DeLong's estimator uses the variation of
the placement values, the jackknife the AUCs without each case, and the unbiased one
replaces E[A_a] E[A_b] by the mean of psi_a psi_b over pairs that share no case.

Where a curve lacks the scores of some cases its AUC is that of the cases it has; two curves
covary through the cases that they have in common.
"""

from __future__ import annotations

__all__ = ["auc_covariance"]

from typing import Any

import numpy as np

from .._shared.placements import class_sizes, component_covariance, components_of
from .._shared.validation import as_groups, as_labels, as_score_matrix, variance_obstacle

COVARIANCES = ("delong", "jackknife", "unbiased")
# Most kernel values held at a time by the unbiased covariance (32 MB).
KERNEL_BLOCK = 4_000_000


def auc_covariance(
    y_true: Any, scores: Any, *, covariance: str = "delong", groups: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """AUCs of several curves on the same cases and an estimate of their covariance.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Reference standard, 0 or 1.
    scores : array_like of shape (m, n)
        One row per curve; NaN where a case has no score there, with at least two cases of
        either class left.
    covariance : {"delong", "jackknife", "unbiased"}, default "delong"
        DeLong's estimator, the leave-one-case-out jackknife, or the U-statistic.
    groups : array_like of shape (n,), optional
        Patient of each case; needs ``covariance="delong"``.

    Returns
    -------
    aucs : numpy.ndarray of shape (m,)
        Areas under the curves.
    covariance : numpy.ndarray of shape (m, m)
        NaN, without a warning, with a single positive or negative case.

    Raises
    ------
    ValueError
        If `covariance` is unknown, shapes disagree, groups are given for an estimator
        other than DeLong's, all cases of a class belong to one patient, or scores are missing
        for the jackknife or with groups.

    Notes
    -----
    The unbiased estimate of a variance can be negative in very small samples; do not take
    its square root unseen.

    Examples
    --------
    >>> from stats_tl.stats.readers.auc_covariance import auc_covariance
    >>> y = [0, 0, 0, 1, 1, 1]
    >>> aucs, covariance = auc_covariance(y, [[1, 2, 4, 3, 5, 6]], covariance="unbiased")
    >>> float(aucs[0].round(3)), float(covariance[0, 0].round(4))
    (0.889, 0.0123)
    """
    labels = as_labels(y_true)
    values = as_score_matrix(scores, labels.size, missing=True)
    codes = as_groups(groups, labels.size)
    if covariance not in COVARIANCES:
        raise ValueError(f"`covariance` must be one of {COVARIANCES}, got {covariance!r}.")
    if codes is not None and covariance != "delong":
        raise ValueError(
            f"`groups` needs covariance='delong', got {covariance!r}: the other estimators take "
            "cases as independent."
        )
    present = ~np.isnan(values)
    if not present.all():
        _check_incomplete(present, covariance, clustered=codes is not None)
        return _incomplete(labels, values, present, covariance)
    n1, n0 = class_sizes(labels)
    aucs, components = components_of(labels, values)
    if variance_obstacle(labels, codes):
        return aucs, np.full((len(values), len(values)), np.nan)
    if covariance == "delong":
        return aucs, component_covariance(components, labels, codes)
    if covariance == "jackknife":
        left = np.where(labels, n1, n0)
        without = (left * aucs[:, None] - components) / (left - 1)
        without -= without.mean(axis=1, keepdims=True)
        return aucs, (labels.size - 1) / labels.size * (without @ without.T)
    return aucs, _unbiased_covariance(labels, values, components, aucs, present)


def _unbiased_covariance(
    labels: np.ndarray,
    values: np.ndarray,
    components: np.ndarray,
    aucs: np.ndarray,
    present: np.ndarray,
) -> np.ndarray:
    """U-statistic: E[A_a A_b] by A_a A_b, E[A_a] E[A_b] by pairs that share no case.

    A pair of cases of which one has no score counts as nought in every sum.
    """
    x, y = values[:, labels], values[:, ~labels]
    (m, n1), n0 = x.shape, y.shape[1]
    both = np.zeros((m, m))  # sum over (i, j) of psi_a psi_b
    block = max(1, KERNEL_BLOCK // (m * n0))
    for start in range(0, n1, block):
        part = x[:, start : start + block, None]
        kernel = (part > y[:, None, :]) + 0.5 * (part == y[:, None, :])  # NaN: 0
        kernel = kernel.reshape(m, -1)
        both += kernel @ kernel.T
    has1, has0 = (present[:, own].astype(np.float64) for own in (labels, ~labels))
    size1, size0 = has1.sum(axis=1), has0.sum(axis=1)
    v10 = components[:, labels] * has1 * size0[:, None]
    v01 = components[:, ~labels] * has0 * size1[:, None]
    everything = np.outer(aucs * size1 * size0, aucs * size1 * size0)
    total = np.outer(size1 * size0, size1 * size0)
    common1, common0 = has1 @ has1.T, has0 @ has0.T
    disjoint = (
        total
        - np.outer(size1, size1) * common0
        - np.outer(size0, size0) * common1
        + common1 * common0
    )
    neither = (everything - v10 @ v10.T - v01 @ v01.T + both) / disjoint
    covariance: np.ndarray = np.outer(aucs, aucs) - neither
    # Curves that share no case are independent.
    return np.where((common1 == 0) & (common0 == 0), 0.0, covariance)


def _check_incomplete(present: np.ndarray, covariance: str, *, clustered: bool) -> None:
    if covariance == "jackknife" or clustered:
        other = "`groups`" if clustered else "covariance='jackknife'"
        raise ValueError(
            f"{int((~present).sum())} scores are missing, which {other} does not allow: leave the "
            "cases out that not every reader scored, or use covariance='delong' or 'unbiased' "
            "with independent cases."
        )


def _incomplete(
    labels: np.ndarray, values: np.ndarray, present: np.ndarray, covariance: str
) -> tuple[np.ndarray, np.ndarray]:
    """AUCs from the cases that each curve has, and the covariance from those in common."""
    aucs, components = np.empty(len(values)), np.zeros(values.shape)
    for row, (own, has) in enumerate(zip(values, present, strict=True)):
        found, placed = components_of(labels[has], own[None, has])
        aucs[row], components[row, has] = found[0], placed[0]
    if covariance == "unbiased":
        return aucs, _unbiased_covariance(labels, values, components, aucs, present)
    matrix = np.zeros((len(values), len(values)))
    deviations = np.where(present, components - aucs[:, None], 0.0)
    for own in (labels, ~labels):
        has = present[:, own].astype(np.float64)
        sizes, common = has.sum(axis=1), has @ has.T
        # The sample covariance over the cases in common, as often as there are such.
        products = (deviations[:, own] @ deviations[:, own].T) * common
        products /= np.where(common > 1, common - 1, 1.0)
        matrix += products / np.outer(sizes, sizes)
    return aucs, matrix
