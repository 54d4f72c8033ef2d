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

__all__ = ["classes_of", "fold_covariance", "fold_variance"]

from dataclasses import dataclass

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
    labels : ndarray of bool, shape (n,), or None
        True for positive cases. None for a metric that is a mean over all cases: its estimate
        varies about the fold's mean over both classes.
    codes : ndarray of int, shape (n,), or None
        Patient of each case (0, ..., G - 1). None for independent cases.
    cells : FoldCells
        Layout of the folds.

    Returns
    -------
    ndarray of shape (arms, repeats, arms, repeats)
    """
    if labels is None:
        (own,) = classes_of(None, cells)
        every = _Deviations.of(components, own, codes, cells)
        return every.covariance(every)
    positive, negative = _by_class(components, labels, codes, cells)
    total: np.ndarray = positive.covariance(positive) + negative.covariance(negative)
    if codes is not None:
        cross = positive.covariance(negative)
        total += cross + cross.transpose(2, 3, 0, 1)
    return total


def fold_variance(
    components: np.ndarray, labels: np.ndarray | None, codes: np.ndarray | None, cells: FoldCells
) -> np.ndarray:
    """The diagonal of :func:`fold_covariance`, shape (arms, repeats), for less."""
    if codes is None and labels is None:
        (own,) = classes_of(None, cells)
        return _Deviations.of(components, own, codes, cells).variance()
    if codes is None and labels is not None:
        positive, negative = _by_class(components, labels, codes, cells)
        total: np.ndarray = positive.variance() + negative.variance()
        return total
    return np.stack(
        [fold_covariance(arm[None], labels, codes, cells)[0, :, 0].diagonal() for arm in components]
    )


def classes_of(labels: np.ndarray | None, cells: FoldCells) -> tuple[np.ndarray, ...]:
    """Cases within which an estimate varies: either class, or all where `labels` is None."""
    if labels is None:
        return (np.ones(cells.cell.shape[1], dtype=bool),)
    return labels, ~labels


def _by_class(
    components: np.ndarray, labels: np.ndarray, codes: np.ndarray | None, cells: FoldCells
) -> tuple[_Deviations, _Deviations]:
    return (
        _Deviations.of(components, labels, codes, cells),
        _Deviations.of(components, ~labels, codes, cells),
    )


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
            entries, entry = np.unique(unit * size.size + fold, return_inverse=True)
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
            sums = np.stack([np.bincount(entry, row, minlength=entries.size) for row in sums])
            unit, fold = np.divmod(entries, size.size)
        return cls(sums, unit, fold, 1 / np.where(alone, total, units), n_units, (repeats, folds))

    def covariance(self, other: _Deviations) -> np.ndarray:
        """Contribution of two classes, or of one with itself; (arms, repeats, arms, repeats)."""
        arms, (repeats, folds) = len(self.sums), self.shape
        shared = self._spread(np.ones(self.unit.size)).T @ other._spread(np.ones(other.unit.size))
        factor = _given_back(self.lost[:, None], other.lost, shared)
        ours = [self._spread(row) for row in self.sums]
        theirs = ours if other is self else [other._spread(row) for row in other.sums]
        found = np.empty((arms, repeats, arms, repeats))
        for a, left in enumerate(ours):
            for b, right in enumerate(theirs):
                products = (left.T @ right) * factor
                found[a, :, b] = products.reshape(repeats, folds, repeats, folds).sum(axis=(1, 3))
        return found

    def variance(self) -> np.ndarray:
        """Diagonal of :meth:`covariance` of independent cases, shape (arms, repeats)."""
        n_folds = self.lost.size
        factor = _given_back(self.lost, self.lost, np.bincount(self.fold, minlength=n_folds))
        squares = np.stack([np.bincount(self.fold, row**2, n_folds) for row in self.sums])
        total: np.ndarray = (squares * factor).reshape(-1, *self.shape).sum(axis=2)
        return total

    def _spread(self, values: np.ndarray) -> np.ndarray:
        """Entries as a matrix of units by folds."""
        matrix = np.zeros((self.n_units, self.lost.size))
        matrix[self.unit, self.fold] = values
        return matrix


def _given_back(lost: np.ndarray, other: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Factor that makes a sum of products of deviations over `shared` units unbiased."""
    kept = 1 - lost - other + shared * lost * other
    factor: np.ndarray = np.divide(1.0, kept, out=np.ones_like(kept), where=shared > 0)
    return factor
