"""Fit the variance parameters and solve for everything else, on standardised data.

The response enters as the residual of least squares over its root mean square, X as an
orthonormal basis of its columns, and the regressors of every random term as an orthogonal
one.
Estimates are equivariant, so an AUC on [0, 1] and the same AUC times 100 give the same
fit, and a boundary is judged on a scale without units.
"""

from __future__ import annotations

__all__ = [
    "SINGULAR_TOLERANCE",
    "Solution",
    "Standardized",
    "better",
    "random_basis",
    "slope_scales",
    "solve",
]

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..specification.design import MixedDesign
from .criterion import Moments, ThetaMap
from .crossproducts import CrossProducts
from .optimize import Derivatives, Minimum, minimize_newton
from .variance_state import VarianceState

#: lme4's isSingular: a relative standard deviation below this is zero.
SINGULAR_TOLERANCE = 1e-4

#: Beyond this condition of I + Z'ZD (about the ratio of explained to residual sum of squares)
#: the cross-products have lost the digits that variance components need.
_MAX_CONDITION = 1e7

#: Smallest eigenvalue of the inner products of linearly dependent covariance structures.
_DEPENDENT = 1e-9

#: Part of a random effect's regressor outside the others below which they are dependent.
_DEPENDENT_EFFECTS = 1e-10

#: The moment start: least share of the residual, and range of variances over the residual's.
_LEAST_RESIDUAL = 0.02
_START_RANGE = (0.05, 50.0)

#: Share of the response's mean square below which the residual counts as nothing.
_EXACT_FIT = 1e-14


class Standardized:
    """A design with y, X and the random effects' regressors brought to unit scale.

    Parameters
    ----------
    design : MixedDesign
        The design; rows are multiplied by the square roots of its weights.
    bases : sequence of ndarray of shape (k, k), optional
        One lower-triangular matrix T per random term: the regressors enter as z T^-1 and
        their effects as T u. By default `random_basis`.
    """

    def __init__(self, design: MixedDesign, bases: Sequence[np.ndarray] | None = None) -> None:
        self.design = design
        root = np.sqrt(design.weights)
        X = root[:, None] * design.fixed.matrix
        y = root * (design.y - design.fixed.offset)
        self.Q, self.R = np.linalg.qr(X)
        self.b_ols = self.Q.T @ y
        residual = y - self.Q @ self.b_ols
        residual -= self.Q @ (self.Q.T @ residual)
        self.scale = float(np.sqrt(residual @ residual / len(y)))
        size = float(np.sqrt(y @ y / len(y)))
        #: Whether the fixed effects alone leave nothing (a constant response, say).
        self.exact = self.scale <= 1e-12 * max(size, np.finfo(float).tiny)
        self.bases = [random_basis(t.z) for t in design.random] if bases is None else list(bases)
        self.map = ThetaMap([t.z.shape[1] for t in design.random])
        zs = [
            root[:, None] * np.linalg.solve(T.T, t.z.T).T
            for t, T in zip(design.random, self.bases, strict=True)
        ]
        unit = residual / self.scale if not self.exact else np.zeros_like(residual)
        self.products = CrossProducts(design.random, self.Q, unit, zs)

    @cached_property
    def r_inverse(self) -> np.ndarray:
        """From coefficients of Q to coefficients of X."""
        return np.linalg.inv(self.R)

    def state(self, theta: np.ndarray) -> VarianceState:
        """The likelihood at theta (of the scaled regressors)."""
        return VarianceState(self.products, self.map.factors(theta))

    @cached_property
    def null_moments(self) -> Moments:
        """Of restricted likelihood, without random effects (V = I)."""
        return Moments.of(self.products, self._null, reml=True)

    @cached_property
    def null_moments_ml(self) -> Moments:
        """Of ordinary likelihood there."""
        return Moments.of(self.products, self._null, reml=False)

    @cached_property
    def _null(self) -> VarianceState:
        return self.state(np.zeros(len(self.map.entries)))

    def moment_start(self) -> np.ndarray:
        """Theta from unbiased quadratic estimates of the variances (MINQUE(0), Rao 1971).

        They equate the quadratic forms of the residuals of X with their expectations; what
        is negative or extreme is brought into a range where the search starts well.
        """
        own = self.null_moments
        system = np.block([[own.trace2, own.trace1[:, None]], [own.trace1[None], own.nu]])
        found = np.linalg.lstsq(system, np.append(own.quad1, own.rss), rcond=1e-9)[0]
        residual = max(float(found[-1]), _LEAST_RESIDUAL * own.rss / own.nu)
        factors = []
        for t, k in enumerate(self.map.sizes):
            D = np.zeros((k, k))
            for value, (own_term, r, s) in zip(found, self.products.elements, strict=False):
                if own_term == t:
                    D[r, s] = D[s, r] = value / residual
            values, vectors = np.linalg.eigh(D)
            D = (vectors * np.clip(values, *_START_RANGE)) @ vectors.T
            factors.append(np.linalg.cholesky(D))
        return self.map.theta(factors)

    def deviance_shift(self, *, reml: bool) -> float:
        """Deviance of the data minus deviance of the standardised data."""
        n, p = self.design.fixed.matrix.shape
        weighting = float(np.log(self.design.weights).sum())
        if not reml:
            return float(2 * n * math.log(self.scale)) - weighting
        log_det = 2 * float(np.log(np.abs(np.diag(self.R))).sum())
        return float(2 * (n - p) * math.log(self.scale) + log_det) - weighting


def slope_scales(z: np.ndarray) -> np.ndarray:
    """Root mean square of each column; 1 for indicators, whose unit is natural."""
    rms = np.sqrt(np.mean(z**2, axis=0))
    indicator = ((z == 0) | (z == 1)).all(axis=0)
    return np.where(indicator | (rms == 0), 1.0, rms)


def random_basis(z: np.ndarray) -> np.ndarray:
    """Lower-triangular T such that the columns of z T^-1 are orthogonal, of mean square one.

    The covariance matrix of a term with several effects is unrestricted, so any basis of
    its regressors gives the same model; this one makes a slope over calendar years as easy
    as one over years since the first. T is lower triangular so that Cholesky factors stay
    so, and the first effect keeps a coordinate of its own. Where the columns are linearly
    dependent, or there is one, they are scaled only.
    """
    scales = slope_scales(z)
    scaled = z / scales
    if z.shape[1] > 1:
        _, R = np.linalg.qr(scaled[:, ::-1])
        backward = R[::-1, ::-1] / math.sqrt(len(z))
        backward = backward * np.where(np.diag(backward) < 0, -1.0, 1.0)[:, None]
        if np.diag(backward).min() > _DEPENDENT_EFFECTS:
            return np.asarray(backward * scales)
    return np.diag(scales)


@dataclass(frozen=True)
class Solution:
    """The optimum.

    Attributes
    ----------
    std : Standardized
        The data it was found on.
    theta : ndarray
        Relative Cholesky elements of the scaled regressors, diagonals non-negative.
    state : VarianceState
        The likelihood there.
    reml : bool
        Criterion.
    failure : str
        Why there is no fit; empty where there is one.
    singular : bool
        Whether a diagonal element of theta is zero.
    """

    std: Standardized
    theta: np.ndarray
    state: VarianceState
    reml: bool
    failure: str
    iterations: int

    @property
    def singular(self) -> bool:
        """Whether a variance is zero or a correlation ±1."""
        return bool((self.theta[self.std.map.diagonal] < SINGULAR_TOLERANCE).any())

    @property
    def identifiable(self) -> bool:
        """Whether the data can tell the variances apart.

        V is linear in the (co)variances; they are identifiable where the matrices that they
        multiply, the residual's identity among them, are linearly independent (under REML:
        after projection on the residuals of X). Their inner products are the traces at V = I.
        """
        moments = self.std.null_moments if self.reml else self.std.null_moments_ml
        size = np.sqrt(np.diag(self.std.null_moments_ml.trace2))
        gram = np.block(
            [
                [moments.trace2 / np.outer(size, size), (moments.trace1 / size)[:, None]],
                [moments.trace1[None] / size, np.array([[float(moments.nu)]])],
            ]
        )
        gram[:, -1] /= np.sqrt(moments.nu)
        gram[-1] /= np.sqrt(moments.nu)
        return bool(np.linalg.eigvalsh(gram)[0] > _DEPENDENT)

    @property
    def nu(self) -> int:
        """Divisor of the residual sum of squares."""
        n, p = self.std.design.fixed.matrix.shape
        return int(n - p if self.reml else n)

    @property
    def unit_variance(self) -> float:
        """Residual variance of the standardised response."""
        return self.state.rss / self.nu

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return float(np.sqrt(self.unit_variance)) * self.std.scale

    @property
    def factors(self) -> list[np.ndarray]:
        """Relative Cholesky factors for the regressors as given."""
        return [
            np.linalg.solve(T, f)
            for f, T in zip(self.std.map.factors(self.theta), self.std.bases, strict=True)
        ]

    @property
    def covariances(self) -> list[np.ndarray]:
        """Covariance matrix of each term's random effects."""
        return [self.sigma**2 * f @ f.T for f in self.factors]

    @property
    def beta(self) -> np.ndarray:
        """Fixed effects of X's kept columns."""
        b = self.std.b_ols + self.std.scale * self.state.beta
        return np.linalg.solve(self.std.R, b)

    @property
    def vcov(self) -> np.ndarray:
        """Their covariance at the estimated variances."""
        half = self.sigma * self.std.r_inverse
        return np.asarray(half @ self.state.phi @ half.T)

    @property
    def deviance(self) -> float:
        """Minus twice the (restricted) log-likelihood."""
        return self.state.deviance(reml=self.reml) + self.std.deviance_shift(reml=self.reml)

    @cached_property
    def moments(self) -> Moments:
        """Ingredients of the derivatives at the optimum."""
        return Moments.of(self.std.products, self.state, reml=self.reml)

    def random_effects(self) -> list[np.ndarray]:
        """Conditional modes (BLUPs), one (levels, k) array a term."""
        c = self.std.products
        a1, a2 = self.state.project(slice(c.p, None), fixed=True)
        out = []
        for t, (levels, k) in enumerate(c.sizes):
            alpha = (a1 if t == c.lead else a2)[c.slices[t]].reshape(levels, k)
            relative = self.state.factors[t] @ self.state.factors[t].T
            effects = self.std.scale * (alpha @ relative)
            out.append(np.linalg.solve(self.std.bases[t], effects.T).T)
        return out


def solve(std: Standardized, *, reml: bool) -> Solution:
    """Minimise the profiled deviance over theta.

    The search starts at moment estimates. Where it ends on the boundary or fails, it is
    repeated from lme4's start (unit factors) and a larger one, where it fails also from a
    smaller one, and the best end is kept.
    """
    products, theta_map = std.products, std.map
    if std.exact:
        state = std.state(theta_map.start() * 0)
        reason = (
            "the fixed effects fit the response exactly (is it constant?), so there is no variance "
            "to estimate"
        )
        return Solution(std, theta_map.start() * np.nan, state, reml, reason, 0)

    def evaluate(theta: np.ndarray) -> tuple[float, Callable[[], Derivatives]]:
        try:
            state = std.state(theta)
        except np.linalg.LinAlgError:
            return np.inf, lambda: (theta * np.nan, np.full((len(theta),) * 2, np.nan))
        value = state.deviance(reml=reml)

        def derivatives() -> Derivatives:
            moments = Moments.of(products, state, reml=reml)
            return theta_map.to_theta(theta, *moments.profiled())

        return value, derivatives

    best = minimize_newton(evaluate, std.moment_start())
    iterations = best.iterations
    if not best.converged or (np.abs(best.x[theta_map.diagonal]) < SINGULAR_TOLERANCE).any():
        for factor in (1.0, 5.0) if best.converged else (1.0, 5.0, 0.2):
            other = minimize_newton(evaluate, factor * theta_map.start())
            iterations += other.iterations
            best = better(best, other)
    theta = theta_map.normalised(best.x)
    state = std.state(theta)
    failure = ""
    if state.rss <= _EXACT_FIT * products.n:
        failure = (
            "the random effects fit the response exactly, so the residual variance is zero and the "
            "likelihood has no maximum"
        )
    elif _condition(products, state) > _MAX_CONDITION:
        failure = (
            "the random effects explain all but a share of about 1e-7 of the response, so the "
            "residual variance cannot be distinguished from rounding"
        )
    elif not best.converged:
        failure = f"the likelihood was not at a maximum after {iterations} iterations"
    return Solution(std, theta, state, reml, failure, iterations)


def _condition(products: CrossProducts, state: VarianceState) -> float:
    rows = float(np.diagonal(products.A, axis1=1, axis2=2).max(initial=0.0))
    rows = max(rows, float(np.diag(products.FF)[: products.q2].max(initial=0.0)))
    return rows * max(float((f**2).sum()) for f in state.factors)


def better(a: Minimum, b: Minimum) -> Minimum:
    """The lower of two ends; one that converged before one that did not."""
    if a.converged != b.converged:
        return a if a.converged else b
    return b if b.value < a.value - 1e-9 * (1 + abs(a.value)) else a
