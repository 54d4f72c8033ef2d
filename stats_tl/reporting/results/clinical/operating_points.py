"""Sensitivity and specificity at thresholds fixed on the tuning cases.

Every model has a threshold of its own, chosen on the cases that it was tuned on (inner
validation) and never on test cases: at the largest Youden index, or at a target sensitivity
named in the plan. A cross-validation therefore has as many thresholds as models, and the
numbers are about the procedure *train, tune the threshold, apply it*. The tuning cases also
chose the epoch, so that the thresholds are a little optimistic for them, not for the test
cases.
"""

from __future__ import annotations

from typing import Any

__all__ = ["OPERATING_COLUMNS", "compare_operating_points"]

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from ....stats import (
    adjust_pvalues,
    operating_point_test,
    repeated_operating_point_test,
    repeated_proportion,
)
from ...evidence.alignment import SETTING, Aligned, complete_runs
from ...evidence.gaps import planned_gaps
from ...evidence.options import AnalysisOptions
from ...measures.thresholds import known_thresholds, run_thresholds, threshold_rule
from .risks import RiskRule

OPERATING_COLUMNS = (
    *SETTING,
    "arm",
    "reference",
    "metric",
    "value",
    "value_low",
    "value_high",
    "value_reference",
    "value_reference_low",
    "value_reference_high",
    "difference",
    "difference_low",
    "difference_high",
    "confidence_level",
    "pvalue",
    "pvalue_adjusted",
    "correction",
    "alpha",
    "only_candidate_right",
    "only_reference_right",
    "n_cases",
    "n_repeats",
    "n_folds",
    "n_seeds",
    "threshold_rule",
    "method",
)


def compare_operating_points(
    settings: Iterable[Aligned],
    thresholds: pd.DataFrame,
    reference: str,
    *,
    options: AnalysisOptions | None = None,
    missing: pd.DataFrame | None = None,
    rule: RiskRule | None = None,
) -> pd.DataFrame:
    """Sensitivity and specificity of every arm against the reference.

    Parameters
    ----------
    settings : iterable of Aligned
        Test scores.
    thresholds : DataFrame
        As from :func:`~stats_tl.reporting.measures.thresholds.cell_thresholds`.
    reference : str
    options : AnalysisOptions, optional
        Level and correction: all P values of the table are one family. A ``threshold`` is used
        in place of those of `thresholds`.
    missing : DataFrame, optional
        Planned cells that have no result; runs that lack one are left out.
    rule : RiskRule, optional
        How logits become the risks that a given threshold is of; without it the threshold is of
        the scores themselves.

    Returns
    -------
    DataFrame
        Two rows a comparison, with the columns :data:`OPERATING_COLUMNS`. Comparisons of
        which a model has no threshold are left out.
    """
    options = options or AnalysisOptions()
    waiting = planned_gaps(missing)
    known = known_thresholds(thresholds)
    rows: list[dict[str, Any]] = []
    for aligned in settings:
        for arm in aligned.arms:
            if arm == reference or reference not in aligned.arms:
                continue
            planned = waiting.get(tuple(aligned.setting.values()), {})
            gaps = [*planned.get(arm, []), *planned.get(reference, [])]
            runs, _ = complete_runs(aligned, arm, reference, gaps)
            if len(runs) and not aligned.hold_outs:
                pair = (arm, reference)
                calls = [
                    _calls(aligned, name, runs, known)
                    if options.threshold is None
                    else _calls_at(aligned, name, runs, options.threshold, rule)
                    for name in pair
                ]
                if all(call is not None for call in calls):
                    rows += _compare(aligned, pair, runs, calls, options)
    if not rows:
        return pd.DataFrame(columns=list(OPERATING_COLUMNS))
    table = pd.DataFrame(rows)
    table["pvalue_adjusted"] = adjust_pvalues(table["pvalue"].to_numpy(), options.correction)
    return table[list(OPERATING_COLUMNS)]


def _compare(
    aligned: Aligned,
    pair: tuple[str, str],
    runs: np.ndarray,
    calls: Sequence[Any],
    options: AnalysisOptions,
) -> Iterator[dict[str, Any]]:
    arm, reference = pair
    a, b = calls
    folds = aligned.folds[aligned.arm(arm), runs]
    chosen = [aligned.runs[run] for run in runs]
    repeats = [repeat for repeat, _ in chosen]
    level = 1 - options.alpha
    n_folds = len(np.unique(folds[0]))
    for metric, positive in (("sensitivity", True), ("specificity", False)):
        selected = aligned.y_true == int(positive)
        groups = None if aligned.groups is None else aligned.groups[selected]
        test = repeated_operating_point_test(
            aligned.y_true, a, b, folds,
            metric=metric, groups=aligned.groups, confidence_level=level,
        )  # fmt: skip
        right_a, right_b = ((call == positive)[:, selected] for call in (a, b))
        pvalue, method = test.pvalue, test.method
        if n_folds == 1 and len(runs) == 1:
            # Calls as scores: McNemar's test, exact, or Obuchowski's where patients are named.
            exact = operating_point_test(
                aligned.y_true, a[0].astype(float), b[0].astype(float), threshold_a=0.5,
                threshold_b=0.5, metric=metric, groups=aligned.groups, confidence_level=level,
            )  # fmt: skip
            pvalue, method = exact.pvalue, exact.method
        parts = [
            repeated_proportion(right, folds[:, selected], groups=groups, confidence_level=level)
            for right in (right_a, right_b)
        ]
        yield {
            **aligned.setting,
            "arm": arm,
            "reference": reference,
            "metric": metric,
            "value": parts[0].estimate,
            "value_low": parts[0].confidence_interval.low,
            "value_high": parts[0].confidence_interval.high,
            "value_reference": parts[1].estimate,
            "value_reference_low": parts[1].confidence_interval.low,
            "value_reference_high": parts[1].confidence_interval.high,
            "difference": test.estimate,
            "difference_low": test.confidence_interval.low,
            "difference_high": test.confidence_interval.high,
            "confidence_level": level,
            "pvalue": pvalue,
            "correction": options.correction,
            "alpha": options.alpha,
            "only_candidate_right": float((right_a & ~right_b).sum(axis=1).mean()),
            "only_reference_right": float((~right_a & right_b).sum(axis=1).mean()),
            "n_cases": int(selected.sum()),
            "n_repeats": len(set(repeats)),
            "n_folds": n_folds,
            "n_seeds": max(np.unique(repeats, return_counts=True)[1]),
            "threshold_rule": threshold_rule(options),
            "method": method,
        }


def _calls_at(
    aligned: Aligned, arm: str, runs: np.ndarray, threshold: float, rule: RiskRule | None
) -> np.ndarray:
    """Whether each case is called positive at one threshold, shape (runs, cases)."""
    scores = aligned.scores[aligned.arm(arm), runs]
    if rule is not None and rule.logits:
        scores = rule.as_risks(scores, aligned.y_true)
    called: np.ndarray = scores >= threshold
    return called


def _calls(
    aligned: Aligned, arm: str, runs: np.ndarray, known: dict[Any, Any]
) -> np.ndarray | None:
    """Whether each case is called positive, shape (runs, cases); None without thresholds."""
    cuts = run_thresholds(known, aligned, arm, runs)
    if cuts is None:
        return None
    position = aligned.arm(arm)
    called = np.zeros((len(runs), len(aligned.cases)), dtype=bool)
    for number, run in enumerate(runs):
        folds = aligned.folds[position, run]
        for cut, fold in zip(cuts[number], np.unique(folds), strict=True):
            own = folds == fold
            called[number, own] = aligned.scores[position, run, own] >= cut
    return called
