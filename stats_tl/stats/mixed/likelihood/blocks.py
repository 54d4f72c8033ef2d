"""Block-diagonal matrices times rows that are dense or sparse."""

from __future__ import annotations

__all__ = ["inverse_blocks", "left_blocks", "scale_columns", "sparse_enough"]

from typing import TypeVar

import numpy as np
import scipy

#: A dense matrix, or a sparse one by rows.
Rows = TypeVar("Rows", np.ndarray, scipy.sparse.csr_matrix)


def sparse_enough(count: int, rows: int, width: int) -> bool:
    """Whether rows with `count` elements in all are multiplied sooner as a sparse matrix."""
    return rows * width**2 > 2e6 and count < 0.15 * rows * width


def inverse_blocks(blocks: np.ndarray) -> tuple[np.ndarray, float]:
    """Inverses of positive definite blocks, and the logarithm of their determinants' product."""
    k = blocks.shape[1]
    if k == 1:
        return 1 / blocks, float(np.log(blocks).sum())
    if k == 2:
        a, b, d = blocks[:, 0, 0], blocks[:, 0, 1], blocks[:, 1, 1]
        determinant = a * d - b * b
        out = np.empty_like(blocks)
        out[:, 0, 0], out[:, 1, 1] = d / determinant, a / determinant
        out[:, 0, 1] = out[:, 1, 0] = -b / determinant
        return out, float(np.log(determinant).sum())
    return np.linalg.inv(blocks), float(np.linalg.slogdet(blocks)[1].sum())


def left_blocks(blocks: np.ndarray, rows: Rows) -> Rows:
    """A block-diagonal matrix (one block, or one a level) times rows."""
    k = blocks.shape[-1]
    if k == 1:
        scale = np.broadcast_to(blocks.reshape(-1, 1), (rows.shape[0], 1))
        if isinstance(rows, np.ndarray):
            return np.asarray(rows * scale)
        data = rows.data * np.repeat(scale.ravel(), np.diff(rows.indptr))
        return scipy.sparse.csr_matrix((data, rows.indices, rows.indptr), shape=rows.shape)
    if isinstance(rows, np.ndarray):
        by_level = rows.reshape(rows.shape[0] // k, k, rows.shape[1])
        return np.asarray((blocks @ by_level).reshape(rows.shape))
    levels = rows.shape[0] // k
    data = np.ascontiguousarray(np.broadcast_to(blocks, (levels, k, k)))
    full = scipy.sparse.bsr_matrix((data, np.arange(levels), np.arange(levels + 1)))
    return (full @ rows).tocsr()


def scale_columns(rows: Rows, scales: np.ndarray) -> Rows:
    """Rows whose columns are multiplied by one number each."""
    if isinstance(rows, np.ndarray):
        return np.asarray(rows * scales)
    data = rows.data * scales[rows.indices]
    return scipy.sparse.csr_matrix((data, rows.indices, rows.indptr), shape=rows.shape)
