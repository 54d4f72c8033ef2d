r"""Standard errors and degrees of freedom of linear functions of the fixed effects.

Three rules share one interface (`vcov`, `df`, `f_test`):

- **Wald**: the estimated variances taken as known; normal and chi-square references.
- **Satterthwaite**: the variance of :math:`l'\hat\beta` is treated as a scaled chi-square
  whose degrees of freedom match its own variance, by the delta method over
  :math:`(\theta, \sigma)`, as lmerTest does (there by finite differences, here exactly).
- **Kenward-Roger**: the covariance of the estimates is adjusted for the small-sample bias
  that comes from estimating the variances, and the F statistic is scaled and given the
  denominator degrees of freedom that match two moments, as pbkrtest does. The n x n
  matrices of the definition are replaced by cross-products: with
  :math:`I = V - ZDZ'`, every :math:`P_i`, :math:`Q_{ij}` and trace follows from
  :math:`Z'V^{-1}X` and :math:`Z'V^{-1}Z`.

References
----------
Satterthwaite FE (1946). Biometrics Bulletin 2:110. doi:10.2307/3002019
Kenward MG, Roger JH (1997). Small sample inference for fixed effects from restricted
maximum likelihood. Biometrics 53:983. doi:10.2307/2533558
Kuznetsova A, Brockhoff PB, Christensen RHB (2017). lmerTest package. J Stat Softw
82(13). doi:10.18637/jss.v082.i13
Halekoh U, Højsgaard S (2014). A Kenward-Roger approximation and parametric bootstrap
methods. J Stat Softw 59(9). doi:10.18637/jss.v059.i09
"""

from __future__ import annotations

__all__ = ["FTest", "Inference", "KenwardRoger", "Satterthwaite", "Wald", "make_inference"]

from functools import cached_property
from typing import NamedTuple

import numpy as np

from .likelihood.solver import Solution

DDF_METHODS = ("kenward-roger", "satterthwaite", "wald")


class FTest(NamedTuple):
    """F statistic with its degrees of freedom."""

    statistic: float
    df_numerator: int
    df_denominator: float


class Inference:
    """Wald inference, and what the small-sample rules have in common.

    Parameters
    ----------
    solution : Solution
        The fit.
    """

    name = "wald"

    def __init__(self, solution: Solution) -> None:
        self.solution = solution

    @cached_property
    def vcov(self) -> np.ndarray:
        """Covariance matrix of the fixed effects, of shape (p, p)."""
        return self.solution.vcov

    def standard_error(self, weights: np.ndarray) -> float:
        """Standard error of ``weights @ beta``."""
        return float(np.sqrt(weights @ self.vcov @ weights))

    def df(self, weights: np.ndarray) -> float:
        """Degrees of freedom of the t statistic of ``weights @ beta``."""
        return np.inf

    def f_test(self, weights: np.ndarray) -> FTest:
        """Test of ``weights @ beta = 0`` for full-rank `weights` of shape (q, p)."""
        estimate = weights @ self.solution.beta
        wald = estimate @ np.linalg.solve(weights @ self.vcov @ weights.T, estimate)
        q = len(weights)
        return FTest(float(wald / q), q, self._denominator(weights))

    def _denominator(self, weights: np.ndarray) -> float:
        return np.inf

    # The sensitivities live in the orthonormal basis of X.

    @cached_property
    def _cross(self) -> np.ndarray:
        """:math:`X'V^{-1}G_iV^{-1}X` for every element of D, shape (elements, p, p)."""
        state, c = self.solution.state, self.solution.std.products
        t1, t2 = self._t
        out = []
        for i in range(len(c.elements)):
            g1, g2 = state.basis_product(i, t1, t2)
            out.append(t1.T @ g1 + t2.T @ g2)
        return np.array(out)

    @cached_property
    def _t(self) -> tuple[np.ndarray, np.ndarray]:
        """:math:`Z'V^{-1}X`."""
        state, c = self.solution.state, self.solution.std.products
        return state.project(slice(c.p), fixed=False)

    def _to_basis(self, weights: np.ndarray) -> np.ndarray:
        """The same linear function of the coefficients of the orthonormal basis."""
        return np.asarray(weights @ self.solution.std.r_inverse)


class Wald(Inference):
    """Normal reference; too optimistic where a grouping factor has few levels."""


class Satterthwaite(Inference):
    """Degrees of freedom by matching the variance of the estimated variance."""

    name = "satterthwaite"

    @cached_property
    def parameter_covariance(self) -> np.ndarray:
        """Asymptotic covariance of (theta, log sigma), twice the inverse Hessian.

        Directions along which the deviance is flat (a correlation of two effects of
        which one has no variance) carry no information and are left out.
        """
        s = self.solution
        gradient, hessian, mixed, (_, curvature) = s.moments.at_sigma(s.unit_variance)
        _, H_theta = s.std.map.to_theta(s.theta, gradient, hessian)
        J = s.std.map.jacobian(s.theta)
        size = len(s.theta) + 1
        H = np.empty((size, size))
        H[:-1, :-1] = H_theta
        H[:-1, -1] = H[-1, :-1] = J.T @ mixed
        H[-1, -1] = curvature
        # What each diagonal element would be without cancellation tells noise from curvature.
        magnitude = np.diag(J.T @ np.abs(s.moments.trace2) @ J) + np.diag(
            np.tensordot(np.abs(s.moments.trace1), s.std.map.second, axes=1)
        )
        reference = np.append(magnitude, curvature)
        return 2 * _inverse(H, 1e-9 * reference)

    @cached_property
    def _vcov_slopes(self) -> np.ndarray:
        """Derivatives of vcov / sigma^2 in (theta, log sigma), in the orthonormal basis."""
        s = self.solution
        phi = s.state.phi
        slopes = np.tensordot(s.std.map.jacobian(s.theta).T, self._cross, axes=1)
        return np.concatenate([phi @ slopes @ phi, 2 * phi[None]])

    def df(self, weights: np.ndarray) -> float:
        """Satterthwaite's degrees of freedom of one linear function."""
        w = self._to_basis(np.asarray(weights, dtype=float))
        variance = w @ self.solution.state.phi @ w
        slope = self._vcov_slopes @ w @ w
        return float(2 * variance**2 / (slope @ self.parameter_covariance @ slope))

    def _denominator(self, weights: np.ndarray) -> float:
        """Fai and Cornelius: match the mean of the F over independent contrasts."""
        _, vectors = np.linalg.eigh(weights @ self.vcov @ weights.T)
        nus = np.array([self.df(row) for row in vectors.T @ weights])
        if len(nus) == 1:
            return float(nus[0])
        if np.all(np.abs(np.diff(nus)) < 1e-8 * nus.max()):
            return float(nus.mean())
        if np.any(nus <= 2):
            return 2.0
        expected = float(np.sum(nus / (nus - 2)))
        return 2 * expected / (expected - len(nus))


class KenwardRoger(Inference):
    """Adjusted covariance, scaled F, and denominator degrees of freedom."""

    name = "kenward-roger"

    @cached_property
    def _pieces(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """P (components, p, p), W (components, components) and the adjusted Phi."""
        s = self.solution
        state, c = s.state, s.std.products
        phi = state.phi
        inverse = np.linalg.inv(phi)
        d = np.array([(f @ f.T)[r, q] for f, r, q in self._elements()])
        B, p, m = self._cross, c.p, len(c.elements)
        Q = np.empty((m + 1, m + 1, p, p))
        Q[:m, :m] = self._q_elements()
        BD = np.tensordot(d, B, axes=1)
        QD = np.tensordot(d, Q[:m, :m], axes=(0, 1))
        # The residual's component is I = V - ZDZ'.
        Q[:m, m] = B - QD
        Q[m, :m] = Q[:m, m].transpose(0, 2, 1)
        Q[m, m] = inverse - 2 * BD + np.tensordot(d, QD, axes=1)
        P = -np.concatenate([B, (inverse - BD)[None]])
        first, second = state.traces(fixed=False)
        K = np.empty((m + 1, m + 1))
        K[:m, :m] = second
        K[:m, m] = K[m, :m] = first - second @ d
        K[m, m] = c.n - 2 * first @ d + d @ second @ d
        PP = phi @ P
        information = K - 2 * np.einsum("ab,ijba->ij", phi, Q) + np.einsum("iab,jba->ij", PP, PP)
        W = 2 * _inverse(information, np.zeros(m + 1))
        U = np.einsum("ij,ijab->ab", W, Q) - np.einsum("ij,iab,bc,jcd->ad", W, P, phi, P)
        adjusted = phi + 2 * phi @ (U + U.T) / 2 @ phi
        return P, W, adjusted

    def _elements(self) -> list[tuple[np.ndarray, int, int]]:
        s = self.solution
        return [(s.state.factors[t], r, q) for t, r, q in s.std.products.elements]

    def _q_elements(self) -> np.ndarray:
        """:math:`X'V^{-1}G_iV^{-1}G_jV^{-1}X`, shape (elements, elements, p, p)."""
        state, c = self.solution.state, self.solution.std.products
        moved = [state.basis_product(i, *self._t) for i in range(len(c.elements))]
        v1, v2 = (np.hstack([m[side] for m in moved]) for side in (0, 1))
        s1, s2 = state.apply(v1, v2, fixed=False)
        m, p = len(c.elements), c.p
        products: np.ndarray = v1.T @ s1 + v2.T @ s2
        return products.reshape(m, p, m, p).transpose(0, 2, 1, 3)

    @cached_property
    def vcov(self) -> np.ndarray:
        """Kenward and Roger's adjusted covariance of the fixed effects."""
        s = self.solution
        half = s.sigma * s.std.r_inverse
        return np.asarray(half @ self._pieces[2] @ half.T)

    def _moments(self, weights: np.ndarray) -> tuple[float, float]:
        """A1 and A2 of Kenward and Roger (1997) for the hypothesis `weights`."""
        P, W, _ = self._pieces
        phi = self.solution.state.phi
        L = np.atleast_2d(self._to_basis(weights))
        theta_phi = L.T @ np.linalg.solve(L @ phi @ L.T, L) @ phi
        M = theta_phi @ P @ phi
        traces = np.einsum("iaa->i", M)
        return float(traces @ W @ traces), float(np.einsum("ij,iab,jba->", W, M, M))

    def df(self, weights: np.ndarray) -> float:
        """Kenward-Roger degrees of freedom of one linear function."""
        a1, a2 = self._moments(np.asarray(weights, dtype=float))
        return _kr_scaling(a1, a2, 1)[1]

    def f_test(self, weights: np.ndarray) -> FTest:
        """Kenward and Roger's scaled F test."""
        estimate = weights @ self.solution.beta
        wald = estimate @ np.linalg.solve(weights @ self.vcov @ weights.T, estimate)
        q = len(weights)
        scale, df = _kr_scaling(*self._moments(weights), q)
        return FTest(float(scale * wald / q), q, df)


def _kr_scaling(a1: float, a2: float, q: int) -> tuple[float, float]:
    """Scale of the F statistic and its denominator df (section 3 of the paper)."""
    if a2 == 0:
        return 1.0, np.inf
    if q == 1:  # where the general formula reduces to this, but may divide by zero on the way
        return 1.0, float(2 / a2)
    b = (a1 + 6 * a2) / (2 * q)
    g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    divisor = 3 * q + 2 * (1 - g)
    v0 = 1 + g / divisor * b
    v1 = 1 - (q - g) / divisor * b
    v2 = 1 - (q + 2 - g) / divisor * b
    v0 = 0.0 if abs(v0) < 1e-10 else v0
    # 0/0 at the exact F of a balanced design: the ratio is one.
    exact = abs(1 - a2 / q) < 1e-14 and abs(v1) < 1e-14
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 1.0 if exact else np.divide(1 - a2 / q, v1)
        rho = np.divide(ratio**2 * v0, v2) / q
        df = 4 + np.divide(q + 2, q * rho - 1)
        scale = 1.0 if abs(df - 2) < 0.01 else df * (1 - a2 / q) / (df - 2)
    return float(scale), float(df)


def _inverse(M: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Inverse of a symmetric matrix; pseudo-inverse over directions without information."""
    diagonal = np.diag(M)
    use = diagonal > noise
    scale = np.where(use, 1 / np.sqrt(np.where(use, diagonal, 1.0)), 0.0)
    values, vectors = np.linalg.eigh(M * np.outer(scale, scale))
    good = values > 1e-10
    half = vectors[:, good] / np.sqrt(values[good])
    return np.asarray(np.outer(scale, scale) * (half @ half.T))


def make_inference(solution: Solution, ddf: str) -> Inference:
    """The rule named `ddf`."""
    return {"wald": Wald, "satterthwaite": Satterthwaite, "kenward-roger": KenwardRoger}[ddf](
        solution
    )
