"""Several models on the same cases, compared at once by any metric."""

from __future__ import annotations

__all__ = ["metric_omnibus_test"]

import math
from typing import Any

import numpy as np
import scipy

from .._shared.degenerate import ALIKE, CARRIES_NO_VARIANCE, warn_degenerate
from .._shared.inference import Hypothesis, Inference, conclude
from .._shared.paired_sample import CaseSample
from .._shared.validation import as_scores
from ..curves.delong_omnibus import quadratic_form
from ..procedure import Procedure, ResultWarning
from ..results import TestResult
from .base import Metric
from .class_metrics import ClassMetric, class_sample, class_values
from .estimate import obstacle_of
from .inference import ROUNDING, influence_covariance
from .inputs import metric_of, sample_of, values_of
from .stratified import covariance_of


def metric_omnibus_test(
    y_true: Any,
    scores: Any,
    *,
    metric: str | Metric = "roc_auc",
    groups: Any = None,
    threshold: Any = None,
) -> TestResult:
    """Test whether several models have equal values of a metric on the same cases.

    Parameters
    ----------
    y_true : array_like of shape (n,), or None
        Reference standard, 0 or 1; classes 0 to C - 1, or grades, of a metric of these; None for
        a metric of values ('mean').
    scores : array_like of shape (arms, n), or (arms, n, classes)
        Scores, probabilities, grades or values of each of at least two models.
    metric : str or Metric, default "roc_auc"
        One of :func:`metric_names`, or what :func:`get_metric` returns; of several classes
        'roc_auc_ovr', 'roc_auc_ovo' (Hand and Till's M) or 'quadratic_kappa'.
    groups : array_like of shape (n,), optional
        Patient of each case.
    threshold : float, optional
        Of metrics of decisions, one for all models.

    Returns
    -------
    TestResult
        `statistic` is chi-square, `df` its degrees of freedom, `estimates` the values.

    Raises
    ------
    ValueError
        If shapes disagree, there are fewer than two models, or the metric gets what it cannot use.

    Warns
    -----
    DegenerateDataWarning
        If the models differ and their differences do not vary.

    See Also
    --------
    paired_metric_test, multiclass_auc_test, weighted_kappa_test : The pairs after this test,
        with `adjust_pvalues`.
    delong_omnibus_test : The AUC.
    repeated_cv_omnibus_test : Training procedures in repeated cross-validation.

    Notes
    -----
    A Wald test of the differences to the first model, with the covariance of their influences; the
    order of the models does not matter. The fitted models are fixed. It tells that some model
    differs, not which. Too liberal where the models are nearly as many as the cases (or patients)
    of a class.

    References
    ----------
    .. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845.
       :doi:`10.2307/2531595`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import metric_omnibus_test
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(150) % 3
    >>> arms = np.eye(3)[y] + rng.normal(size=(4, 150, 3))
    >>> result = metric_omnibus_test(y, arms, metric="roc_auc_ovr")
    >>> result.df, round(result.pvalue, 3)
    (3.0, 0.051)
    """
    found, cut = metric_of(metric, threshold=threshold)
    raw = np.asarray(scores)
    of_classes = found.needs == "class scores"
    if raw.ndim != 2 + of_classes or len(raw) < 2:
        raise ValueError(
            f"`scores` must have shape (arms, cases{', classes' * of_classes}) with at least two "
            f"arms, got {raw.shape}."
        )
    notes: list[ResultWarning] = []
    if isinstance(found, ClassMetric):
        sample, values, contrasts, covariance = _of_classes(found, y_true, raw, groups)
    else:
        sample = sample_of(found, y_true, groups, raw.shape[1])
        n = sample.labels.size
        each = [
            found.evaluate(
                sample.labels,
                values_of(found, as_scores(own, n), cut, sample.labels, name="scores"),
            )
            for own in raw
        ]
        values = np.array([value for value, _ in each])
        contrasts = np.stack([own - each[0][1] for _, own in each[1:]])
        obstacle = obstacle_of(found, sample)
        if obstacle:
            notes.append(warn_degenerate(obstacle))
            covariance = np.full((len(contrasts),) * 2, math.nan)
        else:
            covariance = influence_covariance(found, sample, contrasts)
    inference, more = _chi_square(values[1:] - values[0], contrasts, covariance)
    reported = np.exp(values) if found.interval == "log" else values
    return conclude(
        Hypothesis(),
        inference,
        estimates=tuple(map(float, reported)),
        size=sample.size,
        procedure=Procedure(
            name="metric-omnibus",
            variance="infinitesimal-jackknife",
            clustered=sample.clustered,
            n_arms=len(raw),
            metric=found.name,
            higher_is_better=found.higher_is_better,
        ),
        method=(
            f"Chi-square test that {len(raw)} values of {found.label} are equal "
            f"({'patients' if sample.clustered else 'cases'} random, fitted models fixed)"
        ),
        warnings=notes + more,
    )


def _of_classes(
    metric: ClassMetric, y_true: Any, raw: np.ndarray, groups: Any
) -> tuple[CaseSample, np.ndarray, np.ndarray, np.ndarray]:
    sample, classes = class_sample(metric, y_true, groups)
    checked = class_values(metric, raw, int(classes.max()) + 1, classes.size, "scores")
    each = [metric.stratified(classes, own) for own in checked]
    contrasts = np.stack([own.influence - each[0].influence for own in each[1:]])
    covariance = covariance_of(contrasts, each[0].strata, sample.codes)
    return sample, np.array([own.value for own in each]), contrasts, covariance


def _chi_square(
    differences: np.ndarray, contrasts: np.ndarray, covariance: np.ndarray
) -> tuple[Inference, list[ResultWarning]]:
    if np.isnan(covariance).any():
        return Inference(math.nan, math.nan, df=math.nan), []
    differences = np.where(np.abs(differences) < ROUNDING, 0.0, differences)
    flat = np.abs(contrasts).max(axis=1) < ROUNDING
    covariance = np.where(flat[:, None] | flat, 0.0, covariance)
    quadratic, rank = quadratic_form(differences, covariance)
    if math.isnan(quadratic):
        return Inference(quadratic, math.nan, df=float(rank)), [
            warn_degenerate(CARRIES_NO_VARIANCE)
        ]
    if rank == 0:
        return Inference(0.0, 1.0, df=0.0), [ALIKE]
    return Inference(quadratic, float(scipy.stats.chi2.sf(quadratic, rank)), df=float(rank)), []
