"""``python -m stats_tl.report``: run archive or predictions → tables, figures, words, a page."""

from __future__ import annotations

__all__ = ["build_parser", "main"]

from .command import main
from .parser import build_parser
