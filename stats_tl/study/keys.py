"""The names by which a cell is known in plans, archives and tables."""

from __future__ import annotations

__all__ = ["CELL_KEYS", "RUN_KEYS", "SETTING_KEYS", "SettingKey", "table_key"]

from ..analysis_plan import SETTING_KEYS, SettingKey

#: What tells the cells of a setting apart: numbers, counted from 0.
RUN_KEYS = ("repeat", "fold", "seed")
CELL_KEYS = (*SETTING_KEYS, *RUN_KEYS)


def table_key(backbone: str) -> str:
    """A backbone as a key of a TOML table: a colon needs quotes.

    Examples
    --------
    >>> print(table_key("resnet50"), table_key("timm:vit_tiny_patch16_224"))
    resnet50 "timm:vit_tiny_patch16_224"
    """
    return backbone if backbone.replace("_", "").isalnum() else f'"{backbone}"'
