"""From bootstrap replicates to the results that the public functions return."""

from __future__ import annotations

__all__ = ["Replicates", "comparison_result", "single_result"]

import math
from dataclasses import dataclass

import numpy as np

from ..procedure import Procedure, ResultWarning
from ..results import AUCResult, ConfidenceInterval, TestResult
from .degenerate import warn_degenerate
from .inference import NO_INTERVAL, Hypothesis, Inference, SampleSize, conclude
from .paired_sample import CaseSample
from .resampling import Resampling, bootstrap_interval, describe_resampling


@dataclass(frozen=True)
class Replicates:
    """Bootstrap replicates of a statistic.

    Attributes
    ----------
    draws : ndarray of shape (n_resamples,), or None
        None where the variance is not estimable.
    accel : float
        Acceleration of the BCa interval.
    warnings : tuple of ResultWarning
        What was noticed on the way.
    undefined : str
        Why a replicate may have no value, and what helps, after "resamples".
    """

    draws: np.ndarray | None = None
    accel: float = 0.0
    warnings: tuple[ResultWarning, ...] = ()
    undefined: str = "held one class only and were left out; use `stratified=True`"


def comparison_result(
    size: SampleSize,
    hypothesis: Hypothesis,
    how: Resampling,
    replicates: Replicates,
    *,
    estimates: tuple[float, float],
    estimate: float,
    name: str,
    quantity: str,
    test: str = "Paired bootstrap test",
) -> TestResult:
    """Comparison from the replicates of the difference.

    The p value is that of the difference over its bootstrap standard error, as in pROC;
    where it contradicts the interval the result says so.
    """
    notes = list(replicates.warnings)
    found = Inference(math.nan, math.nan, estimate=estimate)
    if replicates.draws is not None:
        found = _difference(replicates, hypothesis, how, estimate, notes)
    procedure = _procedure(name, size, how, replicates)
    return conclude(
        hypothesis,
        found,
        estimates=estimates,
        size=size,
        procedure=procedure,
        method=(
            f"{test} of two {quantity}, {procedure.version} interval, "
            f"{procedure.n_resamples} resamples "
            f"({describe_resampling(procedure.clustered, how.stratified)})"
        ),
        warnings=notes,
        draws=replicates.draws if how.return_draws else None,
    )


def _difference(
    replicates: Replicates,
    hypothesis: Hypothesis,
    how: Resampling,
    estimate: float,
    notes: list[ResultWarning],
) -> Inference:
    """Inference on a difference; what it warns of is added to `notes`."""
    assert replicates.draws is not None
    kept = _defined(replicates, notes)
    standard_error = float(kept.std(ddof=1)) if kept.size > 1 else math.nan
    if (kept == estimate).all():
        standard_error = 0.0 if kept.size else math.nan
    found = hypothesis.wald(estimate, standard_error)
    null_value, interval = hypothesis.null_value, NO_INTERVAL
    if standard_error == 0 and estimate != null_value:
        notes.append(
            warn_degenerate(
                ResultWarning(
                    "zero-variance",
                    "the difference is the same in every replicate: no test is possible",
                )
            )
        )
    elif kept.size:
        interval = _interval(kept, estimate, how, hypothesis, accel=replicates.accel, notes=notes)
    if not math.isnan(found.pvalue) and not math.isnan(interval.low):
        excluded = null_value < interval.low or null_value > interval.high
        if excluded != (found.pvalue < 1 - hypothesis.confidence_level):
            notes.append(
                ResultWarning(
                    "interval-disagrees",
                    f"the {how.interval} interval and the p value (from the bootstrap standard "
                    "error) disagree at this level: the evidence is borderline",
                )
            )
    return found._replace(interval=interval)


def single_result(
    sample: CaseSample,
    how: Resampling,
    replicates: Replicates,
    *,
    estimate: float,
    name: str,
    quantity: str,
    confidence_level: float,
) -> AUCResult:
    """One area with its bootstrap interval."""
    notes = list(replicates.warnings)
    interval = NO_INTERVAL
    standard_error = math.nan
    if replicates.draws is not None:
        kept = _defined(replicates, notes)
        if kept.size:
            standard_error = float(kept.std(ddof=1)) if kept.size > 1 else math.nan
            hypothesis = Hypothesis(confidence_level=confidence_level)
            interval = _interval(
                kept, estimate, how, hypothesis, accel=replicates.accel, notes=notes
            )
    n_positive = int(sample.labels.sum())
    procedure = _procedure(name, sample.size, how, replicates)
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
            f"{quantity[0].upper()}{quantity[1:]} with a {procedure.version} bootstrap interval, "
            f"{procedure.n_resamples} resamples "
            f"({describe_resampling(procedure.clustered, how.stratified)})"
        ),
        warnings=tuple(notes),
        draws=replicates.draws if how.return_draws else None,
        quantity=quantity,
        procedure=procedure,
    )


def _procedure(name: str, size: SampleSize, how: Resampling, replicates: Replicates) -> Procedure:
    return Procedure(
        name=name,
        variance="bootstrap",
        version=how.interval,
        clustered=size.n_groups is not None,
        n_resamples=0 if replicates.draws is None else replicates.draws.size,
        stratified=how.stratified,
    )


def _defined(replicates: Replicates, notes: list[ResultWarning]) -> np.ndarray:
    draws = replicates.draws
    assert draws is not None
    kept: np.ndarray = draws[~np.isnan(draws)]
    if kept.size < draws.size:
        notes.append(
            ResultWarning(
                "resamples-dropped",
                f"{draws.size - kept.size} of {draws.size} resamples {replicates.undefined}",
            )
        )
    return kept


def _interval(
    draws: np.ndarray,
    estimate: float,
    how: Resampling,
    hypothesis: Hypothesis,
    *,
    accel: float,
    notes: list[ResultWarning],
) -> ConfidenceInterval:
    assert how.interval is not None
    interval = bootstrap_interval(
        draws,
        estimate,
        method=how.interval,
        alternative=hypothesis.alternative,
        confidence_level=hypothesis.confidence_level,
        accel=accel,
    )
    if math.isnan(interval.low):
        notes.append(
            warn_degenerate(
                ResultWarning(
                    "bca-undefined",
                    "all replicates lie on one side of the estimate: the BCa interval is "
                    "undefined, use `method='percentile'`",
                )
            )
        )
    return interval
