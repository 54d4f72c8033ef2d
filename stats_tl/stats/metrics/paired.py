"""Two models on the same cases, compared by any metric."""

from __future__ import annotations

__all__ = ["bootstrap_metric_test", "paired_metric_test"]

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._shared.bootstrap_results import Replicates, comparison_result
from .._shared.degenerate import CARRIES_NO_VARIANCE, warn_degenerate
from .._shared.inference import Hypothesis, conclude
from .._shared.paired_sample import CaseSample
from .._shared.resampling import CHUNK_ENTRIES, Resampler, Resampling, acceleration, resampling_of
from .._shared.validation import as_scores
from ..procedure import Procedure, ResultWarning
from ..results import TestResult
from .base import Metric
from .estimate import obstacle_of
from .inference import ROUNDING, SAME, influence_variance, reference_df
from .inputs import metric_of, pair_of_thresholds, sample_of, values_of


@dataclass(frozen=True)
class _Pair:
    """A metric of two arms on the same cases."""

    metric: Metric
    sample: CaseSample
    values: tuple[np.ndarray, np.ndarray]
    estimates: tuple[float, float]
    influence: np.ndarray

    @classmethod
    def of(
        cls,
        y_true: Any,
        scores_a: Any,
        scores_b: Any,
        *,
        groups: Any,
        metric: str | Metric,
        options: dict[str, Any],
    ) -> _Pair:
        """From the arguments of a public function."""
        threshold = options.pop("threshold")
        cuts = pair_of_thresholds(threshold)
        found, _ = metric_of(metric, threshold=cuts[0], **options)
        if found.threshold is not None and cuts[0] != cuts[1]:
            raise ValueError(
                f"metric {found.name!r} has one threshold for both arms, got {threshold!r}."
            )
        a = as_scores(scores_a, name="scores_a")
        sample = sample_of(found, y_true, groups, a.size)
        n = sample.labels.size
        arms = [
            values_of(found, as_scores(own, n, name=name), cut, sample.labels, name=name)
            for own, cut, name in ((a, cuts[0], "scores_a"), (scores_b, cuts[1], "scores_b"))
        ]
        (value_a, one), (value_b, other) = (found.evaluate(sample.labels, own) for own in arms)
        return cls(found, sample, (arms[0], arms[1]), (value_a, value_b), one - other)

    @property
    def estimate(self) -> float:
        found = self.estimates[0] - self.estimates[1]
        return 0.0 if abs(found) < ROUNDING else found

    @property
    def reported(self) -> tuple[float, float]:
        """The arms' metrics, not their logarithms."""
        a, b = self.estimates
        return (math.exp(a), math.exp(b)) if self.metric.interval == "log" else (a, b)

    @property
    def what(self) -> str:
        label = self.metric.label
        return f"the logarithms of two {label}s" if self.metric.interval == "log" else label

    def cautions(self) -> list[ResultWarning]:
        """That of the first arm that has one."""
        found = (self.metric.caution(self.sample.labels, own) for own in self.values)
        return [caution for caution in found if caution][:1]


def paired_metric_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    metric: str | Metric = "roc_auc",
    groups: Any = None,
    threshold: Any = None,
    prevalence: float | None = None,
    specificity: Any = None,
    sensitivity: Any = None,
    higher_is_better: bool | None = None,
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
) -> TestResult:
    """Test of the difference in a metric between two models on the same cases.

    Parameters
    ----------
    y_true : array_like of shape (n,), or None
        Labels 0 and 1; None for a metric of values ('mean').
    scores_a, scores_b : array_like of shape (n,)
        Scores, probabilities or values of candidate and reference, as the metric needs.
    metric : str or Metric, default "roc_auc"
        One of :func:`metric_names`, or what :func:`get_metric` returns.
    groups : array_like of shape (n,), optional
        Patient of each case; patients are then the independent units.
    threshold : float or (float, float), optional
        Of metrics of decisions, for both arms or (candidate, reference); and of 'net_benefit'.
        Fix it on other cases.
    prevalence : float, optional
        Prevalence for 'ppv' and 'npv'; by default the sample's.
    specificity, sensitivity : float or (low, high), optional
        Of 'sensitivity_at_specificity', 'specificity_at_sensitivity' and 'partial_auc'.
    higher_is_better : bool, optional
        Direction of 'mean', by default True: what :func:`noninferiority_test` goes by.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        About the metric of a minus that of b against `null_value`.
    null_value : float, default 0.0
        Difference under the null hypothesis.
    confidence_level : float, default 0.95
        Coverage of the interval, one-sided for a one-sided alternative.

    Returns
    -------
    TestResult
        `estimate` is the metric of a minus that of b, whichever direction is better
        (``procedure.higher_is_better`` says which); for likelihood ratios it is the difference
        of their logarithms. :func:`equivalence_test` and :func:`noninferiority_test` take it.

    Raises
    ------
    ValueError
        If lengths differ, a label or score is missing in either arm, probabilities lie outside
        of [0, 1], the metric is not defined for an arm, or an option is missing or of no use.

    Warns
    -----
    DegenerateDataWarning
        If the difference does not vary although it is not `null_value`, or a class has a single
        case.

    See Also
    --------
    bootstrap_metric_test : The same by resampling, for metrics that rest on few cases.
    delong_test, mcnemar_test : Classical tests of single metrics.
    repeated_cv_test : Training procedures in place of fitted models.

    Notes
    -----
    The variance is the sum of squared differences of influences (the infinitesimal jackknife),
    which for the AUC is DeLong's, clustered Obuchowski's, and for the mean of values that of the
    paired t test. Student's t with one degree of freedom less than units where the class of a
    case is random, normal for metrics that do not depend on the prevalence. The fitted models are
    fixed: do not use it on scores pooled over the folds of a cross-validation.

    References
    ----------
    .. [1] Efron B, Stein C. The jackknife estimate of variance. Annals of Statistics
       1981;9:586-596. :doi:`10.1214/aos/1176345462`
    .. [2] DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845.
       :doi:`10.2307/2531595`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import equivalence_test, paired_metric_test
    >>> rng = np.random.default_rng(1)
    >>> y = np.arange(200) % 2
    >>> logit = 2 * y - 1 + rng.normal(size=200)
    >>> a, b = 1 / (1 + np.exp(-2 * logit)), 1 / (1 + np.exp(-logit - rng.normal(size=200)))
    >>> result = paired_metric_test(y, a, b, metric="brier_score")
    >>> print(f"{result.estimate:.4f}, p = {result.pvalue:.4f}")
    -0.0375, p = 0.0001
    >>> equivalence_test(result, margin=0.06).pvalue < 0.05
    True
    """
    pair = _Pair.of(
        y_true,
        scores_a,
        scores_b,
        groups=groups,
        metric=metric,
        options={
            "threshold": threshold,
            "prevalence": prevalence,
            "specificity": specificity,
            "sensitivity": sensitivity,
            "higher_is_better": higher_is_better,
        },
    )
    found, sample = pair.metric, pair.sample
    hypothesis = Hypothesis(alternative, null_value, confidence_level)
    notes: list[ResultWarning] = []
    obstacle = obstacle_of(found, sample)
    standard_error = math.nan
    if obstacle:
        notes.append(warn_degenerate(obstacle))
    else:
        variance = influence_variance(found, sample, pair.influence)
        standard_error = math.sqrt(max(variance, 0.0))
        if np.abs(pair.influence).max() < ROUNDING:
            standard_error = 0.0
        if standard_error == 0:
            same = pair.estimate == hypothesis.null_value
            notes.append(SAME if same else warn_degenerate(CARRIES_NO_VARIANCE))
    inference = hypothesis.wald(
        pair.estimate,
        standard_error,
        df=reference_df(found, sample),
        bounds=found.difference_bounds,
    )
    units = "patients random" if sample.clustered else "cases random"
    return conclude(
        hypothesis,
        inference,
        estimates=pair.reported,
        size=sample.size,
        procedure=_procedure("paired-metric", pair, variance="infinitesimal-jackknife"),
        method=f"Paired test of the difference in {pair.what} ({units}, fitted models fixed)",
        warnings=notes + pair.cautions(),
    )


def bootstrap_metric_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    metric: str | Metric = "roc_auc",
    groups: Any = None,
    threshold: Any = None,
    prevalence: float | None = None,
    specificity: Any = None,
    sensitivity: Any = None,
    higher_is_better: bool | None = None,
    stratified: bool | None = None,
    method: str = "percentile",
    n_resamples: int = 9999,
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
    rng: Any = None,
    return_draws: bool = False,
    resampling: Resampling | None = None,
) -> TestResult:
    """Paired bootstrap test of the difference in a metric between two models.

    Parameters
    ----------
    y_true, scores_a, scores_b, metric, groups, threshold, prevalence, specificity, sensitivity, \
higher_is_better
        As in :func:`paired_metric_test`.
    stratified : bool, optional
        Resample within classes. By default so where the metric does not depend on how many
        cases are positive.
    method : {"percentile", "BCa", "basic"}
        Bootstrap interval.
    n_resamples : int
        Number of bootstrap replicates.
    alternative, null_value, confidence_level
        As in :func:`paired_metric_test`.
    rng : int, numpy.random.Generator or None
        Seed or generator.
    return_draws : bool
        Whether to keep the replicates of the difference in ``result.draws``.
    resampling : Resampling, optional
        These options as one object, in place of the keywords.

    Returns
    -------
    TestResult
        The p value is that of the estimate over its bootstrap standard error.

    Raises
    ------
    ValueError
        As :func:`paired_metric_test`, or if an option is unknown.

    Warns
    -----
    DegenerateDataWarning
        As :func:`bootstrap_auc_test`.

    See Also
    --------
    paired_metric_test : Without resampling.

    Notes
    -----
    Replicates are reweightings of cases that were sorted or counted once. Replicates for which the
    metric is not defined are left out, and the result says how many.

    References
    ----------
    .. [1] Efron B. Better bootstrap confidence intervals. Journal of the American
       Statistical Association 1987;82:171-185. :doi:`10.1080/01621459.1987.10478410`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import bootstrap_metric_test
    >>> rng = np.random.default_rng(1)
    >>> y = np.arange(200) % 4 == 0
    >>> a, b = 2 * y + rng.normal(size=200), y + rng.normal(size=200)
    >>> bootstrap_metric_test(y, a, b, metric="average_precision", rng=0).pvalue < 0.05
    True
    """
    pair = _Pair.of(
        y_true,
        scores_a,
        scores_b,
        groups=groups,
        metric=metric,
        options={
            "threshold": threshold,
            "prevalence": prevalence,
            "specificity": specificity,
            "sensitivity": sensitivity,
            "higher_is_better": higher_is_better,
        },
    )
    hypothesis = Hypothesis(alternative, null_value, confidence_level)
    within = pair.metric.by_class if stratified is None else bool(stratified)
    how = resampling_of(
        resampling,
        {
            "n_resamples": n_resamples,
            "rng": rng,
            "interval": method,
            # Not given beside `resampling`: its own holds.
            "stratified": (resampling is not None and stratified is None) or within,
            "return_draws": return_draws,
        },
        interval="percentile",
    )
    result = comparison_result(
        pair.sample.size,
        hypothesis,
        how,
        _replicates(pair, how),
        estimates=pair.reported,
        estimate=pair.estimate,
        name="bootstrap",
        quantity=f"values of {pair.metric.label}"
        if pair.metric.interval != "log"
        else f"logarithms of the {pair.metric.label}",
    )
    procedure = replace(
        result.procedure,
        metric=pair.metric.name,
        higher_is_better=pair.metric.higher_is_better,
    )
    return replace(result, procedure=procedure)


def _replicates(pair: _Pair, how: Resampling) -> Replicates:
    sample, metric = pair.sample, pair.metric
    obstacle = obstacle_of(metric, sample)
    if obstacle:
        return Replicates(warnings=(warn_degenerate(obstacle),))
    resampler = Resampler(sample.labels, sample.codes, how.stratified)
    one, other = (
        metric.evaluator(sample.labels, own, resampler.unit, resampler.n_units)
        for own in pair.values
    )
    chunk = max(1, CHUNK_ENTRIES * resampler.n_units // (4 * sample.labels.size))
    draws = []
    for weights in resampler.weights(how.rng, how.n_resamples, chunk_entries=chunk):
        with np.errstate(invalid="ignore", divide="ignore"):
            difference = one(weights) - other(weights)
        difference[np.abs(difference) < ROUNDING] = 0.0
        draws.append(difference)
    return Replicates(
        np.concatenate(draws),
        acceleration(resampler.influence(pair.influence)),
        undefined=f"have no {metric.label}, which is not defined for them, and were left out",
    )


def _procedure(name: str, pair: _Pair, *, variance: str) -> Procedure:
    return Procedure(
        name=name,
        variance=variance,
        clustered=pair.sample.clustered,
        n_arms=2,
        metric=pair.metric.name,
        higher_is_better=pair.metric.higher_is_better,
    )
