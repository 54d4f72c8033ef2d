"""Every byte and every score of an archive, checked: what opening it does, and the rest.

Opening an archive compares checksums. Verification also recomputes the hash of each cell's
scores from its rows, reads kept backbones, looks for what no file names, and compares what
the files say of each other (:mod:`stats_tl.archive.integrity.consistency`).
"""

from __future__ import annotations

__all__ = ["Problem", "Verification", "verify"]

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ...errors import ArchiveDamagedError, UserError
from ..files import checksum, read_bytes
from ..parts import Part, cells_of_scores, read_part, read_part_scores
from ..reader import Archive, load
from ..schema import scores_digests
from ..seal import SEAL, Seal
from .consistency import compare_descriptions
from .contradictions import Contradiction
from .scores import ScoreComparison


@dataclass(frozen=True)
class Problem:
    """A damaged file, what is wrong with it, and the cells that are lost with it.

    Attributes
    ----------
    path : Path
    what : str
    cells : list of str
        Identifiers; empty where the file is of no cell, or none can be read.
    """

    path: Path
    what: str
    cells: list[str]


@dataclass
class Verification:
    """What :func:`verify` finds.

    Attributes
    ----------
    root : Path
    archive : Archive
        The archive without what is damaged.
    cells, parts, scores : int
        Whole cells, the parts they lie in, rows of scores that were read.
    problems : list of Problem
        Damage.
    missing : DataFrame or None
        Cells that the plan asks for and the archive does not hold; None if the plan is lost.
    orphans : dict of Path to list of str
        Scores without a record, and their cells: a killed process left them, or the record
        was deleted. Cells that lie elsewhere too are not listed.
    contradictions : list of Contradiction
        Undamaged files that say different things.
    seal : Seal or None
        The seal, compared with every file; None where there is none.
    """

    root: Path
    archive: Archive
    cells: int = 0
    parts: int = 0
    scores: int = 0
    problems: list[Problem] = field(default_factory=list)
    missing: pd.DataFrame | None = None
    orphans: dict[Path, list[str]] = field(default_factory=dict)
    contradictions: list[Contradiction] = field(default_factory=list)
    seal: Seal | None = None


def verify(
    root: str | Path, *, progress: Callable[[int, int], object] | None = None
) -> Verification:
    """Check every file of an archive.

    Parameters
    ----------
    root : path-like
        Folder of the archive, ``runs/<study>``.
    progress : callable, optional
        Called as ``progress(done, total)`` after each part.

    Returns
    -------
    Verification

    Raises
    ------
    UserError
        If there is no archive, or its schema is newer than this program.
    """
    root = Path(root)
    try:
        archive = load(root, strict=False)
        plan_lost = False
    except ArchiveDamagedError:
        # The header alone raises here; everything else can still be looked at.
        unknown = {"study": {"name": root.name}, "arms": [{"name": "", "reference": True}]}
        archive = load(root, strict=False, plan=unknown)
        plan_lost = True
    found = Verification(root, archive)
    by_path: dict[Path, Problem] = {
        path: Problem(path, what, sorted(_lost_with(path, archive)))
        for path, what in archive.damaged.items()
    }
    comparison = ScoreComparison(archive)
    paths = sorted((root / "parts").glob("*.json"))
    whole: set[str] = set()
    for number, path in enumerate(paths, 1):
        if path not in by_path:
            try:
                part = read_part(path)
                problem = _verify_part(part, found, comparison)
            except FileNotFoundError:
                continue  # compacted meanwhile
            except ArchiveDamagedError as error:
                problem = Problem(path, str(error), [])
            if problem is None:
                found.parts += 1
                whole.update(row.cell_id for row in part.rows)
            else:
                by_path[path] = problem
        if progress is not None:
            progress(number, len(paths))
    try:
        found.seal = archive.seal
    except ArchiveDamagedError as error:
        by_path[root / SEAL] = Problem(root / SEAL, str(error), [])
    found.cells = len(whole)
    found.problems = [by_path[path] for path in sorted(by_path)]
    found.contradictions = [*compare_descriptions(archive), *comparison.found]
    found.orphans = dict(_orphans(root, whole))
    if not plan_lost:
        found.missing = _missing(archive)
    return found


def _missing(archive: Archive) -> pd.DataFrame | None:
    try:
        return archive.missing
    except UserError:  # a plan that this version cannot read any more
        return None


def _lost_with(path: Path, archive: Archive) -> list[str]:
    """The cells of a file that opening the archive has found damaged."""
    if path.parent.name == "failed":
        return [path.stem]
    if path.parent.name != "parts":
        return []
    try:
        return [row.cell_id for row in read_part(path).rows]
    except (ArchiveDamagedError, FileNotFoundError):
        return cells_of_scores(path.with_suffix(".parquet"))


def _verify_part(part: Part, found: Verification, comparison: ScoreComparison) -> Problem | None:
    """The scores of each cell against its record, and its kept files."""
    frame = read_part_scores(part.scores)
    found.scores += len(frame)
    comparison.add(part, frame)
    digests = scores_digests(frame)
    wrong = {
        row.cell_id: "its scores are not those of its record"
        for row in part.rows
        if digests.get(row.cell_id) != row.scores_sha256
    }
    for cell in part.content["cells"]:
        for name, sha256 in cell.get("backbones", {}).items():
            path = found.root / "backbones" / Path(name).name
            try:
                if checksum(read_bytes(path)) != sha256:
                    wrong[cell["cell_id"]] = f"{path} is damaged: its checksum differs"
            except ArchiveDamagedError as error:
                wrong[cell["cell_id"]] = str(error)
    if not wrong:
        return None
    listed = "; ".join(f"cell {cell}: {what}" for cell, what in sorted(wrong.items()))
    return Problem(part.path, f"{part.path}: {listed}", sorted(wrong))


def _orphans(root: Path, whole: set[str]) -> Iterator[tuple[Path, list[str]]]:
    for path in sorted((root / "parts").glob("*.parquet")):
        if not path.with_suffix(".json").exists():
            cells = [cell for cell in cells_of_scores(path) if cell not in whole]
            if cells:
                yield path, cells
