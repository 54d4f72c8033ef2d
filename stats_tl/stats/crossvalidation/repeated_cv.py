"""The primary test: two training procedures compared by repeated cross-validation.

Estimand: the expected difference in AUC between *these training procedures, for new
patients and new training runs at this sample size*. The notation is that of
:mod:`stats_tl.stats.crossvalidation.components`.

With a large number of repeats the estimate still varies by Var(g + h) / n, where g is the
influence of a case as a test case and h its influence through training. Out-of-fold
scores show g alone, which is why tests that only resample them reject too often. The
learning-curve variance estimates the covariance of g and h (:mod:`.training`) or takes it from
models trained on halves of the patients (:mod:`.halvings`); the repeat-averaged DeLong variance
keeps the noise of a single repeat in its place; Nadeau and Bengio assume a correlation.
"""

from __future__ import annotations

__all__ = ["repeated_cv_test", "repeated_cv_test_from_components"]

import dataclasses
import math
from typing import Any

from .._shared.degenerate import ALIKE, CARRIES_NO_VARIANCE, perfect, warn_degenerate
from .._shared.inference import Hypothesis, SampleSize, conclude
from .._shared.validation import check_option
from ..metrics.base import Metric
from ..procedure import ElasticitySource, Procedure
from ..results import TestResult
from .arms import AUC
from .cautions import cautions
from .components import HALF, HALVINGS, CVComponents, repeated_cv_components
from .elasticity import total_variance
from .resampled import corrected_resampled_ttest

METHODS = ("auto", "learning-curve", "repeat-delong", "larger-variance", "nadeau-bengio")
ESTIMAND = "these training procedures, new patients and new training runs at this sample size"


def repeated_cv_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    folds: Any,
    *,
    groups: Any = None,
    half: tuple[Any, Any, Any] | None = None,
    halvings: tuple[Any, Any, Any] | None = None,
    metric: str | Metric = "roc_auc",
    threshold: Any = None,
    method: str = "auto",
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
) -> TestResult:
    """Compare two training procedures by their out-of-fold scores in repeated cross-validation.

    Parameters
    ----------
    y_true : array_like of shape (n,), or None
        Reference standard, 0 or 1; None for a metric of values ('mean'). Of metrics of several
        classes the class of each case, 0 to C - 1, or its grade.
    scores_a, scores_b : array_like of shape (repeats, n), or (repeats, n, classes)
        Out-of-fold scores (probabilities, values) of candidate and reference; scores are compared
        within a fold of a repeat only. One repeat may be given as shape (n,).
    folds : array_like of int, shape (repeats, n)
        Fold in which each case was tested, the same for both arms. Every case must be
        tested once in every repeat.
    groups : array_like of shape (n,), optional
        Patient of each case; the variance is then clustered by patient.
    half : tuple (scores_a, scores_b, folds), optional
        Scores of extra repeats of *two-fold* cross-validation of the same cases, five or
        so, shape (extra repeats, n). They show how steep the learning curve is.
    halvings : tuple (scores_a, scores_b, folds), optional
        Scores of cross-validations of random *halves* of the patients, shape (rows, n). In a row,
        the cases are dealt into two halves, and each half is cross-validated by itself in as
        many folds as `folds` has; those of the first half are numbered before those of the
        second. Every halving needs two rows, repeats with other folds. Twenty halvings, forty
        rows, measure what training adds to the variance for any learner; `half` is then
        of no use.
    metric : str or Metric, default "roc_auc"
        What is compared: one of :func:`metric_names`, or what :func:`get_metric` returns; of
        several classes 'roc_auc_ovr' (macro-averaged one-versus-rest AUC), 'roc_auc_ovo' (Hand and
        Till's M), or 'quadratic_kappa' of grades. The estimand is its mean over folds.
    threshold : float or array_like of shape (repeats, folds), or a tuple of two, optional
        Of metrics of decisions, for both arms or (candidate, reference): scores that reach it are
        called positive. Fix it on the tuning cases of every fold; folds in the order of their
        numbers. Of 'net_benefit' one number.
    method : {"auto", "learning-curve", "repeat-delong", "larger-variance", "nadeau-bengio"}
        Variance of the mean difference, see Notes. "larger-variance" is the larger of
        the first two.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        Direction of candidate minus reference.
    null_value : float, default 0.0
        Difference under the null hypothesis.
    confidence_level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    TestResult
        `estimate` is the mean over repeats and folds of the AUC difference, `estimates` the
        mean AUCs. `procedure` records which variance was used, whether "auto" chose it, and
        the elasticity with its sources; `method` says so in words. `warnings` hold where
        simulation has shown the test to fail.

    Raises
    ------
    ValueError
        If shapes disagree, a score is NaN, a case is not tested in a repeat, a fold lacks a
        class, the metric is not defined in a fold or gets what it cannot use, a method needs more
        than the one repeat given, or all cases of a class belong to one patient.

    Warns
    -----
    DegenerateDataWarning
        If the scores carry no variance although the estimate differs from `null_value`.

    See Also
    --------
    delong_test : Two fitted models on one test set.
    repeated_cv_omnibus_test : Several training procedures at once.
    repeated_cv_design : What a planned study could detect.
    obuchowski_rockette_test : Several training runs, one training set, one test set.
    equivalence_test : Takes the result of this test.
    simulate_design : How many repeats, seeds and patients a difference needs.

    Notes
    -----
    With M repeats of K folds, V the mean DeLong variance of one repeat, every fold counting
    alike, C the mean covariance between repeats through the test cases, s2 the variance between
    repeats and B the covariance of what a case adds as a test case and through training:

    - "learning-curve": variance L = C + 2 B + s2 / M, or (1 + e)**2 C + s2 / M with e an
      elasticity. With `halvings`, (C + 2 B) / C is measured: half the squared difference of the
      results of two halves, which are independent samples, over their own C. Without, B is
      pieced together from the excess of V over C, the learning curve and the composition of
      the folds; `repeated_cv_components` returns each. Student's t with Satterthwaite's degrees of
      freedom, which account for the errors of C, B and s2.
    - "repeat-delong": variance V, normal reference. Conservative where training runs are
      noisy and repeats many, liberal where they are not.
    - "larger-variance": the larger of these two.
    - "nadeau-bengio": the corrected resampled t test on the M K differences.

    "auto" is "learning-curve", and "nadeau-bengio" with one repeat, where no other test holds.

    What is theorem: C and V are unbiased for independent cases, and half the squared difference of
    two halves has the expectation of the variance at n / 2. What is heuristic: taking the ratio
    from n / 2 to n, and B without halvings. In simulations (300 data sets a design, 200 to 800
    cases, five folds and five repeats; linear heads on 8 to 512 features, networks, trees,
    neighbours, selection inside the fold, unlike arms) "auto" without halvings rejected 0.3 to
    7.3 % of true nulls, least where training runs are noisy or the AUC is near 1, and 5 to 10 %
    with trees near chance, where the result warns (mean AUC of 0.6 or less). In a later study of
    200 data sets ridge regression on 512 features of 400 cases rejected 9 %, also with twenty
    halvings (standard error 2). The table is in
    ``analysis/calibration``; :mod:`stats_tl.calibration` simulates a design of your own.

    Of another `metric` the components of the cases (value of the fold plus influence) take the
    place of placement values, and cases vary within classes or, where the metric depends on the
    prevalence, over all cases. The excess of V over C says of B what it does for the AUC:
    where a learner minimises the metric itself, two cases influence each other exactly alike.
    The noise of few partners is nought for means over cases, and otherwise computed by dealing
    one repeat's scores into the folds of others; in place of the AUC's learning curve
    stands a prior of 0.1. `half` is of no use. The result warns where a metric rests on few
    cases. ``docs/which_test.md`` has simulated error rates. The AUCs of several classes vary
    within every class: the shares of the classes are held as they are, as stratified folds do.

    Do not use it for one trained model on an external test set, nor for several seeds on one
    split: the first is DeLong's test, the second Obuchowski-Rockette's.

    References
    ----------
    .. [1] Nadeau, C. and Bengio, Y. (2003). Inference for the generalization error.
       Machine Learning 52, 239-281. :doi:`10.1023/A:1024068626366`
    .. [2] LeDell, E., Petersen, M. and van der Laan, M. (2015). Computationally efficient
       confidence intervals for cross-validated area under the ROC curve estimates.
       Electronic Journal of Statistics 9, 1583-1607. :doi:`10.1214/15-EJS1035`
    .. [3] Bates, S., Hastie, T. and Tibshirani, R. (2024). Cross-validation: what does it
       estimate and how well does it do it? Journal of the American Statistical Association
       119, 1434-1445. :doi:`10.1080/01621459.2023.2197686`
    .. [4] Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data.
       Biometrics 53, 567-578. :doi:`10.2307/2533958`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import repeated_cv_test
    >>> rng = np.random.default_rng(0)
    >>> n, repeats = 240, 5
    >>> y = np.arange(n) % 3 == 0
    >>> folds = np.array([rng.permutation(n // 3).repeat(3) % 5 for _ in range(repeats)])
    >>> shared = y + rng.standard_normal(n)
    >>> a = shared + 0.3 * rng.standard_normal((repeats, n))
    >>> b = shared + rng.standard_normal(n) + 0.5 * rng.standard_normal((repeats, n))
    >>> print(repeated_cv_test(y, a, b, folds))
    Repeated cross-validation test (learning-curve, chosen automatically because ...
    statistic = 1.6321, df = 36.2, p = 0.1113
    alternative: the estimate is not equal to 0
    estimate = 0.0600 (standard error 0.0368), 95 % confidence interval -0.0145 to 0.1345
    estimates: 0.7409, 0.6809
    240 cases
    """
    hypothesis = Hypothesis(alternative, null_value, confidence_level)
    check_option(method, METHODS, name="method")
    parts = repeated_cv_components(
        y_true,
        scores_a,
        scores_b,
        folds,
        groups=groups,
        half=half,
        halvings=halvings,
        metric=metric,
        threshold=threshold,
    )
    return infer_from_components(parts, method=method, hypothesis=hypothesis)


def repeated_cv_test_from_components(
    components: CVComponents,
    *,
    method: str = "auto",
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
) -> TestResult:
    """:func:`repeated_cv_test` from components that were estimated before.

    Parameters
    ----------
    components : CVComponents
        From :func:`repeated_cv_components`; several methods then look at the scores once.
    method, alternative, null_value, confidence_level
        As in :func:`repeated_cv_test`.

    Returns
    -------
    TestResult
        That of :func:`repeated_cv_test`.

    Raises
    ------
    ValueError
        If an option is unknown or a method needs more than the one repeat given.

    Warns
    -----
    DegenerateDataWarning
        As :func:`repeated_cv_test`.

    See Also
    --------
    repeated_cv_comparison : All that a report says of two arms.

    References
    ----------
    .. [1] Nadeau, C. and Bengio, Y. (2003). Inference for the generalization error.
       Machine Learning 52, 239-281. :doi:`10.1023/A:1024068626366`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import repeated_cv_components, repeated_cv_test_from_components
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 3 == 0
    >>> folds = np.array([rng.permutation(20).repeat(3) % 5 for _ in range(4)])
    >>> case = y + rng.standard_normal(60)
    >>> a, b = (case + 0.5 * rng.standard_normal((4, 60)) for _ in range(2))
    >>> parts = repeated_cv_components(y, a, b, folds)
    >>> for method in ("learning-curve", "nadeau-bengio"):
    ...     print(f"{repeated_cv_test_from_components(parts, method=method).pvalue:.3f}")
    0.566
    0.703
    """
    hypothesis = Hypothesis(alternative, null_value, confidence_level)
    check_option(method, METHODS, name="method")
    return infer_from_components(components, method=method, hypothesis=hypothesis)


def infer_from_components(
    parts: CVComponents,
    *,
    method: str = "auto",
    hypothesis: Hypothesis = Hypothesis(),  # noqa: B008 - frozen
) -> TestResult:
    """:func:`repeated_cv_test` from the components of the scores."""
    procedure = _procedure(parts, method)
    chosen = procedure.variance
    assert chosen is not None
    if chosen in ("learning-curve", "larger-variance") and parts.n_repeats < 2:
        raise ValueError(
            f"`scores_a` must hold at least two repeats for method={chosen!r}, got one; use "
            "method='nadeau-bengio'."
        )
    notes = cautions(chosen, parts)
    if chosen == "nadeau-bengio":
        result = corrected_resampled_ttest(
            parts.differences,
            n_train=parts.n_cases * (1 - 1 / parts.n_folds),
            n_test=parts.n_cases / parts.n_folds,
            alternative=hypothesis.alternative,
            null_value=hypothesis.null_value,
            confidence_level=hypothesis.confidence_level,
        )
        return dataclasses.replace(
            result,
            estimates=parts.reported,
            n_cases=parts.n_cases,
            n_groups=parts.n_groups,
            procedure=procedure,
            method=sentence(procedure, parts.label),
            warnings=notes + result.warnings,
        )
    variance, df = estimate_variance(chosen, parts)
    standard_error = math.sqrt(variance)
    found = hypothesis.wald(
        parts.estimate, standard_error, df=df, bounds=parts.metric.difference_bounds
    )
    if math.isnan(found.statistic):
        notes += (warn_degenerate(CARRIES_NO_VARIANCE),)
    elif standard_error == 0 and hypothesis.null_value == 0:
        perfect_aucs = parts.metric.name == AUC and parts.aucs[0] in (0.0, 1.0)
        notes += (warn_degenerate(perfect(parts.aucs[0])) if perfect_aucs else ALIKE,)
    return conclude(
        hypothesis,
        found,
        estimates=parts.reported,
        size=SampleSize(parts.n_cases, parts.n_groups),
        procedure=procedure,
        method=sentence(procedure, parts.label),
        warnings=notes,
    )


def _procedure(parts: CVComponents, method: str) -> Procedure:
    """What `method` does with these components."""
    automatic = "learning-curve" if parts.n_repeats > 1 else "nadeau-bengio"
    return Procedure(
        name="repeated-cv",
        variance=automatic if method == "auto" else method,
        automatic=method == "auto",
        clustered=parts.n_groups is not None,
        n_arms=2,
        n_repeats=parts.n_repeats,
        n_folds=parts.n_folds,
        n_seeds=1,
        n_half_repeats=parts.n_half_repeats,
        n_halvings=parts.n_halvings,
        metric=parts.metric.name,
        higher_is_better=parts.metric.higher_is_better,
        elasticity=parts.elasticity,
        elasticity_error=parts.elasticity_error,
        elasticity_sources=tuple(
            ElasticitySource(source, *own) for source, own in parts.elasticity_sources.items()
        ),
    )


def sentence(procedure: Procedure, label: str | None = None) -> str:
    """What a repeated cross-validation test did, in words; `label` of a metric not the AUC."""
    seeds = procedure.n_seeds or 1
    what = "" if label is None else f" of the {label}"
    return (
        f"Repeated cross-validation test{what} ({procedure.variance}, {_reason(procedure)}; "
        f"{procedure.n_repeats} x {procedure.n_folds}-fold"
        f"{', clustered by patient' if procedure.clustered else ''}): {ESTIMAND}"
        + (f"; averaged over {seeds:g} training seeds" if seeds > 1 else "")
    )


def _reason(procedure: Procedure) -> str:
    """Why that variance was used."""
    if not procedure.automatic:
        return "chosen by the user"
    if procedure.n_repeats == 1:
        return "chosen automatically because with one repeat no other test holds"
    return (
        f"chosen automatically because there are repeats; elasticity {procedure.elasticity:.2f} "
        f"(standard error {procedure.elasticity_error:.2f}) from {_evidence(procedure)}"
    )


def _evidence(procedure: Procedure) -> str:
    """From what the elasticity was estimated, and what was supplied in vain."""
    used = {own.source for own in procedure.elasticity_sources}
    half = f"{procedure.n_half_repeats} half-sample repeats" if procedure.n_half_repeats else ""
    if HALVINGS in used:
        return f"{procedure.n_halvings} halvings" + (f" in place of {half}" if half else "")
    if not half:
        end = "; no half-sample repeats supplied"
    else:
        end = "" if HALF in used else f"; the {half} are of no use"
    if procedure.n_halvings:
        end += f"; the {procedure.n_halvings} halvings are of no use"
    sources = (half if HALF in used else "", "the case variance of one repeat")
    return ", ".join(filter(None, sources)) + " and the composition of the folds" + end


def estimate_variance(method: str, parts: CVComponents) -> tuple[float, float]:
    """Variance of the estimate and its degrees of freedom; not for "nadeau-bengio"."""
    delong = (max(parts.case_variance, 0.0), math.inf)
    if method == "repeat-delong":
        return delong
    shared = parts.evidence.shared
    ratio = parts.through_cases / shared if shared > 0 else 0.0
    curve = total_variance(
        parts.through_cases,
        (2 * parts.training_error) ** 2 + (ratio * parts.shared_error) ** 2,
        parts.repeat_variance,
        parts.n_repeats,
    )
    if method == "learning-curve":
        return curve
    return max(curve, delong, key=lambda pair: pair[0])
