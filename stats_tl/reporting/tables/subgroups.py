"""Table 6: the difference within subgroups of cases, and whether it differs between them."""

from __future__ import annotations

from typing import Any

__all__ = ["subgroup_table", "subgroups"]

from collections.abc import Iterator, Sequence

import pandas as pd

from ..evidence.alignment import SETTING
from ..evidence.options import AnalysisOptions
from ..rendering.labels import (
    CORRECTION_NAMES,
    Labels,
    clustered_by,
    comparison_labels,
    join_words,
    plural,
    setting_phrase,
)
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
    table = subgroup_table(
        numbers,
        material.options,
        title=material.title,
        cautions=secondary_notes(material),
        labels=material.labels,
    )
    yield Section(table, numbers)


def subgroup_table(
    numbers: pd.DataFrame,
    options: AnalysisOptions,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
    labels: Labels | None = None,
) -> Table:
    """Subgroups to print, from the rows of :func:`.compare_subgroups`."""
    numbers = (labels or Labels()).applied(numbers)
    level = f"{100 * (1 - options.alpha):g} %"
    names = comparison_labels(numbers)
    several = len(numbers[[*SETTING, "arm"]].drop_duplicates()) > 1
    reference = str(numbers["reference"].iloc[0])
    arms = list(dict.fromkeys(numbers["arm"]))
    setting = setting_phrase(numbers.iloc[0].to_dict(), ("backbone", "head", "unfreeze"))
    patients = numbers["n_patients"].notna().any()
    body: list[Row | Panel] = []
    before = ("", "")
    for number, row in enumerate(numbers.to_dict("records")):
        which = ", ".join(filter(None, [str(row["task"]), *names[number]])) if several else ""
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
        + ("" if several or not setting else f" ({setting})")
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
            Column("Raw", "p", "P for interaction"),
            Column("Adjusted", "p", "P for interaction"),
        ),
        body=tuple(body),
        notes=(*_notes(numbers, options), *cautions),
    )


def _row(row: dict[Any, Any], pvalues: tuple[str, str], patients: bool) -> Row:
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


def _notes(numbers: pd.DataFrame, options: AnalysisOptions) -> list[str]:
    crossed = bool((numbers["n_folds"] > 1).any())
    clustered = clustered_by(numbers["clustered_by"])
    averaged = ", averaged over runs" if (numbers["n_runs"] > 1).any() else ""
    pairs = ", both scored by the same model," if crossed else ""
    notes = [
        "The AUC is the proportion of pairs of a positive and a negative case of the subgroup"
        f"{pairs} that are ranked correctly. Differences are candidate − reference, so that "
        f"positive values favour the candidate; their intervals use DeLong’s variance{clustered}"
        f"{averaged}, and are not adjusted for the number of subgroups."
    ]
    tests = len(numbers.drop_duplicates([*SETTING, "arm", "covariate"]))
    if numbers["tested"].all():
        adjusted = (
            f"adjusted P values use {CORRECTION_NAMES[options.correction]} over the {tests} tests "
            "of the table"
            if options.correction != "none" and tests > 1
            else "P values are not adjusted"
        )
        notes.append(
            "P values for interaction are from a chi-square test of equal differences in all "
            f"subgroups of the covariate; {adjusted}. Whether two subgroups differ is answered by "
            "this test, not by a difference that is significant in one of them and not in the "
            "other."
        )
    else:
        notes.append(
            f"No P values are given: with fewer than {FEWEST_REPEATS} repeats or {FEWEST_FOLDS} "
            "folds, no test is known to be valid for subgroups. The intervals are then too narrow, "
            "because they do not include the variability of training."
        )
    if numbers["auc"].isna().any():
        notes.append(
            f"A dash marks subgroups with fewer than {MIN_CASES} positive or negative cases, which "
            "were left out of the test."
        )
    unknown = numbers[numbers["n_unknown"] > 0].drop_duplicates("covariate")
    for row in unknown.to_dict("records"):
        images = plural(int(row["n_unknown"]), "image was", "images were")
        notes.append(f"The {row['covariate']} of {images} not known.")
    if not numbers["planned"].all():
        notes.append("These subgroup analyses were not prespecified and are exploratory.")
    return notes
