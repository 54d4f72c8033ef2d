r"""The Laplace-approximated likelihood of a binomial mixed model, with its exact gradient.

With :math:`\eta = X\beta + Z\Lambda_\theta u` and :math:`u \sim N(0, I)`, the integral over u
is approximated around its mode,

.. math::  d(\theta, \beta) = -2\log p(y \mid \tilde u) + \tilde u'\tilde u + \log|H|,
           \qquad H = \Lambda'Z'WZ\Lambda + I,

the mode found by Newton's method (penalised iteratively reweighted least squares) from the
mode of the parameters before. In the gradient the first two terms depend on the parameters
directly only, since :math:`\tilde u` minimises them. The determinant depends on them
through W as well: with :math:`h_i` the diagonal of :math:`Z\Lambda H^{-1}\Lambda'Z'` and
:math:`c_i = h_i\,dw_i/d\eta_i` it changes by :math:`c'd\eta` where the movement of the mode
is part of :math:`d\eta`; one solve with H for :math:`\Lambda'Z'c` covers that of all parameters.

References
----------
Bates D (2014). Computational methods for mixed models, vignette of lme4.
Breslow NE, Clayton DG (1993). J Am Stat Assoc 88:9. doi:10.1080/01621459.1993.10594284
Skaug HJ, Fournier DA (2006). Automatic approximation of the marginal likelihood in
non-Gaussian hierarchical models. Comput Stat Data Anal 51:699.
doi:10.1016/j.csda.2006.03.005
"""

from __future__ import annotations

__all__ = ["LaplaceCriterion", "Mode"]

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..specification.design import RandomTerm
from .arrow import ArrowFactor, ArrowSystem, Halves
from .criterion import ThetaMap

#: The Newton step (in log odds) after which the mode is exact to rounding: its error is the
#: square of this.
_LAST_STEP = 1e-6


class _Outcome(NamedTuple):
    """The conditional distribution at a linear predictor."""

    misfit: float
    mean: np.ndarray
    weight: np.ndarray


class Mode(NamedTuple):
    """The conditional mode of the random effects at one (theta, beta)."""

    deviance: float
    factors: list[np.ndarray]
    spherical: Halves
    linear_predictor: np.ndarray
    outcome: _Outcome
    factor: ArrowFactor


class LaplaceCriterion:
    """Laplace deviance of binary outcomes over theta (of scaled regressors) and beta.

    Parameters
    ----------
    terms : sequence of RandomTerm
        Random terms.
    scaled_z : sequence of ndarray of shape (n, k)
        Their regressors on unit scale.
    X : ndarray of shape (n, p)
        Fixed design.
    y : ndarray of shape (n,)
        Outcomes, 0 or 1.
    offset : ndarray of shape (n,)
        Known part of the linear predictor.
    """

    def __init__(
        self,
        terms: Sequence[RandomTerm],
        scaled_z: Sequence[np.ndarray],
        X: np.ndarray,
        y: np.ndarray,
        offset: np.ndarray,
    ) -> None:
        self.X, self.y, self.offset = X, y, offset
        self.map = ThetaMap([z.shape[1] for z in scaled_z])
        self.system = ArrowSystem(terms, scaled_z)
        self._last = self.system.zeros()

    def fixed_start(self) -> np.ndarray:
        """Coefficients of logistic regression without random effects, roughly."""
        beta = np.zeros(self.X.shape[1])
        outcome = self._outcome(self.offset)
        for _ in range(8):
            H = self.X.T @ (outcome.weight[:, None] * self.X)
            move = np.linalg.lstsq(H, self.X.T @ (self.y - outcome.mean), rcond=None)[0]
            new = self._outcome(self.offset + self.X @ (beta + move))
            if not new.misfit < outcome.misfit:
                break
            gain, beta, outcome = outcome.misfit - new.misfit, beta + move, new
            if gain < 0.01:
                break
        return beta

    def mode(self, parameters: np.ndarray) -> Mode:
        """Conditional mode at the concatenation of theta and beta."""
        size = len(self.map.entries)
        factors = self.map.factors(parameters[:size])
        s = self.system
        fixed = self.offset + self.X @ parameters[size:]
        u = self._last
        random = s.gather(s.scaled(factors, u))
        outcome = self._outcome(fixed + random)
        penalised = outcome.misfit + _squares(u)
        for _ in range(100):
            factor = ArrowFactor(s, factors, outcome.weight)
            pull = s.scaled(factors, s.scatter(self.y - outcome.mean), transpose=True)
            move = factor.solve((pull[0] - u[0], pull[1] - u[1]))
            moved = s.gather(s.scaled(factors, move))
            # Halve the step where it overshoots.
            step = 1.0
            while True:
                new = (u[0] + step * move[0], u[1] + step * move[1])
                outcome = self._outcome(fixed + random + step * moved)
                value = outcome.misfit + _squares(new)
                if value <= penalised + 1e-9 * abs(penalised) or step <= 1e-4:
                    break
                step /= 2
            u, random, penalised = new, random + step * moved, value
            if step * np.abs(moved).max() < _LAST_STEP:
                break
        self._last = u
        factor = ArrowFactor(s, factors, outcome.weight)
        return Mode(penalised + factor.log_det, factors, u, fixed + random, outcome, factor)

    def gradient(self, mode: Mode) -> np.ndarray:
        """Derivatives of the Laplace deviance at `mode` in theta and beta."""
        s, (_, mean, weight) = self.system, mode.outcome
        residual = self.y - mean
        leverage, own = mode.factor.leverages()
        curved = leverage * weight * (1 - 2 * mean)
        adjoint = mode.factor.solve(s.scaled(mode.factors, s.scatter(curved), transpose=True))
        through = curved - weight * s.gather(s.scaled(mode.factors, adjoint))
        tied = through - 2 * residual
        regressors = np.concatenate([s.z1, s.z2])
        effects, pulls = self._of_rows(mode.spherical), self._of_rows(adjoint)
        rows = {t: own_rows.start + s.k for t, own_rows in s.rows.items()} | {s.lead: 0}
        slopes = []
        for t, a, b in self.map.entries:
            first = rows[t]
            own_slope = effects[first + b] * tied + pulls[first + b] * residual
            own_slope += 2 * weight * own[first + b]
            slopes.append(regressors[first + a] @ own_slope)
        return np.concatenate([slopes, self.X.T @ tied])

    def curvature(self, mode: Mode) -> np.ndarray:
        """Hessian in beta of the deviance without its determinant, u profiled out."""
        s, weight = self.system, mode.outcome.weight
        columns = []
        for x in self.X.T:
            right = s.scaled(mode.factors, s.scatter(weight * x), transpose=True)
            moved = s.gather(s.scaled(mode.factors, mode.factor.solve(right)))
            columns.append(self.X.T @ (weight * (x - moved)))
        return 2 * np.array(columns)

    def effects(self, mode: Mode) -> list[np.ndarray]:
        """Random effects, one (levels, k) array a term."""
        return self.system.by_term(self.system.scaled(mode.factors, mode.spherical))

    def _of_rows(self, values: Halves) -> np.ndarray:
        """The values of each row's own coefficients, the largest term's first."""
        s = self.system
        return np.concatenate([values[0][s.codes].T, values[1][s.positions]])

    def _outcome(self, eta: np.ndarray) -> _Outcome:
        small = np.exp(-np.abs(eta))
        whole = 1 + small
        mean = np.where(eta >= 0, 1.0, small) / whole
        likelihood = np.maximum(eta, 0) + np.log1p(small) - self.y * eta
        return _Outcome(2 * float(likelihood.sum()), mean, small / whole**2)


def _squares(u: Halves) -> float:
    return float(np.vdot(u[0], u[0]) + u[1] @ u[1])
