"""Everything wrong with a data set in one error, instead of one error a run."""

from __future__ import annotations

__all__ = ["Problems", "listed"]

from collections.abc import Iterable

from ..errors import UserError

SHOWN = 20


def listed(items: Iterable[object], shown: int = SHOWN) -> str:
    """The first `shown` items, and how many more there are.

    Examples
    --------
    >>> listed(["a.png", "b.png", "c.png"], shown=2)
    "'a.png', 'b.png' and 1 more"
    """
    items = list(items)
    head = ", ".join(repr(str(item)) for item in items[:shown])
    return head + (f" and {len(items) - shown} more" if len(items) > shown else "")


class Problems:
    """Collects what is wrong, by kind, and raises it all at once.

    Parameters
    ----------
    subject : str
        What is being checked; opens the message.

    Examples
    --------
    >>> problems = Problems("task 'demo'")
    >>> problems.add("missing files", "a.png")
    >>> problems.raise_if_any("Restore them.")
    Traceback (most recent call last):
    ...
    stats_tl.errors.UserError: task 'demo': missing files (1): 'a.png'. Restore them.
    """

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._found: dict[str, list[str]] = {}

    def add(self, kind: str, *items: object) -> None:
        """Record `items` under `kind`."""
        if items:
            self._found.setdefault(kind, []).extend(map(str, items))

    def raise_if_any(self, remedy: str) -> None:
        """Raise one :class:`UserError` that names the first 20 of each kind and the count."""
        if self._found:
            lines = [f"{kind} ({len(all_)}): {listed(all_)}" for kind, all_ in self._found.items()]
            text = "; ".join(lines) if len(lines) == 1 else "\n  " + "\n  ".join(lines) + "\n"
            raise UserError(f"{self.subject}: {text}{'. ' if len(lines) == 1 else ''}{remedy}")
