"""Tables for a terminal, no wider than it is."""

from __future__ import annotations

__all__ = ["plain_table"]

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...visible import visible
from .table import Column, Panel, Row, Table

_GAP = "  "
_MIN_FIRST = 12


def plain_table(table: Table, *, width: int = 100) -> str:
    """A table in plain text; the first column wraps so that the whole fits in `width`.

    Parameters
    ----------
    table : Table
    width : int
        Columns of the terminal.
    """
    table = _visible(table)
    rows = [line for line in table.body if isinstance(line, Row)]
    widths = []
    for index, column in enumerate(table.columns):
        texts = [part for row in rows for part in (row.cells[index].text, row.cells[index].below)]
        widths.append(max(map(len, [column.header, *texts])))
    room = width - sum(widths[1:]) - len(_GAP) * (len(widths) - 1)
    widths[0] = min(widths[0], max(room, _MIN_FIRST))
    rule = "-" * min(sum(widths) + len(_GAP) * (len(widths) - 1), width)

    lines = [*textwrap.wrap(table.caption, width), rule]
    if any(column.spanner for column in table.columns):
        lines.append(_spanners(table.columns, widths))
    lines += [_line([c.header for c in table.columns], table.columns, widths), rule]
    for line in table.body:
        if isinstance(line, Panel):
            lines += textwrap.wrap(line.text, width)
        else:
            lines += _row(line, table.columns, widths)
    lines.append(rule)
    for note in table.notes:
        lines += textwrap.wrap(note, width)
    return "\n".join(line.rstrip() for line in lines)


def _visible(table: Table) -> Table:
    """The table with nothing in it that a terminal would obey."""
    body: list[Row | Panel] = []
    for line in table.body:
        if isinstance(line, Panel):
            body.append(replace(line, text=visible(line.text)))
        else:
            cells = (
                replace(cell, text=visible(cell.text), below=visible(cell.below))
                for cell in line.cells
            )
            body.append(replace(line, cells=tuple(cells)))
    return replace(
        table,
        caption=visible(table.caption),
        columns=tuple(
            replace(column, header=visible(column.header), spanner=visible(column.spanner))
            for column in table.columns
        ),
        body=tuple(body),
        notes=tuple(map(visible, table.notes)),
    )


def _row(row: Row, columns: Sequence[Column], widths: Sequence[int]) -> Iterator[str]:
    first = row.cells[0]
    label = [*textwrap.wrap(first.text, widths[0]), *textwrap.wrap(first.below, widths[0])] or [""]
    below = [cell.below for cell in row.cells[1:]]
    yield _line([label[0], *(cell.text for cell in row.cells[1:])], columns, widths)
    if label[1:] or any(below):
        yield _line(["".join(label[1:2]), *below], columns, widths)
    yield from label[2:]


def _line(texts: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    aligned = [
        text.ljust(width) if column.align in ("left", "wrap") else text.rjust(width)
        for text, column, width in zip(texts, columns, widths, strict=True)
    ]
    return _GAP.join(aligned)


def _spanners(columns: Sequence[Column], widths: Sequence[int]) -> str:
    texts, start = [], 0
    while start < len(columns):
        stop = start + 1
        while (
            columns[start].spanner
            and stop < len(columns)
            and (columns[stop].spanner == columns[start].spanner)
        ):
            stop += 1
        space = sum(widths[start:stop]) + len(_GAP) * (stop - start - 1)
        texts.append(columns[start].spanner[:space].center(space))
        start = stop
    return _GAP.join(texts)
