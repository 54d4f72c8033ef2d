"""Table 5: sensitivity and specificity at thresholds fixed on the tuning cases.

Every model has a threshold of its own, chosen on the cases that it was tuned on (inner
validation) and never on test cases: at the largest Youden index, or at a target sensitivity
named in the plan. A cross-validation therefore has as many thresholds as models, and the
table is about the procedure *train, tune the threshold, apply it*. The tuning cases also
chose the epoch, so that the thresholds are a little optimistic for them, not for the test
cases.
"""

from __future__ import annotations

__all__ = ["OPERATING_COLUMNS", "compare_operating_points", "operating_points", "operating_table"]

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from ...stats import (
    adjust_pvalues,
    operating_point_test,
    repeated_operating_point_test,
    repeated_proportion,
)
from ..evidence.alignment import SETTING, Aligned, complete_runs
from ..evidence.options import AnalysisOptions
from ..rendering.labels import comparison_labels
from ..rendering.numbers import format_interval, format_number, format_p
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.comparisons import planned_gaps
from ..results.material import Material
from ..results.thresholds import THRESHOLD_KEYS

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


def operating_points(material: Material) -> Iterator[Section | Absent]:
    """The table of operating points, from the material of a report."""
    thresholds = material.thresholds
    if thresholds.empty:
        yield Absent(
            "operating_points",
            "operating points",
            "there are no scores of tuning cases to fix a threshold on (rows with partition "
            "'validation')",
        )
        return
    numbers = compare_operating_points(
        material.settings,
        thresholds,
        material.reference,
        options=material.options,
        missing=material.evidence.missing,
    )
    if numbers.empty:
        yield Absent(
            "operating_points",
            "operating points",
            "no comparison has tuning cases of both classes for all of its models",
        )
        return
    table = operating_table(
        numbers, material.options, title=material.title, cautions=material.limits
    )
    yield Section(table, numbers)


def compare_operating_points(
    settings: Iterable[Aligned],
    thresholds: pd.DataFrame,
    reference: str,
    *,
    options: AnalysisOptions | None = None,
    missing: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Sensitivity and specificity of every arm against the reference.

    Parameters
    ----------
    settings : iterable of Aligned
        Test scores.
    thresholds : DataFrame
        As from :func:`~stats_tl.reporting.results.thresholds.cell_thresholds`.
    reference : str
    options : AnalysisOptions, optional
        Level and correction: all P values of the table are one family.
    missing : DataFrame, optional
        Planned cells that have no result; runs that lack one are left out.

    Returns
    -------
    DataFrame
        Two rows a comparison, with the columns :data:`OPERATING_COLUMNS`. Comparisons of
        which a model has no threshold are left out.
    """
    options = options or AnalysisOptions()
    waiting = planned_gaps(missing)
    known = dict(
        zip(
            thresholds[THRESHOLD_KEYS].itertuples(index=False, name=None),
            thresholds["threshold"],
            strict=True,
        )
    )
    rows: list[dict] = []
    for aligned in settings:
        for arm in aligned.arms:
            if arm == reference or reference not in aligned.arms:
                continue
            planned = waiting.get(tuple(aligned.setting.values()), {})
            gaps = [*planned.get(arm, []), *planned.get(reference, [])]
            runs, _ = complete_runs(aligned, arm, reference, gaps)
            if len(runs):
                rows += _compare(aligned, arm, reference, runs, known, options)
    if not rows:
        return pd.DataFrame(columns=list(OPERATING_COLUMNS))
    table = pd.DataFrame(rows)
    table["pvalue_adjusted"] = adjust_pvalues(table["pvalue"].to_numpy(), options.correction)
    return table[list(OPERATING_COLUMNS)]


def _compare(
    aligned: Aligned,
    arm: str,
    reference: str,
    runs: np.ndarray,
    known: dict,
    options: AnalysisOptions,
) -> Iterator[dict]:
    calls = [_calls(aligned, name, runs, known) for name in (arm, reference)]
    if any(call is None for call in calls):
        return
    a, b = calls
    assert a is not None
    assert b is not None
    folds = aligned.folds[aligned.arm(arm), runs]
    chosen = [aligned.runs[run] for run in runs]
    repeats = [repeat for repeat, _ in chosen]
    level = 1 - options.alpha
    rule = (
        "largest Youden index"
        if options.target_sensitivity is None
        else f"sensitivity {options.target_sensitivity:g}"
    )
    n_folds = len(np.unique(folds[0]))
    for metric, positive in (("sensitivity", True), ("specificity", False)):
        selected = aligned.y_true == int(positive)
        groups = None if aligned.patients is None else aligned.patients[selected]
        test = repeated_operating_point_test(
            aligned.y_true, a, b, folds,
            metric=metric, groups=aligned.patients, confidence_level=level,
        )  # fmt: skip
        right_a, right_b = ((call == positive)[:, selected] for call in (a, b))
        pvalue, method = test.pvalue, test.method
        if n_folds == 1 and len(runs) == 1:
            # Calls as scores: McNemar's test, exact, or Durkalski's where patients are named.
            exact = operating_point_test(
                aligned.y_true, a[0].astype(float), b[0].astype(float), threshold_a=0.5,
                threshold_b=0.5, metric=metric, groups=aligned.patients, confidence_level=level,
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
            "threshold_rule": rule,
            "method": method,
        }


def _calls(aligned: Aligned, arm: str, runs: np.ndarray, known: dict) -> np.ndarray | None:
    """Whether each case is called positive, shape (runs, cases); None without thresholds."""
    position = aligned.arm(arm)
    called = np.zeros((len(runs), len(aligned.cases)), dtype=bool)
    setting = tuple(aligned.setting[key] for key in SETTING)
    for number, run in enumerate(runs):
        repeat, seed = aligned.runs[run]
        folds = aligned.folds[position, run]
        for fold in np.unique(folds):
            key = (*setting, arm, repeat, seed, int(fold))
            threshold = known.get(key, math.nan)
            if math.isnan(threshold):
                return None
            own = folds == fold
            called[number, own] = aligned.scores[position, run, own] >= threshold
    return called


def operating_table(
    numbers: pd.DataFrame,
    options: AnalysisOptions,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
) -> Table:
    """Operating points to print, from the rows of :func:`compare_operating_points`."""
    level = f"{100 * (1 - options.alpha):g} %"
    labels = comparison_labels(numbers)
    crossed = bool((numbers["n_folds"] > 1).any())
    reference = str(numbers["reference"].iloc[0])
    body: list[Row | Panel] = []
    shown = ""
    for number, row in enumerate(numbers.to_dict("records")):
        name = ", ".join(filter(None, labels[number]))
        panel = ": ".join(filter(None, [row["task"], name]))
        if panel != shown:
            body.append(Panel(panel))
            shown = panel
        body.append(_row(row, options.alpha))
    return Table(
        name="operating_points",
        caption=f"Sensitivity and specificity, candidate compared with {reference}, at "
        "thresholds fixed on tuning data." + (f" {title}." if title else ""),
        columns=(
            Column("Measure"),
            Column("Cases", "right"),
            Column("Candidate", "decimal", f"% ({level} CI)"),
            Column("Reference", "decimal", f"% ({level} CI)"),
            Column("points", "decimal", "Difference"),
            Column("Candidate", "decimal", "Right in one only"),
            Column("Reference", "decimal", "Right in one only"),
            Column("Raw", "p", "P value"),
            Column("Adjusted", "p", "P value"),
        ),
        body=tuple(body),
        notes=(*_notes(numbers, options, crossed), *cautions),
    )


def _row(row: dict, alpha: float) -> Row:
    significant = row["pvalue_adjusted"] < alpha
    higher = row["difference"] > 0
    crossed = row["n_repeats"] * row["n_seeds"] > 1

    def percent(name: str, bold: bool = False) -> Cell:
        low, high = 100 * row[f"{name}_low"], 100 * row[f"{name}_high"]
        below = "" if math.isnan(low) else f"({format_interval(low, high, 1)})"
        return Cell(format_number(100 * row[name], 1), below, bold)

    return Row(
        (
            Cell(row["metric"]),
            Cell(str(row["n_cases"])),
            percent("value", significant and higher),
            percent("value_reference", significant and not higher),
            percent("difference"),
            Cell(format_number(row["only_candidate_right"], int(crossed))),
            Cell(format_number(row["only_reference_right"], int(crossed))),
            Cell(format_p(row["pvalue"], alpha)),
            Cell(format_p(row["pvalue_adjusted"], alpha)),
        )
    )


def _notes(numbers: pd.DataFrame, options: AnalysisOptions, crossed: bool) -> list[str]:
    at = (
        "at the largest Youden index"
        if options.target_sensitivity is None
        else f"where {100 * options.target_sensitivity:g} % of the positive tuning cases are called"
    )
    notes = [
        f"Thresholds: one for each trained model, {at} of its tuning cases; no test case was used. "
        "Difference: candidate − reference in percentage points, so that positive values favor "
        "the candidate. Right in one only: test cases that one arm calls rightly and the other "
        "does not" + (", mean over runs." if (numbers["n_repeats"] > 1).any() else ".")
    ]
    if crossed:
        notes.append(
            "Test and intervals: Nadeau and Bengio’s corrected resampled t test over test folds, "
            "which holds thresholds, splits and training runs as random. It is conservative, so "
            "that a large P value says little; no calibrated test of operating points under "
            "repeated cross-validation is known. The intervals of each arm are Wilson’s at the "
            "effective number of cases that this variance implies."
        )
    elif ((numbers["n_repeats"] > 1) | (numbers["n_seeds"] > 1)).any():
        notes.append(
            "Test and intervals: Obuchowski and Rockette’s variance over training runs and "
            "patients. The intervals of each arm are Wilson’s at the effective number of cases."
        )
    else:
        notes.append(
            "Test: McNemar’s, in Durkalski’s form for several images of a patient, where patients "
            "are named, else exact; thresholds and models are held fixed. Interval of a "
            "difference: Wald; of an arm: Wilson."
        )
    if options.correction == "none" or len(numbers) == 1:
        notes.append("P values are not adjusted for the number of comparisons.")
    else:
        notes.append(
            f"Adjusted: {options.correction.capitalize()} over the {len(numbers)} P values of "
            "this table, which is a family of its own and secondary to the AUC."
        )
    return notes
