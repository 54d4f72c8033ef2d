"""Covariance between values of any metric of several curves that share their cases."""

from __future__ import annotations

__all__ = ["class_covariance", "metric_covariance"]

from typing import Any

import numpy as np

from .._shared.paired_sample import CaseSample
from ..metrics.base import Metric, UndefinedMetricError
from ..metrics.class_metrics import ClassMetric, class_values
from ..metrics.estimate import obstacle_of
from ..metrics.inference import influence_covariance
from ..metrics.inputs import values_of
from ..metrics.stratified import covariance_of


def metric_covariance(
    metric: Metric, sample: CaseSample, scores: np.ndarray, threshold: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Values of the metric and an estimate of their covariance, from the cases' influences.

    Parameters
    ----------
    metric : Metric
    sample : CaseSample
    scores : ndarray of shape (arms, readers, n)
    threshold : float, array_like of shape (arms, readers), or None
        Of decisions.

    Returns
    -------
    values : ndarray of shape (arms * readers,)
        Logarithms of likelihood ratios.
    covariance : ndarray of shape (arms * readers, arms * readers)
        NaN where it cannot be estimated.

    Raises
    ------
    ValueError
        If the metric is not defined for a reader, gets what it cannot use, or `threshold` has
        another shape.
    """
    if np.ndim(threshold):
        threshold = np.asarray(threshold, dtype=np.float64)
        if threshold.shape != scores.shape[:2]:
            raise ValueError(
                "`threshold` must be a number, or hold one for every arm and reader, shape "
                f"{scores.shape[:2]}, got shape {threshold.shape}."
            )
        if np.isnan(threshold).any():
            raise ValueError(f"`threshold` is NaN for {int(np.isnan(threshold).sum())} readers.")
        threshold = np.broadcast_to(threshold[..., None], scores.shape)
    ready = values_of(metric, scores, threshold, sample.labels, name="scores")
    found, influences = [], []
    for arm, own in enumerate(ready):
        for reader, one in enumerate(own):
            try:
                value, influence = metric.evaluate(sample.labels, one)
            except UndefinedMetricError as error:
                raise UndefinedMetricError(f"{error} (reader {reader}, arm {arm})") from None
            found.append(value)
            influences.append(influence)
    values = np.array(found)
    if obstacle_of(metric, sample):
        return values, np.full((values.size, values.size), np.nan)
    return values, influence_covariance(metric, sample, np.array(influences))


def class_covariance(
    metric: ClassMetric, classes: np.ndarray, codes: np.ndarray | None, scores: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The same of a metric of several classes, or of grades.

    Parameters
    ----------
    metric : ClassMetric
    classes : ndarray of int, shape (n,)
    codes : ndarray of int, shape (n,), or None
        Patient of each case.
    scores : array_like of shape (arms, readers, n, classes), or (arms, readers, n)

    Returns
    -------
    values : ndarray of shape (arms, readers)
    covariance : ndarray of shape (arms * readers, arms * readers)

    Raises
    ------
    ValueError
        If the scores have another shape.
    """
    raw = np.asarray(scores)
    axes = 3 + (metric.needs == "class scores")
    if raw.ndim != axes:
        raise ValueError(
            f"`scores` must have shape (arms, readers, cases{', classes' * (axes == 4)}), "
            f"got {raw.shape}."
        )
    flat = raw.reshape(-1, *raw.shape[2:])
    checked = class_values(metric, flat, int(classes.max()) + 1, classes.size, "scores")
    each = [metric.stratified(classes, own) for own in checked]
    influences = np.stack([own.influence for own in each])
    values = np.array([own.value for own in each]).reshape(raw.shape[:2])
    return values, covariance_of(influences, each[0].strata, codes)
