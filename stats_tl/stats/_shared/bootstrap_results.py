"""From bootstrap replicates to the results that the public functions return."""

from __future__ import annotations

__all__ = ["Sample", "comparison_result", "single_result"]

import math
from dataclasses import dataclass

import numpy as np

from ..results import AUCResult, ConfidenceInterval, TestResult
from .inference import wald_inference
from .resampling import Resampler, bootstrap_interval, describe_resampling
from .validation import variance_obstacle, warn_degenerate


@dataclass(frozen=True)
class Sample:
    """Validated data of a bootstrap: labels (bool), patient codes or None, stratification."""

    labels: np.ndarray
    codes: np.ndarray | None
    stratified: bool

    def resampler(self) -> Resampler:
        return Resampler(self.labels, self.codes, self.stratified)

    def obstacle(self) -> str | None:
        return variance_obstacle(self.labels, self.codes)

    @property
    def n_groups(self) -> int | None:
        return None if self.codes is None else int(self.codes.max()) + 1

    @property
    def described(self) -> str:
        return describe_resampling(self.codes, self.stratified)


def comparison_result(
    sample: Sample,
    estimates: tuple[float, float],
    estimate: float,
    draws: np.ndarray | None,
    *,
    quantity: str,
    method: str,
    accel: float,
    null_value: float,
    alternative: str,
    confidence_level: float,
    return_draws: bool,
    texts: list[str],
) -> TestResult:
    """Paired comparison; `draws` are replicates of the difference, None if not estimable.

    The p value is that of the difference over its bootstrap standard error, as in pROC;
    where it contradicts the interval the result says so.
    """
    texts = list(texts)
    interval = ConfidenceInterval(math.nan, math.nan)
    statistic = pvalue = standard_error = math.nan
    n_resamples = 0
    if draws is not None:
        n_resamples = draws.size
        kept = _defined(draws, texts)
        standard_error = float(kept.std(ddof=1)) if kept.size > 1 else math.nan
        if (kept == estimate).all():
            standard_error = 0.0 if kept.size else math.nan
        statistic, pvalue, _ = wald_inference(
            estimate, standard_error, null_value=null_value, alternative=alternative
        )
        if standard_error == 0 and estimate != null_value:
            texts.append(
                warn_degenerate(
                    "the difference is the same in every replicate: no test is possible",
                    stacklevel=4,
                )
            )
        elif kept.size:
            interval = _interval(
                kept, estimate, method, alternative, confidence_level, accel, texts
            )
        if not math.isnan(pvalue) and not math.isnan(interval.low):
            excluded = null_value < interval.low or null_value > interval.high
            if excluded != (pvalue < 1 - confidence_level):
                texts.append(
                    f"the {method} interval and the p value (from the bootstrap standard error) "
                    "disagree at this level: the evidence is borderline"
                )
    return TestResult(
        statistic=statistic,
        pvalue=pvalue,
        df=math.inf,
        estimate=estimate,
        estimates=estimates,
        standard_error=standard_error,
        confidence_interval=interval,
        confidence_level=confidence_level,
        alternative=alternative,
        null_value=null_value,
        n_cases=sample.labels.size,
        n_groups=sample.n_groups,
        method=(
            f"Paired bootstrap test of two {quantity}, {method} interval, "
            f"{n_resamples} resamples ({sample.described})"
        ),
        warnings=tuple(texts),
        draws=draws if return_draws else None,
    )


def single_result(
    sample: Sample,
    estimate: float,
    draws: np.ndarray | None,
    *,
    quantity: str,
    method: str,
    accel: float,
    confidence_level: float,
    return_draws: bool,
    texts: list[str],
) -> AUCResult:
    """One area with its bootstrap interval; `draws` are None if not estimable."""
    texts = list(texts)
    interval = ConfidenceInterval(math.nan, math.nan)
    standard_error = math.nan
    n_resamples = 0
    if draws is not None:
        n_resamples = draws.size
        kept = _defined(draws, texts)
        if kept.size:
            standard_error = float(kept.std(ddof=1)) if kept.size > 1 else math.nan
            interval = _interval(
                kept, estimate, method, "two-sided", confidence_level, accel, texts
            )
    n_positive = int(sample.labels.sum())
    return AUCResult(
        estimate=estimate,
        standard_error=standard_error,
        confidence_interval=interval,
        confidence_level=confidence_level,
        n_cases=sample.labels.size,
        n_positive=n_positive,
        n_negative=sample.labels.size - n_positive,
        n_groups=sample.n_groups,
        method=(
            f"{quantity[0].upper()}{quantity[1:]} with a {method} bootstrap interval, "
            f"{n_resamples} resamples ({sample.described})"
        ),
        warnings=tuple(texts),
        draws=draws if return_draws else None,
        quantity=quantity,
    )


def _defined(draws: np.ndarray, texts: list[str]) -> np.ndarray:
    kept = draws[~np.isnan(draws)]
    if kept.size < draws.size:
        texts.append(
            f"{draws.size - kept.size} of {draws.size} resamples held one class only and were "
            "left out; use `stratified=True`"
        )
    return kept


def _interval(
    draws: np.ndarray,
    estimate: float,
    method: str,
    alternative: str,
    confidence_level: float,
    accel: float,
    texts: list[str],
) -> ConfidenceInterval:
    interval = bootstrap_interval(
        draws,
        estimate,
        method=method,
        alternative=alternative,
        confidence_level=confidence_level,
        accel=accel,
    )
    if math.isnan(interval.low):
        texts.append(
            warn_degenerate(
                "all replicates lie on one side of the estimate: the BCa interval is undefined, "
                "use `method='percentile'`",
                stacklevel=5,
            )
        )
    return interval
