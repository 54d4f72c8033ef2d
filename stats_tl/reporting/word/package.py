"""An empty document with the styles of a manuscript, and its file, the same bytes every time."""

from __future__ import annotations

__all__ = ["NOTES", "SMALL", "TABLE_TEXT", "document_bytes", "new_document"]

import datetime as dt
import io
import zipfile
from collections.abc import Sequence

import docx
from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor
from docx.styles.style import ParagraphStyle

#: Styles of the text of cells, of their second lines and of the notes below a table.
TABLE_TEXT, SMALL, NOTES = "Table Text", "Table Text Small", "Table Notes"
_FONT = "Times New Roman"
_DATE = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def new_document(title: str, comments: Sequence[str]) -> Document:
    """A document without content, A4 with margins of 25 mm.

    Parameters
    ----------
    title : str
        Among the properties of the file.
    comments : sequence of str
        Where the numbers come from, among its properties too.
    """
    document = docx.Document()
    (section,) = document.sections
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(25)
    section.top_margin = section.bottom_margin = Mm(25)
    properties = document.core_properties
    properties.title = title[:255]
    properties.comments = "\n".join(comments)[:255]
    properties.author = properties.last_modified_by = ""
    properties.created = properties.modified = _DATE
    _paragraph_style(document, "Normal", 11, after=6)
    for name, size in (("Title", 16), ("Heading 1", 14), ("Heading 2", 12)):
        _paragraph_style(document, name, size, before=12, after=6, follow=True).font.bold = True
    caption = _paragraph_style(document, "Caption", 10, before=12, after=4)
    caption.font.bold = False
    for name, size in ((TABLE_TEXT, 8), (SMALL, 7), (NOTES, 8)):
        style = document.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = document.styles["Normal"]
        _paragraph_style(document, name, size, after=2 if name == NOTES else 0)
    return document


def document_bytes(document: Document) -> bytes:
    """The file: python-docx dates the parts of its zip by the clock, here they have one date."""
    saved, result = io.BytesIO(), io.BytesIO()
    document.save(saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(result, "w") as target:
        for name in source.namelist():
            part = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            part.compress_type = zipfile.ZIP_DEFLATED
            part.create_system = 0  # the same on every system
            target.writestr(part, source.read(name))
    return result.getvalue()


def _paragraph_style(
    document: Document,
    name: str,
    size: float,
    *,
    before: float = 0,
    after: float = 0,
    follow: bool = False,
) -> ParagraphStyle:
    style: ParagraphStyle = document.styles[name]
    style.font.name, style.font.size = _FONT, Pt(size)
    style.font.color.rgb = RGBColor(0, 0, 0)
    fonts = style.element.rPr.rFonts
    for key in list(fonts.attrib):  # the theme's fonts would prevail
        del fonts.attrib[key]
    for key in ("ascii", "hAnsi", "cs", "eastAsia"):
        fonts.set(qn(f"w:{key}"), _FONT)
    style.paragraph_format.space_before = Pt(before)
    style.paragraph_format.space_after = Pt(after)
    style.paragraph_format.line_spacing = 1.0
    style.paragraph_format.keep_with_next = follow
    return style
