"""Agreement of grades with a reference: weighted kappa, a ratio of two means."""

from __future__ import annotations

__all__ = ["grade_agreement", "weighted_kappa", "weighted_kappa_test"]

from typing import Any

import numpy as np

from .._shared.degenerate import CARRIES_NO_VARIANCE, warn_degenerate
from .._shared.inference import NO_INTERVAL, Hypothesis, check_confidence_level
from .._shared.validation import as_groups, check_option
from ..results import MetricResult, TestResult
from .stratified import (
    StratifiedValue,
    compare,
    estimated,
    procedure_of,
    random_units,
    standard_error_of,
    whole_numbers,
)

WEIGHTS = ("quadratic", "linear", "none")


def weighted_kappa(
    reference: Any,
    rating: Any,
    *,
    weights: str = "quadratic",
    groups: Any = None,
    confidence_level: float = 0.95,
) -> MetricResult:
    """Cohen's kappa of ordinal grades, weighted by their distance, with its interval.

    Parameters
    ----------
    reference, rating : array_like of int, shape (n,)
        Grades of the same cases, whole numbers whose distances mean something (BI-RADS, Gleason).
    weights : {"quadratic", "linear", "none"}
        Disagreement counts by the square of the distance, by the distance, or as 1.
    groups : array_like of shape (n,), optional
        Patient of each case.
    confidence_level : float, default 0.95
        Coverage of the Wald interval.

    Returns
    -------
    MetricResult

    Raises
    ------
    ValueError
        If lengths differ, a grade is missing or no whole number, or all grades are the same.

    Warns
    -----
    DegenerateDataWarning
        If both agree on every case: the variance is zero.

    See Also
    --------
    weighted_kappa_test : Two models or readers against one reference.

    Notes
    -----
    The variance is that of Fleiss, Cohen and Everitt, clustered by patient where `groups` is given.

    References
    ----------
    .. [1] Fleiss JL, Cohen J, Everitt BS. Large sample standard errors of kappa and weighted
       kappa. Psychological Bulletin 1969;72:323-327. :doi:`10.1037/h0028106`

    Examples
    --------
    >>> from stats_tl.stats import weighted_kappa
    >>> result = weighted_kappa([1, 2, 3, 4, 5, 2, 3], [1, 2, 3, 5, 4, 2, 2])
    >>> round(result.estimate, 4)
    0.8662
    """
    check_option(weights, WEIGHTS, name="weights")
    level = check_confidence_level(confidence_level)
    truth = whole_numbers(reference, None, "reference")
    codes = as_groups(groups, truth.size)
    found = grade_agreement(truth, whole_numbers(rating, truth.size, "rating"), weights)
    notes, standard_error = standard_error_of(found, codes)
    interval = NO_INTERVAL
    if standard_error > 0:
        hypothesis = Hypothesis(confidence_level=level)
        interval = hypothesis.wald(found.value, standard_error, bounds=(-1.0, 1.0)).interval
    elif standard_error == 0:
        notes = (*notes, warn_degenerate(CARRIES_NO_VARIANCE))
    return estimated(
        found,
        codes,
        standard_error=standard_error,
        interval=interval,
        level=level,
        method=f"{_kappa_name(weights)} with a Wald interval",
        notes=notes,
        procedure=procedure_of("weighted-kappa", weights, codes, n_arms=1),
    )


def weighted_kappa_test(
    reference: Any,
    rating_a: Any,
    rating_b: Any,
    *,
    weights: str = "quadratic",
    groups: Any = None,
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
) -> TestResult:
    """Paired test of two weighted kappas with the same reference grades.

    Parameters
    ----------
    reference : array_like of int, shape (n,)
        Reference grades.
    rating_a, rating_b : array_like of int, shape (n,)
        Grades of the same cases by candidate and reference arm.
    weights, groups
        As in :func:`weighted_kappa`.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        About a minus b against `null_value`.
    null_value : float, default 0.0
        Difference under the null hypothesis.
    confidence_level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    TestResult

    Raises
    ------
    ValueError
        As :func:`weighted_kappa`.

    Warns
    -----
    DegenerateDataWarning
        If the difference does not vary although it is not `null_value`.

    Notes
    -----
    Normal reference; with fewer than about 50 cases, or one grade that nearly all have, kappa is
    far from normal.

    References
    ----------
    .. [1] Fleiss JL, Cohen J, Everitt BS. Psychological Bulletin 1969;72:323-327.
       :doi:`10.1037/h0028106`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import weighted_kappa_test
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(1, 6, 200)
    >>> a, b = (np.clip(truth + rng.integers(-s, s + 1, 200), 1, 5) for s in (1, 2))
    >>> weighted_kappa_test(truth, a, b).pvalue < 0.01
    True
    """
    check_option(weights, WEIGHTS, name="weights")
    hypothesis = Hypothesis(alternative, null_value, confidence_level)
    truth = whole_numbers(reference, None, "reference")
    codes = as_groups(groups, truth.size)
    a, b = (
        grade_agreement(truth, whole_numbers(own, truth.size, name), weights)
        for own, name in ((rating_a, "rating_a"), (rating_b, "rating_b"))
    )
    method = f"Paired test of the difference in {_kappa_name(weights)} ({random_units(codes)})"
    procedure = procedure_of("weighted-kappa", weights, codes, n_arms=2)
    return compare(a, b, codes, hypothesis, procedure, method=method, span=2.0)


def grade_agreement(truth: np.ndarray, rating: np.ndarray, weights: str) -> StratifiedValue:
    """Weighted kappa of checked grades."""
    low = min(truth.min(), rating.min())
    one, other = truth - low, rating - low
    k = int(max(one.max(), other.max())) + 1
    distance = np.abs(np.arange(k)[:, None] - np.arange(k)).astype(np.float64)
    cost = {"quadratic": distance**2, "linear": distance, "none": (distance > 0) * 1.0}[weights]
    rows, columns = (np.bincount(own, minlength=k) / own.size for own in (one, other))
    observed = cost[one, other]
    expected = float(rows @ cost @ columns)
    if expected == 0:
        raise ValueError("all grades are the same, so that kappa is not defined.")
    mean = float(observed.mean())
    moved = (cost @ columns)[one] + (rows @ cost)[other] - 2 * expected
    influence = (mean / expected * moved - (observed - mean)) / (expected * one.size)
    return StratifiedValue(1 - mean / expected, influence, np.zeros(one.size, dtype=np.intp))


def _kappa_name(weights: str) -> str:
    how = {"quadratic": "Quadratically weighted", "linear": "Linearly weighted", "none": "Cohen's"}
    return f"{how[weights]} kappa"
