"""WEKA's printed predictions (``-p`` with ``-distribution``), plain or as CSV, as a table."""

from __future__ import annotations

__all__ = ["is_weka", "read_weka"]

import csv
import re
from collections.abc import Iterator

import pandas as pd

from ...errors import UserError

_BANNER = re.compile(r"\s*=== Predictions ")
_HEADING = re.compile(r'\s*"?inst#')
_LABEL = re.compile(r"(\d+):(.*)")
_FIRST = ("inst#", "actual", "predicted", "error")


def is_weka(first_lines: list[str]) -> bool:
    """Whether a text begins as WEKA's output of predictions does."""
    written = [line for line in first_lines[:20] if line.strip()]
    return bool(written) and any(pattern.match(written[0]) for pattern in (_BANNER, _HEADING))


def read_weka(text: str) -> pd.DataFrame:
    """Predictions as WEKA prints them.

    Parameters
    ----------
    text : str
        With the heading ``inst#, actual, predicted, error, distribution`` and, where ``-p``
        names attributes, their values.

    Returns
    -------
    DataFrame
        ``actual`` and ``predicted`` (labels without their number), a column of probabilities
        for each class, named by its number (``p1``, ``p2``), the attributes, and, for a
        cross-validation, ``fold``: WEKA numbers the instances of each fold from 1.

    Raises
    ------
    UserError
        If there is no heading, no distribution, or a row differs from the first.
    """
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if _HEADING.match(line)), None)
    if start is None:
        raise UserError(
            "WEKA's output has no heading 'inst#'; use -p with the numbers of attributes"
        )
    if "distribution" not in lines[start]:
        raise UserError(
            "WEKA printed the probability of the predicted class; add -distribution (and "
            "-decimals 9, against ties)"
        )
    rows = list(_rows(lines, start))
    if not rows:
        raise UserError("WEKA's output has a heading and no rows")
    heading, first = _split(lines[start]), rows[0]
    attributes = [name for name in heading[len(_FIRST) + 1 :] if name]
    classes = len(first[len(_FIRST) :]) - len(attributes)
    names = [*_FIRST, *(f"p{number}" for number in range(1, classes + 1)), *attributes]
    for number, row in enumerate(rows, 1):
        if len(row) != len(names) or not row[0].isascii() or not row[0].isdigit():
            raise UserError(f"not row {number} of WEKA's predictions: {' '.join(row)[:80]!r}")
    frame = pd.DataFrame(rows, columns=names).drop(columns="error")
    for name in ("actual", "predicted"):
        frame[name] = frame[name].str.replace(_LABEL, r"\2", regex=True)
    for name in names[len(_FIRST) : len(_FIRST) + classes]:
        frame[name] = pd.to_numeric(frame[name].str.lstrip("*"), errors="coerce")
    restarts = pd.to_numeric(frame.pop("inst#")) == 1
    if restarts.sum() > 1:
        frame["fold"] = restarts.cumsum()
    return frame


def _rows(lines: list[str], start: int) -> Iterator[list[str]]:
    width = len(_split(lines[start]))
    for line in lines[start + 1 :]:
        if not line.strip():
            continue
        fields = _split(line)
        if "," not in lines[start] and len(fields) >= 4 and not _is_error(fields[3]):
            fields.insert(3, "")  # the column of errors is blank
        if len(fields) < width - 1:
            raise UserError(f"not a row of WEKA's predictions: {line.strip()[:80]!r}")
        yield fields if "," in lines[start] else _plain(fields)


def _split(line: str) -> list[str]:
    """Fields of a line; those of a plain one are separated by blanks, attributes in brackets."""
    if re.match(r'\s*"?(inst#|\d+)"?,', line):
        fields = next(csv.reader([line.rstrip().rstrip(",")], skipinitialspace=True))
        return [field.strip() for field in fields]
    body, bracket, values = line.partition("(")
    own = values.rstrip().removesuffix(")").split(",") if bracket else []
    return [*body.split(), *(value.strip() for value in own)]


def _plain(fields: list[str]) -> list[str]:
    return [*fields[:4], *fields[4].split(","), *fields[5:]]


def _is_error(field: str) -> bool:
    return field == "+"
