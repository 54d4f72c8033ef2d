"""Tests on five repeats of two-fold cross-validation, by Alpaydin and by Dietterich.

Within a repeat the two training sets are disjoint, so that the spread between its two
differences estimates their variance without the overlap that plagues other designs.
Both tests compare the procedures at half of the sample size.
"""

from __future__ import annotations

__all__ = ["combined_5x2cv_ftest", "paired_5x2cv_ttest"]

import math
from typing import Any

import numpy as np
import scipy

from .._shared.inference import Hypothesis, Inference, conclude
from ..procedure import Procedure
from ..results import TestResult
from .differences import FOLDS_AGREE, as_differences, warn_if


def combined_5x2cv_ftest(differences: Any) -> TestResult:
    """Combined 5x2cv F test of Alpaydin.

    Five repeats of two-fold cross-validation, each halving the data anew. The mean square
    of the ten differences is compared with their variance within repeats.

    Parameters
    ----------
    differences : array_like of shape (5, 2)
        Metric of the candidate minus that of the reference: repeats by folds.

    Returns
    -------
    TestResult
        `statistic` is F with (10, 5) degrees of freedom; `estimate` the mean difference.
        The test has no direction and no interval: `standard_error` and the interval
        are NaN.

    Raises
    ------
    ValueError
        If the shape is not (5, 2) or a difference is NaN.

    Warns
    -----
    DegenerateDataWarning
        If the two folds of every repeat agree exactly: p = 1 where all differences are
        zero, else NaN.

    See Also
    --------
    corrected_resampled_ttest : Any number of repeats and folds, with an interval.

    Notes
    -----
    Trains on half of the data: it compares the procedures at *half* the sample size.
    Where learning curves are steep or cross, that is another question than the one asked.

    References
    ----------
    .. [1] Alpaydin, E. (1999). Combined 5x2 cv F test for comparing supervised
       classification learning algorithms. Neural Computation 11, 1885-1892.
       :doi:`10.1162/089976699300016007`

    Examples
    --------
    >>> from stats_tl.stats import combined_5x2cv_ftest
    >>> d = [[0.05, 0.04], [0.06, 0.02], [0.03, 0.04], [0.05, 0.06], [0.02, 0.05]]
    >>> result = combined_5x2cv_ftest(d)
    >>> print(f"F = {result.statistic:.2f}, p = {result.pvalue:.3f}")
    F = 7.00, p = 0.022
    """
    values = _as_five_by_two(differences)
    within = _within_repeats(values)
    squares = float((values**2).sum())
    if within.sum() == 0:
        statistic, pvalue = (0.0, 1.0) if squares == 0 else (math.nan, math.nan)
    else:
        statistic = squares / (2 * float(within.sum()))
        pvalue = float(scipy.stats.f.sf(statistic, 10, 5))
    return conclude(
        Hypothesis(),
        Inference(statistic, pvalue, df=(10.0, 5.0), estimate=float(values.mean())),
        procedure=Procedure(name="5x2cv-f", n_repeats=5, n_folds=2, n_arms=2),
        method=(
            "Combined 5x2cv F test (Alpaydin): these training procedures at half the sample "
            "size, new patients and new training runs"
        ),
        warnings=warn_if(within.sum() == 0, FOLDS_AGREE),
    )


def paired_5x2cv_ttest(
    differences: Any, *, alternative: str = "two-sided", confidence_level: float = 0.95
) -> TestResult:
    """5x2cv paired t test of Dietterich.

    Parameters
    ----------
    differences : array_like of shape (5, 2)
        Metric of the candidate minus that of the reference: repeats by folds.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        Direction of candidate minus reference.
    confidence_level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    TestResult
        t with 5 degrees of freedom. The numerator is the *first* difference alone, as
        Dietterich defines it, and so are `estimate` and the interval.

    Raises
    ------
    ValueError
        If the shape is not (5, 2) or a difference is NaN.

    Warns
    -----
    DegenerateDataWarning
        If the two folds of every repeat agree exactly.

    See Also
    --------
    combined_5x2cv_ftest : Uses all ten differences; the order of the folds does not matter.

    Notes
    -----
    The answer depends on which fold is written first. Use it to reproduce published work.

    References
    ----------
    .. [1] Dietterich, T. G. (1998). Approximate statistical tests for comparing supervised
       classification learning algorithms. Neural Computation 10, 1895-1923.
       :doi:`10.1162/089976698300017197`

    Examples
    --------
    >>> from stats_tl.stats import paired_5x2cv_ttest
    >>> d = [[0.05, 0.04], [0.06, 0.02], [0.03, 0.04], [0.05, 0.06], [0.02, 0.05]]
    >>> print(f"t = {paired_5x2cv_ttest(d).statistic:.2f}")
    t = 2.99
    """
    values = _as_five_by_two(differences)
    within = _within_repeats(values)
    hypothesis = Hypothesis(alternative, confidence_level=confidence_level)
    standard_error = math.sqrt(float(within.mean()))
    return conclude(
        hypothesis,
        hypothesis.wald(float(values[0, 0]), standard_error, df=5.0),
        procedure=Procedure(name="5x2cv-t", n_repeats=5, n_folds=2, n_arms=2),
        method=(
            "5x2cv paired t test (Dietterich), the first difference over the spread of all: these "
            "training procedures at half the sample size, new patients and new training runs"
        ),
        warnings=warn_if(standard_error == 0, FOLDS_AGREE),
    )


def _as_five_by_two(differences: Any) -> np.ndarray:
    values = as_differences(differences)
    if values.shape != (5, 2):
        raise ValueError(
            f"`differences` must have shape (5, 2), five repeats of two folds, got {values.shape}; "
            "use `corrected_resampled_ttest` for other designs."
        )
    return values


def _within_repeats(values: np.ndarray) -> np.ndarray:
    """Variance within each repeat, on one degree of freedom."""
    variances: np.ndarray = (values[:, 0] - values[:, 1]) ** 2 / 2
    return variances
