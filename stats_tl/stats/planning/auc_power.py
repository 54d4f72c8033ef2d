"""Power of a test of one AUC, and of the equivalence of two, under the binormal model."""

from __future__ import annotations

__all__ = [
    "auc_power",
    "auc_sample_size",
    "delong_equivalence_power",
    "delong_equivalence_sample_size",
]

import math

import scipy

from .._shared.inference import check_alternative
from .._shared.validation import check_option, check_positive_int
from .auc_variances import obuchowski_variance
from .delong_power import binormal_difference_variance, binormal_variance, fewest_cases
from .power import check_probability

VARIANCES = ("empirical", "obuchowski")
KINDS = ("equivalence", "noninferiority")


def auc_power(
    auc: float,
    n_positive: int,
    n_negative: int,
    *,
    null_value: float = 0.5,
    sd_ratio: float = 1.0,
    method: str = "empirical",
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> float:
    """Power of a test of one AUC against a null value.

    Parameters
    ----------
    auc : float
        True AUC, strictly between 0 and 1.
    n_positive, n_negative : int
        Numbers of independent cases (patients).
    null_value : float, default 0.5
        AUC under the null hypothesis.
    sd_ratio : float, default 1.0
        Standard deviation of negative over that of positive cases.
    method : {"empirical", "obuchowski"}, default "empirical"
        Variance of the AUC: the exact one of the empirical AUC under normal scores, or
        :func:`obuchowski_variance`, as pROC's ``power.roc.test``.
    alpha : float, default 0.05
        Level of the test.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        About `auc` against `null_value`.

    Returns
    -------
    float
        Probability to reject in the direction of the true difference (of the alternative,
        where it is one-sided).

    Raises
    ------
    ValueError
        If a number is out of range or an option is unknown.

    See Also
    --------
    auc_sample_size : The reverse.
    delong_power : Two AUCs on the same cases.

    Notes
    -----
    Power of the z test that takes the standard error under the null hypothesis, ``Phi((|AUC -
    AUC0| - z sqrt(V0)) / sqrt(V))``. At 0.5 with the empirical variance that is the rank-sum
    test. pROC rounds Obuchowski's constant 1 / (32 pi) to .0099, half a percent too small.

    References
    ----------
    .. [1] Obuchowski NA, McClish DK. Sample size determination for diagnostic accuracy studies
       involving binormal ROC curve indices. Statistics in Medicine 1997;16:1529-1542.
       :doi:`10.1002/(SICI)1097-0258(19970715)16:13<1529::AID-SIM565>3.0.CO;2-H`
    .. [2] Hanley JA, McNeil BJ. The meaning and use of the area under a receiver operating
       characteristic (ROC) curve. Radiology 1982;143:29-36.
       :doi:`10.1148/radiology.143.1.7063747`

    Examples
    --------
    >>> from stats_tl.stats import auc_power
    >>> round(auc_power(0.75, 30, 60, alpha=0.01, method="obuchowski"), 3)
    0.928
    >>> round(auc_power(0.85, 50, 100, null_value=0.75), 3)
    0.71
    """
    check_alternative(alternative)
    check_option(method, VARIANCES, name="method")
    check_probability(alpha, "alpha")
    check_probability(auc, "auc")
    check_probability(null_value, "null_value")
    n1 = check_positive_int(n_positive, name="n_positive", minimum=2)
    n0 = check_positive_int(n_negative, name="n_negative", minimum=2)
    variance = binormal_variance if method == "empirical" else obuchowski_variance
    errors = [math.sqrt(variance(value, n1, n0, sd_ratio=sd_ratio)) for value in (auc, null_value)]
    difference = auc - null_value
    if alternative == "two-sided":
        difference, alpha = abs(difference), alpha / 2
    elif alternative == "less":
        difference = -difference
    critical = -float(scipy.special.ndtri(alpha))
    return float(scipy.special.ndtr((difference - critical * errors[1]) / errors[0]))


def auc_sample_size(
    auc: float,
    *,
    prevalence: float,
    null_value: float = 0.5,
    power: float = 0.8,
    sd_ratio: float = 1.0,
    method: str = "empirical",
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> tuple[int, int]:
    """Fewest positive and negative cases at which a test of one AUC has the power.

    Parameters
    ----------
    auc : float
        True AUC; it must differ from `null_value`.
    prevalence : float
        Share of positive cases in the sample.
    null_value : float, default 0.5
        AUC under the null hypothesis.
    power : float, default 0.8
        Wanted power.
    sd_ratio, method, alpha, alternative
        As in :func:`auc_power`.

    Returns
    -------
    tuple of int
        ``(n_positive, n_negative)``.

    Raises
    ------
    ValueError
        If a number is out of range, an option is unknown, or `auc` is not on the side of
        `null_value` that `alternative` says.

    References
    ----------
    .. [1] Obuchowski NA, McClish DK. Sample size determination for diagnostic accuracy studies
       involving binormal ROC curve indices. Statistics in Medicine 1997;16:1529-1542.
       :doi:`10.1002/(SICI)1097-0258(19970715)16:13<1529::AID-SIM565>3.0.CO;2-H`

    Examples
    --------
    >>> from stats_tl.stats import auc_sample_size
    >>> auc_sample_size(0.85, null_value=0.75, prevalence=1 / 3)
    (60, 119)
    """
    side = {"greater": auc > null_value, "less": auc < null_value}
    if not side.get(alternative, auc != null_value):
        relation = {"greater": "above", "less": "below"}.get(alternative, "other than")
        raise ValueError(f"`auc` must be {relation} `null_value` {null_value:g}, got {auc:g}.")

    def power_at(n_positive: int, n_negative: int) -> float:
        return auc_power(
            auc,
            n_positive,
            n_negative,
            null_value=null_value,
            sd_ratio=sd_ratio,
            method=method,
            alpha=alpha,
            alternative=alternative,
        )

    return fewest_cases(power_at, power, prevalence)


def delong_equivalence_power(
    auc_a: float,
    auc_b: float,
    n_positive: int,
    n_negative: int,
    *,
    margin: float,
    kind: str = "equivalence",
    correlation: float | tuple[float, float] = 0.5,
    sd_ratio: float = 1.0,
    alpha: float = 0.05,
) -> float:
    """Power to show two paired AUCs equivalent, or the first not inferior.

    Parameters
    ----------
    auc_a, auc_b : float
        True AUCs of candidate and reference.
    n_positive, n_negative : int
        Numbers of independent cases (patients) in the test set.
    margin : float
        Largest difference that does not matter; positive.
    kind : {"equivalence", "noninferiority"}, default "equivalence"
        :func:`equivalence_test` or :func:`noninferiority_test` on :func:`delong_test`.
    correlation : float or tuple of float, default 0.5
        Correlation between the scores of the arms within positive and negative cases.
    sd_ratio : float, default 1.0
        Standard deviation of negative over that of positive cases.
    alpha : float, default 0.05
        Level of each one-sided test.

    Returns
    -------
    float
        Probability that the test is significant; 0 where so few cases can never show it.

    Raises
    ------
    ValueError
        If a number is out of range or `kind` is unknown.

    See Also
    --------
    delong_equivalence_sample_size : The reverse.

    Notes
    -----
    With d the true difference, s its standard error and z the upper quantile of the normal,
    the power is ``Phi((margin + d) / s - z)``, for equivalence plus ``Phi((margin - d) / s - z)
    - 1``. Holds for *these fitted models, new patients*.

    References
    ----------
    .. [1] Obuchowski NA. Testing for equivalence of diagnostic tests. American Journal of
       Roentgenology 1997;168:13-17. :doi:`10.2214/ajr.168.1.8976911`
    .. [2] Liu JP, Ma MC, Wu CY, Tai JY. Tests of equivalence and non-inferiority for
       diagnostic accuracy based on the paired areas under ROC curves. Statistics in Medicine
       2006;25:1219-1238. :doi:`10.1002/sim.2358`

    Examples
    --------
    >>> from stats_tl.stats import delong_equivalence_power
    >>> round(delong_equivalence_power(0.85, 0.85, 200, 400, margin=0.05, correlation=0.6), 3)
    0.88
    """
    check_option(kind, KINDS, name="kind")
    check_probability(alpha, "alpha")
    if not 0 < margin < 1:
        raise ValueError(f"`margin` must be positive and below 1, got {margin!r}.")
    variance = binormal_difference_variance(
        auc_a, auc_b, n_positive, n_negative, correlation=correlation, sd_ratio=sd_ratio
    )
    error = math.sqrt(variance)
    difference = auc_a - auc_b
    if error == 0:
        inside = difference > -margin and (kind == "noninferiority" or difference < margin)
        return float(inside)
    critical = -float(scipy.special.ndtri(alpha))
    below = float(scipy.special.ndtr((margin + difference) / error - critical))
    if kind == "noninferiority":
        return below
    above = float(scipy.special.ndtr((margin - difference) / error - critical))
    return max(below + above - 1, 0.0)


def delong_equivalence_sample_size(
    auc_a: float,
    auc_b: float,
    *,
    margin: float,
    prevalence: float,
    kind: str = "equivalence",
    power: float = 0.8,
    correlation: float | tuple[float, float] = 0.5,
    sd_ratio: float = 1.0,
    alpha: float = 0.05,
) -> tuple[int, int]:
    """Fewest positive and negative cases that show equivalence or noninferiority.

    Parameters
    ----------
    auc_a, auc_b : float
        True AUCs of candidate and reference; their difference must lie within the margin.
    margin : float
        Largest difference that does not matter; positive.
    prevalence : float
        Share of positive cases in the sample.
    kind : {"equivalence", "noninferiority"}, default "equivalence"
        As in :func:`delong_equivalence_power`.
    power : float, default 0.8
        Wanted power.
    correlation, sd_ratio, alpha
        As in :func:`delong_equivalence_power`.

    Returns
    -------
    tuple of int
        ``(n_positive, n_negative)``.

    Raises
    ------
    ValueError
        If a number is out of range or the difference is not within the margin.

    References
    ----------
    .. [1] Liu JP, Ma MC, Wu CY, Tai JY. Tests of equivalence and non-inferiority for
       diagnostic accuracy based on the paired areas under ROC curves. Statistics in Medicine
       2006;25:1219-1238. :doi:`10.1002/sim.2358`

    Examples
    --------
    >>> from stats_tl.stats import delong_equivalence_sample_size
    >>> delong_equivalence_sample_size(
    ...     0.85, 0.85, margin=0.05, kind="noninferiority", prevalence=1 / 3, correlation=0.6
    ... )
    (121, 243)
    """
    check_option(kind, KINDS, name="kind")
    difference = auc_a - auc_b
    # .9 - .8 is a little less than .1
    largest = margin - 1e-12
    if difference <= -largest or (kind == "equivalence" and difference >= largest):
        raise ValueError(
            f"The difference of the AUCs, {difference:g}, must lie within the margin {margin:g}."
        )

    def power_at(n_positive: int, n_negative: int) -> float:
        return delong_equivalence_power(
            auc_a,
            auc_b,
            n_positive,
            n_negative,
            margin=margin,
            kind=kind,
            correlation=correlation,
            sd_ratio=sd_ratio,
            alpha=alpha,
        )

    return fewest_cases(power_at, power, prevalence)
