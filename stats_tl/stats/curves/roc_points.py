"""Points on the empirical ROC curve: sensitivities at one specificity, or the reverse.

The empirical ROC curve is the polygon through its points; values between points are
interpolated linearly. The threshold belongs to what is estimated: every bootstrap replicate
finds it again.
"""

from __future__ import annotations

__all__ = ["Point", "roc_point_test", "roc_point_test_unpaired"]

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._shared.inference import Hypothesis
from .._shared.paired_sample import PairedSample, independent_samples
from .._shared.resampling import Resampling, resampling_of
from ..results import TestResult
from .curve_bootstrap import compare_curves, compare_independent_curves


def roc_point_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    specificity: float | None = None,
    sensitivity: float | None = None,
    groups: Any = None,
    stratified: bool = True,
    method: str = "percentile",
    n_resamples: int = 9999,
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
    rng: Any = None,
    return_draws: bool = False,
    resampling: Resampling | None = None,
) -> TestResult:
    """Paired bootstrap test of two sensitivities at one specificity, or the reverse.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores_a, scores_b : array_like of shape (n,)
        Scores of the candidate and of the reference for the same cases in the same order.
    specificity : float, optional
        Specificity at which sensitivities are compared.
    sensitivity : float, optional
        Sensitivity at which specificities are compared. Give one of the two.
    groups, stratified, method, n_resamples, alternative, null_value, confidence_level, rng, \
return_draws, resampling
        As in :func:`bootstrap_auc_test`.

    Returns
    -------
    TestResult
        ``estimates`` are the two sensitivities (or specificities), interpolated linearly.

    Raises
    ------
    ValueError
        Unless one of `specificity` and `sensitivity` is given, within [0, 1]; and as
        :func:`bootstrap_auc_test`.

    Warns
    -----
    DegenerateDataWarning
        If a class has a single case: all inference is NaN.

    Notes
    -----
    The thresholds are found in these cases, in every replicate again. For thresholds fixed
    elsewhere use :func:`operating_point_test`.

    References
    ----------
    .. [1] Pepe MS. The Statistical Evaluation of Medical Tests for Classification and
       Prediction. Oxford University Press, 2003. ISBN 978-0-19-850984-4.

    Examples
    --------
    >>> from stats_tl.stats import roc_point_test
    >>> y_true = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    >>> a = [1, 2, 3, 4, 7, 5, 6, 8, 9, 10]
    >>> b = [1, 2, 3, 4, 9, 5, 6, 7, 8, 10]
    >>> roc_point_test(y_true, a, b, specificity=1, rng=0).estimates
    (0.6, 0.2)
    """
    point = _point(specificity, sensitivity)
    sample = PairedSample.of_scores(y_true, scores_a, scores_b, groups)
    hypothesis = Hypothesis(alternative, null_value, confidence_level)
    how = resampling_of(
        resampling,
        {
            "n_resamples": n_resamples,
            "rng": rng,
            "interval": method,
            "stratified": bool(stratified),
            "return_draws": return_draws,
        },
        interval="percentile",
    )
    return compare_curves(
        sample,
        point,
        hypothesis,
        how,
        name="roc-point",
        quantity=point.describe(),
    )


def roc_point_test_unpaired(
    y_true_a: Any,
    scores_a: Any,
    y_true_b: Any,
    scores_b: Any,
    *,
    specificity: float | None = None,
    sensitivity: float | None = None,
    groups_a: Any = None,
    groups_b: Any = None,
    stratified: bool = True,
    method: str = "percentile",
    n_resamples: int = 9999,
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
    rng: Any = None,
    return_draws: bool = False,
    resampling: Resampling | None = None,
) -> TestResult:
    """Bootstrap test of two sensitivities at one specificity from independent samples.

    Parameters
    ----------
    y_true_a, y_true_b : array_like of shape (n_a,) and (n_b,)
        Labels 0 and 1, both present in either sample.
    scores_a, scores_b : array_like of shape (n_a,) and (n_b,)
        Scores; higher means more likely positive.
    specificity, sensitivity : float, optional
        As in :func:`roc_point_test`; give one of the two.
    groups_a, groups_b : array_like of shape (n_a,) and (n_b,), optional
        Patient of each case. Give both or neither; no patient is in both samples, so an
        identifier that occurs in both stands for two patients.
    stratified, method, n_resamples, alternative, null_value, confidence_level, rng, \
return_draws, resampling
        As in :func:`bootstrap_auc_test`; either sample is resampled by itself.

    Returns
    -------
    TestResult
        ``estimates`` are the two sensitivities (or specificities), interpolated linearly;
        ``n_cases`` and ``n_groups`` count both samples.

    Raises
    ------
    ValueError
        Unless one of `specificity` and `sensitivity` is given, within [0, 1]; if lengths
        differ, one class is absent, a label or score is missing, the groups of one sample
        only are given, or they leave a class with one patient.

    Warns
    -----
    DegenerateDataWarning
        If a class has a single case: all inference is NaN.

    See Also
    --------
    delong_test_unpaired : The same samples, by their AUCs.
    venkatraman_test_unpaired : The same samples, at every operating point.

    Notes
    -----
    As :func:`roc_point_test`. For two models on the same cases it wastes the pairing.

    References
    ----------
    .. [1] Pepe MS. The Statistical Evaluation of Medical Tests for Classification and
       Prediction. Oxford University Press, 2003. ISBN 978-0-19-850984-4.
    .. [2] Robin X, Turck N, Hainard A, et al. pROC. BMC Bioinformatics 2011;12:77.
       :doi:`10.1186/1471-2105-12-77`

    Examples
    --------
    >>> from stats_tl.stats import roc_point_test_unpaired
    >>> result = roc_point_test_unpaired(
    ...     [0, 0, 0, 0, 1, 1, 1, 1],
    ...     [1, 2, 3, 4, 3, 5, 6, 7],
    ...     [0, 0, 0, 1, 1, 1],
    ...     [1, 4, 2, 3, 5, 2],
    ...     specificity=1,
    ...     rng=0,
    ... )
    >>> [round(value, 3) for value in result.estimates]
    [0.75, 0.333]
    """
    point = _point(specificity, sensitivity)
    samples = independent_samples((y_true_a, y_true_b), (scores_a, scores_b), (groups_a, groups_b))
    hypothesis = Hypothesis(alternative, null_value, confidence_level)
    how = resampling_of(
        resampling,
        {
            "n_resamples": n_resamples,
            "rng": rng,
            "interval": method,
            "stratified": bool(stratified),
            "return_draws": return_draws,
        },
        interval="percentile",
    )
    return compare_independent_curves(
        samples,
        point,
        hypothesis,
        how,
        name="roc-point-unpaired",
        quantity=point.describe(),
    )


@dataclass(frozen=True)
class Point:
    """One coordinate of the curve where the other has a given value."""

    given: str
    at: float

    def describe(self) -> str:
        other = "sensitivities" if self.given == "specificity" else "specificities"
        return f"{other} at {self.given} {self.at:g}"

    def __call__(self, true_positives: np.ndarray, false_positives: np.ndarray) -> np.ndarray:
        if self.given == "specificity":
            x, y = false_positives, true_positives
        else:  # from the other end: specificity lost as a function of sensitivity lost
            x = true_positives[:, -1:] - true_positives[:, ::-1]
            y = false_positives[:, -1:] - false_positives[:, ::-1]
        values: np.ndarray = _interpolate(x, y, (1 - self.at) * x[:, -1]) / y[:, -1]
        return values


def _point(specificity: float | None, sensitivity: float | None) -> Point:
    if (specificity is None) == (sensitivity is None):
        raise ValueError("Give one of `specificity` and `sensitivity`, the other is compared.")
    name = "specificity" if sensitivity is None else "sensitivity"
    at = float(specificity if sensitivity is None else sensitivity)  # type: ignore[arg-type]
    if not 0 <= at <= 1:
        raise ValueError(f"`{name}` must be between 0 and 1, got {at:g}.")
    return Point(name, at)


def _interpolate(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Largest value of the polygon y(x) at `at`, by row; x and y must not decrease."""
    rows = np.arange(len(x))
    reached = x <= (at + 1e-9 * np.maximum(x[:, -1], 1))[:, None]  # 1 - 0.9 is not quite 0.1
    last = reached.sum(axis=1) - 1
    following = np.minimum(last + 1, x.shape[1] - 1)
    step = x[rows, following] - x[rows, last]
    share = np.divide(at - x[rows, last], step, out=np.zeros(len(x)), where=step > 0)
    share = np.maximum(share, 0)
    values: np.ndarray = y[rows, last] + share * (y[rows, following] - y[rows, last])
    return values
