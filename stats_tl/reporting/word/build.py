"""From the parts of a report to the bytes of its Word document."""

from __future__ import annotations

__all__ = ["build_document"]

import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from docx.document import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Mm
from docx.text.paragraph import Paragraph

from ..rendering.parts import RenderedDrawing, Words
from ..rendering.table import Table
from ..text.bibliography import number_references, paragraph
from .package import NOTES, document_bytes, new_document
from .tables import prose_table, word_table
from .text import shown

_DOTS_PER_INCH = 300
_WIDEST = 160.0  # mm


def build_document(
    *,
    title: str,
    tables: Sequence[Table],
    figures: Sequence[RenderedDrawing],
    words: Words,
    provenance: Sequence[str],
) -> bytes:
    """The document of a report, made from what was built for the other files.

    Parameters
    ----------
    title : str
        Title or name of the study.
    tables : sequence of Table
        In the order of the report, notes included.
    figures : sequence of RenderedDrawing
    words : Words
    provenance : sequence of str
        Where the numbers come from; they stand among the properties of the file.

    Returns
    -------
    bytes
        Office Open XML, the same for the same arguments.
    """
    document = new_document(shown(title), provenance)
    document.add_paragraph(shown(title), "Title")
    _prose(document, words)
    if tables:
        _on_new_page(document, "Tables")
    for number, table in enumerate(tables, 1):
        _caption(document, "Table", number, table.caption).paragraph_format.keep_with_next = True
        _append(document, word_table(table))
        for note in table.notes:
            document.add_paragraph(shown(note), NOTES)
    if figures:
        _on_new_page(document, "Figures")
    for number, drawing in enumerate(figures, 1):
        if drawing.files[".png"]:  # not drawn where the report is only compared
            _picture(document, drawing)
        _caption(document, "Figure", number, drawing.caption)
    _checklist(document, words)
    return document_bytes(document)


def _on_new_page(document: Document, heading: str) -> None:
    document.add_heading(heading, 1).paragraph_format.page_break_before = True


def _prose(document: Document, words: Words) -> None:
    """The paragraphs and the list of what they cite."""
    references = number_references(words)
    for heading, texts in (("Statistical analysis", words.methods), ("Results", words.results)):
        if texts:
            document.add_heading(heading, 1)
        for text in texts:
            document.add_paragraph(_cited(text, references))
    if references:
        document.add_heading("References", 1)
    for reference in references.values():
        entry = f"{reference['number']}. {reference['text']} {reference['address']}"
        document.add_paragraph(shown(entry.strip()))


def _cited(text: str, references: Mapping[str, dict[str, Any]]) -> str:
    """A paragraph with the numbers of its references in square brackets."""
    pieces = []
    for part in paragraph(text, references):
        numbers = ", ".join(str(citation["number"]) for citation in part["citations"])
        pieces.append(part["text"] + (f" [{numbers}]" if numbers else ""))
    return shown("".join(pieces))


def _caption(document: Document, kind: str, number: int, text: str) -> Paragraph:
    """A caption whose number is a field, which cross-references and lists of tables look for."""
    caption = document.add_paragraph(f"{kind} ", "Caption")
    caption.runs[0].bold = True
    caption._p.append(
        parse_xml(
            f'<w:fldSimple {nsdecls("w")} w:instr=" SEQ {kind} \\* ARABIC ">'
            f"<w:r><w:rPr><w:b/></w:rPr><w:t>{number}</w:t></w:r></w:fldSimple>"
        )
    )
    caption.add_run(". ").bold = True
    caption.add_run(shown(text))
    return caption


def _append(document: Document, table: Any) -> None:
    """A table at the end, before the properties of the section."""
    document.element.body.insert_element_before(table, "w:sectPr")


def _picture(document: Document, drawing: RenderedDrawing) -> None:
    png = drawing.files[".png"]
    (dots,) = struct.unpack(">I", png[16:20])
    width = Mm(min(25.4 * dots / _DOTS_PER_INCH, _WIDEST))
    document.add_picture(io.BytesIO(png), width=width)
    holder = document.paragraphs[-1]
    holder.paragraph_format.keep_with_next = True
    (properties,) = holder._p.xpath(".//wp:docPr")
    properties.set("descr", shown(drawing.alt))
    properties.set("title", drawing.name)


def _checklist(document: Document, words: Words) -> None:
    if words.checklist.empty:
        return
    _on_new_page(document, "Reporting checklist")
    texts = words.checklist.fillna("").astype(str)
    for guideline, rows in texts.groupby("guideline", sort=False):
        document.add_heading(shown(str(guideline)), 2)
        cells = [
            (row["item"], f"{row['topic']}: {row['request']}", row["answer"])
            for row in rows.to_dict("records")
        ]
        _append(
            document,
            prose_table(str(guideline), ("Item", "Request", "Answer"), cells, (0.08, 0.42, 0.5)),
        )
        # Word also wants a paragraph between a table and the end of the document.
        document.add_paragraph(
            "Answers are filled in from the data; blank items are for the authors.", NOTES
        )
