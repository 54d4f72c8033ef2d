"""AUC of every fold, and placement values within folds."""

from __future__ import annotations

__all__ = ["fold_placements"]

from typing import Any

import numpy as np

from .._shared.fold_cells import fold_cells, placements_within
from .._shared.validation import as_labels, as_score_matrix


def fold_placements(y_true: Any, scores: Any, folds: Any) -> tuple[np.ndarray, np.ndarray]:
    """AUC of every fold of a cross-validation and placement value of every case within its fold.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Reference standard, 0 or 1.
    scores : array_like of shape (repeats, n)
        Out-of-fold scores; compared within a fold of a repeat only.
    folds : array_like of int, shape (repeats, n)
        Fold in which each case was tested.

    Returns
    -------
    aucs : ndarray of shape (repeats, folds)
        Empirical AUCs, folds in the order of their numbers.
    placements : ndarray of shape (repeats, n)
        Share of the fold's other class that is ranked correctly against the case, ties
        counting one half.

    Raises
    ------
    ValueError
        If shapes disagree, a score is NaN, or a fold lacks a class.

    See Also
    --------
    placements : On one test set.
    repeated_cv_components : What varies between folds and repeats.

    References
    ----------
    .. [1] LeDell, E., Petersen, M. and van der Laan, M. (2015). Computationally efficient
       confidence intervals for cross-validated area under the ROC curve estimates.
       Electronic Journal of Statistics 9, 1583-1607. :doi:`10.1214/15-EJS1035`

    Examples
    --------
    >>> from stats_tl.stats import fold_placements
    >>> aucs, within = fold_placements(
    ...     [0, 0, 1, 1, 0, 1], [[1, 5, 2, 6, 3, 4]], [[0, 0, 0, 1, 1, 1]]
    ... )
    >>> aucs
    array([[0.5, 1. ]])
    >>> within
    array([[1. , 0. , 0.5, 1. , 1. , 1. ]])
    """
    labels = as_labels(y_true)
    values = as_score_matrix(scores, labels.size)
    return placements_within(labels, values, fold_cells(labels, folds, len(values)))
