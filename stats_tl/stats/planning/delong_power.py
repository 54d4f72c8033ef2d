"""Power of DeLong's test under the binormal model.

Scores are normal in either class. With ``b = sigma0 / sigma1`` and ``z = Phi^-1(AUC)``, two
curves on the same cases, and psi the indicator that a positive case scores higher than a
negative one, the chance that both arms are right on pairs that share a case is a
bivariate normal probability whose correlation is ``r1 / (1 + b**2)`` where the positive case
is shared, ``r0 b**2 / (1 + b**2)`` where the negative one is, and the sum of both where
both are. This gives the exact variance of a difference of empirical AUCs.
"""

from __future__ import annotations

__all__ = [
    "binormal_difference_variance",
    "binormal_variance",
    "delong_power",
    "delong_sample_size",
    "fewest_cases",
]

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy

from .._shared.validation import check_positive_int
from .power import check_probability, power_of_t

# No study has as many; a difference so small is an error of the input.
MOST_CASES = 10**12
NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)


def binormal_difference_variance(
    auc_a: float,
    auc_b: float,
    n_positive: int,
    n_negative: int,
    *,
    correlation: float | tuple[float, float] = 0.5,
    sd_ratio: float = 1.0,
    method: str = "empirical",
) -> float:
    """Variance of a difference of two paired AUCs under the binormal model.

    Parameters
    ----------
    auc_a, auc_b : float
        Expected AUCs, strictly between 0 and 1.
    n_positive, n_negative : int
        Numbers of independent cases (patients).
    correlation : float or tuple of float, default 0.5
        Correlation between the scores of the arms, within positive and within negative cases.
    sd_ratio : float, default 1.0
        Standard deviation of negative over that of positive cases.
    method : {"empirical", "obuchowski-mcclish"}, default "empirical"
        Exact variance of the difference of empirical AUCs, which DeLong's test uses; or
        the delta-method variance of binormal maximum-likelihood AUCs.

    Returns
    -------
    float
        Variance of ``AUC_a - AUC_b``.

    Raises
    ------
    ValueError
        If a number is out of range or `method` is unknown.

    Notes
    -----
    Obuchowski and McClish's variance is that of a parametric estimator and therefore some 5
    to 10 % smaller than that of DeLong's test. Real scores are not binormal: where an archive
    of scores exists, use its variances.

    References
    ----------
    .. [1] Obuchowski, N. A. and McClish, D. K. (1997). Sample size determination for
       diagnostic accuracy studies involving binormal ROC curve indices. Statistics in
       Medicine 16, 1529-1542.
       :doi:`10.1002/(SICI)1097-0258(19970715)16:13<1529::AID-SIM565>3.0.CO;2-H`
    .. [2] Bamber, D. (1975). The area above the ordinal dominance graph and the area below
       the receiver operating characteristic graph. Journal of Mathematical Psychology 12,
       387-415. :doi:`10.1016/0022-2496(75)90001-2`

    Examples
    --------
    >>> from stats_tl.stats import binormal_difference_variance
    >>> round(binormal_difference_variance(0.85, 0.80, 100, 200, correlation=0.6) ** 0.5, 4)
    0.024
    """
    r1, r0 = correlation if isinstance(correlation, tuple) else (correlation, correlation)
    for value in (r1, r0):
        if not -1 <= value <= 1:
            raise ValueError(f"`correlation` must lie between -1 and 1, got {value!r}.")
    if not (sd_ratio > 0 and math.isfinite(sd_ratio)):
        raise ValueError(f"`sd_ratio` must be positive, got {sd_ratio!r}.")
    n1 = check_positive_int(n_positive, name="n_positive", minimum=2)
    n0 = check_positive_int(n_negative, name="n_negative", minimum=2)
    z = [
        float(scipy.special.ndtri(check_probability(auc, name)))
        for name, auc in (("auc_a", auc_a), ("auc_b", auc_b))
    ]
    covariance = {
        "empirical": _empirical_covariance,
        "obuchowski-mcclish": _parametric_covariance,
    }.get(method)
    if covariance is None:
        raise ValueError(f"`method` must be 'empirical' or 'obuchowski-mcclish', got {method!r}.")
    model = _Binormal(r1, r0, n1, n0, sd_ratio)
    alone = model._replace(r1=1.0, r0=1.0)
    own = sum(covariance(x, x, alone) for x in z)
    return max(own - 2 * covariance(z[0], z[1], model), 0.0)


class _Binormal(NamedTuple):
    """Correlations between the arms, numbers of cases, and the ratio of standard deviations."""

    r1: float
    r0: float
    n1: int
    n0: int
    b: float


def binormal_variance(
    auc: float, n_positive: int, n_negative: int, *, sd_ratio: float = 1.0
) -> float:
    """Exact variance of one empirical AUC under normal scores."""
    if not (sd_ratio > 0 and math.isfinite(sd_ratio)):
        raise ValueError(f"`sd_ratio` must be positive, got {sd_ratio!r}.")
    z = float(scipy.special.ndtri(auc))
    return _empirical_covariance(z, z, _Binormal(1.0, 1.0, n_positive, n_negative, sd_ratio))


def _empirical_covariance(z1: float, z2: float, model: _Binormal) -> float:
    """Covariance of two U statistics from pairs sharing either case or both."""
    r1, r0, n1, n0, b = model
    positive, negative = r1 / (1 + b * b), r0 * b * b / (1 + b * b)
    return (
        (n0 - 1) * _excess(z1, z2, positive)
        + (n1 - 1) * _excess(z1, z2, negative)
        + _excess(z1, z2, positive + negative)
    ) / (n1 * n0)


def _excess(z1: float, z2: float, rho: float) -> float:
    """P(Z1 < z1, Z2 < z2) - Phi(z1) Phi(z2) for normals of correlation rho (Plackett)."""
    half = math.asin(min(max(rho, -1.0), 1.0)) / 2
    angle = half * (NODES + 1)
    exponent = -(z1 * z1 + z2 * z2 - 2 * z1 * z2 * np.sin(angle)) / (2 * np.cos(angle) ** 2)
    return float(half * (WEIGHTS * np.exp(exponent)).sum() / (2 * math.pi))


def _parametric_covariance(z1: float, z2: float, model: _Binormal) -> float:
    """Delta method on the maximum-likelihood estimates of a = (mu1 - mu0) / sigma1 and b."""
    r1, r0, n1, n0, b = model
    q = 1 + b * b
    a1, a2 = z1 * math.sqrt(q), z2 * math.sqrt(q)
    gradients = []
    for a in (a1, a2):
        f = math.exp(-a * a / (2 * q)) / math.sqrt(2 * math.pi * q)
        gradients.append(np.array([f, -f * a * b / q]))
    inner = np.array(
        [
            [r1 / n1 + r0 * b * b / n0 + r1**2 * a1 * a2 / (2 * n1), r1**2 * a1 * b / (2 * n1)],
            [r1**2 * a2 * b / (2 * n1), b * b * (r1**2 / n1 + r0**2 / n0) / 2],
        ]
    )
    return float(gradients[0] @ inner @ gradients[1])


def delong_power(
    auc_a: float,
    auc_b: float,
    n_positive: int,
    n_negative: int,
    *,
    correlation: float | tuple[float, float] = 0.5,
    sd_ratio: float = 1.0,
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> float:
    """Power of the paired DeLong test under the binormal model.

    Parameters
    ----------
    auc_a, auc_b : float
        True AUCs of candidate and reference.
    n_positive, n_negative : int
        Numbers of independent cases (patients) in the test set.
    correlation : float or tuple of float, default 0.5
        Correlation between the scores of the arms within positive and negative cases.
    sd_ratio : float, default 1.0
        Standard deviation of negative over that of positive cases.
    alpha : float, default 0.05
        Level of the test.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        Direction of candidate minus reference.

    Returns
    -------
    float
        Probability to reject in the direction of the true difference (of the alternative,
        where it is one-sided).

    Raises
    ------
    ValueError
        If a number is out of range.

    See Also
    --------
    delong_sample_size : The reverse.

    Notes
    -----
    Holds for *these fitted models, new patients*. It says nothing on training runs: use
    :func:`repeated_cv_power` or :func:`simulate_design` there.

    References
    ----------
    .. [1] Obuchowski NA, McClish DK. Sample size determination for diagnostic accuracy studies
       involving binormal ROC curve indices. Statistics in Medicine 1997;16:1529-1542.
       :doi:`10.1002/(SICI)1097-0258(19970715)16:13<1529::AID-SIM565>3.0.CO;2-H`

    Examples
    --------
    >>> from stats_tl.stats import delong_power
    >>> round(delong_power(0.85, 0.80, 100, 200, correlation=0.6), 3)
    0.551
    """
    check_probability(alpha, "alpha")
    variance = binormal_difference_variance(
        auc_a, auc_b, n_positive, n_negative, correlation=correlation, sd_ratio=sd_ratio
    )
    return power_of_t(auc_a - auc_b, math.sqrt(variance), math.inf, alpha, alternative)


def delong_sample_size(
    auc_a: float,
    auc_b: float,
    *,
    prevalence: float,
    power: float = 0.8,
    correlation: float | tuple[float, float] = 0.5,
    sd_ratio: float = 1.0,
    alpha: float = 0.05,
) -> tuple[int, int]:
    """Fewest positive and negative cases at which a two-sided paired DeLong test has the power.

    Parameters
    ----------
    auc_a, auc_b : float
        True AUCs of candidate and reference; they must differ.
    prevalence : float
        Share of positive cases in the sample.
    power : float, default 0.8
        Wanted power.
    correlation, sd_ratio, alpha
        As in :func:`delong_power`.

    Returns
    -------
    tuple of int
        ``(n_positive, n_negative)``.

    Raises
    ------
    ValueError
        If a number is out of range or the AUCs are equal.

    Notes
    -----
    Do not use it for a comparison of training procedures, nor with a correlation taken from
    a handful of cases: the answer is most sensitive to it.

    References
    ----------
    .. [1] Obuchowski NA, McClish DK. Sample size determination for diagnostic accuracy studies
       involving binormal ROC curve indices. Statistics in Medicine 1997;16:1529-1542.
       :doi:`10.1002/(SICI)1097-0258(19970715)16:13<1529::AID-SIM565>3.0.CO;2-H`

    Examples
    --------
    >>> from stats_tl.stats import delong_sample_size
    >>> delong_sample_size(0.85, 0.80, prevalence=1 / 3, correlation=0.6)
    (180, 359)
    """
    if auc_a == auc_b:
        raise ValueError(f"`auc_a` and `auc_b` must differ, got {auc_a:g} for both.")

    def power_at(n_positive: int, n_negative: int) -> float:
        return delong_power(
            auc_a,
            auc_b,
            n_positive,
            n_negative,
            correlation=correlation,
            sd_ratio=sd_ratio,
            alpha=alpha,
        )

    return fewest_cases(power_at, power, prevalence)


def fewest_cases(
    power_at: Callable[[int, int], float], power: float, prevalence: float
) -> tuple[int, int]:
    """Fewest positive and negative cases at which `power_at` reaches the wanted power."""
    check_probability(prevalence, "prevalence")
    wanted = check_probability(power, "power")

    def split(n: int) -> tuple[int, int]:
        return max(2, math.ceil(n * prevalence)), max(2, math.ceil(n * (1 - prevalence)))

    def reached(n: int) -> bool:
        return power_at(*split(n)) >= wanted

    low, high = 2, 4
    while not reached(high):
        if high > MOST_CASES:
            raise ValueError(
                f"More than {MOST_CASES:,} cases would be needed; check the AUCs and the power."
            )
        low, high = high, 2 * high
    # Not reached at `low`, reached at `high`.
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return split(low if reached(low) else high)
