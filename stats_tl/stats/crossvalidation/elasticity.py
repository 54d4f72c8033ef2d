"""How much a case matters as a training case, as a multiple of what it matters as a test case.

beta is the elasticity of the learning curve, d log(probit AUC) / d log(training size). Two
observations and a prior speak of it, and are combined by their precisions:

- *half-sample repeats*: the AUC of two-fold cross-validation, which trains on half of the
  cases, beside that of K folds;
- *fold composition*: a fold whose cases are easy leaves a training set that lacks them. With
  G the mean placement of a fold's cases in the *other* repeats, the AUC of the fold rises
  by 1 - b / (K - 1) for each unit of G. The product of G over two other repeats, in place of
  its square, keeps the noise of G out of the slope. In the calibration study b lay between
  beta and twice beta; for a linear discriminant a first approximation gives twice beta;
- *prior*: what the learners of the calibration study showed at that AUC.
"""

from __future__ import annotations

__all__ = [
    "Elasticity",
    "TwoArmMeans",
    "combine",
    "composition_elasticity",
    "half_elasticity",
    "prior",
]

import math
from typing import NamedTuple

import numpy as np
from scipy import sparse, special

from .._shared.fold_cells import FoldCells
from .._shared.placements import component_covariance

# Set on the selection half of the calibration study, before its other half was seen.
PRIOR_SLOPE, PRIOR_SD, PRIOR_MOST = 0.08, 0.12, 0.5
COMPOSITION_BIAS, COMPOSITION_SD = 1.5, 0.08


class TwoArmMeans(NamedTuple):
    """Averages over the two arms of a cross-validation.

    Attributes
    ----------
    aucs : ndarray of shape (repeats,)
        Mean AUC in every repeat.
    placements : ndarray of shape (n,)
        Placement values, averaged over repeats too.
    """

    aucs: np.ndarray
    placements: np.ndarray


class Elasticity(NamedTuple):
    """An estimate of beta and its variance; the variance is infinite where nothing is known."""

    value: float
    variance: float


NOTHING = Elasticity(0.0, math.inf)


def prior(auc: float) -> Elasticity:
    """What is known of beta from the AUC alone."""
    z = float(special.ndtri(auc)) if auc < 1 else math.inf
    value = PRIOR_MOST if z <= PRIOR_SLOPE / PRIOR_MOST else PRIOR_SLOPE / z
    return Elasticity(value, PRIOR_SD**2)


def combine(*estimates: Elasticity) -> Elasticity:
    """Precision-weighted mean, in [0, 1]."""
    weights = np.array([1 / e.variance for e in estimates])
    value = float(weights @ [e.value for e in estimates]) / float(weights.sum())
    return Elasticity(min(max(value, 0.0), 1.0), 1 / float(weights.sum()))


def composition_elasticity(
    placements: np.ndarray, labels: np.ndarray, cells: FoldCells
) -> Elasticity:
    """Elasticity from how the AUC of a fold follows the ease of its cases.

    Parameters
    ----------
    placements : ndarray of shape (repeats, n)
        Placement values within folds, averaged over the arms.
    labels : ndarray of bool, shape (n,)
    cells : FoldCells

    Returns
    -------
    Elasticity
        Nothing with fewer than three repeats, which leave no two others to compare.
    """
    m, k = cells.n_repeats, cells.n_folds
    if m < 3:
        return NOTHING
    centred = placements.copy()
    for own in (labels, ~labels):
        centred[:, own] -= placements[:, own].mean(axis=1, keepdims=True)
    # Column (repeat, fold) averages over the positives and over the negatives of that fold.
    share = 1 / np.where(labels, cells.n_positive[cells.cell], cells.n_negative[cells.cell])
    n = labels.size
    averages = sparse.csr_array(
        (share.T.ravel(), cells.cell.T.ravel(), np.arange(0, n * m + 1, m)), shape=(n, m * k)
    )
    means = (centred @ averages).reshape(m, m, k)  # of repeat l, over fold k of repeat m
    itself = np.arange(m)
    # The positives' and the negatives' average of its own repeat both are the AUC's deviation.
    auc = means[itself, itself] / 2
    others = means.sum(axis=0) - means[itself, itself]
    squares = (means**2).sum(axis=0) - means[itself, itself] ** 2
    product = float((auc * others).sum()) / (m - 1)
    spread = float((others**2 - squares).sum()) / ((m - 1) * (m - 2))
    if spread <= 0:
        return NOTHING
    slope = product / spread
    residual = max(float((auc**2).sum()) - slope**2 * spread, 0.0)
    return Elasticity(
        (k - 1) * (1 - slope) / COMPOSITION_BIAS,
        (k - 1) * residual / (spread * m) / COMPOSITION_BIAS**2 + COMPOSITION_SD**2,
    )


def half_elasticity(
    full: TwoArmMeans,
    half: TwoArmMeans,
    labels: np.ndarray,
    codes: np.ndarray | None,
    n_folds: int,
) -> Elasticity:
    """Elasticity from the AUCs with K folds and with two, by the delta method.

    Parameters
    ----------
    full, half : TwoArmMeans
        Of K-fold and of two-fold cross-validation.
    labels : ndarray of bool, shape (n,)
    codes : ndarray of int, shape (n,), or None
        Patient of each case.
    n_folds : int
        K, more than two.

    Returns
    -------
    Elasticity
        Nothing where a mean AUC is .5 or less, or 1.
    """
    auc, half_auc = float(full.aucs.mean()), float(half.aucs.mean())
    if not (0.5 < auc < 1 and 0.5 < half_auc < 1):
        return NOTHING
    distance = math.log(2 * (n_folds - 1) / n_folds)
    z, z_half = (float(special.ndtri(value)) for value in (auc, half_auc))
    rate, rate_half = (
        math.sqrt(2 * math.pi) * math.exp(v * v / 2) / v / distance for v in (z, z_half)
    )
    influence = rate * full.placements - rate_half * half.placements
    variance = float(component_covariance(influence[None], labels, codes)[0, 0])
    for own, factor in ((full.aucs, rate), (half.aucs, rate_half)):
        if own.size > 1:
            variance += factor**2 * float(own.var(ddof=1)) / own.size
    return Elasticity((math.log(z) - math.log(z_half)) / distance, max(variance, 1e-12))
