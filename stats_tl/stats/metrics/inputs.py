"""Arguments of the public functions, turned into what a metric takes."""

from __future__ import annotations

__all__ = ["metric_of", "pair_of_thresholds", "sample_of", "values_of"]

from typing import Any

import numpy as np

from .._shared.paired_sample import CaseSample
from .._shared.validation import as_groups
from ..thresholds.operating import check_threshold
from .base import Metric
from .registry import get_metric

# What is for several classes, and where its tests of one sample are.
CLASSES = {
    "class scores": "`multiclass_auc` or `multiclass_auc_test`",
    "grades": "`weighted_kappa` or `weighted_kappa_test`",
}
# Metrics that hold the threshold themselves.
OWN_THRESHOLD = ("net_benefit",)


def metric_of(metric: str | Metric, **options: Any) -> tuple[Metric, Any]:
    """The metric, and the threshold of decisions, from keywords that may be None.

    Raises
    ------
    ValueError
        If the metric or an option is unknown, missing, or of no use to the metric.
    """
    threshold = options.pop("threshold", None)
    given = {name: value for name, value in options.items() if value is not None}
    if metric in OWN_THRESHOLD and threshold is not None:
        return get_metric(metric, threshold=threshold, **given), None
    found = get_metric(metric, **given)
    if found.needs == "decisions":
        if threshold is None:
            raise ValueError(
                f"metric {found.name!r} needs `threshold`: scores that reach it are called "
                "positive. Fix it on other cases, e.g. by `youden_threshold`."
            )
    elif threshold is not None:
        raise ValueError(
            f"metric {found.name!r} takes no `threshold`"
            + ("; it has its own." if found.threshold is not None else ".")
        )
    return found, threshold


def pair_of_thresholds(threshold: Any) -> tuple[Any, Any]:
    """Threshold of candidate and reference: two, or one for both."""
    if isinstance(threshold, tuple | list):
        if len(threshold) != 2:
            raise ValueError(
                "`threshold` must be one number or a pair (candidate, reference), "
                f"got {len(threshold)} values."
            )
        return threshold[0], threshold[1]
    return threshold, threshold


def sample_of(metric: Metric, y_true: Any, groups: Any, n_cases: int) -> CaseSample:
    """Labels and patients; labels are all True where the metric takes none.

    Raises
    ------
    ValueError
        As :meth:`CaseSample.of`, or if labels are missing, or given to a metric without them.
    """
    if metric.needs in CLASSES:
        raise ValueError(
            f"metric {metric.name!r} is of several classes; for one or two models on one sample "
            f"use {CLASSES[metric.needs]}."
        )
    if metric.needs != "values":
        if y_true is None:
            raise ValueError(f"metric {metric.name!r} needs labels in `y_true`, got None.")
        return CaseSample.of(y_true, groups)
    if y_true is not None:
        raise ValueError(
            f"metric {metric.name!r} is of values, which have no labels; give None for `y_true`."
        )
    return CaseSample(np.ones(n_cases, dtype=bool), as_groups(groups, n_cases))


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be a number, got {value!r}.") from None


def values_of(
    metric: Metric, scores: np.ndarray, threshold: Any, labels: np.ndarray, *, name: str
) -> np.ndarray:
    """What the metric takes, from checked scores.

    Parameters
    ----------
    metric : Metric
    scores : ndarray of shape (n,) or (repeats, n)
    threshold : float or ndarray of the shape of `scores`
        Of decisions.
    labels : ndarray of bool, shape (n,)
    name : str
        Name of the argument, for the error message.

    Raises
    ------
    ValueError
        If the metric needs probabilities and these are none, if values are infinite, or the
        metric cannot be evaluated with them.
    """
    if metric.needs == "probabilities":
        outside = int(((scores < 0) | (scores > 1)).sum())
        if outside:
            raise ValueError(
                f"`{name}` must hold probabilities from 0 to 1 for metric {metric.name!r}, got "
                f"{outside} of {scores.size} outside; logits become probabilities by "
                "`scipy.special.expit`."
            )
    elif metric.needs == "values" and not np.isfinite(scores).all():
        raise ValueError(
            f"`{name}` holds {int((~np.isfinite(scores)).sum())} infinite values, which have no "
            "mean; leave out these cases in both arms, or give them a finite value."
        )
    elif metric.needs == "decisions":
        if np.ndim(threshold) == 0:
            threshold = _number(threshold, "threshold")
            threshold = check_threshold(threshold, "threshold")
        elif np.shape(threshold) != scores.shape:
            raise ValueError(
                "`threshold` must be one number, or a pair (candidate, reference) as a tuple, got "
                f"shape {np.shape(threshold)}."
            )
        return np.asarray(scores >= threshold)
    obstacle = metric.obstacle(labels, scores)
    if obstacle:
        raise ValueError(f"`{name}` {obstacle}")
    return scores
