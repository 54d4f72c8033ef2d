"""Two arms, one setting: which test the design allows, and what it says.

==========================================  =====================================
design                                      primary test
==========================================  =====================================
repeated cross-validation                   :func:`~stats_tl.stats.repeated_cv_test`
one test set, one model an arm              :func:`~stats_tl.stats.delong_test`
one test set, several training runs an arm  :func:`~stats_tl.stats.obuchowski_rockette_test`
a reader study (MRMC)                       :func:`~stats_tl.stats.obuchowski_rockette_test`
random hold-outs                            :func:`~stats_tl.stats.corrected_resampled_ttest`
==========================================  =====================================

Of a metric other than the AUC, :func:`~stats_tl.stats.paired_metric_test` stands in for DeLong's.
Scores of different folds come from different models, so they are ranked within a fold
only, and never stacked over repeats. Several training seeds of a fold are averaged as
:func:`~stats_tl.stats.repeated_cv_comparison` says.
"""

from __future__ import annotations

__all__ = [
    "Measure",
    "PairComponents",
    "PairResult",
    "compare_pair",
    "has_own_intervals",
    "of_hold_outs",
    "pair_components",
]

import dataclasses
import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...stats import (
    ConfidenceInterval,
    CVComponents,
    DegenerateDataWarning,
    Metric,
    TestResult,
    auc_logit_interval,
    corrected_resampled_ttest,
    delong_covariance,
    delong_test,
    get_metric,
    metric_estimate,
    obuchowski_rockette_test,
    paired_metric_test,
    repeated_cv_comparison,
    repeated_cv_components,
    smallest_detectable_difference,
)
from ..evidence.alignment import Aligned, complete_runs
from ..evidence.designs import are_bootstrap, left_out
from ..evidence.further import Extra, further_runs
from ..measures import study_metric
from ..measures.inputs import MetricInputs
from ..measures.study_metric import StudyMetric
from .aucs import auc_of

AUC = get_metric("roc_auc")
#: What a conclusion is about; {units} are patients, or images where nobody knows the patients.
PROCEDURES = "training procedures, for new {units} and new training runs at this sample size"
MODELS = "these fitted models, for new {units}"
READERS = "these modalities, for new readers and new {units}"
READER = "this reader, for new {units}"
RETRAINED = "training on this training set, for new {units} and new training runs"


def is_auc(metric: Metric) -> bool:
    """Whether a metric is the AUC, which has tests of its own."""
    return metric.name == AUC.name


@dataclass(frozen=True)
class PairResult:
    """What is known of one candidate and the reference.

    Attributes
    ----------
    primary : TestResult
        Of the test that the design calls for; candidate minus reference.
    test : str
        Its short name: ``repeat-delong``, ``learning-curve``, ``larger-variance``,
        ``nadeau-bengio``, ``delong``, ``paired-metric``, ``obuchowski-rockette`` (training runs) or
        ``mrmc`` (the same, of readers).
    estimand : str
        What the conclusion is about, with ``{units}`` for what the cases are drawn from.
    intervals : tuple of two ConfidenceInterval
        Of the AUC, or the metric, of candidate and reference.
    delong, corrected_t : float
        P values of these two tests, NaN where the design has no such test.
    n_folds : int
        Folds of a cross-validation; 1 for a single test set.
    """

    primary: TestResult
    test: str
    estimand: str
    intervals: tuple[ConfidenceInterval, ...]
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


@dataclass(frozen=True)
class Measure:
    """A metric with the thresholds of candidate and reference.

    Attributes
    ----------
    metric : Metric
    thresholds : tuple of two
        Of decisions: one number, or shape (runs, folds).
    """

    metric: Metric = AUC
    thresholds: tuple[Any, Any] = (None, None)

    @property
    def pair(self) -> tuple[Any, Any] | None:
        """As the tests of two arms take them."""
        return None if all(cut is None for cut in self.thresholds) else self.thresholds

    @property
    def of_runs(self) -> Any:
        """Of arms and runs, on one test set."""
        if self.pair is None or all(np.ndim(cut) == 0 for cut in self.thresholds):
            return self.thresholds[0]
        return np.stack([np.asarray(cut)[:, 0] for cut in self.thresholds])

    @property
    def bounds(self) -> tuple[float, float]:
        """Of the metric, or of its logarithm."""
        return (-math.inf, math.inf) if self.metric.interval == "log" else self.metric.bounds

    def shown(self, values: Any) -> Any:
        """Values of the metric in place of logarithms."""
        return np.exp(values) if self.metric.interval == "log" else values

    def value(
        self, labels: np.ndarray, scores: np.ndarray, own: np.ndarray, arm: int, run: int
    ) -> float:
        """Of the cases of one hold-out; NaN where it is not defined."""
        if is_auc(self.metric):
            return auc_of(labels[own], scores[own])
        cut = self.thresholds[arm]
        if np.ndim(cut):
            cut = cut[run, 0]
        taken = scores[own] if cut is None else scores[own] >= cut
        try:
            return self.metric.evaluate(labels[own] == 1, taken)[0]
        except ValueError:
            return math.nan

    def one_model(
        self, y_true: Any, a: np.ndarray, b: np.ndarray, *, groups: Any, confidence_level: float
    ) -> PairResult:
        """Two fitted models on one test set."""
        cuts = [cut if np.ndim(cut) == 0 else cut[0, 0] for cut in self.thresholds]
        options: dict[str, Any] = {
            "metric": self.metric, "groups": groups, "confidence_level": confidence_level,
        }  # fmt: skip
        pair = None if self.pair is None else tuple(cuts)
        return PairResult(
            primary=paired_metric_test(y_true, a, b, threshold=pair, **options),
            test="paired-metric",
            estimand=MODELS,
            intervals=tuple(
                metric_estimate(y_true, own, threshold=cut, **options).confidence_interval
                for own, cut in zip((a, b), cuts, strict=True)
            ),
            delong=math.nan,
            corrected_t=math.nan,
            n_folds=1,
        )


def compare_pair(
    y_true: Any,
    scores: tuple[np.ndarray, np.ndarray],
    folds: np.ndarray,
    repeats: np.ndarray,
    *,
    groups: Any = None,
    half: Extra | None = None,
    halvings: Extra | None = None,
    readers: bool = False,
    measure: Measure = Measure(),
    confidence_level: float = 0.95,
) -> PairResult:
    """Compare a candidate with the reference by the test that the design calls for.

    Parameters
    ----------
    y_true : array_like of shape (cases,)
    scores : tuple of two ndarray of shape (runs, cases)
        Scores of candidate and reference; a run is one repeat with one seed.
    folds : ndarray of int, shape (runs, cases)
        Fold in which the case was tested; -1 in runs that hold out other cases.
    repeats : ndarray of int, shape (runs,)
        Repeat of each run: runs of one repeat share their split and differ in the seed.
    groups : array_like of shape (cases,), optional
        Patient of each case.
    half : tuple (scores_a, scores_b, folds), optional
        Of extra repeats of two-fold cross-validation, shape (extra repeats, cases).
    halvings : tuple (scores_a, scores_b, folds), optional
        Of cross-validations of halves of the patients, shape (rows, cases).
    readers : bool, optional
        Whether the runs are people who gave the scores.
    measure : Measure, optional
        What is compared, by default the AUC; `half` belongs to that alone.
    confidence_level : float, optional

    Returns
    -------
    PairResult

    Raises
    ------
    ValueError
        If the data do not allow the test; from :mod:`stats_tl.stats`.
    """
    n_folds, metric = len(np.unique(folds[0])), measure.metric
    if (folds < 0).any():
        if half is not None or halvings is not None:
            raise ValueError(
                "half-sample repeats and halvings belong to a cross-validation, and these are "
                "random hold-outs; leave the rows with design = 'half' or 'halving' out"
            )
        return _held_out(
            y_true, scores, folds, repeats=repeats, groups=groups,
            measure=measure, confidence_level=confidence_level,
        )  # fmt: skip
    ranked = metric.by_class or metric.needs == "scores"
    if ranked and (unit := left_out(folds[0], groups)) and not _both_classes(y_true, folds[0]):
        what = "AUC" if is_auc(metric) else metric.label
        raise ValueError(
            f"every fold leaves out one {unit}: there is no {what} within a fold, and ranking the "
            "scores of different models together makes it too low, the more so the weaker they "
            "are. Train by cross-validation with fewer folds, of both classes each"
        )
    if half is not None and n_folds < 3:
        raise ValueError(
            "half-sample repeats show the learning curve of a cross-validation with three folds or "
            f"more, got {n_folds}; leave the rows with design = 'half' out"
        )
    if halvings is not None and (n_folds < 2 or len(np.unique(repeats)) < 2):
        raise ValueError(
            "halvings measure what training adds to a cross-validation of two repeats or more, got "
            f"{len(np.unique(repeats))} with {n_folds} fold{'s' * (n_folds > 1)}; leave the rows "
            "with design = 'halving' out"
        )
    options: dict[str, Any] = {"groups": groups, "confidence_level": confidence_level}
    with warnings.catch_warnings():
        # They are kept in the results, and printed in the notes of the table.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        if n_folds > 1:
            return _cross_validated(
                y_true, *scores, folds, repeats=repeats, half=half,
                halvings=halvings, metric=metric, threshold=measure.pair, **options,
            )  # fmt: skip
        if len(scores[0]) == 1:
            one = _one_model if is_auc(metric) else measure.one_model
            found = one(y_true, scores[0][0], scores[1][0], **options)
            return dataclasses.replace(found, estimand=READER) if readers else found
        found = _retrained(y_true, *scores, metric=metric, threshold=measure.of_runs, **options)
    return dataclasses.replace(found, test="mrmc", estimand=READERS) if readers else found


def _cross_validated(y_true: Any, a: Any, b: Any, folds: Any, **options: Any) -> PairResult:
    found = repeated_cv_comparison(y_true, a, b, folds, **options)
    variance = found.primary.procedure.variance
    assert variance is not None
    return PairResult(
        primary=found.primary,
        test=variance,
        estimand=PROCEDURES,
        intervals=found.intervals,
        delong=found.repeat_delong.pvalue if is_auc(options["metric"]) else math.nan,
        corrected_t=found.corrected_t.pvalue,
        n_folds=found.components.n_folds,
    )


def _both_classes(y_true: Any, folds: np.ndarray) -> bool:
    positive = np.asarray(y_true) == 1
    return set(folds[positive]) == set(folds[~positive])


def _held_out(
    y_true: Any,
    pair: tuple[np.ndarray, np.ndarray],
    folds: np.ndarray,
    *,
    repeats: np.ndarray,
    groups: Any,
    measure: Measure,
    confidence_level: float,
) -> PairResult:
    """Random hold-outs: their AUCs, averaged over seeds, by Nadeau and Bengio's test."""
    labels, tested = np.asarray(y_true), folds >= 0
    splits = np.unique(repeats)
    first = np.array([np.flatnonzero(repeats == split)[0] for split in splits])
    if are_bootstrap(tested[first], groups):
        raise ValueError(
            f"the {len(splits)} repeats test {tested[first].mean():.1%} of the cases in parts of "
            "varying size, as the cases that bootstrap samples leave out. Models of bootstrap "
            "samples saw some cases several times and others never, for which no test here was "
            "derived; use cross-validation or random hold-outs"
        )
    values = np.array(
        [
            [measure.value(labels, scores[run], own, arm, run) for arm, scores in enumerate(pair)]
            for run, own in enumerate(tested)
        ]
    )
    metric = measure.metric
    what = "AUC" if is_auc(metric) else metric.label
    if np.isnan(values).any():
        split = repeats[np.isnan(values).any(axis=1)][0]
        raise ValueError(
            f"repeat {split} holds out cases of one class only, so that it has no {what}; hold out "
            "both classes (stratified)"
            if is_auc(metric)
            else f"repeat {split} has no {what}, which is not defined for the cases that it holds "
            "out; hold out more of both classes (stratified)"
        )
    means = np.array([values[repeats == split].mean(axis=0) for split in splits])
    total, held = int(tested.any(axis=0).sum()), float(tested[first].sum(axis=1).mean())
    options: dict[str, Any] = {
        "n_train": total - held, "n_test": held, "confidence_level": confidence_level,
    }  # fmt: skip
    result = corrected_resampled_ttest(means[:, 0] - means[:, 1], **options)
    bounds = [
        np.clip(corrected_resampled_ttest(own, **options).confidence_interval, *measure.bounds)
        for own in means.T
    ]
    primary = dataclasses.replace(
        result,
        estimates=tuple(map(float, measure.shown(means.mean(axis=0)))),
        procedure=dataclasses.replace(
            result.procedure, metric=metric.name, higher_is_better=metric.higher_is_better
        ),
        n_cases=total,
        n_groups=None if groups is None else len(np.unique(groups[tested.any(axis=0)])),
    )
    return PairResult(
        primary=primary,
        test="nadeau-bengio",
        estimand=PROCEDURES,
        intervals=tuple(ConfidenceInterval(*measure.shown(own)) for own in bounds),
        delong=math.nan,
        corrected_t=primary.pvalue,
        n_folds=1,
    )


def has_own_intervals(table: pd.DataFrame) -> pd.Series:
    """Which rows have intervals of AUCs with the variance of the test, not on the logit scale."""
    return of_hold_outs(table) | table["test"].isin(["obuchowski-rockette", "mrmc"])


def of_hold_outs(table: pd.DataFrame) -> pd.Series:
    """Which rows of a table of comparisons are of random hold-outs."""
    return (table["test"] == "nadeau-bengio") & (table["n_folds"] == 1)


def _number(df: Any) -> float:
    return float(df[1] if isinstance(df, tuple) else df)


def _one_model(y_true: Any, a: Any, b: Any, **options: Any) -> PairResult:
    primary = delong_test(y_true, a, b, **options)
    aucs, covariance = delong_covariance(y_true, np.stack([a, b]), groups=options["groups"])
    low, high = (
        auc_logit_interval(auc, error, confidence_level=options["confidence_level"])
        for auc, error in zip(aucs, np.sqrt(np.diag(covariance)), strict=True)
    )
    return PairResult(
        primary=primary,
        test="delong",
        estimand=MODELS,
        intervals=(low, high),
        delong=primary.pvalue,
        corrected_t=math.nan,
        n_folds=1,
    )


def _retrained(y_true: Any, a: Any, b: Any, **options: Any) -> PairResult:
    primary = obuchowski_rockette_test(y_true, np.stack([a, b]), **options)
    bounds = primary.arms[["ci_low", "ci_high"]].to_numpy()
    if is_auc(options["metric"]):
        bounds = bounds.clip(0, 1)
    return PairResult(
        primary=primary,
        test="obuchowski-rockette",
        estimand=RETRAINED,
        intervals=(ConfidenceInterval(*bounds[0]), ConfidenceInterval(*bounds[1])),
        delong=math.nan,
        corrected_t=math.nan,
        n_folds=1,
    )


@dataclass(frozen=True)
class PairComponents:
    """One comparison, run by run.

    Attributes
    ----------
    differences : ndarray of shape (runs, folds)
        Of the AUC or another metric, candidate minus reference.
    repeats : ndarray of int, shape (runs,)
        Repeat of each run.
    parts : CVComponents
        Of one run a repeat: further seeds on a split are no further splits.
    seed_variance : float
        Variance of a run's mean difference between seeds on one split; NaN with one seed.
    """

    differences: np.ndarray
    repeats: np.ndarray
    parts: CVComponents
    seed_variance: float


def pair_components(
    aligned: Aligned,
    arm: str,
    reference: str,
    *,
    study: StudyMetric = study_metric.AUC,
    inputs: MetricInputs = MetricInputs(),  # noqa: B008 - frozen
) -> PairComponents | None:
    """Components of one comparison; None where there is no cross-validation."""
    runs, _ = complete_runs(aligned, arm, reference)
    folds = aligned.folds[aligned.arm(arm), runs]
    if aligned.hold_outs or not len(runs) or len(np.unique(folds[0])) < 2:
        return None
    repeats = np.array([aligned.runs[run][0] for run in runs])
    first = np.unique(repeats, return_index=True)[1]
    arms = (arm, reference)

    def look(own: np.ndarray, **further: Any) -> CVComponents:
        scores, cuts = inputs.of_pair(study, aligned, arms, runs[own])
        return repeated_cv_components(
            aligned.y_true,
            *scores,
            folds[own],
            groups=aligned.groups,
            metric=study.metric,
            threshold=Measure(study.metric, cuts).pair,
            **further,
        )

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateDataWarning)
            known = further_runs(aligned, arm, reference)[0]
            parts = look(first, **inputs.further(study, aligned, arms, known))
            every = parts if len(first) == len(runs) else look(np.arange(len(runs)))
    except ValueError:
        return None  # the table says why
    means = every.differences.mean(axis=1)
    seeds = [means[repeats == r] for r in np.unique(repeats)]
    several = [own for own in seeds if len(own) > 1]
    seed_variance = (
        float(sum(((own - own.mean()) ** 2).sum() for own in several))
        / sum(len(own) - 1 for own in several)
        if several
        else float("nan")
    )
    return PairComponents(every.differences, repeats, parts, seed_variance)
