"""Partial area under the ROC curve with bootstrap inference.

The empirical ROC curve is the polygon through its points. A partial area is the integral of
sensitivity over a range of specificity, or of specificity over a range of sensitivity.
McClish's correction maps the area under the chance line in that range to 1/2 and the largest
possible area to 1.
"""

from __future__ import annotations

__all__ = ["Area", "Bounds", "area_between", "partial_auc", "partial_auc_test"]

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._shared.inference import Hypothesis, check_confidence_level
from .._shared.paired_sample import CaseSample, PairedSample
from .._shared.resampling import Resampling, resampling_of
from .._shared.validation import as_scores
from ..procedure import ResultWarning
from ..results import AUCResult, TestResult
from .curve_bootstrap import compare_curves, one_curve

Bounds = tuple[float, float]


def partial_auc(
    y_true: Any,
    scores: Any,
    *,
    specificity: Bounds | None = None,
    sensitivity: Bounds | None = None,
    corrected: bool = False,
    groups: Any = None,
    stratified: bool = True,
    method: str = "percentile",
    n_resamples: int = 9999,
    confidence_level: float = 0.95,
    rng: Any = None,
    return_draws: bool = False,
    resampling: Resampling | None = None,
) -> AUCResult:
    """Partial area under the ROC curve with a bootstrap interval.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores : array_like of shape (n,)
        Higher means more likely positive.
    specificity : (low, high), optional
        Range of specificity, by default (0.8, 1). Give this or `sensitivity`.
    sensitivity : (low, high), optional
        Range of sensitivity; the area is then of specificity over sensitivity.
    corrected : bool
        Whether to apply McClish's correction.
    groups : array_like of shape (n,), optional
        Patient of each case; patients are resampled.
    stratified : bool
        Resample within classes.
    method : {"percentile", "BCa", "basic"}
        Bootstrap interval. BCa evaluates the curve once more for every case left out.
    n_resamples : int
        Number of bootstrap replicates.
    confidence_level : float
        Coverage of the interval.
    rng : int, numpy.random.Generator or None
        Seed or generator.
    return_draws : bool
        Whether to keep the replicates in ``result.draws``.
    resampling : Resampling, optional
        These options as one object, in place of the keywords.

    Returns
    -------
    AUCResult
        ``estimate`` is the raw area, at most the width of the range, or the corrected one.
        A corrected area is NaN, with a note in ``warnings``, where the raw area is below
        that of the chance line, for which the correction has no meaning (as in pROC).

    Raises
    ------
    ValueError
        If the range is not within [0, 1] or both ranges are given, lengths differ, one
        class is absent, a label or score is missing, or `groups` leaves a class with one
        patient.

    Warns
    -----
    DegenerateDataWarning
        If a class has a single case: standard error and interval are NaN.

    Notes
    -----
    Fix the range before looking at the curves. With few cases of the class that the range
    cuts (say 20 negatives for specificity above .9) the area rests on one or two cases.

    References
    ----------
    .. [1] McClish DK. Analyzing a portion of the ROC curve. Medical Decision Making
       1989;9:190-195. :doi:`10.1177/0272989X8900900307`
    .. [2] Robin X, Turck N, Hainard A, et al. pROC. BMC Bioinformatics 2011;12:77.
       :doi:`10.1186/1471-2105-12-77`

    Examples
    --------
    >>> from stats_tl.stats import partial_auc
    >>> y_true = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    >>> scores = [1, 2, 3, 4, 7, 5, 6, 8, 9, 10]
    >>> result = partial_auc(y_true, scores, specificity=(0.6, 1), rng=0)
    >>> round(result.estimate, 3)
    0.32
    """
    area = area_between(specificity, sensitivity, corrected)
    sample = CaseSample.of(y_true, groups)
    values = as_scores(scores, sample.labels.size)
    level = check_confidence_level(confidence_level)
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
    result = one_curve(
        sample,
        values,
        area,
        how,
        name="partial-auc",
        quantity=area.describe("partial AUC"),
        confidence_level=level,
    )
    if corrected and result.estimate < 0.5:
        note = ResultWarning(
            "correction-undefined",
            "the partial area is below that of the chance line: McClish's correction is undefined",
        )
        result = replace(result, estimate=float("nan"), warnings=(*result.warnings, note))
    return result


def partial_auc_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    specificity: Bounds | None = None,
    sensitivity: Bounds | None = None,
    corrected: bool = False,
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
    """Paired bootstrap test of the difference between two partial AUCs.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores_a, scores_b : array_like of shape (n,)
        Scores of the candidate and of the reference for the same cases in the same order.
    specificity, sensitivity : (low, high), optional
        Range, as in :func:`partial_auc`; by default specificity (0.8, 1).
    corrected : bool
        Whether to apply McClish's correction (to the p value it makes no difference).
    groups, stratified, method, n_resamples, alternative, null_value, confidence_level, rng, \
return_draws, resampling
        As in :func:`bootstrap_auc_test`.

    Returns
    -------
    TestResult
        ``estimate`` is the first partial area minus the second; the p value is that of the
        estimate over its bootstrap standard error, as in pROC.

    Raises
    ------
    ValueError
        As :func:`partial_auc`.

    Warns
    -----
    DegenerateDataWarning
        If a class has a single case: all inference is NaN.

    Notes
    -----
    Choose the range beforehand, for a clinical reason; do not use it to find the range in
    which two curves differ. The fitted models are fixed, as in :func:`delong_test`.

    References
    ----------
    .. [1] McClish DK. Analyzing a portion of the ROC curve. Medical Decision Making
       1989;9:190-195. :doi:`10.1177/0272989X8900900307`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import partial_auc_test
    >>> generator = np.random.default_rng(1)
    >>> y_true = np.repeat([0, 1], 100)
    >>> a = generator.normal(size=200) + 2 * y_true
    >>> b = generator.normal(size=200) + y_true
    >>> partial_auc_test(y_true, a, b, rng=0).pvalue < 0.05
    True
    """
    area = area_between(specificity, sensitivity, corrected)
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
        area,
        hypothesis,
        how,
        name="partial-auc",
        quantity=area.describe("partial AUCs"),
    )


@dataclass(frozen=True)
class Area:
    """Area over a range of one coordinate, as a functional of the cumulative weights."""

    focus: str
    low: float
    high: float
    corrected: bool

    def describe(self, noun: str) -> str:
        kind = "McClish-corrected " if self.corrected else ""
        return f"{kind}{noun} ({self.focus} {self.low:g} to {self.high:g})"

    def __call__(self, true_positives: np.ndarray, false_positives: np.ndarray) -> np.ndarray:
        sensitivity = true_positives / true_positives[:, -1:]
        fall_out = false_positives / false_positives[:, -1:]
        if self.focus == "specificity":
            low, high = 1 - self.high, 1 - self.low
            area = _trapezoids(fall_out, sensitivity, low, high)
            chance = (high**2 - low**2) / 2
        else:
            area = _trapezoids(sensitivity, 1 - fall_out, self.low, self.high)
            chance = ((1 - self.low) ** 2 - (1 - self.high) ** 2) / 2
        if not self.corrected:
            return area
        return (1 + (area - chance) / (self.high - self.low - chance)) / 2


def area_between(specificity: Bounds | None, sensitivity: Bounds | None, corrected: bool) -> Area:
    if specificity is not None and sensitivity is not None:
        raise ValueError("Give `specificity` or `sensitivity`, not both.")
    name = "specificity" if sensitivity is None else "sensitivity"
    bounds = (0.8, 1.0) if specificity is None else specificity
    bounds = bounds if sensitivity is None else sensitivity
    try:
        low, high = sorted(float(bound) for bound in bounds)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be a pair (low, high), got {bounds!r}.") from None
    if not 0 <= low < high <= 1:
        raise ValueError(f"`{name}` must be a range within 0 and 1, got ({low:g}, {high:g}).")
    return Area(name, low, high, bool(corrected))


def _trapezoids(x: np.ndarray, y: np.ndarray, low: float, high: float) -> np.ndarray:
    """Integral of the polygon y(x) from `low` to `high`, by row; x must not decrease."""
    inside = np.clip(x, low, high)
    step = x[:, 1:] - x[:, :-1]
    covered = inside[:, 1:] - inside[:, :-1]
    # Height in the middle of the covered part of each step; vertical steps cover nothing.
    middle = (inside[:, 1:] + inside[:, :-1]) / 2 - x[:, :-1]
    np.divide(middle, step, out=middle, where=step > 0)
    middle *= y[:, 1:] - y[:, :-1]
    middle += y[:, :-1]
    area = np.einsum("bi,bi->b", covered, middle)
    return np.where(np.isnan(x[:, -1]) | np.isnan(y[:, -1]), np.nan, area)
