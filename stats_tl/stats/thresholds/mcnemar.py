"""McNemar's test: two models at fixed thresholds, compared by their discordant cases."""

from __future__ import annotations

__all__ = ["mcnemar_test", "operating_point_test"]

import math
from dataclasses import replace
from typing import Any

import numpy as np
import scipy

from .._shared.inference import Hypothesis, Inference, SampleSize, conclude
from .._shared.paired_sample import PairedSample
from .._shared.validation import as_groups, as_labels, check_option
from ..procedure import Procedure, ResultWarning
from ..results import ConfidenceInterval, TestResult
from .clustered_pairs import CLUSTER_METHODS, clustered_pairs, shares
from .operating import check_threshold

METHODS = ("exact", "mid-p", "chi-square", "chi-square-corrected")
NO_DISCORDANT = ResultWarning("no-discordant-cases", "no discordant cases: p = 1 is a convention")


def mcnemar_test(
    success_a: Any,
    success_b: Any,
    *,
    groups: Any = None,
    method: str = "exact",
    cluster_method: str = "obuchowski",
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
) -> TestResult:
    """McNemar's test of two proportions on the same cases.

    Parameters
    ----------
    success_a, success_b : array_like of shape (n,)
        Whether the candidate and the reference were right, 0/1 or booleans.
    groups : array_like of shape (n,), optional
        Patient of each case. The test is then that of `cluster_method`, with a normal
        reference; `method` is not used.
    method : {"exact", "mid-p", "chi-square", "chi-square-corrected"}
        Binomial test on the discordant cases, its mid-p version (less conservative), or
        chi-square without or with the continuity correction.
    cluster_method : {"obuchowski", "durkalski", "eliasziw-donner"}
        Test with `groups`. Obuchowski's weights cases alike: the sum over the K patients of
        their differences in successes, over the root of K / (K - 1) times the sum of its
        squares. Durkalski's weights patients alike: it takes the difference of each
        patient's proportions instead, without the factor. Eliasziw and Donner's divides
        McNemar's chi-square by 1 + (n_c - 1) rho, with rho the correlation of a patient's
        discordant cases, from an analysis of variance. With one case a patient the last two
        are the uncorrected chi-square, and Obuchowski's is (K - 1) / K times it.
    alternative : {"two-sided", "less", "greater"}
        About the proportion of a minus that of b against 0.
    confidence_level : float
        Coverage of the interval, one-sided for a one-sided alternative.

    Returns
    -------
    TestResult
        ``statistic`` is the number of cases that only a got right (exact, mid-p), chi-square
        on 1 degree of freedom, or z (clusters). ``estimate`` is the difference of the
        proportions (of the means over patients with Durkalski's test); the interval is
        Bonett and Price's adjusted Wald interval, or the Wald interval over patients.

    Raises
    ------
    ValueError
        If lengths differ, a value is neither 0 nor 1, all cases belong to one patient, or
        Eliasziw and Donner's correlation leaves no positive variance.

    Notes
    -----
    Use mid-p where the exact test is too conservative (few discordant cases); avoid the
    corrected chi-square, which is more conservative than either. Without `groups` do not
    use it for several images of a patient. Eliasziw and Donner assume one correlation for
    all patients; where the difference depends on how many cases a patient has, Durkalski's
    test and the other two are about different quantities.

    References
    ----------
    .. [1] McNemar Q. Psychometrika 1947;12:153-157. :doi:`10.1007/BF02295996`
    .. [2] Fagerland MW, Lydersen S, Laake P. The McNemar test for binary matched-pairs
       data: mid-p and asymptotic are better than exact conditional. BMC Medical Research
       Methodology 2013;13:91. :doi:`10.1186/1471-2288-13-91`
    .. [3] Durkalski VL, Palesch YY, Lipsitz SR, Rust PF. Analysis of clustered matched-pair
       data. Statistics in Medicine 2003;22:2417-2428. :doi:`10.1002/sim.1438`
    .. [4] Bonett DG, Price RM. Adjusted Wald confidence interval for a difference of
       binomial proportions based on paired data. Journal of Educational and Behavioral
       Statistics 2012;37:479-488. :doi:`10.3102/1076998611411915`
    .. [5] Obuchowski NA. On the comparison of correlated proportions for clustered data.
       Statistics in Medicine 1998;17:1495-1507.
    .. [6] Eliasziw M, Donner A. Application of the McNemar test to non-independent matched
       pair data. Statistics in Medicine 1991;10:1981-1991. :doi:`10.1002/sim.4780101211`

    Examples
    --------
    >>> from stats_tl.stats import mcnemar_test
    >>> a = [1, 1, 1, 1, 1, 1, 0, 1, 1, 1]
    >>> b = [1, 0, 0, 0, 1, 0, 1, 0, 0, 1]
    >>> round(mcnemar_test(a, b, method="mid-p").pvalue, 4)
    0.0703
    """
    right_a = as_labels(success_a, name="success_a", both_classes=False)
    right_b = as_labels(success_b, name="success_b", both_classes=False)
    if right_a.size != right_b.size:
        raise ValueError(
            "`success_a` and `success_b` must have one entry per case each, got "
            f"{right_a.size} and {right_b.size}."
        )
    codes = as_groups(groups, right_a.size)
    check_option(method, METHODS, name="method")
    check_option(cluster_method, tuple(CLUSTER_METHODS), name="cluster_method")
    hypothesis = Hypothesis(alternative, confidence_level=confidence_level)
    difference = right_a.astype(np.float64) - right_b
    if codes is None:
        found = _independent(difference, method, hypothesis)
        procedure = Procedure(name="mcnemar", version=method, n_arms=2)
        sentence = f"McNemar's test, {method}, of two paired proportions (cases random)"
    else:
        found = clustered_pairs(right_a, right_b, codes, cluster_method, hypothesis)
        procedure = Procedure(name="mcnemar", version=cluster_method, clustered=True, n_arms=2)
        name = CLUSTER_METHODS[cluster_method]
        sentence = f"{name} test of two paired proportions (patients random)"
    return conclude(
        hypothesis,
        found,
        estimates=(
            shares(right_a, codes, cluster_method),
            shares(right_b, codes, cluster_method),
        ),
        size=SampleSize(difference.size, None if codes is None else int(codes.max()) + 1),
        procedure=procedure,
        method=sentence,
        warnings=() if difference.any() else (NO_DISCORDANT,),
    )


def _independent(difference: np.ndarray, method: str, hypothesis: Hypothesis) -> Inference:
    """McNemar's test with Bonett and Price's interval."""
    only_a, only_b = int((difference > 0).sum()), int((difference < 0).sum())
    estimate = (only_a - only_b) / difference.size
    statistic, pvalue = _mcnemar(only_a, only_b, method, hypothesis.alternative)
    standard_error = math.sqrt(
        max((only_a + only_b) / difference.size - estimate**2, 0) / difference.size
    )
    # Adding a discordant case of each kind keeps the interval from collapsing.
    n = difference.size + 2
    shares = (only_a + 1) / n, (only_b + 1) / n
    centre = shares[0] - shares[1]
    interval = _within(centre, math.sqrt((sum(shares) - centre**2) / n), hypothesis)
    df = 1.0 if method.startswith("chi-square") else math.inf
    return Inference(statistic, pvalue, df, estimate, standard_error, interval)


def operating_point_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    threshold_a: float,
    threshold_b: float,
    metric: str = "sensitivity",
    groups: Any = None,
    method: str = "exact",
    cluster_method: str = "obuchowski",
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
) -> TestResult:
    """McNemar test of two sensitivities, specificities or accuracies at fixed thresholds.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores_a, scores_b : array_like of shape (n,)
        Scores of the candidate and of the reference for the same cases in the same order.
    threshold_a, threshold_b : float
        Thresholds fixed on other data; scores at or above count as positive.
    metric : {"sensitivity", "specificity", "accuracy"}
        What is compared: positive cases, negative cases, or all.
    groups, method, cluster_method, alternative, confidence_level
        As in :func:`mcnemar_test`.

    Returns
    -------
    TestResult
        ``estimates`` are the two proportions of right calls.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label, score or threshold is missing, or
        an option is unknown.

    Notes
    -----
    For thresholds found on the same cases use :func:`roc_point_test`, which repeats the
    search in every bootstrap replicate.

    References
    ----------
    .. [1] McNemar Q. Note on the sampling error of the difference between correlated
       proportions or percentages. Psychometrika 1947;12:153-157. :doi:`10.1007/BF02295996`

    Examples
    --------
    >>> from stats_tl.stats import operating_point_test
    >>> y_true = [0, 0, 0, 1, 1, 1, 1, 1]
    >>> a = [1, 2, 5, 6, 7, 8, 9, 4]
    >>> b = [1, 2, 3, 6, 3, 2, 9, 1]
    >>> result = operating_point_test(y_true, a, b, threshold_a=3.5, threshold_b=3.5)
    >>> result.estimates, result.pvalue
    ((1.0, 0.4), 0.25)
    """
    sample = PairedSample.of_scores(y_true, scores_a, scores_b, groups)
    check_option(metric, ("sensitivity", "specificity", "accuracy"), name="metric")
    called_a = sample.a >= check_threshold(threshold_a, "threshold_a")
    called_b = sample.b >= check_threshold(threshold_b, "threshold_b")
    labels = sample.labels
    selected = {"sensitivity": labels, "specificity": ~labels}.get(metric, np.ones_like(labels))
    return mcnemar_test(
        (called_a == labels)[selected],
        (called_b == labels)[selected],
        groups=None if sample.codes is None else sample.codes[selected],
        method=method,
        cluster_method=cluster_method,
        alternative=alternative,
        confidence_level=confidence_level,
    )


def _mcnemar(only_a: int, only_b: int, method: str, alternative: str) -> tuple[float, float]:
    """Statistic and p value from the two discordant counts."""
    total = only_a + only_b
    if method.startswith("chi-square"):
        if total == 0:
            return 0.0, 1.0
        distance = float(abs(only_a - only_b))
        if method == "chi-square-corrected":
            distance = max(distance - 1, 0.0)
        root = math.copysign(distance, only_a - only_b) / math.sqrt(total)
        tails = {
            "two-sided": 2 * scipy.stats.norm.sf(abs(root)),
            "greater": scipy.stats.norm.sf(root),
        }
        return root**2, float(tails.get(alternative, scipy.stats.norm.cdf(root)))
    binomial = scipy.stats.binom(total, 0.5)
    point = binomial.pmf(only_a) if method == "mid-p" else 0.0
    if alternative == "two-sided":
        pvalue = 2 * binomial.cdf(min(only_a, only_b)) - point
    elif alternative == "greater":
        pvalue = binomial.sf(only_a - 1) - point / 2
    else:
        pvalue = binomial.cdf(only_a) - point / 2
    return float(only_a), float(min(pvalue, 1.0))


def _within(centre: float, error: float, hypothesis: Hypothesis) -> ConfidenceInterval:
    """Wald interval of a difference of proportions, which lies in [-1, 1]."""
    return replace(hypothesis, null_value=centre).wald(centre, error, bounds=(-1.0, 1.0)).interval
