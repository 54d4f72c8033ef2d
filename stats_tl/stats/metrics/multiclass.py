"""Several classes: areas under the ROC curve averaged over classes, and weighted kappa.

Every one is a smooth function of the cases' weights, and its variance the sum of squared
influences, as in :mod:`~stats_tl.stats.metrics.base`: Hand and Till's M is a mean of AUCs of two
classes each, the macro average a mean of AUCs of one class against the rest, and kappa a ratio of
two means.
"""

from __future__ import annotations

__all__ = [
    "multiclass_auc",
    "multiclass_auc_test",
    "weighted_kappa",
    "weighted_kappa_test",
]

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from .._shared.degenerate import CARRIES_NO_VARIANCE, warn_degenerate
from .._shared.inference import (
    NO_INTERVAL,
    Hypothesis,
    SampleSize,
    check_confidence_level,
    conclude,
    logit_interval,
)
from .._shared.validation import as_groups, as_score_matrix, as_scores, check_option
from ..procedure import Procedure, ResultWarning
from ..results import MetricResult, TestResult
from .ranks import roc_auc

AVERAGES = ("hand-till", "macro")
WEIGHTS = ("quadratic", "linear", "none")
SAME = ResultWarning(
    "no-difference", "the difference does not vary between cases: both arms do alike on every case"
)
ROUNDING = 1e-13


class _Value(NamedTuple):
    """A value, the influence of every case, and the classes within which these are centred."""

    value: float
    influence: np.ndarray
    strata: np.ndarray


def multiclass_auc(
    y_true: Any,
    scores: Any,
    *,
    average: str = "hand-till",
    groups: Any = None,
    confidence_level: float = 0.95,
) -> MetricResult:
    """Area under the ROC curve for several classes, with its interval.

    Parameters
    ----------
    y_true : array_like of int, shape (n,)
        Class of each case, 0 to C - 1; every class occurs.
    scores : array_like of shape (n, C)
        Score of each class; higher means more likely that class.
    average : {"hand-till", "macro"}
        Hand and Till's M, the mean over pairs of classes of the AUCs that tell them apart by the
        score of the one and of the other; or the mean over classes of the AUC of the class
        against all others.
    groups : array_like of shape (n,), optional
        Patient of each case.
    confidence_level : float, default 0.95
        Coverage of the interval, on the logit scale.

    Returns
    -------
    MetricResult
        `metric` is ``"hand-till"`` or ``"macro"``; `n_positive` is None.

    Raises
    ------
    ValueError
        If shapes disagree, a label or score is missing, a class has no case or no score, or there
        are fewer than two classes.

    Warns
    -----
    DegenerateDataWarning
        If a class has a single case: there is no variance.

    See Also
    --------
    multiclass_auc_test : Two models on the same cases.
    roc_auc : Two classes.

    Notes
    -----
    The value is that of scikit-learn's ``roc_auc_score`` with ``multi_class="ovo"`` or ``"ovr"``.
    M does not depend on how frequent the classes are, the macro average does.

    References
    ----------
    .. [1] Hand DJ, Till RJ. A simple generalisation of the area under the ROC curve for multiple
       class classification problems. Machine Learning 2001;45:171-186.
       :doi:`10.1023/A:1010920819831`

    Examples
    --------
    >>> from stats_tl.stats import multiclass_auc
    >>> scores = [[3, 1, 0], [2, 1, 1], [1, 3, 0], [2, 2, 1], [0, 1, 2], [1, 0, 3]]
    >>> round(multiclass_auc([0, 0, 1, 1, 2, 2], scores).estimate, 4)
    0.9792
    """
    check_option(average, AVERAGES, name="average")
    level = check_confidence_level(confidence_level)
    classes = _classes(y_true)
    codes = as_groups(groups, classes.size)
    found = _AREAS[average](classes, _class_scores(scores, classes, "scores"))
    notes, standard_error = _error(found, codes)
    interval = logit_interval(found.value, standard_error, level)
    return MetricResult(
        metric=average,
        estimate=found.value,
        standard_error=standard_error,
        confidence_interval=interval,
        confidence_level=level,
        n_cases=classes.size,
        n_positive=None,
        n_groups=None if codes is None else int(codes.max()) + 1,
        method=f"{_name(average, classes)} with a logit interval ({_random(codes)})",
        warnings=notes,
        procedure=_procedure("multiclass-auc", average, codes, n_arms=1),
    )


def multiclass_auc_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    average: str = "hand-till",
    groups: Any = None,
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
) -> TestResult:
    """Paired test of the areas under the ROC curve of two models for several classes.

    Parameters
    ----------
    y_true : array_like of int, shape (n,)
        Class of each case, 0 to C - 1; every class occurs.
    scores_a, scores_b : array_like of shape (n, C)
        Scores of candidate and reference.
    average : {"hand-till", "macro"}
        As in :func:`multiclass_auc`.
    groups : array_like of shape (n,), optional
        Patient of each case.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        About a minus b against `null_value`.
    null_value : float, default 0.0
        Difference under the null hypothesis.
    confidence_level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    TestResult
        With two classes and scores that mirror each other it is :func:`delong_test`.

    Raises
    ------
    ValueError
        As :func:`multiclass_auc`.

    Warns
    -----
    DegenerateDataWarning
        If the difference does not vary although it is not `null_value`, or a class has a single
        case.

    Notes
    -----
    The fitted models are fixed. Which classes differ is seen by :func:`delong_test` on each class
    against the rest, with :func:`adjust_pvalues`.

    References
    ----------
    .. [1] Hand DJ, Till RJ. Machine Learning 2001;45:171-186. :doi:`10.1023/A:1010920819831`
    .. [2] DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845.
       :doi:`10.2307/2531595`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import multiclass_auc_test
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(150) % 3
    >>> a = 2 * np.eye(3)[y] + rng.normal(size=(150, 3))
    >>> b = np.eye(3)[y] + rng.normal(size=(150, 3))
    >>> multiclass_auc_test(y, a, b).pvalue < 0.01
    True
    """
    check_option(average, AVERAGES, name="average")
    hypothesis = Hypothesis(alternative, null_value, confidence_level)
    classes = _classes(y_true)
    codes = as_groups(groups, classes.size)
    a, b = (
        _AREAS[average](classes, _class_scores(own, classes, name))
        for own, name in ((scores_a, "scores_a"), (scores_b, "scores_b"))
    )
    method = f"Paired test of the difference in {_name(average, classes)} ({_random(codes)})"
    procedure = _procedure("multiclass-auc", average, codes, n_arms=2)
    return _compared(a, b, codes, hypothesis, procedure, method=method, span=1.0)


def weighted_kappa(
    reference: Any,
    rating: Any,
    *,
    weights: str = "quadratic",
    groups: Any = None,
    confidence_level: float = 0.95,
) -> MetricResult:
    """Cohen's kappa of ordinal grades, weighted by their distance, with its interval.

    Parameters
    ----------
    reference, rating : array_like of int, shape (n,)
        Grades of the same cases, whole numbers whose distances mean something (BI-RADS, Gleason).
    weights : {"quadratic", "linear", "none"}
        Disagreement counts by the square of the distance, by the distance, or as 1.
    groups : array_like of shape (n,), optional
        Patient of each case.
    confidence_level : float, default 0.95
        Coverage of the Wald interval.

    Returns
    -------
    MetricResult

    Raises
    ------
    ValueError
        If lengths differ, a grade is missing or no whole number, or all grades are the same.

    Warns
    -----
    DegenerateDataWarning
        If both agree on every case: the variance is zero.

    See Also
    --------
    weighted_kappa_test : Two models or readers against one reference.

    Notes
    -----
    The variance is that of Fleiss, Cohen and Everitt, clustered by patient where `groups` is given.

    References
    ----------
    .. [1] Fleiss JL, Cohen J, Everitt BS. Large sample standard errors of kappa and weighted
       kappa. Psychological Bulletin 1969;72:323-327. :doi:`10.1037/h0028106`

    Examples
    --------
    >>> from stats_tl.stats import weighted_kappa
    >>> result = weighted_kappa([1, 2, 3, 4, 5, 2, 3], [1, 2, 3, 5, 4, 2, 2])
    >>> round(result.estimate, 4)
    0.8662
    """
    check_option(weights, WEIGHTS, name="weights")
    level = check_confidence_level(confidence_level)
    truth = _grades(reference, None, "reference")
    codes = as_groups(groups, truth.size)
    found = _kappa(truth, _grades(rating, truth.size, "rating"), weights)
    notes, standard_error = _error(found, codes)
    interval = NO_INTERVAL
    if standard_error > 0:
        hypothesis = Hypothesis(confidence_level=level)
        interval = hypothesis.wald(found.value, standard_error, bounds=(-1.0, 1.0)).interval
    elif standard_error == 0:
        notes = (*notes, warn_degenerate(CARRIES_NO_VARIANCE))
    return MetricResult(
        metric="weighted-kappa",
        estimate=found.value,
        standard_error=standard_error,
        confidence_interval=interval,
        confidence_level=level,
        n_cases=truth.size,
        n_positive=None,
        n_groups=None if codes is None else int(codes.max()) + 1,
        method=f"{_kappa_name(weights)} with a Wald interval ({_random(codes)})",
        warnings=notes,
        procedure=_procedure("weighted-kappa", weights, codes, n_arms=1),
    )


def weighted_kappa_test(
    reference: Any,
    rating_a: Any,
    rating_b: Any,
    *,
    weights: str = "quadratic",
    groups: Any = None,
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
) -> TestResult:
    """Paired test of two weighted kappas with the same reference grades.

    Parameters
    ----------
    reference : array_like of int, shape (n,)
        Reference grades.
    rating_a, rating_b : array_like of int, shape (n,)
        Grades of the same cases by candidate and reference arm.
    weights, groups
        As in :func:`weighted_kappa`.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        About a minus b against `null_value`.
    null_value : float, default 0.0
        Difference under the null hypothesis.
    confidence_level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    TestResult

    Raises
    ------
    ValueError
        As :func:`weighted_kappa`.

    Warns
    -----
    DegenerateDataWarning
        If the difference does not vary although it is not `null_value`.

    Notes
    -----
    Normal reference; with fewer than about 50 cases, or one grade that nearly all have, kappa is
    far from normal.

    References
    ----------
    .. [1] Fleiss JL, Cohen J, Everitt BS. Psychological Bulletin 1969;72:323-327.
       :doi:`10.1037/h0028106`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import weighted_kappa_test
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(1, 6, 200)
    >>> a, b = (np.clip(truth + rng.integers(-s, s + 1, 200), 1, 5) for s in (1, 2))
    >>> weighted_kappa_test(truth, a, b).pvalue < 0.01
    True
    """
    check_option(weights, WEIGHTS, name="weights")
    hypothesis = Hypothesis(alternative, null_value, confidence_level)
    truth = _grades(reference, None, "reference")
    codes = as_groups(groups, truth.size)
    a, b = (
        _kappa(truth, _grades(own, truth.size, name), weights)
        for own, name in ((rating_a, "rating_a"), (rating_b, "rating_b"))
    )
    method = f"Paired test of the difference in {_kappa_name(weights)} ({_random(codes)})"
    procedure = _procedure("weighted-kappa", weights, codes, n_arms=2)
    return _compared(a, b, codes, hypothesis, procedure, method=method, span=2.0)


def _classes(y_true: Any) -> np.ndarray:
    found = _grades(y_true, None, "y_true")
    if found.min() < 0:
        raise ValueError("`y_true` must number the classes from 0, got negative labels.")
    counts = np.bincount(found)
    if (counts == 0).any():
        absent = ", ".join(map(str, np.flatnonzero(counts == 0)))
        raise ValueError(
            f"`y_true` has no case of class {absent}; number the classes that occur from 0 to "
            "C - 1."
        )
    if counts.size < 2:
        raise ValueError("`y_true` must hold at least two classes, got one.")
    return found


def _grades(given: Any, n: int | None, name: str) -> np.ndarray:
    values = as_scores(given, n, name=name)
    if values.size == 0:
        raise ValueError(f"`{name}` is empty.")
    if not (np.isfinite(values).all() and (values == np.round(values)).all()):
        raise ValueError(f"`{name}` must hold whole numbers.")
    return values.astype(np.intp)


def _class_scores(scores: Any, classes: np.ndarray, name: str) -> np.ndarray:
    matrix = as_score_matrix(np.swapaxes(np.asarray(scores), 0, -1), classes.size, name=name)
    n_classes = int(classes.max()) + 1
    if len(matrix) != n_classes:
        raise ValueError(
            f"`{name}` must have a column for each of the {n_classes} classes of `y_true`, shape "
            f"({classes.size}, {n_classes}), got {matrix.shape[::-1]}."
        )
    return matrix


def _hand_till(classes: np.ndarray, scores: np.ndarray) -> _Value:
    auc = roc_auc()
    total, influence = 0.0, np.zeros(classes.size)
    pairs = list(itertools.permutations(range(len(scores)), 2))
    for own, other in pairs:
        inside = (classes == own) | (classes == other)
        value, part = auc.evaluate(classes[inside] == own, scores[own, inside])
        total += value
        influence[inside] += part
    return _Value(total / len(pairs), influence / len(pairs), classes)


def _macro(classes: np.ndarray, scores: np.ndarray) -> _Value:
    auc = roc_auc()
    found = [auc.evaluate(classes == own, row) for own, row in enumerate(scores)]
    value = sum(value for value, _ in found) / len(found)
    influence = sum((part for _, part in found), np.zeros(classes.size)) / len(found)
    # With two classes "the rest" is one of them, and how frequent it is does not matter.
    strata = classes if len(found) == 2 else np.zeros(classes.size, dtype=np.intp)
    return _Value(value, influence, strata)


_AREAS = {"hand-till": _hand_till, "macro": _macro}


def _kappa(truth: np.ndarray, rating: np.ndarray, weights: str) -> _Value:
    low = min(truth.min(), rating.min())
    one, other = truth - low, rating - low
    k = int(max(one.max(), other.max())) + 1
    distance = np.abs(np.arange(k)[:, None] - np.arange(k)).astype(np.float64)
    cost = {"quadratic": distance**2, "linear": distance, "none": (distance > 0) * 1.0}[weights]
    rows, columns = (np.bincount(own, minlength=k) / own.size for own in (one, other))
    observed = cost[one, other]
    expected = float(rows @ cost @ columns)
    if expected == 0:
        raise ValueError("all grades are the same, so that kappa is not defined.")
    mean = float(observed.mean())
    moved = (cost @ columns)[one] + (rows @ cost)[other] - 2 * expected
    influence = (mean / expected * moved - (observed - mean)) / (expected * one.size)
    return _Value(1 - mean / expected, influence, np.zeros(one.size, dtype=np.intp))


def _error(found: _Value, codes: np.ndarray | None) -> tuple[tuple[ResultWarning, ...], float]:
    """Standard error from influences that sum to zero within strata."""
    sizes = np.bincount(found.strata)
    if sizes.min() == 1:
        few = ResultWarning("single-case", "a class has one case: the variance cannot be estimated")
        return (warn_degenerate(few),), math.nan
    influence = found.influence
    if codes is None:
        factor = (sizes / (sizes - 1))[found.strata]
        return (), math.sqrt(float(np.sum(factor * influence**2)))
    if not codes.any():
        raise ValueError(
            f"`groups` puts all {codes.size} cases in one patient; the variance between patients "
            "needs at least two. Leave `groups` out if the cases are independent."
        )
    sums = np.bincount(codes, weights=influence)
    return (), math.sqrt(float(sums @ sums) * sums.size / (sums.size - 1))


def _compared(
    a: _Value,
    b: _Value,
    codes: np.ndarray | None,
    hypothesis: Hypothesis,
    procedure: Procedure,
    *,
    method: str,
    span: float,
) -> TestResult:
    estimate = a.value - b.value
    if abs(estimate) < ROUNDING:
        estimate = 0.0
    influence = a.influence - b.influence
    notes, standard_error = _error(_Value(estimate, influence, a.strata), codes)
    if np.abs(influence).max() < ROUNDING and not math.isnan(standard_error):
        standard_error = 0.0
        same = estimate == hypothesis.null_value
        notes = (*notes, SAME if same else warn_degenerate(CARRIES_NO_VARIANCE))
    return conclude(
        hypothesis,
        hypothesis.wald(estimate, standard_error, bounds=(-span, span)),
        estimates=(a.value, b.value),
        size=SampleSize(influence.size, None if codes is None else int(codes.max()) + 1),
        procedure=procedure,
        method=method,
        warnings=notes,
    )


def _procedure(name: str, version: str, codes: np.ndarray | None, *, n_arms: int) -> Procedure:
    return Procedure(
        name=name,
        variance="infinitesimal-jackknife",
        version=version,
        clustered=codes is not None,
        n_arms=n_arms,
        metric=version if name == "multiclass-auc" else name,
    )


def _name(average: str, classes: np.ndarray) -> str:
    what = "Hand and Till's M" if average == "hand-till" else "Macro-averaged AUC"
    return f"{what} of {int(classes.max()) + 1} classes"


def _kappa_name(weights: str) -> str:
    how = {"quadratic": "Quadratically weighted", "linear": "Linearly weighted", "none": "Cohen's"}
    return f"{how[weights]} kappa"


def _random(codes: np.ndarray | None) -> str:
    units = "cases" if codes is None else "patients"
    return f"{units} random, fitted models fixed"
