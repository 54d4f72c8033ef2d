"""Variance of one AUC from its value and the numbers of cases, without the scores.

Both formulas assume a shape of the score distributions, which replaces the data: the
variance of a published AUC, or of a planned one, can be judged where no score is at hand.
Hanley and McNeil take the scores of either class as exponential, Obuchowski and McClish as
normal. :func:`.binormal_difference_variance` has the paired difference of two AUCs.
"""

from __future__ import annotations

__all__ = ["hanley_mcneil_variance", "obuchowski_variance"]

import math

import scipy

from .._shared.validation import check_positive_int
from .power import check_probability


def hanley_mcneil_variance(auc: float, n_positive: int, n_negative: int) -> float:
    """Variance of an AUC after Hanley and McNeil, from the AUC and the numbers of cases.

    Parameters
    ----------
    auc : float
        AUC, strictly between 0 and 1.
    n_positive, n_negative : int
        Numbers of independent cases (patients), at least 1.

    Returns
    -------
    float
        Variance of the empirical AUC, on the AUC scale.

    Raises
    ------
    ValueError
        If a number is out of range.

    See Also
    --------
    obuchowski_variance : The same question under normal scores.
    roc_auc : DeLong's variance, from the scores.

    Notes
    -----
    With exponential scores two positive cases both score above one negative case with
    probability ``Q1 = A / (2 - A)``, and one positive case scores above two negative ones
    with probability ``Q2 = 2 A**2 / (1 + A)``; the variance of the Mann-Whitney statistic is

        [A (1 - A) + (n1 - 1) (Q1 - A**2) + (n0 - 1) (Q2 - A**2)] / (n1 n0).

    Do not use it where the scores exist: :func:`roc_auc` needs no shape. Do not use it with
    several images per patient counted as cases, for an AUC averaged over the folds or
    repeats of a cross-validation, or twice to compare two models on the same cases, where
    it leaves out their covariance. An observed AUC of 0 or 1 is refused: the formula would
    call it certain.

    References
    ----------
    .. [1] Hanley JA, McNeil BJ. The meaning and use of the area under a receiver operating
       characteristic (ROC) curve. Radiology 1982;143:29-36.
       :doi:`10.1148/radiology.143.1.7063747`

    Examples
    --------
    Its root is the standard error that belongs to an AUC of 0.96 on 78 patients:

    >>> from stats_tl.stats import hanley_mcneil_variance
    >>> round(hanley_mcneil_variance(0.96, 30, 48) ** 0.5, 4)
    0.0259
    """
    auc = check_probability(auc, "auc")
    n1 = check_positive_int(n_positive, name="n_positive")
    n0 = check_positive_int(n_negative, name="n_negative")
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    own = auc * (1 - auc)
    return (own + (n1 - 1) * (q1 - auc**2) + (n0 - 1) * (q2 - auc**2)) / (n1 * n0)


def obuchowski_variance(
    auc: float, n_positive: int, n_negative: int, *, sd_ratio: float = 1.0
) -> float:
    """Variance of a binormal AUC after Obuchowski and McClish.

    Parameters
    ----------
    auc : float
        AUC under the binormal model, strictly between 0 and 1.
    n_positive, n_negative : int
        Numbers of independent cases (patients), at least 1.
    sd_ratio : float, default 1.0
        Standard deviation of negative over that of positive cases (the binormal b).

    Returns
    -------
    float
        Variance of the estimated AUC, on the AUC scale.

    Raises
    ------
    ValueError
        If a number is out of range.

    See Also
    --------
    hanley_mcneil_variance : The same question under exponential scores.
    binormal_difference_variance : Two AUCs on the same cases.

    Notes
    -----
    With ``b = sd_ratio``, ``a = sqrt(1 + b**2) Phi^-1(AUC)``, and f and g the derivatives of
    ``AUC = Phi(a / sqrt(1 + b**2))`` by a and b, the variance is ``f**2 Var(a) + g**2 Var(b)``,
    where ``Var(a) = 1/n1 + b**2/n0 + a**2 / (2 n1)`` and ``Var(b) = b**2 (1/n1 + 1/n0) / 2``.
    At b = 1 it is the known ``0.0099 exp(-a**2/2) [(5 a**2 + 8)/n1 + (a**2 + 8)/n0]``. This
    formula leaves out ``2 f g Cov(a, b)``, which is negative, and is therefore larger
    than the full delta method of ``binormal_difference_variance(method="obuchowski-mcclish")``,
    the more so the further the AUC is from 1/2: with 100 and 200 cases of AUC 0.85 the
    standard error is 0.0284, while that of the empirical AUC is 0.0230 under the same model.
    Use it to check or repeat a published calculation, or as a cautious figure for planning.

    pROC's ``var(method = "obuchowski")`` is this formula at its own fit of a and b, the
    least-squares line of the probits of specificity on those of sensitivity. The slope of that
    line estimates the ratio of spreads the other way round, ``1 / sd_ratio``.

    Do not use it where the scores exist (:func:`roc_auc`), where they are far from normal
    after every monotone transformation, or for several images per patient counted as cases
    (the clustered variance, also Obuchowski's, is that of :func:`roc_auc` with `groups`).

    References
    ----------
    .. [1] Obuchowski NA, McClish DK. Sample size determination for diagnostic accuracy studies
       involving binormal ROC curve indices. Statistics in Medicine 1997;16:1529-1542.
       :doi:`10.1002/(SICI)1097-0258(19970715)16:13<1529::AID-SIM565>3.0.CO;2-H`

    Examples
    --------
    >>> from stats_tl.stats import obuchowski_variance
    >>> round(obuchowski_variance(0.85, 100, 200) ** 0.5, 4)
    0.0284
    """
    z = float(scipy.special.ndtri(check_probability(auc, "auc")))
    n1 = check_positive_int(n_positive, name="n_positive")
    n0 = check_positive_int(n_negative, name="n_negative")
    if not (sd_ratio > 0 and math.isfinite(sd_ratio)):
        raise ValueError(f"`sd_ratio` must be positive, got {sd_ratio!r}.")
    b = float(sd_ratio)
    q = 1 + b * b
    a = z * math.sqrt(q)
    f = math.exp(-z * z / 2) / math.sqrt(2 * math.pi * q)
    g = -f * a * b / q
    variance_a = 1 / n1 + b * b / n0 + a * a / (2 * n1)
    variance_b = b * b * (1 / n1 + 1 / n0) / 2
    return f * f * variance_a + g * g * variance_b
