"""Two arms, one setting: which test the design allows, and what it says.

==========================================  =====================================
design                                      primary test
==========================================  =====================================
repeated cross-validation                   :func:`~stats_tl.stats.repeated_cv_test`
one test set, one model an arm              :func:`~stats_tl.stats.delong_test`
one test set, several training runs an arm  :func:`~stats_tl.stats.obuchowski_rockette_test`
==========================================  =====================================

Scores of different folds come from different models, so they are ranked within a fold
only, and never stacked over repeats. Where a fold was trained with several seeds, each
seed is a cross-validation of its own on the same split: DeLong's variance is averaged
over all of them, as is the learning-curve variance, and the corrected t test, whose
correction is for splits, takes the mean over seeds of each fold. The average of several
estimates varies no more than they do on average, so that this errs on the safe side.
"""

from __future__ import annotations

__all__ = ["PairResult", "compare_pair"]

import dataclasses
import math
import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special
from scipy import stats as sps

from ...stats import (
    ConfidenceInterval,
    DegenerateDataWarning,
    TestResult,
    corrected_resampled_ttest,
    delong_covariance,
    delong_test,
    obuchowski_rockette_test,
    repeated_cv_components,
    repeated_cv_test,
    smallest_detectable_difference,
)

PROCEDURES = "training procedures, for new patients and new training runs at this sample size"
MODELS = "these fitted models, for new patients"
RETRAINED = "training on this training set, for new patients and new training runs"


@dataclass(frozen=True)
class PairResult:
    """What is known of one candidate and the reference.

    Attributes
    ----------
    primary : TestResult
        Of the test that the design calls for; candidate minus reference.
    test : str
        Its short name: ``repeat-delong``, ``learning-curve``, ``larger-variance``,
        ``nadeau-bengio``, ``delong`` or ``obuchowski-rockette``.
    estimand : str
        What the conclusion is about.
    intervals : tuple of two ConfidenceInterval
        Of the AUC of candidate and reference.
    delong, corrected_t : float
        P values of these two tests, NaN where the design has no such test.
    n_folds : int
        Folds of a cross-validation; 1 for a single test set.
    """

    primary: TestResult
    test: str
    estimand: str
    intervals: tuple[ConfidenceInterval, ConfidenceInterval]
    delong: float
    corrected_t: float
    n_folds: int

    @property
    def df(self) -> float:
        """Degrees of freedom as a number, infinite for a normal reference."""
        return _number(self.primary.df)

    def smallest_detectable_difference(self, alpha: float, power: float) -> float:
        """Difference that a two-sided test at `alpha` finds with probability `power`.

        At the standard error that was observed; NaN where it is not estimable.
        """
        if not self.primary.standard_error > 0:
            return math.nan
        return smallest_detectable_difference(
            self.primary.standard_error, self.df, alpha=alpha, power=power
        )


def compare_pair(
    y_true: Any,
    scores_a: np.ndarray,
    scores_b: np.ndarray,
    folds: np.ndarray,
    repeats: np.ndarray,
    *,
    groups: Any = None,
    half: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    confidence_level: float = 0.95,
) -> PairResult:
    """Compare a candidate with the reference by the test that the design calls for.

    Parameters
    ----------
    y_true : array_like of shape (cases,)
    scores_a, scores_b : ndarray of shape (runs, cases)
        Scores of candidate and reference; a run is one repeat with one seed.
    folds : ndarray of int, shape (runs, cases)
        Fold in which the case was tested.
    repeats : ndarray of int, shape (runs,)
        Repeat of each run: runs of one repeat share their split and differ in the seed.
    groups : array_like of shape (cases,), optional
        Patient of each case.
    half : tuple (scores_a, scores_b, folds), optional
        Of extra repeats of two-fold cross-validation, shape (extra repeats, cases).
    confidence_level : float, optional

    Returns
    -------
    PairResult

    Raises
    ------
    ValueError
        If the data do not allow the test; from :mod:`stats_tl.stats`.
    """
    n_folds = len(np.unique(folds[0]))
    if half is not None and n_folds < 3:
        raise ValueError(
            "half-sample repeats show the learning curve of a cross-validation with three folds or "
            f"more, got {n_folds}; leave the rows with design = 'half' out"
        )
    options = {"groups": groups, "confidence_level": confidence_level}
    with warnings.catch_warnings():
        # They are kept in the results, and printed in the notes of the table.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        if n_folds > 1:
            return _cross_validated(y_true, scores_a, scores_b, folds, repeats, half, options)
        if len(scores_a) == 1:
            return _one_model(y_true, scores_a[0], scores_b[0], options)
        return _retrained(y_true, scores_a, scores_b, options)


def _cross_validated(y_true, a, b, folds, repeats, half, options) -> PairResult:
    groups, level = options["groups"], options["confidence_level"]
    parts = repeated_cv_components(y_true, a, b, folds, groups=groups)
    delong = repeated_cv_test(y_true, a, b, folds, method="repeat-delong", **options)
    # One run a repeat tells which test holds: further seeds on a split are no further splits.
    first = np.unique(repeats, return_index=True)[1]
    primary = repeated_cv_test(
        y_true, a[first], b[first], folds[first], half=half, method="auto", **options
    )
    found = re.search(r"\(([a-z-]+), ", primary.method)
    test = found.group(1) if found else "auto"

    by_repeat = np.array([parts.differences[repeats == r].mean(axis=0) for r in np.unique(repeats)])
    corrected = corrected_resampled_ttest(
        by_repeat,
        n_train=parts.n_cases * (1 - 1 / parts.n_folds),
        n_test=parts.n_cases / parts.n_folds,
        confidence_level=level,
    )
    if len(first) < len(repeats):
        if test == "nadeau-bengio":
            base = corrected
        elif test == "repeat-delong":
            base = delong
        else:
            base = _mean_over_seeds(y_true, a, b, folds, repeats, half, test, options)
        primary = dataclasses.replace(
            base,
            estimates=parts.aucs,
            n_cases=parts.n_cases,
            n_groups=parts.n_groups,
            method=f"{primary.method}; averaged over {len(repeats) / len(first):g} training seeds",
            warnings=tuple(dict.fromkeys(primary.warnings + base.warnings)),
        )
    # Against a constant score the components are those of the arm alone.
    constant = np.zeros_like(a)
    variances = [
        repeated_cv_components(y_true, s, constant, folds, groups=groups).case_variance
        for s in (a, b)
    ]
    return PairResult(
        primary=primary,
        test=test,
        estimand=PROCEDURES,
        intervals=_logit_intervals(parts.aucs, variances, level),
        delong=delong.pvalue,
        corrected_t=corrected.pvalue,
        n_folds=parts.n_folds,
    )


def _mean_over_seeds(y_true, a, b, folds, repeats, half, test, options) -> TestResult:
    """The mean estimate over seeds, with the mean of their variances and the least df."""
    runs_of = [np.flatnonzero(repeats == repeat) for repeat in np.unique(repeats)]
    results = []
    for seed in range(max(map(len, runs_of))):
        # Where a repeat has fewer seeds than others, its own are taken in turn.
        runs = np.array([own[seed % len(own)] for own in runs_of])
        results.append(
            repeated_cv_test(
                y_true, a[runs], b[runs], folds[runs], half=half, method=test, **options
            )
        )
    estimate = float(np.mean([result.estimate for result in results]))
    error = math.sqrt(np.mean([result.standard_error**2 for result in results]))
    if not error > 0:
        return results[0]
    df = min(_number(result.df) for result in results)
    statistic = estimate / error
    width = sps.t.isf((1 - options["confidence_level"]) / 2, df) * error
    return dataclasses.replace(
        results[0],
        estimate=estimate,
        standard_error=error,
        df=df,
        statistic=statistic,
        pvalue=float(2 * sps.t.sf(abs(statistic), df)),
        confidence_interval=ConfidenceInterval(
            max(estimate - width, -1.0), min(estimate + width, 1.0)
        ),
        warnings=tuple(dict.fromkeys(text for r in results for text in r.warnings)),
    )


def _number(df: Any) -> float:
    return float(df[1] if isinstance(df, tuple) else df)


def _one_model(y_true, a, b, options) -> PairResult:
    primary = delong_test(y_true, a, b, **options)
    aucs, covariance = delong_covariance(y_true, np.stack([a, b]), groups=options["groups"])
    return PairResult(
        primary=primary,
        test="delong",
        estimand=MODELS,
        intervals=_logit_intervals(aucs, np.diag(covariance), options["confidence_level"]),
        delong=primary.pvalue,
        corrected_t=math.nan,
        n_folds=1,
    )


def _retrained(y_true, a, b, options) -> PairResult:
    primary = obuchowski_rockette_test(y_true, np.stack([a, b]), **options)
    bounds = primary.arms[["ci_low", "ci_high"]].clip(0, 1).to_numpy()
    return PairResult(
        primary=primary,
        test="obuchowski-rockette",
        estimand=RETRAINED,
        intervals=(ConfidenceInterval(*bounds[0]), ConfidenceInterval(*bounds[1])),
        delong=math.nan,
        corrected_t=math.nan,
        n_folds=1,
    )


def _logit_intervals(
    aucs: Any, variances: Any, level: float
) -> tuple[ConfidenceInterval, ConfidenceInterval]:
    """Wald intervals on the logit scale, so that they lie within [0, 1]."""
    intervals = []
    for auc, variance in zip(aucs, variances, strict=True):
        if not (0 < auc < 1 and variance > 0):
            intervals.append(ConfidenceInterval(math.nan, math.nan))
            continue
        half = sps.norm.isf((1 - level) / 2) * math.sqrt(variance) / (auc * (1 - auc))
        centre = special.logit(auc)
        intervals.append(
            ConfidenceInterval(
                float(special.expit(centre - half)), float(special.expit(centre + half))
            )
        )
    return intervals[0], intervals[1]
