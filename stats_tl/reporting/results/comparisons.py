"""Scores of several arms → one row per comparison: the numbers of the significance table.

Every number keeps its full precision here; :mod:`stats_tl.reporting.tables` prints them.
"""

from __future__ import annotations

__all__ = [
    "COMPARISON_COLUMNS",
    "Comparisons",
    "compare_all_pairs",
    "compare_arms",
    "compare_study",
    "without_verdicts",
]

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...errors import UserError, suggest
from ...stats import Procedure, TestResult, equivalence_test, noninferiority_test
from ..evidence.alignment import (
    DESIGNS,
    SETTING,
    Aligned,
    align,
    check_scores,
    complete_runs,
    require_complete,
    unfreeze_order,
)
from ..evidence.further import further_runs
from ..evidence.gaps import Missing, missing_by_setting
from ..evidence.options import AnalysisOptions
from ..measures.inputs import MetricInputs
from ..measures.study_metric import StudyMetric, primary_metric
from ..rendering.labels import join_words
from .pairs import Measure, compare_pair
from .verdicts import judge

COMPARISON_COLUMNS = (
    *SETTING,
    "arm",
    "reference",
    "role",
    "family",
    "auc",
    "auc_low",
    "auc_high",
    "auc_reference",
    "auc_reference_low",
    "auc_reference_high",
    "difference",
    "standard_error",
    "difference_low",
    "difference_high",
    "confidence_level",
    "test",
    "statistic",
    "df",
    "pvalue",
    "pvalue_adjusted",
    "correction",
    "alpha",
    "pvalue_delong",
    "pvalue_corrected_t",
    "margin",
    "equivalence_pvalue_adjusted",
    "noninferiority_pvalue_adjusted",
    "smallest_detectable_difference",
    "power",
    "verdict",
    "estimand",
    "n_patients",
    "n_groups",
    "clustered_by",
    "n_cases",
    "n_events",
    "n_repeats",
    "n_seeds",
    "n_folds",
    "n_half_repeats",
    "n_halvings",
    "left_out",
    "warnings",
    "method",
)
#: In place of a verdict where patients are on both sides of a split.
NO_VERDICT = "none (leakage)"
#: Between several texts of one field, in files.
SEPARATOR = " | "


@dataclass(frozen=True)
class Comparisons:
    """The comparisons of a study.

    Attributes
    ----------
    table : DataFrame
        As from :func:`compare_arms`.
    warnings : tuple of tuple of str
        What the test of each row of `table` warns of.
    lacking : tuple of str
        One sentence for each gap; empty where the study is complete.
    """

    table: pd.DataFrame
    warnings: tuple[tuple[str, ...], ...]
    lacking: tuple[str, ...] = ()


def compare_arms(
    scores: pd.DataFrame | Iterable[pd.DataFrame | Aligned],
    reference: str,
    *,
    options: AnalysisOptions | None = None,
    missing: pd.DataFrame | None = None,
    allow_incomplete: bool = False,
) -> pd.DataFrame:
    """Compare every arm with the reference, in each task, backbone, head and unfreezing depth.

    Parameters
    ----------
    scores : DataFrame, or iterable of them
        Test scores, one row per case and model: ``case, y_true, arm, score``; optional
        ``patient, task, backbone, head, unfreeze, repeat, fold, seed`` and ``design``, which
        is ``half`` for extra repeats of two-fold cross-validation and ``halving`` for
        cross-validations of halves of the patients. Several frames (one a
        task, say) are read one after the other and belong to one family; so do scores that
        were aligned before.
    reference : str
        The arm that the others are compared with.
    options : AnalysisOptions, optional
        Level, margin, correction, primary comparison.
    missing : DataFrame, optional
        Planned cells that have no result: the keys of a cell, optionally ``design``.
    allow_incomplete : bool, optional
        Compare on the complete runs (a run is a repeat with a seed) and list the others
        in ``left_out``; where no run is complete, on the folds of one run that both arms
        have. Half-sample repeats and halvings are used where they are complete. Otherwise
        incomplete pairs are an error.

    Returns
    -------
    DataFrame
        One row per comparison, sorted, with the columns :data:`COMPARISON_COLUMNS`.
        Differences are candidate minus reference. AUCs are means over folds, then over
        runs; their intervals, on the logit scale, come from the mean over runs of
        DeLong's variance, clustered by patient where patients are known (``n_patients`` is
        NaN where not; ``n_groups`` counts the units that the test takes as independent, and
        ``clustered_by`` says what they are: ``patient``, ``patient-group``, ``group``).
        With ``options.metric`` they are of the first metric there, whose name stands in place
        of ``auc`` in the names of columns; scores are taken as they are (probabilities where
        the metric needs them), and a threshold has to be named with the metric.

    Raises
    ------
    UserError
        If scores are missing or ambiguous, an arm is unknown, or arms are not paired.
    IncompleteError
        If runs are incomplete and `allow_incomplete` is false.

    Notes
    -----
    `pvalue` belongs to the primary test of the design (see :mod:`.results.pairs`);
    `pvalue_adjusted` corrects it over the family. A primary comparison is a family of its own, and
    the others, secondary, are another, divided by the keys in ``options.families``. The verdict
    follows from adjusted p values alone: superior or inferior (p < alpha), else equivalent
    within the margin (two one-sided tests, p < alpha), else non-inferior (p < alpha / 2),
    else inconclusive.

    Do not use it on scores that were averaged over repeats or seeds: such a mean is an
    ensemble, which nobody trained, and its variance is not that of a model.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> y = np.arange(200) % 4 == 0
    >>> frame = pd.concat(
    ...     pd.DataFrame({"case": np.arange(200), "y_true": y.astype(int), "arm": arm,
    ...                   "score": signal * y + rng.standard_normal(200)})
    ...     for arm, signal in (("new", 1.6), ("old", 0.8))
    ... )
    >>> row = compare_arms(frame, "old").iloc[0]
    >>> print(f"{row.auc:.3f} {row.auc_reference:.3f} {row.verdict}: {row.estimand}")
    0.912 0.725 superior: these fitted models, for new images
    """
    table = compare_study(
        scores, reference, options=options, missing=missing, allow_incomplete=allow_incomplete
    ).table
    return table.rename(columns=primary_metric(options or AnalysisOptions()).of_columns())


def compare_study(
    scores: pd.DataFrame | Iterable[pd.DataFrame | Aligned],
    reference: str,
    *,
    options: AnalysisOptions | None = None,
    missing: pd.DataFrame | None = None,
    allow_incomplete: bool = False,
    inputs: MetricInputs | None = None,
) -> Comparisons:
    """As :func:`compare_arms`, with the warnings of every test and what is lacking.

    The columns of the metric are named after the AUC, whatever it is.
    """
    options = options or AnalysisOptions()
    how = _How(options, primary_metric(options), inputs or MetricInputs())
    frames: Iterable[pd.DataFrame | Aligned] = (
        [scores] if isinstance(scores, pd.DataFrame) else scores
    )
    rows: list[dict[str, Any]] = []
    lacking: list[str] = []
    arms: set[str] = set()
    waiting = missing_by_setting(missing)
    readers = False
    for frame in frames:
        known = missing is not None
        parts = [frame] if isinstance(frame, Aligned) else align(check_scores(frame), planned=known)
        for aligned in parts:
            arms.update(aligned.arms)
            readers |= bool(aligned.readers)
            planned = waiting.pop(tuple(aligned.setting.values()), {})
            found, gaps = _compare_setting(aligned, reference, how, planned)
            rows += found
            lacking = list(dict.fromkeys([*lacking, *gaps]))
    if arms and reference not in arms:
        raise UserError(f"no arm is called {reference!r}; {suggest(reference, arms)}")
    for setting in waiting:
        lacking.append(f"{' / '.join(word for word in setting if word)}: not trained")
    if not allow_incomplete:
        require_complete(lacking, readers=readers)
    if not rows:
        have = ", ".join(sorted(arms)) or "none"
        raise UserError(
            f"nothing to compare with the reference {reference!r}; arms with scores: {have}"
            + ("\n" + "\n".join(f"  - {line}" for line in lacking) if lacking else "")
        )
    return _judged(rows, options, lacking)


def compare_all_pairs(
    settings: Iterable[Aligned],
    reference: str,
    *,
    options: AnalysisOptions | None = None,
    missing: pd.DataFrame | None = None,
    inputs: MetricInputs | None = None,
) -> pd.DataFrame:
    """Compare every two arms in each task, backbone, head and unfreezing depth.

    Parameters
    ----------
    settings : iterable of Aligned
        Scores, as from :func:`~stats_tl.reporting.evidence.alignment.align`.
    reference : str
        Comes second in its pairs; the others are in alphabetical order, and the difference
        is first minus second.
    options : AnalysisOptions, optional
        Level, margin, correction, families. All pairs of the table are one family, or those
        that agree in ``options.families``; no pair is primary.
    missing : DataFrame, optional
        Planned cells that have no result. Runs that lack one are left out.
    inputs : MetricInputs, optional
        What is known of the scores.

    Returns
    -------
    DataFrame
        As from :func:`compare_study`, with the second arm of a pair in ``reference``.
    """
    options = dataclasses.replace(options or AnalysisOptions(), primary={})
    how = _How(options, primary_metric(options), inputs or MetricInputs())
    waiting = missing_by_setting(missing)
    rows: list[dict[str, Any]] = []
    for aligned in settings:
        planned = waiting.get(tuple(aligned.setting.values()), {})
        order = [arm for arm in aligned.arms if arm != reference]
        if reference in aligned.arms:
            order.append(reference)
        for number, second in enumerate(order):
            earlier = order[:number]
            rows += _compare_setting(aligned, second, how, planned, earlier)[0]
    if not rows:
        return pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    return _judged(rows, options).table


def without_verdicts(table: pd.DataFrame, tasks: Collection[str]) -> pd.DataFrame:
    """The comparisons with their numbers, and no verdict in some tasks."""
    withheld = table["task"].astype(str).isin(list(tasks))
    return table.assign(verdict=table["verdict"].mask(withheld, NO_VERDICT))


def _judged(
    rows: Sequence[dict[str, Any]], options: AnalysisOptions, lacking: Sequence[str] = ()
) -> Comparisons:
    """Rows with adjusted P values and verdicts, in order."""
    better = primary_metric(options).higher_is_better
    table = _sorted(judge(pd.DataFrame(rows), options, higher_is_better=better))
    warnings = tuple(table["warnings"])
    text = table.assign(warnings=[SEPARATOR.join(own) for own in warnings])
    return Comparisons(text[list(COMPARISON_COLUMNS)], warnings, tuple(lacking))


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(
        [*SETTING, "arm", "reference"],
        key=lambda column: column.map(unfreeze_order) if column.name == "unfreeze" else column,
        kind="stable",
        ignore_index=True,
    )


@dataclass(frozen=True)
class _How:
    """What is compared, and by which rules."""

    options: AnalysisOptions
    study: StudyMetric
    inputs: MetricInputs


def _compare_setting(
    aligned: Aligned,
    reference: str,
    how: _How,
    planned: dict[str, Missing],
    candidates: Sequence[str] | None = None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of the comparisons of a setting, and a sentence for each of its gaps."""
    where = " / ".join(word for word in aligned.setting.values() if word)
    missing = planned.get("cv", {})
    if candidates is None:
        candidates = sorted({*aligned.arms, *missing} - {reference})
    if not aligned.runs:
        given = [f"{DESIGNS[name]}s" for name, own in aligned.further.items() if own.runs]
        return [], [f"{where}: {join_words(given)} only; the cross-validation is not there"]
    if reference not in aligned.arms:
        if candidates and (reference in missing or where):
            return [], [f"{where}: the reference {reference!r} has no scores"]
        return [], []
    rows, lacking = [], []
    for arm in candidates:
        if arm not in aligned.arms:
            lacking.append(f"{where}: {arm!r} has no scores")
            continue
        cells = [*missing.get(arm, []), *missing.get(reference, [])]
        runs, gaps = complete_runs(aligned, arm, reference, cells)
        further, more = further_runs(aligned, arm, reference, planned)
        one = len({aligned.runs[run][0] for run in runs}) == 1
        if gaps and one and further.pop("halving", None) is not None:
            more.append("one complete repeat, with which no test uses halvings")
        gaps += more
        lacking += gaps
        use = np.ones(len(aligned.cases), dtype=bool)
        if not len(runs):
            runs, use = _largest_part(aligned, arm, reference)
            if not use.any() or len(set(aligned.y_true[use])) < 2:
                continue
            further = {}  # of other cases
        rows.append(_compare(aligned, arm, reference, runs, further, use, gaps, how))
    return rows, lacking


def _largest_part(aligned: Aligned, arm: str, reference: str) -> tuple[np.ndarray, np.ndarray]:
    """The run with most cases tested in both arms, and these cases."""
    folds = aligned.folds[[aligned.arm(arm), aligned.arm(reference)]]
    both = np.logical_and(*(folds >= 0))
    best = int(np.argmax(both.sum(axis=1)))
    return np.array([best]), both[best]


def _compare(
    aligned: Aligned,
    arm: str,
    reference: str,
    runs: np.ndarray,
    further: Mapping[str, np.ndarray],
    use: np.ndarray,
    gaps: Sequence[str],
    how: _How,
) -> dict[str, Any]:
    options, study = how.options, how.study
    arms = (arm, reference)
    y_true = aligned.y_true[use]
    groups = None if aligned.groups is None else aligned.groups[use]
    chosen = [aligned.runs[run] for run in runs]
    repeats = np.array([repeat for repeat, _ in chosen])
    level = 1 - options.alpha
    try:
        scores, thresholds = how.inputs.of_pair(study, aligned, arms, runs, use)
        pair = compare_pair(
            y_true,
            scores,
            aligned.folds[aligned.arm(arm), runs][:, use],
            repeats,
            groups=groups,
            **how.inputs.further(study, aligned, arms, further),
            readers=bool(aligned.readers),
            measure=Measure(study.metric, thresholds),
            confidence_level=level,
        )
    except (ValueError, UserError) as error:
        where = " / ".join(
            word for word in (*aligned.setting.values(), f"{arm} - {reference}") if word
        )
        rows = "rows with design = 'halving': " if "`halvings" in str(error) else ""
        raise UserError(f"{where}: {rows}{error}") from None
    result = pair.primary
    equivalence = noninferiority = math.nan
    if options.margin is not None and result.standard_error > 0:
        equivalence = equivalence_test(result, options.margin).pvalue
        noninferiority = noninferiority_test(result, options.margin).pvalue
    detectable, beyond = _possible(
        pair.smallest_detectable_difference(options.alpha, options.power),
        result,
        study,
        options.power,
    )
    low, high = result.confidence_interval
    least, most = study.metric.difference_bounds
    return {
        **aligned.setting,
        "arm": arm,
        "reference": reference,
        "auc": result.estimates[0],
        "auc_low": pair.intervals[0].low,
        "auc_high": pair.intervals[0].high,
        "auc_reference": result.estimates[1],
        "auc_reference_low": pair.intervals[1].low,
        "auc_reference_high": pair.intervals[1].high,
        "difference": result.estimate,
        "standard_error": result.standard_error,
        # No difference of two AUCs is larger than 1.
        "difference_low": max(low, least) if low == low else low,
        "difference_high": min(high, most) if high == high else high,
        "confidence_level": level,
        "test": pair.test,
        "statistic": result.statistic,
        "df": pair.df,
        "pvalue": result.pvalue,
        "correction": options.correction,
        "alpha": options.alpha,
        "pvalue_delong": pair.delong,
        "pvalue_corrected_t": pair.corrected_t,
        "margin": math.nan if options.margin is None else options.margin,
        "equivalence_pvalue": equivalence,
        "noninferiority_pvalue": noninferiority,
        "smallest_detectable_difference": detectable,
        "power": options.power,
        "estimand": pair.estimand.format(
            units="images" if aligned.patients is None else "patients"
        ),
        "n_patients": _count(aligned.patients, use),
        "n_groups": _count(aligned.groups, use),
        "clustered_by": aligned.unit,
        "n_cases": len(y_true),
        "n_events": int(y_true.sum()),
        "n_repeats": len(set(repeats)),
        "n_seeds": max(np.unique(repeats, return_counts=True)[1]),
        "n_folds": pair.n_folds,
        **_useful(result.procedure),
        "left_out": SEPARATOR.join(gaps),
        "warnings": tuple(
            _of_unit(warning, aligned.unit) for warning in (*result.warnings, *beyond)
        ),
        "method": _of_unit(result.method, aligned.unit),
    }


def _possible(
    detectable: float, result: TestResult, study: StudyMetric, power: float
) -> tuple[float, tuple[str, ...]]:
    """A detectable difference, or NaN and a caution where none that is possible is as large."""
    reference, (low, high) = float(result.estimates[1]), study.metric.bounds
    most = math.inf if study.logarithmic else max(reference - low, high - reference)
    if not detectable > most:
        return detectable, ()
    caution = (
        f"at this precision even the largest possible difference ({most:.2f}) would not be "
        f"detected with {100 * power:g} % power, so that no smallest detectable difference is given"
    )
    return math.nan, (caution,)


def _useful(procedure: Procedure) -> dict[str, int]:
    """How many half-sample repeats and halvings there are that say something."""
    known = {source.source for source in procedure.elasticity_sources}
    half = procedure.n_half_repeats if "half-sample repeats" in known else 0
    halvings = procedure.n_halvings if "halvings" in known else 0
    return {"n_half_repeats": half or 0, "n_halvings": halvings or 0}


def _count(units: np.ndarray | None, use: np.ndarray) -> float:
    """How many different units the cases in use are of; NaN where they are not known."""
    return math.nan if units is None else len(set(units[use].tolist()))


def _of_unit(text: str, unit: str) -> str:
    """A sentence of a test, whose clusters are patients, for clusters of images."""
    if unit not in ("group", "patient-group"):
        return text
    words = {"clustered by patient": "clustered by group", "few patients": "few groups"}
    said = text
    for theirs, ours in words.items():
        said = said.replace(theirs, ours)
    return said
