"""Several classes: areas under the ROC curve averaged over classes.

Hand and Till's M is a mean of AUCs of two classes each, the macro average a mean of AUCs of one
class against the rest.
"""

from __future__ import annotations

__all__ = ["as_classes", "hand_till", "macro", "multiclass_auc", "multiclass_auc_test"]

import itertools
from typing import Any

import numpy as np

from .._shared.inference import Hypothesis, check_confidence_level, logit_interval
from .._shared.validation import as_groups, as_score_matrix, check_option
from ..results import MetricResult, TestResult
from .ranks import roc_auc
from .stratified import (
    StratifiedValue,
    compare,
    estimated,
    procedure_of,
    random_units,
    standard_error_of,
    whole_numbers,
)

AVERAGES = ("hand-till", "macro")


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
    classes = as_classes(y_true)
    codes = as_groups(groups, classes.size)
    found = _AREAS[average](classes, _class_scores(scores, classes, "scores"))
    notes, standard_error = standard_error_of(found, codes)
    interval = logit_interval(found.value, standard_error, level)
    return estimated(
        found,
        codes,
        standard_error=standard_error,
        interval=interval,
        level=level,
        method=f"{_name(average, classes)} with a logit interval",
        notes=notes,
        procedure=procedure_of("multiclass-auc", average, codes, n_arms=1),
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
    classes = as_classes(y_true)
    codes = as_groups(groups, classes.size)
    a, b = (
        _AREAS[average](classes, _class_scores(own, classes, name))
        for own, name in ((scores_a, "scores_a"), (scores_b, "scores_b"))
    )
    method = f"Paired test of the difference in {_name(average, classes)} ({random_units(codes)})"
    procedure = procedure_of("multiclass-auc", average, codes, n_arms=2)
    return compare(a, b, codes, hypothesis, procedure, method=method, span=1.0)


def as_classes(y_true: Any) -> np.ndarray:
    """Classes numbered 0 to C - 1, all of which occur; a ValueError otherwise."""
    found = whole_numbers(y_true, None, "y_true")
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


def _class_scores(scores: Any, classes: np.ndarray, name: str) -> np.ndarray:
    matrix = as_score_matrix(np.swapaxes(np.asarray(scores), 0, -1), classes.size, name=name)
    n_classes = int(classes.max()) + 1
    if len(matrix) != n_classes:
        raise ValueError(
            f"`{name}` must have a column for each of the {n_classes} classes of `y_true`, shape "
            f"({classes.size}, {n_classes}), got {matrix.shape[::-1]}."
        )
    return matrix.T


def hand_till(classes: np.ndarray, scores: np.ndarray) -> StratifiedValue:
    """Hand and Till's M of scores of shape (n, C)."""
    auc = roc_auc()
    total, influence = 0.0, np.zeros(classes.size)
    pairs = list(itertools.permutations(range(scores.shape[1]), 2))
    for own, other in pairs:
        inside = (classes == own) | (classes == other)
        value, part = auc.evaluate(classes[inside] == own, scores[inside, own])
        total += value
        influence[inside] += part
    return StratifiedValue(total / len(pairs), influence / len(pairs), classes)


def macro(classes: np.ndarray, scores: np.ndarray) -> StratifiedValue:
    """Macro average of one class against the rest, of scores of shape (n, C)."""
    auc = roc_auc()
    found = [auc.evaluate(classes == own, row) for own, row in enumerate(scores.T)]
    value = sum(value for value, _ in found) / len(found)
    influence = sum((part for _, part in found), np.zeros(classes.size)) / len(found)
    # With two classes "the rest" is one of them, and how frequent it is does not matter.
    strata = classes if len(found) == 2 else np.zeros(classes.size, dtype=np.intp)
    return StratifiedValue(value, influence, strata)


_AREAS = {"hand-till": hand_till, "macro": macro}


def _name(average: str, classes: np.ndarray) -> str:
    what = "Hand and Till's M" if average == "hand-till" else "Macro-averaged AUC"
    return f"{what} of {int(classes.max()) + 1} classes"
