"""Bootstrap of any functional of the empirical ROC curve, on curves sorted once.

A functional takes cumulative weights of positive and negative cases from the highest score
down, one row per replicate and one column per distinct score, and returns one value per
row. The point estimate is the functional with all weights one.
"""

from __future__ import annotations

__all__ = ["Functional", "compare_curves", "one_curve"]

from collections.abc import Callable
from typing import Any

import numpy as np

from .._shared.bootstrap_results import Sample, comparison_result, single_result
from .._shared.inference import check_alternative, check_confidence_level
from .._shared.placements import auc_of, doubled_placements, tie_groups
from .._shared.resampling import BOOTSTRAP_METHODS, CHUNK_ENTRIES, Resampler, acceleration
from .._shared.validation import (
    as_groups,
    as_labels,
    as_scores,
    check_option,
    check_positive_int,
    warn_degenerate,
)
from ..results import AUCResult, TestResult
from .delong import ALIKE, PERFECT

# Differences of functionals below this are rounding of sums that are equal.
ROUNDING = 1e-13

#: From whole-number true and false positive weights, each (replicates, n_distinct + 1), to
#: (replicates,).
Functional = Callable[[np.ndarray, np.ndarray], np.ndarray]


class _Curve:
    """Cumulative weights along one sorted curve."""

    def __init__(self, labels: np.ndarray, scores: np.ndarray, unit: np.ndarray) -> None:
        order, starts = tie_groups(scores)
        self._starts = scores.size - np.append(starts[1:], scores.size)[::-1]
        self._unit = unit[order[::-1]]
        self._positive = labels[order[::-1]]

    def cumulate(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        per_case = weights.take(self._unit, axis=1)
        return self._sums(per_case * self._positive), self._sums(per_case * ~self._positive)

    def _sums(self, per_case: np.ndarray) -> np.ndarray:
        if self._starts.size < per_case.shape[1]:  # ties
            per_case = np.add.reduceat(per_case, self._starts, axis=1)
        sums = np.zeros((len(per_case), self._starts.size + 1), dtype=np.int32)
        np.cumsum(per_case, axis=1, dtype=np.int32, out=sums[:, 1:])
        return sums


class _Statistic:
    """The functional of one curve, or its difference between two, under unit weights."""

    def __init__(
        self, labels: np.ndarray, scores: list[np.ndarray], unit: np.ndarray, functional: Functional
    ) -> None:
        self._curves = [_Curve(labels, values, unit) for values in scores]
        self._functional = functional

    def estimates(self, weights: np.ndarray) -> list[np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return [self._functional(*curve.cumulate(weights)) for curve in self._curves]

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        values = self.estimates(weights)
        if len(values) == 1:
            return values[0]
        difference = values[0] - values[1]
        difference[np.abs(difference) < ROUNDING] = 0.0
        return difference


def one_curve(
    y_true: Any,
    scores: Any,
    functional: Functional,
    *,
    quantity: str,
    groups: Any,
    stratified: bool,
    method: str,
    n_resamples: int,
    confidence_level: float,
    rng: Any,
    return_draws: bool,
) -> AUCResult:
    """Point estimate and bootstrap interval of `functional`."""
    labels = as_labels(y_true)
    values = as_scores(scores, labels.size)
    sample = Sample(labels, as_groups(groups, labels.size), bool(stratified))
    level = check_confidence_level(confidence_level)
    statistic, resampler = _prepare(sample, [values], functional, method, n_resamples)
    estimate = float(statistic(_ones(resampler))[0])
    draws, accel, texts = _replicate(sample, statistic, resampler, method, n_resamples, rng)
    return single_result(
        sample,
        estimate,
        draws,
        quantity=quantity,
        method=method,
        accel=accel,
        confidence_level=level,
        return_draws=return_draws,
        texts=texts,
    )


def compare_curves(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    functional: Functional,
    *,
    quantity: str,
    groups: Any,
    stratified: bool,
    method: str,
    n_resamples: int,
    alternative: str,
    null_value: float,
    confidence_level: float,
    rng: Any,
    return_draws: bool,
) -> TestResult:
    """Paired bootstrap test of the difference in `functional` between two curves."""
    labels = as_labels(y_true)
    scores = [
        as_scores(scores_a, labels.size, name="scores_a"),
        as_scores(scores_b, labels.size, name="scores_b"),
    ]
    sample = Sample(labels, as_groups(groups, labels.size), bool(stratified))
    check_alternative(alternative)
    level = check_confidence_level(confidence_level)
    statistic, resampler = _prepare(sample, scores, functional, method, n_resamples)
    value_a, value_b = (float(v[0]) for v in statistic.estimates(_ones(resampler)))
    estimate = float(statistic(_ones(resampler))[0])
    draws, accel, texts = _replicate(sample, statistic, resampler, method, n_resamples, rng)
    if draws is not None and null_value == 0:
        texts += _convention(labels, scores)
    return comparison_result(
        sample,
        (value_a, value_b),
        estimate,
        draws,
        quantity=quantity,
        method=method,
        accel=accel,
        null_value=float(null_value),
        alternative=alternative,
        confidence_level=level,
        return_draws=return_draws,
        texts=texts,
    )


def _convention(labels: np.ndarray, scores: list[np.ndarray]) -> list[str]:
    """What to say of curves that are both perfect, or that rank the cases alike."""
    doubled = [doubled_placements(labels, values) for values in scores]
    aucs = {auc_of(labels, own) for own in doubled}
    if len(aucs) == 1 and aucs <= {0.0, 1.0}:
        return [warn_degenerate(PERFECT.format(auc=aucs.pop()), stacklevel=5)]
    return [ALIKE] if np.array_equal(doubled[0], doubled[1]) else []


def _prepare(
    sample: Sample, scores: list[np.ndarray], functional: Functional, method: str, n_resamples: int
) -> tuple[_Statistic, Resampler]:
    check_option(method, BOOTSTRAP_METHODS, name="method")
    check_positive_int(n_resamples, name="n_resamples", minimum=2)
    resampler = sample.resampler()
    return _Statistic(sample.labels, scores, resampler.unit, functional), resampler


def _replicate(
    sample: Sample,
    statistic: _Statistic,
    resampler: Resampler,
    method: str,
    n_resamples: int,
    rng: Any,
) -> tuple[np.ndarray | None, float, list[str]]:
    """Replicates (None if not estimable), acceleration and warnings."""
    obstacle = sample.obstacle()
    if obstacle:
        return None, 0.0, [warn_degenerate(obstacle, stacklevel=5)]
    # The cumulative weights of all cases are in memory at once, in double precision.
    chunk = max(1, CHUNK_ENTRIES * resampler.n_units // (4 * sample.labels.size))
    draws = np.concatenate(
        [statistic(w) for w in resampler.weights(rng, n_resamples, chunk_entries=chunk)]
    )
    accel = 0.0
    if method == "BCa":
        accel = acceleration(_jackknife(statistic, resampler, chunk))
    return draws, accel, []


def _jackknife(statistic: _Statistic, resampler: Resampler, chunk: int) -> np.ndarray:
    """Contribution of each unit: mean, within its stratum, of the values without a unit,
    minus the value without it."""
    n_units = resampler.n_units
    step = max(1, chunk // n_units)
    values = []
    for start in range(0, n_units, step):
        units = np.arange(start, min(start + step, n_units))
        weights = np.ones((units.size, n_units), dtype=np.int32)
        weights[np.arange(units.size), units] = 0
        values.append(statistic(weights))
    without = np.nan_to_num(np.concatenate(values), nan=float(statistic(_ones(resampler))[0]))
    start = 0
    for size in resampler.sizes:
        part = without[start : start + size]
        without[start : start + size] = part.mean() - part
        start += size
    return without


def _ones(resampler: Resampler) -> np.ndarray:
    return np.ones((1, resampler.n_units), dtype=np.int32)
