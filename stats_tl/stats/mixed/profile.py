r"""Intervals for standard deviations and correlations of the random effects.

The profile interval holds the values :math:`\psi` whose likelihood-ratio statistic, all
other parameters refitted under ML, stays below the chi-square quantile. Every refit is
smooth and unconstrained: with :math:`\tau = \sigma\theta` (absolute Cholesky elements) and
the effect in question put first in its term, its standard deviation *is* one element of
:math:`\tau`, and for a correlation :math:`\rho` of the first two, :math:`\tau` is linear in
what is free: :math:`\tau_{11} = a, \tau_{21} = \rho b, \tau_{22} = \sqrt{1-\rho^2}\,b`.

References
----------
Bates D, Mächler M, Bolker B, Walker S (2015). J Stat Softw 67(1), section 5.1.
doi:10.18637/jss.v067.i01
"""

from __future__ import annotations

__all__ = ["profile_intervals", "wald_intervals"]

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy

from .inference import Satterthwaite
from .likelihood.criterion import Moments
from .likelihood.optimize import Derivatives, Minimum, minimize_newton
from .likelihood.solver import (
    SINGULAR_TOLERANCE,
    Solution,
    Standardized,
    random_basis,
    slope_scales,
    solve,
)
from .specification.design import RandomTerm

#: Group, term, estimate, lower and upper end.
_Row = tuple[str, str, float, float, float]
_COLUMNS = ["group", "term", "estimate", "ci_low", "ci_high"]


class _Space(NamedTuple):
    """Points ``offset + directions @ x``, where the `positive` elements enter as exp(x)."""

    offset: np.ndarray
    directions: np.ndarray
    positive: np.ndarray

    def values(self, x: np.ndarray) -> np.ndarray:
        """The free parameters themselves."""
        return np.asarray(np.where(self.positive, np.exp(np.where(self.positive, x, 0.0)), x))

    def nearest(self, point: np.ndarray) -> np.ndarray:
        """Coordinates of the point of the space nearest to `point`."""
        free = np.linalg.lstsq(self.directions, point - self.offset, rcond=None)[0]
        return np.asarray(np.where(self.positive, np.log(np.maximum(free, 1e-6)), free))

    @classmethod
    def fixing(cls, index: int, value: float, size: int) -> _Space:
        """All points with one coordinate fixed."""
        offset = np.zeros(size)
        offset[index] = value
        return cls(offset, np.delete(np.eye(size), index, axis=1), np.zeros(size - 1, dtype=bool))


class _Profiler:
    """The ML deviance over (tau, log sigma) of standardised data, refitted under constraints."""

    def __init__(self, std: Standardized, best: Solution) -> None:
        self.std = std
        sigma = math.sqrt(best.unit_variance)
        self.optimum = np.append(sigma * best.theta, math.log(sigma))
        self.minimum = self._evaluate(self.optimum)[0]

    def _evaluate(self, point: np.ndarray) -> tuple[float, Callable[[], Derivatives]]:
        theta_map, products = self.std.map, self.std.products
        tau, log_sigma = point[:-1], float(point[-1])
        variance = math.exp(2 * log_sigma)
        theta = tau / math.exp(log_sigma)
        try:
            state = self.std.state(theta)
        except np.linalg.LinAlgError:
            size = len(point)
            return np.inf, lambda: (point * np.nan, np.full((size, size), np.nan))
        value = state.log_det_v + products.n * math.log(2 * math.pi * variance)
        value += state.rss / variance

        def derivatives() -> Derivatives:
            moments = Moments.of(products, state, reml=False)
            g, H, mixed, (first, second) = moments.at_sigma(variance)
            # D = (tau tau') / sigma^2 depends on log sigma as well.
            d = np.array(
                [(state.factors[t] @ state.factors[t].T)[r, s] for t, r, s in products.elements]
            )
            J = np.column_stack([theta_map.jacobian(tau) / variance, -2 * d])
            gradient = J.T @ g
            gradient[-1] += first
            hessian = J.T @ H @ J
            cross = J.T @ mixed
            hessian[-1] += cross
            hessian[:, -1] += cross
            hessian[-1, -1] += second + 4 * float(g @ d)
            hessian[:-1, :-1] += np.tensordot(g, theta_map.second, axes=1) / variance
            bend = -2 * (theta_map.jacobian(tau).T @ g) / variance
            hessian[-1, :-1] += bend
            hessian[:-1, -1] += bend
            return gradient, hessian

        return value, derivatives

    def constrained(self, space: _Space, start: np.ndarray) -> Minimum:
        """Minimum over the points of `space`."""

        def evaluate(x: np.ndarray) -> tuple[float, Callable[[], Derivatives]]:
            free = space.values(x)
            value, derivatives = self._evaluate(space.offset + space.directions @ free)

            def reduced() -> Derivatives:
                gradient, hessian = derivatives()
                gradient = space.directions.T @ gradient
                hessian = space.directions.T @ hessian @ space.directions
                slope = np.where(space.positive, free, 1.0)
                bend = np.where(space.positive, gradient * free, 0.0)
                return slope * gradient, hessian * np.outer(slope, slope) + np.diag(bend)

            return value, reduced

        return minimize_newton(evaluate, start, tolerance=1e-9)

    def curve(self, space_at: Callable[[float], _Space]) -> Callable[[float], float]:
        """Likelihood-ratio statistic as a function of the parameter that `space_at` fixes."""
        last: list[np.ndarray] = []

        def statistic(psi: float) -> float:
            space = space_at(psi)
            # A refit may have two minima (one with a variance near zero): try both ways in.
            starts = [space.nearest(self.optimum), *last]
            ends = [self.constrained(space, start) for start in starts]
            good = [end for end in ends if end.converged]
            if not good:
                return math.nan
            found = min(good, key=lambda end: end.value)
            last[:] = [found.x]
            return float(max(found.value - self.minimum, 0.0))

        return statistic


def profile_intervals(solution: Solution, level: float, *, converged: bool) -> pd.DataFrame:
    """Profile-likelihood intervals; see :meth:`MixedModelResult.confint_variance`."""
    rows: list[_Row] = []
    std = solution.std
    quantile = float(scipy.stats.chi2.ppf(level, 1))
    for t, term in enumerate(std.design.random):
        k = len(term.coefficients)
        sd = np.sqrt(np.diag(solution.covariances[t])) if converged else np.full(k, math.nan)
        for i, name in enumerate(term.coefficients):
            low, high = _profile_sd(std, t, i, quantile) if converged else (math.nan, math.nan)
            rows.append((term.name, name, sd[i], low, high))
        for i in range(k):
            for j in range(i + 1, k):
                label = f"cor({term.coefficients[i]}, {term.coefficients[j]})"
                value = low = high = math.nan
                if converged and sd[i] > 0 and sd[j] > 0:
                    value = solution.covariances[t][i, j] / (sd[i] * sd[j])
                    low, high = _profile_correlation(std, t, i, j, quantile)
                rows.append((term.name, label, value, low, high))
    low, high = _profile_sigma(std, quantile) if converged else (math.nan, math.nan)
    rows.append(("Residual", "", solution.sigma if converged else math.nan, low, high))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _reordered(std: Standardized, term: int, first: list[int]) -> tuple[_Profiler, int]:
    """A profiler with the effects `first` leading their term; index of the term's first tau."""
    design = std.design
    terms: list[RandomTerm] = list(design.random)
    old = terms[term]
    order = first + [i for i in range(len(old.coefficients)) if i not in first]
    names = tuple(old.coefficients[i] for i in order)
    terms[term] = replace(old, coefficients=names, z=np.ascontiguousarray(old.z[:, order]))
    moved = std
    if len(order) > 1:
        bases = list(std.bases)
        bases[term] = random_basis(terms[term].z)
        if len(first) > 1:  # a correlation is one between the effects themselves
            bases[term] = np.diag(slope_scales(terms[term].z))
        moved = Standardized(replace(design, random=tuple(terms)), bases)
    best = solve(moved, reml=False)
    start = next(i for i, entry in enumerate(moved.map.entries) if entry[0] == term)
    return _Profiler(moved, best), start


def _profile_sd(std: Standardized, term: int, effect: int, quantile: float) -> tuple[float, float]:
    profiler, index = _reordered(std, term, [effect])
    size = len(profiler.optimum)
    estimate = float(profiler.optimum[index])
    sigma = math.exp(profiler.optimum[-1])
    curve = profiler.curve(lambda psi: _Space.fixing(index, psi, size))
    low = 0.0 if estimate <= SINGULAR_TOLERANCE * sigma else _root(curve, estimate, 0.0, quantile)
    high = _outward(curve, estimate, max(estimate, 0.01 * sigma), quantile)
    scale = std.scale / profiler.std.bases[term][0, 0]
    return low * scale, high * scale


def _profile_correlation(
    std: Standardized, term: int, i: int, j: int, quantile: float
) -> tuple[float, float]:
    profiler, index = _reordered(std, term, [i, j])
    size = len(profiler.optimum)
    entries = profiler.std.map.entries
    second = entries.index((term, 1, 1))
    slope, b = profiler.optimum[[index + 1, second]]
    estimate = float(slope / math.hypot(slope, b))

    def space(z: float) -> _Space:
        rho = math.tanh(z)
        directions = np.delete(np.eye(size), index + 1, axis=1)
        directions[index + 1, second - 1] = rho
        directions[second, second - 1] = math.sqrt(1 - rho**2)
        # Both standard deviations stay positive: a change of sign would turn the correlation.
        positive = np.isin(np.arange(size - 1), (index, second - 1))
        return _Space(np.zeros(size), directions, positive)

    # On Fisher's scale and outwards from the estimate, so that each refit starts near its end.
    edge = math.atanh(1 - 1e-8)
    start = (
        float(np.clip(math.atanh(estimate), -edge, edge))
        if abs(estimate) < 1
        else (math.copysign(edge, estimate))
    )
    ends = []
    for limit in (-edge, edge):
        z = _outward(profiler.curve(space), start, math.copysign(0.25, limit), quantile, limit)
        ends.append(math.copysign(1.0, limit) if z == limit else math.tanh(z))
    return ends[0], ends[1]


def _profile_sigma(std: Standardized, quantile: float) -> tuple[float, float]:
    profiler = _Profiler(std, solve(std, reml=False))
    size = len(profiler.optimum)
    estimate = float(profiler.optimum[-1])
    low, high = (
        _outward(
            profiler.curve(lambda psi: _Space.fixing(size - 1, psi, size)), estimate, step, quantile
        )
        for step in (-0.05, 0.05)
    )
    return std.scale * math.exp(low), std.scale * math.exp(high)


def _root(curve: Callable[[float], float], estimate: float, end: float, quantile: float) -> float:
    """Where the curve crosses the quantile between the estimate and `end`; `end` if nowhere."""
    at_end = curve(end)
    if math.isnan(at_end):
        return math.nan
    if at_end <= quantile:
        return end

    # The signed root is nearly straight, which a secant-type search likes.
    def crossing(x: float) -> float:
        value = 0.0 if x == estimate else curve(x)
        return math.sqrt(value) - math.sqrt(quantile) if value == value else math.nan

    try:
        return float(scipy.optimize.brentq(crossing, estimate, end, xtol=1e-10, rtol=1e-9))
    except (RuntimeError, ValueError):
        return math.nan


def _outward(
    curve: Callable[[float], float],
    estimate: float,
    step: float,
    quantile: float,
    limit: float | None = None,
) -> float:
    """As :func:`_root`, on the side of `step`, lengthened until it crosses or is at `limit`."""
    limit = math.copysign(math.inf, step) if limit is None else limit
    for _ in range(40):
        end = estimate + step
        if abs(end - estimate) >= abs(limit - estimate):
            return limit if limit == estimate else _root(curve, estimate, limit, quantile)
        value = curve(end)
        if math.isnan(value):
            return math.nan
        if value > quantile:
            return _root(curve, estimate, end, quantile)
        step *= 2
    return limit


def wald_intervals(solution: Solution, level: float, *, converged: bool) -> pd.DataFrame:
    """Normal intervals on the log and Fisher's z scale."""
    rows: list[_Row] = []
    std = solution.std
    z = float(scipy.stats.norm.isf((1 - level) / 2))
    covariance = Satterthwaite(solution).parameter_covariance if converged else None
    J = std.map.jacobian(solution.theta)
    elements = {entry: i for i, entry in enumerate(std.products.elements)}

    def half_width(gradient: np.ndarray) -> float:
        if covariance is None:
            return math.nan
        error = math.sqrt(gradient @ covariance @ gradient)
        # An estimate within half a standard error of zero has no log-scale interval to speak of.
        return z * error if error < 2 else math.nan

    for t, term in enumerate(std.design.random):
        k = len(term.coefficients)
        cov = solution.covariances[t] if converged else np.full((k, k), math.nan)
        factor = std.map.factors(solution.theta)[t]
        inverse = np.linalg.inv(std.bases[t])
        D = inverse @ factor @ factor.T @ inverse.T
        slopes = np.empty((k, k, len(solution.theta)))
        for (own, r, s), i in elements.items():
            if own == t:
                slopes[r, s] = slopes[s, r] = J[i]
        slopes = np.einsum("ir,rsa,js->ija", inverse, slopes, inverse)
        sd = np.sqrt(np.diag(cov))
        interior = converged and bool((np.diag(factor) >= SINGULAR_TOLERANCE).all())
        log_sd = (
            [np.append(slopes[i, i] / (2 * D[i, i]), 1.0) for i in range(k)] if interior else []
        )
        for i, name in enumerate(term.coefficients):
            width = half_width(log_sd[i]) if interior else math.nan
            low, high = sd[i] * math.exp(-width), sd[i] * math.exp(width)
            rows.append((term.name, name, sd[i], low, high))
        for i in range(k):
            for j in range(i + 1, k):
                value = low = high = math.nan
                if interior:
                    value = cov[i, j] / (sd[i] * sd[j])
                    slope = np.append(slopes[j, i], 0.0) / math.sqrt(D[i, i] * D[j, j])
                    gradient = slope - value * (log_sd[i] + log_sd[j])
                    gradient[-1] = 0.0  # a correlation has no scale
                    width = half_width(gradient / (1 - value**2))
                    low, high = np.tanh(np.arctanh(value) + np.array([-width, width]))
                label = f"cor({term.coefficients[i]}, {term.coefficients[j]})"
                rows.append((term.name, label, value, low, high))
    sigma = solution.sigma if converged else math.nan
    width = half_width(np.eye(len(solution.theta) + 1)[-1]) if converged else math.nan
    rows.append(("Residual", "", sigma, sigma * math.exp(-width), sigma * math.exp(width)))
    return pd.DataFrame(rows, columns=_COLUMNS)
