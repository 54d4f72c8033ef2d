"""DeLong's tests of the difference between two AUCs, paired and unpaired.

The model and the references are those of :mod:`stats_tl.stats.curves.structural`: an AUC varies
like the sum of two independent means of structural components. In a paired test the
components of the two curves are subtracted case by case before the variance is taken, so
that no precision is lost where the curves are nearly the same.
"""

from __future__ import annotations

__all__ = ["delong_test", "delong_test_unpaired"]

import math
from dataclasses import replace
from typing import Any

import numpy as np

from .._shared.degenerate import ALIKE, NO_VARIANCE, perfect, warn_degenerate
from .._shared.inference import Hypothesis, conclude
from .._shared.paired_sample import (
    PairedSample,
    components_under,
    independent_samples,
    size_of_both,
)
from .._shared.placements import WEIGHTED_ROUNDING, component_covariance, components_of
from ..procedure import Procedure, ResultWarning
from ..results import TestResult


def delong_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    groups: Any = None,
    sample_weight: Any = None,
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
    sample_weight : array_like of shape (n,), optional
        Weight of each case, such as the inverse of its probability of being in the sample;
        their scale does not matter, and cases of weight 0 are left out. The weights are
        taken as known, and a case as one case whatever its weight.
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
    .. [3] Alonzo TA, Pepe MS. Assessing accuracy of a continuous screening test in the
       presence of verification bias. Applied Statistics 2005;54:173-190.
       :doi:`10.1111/j.1467-9876.2005.00477.x`

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
    sample = PairedSample.of_scores(y_true, scores_a, scores_b, groups)
    hypothesis = Hypothesis(alternative, null_value, confidence_level)
    if sample_weight is not None:
        return _weighted(sample, sample_weight, hypothesis)
    notes: list[ResultWarning] = []
    obstacle = sample.obstacle()
    if obstacle:
        standard_error = math.nan
        notes.append(warn_degenerate(obstacle))
    else:
        matrix = component_covariance(sample.components[None], sample.labels, sample.codes)
        standard_error = math.sqrt(matrix[0, 0])
        notes += sample.conventions(hypothesis.null_value)
        if standard_error == 0 and sample.estimate != hypothesis.null_value:
            notes.append(warn_degenerate(NO_VARIANCE))
    return conclude(
        hypothesis,
        hypothesis.wald(sample.estimate, standard_error),
        estimates=sample.aucs,
        size=sample.size,
        procedure=_procedure("delong", sample.clustered),
        method=(f"DeLong's test for two correlated AUCs ({describe_sampling(sample.clustered)})"),
        warnings=notes,
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
    hypothesis = Hypothesis(alternative, null_value, confidence_level)
    samples = independent_samples((y_true_a, y_true_b), (scores_a, scores_b), (groups_a, groups_b))
    aucs, variances, units = [], [], []
    notes: list[ResultWarning] = []
    for arm, (sample, scores) in zip("ab", samples, strict=True):
        auc, components = components_of(sample.labels, scores[None])
        obstacle = sample.obstacle(suffix=f"_{arm}")
        variance = math.nan
        if obstacle:
            notes.append(ResultWarning(obstacle.code, f"sample {arm}: {obstacle}"))
        else:
            variance = float(component_covariance(components, sample.labels, sample.codes)[0, 0])
        aucs.append(float(auc[0]))
        variances.append(variance)
        units.append(sample.n_units)
    estimate, variance = aucs[0] - aucs[1], sum(variances)
    df = math.nan
    if variance > 0:
        df = variance**2 / sum(v**2 / (n - 1) for v, n in zip(variances, units, strict=True))
    elif variance == 0:
        notes.append(perfect(aucs[0]) if estimate == hypothesis.null_value else NO_VARIANCE)
    for note in notes:
        warn_degenerate(note)
    # With zero variance Welch's df is 0/0; the convention needs no reference distribution.
    found = hypothesis.wald(estimate, math.sqrt(variance), df=math.inf if variance == 0 else df)
    clustered = groups_a is not None
    return conclude(
        hypothesis,
        found._replace(df=df),
        estimates=aucs,
        size=size_of_both(samples[0][0], samples[1][0]),
        procedure=_procedure("delong-unpaired", clustered),
        method=(
            "DeLong's test for two AUCs from independent samples, Welch's degrees of freedom "
            f"({describe_sampling(clustered)})"
        ),
        warnings=notes,
    )


def _weighted(paired: PairedSample, sample_weight: Any, hypothesis: Hypothesis) -> TestResult:
    """The paired test of weighted AUCs."""
    sample, aucs, components = components_under(paired, np.stack(paired.scores), sample_weight)
    notes: list[ResultWarning] = []
    difference = components[0] - components[1]
    difference[np.abs(difference) < WEIGHTED_ROUNDING] = 0.0
    estimate = float(aucs[0] - aucs[1]) if difference.any() else 0.0
    standard_error = math.nan
    obstacle = sample.obstacle()
    if obstacle:
        notes.append(obstacle)
    else:
        matrix = component_covariance(difference[None], sample.labels, sample.codes)
        standard_error = math.sqrt(matrix[0, 0])
        if standard_error == 0:
            notes.append(ALIKE if estimate == hypothesis.null_value else NO_VARIANCE)
        if estimate == hypothesis.null_value == 0 and aucs[0] in (0.0, 1.0):
            notes = [perfect(float(aucs[0]))]
    for note in notes:
        if note is not ALIKE:
            warn_degenerate(note)
    return conclude(
        hypothesis,
        hypothesis.wald(estimate, standard_error),
        estimates=aucs,
        size=sample.size,
        procedure=replace(_procedure("delong", sample.clustered), version="weighted"),
        method=(
            "DeLong's test for two correlated AUCs, weighted cases "
            f"({describe_sampling(sample.clustered)})"
        ),
        warnings=notes,
    )


def _procedure(name: str, clustered: bool) -> Procedure:
    variance = "obuchowski" if clustered else "delong"
    return Procedure(name=name, variance=variance, clustered=clustered, n_arms=2)


def describe_sampling(clustered: bool) -> str:
    """What is random and what is fixed, for the sentence that names the method."""
    if not clustered:
        return "cases random, fitted models fixed"
    return "Obuchowski's variance, patients random, fitted models fixed"
