"""Tables and figures as the template wants them: plain values, nothing escaped yet."""

from __future__ import annotations

__all__ = [
    "AUDIT_MARKS",
    "absent_sentence",
    "audit_rows",
    "cell_table",
    "figure_view",
    "sort_key",
    "table_view",
]

import base64
import math
import re
import struct
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..rendering.labels import Labels
from ..rendering.numbers import MINUS, MISSING, format_number
from ..rendering.parts import Absent, RenderedDrawing
from ..rendering.table import Column, Panel, Row, Table

#: Shown and read aloud for each finding of the audit.
AUDIT_MARKS = {"ok": ("✓", "no problem"), "problem": ("!", "problem"), "unknown": ("?", "unknown")}
#: A page is to be read; whoever needs every cell has them in the archive.
MOST_CELLS = 2000
_SHORT = 24
_CELL_KEYS = ("task", "backbone", "head", "unfreeze", "arm", "repeat", "fold", "seed")
_CELL_HEADERS = {"unfreeze": "Training"}
_CELL_NUMBERS = {"auc": "Test AUC", "validation_auc": "Tuning AUC", "epoch": "Epoch"}


def table_view(table: Table, number: int) -> dict[str, Any]:
    """A table: header rows, groups of rows, and what each cell is sorted by."""
    groups: list[dict[str, Any]] = [{"panel": "", "rows": []}]
    rows = [line for line in table.body if isinstance(line, Row)]
    for line in table.body:
        if isinstance(line, Panel):
            groups.append({"panel": line.text, "rows": []})
            continue
        groups[-1]["rows"].append(
            [
                {
                    "text": cell.text,
                    "below": cell.below,
                    "bold": cell.bold,
                    "key": sort_key(cell.text),
                    "align": _align(column),
                }
                for column, cell in zip(table.columns, line.cells, strict=True)
            ]
        )
    return {
        "id": _identifier("table", table.name),
        "number": number,
        "caption": table.caption,
        "spanners": _spanners(table.columns),
        "columns": [{"header": c.header, "align": _align(c)} for c in table.columns],
        "groups": [group for group in groups if group["rows"] or group["panel"]],
        "notes": list(table.notes),
        # Short enough to be kept on one printed page.
        "short": sum(1 + any(c.below for c in r.cells) for r in rows) <= _SHORT,
        "sortable": max((len(group["rows"]) for group in groups), default=0) > 1,
    }


def sort_key(text: str) -> str:
    """What a cell is sorted by: its number as text, or nothing where it has none.

    Examples
    --------
    >>> [sort_key(text) for text in ("−0.013", ".03", "<.001", ">.99", "1 875", "12/40", "linear")]
    ['-0.013', '0.03', '0.000999', '0.990001', '1875', '', '']
    """
    plain = re.sub(r"[\s\N{NARROW NO-BREAK SPACE}†*%]", "", text).replace(MINUS, "-")
    limit = re.fullmatch(r"([<>])(\d*\.?\d+)", plain)
    if limit:
        value = float(limit[2])
        return f"{value - 1e-6 if limit[1] == '<' else value + 1e-6:.6f}"
    if not re.fullmatch(r"-?(\d+\.?\d*|\.\d+)", plain):
        return ""
    return f"{float(plain):.10g}"


def figure_view(drawing: RenderedDrawing, number: int) -> dict[str, Any]:
    """A figure: the image as a data address, caption, and a description."""
    png = drawing.files[".png"]
    width, height = struct.unpack(">II", png[16:24])
    kind, _, details = drawing.alt.partition(". ")
    return {
        "id": _identifier("figure", drawing.name),
        "number": number,
        "source": "data:image/png;base64," + base64.b64encode(png).decode(),
        # Three image points a pixel: one journal column is 335 pixels wide.
        "width": round(width / 3),
        "height": round(height / 3),
        "caption": drawing.caption,
        "alt": f"{kind}; a text description follows the caption." if details else kind,
        "details": [part for part in re.split(r"; ", details.rstrip(".")) if part],
    }


def absent_sentence(part: Absent) -> str:
    """Why a table or figure is not there."""
    return f"No {part.what}: {part.reason}."


def audit_rows(audit: pd.DataFrame) -> list[dict[Any, Any]]:
    """Findings, problems first, then what is not known."""
    order = {"problem": 0, "unknown": 1, "ok": 2}
    rows = audit.fillna("").astype(str).to_dict("records")
    return sorted(rows, key=lambda row: order.get(row["finding"], 0))


def cell_table(cells: pd.DataFrame, labels: Labels) -> dict[str, Any]:
    """Trained cells with their AUC, and how many are not listed."""
    cells = labels.applied(cells)
    keys = [key for key in _CELL_KEYS if key in cells and cells[key].astype(str).ne("").any()]
    numbers = [name for name in _CELL_NUMBERS if name in cells]
    rows = []
    for row in cells.head(MOST_CELLS)[[*keys, *numbers]].to_dict("records"):
        texts = [str(row[key]) for key in keys]
        for name in numbers:
            value = float(row[name])
            digits = 0 if name == "epoch" else 3
            texts.append(MISSING if math.isnan(value) else format_number(value, digits))
        rows.append([{"text": text, "key": sort_key(text)} for text in texts])
    return {
        "columns": [
            *(
                {"header": _CELL_HEADERS.get(key, key.capitalize()), "align": "left"}
                for key in keys
            ),
            *({"header": _CELL_NUMBERS[name], "align": "number"} for name in numbers),
        ],
        "rows": rows,
        "left_out": max(len(cells) - MOST_CELLS, 0),
        "total": len(cells),
    }


def _spanners(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """The upper header row: neighbours that share a header; none where no column has one."""
    if not any(column.spanner for column in columns):
        return []
    cells: list[dict[str, Any]] = []
    for column in columns:
        if column.spanner and cells and cells[-1]["text"] == column.spanner:
            cells[-1]["span"] += 1
        else:
            cells.append({"text": column.spanner, "span": 1})
    return cells


def _align(column: Column) -> str:
    return "text" if column.align in ("left", "wrap") else "number"


def _identifier(kind: str, name: str) -> str:
    return f"{kind}-{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-')}"
