"""AUCs and placement values within every fold of every repeat, from one sort.

A *cell* here is the test part of one fold of one repeat: the cases that one model scored.
Cases are sorted once by cell and score together, over all folds and repeats; the rest is
cumulative counts, so the cost is that of one sort of repeats x cases numbers.
"""

from __future__ import annotations

__all__ = ["FoldCells", "extra_runs", "fold_cells", "placements_within"]

from typing import Any, NamedTuple

import numpy as np

from .paired_sample import score_pair
from .placements import ranking


class FoldCells(NamedTuple):
    """Which cell each case of each repeat belongs to, and how large the cells are."""

    cell: np.ndarray  # (repeats, cases): repeat * n_folds + fold
    n_repeats: int
    n_folds: int
    n_positive: np.ndarray  # (repeats * folds,)
    n_negative: np.ndarray

    def of_repeats(self, rows: np.ndarray) -> FoldCells:
        """The layout of some repeats alone."""
        k = self.n_folds
        kept = (rows[:, None] * k + np.arange(k)).ravel()
        moved = k * (np.arange(rows.size) - rows)
        return FoldCells(
            self.cell[rows] + moved[:, None],
            rows.size,
            k,
            self.n_positive[kept],
            self.n_negative[kept],
        )

    def partitions(self) -> np.ndarray:
        """Number of the partition of each repeat; repeats that deal (nearly) alike share one.

        Two partitions are alike where the cases that keep their company are nearer to all than
        to what chance gives.
        """
        k, m = self.n_folds, self.n_repeats
        n = self.cell.shape[1]
        member = np.zeros((n, m * k), dtype=np.float32)
        member[np.arange(n), self.cell] = 1.0
        shared = (member.T @ member).reshape(m, k, m, k)
        alike = shared.max(axis=3).sum(axis=1) > n * (1 + 1 / k) / 2
        first: np.ndarray = alike.argmax(axis=1)  # the first repeat that is like it
        return first


def fold_cells(
    labels: np.ndarray,
    folds: Any,
    n_repeats: int,
    *,
    name: str = "folds",
    what: str | None = "its AUC",
) -> FoldCells:
    """Check the fold numbers and lay out the cells.

    `what` is not defined in a fold that lacks a class; None where that is no matter.

    Raises
    ------
    ValueError
        If the shape is not (repeats, cases), a fold is not a whole number or negative,
        repeats differ in their number of folds, there is one fold only, or a fold lacks a class.
    """
    raw = np.asarray(folds)
    if raw.ndim == 1:
        raw = raw[None]
    expected = (n_repeats, labels.size)
    if raw.shape != expected:
        raise ValueError(
            f"`{name}` must have the shape of the scores, (repeats, cases) = {expected}, "
            f"got {np.shape(folds)}."
        )
    with np.errstate(invalid="ignore"):
        numbers = raw.astype(np.int64) if raw.dtype.kind in "biuf" else None
    if numbers is None or not (numbers == raw).all():
        raise ValueError(f"`{name}` must hold whole numbers, got dtype {raw.dtype} with others.")
    if (numbers < 0).any():
        repeat = int(np.flatnonzero((numbers < 0).any(axis=1))[0])
        raise ValueError(
            f"`{name}` marks {int((numbers[repeat] < 0).sum())} cases of repeat {repeat} as absent "
            "(negative); every case must be tested once in every repeat. Train the missing folds "
            "or leave out that repeat."
        )
    names, codes = _numbered(numbers)
    sizes = {len(own) for own in names}
    if len(sizes) > 1:
        raise ValueError(
            f"`{name}` must have as many folds in every repeat, got {sorted(sizes)} folds."
        )
    n_folds = sizes.pop()
    if n_folds < 2:
        raise ValueError(
            f"`{name}` must number at least two folds, got one: that is a single test set. "
            "Use `delong_test`, or `obuchowski_rockette_test` for several training runs."
        )
    index = codes + n_folds * np.arange(n_repeats)[:, None]
    n_cells = n_repeats * n_folds
    total = np.bincount(index.ravel(), minlength=n_cells)
    n_positive = np.bincount(index[:, labels].ravel(), minlength=n_cells)
    empty = np.flatnonzero((n_positive == 0) | (n_positive == total))
    if empty.size and what is not None:
        repeat, fold = divmod(int(empty[0]), n_folds)
        missing = "positive" if n_positive[empty[0]] == 0 else "negative"
        raise ValueError(
            f"`{name}`: fold {names[repeat][fold]} of repeat {repeat} has no {missing} case "
            f"({empty.size} of {n_cells} folds lack a class), so that {what} is not defined; "
            "stratify the folds by label or use fewer."
        )
    return FoldCells(index, n_repeats, n_folds, n_positive, total - n_positive)


def extra_runs(
    value: Any, labels: np.ndarray, *, name: str, what: str | None = "its AUC"
) -> tuple[np.ndarray, np.ndarray, FoldCells]:
    """Scores of both arms and folds of further cross-validations of the same cases.

    Raises
    ------
    ValueError
        If `value` is no tuple (scores_a, scores_b, folds), or as :func:`fold_cells`.
    """
    if not isinstance(value, tuple | list) or len(value) != 3:
        raise ValueError(f"`{name}` must be a tuple (scores_a, scores_b, folds).")
    a, b = score_pair(value[0], value[1], labels.size, (f"{name}[0]", f"{name}[1]"))
    return a, b, fold_cells(labels, value[2], len(a), name=f"{name}[2]", what=what)


def _numbered(numbers: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Names of the folds of every repeat, and the folds numbered from 0."""
    if numbers.size > 0 and numbers.max() < numbers.shape[1]:
        # Usual, and quickly seen: the same numbers 0 to K - 1 in every repeat.
        m, k = len(numbers), int(numbers.max()) + 1
        offset = k * np.arange(m)[:, None]
        if np.bincount((numbers + offset).ravel(), minlength=m * k).all():
            return [np.arange(k)] * m, numbers
    codes = np.empty_like(numbers)
    names = []
    for repeat, row in enumerate(numbers):
        own, codes[repeat] = np.unique(row, return_inverse=True)
        names.append(own)
    return names, codes


def placements_within(
    labels: np.ndarray, scores: np.ndarray, cells: FoldCells
) -> tuple[np.ndarray, np.ndarray]:
    """AUC of every cell and placement value of every case within its cell.

    Parameters
    ----------
    labels : ndarray of bool, shape (n,)
        True for positive cases.
    scores : ndarray of shape (repeats, n)
        Higher means more likely positive; compared within cells only.
    cells : FoldCells
        Layout of the cells.

    Returns
    -------
    aucs : ndarray of shape (repeats, folds)
        Empirical AUCs.
    placements : ndarray of shape (repeats, n)
        Share of the cell's other class that is ranked correctly against the case.
    """
    index = cells.cell.ravel()
    values = scores.ravel()
    positive = np.broadcast_to(labels, scores.shape).ravel()
    order, tied = ranking(values, index, cells.n_positive.size)
    index, positive = index[order], positive[order]
    n = values.size
    starts = np.flatnonzero(np.concatenate(([True], ~tied)))
    stops = np.append(starts[1:], n)
    positives_to = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(positive, out=positives_to[1:])
    first = np.zeros(cells.n_positive.size, dtype=np.int64)
    np.cumsum((cells.n_positive + cells.n_negative)[:-1], out=first[1:])
    own = index[starts]
    # Twice the number below plus half the tied, counted from the start of the cell.
    below = positives_to[starts] + positives_to[stops] - 2 * positives_to[first[own]]
    negatives = starts + stops - 2 * first[own] - below
    above = 2 * cells.n_positive[own] - below
    repeat = stops - starts
    doubled = np.where(positive, np.repeat(negatives, repeat), np.repeat(above, repeat))
    n1, n0 = cells.n_positive, cells.n_negative
    totals = np.bincount(index[positive], weights=doubled[positive], minlength=n1.size)
    aucs = (totals / (2.0 * n1 * n0)).reshape(cells.n_repeats, cells.n_folds)
    placements = np.empty(n)
    placements[order] = doubled / np.where(positive, 2 * n0[index], 2 * n1[index])
    return aucs, placements.reshape(scores.shape)
