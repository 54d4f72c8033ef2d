"""Few large parts in place of many small ones.

A new part is written and read back before the parts it replaces are removed, their JSON
files first. At every moment each cell lies in at least one whole part, and a cell that lies
in two is the same in both; so a process that is killed in between loses nothing, and the
next compaction goes on. Processes that train may go on meanwhile.
"""

from __future__ import annotations

__all__ = ["Compaction", "compact"]

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import ArchiveDamagedError
from ..study.keys import CELL_KEYS
from .files import checksum, read_bytes
from .parts import Part, read_part, read_part_scores, write_part
from .reader import load

#: A part holds at most so many cells and rows: one is read into memory at a time.
CELLS, ROWS = 5000, 2_000_000
_TEXTS = dict.fromkeys(("cell_id", "case", "patient", "partition"), object)


@dataclass
class Compaction:
    """What :func:`compact` did: parts before and after."""

    before: int
    after: int
    cells: int


def compact(
    root: str | Path,
    *,
    cells: int = CELLS,
    rows: int = ROWS,
    progress: Callable[[int, int], object] | None = None,
) -> Compaction:
    """Put the small parts of an archive together.

    Parameters
    ----------
    root : path-like
        Folder of the archive.
    cells, rows : int, optional
        Most cells and rows of scores of a part.
    progress : callable, optional
        Called as ``progress(done, total)`` with parts read.

    Raises
    ------
    ArchiveDamagedError
        If the archive is damaged: repair it first.
    """
    archive = load(root)
    folder = Path(root) / "parts"
    before = len(list(folder.glob("*.json")))
    small: list[tuple[tuple[str, ...], Path, int, int]] = []
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(FileNotFoundError):
            part = read_part(path)
            if 2 * len(part.rows) <= cells:
                first = min(tuple(str(row.key[key]) for key in CELL_KEYS) for row in part.rows)
                small.append((first, path, len(part.rows), _n_scores(part)))
    done = 0
    for group in _groups(sorted(small), cells, rows):
        if len(group) > 1:
            _join(folder, group)
        done += len(group)
        if progress is not None:
            progress(done, len(small))
    after = len(list(folder.glob("*.json")))
    return Compaction(before, after, len(archive.cell_ids))


def _n_scores(part: Part) -> int:
    """Rows of scores, from the counts of the records."""
    return sum(row.counts[1] + row.counts[2] for row in part.rows)


def _groups(
    small: list[tuple[tuple[str, ...], Path, int, int]], cells: int, rows: int
) -> Iterator[list[Path]]:
    group: list[Path] = []
    n_cells = n_rows = 0
    for _, path, own_cells, own_rows in small:
        if group and (n_cells + own_cells > cells or n_rows + own_rows > rows):
            yield group
            group, n_cells, n_rows = [], 0, 0
        group.append(path)
        n_cells, n_rows = n_cells + own_cells, n_rows + own_rows
    if group:
        yield group


class _Joined:
    """The cells of several parts, each once, and what they share with others."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._frames: list[pd.DataFrame] = []
        self._records: dict[str, dict[str, Any]] = {}
        self._contexts: dict[str, int] = {}
        self._configurations: dict[str, Any] = {}

    def add(self, path: Path) -> None:
        """Take the cells of a part that no part before it had."""
        try:
            part = read_part(path)
            frame = read_part_scores(part.scores)
        except (FileNotFoundError, ArchiveDamagedError):
            if path.exists():
                raise
            return  # another process compacts too
        own = {row.cell_id for row in part.rows} - set(self._records)
        self._frames.append(frame[frame["cell_id"].isin(own)].astype(_TEXTS))
        for cell in part.content["cells"]:
            if cell["cell_id"] in own:
                context = json.dumps(part.content["contexts"][cell["context"]], sort_keys=True)
                number = self._contexts.setdefault(context, len(self._contexts))
                self._records[cell["cell_id"]] = {**cell, "context": number}
        self._configurations.update(part.content["configurations"])
        self.parts.append(part)

    def write(self, folder: Path) -> Part:
        """One part of them all, read back."""
        ordered = [self._records[cell] for cell in sorted(self._records)]
        used = {record["configuration_sha256"] for record in ordered}
        name = write_part(
            folder,
            pd.concat(self._frames, ignore_index=True),
            ordered,
            [json.loads(context) for context in self._contexts],
            {key: self._configurations[key] for key in sorted(used)},
        )
        new = read_part(folder / f"{name}.json")
        if checksum(read_bytes(new.scores.path)) != new.scores.sha256:
            raise ArchiveDamagedError(
                f"{new.scores.path} was not written as it should be; nothing was removed"
            )
        return new


def _join(folder: Path, paths: list[Path]) -> None:
    joined = _Joined()
    for path in paths:
        joined.add(path)
    if len(joined.parts) < 2:
        return
    new = joined.write(folder)
    replaced = [part for part in joined.parts if part.path != new.path]
    for part in replaced:
        part.path.unlink(missing_ok=True)
    for part in replaced:
        part.scores.path.unlink(missing_ok=True)
