"""What a terminal shows while a report is made."""

from __future__ import annotations

import sys
import time

from ..visible import visible


class Progress:
    """Steps of a report that takes long, on a terminal's standard error.

    Nothing is shown in the first seconds, nor where standard error is no terminal.
    """

    AFTER_SECONDS = 3.0

    def __init__(self, name: str):
        self.name = visible(name)
        self._start = time.monotonic()
        self._width = 0

    def __enter__(self) -> Progress:
        return self

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show that a step begins: its name, its number, and how many there are."""
        elapsed = time.monotonic() - self._start
        if elapsed < self.AFTER_SECONDS or not sys.stderr.isatty():
            return
        bar = "#" * round(20 * done / total)
        left = f", about {elapsed * (total - done) / done:.0f} s left" if done else ""
        text = f"{self.name} [{bar:<20}] {step} ({elapsed:.0f} s{left})"
        print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
        self._width = len(text)

    def __exit__(self, *error: object) -> None:
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr, flush=True)
