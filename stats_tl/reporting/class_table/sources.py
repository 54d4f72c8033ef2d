"""Predictions with a score of each of several classes, or with an ordinal grade.

Columns of the classes are those that ``--classes`` names, or three or more that begin alike and
name one each: ``score_0``, ``score[benign]``, ``prob_benign``, ``.pred_benign``, ``y_score_2``. A
column ``grade`` is a grade. The number of a row stands in for its score until the arms are
aligned, so that a table of classes is checked, paired and split as any other.
"""

from __future__ import annotations

__all__ = ["GRADE", "ClassTable", "read_classes"]

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...errors import UserError, suggest
from ..evidence.layout import NEEDED, OPTIONAL, arrange, stack_arms
from ..evidence.predictions import Predictions
from ..evidence.recoding import recode_folds, split_iterations
from ..evidence.tabular import read_table
from ..rendering.labels import plural
from ..value_table.sources import heading

#: The column of predicted grades.
GRADE = "grade"
_COLUMN = re.compile(
    r"(?P<kind>\.pred|y_score|y_pred|y_prob|scores?|prob(?:a|s|ability|abilities)?|pred|p|logits?|"
    r"softmax|outputs?)[_.]?(?:\[(?P<bracketed>.+)\]|(?<=[_.])(?P<rest>.+)|(?P<number>\d+))",
    re.IGNORECASE,
)
_FEWEST = 3
_LISTED = 5
#: Sums of probabilities that were written with few digits.
_ROUNDED = 0.02
#: Share of rows that sum to 1 from which on all must.
_MOSTLY = 0.9


@dataclass(frozen=True)
class ClassTable:
    """Predictions of several classes.

    Attributes
    ----------
    predictions : Predictions
        With the position of a row in `values` in place of its score, and as label whether the case
        is of the first class.
    classes : tuple of str
        Names of the classes, in the order of the columns; grades in their order.
    labels : ndarray of int, shape (rows,)
        Number of the class of each row; the grade itself of grades.
    values : ndarray of shape (rows, classes), or (rows, 1)
        Scores of the classes; grades.
    graded : bool
        Whether the values are grades.
    digest : str
    """

    predictions: Predictions
    classes: tuple[str, ...]
    labels: np.ndarray
    values: np.ndarray
    graded: bool
    digest: str


def read_classes(
    files: Mapping[str, Path],
    *,
    columns: Mapping[str, str] | None = None,
    classes: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    truth: Path | None = None,
    folds: int | None = None,
    name: str = "predictions",
) -> ClassTable | None:
    """Predictions of several classes from one table, or from the file of each arm.

    Parameters
    ----------
    files : mapping of str to Path
        Arm → file; the arm is ``""`` for one table with a column ``arm``.
    columns, names, truth, folds
        As for :func:`~stats_tl.reporting.read_predictions`.
    classes : mapping of str to str, optional
        Class → the column of its scores.
    name : str
        Name of the study.

    Returns
    -------
    ClassTable or None
        None where the tables hold one score, or labels of two classes: that is no such table.

    Raises
    ------
    UserError
        If classes and columns do not match, or scores or labels are missing or wrong.
    """
    first = next(iter(files.values()))
    if not classes and not _may_be(list(names or heading(first)), columns or {}):
        return None
    read = {arm: read_table(own, columns=columns, names=names) for arm, own in files.items()}
    given = dict(columns or {})
    grade = given.pop(GRADE, GRADE)
    found = {column for frame, _ in read.values() for column in map(str, frame.columns)}
    try:
        of_class = {} if grade in found else _class_columns(found, classes)
        if not of_class and grade not in found:
            return None
        frames = {arm: frame for arm, (frame, _) in read.items()}
        frame = frames[""] if "" in frames else stack_arms(frames, columns=given)
        table, truth_digest = read_table(truth, columns=columns) if truth else (None, "")
        if not classes and not _several([frame, table], given.get("y_true", "y_true")):
            return None
        used = list(of_class.values()) or [grade]
        values = np.column_stack([_numbers(frame, column) for column in used])
        # The number of the row, until the arms are aligned.
        frame = frame.drop(columns=used).assign(score=np.arange(len(frame)))
        frame = arrange(frame, columns=given, truth=table)
        frame = split_iterations(frame, folds) if folds else recode_folds(frame)
        order = frame["score"].to_numpy()
        labels, known = _labels(frame, tuple(of_class))
        if of_class:
            _check_sums(values[order], frame)
        elif (values % 1 != 0).any():
            raise UserError(f"column {grade!r}: grades must be whole numbers, got "
                            f"{values[values % 1 != 0][0]:g}")  # fmt: skip
        frame = frame.assign(y_true=(labels == labels.min()).astype(np.int8))
        _require_every_class(frame, labels, known, graded=not of_class)
    except UserError as error:
        raise type(error)(f"{first}: {error}") from None
    by_row = np.empty(len(values), dtype=np.int64)
    by_row[order] = labels
    digests = [digest for _, digest in read.values()] + [truth_digest] * (truth is not None)
    digest = digests[0]
    if len(digests) > 1:
        digest = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    try:
        predictions = Predictions(frame, name=name, digest=digest)
    except UserError as error:
        raise type(error)(f"{first}: {error}") from None
    return ClassTable(predictions, known, by_row, values, not of_class, digest)


def _may_be(found: Sequence[str], columns: Mapping[str, str]) -> bool:
    """Whether a table with these columns may hold classes or grades."""
    if "score" in found or "score" in columns:
        return False
    matches = [_COLUMN.fullmatch(column) for column in found]
    return columns.get(GRADE, GRADE) in found or sum(map(bool, matches)) >= _FEWEST


def _class_columns(found: set[str], classes: Mapping[str, str] | None) -> dict[str, str]:
    """Class → column: as given, or of the columns that begin alike."""
    if classes:
        for own, column in classes.items():
            if column not in found:
                raise UserError(f"--classes {own}={column}: no such column; "
                                f"{suggest(column, sorted(found))}")  # fmt: skip
        doubled = [c for c in classes.values() if list(classes.values()).count(c) > 1]
        if doubled:
            raise UserError(f"--classes: the column {doubled[0]!r} is given for two classes")
        if len(classes) < _FEWEST:
            raise UserError(
                f"--classes names {plural(len(classes), 'class', 'classes')}; of two classes give "
                "the score of the positive one: --columns score=THEIRS --positive LABEL"
            )
        return dict(classes)
    kinds: dict[str, dict[str, str]] = {}
    for column in sorted(found - {*NEEDED, *OPTIONAL}, key=_natural):
        match = _COLUMN.fullmatch(column)
        if match:
            own = match["bracketed"] or match["rest"] or match["number"]
            kinds.setdefault(match["kind"].lower(), {})[own] = column
    for columns in kinds.values():  # tidymodels writes the predicted class beside the probabilities
        columns.pop("class", None)
    several = {kind: own for kind, own in kinds.items() if len(own) >= _FEWEST}
    if len(several) > 1:
        shown = " or ".join(", ".join(list(own.values())[:_FEWEST]) for own in several.values())
        raise UserError(
            f"more than one kind of column names classes: {shown}; say which hold the scores: "
            "--classes CLASS=COLUMN,..."
        )
    return next(iter(several.values()), {})


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Sorting key: score_2 before score_10."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"(\d+)", text)
        if part
    ]


def _numbers(frame: pd.DataFrame, column: str) -> np.ndarray:
    if column not in frame.columns:
        raise UserError(f"no column {column!r} in every file")
    values = pd.to_numeric(frame[column].astype(object), errors="coerce").to_numpy(dtype=float)
    wrong = ~np.isfinite(values)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise UserError(
            f"column {column!r} has {int(wrong.sum())} values that are not finite numbers, the "
            f"first in row {row + 1}: {frame[column].iloc[row]!r}"
        )
    return values


def _several(tables: Sequence[pd.DataFrame | None], column: str) -> bool:
    """Whether the table that has the labels has more than two."""
    for own in tables:
        if own is not None and column in own.columns:
            return int(own[column].dropna().nunique()) > 2
    return False


def _text(label: Any) -> str:
    """A label as text; 2 and 2.0 are the same."""
    if isinstance(label, float | np.floating) and label.is_integer():
        return str(int(label))
    return str(label).strip()


def _labels(frame: pd.DataFrame, names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number of the class of every row, and the classes; grades as they are, of no names."""
    given = frame["y_true"]
    if given.isna().any():
        case = str(frame.loc[given.isna(), "case"].iloc[0])
        raise UserError(
            f"column 'y_true' has {int(given.isna().sum())} missing values of {len(frame)}, the "
            f"first for case {case!r}; fill them in or leave the rows out"
        )
    text = given.map(_text).astype(str)
    levels = sorted(text.unique(), key=_natural)
    if not names:
        grades = pd.to_numeric(text, errors="coerce")
        if grades.isna().any() or (grades % 1 != 0).any():
            wrong = text[grades.isna() | (grades % 1 != 0)].iloc[0]
            raise UserError(
                f"column 'y_true' holds {wrong!r}, and grades must be whole numbers whose "
                "distances mean something; number them in their order"
            )
        return grades.to_numpy(dtype=np.int64), tuple(levels)
    unknown = [level for level in levels if level not in names]
    if unknown:
        raise UserError(_unmatched(unknown, levels, names))
    number = {name: position for position, name in enumerate(names)}
    return text.map(number).to_numpy(dtype=np.int64), names


def _unmatched(unknown: Sequence[str], levels: Sequence[str], names: Sequence[str]) -> str:
    """Why labels have no column, and what to say."""
    shown = ", ".join(map(repr, unknown[:_LISTED])) + (", …" if len(unknown) > _LISTED else "")
    columns = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
    if len(unknown) == len(levels) == len(names):
        pairs = ",".join(f"{level}=COLUMN" for level in levels[:_LISTED])
        mend = f"The names do not match; say which is which: --classes {pairs}"
    else:
        mend = (
            "Give every class a column of scores, leave these cases out in all arms, or say which "
            "column is whose: --classes CLASS=COLUMN,..."
        )
    return f"y_true holds {shown}, and nobody scored that: the columns are of {columns}. {mend}"


def _check_sums(values: np.ndarray, frame: pd.DataFrame) -> None:
    """Refuse rows that do not sum to 1 where nearly all others do: these are damaged."""
    if values.min() < 0 or values.max() > 1:
        return
    off = np.abs(values.sum(axis=1) - 1) > _ROUNDED
    if off.any() and off.mean() < 1 - _MOSTLY:
        row = int(np.flatnonzero(off)[0])
        rows = plural(int(off.sum()), "row of probabilities does", "rows of probabilities do")
        raise UserError(
            f"{rows} not sum to 1 though the others do, the first for case "
            f"{str(frame['case'].iloc[row])!r} (sum {values[row].sum():g}); a class or a digit is "
            "missing there"
        )


def _require_every_class(
    frame: pd.DataFrame, labels: np.ndarray, names: tuple[str, ...], *, graded: bool
) -> None:
    tasks = frame["task"].astype(str) if "task" in frame.columns else pd.Series("", frame.index)
    for task, rows in tasks.groupby(tasks).indices.items():
        where = f"task {task!r}: " if task else ""
        found = np.unique(labels[rows])
        if graded:
            if found.size < 2:
                raise UserError(f"{where}all cases have the grade {found[0]}; kappa needs several")
            continue
        absent = [name for number, name in enumerate(names) if number not in found]
        if absent:
            raise UserError(
                f"{where}no case is of class {', '.join(map(repr, absent[:_LISTED]))}, though "
                f"there is a column of its scores; an AUC of a class needs cases of it. Leave the "
                "column out, or give each task a file of its own"
            )
