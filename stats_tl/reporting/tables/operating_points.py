"""Table 5: sensitivity and specificity at thresholds fixed on the tuning cases."""

from __future__ import annotations

from typing import Any

__all__ = ["operating_points", "operating_table"]

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from ..evidence.options import AnalysisOptions
from ..measures.study_metric import primary_metric
from ..rendering.labels import (
    CORRECTION_NAMES,
    Labels,
    comparison_labels,
    join_words,
    sentence_case,
)
from ..rendering.numbers import format_interval, format_number, format_p
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.clinical.operating_points import compare_operating_points
from ..results.clinical.risks import risk_rule
from ..results.material import Material
from .notes import secondary_notes


def operating_points(material: Material) -> Iterator[Section | Absent]:
    """The table of operating points, from the material of a report."""
    thresholds = material.thresholds
    if thresholds.empty and material.options.threshold is None:
        yield Absent(
            "operating_points",
            "table of operating points",
            "there are no scores of tuning cases (rows with partition 'validation') on which to "
            "set thresholds, and no threshold was given (threshold, or --threshold); the table of "
            "clinical metrics has sensitivity at fixed specificities, and the reverse",
        )
        return
    numbers = compare_operating_points(
        material.settings,
        thresholds,
        material.reference,
        options=material.options,
        missing=material.evidence.missing,
        rule=risk_rule(material),
    )
    if numbers.empty:
        yield Absent(
            "operating_points",
            "table of operating points",
            "no comparison has tuning cases of both classes for all of its models",
        )
        return
    table = operating_table(
        numbers,
        material.options,
        title=material.title,
        cautions=secondary_notes(material),
        labels=material.labels,
    )
    yield Section(table, numbers)


def operating_table(
    numbers: pd.DataFrame,
    options: AnalysisOptions,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
    labels: Labels | None = None,
) -> Table:
    """Operating points to print, from the rows of :func:`compare_operating_points`."""
    numbers = (labels or Labels()).applied(numbers)
    level = f"{100 * (1 - options.alpha):g} %"
    names = comparison_labels(numbers)
    crossed = bool((numbers["n_folds"] > 1).any())
    reference = str(numbers["reference"].iloc[0])
    arms = list(dict.fromkeys(numbers["arm"]))
    body: list[Row | Panel] = []
    shown = ""
    for number, row in enumerate(numbers.to_dict("records")):
        name = ", ".join(filter(None, names[number]))
        panel = ": ".join(filter(None, [row["task"], name]))
        if panel != shown:
            body.append(Panel(panel))
            shown = panel
        body.append(_row(row, options.alpha))
    return Table(
        name="operating_points",
        caption=f"Sensitivity and specificity, {join_words(arms)} compared with {reference}, at "
        + (
            "thresholds set on tuning cases."
            if options.threshold is None
            else f"a threshold of {options.threshold:g}."
        )
        + (f" {title}." if title else ""),
        columns=(
            Column("Measure"),
            Column("Cases", "right"),
            Column("Candidate", "decimal", f"% ({level} CI)"),
            Column("Reference", "decimal", f"% ({level} CI)"),
            Column("Difference", "decimal", "Points"),
            Column("Candidate", "decimal", "Correct in one only"),
            Column("Reference", "decimal", "Correct in one only"),
            Column("Raw", "p", "P value"),
            Column("Adjusted", "p", "P value"),
        ),
        body=tuple(body),
        notes=(*_notes(numbers, options, crossed), *cautions),
    )


def _row(row: dict[Any, Any], alpha: float) -> Row:
    significant = row["pvalue_adjusted"] < alpha
    higher = row["difference"] > 0
    crossed = row["n_repeats"] * row["n_seeds"] > 1

    def percent(name: str, bold: bool = False) -> Cell:
        low, high = 100 * row[f"{name}_low"], 100 * row[f"{name}_high"]
        below = "" if math.isnan(low) else f"({format_interval(low, high, 1)})"
        return Cell(format_number(100 * row[name], 1), below, bold)

    return Row(
        (
            Cell(sentence_case(row["metric"])),
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
    given = (
        f"Cases whose score (in an archive, predicted risk) reaches {options.threshold:g}, a "
        "threshold that was given, are called positive in every model."
        if options.threshold is not None
        else ""
    )
    at = (
        "at the largest Youden index on its tuning cases"
        if options.target_sensitivity is None
        else f"at a sensitivity of {100 * options.target_sensitivity:g} % on its tuning cases"
    )
    runs = ", averaged over runs" if (numbers["n_repeats"] > 1).any() else ""
    notes = [
        (given or f"Each model has a threshold of its own, set {at}; no test case was used.")
        + " Differences are candidate − reference in percentage points, so that positive values "
        "favour the candidate. “Correct in one only” counts the test cases that one arm classifies "
        f"correctly and the other does not{runs}."
    ]
    if crossed:
        notes.append(
            "The test and its intervals are Nadeau and Bengio’s corrected resampled t test over "
            "test folds, which treats thresholds, splits and training runs as random. It is "
            "conservative, so that a large P value says little; no calibrated test of operating "
            "points under repeated cross-validation is known. The intervals of each arm are "
            "Wilson’s, at the effective number of cases that this variance implies."
        )
    elif ((numbers["n_repeats"] > 1) | (numbers["n_seeds"] > 1)).any():
        notes.append(
            "The test and its intervals use Obuchowski and Rockette’s variance over training runs "
            "and patients. The intervals of each arm are Wilson’s, at the effective number of "
            "cases."
        )
    else:
        notes.append(
            "The test is McNemar’s: Obuchowski’s form for clustered data where patients are known, "
            "else the exact test; thresholds and models are treated as fixed. The interval of a "
            "difference is Wald’s, and that of an arm is Wilson’s."
        )
    if options.correction == "none" or len(numbers) == 1:
        notes.append("P values are not adjusted for the number of comparisons.")
    else:
        notes.append(
            f"Adjusted P values use {CORRECTION_NAMES[options.correction]} over the {len(numbers)} "
            "P values of this table, which are a family of their own and secondary to the "
            f"{primary_metric(options).label}."
        )
    return notes
