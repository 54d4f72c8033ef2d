"""What a report consists of: a list of builders, each from the material to one part.

To add a part, add its builder here; :mod:`.build` renders whatever the lists hold.

*Tables.* A builder takes the :class:`~stats_tl.reporting.results.material.Material` and yields
:class:`Section` objects: the :class:`~stats_tl.reporting.rendering.table.Table` to print and the
unrounded numbers behind it. It yields :class:`Absent`, with the reason, where the study does
not allow the table.
Each section becomes ``tables/<name>.tex`` and ``tables/<name>.csv``.

*Figures.* ``stats_tl.reporting.figures.FIGURES`` maps a name to a function of the material
that returns a :class:`Drawing` (figure, caption, text for those who cannot see it), or
:class:`Absent` where the study does not allow it. It is looked up when figures are asked for,
because matplotlib is slow to import. Each becomes ``figures/<name>.pdf`` and ``.png``.

*Page.* The :class:`PageBuilder` in :data:`PAGE` makes ``report.html``.

*Words.* :class:`Words` holds the paragraphs; citations in them are ``[@key]``, or
``[@key1; @key2]``, of `references`.
"""

from __future__ import annotations

__all__ = [
    "PAGE",
    "TABLES",
    "Absent",
    "Drawing",
    "PageBuilder",
    "RenderedDrawing",
    "Section",
    "Words",
]

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from .page import build_page
from .rendering.parts import Absent, Section
from .rendering.table import Table
from .results.material import Material
from .tables.all_pairs import all_pairs
from .tables.comparisons import sample_text_table, significance_table
from .tables.mixed import mixed_model
from .tables.operating_points import operating_points
from .tables.reproducibility import reproducibility
from .tables.subgroups import subgroups

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A figure with its caption, and a description for those who cannot see it."""

    figure: Figure
    caption: str
    alt: str


@dataclass(frozen=True)
class RenderedDrawing:
    """The same as bytes: `files` maps ``.pdf`` and ``.png`` to the content."""

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


class PageBuilder(Protocol):
    """Makes the page from what was built for the files; all arguments by keyword."""

    def __call__(
        self,
        *,
        title: str,
        tables: Sequence[Table],
        figures: Sequence[RenderedDrawing],
        absent: Sequence[Absent],
        words: Words,
        audit: pd.DataFrame,
        summary: Mapping[str, Any],
        cells: pd.DataFrame,
    ) -> bytes:
        """The page, as UTF-8 bytes.

        Parameters
        ----------
        title : str
            Title or name of the study.
        tables : sequence of Table
            In the order of the report, notes included.
        figures : sequence of RenderedDrawing
        absent : sequence of Absent
            Tables and figures that the study does not allow.
        words : Words
        audit : DataFrame
            As from :func:`~.results.audit.audit_findings`: ``check, task, finding, detail``,
            `finding` one of ``ok, problem, unknown``.
        summary : dict
            The content of ``summary.json``.
        cells : DataFrame
            One row a trained cell: keys, ``auc``, and what else is recorded.
        """
        ...


def _sample(material: Material) -> Iterator[Section]:
    table = sample_text_table(
        material.sample, title=material.title, cautions=material.general_notes
    )
    yield Section(table, material.sample)


def _significance(material: Material) -> Iterator[Section]:
    table = significance_table(
        material.comparisons,
        material.options,
        title=material.title,
        cautions=material.test_notes,
    )
    yield Section(table, material.comparisons)


#: In the order of the report.
TABLES: tuple[Callable[[Material], Iterator[Section | Absent]], ...] = (
    _sample,
    _significance,
    mixed_model,
    all_pairs,
    operating_points,
    subgroups,
    reproducibility,
)

#: Makes ``report.html``.
PAGE: PageBuilder = build_page
