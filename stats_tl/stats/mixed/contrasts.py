"""Linear functions of the fixed effects: single contrasts and joint tests."""

from __future__ import annotations

__all__ = ["contrast_test", "f_statistic", "joint_test", "weights_from"]

import math
from collections.abc import Mapping

import numpy as np
import scipy
from numpy.typing import ArrayLike

from .._shared.inference import wald_inference
from ..procedure import Procedure, ResultWarning
from ..results import ConfidenceInterval, TestResult
from .inference import FTest, Inference

_RULES = {
    "kenward-roger": "Kenward-Roger degrees of freedom",
    "satterthwaite": "Satterthwaite degrees of freedom",
    "wald": "Wald test, variances taken as known",
}


def weights_from(weights: str | Mapping[str, float] | ArrayLike, names: list[str]) -> np.ndarray:
    """An array over the coefficients, from an array or a mapping of names to weights."""
    if isinstance(weights, str):
        weights = {weights: 1.0}
    if isinstance(weights, Mapping):
        unknown = [name for name in weights if name not in names]
        if unknown:
            raise ValueError(
                f"`weights` names {', '.join(map(repr, unknown))}, which is no coefficient of the "
                f"model; they are {', '.join(map(repr, names))}."
            )
        return np.array([float(weights.get(name, 0.0)) for name in names])
    array = np.asarray(weights, dtype=float)
    if array.ndim not in (1, 2) or array.shape[-1] != len(names):
        raise ValueError(
            f"`weights` must have shape ({len(names)},) or (q, {len(names)}), one weight for each "
            f"of the coefficients {', '.join(map(repr, names))}; got shape {array.shape}."
        )
    if not np.isfinite(array).all():
        raise ValueError("`weights` must be finite.")
    return array


def contrast_test(
    inference: Inference | None,
    beta: np.ndarray,
    weights: np.ndarray,
    *,
    ddf: str,
    n_rows: int,
    null_value: float,
    alternative: str,
    confidence_level: float,
    warnings: tuple[ResultWarning, ...],
) -> TestResult:
    """t test of ``weights @ beta = null_value``."""
    if inference is None:
        estimate = standard_error = df = math.nan
    else:
        estimate = float(weights @ beta)
        standard_error = inference.standard_error(weights)
        df = inference.df(weights) if weights.any() else math.inf
    statistic, pvalue, interval = wald_inference(
        estimate,
        standard_error,
        df=df,
        null_value=null_value,
        alternative=alternative,
        confidence_level=confidence_level,
    )
    return TestResult(
        statistic=statistic,
        pvalue=pvalue,
        df=df,
        estimate=estimate,
        estimates=(estimate,),
        standard_error=standard_error,
        confidence_interval=interval,
        confidence_level=confidence_level,
        alternative=alternative,
        null_value=null_value,
        n_cases=n_rows,
        n_groups=None,
        method=f"Contrast of fixed effects of a linear mixed model ({_RULES[ddf]})",
        procedure=Procedure(name="mixed-contrast", variance=ddf),
        warnings=warnings,
    )


def joint_test(
    inference: Inference | None,
    weights: np.ndarray,
    *,
    ddf: str,
    n_rows: int,
    confidence_level: float,
    warnings: tuple[ResultWarning, ...],
) -> TestResult:
    """F test that every row of `weights` times beta is zero."""
    test, pvalue = f_statistic(inference, weights)
    return TestResult(
        statistic=test.statistic,
        pvalue=pvalue,
        df=(test.df_numerator, test.df_denominator),
        estimate=math.nan,
        estimates=(),
        standard_error=math.nan,
        confidence_interval=ConfidenceInterval(math.nan, math.nan),
        confidence_level=confidence_level,
        alternative="two-sided",
        null_value=0.0,
        n_cases=n_rows,
        n_groups=None,
        method=f"Joint F test of fixed effects of a linear mixed model ({_RULES[ddf]})",
        procedure=Procedure(name="mixed-joint-f", variance=ddf),
        warnings=warnings,
    )


def f_statistic(inference: Inference | None, weights: np.ndarray) -> tuple[FTest, float]:
    """The F test of the row space of `weights` and its p value."""
    if not len(weights):
        return FTest(math.nan, 0, math.nan), math.nan
    _, values, rows = np.linalg.svd(weights, full_matrices=False)
    rank = int((values > 1e-10 * max(values.max(initial=0.0), 1e-300)).sum())
    if inference is None or rank == 0:
        return FTest(math.nan, rank, math.nan), math.nan
    test = inference.f_test(weights if rank == len(weights) else rows[:rank])
    if math.isinf(test.df_denominator):
        return test, float(scipy.stats.chi2.sf(test.statistic * rank, rank))
    return test, float(scipy.stats.f.sf(test.statistic, rank, test.df_denominator))
