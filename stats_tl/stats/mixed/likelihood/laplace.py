r"""The Laplace-approximated likelihood of a binomial mixed model.

With :math:`\eta = X\beta + Z\Lambda_\theta u` and :math:`u \sim N(0, I)`, the integral over u
is approximated around its mode,

.. math::  d(\theta, \beta) = -2\log p(y \mid \tilde u) + \tilde u'\tilde u
           + \log|\Lambda'Z'WZ\Lambda + I|,

the mode found by penalised iteratively reweighted least squares. Each of its steps is the
linear mixed model of the working response with rows scaled by :math:`W^{1/2}`, so the
cross-products of the linear solver serve here as well.

References
----------
Bates D (2014). Computational methods for mixed models, vignette of lme4.
Breslow NE, Clayton DG (1993). J Am Stat Assoc 88:9. doi:10.1080/01621459.1993.10594284
"""

from __future__ import annotations

__all__ = ["LaplaceCriterion", "Mode"]

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy

from ..specification.design import RandomTerm
from .criterion import ThetaMap
from .crossproducts import CrossProducts

#: Weights below this are of cases whose probability is 0 or 1 in double precision.
_MIN_WEIGHT = 1e-10


class Mode(NamedTuple):
    """The conditional mode of the random effects at one (theta, beta)."""

    deviance: float
    beta: np.ndarray
    effects: list[np.ndarray]
    linear_predictor: np.ndarray


class LaplaceCriterion:
    """Laplace deviance of 0/1 outcomes over theta (of scaled regressors) and beta.

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
        self.terms, self.z, self.X, self.y = terms, scaled_z, X, y
        self.offset = offset
        self.map = ThetaMap([z.shape[1] for z in scaled_z])
        self._last: list[np.ndarray] | None = None

    def mode(self, theta: np.ndarray, beta: np.ndarray | None = None) -> Mode:
        """Conditional mode; `beta` None: of the random and fixed effects jointly."""
        factors = self.map.factors(theta)
        joint = beta is None
        beta = np.zeros(self.X.shape[1]) if beta is None else beta
        start = self._last if self._last is not None and not joint else None
        effects = start or [
            np.zeros((t.n_levels, z.shape[1])) for t, z in zip(self.terms, self.z, strict=True)
        ]
        eta = self._predictor(beta, effects)
        # Infinite until a step was made: the start need not belong to this theta.
        penalised, log_det = np.inf, np.nan
        for _ in range(100):
            mean = scipy.special.expit(eta)
            weight = np.maximum(mean * (1 - mean), _MIN_WEIGHT)
            root = np.sqrt(weight)
            working = eta - self.offset + (self.y - mean) / weight
            target = working if joint else working - self.X @ beta
            products = CrossProducts(
                self.terms,
                root[:, None] * self.X,
                root * target,
                [root[:, None] * z for z in self.z],
            )
            state = products.state(factors)
            log_det = state.log_det_v
            N = state.n_full if joint else state.n_random
            a1, a2 = state.project(N, slice(products.q2 + products.p, None))
            new_beta = state.beta if joint else beta
            alphas = [
                (a1 if t == products.lead else a2)[products.slices[t]].reshape(size)
                for t, size in enumerate(products.sizes)
            ]
            spherical = [a @ f for a, f in zip(alphas, factors, strict=True)]
            new = [u @ f.T for u, f in zip(spherical, factors, strict=True)]
            penalty = sum(float((u**2).sum()) for u in spherical)
            step, old_beta, old = 1.0, beta, effects
            value = self._misfit(self._predictor(new_beta, new)) + penalty
            # Halve the step where it overshoots; effects and penalty move together.
            while value > penalised + 1e-9 * abs(penalised) and step > 1e-4:
                step /= 2
                new_beta = old_beta + step * (new_beta - old_beta)
                new = [o + step * (n - o) for o, n in zip(old, new, strict=True)]
                value = self._misfit(self._predictor(new_beta, new)) + penalty
            beta, effects, penalised = new_beta, new, value
            before, eta = eta, self._predictor(beta, effects)
            # The determinant belongs to the predictor *before* the step, to first order.
            if np.abs(eta - before).max() < 1e-9 * (1 + np.abs(eta).max()):
                break
        self._last = effects
        return Mode(penalised + log_det, beta, effects, eta)

    def deviance(self, parameters: np.ndarray) -> float:
        """Laplace deviance at the concatenation of theta and beta."""
        size = len(self.map.entries)
        return self.mode(parameters[:size], parameters[size:]).deviance

    def _predictor(self, beta: np.ndarray, effects: Sequence[np.ndarray]) -> np.ndarray:
        eta: np.ndarray = self.offset + self.X @ beta
        for term, z, values in zip(self.terms, self.z, effects, strict=True):
            eta = eta + (z * values[term.codes]).sum(axis=1)
        return eta

    def _misfit(self, eta: np.ndarray) -> float:
        """Minus twice the conditional log-likelihood."""
        return 2 * float(np.logaddexp(0, np.where(self.y > 0.5, -eta, eta)).sum())
