"""The report of several classes: as :mod:`..build` makes one of two, but shorter."""

from __future__ import annotations

__all__ = ["ClassReport", "build_class_report"]

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ... import __version__
from ...errors import UserError, suggest
from ..evidence.options import AnalysisOptions
from ..figures.side_by_side import render_side_by_side
from ..rendering.encoding import SUMMARY_VERSION, plain, tables_json
from ..rendering.files import VERSION_LINE
from ..rendering.labels import Labels
from ..rendering.layout import PAGE, parse_layout
from ..rendering.parts import Absent, Drawing, RenderedDrawing, Section
from ..rendering.table import Table
from ..short_report import short_report_files, unwritten
from .figure import roc_by_class
from .model import METRICS, ClassFit, fit_classes
from .sources import ClassTable
from .tables import ClassTables
from .words import class_methods, class_results


@dataclass(frozen=True)
class ClassReport:
    """A finished report of several classes; attributes as of :class:`..build.Report`."""

    name: str
    fit: ClassFit = field(repr=False)
    sections: tuple[Section, ...] = field(repr=False)
    absent: tuple[Absent, ...]
    terminal: Table
    files: dict[str, bytes] = field(repr=False)


def build_class_report(
    table: ClassTable,
    options: AnalysisOptions,
    *,
    metric: str | None = None,
    allow_incomplete: bool = False,
    allow_leakage: bool = False,
    formats: Collection[str] = ("latex", "csv", "figures", "words", "json"),
    labels: Mapping[str, Mapping[str, str]] | None = None,
    layout: str | None = None,
    pictures: bool = True,
) -> ClassReport:
    """Compare and render; writes nothing.

    Parameters
    ----------
    table : ClassTable
        As from :func:`~stats_tl.reporting.class_table.sources.read_classes`.
    options : AnalysisOptions
        With a reference; level, margin, correction and primary comparison are used.
    metric : str, optional
        ``roc_auc_ovr`` (macro-averaged one-versus-rest AUC) or ``roc_auc_ovo`` (Hand and Till's
        M); of grades ``quadratic_kappa``. By default the first of ``options.metric``, else
        the first of these.
    allow_incomplete, allow_leakage : bool, optional
        As for :func:`~stats_tl.reporting.build_report`.
    formats : collection of {"latex", "csv", "figures", "words", "json", "docx"}, optional
    labels : mapping of str to mapping, optional
        Labels by kind and name, as from :func:`~stats_tl.study.labels.read_labels`.
    layout : str, optional
        Room for the LaTeX tables, as for :func:`~stats_tl.reporting.build_report`.
    pictures : bool, optional
        False if the files are only compared: figures are then empty.

    Returns
    -------
    ClassReport

    Raises
    ------
    UserError
        If there is no reference, the metric is not of such a table, or the scores do not allow
        the comparison.
    """
    room = PAGE if layout is None else parse_layout(layout)
    fit = fit_classes(
        table,
        options,
        metric=_metric((metric,) if metric else options.metric, graded=table.graded),
        allow_incomplete=allow_incomplete,
        allow_leakage=allow_leakage,
    )
    shown = _labels(fit, options, labels or {})
    tables = ClassTables(fit, options, shown)
    sections = tuple(tables.sections())
    provenance = [f"{VERSION_LINE}{__version__}", f"predictions sha256: {table.digest}"]
    if options.plan_sha256:
        provenance.append(f"analysis plan sha256: {options.plan_sha256}")
    drawing = roc_by_class(
        fit, table.classes, str(options.reference), labels=shown, alpha=options.alpha
    )
    files = short_report_files(
        table.predictions.name,
        sections,
        class_methods(tables),
        class_results(tables),
        summary=_summary(table, fit, sections, options),
        formats=formats,
        provenance=provenance,
        layout=room,
        figures=_figures(drawing, pictures) if {"figures", "docx"} & set(formats) else (),
    )
    absent = _absent(tables, drawing, formats)
    return ClassReport(table.predictions.name, fit, sections, absent, sections[0].table, files)


def _figures(drawing: Drawing | Absent, pictures: bool) -> list[RenderedDrawing]:
    if isinstance(drawing, Absent):
        return []
    content = {".pdf": b"", ".png": b""}
    if pictures:
        (content,) = render_side_by_side([drawing.draw], 1)
    return [RenderedDrawing("roc_by_class", drawing.caption, drawing.alt, content)]


def _absent(
    tables: ClassTables, drawing: Drawing | Absent, formats: Collection[str]
) -> tuple[Absent, ...]:
    """What was asked for and is not there."""
    found = [own for own in (*tables.absent(), drawing) if isinstance(own, Absent)]
    return (*found, *unwritten(formats, figures=True))


def _metric(given: Sequence[str], *, graded: bool) -> str:
    """The first of the metrics that were named, if they are of such a table."""
    allowed = ["quadratic_kappa"] if graded else [m for m in METRICS if m != "quadratic_kappa"]
    for name in given:
        if name not in allowed:
            what = "grades" if graded else "scores of several classes"
            raise UserError(f"metric {name!r} is not of {what}; {suggest(name, allowed)}")
    return given[0] if given else allowed[0]


def _labels(
    fit: ClassFit, options: AnalysisOptions, given: Mapping[str, Mapping[str, str]]
) -> Labels:
    table = fit.comparisons
    names: dict[str, Iterable[str]] = {
        "tasks": table["task"],
        "arms": {*table["arm"], str(options.reference)},
        "backbones": table["backbone"],
        "heads": table["head"],
        "unfreeze": table["unfreeze"],
    }
    return Labels.of_names(names, given)


def _summary(
    table: ClassTable,
    fit: ClassFit,
    sections: tuple[Section, ...],
    options: AnalysisOptions,
) -> dict[str, Any]:
    return {
        "summary_version": SUMMARY_VERSION,
        "written_by": f"stats_tl {__version__}",
        "study": {
            "name": table.predictions.name,
            "title": "",
            "source": "predictions",
            "sha256": table.digest,
            "synthetic": False,
            "classes": list(table.classes),
            "metric": fit.metric,
        },
        "analysis": plain(
            {
                "reference": options.reference,
                "alpha": options.alpha,
                "margin": options.margin,
                "correction": options.correction,
                "primary": dict(options.primary),
                "planned": options.planned,
                "departures": list(options.departures),
                "plan_sha256": options.plan_sha256,
            }
        ),
        "tables": tables_json(sections),
    }
