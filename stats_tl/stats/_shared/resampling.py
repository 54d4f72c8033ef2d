"""Bootstrap replicates as integer weights, and intervals from the replicates.

A bootstrap sample is a vector of counts: how often each unit (case, or patient with all
its cases) was drawn. A statistic of the sample is then a function of weighted cases that
were sorted once. Counts come in chunks, so that memory is bounded; every stratum has its
own random stream, so that the chunk size changes nothing.
"""

from __future__ import annotations

__all__ = [
    "BOOTSTRAP_METHODS",
    "Resampler",
    "acceleration",
    "bootstrap_interval",
    "describe_resampling",
]

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import special

from ..results import ConfidenceInterval

BOOTSTRAP_METHODS = ("BCa", "percentile", "basic")

# Entries of a chunk of weights: small enough for the cache, large enough for NumPy.
CHUNK_ENTRIES = 1 << 20


class Resampler:
    """Units, strata and random streams of a bootstrap.

    Parameters
    ----------
    labels : ndarray of bool, shape (n,)
        True for positive cases.
    codes : ndarray of int, shape (n,), or None
        Patient of each case; None makes every case its own unit.
    stratified : bool
        Resample within classes. Patients are stratified by whether they have negative
        cases only, positive cases only, or both.

    Attributes
    ----------
    unit : ndarray of int, shape (n,)
        Unit of each case, numbered stratum by stratum.
    n_units : int
        Number of units.
    sizes : list of int
        Units per stratum.
    """

    def __init__(self, labels: np.ndarray, codes: np.ndarray | None, stratified: bool) -> None:
        if codes is None:
            codes = np.arange(labels.size)
        n_units = int(codes.max()) + 1
        if stratified:
            has_positive = np.bincount(codes[labels], minlength=n_units) > 0
            has_negative = np.bincount(codes[~labels], minlength=n_units) > 0
            stratum = has_positive.astype(np.intp) + (has_positive & has_negative)
        else:
            stratum = np.zeros(n_units, dtype=np.intp)
        rank = np.empty(n_units, dtype=np.intp)
        rank[np.argsort(stratum, kind="stable")] = np.arange(n_units)
        self.unit = rank[codes]
        self.n_units = n_units
        self.sizes = [int(size) for size in np.bincount(stratum) if size]

    def weights(
        self, rng: Any, n_resamples: int, *, chunk_entries: int = CHUNK_ENTRIES
    ) -> Iterator[np.ndarray]:
        """Yield counts of the units, int32 arrays of shape (replicates, n_units)."""
        parent = np.random.default_rng(rng)
        seeds = parent.integers(2**63, size=len(self.sizes))
        streams = [np.random.Generator(np.random.SFC64(int(seed))) for seed in seeds]
        step = max(1, min(n_resamples, chunk_entries // self.n_units))
        for done in range(0, n_resamples, step):
            counts = np.empty((min(step, n_resamples - done), self.n_units), dtype=np.int32)
            start = 0
            for size, stream in zip(self.sizes, streams, strict=True):
                _count_draws(stream, counts[:, start : start + size])
                start += size
            yield counts

    def influence(self, per_case: np.ndarray) -> np.ndarray:
        """Sum of `per_case` over the cases of each unit, centred within strata."""
        total = np.bincount(self.unit, weights=per_case, minlength=self.n_units)
        start = 0
        for size in self.sizes:
            total[start : start + size] -= total[start : start + size].mean()
            start += size
        return total


def acceleration(influence: np.ndarray) -> float:
    """Acceleration of the BCa interval from each unit's contribution to the first-order error.

    With contributions c summing to zero in every stratum it is
    ``sum(c**3) / (6 * sum(c**2)**1.5)``; 0 where nothing varies.
    """
    spread = float(np.sum(influence**2))
    return float(np.sum(influence**3)) / (6 * spread**1.5) if spread > 0 else 0.0


def bootstrap_interval(
    draws: np.ndarray,
    estimate: float,
    *,
    method: str,
    alternative: str,
    confidence_level: float,
    accel: float = 0.0,
) -> ConfidenceInterval:
    """Percentile, basic or BCa interval.

    NaN where BCa is undefined: all replicates lie on one side of the estimate.
    """
    if (draws == estimate).all():
        return ConfidenceInterval(estimate, estimate)
    tail = 1 - confidence_level
    if alternative == "two-sided":
        levels = np.array([tail / 2, 1 - tail / 2])
    else:
        levels = np.array([tail, 1 - tail])
    if method == "BCa":
        below = (np.sum(draws < estimate) + np.sum(draws <= estimate)) / (2 * draws.size)
        if below in (0.0, 1.0):
            return ConfidenceInterval(math.nan, math.nan)
        bias = special.ndtri(below)
        shifted = bias + special.ndtri(levels)
        levels = special.ndtr(bias + shifted / (1 - accel * shifted))
    low, high = (float(q) for q in np.quantile(draws, levels))
    if method == "basic":
        low, high = 2 * estimate - high, 2 * estimate - low
    if alternative == "greater":
        high = math.inf
    elif alternative == "less":
        low = -math.inf
    return ConfidenceInterval(low, high)


def describe_resampling(codes: np.ndarray | None, stratified: bool) -> str:
    """What was resampled, for the sentence that names the method."""
    units = "cases" if codes is None else "patients"
    return f"{units} resampled{' within classes' if stratified else ''}, fitted models fixed"


def _count_draws(stream: np.random.Generator, counts: np.ndarray) -> None:
    """Fill `counts` (replicates, units) with multinomial counts of equal probabilities."""
    n_replicates, size = counts.shape
    drawn = stream.integers(0, size, size=(n_replicates, size), dtype=np.uint32)
    if size < 512:  # one call for the whole chunk
        flat = drawn + (np.arange(n_replicates) * size)[:, None]
        counts[:] = np.bincount(flat.ravel(), minlength=counts.size).reshape(counts.shape)
    else:
        for row, own in zip(counts, drawn, strict=True):
            row[:] = np.bincount(own, minlength=size)
