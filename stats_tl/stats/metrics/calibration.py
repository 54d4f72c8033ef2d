"""Calibration of probabilities: intercept and slope of the logistic recalibration model.

logit P(y = 1) = a + b logit(p). The *slope* is b, with a free; the *intercept* is a with b = 1
("calibration in the large"). Perfect calibration is 0 and 1.
"""

from __future__ import annotations

__all__ = ["CalibrationMetric", "calibration_intercept", "calibration_slope"]

import math
from dataclasses import dataclass

import numpy as np
import scipy

from .base import Evaluator, Metric, UndefinedMetricError

MOST_STEPS = 200
# Where no case has a weight above this, all fitted probabilities are 0 or 1 and the coefficients
# on their way to infinity: the scores separate the classes.
FLAT = 1e-8


@dataclass(frozen=True, kw_only=True)
class CalibrationMetric(Metric):
    """The last coefficient of the model, with the slope free (`slope`) or held at one."""

    slope: bool

    def evaluate(self, labels: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
        logits = scipy.special.logit(values)
        beta = self._fit(labels, logits, np.ones((1, labels.size)))[0]
        if np.isnan(beta).any():
            raise UndefinedMetricError(
                f"the {self.label} is not defined: one class only, or probabilities that separate "
                "the classes or do not vary"
            )
        design, offset = self._design(logits)
        p = scipy.special.expit(design @ beta + offset)
        information = (design.T * (p * (1 - p))) @ design
        score = design * (labels - p)[:, None]
        return float(beta[-1]), np.linalg.solve(information, score.T)[-1]

    def evaluator(
        self, labels: np.ndarray, values: np.ndarray, unit: np.ndarray, n_units: int
    ) -> Evaluator:
        logits = scipy.special.logit(values)

        def under(weights: np.ndarray) -> np.ndarray:
            return self._fit(labels, logits, weights.take(unit, axis=1).astype(np.float64))[:, -1]

        return under

    def obstacle(self, labels: np.ndarray, values: np.ndarray) -> str | None:
        sure = int(((values == 0) | (values == 1)).sum())
        if not sure:
            return None
        return (
            f"hold {sure} probabilities of exactly 0 or 1, whose logit is infinite; keep them away "
            "from 0 and 1, e.g. by `numpy.clip`."
        )

    def _design(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        one = np.ones(logits.size)
        if self.slope:
            return np.stack([one, logits], axis=1), np.zeros(logits.size)
        return one[:, None], logits

    def _fit(self, labels: np.ndarray, logits: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Maximum-likelihood coefficients for every row of weights; NaN where there are none."""
        design, offset = self._design(logits)
        n_coefficients = design.shape[1]
        beta = np.zeros((len(weights), n_coefficients))
        if self.slope:
            beta[:, 1] = 1.0
        done = np.zeros(len(weights), dtype=bool)
        products = np.stack([a * b for a in design.T for b in design.T], axis=1)
        with np.errstate(all="ignore"):
            for _ in range(MOST_STEPS):
                left = np.flatnonzero(~done)
                if left.size == 0:
                    break
                own = weights[left]
                p = scipy.special.expit(beta[left] @ design.T + offset)
                curved = own * p * (1 - p)
                score = (own * (labels - p)) @ design
                information = (curved @ products).reshape(-1, n_coefficients, n_coefficients)
                step = _solve(information, score)
                # Within a logit the weights p (1 - p) change by less than a factor of e, and
                # Newton's steps lead downhill; longer ones overshoot.
                farthest = np.abs(step @ design.T).max(axis=1, keepdims=True)
                step /= np.maximum(farthest, 1)
                beta[left] += step
                lost = ~np.isfinite(beta[left]).all(axis=1) | (curved.max(axis=1) < FLAT)
                beta[left[lost]] = np.nan
                done[left] = lost | (np.abs(step).max(axis=1) < 1e-10)
        beta[~done] = np.nan
        return beta


def _solve(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Solutions of systems of one or two equations; NaN or infinite where singular."""
    if vector.shape[1] == 1:
        single: np.ndarray = vector / matrix[:, :, 0]
        return single
    (a, b), (_, d) = (matrix[:, row].T for row in (0, 1))
    x, y = vector.T
    found: np.ndarray = np.stack([d * x - b * y, a * y - b * x], axis=1) / (a * d - b * b)[:, None]
    return found


def _calibration(name: str, label: str, slope: bool) -> Metric:
    return CalibrationMetric(
        name=name,
        label=label,
        needs="probabilities",
        higher_is_better=None,
        bounds=(-math.inf, math.inf),
        slope=slope,
    )


def calibration_intercept() -> Metric:
    """Calibration in the large: 0 where as many cases are positive as the probabilities say."""
    return _calibration("calibration_intercept", "calibration intercept", False)


def calibration_slope() -> Metric:
    """1 where probabilities spread as they should; below 1 where they are too extreme."""
    return _calibration("calibration_slope", "calibration slope", True)
