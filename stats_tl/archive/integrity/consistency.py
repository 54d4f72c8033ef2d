"""What the parts of an archive say of each other, compared.

Checksums show what a disk or a transfer has done. They do not show a script or a hand that
has changed a file and computed its checksum again: such a change shows where two files say
different things of one case or one cell. :func:`compare_descriptions` looks at what opening
an archive has read anyway, :class:`ScoreComparison` at every score.
"""

from __future__ import annotations

__all__ = [
    "REMEDY",
    "Contradiction",
    "Findings",
    "ScoreComparison",
    "compare_descriptions",
    "refuse_contradictions",
]

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...errors import ArchiveDamagedError, UserError
from ...study.digests import labels_digest
from ...study.splits import PARTITIONS, TEST, UNUSED, VALIDATION, count_partition, partition_digest
from ..descriptions import task_files
from ..parts import Part, Row, read_part_scores
from ..reader import Archive
from ..schema import split_name

#: What to do about a contradiction: which side is right, no archive can say.
REMEDY = (
    "which side is right cannot be told from the archive: restore the files named from a backup; "
    "where archive.json or tasks/ is older than the parts, run_grid --extend with the plan that "
    "the study has grown to writes it again; parts that are wrong can be removed (.json and "
    ".parquet), and run_grid trains their cells again"
)
#: A report compares so many rows of scores, which takes seconds; more are left to ``verify``.
REPORT_ROWS = 2_000_000
#: A split's table says nothing of a case.
_ABSENT = -2
_CODES = {name: code for code, name in PARTITIONS.items()} | {"unused": UNUSED}
#: Recorded AUCs come from the same scores by another order of sums.
_AUC_TOLERANCE = 1e-9


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


class Splits:
    """Partitions of the cases of a data set, one row for each split.

    Parameters
    ----------
    splits : DataFrame
        Columns design, repeat, fold, case and partition.
    cases : DataFrame
        Columns case, patient and y_true.
    """

    def __init__(self, splits: pd.DataFrame, cases: pd.DataFrame):
        self._cases = cases
        keys = splits[["design", "repeat", "fold"]].astype({"design": str})
        codes, unique = pd.factorize(pd.MultiIndex.from_frame(keys))
        self.names = {
            split_name(int(repeat), int(fold), design): number
            for number, (design, repeat, fold) in enumerate(unique)
        }
        known_cases = pd.Index(cases["case"].astype(str))
        position = known_cases.get_indexer(pd.Index(splits["case"].astype(str)))
        partition = splits["partition"].astype(str).map(_CODES).fillna(_ABSENT).to_numpy(np.int8)
        self.codes = np.full((len(unique) + 1, len(cases)), _ABSENT, dtype=np.int8)
        known = position >= 0
        self.codes[codes[known], position[known]] = partition[known]
        self._strange = {int(code) for code in np.unique(codes[~known])}
        self.n_scored = np.isin(self.codes, (VALIDATION, TEST)).sum(axis=1)
        self._counts: dict[str, dict[str, dict[str, int]]] = {}

    def digest(self, name: str) -> str | None:
        """SHA-256 of a split, as its description holds it; None where it is not a whole one."""
        number = self.names.get(name)
        if number is None or number in self._strange or (self.codes[number] == _ABSENT).any():
            return None
        return partition_digest(self._cases["case"], self.codes[number])

    def counts(self, name: str) -> dict[str, dict[str, int]]:
        """Patients, cases and events of each partition."""
        if name not in self._counts:
            own, cases = self.codes[self.names[name]], self._cases
            labels, patients = cases["y_true"].to_numpy(), cases["patient"].to_numpy()
            self._counts[name] = count_partition(own, labels, patients)
        return self._counts[name]


class _TaskTruth:
    """What ``tasks/`` says of the cases of a data set, as whole numbers."""

    def __init__(self, archive: Archive, task: str):
        cases = archive.cases(task)
        self.cases = pd.Index(cases["case"].astype(str))
        patients = cases["patient"].astype(str)
        self.patient, known = pd.factorize(patients)
        self.patients = pd.Index(known)
        self.y_true = cases["y_true"].to_numpy()
        self.splits = Splits(archive.all_splits(task), cases)


class ScoreComparison:
    """The scores of parts beside data sets, splits and records.

    Parameters
    ----------
    archive : Archive
    """

    def __init__(self, archive: Archive):
        self.found = Findings()
        self._archive = archive
        self._tasks: dict[str, _TaskTruth | None] = {}

    def add(self, part: Part, frame: pd.DataFrame) -> None:
        """Compare the scores of a part, with one row per cell and case."""
        rows = {row.cell_id: row for row in part.rows}
        by_task: dict[str, list[str]] = {}
        for cell, row in rows.items():
            by_task.setdefault(row.key["task"], []).append(cell)
        records = {cell["cell_id"]: cell for cell in part.content["cells"]}
        for task, cells in by_task.items():
            truth = self._truth(task)
            if truth is None:
                continue  # its files are damaged or contradict themselves, which is told already
            known = [cell for cell in cells if _split_of(rows[cell]) in truth.splits.names]
            scores = _Scores(frame, known, [_split_of(rows[cell]) for cell in known], truth)
            for what, wrong in scores.contradictions(task):
                for number in np.flatnonzero(wrong):
                    self._note(what, part, known[number], f" ({wrong[number]:,} rows)")
            sound = ~scores.wrong
            aucs = dict(zip(("validation_auc", "auc"), scores.aucs(), strict=True))
            for number in np.flatnonzero(sound):
                own = {name: values[number] for name, values in aucs.items()}
                self._compare_record(part, rows[known[number]], records[known[number]], own, truth)

    def _compare_record(
        self,
        part: Part,
        row: Row,
        record: Mapping[str, Any],
        aucs: Mapping[str, float],
        truth: _TaskTruth,
    ) -> None:
        """AUCs and counts of a record, where its scores are those of its split."""
        for name, auc in aucs.items():
            recorded = row.metrics[name]
            if recorded is None:
                same = bool(np.isnan(auc))  # one class only
            else:
                same = bool(abs(recorded - auc) <= _AUC_TOLERANCE)
            if not same:
                side = "test" if name == "auc" else "validation"
                told = f": {recorded} is recorded, the scores have {auc:.6g}"
                what = f"the recorded {side} AUC ({name}) is not that of the cell's scores"
                self._note(what, part, row.cell_id, told)
        counts = truth.splits.counts(_split_of(row))
        if record["counts"] == counts:
            return
        for side, numbers in counts.items():
            for unit, number in numbers.items():
                recorded = record["counts"][side].get(unit)
                if recorded != number:
                    told = f": {recorded} {side} {unit} are recorded, tasks/ has {number}"
                    what = "the recorded counts are not those of the cell's split in tasks/"
                    self._note(what, part, row.cell_id, told)

    def _note(self, what: str, part: Part, cell: str, told: str) -> None:
        self.found.add(what, part.path, f"cell {cell} in parts/{part.path.name}{told}", cell)

    def _truth(self, task: str) -> _TaskTruth | None:
        if task not in self._tasks:
            usable = task in self._archive.tasks and self._archive.cases(task)["case"].is_unique
            self._tasks[task] = _TaskTruth(self._archive, task) if usable else None
        return self._tasks[task]


def _split_of(row: Row) -> str:
    return split_name(row.key["repeat"], row.key["fold"], row.key["design"])


class _Scores:
    """The scores of cells of one task in a part: whole numbers in place of text.

    Parameters
    ----------
    frame : DataFrame
        Scores of a part.
    cells, splits : list of str of length m
        The cells to look at, and the name of each one's split.
    truth : _TaskTruth
    """

    def __init__(self, frame: pd.DataFrame, cells: list[str], splits: list[str], truth: _TaskTruth):
        self._m, self._truth = len(cells), truth
        cell = _codes(frame["cell_id"], pd.Index(cells))
        own = np.flatnonzero(cell >= 0)
        self._cell = cell[own]
        self._case = _codes(frame["case"], truth.cases)[own]
        self._patient = _codes(frame["patient"], truth.patients)[own]
        sides = pd.Index([PARTITIONS[VALIDATION], PARTITIONS[TEST]])
        self._side = _codes(frame["partition"], sides)[own]
        self._y_true = frame["y_true"].to_numpy()[own]
        logits = [frame[name].to_numpy()[own] for name in ("logit_0", "logit_1")]
        self._finite = np.isfinite(logits[0]) & np.isfinite(logits[1])
        self._score = logits[1].astype(np.float64) - logits[0]
        self._split = np.array([truth.splits.names[name] for name in splits], dtype=np.intp)
        self.wrong = np.zeros(self._m, dtype=bool)

    def contradictions(self, task: str) -> Iterator[tuple[str, np.ndarray]]:
        """What is wrong, and for each cell in how many rows."""
        truth = self._truth
        unknown = self._case < 0
        codes = truth.splits.codes[self._split[self._cell], self._case]
        scored = np.where(self._side == 0, VALIDATION, TEST)
        row = self._cell * len(truth.cases) + self._case
        row.sort(kind="stable")
        twice = row[1:][row[1:] == row[:-1]] // len(truth.cases)
        checks = (
            (f"scores are of cases that tasks/{task} does not have", unknown),
            (
                f"y_true in the scores is not the label in tasks/{task}",
                ~unknown & (self._y_true != truth.y_true[self._case]),
            ),
            (
                f"patients in the scores are not those in tasks/{task}",
                ~unknown & (self._patient != truth.patient[self._case]),
            ),
            (
                f"partitions in the scores are not those of the split in tasks/{task}",
                ~unknown & ((self._side < 0) | (codes != scored)),
            ),
            ("scores are not finite", ~self._finite),
        )
        for what, rows in checks:
            yield what, self._count(self._cell[rows])
        yield "scores hold a case twice", self._count(twice)
        distinct = np.bincount(self._cell, minlength=self._m) - self._count(twice)
        lacking = np.maximum(truth.splits.n_scored[self._split] - distinct, 0)
        yield (
            f"scores lack validation or test cases of the split in tasks/{task}",
            self._count(np.repeat(np.arange(self._m), lacking)),
        )

    def _count(self, cells: np.ndarray) -> np.ndarray:
        """Rows by cell; the cells count as wrong."""
        counts = np.bincount(cells, minlength=self._m)
        self.wrong |= counts > 0
        return counts

    def aucs(self) -> tuple[np.ndarray, np.ndarray]:
        """Areas under the ROC curve of the validation and of the test cases of each cell.

        The Mann-Whitney statistic of mid-ranks, of all cells at once.
        """
        group = 2 * self._cell + (self._side == 1)
        order = np.lexsort((self._score, group))
        group, score = group[order], self._score[order]
        positive = self._y_true[order] == 1
        last = np.flatnonzero(np.r_[(group[1:] != group[:-1]) | (score[1:] != score[:-1]), True])
        size = np.diff(np.r_[-1, last])
        rank = np.repeat(last - (size - 1) / 2 + 1, size)
        n = 2 * self._m
        n_all = np.bincount(group, minlength=n)
        n_positive = np.bincount(group[positive], minlength=n)
        first = np.cumsum(n_all) - n_all
        sums = np.bincount(group[positive], weights=(rank - first[group])[positive], minlength=n)
        with np.errstate(invalid="ignore", divide="ignore"):  # NaN where there is one class
            auc = (sums / n_positive - (n_positive + 1) / 2) / (n_all - n_positive)
        return auc[0::2], auc[1::2]


def _codes(column: pd.Series, known: pd.Index) -> np.ndarray:
    """Position of each value of a column of text in a list; -1 where it is not there."""
    categories = column.astype("category").cat
    place = known.get_indexer(pd.Index(categories.categories.astype(str)))
    codes: np.ndarray = np.append(place, -1)[categories.codes.to_numpy()]
    return codes
