"""Cross-products of a linear mixed model: all that its likelihood needs of the data."""

from __future__ import annotations

__all__ = ["CrossProducts"]

from collections.abc import Sequence

import numpy as np
import scipy

from ..specification.design import RandomTerm
from .blocks import sparse_enough


class CrossProducts:
    """Cross-products of Z, X and y, largest random term apart.

    Parameters
    ----------
    terms : sequence of RandomTerm
        The random terms; ``scaled_z`` replaces their regressors where given.
    X : ndarray of shape (n, p)
        Full-rank fixed design.
    y : ndarray of shape (n,)
        Response.
    scaled_z : sequence of ndarray of shape (n, k), optional
        Regressors to use instead of the terms' own.

    Attributes
    ----------
    A : ndarray of shape (levels, k, k)
        Blocks of :math:`Z_1'Z_1`, the largest term's.
    C2 : ndarray or sparse matrix of shape (levels * k, q2)
        :math:`Z_1'Z_2`.
    Cx : ndarray of shape (levels * k, p + 1)
        :math:`Z_1'[X\\ y]`.
    FF : ndarray of shape (q2 + p + 1, q2 + p + 1)
        Of :math:`[Z_2\\ X\\ y]` with itself.
    """

    def __init__(
        self,
        terms: Sequence[RandomTerm],
        X: np.ndarray,
        y: np.ndarray,
        scaled_z: Sequence[np.ndarray] | None = None,
    ) -> None:
        zs = [t.z for t in terms] if scaled_z is None else scaled_z
        self.n, self.p = X.shape
        self.sizes = [(t.n_levels, z.shape[1]) for t, z in zip(terms, zs, strict=True)]
        counts = [levels * k for levels, k in self.sizes]
        self.lead = int(np.argmax(counts))
        self.others = [t for t in range(len(terms)) if t != self.lead]
        self.q2 = sum(counts) - counts[self.lead]
        matrices = [_indicator(t.codes, z, t.n_levels) for t, z in zip(terms, zs, strict=True)]
        levels, k = self.sizes[self.lead]
        Z1 = matrices[self.lead]
        Xy = np.column_stack([X, y])
        width = self.q2 + self.p + 1
        self.A = np.zeros((levels, k, k))
        z1 = zs[self.lead]
        for r in range(k):
            for s in range(r + 1):
                values = np.bincount(terms[self.lead].codes, z1[:, r] * z1[:, s], levels)
                self.A[:, r, s] = self.A[:, s, r] = values
        self.Cx = Z1.T @ Xy
        FF = np.empty((width, width))
        FF[self.q2 :, self.q2 :] = Xy.T @ Xy
        self.C2 = np.empty((levels * k, 0))
        if self.others:
            Z2 = scipy.sparse.hstack([matrices[t] for t in self.others], format="csr")
            C2 = (Z1.T @ Z2).tocsr()
            self.C2 = C2 if sparse_enough(C2.nnz, *C2.shape) else C2.toarray()
            FF[: self.q2, : self.q2] = (Z2.T @ Z2).toarray()
            FF[: self.q2, self.q2 :] = Z2.T @ Xy
            FF[self.q2 :, : self.q2] = FF[: self.q2, self.q2 :].T
        self.FF = FF
        #: (term, r, s) of each covariance element, s <= r: the linear basis of D.
        self.elements = [
            (t, r, s) for t, (_, k) in enumerate(self.sizes) for s in range(k) for r in range(s, k)
        ]
        starts = np.cumsum([0, *(counts[t] for t in self.others)])
        #: Position of each term's coefficients in [Z_1] or in [Z_2].
        self.slices = {self.lead: slice(0, counts[self.lead])}
        for t, start in zip(self.others, starts[:-1], strict=True):
            self.slices[t] = slice(int(start), int(start) + counts[t])


def _indicator(codes: np.ndarray, z: np.ndarray, levels: int) -> scipy.sparse.csr_matrix:
    n, k = z.shape
    columns = (codes[:, None] * k + np.arange(k)).ravel()
    pointers = np.arange(0, n * k + 1, k)
    return scipy.sparse.csr_matrix((z.ravel(), columns, pointers), shape=(n, levels * k))
