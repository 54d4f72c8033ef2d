"""The files of an archive, read and checked: what is whole, and what is damaged."""

from __future__ import annotations

__all__ = ["ArchiveFiles", "holds_archive"]

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import ArchiveDamagedError
from .descriptions import divided_patients, read_header, read_task, read_task_table, task_files
from .files import checksum, read_bytes, read_sealed
from .parts import Row, ScoresFile, cells_of_scores, read_part
from .schema import split_name


def holds_archive(root: Path) -> bool:
    """True if there is an archive at `root`, be it one that has lost its ``archive.json``."""
    return (root / "archive.json").is_file() or any((root / "parts").glob("*.json"))


class ArchiveFiles:
    """The files of an archive; those that are not what was written are noted and left out.

    Parameters
    ----------
    root : Path
    plan : mapping, optional
        Resolved plan to take where ``archive.json`` itself is damaged.

    Attributes
    ----------
    plan : dict
    tasks : dict of str to dict
        Descriptions of the data sets.
    damaged : dict of Path to str
        What is wrong, by file.
    """

    def __init__(self, root: Path, plan: Mapping[str, Any] | None = None):
        self.root = root
        self.damaged: dict[Path, str] = {}
        self.plan = self._read_plan(plan)
        self.tasks = self._read_tasks()
        self._records: dict[str, Row] = {}
        self._home: dict[str, str] = {}
        self._checksums: dict[str, str] = {}
        self._score_files: dict[str, ScoresFile] = {}
        self._read_parts()
        self._miss_tasks()
        self._failures = self._read_failures()
        self._check_splits()

    def cases(self, task: str) -> pd.DataFrame:
        """Cases of a data set: case, patient, group, y_true and covariates."""
        return read_task_table(self.root / "tasks", self.tasks[task], splits=False)

    def all_splits(self, task: str) -> pd.DataFrame:
        """The splits of all designs, one row for each case and split."""
        return read_task_table(self.root / "tasks", self.tasks[task], splits=True)

    def _read_plan(self, plan: Mapping[str, Any] | None) -> dict[str, Any]:
        path = self.root / "archive.json"
        try:
            return read_header(path)
        except ArchiveDamagedError as error:
            if plan is None:
                raise
            self.damaged[path] = str(error)
            return dict(plan)

    def _read_tasks(self) -> dict[str, dict[str, Any]]:
        tasks = {}
        for path in sorted((self.root / "tasks").glob("*.json")):
            try:
                content = read_task(path)
                tasks[content["task"]] = content
            except ArchiveDamagedError as error:
                self.damaged[path] = str(error)
        return tasks

    def _read_parts(self) -> None:
        """Every part; those that another process compacts meanwhile are looked for again."""
        seen: set[Path] = set()
        while new := sorted(set((self.root / "parts").glob("*.json")) - seen):
            for path in new:
                seen.add(path)
                with contextlib.suppress(FileNotFoundError):
                    self._read_part(path)

    def _read_part(self, path: Path) -> None:
        try:
            part = read_part(path)
        except ArchiveDamagedError as error:
            lost = cells_of_scores(path.with_suffix(".parquet"))
            named = f"; cells {', '.join(lost)}" if lost else ""
            self.damaged[path] = f"{error} (its cells count as missing{named})"
            return
        try:
            if checksum(read_bytes(part.scores.path)) != part.scores.sha256:
                raise ArchiveDamagedError(f"{part.scores.path} is damaged: its checksum differs")
        except ArchiveDamagedError as error:
            if not path.exists():
                return  # compacted between the two reads
            self.damaged[path] = f"{error}; cells {', '.join(sorted(r.cell_id for r in part.rows))}"
            return
        for row in part.rows:
            known = self._records.get(row.cell_id)
            if known is not None and known.scores_sha256 != row.scores_sha256:
                self.damaged[path] = (
                    f"{path}: cell {row.cell_id} is also in "
                    f"parts/{self._home[row.cell_id]}.json, with other scores"
                )
                return
        for row in part.rows:
            if row.cell_id not in self._records:
                self._records[row.cell_id], self._home[row.cell_id] = row, path.stem
        self._checksums[path.stem] = part.checksum
        self._score_files[path.stem] = part.scores

    def _read_failures(self) -> dict[str, dict[str, Any]]:
        found = {}
        for path in sorted((self.root / "failed").glob("*.json")):
            try:
                content = read_sealed(path)
                if content["cell_id"] != path.stem or not isinstance(content["reason"], str):
                    raise ArchiveDamagedError(f"{path} is damaged: it is of another cell")
            except FileNotFoundError:
                continue  # the cell is being trained again
            except (ArchiveDamagedError, KeyError, TypeError) as error:
                if not path.exists():
                    continue
                content = {"cell_id": path.stem, "reason": "its failure record is damaged"}
                self.damaged[path] = f"{error}; cell {path.stem}"
            found[path.stem] = content
        return found

    def _miss_tasks(self) -> None:
        """A task is described before its first cell is committed, so a lack is a loss."""
        for name in sorted({row.key["task"] for row in self._records.values()}):
            path = self.root / "tasks" / f"{name}.json"
            if name not in self.tasks and path not in self.damaged:
                self.damaged[path] = f"{path} is missing"

    def _check_splits(self) -> None:
        """No patient on two sides, and every cell trained on the split that is archived."""
        for name in list(self.tasks):
            path = self.root / "tasks" / f"{name}.json"
            try:
                torn = divided_patients(self.all_splits(name), self.cases(name))
            except ArchiveDamagedError as error:
                self.damaged[path] = str(error)
                del self.tasks[name]
                continue
            if len(torn):
                split = torn.iloc[0]
                self.damaged[path] = (
                    f"{path.with_name(task_files(self.tasks[name])[1])}: "
                    f"{torn['patient'].nunique()} patients lie on two sides of a split, "
                    f"for example {split['patient']!r} in "
                    f"{split_name(split['repeat'], split['fold'], split['design'])}"
                )
        for cell, row in self._records.items():
            key = row.key
            splits = self.tasks.get(key["task"], {}).get("splits_sha256", {})
            name = split_name(key["repeat"], key["fold"], key["design"])
            known = splits.get(name, row.split_sha256)
            if known != row.split_sha256:
                path = self.root / "parts" / f"{self._home[cell]}.json"
                self.damaged[path] = f"{path}: cell {cell} was trained on another split"
        for cell, stem in list(self._home.items()):
            if self.root / "parts" / f"{stem}.json" in self.damaged:
                del self._records[cell], self._home[cell]
