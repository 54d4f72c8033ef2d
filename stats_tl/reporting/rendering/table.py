"""A table as text: what LaTeX and the terminal both print.

A :class:`Table` knows nothing of statistics, and its renderers nothing of what the
numbers mean. Cells are already formatted text (:mod:`.numbers`); a cell may be bold
and may carry a second line, which is where intervals go.
"""

from __future__ import annotations

__all__ = ["Cell", "Column", "Panel", "Row", "Table"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Column:
    """One column: its header, the header it shares with its neighbours, its alignment.

    ``align="decimal"`` aligns at the decimal point, ``"p"`` does so for P values, whose
    ``<`` and ``>`` hang on the left; ``"wrap"`` is text that may break into lines, of `width`
    millimetres in print where that is given.
    """

    header: str
    align: Literal["left", "right", "center", "decimal", "p", "wrap"] = "left"
    spanner: str = ""
    width: int | None = None


@dataclass(frozen=True)
class Cell:
    """Text of one cell; `below` is printed under it, in the same column."""

    text: str
    below: str = ""
    bold: bool = False


@dataclass(frozen=True)
class Row:
    """One line of cells, as many as there are columns."""

    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Panel:
    """A line of text across the table that names the rows below it."""

    text: str


@dataclass(frozen=True)
class Table:
    """A whole table.

    Attributes
    ----------
    name : str
        Name of its files and of its label, e.g. ``significance``.
    caption : str
        One sentence or two.
    columns : tuple of Column
    body : tuple of Row or Panel
    notes : tuple of str
        Sentences below the table, each a paragraph.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    body: tuple[Row | Panel, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in self.body:
            if isinstance(line, Row) and len(line.cells) != len(self.columns):
                raise ValueError(
                    f"table {self.name!r} has {len(self.columns)} columns, "
                    f"got a row of {len(line.cells)} cells."
                )

    @property
    def rows(self) -> tuple[Row, ...]:
        """The body without its panels."""
        return tuple(line for line in self.body if isinstance(line, Row))

    def spans(self) -> Iterator[tuple[str, int, int]]:
        """The upper header row: text, first column and the one after the last of each cell.

        Nothing where no column shares a header; a column without one is a cell of its own.
        """
        if not any(column.spanner for column in self.columns):
            return
        start = 0
        while start < len(self.columns):
            text, stop = self.columns[start].spanner, start + 1
            while text and stop < len(self.columns) and self.columns[stop].spanner == text:
                stop += 1
            yield text, start, stop
            start = stop
