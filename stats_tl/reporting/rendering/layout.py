"""Where a LaTeX table has to fit: the width of the text and the height of the page of a class."""

from __future__ import annotations

__all__ = ["LAYOUTS", "PAGE", "Layout", "parse_layout"]

from dataclasses import dataclass

from ...errors import UserError

_NARROWEST, _WIDEST = 60, 400


@dataclass(frozen=True)
class Layout:
    """Room for a table, with its caption and notes.

    Attributes
    ----------
    name : str
        As given on the command line; empty for the page of ``all.tex``.
    environment : str
        Of the float.
    width, height : float
        Millimetres.
    frames : bool
        Whether every float is a slide of its own.
    """

    name: str
    environment: str
    width: float
    height: float
    frames: bool = False


#: A4 with margins of 25 mm, as in ``all.tex``.
PAGE = Layout("", "table", 160, 235)
#: Room that every class of its kind has: the narrowest text is that of memoir (120 mm), of two
#: columns that of article (165 mm); ``sidewaystable`` has the height of the page of llncs; a
#: slide of beamer is 128 by 96 mm.
LAYOUTS = {
    "one-column": Layout("one-column", "table", 119, 170),
    "two-column": Layout("two-column", "table*", 163, 200),
    "landscape": Layout("landscape", "sidewaystable", 185, 105),
    "beamer": Layout("beamer", "table", 107, 70, frames=True),
}


def parse_layout(text: str) -> Layout:
    """A layout by its name, or for a width in millimetres.

    Raises
    ------
    UserError
        If it is neither.

    Examples
    --------
    >>> parse_layout("two-column").environment, parse_layout("85").width
    ('table*', 85.0)
    """
    if text in LAYOUTS:
        return LAYOUTS[text]
    try:
        width = float(text.removesuffix("mm"))
    except ValueError:
        width = float("nan")
    if not _NARROWEST <= width <= _WIDEST:
        raise UserError(
            f"--layout {text!r}: expected {', '.join(LAYOUTS)}, or a width of {_NARROWEST} to "
            f"{_WIDEST} millimetres"
        )
    return Layout(f"{width:g}mm", "table", width, LAYOUTS["one-column"].height)
