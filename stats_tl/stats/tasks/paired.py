"""Tests of two methods with the task (data set) as the unit: ranks, signs and the paired t.

Two methods are measured on several independent tasks, one number each. Tasks, not cases,
are the sample: the conclusion is about *further tasks like these*. Higher is better.
"""

from __future__ import annotations

__all__ = ["paired_ttest", "sign_test", "wilcoxon_test"]

import math
from typing import Any

import numpy as np
import scipy

from .._shared.degenerate import warn_degenerate
from .._shared.inference import NO_INTERVAL, Hypothesis, Inference, conclude
from .._shared.signed_rank import as_pair, signed_rank_distribution
from ..procedure import Procedure, ResultWarning
from ..results import ConfidenceInterval, TestResult
from .ranks import SCOPE

NO_DIFFERENCE = ResultWarning("no-difference", "the methods agree on every task")
ALL_EQUAL = ResultWarning(
    "zero-variance", "all differences are equal: no variance can be estimated"
)


def wilcoxon_test(
    a: Any,
    b: Any,
    *,
    method: str = "exact",
    zero_method: str = "wilcox",
    correction: bool = False,
    alternative: str = "two-sided",
) -> TestResult:
    """Wilcoxon signed-rank test of two methods over tasks.

    Parameters
    ----------
    a, b : array_like of shape (tasks,)
        Measurements of candidate and reference on the same tasks.
    method : {"exact", "asymptotic"}, default "exact"
        Exact conditional on the observed ties, by enumeration in closed form; or normal.
    zero_method : {"wilcox", "pratt"}, default "wilcox"
        Whether zero differences are dropped before or after ranking.
    correction : bool, default False
        Continuity correction of the asymptotic p value.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        Direction of candidate minus reference.

    Returns
    -------
    TestResult
        `statistic` is the sum of the ranks of positive differences (R's V); `estimate` the
        median difference (Hodges-Lehmann; its interval is in :func:`hodges_lehmann`).

    Raises
    ------
    ValueError
        If lengths differ, a value is missing or there are fewer than two tasks.

    Notes
    -----
    Assumes differences symmetric about their median under the null hypothesis. With fewer
    than six tasks no two-sided p value below .05 is possible. Ties are exact ties of the
    floating-point differences, as in R: ``0.7 - 0.6`` and ``0.4 - 0.3`` are not tied.
    Do not use it over folds or repeats of one data set.

    References
    ----------
    .. [1] Wilcoxon, F. (1945). Individual comparisons by ranking methods. Biometrics Bulletin
       1, 80-83. :doi:`10.2307/3001968`
    .. [2] Pratt, J. W. (1959). Remarks on zeros and ties in the Wilcoxon signed rank
       procedures. Journal of the American Statistical Association 54, 655-667.
       :doi:`10.1080/01621459.1959.10501526`

    Examples
    --------
    >>> from stats_tl.stats import wilcoxon_test
    >>> a = [0.74, 0.83, 0.69, 0.93, 0.81, 0.77, 0.72]
    >>> b = [0.71, 0.80, 0.70, 0.88, 0.79, 0.70, 0.68]
    >>> result = wilcoxon_test(a, b)
    >>> print(f"V = {result.statistic:g}, p = {result.pvalue:.4f}")
    V = 27, p = 0.0312
    """
    hypothesis = Hypothesis(alternative)
    if method not in ("exact", "asymptotic"):
        raise ValueError(f"`method` must be 'exact' or 'asymptotic', got {method!r}.")
    if zero_method not in ("wilcox", "pratt"):
        raise ValueError(f"`zero_method` must be 'wilcox' or 'pratt', got {zero_method!r}.")
    x, y = as_pair(a, b)
    difference = x - y
    kept = difference if zero_method == "pratt" else difference[difference != 0]
    ranks = scipy.stats.rankdata(np.abs(kept))[kept != 0]
    positive = (kept > 0)[kept != 0]
    statistic = float(ranks[positive].sum())
    notes: tuple[ResultWarning, ...] = ()
    if ranks.size == 0:
        pvalue, notes = 1.0, (NO_DIFFERENCE,)
    elif method == "exact":
        pvalue = _exact_signed_rank(ranks, statistic, alternative)
    else:
        centre, sd = ranks.sum() / 2, math.sqrt((ranks**2).sum() / 4)
        shift = statistic - centre
        if correction:
            half = {"two-sided": 0.5 * np.sign(shift), "greater": 0.5, "less": -0.5}
            shift -= half[alternative]
        pvalue = hypothesis.wald(shift, sd).pvalue
    walsh = (difference[:, None] + difference)[np.triu_indices(difference.size)] / 2
    found = Inference(statistic, pvalue, estimate=float(np.median(walsh)))
    return conclude(
        hypothesis,
        found,
        estimates=(float(x.mean()), float(y.mean())),
        procedure=Procedure(name="wilcoxon", version=method, n_arms=2),
        method=f"Wilcoxon signed-rank test ({method}) over {x.size} tasks: {SCOPE}",
        warnings=notes,
    )


def sign_test(
    a: Any, b: Any, *, alternative: str = "two-sided", confidence_level: float = 0.95
) -> TestResult:
    """Exact sign test: on how many tasks does the candidate win?

    Parameters
    ----------
    a, b : array_like of shape (tasks,)
        Measurements of candidate and reference on the same tasks; ties are dropped.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        Direction of candidate minus reference.
    confidence_level : float, default 0.95
        Coverage of the Clopper-Pearson interval.

    Returns
    -------
    TestResult
        `statistic` is the number of wins, `estimate` their share, `null_value` one half.

    Raises
    ------
    ValueError
        If lengths differ, a value is missing or there are fewer than two tasks.

    Notes
    -----
    Ignores the size of the differences, hence weak; right where only the direction is
    comparable between tasks.
    Do not use it over folds or repeats of one data set.

    References
    ----------
    .. [1] Dixon WJ, Mood AM. The statistical sign test. Journal of the American Statistical
       Association 1946;41:557-566. :doi:`10.1080/01621459.1946.10501898`

    Examples
    --------
    >>> from stats_tl.stats import sign_test
    >>> result = sign_test([0.8, 0.7, 0.9, 0.6, 0.8], [0.7, 0.6, 0.8, 0.5, 0.9])
    >>> print(f"{result.statistic:g} wins, p = {result.pvalue:.3f}")
    4 wins, p = 0.375
    """
    hypothesis = Hypothesis(alternative, 0.5, confidence_level)
    x, y = as_pair(a, b)
    difference = x - y
    wins, n = int((difference > 0).sum()), int((difference != 0).sum())
    notes: tuple[ResultWarning, ...] = ()
    if n == 0:
        pvalue, share, interval = 1.0, math.nan, NO_INTERVAL
        notes = (NO_DIFFERENCE,)
    else:
        exact = scipy.stats.binomtest(wins, n, alternative=alternative)
        pvalue, share = float(exact.pvalue), wins / n
        low, high = exact.proportion_ci(hypothesis.confidence_level, method="exact")
        interval = ConfidenceInterval(float(low), float(high))
    return conclude(
        hypothesis,
        Inference(float(wins), pvalue, estimate=share, interval=interval),
        estimates=(float(x.mean()), float(y.mean())),
        procedure=Procedure(name="sign", version="exact", n_arms=2),
        method=f"Exact sign test over {n} tasks without ties: {SCOPE}",
        warnings=notes,
    )


def paired_ttest(
    a: Any,
    b: Any,
    *,
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
) -> TestResult:
    """Paired t test of two methods over independent tasks.

    Parameters
    ----------
    a, b : array_like of shape (tasks,)
        Measurements of candidate and reference on the same tasks.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        Direction of candidate minus reference.
    null_value : float, default 0.0
        Mean difference under the null hypothesis.
    confidence_level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    TestResult
        t with ``tasks - 1`` degrees of freedom.

    Raises
    ------
    ValueError
        If lengths differ, a value is missing or there are fewer than two tasks.

    Warns
    -----
    DegenerateDataWarning
        If all differences are equal but not at `null_value`.

    See Also
    --------
    corrected_resampled_ttest : For folds and repeats of *one* data set, where this test is wrong.

    Notes
    -----
    Pairs are independent units, tasks say. Do not use it over folds or repeats of a
    cross-validation, which share training data: see :func:`corrected_resampled_ttest`.

    References
    ----------
    .. [1] Student. The probable error of a mean. Biometrika 1908;6:1-25.
       :doi:`10.1093/biomet/6.1.1`

    Examples
    --------
    >>> from stats_tl.stats import paired_ttest
    >>> result = paired_ttest([0.74, 0.83, 0.69, 0.93], [0.71, 0.80, 0.70, 0.88])
    >>> print(f"t = {result.statistic:.3f}, p = {result.pvalue:.3f}")
    t = 1.987, p = 0.141
    """
    hypothesis = Hypothesis(alternative, null_value, confidence_level)
    x, y = as_pair(a, b)
    difference = x - y
    # Equal differences may leave a rounding residue; a spread below it is no spread.
    sd = float(difference.std(ddof=1))
    sd = 0.0 if sd <= 4 * np.finfo(float).eps * float(np.abs([x, y]).max()) else sd
    found = hypothesis.wald(
        float(difference.mean()), sd / math.sqrt(difference.size), df=float(difference.size - 1)
    )
    return conclude(
        hypothesis,
        found,
        estimates=(float(x.mean()), float(y.mean())),
        procedure=Procedure(name="paired-t", n_arms=2),
        method=f"Paired t test over {x.size} tasks: {SCOPE}",
        warnings=(warn_degenerate(ALL_EQUAL),) if math.isnan(found.statistic) else (),
    )


def _exact_signed_rank(ranks: np.ndarray, statistic: float, alternative: str) -> float:
    """Tail of the sum of randomly signed ranks."""
    doubled = np.rint(2 * ranks).astype(int)
    ways = signed_rank_distribution(doubled)
    at = round(2 * statistic)
    upper, lower = float(ways[at:].sum()), float(ways[: at + 1].sum())
    if alternative == "greater":
        return min(1.0, upper)
    if alternative == "less":
        return min(1.0, lower)
    return min(1.0, 2 * min(upper, lower))
