"""Files of a report: written whole or not at all, and compared with what is committed."""

from __future__ import annotations

__all__ = ["VERSION_LINE", "differing_files", "write_report"]

import io
import json
import math
import os
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from ...errors import UserError

VERSION_LINE = "Written by stats_tl "
#: Numbers of another machine may differ in the last digits.
_RTOL, _ATOL = 1e-6, 1e-7
_TEXT = (".tex", ".md", ".bib")


class _Report(Protocol):
    @property
    def files(self) -> dict[str, bytes]: ...


def write_report(report: _Report, out: str | Path) -> list[Path]:
    """Write the files of a report; each appears whole or not at all.

    Returns
    -------
    list of Path
        In the order they were written.

    Raises
    ------
    UserError
        If the folder cannot be written to.
    """
    written = []
    for name, content in report.files.items():
        path = Path(out) / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, content)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from None
        written.append(path)
    return written


def differing_files(report: _Report, out: str | Path) -> list[str]:
    """What differs between a report and the tables in a folder; writes nothing.

    LaTeX, Markdown and BibTeX are compared line by line, without the line that names the
    version of the program, and CSV and JSON by value, with a relative tolerance of 1e-6 for
    numbers, as machines differ in the last digits. Tables that are no part of the report
    count as differences. Figures are looked for only: their bytes depend on the version of
    matplotlib, and their numbers are those of the tables. The page and the Word document, which
    show the same with these figures in them, need not be there; of a Word document that is there
    the text is compared, of every cell and paragraph.

    Returns
    -------
    list of str
        One sentence a file; empty where nothing differs.
    """
    problems = []
    for name, content in report.files.items():
        path = Path(out) / name
        if path.suffix == ".html" or (path.suffix == ".docx" and not path.exists()):
            continue
        try:
            found = path.read_bytes()
        except OSError as error:
            problems.append(f"{path}: {error.strerror}")
            continue
        if path.suffix in _TEXT:
            if _science(found) != _science(content):
                problems.append(f"{path}: differs{_first_difference(found, content)}")
        elif path.suffix in _VALUES and not _VALUES[path.suffix](found, content):
            problems.append(f"{path}: its values differ")
    suffixes = {Path(name).suffix for name in report.files if name.startswith("tables/")}
    for path in sorted(Path(out).glob("tables/*")):
        if path.suffix in suffixes and f"tables/{path.name}" not in report.files:
            problems.append(f"{path}: left over from another report; delete it")
    return problems


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _science(text: bytes) -> list[str]:
    lines = text.decode("utf-8", "replace").splitlines()
    return [line for line in lines if VERSION_LINE not in line]


def _first_difference(found: bytes, expected: bytes) -> str:
    pairs = zip(_science(found), _science(expected), strict=False)
    for number, (old, new) in enumerate(pairs, 2):
        if old != new:
            return f" from line {number}: found {old[:60]!r}, expected {new[:60]!r}"
    return " in length"


def _same_numbers(found: bytes, expected: bytes) -> bool:
    try:
        frames = [pd.read_csv(io.BytesIO(content)) for content in (found, expected)]
    except (ValueError, UnicodeDecodeError):
        return False
    a, b = frames
    if list(a.columns) != list(b.columns) or len(a) != len(b):
        return False
    for column in a.columns:
        if all(pd.api.types.is_numeric_dtype(frame[column]) for frame in frames):
            same = np.isclose(
                a[column].to_numpy(float), b[column].to_numpy(float),
                rtol=_RTOL, atol=_ATOL, equal_nan=True,
            )  # fmt: skip
            if not same.all():
                return False
        elif not a[column].astype(str).equals(b[column].astype(str)):
            return False
    return True


def _same_json(found: bytes, expected: bytes) -> bool:
    try:
        return _same_value(*(json.loads(content) for content in (found, expected)))
    except (ValueError, UnicodeDecodeError):
        return False


def _same_value(found: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and list(found) == list(expected)
            and all(_same_value(found[k], expected[k]) for k in expected if k != "written_by")
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(map(_same_value, found, expected))
        )
    if isinstance(expected, float) and isinstance(found, int | float):
        return math.isclose(found, expected, rel_tol=_RTOL, abs_tol=_ATOL)
    return bool(found == expected)


def _same_words(found: bytes, expected: bytes) -> bool:
    """Whether two Word documents have the same text, read without a library for them."""
    try:
        texts = []
        for content in (found, expected):
            with zipfile.ZipFile(io.BytesIO(content)) as file:
                document = file.read("word/document.xml").decode()
            texts.append(re.findall(r"<w:t(?: [^>]*)?>([^<]*)</w:t>", document))
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError):
        return False
    return texts[0] == texts[1]


_VALUES = {".csv": _same_numbers, ".json": _same_json, ".docx": _same_words}
