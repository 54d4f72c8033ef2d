"""From an estimate and its standard error to statistic, p value and interval.

Shared by every Wald-type test so that alternatives, null values and degenerate
variances are treated alike everywhere.
"""

from __future__ import annotations

__all__ = ["check_alternative", "check_confidence_level", "wald_inference"]

import math

from scipy import stats as sps

from ..results import ConfidenceInterval

ALTERNATIVES = ("two-sided", "less", "greater")


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
    dist = sps.norm if math.isinf(df) else sps.t(df)
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
