"""What a report consists of: a list of builders, each from the material to one part.

To add a part, add its builder here;
:mod:`stats_tl.reporting.build` renders whatever the lists hold.

*Tables.* A builder takes the :class:`~.results.material.Material` and yields
:class:`~.rendering.parts.Section` objects: the :class:`~.rendering.table.Table` to print and
the unrounded numbers behind it. It yields :class:`~.rendering.parts.Absent`, with the reason,
where the study does not allow the table. Each section becomes ``tables/<name>.tex`` and
``tables/<name>.csv``.

*Figures.* ``stats_tl.reporting.figures.FIGURES`` maps a name to a function of the material
that returns a :class:`~.rendering.parts.Drawing` (figure, caption, text for those who cannot
see it), or :class:`~.rendering.parts.Absent` where the study does not allow it. It is looked
up when figures are asked for, because matplotlib is slow to import. Each becomes
``figures/<name>.pdf`` and ``.png``.

*Page.* :data:`PAGE` makes ``report.html``.

*Word.* ``stats_tl.reporting.word.build_document`` makes ``report.docx``; it is imported when it is
asked for.

*Words.* :class:`~.rendering.parts.Words` holds the paragraphs; citations in them are ``[@key]``, or
``[@key1; @key2]``, of `references`.
"""

from __future__ import annotations

__all__ = ["PAGE", "TABLES"]

from collections.abc import Callable, Iterator

from .page import build_page
from .rendering.parts import Absent, Section
from .results.material import Material
from .tables.all_pairs import all_pairs
from .tables.baseline import baseline
from .tables.clinical import clinical
from .tables.comparisons import significance
from .tables.metrics import metrics
from .tables.mixed import mixed_model
from .tables.operating_points import operating_points
from .tables.readers import readers
from .tables.reproducibility import reproducibility
from .tables.sample import sample
from .tables.sensitivity import sensitivity
from .tables.subgroups import subgroups

#: In the order of the report.
TABLES: tuple[Callable[[Material], Iterator[Section | Absent]], ...] = (
    sample,
    baseline,
    significance,
    metrics,
    readers,
    sensitivity,
    mixed_model,
    all_pairs,
    operating_points,
    clinical,
    subgroups,
    reproducibility,
)

#: Makes ``report.html``.
PAGE = build_page
