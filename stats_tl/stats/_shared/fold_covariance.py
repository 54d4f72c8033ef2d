"""Covariance over cases of estimates that weight the folds of a cross-validation alike.

Notation. The estimate of repeat m is the mean over its K folds of the fold's AUC difference,
and that is the mean of psi_mi over the positive cases of the fold, or over its negative ones.
So a case counts with weight 1 / (K n_k), n_k the cases of its class in its fold, and varies
about the fold's own mean. Within one repeat this gives sum_k V_k / K**2, V_k DeLong's variance
within fold k; between two repeats, the covariance through the cases that both tested.

Subtracting the folds' means takes 1/n_k + 1/n_l - o / (n_k n_l) of a product of deviations in
folds k and l that share o cases. It is given back, so that the estimate is unbiased for
independent cases whatever the folds: for k = l the factor is the usual n_k / (n_k - 1).
"""

from __future__ import annotations

__all__ = ["classes_of", "fold_covariance", "fold_moments"]

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .fold_cells import FoldCells


def fold_covariance(
    components: np.ndarray, labels: np.ndarray | None, codes: np.ndarray | None, cells: FoldCells
) -> np.ndarray:
    """Covariance between arms and repeats of the means over folds of structural components.

    Parameters
    ----------
    components : ndarray of shape (arms, repeats, n)
        Placement values within folds, or differences of them; of other metrics, the components
        that :meth:`.Metric.within` gives.
    labels : ndarray of bool or int, shape (n,), or None
        True for positive cases, or the class of each case. None for a metric that is a mean over
        all cases: its estimate varies about the fold's mean over all classes.
    codes : ndarray of int, shape (n,), or None
        Patient of each case (0, ..., G - 1). None for independent cases.
    cells : FoldCells
        Layout of the folds.

    Returns
    -------
    ndarray of shape (arms, repeats, arms, repeats)
    """
    own = _by_class(components, labels, codes, cells)
    arms = range(len(components))
    total: np.ndarray = np.sum([one.covariance(one, arms) for one in own], axis=0)
    if codes is not None:
        for one, other in itertools.combinations(own, 2):
            cross = one.covariance(other, arms)
            total += cross + cross.transpose(2, 3, 0, 1)
    return total


def fold_moments(
    pair: tuple[np.ndarray, np.ndarray],
    labels: np.ndarray | None,
    codes: np.ndarray | None,
    cells: FoldCells,
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance between repeats of the differences of two arms, and variances of each arm.

    Parameters
    ----------
    pair : tuple of two ndarrays of shape (repeats, n)
        Placement values of either arm.
    labels, codes, cells
        As in :func:`fold_covariance`.

    Returns
    -------
    covariance : ndarray of shape (repeats, repeats)
    variances : ndarray of shape (2, repeats)
        The diagonals of :func:`fold_covariance` of the arms, for less.
    """
    components = np.stack([pair[0] - pair[1], *pair])
    own = _by_class(components, labels, codes, cells)
    covariance = np.sum([one.covariance(one, [0]) for one in own], axis=0)
    if codes is None:
        return covariance[0, :, 0], np.sum([one.variance([1, 2]) for one in own], axis=0)
    variances = np.sum([one.within(one, [1, 2]) for one in own], axis=0)
    for one, other in itertools.combinations(own, 2):
        cross = one.covariance(other, [0])
        covariance += cross + cross.transpose(2, 3, 0, 1)
        variances += 2 * one.within(other, [1, 2])
    return covariance[0, :, 0], variances


def classes_of(labels: np.ndarray | None, cells: FoldCells) -> tuple[np.ndarray, ...]:
    """Cases within which an estimate varies: every class, or all where `labels` is None."""
    if labels is None:
        return (np.ones(cells.cell.shape[1], dtype=bool),)
    if labels.dtype == bool:
        return labels, ~labels
    return tuple(labels == own for own in range(int(labels.max()) + 1))


def _by_class(
    components: np.ndarray, labels: np.ndarray | None, codes: np.ndarray | None, cells: FoldCells
) -> list[_Deviations]:
    return [_Deviations.of(components, own, codes, cells) for own in classes_of(labels, cells)]


@dataclass(frozen=True)
class _Deviations:
    """Weighted deviations of one class from the means of their folds.

    A unit is a case, or a patient.

    Attributes
    ----------
    sums : ndarray of shape (arms, entries)
        Of each unit in each fold where it has cases of the class.
    unit, fold : ndarray of int, shape (entries,)
        Where they belong; folds are numbered over all repeats.
    lost : ndarray of shape (repeats * folds,)
        Share of a square that the subtracted mean takes.
    n_units : int
    shape : tuple of int
        Repeats and folds.
    """

    sums: np.ndarray
    unit: np.ndarray
    fold: np.ndarray
    lost: np.ndarray
    n_units: int
    shape: tuple[int, int]

    @classmethod
    def of(
        cls, components: np.ndarray, own: np.ndarray, codes: np.ndarray | None, cells: FoldCells
    ) -> _Deviations:
        repeats, folds = cells.n_repeats, cells.n_folds
        fold = cells.cell.compress(own, axis=1).ravel()
        size = np.bincount(fold, minlength=repeats * folds)
        placed = components.compress(own, axis=2).reshape(len(components), -1)
        n_units = fold.size // repeats
        unit = np.tile(np.arange(n_units), repeats)
        units, total = size, n_units
        if codes is not None:
            n_units = int(codes.max()) + 1
            unit = codes[own][unit]
            total = np.unique(unit).size
            place = unit * size.size + fold
            entries = np.flatnonzero(np.bincount(place, minlength=n_units * size.size))
            units = np.bincount(entries % size.size, minlength=size.size)
        # The spread within a fold of one unit is not seen: it varies about the class as a whole.
        alone = units < 2
        sums = np.empty_like(placed)
        for arm, values in enumerate(placed):
            means = np.bincount(fold, values, minlength=size.size) / size
            if alone.any():
                means[alone] = means.reshape(repeats, folds).mean(axis=1).repeat(folds)[alone]
            sums[arm] = (values - means[fold]) / (folds * size)[fold]
        if codes is not None:
            sums = np.stack([np.bincount(place, row)[entries] for row in sums])
            unit, fold = np.divmod(entries, size.size)
        return cls(sums, unit, fold, 1 / np.where(alone, total, units), n_units, (repeats, folds))

    def covariance(self, other: _Deviations, arms: Sequence[int]) -> np.ndarray:
        """Contribution of two classes, or of one with itself; (arms, repeats, arms, repeats)."""
        repeats, folds = self.shape
        factor = _given_back(self.lost[:, None], other.lost, self._present.T @ other._present)
        found = np.empty((len(arms), repeats, len(arms), repeats))
        for a, left in enumerate(arms):
            for b, right in enumerate(arms):
                products = (self._spread[left].T @ other._spread[right]) * factor
                found[a, :, b] = products.reshape(repeats, folds, repeats, folds).sum(axis=(1, 3))
        return found

    def within(self, other: _Deviations, arms: Sequence[int]) -> np.ndarray:
        """Diagonal of :meth:`covariance` over arms and repeats, shape (arms, repeats)."""
        repeats, folds = self.shape

        def products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
            by_repeat = (m.reshape(-1, repeats, folds).transpose(1, 0, 2) for m in (left, right))
            first, second = by_repeat
            found: np.ndarray = first.transpose(0, 2, 1) @ second
            return found

        lost, others = (own.lost.reshape(repeats, folds) for own in (self, other))
        shared = products(self._present, other._present)
        factor = _given_back(lost[:, :, None], others[:, None, :], shared)
        return np.stack(
            [
                (products(self._spread[arm], other._spread[arm]) * factor).sum(axis=(1, 2))
                for arm in arms
            ]
        )

    def variance(self, arms: Sequence[int]) -> np.ndarray:
        """Diagonal of :meth:`covariance` of independent cases, shape (arms, repeats)."""
        n_folds = self.lost.size
        factor = _given_back(self.lost, self.lost, np.bincount(self.fold, minlength=n_folds))
        squares = np.stack([np.bincount(self.fold, self.sums[arm] ** 2, n_folds) for arm in arms])
        total: np.ndarray = (squares * factor).reshape(-1, *self.shape).sum(axis=2)
        return total

    @cached_property
    def _present(self) -> np.ndarray:
        """Which units are in which fold; single precision holds their numbers exactly."""
        matrix = np.zeros((self.n_units, self.lost.size), dtype=np.float32)
        matrix[self.unit, self.fold] = 1.0
        return matrix

    @cached_property
    def _spread(self) -> _Spread:
        """Entries of each arm as a matrix of units by folds, made when it is asked for."""
        return _Spread(self)


class _Spread(dict[int, np.ndarray]):
    """Arm -> its matrix of units by folds."""

    def __init__(self, of: _Deviations):
        super().__init__()
        self._of = of

    def __missing__(self, arm: int) -> np.ndarray:
        of = self._of
        matrix = np.zeros((of.n_units, of.lost.size))
        matrix[of.unit, of.fold] = of.sums[arm]
        self[arm] = matrix
        return matrix


def _given_back(lost: np.ndarray, other: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Factor that makes a sum of products of deviations over `shared` units unbiased."""
    kept = 1 - lost - other + shared * lost * other
    factor: np.ndarray = np.divide(1.0, kept, out=np.ones_like(kept), where=shared > 0)
    return factor
