"""Values of cases as programs write them: our table, nnU-Net's summary.json, MONAI's raw CSV."""

from __future__ import annotations

__all__ = ["ValueTable", "has_values", "heading", "read_values"]

import csv
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import UserError
from ..evidence.tabular import UNNAMED, read_table

COLUMNS = ("case", "patient", "arm", "repeat", "fold", "value")
#: Values that tell the direction by their names, as nnU-Net and MONAI write them.
HIGHER = ("dice", "iou", "tp", "surface_dice", "mean_dice", "mean_iou", "f1", "accuracy")
LOWER = ("fp", "fn", "hausdorff", "surface_distance", "mae", "mse", "rmse")
_RAW = "_raw.csv"
_HEAD_BYTES = 2**16


@dataclass(frozen=True)
class ValueTable:
    """Values of cases.

    Attributes
    ----------
    frame : DataFrame
        ``case, arm, value``; where known ``patient, repeat, fold``.
    what : str
        What the value is, e.g. ``"Dice"``; ``"value"`` where nobody says.
    higher_is_better : bool or None
        As the name of the value tells.
    digest : str
        SHA-256 of the file, or of the digests of the files.
    """

    frame: pd.DataFrame
    what: str
    higher_is_better: bool | None
    digest: str


def has_values(path: Path, columns: Mapping[str, str] | None = None) -> bool:
    """Whether a file of ``--scores`` holds values of cases in place of scores; a quick look."""
    if path.is_dir() or path.suffix == ".json" or path.name.endswith(_RAW):
        return True
    given, names = columns or {}, heading(path)
    return given.get("value", "value") in names and given.get("score", "score") not in names


def heading(path: Path) -> list[str]:
    """Names of the columns of a table, from its first bytes; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if head.startswith(b"PAR1"):
            names = pq.read_schema(path).names
        else:
            line = head.decode("utf-8-sig", "replace").splitlines()[:1]
            names = re.split(r"[,;\t|]", line[0].replace('"', "")) if line else []
    except (OSError, pa.ArrowException):
        return []  # the reader of scores says what is wrong
    return [name.strip() for name in names]


def read_values(
    files: Mapping[str, Path],
    *,
    columns: Mapping[str, str] | None = None,
    empty_value: float | None = None,
) -> ValueTable:
    """Values of cases from one table, or from the file of each arm.

    Parameters
    ----------
    files : mapping of str to Path
        Arm → file; the arm is ``""`` for one table with a column ``arm``. A file is a table with
        ``case, value`` (optional ``patient, repeat, fold``), nnU-Net's ``summary.json``, a folder
        of a model of nnU-Net (``fold_K/validation/summary.json``), or MONAI's ``*_raw.csv``.
    columns : mapping of str to str, optional
        Our name → the table's. Of nnU-Net ``value`` is a metric, or a metric and a label as in
        ``Dice:1`` (default: Dice, the mean over the labels of a case); of MONAI a column (default
        ``mean``).
    empty_value : float, optional
        Value of cases that have none, as the Dice of an empty structure that was left empty.

    Returns
    -------
    ValueTable

    Raises
    ------
    UserError
        If a file cannot be read, or a column is missing or holds no numbers.
    """
    frames, names, digests = [], set(), []
    for arm, path in files.items():
        frame, what, digest = _read(path, dict(columns or {}))
        if arm:
            if "arm" in frame.columns and len(frame["arm"].unique()) > 1:
                raise UserError(f"{path} has a column 'arm', but was given as the file of {arm!r}")
            frame = frame.assign(arm=arm)
        frames.append(frame)
        names.add(what)
        digests.append(digest)
    frame = pd.concat(frames, ignore_index=True)
    for needed in ("case", "arm", "value"):
        if needed not in frame.columns:
            raise UserError(
                f"{next(iter(files.values()))}: no column {needed!r}; a table of values has case, "
                "arm and value, or a file for each arm: --scores a=one.csv b=other.csv"
            )
    frame = frame[[name for name in COLUMNS if name in frame.columns]]
    values = pd.to_numeric(frame["value"], errors="coerce")
    text = frame["value"].notna() & values.isna() & frame["value"].astype(str).str.lower().ne("nan")
    if text.any():
        raise UserError(f"value: {frame.loc[text, 'value'].iloc[0]!r} is no number")
    if np.isinf(values).any():
        raise UserError(
            f"value: {int(np.isinf(values).sum())} values are infinite, which have no mean; leave "
            "out these cases in all arms, or give them a finite value"
        )
    if empty_value is not None:
        values = values.fillna(empty_value)
    what = names.pop() if len(names) == 1 else "value"
    return ValueTable(
        frame.assign(value=values),
        what,
        _direction(what),
        digests[0]
        if len(digests) == 1
        else hashlib.sha256("\n".join(digests).encode()).hexdigest(),
    )


def _direction(what: str) -> bool | None:
    name = what.lower().split(":")[0]
    if name in HIGHER:
        return True
    return False if any(word in name for word in LOWER) else None


def _read(path: Path, columns: dict[str, str]) -> tuple[pd.DataFrame, str, str]:
    """Rows of one file, what the value is, and the digest."""
    if path.is_dir() or path.suffix == ".json":
        return _nnunet(path, columns.get("value", "Dice"))
    if path.name.endswith(_RAW):
        return _monai(path, columns.get("value", "mean"))
    frame, digest = read_table(path, columns=columns)
    names = {theirs: ours for ours, theirs in columns.items() if ours in COLUMNS}
    for theirs in names:
        if theirs not in frame.columns:
            raise UserError(f"{path}: no column {theirs!r}")
    return (
        frame.drop(columns=UNNAMED, errors="ignore").rename(columns=names),
        (columns.get("value", "value")),
        digest,
    )


def _nnunet(path: Path, value: str) -> tuple[pd.DataFrame, str, str]:
    files = {None: path}
    if path.is_dir():
        found = sorted(path.glob("fold_*/validation/summary.json"))
        files = {own.parts[-3].removeprefix("fold_"): own for own in found}  # type: ignore[misc]
        if not files:
            raise UserError(f"{path}: no fold_*/validation/summary.json, as nnU-Net writes them")
    frames, digests = [], []
    for fold, file in files.items():
        try:
            raw = file.read_bytes()
            cases = json.loads(raw)["metric_per_case"]
            rows = [(_case(own), _of_case(own["metrics"], value, file)) for own in cases]
        except OSError as error:
            raise UserError(f"cannot read {file}: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UserError(
                f"{file}: not a summary of nnU-Net: no 'metric_per_case' with metrics and files"
            ) from None
        frame = pd.DataFrame(rows, columns=["case", "value"])
        frames.append(frame if fold is None else frame.assign(fold=fold, repeat="0"))
        digests.append(hashlib.sha256(raw).hexdigest())
    digest = hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return pd.concat(frames, ignore_index=True), value, digests[0] if len(files) == 1 else digest


def _case(entry: Mapping[str, Any]) -> str:
    name = re.split(r"[/\\]", str(entry["prediction_file"]))[-1]
    return re.sub(r"\.(nii(\.gz)?|mha|nrrd|png|tif|tiff|npy|npz|bmp)$", "", name)


def _of_case(metrics: Mapping[str, Mapping[str, float]], value: str, file: Path) -> float:
    """A metric of one label, or its mean over the labels that have one."""
    metric, _, label = value.partition(":")
    if label and label not in metrics:
        raise UserError(f"{file}: no label {label!r}; there are {', '.join(metrics)}")
    chosen = [metrics[label]] if label else list(metrics.values())
    if any(metric not in own for own in chosen):
        raise UserError(f"{file}: no metric {metric!r}; there are {', '.join(chosen[0])}")
    numbers = [float(own[metric]) for own in chosen]
    defined = [number for number in numbers if not math.isnan(number)]
    return sum(defined) / len(defined) if defined else math.nan


def _monai(path: Path, value: str) -> tuple[pd.DataFrame, str, str]:
    """MONAI does not quote file names: commas within them are put back."""
    try:
        raw = path.read_bytes()
        lines = raw.decode("utf-8").splitlines()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file in UTF-8") from None
    separator = next((s for s in ",;\t" if lines and s in lines[0]), ",")
    rows = list(csv.reader(lines, delimiter=separator))
    if not rows or rows[0][0] != "filename":
        raise UserError(f"{path}: not a raw report of MONAI, whose first column is 'filename'")
    heading = rows[0]
    if value not in heading[1:]:
        raise UserError(f"{path}: no column {value!r}; there are {', '.join(heading[1:])}")
    n, column = len(heading) - 1, heading.index(value) - len(heading)
    cases = [separator.join(row[:-n]) for row in rows[1:] if row]
    frame = pd.DataFrame({"case": cases, "value": [row[column] for row in rows[1:] if row]})
    what = path.name.removesuffix(_RAW)
    named = what if value == "mean" else f"{what}:{value}"
    return frame, named, hashlib.sha256(raw).hexdigest()
