"""Equivalence and non-inferiority from any result with an estimate and a standard error.

'Not significant' says nothing about equality. Here the null hypothesis is that the
difference is at least as large as a margin fixed beforehand, and rejecting it is evidence
that the difference is smaller.
"""

from __future__ import annotations

__all__ = ["equivalence_test", "noninferiority_test", "smallest_equivalence_margin"]

import math
from dataclasses import replace

import scipy

from .._shared.degenerate import warn_degenerate
from .._shared.inference import Inference, wald_inference
from ..procedure import Procedure, ResultWarning
from ..results import TestResult

_NO_VARIANCE = ResultWarning(
    "no-standard-error",
    "the standard error is zero or not estimable, so that no margin can be tested",
)


def equivalence_test(result: TestResult, margin: float) -> TestResult:
    """Two one-sided tests (TOST): is the difference smaller than `margin` either way?

    Parameters
    ----------
    result : TestResult
        A two-arm result with `estimate` and `standard_error`, from any test of this package.
    margin : float
        Largest difference that does not matter, on the scale of the estimate; positive.
        Fix it before seeing the data.

    Returns
    -------
    TestResult
        `pvalue` is the larger of the two one-sided p values and `statistic` belongs to it
        (positive: evidence of equivalence). `null_value` is the margin. With
        ``alpha = 1 - result.confidence_level`` the interval has level ``1 - 2 alpha``, since
        p <= alpha exactly where that interval lies within the margins.

    Raises
    ------
    ValueError
        If the margin is not positive, or the result compares more than two arms or is
        itself an equivalence test.

    Warns
    -----
    DegenerateDataWarning
        If the standard error is zero or NaN: nothing can be said.

    See Also
    --------
    smallest_equivalence_margin : The margin at which p equals alpha.

    Notes
    -----
    The result inherits what `result` holds fixed and what it takes as random. Do not choose
    the margin from the data; report :func:`smallest_equivalence_margin` instead.

    References
    ----------
    .. [1] Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure and the
       power approach. Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680.
       :doi:`10.1007/BF01068419`

    Examples
    --------
    >>> from stats_tl.stats import corrected_resampled_ttest, equivalence_test
    >>> d = [[0.003, -0.002, 0.004, 0.000, 0.002], [0.002, -0.004, 0.005, -0.001, 0.003]]
    >>> result = corrected_resampled_ttest(d, n_train=80, n_test=20)
    >>> equivalent = equivalence_test(result, margin=0.01)
    >>> low, high = equivalent.confidence_interval
    >>> print(f"p = {equivalent.pvalue:.5f}, 90 % interval {low:.4f} to {high:.4f}")
    p = 0.00028, 90 % interval -0.0019 to 0.0043
    """
    margin = _check_margin(margin)
    df = _reference_df(result)
    level = round(2 * result.confidence_level - 1, 12)
    if level <= 0:
        raise ValueError(
            "`result` must have a confidence level above 0.5 for a test of equivalence, "
            f"got {result.confidence_level:g}."
        )
    found = Inference(math.nan, math.nan, df)
    if _has_variance(result):
        _, _, interval = wald_inference(
            result.estimate, result.standard_error, df=df, confidence_level=level
        )
        statistic = (margin - abs(result.estimate)) / result.standard_error
        found = Inference(statistic, _upper_tail(statistic, df), df, interval=interval)
    return _derived(
        replace(result, confidence_level=level, alternative="equivalence", null_value=margin),
        found,
        procedure=Procedure(name="equivalence", margin=margin, of=result.procedure),
        method=f"Two one-sided tests of equivalence within +/- {margin:g}, from: {result.method}",
    )


def noninferiority_test(result: TestResult, margin: float) -> TestResult:
    """Is the candidate worse than the reference by less than `margin`?

    Parameters
    ----------
    result : TestResult
        A two-arm result with `estimate` (candidate minus reference) and `standard_error`.
    margin : float
        Largest loss that would be accepted; positive. Fix it before seeing the data.

    Returns
    -------
    TestResult
        One-sided test of ``estimate <= -margin`` (``estimate >= margin`` where lower values are
        better), with the lower confidence bound at
        ``result.confidence_level``. For the 2.5 % one-sided level that regulators ask
        for, give a result computed with ``confidence_level=0.975``.

    Raises
    ------
    ValueError
        If the margin is not positive, or the result compares more than two arms, is itself an
        equivalence test, or is of a metric that is best at a value in between (calibration).

    Warns
    -----
    DegenerateDataWarning
        If the standard error is zero or NaN.

    See Also
    --------
    equivalence_test : Bounds the difference on both sides.

    Notes
    -----
    Worse is lower, unless `result.procedure` says that lower values of its metric are better, as
    for a Brier score: the margin is then the largest *rise* that would be accepted, and
    the upper confidence bound is given. Non-inferior is not superior, nor equivalent.

    References
    ----------
    .. [1] Chen, W., Petrick, N. A. and Sahiner, B. (2012). Hypothesis testing in
       noninferiority and equivalence MRMC ROC studies. Academic Radiology 19, 1158-1165.
       :doi:`10.1016/j.acra.2012.04.011`

    Examples
    --------
    >>> from stats_tl.stats import corrected_resampled_ttest, noninferiority_test
    >>> d = [[0.003, -0.002, 0.004, 0.000, 0.002], [0.002, -0.004, 0.005, -0.001, 0.003]]
    >>> result = corrected_resampled_ttest(d, n_train=80, n_test=20)
    >>> print(f"p = {noninferiority_test(result, margin=0.01).pvalue:.6f}")
    p = 0.000049
    """
    margin = _check_margin(margin)
    df = _reference_df(result)
    better, null_value = "greater", -margin
    if result.procedure.higher_is_better is None:
        raise ValueError(
            f"`result` compares {result.procedure.metric!r}, which is best at a value in between: "
            "neither sign of a difference is worse; use `equivalence_test`."
        )
    if not result.procedure.higher_is_better:
        better, null_value = "less", margin
    found = Inference(math.nan, math.nan, df)
    if _has_variance(result):
        statistic, pvalue, interval = wald_inference(
            result.estimate,
            result.standard_error,
            df=df,
            null_value=null_value,
            alternative=better,
            confidence_level=result.confidence_level,
        )
        found = Inference(statistic, pvalue, df, interval=interval)
    return _derived(
        replace(result, alternative=better, null_value=null_value),
        found,
        procedure=Procedure(name="noninferiority", margin=margin, of=result.procedure),
        method=f"Test of non-inferiority with margin {margin:g}, from: {result.method}",
    )


def smallest_equivalence_margin(result: TestResult, *, alpha: float | None = None) -> float:
    """Smallest margin for which the data support equivalence at level `alpha`.

    Parameters
    ----------
    result : TestResult
        A two-arm result with `estimate` and `standard_error`.
    alpha : float, optional
        Level of the equivalence test; by default ``1 - result.confidence_level``.

    Returns
    -------
    float
        The margin at which :func:`equivalence_test` gives p = alpha: the end of the
        ``1 - 2 alpha`` interval farther from zero. NaN without a standard error.

    Raises
    ------
    ValueError
        If `alpha` is not between 0 and 0.5, or the result compares more than two arms.

    Notes
    -----
    It answers 'how different could they still be?' without a margin chosen beforehand. It
    is a summary, not a test: do not report it as a margin that was planned.

    References
    ----------
    .. [1] Schuirmann DJ. A comparison of the two one-sided tests procedure and the power
       approach. Journal of Pharmacokinetics and Biopharmaceutics 1987;15:657-680.
       :doi:`10.1007/BF01068419`

    Examples
    --------
    >>> from stats_tl.stats import corrected_resampled_ttest, smallest_equivalence_margin
    >>> d = [[0.003, -0.002, 0.004, 0.000, 0.002], [0.002, -0.004, 0.005, -0.001, 0.003]]
    >>> result = corrected_resampled_ttest(d, n_train=80, n_test=20)
    >>> round(smallest_equivalence_margin(result), 4)
    0.0043
    """
    alpha = 1 - result.confidence_level if alpha is None else float(alpha)
    if not 0 < alpha < 0.5:
        raise ValueError(f"`alpha` must be between 0 and 0.5, got {alpha:g}.")
    df = _reference_df(result)
    if not result.standard_error > 0:
        return math.nan
    quantile = scipy.stats.norm.isf(alpha) if math.isinf(df) else scipy.stats.t.isf(alpha, df)
    return abs(result.estimate) + float(quantile) * result.standard_error


def _reference_df(result: TestResult) -> float:
    """Degrees of freedom of the t that belongs to the estimate of a two-arm result."""
    if not isinstance(result, TestResult):
        raise ValueError(
            "`result` must be the TestResult of a comparison of two arms, "
            f"got {type(result).__name__}."
        )
    if result.alternative == "equivalence":
        raise ValueError("`result` is itself a test of equivalence; give the original result.")
    if isinstance(result.df, tuple):
        if result.df[0] != 1:
            raise ValueError(
                f"`result` compares several arms at once (df = {result.df[0]:g} and "
                f"{result.df[1]:g}); give the result of one pair."
            )
        return float(result.df[1])
    if math.isnan(result.estimate) and len(result.estimates) > 2:
        raise ValueError("`result` compares several arms at once; give the result of one pair.")
    if result.df == 1 and result.standard_error > 0:
        wald = (result.estimate - result.null_value) / result.standard_error
        if math.isclose(wald**2, result.statistic, rel_tol=1e-9) and wald != result.statistic:
            return math.inf  # a chi-square on one degree of freedom is a squared normal
    return float(result.df)


def _check_margin(margin: float) -> float:
    if not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"`margin` must be positive, got {margin!r}.")
    return float(margin)


def _has_variance(result: TestResult) -> bool:
    return result.standard_error > 0 and not math.isnan(result.estimate)


def _upper_tail(statistic: float, df: float) -> float:
    return float(
        scipy.stats.norm.sf(statistic) if math.isinf(df) else scipy.stats.t.sf(statistic, df)
    )


def _derived(
    result: TestResult, found: Inference, *, procedure: Procedure, method: str
) -> TestResult:
    """A plain result from `result` (of whatever class) and what the derived test found."""
    own = () if _has_variance(result) else (warn_degenerate(_NO_VARIANCE),)
    return TestResult(
        statistic=found.statistic,
        pvalue=found.pvalue,
        df=found.df,
        estimate=result.estimate,
        estimates=result.estimates,
        standard_error=result.standard_error,
        confidence_interval=found.interval,
        confidence_level=result.confidence_level,
        alternative=result.alternative,
        null_value=result.null_value,
        n_cases=result.n_cases,
        n_groups=result.n_groups,
        method=method,
        warnings=result.warnings + own,
        procedure=procedure,
    )
