"""How wide a text is in print, and into which lines it breaks.

Widths are those of Latin Modern at 8 points, wider than the Times or Libertine of most journals.
"""

from __future__ import annotations

__all__ = ["broken", "longest_piece", "text_width"]

import unicodedata

from .escaping import pieces

# Thousandths of the size, from the space to the tilde.
_ROMAN = (
    531, 295, 531, 885, 531, 885, 826, 295, 413, 413, 531, 826, 295, 354, 295, 531,
    531, 531, 531, 531, 531, 531, 531, 531, 531, 531, 295, 295, 826, 826, 826, 502,
    826, 796, 752, 767, 811, 723, 693, 834, 796, 383, 546, 825, 664, 973, 796, 826,
    723, 826, 782, 590, 767, 796, 796, 1091, 796, 796, 649, 295, 531, 295, 556, 796,
    295, 531, 590, 472, 590, 472, 325, 531, 590, 295, 325, 561, 295, 885, 590, 531,
    590, 561, 414, 419, 413, 590, 561, 767, 561, 561, 472, 531, 295, 531, 556,
)  # fmt: skip
_SPACE = 354
_OTHERS = {"–": 531, "—": 1063, "−": 826, "±": 826, "†": 472, "×": 826, "‘": 295, "’": 295}
_OTHER = 826
_ROUNDING = 0.01
_BOLD = 1.16
#: The design of a smaller size is wider for its size.
_SMALL = 1.075


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Points that a text takes at a size in points."""
    thousandths = sum(map(_width, text)) * (_BOLD if bold else 1) * (_SMALL if size < 8 else 1)
    return thousandths * size / 1000


def _width(character: str) -> int:
    if character == " ":
        return _SPACE
    if " " < character <= "~":
        return _ROMAN[ord(character) - 32]
    base = unicodedata.normalize("NFD", character)[0]
    if " " < base <= "~":
        return _ROMAN[ord(base) - 32]
    if character in _OTHERS:
        return _OTHERS[character]
    # Above Greek pdfLaTeX prints a character's code point, which is the widest: [U+4E2D].
    return _OTHER if ord(character) < 0x400 else sum(map(_width, f"[U+{ord(character):04X}]"))


def longest_piece(text: str, size: float) -> float:
    """Width of the longest part of a text that is never broken."""
    return max((text_width(piece, size) for word in text.split(" ") for piece in pieces(word)),
               default=0.0)  # fmt: skip


def broken(text: str, width: float, size: float) -> list[str]:
    """The lines of a text in a column of a width in points; at least one, which may be empty."""
    lines, line = [], ""
    for word in text.split(" "):
        glue = " " if line else ""
        for piece in pieces(word):
            if line and text_width(line + glue + piece, size) > width + _ROUNDING:
                lines.append(line)
                line = piece
            else:
                line += glue + piece
            glue = ""
    return [*lines, line]
