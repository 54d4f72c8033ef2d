"""A trust-region Newton minimiser for few parameters with an exact Hessian.

Near a variance of zero the deviance is an even function of theta, so its gradient
vanishes there whether zero is the minimum or a saddle: only the Hessian tells. The
steps here follow negative curvature, so saddles are left and true boundaries are
reached at the quadratic rate.
"""

from __future__ import annotations

__all__ = ["Derivatives", "Minimum", "minimize_newton"]

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: Gradient and Hessian.
Derivatives = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Minimum:
    """Where the search ended.

    Attributes
    ----------
    x : ndarray
        Argument.
    value : float
        Function value.
    converged : bool
        Whether the last Newton step promised less than the tolerance, with no
        negative curvature left.
    iterations : int
        Evaluations of the derivatives.
    """

    x: np.ndarray
    value: float
    converged: bool
    iterations: int


def minimize_newton(
    evaluate: Callable[[np.ndarray], tuple[float, Callable[[], Derivatives]]],
    start: np.ndarray,
    *,
    tolerance: float = 1e-11,
    max_iterations: int = 200,
) -> Minimum:
    """Minimise; `evaluate` returns the value and a function for gradient and Hessian."""
    x = np.asarray(start, dtype=float)
    value, derivatives = evaluate(x)
    radius = 1.0
    gradient, hessian = derivatives()
    for iteration in range(1, max_iterations + 1):
        if not (np.isfinite(value) and np.isfinite(gradient).all() and np.isfinite(hessian).all()):
            return Minimum(x, value, False, iteration)
        step, predicted, positive = _step(gradient, hessian, radius)
        new = x + step
        new_value, new_derivatives = evaluate(new)
        if predicted < tolerance and positive:
            # The value cannot resolve such a step; Newton's step is still the better point.
            good = np.isfinite(new_value) and new_value <= value + 1e-8 * (1 + abs(value))
            return Minimum(new if good else x, min(value, new_value), True, iteration)
        ratio = (value - new_value) / predicted if np.isfinite(new_value) else -1.0
        length = float(np.linalg.norm(step))
        if ratio < 0.25:
            radius = length / 4
        elif ratio > 0.75 and length > 0.8 * radius:
            radius *= 3
        if ratio > 1e-4:
            x, value = new, new_value
            gradient, hessian = new_derivatives()
        elif radius < 1e-12 * (1 + np.linalg.norm(x)):
            return Minimum(x, value, bool(predicted < 1e-7 and positive), iteration)
    return Minimum(x, value, False, max_iterations)


def _step(
    gradient: np.ndarray, hessian: np.ndarray, radius: float
) -> tuple[np.ndarray, float, bool]:
    """Step of the quadratic model in the ball, its promised decrease, and whether it is convex."""
    values, vectors = np.linalg.eigh(hessian)
    g = vectors.T @ gradient
    scale = max(float(np.abs(values).max()), 1e-300)
    floor = 1e-12 * scale
    lowest = float(values[0])
    if lowest > floor:
        s = -g / values
        if np.linalg.norm(s) <= radius:
            return vectors @ s, -_model(g, values, s), True
    positive = lowest >= -1e-9 * scale
    if (
        positive
        and np.linalg.norm(g[values > floor] / values[values > floor]) <= radius
        and (np.abs(g[values <= floor]) <= 1e-9 * scale).all()
    ):
        # Flat directions (the deviance does not depend on them): stay.
        s = np.where(values > floor, -g / np.where(values > floor, values, 1.0), 0.0)
        return vectors @ s, -_model(g, values, s), True
    low = max(0.0, -lowest) + floor
    high = low + float(np.linalg.norm(g)) / radius + scale
    s = -g / (values + low)
    if np.linalg.norm(s) < radius and lowest <= 0:
        # Hard case: no gradient along the most negative curvature; go to the edge along it.
        s[0] = np.sqrt(max(radius**2 - float(s[1:] @ s[1:]), 0.0))
    else:
        for _ in range(60):
            middle = (low + high) / 2
            s = -g / (values + middle)
            if np.linalg.norm(s) > radius:
                low = middle
            else:
                high = middle
        s = -g / (values + high)
    return vectors @ s, -_model(g, values, s), positive


def _model(g: np.ndarray, values: np.ndarray, s: np.ndarray) -> float:
    return float(g @ s + (values * s) @ s / 2)
