"""Statements of an archive that cannot both be true, told once for each kind."""

from __future__ import annotations

__all__ = ["REMEDY", "Contradiction", "Findings"]

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

#: What to do about a contradiction: which side is right, no archive can say.
REMEDY = (
    "which side is right cannot be told from the archive: restore the files named from a backup; "
    "where archive.json or tasks/ is older than the parts, run_grid --extend with the plan that "
    "the study has grown to writes it again; parts that are wrong can be removed (.json and "
    ".parquet), and run_grid trains their cells again"
)


@dataclass
class Contradiction:
    """Two statements of an archive that cannot both be true.

    Attributes
    ----------
    what : str
        Which files contradict each other, and in what.
    path : Path
        One of them; of several parts, the first.
    example : str
        One case of it.
    cells : list of str
        Identifiers of the cells that are concerned; empty where it is a data set.
    """

    what: str
    path: Path
    example: str = ""
    cells: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        of = f"{len(self.cells)} cells: " if len(self.cells) > 1 else ""
        example = f", for example {self.example}" if len(self.cells) > 1 else f": {self.example}"
        return f"{of}{self.what}{example if self.example else ''}"


class Findings:
    """Contradictions by kind: one of a thousand cells is told once."""

    def __init__(self) -> None:
        self._found: dict[str, Contradiction] = {}

    def add(self, what: str, path: Path, example: str = "", cell: str = "") -> None:
        """Note a contradiction, of a cell where it is of one."""
        found = self._found.setdefault(what, Contradiction(what, path, example))
        if cell and found.cells[-1:] != [cell]:
            found.cells.append(cell)

    def __iter__(self) -> Iterator[Contradiction]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)
