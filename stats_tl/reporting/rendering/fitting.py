"""A table cut so that it fits a page: its columns side by side, its rows by printed lines.

Columns of text become narrower first. What is still too wide goes on in a further part with the
other columns, the names of the rows repeated; what is too tall goes on with the other rows.
"""

from __future__ import annotations

__all__ = ["BODY_SIZE", "LEADING", "SMALL_SIZE", "Part", "broken_cell", "fitted"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .decimals import Decimals
from .layout import Layout
from .metrics import broken, longest_piece, text_width
from .table import Cell, Panel, Row, Table

#: Points: text of a table, of second lines, and from line to line.
BODY_SIZE, SMALL_SIZE, LEADING = 8.0, 7.0, 9.5
_POINTS = 72.27 / 25.4  # of a millimetre
#: Space on either side of a column: as it should be, and the least.
_GAPS = (3.0, 2.0)
_SLACK = 1.03
#: A caption is set in the class's own size, 12 points at most.
_CAPTION_SIZE, _CAPTION_LEADING = 12.0, 15.0
#: Rules and the space around them, and after a panel or a row of two lines.
_RULES, _AFTER, _BEFORE_PANEL = 20.0, 2.0, 6.0
#: A table of few columns is still wide enough to have its notes below it.
_LEAST_WIDTH = 90 * _POINTS


@dataclass(frozen=True)
class Part:
    """What one float holds.

    Attributes
    ----------
    table : Table
        With the columns, rows and notes of this part; text that would be wider than a column
        of another kind is not in it.
    widths : tuple of float or None
        Points of columns whose text may wrap; None: as wide as what is in it.
    gap : float
        Points on either side of a column.
    panels : tuple of tuple of str
        Lines of each panel of the body, in their order.
    """

    table: Table
    widths: tuple[float | None, ...]
    gap: float
    panels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class _Block:
    """Columns that stand side by side."""

    table: Table
    widths: tuple[float | None, ...]
    gap: float
    total: float


def fitted(table: Table, layout: Layout, max_rows: int | None = None) -> list[Part]:
    """Parts of a table, each of which fits the layout, in the order of reading."""
    width, height = layout.width * _POINTS, layout.height * _POINTS
    first = table.columns[0]
    if first.align == "left":  # so that the names of the rows may wrap
        table = replace(table, columns=(replace(first, align="wrap"), *table.columns[1:]))
    blocks = list(_blocks(table, width))
    parts = []
    for number, block in enumerate(blocks):
        notes = table.notes if number == len(blocks) - 1 else ()
        parts += list(_parts(block, notes, height, max_rows))
    return parts


def _blocks(table: Table, width: float) -> Iterator[_Block]:
    whole = range(len(table.columns))
    for gap in _GAPS:
        if block := _block(table, whole, width, gap):
            yield block
            return
    labels = _labels(table)
    units = [list(range(*unit)) for unit in _units(table, len(labels))]
    chosen: list[int] = []
    while units:
        unit = units.pop(0)
        if _block(table, [*labels, *chosen, *unit], width, _GAPS[-1]):
            chosen += unit
        elif chosen:
            yield _forced(table, [*labels, *chosen], width)
            chosen, units = [], [unit, *units]
        elif len(unit) > 1:
            units = [*([column] for column in unit), *units]
        else:
            chosen = unit
    yield _forced(table, [*labels, *chosen], width)


def _labels(table: Table) -> list[int]:
    """The columns that name the rows: those of text at the left."""
    labels = []
    for index, column in enumerate(table.columns[:-1]):
        if column.align not in ("wrap", "left") or column.spanner:
            break
        labels.append(index)
    return labels


def _units(table: Table, first: int) -> Iterator[tuple[int, int]]:
    """Columns that share a header stay together where they can."""
    spans = list(table.spans()) or [("", index, index + 1) for index in range(len(table.columns))]
    yield from ((start, stop) for _, start, stop in spans if start >= first)


def _forced(table: Table, columns: Sequence[int], width: float) -> _Block:
    block = _block(table, columns, width, _GAPS[-1]) or _block(
        table, columns, 10 * width, _GAPS[-1]
    )
    assert block is not None
    return block


def _block(table: Table, columns: Sequence[int], width: float, gap: float) -> _Block | None:
    """These columns within a width, or None where they cannot be."""
    part = _of_columns(table, columns)
    room = width - 2 * gap * (len(columns) - 1)
    natural = [_natural(part, index) for index in range(len(columns))]
    wraps = [index for index, column in enumerate(part.columns) if column.align == "wrap"]
    least = {index: _least(part, index) for index in wraps}
    fixed = sum(size for index, size in enumerate(natural) if index not in wraps)
    fixed += _excess(part, natural, gap)
    left = room - fixed
    if left < sum(least.values()):
        return None
    widths: list[float | None] = [None] * len(columns)
    for done, index in enumerate(sorted(wraps, key=lambda index: natural[index])):
        others = [least[other] for other in wraps if widths[other] is None and other != index]
        share = min(left / (len(wraps) - done), left - sum(others))
        widths[index] = max(min(natural[index], share), least[index])
        left -= widths[index] or 0
    total = width - max(left, 0)
    if wraps and (lacking := min(_LEAST_WIDTH, width) - total) > 0:
        widths[wraps[0]] = (widths[wraps[0]] or 0) + lacking
        total += lacking
    return _Block(part, tuple(widths), gap, total)


def _of_columns(table: Table, columns: Sequence[int]) -> Table:
    if len(columns) == len(table.columns):
        return table
    body = tuple(
        line if isinstance(line, Panel) else Row(tuple(line.cells[index] for index in columns))
        for line in table.body
    )
    return replace(table, columns=tuple(table.columns[index] for index in columns), body=body)


def _natural(table: Table, index: int) -> float:
    """Points that a column takes when nothing in it wraps."""
    column = table.columns[index]
    cells = [row.cells[index] for row in table.rows]
    lined_up = column.align in ("decimal", "p")
    room = Decimals.of(cell.text for cell in cells if lined_up)
    sizes = [text_width(column.header, BODY_SIZE)]
    for cell in cells:
        padded = "".join((*room.lacking(cell.text), cell.text)) if lined_up else cell.text
        sizes.append(text_width(padded, BODY_SIZE, bold=cell.bold))
        sizes.append(text_width(cell.below, SMALL_SIZE))
    natural = _SLACK * max(sizes)
    return min(natural, column.width * _POINTS) if column.width else natural


def _least(table: Table, index: int) -> float:
    cells = [row.cells[index] for row in table.rows]
    sizes = [longest_piece(table.columns[index].header, BODY_SIZE)]
    sizes += [longest_piece(cell.text, BODY_SIZE) for cell in cells]
    sizes += [longest_piece(cell.below, SMALL_SIZE) for cell in cells]
    return _SLACK * max(sizes)


def _excess(table: Table, natural: Sequence[float], gap: float) -> float:
    """By how much headers are wider than the columns that they span."""
    return sum(
        max(
            _SLACK * text_width(text, BODY_SIZE)
            - sum(natural[start:stop])
            - 2 * gap * (stop - start - 1),
            0,
        )
        for text, start, stop in table.spans()
    )


def _parts(
    block: _Block, notes: Sequence[str], height: float, max_rows: int | None
) -> Iterator[Part]:
    """The rows, as many in a part as there is room for; the notes below the last."""
    table = block.table
    caption = len(broken(table.caption + " (continued)", block.total, _CAPTION_SIZE))
    head = caption * _CAPTION_LEADING + _RULES + LEADING * (1 + any(table.spans()))
    bodies = list(_bodies(block, height - head, max_rows))
    for body in bodies[:-1]:
        yield _part(block, body, ())
    body = bodies[-1]
    left = height - head - sum(_line_height(block, line) for line in body)
    while True:
        count = 0
        while count < len(notes):
            left -= _note_height(notes[count], block)
            # A part without rows has one note at least.
            if left < 0 and (body or count):
                break
            count += 1
        yield _part(block, body, notes[:count])
        # What there was no room for stands below the header in a part of its own.
        notes, body, left = notes[count:], [], height - head
        if not notes:
            return


def _bodies(block: _Block, room: float, max_rows: int | None) -> Iterator[list[Row | Panel]]:
    """Rows for one part after the other, the running panel repeated and never the last line."""
    body: list[Row | Panel] = []
    panel: Panel | None = None
    used, rows = 0.0, 0
    for line in block.table.body:
        height = _line_height(block, line)
        # A panel needs room for a row of two lines.
        needed = height + (2 * LEADING if isinstance(line, Panel) else 0)
        if body and (used + needed > room or rows == max_rows):
            yield body[:-1] if isinstance(body[-1], Panel) else body
            body = [panel] if panel is not None and isinstance(line, Row) else []
            used, rows = sum(_line_height(block, part) for part in body), 0
        panel = line if isinstance(line, Panel) else panel
        body.append(line)
        used += height
        rows += isinstance(line, Row)
    yield body


def _part(block: _Block, body: Sequence[Row | Panel], notes: Sequence[str]) -> Part:
    panels = tuple(
        tuple(broken(line.text, block.total, _SLACK * BODY_SIZE))
        for line in body
        if isinstance(line, Panel)
    )
    table = replace(block.table, body=tuple(body), notes=tuple(notes))
    return Part(table, block.widths, block.gap, panels)


def _note_height(note: str, block: _Block) -> float:
    return len(broken(note, block.total, _SLACK * BODY_SIZE)) * LEADING + _AFTER


def _line_height(block: _Block, line: Row | Panel) -> float:
    if isinstance(line, Panel):
        lines = len(broken(line.text, block.total, _SLACK * BODY_SIZE))
        return lines * (LEADING + _AFTER) + _BEFORE_PANEL
    parts = list(zip(line.cells, block.widths, strict=True))
    second = any(cell.below for cell in line.cells)
    lines = max(1 + second if width is None else _lines(cell, width) for cell, width in parts)
    return lines * LEADING + (_AFTER if second else 0)


def _lines(cell: Cell, width: float) -> int:
    below = broken_cell(cell.below, width, SMALL_SIZE) if cell.below else []
    return len(broken_cell(cell.text, width)) + len(below)


def broken_cell(text: str, width: float, size: float = BODY_SIZE) -> list[str]:
    """The lines of a text in a column of a width in points."""
    return broken(text, width, _SLACK * size)
