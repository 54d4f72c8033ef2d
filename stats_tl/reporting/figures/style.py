"""How every figure looks: one journal column wide, the same bytes everywhere, colour-blind safe.

matplotlib and seaborn are imported when something is drawn, for which other modules come here:
what only computes what would be drawn does without them.
"""

from __future__ import annotations

__all__ = [
    "COLUMN_WIDTH",
    "GREY",
    "REFERENCE_COLOR",
    "arm_styles",
    "colours",
    "column_figure",
    "despine",
    "nice_ticks",
    "printable",
    "render_figure",
    "styled",
    "tick_label",
    "warning_lines",
]

import contextlib
import functools
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..rendering.numbers import MINUS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

#: One column of most journals, in inches (85 mm).
COLUMN_WIDTH = 3.35
GREY = "0.45"
#: The reference arm is dark and dashed, candidates are coloured and solid: hue is never alone.
REFERENCE_COLOR = "0.2"
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_DPI = 300
_STYLE: Any = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same figure everywhere
    "font.size": 6.5,
    "axes.linewidth": 0.6,
    "axes.titlesize": 6.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 6.5,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "legend.frameon": False,
    "legend.fontsize": 6,
    "lines.solid_capstyle": "butt",
    "pdf.fonttype": 42,
    "text.usetex": False,
    # A user's name with a dollar sign is no formula.
    "text.parse_math": False,
}
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """The settings of matplotlib under which every figure is made and saved."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def column_figure(height: float) -> Figure:
    """An empty figure one column wide and `height` inches high, that can measure text."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(COLUMN_WIDTH, height))
    FigureCanvasAgg(figure)
    return figure


def colours(n: int) -> list[Any]:
    """`n` colours that colour-blind people can tell apart."""
    import seaborn as sns

    return list(sns.color_palette("colorblind", n))


def despine(ax: Axes, *, left: bool = False) -> None:
    """Remove the frame at the top and on the right, and on the left if `left`."""
    import seaborn as sns

    sns.despine(ax=ax, left=left)


def nice_ticks(n: int, **options: Any) -> Locator:
    """Ticks at round numbers, at most `n` steps."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(n, **options)


def arm_styles(arms: Sequence[str], reference: str) -> dict[str, dict[str, Any]]:
    """Colour, dash and marker of every arm: arm → keywords of ``Axes.plot``.

    Parameters
    ----------
    arms : sequence of str
        In the order that gives the colours; `reference` may be among them.
    reference : str
    """
    candidates = [arm for arm in dict.fromkeys(arms) if arm != reference]
    palette = colours(max(len(candidates), 1))
    styles: dict[str, dict[str, Any]] = {
        reference: {"color": REFERENCE_COLOR, "linestyle": (0, (4, 1.5)), "marker": "s"}
    }
    for number, arm in enumerate(candidates):
        styles[arm] = {
            "color": palette[number],
            "linestyle": _DASHES[number % len(_DASHES)],
            "marker": ("o", *MARKERS[2:])[number % (len(MARKERS) - 1)],
        }
    return styles


def tick_label(value: float, _: Any = None) -> str:
    """A tick in as few decimals as it needs, with a minus sign that is one."""
    return f"{round(value, 10):g}".replace("-", MINUS)


@functools.cache
def _glyphs() -> frozenset[int]:
    from matplotlib import font_manager

    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return frozenset(font.get_charmap())


def printable(text: str) -> str:
    """A name as the font can print it: what it lacks is shown by its code point, as in LaTeX.

    Examples
    --------
    >>> printable("Ångström 中 a\\tb")
    'Ångström U+4E2D a b'
    """
    spaced = " ".join(str(text).split())
    return "".join(
        char if ord(char) in _glyphs() and char.isprintable() else f"U+{ord(char):04X}"
        for char in spaced
    )


def warning_lines(*, synthetic: bool, incomplete: bool) -> list[str]:
    """What a figure must say of itself, wherever it is shown without its caption."""
    lines = ["Incomplete: the tables list what was left out."] if incomplete else []
    return [*lines, "Synthetic data."] if synthetic else lines


def render_figure(figure: Figure) -> dict[str, bytes]:
    """A figure as PDF and PNG: suffix → bytes, without dates or names of programs."""
    from PIL import Image

    pdf, full, png = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with styled(), _fonts_without_layout():
        figure.savefig(
            pdf, format="pdf", metadata={"Creator": None, "Producer": None, "CreationDate": None}
        )
        # Compressed once, when its colours are few.
        figure.savefig(full, format="png", dpi=_DPI, pil_kwargs={"compress_level": 0})
    image = Image.open(full).convert("RGB")
    # A palette keeps a chart at a quarter of its size and looks the same.
    image = image.quantize(96, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    image.save(png, format="png", optimize=True, dpi=(_DPI, _DPI))
    return {".pdf": pdf.getvalue(), ".png": png.getvalue()}


@contextlib.contextmanager
def _fonts_without_layout() -> Iterator[None]:
    """Fonts are embedded without the tables that lay out text, which in a PDF is laid out.

    To cut them down to a figure's glyphs takes most of the time of saving one, and matplotlib
    has no option that leaves them out.
    """
    from fontTools import subset

    known = subset.Options._drop_tables_default
    subset.Options._drop_tables_default = [*known, "GDEF", "GPOS", "GSUB", "MATH"]
    try:
        yield
    finally:
        subset.Options._drop_tables_default = known
