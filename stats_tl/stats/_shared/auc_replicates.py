"""Bootstrap replicates of an AUC, or of the difference of two, without sorting again.

With unit counts w, the doubled Mann-Whitney count of a replicate is bilinear,

    2 U = sum over positive i and negative j of w_i w_j (1 + s_ij),   s_ij = sign(x_i - y_j),

which is evaluated in one of two exact ways:

- *kernel*: s (of the difference of two curves, summed over the cases of a unit) is held as
  a matrix over units, and a chunk of replicates costs one matrix product. Its entries are
  small whole numbers, exact in single precision. For up to about a thousand units.
- *prefix*: the counts of the negative cases, put in the order of the scores, are summed
  up; each positive case reads off the weight below it and the weight below or tied.
  O(n) a replicate, for any n.
"""

from __future__ import annotations

__all__ = ["AUCReplicates"]

from itertools import pairwise
from typing import Any

import numpy as np

from .placements import tie_groups
from .resampling import Resampler

# Seconds per elementary step, as measured on one core; only their ratios matter.
KERNEL_BUILD, KERNEL_STEP, PREFIX_STEP = 2e-9, 2.5e-11, 4e-9


class AUCReplicates:
    """Evaluator of one AUC, or of the difference of two, under unit weights.

    Parameters
    ----------
    labels : ndarray of bool, shape (n,)
        True for positive cases.
    scores : list of one or two ndarrays of shape (n,)
        Scores; with two, the statistic is the first AUC minus the second.
    resampler : Resampler
        Units of the resampling.
    n_resamples : int
        Number of replicates to come, which decides the way of evaluation.
    strategy : {"auto", "kernel", "prefix"}
        Way of evaluation; the result is the same.
    """

    def __init__(
        self,
        labels: np.ndarray,
        scores: list[np.ndarray],
        resampler: Resampler,
        n_resamples: int,
        strategy: str = "auto",
    ) -> None:
        self.resampler = resampler
        self.single = len(scores) == 1
        unit1, unit0 = resampler.unit[labels], resampler.unit[~labels]
        self._cases1 = np.bincount(unit1, minlength=resampler.n_units).astype(np.float64)
        self._cases0 = np.bincount(unit0, minlength=resampler.n_units).astype(np.float64)
        self._units1, self._units0 = np.flatnonzero(self._cases1), np.flatnonzero(self._cases0)
        if strategy == "auto":
            pairs = unit1.size * unit0.size
            kernel = len(scores) * pairs * KERNEL_BUILD
            kernel += n_resamples * self._units1.size * self._units0.size * KERNEL_STEP
            prefix = n_resamples * len(scores) * labels.size * PREFIX_STEP
            small = self._units1.size * self._units0.size <= 1 << 24
            strategy = "kernel" if small and kernel < prefix else "prefix"
        self._kernel: np.ndarray | None = None
        if strategy == "kernel":
            self._kernel = self._build_kernel(labels, scores)
        else:
            self._curves = [_PrefixCurve(labels, s, resampler.unit) for s in scores]

    def draw(self, rng: Any, n_resamples: int, **options: int) -> np.ndarray:
        """Replicates, float array of shape (n_resamples,); NaN where a class was not drawn."""
        chunks = self.resampler.weights(rng, n_resamples, **options)
        return np.concatenate([self(weights) for weights in chunks])

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Statistic under each row of `weights`, int array of shape (replicates, n_units)."""
        n_positive, n_negative = weights @ self._cases1, weights @ self._cases0
        pairs = n_positive * n_negative
        if self._kernel is None:
            doubled = self._curves[0].doubled_count(weights)
            if not self.single:
                doubled -= self._curves[1].doubled_count(weights)
        else:
            dtype = self._kernel.dtype
            w1 = weights[:, self._units1].astype(dtype)
            w0 = weights[:, self._units0].astype(dtype)
            doubled = np.einsum("bi,bi->b", w1, w0 @ self._kernel, dtype=np.float64)
            if self.single:
                doubled += pairs
        with np.errstate(invalid="ignore", divide="ignore"):
            return doubled / (2 * pairs)

    def _build_kernel(self, labels: np.ndarray, scores: list[np.ndarray]) -> np.ndarray:
        """Sums of sign differences over units, transposed: (negative units, positive units)."""
        unit1, unit0 = self.resampler.unit[labels], self.resampler.unit[~labels]
        by_unit1, by_unit0 = np.argsort(unit1, kind="stable"), np.argsort(unit0, kind="stable")
        starts1 = np.flatnonzero(np.diff(unit1[by_unit1], prepend=-1))
        starts0 = np.flatnonzero(np.diff(unit0[by_unit0], prepend=-1))
        # Partial sums are whole numbers; single precision holds them exactly up to 2^24.
        largest = 2 * self._cases1.max() * self._cases0.max() * self.resampler.n_units
        dtype = np.float32 if largest < 2**24 else np.float64
        kernel = np.zeros((starts0.size, starts1.size), dtype=dtype)
        for values, factor in zip(scores, (1, -1), strict=False):
            ranks = _dense_ranks(values)
            positive, negative = ranks[labels][by_unit1], ranks[~labels][by_unit0]
            step = max(1, (1 << 20) // positive.size)
            for first, last in _unit_blocks(starts0, negative.size, step):
                low = starts0[first]
                high = starts0[last] if last < starts0.size else negative.size
                sign = np.sign(positive - negative[low:high, None])
                sign = np.add.reduceat(sign, starts1, axis=1)
                sums = np.add.reduceat(sign, starts0[first:last] - low, axis=0)
                kernel[first:last] += factor * sums
        return kernel


class _PrefixCurve:
    """Weighted Mann-Whitney counts of one curve through cumulative weights."""

    def __init__(self, labels: np.ndarray, scores: np.ndarray, unit: np.ndarray) -> None:
        order, starts = tie_groups(scores)
        positive = labels[order]
        negatives_to = np.concatenate([[0], np.cumsum(~positive)])
        sizes = np.diff(starts, append=scores.size)
        self._units0 = unit[order[~positive]]
        self._units1 = unit[order[positive]]
        self._below = np.repeat(negatives_to[starts], sizes)[positive]
        self._upto = np.repeat(negatives_to[starts + sizes], sizes)[positive]
        self._tied = bool((self._below != self._upto).any())

    def doubled_count(self, weights: np.ndarray) -> np.ndarray:
        cumulated = np.zeros((len(weights), self._units0.size + 1), dtype=np.int32)
        np.cumsum(weights.take(self._units0, axis=1), axis=1, dtype=np.int32, out=cumulated[:, 1:])
        below = cumulated.take(self._below, axis=1)
        w1 = weights.take(self._units1, axis=1)
        doubled: np.ndarray = np.einsum("bi,bi->b", w1, below, dtype=np.float64)
        upto = doubled
        if self._tied:
            upto = np.einsum("bi,bi->b", w1, cumulated.take(self._upto, axis=1), dtype=np.float64)
        counts: np.ndarray = doubled + upto
        return counts


def _dense_ranks(values: np.ndarray) -> np.ndarray:
    order, starts = tie_groups(values)
    ranks = np.empty(values.size, dtype=np.int32)
    ranks[order] = np.repeat(np.arange(starts.size), np.diff(starts, append=values.size))
    return ranks


def _unit_blocks(starts: np.ndarray, n_cases: int, step: int) -> list[tuple[int, int]]:
    """Ranges of units that together hold about `step` cases."""
    cuts = np.searchsorted(starts, np.arange(0, n_cases, step))
    edges = np.unique(np.append(cuts, starts.size))
    return [(int(first), int(last)) for first, last in pairwise(edges)]
