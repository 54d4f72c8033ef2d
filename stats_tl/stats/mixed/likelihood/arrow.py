r"""The system :math:`H = \Lambda'Z'WZ\Lambda + I` of the random effects, for changing weights.

The coefficients of the largest term come first; their block is block diagonal over its
levels and is eliminated exactly. What is left is dense in the coefficients of the other
terms. The positions of all elements of :math:`Z'WZ` are worked out once, so that a new W
costs one pass over the rows.
"""

from __future__ import annotations

__all__ = ["ArrowFactor", "ArrowSystem"]

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy

from ..specification.design import RandomTerm
from .blocks import inverse_blocks, left_blocks, scale_columns, sparse_enough

#: One array for the largest term, one for all others.
Halves = tuple[np.ndarray, np.ndarray]


class _Elements(NamedTuple):
    """Sums over rows that end in the same element of a matrix."""

    positions: np.ndarray
    sums: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, positions: np.ndarray, products: np.ndarray) -> _Elements:
        """From the position and the product of regressors of every row and pair of columns."""
        unique, inverse = np.unique(positions.ravel(), return_inverse=True)
        return cls(unique, inverse.ravel(), products)

    def values(self, weights: np.ndarray) -> np.ndarray:
        """Element sums, in the order of `positions`."""
        weighted = (self.products * weights).ravel()
        return np.bincount(self.sums, weighted, len(self.positions))


class ArrowSystem:
    """Where the elements of Z'WZ lie.

    Parameters
    ----------
    terms : sequence of RandomTerm
        The random terms.
    scaled_z : sequence of ndarray of shape (n, k)
        Their regressors.
    """

    def __init__(self, terms: Sequence[RandomTerm], scaled_z: Sequence[np.ndarray]) -> None:
        sizes = [(t.n_levels, z.shape[1]) for t, z in zip(terms, scaled_z, strict=True)]
        self.lead = int(np.argmax([levels * k for levels, k in sizes]))
        self.others = [t for t in range(len(terms)) if t != self.lead]
        self.levels, self.k = sizes[self.lead]
        self.codes = terms[self.lead].codes
        #: Transposed, so that each coefficient's regressor is contiguous.
        self.z1 = np.ascontiguousarray(scaled_z[self.lead].T)
        positions, regressors, start = [], [], 0
        self.slices: dict[int, slice] = {}
        for t in self.others:
            levels, k = sizes[t]
            columns = start + terms[t].codes[None] * k + np.arange(k)[:, None]
            positions.append(columns)
            regressors.append(scaled_z[t].T)
            self.slices[t] = slice(start, start + levels * k)
            start += levels * k
        self.sizes = sizes
        self.q2 = start
        #: Rows of z2 and of `positions` that belong to each term.
        ends = np.cumsum([0, *(sizes[t][1] for t in self.others)])
        self.rows = {
            t: slice(int(a), int(b))
            for t, a, b in zip(self.others, ends[:-1], ends[1:], strict=True)
        }
        n = len(self.codes)
        self.positions = np.concatenate(positions) if positions else np.empty((0, n), dtype=int)
        self.z2 = np.concatenate(regressors) if regressors else np.empty((0, n))
        lower = [(r, s) for r in range(self.k) for s in range(r + 1)]
        self._lower = lower
        self._own = [self.z1[r] * self.z1[s] for r, s in lower]
        if self.q2:
            self._index_others()

    def _index_others(self) -> None:
        row = self.codes[None] * self.k + np.arange(self.k)[:, None]
        flat = row[:, None] * self.q2 + self.positions[None]
        self._cross = _Elements.of(flat, self.z1[:, None] * self.z2[None])
        a, b = np.tril_indices(len(self.z2))
        high = np.maximum(self.positions[a], self.positions[b])
        low = np.minimum(self.positions[a], self.positions[b])
        self._square = _Elements.of(high * self.q2 + low, self.z2[a] * self.z2[b])
        self.sparse = sparse_enough(len(self._cross.positions), self.levels * self.k, self.q2)
        counts = np.bincount(self._cross.positions // self.q2, minlength=self.levels * self.k)
        self._pointers = np.concatenate([[0], np.cumsum(counts)])
        self._columns = self._cross.positions % self.q2

    def blocks(self, weights: np.ndarray) -> np.ndarray:
        """The blocks of the largest term, of shape (levels, k, k)."""
        out = np.empty((self.levels, self.k, self.k))
        for (r, s), product in zip(self._lower, self._own, strict=True):
            out[:, r, s] = out[:, s, r] = np.bincount(self.codes, product * weights, self.levels)
        return out

    def cross(self, weights: np.ndarray) -> np.ndarray | scipy.sparse.csr_matrix:
        """The largest term's rows and the others' columns, of shape (levels * k, q2)."""
        values, shape = self._cross.values(weights), (self.levels * self.k, self.q2)
        if self.sparse:
            return scipy.sparse.csr_matrix((values, self._columns, self._pointers), shape=shape)
        out = np.zeros(shape)
        out.flat[self._cross.positions] = values
        return out

    def square(self, weights: np.ndarray) -> np.ndarray:
        """The others' block, its lower triangle alone, of shape (q2, q2)."""
        out = np.zeros((self.q2, self.q2))
        out.flat[self._square.positions] = self._square.values(weights)
        return out

    def gather(self, effects: Halves) -> np.ndarray:
        """Z times effects of shapes (levels, k) and (q2,)."""
        first, second = effects
        own = [z * first[self.codes, r] for r, z in enumerate(self.z1)]
        rest = [z * second[at] for z, at in zip(self.z2, self.positions, strict=True)]
        return np.asarray(sum(own[1:] + rest, own[0]))

    def scatter(self, values: np.ndarray) -> Halves:
        """Z' times one value per row."""
        own = [np.bincount(self.codes, z * values, self.levels) for z in self.z1]
        second = np.zeros(self.q2)
        for z, at in zip(self.z2, self.positions, strict=True):
            second += np.bincount(at, z * values, self.q2)
        return np.column_stack(own), second

    def zeros(self) -> Halves:
        """No effects."""
        return np.zeros((self.levels, self.k)), np.zeros(self.q2)

    def scaled(
        self, factors: Sequence[np.ndarray], effects: Halves, *, transpose: bool = False
    ) -> Halves:
        """Λ (or Λ') times effects."""
        first, second = effects
        L = factors[self.lead]
        out = np.empty_like(second)
        for t in self.others:
            own = factors[t] if transpose else factors[t].T
            part = second[self.slices[t]].reshape(self.sizes[t])
            out[self.slices[t]] = (part @ own).ravel()
        return first @ (L if transpose else L.T), out

    def by_term(self, effects: Halves) -> list[np.ndarray]:
        """One (levels, k) array a term."""
        return [
            effects[0] if t == self.lead else effects[1][self.slices[t]].reshape(self.sizes[t])
            for t in range(len(self.sizes))
        ]

    def columns(self, factors: Sequence[np.ndarray]) -> np.ndarray | None:
        """Λ_2 as one scale per coefficient where its blocks are 1 x 1, else None."""
        if any(self.sizes[t][1] > 1 for t in self.others):
            return None
        scales = [np.full(self.sizes[t][0], factors[t][0, 0]) for t in self.others]
        return np.concatenate(scales) if scales else np.empty(0)

    def lambda2(self, factors: Sequence[np.ndarray]) -> scipy.sparse.csr_matrix:
        """Λ_2, block diagonal."""
        blocks = [
            scipy.sparse.kron(scipy.sparse.eye(self.sizes[t][0]), factors[t]) for t in self.others
        ]
        return scipy.sparse.block_diag(blocks, format="csr")


class ArrowFactor:
    """The factorised system at one value of the weights and factors.

    Attributes
    ----------
    log_det : float
        :math:`\\log|H|`.
    """

    def __init__(
        self, system: ArrowSystem, factors: Sequence[np.ndarray], weights: np.ndarray
    ) -> None:
        self.system = s = system
        self.factors, self.weights = factors, weights
        L = factors[s.lead]
        inner = L.T @ s.blocks(weights) @ L
        inner[:, range(s.k), range(s.k)] += 1.0
        self._inverse, self.log_det = inverse_blocks(inner)
        if not s.q2:
            return
        self._rows = left_blocks(L.T, s.cross(weights))
        scales = s.columns(factors)
        square = s.square(weights)
        if scales is None:
            right = s.lambda2(factors)
            full = square + np.tril(square, -1).T
            square = np.asarray(right.T @ (right.T @ full).T)
            self._rows = self._rows @ right
        else:
            square *= scales
            square *= scales[:, None]
            self._rows = scale_columns(self._rows, scales)
        #: (I + L'AL)^-1 of the largest term times the rows that tie it to the others.
        self._solved = left_blocks(self._inverse, self._rows)
        product = self._rows.T @ self._solved
        square -= product.toarray() if s.sparse else product
        square.flat[:: s.q2 + 1] += 1.0
        self._chol = scipy.linalg.cholesky(square, lower=True, check_finite=False, overwrite_a=True)
        self.log_det += 2 * float(np.log(np.diag(self._chol)).sum())

    def solve(self, right: Halves) -> Halves:
        """:math:`H^{-1}` times effects of shapes (levels, k) and (q2,)."""
        first = (self._inverse @ right[0][..., None])[..., 0]
        if not self.system.q2:
            return first, right[1]
        second = scipy.linalg.cho_solve(
            (self._chol, True), right[1] - self._rows.T @ first.ravel(), check_finite=False
        )
        return first - (self._solved @ second).reshape(first.shape), second

    @cached_property
    def _inverse_others(self) -> np.ndarray:
        lower = scipy.linalg.lapack.dpotri(self._chol, lower=1)[0]
        return np.asarray(np.tril(lower) + np.tril(lower, -1).T)

    def leverages(self) -> tuple[np.ndarray, np.ndarray]:
        r"""Rows of :math:`Z\Lambda H^{-1}` at each row's own levels.

        Returns
        -------
        leverage : ndarray of shape (n,)
            Diagonal of :math:`Z\Lambda H^{-1}\Lambda'Z'`.
        own : ndarray of shape (effects of a row, n)
            :math:`(Z\Lambda H^{-1})` in the columns of the row's own coefficients, the
            largest term's first.
        """
        s = self.system
        L = self.factors[s.lead]
        zeta1 = L.T @ s.z1
        blocks, own2 = self._inverse, np.empty((0, len(s.codes)))
        at = [s.codes * s.k + r for r in range(s.k)]
        own1 = np.zeros_like(zeta1)
        if s.q2:
            S22 = self._inverse_others
            R = np.asarray(self._solved @ S22)
            zeta2 = self._others_scaled()
            blocks = blocks + self._own_blocks(R)
            own2 = np.zeros_like(zeta2)
            for a, column in enumerate(s.positions):
                for r in range(s.k):
                    tie = R[at[r], column]
                    own1[r] -= zeta2[a] * tie
                    own2[a] -= zeta1[r] * tie
                for b, other in enumerate(s.positions):
                    own2[a] += zeta2[b] * S22[other, column]
        for r in range(s.k):
            for q in range(s.k):
                own1[r] += zeta1[q] * blocks[s.codes, q, r]
        leverage = (zeta1 * own1).sum(axis=0)
        if s.q2:
            leverage += (zeta2 * own2).sum(axis=0)
        return leverage, np.concatenate([own1, own2])

    def _others_scaled(self) -> np.ndarray:
        """Rows of Λ_2'z_2."""
        s = self.system
        parts = [self.factors[t].T @ s.z2[s.rows[t]] for t in s.others]
        return np.concatenate(parts)

    def _own_blocks(self, R: np.ndarray) -> np.ndarray:
        """What the others add to the largest term's diagonal blocks of the inverse."""
        s = self.system
        solved = self._solved
        if s.k == 1:
            product = solved * R if isinstance(solved, np.ndarray) else solved.multiply(R)
            return np.asarray(product.sum(axis=1)).reshape(s.levels, 1, 1)
        solved = solved if isinstance(solved, np.ndarray) else solved.toarray()
        shape = (s.levels, s.k, s.q2)
        return np.asarray(solved.reshape(shape) @ R.reshape(shape).transpose(0, 2, 1))
