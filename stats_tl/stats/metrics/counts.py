"""Metrics of the four counts of a decision: functions of true and false positives and negatives.

The derivative with respect to a count is taken by a complex step, which is exact to rounding for
functions made of arithmetic and square roots.
"""

from __future__ import annotations

__all__ = [
    "CountMetric",
    "balanced_accuracy",
    "f1",
    "matthews_corrcoef",
    "negative_likelihood_ratio",
    "npv",
    "positive_likelihood_ratio",
    "ppv",
    "sensitivity",
    "specificity",
]

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._shared.fold_cells import FoldCells
from ..procedure import ResultWarning
from .base import Evaluator, Metric, UndefinedMetricError

#: From true negatives, false positives, false negatives and true positives to the metric.
OfCounts = Callable[[Any, Any, Any, Any], Any]

STEP = 1e-100
# Fewer cases than this in a count that a ratio rests on leave its distribution far from normal.
FEW = 5


@dataclass(frozen=True, kw_only=True)
class CountMetric(Metric):
    """A function of the counts, `of_counts`, which does not change when all are doubled.

    `rests_on` names the counts (0 to 3: TN, FP, FN, TP) whose sum it divides by, and `without` says
    what there is none of where such a sum is zero.
    """

    of_counts: OfCounts = field(compare=False)
    rests_on: tuple[tuple[int, ...], ...] = ()
    without: str = "no case of a kind that it divides by"

    def evaluate(self, labels: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
        kind = _kind(labels, values)
        found, slopes = self._at(np.bincount(kind, minlength=4)[None].astype(np.float64))
        if not np.isfinite(found[0]):
            raise UndefinedMetricError(f"the {self.label} is not defined: there is {self.without}")
        return float(found[0]), slopes[0, kind]

    def evaluator(
        self, labels: np.ndarray, values: np.ndarray, unit: np.ndarray, n_units: int
    ) -> Evaluator:
        kinds = np.bincount(4 * unit + _kind(labels, values), minlength=4 * n_units)
        columns = kinds.reshape(n_units, 4).astype(np.float64)

        def under(weights: np.ndarray) -> np.ndarray:
            found = self._value((weights @ columns).T)
            found[~np.isfinite(found)] = np.nan
            return found

        return under

    def within(
        self, labels: np.ndarray, values: np.ndarray, cells: FoldCells
    ) -> tuple[np.ndarray, np.ndarray]:
        kind = _kind(labels, values)
        n_cells = cells.n_positive.size
        counts = np.bincount((4 * cells.cell + kind).ravel(), minlength=4 * n_cells)
        found, slopes = self._at(counts.reshape(n_cells, 4).astype(np.float64))
        bad = np.flatnonzero(~np.isfinite(found))
        if bad.size:
            repeat, fold = divmod(int(bad[0]), cells.n_folds)
            raise UndefinedMetricError(
                f"the {self.label} is not defined in {bad.size} of {n_cells} folds: there is "
                f"{self.without} in fold {fold} of repeat {repeat}"
            )
        size = (cells.n_positive + cells.n_negative)[:, None] * np.ones(4)
        if self.by_class:
            size = np.stack([cells.n_negative] * 2 + [cells.n_positive] * 2, axis=1)
        components = found[:, None] + size * slopes
        return found.reshape(-1, cells.n_folds), components[cells.cell, kind]

    def counted(self, labels: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.isin(_kind(labels, values), self.rests_on[0])

    def caution(self, labels: np.ndarray, values: np.ndarray) -> ResultWarning | None:
        counts = np.bincount(_kind(labels, values), minlength=4)
        least = min((int(counts[list(own)].sum()) for own in self.rests_on), default=FEW)
        if least >= FEW:
            return None
        return ResultWarning(
            "small-counts",
            f"the {self.label} rests on {least} cases of a kind, too few for a normal "
            "approximation; prefer exact methods, or say that it is imprecise",
        )

    def _value(self, counts: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            value: np.ndarray = np.asarray(self.of_counts(*counts))
            return value

    def _at(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values and derivatives at rows of counts."""
        found = self._value(counts.T)
        slopes = np.empty(counts.shape)
        for own in range(4):
            stepped = counts.astype(np.complex128)
            stepped[:, own] += 1j * STEP
            slopes[:, own] = self._value(stepped.T).imag / STEP
        return found, slopes


def _kind(labels: np.ndarray, called: np.ndarray) -> np.ndarray:
    kind: np.ndarray = 2 * labels.astype(np.intp) + called.astype(np.intp)
    return kind


POSITIVE, NEGATIVE, CALLED, CLEARED = (2, 3), (0, 1), (1, 3), (0, 2)


def _count_metric(name: str, label: str, of_counts: OfCounts, **options: Any) -> Metric:
    usual: dict[str, Any] = {"interval": "logit", "higher_is_better": True}
    options = usual | options
    return CountMetric(name=name, label=label, needs="decisions", of_counts=of_counts, **options)


def sensitivity() -> Metric:
    """Share of the positive cases that are called; recall."""
    return _count_metric(
        "sensitivity",
        "sensitivity",
        lambda tn, fp, fn, tp: tp / (tp + fn),
        by_class=True,
        interval="wilson",
        rests_on=(POSITIVE,),
        without="no positive case",
    )


def specificity() -> Metric:
    """Share of the negative cases that are not called."""
    return _count_metric(
        "specificity",
        "specificity",
        lambda tn, fp, fn, tp: tn / (tn + fp),
        by_class=True,
        interval="wilson",
        rests_on=(NEGATIVE,),
        without="no negative case",
    )


def balanced_accuracy() -> Metric:
    """Mean of sensitivity and specificity."""
    return _count_metric(
        "balanced_accuracy",
        "balanced accuracy",
        lambda tn, fp, fn, tp: (tp / (tp + fn) + tn / (tn + fp)) / 2,
        by_class=True,
        rests_on=(POSITIVE, NEGATIVE),
        without="a class without cases",
    )


def f1() -> Metric:
    """Harmonic mean of sensitivity and positive predictive value."""
    return _count_metric(
        "f1",
        "F1 score",
        lambda tn, fp, fn, tp: 2 * tp / (2 * tp + fp + fn),
        rests_on=((1, 2, 3),),
        without="no positive case and none that is called",
    )


def matthews_corrcoef() -> Metric:
    """Correlation of decision and label; 0 where all cases are called alike."""

    def of_counts(tn: Any, fp: Any, fn: Any, tp: Any) -> Any:
        square = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        none = np.real(square) == 0
        return np.where(none, 0.0, (tp * tn - fp * fn) / np.sqrt(np.where(none, 1.0, square)))

    return _count_metric(
        "matthews_corrcoef",
        "Matthews correlation coefficient",
        of_counts,
        bounds=(-1.0, 1.0),
        interval="wald",
        rests_on=(POSITIVE, NEGATIVE, CALLED, CLEARED),
    )


def ppv(*, prevalence: float | None = None) -> Metric:
    """Share of the called cases that are positive, at the sample's or at a given prevalence."""
    if prevalence is None:
        return _count_metric(
            "ppv",
            "positive predictive value",
            lambda tn, fp, fn, tp: tp / (tp + fp),
            interval="wilson",
            rests_on=(CALLED,),
            without="no case that is called positive",
        )
    pi = _prevalence(prevalence)

    def of_counts(tn: Any, fp: Any, fn: Any, tp: Any) -> Any:
        true, false = pi * tp / (tp + fn), (1 - pi) * fp / (tn + fp)
        return true / (true + false)

    return _count_metric(
        "ppv",
        f"positive predictive value at prevalence {pi:g}",
        of_counts,
        by_class=True,
        rests_on=(CALLED,),
        without="no case that is called positive",
    )


def npv(*, prevalence: float | None = None) -> Metric:
    """Share of the cases not called that are negative, at the sample's or a given prevalence."""
    if prevalence is None:
        return _count_metric(
            "npv",
            "negative predictive value",
            lambda tn, fp, fn, tp: tn / (tn + fn),
            interval="wilson",
            rests_on=(CLEARED,),
            without="no case that is called negative",
        )
    pi = _prevalence(prevalence)

    def of_counts(tn: Any, fp: Any, fn: Any, tp: Any) -> Any:
        true, false = (1 - pi) * tn / (tn + fp), pi * fn / (tp + fn)
        return true / (true + false)

    return _count_metric(
        "npv",
        f"negative predictive value at prevalence {pi:g}",
        of_counts,
        by_class=True,
        rests_on=(CLEARED,),
        without="no case that is called negative",
    )


def positive_likelihood_ratio() -> Metric:
    """Sensitivity over one minus specificity; compared as a ratio, on the log scale."""
    return _count_metric(
        "positive_likelihood_ratio",
        "positive likelihood ratio",
        lambda tn, fp, fn, tp: np.log((tp / (tp + fn)) / (fp / (tn + fp))),
        by_class=True,
        bounds=(0.0, math.inf),
        interval="log",
        rests_on=((3,), (1,)),
        without="no true or no false positive",
    )


def negative_likelihood_ratio() -> Metric:
    """One minus sensitivity over specificity; compared as a ratio, on the log scale."""
    return _count_metric(
        "negative_likelihood_ratio",
        "negative likelihood ratio",
        lambda tn, fp, fn, tp: np.log((fn / (tp + fn)) / (tn / (tn + fp))),
        by_class=True,
        higher_is_better=False,
        bounds=(0.0, math.inf),
        interval="log",
        rests_on=((2,), (0,)),
        without="no true or no false negative",
    )


def _prevalence(value: float) -> float:
    if not 0 < float(value) < 1:
        raise ValueError(f"`prevalence` must be above 0 and below 1, got {value!r}.")
    return float(value)
