"""Text that the XML of a document can hold."""

from __future__ import annotations

__all__ = ["shown"]

from ...visible import visible

#: Characters that are allowed nowhere in XML and pass as visible.
_NONE_OF_XML = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}


def shown(text: str) -> str:
    r"""A name or sentence with every character that acts or hides written as an escape.

    Examples
    --------
    >>> print(shown("a\x07b\uffff"))
    a\x07b\uffff
    """
    return visible(text, breaks=False).translate(_NONE_OF_XML)
