"""A threshold for every trained model, fixed on the cases that it was tuned on."""

from __future__ import annotations

__all__ = ["THRESHOLD_KEYS", "cell_thresholds"]

import math
from typing import Any

import pandas as pd

from ...stats import sensitivity_threshold, youden_threshold
from ..evidence.alignment import SETTING

THRESHOLD_KEYS = [*SETTING, "arm", "repeat", "seed", "fold"]


def cell_thresholds(scores: pd.DataFrame, target_sensitivity: float | None = None) -> pd.DataFrame:
    """A threshold for every model, from the scores of its tuning cases.

    Parameters
    ----------
    scores : DataFrame
        Rows of tuning cases: the keys of a cell, ``y_true`` and ``score``.
    target_sensitivity : float, optional
        Sensitivity to reach on the tuning cases; None: the largest Youden index.

    Returns
    -------
    DataFrame
        One row per cell: its keys, ``threshold`` (NaN where a class is absent, or where
        calling all cases alike was best), ``n_tuning``.
    """
    rows = []
    y_true, score = scores["y_true"].to_numpy(), scores["score"].to_numpy()
    groups: Any = scores.groupby(THRESHOLD_KEYS, observed=True, sort=False).indices
    for key in sorted(groups, key=lambda key: (*map(str, key[:5]), *key[5:])):
        labels, values = y_true[groups[key]], score[groups[key]]
        threshold = math.nan
        if 0 < labels.sum() < len(labels):
            threshold = (
                youden_threshold(labels, values)
                if target_sensitivity is None
                else sensitivity_threshold(labels, values, target_sensitivity)
            )
        rows.append((*map(str, key[:5]), *map(int, key[5:]), threshold, len(labels)))
    return pd.DataFrame(rows, columns=[*THRESHOLD_KEYS, "threshold", "n_tuning"])
