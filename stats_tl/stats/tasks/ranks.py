"""Rank tests of several methods with the task (data set) as the unit.

Several methods are measured on several independent tasks, one number each. Tasks, not
cases, are the sample: the conclusion is about *further tasks like these*. Higher is better.
"""

from __future__ import annotations

__all__ = [
    "average_ranks",
    "friedman_test",
    "iman_davenport_test",
    "kendalls_w",
    "nemenyi_critical_difference",
    "nemenyi_pvalues",
    "quade_test",
]

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import scipy

from .._shared.inference import Hypothesis, Inference, conclude
from ..procedure import Procedure
from ..results import TestResult

SCOPE = "the tasks are a random sample, the measurements on each are taken as they are"


def average_ranks(scores: Any) -> pd.Series:
    """Mean rank of each method over tasks; rank 1 is the highest score, ties share ranks.

    Parameters
    ----------
    scores : DataFrame or array_like of shape (tasks, methods)
        One row per task; higher is better.

    Returns
    -------
    pandas.Series of shape (methods,)
        Mean ranks, indexed by the columns.

    Raises
    ------
    ValueError
        If there are fewer than two tasks or methods, or a score is missing.

    Notes
    -----
    A summary, not a test: ranks hide by how much a method wins. Do not average them over
    folds or repeats of one data set.

    References
    ----------
    .. [1] Friedman M. The use of ranks to avoid the assumption of normality implicit in the
       analysis of variance. Journal of the American Statistical Association
       1937;32:675-701. :doi:`10.1080/01621459.1937.10503522`

    Examples
    --------
    >>> from stats_tl.stats import average_ranks
    >>> average_ranks([[0.9, 0.8, 0.7], [0.8, 0.8, 0.6]]).tolist()
    [1.25, 1.75, 3.0]
    """
    values, names = _as_table(scores)
    return pd.Series(_ranks(values).mean(axis=0), index=names, name="average_rank")


def friedman_test(scores: Any) -> TestResult:
    """Friedman's rank test of several methods over tasks (chi-square, corrected for ties).

    Parameters
    ----------
    scores : DataFrame or array_like of shape (tasks, methods)
        One row per task; higher is better. At least three methods.

    Returns
    -------
    TestResult
        Chi-square with ``methods - 1`` degrees of freedom; `estimates` are average ranks.

    Raises
    ------
    ValueError
        If there are fewer than two tasks or three methods, or a score is missing.

    See Also
    --------
    iman_davenport_test : Less conservative with few tasks.
    nemenyi_pvalues : Pairs, after the omnibus test.

    Notes
    -----
    Do not use it over the folds or repeats of one data set: they are not independent.

    References
    ----------
    .. [1] Friedman, M. (1937). The use of ranks to avoid the assumption of normality implicit
       in the analysis of variance. Journal of the American Statistical Association 32,
       675-701. :doi:`10.1080/01621459.1937.10503522`
    .. [2] Demsar, J. (2006). Statistical comparisons of classifiers over multiple data sets.
       Journal of Machine Learning Research 7, 1-30.

    Examples
    --------
    >>> from stats_tl.stats import friedman_test
    >>> auc = [[0.71, 0.74, 0.70], [0.80, 0.83, 0.79], [0.66, 0.67, 0.69], [0.90, 0.93, 0.88]]
    >>> result = friedman_test(auc)
    >>> print(f"chi-square = {result.statistic:.2f}, p = {result.pvalue:.3f}")
    chi-square = 3.50, p = 0.174
    """
    values, _ = _as_table(scores, minimum=3)
    ranks = _ranks(values)
    df = float(values.shape[1] - 1)
    if (ranks == ranks[0, 0]).all():
        statistic, pvalue = 0.0, 1.0
    else:
        statistic, pvalue = (float(x) for x in scipy.stats.friedmanchisquare(*values.T))
    return _omnibus("friedman", Inference(statistic, pvalue, df), ranks)


def iman_davenport_test(scores: Any) -> TestResult:
    """Iman and Davenport's F version of Friedman's test.

    Parameters
    ----------
    scores : DataFrame or array_like of shape (tasks, methods)
        One row per task; higher is better. At least three methods.

    Returns
    -------
    TestResult
        F with ``(methods - 1, (methods - 1) (tasks - 1))`` degrees of freedom. If all tasks
        rank the methods alike, F is infinite and p zero by this approximation.

    Raises
    ------
    ValueError
        If there are fewer than two tasks or three methods, or a score is missing.

    See Also
    --------
    friedman_test : The chi-square version.

    Notes
    -----
    Do not use it over folds or repeats of one data set: tasks are the unit. It says that some
    method differs, not which.

    References
    ----------
    .. [1] Iman, R. L. and Davenport, J. M. (1980). Approximations of the critical region of
       the Friedman statistic. Communications in Statistics A 9, 571-595.
       :doi:`10.1080/03610928008827904`

    Examples
    --------
    >>> from stats_tl.stats import iman_davenport_test
    >>> auc = [[0.71, 0.74, 0.70], [0.80, 0.83, 0.79], [0.66, 0.67, 0.69], [0.90, 0.93, 0.88]]
    >>> result = iman_davenport_test(auc)
    >>> print(f"F = {result.statistic:.2f}, p = {result.pvalue:.3f}")
    F = 2.33, p = 0.178
    """
    values, _ = _as_table(scores, minimum=3)
    n, k = values.shape
    chi2 = friedman_test(values).statistic
    df = (float(k - 1), float((k - 1) * (n - 1)))
    left = n * (k - 1) - chi2
    # Complete agreement leaves a rounding residue of either sign.
    statistic = (n - 1) * chi2 / left if left > 1e-9 * n * k else math.inf
    pvalue = float(scipy.stats.f.sf(statistic, *df))
    return _omnibus("iman-davenport", Inference(statistic, pvalue, df), _ranks(values))


def quade_test(scores: Any) -> TestResult:
    """Quade's test: Friedman's with tasks weighted by the rank of their spread.

    Parameters
    ----------
    scores : DataFrame or array_like of shape (tasks, methods)
        One row per task; higher is better.

    Returns
    -------
    TestResult
        F with ``(methods - 1, (methods - 1) (tasks - 1))`` degrees of freedom.

    Raises
    ------
    ValueError
        If there are fewer than two tasks or methods, or a score is missing.

    See Also
    --------
    friedman_test : Treats all tasks alike.

    Notes
    -----
    Needs scores whose spreads are comparable between tasks. Stronger than Friedman's test
    with fewer than about five methods.
    Do not use it over folds or repeats of one data set.

    References
    ----------
    .. [1] Quade, D. (1979). Using weighted rankings in the analysis of complete blocks with
       additive block effects. Journal of the American Statistical Association 74, 680-683.
       :doi:`10.1080/01621459.1979.10481670`

    Examples
    --------
    >>> from stats_tl.stats import quade_test
    >>> auc = [[0.71, 0.74, 0.70], [0.80, 0.83, 0.79], [0.66, 0.67, 0.69], [0.90, 0.93, 0.88]]
    >>> result = quade_test(auc)
    >>> print(f"F = {result.statistic:.2f}, p = {result.pvalue:.3f}")
    F = 4.66, p = 0.060
    """
    values, _ = _as_table(scores)
    n, k = values.shape
    ranks = _ranks(values)
    weights = scipy.stats.rankdata(np.ptp(values, axis=1))
    weighted = weights[:, None] * (ranks - (k + 1) / 2)
    between = float((weighted.sum(axis=0) ** 2).sum()) / n
    total = float((weighted**2).sum())
    df = (float(k - 1), float((k - 1) * (n - 1)))
    if total == 0:
        statistic = 0.0
    else:
        left = total - between
        statistic = (n - 1) * between / left if left > 1e-12 * total else math.inf
    pvalue = float(scipy.stats.f.sf(statistic, *df))
    return _omnibus("quade", Inference(statistic, pvalue, df), ranks)


def kendalls_w(scores: Any) -> float:
    """Kendall's coefficient of concordance between tasks, corrected for ties, in [0, 1].

    Parameters
    ----------
    scores : DataFrame or array_like of shape (tasks, methods)
        One row per task; higher is better. At least three methods.

    Returns
    -------
    float
        1 if all tasks rank the methods alike, about 0 if they disagree.

    Raises
    ------
    ValueError
        If there are fewer than two tasks or three methods, or a score is missing.

    Notes
    -----
    Describes agreement, does not test it: use :func:`friedman_test`. Do not read a small W
    as equality of the methods.

    References
    ----------
    .. [1] Kendall MG, Babington Smith B. The problem of m rankings. Annals of Mathematical
       Statistics 1939;10:275-287. :doi:`10.1214/aoms/1177732186`

    Examples
    --------
    >>> from stats_tl.stats import kendalls_w
    >>> round(kendalls_w([[0.9, 0.8, 0.7], [0.8, 0.7, 0.6], [0.7, 0.8, 0.6]]), 4)
    0.7778
    """
    values, _ = _as_table(scores, minimum=3)
    n, k = values.shape
    return float(friedman_test(values).statistic / (n * (k - 1)))


def nemenyi_critical_difference(n_methods: int, n_tasks: int, *, alpha: float = 0.05) -> float:
    """Smallest difference between two average ranks that Nemenyi's test calls significant.

    Parameters
    ----------
    n_methods, n_tasks : int
        Size of the comparison.
    alpha : float, default 0.05
        Family-wise error rate over all pairs.

    Returns
    -------
    float
        The critical difference of a CD diagram.

    Raises
    ------
    ValueError
        If there are fewer than two methods or tasks, or `alpha` is not between 0 and 1.

    Notes
    -----
    Do not use it to compare methods with one control, where Holm's adjustment of paired tests
    is more powerful, nor over folds of one data set.

    References
    ----------
    .. [1] Nemenyi, P. (1963). Distribution-free multiple comparisons. PhD thesis, Princeton.

    Examples
    --------
    >>> from stats_tl.stats import nemenyi_critical_difference
    >>> round(nemenyi_critical_difference(5, 14), 4)
    1.6302
    """
    if n_methods < 2 or n_tasks < 2:
        raise ValueError(
            f"`n_methods` and `n_tasks` must be at least 2, got {n_methods} and {n_tasks}."
        )
    if not 0 < alpha < 1:
        raise ValueError(f"`alpha` must be between 0 and 1, got {alpha!r}.")
    quantile = float(scipy.stats.studentized_range.isf(alpha, n_methods, np.inf))
    return quantile * _rank_error(n_methods, n_tasks)


def nemenyi_pvalues(scores: Any) -> pd.DataFrame:
    """All pairs by Nemenyi's test, family-wise error controlled over the pairs.

    Parameters
    ----------
    scores : DataFrame or array_like of shape (tasks, methods)
        One row per task; higher is better.

    Returns
    -------
    pandas.DataFrame
        One row per pair: ``a, b, rank_difference, pvalue``; a negative difference means
        that a ranks better.

    Raises
    ------
    ValueError
        If there are fewer than two tasks or methods, or a score is missing.

    Notes
    -----
    A paired post-hoc test to Friedman's. The answer for one pair depends on which other
    methods are in the table; where that is unwelcome use :func:`wilcoxon_test` for each pair
    with :func:`adjust_pvalues`.
    Do not use it over folds or repeats of one data set.

    References
    ----------
    .. [1] Friedman M. The use of ranks to avoid the assumption of normality implicit in the
       analysis of variance. Journal of the American Statistical Association
       1937;32:675-701. :doi:`10.1080/01621459.1937.10503522`

    Examples
    --------
    >>> from stats_tl.stats import nemenyi_pvalues
    >>> auc = [[0.71, 0.74, 0.70], [0.80, 0.83, 0.79], [0.66, 0.67, 0.65], [0.90, 0.93, 0.88]]
    >>> nemenyi_pvalues(auc).round(3)
       a  b  rank_difference  pvalue
    0  0  1              1.0   0.333
    1  0  2             -1.0   0.333
    2  1  2             -2.0   0.013
    """
    values, names = _as_table(scores)
    n, k = values.shape
    ranks = _ranks(values).mean(axis=0)
    rows = []
    for i, j in itertools.combinations(range(k), 2):
        difference = float(ranks[i] - ranks[j])
        q = abs(difference) / _rank_error(k, n)
        pvalue = float(scipy.stats.studentized_range.sf(q, k, np.inf))
        rows.append({"a": names[i], "b": names[j], "rank_difference": difference, "pvalue": pvalue})
    return pd.DataFrame(rows)


_NAMES = {
    "friedman": "Friedman rank test",
    "iman-davenport": "Iman-Davenport rank test",
    "quade": "Quade test",
}


def _omnibus(name: str, found: Inference, ranks: np.ndarray) -> TestResult:
    n_tasks, n_methods = ranks.shape
    return conclude(
        Hypothesis(),
        found,
        estimates=ranks.mean(axis=0),
        procedure=Procedure(name=name, n_arms=n_methods),
        method=(
            f"{_NAMES[name]} of {n_methods} methods over {n_tasks} tasks (estimates are average "
            f"ranks, 1 is best): {SCOPE}"
        ),
    )


def _rank_error(n_methods: int, n_tasks: int) -> float:
    return math.sqrt(n_methods * (n_methods + 1) / (12 * n_tasks))


def _ranks(values: np.ndarray) -> np.ndarray:
    ranks: np.ndarray = scipy.stats.rankdata(-values, axis=1)
    return ranks


def _as_table(scores: Any, minimum: int = 2) -> tuple[np.ndarray, list[Any]]:
    names = list(scores.columns) if isinstance(scores, pd.DataFrame) else None
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] < minimum:
        raise ValueError(
            f"`scores` must have shape (tasks, methods) with at least 2 tasks and {minimum} "
            f"methods, got {values.shape}."
        )
    n_missing = int(np.isnan(values).sum())
    if n_missing:
        raise ValueError(
            f"`scores` has {n_missing} missing values of {values.size}; every method must be "
            "measured on every task."
        )
    return values, list(range(values.shape[1])) if names is None else names
