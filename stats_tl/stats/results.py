"""The result objects that every test of :mod:`stats_tl.stats` returns.

One class for tests and one for a single AUC, with the same field names, so that
a table can be built from any of them by :meth:`TestResult.to_frame`. What was done is data
(:class:`~stats_tl.stats.Procedure`); the sentence in ``method`` is made from it.
"""

from __future__ import annotations

__all__ = ["AUCResult", "ConfidenceInterval", "MetricResult", "TestResult"]

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from .procedure import Procedure, ResultWarning


class ConfidenceInterval(NamedTuple):
    """A confidence interval; one-sided intervals end at the bound of the parameter or at ±inf."""

    low: float
    high: float


def format_number(value: float, digits: int = 4) -> str:
    """`value` to `digits` decimals, or to as many significant digits where it is tiny or huge."""
    if value is None or math.isnan(value):
        return "not estimable"
    if value == 0 or 10.0**-digits <= abs(value) < 1e6:
        return f"{value:.{digits}f}"
    return f"{value:.{digits}g}"


def format_pvalue(pvalue: float) -> str:
    """``p = 0.0312``, ``p < 0.0001`` or ``p not estimable``."""
    if math.isnan(pvalue):
        return "p not estimable"
    return "p < 0.0001" if pvalue < 1e-4 else f"p = {pvalue:.4f}"


@dataclass(frozen=True)
class TestResult:
    """Result of a hypothesis test on a difference ``a - b`` (or on several arms at once).

    Attributes
    ----------
    statistic : float
        Test statistic. NaN where the variance is not estimable.
    pvalue : float
        P value for `alternative`.
    df : float or tuple of float
        Degrees of freedom: ``inf`` for a normal reference, a pair
        ``(numerator, denominator)`` for an F test.
    estimate : float
        The estimated quantity, always candidate minus reference (a - b) in a paired test.
    estimates : tuple of float
        The estimates it was computed from, e.g. ``(auc_a, auc_b)``.
    standard_error : float
        Standard error of `estimate`.
    confidence_interval : ConfidenceInterval
        Interval for `estimate`, with fields ``low`` and ``high``.
    confidence_level : float
        Its nominal coverage.
    alternative : {"two-sided", "less", "greater", "equivalence"}
        The alternative hypothesis; equivalence is "closer to zero than `null_value`".
    null_value : float
        Value of the estimand under the null hypothesis; the margin in a test of equivalence.
    n_cases : int or None
        Number of cases (images); None where the test saw only summaries of them.
    n_groups : int or None
        Number of independent groups (patients); None where cases were taken as independent.
    method : str
        One printable sentence: the test, what is held fixed and what is random.
    warnings : tuple of ResultWarning
        What the reader of the p value must know: strings, each with a ``code``.
    draws : ndarray or None
        Resampling draws, where they were asked for; neither printed nor in the frame.
    procedure : Procedure
        What was done, as data: test, variance, design, resampling. `method` says it in words.
    """

    __test__ = False  # not a pytest class

    statistic: float
    pvalue: float
    df: float | tuple[float, float]
    estimate: float
    estimates: tuple[float, ...]
    standard_error: float
    confidence_interval: ConfidenceInterval
    confidence_level: float
    alternative: str
    null_value: float
    n_cases: int | None
    n_groups: int | None
    method: str
    warnings: tuple[ResultWarning, ...] = ()
    draws: np.ndarray | None = field(default=None, repr=False, compare=False)
    procedure: Procedure = field(default_factory=Procedure, repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row, unrounded, with the same columns for every test."""
        df1, df2 = self.df if isinstance(self.df, tuple) else (self.df, math.nan)
        estimate_a, estimate_b = self.estimates if len(self.estimates) == 2 else (math.nan,) * 2
        return pd.DataFrame(
            {
                "estimate_a": [estimate_a],
                "estimate_b": [estimate_b],
                "estimate": [self.estimate],
                "standard_error": [self.standard_error],
                "ci_low": [self.confidence_interval.low],
                "ci_high": [self.confidence_interval.high],
                "confidence_level": [self.confidence_level],
                "statistic": [self.statistic],
                "df": [df1],
                "df_denominator": [df2],
                "pvalue": [self.pvalue],
                "alternative": [self.alternative],
                "null_value": [self.null_value],
                "n_cases": [self.n_cases],
                "n_groups": [self.n_groups],
                "method": [self.method],
                "warnings": ["; ".join(self.warnings)],
            }
        )

    def __str__(self) -> str:
        lines = [self.method]
        reference = ""
        if isinstance(self.df, tuple):
            reference = f", df = {self.df[0]:g} and {self.df[1]:.4g}"
        elif math.isfinite(self.df):
            reference = f", df = {self.df:.4g}"
        lines.append(
            f"statistic = {format_number(self.statistic)}{reference}, {format_pvalue(self.pvalue)}"
        )
        if not math.isnan(self.estimate):
            relation = {
                "two-sided": "not equal to",
                "less": "less than",
                "greater": "greater than",
                "equivalence": "closer to zero than",
            }
            lines.append(
                f"alternative: the estimate is {relation[self.alternative]} {self.null_value:g}"
            )
            lines.append(
                f"estimate = {format_number(self.estimate)} "
                f"(standard error {format_number(self.standard_error)}), "
                f"{100 * self.confidence_level:g} % confidence interval "
                f"{format_number(self.confidence_interval.low)} to "
                f"{format_number(self.confidence_interval.high)}"
            )
        if self.estimates:
            lines.append("estimates: " + ", ".join(format_number(e) for e in self.estimates))
        if self.n_cases is not None:
            lines.append(_sample(self.n_cases, self.n_groups))
        lines += [f"warning: {text}" for text in self.warnings]
        return "\n".join(lines)


@dataclass(frozen=True)
class AUCResult:
    """One area under the ROC curve with its interval; fields as in :class:`TestResult`.

    Attributes
    ----------
    estimate : float
        The AUC.
    standard_error : float
        Its standard error on the AUC scale.
    confidence_interval : ConfidenceInterval
        Interval within [0, 1].
    confidence_level : float
        Its nominal coverage.
    n_cases, n_positive, n_negative : int
        Numbers of cases.
    n_groups : int or None
        Number of patients where `groups` was given.
    method : str
        One printable sentence.
    warnings : tuple of ResultWarning
        What the reader must know: strings, each with a ``code``.
    draws : ndarray or None
        Bootstrap replicates, where they were asked for.
    quantity : str
        What `estimate` is: ``"AUC"``, or e.g. ``"partial AUC"`` or ``"average precision"``.
    procedure : Procedure
        What was done, as data.
    """

    estimate: float
    standard_error: float
    confidence_interval: ConfidenceInterval
    confidence_level: float
    n_cases: int
    n_positive: int
    n_negative: int
    n_groups: int | None
    method: str
    warnings: tuple[ResultWarning, ...] = ()
    draws: np.ndarray | None = field(default=None, repr=False, compare=False)
    quantity: str = "AUC"
    procedure: Procedure = field(default_factory=Procedure, repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row, unrounded."""
        return pd.DataFrame(
            {
                "estimate": [self.estimate],
                "standard_error": [self.standard_error],
                "ci_low": [self.confidence_interval.low],
                "ci_high": [self.confidence_interval.high],
                "confidence_level": [self.confidence_level],
                "n_cases": [self.n_cases],
                "n_positive": [self.n_positive],
                "n_negative": [self.n_negative],
                "n_groups": [self.n_groups],
                "method": [self.method],
                "warnings": ["; ".join(self.warnings)],
            }
        )

    def __str__(self) -> str:
        lines = [
            self.method,
            f"{self.quantity} = {format_number(self.estimate)} "
            f"(standard error {format_number(self.standard_error)}), "
            f"{100 * self.confidence_level:g} % confidence interval "
            f"{format_number(self.confidence_interval.low)} to "
            f"{format_number(self.confidence_interval.high)}",
            f"{_sample(self.n_cases, self.n_groups)}: "
            f"{self.n_positive} positive, {self.n_negative} negative",
        ]
        lines += [f"warning: {text}" for text in self.warnings]
        return "\n".join(lines)


@dataclass(frozen=True)
class MetricResult:
    """One metric with its interval; fields as in :class:`TestResult`.

    Attributes
    ----------
    metric : str
        Name of the metric, one of :func:`metric_names`.
    estimate, standard_error : float
        The metric and its standard error; that of its logarithm for likelihood ratios.
    confidence_interval : ConfidenceInterval
        Within the range of the metric.
    confidence_level : float
        Its nominal coverage.
    n_cases : int
        Number of cases.
    n_positive : int or None
        Number of positive cases; None of a metric without labels.
    n_groups : int or None
        Number of patients where `groups` was given.
    method : str
        One printable sentence.
    warnings : tuple of ResultWarning
        What the reader must know: strings, each with a ``code``.
    procedure : Procedure
        What was done, as data.
    """

    metric: str
    estimate: float
    standard_error: float
    confidence_interval: ConfidenceInterval
    confidence_level: float
    n_cases: int
    n_positive: int | None
    n_groups: int | None
    method: str
    warnings: tuple[ResultWarning, ...] = ()
    procedure: Procedure = field(default_factory=Procedure, repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row, unrounded."""
        return pd.DataFrame(
            {
                "metric": [self.metric],
                "estimate": [self.estimate],
                "standard_error": [self.standard_error],
                "ci_low": [self.confidence_interval.low],
                "ci_high": [self.confidence_interval.high],
                "confidence_level": [self.confidence_level],
                "n_cases": [self.n_cases],
                "n_positive": [self.n_positive],
                "n_groups": [self.n_groups],
                "method": [self.method],
                "warnings": ["; ".join(self.warnings)],
            }
        )

    def __str__(self) -> str:
        classes = ""
        if self.n_positive is not None:
            classes = f": {self.n_positive} positive, {self.n_cases - self.n_positive} negative"
        lines = [
            self.method,
            f"{self.metric} = {format_number(self.estimate)} "
            f"(standard error {format_number(self.standard_error)}), "
            f"{100 * self.confidence_level:g} % confidence interval "
            f"{format_number(self.confidence_interval.low)} to "
            f"{format_number(self.confidence_interval.high)}",
            _sample(self.n_cases, self.n_groups) + classes,
        ]
        lines += [f"warning: {text}" for text in self.warnings]
        return "\n".join(lines)


def _sample(n_cases: int, n_groups: int | None) -> str:
    clusters = "" if n_groups is None else f" of {n_groups} patients"
    return f"{n_cases} cases{clusters}"
