"""Names of unknown origin as text that a reader can trust: nothing in it acts, nothing hides.

Names of files, tasks, arms and cases may hold an escape sequence that a terminal obeys, a
mark that turns the order of what follows, or bytes that are no text. Whatever is shown to a
person (terminal, page, Markdown, CSV) shows these as ``\\x1b`` and the like.
"""

from __future__ import annotations

__all__ = ["say", "visible"]

import re
import sys

# Control characters; marks, embeddings, overrides and isolates of direction; separators of
# lines and paragraphs; the byte-order mark; tags; bytes that are no UTF-8, which Python keeps
# as surrogates.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_BREAKS = re.compile(r"[\t\n]")


def visible(text: object, *, breaks: bool = True) -> str:
    r"""Text with every character that acts or hides written as an escape.

    Parameters
    ----------
    text : object
        Taken as ``str(text)``.
    breaks : bool, optional
        Keep tabs and line feeds, as in a message of several lines.

    Examples
    --------
    >>> print(visible("a\x1b[31mb\u202e"), visible("a\tb", breaks=False), visible("\udce9"))
    a\x1b[31mb\u202e a\tb \xe9
    """
    shown = _HIDDEN.sub(_escape, str(text))
    return shown if breaks else _BREAKS.sub(_escape, shown)


def say(text: object = "", *, error: bool = False) -> None:
    """Print a line for a person, on standard output or standard error, as :func:`visible`.

    The commands print with nothing else: names of unknown origin are in nearly every line.
    """
    print(visible(text), file=sys.stderr if error else sys.stdout, flush=True)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"  # a byte that is no UTF-8
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")
