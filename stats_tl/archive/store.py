"""Writing the archive: the plan, the data sets, parts of cells, failures."""

from __future__ import annotations

__all__ = ["ArchiveWriter", "refuse_other_data", "refuse_other_plan"]

import contextlib
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from .. import __version__
from ..errors import UserError
from ..study.differences import plan_differences, same_plan
from .descriptions import is_task_file
from .files import checksum, parquet_bytes, read_sealed, write_atomically, write_sealed
from .migrations import check_schema
from .parts import write_part
from .schema import SCHEMA_VERSION, CellResult

#: Half-written files of dead processes are swept after this many seconds.
STALE_SECONDS = 3600


class ArchiveWriter:
    """One study's archive, open for writing; several processes may hold one.

    Parameters
    ----------
    root : path-like
        Folder of the archive, made where it does not exist.
    """

    def __init__(self, root: str | Path):
        self.root = Path(root)

    def open(self, plan: Mapping[str, Any], *, extend: bool = False) -> None:
        """Start the archive of a plan, or check that it is of this plan.

        Parameters
        ----------
        plan : mapping
            The resolved plan as JSON types, see :meth:`stats_tl.study.plan.Plan.portable`.
        extend : bool, optional
            Replace the archived plan; the caller has checked that it still asks for
            every archived cell.

        Raises
        ------
        UserError
            If the archive is of another plan, with the differences.
        """
        path = self.root / "archive.json"
        if path.exists():
            known = read_sealed(path)
            check_schema(known, path)
            if not extend:
                refuse_other_plan(self.root, known["plan"], plan)
            # Labels alone are replaced: they are the last that the user gave.
            if known["schema_version"] == SCHEMA_VERSION and same_plan(known["plan"], plan):
                self._sweep()
                return
        write_sealed(
            path,
            {
                "schema_version": SCHEMA_VERSION,
                "study": plan["study"]["name"],
                "plan": plan,
                "written_by": f"stats_tl {__version__}",
            },
        )

    def begin_again(self) -> None:
        """Remove data sets and failures, so that another plan can begin an archive without cells.

        Raises
        ------
        UserError
            If the archive holds a cell.
        """
        if any((self.root / "parts").glob("*.json")):
            raise UserError(f"{self.root} holds trained cells, which another process has added")
        for folder in ("tasks", "failed"):
            for path in (self.root / folder).glob("*"):
                path.unlink(missing_ok=True)

    def write_task(
        self,
        name: str,
        description: Mapping[str, Any],
        cases: pd.DataFrame,
        splits: pd.DataFrame,
    ) -> None:
        """Archive a data set's cases and splits, or check that they are the archived ones.

        Raises
        ------
        UserError
            If the archive holds the task with other labels or other splits.
        """
        path = self.root / "tasks" / f"{name}.json"
        known = read_sealed(path) if path.exists() else None
        if known is not None:
            refuse_other_data(name, known, description)
            if set(known["splits_sha256"]) >= set(description["splits_sha256"]):
                return
        archived = {} if known is None else known["files"]
        files = {}
        for stem, table in ((name, cases), (f"{name}.splits", splits)):
            data = parquet_bytes(table)
            sha256 = checksum(data)
            file = f"{stem}.parquet"
            if known is not None and archived.get(file) != sha256:
                # Beside the archived table, whose description names its bytes until it is
                # replaced itself; "@" is in no name.
                file = f"{stem}@{sha256[:8]}.parquet"
            write_atomically(path.with_name(file), data)
            files[file] = sha256
        write_sealed(path, {**description, "task": name, "files": files})
        # Those of before this change stay for who is reading them; older ones go.
        for left in path.parent.glob(f"{name}*.parquet"):
            if is_task_file(left.name, name) and left.name not in {*files, *archived}:
                left.unlink(missing_ok=True)

    def commit(self, results: Sequence[CellResult], context: Mapping[str, Any]) -> str:
        """Add cells that were trained together; they appear all at once.

        Parameters
        ----------
        results : sequence of CellResult
        context : mapping
            What the cells have in common: environment, code, configurations.

        Returns
        -------
        str
            Identifier of the part.
        """
        results = sorted(results, key=lambda result: result.record["cell_id"])
        frame = pd.concat(
            [result.scores.assign(cell_id=result.record["cell_id"]) for result in results],
            ignore_index=True,
        )
        # Rows in the order of the data set would tell the rank of a hashed identifier.
        frame = frame.sort_values(["cell_id", "partition", "case"], ignore_index=True)
        cells = []
        for result in results:
            files = {}
            for suffix, content in result.files.items():
                name = result.record["cell_id"] + suffix
                write_atomically(self.root / "backbones" / name, content)
                files[name] = checksum(content)
            cells.append({**result.record, "context": 0, **({"backbones": files} if files else {})})
        shared = {key: value for key, value in context.items() if key != "configurations"}
        part = write_part(self.root / "parts", frame, cells, [shared], context["configurations"])
        for cell in cells:
            self.forget_failure(cell["cell_id"])
        return part

    def record_failure(self, cell: Mapping[str, Any], reason: str, log: str) -> None:
        """Keep why a cell failed."""
        write_sealed(
            self.root / "failed" / f"{cell['cell_id']}.json",
            {**cell, "reason": reason, "log": log, "schema_version": SCHEMA_VERSION},
        )

    def forget_failure(self, cell_id: str) -> None:
        """Drop a failure, because the cell is to be tried again or has succeeded."""
        with contextlib.suppress(FileNotFoundError):
            (self.root / "failed" / f"{cell_id}.json").unlink()

    def remove_damaged(self, paths: Iterable[Path]) -> None:
        """Move damaged files to ``damaged/``, so that their cells are trained again."""
        folder = self.root / "damaged"
        for path in paths:
            own = [path]
            if path.parent.name == "parts":
                own.append(path.with_suffix(".parquet"))
            for file in own:
                with contextlib.suppress(FileNotFoundError):
                    folder.mkdir(exist_ok=True)
                    file.replace(folder / file.name)

    def _sweep(self) -> None:
        """Remove what processes that were killed left half-written."""
        leftovers = [*self.root.glob(".writing-*"), *self.root.glob("*/.writing-*")]
        if not leftovers:
            return
        with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=self.root) as now:
            # The file system's clock: that of this machine may be another, or go backwards.
            present = Path(now.name).stat().st_mtime
            for leftover in leftovers:
                with contextlib.suppress(FileNotFoundError):
                    if present - leftover.stat().st_mtime > STALE_SECONDS:
                        leftover.unlink()


def refuse_other_data(name: str, known: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise UserError if a task has other labels, images or splits than are archived.

    Parameters
    ----------
    name : str
        The task.
    known, given : mapping
        Descriptions, with ``labels_sha256``, ``images_sha256`` and ``splits_sha256``.
    """
    for key, meaning in (
        ("labels_sha256", "cases, patients or labels"),
        ("images_sha256", "images"),
    ):
        if known[key] != given[key]:
            raise UserError(
                f"task {name!r}: the {meaning} differ from the archived ones "
                f"({key} {given[key][:12]}, archived {known[key][:12]}); the data on "
                "disk, or what the plan says of them, have changed since the archive was begun. "
                "Restore them, or give the study another name"
            )
    changed = [
        split
        for split, digest in known["splits_sha256"].items()
        if given["splits_sha256"].get(split, digest) != digest
    ]
    if changed:
        raise UserError(
            f"task {name!r}: the splits {', '.join(changed[:5])} differ from the archived ones; "
            "the plan or another version of stats_tl divides the cases otherwise. Give the study "
            "another name"
        )


def refuse_other_plan(root: Path, archived: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise UserError with the differences if the archive at `root` is of another plan."""
    differences = plan_differences(archived, given)
    if differences:
        listed = "\n".join(f"  - {line}" for line in differences)
        raise UserError(
            f"{root} holds another plan of the same name:\n{listed}\n"
            "Give the study another name or --runs another folder; --extend accepts a "
            "plan that still asks for every archived cell"
        )
