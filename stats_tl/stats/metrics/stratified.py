"""Values whose influences sum to zero within strata: errors, results and paired tests.

Each is a smooth function of the cases' weights, and its variance the sum of squared influences, as
in :mod:`~stats_tl.stats.metrics.base`.
"""

from __future__ import annotations

__all__ = [
    "StratifiedValue",
    "compare",
    "covariance_of",
    "estimated",
    "procedure_of",
    "random_units",
    "standard_error_of",
    "whole_numbers",
]

import math
from typing import Any, NamedTuple

import numpy as np

from .._shared.degenerate import CARRIES_NO_VARIANCE, warn_degenerate
from .._shared.inference import Hypothesis, SampleSize, conclude
from .._shared.validation import as_scores
from ..procedure import Procedure, ResultWarning
from ..results import ConfidenceInterval, MetricResult, TestResult
from .inference import ROUNDING, SAME


class StratifiedValue(NamedTuple):
    """A value, the influence of every case, and the classes within which these are centred."""

    value: float
    influence: np.ndarray
    strata: np.ndarray


def standard_error_of(
    found: StratifiedValue, codes: np.ndarray | None
) -> tuple[tuple[ResultWarning, ...], float]:
    """Standard error from influences that sum to zero within strata."""
    sizes = np.bincount(found.strata)
    if sizes.min() == 1:
        few = ResultWarning("single-case", "a class has one case: the variance cannot be estimated")
        return (warn_degenerate(few),), math.nan
    return (), math.sqrt(float(covariance_of(found.influence[None], found.strata, codes)[0, 0]))


def covariance_of(
    influences: np.ndarray, strata: np.ndarray, codes: np.ndarray | None
) -> np.ndarray:
    """Covariance matrix of values with influences of shape (m, n); NaN where a class has one case.

    Raises
    ------
    ValueError
        If all cases belong to one patient.
    """
    sizes = np.bincount(strata).astype(np.float64)
    if codes is None:
        spread = sizes - 1
        spread[spread == 0] = math.nan
        within: np.ndarray = influences * (sizes / spread)[strata] @ influences.T
        return within
    if not codes.any():
        raise ValueError(
            f"`groups` puts all {codes.size} cases in one patient; the variance between patients "
            "needs at least two. Leave `groups` out if the cases are independent."
        )
    sums = np.stack([np.bincount(codes, weights=own) for own in influences])
    found: np.ndarray = sums @ sums.T * sums.shape[1] / (sums.shape[1] - 1)
    return found


def estimated(
    found: StratifiedValue,
    codes: np.ndarray | None,
    *,
    standard_error: float,
    interval: ConfidenceInterval,
    level: float,
    method: str,
    notes: tuple[ResultWarning, ...],
    procedure: Procedure,
) -> MetricResult:
    """The result for one model."""
    return MetricResult(
        metric=procedure.metric or procedure.name,
        estimate=found.value,
        standard_error=standard_error,
        confidence_interval=interval,
        confidence_level=level,
        n_cases=found.influence.size,
        n_positive=None,
        n_groups=None if codes is None else int(codes.max()) + 1,
        method=f"{method} ({random_units(codes)})",
        warnings=notes,
        procedure=procedure,
    )


def compare(
    a: StratifiedValue,
    b: StratifiedValue,
    codes: np.ndarray | None,
    hypothesis: Hypothesis,
    procedure: Procedure,
    *,
    method: str,
    span: float,
) -> TestResult:
    estimate = a.value - b.value
    if abs(estimate) < ROUNDING:
        estimate = 0.0
    influence = a.influence - b.influence
    notes, standard_error = standard_error_of(StratifiedValue(estimate, influence, a.strata), codes)
    if np.abs(influence).max() < ROUNDING and not math.isnan(standard_error):
        standard_error = 0.0
        same = estimate == hypothesis.null_value
        notes = (*notes, SAME if same else warn_degenerate(CARRIES_NO_VARIANCE))
    return conclude(
        hypothesis,
        hypothesis.wald(estimate, standard_error, bounds=(-span, span)),
        estimates=(a.value, b.value),
        size=SampleSize(influence.size, None if codes is None else int(codes.max()) + 1),
        procedure=procedure,
        method=method,
        warnings=notes,
    )


def procedure_of(name: str, version: str, codes: np.ndarray | None, *, n_arms: int) -> Procedure:
    return Procedure(
        name=name,
        variance="infinitesimal-jackknife",
        version=version,
        clustered=codes is not None,
        n_arms=n_arms,
        metric=version if name == "multiclass-auc" else name,
    )


def whole_numbers(given: Any, n: int | None, name: str) -> np.ndarray:
    values = as_scores(given, n, name=name)
    if values.size == 0:
        raise ValueError(f"`{name}` is empty.")
    if not (np.isfinite(values).all() and (values == np.round(values)).all()):
        raise ValueError(f"`{name}` must hold whole numbers.")
    return values.astype(np.intp)


def random_units(codes: np.ndarray | None) -> str:
    units = "cases" if codes is None else "patients"
    return f"{units} random, fitted models fixed"
