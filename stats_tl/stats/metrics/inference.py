"""Variance of a metric, or of a difference, from the influences of the cases."""

from __future__ import annotations

__all__ = ["ROUNDING", "SAME", "influence_variance", "reference_df"]

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
    if metric.by_class:
        components = influence * metric.sizes(sample.labels)
        return float(component_covariance(components[None], sample.labels, sample.codes)[0, 0])
    sums = influence
    if sample.codes is not None:
        sums = np.bincount(sample.codes, weights=influence)
    n_units = sums.size
    if n_units < 2:
        return math.nan
    return float(sums @ sums) * n_units / (n_units - 1)


def reference_df(metric: Metric, sample: CaseSample) -> float:
    """Degrees of freedom: those of a t test of the units, or infinite, as DeLong's."""
    return math.inf if metric.by_class else float(sample.n_units - 1)
