r"""The profiled likelihood on cross-products, with exact first and second derivatives.

The model is :math:`y = X\beta + Zu + e` with :math:`u = \Lambda_\theta b`,
:math:`b \sim N(0, \sigma^2 I)`, :math:`e \sim N(0, \sigma^2 I)`, so that
:math:`\mathrm{var}(y) = \sigma^2 V`, :math:`V = I + ZDZ'`, :math:`D = \Lambda\Lambda'`.
No matrix with one side of length n is touched after the cross-products are formed.

The largest random term (block 1) is eliminated analytically: :math:`V_1 = I + Z_1D_1Z_1'`
is block diagonal over its levels, so with :math:`F = [Z_2\ X\ y]` (everything else)

.. math::  F'V_1^{-1}F = F'F - \sum_j C_j' K_j C_j, \qquad C_j = Z_{1j}'F, \quad
           K_j = \Lambda_1 (I + \Lambda_1' Z_{1j}'Z_{1j} \Lambda_1)^{-1} \Lambda_1'

costs the squares of the numbers of others' levels that each level meets; what is left is
one dense Cholesky of the width of :math:`[Z_2\ X]`, the mixed-model equations
:math:`M = I + \Lambda_2'Z_2'V_1^{-1}Z_2\Lambda_2`, bordered by X. With P the projection
that leaves residuals of generalised least squares, :math:`U = Z_1'V_1^{-1}[Z_2\Lambda_2\ X]`
and :math:`N = M^{-1}`,

.. math::  Z_1'PZ_1 = Z_1'V_1^{-1}Z_1 - UNU', \quad
           Z_1'PZ_2\Lambda_2 = (UN)_2, \quad \Lambda_2'Z_2'PZ_2\Lambda_2 = I - N_{22};

leaving X out of M gives the same for :math:`V^{-1}` instead of P. Every trace below is
taken from these without forming the block of :math:`Z_1`.

References
----------
Bates et al. (2015), doi:10.18637/jss.v067.i01, eqs 30-42 (the profiled criterion).
Wolfinger R, Tobias R, Sall J (1994). SIAM J Sci Comput 15:1294. doi:10.1137/0915079
(derivatives).
"""

from __future__ import annotations

__all__ = ["VarianceState"]

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import scipy

from .blocks import inverse_blocks, left_blocks, scale_columns
from .crossproducts import CrossProducts

#: Relative standard deviations below which I - N_22 has lost digits to cancellation.
_CANCELS = 1e-3


class VarianceState:
    """Everything that follows from the cross-products at one value of the factors.

    Where a method takes `fixed`, it is of P (True) or of :math:`V^{-1}` (False).

    Parameters
    ----------
    products : CrossProducts
        The data.
    factors : sequence of ndarray of shape (k, k)
        Relative Cholesky factors, one a term.

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
        k = c.sizes[c.lead][1]
        inner, log_det_1 = inverse_blocks(np.eye(k) + L1.T @ c.A @ L1)
        self._K = L1 @ inner @ L1.T
        q2, m = c.q2, c.q2 + c.p
        KCx = left_blocks(self._K, c.Cx)
        E = c.FF.copy()
        E[q2:, q2:] -= c.Cx.T @ KCx
        if q2:
            product = c.C2.T @ left_blocks(self._K, c.C2)
            E[:q2, :q2] -= product if isinstance(product, np.ndarray) else product.toarray()
            E[:q2, q2:] -= c.C2.T @ KCx
            E[q2:, :q2] = E[:q2, q2:].T
        self.E = E
        #: Random effects in the equations: none where the others' variances are all zero.
        self._q = q = q2 if any(self.factors[t].any() for t in c.others) else 0
        system = np.empty((q + c.p, q + c.p))
        right = E[q2:m, m]
        system[q:, q:] = E[q2:m, q2:m]
        if q:
            LE = self._left(E[:q2])
            system[:q2, :q2] = self._left(LE[:, :q2].T)
            system[:q2, :q2].flat[:: q2 + 1] += 1.0
            system[:q2, q2:] = LE[:, q2:m]
            system[q2:, :q2] = LE[:, q2:m].T
            right = np.concatenate([LE[:, m], right])
        self._chol = scipy.linalg.cholesky(system, lower=True, check_finite=False, overwrite_a=True)
        half = scipy.linalg.solve_triangular(self._chol, right, lower=True, check_finite=False)
        diagonal = np.log(np.diag(self._chol))
        self.log_det_v = log_det_1 + 2 * float(diagonal[:q].sum())
        self.log_det_x = 2 * float(diagonal[q:].sum())
        self.rss = float(E[m, m] - half @ half)
        self._half = half

    def _left(self, M: np.ndarray, *, transpose: bool = True) -> np.ndarray:
        """Λ_2' M (or Λ_2 M) for M with one row per coefficient of Z_2."""
        c = self.products
        out = np.empty_like(M)
        for t in c.others:
            L = self.factors[t].T if transpose else self.factors[t]
            out[c.slices[t]] = left_blocks(L, M[c.slices[t]])
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
        solution: np.ndarray = scipy.linalg.solve_triangular(
            self._chol, self._half, lower=True, trans="T", check_finite=False
        )
        return solution[self._q :]

    @cached_property
    def phi(self) -> np.ndarray:
        """:math:`(X'V^{-1}X)^{-1}`: the covariance of the fixed effects over sigma squared."""
        R = self._chol[self._q :, self._q :]
        inverse = scipy.linalg.solve_triangular(R, np.eye(len(R)), lower=True, check_finite=False)
        return np.asarray(inverse.T @ inverse)

    def _solve(self, right: np.ndarray, *, fixed: bool) -> np.ndarray:
        """The mixed-model equations, in terms of u and beta; zeros for beta without `fixed`."""
        q, q2 = self._q, self.products.q2
        size = len(self._chol) if fixed else q
        scaled = np.concatenate([self._left(right[:q2]), right[q2:]])[q2 - q :]
        found = np.zeros_like(scaled)
        if size:
            system = (self._chol[:size, :size], True)
            found[:size] = scipy.linalg.cho_solve(system, scaled[:size], check_finite=False)
        out = np.zeros_like(right)
        out[q2:] = found[q:]
        if q:
            out[:q2] = self._left(found[:q2], transpose=False)
        return out

    @cached_property
    def _inverses(self) -> dict[bool, np.ndarray]:
        return {}

    def _inverse(self, *, fixed: bool) -> np.ndarray:
        """N, for spherical random effects."""
        if fixed not in self._inverses:
            size = len(self._chol) if fixed else self._q
            inverse = self._chol[:size, :size]
            if size:
                lower = scipy.linalg.lapack.dpotri(inverse, lower=1)[0]
                inverse = lower + lower.T  # zero above the diagonal
                inverse.flat[:: size + 1] /= 2
            self._inverses[fixed] = inverse
        return self._inverses[fixed]

    # --- Z'V_1^-1 [Z, X, y] ------------------------------------------------------

    @cached_property
    def _shrink(self) -> np.ndarray:
        """Blocks that turn :math:`Z_1'` into :math:`Z_1'V_1^{-1}`."""
        return np.asarray(np.eye(self._K.shape[1]) - self.products.A @ self._K)

    @cached_property
    def _u2(self) -> np.ndarray:
        """:math:`Z_1'V_1^{-1}Z_2`, dense or sparse as the cross-products are."""
        u2: np.ndarray = left_blocks(self._shrink, self.products.C2)
        return u2

    @cached_property
    def _ux(self) -> np.ndarray:
        """:math:`Z_1'V_1^{-1}[X\\ y]`."""
        return np.asarray(left_blocks(self._shrink, self.products.Cx))

    @cached_property
    def w_lead(self) -> np.ndarray:
        """Blocks of :math:`Z_1'V_1^{-1}Z_1` of shape (levels, k, k)."""
        return np.asarray(self._shrink @ self.products.A)

    def _lead_times(self, M: np.ndarray) -> np.ndarray:
        """:math:`Z_1'V_1^{-1}[Z_2\\ X]` times M."""
        q2 = self.products.q2
        out = self._ux[:, :-1] @ M[q2:]
        return np.asarray(out + self._u2 @ M[:q2]) if q2 else np.asarray(out)

    def _lead_transposed(self, v: np.ndarray) -> np.ndarray:
        """Its transpose times v."""
        last = self._ux[:, :-1].T @ v
        return np.concatenate([self._u2.T @ v, last]) if self.products.q2 else last

    def project(self, columns: slice, *, fixed: bool) -> tuple[np.ndarray, np.ndarray]:
        """:math:`Z'V^{-1}` (or Z'P) applied to columns of [X y]; blocks 1 and 2."""
        q2, m = self.products.q2, self.products.q2 + self.products.p
        right = self.E[:, q2:][:, columns]
        N = self._solve(right[:m], fixed=fixed)
        first = self._ux[:, columns] - self._lead_times(N)
        return first, right[:q2] - self.E[:q2, :m] @ N

    def apply(
        self, v1: np.ndarray, v2: np.ndarray, *, fixed: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """:math:`Z'V^{-1}Z v` (or Z'PZ v) for the columns of v = (v1, v2)."""
        q2, m = self.products.q2, self.products.q2 + self.products.p
        moved = np.zeros((m - q2, v1.shape[1]))
        right = self._lead_transposed(v1) + self.E[:q2, :m].T @ v2
        N = self._solve(right, fixed=fixed)
        first = left_blocks(self.w_lead, v1) + self._lead_times(np.concatenate([v2, moved]) - N)
        second = right[:q2] - self.E[:q2, :m] @ N
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

    def traces(self, *, fixed: bool) -> tuple[np.ndarray, np.ndarray]:
        """:math:`tr(S G_i)` and :math:`tr(S G_i S G_j)` for the covariance elements.

        S is Z'V^-1Z or Z'PZ.
        """
        blocks = _Traces(self, fixed=fixed)
        c = self.products
        first = np.array([(1 + (r != s)) * blocks.first[t][r, s] for t, r, s in c.elements])
        second = np.empty((len(c.elements),) * 2)
        for i, (t, r, s) in enumerate(c.elements):
            for j, (u, x, y) in enumerate(c.elements[: i + 1]):
                # tr(S sym(E_rs) S sym(E_xy)), each sym doubled off the diagonal.
                M = blocks.pair[t, u]
                value = M[r, x, s, y] + M[r, y, s, x]
                second[i, j] = second[j, i] = value * (1 + (r != s)) * (1 + (x != y)) / 2
        return first, second


class _Traces:
    """Sums over levels of S and of products of its elements.

    Attributes
    ----------
    first : dict of ndarray of shape (k, k)
        Sum of a term's diagonal blocks.
    pair : dict of ndarray
        For the terms t and u (u <= t), sums over all pairs of levels l, l' of
        S[(l,r),(l',x)] S[(l,s),(l',y)], of shape (k_t, k_u, k_t, k_u) for r, x, s, y.
    """

    def __init__(self, state: VarianceState, *, fixed: bool) -> None:
        self.state, self.c = state, state.products
        self.N = state._inverse(fixed=fixed)
        self.q = q = state._q
        self.ux = state._ux[:, : len(self.N) - q]
        self.u2 = self._scaled_columns() if q else state._u2[:, :0]
        UN = self.ux @ self.N[q:]
        self.UN = UN + self.u2 @ self.N[:q] if q else UN
        self.first: dict[int, np.ndarray] = {}
        self.pair: dict[tuple[int, int], np.ndarray] = {}
        self._lead()
        if self.c.q2:
            self._others(*self._spherical() if self._regular else self._plain())

    @property
    def _regular(self) -> bool:
        return all(
            np.linalg.svd(self.state.factors[t], compute_uv=False).min() > _CANCELS
            for t in self.c.others
        )

    def _scaled_columns(self) -> np.ndarray:
        c, u2 = self.c, self.state._u2
        if all(c.sizes[t][1] == 1 for t in c.others):
            scales = [np.full(c.sizes[t][0], self.state.factors[t][0, 0]) for t in c.others]
            scaled: np.ndarray = scale_columns(u2, np.concatenate(scales))
            return scaled
        dense = u2 if isinstance(u2, np.ndarray) else u2.toarray()
        return np.ascontiguousarray(self.state._left(np.ascontiguousarray(dense.T)).T)

    def _rows(self, M: np.ndarray, r: int) -> np.ndarray:
        return M[r :: self.c.sizes[self.c.lead][1]]

    def _lead(self) -> None:
        c, W = self.c, self.state.w_lead
        k, t = c.sizes[c.lead][1], c.lead
        UNU = np.empty_like(W)
        H = {}
        q = self.q
        for r in range(k):
            UN = self._rows(self.UN, r)
            for s in range(k):
                u2, ux = self._rows(self.u2, s), self._rows(self.ux, s)
                UNU[:, r, s] = (UN[:, q:] * ux).sum(axis=1)
                last = ux.T @ UN
                if q:
                    own = UN[:, :q]
                    product = u2 * own if isinstance(u2, np.ndarray) else u2.multiply(own)
                    UNU[:, r, s] += np.asarray(product.sum(axis=1)).ravel()
                    last = np.concatenate([u2.T @ UN, last])
                #: Transposed N sum_l U_lr U_ls'.
                H[r, s] = last
        self.first[t] = (W - UNU).sum(axis=0)
        out: np.ndarray = (
            np.einsum("lrx,lsy->rxsy", W, W)
            - np.einsum("lrx,lsy->rxsy", W, UNU)
            - np.einsum("lrx,lsy->rxsy", UNU, W)
        )
        for r, s, x, y in np.ndindex(k, k, k, k):
            # sum_ll' (U_lr N U_l'x') (U_ls N U_l'y')
            out[r, x, s, y] += np.sum(H[x, y].T * H[s, r])
        self.pair[t, t] = out

    def _spherical(self) -> tuple[np.ndarray, np.ndarray, dict[int, np.ndarray]]:
        """S between the largest term and the others, and among these, for spherical effects."""
        q2 = self.c.q2
        S22 = -self.N[:q2, :q2]
        S22.flat[:: q2 + 1] += 1.0
        inverse = {t: np.linalg.inv(self.state.factors[t]) for t in self.c.others}
        return self.UN[:, :q2], S22, inverse

    def _plain(self) -> tuple[np.ndarray, np.ndarray, dict[int, np.ndarray]]:
        """The same for the effects themselves, which may have no variance."""
        c, state, q2 = self.c, self.state, self.c.q2
        E2 = state.E[:q2, q2 - self.q : q2 + self.ux.shape[1]].copy()
        if self.q:
            E2[:, :q2] = state._left(E2[:, :q2].T).T
        S22 = state.E[:q2, :q2] - E2 @ self.N @ E2.T
        u2 = state._u2
        dense = u2 if isinstance(u2, np.ndarray) else u2.toarray()
        identity = {t: np.eye(c.sizes[t][1]) for t in c.others}
        return dense - self.UN @ E2.T, S22, identity

    def _others(self, S12: np.ndarray, S22: np.ndarray, back: dict[int, np.ndarray]) -> None:
        c = self.c
        back = back | {c.lead: np.eye(c.sizes[c.lead][1])}
        for t in c.others:
            levels, k = c.sizes[t]
            block = S22[c.slices[t], c.slices[t]].reshape(levels, k, levels, k)
            own = np.einsum("lrls->rs", block)
            self.first[t] = back[t].T @ own @ back[t]
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
                    own = np.full((1, 1, 1, 1), np.einsum("ij,ij->", block, block))
                else:
                    b = block.reshape(lt, kt, lu, ku)
                    own = np.einsum("arbx,asby->rxsy", b, b, optimize=True)
                self.pair[t, u] = np.einsum(
                    "rxsy,ri,sj,xa,yb->iajb", own, back[t], back[t], back[u], back[u]
                )
