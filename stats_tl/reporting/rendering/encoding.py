"""Numbers for programs: tables as CSV, anything else as strict JSON.

Numbers have full precision. In JSON what could not be estimated is ``null``, never NaN, and an
infinite value is the text ``"inf"`` or ``"-inf"``.
"""

from __future__ import annotations

__all__ = ["SUMMARY_VERSION", "csv_bytes", "json_bytes", "plain", "records", "tables_json"]

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...visible import visible
from .parts import Section

#: Layout of ``summary.json``; docs/report.md documents the keys.
SUMMARY_VERSION = 1


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """A table as UTF-8 CSV."""
    # Text that a spreadsheet would run as a formula begins with a quote; full-width signs do
    # in some of East Asia.
    text = frame.copy()
    for column in text.columns:
        if not pd.api.types.is_numeric_dtype(text[column]):
            values = text[column].astype(str)
            formula = values.str.match(r"[=+@\t\r＝＋＠－]|-(?![\d.])")
            shown = values.map(lambda value: visible(value, breaks=False))
            text[column] = shown.where(~formula, "'" + shown)
    return text.to_csv(index=False, lineterminator="\n").encode()


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """JSON types as UTF-8, the same bytes for the same content."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as JSON objects."""
    return [plain(row) for row in frame.to_dict("records")]


def tables_json(sections: Iterable[Section]) -> dict[str, Any]:
    """Tables by name, as ``summary.json`` has them: caption, notes and unrounded rows."""
    return {
        section.name: {
            "caption": section.table.caption,
            "notes": list(section.table.notes),
            "rows": records(section.numbers),
        }
        for section in sections
    }


def plain(value: Any) -> Any:
    """A value as JSON types; NaN becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isnan(number):
            return None
        return number if math.isfinite(number) else ("inf" if number > 0 else "-inf")
    return None if value is None or value is pd.NA else str(value)
