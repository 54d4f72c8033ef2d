"""Files of the shorter reports: of several classes, of values of cases, of published AUCs."""

from __future__ import annotations

__all__ = ["short_report_files", "unwritten"]

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from .rendering.encoding import csv_bytes, json_bytes
from .rendering.latex import latex_document, latex_table
from .rendering.layout import Layout
from .rendering.parts import Absent, RenderedDrawing, Section, Words
from .text.prose import prose_files
from .text.references import cited_keys, references_bib


def short_report_files(
    title: str,
    sections: Sequence[Section],
    methods: tuple[str, ...],
    results: tuple[str, ...],
    *,
    summary: Mapping[str, Any],
    formats: Collection[str],
    provenance: Sequence[str],
    layout: Layout,
    figures: Sequence[RenderedDrawing] = (),
) -> dict[str, bytes]:
    """What is to be written, by path relative to the output folder.

    Parameters
    ----------
    title : str
    sections : sequence of Section
    methods, results : tuple of str
        Paragraphs.
    summary : mapping
        The content of ``summary.json``.
    formats : collection of {"latex", "csv", "figures", "words", "json", "docx"}
        What else stands in it is left out.
    provenance : sequence of str
    layout : Layout
        Room for the LaTeX tables.
    figures : sequence of RenderedDrawing, optional
    """
    files: dict[str, bytes] = {}
    if "csv" in formats:
        files |= {f"tables/{own.name}.csv": csv_bytes(own.numbers) for own in sections}
    if "latex" in formats:
        for section in sections:
            text = latex_table(section.table, provenance=provenance, layout=layout)
            files[f"tables/{section.name}.tex"] = text.encode("ascii")
    captions = {}
    if "figures" in formats:
        captions = {f"figures/{own.name}.pdf": own.caption for own in figures}
        for own in figures:
            files |= {f"figures/{own.name}{suffix}": data for suffix, data in own.files.items()}
    references = references_bib(cited_keys(methods))
    if "words" in formats:
        files |= prose_files(methods, results, references, provenance)
    if "json" in formats:
        files["summary.json"] = json_bytes(summary)
    if "docx" in formats:
        # Imported here: other formats need no python-docx, which is slow to import.
        from .word import build_document

        files["report.docx"] = build_document(
            title=title,
            tables=[section.table for section in sections],
            figures=figures,
            words=Words(methods, results, references, pd.DataFrame()),
            provenance=provenance,
        )
    if "latex" in formats:
        inputs: list[str] = [path for path in ("methods.tex", "results.tex") if path in files]
        inputs += [path for path in files if path.startswith("tables/") and path.endswith(".tex")]
        inputs += list(captions)
        text = latex_document(
            title, inputs, captions=captions, provenance=provenance, layout=layout
        )
        files["all.tex"] = text.encode("ascii")
    return files


def unwritten(formats: Collection[str], *, figures: bool = False) -> tuple[Absent, ...]:
    """Formats that were asked for and that a shorter report does not have.

    `figures` says whether it may have figures.
    """
    reason = "it is made of scores of two classes alone"
    page = (Absent("report", "web page", reason),) if "html" in formats else ()
    if figures or "figures" not in formats:
        return page
    return (*page, Absent("figures", "figures", "they are drawn of scores alone"))
