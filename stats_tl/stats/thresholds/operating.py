"""Sensitivity and specificity at a threshold fixed elsewhere.

With the threshold fixed beforehand (on the tuning data) both are proportions. Patients with
several images are clusters: the variance is then that of a ratio of patient totals, and
score and exact intervals take the effective number of cases.
"""

from __future__ import annotations

__all__ = [
    "OperatingPoint",
    "Proportion",
    "check_threshold",
    "effective_wilson",
    "proportion_of",
    "ratio_error",
    "sensitivity_specificity",
    "sensitivity_threshold",
    "youden_threshold",
]

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy

from .._shared.inference import check_confidence_level
from .._shared.placements import tie_groups
from .._shared.validation import as_groups, as_labels, as_scores, check_option
from ..results import ConfidenceInterval, format_number

INTERVALS = ("wilson", "clopper-pearson")


@dataclass(frozen=True)
class Proportion:
    """A proportion of cases with its interval.

    Attributes
    ----------
    estimate, standard_error : float
        The proportion and its standard error (over patients where `groups` was given).
    confidence_interval : ConfidenceInterval
        Interval within [0, 1].
    n_successes, n_cases : int
        Counts of cases.
    n_groups : int or None
        Number of patients.
    """

    estimate: float
    standard_error: float
    confidence_interval: ConfidenceInterval
    n_successes: int
    n_cases: int
    n_groups: int | None


@dataclass(frozen=True)
class OperatingPoint:
    """Sensitivity and specificity at one threshold.

    Attributes
    ----------
    sensitivity, specificity : Proportion
        With their intervals.
    threshold : float
        Scores at or above it count as positive.
    confidence_level : float
        Coverage of either interval.
    method : str
        One printable sentence.
    """

    sensitivity: Proportion
    specificity: Proportion
    threshold: float
    confidence_level: float
    method: str

    def to_frame(self) -> pd.DataFrame:
        """Two rows, sensitivity and specificity, unrounded."""
        rows = {"sensitivity": self.sensitivity, "specificity": self.specificity}
        return pd.DataFrame(
            {
                "quantity": list(rows),
                "threshold": self.threshold,
                "estimate": [p.estimate for p in rows.values()],
                "standard_error": [p.standard_error for p in rows.values()],
                "ci_low": [p.confidence_interval.low for p in rows.values()],
                "ci_high": [p.confidence_interval.high for p in rows.values()],
                "confidence_level": self.confidence_level,
                "n_successes": [p.n_successes for p in rows.values()],
                "n_cases": [p.n_cases for p in rows.values()],
                "n_groups": [p.n_groups for p in rows.values()],
                "method": self.method,
            }
        )

    def __str__(self) -> str:
        lines = [self.method]
        for name, part in (("sensitivity", self.sensitivity), ("specificity", self.specificity)):
            patients = "" if part.n_groups is None else f" of {part.n_groups} patients"
            lines.append(
                f"{name} = {format_number(part.estimate)} "
                f"({part.n_successes} of {part.n_cases} cases{patients}), "
                f"{100 * self.confidence_level:g} % confidence interval "
                f"{format_number(part.confidence_interval.low)} to "
                f"{format_number(part.confidence_interval.high)}"
            )
        return "\n".join(lines)


def sensitivity_specificity(
    y_true: Any,
    scores: Any,
    threshold: float,
    *,
    groups: Any = None,
    method: str = "wilson",
    confidence_level: float = 0.95,
) -> OperatingPoint:
    """Sensitivity and specificity at a threshold that was fixed on other data.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores : array_like of shape (n,)
        Higher means more likely positive.
    threshold : float
        Scores at or above it count as positive.
    groups : array_like of shape (n,), optional
        Patient of each case. The interval then takes the effective number of cases,
        ``p (1 - p) / variance``, at most the number of cases; where every or no case is a
        success it takes the number of patients.
    method : {"wilson", "clopper-pearson"}
        Wilson's score interval, or the exact one, which covers at least nominally.
    confidence_level : float
        Coverage of either interval.

    Returns
    -------
    OperatingPoint
        With fields ``sensitivity`` and ``specificity``.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label or score is missing, `threshold` is
        NaN or `method` is unknown.

    Notes
    -----
    Do not use it with a threshold chosen on the same cases (Youden's index, say): both
    numbers are then too good and the intervals too narrow.

    References
    ----------
    .. [1] Wilson EB. Probable inference, the law of succession, and statistical inference.
       Journal of the American Statistical Association 1927;22:209-212.
       :doi:`10.1080/01621459.1927.10502953`
    .. [2] Korn EL, Graubard BI. Confidence intervals for proportions with small expected
       number of positive counts estimated from survey data. Survey Methodology
       1998;24:193-201.

    Examples
    --------
    >>> from stats_tl.stats import sensitivity_specificity
    >>> print(sensitivity_specificity([0, 0, 0, 1, 1, 1], [1, 2, 5, 3, 4, 6], 3.5))
    Sensitivity and specificity at threshold 3.5, wilson intervals (threshold fixed elsewhere)
    sensitivity = 0.6667 (2 of 3 cases), 95 % confidence interval 0.2077 to 0.9385
    specificity = 0.6667 (2 of 3 cases), 95 % confidence interval 0.2077 to 0.9385
    """
    labels = as_labels(y_true)
    values = as_scores(scores, labels.size)
    codes = as_groups(groups, labels.size)
    check_option(method, INTERVALS, name="method")
    level = check_confidence_level(confidence_level)
    called = values >= check_threshold(threshold, "threshold")
    parts = []
    for selected, success in ((labels, called), (~labels, ~called)):
        own = None if codes is None else codes[selected]
        parts.append(proportion_of(success[selected], own, method, level))
    clusters = "" if codes is None else "clustered by patient, "
    return OperatingPoint(
        sensitivity=parts[0],
        specificity=parts[1],
        threshold=float(threshold),
        confidence_level=level,
        method=(
            f"Sensitivity and specificity at threshold {float(threshold):g}, {method} intervals "
            f"({clusters}threshold fixed elsewhere)"
        ),
    )


def proportion_of(
    success: np.ndarray, codes: np.ndarray | None, method: str, level: float
) -> Proportion:
    n, count = success.size, int(success.sum())
    share = count / n
    effective, n_groups = float(n), None
    standard_error = math.sqrt(share * (1 - share) / n)
    if codes is not None:
        n_groups = int(np.unique(codes).size)
        standard_error = ratio_error(success.astype(np.float64), codes)
        if count in (0, n):
            effective = float(n_groups)
        elif standard_error > 0:
            effective = min(share * (1 - share) / standard_error**2, float(n))
    interval = effective_wilson if method == "wilson" else _clopper_pearson
    return Proportion(
        estimate=share,
        standard_error=standard_error,
        confidence_interval=interval(share, effective, level),
        n_successes=count,
        n_cases=n,
        n_groups=n_groups,
    )


def youden_threshold(y_true: Any, scores: Any) -> float:
    """Threshold with the largest sum of sensitivity and specificity (Youden's index).

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1 of the *tuning* data, both present.
    scores : array_like of shape (n,)
        Higher means more likely positive.

    Returns
    -------
    float
        Midway between two neighbouring scores, as in pROC; ±inf if calling all cases alike
        is best. Of several best thresholds the one with the highest sensitivity.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, or a label or score is missing.

    Notes
    -----
    For use in :func:`sensitivity_specificity` and :func:`operating_point_test` on *other*
    cases. Do not report sensitivity or specificity on the cases that it was found on.

    References
    ----------
    .. [1] Youden WJ. Index for rating diagnostic tests. Cancer 1950;3:32-35.
       :doi:`10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3`

    Examples
    --------
    >>> from stats_tl.stats import youden_threshold
    >>> youden_threshold([0, 0, 0, 1, 1, 1], [1, 2, 5, 3, 4, 6])
    2.5
    """
    labels = as_labels(y_true)
    values = as_scores(scores, labels.size)
    order, starts = tie_groups(values)
    n1, n0 = int(labels.sum()), int((~labels).sum())
    # Of the cases below each threshold, from below the lowest score to above the highest.
    missed = np.append(0, np.cumsum(labels[order]))[np.append(starts, labels.size)]
    cleared = np.append(starts, labels.size) - missed
    # Whole numbers, so that equally good thresholds are seen as equal.
    best = int(np.argmax(n1 * cleared - n0 * missed))
    levels = np.concatenate([[-np.inf], values[order][starts], [np.inf]])
    return -math.inf if best == 0 else _midway(levels[best], levels[best + 1])


def sensitivity_threshold(y_true: Any, scores: Any, target: float) -> float:
    """Highest threshold at which at least `target` of the positive cases are called.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1 of the *tuning* data, at least one positive.
    scores : array_like of shape (n,)
        Higher means more likely positive.
    target : float
        Sensitivity, above 0 and at most 1.

    Returns
    -------
    float
        Midway between the score of the last case called and the next lower score; the score
        itself where there is no lower one.

    Raises
    ------
    ValueError
        If lengths differ, there is no positive case, a label or score is missing, or `target`
        is not above 0 and at most 1.

    Notes
    -----
    For use on *other* cases, as :func:`youden_threshold`; there the sensitivity is not exactly
    `target`, and lower on average where few positive cases set the threshold.

    References
    ----------
    .. [1] Pepe MS. The Statistical Evaluation of Medical Tests for Classification and
       Prediction. Oxford University Press 2003. ISBN 978-0-19-850984-4

    Examples
    --------
    >>> from stats_tl.stats import sensitivity_threshold
    >>> sensitivity_threshold([0, 0, 0, 1, 1, 1, 1], [1, 2, 5, 3, 4, 6, 7], 0.75)
    3.5
    """
    labels = as_labels(y_true, both_classes=False)
    values = as_scores(scores, labels.size)
    if not 0 < float(target) <= 1:
        raise ValueError(f"`target` must be above 0 and at most 1, got {target!r}.")
    if not labels.any():
        raise ValueError("`y_true` holds no positive case; a sensitivity needs one.")
    positive = np.sort(values[labels])[::-1]
    # Rounded first: .9 of 10 cases are 9, not 9.000000000000002 and so 10.
    needed = math.ceil(round(float(target) * positive.size, 9))
    last = positive[needed - 1]
    lower = values[values < last]
    return float(last) if lower.size == 0 else _midway(lower.max(), last)


def _midway(lower: float, upper: float) -> float:
    """A threshold above `lower` that `upper` reaches: the middle, where doubles have one."""
    middle = float(lower / 2 + upper / 2)
    return middle if lower < middle <= upper else float(upper)


def ratio_error(values: np.ndarray, codes: np.ndarray) -> float:
    """Standard error of the mean of `values` with patients as clusters; NaN for one patient."""
    _, codes = np.unique(codes, return_inverse=True)
    n_groups = int(codes.max()) + 1
    if n_groups == 1:
        return math.nan
    residual = np.bincount(codes, weights=values - values.mean())
    return math.sqrt(n_groups / (n_groups - 1) * float(np.sum(residual**2))) / values.size


def effective_wilson(share: float, n: float, level: float) -> ConfidenceInterval:
    """Wilson's interval of a proportion of `n` cases, which need not be a whole number."""
    z = scipy.stats.norm.isf((1 - level) / 2)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return ConfidenceInterval(float(low), float(high))


def _clopper_pearson(share: float, n: float, level: float) -> ConfidenceInterval:
    count, tail = share * n, (1 - level) / 2
    low = 0.0 if share == 0 else scipy.stats.beta.ppf(tail, count, n - count + 1)
    high = 1.0 if share == 1 else scipy.stats.beta.isf(tail, count + 1, n - count)
    return ConfidenceInterval(float(low), float(high))


def check_threshold(value: Any, name: str) -> float:
    """`value` as float, or ValueError if it is NaN."""
    threshold = float(value)
    if math.isnan(threshold):
        raise ValueError(f"`{name}` must be a number, got NaN.")
    return threshold
