"""DeLong's tests of the difference between two AUCs, paired and unpaired.

The model and the references are those of :mod:`stats_tl.stats.curves.structural`: an AUC varies
like the sum of two independent means of structural components. In a paired test the
components of the two curves are subtracted case by case before the variance is taken, so
that no precision is lost where the curves are nearly the same.
"""

from __future__ import annotations

__all__ = ["delong_test", "delong_test_unpaired"]

import math
from typing import Any

import numpy as np

from .._shared.inference import check_alternative, check_confidence_level, wald_inference
from .._shared.placements import (
    auc_of,
    component_covariance,
    components_of,
    doubled_placements,
    scale_placements,
)
from .._shared.validation import as_groups, as_labels, as_scores, variance_obstacle, warn_degenerate
from ..results import TestResult

PERFECT = (
    "both AUCs are {auc:g}: the estimated variance is 0, which says nothing about new cases; "
    "p = 1 is a convention"
)
NO_VARIANCE = (
    "the placement values do not vary, so the variance of the difference is estimated as 0 "
    "although the AUCs differ from the null value: no test is possible"
)
ALIKE = "both scores rank the cases alike: the difference is 0 in every sample of these cases"


def delong_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    groups: Any = None,
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
) -> TestResult:
    """Paired test of the difference between two AUCs on the same cases.

    The statistic ``(AUC_a - AUC_b - null_value) / SE`` is referred to the normal
    distribution; SE is DeLong's, or Obuchowski's where `groups` is given.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores_a, scores_b : array_like of shape (n,)
        Scores of the candidate and of the reference for the same cases in the same order;
        higher means more likely positive. Only their ranks matter.
    groups : array_like of shape (n,), optional
        Patient of each case; a patient may have positive and negative images.
    alternative : {"two-sided", "less", "greater"}
        About ``AUC_a - AUC_b`` against `null_value`.
    null_value : float
        Difference under the null hypothesis, e.g. minus the non-inferiority margin.
    confidence_level : float
        Coverage of the interval, one-sided for a one-sided alternative.

    Returns
    -------
    TestResult
        ``estimate`` is ``AUC_a - AUC_b``, ``estimates`` are the two AUCs.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label or score is missing, or `groups`
        leaves a class with one patient.

    Warns
    -----
    DegenerateDataWarning
        If both AUCs are 1 (p = 1 by convention), a class has a single case, or the
        variance is zero away from the null value (statistic and p value are NaN).

    Notes
    -----
    The scores are fixed: the conclusion is about these two fitted models and new patients.
    Do not use it (i) for scores pooled over the folds or repeats of a cross-validation,
    where cases share training sets and appear many times: see ``repeated_cv_test``;
    (ii) with several images per patient and no `groups`; (iii) for models one of which
    was chosen for its AUC on these cases; (iv) for nested models fitted on these cases.
    With fewer than about 10 cases in a class prefer :func:`permutation_auc_test`.

    References
    ----------
    .. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845.
       :doi:`10.2307/2531595`
    .. [2] Obuchowski NA. Biometrics 1997;53:567-578. :doi:`10.2307/2533958`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import delong_test
    >>> rng = np.random.default_rng(1)
    >>> y_true = np.repeat([0, 1], 100)
    >>> shared = rng.normal(size=200) + y_true
    >>> result = delong_test(y_true, shared, shared + rng.normal(size=200))
    >>> print(result)  # doctest: +ELLIPSIS
    DeLong's test for two correlated AUCs (cases random, fitted models fixed)
    statistic = ..., p = ...
    alternative: the estimate is not equal to 0
    estimate = ... (standard error ...), 95 % confidence interval ... to ...
    estimates: ...
    200 cases
    """
    labels = as_labels(y_true)
    scores = (
        as_scores(scores_a, labels.size, name="scores_a"),
        as_scores(scores_b, labels.size, name="scores_b"),
    )
    codes = as_groups(groups, labels.size)
    check_alternative(alternative)
    level = check_confidence_level(confidence_level)
    null_value = float(null_value)

    doubled_a, doubled_b = (doubled_placements(labels, s) for s in scores)
    aucs = tuple(auc_of(labels, d) for d in (doubled_a, doubled_b))
    # Exact: a difference of whole numbers, so that curves which rank alike differ by 0.
    doubled = doubled_a - doubled_b
    estimate = auc_of(labels, doubled)

    texts: list[str] = []
    obstacle = variance_obstacle(labels, codes)
    if obstacle:
        standard_error = math.nan
        texts.append(warn_degenerate(obstacle))
    else:
        components = scale_placements(labels, doubled[None])
        standard_error = math.sqrt(component_covariance(components, labels, codes)[0, 0])
        if aucs[0] == aucs[1] and aucs[0] in (0.0, 1.0) and null_value == 0:
            texts.append(warn_degenerate(PERFECT.format(auc=aucs[0])))
        elif not doubled.any():
            texts.append(ALIKE)
        if standard_error == 0 and estimate != null_value:
            texts.append(warn_degenerate(NO_VARIANCE))
    statistic, pvalue, interval = wald_inference(
        estimate,
        standard_error,
        null_value=null_value,
        alternative=alternative,
        confidence_level=level,
    )
    return TestResult(
        statistic=statistic,
        pvalue=pvalue,
        df=math.inf,
        estimate=estimate,
        estimates=aucs,
        standard_error=standard_error,
        confidence_interval=interval,
        confidence_level=level,
        alternative=alternative,
        null_value=null_value,
        n_cases=labels.size,
        n_groups=None if codes is None else int(codes.max()) + 1,
        method=f"DeLong's test for two correlated AUCs ({describe_sampling(codes)})",
        warnings=tuple(texts),
    )


def delong_test_unpaired(
    y_true_a: Any,
    scores_a: Any,
    y_true_b: Any,
    scores_b: Any,
    *,
    groups_a: Any = None,
    groups_b: Any = None,
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
) -> TestResult:
    """Test of the difference between two AUCs from independent samples of cases.

    The statistic ``(AUC_a - AUC_b - null_value) / sqrt(Var_a + Var_b)`` is referred to
    Student's t with Welch's degrees of freedom over the numbers of cases, as pROC does, or
    of patients where groups are given.

    Parameters
    ----------
    y_true_a, y_true_b : array_like of shape (n_a,) and (n_b,)
        Labels 0 and 1, both present in either sample.
    scores_a, scores_b : array_like of shape (n_a,) and (n_b,)
        Scores; higher means more likely positive.
    groups_a, groups_b : array_like of shape (n_a,) and (n_b,), optional
        Patient of each case. Give both or neither; no patient is in both samples, so an
        identifier that occurs in both stands for two patients.
    alternative : {"two-sided", "less", "greater"}
        About ``AUC_a - AUC_b`` against `null_value`.
    null_value : float
        Difference under the null hypothesis.
    confidence_level : float
        Coverage of the interval, one-sided for a one-sided alternative.

    Returns
    -------
    TestResult
        ``df`` is Welch's; ``n_cases`` and ``n_groups`` count both samples.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label or score is missing, the groups of
        one sample only are given, or they leave a class with one patient.

    Warns
    -----
    DegenerateDataWarning
        If both AUCs are 1 (p = 1 by convention), a class has a single case, or both
        variances are zero away from the null value (statistic and p value are NaN).

    Notes
    -----
    Do not use it for two models on the same cases, where it wastes the pairing (and is
    wrong if the cases overlap in part): use :func:`delong_test`. It serves for one model
    on two cohorts, say men and women, or two hospitals.

    References
    ----------
    .. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845.
       :doi:`10.2307/2531595`
    .. [2] Robin X, Turck N, Hainard A, et al. pROC: an open-source package for R and S+ to
       analyze and compare ROC curves. BMC Bioinformatics 2011;12:77.
       :doi:`10.1186/1471-2105-12-77`
    .. [3] Obuchowski NA. Biometrics 1997;53:567-578. :doi:`10.2307/2533958`

    Examples
    --------
    >>> from stats_tl.stats import delong_test_unpaired
    >>> result = delong_test_unpaired(
    ...     [0, 0, 0, 1, 1, 1], [1, 2, 5, 3, 4, 6], [0, 0, 0, 1, 1], [1, 4, 3, 2, 5]
    ... )
    >>> round(result.estimate, 4), round(result.df, 4)
    (0.1111, 7.2068)
    """
    check_alternative(alternative)
    level = check_confidence_level(confidence_level)
    null_value = float(null_value)
    if (groups_a is None) != (groups_b is None):
        raise ValueError(
            "`groups_a` and `groups_b` must be given together; number the cases of a sample "
            "in which every patient has one."
        )
    aucs, variances, n_cases, n_units = [], [], [], []
    texts: list[str] = []
    for arm, y_true, given, groups in (
        ("a", y_true_a, scores_a, groups_a),
        ("b", y_true_b, scores_b, groups_b),
    ):
        labels = as_labels(y_true, name=f"y_true_{arm}")
        scores = as_scores(given, labels.size, name=f"scores_{arm}")
        codes = as_groups(groups, labels.size, name=f"groups_{arm}")
        auc, components = components_of(labels, scores[None])
        obstacle = variance_obstacle(labels, codes, name=f"groups_{arm}")
        if obstacle:
            texts.append(f"sample {arm}: {obstacle}")
        aucs.append(float(auc[0]))
        n_cases.append(labels.size)
        n_units.append(labels.size if codes is None else int(codes.max()) + 1)
        variances.append(
            math.nan if obstacle else float(component_covariance(components, labels, codes)[0, 0])
        )
    estimate, variance = aucs[0] - aucs[1], sum(variances)
    df = math.nan
    if variance > 0:
        df = variance**2 / sum(v**2 / (n - 1) for v, n in zip(variances, n_units, strict=True))
    if variance == 0 and estimate != null_value:
        texts.append(NO_VARIANCE)
    elif variance == 0:
        texts.append(PERFECT.format(auc=aucs[0]))
    for text in texts:
        warn_degenerate(text)
    # With zero variance Welch's df is 0/0; the convention needs no reference distribution.
    statistic, pvalue, interval = wald_inference(
        estimate,
        math.sqrt(variance),
        df=math.inf if variance == 0 else df,
        null_value=null_value,
        alternative=alternative,
        confidence_level=level,
    )
    return TestResult(
        statistic=statistic,
        pvalue=pvalue,
        df=df,
        estimate=estimate,
        estimates=tuple(aucs),
        standard_error=math.sqrt(variance),
        confidence_interval=interval,
        confidence_level=level,
        alternative=alternative,
        null_value=null_value,
        n_cases=sum(n_cases),
        n_groups=None if groups_a is None else sum(n_units),
        method=(
            "DeLong's test for two AUCs from independent samples, Welch's degrees of freedom "
            f"({describe_sampling(codes)})"
        ),
        warnings=tuple(texts),
    )


def describe_sampling(codes: np.ndarray | None) -> str:
    """What is random and what is fixed, for the sentence that names the method."""
    if codes is None:
        return "cases random, fitted models fixed"
    return "Obuchowski's variance, patients random, fitted models fixed"
