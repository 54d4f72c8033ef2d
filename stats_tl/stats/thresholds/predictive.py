"""Predictive values and likelihood ratios of one binary test, with intervals.

Predictive values depend on the prevalence. In a cohort they are proportions of the cases that
the test calls positive, or negative. Where the numbers of positive and negative cases were
chosen (a case-control study) they are computed from sensitivity, specificity and a prevalence
that is known from elsewhere. Diagnostic likelihood ratios need none.
"""

from __future__ import annotations

__all__ = [
    "LikelihoodRatios",
    "PredictiveValues",
    "Ratio",
    "check_lengths",
    "diagnostic_likelihood_ratios",
    "predictive_values",
]

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy

from .._shared.inference import NO_INTERVAL, check_confidence_level
from .._shared.validation import as_groups, as_labels, check_option
from ..results import ConfidenceInterval, format_number
from .operating import INTERVALS, Proportion, proportion_of

RATIO_INTERVALS = ("score", "log")

#: Successes and cases of the numerator, then of the denominator.
_Counts = tuple[int, int, int, int]


@dataclass(frozen=True)
class PredictiveValues:
    """Positive and negative predictive value of one test.

    Attributes
    ----------
    ppv, npv : Proportion
        With their intervals; ``n_cases`` are the cases called positive, or negative.
    prevalence : float
        That of the cases, or the one that was given.
    confidence_level : float
        Coverage of either interval.
    method : str
        One printable sentence.
    """

    ppv: Proportion
    npv: Proportion
    prevalence: float
    confidence_level: float
    method: str

    def to_frame(self) -> pd.DataFrame:
        """Two rows, ppv and npv, unrounded."""
        rows = {"ppv": self.ppv, "npv": self.npv}
        return _frame(rows, self.confidence_level, self.method)

    def __str__(self) -> str:
        return _text({"PPV": self.ppv, "NPV": self.npv}, self.confidence_level, self.method)


@dataclass(frozen=True)
class Ratio:
    """A ratio with its interval.

    Attributes
    ----------
    estimate : float
        0 or infinite where a count is zero.
    standard_error : float
        Of the natural logarithm of the ratio; NaN where that is not finite.
    confidence_interval : ConfidenceInterval
        Interval of the ratio.
    """

    estimate: float
    standard_error: float
    confidence_interval: ConfidenceInterval


@dataclass(frozen=True)
class LikelihoodRatios:
    """Positive and negative diagnostic likelihood ratio of one test.

    Attributes
    ----------
    positive : Ratio
        Sensitivity over 1 - specificity.
    negative : Ratio
        1 - sensitivity over specificity.
    confidence_level : float
        Coverage of either interval.
    method : str
        One printable sentence.
    """

    positive: Ratio
    negative: Ratio
    confidence_level: float
    method: str

    def to_frame(self) -> pd.DataFrame:
        """Two rows, positive and negative, unrounded."""
        rows = {"positive": self.positive, "negative": self.negative}
        return _frame(rows, self.confidence_level, self.method)

    def __str__(self) -> str:
        rows = {"positive LR": self.positive, "negative LR": self.negative}
        return _text(rows, self.confidence_level, self.method)


def predictive_values(
    y_true: Any,
    y_pred: Any,
    *,
    prevalence: float | None = None,
    groups: Any = None,
    method: str | None = None,
    confidence_level: float = 0.95,
) -> PredictiveValues:
    """Positive and negative predictive value of a binary test.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    y_pred : array_like of shape (n,)
        Calls of the test, 0 and 1, at a threshold fixed on other data.
    prevalence : float, optional
        Prevalence where the test will be used, known without error. Give it where the
        cases were chosen by their label; without it these cases are a sample of that
        population.
    groups : array_like of shape (n,), optional
        Patient of each case, as in :func:`sensitivity_specificity`; not with `prevalence`.
    method : {"wilson", "clopper-pearson"} or {"logit", "adjusted-logit"}, optional
        Interval. Without `prevalence` that of a proportion, by default Wilson's. With it
        one of Mercaldo and co-workers: on the logit (default), or also with the counts
        adjusted by half the squared normal quantile, which serves where a count is 0.
    confidence_level : float
        Coverage of either interval.

    Returns
    -------
    PredictiveValues
        With fields ``ppv`` and ``npv``. NaN where the test calls no case positive, or none
        negative. With `prevalence` the standard error is that of the delta method.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label or call is neither 0 nor 1,
        `prevalence` is not within 0 and 1, it is given with `groups`, or `method` is not
        one of those for the design.

    See Also
    --------
    predictive_value_test : Comparison of two tests on the same cases.

    References
    ----------
    .. [1] Mercaldo ND, Lau KF, Zhou XH. Confidence intervals for predictive values with an
       emphasis to case-control studies. Statistics in Medicine 2007;26:2170-2183.
       :doi:`10.1002/sim.2677`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import predictive_values
    >>> y_true = np.repeat([1, 0], [418, 375])
    >>> y_pred = np.repeat([1, 0, 1, 0], [240, 178, 87, 288])
    >>> print(predictive_values(y_true, y_pred, prevalence=0.03))
    Predictive values at prevalence 0.03, logit intervals (threshold fixed elsewhere)
    PPV = 0.0711, 95 % confidence interval 0.0589 to 0.0856
    NPV = 0.9831, 95 % confidence interval 0.9809 to 0.9851
    """
    labels, called = as_labels(y_true), as_labels(y_pred, name="y_pred", both_classes=False)
    check_lengths(labels, called, "y_pred")
    codes = as_groups(groups, labels.size)
    level = check_confidence_level(confidence_level)
    if prevalence is None:
        kind = check_option(method or "wilson", INTERVALS, name="method")
        parts = []
        for selected, right in ((called, labels), (~called, ~labels)):
            own = None if codes is None else codes[selected]
            parts.append(_share(right[selected], own, kind, level))
        clusters = "clustered by patient, " if codes is not None else ""
        sentence = (
            f"Predictive values at the prevalence of these cases, {kind} intervals "
            f"({clusters}threshold fixed elsewhere)"
        )
        at = float(labels.mean())
    else:
        at = float(prevalence)
        if not 0 < at < 1:
            raise ValueError(f"`prevalence` must be between 0 and 1, got {prevalence!r}.")
        if codes is not None:
            raise ValueError("`groups` and `prevalence` cannot be given together.")
        kind = check_option(method or "logit", ("logit", "adjusted-logit"), name="method")
        parts = _mercaldo(labels, called, at, kind, level)
        sentence = (
            f"Predictive values at prevalence {at:g}, {kind} intervals (threshold fixed elsewhere)"
        )
    return PredictiveValues(parts[0], parts[1], at, level, sentence)


def diagnostic_likelihood_ratios(
    y_true: Any, y_pred: Any, *, method: str = "score", confidence_level: float = 0.95
) -> LikelihoodRatios:
    """Positive and negative likelihood ratio of a binary test.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    y_pred : array_like of shape (n,)
        Calls of the test, 0 and 1, at a threshold fixed on other data.
    method : {"score", "log"}
        Koopman's score interval of a ratio of two independent proportions, which also
        serves where a count is 0; or the interval of Simel and co-workers on the
        logarithm, which then does not exist.
    confidence_level : float
        Coverage of either interval.

    Returns
    -------
    LikelihoodRatios
        With fields ``positive`` and ``negative``.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label or call is neither 0 nor 1, or
        `method` is unknown.

    See Also
    --------
    diagnostic_likelihood_ratio_test : Comparison of two tests on the same cases.

    Notes
    -----
    Cases are taken as independent. With several images of a patient use
    :func:`metric_estimate`, which takes `groups`.

    References
    ----------
    .. [1] Koopman PAR. Confidence intervals for the ratio of two binomial proportions.
       Biometrics 1984;40:513-517. :doi:`10.2307/2531405`
    .. [2] Simel DL, Samsa GP, Matchar DB. Likelihood ratios with confidence. Journal of
       Clinical Epidemiology 1991;44:763-770. :doi:`10.1016/0895-4356(91)90128-V`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import diagnostic_likelihood_ratios
    >>> y_true = np.repeat([1, 0], [451, 261])
    >>> y_pred = np.repeat([1, 0, 1, 0], [397, 54, 84, 177])
    >>> print(diagnostic_likelihood_ratios(y_true, y_pred, method="log"))
    Diagnostic likelihood ratios, log intervals (threshold fixed elsewhere)
    positive LR = 2.7351, 95 % confidence interval 2.2860 to 3.2724
    negative LR = 0.1766, 95 % confidence interval 0.1356 to 0.2299
    """
    labels, called = as_labels(y_true), as_labels(y_pred, name="y_pred", both_classes=False)
    check_lengths(labels, called, "y_pred")
    check_option(method, RATIO_INTERVALS, name="method")
    level = check_confidence_level(confidence_level)
    n1, n0 = int(labels.sum()), int((~labels).sum())
    hits, alarms = int((called & labels).sum()), int((called & ~labels).sum())
    interval = _koopman if method == "score" else _log_interval
    return LikelihoodRatios(
        positive=_ratio((hits, n1, alarms, n0), interval, level),
        negative=_ratio((n1 - hits, n1, n0 - alarms, n0), interval, level),
        confidence_level=level,
        method=f"Diagnostic likelihood ratios, {method} intervals (threshold fixed elsewhere)",
    )


def check_lengths(labels: np.ndarray, called: np.ndarray, name: str) -> None:
    if labels.size != called.size:
        raise ValueError(
            f"`{name}` must have one entry per case: expected {labels.size}, got {called.size}."
        )


def _share(right: np.ndarray, codes: np.ndarray | None, kind: str, level: float) -> Proportion:
    if right.size:
        return proportion_of(right, codes, kind, level)
    return Proportion(math.nan, math.nan, NO_INTERVAL, 0, 0, None if codes is None else 0)


def _mercaldo(
    labels: np.ndarray, called: np.ndarray, prevalence: float, kind: str, level: float
) -> list[Proportion]:
    """PPV and NPV from sensitivity, specificity and the prevalence, intervals on the logit."""
    z = -float(scipy.special.ndtri((1 - level) / 2))
    added = z**2 if kind == "adjusted-logit" else 0.0
    n1, n0 = int(labels.sum()) + added, int((~labels).sum()) + added
    se = (int((called & labels).sum()) + added / 2) / n1
    sp = (int((~called & ~labels).sum()) + added / 2) / n0
    parts = []
    # Proportion and size of the class that is right, and of the one that is wrong.
    for right, wrong, share, hit, selected in (
        ((se, n1), (1 - sp, n0), prevalence, labels, called),
        ((sp, n0), (1 - se, n1), 1 - prevalence, ~labels, ~called),
    ):
        true, false = right[0] * share, wrong[0] * (1 - share)
        estimate = true / (true + false) if true + false > 0 else math.nan
        error, interval = math.nan, NO_INTERVAL
        if true > 0 and false > 0:
            # Of logit(true / (true + false)) = log(true) - log(false).
            spread = math.sqrt(sum((1 - p) / (p * n) for p, n in (right, wrong)))
            centre = math.log(true / false)
            ends = scipy.special.expit([centre - z * spread, centre + z * spread])
            interval = ConfidenceInterval(float(ends[0]), float(ends[1]))
            error = spread * estimate * (1 - estimate)
        parts.append(
            Proportion(
                estimate=estimate,
                standard_error=error,
                confidence_interval=interval,
                n_successes=int((selected & hit).sum()),
                n_cases=int(selected.sum()),
                n_groups=None,
            )
        )
    return parts


def _ratio(
    counts: _Counts, interval: Callable[[_Counts, float], ConfidenceInterval], level: float
) -> Ratio:
    """Ratio of x / n to y / m."""
    x, n, y, m = counts
    estimate = x * m / (n * y) if y else (math.inf if x else math.nan)
    return Ratio(estimate, _log_error(counts), interval(counts, level))


def _log_error(counts: _Counts) -> float:
    x, n, y, m = counts
    return math.sqrt(1 / x - 1 / n + 1 / y - 1 / m) if x and y else math.nan


def _log_interval(counts: _Counts, level: float) -> ConfidenceInterval:
    x, n, y, m = counts
    if not (x and y):
        return NO_INTERVAL
    half = -float(scipy.special.ndtri((1 - level) / 2)) * _log_error(counts)
    ratio = x * m / (n * y)
    return ConfidenceInterval(ratio * math.exp(-half), ratio * math.exp(half))


def _koopman(counts: _Counts, level: float) -> ConfidenceInterval:
    """Ratios that the score test does not reject."""
    x, n, y, m = counts
    if x == 0 and y == 0:
        return ConfidenceInterval(0.0, math.inf)
    critical = float(scipy.special.chdtri(1, 1 - level))

    def excess(log_ratio: float) -> float:
        return _score(counts, math.exp(log_ratio)) - critical

    # The statistic falls to 0 at the estimate and rises on either side of it.
    middle = math.log(max(x, 0.5) * m / (n * max(y, 0.5)))
    low, high = 0.0, math.inf
    if x:
        bottom = middle if y else middle + 40.0
        low = math.exp(scipy.optimize.brentq(excess, middle - 40.0, bottom, xtol=1e-12))
    if y:
        top = middle if x else middle - 40.0
        high = math.exp(scipy.optimize.brentq(excess, top, middle + 40.0, xtol=1e-12))
    return ConfidenceInterval(low, high)


def _score(counts: _Counts, ratio: float) -> float:
    """Pearson's chi-square of two binomials whose probabilities have the given ratio."""
    x, n, y, m = counts
    # Maximum likelihood of the second probability, the smaller root of a quadratic.
    a = (n + m) * ratio
    b = n * ratio + x + m + y * ratio
    p = 2 * (x + y) / (b + math.sqrt(max(b * b - 4 * a * (x + y), 0.0)))
    first, second = min(p * ratio, 1.0), min(p, 1.0)
    return _pearson(x, n, first) + _pearson(y, m, second)


def _pearson(count: int, total: int, share: float) -> float:
    deviation = count - total * share
    if deviation == 0:
        return 0.0
    spread = total * share * (1 - share)
    return deviation**2 / spread if spread > 0 else math.inf


def _frame(rows: dict[str, Any], level: float, method: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "quantity": list(rows),
            "estimate": [p.estimate for p in rows.values()],
            "standard_error": [p.standard_error for p in rows.values()],
            "ci_low": [p.confidence_interval.low for p in rows.values()],
            "ci_high": [p.confidence_interval.high for p in rows.values()],
            "confidence_level": level,
            "method": method,
        }
    )


def _text(rows: dict[str, Any], level: float, method: str) -> str:
    lines = [method]
    for name, part in rows.items():
        low, high = (format_number(end) for end in part.confidence_interval)
        lines.append(
            f"{name} = {format_number(part.estimate)}, {100 * level:g} % confidence interval "
            f"{low} to {high}"
        )
    return "\n".join(lines)
