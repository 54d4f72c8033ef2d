"""Variance of a metric, or of a difference, from the influences of the cases."""

from __future__ import annotations

__all__ = ["ROUNDING", "SAME", "influence_covariance", "influence_variance", "reference_df"]

import math

import numpy as np

from .._shared.paired_sample import CaseSample
from .._shared.placements import component_covariance
from ..procedure import ResultWarning
from .base import Metric

SAME = ResultWarning(
    "no-difference", "the difference does not vary between cases: both arms do alike on every case"
)
# Differences of metrics below this are rounding of sums that are equal.
ROUNDING = 1e-13


def influence_variance(metric: Metric, sample: CaseSample, influence: np.ndarray) -> float:
    """Variance of a metric whose cases have these influences.

    Within classes it is DeLong's (Obuchowski's with patients) with components in place of placement
    values; over all cases the sum of squares of the units' sums, times u / (u - 1) for u units.
    """
    return float(influence_covariance(metric, sample, influence[None])[0, 0])


def influence_covariance(metric: Metric, sample: CaseSample, influences: np.ndarray) -> np.ndarray:
    """Covariance (m, m) of m values of a metric, from their influences (m, n)."""
    if metric.by_class:
        components = influences * metric.sizes(sample.labels)
        return component_covariance(components, sample.labels, sample.codes)
    sums = influences
    if sample.codes is not None:
        n_groups = int(sample.codes.max()) + 1
        sums = np.stack(
            [np.bincount(sample.codes, weights=own, minlength=n_groups) for own in influences]
        )
    n_units = sums.shape[1]
    if n_units < 2:
        return np.full((len(sums), len(sums)), math.nan)
    covariance: np.ndarray = sums @ sums.T * n_units / (n_units - 1)
    return covariance


def reference_df(metric: Metric, sample: CaseSample) -> float:
    """Degrees of freedom: those of a t test of the units, or infinite, as DeLong's."""
    return math.inf if metric.by_class else float(sample.n_units - 1)
