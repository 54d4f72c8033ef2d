"""Adjusting p values for the number of hypotheses tested.

Classical adjustments see the p values only; :func:`max_t_adjust` uses the joint null
distribution of the statistics, and so gains where the tests are correlated, as they are
when models share their test cases.
"""

from __future__ import annotations

__all__ = ["adjust_pvalues", "max_t_adjust"]

from typing import Any

import numpy as np
import pandas as pd

METHODS = ("holm", "hochberg", "hommel", "bonferroni", "bh", "by", "none")


def adjust_pvalues(pvalues: Any, method: str = "holm") -> np.ndarray:
    """Adjust p values for multiple testing.

    Parameters
    ----------
    pvalues : array_like of shape (m,)
        Raw p values. NaN (or None) marks a test that was not estimable: it stays NaN and
        does not count as a test.
    method : {"holm", "hochberg", "hommel", "bonferroni", "bh", "by", "none"}, default "holm"
        Upper and lower case are equal. ``"fdr"`` is another name of ``"bh"``.

    Returns
    -------
    numpy.ndarray of shape (m,)
        Adjusted p values in the order given: reject where they are at most alpha.

    Raises
    ------
    ValueError
        If a p value lies outside [0, 1] or `method` is unknown.

    See Also
    --------
    max_t_adjust : Uses the correlation between the tests.

    Notes
    -----
    Holm, Hochberg, Hommel and Bonferroni control the probability of any false rejection
    (family-wise error); Holm and Bonferroni under any dependence, Hochberg and Hommel under
    positive dependence. Bonferroni is never better than Holm. BH controls the expected share of
    false rejections under positive dependence, BY under any. Do not use BH or BY where every
    single rejection will be quoted as a finding.

    References
    ----------
    .. [1] Holm, S. (1979). A simple sequentially rejective multiple test procedure.
       Scandinavian Journal of Statistics 6, 65-70.
    .. [2] Hochberg, Y. (1988). A sharper Bonferroni procedure for multiple tests of
       significance. Biometrika 75, 800-802. :doi:`10.1093/biomet/75.4.800`
    .. [3] Hommel, G. (1988). A stagewise rejective multiple test procedure based on a
       modified Bonferroni test. Biometrika 75, 383-386. :doi:`10.1093/biomet/75.2.383`
    .. [4] Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate.
       Journal of the Royal Statistical Society B 57, 289-300.
       :doi:`10.1111/j.2517-6161.1995.tb02031.x`
    .. [5] Benjamini, Y. and Yekutieli, D. (2001). The control of the false discovery rate in
       multiple testing under dependency. Annals of Statistics 29, 1165-1188.
       :doi:`10.1214/aos/1013699998`

    Examples
    --------
    >>> from stats_tl.stats import adjust_pvalues
    >>> adjust_pvalues([0.01, 0.04, 0.03, float("nan")])
    array([0.03, 0.06, 0.06,  nan])
    """
    name = str(method).lower()
    name = "bh" if name == "fdr" else name
    if name not in METHODS:
        raise ValueError(f"`method` must be one of {METHODS}, got {method!r}.")
    values = np.array(pd.to_numeric(pd.Series(np.asarray(pvalues).ravel())), dtype=np.float64)
    if np.ndim(pvalues) != 1:
        raise ValueError(
            f"`pvalues` must be one-dimensional, got {np.ndim(pvalues)} axes; "
            "one adjustment is one family of tests."
        )
    tested = ~np.isnan(values)
    p = values[tested]
    if ((p < 0) | (p > 1)).any():
        wrong = p[(p < 0) | (p > 1)][0]
        raise ValueError(f"`pvalues` must lie between 0 and 1, got {wrong:g}.")
    if p.size:
        values[tested] = _adjust(p, name)
    return values


def max_t_adjust(
    statistics: Any,
    draws: Any,
    *,
    method: str = "step-down",
    alternative: str = "two-sided",
) -> np.ndarray:
    """Westfall-Young max-T adjusted p values from joint permutation draws.

    Each statistic is compared with the largest statistic that the same permutation gave
    over the hypotheses still in play. Correlated tests are therefore not paid for twice.

    Parameters
    ----------
    statistics : array_like of shape (m,)
        Observed statistics, studentised so that they are comparable. NaN stays NaN and does
        not count.
    draws : array_like of shape (n_draws, m)
        The statistics under the null hypothesis. Row b must come from *one* permutation
        (or bootstrap draw) applied to all hypotheses, the observed data not included.
    method : {"step-down", "single-step"}, default "step-down"
        Step-down is never less powerful; single-step corresponds to simultaneous intervals.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        Whether large absolute, small or large values count against the null hypothesis.

    Returns
    -------
    numpy.ndarray of shape (m,)
        Adjusted p values, at least ``1 / (n_draws + 1)``.

    Raises
    ------
    ValueError
        If the shapes disagree, there is no draw, or a draw is NaN for a tested hypothesis.

    See Also
    --------
    max_t_auc_test : Makes the draws too, for paired AUC differences.
    adjust_pvalues : Needs p values only.

    Notes
    -----
    Strong control of the family-wise error rests on subset pivotality: the joint null
    distribution of some statistics must not depend on whether the others are null. It holds
    for swapping two arms within patients. Draws made separately for each hypothesis
    have no joint distribution: do not stack such draws.

    References
    ----------
    .. [1] Westfall, P. H. and Young, S. S. (1993). Resampling-Based Multiple Testing. Wiley.
    .. [2] Ge, Y., Dudoit, S. and Speed, T. P. (2003). Resampling-based multiple testing for
       microarray data analysis. Test 12, 1-77. :doi:`10.1007/BF02595811`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import max_t_adjust
    >>> rng = np.random.default_rng(0)
    >>> draws = rng.standard_normal((999, 1)) + 0.1 * rng.standard_normal((999, 3))
    >>> max_t_adjust([3.0, 2.5, 0.2], draws).round(3)
    array([0.006, 0.019, 0.831])
    """
    if method not in ("step-down", "single-step"):
        raise ValueError(f"`method` must be 'step-down' or 'single-step', got {method!r}.")
    fold = {"two-sided": np.abs, "greater": np.positive, "less": np.negative}.get(alternative)
    if fold is None:
        raise ValueError(
            f"`alternative` must be 'two-sided', 'less' or 'greater', got {alternative!r}."
        )
    observed = np.array(statistics, dtype=np.float64)
    null = np.asarray(draws, dtype=np.float64)
    if observed.ndim != 1 or null.ndim != 2 or null.shape[1] != observed.size:
        raise ValueError(
            f"`draws` must have one column per statistic: expected shape (n_draws, "
            f"{observed.size}), got {null.shape}."
        )
    if null.shape[0] == 0:
        raise ValueError("`draws` must hold at least one draw, got none.")
    adjusted = np.full(observed.size, np.nan)
    tested = np.flatnonzero(~np.isnan(observed))
    if tested.size == 0:
        return adjusted
    observed, null = fold(observed[tested]), fold(null[:, tested])
    if np.isnan(null).any():
        raise ValueError("`draws` has NaN for a hypothesis with a statistic; drop such draws.")
    # A draw that equals the observed value up to rounding counts as at least as extreme.
    cutoff = observed - 1e-12 * np.maximum(1.0, np.abs(observed))
    order = np.argsort(-observed, kind="stable")
    if method == "single-step":
        maxima = np.broadcast_to(null.max(axis=1, keepdims=True), null.shape)
    else:
        maxima = np.maximum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]
    exceed = (maxima >= cutoff[order]).sum(axis=0)
    p = (1 + exceed) / (1 + null.shape[0])
    adjusted[tested[order]] = np.maximum.accumulate(p)
    return adjusted


def _adjust(p: np.ndarray, method: str) -> np.ndarray:
    m = p.size
    if method == "none":
        return p
    if method == "bonferroni":
        adjusted: np.ndarray = np.minimum(1.0, m * p)
        return adjusted
    if method == "hommel":
        return _hommel(p)
    order = np.argsort(p, kind="stable")
    ranks = np.arange(1, m + 1)
    if method == "holm":
        stepped = np.maximum.accumulate((m - ranks + 1) * p[order])
    else:
        factor = {
            "hochberg": m - ranks + 1.0,
            "bh": m / ranks,
            "by": m / ranks * (1.0 / ranks).sum(),
        }[method]
        stepped = np.minimum.accumulate((factor * p[order])[::-1])[::-1]
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted


def _hommel(p: np.ndarray) -> np.ndarray:
    """Closed testing with Simes' test, by Wright's recursion over the size of the subsets."""
    m = p.size
    order = np.argsort(p, kind="stable")
    ordered = p[order]
    simes = np.full(m, (m * ordered / np.arange(1, m + 1)).min())
    adjusted = simes.copy()
    for size in range(m - 1, 1, -1):
        first, last = np.arange(m - size + 1), np.arange(m - size + 1, m)
        least = (size * ordered[last] / np.arange(2, size + 1)).min()
        simes[first] = np.minimum(size * ordered[first], least)
        simes[last] = simes[m - size]
        adjusted = np.maximum(adjusted, simes)
    result = np.empty(m)
    result[order] = np.minimum(1.0, np.maximum(adjusted, ordered))
    return result
