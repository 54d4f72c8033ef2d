"""The AUC of every trained model, on its test fold."""

from __future__ import annotations

__all__ = ["cell_aucs", "fold_aucs"]

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from ...stats import placements
from ..evidence.alignment import CELL, Aligned, align, check_scores


def fold_aucs(scores: pd.DataFrame | Iterable[pd.DataFrame]) -> pd.DataFrame:
    """AUC of every cell, from its test scores.

    Parameters
    ----------
    scores : DataFrame, or iterable of them
        As for :func:`~stats_tl.reporting.compare_arms`.

    Returns
    -------
    DataFrame
        One row a cell: its keys, ``n_cases``, ``n_events``, ``auc``; NaN where a class is absent.
        Half-sample repeats are left out.
    """
    frames = [scores] if isinstance(scores, pd.DataFrame) else scores
    return cell_aucs(aligned for frame in frames for aligned in align(check_scores(frame)))


def cell_aucs(settings: Iterable[Aligned]) -> pd.DataFrame:
    """As :func:`fold_aucs`, from scores that are aligned."""
    rows = []
    for aligned in settings:
        for arm, name in enumerate(aligned.arms):
            for run, (repeat, seed) in enumerate(aligned.runs):
                folds = aligned.folds[arm, run]
                for fold in np.unique(folds[folds >= 0]):
                    own = folds == fold
                    labels = aligned.y_true[own]
                    auc = auc_of(labels, aligned.scores[arm, run, own])
                    key = (*aligned.setting.values(), name, repeat, int(fold), seed)
                    rows.append((*key, len(labels), int(labels.sum()), auc))
    table = pd.DataFrame(rows, columns=[*CELL, "n_cases", "n_events", "auc"])
    return table.sort_values(list(CELL), kind="stable", ignore_index=True)


def auc_of(labels: np.ndarray, scores: np.ndarray) -> float:
    """AUC of the cases of one fold; NaN where a class is absent."""
    if not 0 < labels.sum() < len(labels):
        return math.nan
    return float(placements(labels, scores)[labels == 1].mean())
