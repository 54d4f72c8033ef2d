"""The names by which a cell is known in plans, archives and tables."""

from __future__ import annotations

__all__ = ["CELL_KEYS", "RUN_KEYS", "SETTING_KEYS", "SettingKey"]

from ..analysis_plan import SETTING_KEYS, SettingKey

#: What tells the cells of a setting apart: numbers, counted from 0.
RUN_KEYS = ("repeat", "fold", "seed")
CELL_KEYS = (*SETTING_KEYS, *RUN_KEYS)
