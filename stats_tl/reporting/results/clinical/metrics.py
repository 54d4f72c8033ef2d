"""The metrics that clinicians read, of two arms: estimates, intervals, differences, P values.

==========================================  ======================================================
design                                      test
==========================================  ======================================================
one test set, one model an arm              :func:`~stats_tl.stats.paired_metric_test`
one test set, several runs or readers       :func:`~stats_tl.stats.obuchowski_rockette_test`
cross-validation                            :func:`~stats_tl.stats.repeated_cv_test`
the same, thresholds from tuning cases      Nadeau and Bengio's, as for operating points
==========================================  ======================================================

Under cross-validation a metric is that of a fold, averaged over folds, then over repeats.
Thresholds that were set on tuning cases vary with the training cases, which a variance over test
cases does not see (:mod:`stats_tl.stats.crossvalidation.operating_points`).
"""

from __future__ import annotations

__all__ = ["CLINICAL_COLUMNS", "ClinicalMetric", "clinical_metrics", "compare_clinical_metrics"]

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ....stats import (
    ConfidenceInterval,
    DegenerateDataWarning,
    Metric,
    TestResult,
    adjust_pvalues,
    get_metric,
    metric_estimate,
    obuchowski_rockette_test,
    paired_metric_test,
    repeated_cv_comparison,
)
from ...evidence.alignment import SETTING, Aligned, complete_runs
from ...evidence.gaps import planned_gaps
from ...evidence.options import AnalysisOptions
from ...measures.thresholds import known_thresholds, run_thresholds, threshold_rule
from ...rendering.parts import Absent
from ..comparisons import SEPARATOR
from ..material import Material
from .risks import RiskRule, risk_rule

CLINICAL_COLUMNS = (
    *SETTING,
    "arm",
    "reference",
    "metric",
    "at",
    "label",
    "value",
    "value_low",
    "value_high",
    "value_reference",
    "value_reference_low",
    "value_reference_high",
    "scale",
    "difference",
    "difference_low",
    "difference_high",
    "confidence_level",
    "pvalue",
    "pvalue_adjusted",
    "correction",
    "alpha",
    "higher_is_better",
    "n_cases",
    "n_events",
    "n_repeats",
    "n_folds",
    "n_seeds",
    "threshold_rule",
    "estimand",
    "reason",
    "few_cases",
    "warnings",
    "method",
)
#: Specificities and sensitivities at which the other one is given.
_POINTS = (0.9, 0.95)
#: Code of the warning that a metric rests on too few cases for a normal approximation.
FEW = "small-counts"
#: More comparisons than this would fill pages.
MOST_COMPARISONS = 6


@dataclass(frozen=True)
class ClinicalMetric:
    """A metric of the table.

    Attributes
    ----------
    metric : Metric
    at : float
        The specificity, sensitivity, prevalence or threshold that it is given at; NaN if none.
    """

    metric: Metric
    at: float = math.nan

    @property
    def logarithmic(self) -> bool:
        """Whether two arms are compared by a ratio."""
        return self.metric.interval == "log"


def clinical_metrics(options: AnalysisOptions) -> list[ClinicalMetric]:
    """The metrics in the order of the table."""
    given = [] if options.prevalence is None else [options.prevalence]
    return [
        *(
            ClinicalMetric(get_metric(f"{name}_at_{other}", **{other: at}), at)
            for name, other in (("sensitivity", "specificity"), ("specificity", "sensitivity"))
            for at in _POINTS
        ),
        ClinicalMetric(get_metric("ppv")),
        ClinicalMetric(get_metric("npv")),
        *(
            ClinicalMetric(get_metric(name, prevalence=share), share)
            for share in given
            for name in ("ppv", "npv")
        ),
        *(
            ClinicalMetric(get_metric(name))
            for name in (
                "positive_likelihood_ratio",
                "negative_likelihood_ratio",
                "f1",
                "accuracy",
                "brier_score",
                "calibration_intercept",
                "calibration_slope",
            )
        ),
        *(
            ClinicalMetric(get_metric("net_benefit", threshold=at), at)
            for at in options.net_benefit_thresholds or ()
        ),
    ]


def compare_clinical_metrics(material: Material) -> pd.DataFrame | Absent:
    """Clinical metrics of the primary comparisons, or of all where none is primary.

    Where there are more than six, none of them primary, those of the first setting of each task
    in the order of the tables, so that no result decides what is shown.

    Returns
    -------
    DataFrame or Absent
        One row per comparison and metric, with the columns :data:`CLINICAL_COLUMNS`.
        Differences are candidate minus reference; of likelihood ratios they are ratios
        (``scale``). ``few_cases`` says where a metric rests on too few cases for a normal
        approximation, ``warnings`` what else the test says. What could not be computed is NaN,
        and ``reason`` says why. All P values are one family.
    """
    options = material.options
    if not options.clinical_table:
        return _absent("the analysis does without it (clinical_table = false)")
    if any(aligned.hold_outs for aligned in material.settings):
        return _absent("random hold-outs have no test of these metrics here")
    study = _Study(
        options=options,
        rule=risk_rule(material),
        thresholds=known_thresholds(material.thresholds),
        metrics=clinical_metrics(options),
    )
    gaps = planned_gaps(material.evidence.missing)
    rows: list[dict[str, Any]] = []
    for row in _chosen(material.comparisons).to_dict("records"):
        aligned = material.aligned(pd.Series(row))
        planned = gaps.get(tuple(aligned.setting.values()), {})
        missing = [*planned.get(row["arm"], []), *planned.get(row["reference"], [])]
        runs, _ = complete_runs(aligned, row["arm"], row["reference"], missing)
        if len(runs):
            rows += study.rows(_Pair.of(aligned, row["arm"], row["reference"], runs), row)
    if not rows:
        return _absent("no comparison has a complete run of both arms")
    table = pd.DataFrame(rows)
    table["pvalue_adjusted"] = math.nan
    tested = table["pvalue"].notna()
    table.loc[tested, "pvalue_adjusted"] = adjust_pvalues(
        table.loc[tested, "pvalue"].to_numpy(), options.correction
    )
    return table[list(CLINICAL_COLUMNS)]


def _chosen(comparisons: pd.DataFrame) -> pd.DataFrame:
    primary = comparisons["role"] == "primary"
    if primary.any():
        return comparisons[primary]
    if len(comparisons) <= MOST_COMPARISONS:
        return comparisons
    first = comparisons.drop_duplicates("task")[list(SETTING)]
    return comparisons.merge(first, on=list(SETTING)).head(MOST_COMPARISONS)


def _absent(reason: str) -> Absent:
    return Absent("clinical", "table of clinical metrics", reason)


@dataclass(frozen=True)
class _Pair:
    """The complete runs of two arms."""

    aligned: Aligned
    arms: tuple[str, str]
    runs: np.ndarray
    scores: tuple[np.ndarray, np.ndarray]
    folds: np.ndarray
    repeats: np.ndarray

    @classmethod
    def of(cls, aligned: Aligned, arm: str, reference: str, runs: np.ndarray) -> _Pair:
        a, b = aligned.arm(arm), aligned.arm(reference)
        return cls(
            aligned=aligned,
            arms=(arm, reference),
            runs=runs,
            scores=(aligned.scores[a, runs], aligned.scores[b, runs]),
            folds=aligned.folds[a, runs],
            repeats=np.array([aligned.runs[run][0] for run in runs]),
        )

    @property
    def n_folds(self) -> int:
        return len(np.unique(self.folds[0]))


@dataclass(frozen=True)
class _Found:
    """What the test of a design says."""

    result: TestResult
    intervals: Sequence[ConfidenceInterval]


@dataclass(frozen=True)
class _Study:
    """What all comparisons of a study share."""

    options: AnalysisOptions
    rule: RiskRule
    thresholds: Mapping[tuple[Any, ...], float]
    metrics: Sequence[ClinicalMetric]

    def rows(self, pair: _Pair, row: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
        """A row for each metric."""
        for own in self.metrics:
            found, reason = self._compare(own, pair)
            notes = found.result.warnings if found else ()
            yield {
                **pair.aligned.setting,
                "arm": row["arm"],
                "reference": row["reference"],
                "metric": own.metric.name,
                "at": own.at,
                "label": own.metric.label,
                **_numbers(found, own.logarithmic),
                "scale": "ratio" if own.logarithmic else "difference",
                "confidence_level": 1 - self.options.alpha,
                "correction": self.options.correction,
                "alpha": self.options.alpha,
                "higher_is_better": own.metric.higher_is_better,
                **{key: row[key] for key in ("n_cases", "n_events", "n_repeats", "n_seeds")},
                "n_folds": pair.n_folds,
                "threshold_rule": self._rule(own.metric),
                "estimand": row["estimand"],
                "reason": reason,
                "few_cases": FEW in {note.code for note in notes},
                "warnings": SEPARATOR.join(note for note in notes if note.code != FEW),
                "method": found.result.method if found else "",
            }

    def _rule(self, metric: Metric) -> str:
        return threshold_rule(self.options) if metric.needs == "decisions" else ""

    def _compare(self, own: ClinicalMetric, pair: _Pair) -> tuple[_Found | None, str]:
        """The comparison by a metric, or why there is none."""
        metric, y_true = own.metric, pair.aligned.y_true
        a, b = pair.scores
        cuts: Any = None
        if metric.needs == "probabilities":
            if self.rule.reason:
                return None, self.rule.reason
            a, b = (self.rule.as_risks(scores, y_true) for scores in (a, b))
        elif metric.needs == "decisions":
            fixed = self.options.threshold
            if fixed is not None:
                cuts = (fixed, fixed)
                if self.rule.logits:
                    a, b = (self.rule.as_risks(scores, y_true) for scores in (a, b))
            else:
                cuts = tuple(
                    run_thresholds(self.thresholds, pair.aligned, arm, pair.runs)
                    for arm in pair.arms
                )
                if any(cut is None for cut in cuts):
                    return None, (
                        "there is no threshold: no tuning cases of both classes for every model, "
                        "and none was given"
                    )
        try:
            with warnings.catch_warnings():
                # They are kept in the result.
                warnings.simplefilter("ignore", DegenerateDataWarning)
                return self._test(metric, pair, (a, b), cuts), ""
        except ValueError as error:
            return None, _clause(str(error))

    def _test(
        self, metric: Metric, pair: _Pair, scores: tuple[np.ndarray, np.ndarray], cuts: Any
    ) -> _Found:
        y_true = pair.aligned.y_true
        shared: dict[str, Any] = {
            "metric": metric,
            "groups": pair.aligned.groups,
            "confidence_level": 1 - self.options.alpha,
        }
        if pair.n_folds > 1:
            tuned = metric.needs == "decisions" and self.options.threshold is None
            found = repeated_cv_comparison(
                y_true,
                *scores,
                pair.folds,
                repeats=pair.repeats,
                threshold=cuts,
                method="nadeau-bengio" if tuned else "auto",
                **shared,
            )
            return _Found(found.primary, found.intervals)
        if len(pair.runs) > 1:
            threshold = None
            if cuts is not None:
                threshold = np.array([np.broadcast_to(np.ravel(c), len(pair.runs)) for c in cuts])
            read = obuchowski_rockette_test(y_true, np.stack(scores), threshold=threshold, **shared)
            ends = read.arms[["ci_low", "ci_high"]].to_numpy()
            return _Found(read, [ConfidenceInterval(*own) for own in ends])
        one = None if cuts is None else tuple(float(np.ravel(cut)[0]) for cut in cuts)
        test = paired_metric_test(y_true, scores[0][0], scores[1][0], threshold=one, **shared)
        arms = [
            metric_estimate(y_true, own[0], threshold=None if one is None else one[n], **shared)
            for n, own in enumerate(scores)
        ]
        return _Found(test, [own.confidence_interval for own in arms])


def _numbers(found: _Found | None, logarithmic: bool) -> dict[str, float]:
    """Estimates, intervals, difference (or ratio) and P value; NaN where there are none."""
    names = ("value", "value_low", "value_high")
    others = ("value_reference", "value_reference_low", "value_reference_high")
    compared = ("difference", "difference_low", "difference_high")
    if found is None:
        return dict.fromkeys([*names, *others, *compared, "pvalue"], math.nan)
    result = found.result
    numbers: dict[str, float] = {}
    for keys, value, interval in zip(
        (names, others), result.estimates, found.intervals, strict=True
    ):
        numbers |= dict(zip(keys, (value, interval.low, interval.high), strict=True))
    ends = [result.estimate, *result.confidence_interval]
    if logarithmic:
        ends = [math.exp(end) for end in ends]
    return numbers | dict(zip(compared, ends, strict=True)) | {"pvalue": result.pvalue}


def _clause(message: str) -> str:
    """An error of a test as the reason in a sentence."""
    return message.replace("`", "").rstrip(".")
