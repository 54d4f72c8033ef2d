"""From an estimate and its standard error to statistic, p value, interval and result.

Shared by every test so that alternatives, null values and degenerate variances are treated
alike everywhere, and that a result is put together in one place.
"""

from __future__ import annotations

__all__ = [
    "NO_INTERVAL",
    "Hypothesis",
    "Inference",
    "SampleSize",
    "check_alternative",
    "check_confidence_level",
    "conclude",
    "logit_interval",
    "wald_inference",
]

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy

from ..procedure import Procedure, ResultWarning
from ..results import ConfidenceInterval, TestResult

ALTERNATIVES = ("two-sided", "less", "greater")
NO_INTERVAL = ConfidenceInterval(math.nan, math.nan)


class SampleSize(NamedTuple):
    """Cases and, where they are named, patients that a test saw."""

    n_cases: int | None = None
    n_groups: int | None = None


class Inference(NamedTuple):
    """What a test finds; the estimate is NaN where there is none, as in an omnibus test."""

    statistic: float
    pvalue: float
    df: float | tuple[float, float] = math.inf
    estimate: float = math.nan
    standard_error: float = math.nan
    interval: ConfidenceInterval = NO_INTERVAL


@dataclass(frozen=True)
class Hypothesis:
    """What a test is asked; validated when it is made.

    Parameters
    ----------
    alternative : {"two-sided", "less", "greater"}
        Direction of the estimate against `null_value`.
    null_value : float
        Estimate under the null hypothesis.
    confidence_level : float
        Coverage of the interval.

    Raises
    ------
    ValueError
        If the alternative is unknown or the level is not strictly between 0 and 1.
    """

    alternative: str = "two-sided"
    null_value: float = 0.0
    confidence_level: float = 0.95

    def __post_init__(self) -> None:
        check_alternative(self.alternative)
        level = check_confidence_level(self.confidence_level)
        object.__setattr__(self, "confidence_level", level)
        object.__setattr__(self, "null_value", float(self.null_value))

    def wald(
        self,
        estimate: float,
        standard_error: float,
        *,
        df: float = math.inf,
        bounds: tuple[float, float] = (-math.inf, math.inf),
    ) -> Inference:
        """Wald inference; see :func:`wald_inference`."""
        statistic, pvalue, interval = wald_inference(
            estimate,
            standard_error,
            df=df,
            null_value=self.null_value,
            alternative=self.alternative,
            confidence_level=self.confidence_level,
            bounds=bounds,
        )
        return Inference(statistic, pvalue, df, estimate, standard_error, interval)


def conclude(
    hypothesis: Hypothesis,
    found: Inference,
    *,
    procedure: Procedure,
    method: str,
    estimates: Iterable[float] = (),
    size: SampleSize = SampleSize(),  # noqa: B008 - an immutable tuple
    warnings: Iterable[ResultWarning] = (),
    draws: np.ndarray | None = None,
) -> TestResult:
    """The result of a test, from what was asked and what was found."""
    return TestResult(
        statistic=found.statistic,
        pvalue=found.pvalue,
        df=found.df,
        estimate=found.estimate,
        estimates=tuple(float(value) for value in estimates),
        standard_error=found.standard_error,
        confidence_interval=found.interval,
        confidence_level=hypothesis.confidence_level,
        alternative=hypothesis.alternative,
        null_value=hypothesis.null_value,
        n_cases=size.n_cases,
        n_groups=size.n_groups,
        method=method,
        warnings=tuple(warnings),
        draws=draws,
        procedure=procedure,
    )


def check_alternative(alternative: str) -> str:
    """Return `alternative`, or raise ValueError naming what is allowed."""
    if alternative not in ALTERNATIVES:
        raise ValueError(f"`alternative` must be one of {ALTERNATIVES}, got {alternative!r}.")
    return alternative


def check_confidence_level(confidence_level: float) -> float:
    """Return `confidence_level` as float, or raise ValueError unless strictly inside (0, 1)."""
    level = float(confidence_level)
    if not 0 < level < 1:
        raise ValueError(f"`confidence_level` must be between 0 and 1, got {confidence_level!r}.")
    return level


class _Reference:
    """Student's t, normal where `df` is infinite; without the import of all of scipy.stats."""

    def __init__(self, df: float):
        self._df = df

    def cdf(self, x: float) -> float:
        normal = math.isinf(self._df)
        return float(scipy.special.ndtr(x) if normal else scipy.special.stdtr(self._df, x))

    def sf(self, x: float) -> float:
        return self.cdf(-x)

    def isf(self, q: float) -> float:
        normal = math.isinf(self._df)
        return -float(scipy.special.ndtri(q) if normal else scipy.special.stdtrit(self._df, q))


def wald_inference(
    estimate: float,
    standard_error: float,
    *,
    df: float = math.inf,
    null_value: float = 0.0,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> tuple[float, float, ConfidenceInterval]:
    """Statistic, p value and interval of ``(estimate - null_value) / standard_error``.

    The reference distribution is Student's t with `df` degrees of freedom, the
    normal where `df` is infinite. A one-sided alternative gives the matching
    one-sided interval. A zero standard error with the estimate at the null gives
    statistic 0 and p = 1 (1/2 for a one-sided alternative, as pROC has it); away from the
    null, or with a NaN standard error, the statistic, the p value and the interval are
    NaN: the data carry no variance.
    """
    check_alternative(alternative)
    level = check_confidence_level(confidence_level)
    shift = estimate - null_value
    if math.isnan(standard_error) or math.isnan(df) or (standard_error == 0 and shift != 0):
        return math.nan, math.nan, ConfidenceInterval(math.nan, math.nan)
    if standard_error == 0:
        pvalue = 1.0 if alternative == "two-sided" else 0.5
        return 0.0, pvalue, ConfidenceInterval(estimate, estimate)
    dist = _Reference(df)
    statistic = shift / standard_error
    low, high = bounds
    if alternative == "two-sided":
        pvalue = 2 * dist.sf(abs(statistic))
        half = dist.isf((1 - level) / 2) * standard_error
        low, high = max(low, estimate - half), min(high, estimate + half)
    elif alternative == "greater":
        pvalue = dist.sf(statistic)
        low = max(low, estimate - dist.isf(1 - level) * standard_error)
    else:
        pvalue = dist.cdf(statistic)
        high = min(high, estimate + dist.isf(1 - level) * standard_error)
    return float(statistic), float(pvalue), ConfidenceInterval(float(low), float(high))


def logit_interval(
    auc: float, standard_error: float, confidence_level: float
) -> ConfidenceInterval:
    """``expit(logit(auc) -+ z * se / (auc * (1 - auc)))``, the delta method on the logit.

    NaN where the AUC is 0 or 1 or the standard error is not positive.
    """
    if not (0 < auc < 1 and standard_error > 0):
        return NO_INTERVAL
    half = scipy.special.ndtri(0.5 + confidence_level / 2) * standard_error / (auc * (1 - auc))
    centre = scipy.special.logit(auc)
    return ConfidenceInterval(
        float(scipy.special.expit(centre - half)), float(scipy.special.expit(centre + half))
    )
