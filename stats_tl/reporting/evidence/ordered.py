"""A table of scores in one order, task by task, so that parts of it are found without a search."""

from __future__ import annotations

__all__ = ["Ordered", "matching"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .alignment import CELL, sorted_codes

_KEYS = (*CELL, "design", "partition", "case")
_TEXT = ("task", "backbone", "head", "unfreeze", "arm", "design", "partition", "case")


@dataclass(frozen=True)
class Ordered:
    """Scores sorted by task, the other keys of a cell, design, partition and case.

    Attributes
    ----------
    frame : DataFrame
        Text is categorical, with sorted categories.
    order : ndarray of int, shape (rows,)
        Where each row stood.
    repeated : ndarray of bool, shape (rows,)
        Whether all keys of a row are those of one beside it.
    """

    frame: pd.DataFrame
    order: np.ndarray
    repeated: np.ndarray
    _cells: np.ndarray
    _tasks: Mapping[str, slice]
    _case: np.ndarray
    _first: np.ndarray
    _ends: Mapping[str, slice]

    @classmethod
    def of_frame(cls, scores: pd.DataFrame) -> Ordered:
        """Scores as from :func:`~.alignment.check_scores`, with ``partition``."""
        text = {name: sorted_codes(scores[name]) for name in _TEXT}
        codes = {
            name: text[name][0] if name in text else _ranks(scores[name].to_numpy())
            for name in _KEYS
        }
        order = _order([codes[name] for name in _KEYS])
        frame = scores.assign(
            **{
                name: pd.Categorical.from_codes(own, pd.Index(names))
                for name, (own, names) in text.items()
            }
        )
        if (np.diff(order) != 1).any():
            frame = frame.take(order).reset_index(drop=True)
        codes = {name: own[order] for name, own in codes.items()}
        changed = _changed([codes[name] for name in _KEYS])
        cells = _changed([codes[name] for name in (*CELL, "design")])
        tasks = text["task"][1]
        starts = np.searchsorted(codes["task"], np.arange(len(tasks) + 1))
        pair = codes["task"].astype(np.int64) * len(text["case"][1]) + codes["case"]
        used, first, case = _distinct(pair)
        ends = np.searchsorted(used // len(text["case"][1]), np.arange(len(tasks) + 1))
        return cls(
            frame=frame,
            order=order,
            repeated=~changed | ~np.append(changed[1:], True),
            _cells=np.flatnonzero(cells),
            _tasks={str(n): slice(*starts[i : i + 2]) for i, n in enumerate(tasks)},
            _case=case,
            _first=first,
            _ends={str(n): slice(*ends[i : i + 2]) for i, n in enumerate(tasks)},
        )

    def rows(self, task: str) -> slice:
        """The rows of a task."""
        return self._tasks.get(task, slice(0, 0))

    def first_rows(self, task: str) -> np.ndarray:
        """A row of each case of a task, by case."""
        return self._first[self._ends.get(task, slice(0, 0))]

    def cells(self) -> pd.DataFrame:
        """Keys of the models of the cross-validation."""
        rows = self.frame.take(self._cells)
        own = rows.loc[rows["design"] == "cv", list(CELL)].reset_index(drop=True)
        return own.astype({key: str for key in CELL if key in _TEXT})

    def differing(self, values: pd.Series) -> list[str]:
        """Cases of which a column of the rows holds more than one value."""
        codes = pd.factorize(values)[0]
        wrong = codes != codes[self._first][self._case]
        return sorted(set(self.frame["case"][wrong].astype(str))) if wrong.any() else []


def matching(frame: pd.DataFrame, key: str, wanted: set[str]) -> pd.DataFrame:
    """Rows whose key, as text, is one of those wanted; the frame itself if all are."""
    column = frame[key]
    if isinstance(column.dtype, pd.CategoricalDtype):
        known = np.array([str(level) in wanted for level in column.cat.categories])
        chosen = known.all() or known[column.cat.codes.to_numpy()]
    else:
        levels = [level for level in column.unique() if str(level) in wanted]
        chosen = column.isin(levels).to_numpy()
    return frame if np.all(chosen) else frame[np.asarray(chosen)]


def _ranks(numbers: np.ndarray) -> np.ndarray:
    """Codes in the order of whole numbers; the numbers themselves, from 0, where they are small."""
    highest = int(numbers.max(initial=0))
    if highest <= len(numbers):  # none is negative
        return numbers.astype(np.min_scalar_type(highest))
    return np.unique(numbers, return_inverse=True)[1]


def _distinct(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes that occur, sorted, where each is first, and which of them each row has.

    As `numpy.unique`, without sorting where there are no more possible codes than a few a row.
    """
    size = int(codes.max(initial=-1)) + 1
    if size > 4 * len(codes):
        return np.unique(codes, return_index=True, return_inverse=True)
    first = np.full(size, -1, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of several, the last assigned stays
    used = np.flatnonzero(first >= 0)
    place = np.empty(size, dtype=np.int32)
    place[used] = np.arange(len(used))
    return used, first[used], place[codes]


def _order(keys: Sequence[np.ndarray]) -> np.ndarray:
    """Rows in the order of the keys, the first foremost; as they stand where that is theirs."""
    varying = [key for key in keys if key.size and key.max() > 0]
    if not varying:
        return np.arange(len(keys[0]))
    sizes = [int(key.max()) + 1 for key in varying]
    if np.prod(np.array(sizes, dtype=float)) >= 2**62:
        return np.lexsort(varying[::-1])
    code = np.zeros(len(varying[0]), dtype=np.int64)
    for key, size in zip(varying, sizes, strict=True):
        code *= size
        code += key
    return np.argsort(code, kind="stable")


def _changed(keys: Sequence[np.ndarray]) -> np.ndarray:
    """Whether any key of a row is another than in the row before; true for the first."""
    result = np.zeros(len(keys[0]), dtype=bool)
    result[:1] = True
    for key in keys:
        result[1:] |= key[1:] != key[:-1]
    return result
