"""The report of a table of AUCs: as :mod:`..build` makes one from scores, but shorter."""

from __future__ import annotations

from typing import Any

__all__ = ["GridReport", "build_grid_report"]

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from ... import __version__
from ...errors import UserError
from ..evidence.options import AnalysisOptions
from ..rendering.encoding import SUMMARY_VERSION, plain, tables_json
from ..rendering.files import VERSION_LINE
from ..rendering.labels import Labels
from ..rendering.layout import PAGE, parse_layout
from ..rendering.numbers import format_number
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..short_report import short_report_files, unwritten
from ..tables.mixed import mean_columns, mean_row
from ..tables.notes import exploratory_notes, plan_notes
from ..text.auc_table import grid_methods, grid_results
from .model import GridFit, fit_grid, grid_table


@dataclass(frozen=True)
class GridReport:
    """A finished report of a table of AUCs; attributes as of :class:`..build.Report`."""

    name: str
    fit: GridFit = field(repr=False)
    sections: tuple[Section, ...] = field(repr=False)
    absent: tuple[Absent, ...]
    terminal: Table
    files: dict[str, bytes] = field(repr=False)


def build_grid_report(
    frame: pd.DataFrame,
    options: AnalysisOptions,
    *,
    name: str,
    digest: str,
    allow_incomplete: bool = False,
    formats: Collection[str] = ("latex", "csv", "words", "json", "docx"),
    labels: Mapping[str, Mapping[str, str]] | None = None,
    layout: str | None = None,
) -> GridReport:
    """Fit and render; writes nothing.

    Parameters
    ----------
    frame : DataFrame
        As from :func:`~stats_tl.reporting.auc_table.model.read_aucs`.
    options : AnalysisOptions
        With a reference; of the rest the level is used.
    name, digest : str
        Name of the study, and SHA-256 of its table.
    allow_incomplete : bool, optional
        Leave out configurations that lack an arm.
    formats : collection of {"latex", "csv", "words", "json", "docx"}, optional
    labels : mapping of str to mapping, optional
        Labels by kind and name, as from :func:`~stats_tl.study.labels.read_labels`.
    layout : str, optional
        Room for the LaTeX tables, as for :func:`~stats_tl.reporting.build_report`.

    Returns
    -------
    GridReport

    Raises
    ------
    UserError
        If there is no reference, or the table does not allow the model.
    """
    room = PAGE if layout is None else parse_layout(layout)
    if options.reference is None:
        arms = ", ".join(sorted(set(frame["arm"])))
        raise UserError(f"which arm is the reference? Say --reference NAME; arms: {arms}")
    fit = fit_grid(
        frame,
        options.reference,
        confidence_level=1 - options.alpha,
        allow_incomplete=allow_incomplete,
    )
    names = {"tasks": frame["task"], "arms": frame["arm"], "backbones": frame["backbone"]}
    shown = _shown(fit, Labels.of_names(names, labels or {}))
    cautions = [*exploratory_notes(options), *plan_notes(options)]
    sections = (
        Section(grid_table(shown, alpha=options.alpha, cautions=cautions), fit.effects),
        Section(_means_table(shown, options, cautions), fit.means),
        Section(_variance_table(shown, cautions), fit.variances),
    )
    provenance = [f"{VERSION_LINE}{__version__}", f"AUCs sha256: {digest}"]
    if options.plan_sha256:
        provenance.append(f"analysis plan sha256: {options.plan_sha256}")
    files = short_report_files(
        name,
        sections,
        grid_methods(shown.effects, shown.ddf, options),
        grid_results(shown.effects, shown.remarks, options.alpha),
        summary=_summary(fit, sections, options, name, digest),
        formats=formats,
        provenance=provenance,
        layout=room,
    )
    return GridReport(name, fit, sections, unwritten(formats), sections[0].table, files)


def _shown(fit: GridFit, labels: Labels) -> GridFit:
    """The same models with labels in place of names."""
    effects = labels.applied(fit.effects)
    differences = effects["arm"] != ""
    effects.loc[differences, "effect"] = (
        effects.loc[differences, "arm"] + " − " + effects.loc[differences, "reference"]
    )
    return dataclasses.replace(
        fit,
        effects=effects,
        means=labels.applied(fit.means),
        variances=labels.applied(fit.variances),
    )


def _means_table(fit: GridFit, options: AnalysisOptions, cautions: Sequence[str]) -> Table:
    body: list[Row | Panel] = []
    for (task, backbone), rows in fit.means.groupby(["task", "backbone"], sort=False):
        words = [str(task), str(backbone) or "All backbones"]
        body.append(Panel(": ".join(filter(None, words))))
        for row in rows.to_dict("records"):
            body.append(mean_row(row))
    return Table(
        name="grid_means",
        caption="Mixed model of the AUCs of matched configurations: marginal means.",
        columns=mean_columns(f"{100 * (1 - options.alpha):g} %"),
        body=tuple(body),
        notes=tuple([*fit.remarks, *cautions]),
    )


def _variance_table(fit: GridFit, cautions: Sequence[str]) -> Table:
    body: list[Row | Panel] = []
    for task, rows in fit.variances.groupby("task", sort=False):
        if task:
            body.append(Panel(str(task)))
        for row in rows.to_dict("records"):
            variance, sd = format_number(1000 * row["variance"]), format_number(row["sd"])
            body.append(Row((Cell(row["source"]), Cell(variance), Cell(sd))))
    return Table(
        name="grid_variances",
        caption="Mixed model of the AUCs of matched configurations: variance components.",
        columns=(
            Column("Source"),
            Column("Variance × 1000", "decimal"),
            Column("SD", "decimal"),
        ),
        body=tuple(body),
        notes=tuple([*fit.remarks, *cautions]),
    )


def _summary(
    fit: GridFit,
    sections: Sequence[Section],
    options: AnalysisOptions,
    name: str,
    digest: str,
) -> dict[str, Any]:
    return {
        "summary_version": SUMMARY_VERSION,
        "written_by": f"stats_tl {__version__}",
        "study": {"name": name, "title": "", "source": "AUCs", "sha256": digest,
                  "synthetic": False, "incomplete": list(fit.remarks)},
        "analysis": plain(
            {
                "reference": options.reference,
                "alpha": options.alpha,
                "planned": options.planned,
                "departures": list(options.departures),
                "plan_sha256": options.plan_sha256,
            }
        ),
        "tables": tables_json(sections),
    }  # fmt: skip
