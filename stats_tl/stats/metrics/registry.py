"""All metrics by name: adding one is a factory and a line here."""

from __future__ import annotations

__all__ = ["get_metric", "metric_names"]

import difflib
import inspect
from collections.abc import Callable
from typing import Any

from . import calibration, class_metrics, counts, means, ranks
from .base import Metric

METRICS: dict[str, Callable[..., Metric]] = {
    factory.__name__: factory
    for factory in (
        ranks.roc_auc,
        ranks.average_precision,
        ranks.partial_auc,
        ranks.sensitivity_at_specificity,
        ranks.specificity_at_sensitivity,
        means.brier_score,
        means.log_loss,
        means.accuracy,
        means.net_benefit,
        means.mean,
        counts.balanced_accuracy,
        counts.f1,
        counts.matthews_corrcoef,
        counts.sensitivity,
        counts.specificity,
        counts.ppv,
        counts.npv,
        counts.positive_likelihood_ratio,
        counts.negative_likelihood_ratio,
        calibration.calibration_intercept,
        calibration.calibration_slope,
    )
}
#: Of several classes, or grades, within the folds of a cross-validation and of several arms.
CLASS_METRICS: dict[str, Callable[..., Metric]] = {
    factory.__name__: factory
    for factory in (
        class_metrics.roc_auc_ovr,
        class_metrics.roc_auc_ovo,
        class_metrics.quadratic_kappa,
    )
}
# Other names in use.
ALIASES = {
    "auc": "roc_auc",
    "roc_auc_score": "roc_auc",
    "ap": "average_precision",
    "average_precision_score": "average_precision",
    "brier": "brier_score",
    "brier_score_loss": "brier_score",
    "accuracy_score": "accuracy",
    "balanced_accuracy_score": "balanced_accuracy",
    "f1_score": "f1",
    "mcc": "matthews_corrcoef",
    "recall": "sensitivity",
    "precision": "ppv",
    "auc_ovr": "roc_auc_ovr",
    "auc_hand_till": "roc_auc_ovo",
    "hand_till": "roc_auc_ovo",
}


def metric_names() -> list[str]:
    """Names of the metrics of two classes, and of values, that :func:`get_metric` knows.

    Parameters
    ----------
    None

    Returns
    -------
    list of str

    Raises
    ------
    None

    References
    ----------
    .. [1] Maier-Hein L, Reinke A, Godau P, et al. Metrics reloaded. Nature Methods
       2024;21:195-212. :doi:`10.1038/s41592-023-02151-z`

    Examples
    --------
    >>> from stats_tl.stats import metric_names
    >>> "brier_score" in metric_names()
    True
    """
    return list(METRICS)


def get_metric(metric: str | Metric, /, **options: Any) -> Metric:
    """A metric by its name, with its options.

    Parameters
    ----------
    metric : str or Metric
        One of :func:`metric_names`; a `Metric` is returned as it is. Of several classes,
        'roc_auc_ovr' (macro-averaged one-versus-rest AUC) and 'roc_auc_ovo' (Hand and Till's M);
        of grades, 'quadratic_kappa'. These three are for :func:`repeated_cv_test`,
        :func:`repeated_cv_omnibus_test` and :func:`metric_omnibus_test`.
    options : optional
        ``prevalence`` of 'ppv' and 'npv'; ``specificity`` of 'sensitivity_at_specificity',
        ``sensitivity`` of 'specificity_at_sensitivity', and either, as a range (low, high), of
        'partial_auc'; ``threshold``, a probability, of 'net_benefit'; ``higher_is_better`` of
        'mean'.

    Returns
    -------
    Metric
        With `name`, `label`, `needs`, `higher_is_better` and `bounds`, and methods that give its
        value, the influence of every case, and its value under weights.

    Raises
    ------
    ValueError
        If the name is unknown, or an option is missing, unknown or out of range.

    See Also
    --------
    metric_estimate : A metric with its interval.
    paired_metric_test : Two models compared by a metric.

    References
    ----------
    .. [1] Maier-Hein L, Reinke A, Godau P, et al. Metrics reloaded. Nature Methods
       2024;21:195-212. :doi:`10.1038/s41592-023-02151-z`

    Examples
    --------
    >>> from stats_tl.stats import get_metric
    >>> get_metric("sensitivity_at_specificity", specificity=0.9).label
    'sensitivity at specificity 0.9'
    """
    if isinstance(metric, Metric):
        if options:
            raise ValueError(
                f"`{next(iter(options))}` belongs to the making of a metric; give it to "
                "`get_metric` with the name."
            )
        return metric
    makers = METRICS | CLASS_METRICS
    known = [*makers, *ALIASES]
    if not isinstance(metric, str) or metric not in known:
        near = difflib.get_close_matches(str(metric), known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"`metric` must be one of {tuple(makers)}, got {metric!r}{hint}")
    name = ALIASES.get(metric, metric)
    parameters = inspect.signature(makers[name]).parameters
    for option in options:
        if option not in parameters:
            takes = f"takes {', '.join(parameters)}" if parameters else "takes no such option"
            raise ValueError(f"`{option}` is no option of metric {name!r}, which {takes}.")
    for option, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and option not in options:
            raise ValueError(f"metric {name!r} needs `{option}`.")
    try:
        return makers[name](**options)
    except (TypeError, ValueError) as error:
        if isinstance(error, ValueError) and "could not convert" not in str(error):
            raise
        given = ", ".join(f"{option}={value!r}" for option, value in options.items())
        raise ValueError(f"options of metric {name!r} must be numbers, got {given}.") from None
