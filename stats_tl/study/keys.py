"""The names by which a cell is known in plans, archives and tables."""

from __future__ import annotations

__all__ = ["CELL_KEYS", "RUN_KEYS", "SETTING_KEYS", "SettingKey"]

from typing import Literal, get_args

#: Names of a setting: texts.
SettingKey = Literal["task", "backbone", "head", "unfreeze", "arm"]
SETTING_KEYS: tuple[SettingKey, ...] = get_args(SettingKey)
#: What tells the cells of a setting apart: numbers, counted from 0.
RUN_KEYS = ("repeat", "fold", "seed")
CELL_KEYS = (*SETTING_KEYS, *RUN_KEYS)
