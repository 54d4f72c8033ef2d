"""The comparisons with and without affected cases, side by side."""

from __future__ import annotations

__all__ = ["sensitivity", "sensitivity_table"]

from collections.abc import Iterator, Sequence

import pandas as pd

from ..measures.study_metric import AUC, StudyMetric
from ..rendering.labels import Labels, comparison_labels, sentence_case, varies
from ..rendering.numbers import format_count, format_interval, format_number, format_p
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.material import Material
from ..results.sensitivity import sensitivity_analyses
from .notes import secondary_notes


def sensitivity(material: Material) -> Iterator[Section | Absent]:
    """The table of sensitivity analyses, from the material of a report."""
    numbers = sensitivity_analyses(material)
    if isinstance(numbers, Absent):
        yield numbers
        return
    table = sensitivity_table(
        numbers,
        by=material.metric,
        title=material.title,
        cautions=secondary_notes(material),
        labels=material.labels,
    )
    yield Section(table, numbers.rename(columns=material.metric.of_columns()))


def sensitivity_table(
    numbers: pd.DataFrame,
    *,
    by: StudyMetric = AUC,
    title: str = "",
    cautions: Sequence[str] = (),
    labels: Labels | None = None,
) -> Table:
    """Analyses to print, from the rows of :func:`.sensitivity_analyses`."""
    numbers = (labels or Labels()).applied(numbers)
    names = comparison_labels(numbers)
    several = varies(numbers["task"])
    body: list[Row | Panel] = []
    before = ""
    for name, row in zip(names, numbers.to_dict("records"), strict=True):
        which = ", ".join(filter(None, [str(row["task"]) if several else "", *name]))
        if which != before:
            body.append(Panel(which))
            before = which
        body.append(
            Row(
                (
                    Cell(sentence_case(str(row["analysis"]))),
                    Cell(format_count(row["n_cases"])),
                    Cell(format_number(row["auc"])),
                    Cell(format_number(row["auc_reference"])),
                    Cell(format_number(row["difference"])),
                    Cell(format_interval(row["difference_low"], row["difference_high"])),
                    Cell(format_p(row["pvalue_adjusted"], row["alpha"])),
                    Cell(str(row["verdict"])),
                )
            )
        )
    arms = list(dict.fromkeys(numbers["arm"]))
    candidate = arms[0] if len(arms) == 1 else "Candidate"
    reference = str(numbers["reference"].iloc[0])
    level = f"{100 * numbers['confidence_level'].iloc[0]:g} %"
    return Table(
        name="sensitivity",
        caption="Sensitivity analysis: the comparison with and without affected cases."
        + (f" {title}." if title else ""),
        columns=(
            Column("Analysis", "wrap"),
            Column("Images", "right"),
            Column(candidate, "right", by.header),
            Column(reference, "right", by.header),
            Column("Difference", "right"),
            Column(f"{level} CI", "right"),
            Column("P", "p"),
            Column("Verdict"),
        ),
        body=tuple(body),
        notes=(
            "The test and the adjustment of P values are those of the table of comparisons. Cases "
            "were left out of the test sets only; the models are the same, so that what they "
            "learned from a copy of a case stays in them.",
            *cautions,
        ),
    )
