"""What an archive says of itself and of its data sets: ``archive.json`` and ``tasks/``."""

from __future__ import annotations

__all__ = [
    "describes_patients",
    "divided_patients",
    "is_task_file",
    "read_header",
    "read_task",
    "read_task_table",
    "task_files",
]

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from ..errors import ArchiveDamagedError
from .files import checksum, read_bytes, read_parquet, read_sealed
from .migrations import check_schema

#: How archives without a record of it describe that nobody knows the patients.
_NO_PATIENTS = ("counts as its own patient", "an exam counts as a patient")


def read_header(path: Path) -> dict[str, Any]:
    """The plan that an archive holds.

    Raises
    ------
    ArchiveDamagedError
        If the file is not what was written; the message says how to fix it.
    UserError
        If its schema is newer than this program.
    """
    try:
        header = read_sealed(path)
    except ArchiveDamagedError as error:
        raise ArchiveDamagedError(
            f"{error}; `python -m stats_tl.run_grid --plan ... --retry-failed`, with the "
            "plan of this archive, writes it again and keeps the cells"
        ) from None
    check_schema(header, path)
    if not _holds_plan(header):
        raise ArchiveDamagedError(f"{path} is damaged: it holds no plan")
    plan: dict[str, Any] = header["plan"]
    return plan


def _holds_plan(header: Mapping[str, Any]) -> bool:
    """Whether reading finds what it needs in a header whose checksum is right."""
    try:
        plan = header["plan"]
        references = [arm["name"] for arm in plan["arms"] if arm["reference"]]
        return isinstance(plan["study"]["name"], str) and len(references) == 1
    except (KeyError, TypeError):
        return False


def read_task(path: Path) -> dict[str, Any]:
    """The description of a data set; its tables are compared with their checksums.

    Raises
    ------
    ArchiveDamagedError
        If a file is missing or not what was written, or the description names files
        elsewhere, or lacks what reading needs.
    """
    content: dict[str, Any] = read_sealed(path)
    if not _describes(content, path.stem):
        raise ArchiveDamagedError(f"{path} is damaged: it describes no data set of this archive")
    for name, sha256 in content["files"].items():
        if checksum(read_bytes(path.with_name(name))) != sha256:
            raise ArchiveDamagedError(f"{path.with_name(name)} is damaged: its checksum differs")
    return content


#: Columns that reading needs, and of what kind: text, or whole numbers.
_COLUMNS = {
    "case": "text", "patient": "text", "y_true": "whole", "repeat": "whole", "fold": "whole",
    "partition": "text",
}  # fmt: skip
_CASES, _SPLITS = ("case", "patient", "y_true"), ("repeat", "fold", "case", "partition")


def read_task_table(folder: Path, description: Mapping[str, Any], *, splits: bool) -> pd.DataFrame:
    """The table of the cases of a data set, or that of its splits.

    Raises
    ------
    ArchiveDamagedError
        If its checksum differs, or it lacks what reading needs.
    """
    name = task_files(description)[int(splits)]
    path = folder / name
    try:
        frame = read_parquet(path, description["files"][name])
    except (pa.ArrowException, ValueError) as error:
        raise ArchiveDamagedError(f"{path} is damaged: {error}") from None
    for column in _SPLITS if splits else _CASES:
        if column not in frame:
            raise ArchiveDamagedError(f"{path} is damaged: it has no column {column}")
        kind = frame[column].dtype.kind
        if frame[column].isna().any() or (_COLUMNS[column] == "whole" and kind not in "iu"):
            raise ArchiveDamagedError(
                f"{path} is damaged: its column {column} lacks values or holds others than "
                f"{'whole numbers' if _COLUMNS[column] == 'whole' else 'text'}"
            )
    if splits and "design" not in frame:  # an archive of before there were two
        frame.insert(0, "design", "cv")
    elif not splits and not frame["y_true"].isin((0, 1)).all():
        raise ArchiveDamagedError(f"{path} is damaged: its column y_true must hold 0 and 1 only")
    return frame


def is_task_file(file: str, task: str) -> bool:
    """Whether a name is that of a table of a task: its cases or its splits."""
    pattern = rf"{re.escape(task)}(\.splits)?(@[0-9a-f]{{8}})?\.parquet"
    return re.fullmatch(pattern, file) is not None


def task_files(content: Mapping[str, Any]) -> tuple[str, str]:
    """Names of the tables of cases and of splits that a description names; "" where none."""
    stem = str(content["task"])
    own = [file for file in content["files"] if is_task_file(file, stem)]
    splits = [file for file in own if file.startswith(f"{stem}.splits")]
    cases = [file for file in own if file not in splits]
    return (cases or [""])[0], (splits or [""])[0]


def _describes(content: Any, name: str) -> bool:
    try:
        whole = content["task"] == name
        whole = whole and all(isinstance(file, str) for file in content["files"])
        whole = whole and all(task_files(content)) and len(content["files"]) == 2
        for key in ("labels_sha256", "images_sha256"):
            whole = whole and isinstance(content[key], str)
        whole = whole and isinstance(content["splits_sha256"], dict)
        return whole and isinstance(content["synthetic"], bool)
    except (KeyError, TypeError):
        return False


def describes_patients(description: str, cases: pd.DataFrame) -> bool:
    """Whether the patients of an archive that does not say so are known.

    Adapters that had none gave every image, or every examination, as its own patient and said
    so in words.
    """
    if any(words in description for words in _NO_PATIENTS):
        return False
    return bool((cases["patient"].astype(str) != cases["case"].astype(str)).any())


def divided_patients(splits: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Patients with cases in more than one partition of a split: the split, the patient."""
    used = splits[splits["partition"] != "unused"].merge(cases[["case", "patient"]], on="case")
    keys = [key for key in ("design", "repeat", "fold", "patient") if key in used.columns]
    sides = used.groupby(keys, observed=True)["partition"].nunique()
    return sides[sides > 1].index.to_frame(index=False)
