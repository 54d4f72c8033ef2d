"""Table 6: the difference within subgroups of cases, and whether it differs between them."""

from __future__ import annotations

__all__ = ["subgroup_table", "subgroups"]

from collections.abc import Iterator, Sequence

import pandas as pd

from ..evidence.alignment import SETTING
from ..evidence.options import AnalysisOptions
from ..rendering.labels import comparison_labels, describe_unfreeze, join_words
from ..rendering.numbers import format_count, format_interval, format_number, format_p
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.material import Material
from ..results.subgroups import FEWEST_FOLDS, FEWEST_REPEATS, MIN_CASES, compare_all_subgroups
from .notes import secondary_notes


def subgroups(material: Material) -> Iterator[Section | Absent]:
    """The table of subgroups, from the material of a report."""
    numbers = compare_all_subgroups(material)
    if isinstance(numbers, Absent):
        yield numbers
        return
    cautions = secondary_notes(material)
    table = subgroup_table(numbers, material.options, title=material.title, cautions=cautions)
    yield Section(table, numbers)


def subgroup_table(
    numbers: pd.DataFrame,
    options: AnalysisOptions,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
) -> Table:
    """Subgroups to print, from the rows of :func:`.compare_subgroups`."""
    level = f"{100 * (1 - options.alpha):g} %"
    labels = comparison_labels(numbers)
    several = len(numbers[[*SETTING, "arm"]].drop_duplicates()) > 1
    reference = str(numbers["reference"].iloc[0])
    arms = sorted(set(numbers["arm"].astype(str)))
    patients = numbers["n_patients"].notna().any()
    body: list[Row | Panel] = []
    before = ("", "")
    for number, row in enumerate(numbers.to_dict("records")):
        which = ", ".join(filter(None, [str(row["task"]), *labels[number]])) if several else ""
        if (which, row["covariate"]) != before:
            before = (which, row["covariate"])
            body.append(Panel(": ".join(filter(None, before))))
            shown = (format_p(row["interaction_pvalue"], options.alpha),
                     format_p(row["interaction_pvalue_adjusted"], options.alpha))  # fmt: skip
        body.append(_row(row, shown, bool(patients)))
        shown = ("", "")
    counts = [Column("Patients", "right")] if patients else []
    return Table(
        name="subgroups",
        caption=f"Difference in AUC within subgroups, {join_words(arms)} compared with {reference}"
        + ("" if several else _setting_words(numbers))
        + (f". {title}." if title else "."),
        columns=(
            Column("Subgroup", "wrap"),
            *counts,
            Column("Images", "right"),
            Column("Events", "right"),
            Column("Candidate", "decimal", "AUC"),
            Column("Reference", "decimal", "AUC"),
            Column("Difference", "decimal"),
            Column(f"{level} CI", "center"),
            Column("Raw", "p", "P of interaction"),
            Column("Adjusted", "p", "P of interaction"),
        ),
        body=tuple(body),
        notes=(*_notes(numbers, options), *cautions),
    )


def _row(row: dict, pvalues: tuple[str, str], patients: bool) -> Row:
    counts = [Cell(format_count(row["n_patients"]))] if patients else []
    return Row(
        (
            Cell(str(row["subgroup"])),
            *counts,
            Cell(format_count(row["n_cases"])),
            Cell(format_count(row["n_events"])),
            Cell(format_number(row["auc"])),
            Cell(format_number(row["auc_reference"])),
            Cell(format_number(row["difference"])),
            Cell(format_interval(row["difference_low"], row["difference_high"])),
            *map(Cell, pvalues),
        )
    )


def _setting_words(numbers: pd.DataFrame) -> str:
    """Backbone, head and depth of the only comparison, in brackets."""
    row = numbers.iloc[0]
    head = f"{row['head']} head" if row["head"] else ""
    words = filter(None, [row["backbone"], head, describe_unfreeze(str(row["unfreeze"]))])
    text = ", ".join(map(str, words))
    return f" ({text})" if text else ""


def _notes(numbers: pd.DataFrame, options: AnalysisOptions) -> list[str]:
    crossed = bool((numbers["n_folds"] > 1).any())
    clustered = ", clustered by patient" if numbers["n_patients"].notna().any() else ""
    averaged = ", averaged over runs" if (numbers["n_runs"] > 1).any() else ""
    pairs = " scored by one model" if crossed else ""
    notes = [
        f"AUC: share of the pairs of a positive and a negative case of the subgroup{pairs} that "
        "are ranked rightly. Difference: candidate − reference, so that positive values favor the "
        f"candidate; its interval from DeLong’s variance{clustered}{averaged}, not adjusted for "
        "the number of subgroups."
    ]
    tests = len(numbers.drop_duplicates([*SETTING, "arm", "covariate"]))
    if numbers["tested"].all():
        adjusted = (
            f"; adjusted: {options.correction.capitalize()} over the {tests} tests of the table"
            if options.correction != "none" and tests > 1
            else "; not adjusted"
        )
        notes.append(
            f"P of interaction: chi-square test that the differences of all subgroups of the "
            f"covariate are equal{adjusted}. A difference in one subgroup and none in another is "
            "no difference between them unless this test says so."
        )
    else:
        notes.append(
            f"No P values: with fewer than {FEWEST_REPEATS} repeats or {FEWEST_FOLDS} folds none "
            "is known to hold for subgroups; the intervals are then too narrow, for they take "
            "the training as given."
        )
    if numbers["auc"].isna().any():
        notes.append(
            f"–: fewer than {MIN_CASES} positive or negative cases; such subgroups have no part "
            "in the test."
        )
    unknown = numbers[numbers["n_unknown"] > 0].drop_duplicates("covariate")
    for row in unknown.to_dict("records"):
        notes.append(f"{row['covariate']} is not known for {row['n_unknown']} images.")
    if not numbers["planned"].all():
        notes.append("Exploratory: the plan names no such subgroups.")
    return notes
