"""Errors a user can cause, each with the exit code of the commands.

The message of a :class:`UserError` is shown as it is, without a traceback: it
says what was given, what was expected and how to fix it.
"""

from __future__ import annotations

__all__ = ["ArchiveDamagedError", "IncompleteError", "UserError", "suggest"]

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Wrong use or bad input."""

    exit_code = 2


class ArchiveDamagedError(UserError):
    """A file of the run archive is not what was written."""

    exit_code = 3


class IncompleteError(UserError):
    """The archive lacks cells that the plan asks for."""

    exit_code = 4


def suggest(word: str, allowed: Iterable[str]) -> str:
    """The tail of a message: the nearest spelling of `word`, then all that is allowed."""
    allowed = sorted(map(str, allowed))
    near = difflib.get_close_matches(str(word), allowed, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}allowed: {', '.join(allowed)}"
