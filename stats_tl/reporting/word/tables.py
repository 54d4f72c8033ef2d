"""Tables as Word has them, in the style of journals: three rules, no lines between columns.

The XML is written as text and read once a table: cell by cell, python-docx would search the
table anew for each. A line of text that names the rows below it, and a header above several
columns, are merged cells; header rows are repeated on every page and no row is split.
"""

from __future__ import annotations

__all__ = ["prose_table", "word_table"]

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.oxml.table import CT_Tbl

from ..rendering.decimals import Decimals
from ..rendering.table import Cell, Column, Panel, Table
from .package import SMALL, TABLE_TEXT
from .text import shown

#: Width of the text in twentieths of a point: 160 mm, an A4 page without its margins.
TEXT_WIDTH = 9071
_SIZE, _SMALL = 8, 7  # points, as in the styles
_PADDING = 60
_TWIPS = 57  # of a millimetre
#: Columns of numbers with their decimal points in line.
_LINED_UP = ("decimal", "p")
#: A table of more rows may go on over the page.
_SHORT = 24
_NARROWEST = 1100
#: Widths of Times New Roman in thousandths of its size.
_WIDTHS = {".": 250, ",": 250, " ": 250, "−": 564, "<": 564, ">": 564, "(": 333, ")": 333}
_DIGIT, _SMALL_LETTER, _LETTER = 500, 500, 700
_STYLE_IDS = {name: name.replace(" ", "") for name in (TABLE_TEXT, SMALL)}


def word_table(table: Table) -> CT_Tbl:
    """A table of the report; its caption and notes are paragraphs around it."""
    rooms = [
        Decimals.of(row.cells[index].text for row in table.rows if column.align in _LINED_UP)
        for index, column in enumerate(table.columns)
    ]
    widths, fits = _column_widths(table, rooms)
    together = len(table.rows) <= _SHORT
    rows = [*_head(table, widths)]
    last = len(table.body) - 1
    for number, line in enumerate(table.body):
        # Kept with the next: a panel, every row of a short table, and the last with the notes.
        follow = isinstance(line, Panel) or together or number == last
        if isinstance(line, Panel):
            words = _paragraph(line.text, italic=True, follow=True, before=4 if number else 0)
            rows.append(_row([_cell(words, sum(widths), span=len(widths))]))
            continue
        parts = zip(table.columns, line.cells, rooms, widths, strict=True)
        rows.append(
            _row(
                [
                    _cell(
                        _content(column, cell, room, follow),
                        width,
                        whole=fits and column.align != "wrap",
                    )
                    for column, cell, room, width in parts
                ]
            )
        )
    return _table(table.caption, widths, rows)


def prose_table(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], shares: Sequence[float]
) -> CT_Tbl:
    """A table of sentences, whose columns have these shares of the width of the page."""
    widths = [round(TEXT_WIDTH * share) for share in shares]
    cells = [
        _cell(_paragraph(text, follow=True), width, rule=True)
        for text, width in zip(header, widths, strict=True)
    ]
    body = [
        _row([_cell(_paragraph(text), width) for text, width in zip(row, widths, strict=True)])
        for row in rows
    ]
    return _table(caption, widths, [_row(cells, header=True), *body])


def _table(caption: str, widths: Sequence[int], rows: Sequence[str]) -> CT_Tbl:
    # In fiftieths of a percent of the text, so that it fits another size of paper as well.
    share = min(round(5000 * sum(widths) / TEXT_WIDTH), 5000)
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
    element = parse_xml(
        f"<w:tbl {nsdecls('w')}><w:tblPr>"
        f'<w:tblW w:w="{share}" w:type="pct"/>'
        f"<w:tblBorders>{_rule('top', 8)}{_rule('bottom', 8)}</w:tblBorders>"
        '<w:tblLayout w:type="autofit"/>'
        f'<w:tblCellMar><w:left w:w="{_PADDING}" w:type="dxa"/>'
        f'<w:right w:w="{_PADDING}" w:type="dxa"/></w:tblCellMar>'
        f"<w:tblDescription w:val={quoteattr(shown(caption))}/></w:tblPr>"
        f"<w:tblGrid>{grid}</w:tblGrid>{''.join(rows)}</w:tbl>"
    )
    assert isinstance(element, CT_Tbl)
    return element


def _rule(side: str, eighths: int) -> str:
    return f'<w:{side} w:val="single" w:sz="{eighths}" w:space="0" w:color="000000"/>'


def _head(table: Table, widths: Sequence[int]) -> Iterator[str]:
    if spans := list(table.spans()):
        yield _row(
            [
                _cell(
                    _paragraph(text, "center", follow=True, underlined=bool(text)),
                    sum(widths[start:stop]),
                    span=stop - start,
                )
                for text, start, stop in spans
            ],
            header=True,
        )
    yield _row(
        [
            _cell(_paragraph(column.header, _alignment(column), follow=True), width, rule=True)
            for column, width in zip(table.columns, widths, strict=True)
        ],
        header=True,
    )


def _row(cells: Sequence[str], *, header: bool = False) -> str:
    repeated = "<w:tblHeader/>" if header else ""
    return f"<w:tr><w:trPr><w:cantSplit/>{repeated}</w:trPr>{''.join(cells)}</w:tr>"


def _cell(
    content: str, width: int, *, span: int = 1, rule: bool = False, whole: bool = False
) -> str:
    merged = f'<w:gridSpan w:val="{span}"/>' if span > 1 else ""
    border = f"<w:tcBorders>{_rule('bottom', 4)}</w:tcBorders>" if rule else ""
    unbroken = "<w:noWrap/>" if whole else ""
    where = '<w:vAlign w:val="bottom"/>' if rule else ""
    return (
        f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{merged}{border}{unbroken}{where}'
        f"</w:tcPr>{content}</w:tc>"
    )


def _content(column: Column, cell: Cell, room: Decimals, follow: bool) -> str:
    align = _alignment(column)
    before, after = room.lacking(cell.text)
    content = _paragraph(
        cell.text, align, bold=cell.bold, follow=follow, indents=(_width(before), _width(after))
    )
    if cell.below:
        content += _paragraph(cell.below, align, style=SMALL, follow=follow)
    return content


def _paragraph(
    text: str,
    align: str = "left",
    *,
    style: str = TABLE_TEXT,
    bold: bool = False,
    italic: bool = False,
    underlined: bool = False,
    follow: bool = False,
    before: int = 0,
    indents: tuple[int, int] = (0, 0),
) -> str:
    properties = f'<w:pStyle w:val="{_STYLE_IDS[style]}"/>'
    properties += "<w:keepNext/>" if follow else ""
    # The rule below a shared header ends where its text does, so that neighbours do not touch.
    properties += f"<w:pBdr>{_rule('bottom', 4)}</w:pBdr>" if underlined else ""
    properties += f'<w:spacing w:before="{20 * before}"/>' if before else ""
    left, right = indents
    properties += f'<w:ind w:left="{left}" w:right="{right}"/>' if left or right else ""
    properties += f'<w:jc w:val="{align}"/>'
    looks = ("<w:b/>" if bold else "") + ("<w:i/>" if italic else "")
    run = f"<w:r><w:rPr>{looks}</w:rPr>" if looks else "<w:r>"
    run += f'<w:t xml:space="preserve">{escape(shown(text))}</w:t></w:r>' if text else "</w:r>"
    return f"<w:p><w:pPr>{properties}</w:pPr>{run if text else ''}</w:p>"


def _alignment(column: Column) -> str:
    if column.align in ("left", "wrap"):
        return "left"
    return "right" if column.align == "right" else "center"


def _width(text: str, size: float = _SIZE) -> int:
    """About what a text takes, in twentieths of a point."""
    thousandths = sum(
        _WIDTHS.get(letter)
        or (_DIGIT if letter.isdigit() else _SMALL_LETTER if letter.islower() else _LETTER)
        for letter in text
    )
    return round(20 * size * thousandths / 1000)


def _column_widths(table: Table, rooms: Sequence[Decimals]) -> tuple[list[int], bool]:
    """Widths that together are no more than the text, and whether the numbers fit in them."""
    widths = []
    for index, (column, room) in enumerate(zip(table.columns, rooms, strict=True)):
        cells = [row.cells[index] for row in table.rows]
        texts = [column.header, *("".join((*room.lacking(c.text), c.text)) for c in cells)]
        needed = max([*map(_width, texts), *(_width(cell.below, _SMALL) for cell in cells)])
        most = _TWIPS * column.width if column.width else TEXT_WIDTH
        widths.append(min(needed + 2 * _PADDING + 40, most))
    wraps = [index for index, column in enumerate(table.columns) if column.align == "wrap"]
    left = TEXT_WIDTH - sum(width for index, width in enumerate(widths) if index not in wraps)
    # The narrow ones keep their width, the others share what they leave.
    for done, index in enumerate(sorted(wraps, key=lambda index: widths[index])):
        widths[index] = min(widths[index], max(left // (len(wraps) - done), _NARROWEST))
        left -= widths[index]
    if left < 0:
        widths = [width * TEXT_WIDTH // sum(widths) for width in widths]
    return widths, left >= 0
