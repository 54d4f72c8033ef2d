"""One table of a report, or why it is not there."""

from __future__ import annotations

__all__ = ["Absent", "Section"]

from dataclasses import dataclass

import pandas as pd

from .table import Table


@dataclass(frozen=True)
class Section:
    """A table: what is printed, and the unrounded numbers behind it."""

    table: Table
    numbers: pd.DataFrame

    @property
    def name(self) -> str:
        """Name of its files."""
        return self.table.name


@dataclass(frozen=True)
class Absent:
    """A table that the study does not allow; `reason` continues "No <what>: "."""

    name: str
    what: str
    reason: str
