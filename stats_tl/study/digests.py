"""Hashes by which data are known again, whatever the order of their rows."""

from __future__ import annotations

__all__ = ["json_lines_digest", "labels_digest"]

import hashlib
import json
from collections.abc import Iterable
from typing import Any


def labels_digest(cases: Iterable[Any], patients: Iterable[Any], y_true: Iterable[Any]) -> str:
    """SHA-256 over (case, patient, y_true) of a data set.

    Parameters
    ----------
    cases, patients, y_true : iterable of length n
        Identifiers, and the reference standard, 0 or 1.

    Examples
    --------
    >>> labels_digest("ab", "pq", [0, 1]) == labels_digest("ba", "qp", [1, 0])
    True
    """
    rows = zip(cases, patients, y_true, strict=True)
    return json_lines_digest([str(case), str(patient), int(y)] for case, patient, y in rows)


def json_lines_digest(rows: Iterable[list[Any]]) -> str:
    """SHA-256 over rows, each as a line of JSON, in the order of these lines."""
    lines = sorted(json.dumps(row, ensure_ascii=True) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
