"""The AUC of a validation set after every epoch: quick, and equal to scikit-learn's."""

from __future__ import annotations

__all__ = ["trapezoidal_auc"]

import numpy as np


def trapezoidal_auc(y_true: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve by the trapezoidal rule, ties counted half.

    Without scikit-learn's validation, which takes longer than training a linear head for
    an epoch, and with its rounding: corners of the curve, of a run of points on a line
    only the two ends, areas summed in NumPy's order. Two epochs that tie there tie here.

    Parameters
    ----------
    y_true : ndarray of shape (n,)
        0 or 1; both occur.
    scores : ndarray of shape (n,)
        Finite.

    Returns
    -------
    float

    Examples
    --------
    >>> trapezoidal_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of each tie
    tp = np.cumsum(y_true[order], dtype=np.float64)[last]
    fp = 1 + last - tp
    if len(last) > 2:
        corner = (np.diff(fp, 2) != 0) | (np.diff(tp, 2) != 0)
        keep = np.concatenate([[True], corner, [True]])
        tp, fp = tp[keep], fp[keep]
    y, x = np.append(0, tp) / tp[-1], np.append(0, fp) / fp[-1]
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2.0).sum())
