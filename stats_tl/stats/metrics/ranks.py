"""Metrics of the ranking of the cases: areas under curves, and points of the ROC curve."""

from __future__ import annotations

__all__ = [
    "average_precision",
    "partial_auc",
    "roc_auc",
    "sensitivity_at_specificity",
    "specificity_at_sensitivity",
]

import math
from dataclasses import dataclass

import numpy as np
import scipy

from .._shared.fold_cells import FoldCells, placements_within
from .._shared.placements import auc_of, class_sizes, doubled_placements, tie_groups
from ..curves.curve_bootstrap import Curve, Functional
from ..curves.partial_auc import Bounds, area_between
from ..curves.roc_points import Point
from ..procedure import ResultWarning
from .base import Evaluator, Metric, UndefinedMetricError

# Fewer cases than this beyond the threshold leave a point of the curve to one or two of them.
FEW_BEYOND = 10


@dataclass(frozen=True, kw_only=True)
class RankMetric(Metric):
    """A functional of the cumulative weights of either class from the highest score down."""

    functional: Functional

    def _value(self, labels: np.ndarray, values: np.ndarray) -> float:
        own = np.arange(labels.size)
        ones = np.ones((1, labels.size), dtype=np.int32)
        return float(self.evaluator(labels, values, own, labels.size)(ones)[0])

    def evaluator(
        self, labels: np.ndarray, values: np.ndarray, unit: np.ndarray, n_units: int
    ) -> Evaluator:
        curve = Curve(labels, values, unit)

        def under(weights: np.ndarray) -> np.ndarray:
            with np.errstate(invalid="ignore", divide="ignore"):
                return self.functional(*curve.cumulate(weights))

        return under


def _both(labels: np.ndarray, label: str) -> None:
    if labels.all() or not labels.any():
        raise UndefinedMetricError(f"the {label} is not defined: there is one class only")


@dataclass(frozen=True, kw_only=True)
class AUC(Metric):
    """Area under the ROC curve, by the placement values of DeLong's method."""

    def evaluate(self, labels: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
        _both(labels, self.label)
        doubled = doubled_placements(labels, values)
        value = auc_of(labels, doubled)
        n1, n0 = class_sizes(labels)
        return value, (doubled / np.where(labels, 2.0 * n0, 2.0 * n1) - value) / self.sizes(labels)

    def within(
        self, labels: np.ndarray, values: np.ndarray, cells: FoldCells
    ) -> tuple[np.ndarray, np.ndarray]:
        return placements_within(labels, values, cells)

    def evaluator(
        self, labels: np.ndarray, values: np.ndarray, unit: np.ndarray, n_units: int
    ) -> Evaluator:
        curve = Curve(labels, values, unit)

        def under(weights: np.ndarray) -> np.ndarray:
            true, false = (sums.astype(np.float64) for sums in curve.cumulate(weights))
            area = np.einsum("bi,bi->b", np.diff(false, axis=1), true[:, 1:] + true[:, :-1])
            with np.errstate(invalid="ignore", divide="ignore"):
                found: np.ndarray = area / (2 * true[:, -1] * false[:, -1])
                return found

        return under


def roc_auc() -> Metric:
    """Area under the ROC curve."""
    return AUC(
        name="roc_auc",
        label="AUC",
        needs="scores",
        higher_is_better=True,
        by_class=True,
        interval="logit",
    )


@dataclass(frozen=True, kw_only=True)
class AveragePrecision(Metric):
    """Area under the steps of precision over recall.

    AP is the mean over positive cases i of A_i / (A_i + B_i), A_i the positive and B_i the negative
    cases with at least its score. Its derivative with respect to a positive case m adds to the
    case's own precision less AP the sum over positives i with scores of at most that of m of
    B_i / (A_i + B_i)**2, and with respect to a negative case takes off that of
    A_i / (A_i + B_i)**2.
    """

    def evaluate(self, labels: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
        _both(labels, self.label)
        order, starts = tie_groups(values)
        stops = np.append(starts[1:], values.size)
        n_positive = int(labels.sum())
        counted = np.concatenate([[0], np.cumsum(labels[order])])
        positives = (counted[stops] - counted[starts]).astype(np.float64)
        above = (n_positive - counted[starts]).astype(np.float64)
        selected = (values.size - starts).astype(np.float64)
        precision = above / selected
        value = float(positives @ precision) / n_positive
        gain = np.cumsum(positives * (selected - above) / selected**2)
        loss = np.cumsum(positives * above / selected**2)
        group = np.empty(values.size, dtype=np.intp)
        group[order] = np.repeat(np.arange(starts.size), stops - starts)
        positive, negative = precision - value + gain, -loss
        return value, np.where(labels, positive[group], negative[group]) / n_positive

    def evaluator(
        self, labels: np.ndarray, values: np.ndarray, unit: np.ndarray, n_units: int
    ) -> Evaluator:
        order, starts = tie_groups(values)
        order = order[::-1]
        # Last case with the score of each, from the highest down.
        stops = values.size - starts[::-1]
        last = np.repeat(stops, np.diff(stops, prepend=0)) - 1
        rank = np.flatnonzero(labels[order])
        ordered, positive = unit[order], unit[order[rank]]
        last = last[rank]
        # Number of positives down to there: where a positive finds its A.
        reached = np.searchsorted(rank, last, side="right") - 1
        tied = bool((reached != np.arange(rank.size)).any())

        def under(weights: np.ndarray) -> np.ndarray:
            selected = np.cumsum(weights.take(ordered, axis=1), axis=1, dtype=np.int32)
            own = weights.take(positive, axis=1)
            above = np.cumsum(own, axis=1, dtype=np.int32)
            n_positive = above[:, -1].astype(np.float64)
            precision = (above.take(reached, axis=1) if tied else above) / np.maximum(
                selected.take(last, axis=1), 1
            )
            with np.errstate(invalid="ignore", divide="ignore"):
                found: np.ndarray = np.einsum("bi,bi->b", own, precision) / n_positive
                return found

        return under


def average_precision() -> Metric:
    """Average precision, scikit-learn's."""
    return AveragePrecision(
        name="average_precision",
        label="average precision",
        needs="scores",
        higher_is_better=True,
        interval="logit",
    )


@dataclass(frozen=True, kw_only=True)
class PartialAUC(RankMetric):
    """Area under the ROC curve over a range of false-positive rates, or the same of its mirror.

    With u an end of the range, a positive case counts as far as its own false-positive rate lies
    below u, and a negative case beyond u counts no more: its true-positive rate is capped at
    that of u, which is how the estimated quantile enters without a density.
    """

    focus: str
    range: Bounds

    def evaluate(self, labels: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
        _both(labels, self.label)
        value = self._value(labels, values)
        if self.focus == "specificity":
            low, high = 1 - self.range[1], 1 - self.range[0]
        else:  # the mirrored problem: negatives that score low are found
            labels, values = ~labels, -values
            low, high = 1 - self.range[1], 1 - self.range[0]
        components = _up_to(labels, values, high) - _up_to(labels, values, low)
        for own in (labels, ~labels):
            components[own] -= components[own].mean()
        return value, components / self.sizes(labels)


def _up_to(labels: np.ndarray, values: np.ndarray, u: float) -> np.ndarray:
    """Components of the area over false-positive rates from 0 to u, up to constants a class."""
    n1, n0 = class_sizes(labels)
    order, starts = tie_groups(values)
    stops = np.append(starts[1:], values.size)
    counted = np.concatenate([[0], np.cumsum(labels[order])])
    true = (n1 - counted[np.append(starts, values.size)]) / n1  # at least the score of a group
    false = (n0 - (np.append(starts, values.size) - counted[np.append(starts, values.size)])) / n0
    group = np.empty(values.size, dtype=np.intp)
    group[order] = np.repeat(np.arange(starts.size), stops - starts)
    at_u = float(np.interp(u, false[::-1], true[::-1]))
    # Of a group of tied scores the curve runs straight from (false, true)[g + 1] to [g].
    left, right = false[1:], false[:-1]
    width = right - left
    covered = np.clip(u - left, 0, width)
    share = np.divide(covered, width, out=(left < u).astype(np.float64), where=width > 0)
    positive = np.maximum(u - left, 0) - covered + covered * share / 2
    middle = np.minimum((true[1:] + true[:-1]) / 2, at_u)
    negative = np.where(left < u, middle - at_u, 0.0) * np.where(width > 0, share, 1.0)
    components: np.ndarray = np.where(labels, positive[group], negative[group])
    return components


def partial_auc(*, specificity: Bounds | None = None, sensitivity: Bounds | None = None) -> Metric:
    """Partial area under the ROC curve, by default over specificities from .8 to 1."""
    area = area_between(specificity, sensitivity, False)
    return PartialAUC(
        name="partial_auc",
        label=area.describe("partial AUC"),
        needs="scores",
        higher_is_better=True,
        bounds=(0.0, area.high - area.low),
        by_class=True,
        functional=area,
        focus=area.focus,
        range=(area.low, area.high),
    )


@dataclass(frozen=True, kw_only=True)
class RocPoint(RankMetric):
    """One coordinate of the ROC curve where the other has a given value.

    The threshold is estimated in the other class, and what its error does to the
    result is the slope of the curve: the ratio of the two densities there. They are estimated by
    normal kernels on the normal scores of the pooled ranks, which no monotone transformation
    of the scores changes.
    """

    given: str
    at: float

    def evaluate(self, labels: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
        _both(labels, self.label)
        value = self._value(labels, values)
        if self.given == "specificity":
            setting, moved, signed = ~labels, labels, values
        else:
            setting, moved, signed = labels, ~labels, -values
        # Both classes are cut by a high value: `setting` in a share of 1 - at, or of at.
        share = 1 - self.at
        ordered = np.sort(signed[setting])
        place = min(int(np.ceil(self.at * ordered.size - 1e-9)), ordered.size) - 1
        cut = ordered[max(place, 0)]
        normal = _normal_scores(signed)
        centre = float(normal[np.argmin(np.abs(signed - cut))])
        density = [_density(normal[own], centre) for own in (moved, setting)]
        slope = density[0] / density[1] if density[1] > 0 else 0.0
        beyond = (signed > cut) + 0.5 * (signed == cut)
        components = np.where(moved, beyond - value, -slope * (beyond - share))
        for own in (labels, ~labels):
            components[own] -= components[own].mean()
        return value, components / self.sizes(labels)

    def caution(self, labels: np.ndarray, values: np.ndarray) -> ResultWarning | None:
        setting = ~labels if self.given == "specificity" else labels
        beyond = (1 - self.at) * int(setting.sum())
        if beyond >= FEW_BEYOND:
            return None
        return ResultWarning(
            "small-counts",
            f"the threshold of the {self.label} rests on {beyond:.3g} cases beyond it, too few for "
            "a normal approximation; prefer the bootstrap (`bootstrap_metric_test`)",
        )


def _density(values: np.ndarray, at: float) -> float:
    """Normal kernel density at a point, with Silverman's bandwidth."""
    if values.size < 2:
        return 0.0
    ordered = np.sort(values)
    quarter = values.size // 4
    quartiles = (ordered[-1 - quarter] - ordered[quarter]) / 1.349
    spread = min(float(values.std(ddof=1)), float(quartiles) or np.inf)
    width = float(0.9 * spread * values.size ** (-0.2))
    if width <= 0:
        return 0.0
    heights = np.exp(-(((at - values) / width) ** 2) / 2)
    return float(heights.mean()) / (width * math.sqrt(2 * math.pi))


def _normal_scores(values: np.ndarray) -> np.ndarray:
    """Normal quantiles of the mid-ranks."""
    order, starts = tie_groups(values)
    stops = np.append(starts[1:], values.size)
    ranks = np.empty(values.size)
    ranks[order] = np.repeat((starts + stops + 1) / 2, stops - starts)
    scores: np.ndarray = scipy.special.ndtri(ranks / (values.size + 1))
    return scores


def _point(name: str, given: str, at: float) -> Metric:
    if not 0 < float(at) < 1:
        raise ValueError(f"`{given}` of {name!r} must be above 0 and below 1, got {at!r}.")
    return RocPoint(
        name=name,
        label=f"{name.split('_')[0]} at {given} {at:g}",
        needs="scores",
        higher_is_better=True,
        by_class=True,
        interval="logit",
        functional=Point(given, float(at)),
        given=given,
        at=float(at),
    )


def sensitivity_at_specificity(*, specificity: float) -> Metric:
    """Sensitivity at the threshold with a given specificity in the sample."""
    return _point("sensitivity_at_specificity", "specificity", specificity)


def specificity_at_sensitivity(*, sensitivity: float) -> Metric:
    """Specificity at the threshold with a given sensitivity in the sample."""
    return _point("specificity_at_sensitivity", "sensitivity", sensitivity)
