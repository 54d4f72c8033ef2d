"""Table 3: the mixed model as tables of fixed effects, marginal means and variances."""

from __future__ import annotations

__all__ = ["mean_columns", "mean_row", "mixed_model", "mixed_tables"]

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ..rendering.labels import RULES, Labels, join_words
from ..rendering.numbers import equals_p, format_interval, format_number, format_p
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.material import Material
from ..results.mixed import PLURALS, MixedReport
from .notes import general_notes


def mixed_model(material: Material) -> Iterator[Section | Absent]:
    """The tables of the mixed model, from the material of a report."""
    mixed = material.mixed
    if mixed.reason:
        yield Absent("mixed_model", "mixed model", mixed.reason)
        return
    tables = mixed_tables(
        mixed, title=material.title, cautions=general_notes(material), labels=material.labels
    )
    numbers = (_effects(mixed), mixed.means, mixed.variance_components)
    for table, frame in zip(tables, numbers, strict=True):
        yield Section(table, frame)


def mixed_tables(
    report: MixedReport,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
    labels: Labels | None = None,
) -> list[Table]:
    """Fixed effects, means and variance components as tables; none where there is no model."""
    if report.reason:
        return []
    of_study = f" {title}." if title else ""
    level = f"{100 * report.confidence_level:g} %"
    notes = [
        f"A linear mixed model was fitted to the AUCs of {report.n_rows} test folds by restricted "
        f"maximum likelihood, with {RULES.get(report.ddf, report.ddf)} degrees of freedom; the "
        f"formula was {report.described}.",
        "The model describes sources of variance and is not the test between arms: the folds of a "
        "repeat share training data, and repeats share their cases, so that its P values are too "
        "small. The test is in the table of comparisons.",
        *report.remarks,
        *cautions,
    ]
    effects = Table(
        name="mixed_model",
        caption=f"Mixed model of fold AUCs: fixed effects.{of_study}",
        columns=(
            Column("Effect", "wrap"),
            Column("Estimate", "decimal"),
            Column("SE", "decimal"),
            Column(f"{level} CI", "center"),
            Column("df", "decimal"),
            Column("t", "decimal"),
            Column("P value", "p"),
        ),
        body=tuple(
            Row(
                (
                    Cell(row["effect"]),
                    Cell(format_number(row["estimate"])),
                    Cell(format_number(row["standard_error"])),
                    Cell(format_interval(row["ci_low"], row["ci_high"])),
                    Cell(format_number(row["df"], 1)),
                    Cell(format_number(row["statistic"], 2)),
                    Cell(format_p(row["pvalue"])),
                )
            )
            for row in report.coefficients.to_dict("records")
        ),
        notes=(*notes[:2], *_interaction_notes(report), *notes[2:]),
    )
    components = Table(
        name="variance_components",
        caption=f"Mixed model of fold AUCs: variance components.{of_study}",
        columns=(
            Column("Source", "left"),
            Column("Variance × 1000", "decimal"),
            Column("SD", "decimal"),
            Column("Share, %", "decimal"),
        ),
        body=tuple(
            Row(
                (
                    Cell(row["source"]),
                    Cell(format_number(1000 * row["variance"])),
                    Cell(format_number(row["sd"])),
                    Cell(format_number(100 * row["share"], 1)),
                )
            )
            for row in report.variance_components.to_dict("records")
        ),
        notes=(notes[0], *report.remarks, *cautions),
    )
    shown = labels or Labels()
    return [
        effects,
        _means_table(report, of_study, level, (notes[0], *report.remarks, *cautions), shown),
        components,
    ]


def _interaction_notes(report: MixedReport) -> list[str]:
    return [
        f"The joint F test of the {row['effect']} interaction over all levels gave "
        f"F({row['df_numerator']:g}, {format_number(row['df_denominator'], 1)}) = "
        f"{format_number(row['statistic'], 2)}, P {equals_p(row['pvalue'])}."
        for row in report.tests.to_dict("records")
    ]


def _effects(report: MixedReport) -> pd.DataFrame:
    """Coefficients, and below them the joint F tests, with two degrees of freedom."""
    tests = report.tests.rename(columns={"df_denominator": "df"})
    frame = report.coefficients.assign(df_numerator=1.0)
    return (
        pd.concat([frame, tests.assign(term="F test")], ignore_index=True) if len(tests) else frame
    )


def _means_table(
    report: MixedReport, of_study: str, level: str, notes: Sequence[str], labels: Labels
) -> Table:
    body: list[Row | Panel] = []
    shown = None
    for row in report.means.to_dict("records"):
        if row["level"] != shown:
            shown = row["level"]
            averaged = join_words([PLURALS[f] for f in dict.fromkeys(report.means["factor"]) if f])
            mean = f"Mean over {averaged} with equal weights" if averaged else "All"
            body.append(Panel(labels.label(PLURALS[row["factor"]], shown) if shown else mean))
        body.append(mean_row({**row, "arm": labels.arm(row["arm"])}))
    return Table(
        name="marginal_means",
        caption=f"Mixed model of fold AUCs: marginal means.{of_study}",
        columns=mean_columns(level),
        body=tuple(body),
        notes=tuple(notes),
    )


def mean_columns(level: str) -> tuple[Column, ...]:
    """Columns of a table of marginal means; `level` as in ``"95 %"``."""
    return (
        Column("Arm", "wrap"),
        Column("AUC", "decimal"),
        Column("SE", "decimal"),
        Column(f"{level} CI", "center"),
        Column("df", "decimal"),
    )


def mean_row(row: Mapping[Any, Any]) -> Row:
    """A marginal mean: ``arm, estimate, standard_error, ci_low, ci_high, df``."""
    return Row(
        (
            Cell(row["arm"]),
            Cell(format_number(row["estimate"])),
            Cell(format_number(row["standard_error"])),
            Cell(format_interval(row["ci_low"], row["ci_high"])),
            Cell(format_number(row["df"], 1)),
        )
    )
