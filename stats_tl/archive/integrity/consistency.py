"""What the parts of an archive say of each other, compared.

Checksums show what a disk or a transfer has done. They do not show a script or a hand that
has changed a file and computed its checksum again: such a change shows where two files say
different things of one case or one cell. :func:`compare_descriptions` looks at what opening
an archive has read anyway, :class:`.scores.ScoreComparison` at every score.
"""

from __future__ import annotations

__all__ = ["compare_descriptions", "refuse_contradictions"]

from pathlib import Path

from ...errors import ArchiveDamagedError, UserError
from ...study.digests import labels_digest
from ..descriptions import task_files
from ..parts import Row, read_part_scores
from ..reader import Archive
from ..schema import split_name
from .contradictions import REMEDY, Findings
from .scores import ScoreComparison, Splits

#: A report compares so many rows of scores, which takes seconds; more are left to ``verify``.
REPORT_ROWS = 2_000_000


def compare_descriptions(archive: Archive) -> Findings:
    """Compare plan, data sets and records of an archive; scores are not read.

    Compared are labels and splits with the hashes beside them, the hashes that each record
    holds with those of the data set, key, configuration and identifiers of each cell, and
    the cells with those that the plan asks for.

    Parameters
    ----------
    archive : Archive

    Returns
    -------
    Findings
    """
    found = Findings()
    for task in sorted(archive.tasks):
        _compare_task(archive, task, found)
    for part, row in archive.rows():
        _compare_record(row, part, archive, found)
    for cell in _unplanned(archive):
        found.add(
            "a cell is archived that the plan in archive.json does not ask for (an older "
            "archive.json was put back, or a part of another study was added)",
            archive.root / "archive.json",
            f"cell {cell}",
            cell,
        )
    return found


def refuse_contradictions(archive: Archive) -> bool:
    """Refuse an archive whose files say different things, as far as that is quickly seen.

    Parameters
    ----------
    archive : Archive

    Returns
    -------
    bool
        True if every score was compared, False if there are more than :data:`REPORT_ROWS`.

    Raises
    ------
    ArchiveDamagedError
        If there is a contradiction; the message names files and cells.
    """
    found = [*compare_descriptions(archive)]
    rows = sum(sum(row.counts[1:]) for _, row in archive.rows())
    if rows <= REPORT_ROWS:
        comparison = ScoreComparison(archive)
        for part in archive.parts():
            comparison.add(part, read_part_scores(part.scores))
        found += comparison.found
    if found:
        listed = "\n".join(f"  - {contradiction}" for contradiction in found)
        raise ArchiveDamagedError(
            f"{archive.root} is damaged: its files contradict each other:\n{listed}\n{REMEDY}"
        )
    return rows <= REPORT_ROWS


def _unplanned(archive: Archive) -> list[str]:
    try:
        return archive.unplanned
    except UserError:  # a plan that this version cannot read any more: who needs it says so
        return []


def _compare_task(archive: Archive, task: str, found: Findings) -> None:
    """The tables of a data set with the hashes in its description."""
    description = archive.tasks[task]
    folder = archive.root / "tasks"
    cases_file, splits_file = task_files(description)
    cases = archive.cases(task)
    columns = (cases[name] for name in ("case", "patient", "y_true"))
    if cases["case"].duplicated().any():
        twice = cases["case"][cases["case"].duplicated()].iloc[0]
        found.add(f"tasks/{cases_file} holds a case twice", folder / cases_file, f"case {twice!r}")
        return
    if labels_digest(*columns) != description["labels_sha256"]:
        found.add(
            f"cases, patients or labels in tasks/{cases_file} are not those whose hash "
            f"tasks/{task}.json holds (labels_sha256)",
            folder / cases_file,
        )
    recorded = description["splits_sha256"]
    splits = Splits(archive.all_splits(task), cases)
    for name in sorted({*recorded, *splits.names}):
        if splits.digest(name) != recorded.get(name):
            found.add(
                f"a split in tasks/{splits_file} is not the one whose hash tasks/{task}.json "
                "holds (splits_sha256)",
                folder / splits_file,
                name,
            )


def _compare_record(row: Row, part: Path, archive: Archive, found: Findings) -> None:
    """What a record says of itself and of its data set."""
    where = f"cell {row.cell_id} in parts/{part.name}"
    if row.misnamed:
        found.add(
            "a record contradicts itself in what was trained",
            part,
            f"{where}: {row.misnamed}",
            row.cell_id,
        )
    key = row.key
    task = archive.tasks.get(key["task"])
    if task is None:
        return
    if row.labels_sha256 and row.labels_sha256 != task["labels_sha256"]:
        found.add(
            f"a record names other labels (labels_sha256) than tasks/{key['task']}.json",
            part,
            where,
            row.cell_id,
        )
    name = split_name(key["repeat"], key["fold"], key["design"])
    if name not in task["splits_sha256"]:
        found.add(
            f"tasks/{key['task']}.json does not describe the split of a cell (older files of "
            "tasks/ were put back into a study that had grown)",
            part,
            f"{where}: {name}",
            row.cell_id,
        )
