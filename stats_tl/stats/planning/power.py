"""Power and sample size, from plain numbers, before an experiment is run.

Power is the probability to reject *in the right direction*. Every function here assumes
that the variances it is given hold in the coming experiment: take them from a pilot or an
archive, and look at a range.
"""

from __future__ import annotations

__all__ = [
    "corrected_ttest_power",
    "mrmc_power",
    "repeated_cv_power",
    "smallest_detectable_difference",
]

import math

import scipy

from .._shared.inference import check_alternative
from .._shared.validation import check_positive_int
from ..crossvalidation.elasticity import check_elasticity, learning_curve_variance


def smallest_detectable_difference(
    standard_error: float, df: float = math.inf, *, alpha: float = 0.05, power: float = 0.8
) -> float:
    """Smallest true difference that a two-sided t or z test finds with a given power.

    Parameters
    ----------
    standard_error : float
        Standard error of the estimated difference.
    df : float, default inf
        Degrees of freedom; infinite for a z test.
    alpha : float, default 0.05
        Two-sided level.
    power : float, default 0.8
        Probability to reject in the right direction; above ``alpha / 2``.

    Returns
    -------
    float
        The difference, in the units of `standard_error`.

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    Computed after the experiment from its own standard error it says what *could have been*
    found. It is not the power of the test that was done, and no second verdict on it.

    References
    ----------
    .. [1] Hoenig JM, Heisey DM. The abuse of power. The American Statistician 2001;55:19-24.
       :doi:`10.1198/000313001300339897`

    Examples
    --------
    >>> from stats_tl.stats import smallest_detectable_difference
    >>> round(smallest_detectable_difference(0.01), 5)
    0.02802
    >>> round(smallest_detectable_difference(0.01, df=9), 5)
    0.0315
    """
    check_probability(alpha, "alpha")
    check_probability(power, "power")
    if not (standard_error >= 0 and math.isfinite(standard_error)):
        raise ValueError(f"`standard_error` must be zero or positive, got {standard_error!r}.")
    if not df > 0:
        raise ValueError(f"`df` must be positive, got {df!r}.")
    if power <= alpha / 2:
        raise ValueError(f"`power` must exceed alpha / 2 = {alpha / 2:g}, got {power:g}.")
    if math.isinf(df):
        return standard_error * float(
            scipy.special.ndtri(1 - alpha / 2) + scipy.special.ndtri(power)
        )
    upper = 1.0
    while _right_power(upper, df, alpha, "two-sided") < power:
        upper *= 2
    shift = scipy.optimize.brentq(
        lambda x: _right_power(x, df, alpha, "two-sided") - power, 0.0, upper, xtol=1e-12
    )
    return standard_error * float(shift)


def corrected_ttest_power(
    difference: float,
    standard_deviation: float,
    *,
    n_values: int,
    n_train: float,
    n_test: float,
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> float:
    """Power of the Nadeau-Bengio corrected resampled t test.

    Parameters
    ----------
    difference : float
        True mean difference.
    standard_deviation : float
        Standard deviation of the differences over folds and repeats.
    n_values : int
        Number of differences, repeats times folds.
    n_train, n_test : float
        Cases in the training and in the test part of one resampling.
    alpha : float, default 0.05
        Level of the test.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        Direction of candidate minus reference.

    Returns
    -------
    float
        Power if the corrected variance is the true one. The true one is usually smaller,
        and the power somewhat different.

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    More repeats do not help beyond a point: the term ``n_test / n_train`` stays.
    Do not use it to plan a study that keeps the scores of its cases:
    :func:`repeated_cv_power` belongs to the more powerful test.

    References
    ----------
    .. [1] Nadeau C, Bengio Y. Inference for the generalization error. Machine Learning
       2003;52:239-281. :doi:`10.1023/A:1024068626366`

    Examples
    --------
    >>> from stats_tl.stats import corrected_ttest_power
    >>> round(corrected_ttest_power(0.03, 0.03, n_values=50, n_train=80, n_test=20), 3)
    0.471
    """
    check_probability(alpha, "alpha")
    n = check_positive_int(n_values, name="n_values", minimum=2)
    for name, value in (
        ("standard_deviation", standard_deviation),
        ("n_train", n_train),
        ("n_test", n_test),
    ):
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"`{name}` must be positive, got {value!r}.")
    standard_error = standard_deviation * math.sqrt(1 / n + n_test / n_train)
    return power_of_t(difference, standard_error, n - 1, alpha, alternative)


def repeated_cv_power(
    difference: float,
    *,
    case_variance: float,
    shared_variance: float,
    repeat_variance: float,
    n_repeats: int,
    elasticity: float = 1.0,
    method: str = "learning-curve",
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> float:
    """Power of :func:`repeated_cv_test` from variance components.

    Parameters
    ----------
    difference : float
        True difference between the procedures, in AUC or whatever metric the components are of.
    case_variance, shared_variance, repeat_variance : float
        As in :class:`CVComponents`, of ``repeated_cv_components(metric=...)``: the variance of one
        repeat (of the AUC DeLong's), the covariance between repeats, the variance between repeats.
    n_repeats : int
        Number of repeats M, at least 2.
    elasticity : float, default 1.0
        Slope of the learning curve, or what :class:`CVComponents` gives: at least -1, above 1
        where halvings show that training adds more variance than testing.
    method : {"learning-curve", "repeat-delong", "larger-variance"}
        Variance that the test uses.
    alpha : float, default 0.05
        Level of the test.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        Direction of candidate minus reference.

    Returns
    -------
    float
        Power if the estimate varies by ``(1 + elasticity)**2 C + s2 / M`` around the truth.

    Raises
    ------
    ValueError
        If a number is out of range or `method` is unknown.

    See Also
    --------
    simulate_design : The same by simulation, over many designs.

    Notes
    -----
    Do not use it with components from a small pilot as if they were known, nor to say what the
    power of a study already done was.

    References
    ----------
    .. [1] LeDell E, Petersen M, van der Laan M. Computationally efficient confidence intervals
       for cross-validated area under the ROC curve estimates. Electronic Journal of
       Statistics 2015;9:1583-1607. :doi:`10.1214/15-EJS1035`

    Examples
    --------
    >>> from stats_tl.stats import repeated_cv_power
    >>> parts = {"case_variance": 4e-4, "shared_variance": 2e-4, "repeat_variance": 1e-4}
    >>> round(repeated_cv_power(0.05, **parts, n_repeats=10, elasticity=0.3), 3)
    0.764
    """
    check_probability(alpha, "alpha")
    check_positive_int(n_repeats, name="n_repeats", minimum=2)
    for name, value in (
        ("case_variance", case_variance),
        ("shared_variance", shared_variance),
        ("repeat_variance", repeat_variance),
    ):
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"`{name}` must be zero or positive, got {value!r}.")
    true, df = learning_curve_variance(
        shared_variance, repeat_variance, check_elasticity(elasticity), n_repeats
    )
    used = {
        "learning-curve": (true, df),
        "repeat-delong": (case_variance, math.inf),
        "larger-variance": max((true, df), (case_variance, math.inf), key=lambda v: v[0]),
    }.get(method)
    if used is None:
        raise ValueError(
            "`method` must be 'learning-curve', 'repeat-delong' or 'larger-variance', "
            f"got {method!r}; see `corrected_ttest_power` for Nadeau-Bengio."
        )
    return power_of_t(
        difference, math.sqrt(true), used[1], alpha, alternative, used_error=math.sqrt(used[0])
    )


def mrmc_power(
    difference: float,
    *,
    n_readers: int,
    n_cases: int,
    pilot_cases: int,
    arm_reader_variance: float,
    error_variance: float,
    cov1: float,
    cov2: float,
    cov3: float,
    readers: str = "random",
    alpha: float = 0.05,
) -> float:
    """Power of the two-arm Obuchowski-Rockette test from variance components.

    Parameters
    ----------
    difference : float
        True difference in mean AUC.
    n_readers, n_cases : int
        The planned design; readers are training runs here.
    pilot_cases : int
        Cases from which the error components were estimated; these scale with
        ``pilot_cases / n_cases`` at the same prevalence.
    arm_reader_variance : float
        Variance of the arm-by-reader interaction; negative estimates count as zero.
    error_variance, cov1, cov2, cov3 : float
        Components of the errors, as in ``MRMCResult.variance_components``.
    readers : {"random", "fixed"}, default "random"
        Whether the conclusion goes beyond the readers at hand.
    alpha : float, default 0.05
        Level of the test.

    Returns
    -------
    float
        Power of the (two-sided) F test, or of the chi-square with fixed readers; either
        direction counts, as the omnibus test has none.

    Raises
    ------
    ValueError
        If a number is out of range, or the components leave no variance.

    Notes
    -----
    Do not use components from a pilot with two or three readers without a margin: their
    variances are hardly known. Out-of-fold scores of repeated cross-validation are no readers.

    References
    ----------
    .. [1] Hillis, S. L., Obuchowski, N. A. and Berbaum, K. S. (2011). Power estimation for
       multireader ROC methods: an updated and unified approach. Academic Radiology 18,
       129-142. :doi:`10.1016/j.acra.2010.09.007`

    Examples
    --------
    >>> from stats_tl.stats import mrmc_power
    >>> parts = {"arm_reader_variance": 2e-4, "error_variance": 8e-4, "cov1": 3.4e-4}
    >>> parts |= {"cov2": 3.4e-4, "cov3": 2.4e-4, "pilot_cases": 114}
    >>> [round(mrmc_power(0.05, n_readers=r, n_cases=200, **parts), 2) for r in (3, 5, 10)]
    [0.49, 0.79, 0.94]
    """
    check_probability(alpha, "alpha")
    if readers not in ("random", "fixed"):
        raise ValueError(f"`readers` must be 'random' or 'fixed', got {readers!r}.")
    r = check_positive_int(n_readers, name="n_readers", minimum=2 if readers == "random" else 1)
    scale = check_positive_int(pilot_cases, name="pilot_cases") / check_positive_int(
        n_cases, name="n_cases"
    )
    excess = max(cov2 - cov3, 0.0)
    interaction = max(arm_reader_variance, 0.0) if readers == "random" else 0.0
    variance = interaction + scale * (error_variance - cov1 + (r - 1) * excess)
    mean_square = interaction + scale * (error_variance - cov1 - excess)
    if not variance > 0 or (readers == "random" and not mean_square > 0):
        raise ValueError(
            "`error_variance` must exceed `cov1` plus any excess of `cov2` over `cov3` where the "
            f"readers do not vary, got {error_variance:g}, {cov1:g}, {cov2:g} and {cov3:g}."
        )
    noncentrality = r * difference**2 / 2 / variance
    if noncentrality == 0:  # where scipy's noncentral F is not defined
        return alpha
    if readers == "fixed":
        return float(scipy.stats.ncx2.sf(scipy.stats.chi2.isf(alpha, 1), 1, noncentrality))
    df = (r - 1) * (variance / mean_square) ** 2
    return float(scipy.stats.ncf.sf(scipy.stats.f.isf(alpha, 1, df), 1, df, noncentrality))


def power_of_t(
    difference: float,
    true_error: float,
    df: float,
    alpha: float,
    alternative: str,
    *,
    used_error: float | None = None,
) -> float:
    """Power of a t test whose estimate varies by `true_error` but is divided by `used_error`."""
    check_alternative(alternative)
    if alternative == "less":
        difference, alternative = -difference, "greater"
    elif alternative == "two-sided":
        difference = abs(difference)
    if true_error == 0:
        return 1.0 if difference > 0 else 0.0
    stretch = 1.0 if used_error is None else used_error / true_error
    return _right_power(difference / true_error, df, alpha, alternative, stretch)


def _right_power(
    shift: float, df: float, alpha: float, alternative: str, stretch: float = 1.0
) -> float:
    tail = alpha / 2 if alternative == "two-sided" else alpha
    if math.isinf(df):
        return float(scipy.stats.norm.sf(stretch * scipy.stats.norm.isf(tail) - shift))
    return float(scipy.stats.nct.sf(stretch * scipy.stats.t.isf(tail, df), df, shift))


def check_probability(value: float, name: str) -> float:
    """`value` as float, or ValueError unless strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"`{name}` must be between 0 and 1, got {value!r}.")
    return float(value)
