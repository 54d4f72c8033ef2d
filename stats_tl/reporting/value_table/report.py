"""The report of values of cases: as :mod:`..build` makes one from scores, but shorter."""

from __future__ import annotations

__all__ = ["ValueReport", "build_value_report"]

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ... import __version__
from ...errors import UserError
from ..evidence.options import AnalysisOptions
from ..rendering.encoding import SUMMARY_VERSION, plain, tables_json
from ..rendering.files import VERSION_LINE
from ..rendering.labels import CORRECTION_NAMES, join_words, plural, sentence_case
from ..rendering.layout import PAGE, parse_layout
from ..rendering.numbers import equals_p, format_interval, format_number, format_p
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Row, Table
from ..short_report import short_report_files, unwritten
from ..tables.notes import exploratory_notes, plan_notes
from .model import ValueFit, fit_values
from .sources import ValueTable


@dataclass(frozen=True)
class ValueReport:
    """A finished report of values of cases; attributes as of :class:`..build.Report`."""

    name: str
    fit: ValueFit = field(repr=False)
    sections: tuple[Section, ...] = field(repr=False)
    absent: tuple[Absent, ...]
    terminal: Table
    files: dict[str, bytes] = field(repr=False)


def build_value_report(
    table: ValueTable,
    options: AnalysisOptions,
    *,
    name: str,
    higher_is_better: bool | None = None,
    formats: Collection[str] = ("latex", "csv", "words", "json", "docx"),
    labels: Mapping[str, Mapping[str, str]] | None = None,
    layout: str | None = None,
) -> ValueReport:
    """Compare and render; writes nothing.

    Parameters
    ----------
    table : ValueTable
        As from :func:`~stats_tl.reporting.value_table.sources.read_values`.
    options : AnalysisOptions
        With a reference; margin, correction and level are used.
    name : str
        Name of the study.
    higher_is_better : bool, optional
        Direction of the value; by default as its name tells.
    formats : collection of {"latex", "csv", "words", "json", "docx"}, optional
    labels : mapping of str to mapping, optional
        Labels of the arms, as from :func:`~stats_tl.study.labels.read_labels`.
    layout : str, optional
        Room for the LaTeX tables, as for :func:`~stats_tl.reporting.build_report`.

    Returns
    -------
    ValueReport

    Raises
    ------
    UserError
        If there is no reference, the direction is unknown, or values are missing in an arm.
    """
    room = PAGE if layout is None else parse_layout(layout)
    better = table.higher_is_better if higher_is_better is None else higher_is_better
    if better is None:
        raise UserError(
            f"is a higher {table.what!r} better? Say --higher-is-better (as for Dice) or "
            "--lower-is-better (as for errors and times)"
        )
    fit = fit_values(table, options, higher_is_better=better)
    arms = (labels or {}).get("arms", {})
    shown = _Shown(fit, table.what, better, options, arms)
    sections = (
        Section(shown.comparisons(), fit.comparisons),
        Section(shown.means(), fit.means),
    )
    provenance = [f"{VERSION_LINE}{__version__}", f"values sha256: {table.digest}"]
    if options.plan_sha256:
        provenance.append(f"analysis plan sha256: {options.plan_sha256}")
    files = short_report_files(
        name,
        sections,
        shown.methods(),
        shown.results(),
        summary=_summary(table, sections, options, name, better=better),
        formats=formats,
        provenance=provenance,
        layout=room,
    )
    return ValueReport(name, fit, sections, unwritten(formats), sections[0].table, files)


@dataclass(frozen=True)
class _Shown:
    """Text of a fit."""

    fit: ValueFit
    what: str
    better: bool
    options: AnalysisOptions
    labels: Mapping[str, str]

    @property
    def level(self) -> str:
        return f"{100 * (1 - self.options.alpha):g} % CI"

    @property
    def value(self) -> str:
        """The value in words."""
        return re.sub(r"[_\s]+", " ", self.what)

    def arm(self, name: str) -> str:
        return self.labels.get(name, name)

    def notes(self) -> tuple[str, ...]:
        direction = "Higher" if self.better else "Lower"
        margin = self.options.margin
        notes = [
            f"{self.fit.design[0].upper()}{self.fit.design[1:]}. The comparison is about "
            f"{self.fit.procedure}. {direction} values are better; differences are arm minus "
            "reference.",
            self._adjustment(),
            f"Differences within ± {margin:g} were considered negligible (equivalence margin)."
            if margin is not None
            else "No equivalence margin was given.",
            *(f"{sentence_case(text)}." for text in self.fit.warnings),
            *exploratory_notes(self.options),
            *plan_notes(self.options),
        ]
        return tuple(filter(None, notes))

    def _adjustment(self) -> str:
        table, correction = self.fit.comparisons, self.options.correction
        if len(table) == 1 or correction == "none":
            return "P values are not adjusted."
        return (
            f"“Adjusted” P values use {CORRECTION_NAMES[correction]} over the "
            f"{plural(len(table), 'comparison')}."
        )

    def comparisons(self) -> Table:
        adjusted = len(self.fit.comparisons) > 1 and self.options.correction != "none"
        rows = []
        for row in self.fit.comparisons.to_dict("records"):
            cells = [
                Cell(f"{self.arm(row['arm'])} − {self.arm(row['reference'])}"),
                Cell(format_number(row["mean"])),
                Cell(format_number(row["mean_reference"])),
                Cell(format_number(row["difference"])),
                Cell(format_interval(row["ci_low"], row["ci_high"])),
                Cell(format_p(row["pvalue"], self.options.alpha)),
            ]
            if adjusted:
                cells.append(Cell(format_p(row["pvalue_adjusted"], self.options.alpha)))
            rows.append(Row((*cells, Cell(row["verdict"]))))
        columns = [
            Column("Comparison"),
            Column("Arm", "decimal", "Mean"),
            Column("Reference", "decimal", "Mean"),
            Column("Difference", "decimal"),
            Column(self.level),
            Column("P", "p"),
        ]
        if adjusted:
            columns.append(Column("Adjusted", "p"))
        return Table(
            name="values",
            caption=f"Comparison of mean {self.value} between arms.",
            columns=(*columns, Column("Verdict")),
            body=tuple(rows),
            notes=self.notes(),
        )

    def means(self) -> Table:
        rows = tuple(
            Row(
                (
                    Cell(self.arm(row["arm"])),
                    Cell(format_number(row["mean"])),
                    Cell(format_interval(row["ci_low"], row["ci_high"])),
                )
            )
            for row in self.fit.means.to_dict("records")
        )
        return Table(
            name="value_means",
            caption=f"Mean {self.value} of each arm.",
            columns=(Column("Arm"), Column("Mean", "decimal"), Column(self.level)),
            body=rows,
            notes=self.notes()[:1],
        )

    def methods(self) -> tuple[str, ...]:
        arms = join_words([self.arm(arm) for arm in self.fit.comparisons["arm"]])
        reference = self.arm(str(self.fit.comparisons["reference"].iloc[0]))
        clustered = " with patients as the independent units" if self.fit.clustered else ""
        test = (
            "the repeated cross-validation test"
            if "cross-validation" in self.fit.design
            else "a paired t test"
        )
        return (
            f"We compared the mean {self.value} of {arms} with that of {reference} in "
            f"{self.fit.design}, by {test}{clustered}. {self._adjustment()} The analysis was done "
            "with stats_tl [@stats_tl].",
            *filter(None, [" ".join(exploratory_notes(self.options))]),
        )

    def results(self) -> tuple[str, ...]:
        sentences = [
            f"The mean {self.value} was {format_number(row['mean'])} with {self.arm(row['arm'])} "
            f"and {format_number(row['mean_reference'])} with {self.arm(row['reference'])} "
            f"(difference, {format_number(row['difference'])}; {self.level}, "
            f"{format_interval(row['ci_low'], row['ci_high'])}; P "
            f"{equals_p(row['pvalue_adjusted'], self.options.alpha)}): {row['verdict']}."
            for row in self.fit.comparisons.to_dict("records")
        ]
        return (" ".join(sentences),)


def _summary(
    table: ValueTable,
    sections: tuple[Section, ...],
    options: AnalysisOptions,
    name: str,
    *,
    better: bool,
) -> dict[str, Any]:
    return {
        "summary_version": SUMMARY_VERSION,
        "written_by": f"stats_tl {__version__}",
        "study": {
            "name": name,
            "title": "",
            "source": "values",
            "sha256": table.digest,
            "synthetic": False,
            "value": table.what,
            "higher_is_better": better,
        },
        "analysis": plain(
            {
                "reference": options.reference,
                "alpha": options.alpha,
                "margin": options.margin,
                "correction": options.correction,
                "planned": options.planned,
                "departures": list(options.departures),
                "plan_sha256": options.plan_sha256,
            }
        ),
        "tables": tables_json(sections),
    }
