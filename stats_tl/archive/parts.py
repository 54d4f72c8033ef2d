"""Parts: cells that lie in one pair of files, their records and their scores."""

from __future__ import annotations

__all__ = [
    "Part",
    "Row",
    "ScoresFile",
    "cells_of_scores",
    "read_part",
    "read_part_scores",
    "write_part",
]

import io
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ArchiveDamagedError, UserError
from ..study.cells import DESIGNS, configuration_digests, configured_names, identify_cell
from ..study.keys import RUN_KEYS, SETTING_KEYS
from .files import (
    checksum,
    parquet_bytes,
    read_parquet,
    unseal,
    write_atomically,
    write_sealed,
)
from .migrations import check_schema, migrate_part
from .schema import SCHEMA_VERSION, SCORE_COLUMNS

_CELL_ID = re.compile(r"[0-9a-f]{20}")
#: Names of plans (tasks, arms, heads, ...): none leads out of a folder.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
_TIMM_NAME = re.compile(r"timm:[A-Za-z0-9_]{1,96}(\.[A-Za-z0-9_-]{1,96})?")


class Row(NamedTuple):
    """What reading keeps in memory of a cell.

    `misnamed` says what of its key, configuration and identifiers does not agree; "" if all does.
    """

    cell_id: str
    pair_id: str
    key: dict[str, Any]
    scores_sha256: str
    split_sha256: str
    weights_sha256: str
    metrics: dict[str, float | None]
    epoch: int
    parameters: tuple[int, int]
    counts: tuple[int, int, int]
    seconds: float
    labels_sha256: str
    misnamed: str


class ScoresFile(NamedTuple):
    """The scores of a part: where they are, and their checksum."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Part:
    """One part as read and checked.

    Attributes
    ----------
    path : Path
    content : dict
        Its JSON in the present schema.
    rows : list of Row
    checksum : str
        SHA-256 of the file.
    """

    path: Path
    content: dict[str, Any]
    rows: list[Row]
    checksum: str

    @property
    def scores(self) -> ScoresFile:
        """The Parquet file of its scores."""
        own = self.content["scores"]
        return ScoresFile(self.path.with_name(own["file"]), own["sha256"])

    def records(self) -> Iterable[dict[str, Any]]:
        """The full record of each cell, with what it shares with others."""
        shared = {key: self.content[key] for key in ("scores", "schema_version")}
        for cell in self.content["cells"]:
            yield {
                **self.content["contexts"][cell["context"]],
                **shared,
                **{key: value for key, value in cell.items() if key != "context"},
                "configuration": self.content["configurations"][cell["configuration_sha256"]],
            }


def read_part(path: Path, *, known: str | None = None) -> Part:
    """Read the JSON file of a part; its scores are not touched.

    Parameters
    ----------
    path : Path
    known : str, optional
        :attr:`Part.checksum` of when it was read before.

    Raises
    ------
    FileNotFoundError
        If it is not there: another process may have compacted it away.
    ArchiveDamagedError
        If it is not what was written, or no part.
    UserError
        If its schema is newer than this program.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    content = unseal(data, path, known=known)
    check_schema(content, path)
    try:
        content = migrate_part(content)
        file, sha256 = content["scores"]["file"], content["scores"]["sha256"]
        if not (re.fullmatch(r"[\w.-]+\.parquet", file) and re.fullmatch(r"[0-9a-f]{64}", sha256)):
            raise ValueError("scores")
        names = {
            sha256: _Configured(sha256, own) for sha256, own in content["configurations"].items()
        }
        rows = [_row(cell, content, names) for cell in content["cells"]]
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ArchiveDamagedError(
            f"{path} is damaged: it is no part of an archive ({type(error).__name__}: {error})"
        ) from None
    return Part(path, content, rows, checksum(data))


class _Configured:
    """What a configuration says of the cells that were trained with it."""

    def __init__(self, sha256: str, configuration: Mapping[str, Any]):
        self.digest, self._pair = configuration_digests(configuration)
        self._intact = self.digest == sha256
        try:
            self._names = configured_names(configuration)
        except (AttributeError, KeyError, TypeError):
            self._intact = False

    def contradicts(self, cell: Mapping[str, Any], key: Mapping[str, Any]) -> str:
        """What of a cell does not agree with it, as the end of a sentence; "" if all does."""
        if not self._intact:
            return "its configuration is not the one that its hash stands for"
        for name, value in self._names.items():
            if key[name] != value:
                return f"its key says {name} {key[name]}, its configuration {value}"
        run = (key["repeat"], key["fold"], key["seed"])
        if identify_cell(self.digest, *run) != cell["cell_id"]:
            return "its identifier is not that of its configuration, repeat, fold and seed"
        if identify_cell(self._pair, *run) != cell["pair_id"]:
            return "its pair is not that of its configuration, repeat, fold and seed"
        return ""


def _row(
    cell: Mapping[str, Any], content: Mapping[str, Any], configured: Mapping[str, _Configured]
) -> Row:
    """The checked essence of a record."""
    key = {"design": "cv", **cell["key"]}  # older cells do not say: there was one design
    if key["design"] not in DESIGNS:
        raise ValueError("design")
    texts: dict[str, str] = {name: sys.intern(key[name]) for name in SETTING_KEYS}
    numbers = {name: _whole(key[name]) for name in RUN_KEYS}
    if not (_CELL_ID.fullmatch(cell["cell_id"]) and _CELL_ID.fullmatch(cell["pair_id"])):
        raise ValueError("cell_id")
    timm = _TIMM_NAME.fullmatch(texts["backbone"])
    if not all(_NAME.fullmatch(t) or (timm and name == "backbone") for name, t in texts.items()):
        raise ValueError("key")
    shared = (
        content["configurations"][cell["configuration_sha256"]],
        content["contexts"][_whole(cell["context"])],
    )
    if not all(isinstance(own, dict) for own in (cell, *shared)):
        raise TypeError("records")
    counts = cell["counts"]
    key = {**key, **texts, **numbers}
    metrics = {
        sys.intern(name): None if value is None else float(value)
        for name, value in cell["metrics"].items()
    }
    return Row(
        cell["cell_id"],
        cell["pair_id"],
        key,
        sys.intern(cell["scores_sha256"]),
        sys.intern(cell["split_sha256"]),
        sys.intern(cell["weights"]["sha256"]),
        {"auc": metrics["auc"], "validation_auc": metrics["validation_auc"], **metrics},
        _whole(cell["selection"]["epoch"]),
        (_whole(cell["parameters"]["trainable"]), _whole(cell["parameters"]["total"])),
        tuple(_whole(counts[side]["cases"]) for side in ("train", "validation", "test")),  # type: ignore[arg-type]
        float(cell["times"]["seconds"]),
        sys.intern(str(cell.get("labels_sha256", ""))),
        sys.intern(configured[cell["configuration_sha256"]].contradicts(cell, key)),
    )


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value


def read_part_scores(scores: ScoresFile, columns: Sequence[str] = SCORE_COLUMNS) -> pd.DataFrame:
    """The scores of a part, their checksum and their types verified."""
    try:
        frame = read_parquet(scores.path, scores.sha256, list(columns))
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise ArchiveDamagedError(f"{scores.path} is damaged: {error}") from None
    for name, kinds in (("y_true", "iu"), ("logit_0", "f"), ("logit_1", "f")):
        if name in frame and frame[name].dtype.kind not in kinds:
            raise ArchiveDamagedError(
                f"{scores.path} is damaged: its column {name} is of type {frame[name].dtype}"
            )
    return frame


def write_part(
    folder: Path,
    frame: pd.DataFrame,
    cells: Sequence[Mapping[str, Any]],
    contexts: Sequence[Mapping[str, Any]],
    configurations: Mapping[str, Any],
) -> str:
    """Write a part, its JSON file last, without which it does not exist.

    The name hashes the cells and their scores: two parts of one name are the same, and
    nothing is ever overwritten with something else.

    Returns
    -------
    str
        Its name.
    """
    frame = frame[list(SCORE_COLUMNS)]
    texts = ("cell_id", "case", "patient", "partition")
    frame = frame.assign(**{name: frame[name].astype("category") for name in texts})
    data = parquet_bytes(frame)
    ids = "\n".join(cell["cell_id"] for cell in cells)
    name = checksum(f"{ids}\n{checksum(data)}".encode())[:20]
    write_atomically(folder / f"{name}.parquet", data)
    write_sealed(
        folder / f"{name}.json",
        {
            "schema_version": SCHEMA_VERSION,
            "scores": {"file": f"{name}.parquet", "sha256": checksum(data)},
            "contexts": list(contexts),
            "configurations": dict(configurations),
            "cells": list(cells),
        },
        large=True,
    )
    return name


def cells_of_scores(path: Path) -> list[str]:
    """The cells that a Parquet file of scores names, where it can still be read."""
    try:
        table = pq.read_table(io.BytesIO(path.read_bytes()), columns=["cell_id"])
        return sorted(map(str, table.column("cell_id").unique().to_pylist()))
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return []
