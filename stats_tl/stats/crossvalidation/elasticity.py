"""Elasticity of the learning curve, beta = d log(probit AUC) / d log(training size).

Two things speak of it, and are combined by their precisions: *half-sample repeats*, the AUC of
two-fold cross-validation, which trains on half of the cases, beside that of K folds; and a
*prior*, what learners showed at that AUC. An AUC below .5 is as far from chance as its mirror
image, and labels and scores may be reversed without consequence.
"""

from __future__ import annotations

__all__ = [
    "Elasticity",
    "TwoArmMeans",
    "check_elasticity",
    "combine",
    "half_elasticity",
    "learning_curve_variance",
    "neutral_prior",
    "prior",
    "total_variance",
]

import math
from typing import NamedTuple

import numpy as np
import scipy

from .._shared.placements import component_covariance

# Set on the selection half of the calibration study, before its other half was seen.
PRIOR_SLOPE, PRIOR_SD, PRIOR_MOST = 0.08, 0.12, 0.5
# Of other metrics than the AUC: that of an AUC of .8.
PRIOR_NEUTRAL = 0.1


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


def check_elasticity(value: float) -> float:
    """At least -1, where training takes away all that testing adds; no upper end.

    A learner whose results hang on the cases it was trained on more than on those it was
    tested on, as neighbours do, has an elasticity above 1.
    """
    if not (value >= -1 and math.isfinite(value)):
        raise ValueError(
            "`elasticity` must be a finite number of at least -1 (0: training adds no variance; "
            f"1: as much again as testing, fully correlated), got {value!r}."
        )
    return float(value)


NOTHING = Elasticity(0.0, math.inf)


def prior(auc: float) -> Elasticity:
    """What is known of beta from the AUC alone."""
    z = abs(float(scipy.special.ndtri(auc)))
    value = PRIOR_MOST if z <= PRIOR_SLOPE / PRIOR_MOST else PRIOR_SLOPE / z
    return Elasticity(value, PRIOR_SD**2)


def neutral_prior() -> Elasticity:
    """What is assumed of a metric without a learning curve that was studied."""
    return Elasticity(PRIOR_NEUTRAL, PRIOR_SD**2)


def combine(*estimates: Elasticity) -> Elasticity:
    """Precision-weighted mean, in [0, 1]."""
    weights = np.array([1 / e.variance for e in estimates])
    value = float(weights @ [e.value for e in estimates]) / float(weights.sum())
    return Elasticity(min(max(value, 0.0), 1.0), 1 / float(weights.sum()))


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
        Nothing where a mean AUC is 0, .5 or 1, or the two lie on either side of .5.
    """
    auc, half_auc = float(full.aucs.mean()), float(half.aucs.mean())
    z, z_half = (float(scipy.special.ndtri(value)) for value in (auc, half_auc))
    if not (z * z_half > 0 and math.isfinite(z * z_half)):
        return NOTHING
    distance = math.log(2 * (n_folds - 1) / n_folds)
    rate, rate_half = (
        math.sqrt(2 * math.pi) * math.exp(v * v / 2) / v / distance for v in (z, z_half)
    )
    influence = rate * full.placements - rate_half * half.placements
    variance = float(component_covariance(influence[None], labels, codes)[0, 0])
    for own, factor in ((full.aucs, rate), (half.aucs, rate_half)):
        if own.size > 1:
            variance += factor**2 * float(own.var(ddof=1)) / own.size
    return Elasticity(math.log(z / z_half) / distance, max(variance, 1e-12))


def learning_curve_variance(
    shared: float,
    repeat: float,
    elasticity: float,
    n_repeats: int,
    *,
    shared_error: float = 0.0,
    elasticity_error: float = 0.0,
) -> tuple[float, float]:
    """Variance and degrees of freedom of the learning-curve corrected test.

    The degrees of freedom are Satterthwaite's, 2 V**2 / Var(V), with the sampling variances of
    the shared variance, of the elasticity and of the variance between repeats.
    """
    shared = max(shared, 0.0)
    factor = 1 + elasticity
    uncertainty = (2 * factor * shared * elasticity_error) ** 2 + (factor**2 * shared_error) ** 2
    return total_variance(factor**2 * shared, uncertainty, repeat, n_repeats)


def total_variance(
    through_cases: float, uncertainty: float, repeat: float, n_repeats: int
) -> tuple[float, float]:
    """Variance and Satterthwaite's degrees of freedom, 2 V**2 / Var(V).

    `uncertainty` is the variance of the estimated variance through cases.
    """
    between = repeat / n_repeats
    variance = through_cases + between
    uncertainty = uncertainty + 2 * between**2 / (n_repeats - 1)
    df = 2 * variance**2 / uncertainty if uncertainty > 0 else math.inf
    return variance, max(df, 1.0)
