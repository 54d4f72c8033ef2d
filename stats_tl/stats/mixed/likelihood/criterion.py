r"""Gradient and Hessian of the deviance in lme4's parameter theta.

theta holds the lower triangles, column by column, of the relative Cholesky factors of
the random terms. In theta the deviance is smooth *through* the boundary (it is even in
the sign of a column), so a variance of zero is an ordinary stationary point and needs
no constraint: the optimiser is free, and the signs are normalised at the end.

All derivatives are first taken in the elements of :math:`D = \Lambda\Lambda'`, in which V
is linear, and carried to theta by the chain rule.
"""

from __future__ import annotations

__all__ = ["Moments", "ThetaMap"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .crossproducts import CrossProducts
from .variance_state import VarianceState


class ThetaMap:
    """Between theta and the Cholesky factors of terms with `sizes` coefficients each."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = list(sizes)
        #: (term, row, column) of each element of theta.
        self.entries = [
            (t, a, b) for t, k in enumerate(self.sizes) for b in range(k) for a in range(b, k)
        ]
        n = len(self.entries)
        self.second = np.zeros((n, n, n))
        for i, (t, r, s) in enumerate(self.entries):
            for a, (ta, ra, ca) in enumerate(self.entries):
                for b, (tb, rb, cb) in enumerate(self.entries):
                    if t == ta == tb and ca == cb:
                        self.second[i, a, b] = (r == ra) * (s == rb) + (s == ra) * (r == rb)

    @property
    def diagonal(self) -> np.ndarray:
        """Which elements of theta are standard deviations rather than slopes between effects."""
        return np.array([a == b for _, a, b in self.entries])

    def start(self) -> np.ndarray:
        """lme4's starting value: identity factors."""
        return self.diagonal.astype(float)

    def factors(self, theta: np.ndarray) -> list[np.ndarray]:
        """One lower-triangular matrix a term."""
        out = [np.zeros((k, k)) for k in self.sizes]
        for value, (t, a, b) in zip(theta, self.entries, strict=True):
            out[t][a, b] = value
        return out

    def theta(self, factors: Sequence[np.ndarray]) -> np.ndarray:
        """Inverse of :meth:`factors`."""
        return np.array([factors[t][a, b] for t, a, b in self.entries])

    def normalised(self, theta: np.ndarray) -> np.ndarray:
        """The same covariance with non-negative diagonals."""
        factors = self.factors(theta)
        signs = [np.where(np.diag(f) < 0, -1.0, 1.0) for f in factors]
        return self.theta([f * s for f, s in zip(factors, signs, strict=True)]) + 0.0

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """d D_i / d theta_a."""
        return np.asarray(self.second @ theta)

    def to_theta(
        self, theta: np.ndarray, gradient: np.ndarray, hessian: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Carry derivatives in the elements of D to theta."""
        J = self.jacobian(theta)
        curved = np.tensordot(gradient, self.second, axes=1)
        return J.T @ gradient, J.T @ hessian @ J + curved


@dataclass(frozen=True)
class Moments:
    r"""Traces and quadratic forms that make up the derivatives in the elements of D.

    ``trace1`` and ``trace2`` are :math:`tr(SG_i)` and :math:`tr(SG_iSG_j)` with
    :math:`S = Z'PZ` (REML) or :math:`Z'V^{-1}Z` (ML); ``quad1`` and ``quad2`` are
    :math:`\alpha'G_i\alpha` and :math:`\alpha'G_i Z'PZ G_j\alpha` with
    :math:`\alpha = Z'Py`.
    """

    trace1: np.ndarray
    trace2: np.ndarray
    quad1: np.ndarray
    quad2: np.ndarray
    rss: float
    nu: int

    @classmethod
    def of(cls, products: CrossProducts, state: VarianceState, *, reml: bool) -> Moments:
        """Compute them at `state`."""
        a1, a2 = state.project(slice(products.p, None), fixed=True)
        moved = [state.basis_product(i, a1, a2) for i in range(len(products.elements))]
        v1 = np.hstack([m[0] for m in moved])
        v2 = np.hstack([m[1] for m in moved])
        s1, s2 = state.apply(v1, v2, fixed=True)
        trace1, trace2 = state.traces(fixed=reml)
        return cls(
            trace1=trace1,
            trace2=trace2,
            quad1=(a1.T @ v1 + a2.T @ v2)[0],
            quad2=v1.T @ s1 + v2.T @ s2,
            rss=state.rss,
            nu=products.n - products.p if reml else products.n,
        )

    def profiled(self) -> tuple[np.ndarray, np.ndarray]:
        """Gradient and Hessian in D of the deviance with sigma profiled out."""
        scale = self.nu / self.rss
        gradient = self.trace1 - scale * self.quad1
        outer = np.outer(self.quad1, self.quad1) * scale / self.rss
        return gradient, 2 * scale * self.quad2 - self.trace2 - outer

    def at_sigma(self, variance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Derivatives in (D, log sigma) at a given sigma squared.

        Returns the gradient in D, the Hessian in D, the mixed second derivatives with
        log sigma, and the pair (first, second derivative) in log sigma.
        """
        gradient = self.trace1 - self.quad1 / variance
        hessian = 2 * self.quad2 / variance - self.trace2
        ratio = self.rss / variance
        return (
            gradient,
            hessian,
            2 * self.quad1 / variance,
            np.array([2 * self.nu - 2 * ratio, 4 * ratio]),
        )
