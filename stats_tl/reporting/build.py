"""From evidence to files: everything is rendered before anything is written.

What a report consists of is a list in :mod:`stats_tl.reporting.contents`; here it is turned
into bytes, in the formats that were asked for.
"""

from __future__ import annotations

__all__ = ["FORMATS", "Report", "build_report"]

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from .. import __version__
from . import contents
from .evidence.base import Evidence
from .evidence.options import AnalysisOptions
from .rendering.encoding import csv_bytes, json_bytes
from .rendering.files import VERSION_LINE
from .rendering.labels import SYNTHETIC
from .rendering.latex import latex_document, latex_table
from .rendering.layout import PAGE, Layout, parse_layout
from .rendering.parts import Absent, RenderedDrawing, Section, Words
from .rendering.table import Table
from .results.audit import audit_findings
from .results.findings import warning_findings
from .results.material import Material, gather_material
from .results.mixed import MixedReport
from .summary import summarize
from .tables.comparisons import terminal_table
from .tables.notes import caution_notes, test_notes
from .text.prose import report_words, words_files

FORMATS = ("latex", "csv", "figures", "words", "json", "html", "docx")


@dataclass(frozen=True)
class Report:
    """A finished report.

    Attributes
    ----------
    material : Material
        What everything was made from.
    sections : tuple of Section
        Tables to print, with the numbers behind them.
    absent : tuple of Absent
        Tables and, where they were asked for, figures that the study does not allow, and why.
    audit : DataFrame
        As from :func:`~stats_tl.reporting.results.audit.audit_findings`.
    summary : dict
        The content of ``summary.json``.
    words : Words
        Paragraphs, references, checklist.
    terminal : Table
        The significance table for the terminal.
    files : dict of str to bytes
        What is to be written, by path relative to the output folder.
    """

    material: Material = field(repr=False)
    sections: tuple[Section, ...] = field(repr=False)
    absent: tuple[Absent, ...]
    audit: pd.DataFrame = field(repr=False)
    summary: dict[str, Any] = field(repr=False)
    words: Words = field(repr=False)
    terminal: Table
    files: dict[str, bytes] = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.material.name

    @property
    def comparisons(self) -> pd.DataFrame:
        """Unrounded numbers of the significance table."""
        return self.material.comparisons

    @property
    def sample(self) -> pd.DataFrame:
        """Unrounded numbers of the sample table."""
        return self.material.sample

    @property
    def mixed(self) -> MixedReport:
        """The mixed model."""
        return self.material.mixed


def build_report(
    evidence: Evidence,
    options: AnalysisOptions,
    *,
    allow_incomplete: bool = False,
    allow_leakage: bool = False,
    formats: Collection[str] = FORMATS,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    layout: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    pictures: bool = True,
    jobs: int = 1,
) -> Report:
    """Compute and render a report; writes nothing.

    Parameters
    ----------
    evidence : Archive or Predictions
    options : AnalysisOptions
        With a reference.
    allow_incomplete : bool, optional
        Compare on the complete runs only, and say so below every table.
    allow_leakage : bool, optional
        Give numbers, without verdicts, where patients are on both sides of a split, and say so
        below every table.
    formats : collection of {"latex", "csv", "figures", "words", "json", "html", "docx"}, optional
    labels : mapping of str to mapping, optional
        Labels by kind (``arms``, ``tasks``, …) and name, as from
        :func:`~stats_tl.study.labels.read_labels`; they prevail over those of the plan.
    layout : str, optional
        Room for the LaTeX tables: ``one-column``, ``two-column``, ``landscape`` or a width in
        millimetres; the page of ``all.tex`` where it is left out.
    progress : callable, optional
        Called as ``progress(step, done, total)`` when a step begins.
    pictures : bool, optional
        False if the files are only compared: figures are then named and described, but not
        drawn (their files are empty), the page is left out, and the document has no pictures.
    jobs : int, optional
        Processes that draw figures side by side, where the system can fork one.

    Returns
    -------
    Report

    Raises
    ------
    UserError
        If the evidence does not allow the comparison.
    IncompleteError
        If pairs are incomplete and `allow_incomplete` is false.
    """
    room = PAGE if layout is None else parse_layout(layout)
    if not pictures:
        formats = set(formats) - {"html"}
    drawn = bool({"figures", "html", "docx"} & set(formats))
    steps = _Steps(progress, 3 + len(contents.TABLES) + drawn)
    steps("reading the scores")
    material = gather_material(
        evidence,
        options,
        allow_incomplete=allow_incomplete,
        allow_leakage=allow_leakage,
        labels=labels,
        step=steps,
    )
    parts: list[Section | Absent] = []
    for build in contents.TABLES:
        steps(build.__name__.strip("_").replace("_", " "))
        parts += build(material)
    sections = tuple(part for part in parts if isinstance(part, Section))
    absent = tuple(part for part in parts if isinstance(part, Absent))
    audit = audit_findings(material)
    summary = summarize(material, sections, absent, audit, caution_notes(material))
    provenance = _provenance(material)
    words = report_words(material, sections)
    if drawn:
        steps("figures")
    figures, undrawn = _figures(material, pictures, jobs) if drawn else ([], ())

    files: dict[str, bytes] = {}
    if "csv" in formats:
        for section in sections:
            files[f"tables/{section.name}.csv"] = csv_bytes(section.numbers)
    if "latex" in formats:
        for section in sections:
            text = latex_table(section.table, provenance=provenance, layout=room)
            files[f"tables/{section.name}.tex"] = text.encode("ascii")
    if "figures" in formats:
        for drawing in figures:
            for suffix, content in drawing.files.items():
                files[f"figures/{drawing.name}{suffix}"] = content
    if "words" in formats:
        files |= words_files(words, provenance)
    if "json" in formats:
        files["summary.json"] = json_bytes(summary)
    if "html" in formats:
        files["report.html"] = contents.PAGE(
            title=material.title or material.name,
            tables=[section.table for section in sections],
            figures=figures,
            absent=(*absent, *undrawn),
            words=words,
            warnings=warning_findings(material.compared),
            audit=audit,
            summary=summary,
            cells=material.aucs,
        )
    if "docx" in formats:
        files["report.docx"] = _word_document(material, sections, figures, words, provenance)
    if "latex" in formats:
        files["all.tex"] = _document(material, files, figures, provenance, room)
    return Report(
        material=material,
        sections=sections,
        absent=(*absent, *undrawn),
        audit=audit,
        summary=summary,
        terminal=terminal_table(
            material.comparisons,
            options,
            title=material.title,
            cautions=test_notes(material),
            labels=material.labels,
        ),
        words=words,
        files=files,
    )


class _Steps:
    """Counts the steps of a report and tells them."""

    def __init__(self, progress: Callable[[str, int, int], None] | None, total: int):
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, step: str) -> None:
        if self._progress is not None:
            self._progress(step, self._done, self._total)
        self._done += 1


def _figures(
    material: Material, pictures: bool, jobs: int
) -> tuple[list[RenderedDrawing], tuple[Absent, ...]]:
    """The figures that the study allows, and why it does not allow the others."""
    # Imported here: tables alone need no figures.
    from .figures.gallery import FIGURES

    made = {name: build(material) for name, build in FIGURES.items()}
    drawings = {name: own for name, own in made.items() if not isinstance(own, Absent)}
    if pictures:
        from .figures.side_by_side import render_side_by_side

        files = render_side_by_side([own.draw for own in drawings.values()], jobs)
    else:
        files = [{".pdf": b"", ".png": b""} for _ in drawings]
    figures = [
        RenderedDrawing(name, own.caption, own.alt, content)
        for (name, own), content in zip(drawings.items(), files, strict=True)
    ]
    return figures, tuple(own for own in made.values() if isinstance(own, Absent))


def _document(
    material: Material,
    files: dict[str, bytes],
    figures: Sequence[RenderedDrawing],
    provenance: Sequence[str],
    layout: Layout,
) -> bytes:
    captions = {f"figures/{drawing.name}.pdf": drawing.caption for drawing in figures}
    shown: list[str] = [path for path in ("methods.tex", "results.tex") if path in files]
    shown += [p for p in files if p.startswith("tables/") and p.endswith(".tex")]
    shown += [path for path in files if path.endswith(".pdf")]
    text = latex_document(
        material.title or material.name,
        shown,
        captions=captions,
        provenance=provenance,
        layout=layout,
    )
    return text.encode("ascii")


def _word_document(
    material: Material,
    sections: Sequence[Section],
    figures: Sequence[RenderedDrawing],
    words: Words,
    provenance: Sequence[str],
) -> bytes:
    # Imported here: other formats need no python-docx, which is slow to import.
    from .word import build_document

    return build_document(
        title=material.title or material.name,
        tables=[section.table for section in sections],
        figures=figures,
        words=words,
        provenance=provenance,
    )


def _provenance(material: Material) -> list[str]:
    lines = [
        f"{VERSION_LINE}{__version__}",
        f"{material.evidence.source} sha256: {material.evidence.digest}",
    ]
    if material.options.plan_sha256:
        lines.append(f"analysis plan sha256: {material.options.plan_sha256}")
    return [*lines, SYNTHETIC] if material.synthetic else lines
