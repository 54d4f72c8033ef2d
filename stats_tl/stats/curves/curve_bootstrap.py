"""Bootstrap of any functional of the empirical ROC curve, on curves sorted once.

A functional takes cumulative weights of positive and negative cases from the highest score
down, one row per replicate and one column per distinct score, and returns one value per
row. The point estimate is the functional with all weights one.
"""

from __future__ import annotations

__all__ = ["Curve", "Functional", "compare_curves", "compare_independent_curves", "one_curve"]

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .._shared.bootstrap_results import Replicates, comparison_result, single_result
from .._shared.degenerate import warn_degenerate
from .._shared.inference import Hypothesis
from .._shared.paired_sample import CaseSample, PairedSample, size_of_both
from .._shared.placements import tie_groups
from .._shared.resampling import CHUNK_ENTRIES, Resampler, Resampling, acceleration
from ..procedure import ResultWarning
from ..results import AUCResult, TestResult

# Differences of functionals below this are rounding of sums that are equal.
ROUNDING = 1e-13

#: From whole-number true and false positive weights, each (replicates, n_distinct + 1), to
#: (replicates,).
Functional = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Curve:
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
        self._curves = [Curve(labels, values, unit) for values in scores]
        self._functional = functional

    def estimates(self, weights: np.ndarray) -> list[np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return [self._functional(*curve.cumulate(weights)) for curve in self._curves]

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        values = self.estimates(weights)
        if len(values) == 1:
            return values[0]
        return _rounded(values[0] - values[1])


def one_curve(
    sample: CaseSample,
    scores: np.ndarray,
    functional: Functional,
    how: Resampling,
    *,
    name: str,
    quantity: str,
    confidence_level: float,
) -> AUCResult:
    """Point estimate and bootstrap interval of `functional`."""
    resampler = Resampler(sample.labels, sample.codes, how.stratified)
    statistic = _Statistic(sample.labels, [scores], resampler.unit, functional)
    return single_result(
        sample,
        how,
        _replicate(sample, statistic, resampler, how),
        estimate=float(statistic(_ones(resampler))[0]),
        name=name,
        quantity=quantity,
        confidence_level=confidence_level,
    )


def compare_curves(
    sample: PairedSample,
    functional: Functional,
    hypothesis: Hypothesis,
    how: Resampling,
    *,
    name: str,
    quantity: str,
) -> TestResult:
    """Paired bootstrap test of the difference in `functional` between two curves."""
    resampler = Resampler(sample.labels, sample.codes, how.stratified)
    statistic = _Statistic(sample.labels, sample.scores, resampler.unit, functional)
    value_a, value_b = (float(v[0]) for v in statistic.estimates(_ones(resampler)))
    replicates = _replicate(sample, statistic, resampler, how)
    if replicates.draws is not None and hypothesis.null_value == 0:
        replicates = replace(replicates, warnings=tuple(sample.conventions()))
    return comparison_result(
        sample.size,
        hypothesis,
        how,
        replicates,
        estimates=(value_a, value_b),
        estimate=float(statistic(_ones(resampler))[0]),
        name=name,
        quantity=quantity,
    )


def compare_independent_curves(
    samples: list[tuple[CaseSample, np.ndarray]],
    functional: Functional,
    hypothesis: Hypothesis,
    how: Resampling,
    *,
    name: str,
    quantity: str,
) -> TestResult:
    """Bootstrap test of the difference in `functional` between curves of two samples."""
    # One generator, so that a seed does not draw both samples alike.
    how = replace(how, rng=np.random.default_rng(how.rng))
    estimates, draws, influences = [], [], []
    notes: list[ResultWarning] = []
    for arm, (sample, values) in zip("ab", samples, strict=True):
        resampler = Resampler(sample.labels, sample.codes, how.stratified)
        statistic = _Statistic(sample.labels, [values], resampler.unit, functional)
        estimates.append(float(statistic(_ones(resampler))[0]))
        obstacle = sample.obstacle(suffix=f"_{arm}")
        if obstacle:
            notes.append(warn_degenerate(ResultWarning(obstacle.code, f"sample {arm}: {obstacle}")))
            continue
        own, influence = _draws(sample, statistic, resampler, how)
        draws.append(own)
        influences.append(influence)
    replicates = Replicates(warnings=tuple(notes))
    if not notes:
        difference = _rounded(draws[0] - draws[1])
        accel = acceleration(np.concatenate([influences[0], -influences[1]]))
        replicates = Replicates(difference, accel)
    return comparison_result(
        size_of_both(samples[0][0], samples[1][0]),
        hypothesis,
        how,
        replicates,
        estimates=(estimates[0], estimates[1]),
        estimate=float(_rounded(np.array(estimates[0] - estimates[1]))),
        name=name,
        quantity=quantity,
        test="Unpaired bootstrap test",
    )


def _replicate(
    sample: CaseSample, statistic: _Statistic, resampler: Resampler, how: Resampling
) -> Replicates:
    obstacle = sample.obstacle()
    if obstacle:
        return Replicates(warnings=(warn_degenerate(obstacle),))
    draws, influence = _draws(sample, statistic, resampler, how)
    return Replicates(draws, acceleration(influence))


def _draws(
    sample: CaseSample, statistic: _Statistic, resampler: Resampler, how: Resampling
) -> tuple[np.ndarray, np.ndarray]:
    """Replicates, and the contribution of each unit where the interval asks for it."""
    # The cumulative weights of all cases are in memory at once, in double precision.
    chunk = max(1, CHUNK_ENTRIES * resampler.n_units // (4 * sample.labels.size))
    weights = resampler.weights(how.rng, how.n_resamples, chunk_entries=chunk)
    draws = np.concatenate([statistic(own) for own in weights])
    bca = how.interval == "BCa"
    return draws, _jackknife(statistic, resampler, chunk) if bca else np.zeros(0)


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
    without: np.ndarray = np.nan_to_num(
        np.concatenate(values), nan=float(statistic(_ones(resampler))[0])
    )
    start = 0
    for size in resampler.sizes:
        part = without[start : start + size]
        without[start : start + size] = part.mean() - part
        start += size
    return without


def _ones(resampler: Resampler) -> np.ndarray:
    return np.ones((1, resampler.n_units), dtype=np.int32)


def _rounded(difference: np.ndarray) -> np.ndarray:
    return np.where(np.abs(difference) < ROUNDING, 0.0, difference)
