"""Every score of an archive beside data sets, splits and records."""

from __future__ import annotations

__all__ = ["ScoreComparison", "Splits"]

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...study.splits import PARTITIONS, TEST, UNUSED, VALIDATION, count_partition, partition_digest
from ..parts import Part, Row
from ..reader import Archive
from ..schema import split_name
from .contradictions import Findings

#: A split's table says nothing of a case.
_ABSENT = -2
_CODES = {name: code for code, name in PARTITIONS.items()} | {"unused": UNUSED}
#: Recorded AUCs come from the same scores by another order of sums.
_AUC_TOLERANCE = 1e-9


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
