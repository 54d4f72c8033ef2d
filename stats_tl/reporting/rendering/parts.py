"""The parts a report is made of: tables, figures and paragraphs."""

from __future__ import annotations

__all__ = ["Absent", "Drawing", "RenderedDrawing", "Section", "Words"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from .table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Section:
    """A table: what is printed, and the unrounded numbers behind it."""

    table: Table
    numbers: pd.DataFrame

    @property
    def name(self) -> str:
        """Name of its files."""
        return self.table.name


@dataclass(frozen=True)
class Absent:
    """A table that the study does not allow; `reason` continues "No <what>: "."""

    name: str
    what: str
    reason: str


@dataclass(frozen=True)
class Drawing:
    """A figure with its caption, and a description for those who cannot see it.

    Attributes
    ----------
    draw : callable
        Makes the figure, which takes longest, when it is asked for.
    caption : str
    alt : str
    """

    draw: Callable[[], Figure] = field(repr=False)
    caption: str
    alt: str

    @cached_property
    def figure(self) -> Figure:
        """The figure itself."""
        return self.draw()


@dataclass(frozen=True)
class RenderedDrawing:
    """The same as bytes: `files` maps ``.pdf`` and ``.png`` to the content.

    Where a report is only compared, pictures are named but not drawn: the content is empty.
    """

    name: str
    caption: str
    alt: str
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Words:
    """Paragraphs for the paper, and the works they cite.

    Attributes
    ----------
    methods, results : tuple of str
        Paragraphs of plain text with ``[@key]`` for citations.
    references : dict of str to str
        BibTeX entry of each key cited.
    checklist : DataFrame
        One row an item: ``guideline, item, topic, request, answer`` (empty where the
        archive does not know).
    """

    methods: tuple[str, ...]
    results: tuple[str, ...]
    references: Mapping[str, str]
    checklist: pd.DataFrame
