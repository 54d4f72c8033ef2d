"""Three estimators of the covariance between AUCs of curves that share their cases.

With psi(x, y) = 1, 1/2 or 0 as x is above, equal to or below y, an AUC is the mean of psi
over all pairs of a positive and a negative case. DeLong's estimator uses the variation of
the placement values, the jackknife the AUCs without each case, and the unbiased one
replaces E[A_a] E[A_b] by the mean of psi_a psi_b over pairs that share no case.
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
        One row per curve.
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
        other than DeLong's, or all cases of a class belong to one patient.

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
    values = as_score_matrix(scores, labels.size)
    codes = as_groups(groups, labels.size)
    if covariance not in COVARIANCES:
        raise ValueError(f"`covariance` must be one of {COVARIANCES}, got {covariance!r}.")
    if codes is not None and covariance != "delong":
        raise ValueError(
            f"`groups` needs covariance='delong', got {covariance!r}: the other estimators take "
            "cases as independent."
        )
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
    return aucs, _unbiased_covariance(labels, values, components, aucs)


def _unbiased_covariance(
    labels: np.ndarray, values: np.ndarray, components: np.ndarray, aucs: np.ndarray
) -> np.ndarray:
    """U-statistic: E[A_a A_b] by A_a A_b, E[A_a] E[A_b] by pairs that share no case."""
    x, y = values[:, labels], values[:, ~labels]
    (m, n1), n0 = x.shape, y.shape[1]
    both = np.zeros((m, m))  # sum over (i, j) of psi_a psi_b
    block = max(1, KERNEL_BLOCK // (m * n0))
    for start in range(0, n1, block):
        part = x[:, start : start + block, None]
        kernel = (part > y[:, None, :]) + 0.5 * (part == y[:, None, :])
        kernel = kernel.reshape(m, -1)
        both += kernel @ kernel.T
    v10, v01 = components[:, labels], components[:, ~labels]
    same_positive = n0**2 * (v10 @ v10.T)
    same_negative = n1**2 * (v01 @ v01.T)
    everything = (n1 * n0) ** 2 * np.outer(aucs, aucs)
    neither = (everything - same_positive - same_negative + both) / (n1 * (n1 - 1) * n0 * (n0 - 1))
    covariance: np.ndarray = np.outer(aucs, aucs) - neither
    return covariance
