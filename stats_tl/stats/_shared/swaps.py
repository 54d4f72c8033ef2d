"""Swaps of two arms within units, and what one swap does to a difference of AUCs.

See :mod:`stats_tl.stats.curves.permutation` for the algebra.
"""

from __future__ import annotations

__all__ = ["describe_swaps", "random_swaps", "swap_coefficients"]

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy

from ..procedure import Procedure
from .placements import doubled_placements

CHUNK_ENTRIES = 1 << 20


def swap_coefficients(
    labels: np.ndarray, scores_a: np.ndarray, scores_b: np.ndarray, own: np.ndarray
) -> np.ndarray:
    """Coefficient of each case's sign in ``4 n1 n0 (AUC_a - AUC_b)``: whole numbers.

    `own` are the doubled placement counts within curve a minus those within curve b. The
    counts between curves compare the ranks of one with the ranks of the other.
    """
    ranks_a, ranks_b = scipy.stats.rankdata(scores_a), scipy.stats.rankdata(scores_b)
    positives_a = np.where(labels, ranks_a, ranks_b)  # positives under a, negatives under b
    positives_b = np.where(labels, ranks_b, ranks_a)
    between = doubled_placements(labels, positives_a) - doubled_placements(labels, positives_b)
    coefficients: np.ndarray = (own + np.where(labels, between, -between)).astype(np.float64)
    return coefficients


def random_swaps(n_units: int, n_resamples: int, rng: Any) -> Iterator[np.ndarray]:
    """Yield random swaps, arrays of shape (replicates, n_units): 1 for kept, 0 for swapped."""
    generator = np.random.default_rng(rng)
    n_bytes = -(-n_units // 8)
    step = max(1, CHUNK_ENTRIES // n_units)
    for done in range(0, n_resamples, step):
        size = min(step, n_resamples - done)
        # Whole 64-bit words for every permutation: the stream does not depend on the chunk.
        words = generator.integers(2**64, size=(size, -(-n_bytes // 8)), dtype=np.uint64)
        yield np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, count=n_units)


def describe_swaps(procedure: Procedure) -> str:
    """What was permuted, for the sentence that names the method."""
    return (
        f"{'all' if procedure.exhaustive else 'random'} {procedure.n_resamples} swaps of the arms "
        f"within {'patients' if procedure.clustered else 'cases'} (sample and fitted models fixed)"
    )
