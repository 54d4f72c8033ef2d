"""One archive from several of one plan, trained in different places.

The sources are read, never changed; the target must not hold anything yet. The result does
not depend on the order in which the sources are named: files of one name are the same by
construction (their name hashes their content) but for times, of which the smaller checksum
decides.
"""

from __future__ import annotations

__all__ = ["Conflict", "Merge", "merge"]

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import UserError
from ..study.differences import plan_differences
from .files import checksum, read_bytes, write_atomically
from .parts import read_part, read_part_scores, write_part
from .reader import Archive, load


@dataclass(frozen=True)
class Conflict:
    """A cell with different scores in different places.

    Attributes
    ----------
    cell_id : str
    key : dict
        The names of the cell.
    aucs : dict of Path to float or None
        Its AUC on the test cases in each place.
    """

    cell_id: str
    key: dict[str, Any]
    aucs: dict[Path, float | None]


@dataclass
class Merge:
    """What :func:`merge` found and did; `written` is False where conflicts stopped it."""

    sources: dict[Path, int]
    cells: int = 0
    shared: int = 0
    written: bool = False
    conflicts: list[Conflict] = field(default_factory=list)


def merge(
    sources: Sequence[str | Path], into: str | Path, *, leave_out_conflicts: bool = False
) -> Merge:
    """Write the union of archives of one plan.

    Parameters
    ----------
    sources : sequence of path-like
        Folders of the archives, two or more.
    into : path-like
        Folder of the new archive; it must not exist or be empty.
    leave_out_conflicts : bool, optional
        Leave cells with different scores out of the union, to be trained again. Otherwise
        nothing is written if there are any.

    Raises
    ------
    UserError
        If the archives are of different plans, data, splits or weights, or `into` holds
        something.
    ArchiveDamagedError
        If a source is damaged.
    """
    into = Path(into)
    roots = sorted({Path(source) for source in sources})
    if len(roots) < 2:
        raise UserError("merging takes two or more different archives")
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UserError(
            f"{into} is there already; nothing is overwritten: give a folder that is not there yet"
        )
    archives = {root: load(root) for root in roots}
    _refuse_different(archives)
    found = Merge({root: len(archive.cell_ids) for root, archive in archives.items()})
    found.conflicts, ids, found.shared = _compare(archives)
    conflicting = {conflict.cell_id for conflict in found.conflicts}
    found.cells = len(ids - conflicting)
    if conflicting and not leave_out_conflicts:
        return found
    _copy_tasks(archives, into)
    _copy_parts(archives, into, conflicting)
    _copy_failures(archives, into, ids - conflicting)
    # Last: without it the folder is an archive whose header is damaged, as every reader says.
    _copy_smallest((root / "archive.json" for root in roots), into / "archive.json")
    load(into)
    found.written = True
    return found


def _compare(archives: dict[Path, Archive]) -> tuple[list[Conflict], set[str], int]:
    places: dict[str, list[tuple[Path, str]]] = defaultdict(list)
    for root, archive in archives.items():
        for cell, sha256 in archive.score_hashes.items():
            places[cell].append((root, sha256))
    conflicts = []
    for cell, found in sorted(places.items()):
        if len({sha256 for _, sha256 in found}) > 1:
            rows = {root: archives[root].row(cell) for root, _ in found}
            aucs = {root: row.metrics["auc"] for root, row in rows.items()}
            conflicts.append(Conflict(cell, rows[found[0][0]].key, aucs))
    shared = sum(len(found) > 1 for found in places.values()) - len(conflicts)
    return conflicts, set(places), shared


def _refuse_different(archives: dict[Path, Archive]) -> None:
    """Plans, data sets, splits and weights have to be the same."""
    (first, one), *others = archives.items()
    for root, other in others:
        lines = plan_differences(one.plan, other.plan)
        if lines:
            listed = "\n".join(f"  - {line}" for line in lines)
            raise UserError(
                f"{root} is of another plan than {first} (shown as archived and given):\n{listed}\n"
                "Where one plan has only grown, `run_grid --extend` brings the other up to it"
            )
        for task in sorted(set(one.tasks) & set(other.tasks)):
            mine, yours = one.tasks[task], other.tasks[task]
            for key, meaning in (("labels_sha256", "labels"), ("images_sha256", "images")):
                if mine[key] != yours[key]:
                    raise UserError(f"task {task!r}: {first} and {root} have different {meaning}")
            splits, others_splits = mine["splits_sha256"], yours["splits_sha256"]
            if any(splits[name] != others_splits.get(name, splits[name]) for name in splits):
                raise UserError(f"task {task!r}: {first} and {root} have different splits")
        random: set[str] = {arm["name"] for arm in one.plan["arms"] if arm["source"] == "random"}
        for pair in sorted(one.weights.keys() & other.weights.keys()):
            a, b = one.weights[pair], other.weights[pair]
            if pair[0] not in random and a != b:
                raise UserError(
                    f"arm {pair[0]!r}, {pair[1]}: {first} and {root} used different weights "
                    f"(sha256 {a[:12]} and {b[:12]})"
                )


def _copy_smallest(paths: Iterable[Path], target: Path) -> None:
    """Of several versions the one with the smallest checksum, whatever their order."""
    versions = [read_bytes(path) for path in paths if path.exists()]
    write_atomically(target, min(versions, key=checksum))


def _copy_tasks(archives: dict[Path, Archive], into: Path) -> None:
    for task in sorted({task for archive in archives.values() for task in archive.tasks}):
        having = {root: archive.tasks[task] for root, archive in archives.items()
                  if task in archive.tasks}  # fmt: skip
        most = max(len(description["splits_sha256"]) for description in having.values())
        best = min(
            (
                root
                for root, description in having.items()
                if len(description["splits_sha256"]) == most
            ),
            key=lambda root: checksum(read_bytes(root / "tasks" / f"{task}.json")),
        )
        for name in (*having[best]["files"], f"{task}.json"):
            write_atomically(into / "tasks" / name, read_bytes(best / "tasks" / name))


def _copy_parts(archives: dict[Path, Archive], into: Path, leave_out: set[str]) -> None:
    paths: dict[str, list[Path]] = defaultdict(list)
    for root in archives:
        for path in (root / "parts").glob("*.json"):
            paths[path.stem].append(path)
    for stem in sorted(paths):
        # Of versions that differ in times the smallest, whatever their order.
        part = read_part(min(paths[stem], key=lambda path: checksum(read_bytes(path))))
        root = part.path.parent.parent
        cells = [c for c in part.content["cells"] if c["cell_id"] not in leave_out]
        for cell in cells:
            for name in cell.get("backbones", {}):
                write_atomically(into / "backbones" / name, read_bytes(root / "backbones" / name))
        if len(cells) == len(part.rows):
            name = part.scores.path.name
            write_atomically(into / "parts" / name, read_bytes(part.scores.path))
            write_atomically(into / "parts" / part.path.name, read_bytes(part.path))
        elif cells:
            frame = read_part_scores(part.scores)
            keep = frame["cell_id"].isin([cell["cell_id"] for cell in cells])
            frame = frame[keep].astype({"cell_id": object})
            write_part(
                into / "parts", pd.DataFrame(frame), cells,
                part.content["contexts"], part.content["configurations"],
            )  # fmt: skip


def _copy_failures(archives: dict[Path, Archive], into: Path, done: set[str]) -> None:
    failed: dict[str, list[Path]] = defaultdict(list)
    for root, archive in archives.items():
        for cell in archive.failures():
            if cell not in done:
                failed[f"{cell}.json"].append(root / "failed" / f"{cell}.json")
    for name, paths in sorted(failed.items()):
        _copy_smallest(paths, into / "failed" / name)
