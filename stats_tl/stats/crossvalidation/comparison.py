"""All that a report says of two arms under repeated cross-validation, from one look at the scores.

A run is one repeat with one training seed: runs of one repeat share their split. Further seeds
on a split are no further splits, so that the variance of every seed is estimated from one run
per repeat, and averaged over seeds. The average of several estimates varies no more than they
do on average: this errs on the safe side.
"""

from __future__ import annotations

__all__ = ["RepeatedCVComparison", "repeated_cv_comparison"]

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._shared.inference import Hypothesis
from .._shared.validation import check_option
from ..metrics.base import Metric
from ..metrics.estimate import metric_interval
from ..metrics.inputs import pair_of_thresholds
from ..procedure import ResultWarning
from ..results import ConfidenceInterval, TestResult
from .components import CVComponents, repeated_cv_components
from .differences import spread
from .repeated_cv import METHODS, infer_from_components, sentence
from .resampled import corrected_resampled_ttest


@dataclass(frozen=True)
class RepeatedCVComparison:
    """Two arms under repeated cross-validation.

    Attributes
    ----------
    primary : TestResult
        :func:`repeated_cv_test`, averaged over training seeds.
    repeat_delong : TestResult
        The same with DeLong's variance (of another metric: that of the influences of the cases),
        averaged over all runs.
    corrected_t : TestResult
        :func:`corrected_resampled_ttest` on the folds' differences, averaged over seeds.
    intervals : tuple of two ConfidenceInterval
        Of the AUC of candidate and reference, on the logit scale, with the mean over runs of
        DeLong's variance. NaN where an AUC is 0 or 1. Of another metric, the kind of interval
        that :func:`metric_estimate` gives it. With ``method="nadeau-bengio"``, with the variance
        of that test.
    components : CVComponents
        Of all runs, without half-sample repeats.
    """

    primary: TestResult
    repeat_delong: TestResult
    corrected_t: TestResult
    intervals: tuple[ConfidenceInterval, ConfidenceInterval]
    components: CVComponents


def repeated_cv_comparison(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    folds: Any,
    *,
    repeats: Any = None,
    groups: Any = None,
    half: tuple[Any, Any, Any] | None = None,
    halvings: tuple[Any, Any, Any] | None = None,
    metric: str | Metric = "roc_auc",
    threshold: Any = None,
    method: str = "auto",
    confidence_level: float = 0.95,
) -> RepeatedCVComparison:
    """Primary test, classical tests and the arms' intervals of a repeated cross-validation.

    Parameters
    ----------
    y_true : array_like of shape (n,), or None
        Reference standard, 0 or 1; None for a metric of values ('mean').
    scores_a, scores_b : array_like of shape (runs, n)
        Out-of-fold scores of candidate and reference; a run is one repeat with one seed.
    folds : array_like of int, shape (runs, n)
        Fold in which each case was tested, the same for both arms.
    repeats : array_like of shape (runs,), optional
        Repeat of each run. Runs of one repeat share their split and differ in the training
        seed. By default every run is a repeat.
    groups : array_like of shape (n,), optional
        Patient of each case; variances are then clustered by patient.
    half : tuple (scores_a, scores_b, folds), optional
        Extra repeats of two-fold cross-validation, as in :func:`repeated_cv_test`.
    halvings : tuple (scores_a, scores_b, folds), optional
        Cross-validations of random halves of the patients, as in :func:`repeated_cv_test`.
    metric : str or Metric, default "roc_auc"
        What is compared, as in :func:`repeated_cv_test`.
    threshold : float or array_like of shape (runs, folds), or a tuple of two, optional
        Of metrics of decisions, as in :func:`repeated_cv_test`.
    method : {"auto", "learning-curve", "repeat-delong", "larger-variance", "nadeau-bengio"}
        Variance of the primary test, as in :func:`repeated_cv_test`.
    confidence_level : float, default 0.95
        Coverage of all intervals.

    Returns
    -------
    RepeatedCVComparison

    Raises
    ------
    ValueError
        As :func:`repeated_cv_test`, or if `repeats` has not one entry per run.

    Warns
    -----
    DegenerateDataWarning
        As the tests.

    See Also
    --------
    repeated_cv_test : The primary test alone, for one run per repeat.

    Notes
    -----
    With several seeds the estimate is the mean over all runs. The corrected t test, whose
    correction is for splits, takes the mean over seeds of each fold.

    References
    ----------
    .. [1] Nadeau, C. and Bengio, Y. (2003). Inference for the generalization error.
       Machine Learning 52, 239-281. :doi:`10.1023/A:1024068626366`
    .. [2] LeDell, E., Petersen, M. and van der Laan, M. (2015). Computationally efficient
       confidence intervals for cross-validated area under the ROC curve estimates.
       Electronic Journal of Statistics 9, 1583-1607. :doi:`10.1214/15-EJS1035`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import repeated_cv_comparison
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(240) % 3 == 0
    >>> folds = np.array([rng.permutation(80).repeat(3) % 5 for _ in range(5)])
    >>> case = y + rng.standard_normal(240)
    >>> a, b = (case + s * rng.standard_normal((5, 240)) for s in (0.3, 1.0))
    >>> found = repeated_cv_comparison(y, a, b, folds)
    >>> found.primary.procedure.variance, round(found.primary.pvalue, 4)
    ('learning-curve', 0.0089)
    >>> [round(interval.low, 3) for interval in found.intervals]
    [0.668, 0.604]
    """
    check_option(method, METHODS, name="method")
    a, b, folds = (np.asarray(values) for values in (scores_a, scores_b, folds))
    data = _Runs(a, b, folds, pair_of_thresholds(threshold))
    numbers = _repeats(repeats, len(data.a))
    hypothesis = Hypothesis(confidence_level=confidence_level)

    def look(runs: np.ndarray | slice, extra: Any = half, halves: Any = halvings) -> CVComponents:
        return repeated_cv_components(
            y_true,
            *data.of(runs),
            groups=groups,
            half=extra,
            halvings=halves,
            metric=metric,
            threshold=data.cuts(runs),
        )

    first, *others = _one_run_per_repeat(numbers)
    start = look(first)
    parts = look(slice(None), None, None) if others else start.without_half()
    primary = infer_from_components(start, method=method, hypothesis=hypothesis)
    corrected = _corrected(parts, numbers, hypothesis)
    if others:
        if primary.procedure.variance == "nadeau-bengio":
            base = corrected
        else:
            further = (
                infer_from_components(look(own), method=method, hypothesis=hypothesis)
                for own in others
            )
            base = _mean_over_seeds([primary, *further], hypothesis, parts.metric)
        procedure = dataclasses.replace(primary.procedure, n_seeds=len(numbers) / len(first))
        primary = dataclasses.replace(
            base,
            estimates=parts.reported,
            n_cases=parts.n_cases,
            n_groups=parts.n_groups,
            procedure=procedure,
            method=sentence(procedure, parts.label),
            warnings=_united(primary, base),
        )
    low, high = _arm_intervals(parts, numbers, method, hypothesis.confidence_level)
    return RepeatedCVComparison(
        primary=primary,
        repeat_delong=infer_from_components(parts, method="repeat-delong", hypothesis=hypothesis),
        corrected_t=corrected,
        intervals=(low, high),
        components=parts,
    )


@dataclass(frozen=True)
class _Runs:
    """Scores and folds by run."""

    a: np.ndarray
    b: np.ndarray
    folds: np.ndarray
    thresholds: tuple[Any, Any]

    def of(self, runs: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.a[runs], self.b[runs], self.folds[runs]

    def cuts(self, runs: Any) -> Any:
        """Thresholds of these runs; those of all folds are one number, or None."""
        if all(cut is None for cut in self.thresholds):
            return None
        return tuple(
            cut if cut is None or np.ndim(cut) == 0 else np.asarray(cut)[runs]
            for cut in self.thresholds
        )


def _repeats(repeats: Any, n_runs: int) -> np.ndarray:
    numbers = np.arange(n_runs) if repeats is None else np.asarray(repeats)
    if numbers.shape != (n_runs,):
        raise ValueError(
            f"`repeats` must have one entry per run, shape ({n_runs},), got {numbers.shape}."
        )
    return numbers


def _one_run_per_repeat(repeats: np.ndarray) -> list[np.ndarray]:
    """For each seed the runs with it; a repeat with fewer seeds gives its own in turn."""
    runs_of = [np.flatnonzero(repeats == repeat) for repeat in np.unique(repeats)]
    return [
        np.array([own[seed % len(own)] for own in runs_of])
        for seed in range(max(map(len, runs_of)))
    ]


def _arm_intervals(
    parts: CVComponents, repeats: np.ndarray, method: str, level: float
) -> Iterator[ConfidenceInterval]:
    """Interval of either arm by itself."""
    arms = zip(parts.aucs, parts.arm_variances, parts.arm_values, strict=True)
    for value, case_variance, of_folds in arms:
        variance, df = max(case_variance, 0.0), math.inf
        if method == "nadeau-bengio":
            means = _by_repeat(of_folds, repeats)
            share = 1 / means.size + 1 / (parts.n_folds - 1)
            variance, df = share * spread(means) ** 2, means.size - 1.0
        yield metric_interval(parts.metric, value, math.sqrt(variance), level, df=df)


def _by_repeat(values: np.ndarray, repeats: np.ndarray) -> np.ndarray:
    """Mean over the seeds of each repeat, shape (repeats, folds)."""
    return np.array([values[repeats == repeat].mean(axis=0) for repeat in np.unique(repeats)])


def _corrected(parts: CVComponents, repeats: np.ndarray, hypothesis: Hypothesis) -> TestResult:
    """Nadeau and Bengio's test on the mean over seeds of each fold."""
    return corrected_resampled_ttest(
        _by_repeat(parts.differences, repeats),
        n_train=parts.n_cases * (1 - 1 / parts.n_folds),
        n_test=parts.n_cases / parts.n_folds,
        confidence_level=hypothesis.confidence_level,
    )


def _mean_over_seeds(
    results: list[TestResult], hypothesis: Hypothesis, metric: Metric
) -> TestResult:
    """The mean estimate over seeds, with the mean of their variances and the least df."""
    error = math.sqrt(np.mean([result.standard_error**2 for result in results]))
    if not error > 0:
        return results[0]
    found = hypothesis.wald(
        float(np.mean([result.estimate for result in results])),
        error,
        df=min(float(result.df) for result in results if not isinstance(result.df, tuple)),
        bounds=metric.difference_bounds,
    )
    return dataclasses.replace(
        results[0],
        estimate=found.estimate,
        standard_error=error,
        df=found.df,
        statistic=found.statistic,
        pvalue=found.pvalue,
        confidence_interval=found.interval,
        warnings=_united(*results),
    )


def _united(*results: TestResult) -> tuple[ResultWarning, ...]:
    """Warnings of all `results`, each text once."""
    return tuple(dict.fromkeys(note for result in results for note in result.warnings))
