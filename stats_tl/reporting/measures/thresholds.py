"""A threshold for every trained model, fixed on the cases that it was tuned on."""

from __future__ import annotations

__all__ = [
    "THRESHOLD_KEYS",
    "cell_thresholds",
    "known_thresholds",
    "run_thresholds",
    "threshold_rule",
]

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...stats import sensitivity_threshold, youden_threshold
from ..evidence.alignment import SETTING, Aligned
from ..evidence.options import AnalysisOptions

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


def known_thresholds(thresholds: pd.DataFrame) -> dict[tuple[Any, ...], float]:
    """Threshold of every model, by :data:`THRESHOLD_KEYS`."""
    keys = thresholds[THRESHOLD_KEYS].itertuples(index=False, name=None)
    return dict(zip(keys, thresholds["threshold"], strict=True))


def run_thresholds(
    known: Mapping[tuple[Any, ...], float], aligned: Aligned, arm: str, runs: np.ndarray
) -> np.ndarray | None:
    """Thresholds of an arm, shape (runs, folds), folds in order; None where a model has none."""
    position = aligned.arm(arm)
    setting = tuple(aligned.setting[key] for key in SETTING)
    found = []
    for run in runs:
        repeat, seed = aligned.runs[run]
        folds = np.unique(aligned.folds[position, run])
        found.append(
            [known.get((*setting, arm, repeat, seed, int(fold)), math.nan) for fold in folds]
        )
    cuts = np.array(found)
    return None if np.isnan(cuts).any() else cuts


def threshold_rule(options: AnalysisOptions) -> str:
    """How thresholds were set, for a file."""
    if options.threshold is not None:
        return f"fixed at {options.threshold:g}"
    if options.target_sensitivity is not None:
        return f"sensitivity {options.target_sensitivity:g}"
    return "largest Youden index"
