"""Placement values (structural components) of empirical ROC curves in O(n log n).

Notation. With n1 positive scores X and n0 negative scores Y, and
psi(x, y) = 1 if x > y, 1/2 if x = y, 0 otherwise,

    V10(X_i) = mean over j of psi(X_i, Y_j),    V01(Y_j) = mean over i of psi(X_i, Y_j),

and the AUC is the mean of either. The scores are sorted once; everything else is a
cumulative count over groups of tied scores. The counts are kept as integers, doubled so
that a tie is a whole number: differences between curves are exact, in particular
exactly zero for curves that rank the cases alike.
"""

from __future__ import annotations

__all__ = [
    "WEIGHTED_ROUNDING",
    "auc_of",
    "class_sizes",
    "component_covariance",
    "components_of",
    "doubled_placements",
    "ranking",
    "scale_placements",
    "tie_groups",
    "weighted_components_of",
]

import numpy as np

# Below this many cases one argsort is as fast as packing.
PACK_FROM = 512
# Shares of a sum of weights this close are equal.
WEIGHTED_ROUNDING = 1e-12


def tie_groups(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorting order of `scores` and where in it each group of tied scores starts.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Floats without NaN.

    Returns
    -------
    order : ndarray of shape (n,)
        Indices that sort `scores`.
    starts : ndarray of shape (n_distinct,)
        Positions in `order` where a new score begins.
    """
    order, tied = ranking(scores)
    return order, np.flatnonzero(np.concatenate(([True], ~tied)))


def doubled_placements(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Twice the placement counts: 2 n0 V10 for positive cases, 2 n1 V01 for negative ones.

    Parameters
    ----------
    labels : ndarray of bool, shape (n,)
        True for positive cases.
    scores : ndarray of shape (n,)
        Higher means more likely positive.

    Returns
    -------
    ndarray of int64, shape (n,)
        Whole numbers, in the order of the cases.
    """
    order, tied = ranking(scores)
    n = scores.size
    # Twice n has to fit; half the memory is faster.
    count = np.dtype(np.int32 if n < 2**30 else np.int64)
    ordered_labels = labels[order]
    positives_to = np.zeros(n + 1, dtype=count)  # positives among the first k in order
    np.cumsum(ordered_labels, out=positives_to[1:])
    if tied.any():
        starts = np.flatnonzero(np.concatenate(([True], ~tied)))
        stops = np.append(starts[1:], n)
        positives = positives_to[starts] + positives_to[stops]  # below, and below or tied
        negatives = (starts + stops).astype(count) - positives
        sizes = stops - starts
        positives, negatives = np.repeat(positives, sizes), np.repeat(negatives, sizes)
    else:
        # Without ties a positive case counts the negatives below it, and the other way round.
        positives = 2 * positives_to[:-1]
        negatives = 2 * np.arange(n, dtype=count) - positives
    doubled = np.empty(n, dtype=np.int64)
    doubled[order] = np.where(ordered_labels, negatives, 2 * positives_to[-1] - positives)
    return doubled


def component_covariance(
    components: np.ndarray, labels: np.ndarray, codes: np.ndarray | None
) -> np.ndarray:
    """Covariance of the means of structural components; linear in them.

    Parameters
    ----------
    components : ndarray of shape (m, n)
        Placement values, or differences of them, of m curves.
    labels : ndarray of bool, shape (n,)
        True for positive cases.
    codes : ndarray of int, shape (n,), or None
        Patient of each case (0, ..., G - 1). None for independent cases.

    Returns
    -------
    ndarray of shape (m, m)
        DeLong's covariance S10/n1 + S01/n0, or Obuchowski's where `codes` is given: sums
        over patients in place of cases, and the covariance within a patient between the
        sums over its positive and its negative images.
    """
    positive = components.compress(labels, axis=1)  # several times as fast as indexing
    negative = components.compress(~labels, axis=1)
    covariance: np.ndarray
    n1, n0 = positive.shape[1], negative.shape[1]
    positive = positive - positive.mean(axis=1, keepdims=True)
    negative = negative - negative.mean(axis=1, keepdims=True)
    if codes is None:
        within = [own @ own.T / (n * (n - 1)) for own, n in ((positive, n1), (negative, n0))]
        covariance = within[0] + within[1]
        return covariance
    n_groups = int(codes.max()) + 1
    sums1 = _group_sums(positive, codes[labels], n_groups) / n1
    sums0 = _group_sums(negative, codes[~labels], n_groups) / n0
    groups1, groups0 = (
        np.count_nonzero(np.bincount(codes[own], minlength=n_groups)) for own in (labels, ~labels)
    )
    cross = sums1 @ sums0.T
    covariance = (
        (sums1 @ sums1.T) * (groups1 / (groups1 - 1))
        + (sums0 @ sums0.T) * (groups0 / (groups0 - 1))
        + (cross + cross.T) * (n_groups / (n_groups - 1))
    )
    return covariance


def components_of(labels: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUCs (m,) and placement values (m, n)."""
    doubled = np.stack([doubled_placements(labels, row) for row in matrix])
    return np.array([auc_of(labels, row) for row in doubled]), scale_placements(labels, doubled)


def weighted_components_of(
    labels: np.ndarray, matrix: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted AUCs (m,) and structural components (m, n) of m curves.

    The AUC is ``sum w_i w_j psi_ij / (W1 W0)``; its derivative with respect to the weight of a
    case, times that weight, is ``w_i (V_i - AUC) / W`` with V the weighted placement and W the
    weight of the class of the case. The components have that as their deviation, times the
    number of cases of the class, so that their covariance is that of the weighted AUCs.
    """
    own1, own0 = weights * labels, weights * ~labels
    total1, total0 = float(own1.sum()), float(own0.sum())
    aucs, components = np.empty(len(matrix)), np.empty(matrix.shape)
    scale = np.where(labels, labels.sum() / total1, (~labels).sum() / total0) * weights
    for row, scores in enumerate(matrix):
        order, starts = tie_groups(scores)
        sizes = np.diff(starts, append=scores.size)
        placed = []
        for own, total in ((own0, total0), (own1, total1)):
            to = np.concatenate([[0.0], np.cumsum(own[order])])
            below = (to[starts] + to[starts + sizes]) / (2 * total)
            values = np.empty(scores.size)
            values[order] = np.repeat(below, sizes)
            placed.append(values)
        value = np.where(labels, placed[0], 1 - placed[1])
        auc = float(own1 @ value) / total1
        # Sums of weights are rounded: a perfect curve is perfect, and varies by nothing.
        aucs[row] = round(auc) if abs(auc - round(auc)) < WEIGHTED_ROUNDING else auc
        deviation = value - aucs[row]
        deviation[np.abs(deviation) < WEIGHTED_ROUNDING] = 0.0
        components[row] = aucs[row] + scale * deviation
    return aucs, components


def scale_placements(labels: np.ndarray, doubled: np.ndarray) -> np.ndarray:
    n1, n0 = class_sizes(labels)
    return doubled / np.where(labels, 2.0 * n0, 2.0 * n1)


def auc_of(labels: np.ndarray, doubled: np.ndarray) -> float:
    n1, n0 = class_sizes(labels)
    return int(doubled.compress(labels).sum()) / (2 * n1 * n0)


def class_sizes(labels: np.ndarray) -> tuple[int, int]:
    n_positive = int(labels.sum())
    return n_positive, labels.size - n_positive


def _group_sums(values: np.ndarray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    return np.stack([np.bincount(codes, weights=row, minlength=n_groups) for row in values])


def ranking(
    scores: np.ndarray, cell: np.ndarray | None = None, n_cells: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Indices that sort floats by cell and value, and which equal the one before.

    Sorting whole numbers is several times as fast as sorting indices by the numbers they point
    to, whatever vector instructions numpy finds. So the cell, the leading bits of a score and the
    index of its case are packed into one integer: with the sign handled, the bits of a float sort
    like the float. Scores that agree in their leading bits are looked at again in full.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Floats without NaN.
    cell : ndarray of int, shape (n,), optional
        From 0 to `n_cells` - 1; scores of different cells are not compared.
    n_cells : int, optional

    Returns
    -------
    order : ndarray of int, shape (n,)
    tied : ndarray of bool, shape (n - 1,)
    """
    n = scores.size
    if n < PACK_FROM:
        order = scores.argsort()
        ordered = scores[order]
        if cell is None:
            return order, ordered[1:] == ordered[:-1]
        inside = np.argsort(cell[order], kind="stable")
        order, ordered, cells = order[inside], ordered[inside], cell[order][inside]
        return order, (ordered[1:] == ordered[:-1]) & (cells[1:] == cells[:-1])
    width = (n - 1).bit_length()
    bits = (scores + 0.0).view(np.int64)  # -0.0 becomes 0.0, with which it is tied
    packed = bits >> 63
    packed &= np.int64(2**63 - 1)
    packed ^= bits
    if cell is not None and n_cells > 1:
        above = 63 - (n_cells - 1).bit_length()
        packed >>= 63 - above
        packed += (cell << (above + 1)) + np.int64(-(2**63) + 2**above)
    packed &= np.int64(-1 << width)
    packed |= np.arange(n)
    packed.sort()
    order = packed & np.int64((1 << width) - 1)
    packed >>= width
    alike = packed[1:] == packed[:-1]
    if not alike.any():
        return order, alike
    few = 4 * np.count_nonzero(alike) < n
    where = (
        np.flatnonzero(np.append(alike, False) | np.append(False, alike)) if few else slice(None)
    )
    values = scores[order[where]]
    runs = packed[where]
    if ((values[1:] < values[:-1]) & (runs[1:] == runs[:-1])).any():
        inside = np.lexsort((values, runs))
        order[where], values = order[where][inside], values[inside]
    same = (values[1:] == values[:-1]) & (runs[1:] == runs[:-1])
    if isinstance(where, slice):
        return order, same
    alike[:] = False
    alike[where[:-1]] = same
    return order, alike
