"""Table 4: every two arms compared, where there are more than two."""

from __future__ import annotations

from typing import Any

__all__ = ["all_pairs", "all_pairs_table"]

from collections.abc import Iterator, Sequence

import pandas as pd

from ..evidence.options import AnalysisOptions
from ..measures.study_metric import primary_metric
from ..rendering.labels import Labels, setting_phrase, varies
from ..rendering.numbers import format_interval, format_number, format_p
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.comparisons import compare_all_pairs, without_verdicts
from ..results.material import Material
from .notes import adjustment_note, test_notes

#: More pairs of arms than this are not compared: nobody could read the table.
MOST_PAIRS = 5000


def all_pairs(material: Material) -> Iterator[Section | Absent]:
    """The table of all pairs, from the material of a report."""
    arms = {arm for setting in material.settings for arm in setting.arms}
    if len(arms) < 3:
        yield Absent("all_pairs", "table of all pairs", "there are only two arms")
        return
    pairs = sum(len(own.arms) * (len(own.arms) - 1) // 2 for own in material.settings)
    if pairs > MOST_PAIRS:
        reason = f"there are {pairs:,} pairs, and more than {MOST_PAIRS:,} are not compared"
        yield Absent("all_pairs", "table of all pairs", reason)
        return
    numbers = compare_all_pairs(
        material.settings,
        material.reference,
        options=material.options,
        missing=material.evidence.missing,
        inputs=material.inputs,
    )
    numbers = without_verdicts(numbers, material.divided)
    table = all_pairs_table(
        numbers,
        material.options,
        title=material.title,
        cautions=test_notes(material),
        labels=material.labels,
    )
    yield Section(table, numbers.rename(columns=material.metric.of_columns()))


def all_pairs_table(
    numbers: pd.DataFrame,
    options: AnalysisOptions,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
    labels: Labels | None = None,
) -> Table:
    """All pairs to print, from the rows of :func:`compare_all_pairs`."""
    numbers, by = (labels or Labels()).applied(numbers), primary_metric(options)
    level = f"{100 * (1 - options.alpha):g} %"
    show = {key: varies(numbers[key]) for key in ("backbone", "head", "unfreeze")}
    body: list[Row | Panel] = []
    keys = ["task", "backbone", "head", "unfreeze"]
    for key, rows in numbers.groupby(keys, sort=False):
        words = dict(zip(keys, map(str, key), strict=True))
        shown = setting_phrase(words, ["task", *(k for k in keys[1:] if show[k])])
        if shown:
            body.append(Panel(shown))
        body += [_row(row, options.alpha) for row in rows.to_dict("records")]
    longest = max(len(str(name)) for name in (*numbers["arm"], *numbers["reference"]))
    width = round(min(max(1.8 * longest, 15), 26))
    sign = "positive" if by.higher_is_better else "negative"
    how = adjustment_note(numbers.assign(role=""), options)
    return Table(
        name="all_pairs",
        caption="Pairwise comparisons of all arms." + (f" {title}." if title else ""),
        columns=(
            Column("First", "wrap", width=width),
            Column("Second", "wrap", width=width),
            Column("First", "decimal", by.header),
            Column("Second", "decimal", by.header),
            Column("Difference", "decimal"),
            Column(f"{level} CI", "center"),
            Column("Raw", "p", "P value"),
            Column("Adjusted", "p", "P value"),
            Column("Verdict"),
        ),
        body=tuple(body),
        notes=(
            f"Differences are first − second, so that {sign} values favour the first. Confidence "
            f"intervals (CI) are not adjusted for the number of pairs. {how} The {by.better} "
            f"{by.label} is in bold where the adjusted P < {options.alpha:g}.",
            "P values of this table are adjusted for all of its pairs; the comparisons with the "
            "reference are in the table of comparisons.",
            *cautions,
        ),
    )


def _row(row: dict[Any, Any], alpha: float) -> Row:
    return Row(
        (
            Cell(row["arm"]),
            Cell(row["reference"]),
            Cell(format_number(row["auc"]), bold=row["verdict"] == "superior"),
            Cell(format_number(row["auc_reference"]), bold=row["verdict"] == "inferior"),
            Cell(format_number(row["difference"])),
            Cell(format_interval(row["difference_low"], row["difference_high"])),
            Cell(format_p(row["pvalue"], alpha)),
            Cell(format_p(row["pvalue_adjusted"], alpha)),
            Cell(row["verdict"]),
        )
    )
