"""Planned cells that have no result, by what a comparison is made within."""

from __future__ import annotations

__all__ = ["Missing", "missing_by_setting", "planned_gaps"]

from typing import Any

import pandas as pd

from .alignment import CELL, SETTING

#: Arm → (repeat, fold, seed) of each.
Missing = dict[str, list[tuple[int, int, int]]]


def missing_by_setting(
    missing: pd.DataFrame | None,
) -> dict[tuple[str, ...], dict[str, Missing]]:
    """Planned cells without a result: setting → design → arm → (repeat, fold, seed)."""
    result: dict[Any, Any] = {}
    if missing is not None:
        designs = missing["design"] if "design" in missing.columns else ["cv"] * len(missing)
        keys = missing[list(CELL)].astype({key: str for key in (*SETTING, "arm")}).to_numpy()
        for design, row in zip(designs, keys, strict=True):
            arms = result.setdefault(tuple(row[:4]), {}).setdefault(design, {})
            arms.setdefault(row[4], []).append(tuple(map(int, row[5:])))
    return result


def planned_gaps(missing: pd.DataFrame | None) -> dict[tuple[str, ...], Missing]:
    """Planned cells of the cross-validation without a result.

    Returns
    -------
    dict
        Setting → arm → (repeat, fold, seed) of each.
    """
    found = missing_by_setting(missing)
    return {setting: designs.get("cv", {}) for setting, designs in found.items()}
