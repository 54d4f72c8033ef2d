"""Sensitivity and specificity over repeated runs, each model with a threshold of its own.

Model: run r (a repeat of a cross-validation, or one of several trainings) calls case i
positive where the score reaches the threshold that was fixed on the tuning cases of *its*
model. s_ri says whether the call was right. A run's proportion is the mean of s_ri over the
cases of a class, and the estimate is the mean over runs.

*Cross-validation.* The calls of all repeats depend on one set of tuning and training cases,
through the thresholds above all, which no resampling of the calls shows: in simulation a
variance clustered by case, averaged over repeats, rejected 5 to 36 % of true nulls at a
nominal 5 % (``tests/stats/test_repeated_operating.py``). The corrected resampled t test over
the folds' differences rejected .5 % or fewer; it is conservative, and it is what is used.

*One test set, several trainings.* The variance is that of Obuchowski and Rockette with the
trainings as readers: s^2 / R + C, with s^2 the variance between runs and C the mean
covariance between runs, over patients.

*One test set, one training.* The variance over patients, that of Wald's interval in
:func:`~stats_tl.stats.mcnemar_test`.
"""

from __future__ import annotations

__all__ = ["repeated_operating_point_test", "repeated_proportion"]

import math
from typing import Any, NamedTuple

import numpy as np

from .._shared.inference import Hypothesis, SampleSize, check_confidence_level, conclude
from .._shared.paired_sample import CaseSample
from .._shared.validation import as_groups, check_option
from ..procedure import Procedure
from ..results import TestResult
from ..thresholds.mcnemar import NO_DISCORDANT
from ..thresholds.operating import Proportion, effective_wilson, ratio_error
from .differences import spread


def repeated_operating_point_test(
    y_true: Any,
    called_a: Any,
    called_b: Any,
    folds: Any,
    *,
    metric: str = "sensitivity",
    groups: Any = None,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
) -> TestResult:
    """Compare two sensitivities or specificities over repeated runs.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Reference standard, 0 or 1, both present.
    called_a, called_b : array_like of bool, shape (runs, n)
        Whether the candidate's and the reference's model of a run and fold called the case
        positive, at a threshold fixed on other cases.
    folds : array_like of int, shape (runs, n)
        Fold in which the case was tested; all equal where there is one test set.
    metric : {"sensitivity", "specificity"}
        Proportion of the positive cases called, or of the negative cases not called.
    groups : array_like of shape (n,), optional
        Patient of each case; with one test set the variance is clustered by patient. Folds
        are the units of a cross-validation.
    alternative : {"two-sided", "less", "greater"}
        Direction of candidate minus reference.
    confidence_level : float
        Coverage of the interval.

    Returns
    -------
    TestResult
        ``estimate`` is the mean over runs of the difference in proportions.

    Raises
    ------
    ValueError
        If shapes differ, a class is absent, a call is neither 0 nor 1, or all cases of the
        class belong to one patient.

    See Also
    --------
    operating_point_test : One model an arm on one test set: McNemar's test.
    repeated_proportion : One arm's proportion with its interval.

    Notes
    -----
    Under cross-validation the test is conservative: it finds fewer of the true differences
    than a calibrated one would, of which none is known. Do not use it with thresholds that
    saw the test cases.

    References
    ----------
    .. [1] Obuchowski NA. On the comparison of correlated proportions for clustered data.
       Statistics in Medicine 1998;17:1495-1507.
    .. [2] Nadeau C, Bengio Y. Inference for the generalization error. Machine Learning
       2003;52:239-281. :doi:`10.1023/A:1024068626366`
    .. [3] Obuchowski NA, Rockette HE. Hypothesis testing of diagnostic accuracy for multiple
       readers and multiple tests: an ANOVA approach with dependent observations.
       Communications in Statistics - Simulation and Computation 1995;24:285-308.
       :doi:`10.1080/03610919508813243`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import repeated_operating_point_test
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> a, b = (rng.random((5, 200)) < np.where(y, p, .2) for p in (.9, .7))
    >>> folds = np.tile(np.arange(200) // 2 % 5, (5, 1))
    >>> result = repeated_operating_point_test(y, a, b, folds)
    >>> print(f"{result.estimate:.3f}, p = {result.pvalue:.4f}")
    0.216, p = 0.0054
    """
    sample = CaseSample.of(y_true, groups)
    labels = sample.labels
    check_option(metric, ("sensitivity", "specificity"), name="metric")
    hypothesis = Hypothesis(alternative, confidence_level=confidence_level)
    a, b = (
        _calls(calls, labels.size, name)
        for calls, name in ((called_a, "called_a"), (called_b, "called_b"))
    )
    own_folds = np.atleast_2d(np.asarray(folds))
    if not a.shape == b.shape == own_folds.shape:
        raise ValueError(
            "`called_a`, `called_b` and `folds` must have one shape, (runs, cases), got "
            f"{a.shape}, {b.shape} and {own_folds.shape}."
        )
    selected = labels if metric == "sensitivity" else ~labels
    target = metric == "sensitivity"
    right_a, right_b = (a == target)[:, selected], (b == target)[:, selected]
    differences = right_a.astype(np.float64) - right_b
    own = _codes(sample.codes, selected)
    error = _error(differences, own_folds[:, selected], own)
    found = hypothesis.wald(
        float(differences.mean()), error.standard_error, df=error.df, bounds=(-1.0, 1.0)
    )
    n_folds = len(np.unique(own_folds[0]))
    return conclude(
        hypothesis,
        found,
        estimates=(float(right_a.mean()), float(right_b.mean())),
        size=SampleSize(
            int(selected.sum()), int(np.unique(own).size) if sample.clustered else None
        ),
        procedure=Procedure(
            name=f"repeated-{metric}",
            variance=error.variance,
            clustered=sample.clustered,
            n_arms=2,
            n_repeats=len(a),
            n_folds=n_folds,
        ),
        method=(
            f"Difference in {metric} at thresholds fixed elsewhere "
            f"({_VARIANCES[error.variance]}; "
            f"{len(a)} {'runs' if n_folds == 1 else f'x {n_folds}-fold'})"
        ),
        warnings=() if differences.any() else (NO_DISCORDANT,),
    )


def repeated_proportion(
    success: Any, folds: Any, *, groups: Any = None, confidence_level: float = 0.95
) -> Proportion:
    """A proportion over repeated runs with its interval.

    Parameters
    ----------
    success : array_like of bool, shape (runs, n)
        Whether the case was called rightly in the run, for the cases of one class.
    folds : array_like of int, shape (runs, n)
        Fold in which the case was tested; all equal where there is one test set.
    groups : array_like of shape (n,), optional
        Patient of each case.
    confidence_level : float
        Coverage of the interval.

    Returns
    -------
    Proportion
        Mean over runs; Wilson's interval at the effective number of cases ``p (1 - p) /
        variance``, at most the number of cases, with the variance as in
        :func:`repeated_operating_point_test`. ``n_successes`` is the mean over runs, rounded.

    Raises
    ------
    ValueError
        If a value is neither 0 nor 1 or lengths differ.

    References
    ----------
    .. [1] Wilson EB. Probable inference, the law of succession, and statistical inference.
       Journal of the American Statistical Association 1927;22:209-212.
       :doi:`10.1080/01621459.1927.10502953`

    Examples
    --------
    >>> from stats_tl.stats import repeated_proportion
    >>> part = repeated_proportion([[1, 1, 0, 1, 1, 1, 1, 1]], [[0, 0, 0, 0, 0, 0, 0, 0]])
    >>> part.estimate, round(part.confidence_interval.low, 3)
    (0.875, 0.505)
    """
    values = np.atleast_2d(np.asarray(success))
    right = _calls(values, values.shape[1], "success")
    own_folds = np.atleast_2d(np.asarray(folds))
    if own_folds.shape != right.shape:
        raise ValueError(
            f"`folds` must be of the shape of `success`, {right.shape}, got {own_folds.shape}."
        )
    codes = as_groups(groups, right.shape[1])
    level = check_confidence_level(confidence_level)
    own = _codes(codes, np.ones(right.shape[1], dtype=bool))
    variance = _error(right.astype(np.float64), own_folds, own).standard_error ** 2
    share = float(right.mean())
    n = right.shape[1]
    effective = float(n if codes is None else np.unique(own).size)
    if 0 < share < 1 and variance > 0:
        effective = min(share * (1 - share) / variance, float(n))
    return Proportion(
        estimate=share,
        standard_error=math.sqrt(variance),
        confidence_interval=effective_wilson(share, effective, level),
        n_successes=round(share * n),
        n_cases=n,
        n_groups=None if codes is None else int(np.unique(own).size),
    )


class _Error(NamedTuple):
    """Standard error of a mean over runs, its degrees of freedom, and the variance used."""

    standard_error: float
    df: float
    variance: str


_VARIANCES = {
    "nadeau-bengio": "corrected resampled t test over folds",
    "by-patient": "Wald's test with the variance over patients",
    "obuchowski-rockette": "Obuchowski and Rockette's variance over trainings and patients",
}


def _error(values: np.ndarray, folds: np.ndarray, codes: np.ndarray) -> _Error:
    """The error of the mean of `values`, by the design that `folds` show."""
    n_runs = len(values)
    n_folds = len(np.unique(folds[0]))
    if n_folds > 1:
        by_fold = _fold_means(values, folds)
        share = 1 / by_fold.size + 1 / (n_folds - 1)
        return _Error(math.sqrt(share) * spread(by_fold), by_fold.size - 1.0, "nadeau-bengio")
    if n_runs == 1:
        return _Error(ratio_error(values[0], codes), math.inf, "by-patient")
    between = float(values.mean(axis=1).var(ddof=1)) / n_runs
    case_variance = np.mean([ratio_error(run, codes) ** 2 for run in values])
    # The variance of the mean of the runs holds 1 / R of the variances, the rest covariances.
    of_mean = ratio_error(values.mean(axis=0), codes) ** 2
    shared = max(float(n_runs * of_mean - case_variance) / (n_runs - 1), 0.0)
    total = between + shared
    df = (n_runs - 1) * (total / between) ** 2 if between > 0 else math.inf
    return _Error(math.sqrt(total), df, "obuchowski-rockette")


def _calls(values: Any, n_cases: int, name: str) -> np.ndarray:
    raw = np.atleast_2d(np.asarray(values))
    if raw.ndim != 2 or raw.shape[1] != n_cases:
        raise ValueError(f"`{name}` must be of shape (runs, {n_cases}), got {np.shape(values)}.")
    if not np.isin(raw, (0, 1)).all():
        raise ValueError(f"`{name}` must hold 0 and 1 (or booleans) only.")
    return raw.astype(bool)


def _codes(codes: np.ndarray | None, selected: np.ndarray) -> np.ndarray:
    """Patient of each selected case; every case its own where patients are not named."""
    if codes is None:
        return np.arange(int(selected.sum()))
    own: np.ndarray = codes[selected]
    if np.unique(own).size < 2:
        raise ValueError("`groups` puts all cases of a class in one patient; two are needed.")
    return own


def _fold_means(values: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Mean of every fold of every run that has a case of the class."""
    means = [
        float(run[own == fold].mean())
        for run, own in zip(values, folds, strict=True)
        for fold in np.unique(own)
    ]
    return np.array(means)
