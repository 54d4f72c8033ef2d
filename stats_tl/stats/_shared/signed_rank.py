"""Paired samples and the null distribution of their signed ranks."""

from __future__ import annotations

__all__ = ["as_pair", "signed_rank_distribution"]

from typing import Any

import numpy as np


def signed_rank_distribution(ranks: np.ndarray) -> np.ndarray:
    """P(S = s), s = 0, 1, ..., of the sum of whole ranks each taken with probability 1/2."""
    ways = np.zeros(int(ranks.sum()) + 1)
    ways[0] = 1.0
    for rank in ranks:
        taken = ways[: ways.size - rank] / 2
        ways /= 2
        ways[rank:] += taken
    return ways


def as_pair(a: Any, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two paired samples as float arrays of one length, or ValueError."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"`a` and `b` must be one-dimensional and of one length, got {x.shape} and {y.shape}."
        )
    if x.size < 2:
        raise ValueError(f"`a` and `b` must hold at least two tasks, got {x.size}.")
    n_missing = int((np.isnan(x) | np.isnan(y)).sum())
    if n_missing:
        raise ValueError(f"`a` and `b` have {n_missing} missing pairs; drop these tasks first.")
    return x, y
