"""What every metric is: a value, and how much each case moves it.

A metric T is a function of weighted cases. Its *influence* of a case i is the derivative of T with
respect to the weight of that case, all weights one: to first order T changes by minus it when
the case is left out, and Var(T) is the sum of the squared influences. From these two, its
interval, paired tests and the repeated cross-validation follow; from the value under
weights, the bootstrap.

A metric that does not depend on how many positive cases there are (``by_class``) has influences
that sum to zero within either class, and its variance is estimated within classes; the others
take the class of a case as random, too, and have influences that sum to zero over all cases.
"""

from __future__ import annotations

__all__ = ["Evaluator", "Metric", "UndefinedMetricError"]

import abc
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .._shared.fold_cells import FoldCells
from ..procedure import ResultWarning

#: From weights of the units, (replicates, n_units), to the metric, (replicates,); NaN where it
#: is not defined.
Evaluator = Callable[[np.ndarray], np.ndarray]


class UndefinedMetricError(ValueError):
    """The metric has no value for these cases."""


@dataclass(frozen=True, kw_only=True)
class Metric(abc.ABC):
    """A metric of labelled cases, as :func:`get_metric` makes them.

    Attributes
    ----------
    name : str
        As in :func:`metric_names`.
    label : str
        In words, with its options.
    needs : {"scores", "probabilities", "decisions", "values", "class scores", "grades"}
        What it is computed from: any ranking scores, probabilities of being positive, scores
        with a threshold, a value of every case (without labels), a score of each of several
        classes, or grades.
    higher_is_better : bool or None
        Direction; None where a value in between is best, as of calibration.
    bounds : tuple of float
        Smallest and largest possible value.
    by_class : bool
        Whether its variance is taken within classes: it is the same at any number of positive
        cases, or the numbers of the classes are held as they are.
    interval : {"wald", "logit", "wilson", "log"}
        Interval of a single value. With "log", `evaluate` gives the logarithm of the metric, and
        differences are of logarithms.
    threshold : float or None
        Threshold that belongs to the metric itself, as of net benefit.
    """

    name: str
    label: str
    needs: Literal["scores", "probabilities", "decisions", "values", "class scores", "grades"]
    higher_is_better: bool | None
    bounds: tuple[float, float] = (0.0, 1.0)
    by_class: bool = False
    interval: Literal["wald", "logit", "wilson", "log"] = "wald"
    threshold: float | None = None

    @abc.abstractmethod
    def evaluate(self, labels: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
        """Value, and influence of every case.

        Parameters
        ----------
        labels : ndarray of bool, shape (n,)
            Of no meaning where the metric needs values only.
        values : ndarray of shape (n,)
            What the metric needs; booleans where that is decisions.

        Returns
        -------
        tuple of float and ndarray of shape (n,)

        Raises
        ------
        UndefinedMetricError
            With the reason, as the end of a sentence.
        """

    @abc.abstractmethod
    def evaluator(
        self, labels: np.ndarray, values: np.ndarray, unit: np.ndarray, n_units: int
    ) -> Evaluator:
        """The metric as a function of the weights of units, for the bootstrap."""

    def obstacle(self, labels: np.ndarray, values: np.ndarray) -> str | None:
        """Why these values cannot be evaluated, as a sentence about them; None if they can."""
        return None

    def counted(self, labels: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Which cases a proportion is a share of."""
        return np.ones(labels.size, dtype=bool)

    def caution(self, labels: np.ndarray, values: np.ndarray) -> ResultWarning | None:
        """What makes a first-order variance unreliable in this sample."""
        return None

    def within(
        self, labels: np.ndarray, values: np.ndarray, cells: FoldCells
    ) -> tuple[np.ndarray, np.ndarray]:
        """Value in every fold, and components of the cases within their folds.

        Parameters
        ----------
        labels : ndarray of bool, shape (n,)
        values : ndarray of shape (repeats, n)
        cells : FoldCells

        Returns
        -------
        tuple of ndarray of shape (repeats, folds) and of shape (repeats, n)
            A component is the value of the fold plus the influence times the number of cases
            (of the class, if `by_class`): the mean of the components of a fold is its value.

        Raises
        ------
        UndefinedMetricError
            If the metric has no value in a fold.
        """
        n_cells = cells.n_positive.size
        found = np.empty(n_cells)
        components = np.empty(values.size)
        flat, cell = values.ravel(), cells.cell.ravel()
        of_case = np.broadcast_to(labels, values.shape).ravel()
        order = np.argsort(cell, kind="stable")
        edges = np.searchsorted(cell[order], np.arange(n_cells + 1))
        for own in range(n_cells):
            rows = order[edges[own] : edges[own + 1]]
            inside = of_case[rows]
            try:
                found[own], influence = self.evaluate(inside, flat[rows])
            except UndefinedMetricError as error:
                repeat, fold = divmod(own, cells.n_folds)
                raise UndefinedMetricError(f"{error} in fold {fold} of repeat {repeat}") from None
            components[rows] = found[own] + influence * self.sizes(inside)
        return found.reshape(-1, cells.n_folds), components.reshape(values.shape)

    def sizes(self, labels: np.ndarray) -> np.ndarray | float:
        """Cases that a case is one of: all, or those of its class."""
        if not self.by_class:
            return float(labels.size)
        n_positive = int(labels.sum())
        return np.where(labels, float(n_positive), float(labels.size - n_positive))

    @property
    def difference_bounds(self) -> tuple[float, float]:
        """Smallest and largest possible difference."""
        low, high = self.bounds
        if self.interval == "log" or not math.isfinite(high - low):
            return (-math.inf, math.inf)
        return (low - high, high - low)
