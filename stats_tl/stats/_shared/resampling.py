"""How to resample, bootstrap replicates as integer weights, and intervals from replicates.

A bootstrap sample is a vector of counts: how often each unit (case, or patient with all
its cases) was drawn. A statistic of the sample is then a function of weighted cases that
were sorted once. Counts come in chunks, so that memory is bounded; every stratum has its
own random stream, so that the chunk size changes nothing.
"""

from __future__ import annotations

__all__ = [
    "BOOTSTRAP_METHODS",
    "Resampler",
    "Resampling",
    "acceleration",
    "bootstrap_interval",
    "describe_resampling",
    "resampling_of",
]

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from ..results import ConfidenceInterval
from .validation import check_option, check_positive_int

BOOTSTRAP_METHODS = ("BCa", "percentile", "basic")

# Entries of a chunk of weights: small enough for the cache, large enough for NumPy.
CHUNK_ENTRIES = 1 << 20


@dataclass(frozen=True)
class Resampling:
    """Options of a bootstrap or of a permutation test, as one object.

    Functions that resample accept one as ``resampling=``, in place of their keywords for
    the same options. The same options give the same numbers either way.

    Parameters
    ----------
    n_resamples : int, default 9999
        Number of bootstrap replicates or of random permutations.
    rng : int, numpy.random.Generator or None
        Seed or generator. A generator is advanced by every call.
    interval : {"BCa", "percentile", "basic"}, optional
        Kind of bootstrap interval; by default that of the function. Not used by permutation
        tests.
    stratified : bool, default True
        Whether the bootstrap draws within classes. Not used by permutation tests.
    return_draws : bool, default False
        Whether to keep the replicates in ``result.draws``.

    Raises
    ------
    ValueError
        If `n_resamples` is not a positive whole number or `interval` is unknown.

    Examples
    --------
    >>> from stats_tl.stats import Resampling, bootstrap_auc_test
    >>> y_true, a, b = [0, 0, 0, 1, 1, 1], [1, 2, 5, 3, 4, 6], [1, 4, 3, 2, 5, 6]
    >>> how = Resampling(n_resamples=999, rng=0, interval="percentile")
    >>> result = bootstrap_auc_test(y_true, a, b, resampling=how)
    >>> result.procedure.n_resamples, result.procedure.version
    (999, 'percentile')
    """

    n_resamples: int = 9999
    rng: Any = None
    interval: str | None = None
    stratified: bool = True
    return_draws: bool = False

    def __post_init__(self) -> None:
        check_positive_int(self.n_resamples, name="n_resamples")
        if self.interval is not None:
            check_option(self.interval, BOOTSTRAP_METHODS, name="interval")


def resampling_of(
    resampling: Resampling | None,
    keywords: dict[str, Any],
    *,
    interval: str | None = None,
    minimum: int = 2,
    interval_keyword: str = "method",
) -> Resampling:
    """The options that hold: `resampling`, or the `keywords` that were given in its place.

    `interval` is the function's default kind, `interval_keyword` the name of that keyword.

    Raises
    ------
    ValueError
        If an option is out of range, or was given in both ways.
    """
    default = Resampling(interval=interval)
    if resampling is None:
        if "interval" in keywords:
            check_option(keywords["interval"], BOOTSTRAP_METHODS, name=interval_keyword)
        check_positive_int(keywords["n_resamples"], name="n_resamples", minimum=minimum)
        resampling = Resampling(**keywords)
    elif isinstance(resampling, Resampling):
        for name, value in keywords.items():
            usual = getattr(default, name)
            if value is not usual and value != usual:
                keyword = interval_keyword if name == "interval" else name
                raise ValueError(
                    f"`{keyword}` and `resampling` were both given; set `{name}` in `resampling`."
                )
        resampling = dataclasses.replace(resampling, interval=resampling.interval or interval)
    else:
        raise ValueError(f"`resampling` must be a Resampling, got {type(resampling).__name__}.")
    check_positive_int(resampling.n_resamples, name="n_resamples", minimum=minimum)
    return resampling


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
        bias = scipy.special.ndtri(below)
        shifted = bias + scipy.special.ndtri(levels)
        levels = scipy.special.ndtr(bias + shifted / (1 - accel * shifted))
    low, high = (float(q) for q in np.quantile(draws, levels))
    if method == "basic":
        low, high = 2 * estimate - high, 2 * estimate - low
    if alternative == "greater":
        high = math.inf
    elif alternative == "less":
        low = -math.inf
    return ConfidenceInterval(low, high)


def describe_resampling(clustered: bool, stratified: bool) -> str:
    """What was resampled, for the sentence that names the method."""
    units = "patients" if clustered else "cases"
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
