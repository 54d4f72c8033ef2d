"""``summary.json``: every number of a report for programs, as strict JSON.

Numbers have full precision; what could not be estimated is ``null``, never NaN, and an
infinite value is the text ``"inf"`` or ``"-inf"``. docs/report.md documents the keys.
"""

from __future__ import annotations

__all__ = ["SUMMARY_VERSION", "summarize", "summary_bytes"]

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import __version__

if TYPE_CHECKING:
    from .rendering.parts import Absent, Section
    from .results.material import Material

SUMMARY_VERSION = 1


def summarize(
    material: Material,
    sections: Sequence[Section],
    absent: Sequence[Absent],
    audit: pd.DataFrame,
) -> dict[str, Any]:
    """Everything that the report says in numbers, as JSON types."""
    options, evidence = material.options, material.evidence
    return {
        "summary_version": SUMMARY_VERSION,
        "written_by": f"stats_tl {__version__}",
        "study": {
            "name": material.name,
            "title": material.title,
            "source": "predictions" if evidence.reference is None else "archive",
            "sha256": evidence.digest,
            "synthetic": bool(material.synthetic),
            "incomplete": list(material.lacking),
        },
        "analysis": plain(
            {
                "reference": material.reference,
                "alpha": options.alpha,
                "margin": options.margin,
                "correction": options.correction,
                "primary": dict(options.primary),
                "power": options.power,
                "planned": options.planned,
                "families": list(options.families),
                "subgroups": None if options.subgroups is None else list(options.subgroups),
                "target_sensitivity": options.target_sensitivity,
                "departures": list(options.departures),
                "plan_sha256": options.plan_sha256,
                "plan_sha256_of": options.plan_source,
            }
        ),
        "tables": {
            section.name: {
                "caption": section.table.caption,
                "notes": list(section.table.notes),
                "rows": records(section.numbers),
            }
            for section in sections
        },
        "absent": {part.name: part.reason for part in absent},
        "audit": records(audit),
    }


def summary_bytes(summary: Mapping[str, Any]) -> bytes:
    """The summary as UTF-8 JSON, the same bytes for the same content."""
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as JSON objects."""
    return [plain(row) for row in frame.to_dict("records")]


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
