"""Table 5: sensitivity and specificity at thresholds fixed on the tuning cases."""

from __future__ import annotations

__all__ = ["operating_points", "operating_table"]

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from ..evidence.options import AnalysisOptions
from ..rendering.labels import comparison_labels
from ..rendering.numbers import format_interval, format_number, format_p
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.material import Material
from ..results.operating_points import compare_operating_points
from .notes import secondary_notes


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
        numbers, material.options, title=material.title, cautions=secondary_notes(material)
    )
    yield Section(table, numbers)


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
