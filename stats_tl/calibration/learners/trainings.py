"""Who trains and who is tested in each model of a repeated cross-validation."""

from __future__ import annotations

__all__ = ["Learner", "Trainings"]

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Trainings:
    """The models of all folds of all rows; model `row * n_folds + fold` is tested on that fold.

    Attributes
    ----------
    folds : ndarray of int, shape (rows, n)
        Fold in which each case is tested.
    n_parts : int
        1: a model is trained on all other folds. 2: the first half of the folds and the second
        are cross-validations of their own, as in halvings.
    """

    folds: np.ndarray
    n_parts: int = 1

    @cached_property
    def n_folds(self) -> int:
        """Folds of a row, of both parts."""
        return int(self.folds.max()) + 1

    @property
    def n_models(self) -> int:
        """Models of all rows."""
        return len(self.folds) * self.n_folds

    @cached_property
    def part(self) -> np.ndarray:
        """Part of each case, shape (rows, n)."""
        part: np.ndarray = self.folds // (self.n_folds // self.n_parts)
        return part

    @cached_property
    def test(self) -> np.ndarray:
        """Whether a model is tested on a case, bool of shape (models, n)."""
        own = self.folds[:, None] == np.arange(self.n_folds)[:, None]
        return np.asarray(own.reshape(self.n_models, -1))

    @cached_property
    def train(self) -> np.ndarray:
        """Whether a model is trained on a case, bool of shape (models, n)."""
        fold = np.arange(self.n_folds) // (self.n_folds // self.n_parts)
        inside = (self.part[:, None] == fold[:, None]).reshape(self.n_models, -1)
        train: np.ndarray = inside & ~self.test
        return train

    @cached_property
    def tested(self) -> np.ndarray:
        """Cases of each model's fold, shape (models, largest fold), filled up with n."""
        return _padded(self.test)

    @cached_property
    def trained(self) -> np.ndarray:
        """Cases each model is trained on, shape (models, most cases), filled up with n."""
        return _padded(self.train)

    def parts(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """Row, part and its cases, of every cross-validation."""
        for row, own in enumerate(self.part):
            for part in range(self.n_parts):
                yield row, part, np.flatnonzero(own == part)

    def collect(self, values: np.ndarray) -> np.ndarray:
        """Out-of-fold scores, shape (rows, n), from every model's scores of all cases."""
        rows, n = self.folds.shape
        table = values.reshape(rows, self.n_folds, n)
        return np.asarray(table[np.arange(rows)[:, None], self.folds, np.arange(n)])

    def scatter(self, values: np.ndarray) -> np.ndarray:
        """Out-of-fold scores, shape (rows, n), from scores of the cases in `tested`."""
        rows, n = self.folds.shape
        found = np.empty((rows, n + 1))
        row = np.arange(rows).repeat(self.n_folds)
        found[row[:, None], self.tested] = values
        return found[:, :n]


#: Views of the arms (arms, n, ...), labels, models, training seed → scores (arms, rows, n).
Learner = Callable[[np.ndarray, np.ndarray, Trainings, np.random.Generator], np.ndarray]


def _padded(member: np.ndarray) -> np.ndarray:
    """Column numbers of the true entries of each row, filled up with the number of columns."""
    sizes = member.sum(axis=1)
    filled = np.full((len(member), int(sizes.max())), member.shape[1])
    filled[np.arange(filled.shape[1]) < sizes[:, None]] = np.nonzero(member)[1]
    return filled
