"""One metric of one model on one test set, with its interval."""

from __future__ import annotations

__all__ = ["metric_estimate", "metric_interval", "obstacle_of"]

import math
from typing import Any

import numpy as np
import scipy

from .._shared.degenerate import warn_degenerate
from .._shared.inference import NO_INTERVAL, Hypothesis, check_confidence_level, logit_interval
from .._shared.paired_sample import CaseSample
from .._shared.validation import as_scores
from ..procedure import Procedure, ResultWarning
from ..results import ConfidenceInterval, MetricResult
from ..thresholds.operating import effective_wilson
from .base import Metric
from .inference import influence_variance, reference_df
from .inputs import metric_of, sample_of, values_of

NO_SPREAD = ResultWarning(
    "zero-variance", "no case differs from another in this metric: no interval can be given"
)


def metric_estimate(
    y_true: Any,
    scores: Any,
    *,
    metric: str | Metric = "roc_auc",
    groups: Any = None,
    threshold: float | None = None,
    prevalence: float | None = None,
    specificity: Any = None,
    sensitivity: Any = None,
    confidence_level: float = 0.95,
) -> MetricResult:
    """A metric of one model on one test set, with its confidence interval.

    Parameters
    ----------
    y_true : array_like of shape (n,), or None
        Labels 0 and 1; None for a metric of values ('mean').
    scores : array_like of shape (n,)
        Scores, probabilities or values, as the metric needs.
    metric : str or Metric, default "roc_auc"
        One of :func:`metric_names`, or what :func:`get_metric` returns.
    groups : array_like of shape (n,), optional
        Patient of each case; patients are then the independent units.
    threshold : float, optional
        Of metrics of decisions (scores that reach it are called positive) and of 'net_benefit'. Fix
        it on other cases.
    prevalence : float, optional
        Prevalence for 'ppv' and 'npv'; by default the sample's.
    specificity, sensitivity : float or (low, high), optional
        Of 'sensitivity_at_specificity', 'specificity_at_sensitivity' and 'partial_auc'.
    confidence_level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    MetricResult
        `estimate` is scikit-learn's value where it has the metric.

    Raises
    ------
    ValueError
        If lengths differ, a label or score is missing, probabilities lie outside of [0, 1], the
        metric is not defined for these cases, or an option is missing or of no use.

    Warns
    -----
    DegenerateDataWarning
        If the metric does not vary between cases, or a class has a single case.

    See Also
    --------
    paired_metric_test : Two models on the same cases.
    roc_auc, sensitivity_specificity : More about these.

    Notes
    -----
    The variance is the sum of the squared influences of the cases (or patients), the infinitesimal
    jackknife [1]_. Intervals: Wilson's at the effective number of cases for proportions, on the
    logit scale for areas and F1, on the log scale for likelihood ratios, and Wald's, by
    Student's t where the class of a case is random, for the others. A warning says where a
    metric rests on few cases. The fitted model is fixed: do not use it on cross-validated scores.

    References
    ----------
    .. [1] Efron B, Stein C. The jackknife estimate of variance. Annals of Statistics
       1981;9:586-596. :doi:`10.1214/aos/1176345462`
    .. [2] Van Calster B, McLernon DJ, van Smeden M, et al. Calibration: the Achilles heel of
       predictive analytics. BMC Medicine 2019;17:230. :doi:`10.1186/s12916-019-1466-7`
    .. [3] Vickers AJ, Elkin EB. Decision curve analysis. Medical Decision Making
       2006;26:565-574. :doi:`10.1177/0272989X06295361`

    Examples
    --------
    >>> from stats_tl.stats import metric_estimate
    >>> y_true, p = [0, 0, 0, 1, 1, 1], [0.1, 0.3, 0.6, 0.4, 0.7, 0.9]
    >>> result = metric_estimate(y_true, p, metric="brier_score")
    >>> round(result.estimate, 4), round(result.standard_error, 4)
    (0.1533, 0.067)
    >>> metric_estimate(y_true, p, metric="sensitivity", threshold=0.5).confidence_interval.high < 1
    True
    """
    level = check_confidence_level(confidence_level)
    found, cut = metric_of(
        metric,
        threshold=threshold,
        prevalence=prevalence,
        specificity=specificity,
        sensitivity=sensitivity,
    )
    raw = as_scores(scores)
    sample = sample_of(found, y_true, groups, raw.size)
    raw = as_scores(raw, sample.labels.size)
    values = values_of(found, raw, cut, sample.labels, name="scores")
    notes: list[ResultWarning] = []
    value, influence = found.evaluate(sample.labels, values)
    standard_error = math.nan
    obstacle = obstacle_of(found, sample)
    if obstacle:
        notes.append(warn_degenerate(obstacle))
    else:
        standard_error = math.sqrt(max(influence_variance(found, sample, influence), 0.0))
    if found.interval == "wilson":
        counted = found.counted(sample.labels, values)
        interval = _wilson(value, standard_error, level, sample.units[counted])
    else:
        df = reference_df(found, sample)
        interval = metric_interval(found, value, standard_error, level, df=df)
    if standard_error == 0 and math.isnan(interval.low):
        notes.append(warn_degenerate(NO_SPREAD))
    caution = found.caution(sample.labels, values)
    if caution:
        notes.append(caution)
    labelled = found.needs != "values"
    return MetricResult(
        metric=found.name,
        estimate=math.exp(value) if found.interval == "log" else value,
        standard_error=standard_error,
        confidence_interval=interval,
        confidence_level=level,
        n_cases=sample.labels.size,
        n_positive=int(sample.labels.sum()) if labelled else None,
        n_groups=sample.n_groups,
        method=(
            f"{found.label[0].upper()}{found.label[1:]} with {_kind(found)} interval "
            f"({'patients' if sample.clustered else 'cases'} random, fitted model fixed)"
        ),
        warnings=tuple(notes),
        procedure=Procedure(
            name="metric",
            variance="infinitesimal-jackknife",
            version=found.interval,
            clustered=sample.clustered,
            n_arms=1,
            metric=found.name,
            higher_is_better=found.higher_is_better,
        ),
    )


def obstacle_of(metric: Metric, sample: CaseSample) -> ResultWarning | None:
    """Why no variance can be estimated; raises ValueError where patients make it impossible."""
    if metric.by_class:
        return sample.obstacle()
    if sample.codes is not None and not sample.codes.any():
        raise ValueError(
            f"`groups` puts all {sample.codes.size} cases in one patient; the variance between "
            "patients needs at least two. Leave `groups` out if the cases are independent."
        )
    if sample.labels.size == 1:
        return ResultWarning("single-case", "only one case: the variance cannot be estimated")
    return None


def _kind(metric: Metric) -> str:
    return {"wilson": "Wilson's", "logit": "a logit", "log": "a log", "wald": "a Wald"}[
        metric.interval
    ]


def _wilson(
    share: float, standard_error: float, level: float, units: np.ndarray
) -> ConfidenceInterval:
    """Wilson's interval; `units` are the patients (or numbers) of the cases that are counted."""
    if math.isnan(standard_error):
        return NO_INTERVAL
    n, n_units = units.size, np.unique(units).size
    effective = float(n)
    if n_units < n:
        effective = float(n_units)
        if standard_error > 0:
            effective = min(share * (1 - share) / standard_error**2, float(n))
    return effective_wilson(share, effective, level)


def metric_interval(
    metric: Metric, value: float, standard_error: float, level: float, *, df: float = math.inf
) -> ConfidenceInterval:
    """Interval of a metric with this standard error, of the kind that the metric has.

    A proportion has Wilson's at the number of independent cases that would make its standard error
    what it is. `df` are degrees of freedom of Wald's intervals.
    """
    if math.isnan(standard_error):
        return NO_INTERVAL
    if metric.interval == "logit":
        return logit_interval(value, standard_error, level)
    if standard_error == 0:
        return NO_INTERVAL
    if metric.interval == "wilson":
        return effective_wilson(value, value * (1 - value) / standard_error**2, level)
    if metric.interval == "log":
        half = float(scipy.special.ndtri(0.5 + level / 2)) * standard_error
        return ConfidenceInterval(math.exp(value - half), math.exp(value + half))
    return (
        Hypothesis(confidence_level=level)
        .wald(value, standard_error, df=df, bounds=metric.bounds)
        .interval
    )
