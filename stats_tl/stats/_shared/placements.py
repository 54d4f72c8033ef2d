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
    "auc_of",
    "class_sizes",
    "component_covariance",
    "components_of",
    "doubled_placements",
    "scale_placements",
    "tie_groups",
]

import numpy as np

# Below this many cases a comparison sort is faster than the radix sort.
RADIX_FROM = 4096


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
    order = _argsort(scores)
    ordered = scores[order]
    new = np.empty(scores.size, dtype=bool)
    new[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return order, np.flatnonzero(new)


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
    order, starts = tie_groups(scores)
    n = scores.size
    ordered_labels = labels[order]
    positives_to = np.zeros(n + 1, dtype=np.int64)  # positives among the first k in order
    np.cumsum(ordered_labels, out=positives_to[1:])
    n_positive = positives_to[-1]
    stops = np.append(starts[1:], n)
    positives = positives_to[starts] + positives_to[stops]  # below, and below or tied
    negatives = starts + stops - positives
    above = 2 * n_positive - positives
    if starts.size < n:
        sizes = stops - starts
        negatives, above = np.repeat(negatives, sizes), np.repeat(above, sizes)
    doubled = np.empty(n, dtype=np.int64)
    doubled[order] = np.where(ordered_labels, negatives, above)
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
    positive = components[:, labels]
    negative = components[:, ~labels]
    n1, n0 = positive.shape[1], negative.shape[1]
    positive = positive - positive.mean(axis=1, keepdims=True)
    negative = negative - negative.mean(axis=1, keepdims=True)
    if codes is None:
        return (positive @ positive.T) / (n1 * (n1 - 1)) + (negative @ negative.T) / (n0 * (n0 - 1))
    n_groups = int(codes.max()) + 1
    sums1 = _group_sums(positive, codes[labels], n_groups) / n1
    sums0 = _group_sums(negative, codes[~labels], n_groups) / n0
    groups1, groups0 = (
        np.count_nonzero(np.bincount(codes[own], minlength=n_groups)) for own in (labels, ~labels)
    )
    cross = sums1 @ sums0.T
    return (
        (sums1 @ sums1.T) * (groups1 / (groups1 - 1))
        + (sums0 @ sums0.T) * (groups0 / (groups0 - 1))
        + (cross + cross.T) * (n_groups / (n_groups - 1))
    )


def components_of(labels: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUCs (m,) and placement values (m, n)."""
    doubled = np.stack([doubled_placements(labels, row) for row in matrix])
    return np.array([auc_of(labels, row) for row in doubled]), scale_placements(labels, doubled)


def scale_placements(labels: np.ndarray, doubled: np.ndarray) -> np.ndarray:
    n1, n0 = class_sizes(labels)
    return doubled / np.where(labels, 2.0 * n0, 2.0 * n1)


def auc_of(labels: np.ndarray, doubled: np.ndarray) -> float:
    n1, n0 = class_sizes(labels)
    return int(doubled[labels].sum()) / (2 * n1 * n0)


def class_sizes(labels: np.ndarray) -> tuple[int, int]:
    n_positive = int(labels.sum())
    return n_positive, labels.size - n_positive


def _group_sums(values: np.ndarray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    return np.stack([np.bincount(codes, weights=row, minlength=n_groups) for row in values])


def _argsort(scores: np.ndarray) -> np.ndarray:
    """Indices that sort floats; twice as fast as ``np.argsort`` where n is large.

    A stable radix sort by 16 bits at a time. The bits of a float, with the sign bit
    flipped for positive and all bits flipped for negative numbers, sort like the float.
    Digits that are the same in all scores (the low ones of numbers that were float32)
    cost nothing.
    """
    if scores.size < RADIX_FROM:
        return scores.argsort()
    bits = (scores + 0.0).view(np.int64)  # -0.0 becomes 0.0, with which it is tied
    keys = (bits ^ ((bits >> 63) | np.int64(-(2**63)))).astype("<i8", copy=False)
    digits = keys.view("<u2").reshape(-1, 4)
    order = None
    for position in range(4):
        digit = digits[:, position].astype(np.uint16)
        if digit.min() == digit.max():
            continue
        if order is None:
            order = digit.argsort(kind="stable")
        else:
            order = order[digit[order].argsort(kind="stable")]
    return np.arange(scores.size) if order is None else order
