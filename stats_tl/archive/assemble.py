"""Scores of many parts as one table, quickly: on codes of categories, not on text.

The parts are read as categories. Their codes are brought to one list of names each, rows are
sorted by whole numbers, and text is only made at the end, if at all.
"""

from __future__ import annotations

__all__ = ["assemble_scores"]

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

_TEXT = ("cell_id", "case", "patient", "partition")


def assemble_scores(
    frames: Sequence[pd.DataFrame],
    cells: pd.DataFrame,
    names: Sequence[str],
    *,
    as_categories: bool = False,
) -> pd.DataFrame:
    """One table of the scores of parts, with the keys of their cells.

    Parameters
    ----------
    frames : sequence of DataFrame
        Rows of the parts: ``cell_id, case, patient, y_true, partition, logit_0, logit_1``.
    cells : DataFrame
        One row per cell: ``cell_id`` and `names`; has every cell of `frames`.
    names : sequence of str
        Keys of a cell, in the order to sort by.
    as_categories : bool, optional
        Give text columns as categories, which costs less than text.

    Returns
    -------
    DataFrame
        ``cell_id``, `names`, ``case, patient, y_true, partition, score``, sorted by `names`,
        partition and case.
    """
    codes, levels = {}, {}
    for column in _TEXT:
        codes[column], levels[column] = _together([frame[column] for frame in frames])
    cells = cells.sort_values(list(names), kind="stable", ignore_index=True)
    position = pd.Index(cells["cell_id"]).get_indexer(levels["cell_id"])[codes["cell_id"]]
    # One whole number a row in place of three keys: parts are nearly sorted already.
    key = position * len(levels["partition"]) + codes["partition"]
    order = np.argsort(key * len(levels["case"]) + codes["case"], kind="stable")
    position = position[order]

    def text(own: np.ndarray, known: np.ndarray) -> Any:
        return pd.Categorical.from_codes(own, pd.Index(known)) if as_categories else known[own]

    def numbers(column: str) -> np.ndarray:
        return np.concatenate([frame[column].to_numpy() for frame in frames])[order]

    result: dict[str, Any] = {"cell_id": text(codes["cell_id"][order], levels["cell_id"])}
    for name in names:
        values = cells[name]
        if pd.api.types.is_numeric_dtype(values):
            result[name] = values.to_numpy()[position]
            continue
        own, known = pd.factorize(np.asarray(values, dtype=object), sort=True)
        result[name] = text(own[position], known)
    for column in ("case", "patient"):
        result[column] = text(codes[column][order], levels[column])
    result["y_true"] = numbers("y_true")
    result["partition"] = text(codes["partition"][order], levels["partition"])
    result["score"] = numbers("logit_1").astype(np.float64) - numbers("logit_0")
    return pd.DataFrame(result)


def _together(columns: Sequence[pd.Series]) -> tuple[np.ndarray, np.ndarray]:
    """Codes of all columns, one after the other, in one sorted list of names."""
    own = [column.astype("category").cat for column in columns]
    lists = [np.asarray(cat.categories, dtype=object) for cat in own]
    levels = np.array(sorted(set().union(*lists)), dtype=object)
    place = {name: number for number, name in enumerate(levels)}
    codes = [
        np.array([place[name] for name in names], dtype=np.int64)[cat.codes]
        for names, cat in zip(lists, own, strict=True)
    ]
    return np.concatenate(codes), levels
