r"""The profiled likelihood on cross-products, with exact first and second derivatives.

The model is :math:`y = X\beta + Zu + e` with :math:`u = \Lambda_\theta b`,
:math:`b \sim N(0, \sigma^2 I)`, :math:`e \sim N(0, \sigma^2 I)`, so that
:math:`\mathrm{var}(y) = \sigma^2 V`, :math:`V = I + ZDZ'`, :math:`D = \Lambda\Lambda'`.
No matrix with one side of length n is touched after the cross-products are formed.

The largest random term (block 1) is eliminated analytically: :math:`V_1 = I + Z_1D_1Z_1'`
is block diagonal over its levels, so with :math:`F = [Z_2\ X\ y]` (everything else)

.. math::  F'V_1^{-1}F = F'F - \sum_j C_j' K_j C_j, \qquad C_j = Z_{1j}'F, \quad
           K_j = \Lambda_1 (I + \Lambda_1' Z_{1j}'Z_{1j} \Lambda_1)^{-1} \Lambda_1'

costs ``levels * width**2``; what is left is one dense Cholesky of the width of
:math:`[Z_2\ X]`. With P the projection that leaves residuals of generalised least
squares, :math:`Z'PZ = Z'V_1^{-1}Z - U N U'` where :math:`U = Z'V_1^{-1}[Z_2\ X]` and N is
the inverse of the mixed-model equations; leaving X out of N gives :math:`Z'V^{-1}Z`.
Every trace below is taken from these factors without forming the block of :math:`Z_1`.

References
----------
Bates et al. (2015), doi:10.18637/jss.v067.i01, eqs 30-42 (the profiled criterion).
Wolfinger R, Tobias R, Sall J (1994). SIAM J Sci Comput 15:1294. doi:10.1137/0915079
(derivatives).
"""

from __future__ import annotations

__all__ = ["CrossProducts", "VarianceState", "sparse_enough"]

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import scipy

from ..specification.design import RandomTerm


def sparse_enough(count: int, rows: int, width: int) -> bool:
    """Whether rows with `count` elements in all are multiplied sooner as a sparse matrix."""
    return rows * width**2 > 2e6 and count < 0.15 * rows * width


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
        C = np.empty((levels * k, width))
        FF = np.empty((width, width))
        C[:, self.q2 :] = Z1.T @ Xy
        FF[self.q2 :, self.q2 :] = Xy.T @ Xy
        if self.others:
            Z2 = scipy.sparse.hstack([matrices[t] for t in self.others], format="csr")
            C[:, : self.q2] = (Z1.T @ Z2).toarray()
            FF[: self.q2, : self.q2] = (Z2.T @ Z2).toarray()
            FF[: self.q2, self.q2 :] = Z2.T @ Xy
            FF[self.q2 :, : self.q2] = FF[: self.q2, self.q2 :].T
        self.C, self.FF = C, FF
        #: (term, r, s) of each covariance element, s <= r: the linear basis of D.
        self.elements = [
            (t, r, s) for t, (_, k) in enumerate(self.sizes) for s in range(k) for r in range(s, k)
        ]
        starts = np.cumsum([0, *(counts[t] for t in self.others)])
        #: Position of each term's coefficients in [Z_1] or in [Z_2].
        self.slices = {self.lead: slice(0, counts[self.lead])}
        for t, start in zip(self.others, starts[:-1], strict=True):
            self.slices[t] = slice(int(start), int(start) + counts[t])

    def state(self, factors: Sequence[np.ndarray]) -> VarianceState:
        """The likelihood at the relative Cholesky factors, one (k, k) matrix a term."""
        return VarianceState(self, factors)


def _indicator(codes: np.ndarray, z: np.ndarray, levels: int) -> scipy.sparse.csr_matrix:
    n, k = z.shape
    columns = (codes[:, None] * k + np.arange(k)).ravel()
    pointers = np.arange(0, n * k + 1, k)
    return scipy.sparse.csr_matrix((z.ravel(), columns, pointers), shape=(n, levels * k))


class VarianceState:
    """Everything that follows from the cross-products at one value of the factors.

    Attributes
    ----------
    log_det_v, log_det_x : float
        :math:`\\log|V|` and :math:`\\log|X'V^{-1}X|`.
    rss : float
        :math:`y'Py`, the penalised residual sum of squares.
    """

    def __init__(self, products: CrossProducts, factors: Sequence[np.ndarray]) -> None:
        self.products = c = products
        self.factors = [np.asarray(f, dtype=float) for f in factors]
        L1 = self.factors[c.lead]
        levels, k = c.sizes[c.lead]
        inner = np.eye(k) + L1.T @ c.A @ L1
        if k == 1:
            K = L1[0, 0] ** 2 / inner
            log_det_1 = float(np.log(inner).sum())
        else:
            K = L1 @ np.linalg.inv(inner) @ L1.T
            log_det_1 = float(np.linalg.slogdet(inner)[1].sum())
        self._KC = (K @ c.C.reshape(levels, k, -1)).reshape(c.C.shape)
        E = c.FF - c.C.T @ self._KC
        self.E = (E + E.T) / 2
        self._K = K
        q2, m = c.q2, c.q2 + c.p
        system = np.empty((m, m))
        LE = self._left(self.E[:q2])
        system[:q2, :q2] = self._left(LE[:, :q2].T)
        system[:q2, :q2].flat[:: q2 + 1] += 1.0
        system[:q2, q2:] = LE[:, q2:m]
        system[q2:, :q2] = LE[:, q2:m].T
        system[q2:, q2:] = self.E[q2:m, q2:m]
        self._chol = scipy.linalg.cholesky(system, lower=True, check_finite=False)
        right = np.concatenate([LE[:, m], self.E[q2:m, m]])
        half = scipy.linalg.solve_triangular(self._chol, right, lower=True, check_finite=False)
        diagonal = np.log(np.diag(self._chol))
        self.log_det_v = log_det_1 + 2 * float(diagonal[:q2].sum())
        self.log_det_x = 2 * float(diagonal[q2:].sum())
        self.rss = float(self.E[m, m] - half @ half)
        self._half = half

    def _left(self, M: np.ndarray) -> np.ndarray:
        """Λ_2' M for M with one row per coefficient of Z_2."""
        c = self.products
        out = np.empty_like(M)
        for t in c.others:
            levels, k = c.sizes[t]
            part = M[c.slices[t]]
            L = self.factors[t]
            if k == 1:
                out[c.slices[t]] = L[0, 0] * part
            else:
                out[c.slices[t]] = (L.T @ part.reshape(levels, k, -1)).reshape(part.shape)
        return out

    def _right(self, M: np.ndarray) -> np.ndarray:
        """Λ_2 M for M with one row per spherical effect of Z_2."""
        c = self.products
        out = np.empty_like(M)
        for t in c.others:
            levels, k = c.sizes[t]
            part = M[c.slices[t]]
            out[c.slices[t]] = (self.factors[t] @ part.reshape(levels, k, -1)).reshape(part.shape)
        return out

    def deviance(self, *, reml: bool) -> float:
        """Minus twice the log-likelihood (or restricted likelihood), sigma profiled out."""
        c = self.products
        nu = c.n - c.p if reml else c.n
        if self.rss <= 0:
            return np.inf
        value = self.log_det_v + nu * (1 + math.log(2 * math.pi * self.rss / nu))
        return float(value + self.log_det_x if reml else value)

    # --- solutions ---------------------------------------------------------------

    @cached_property
    def beta(self) -> np.ndarray:
        """Generalised least squares estimate of the fixed effects."""
        return self._solution[self.products.q2 :]

    @cached_property
    def _solution(self) -> np.ndarray:
        solution: np.ndarray = scipy.linalg.solve_triangular(
            self._chol, self._half, lower=True, trans="T", check_finite=False
        )
        return solution

    @cached_property
    def phi(self) -> np.ndarray:
        """:math:`(X'V^{-1}X)^{-1}`: the covariance of the fixed effects over sigma squared."""
        q2 = self.products.q2
        R = self._chol[q2:, q2:]
        inverse = scipy.linalg.solve_triangular(R, np.eye(len(R)), lower=True, check_finite=False)
        return np.asarray(inverse.T @ inverse)

    @cached_property
    def n_full(self) -> np.ndarray:
        """N for P: the inverse of the mixed-model equations, in terms of u and beta."""
        q2 = self.products.q2
        B = scipy.linalg.solve_triangular(
            self._chol, np.eye(len(self._chol)), lower=True, check_finite=False
        )
        B[:, :q2] = self._right(B[:, :q2].T).T
        return np.asarray(B.T @ B)

    @cached_property
    def n_random(self) -> np.ndarray:
        """N for V^-1: without the fixed effects."""
        q2 = self.products.q2
        N: np.ndarray = np.zeros_like(self._chol)
        if q2:
            B = scipy.linalg.solve_triangular(
                self._chol[:q2, :q2], np.eye(q2), lower=True, check_finite=False
            )
            B = self._right(B.T).T
            N[:q2, :q2] = B.T @ B
        return N

    # --- Z'V_1^-1 [Z, X, y] ------------------------------------------------------

    @cached_property
    def _ak(self) -> np.ndarray:
        return np.asarray(self.products.A @ self._K)

    @cached_property
    def u_lead(self) -> np.ndarray:
        """:math:`Z_1'V_1^{-1}F` of shape (q1, width)."""
        c = self.products
        levels, k = c.sizes[c.lead]
        KC = self._KC.reshape(levels, k, -1)
        return np.asarray(c.C - (c.A @ KC).reshape(c.C.shape))

    @cached_property
    def w_lead(self) -> np.ndarray:
        """Blocks of :math:`Z_1'V_1^{-1}Z_1` of shape (levels, k, k)."""
        A = self.products.A
        return A - self._ak @ A

    def project(self, N: np.ndarray, right: slice | int) -> tuple[np.ndarray, np.ndarray]:
        """:math:`Z'V^{-1}` (or Z'P, by `N`) applied to columns of F; blocks 1 and 2."""
        q2, m = self.products.q2, self.products.q2 + self.products.p
        NE = N @ self.E[:m, right]
        return self.u_lead[:, right] - self.u_lead[:, :m] @ NE, self.E[:q2, right] - self.E[
            :q2, :m
        ] @ NE

    def apply(self, N: np.ndarray, v1: np.ndarray, v2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """:math:`Z'V^{-1}Z v` (or Z'PZ v, by `N`) for the columns of v = (v1, v2)."""
        c = self.products
        levels, k = c.sizes[c.lead]
        q2, m = c.q2, c.q2 + c.p
        U, E2 = self.u_lead[:, :m], self.E[:q2, :m]
        W1v = (self.w_lead @ v1.reshape(levels, k, -1)).reshape(v1.shape)
        M = N @ (U.T @ v1 + E2.T @ v2)
        first = W1v + U[:, :q2] @ v2 - U @ M
        second = U[:, :q2].T @ v1 + E2[:, :q2] @ v2 - E2 @ M
        return first, second

    # --- functionals in the linear basis of D ------------------------------------

    def basis_product(
        self, element: int, v1: np.ndarray, v2: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """:math:`G_i v`, G_i the indicator of one covariance element at every level."""
        c = self.products
        t, r, s = c.elements[element]
        levels, k = c.sizes[t]
        out1, out2 = np.zeros_like(v1), np.zeros_like(v2)
        source, target = (v1, out1) if t == c.lead else (v2, out2)
        part = source[c.slices[t]].reshape(levels, k, -1)
        view = target[c.slices[t]].reshape(levels, k, -1)
        view[:, r] = part[:, s]
        view[:, s] = part[:, r]
        return out1, out2

    def traces(self, N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """:math:`tr(S G_i)` and :math:`tr(S G_i S G_j)` for the covariance elements.

        S is Z'V^-1Z or Z'PZ by `N`.
        """
        c = self.products
        q2, m = c.q2, c.q2 + c.p
        U, E2 = self.u_lead[:, :m], self.E[:q2, :m]
        UN = U @ N
        S12 = U[:, :q2] - UN @ E2.T
        S22 = E2[:, :q2] - E2 @ (N @ E2.T)
        return self._trace_first(UN, S22), self._trace_second(N, UN, S12, S22)

    def _trace_first(self, UN: np.ndarray, S22: np.ndarray) -> np.ndarray:
        c = self.products
        levels, k = c.sizes[c.lead]
        left = UN.reshape(levels, k, -1)
        right = self.u_lead[:, : UN.shape[1]].reshape(levels, k, -1)
        sums = {}
        sums[c.lead] = np.array(
            [
                [self.w_lead[:, r, s].sum() - np.vdot(left[:, r], right[:, s]) for s in range(k)]
                for r in range(k)
            ]
        )
        for t in c.others:
            levels, k = c.sizes[t]
            block = S22[c.slices[t], c.slices[t]].reshape(levels, k, levels, k)
            sums[t] = np.einsum("lrls->rs", block)
        return np.array([(1 + (r != s)) * sums[t][r, s] for t, r, s in c.elements])

    def _trace_second(
        self, N: np.ndarray, UN: np.ndarray, S12: np.ndarray, S22: np.ndarray
    ) -> np.ndarray:
        c = self.products
        pair: dict[tuple[int, int], np.ndarray] = {(c.lead, c.lead): self._pair_lead(N, UN)}
        for t in range(len(c.sizes)):
            for u in range(t + 1):
                if (t, u) == (c.lead, c.lead):
                    continue
                if c.lead in (t, u):
                    block = S12[:, c.slices[u if t == c.lead else t]]
                    block = block if t == c.lead else block.T
                else:
                    block = S22[c.slices[t], c.slices[u]]
                (lt, kt), (lu, ku) = c.sizes[t], c.sizes[u]
                if kt == ku == 1:
                    pair[t, u] = np.full((1, 1, 1, 1), np.vdot(block, block))
                else:
                    b = block.reshape(lt, kt, lu, ku)
                    pair[t, u] = np.einsum("arbx,asby->rxsy", b, b, optimize=True)
        out = np.empty((len(c.elements),) * 2)
        for i, (t, r, s) in enumerate(c.elements):
            for j, (u, x, y) in enumerate(c.elements[: i + 1]):
                # tr(S sym(E_rs) S sym(E_xy)), each sym doubled off the diagonal.
                M = pair[t, u]
                value = M[r, x, s, y] + M[r, y, s, x]
                out[i, j] = out[j, i] = value * (1 + (r != s)) * (1 + (x != y)) / 2
        return out

    def _pair_lead(self, N: np.ndarray, UN: np.ndarray) -> np.ndarray:
        """Sum over levels l, l' of S[(l,r),(l',x)] S[(l,s),(l',y)] within block 1."""
        c = self.products
        m = c.q2 + c.p
        levels, k = c.sizes[c.lead]
        U = self.u_lead[:, :m].reshape(levels, k, m)
        UNU = UN.reshape(levels, k, m) @ U.transpose(0, 2, 1)
        W = self.w_lead
        out: np.ndarray = (
            np.einsum("lrx,lsy->rxsy", W, W)
            - np.einsum("lrx,lsy->rxsy", W, UNU)
            - np.einsum("lrx,lsy->rxsy", UNU, W)
        )
        # NG[r, s] = N sum_l U_lr U_ls'
        NG = np.array([[N @ (U[:, r].T @ U[:, s]) for s in range(k)] for r in range(k)])
        for r in range(k):
            for s in range(k):
                for x in range(k):
                    for y in range(k):
                        # sum_ll' (U_lr N U_l'x')(U_ls N U_l'y') = tr(N G_xy N G_sr)
                        out[r, x, s, y] += np.sum(NG[x, y] * NG[s, r].T)
        return out
