"""The maximum of a Laplace likelihood, and its curvature there.

The search moves in coordinates in which the deviance is about as curved in every direction:
quasi-Newton steps with the exact gradient, then Newton steps with differences of the gradient
as Hessian, which leave saddles and reach the boundary. The last of these Hessians serves
the standard errors too.
"""

from __future__ import annotations

__all__ = ["LaplaceMaximum", "maximise"]

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy

from .laplace import LaplaceCriterion
from .optimize import Derivatives, Minimum, minimize_newton
from .solver import SINGULAR_TOLERANCE, better

#: Step of the differences of the gradient, in units of about one standard error. The
#: gradient is exact to about 1e-9, so both errors are near 1e-6 of the curvature.
_DIFFERENCE = 2e-3

#: A further start whose quasi-Newton end lies this much above the best is not pursued.
_NO_BETTER = 1e-6

_NO_MAXIMUM = (
    "none of {count} starts led to a maximum of the likelihood; the searches ended at "
    "log-likelihoods {ends}. It may rise without bound (outcomes that the fixed effects separate), "
    "or the random effects may be too many for the outcomes: simplify them"
)


class LaplaceMaximum(NamedTuple):
    """Where the search ended.

    Attributes
    ----------
    parameters : ndarray
        theta and beta.
    covariance : ndarray
        Twice the (pseudo-)inverse of the Hessian of the deviance.
    failure : str
        Why there is no maximum; empty where there is one.
    """

    parameters: np.ndarray
    covariance: np.ndarray
    failure: str


class _Search:
    """One search from ``factor`` times lme4's starting value of theta."""

    def __init__(self, criterion: LaplaceCriterion, factor: float) -> None:
        self.criterion = criterion
        size = len(criterion.map.entries)
        theta = factor * criterion.map.start()
        self.origin = np.concatenate([theta, criterion.fixed_start()])
        mode = criterion.mode(self.origin)
        sizes = criterion.system.sizes
        levels = np.array([sizes[t][0] for t, _, _ in criterion.map.entries])
        self.units = np.zeros((len(self.origin),) * 2)
        self.units[:size, :size] = np.diag(1 / np.sqrt(2.0 * levels))
        values, vectors = np.linalg.eigh(criterion.curvature(mode))
        values = np.maximum(values, 1e-6 * values.max(initial=1e-300))
        self.units[size:, size:] = vectors / np.sqrt(values)
        self.hessian = np.eye(len(self.origin))

    def parameters(self, x: np.ndarray) -> np.ndarray:
        """theta and beta at the coordinates."""
        return np.asarray(self.origin + self.units @ x)

    def _gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        mode = self.criterion.mode(self.parameters(x))
        return mode.deviance, self.units.T @ self.criterion.gradient(mode)

    def approach(self) -> Minimum:
        """Quasi-Newton steps."""
        found = scipy.optimize.minimize(
            self._gradient,
            np.zeros(len(self.origin)),
            jac=True,
            method="BFGS",
            options={"gtol": 2e-5, "maxiter": 200},
        )
        return Minimum(found.x, float(found.fun), False, int(found.nfev))

    def finish(self, start: np.ndarray) -> Minimum:
        """Newton steps; the Hessian of the last is kept."""

        def evaluate(x: np.ndarray) -> tuple[float, Callable[[], Derivatives]]:
            mode = self.criterion.mode(self.parameters(x))

            def derivatives() -> Derivatives:
                gradient = self.units.T @ self.criterion.gradient(mode)
                steps = _DIFFERENCE * np.eye(len(x))
                self.hessian = np.array(
                    [self._gradient(x + e)[1] - self._gradient(x - e)[1] for e in steps]
                ) / (2 * _DIFFERENCE)
                self.hessian = (self.hessian + self.hessian.T) / 2
                return gradient, self.hessian

            return mode.deviance, derivatives

        return minimize_newton(evaluate, start, tolerance=1e-9, max_iterations=30)


def maximise(criterion: LaplaceCriterion) -> LaplaceMaximum:
    """Minimise the deviance, from further starts where the first does not end inside."""
    best: Minimum | None = None
    search: _Search | None = None
    deviances = []
    for factor in (1.0, 0.3, 3.0):
        own = _Search(criterion, factor)
        end = own.approach()
        if best is not None and best.converged and not end.value < best.value - _NO_BETTER:
            continue
        end = own.finish(end.x)
        deviances.append(end.value)
        if best is None or better(best, end) is end:
            best, search = end, own
        theta = own.parameters(end.x)[: len(criterion.map.entries)]
        diagonal = criterion.map.normalised(theta)[criterion.map.diagonal]
        if end.converged and (diagonal >= SINGULAR_TOLERANCE).all():
            break
    assert best is not None
    assert search is not None
    parameters = search.parameters(best.x)
    if not np.isfinite(search.hessian).all():
        failure = "the likelihood could not be evaluated at its maximum"
        return LaplaceMaximum(parameters, np.eye(len(parameters)), failure)
    inverse = np.linalg.pinv(search.hessian / 2, hermitian=True)
    covariance = search.units @ inverse @ search.units.T
    failure = ""
    if not best.converged:
        ends = ", ".join(f"{-value / 2:.6g}" for value in deviances)
        failure = _NO_MAXIMUM.format(count=len(deviances), ends=ends)
    return LaplaceMaximum(parameters, covariance, failure)
