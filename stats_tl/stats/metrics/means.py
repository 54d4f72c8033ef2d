"""Metrics that are the mean over cases of something: losses, correctness, any value."""

from __future__ import annotations

__all__ = ["CaseMean", "accuracy", "brier_score", "log_loss", "mean", "net_benefit"]

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import scipy

from .._shared.fold_cells import FoldCells
from .base import Evaluator, Metric


@dataclass(frozen=True, kw_only=True)
class CaseMean(Metric):
    """Mean over cases of `of_case`, a function of labels and values."""

    of_case: Callable[[np.ndarray, np.ndarray], np.ndarray] = field(compare=False)

    def evaluate(self, labels: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
        own = self.of_case(labels, values)
        value = float(own.mean())
        return value, (own - value) / own.size

    def evaluator(
        self, labels: np.ndarray, values: np.ndarray, unit: np.ndarray, n_units: int
    ) -> Evaluator:
        totals = np.bincount(unit, weights=self.of_case(labels, values), minlength=n_units)
        sizes = np.bincount(unit, minlength=n_units).astype(np.float64)
        columns = np.stack([totals, sizes], axis=1)

        def mean_under(weights: np.ndarray) -> np.ndarray:
            total, size = (weights @ columns).T
            ratio: np.ndarray = total / size
            return ratio

        return mean_under

    def within(
        self, labels: np.ndarray, values: np.ndarray, cells: FoldCells
    ) -> tuple[np.ndarray, np.ndarray]:
        own = self.of_case(labels, values)
        sizes = cells.n_positive + cells.n_negative
        totals = np.bincount(cells.cell.ravel(), weights=own.ravel(), minlength=sizes.size)
        return (totals / sizes).reshape(-1, cells.n_folds), own

    def obstacle(self, labels: np.ndarray, values: np.ndarray) -> str | None:
        if self.name != "log_loss":
            return None
        sure = int(
            (np.broadcast_to(labels, values.shape) != (values > 0.5))[
                (values == 0) | (values == 1)
            ].sum()
        )
        if not sure:
            return None
        return (
            f"give {sure} cases a probability of 0 for what they are, whose log loss is infinite; "
            "keep probabilities away from 0 and 1, or use 'brier_score'."
        )


def brier_score() -> Metric:
    """Mean squared difference between probability and outcome."""
    return CaseMean(
        name="brier_score",
        label="Brier score",
        needs="probabilities",
        higher_is_better=False,
        of_case=lambda labels, p: (p - labels) ** 2,
    )


def log_loss() -> Metric:
    """Mean negative log-likelihood."""
    return CaseMean(
        name="log_loss",
        label="log loss",
        needs="probabilities",
        higher_is_better=False,
        bounds=(0.0, math.inf),
        of_case=lambda labels, p: -scipy.special.xlogy(1.0, np.where(labels, p, 1 - p)),
    )


def accuracy() -> Metric:
    """Share of cases on the right side of the threshold."""
    return CaseMean(
        name="accuracy",
        label="accuracy",
        needs="decisions",
        higher_is_better=True,
        interval="wilson",
        of_case=lambda labels, called: (called == labels).astype(np.float64),
    )


def net_benefit(*, threshold: float) -> Metric:
    """Net benefit of treating cases whose probability reaches `threshold` (decision curves)."""
    if not 0 < float(threshold) < 1:
        raise ValueError(
            "`threshold` of 'net_benefit' must be a probability above 0 and below 1, "
            f"got {threshold!r}."
        )
    odds = float(threshold) / (1 - float(threshold))
    return CaseMean(
        name="net_benefit",
        label=f"net benefit at threshold {threshold:g}",
        needs="probabilities",
        higher_is_better=True,
        bounds=(-odds, 1.0),
        threshold=float(threshold),
        of_case=lambda labels, p: (p >= threshold) * np.where(labels, 1.0, -odds),
    )


def mean(*, higher_is_better: bool = True) -> Metric:
    """Mean of a value of every case: Dice, absolute error, reading time."""
    return CaseMean(
        name="mean",
        label="mean",
        needs="values",
        higher_is_better=bool(higher_is_better),
        bounds=(-math.inf, math.inf),
        of_case=lambda labels, values: values,
    )
