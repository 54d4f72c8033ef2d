"""What the fuzzer does to archives: values changed, several files at once, and tampering.

Each target keeps an archive of made-up scores, changes some of its files for one input, and
puts them back.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from stats_tl.archive import load
from stats_tl.archive.files import checksum, parquet_bytes, read_sealed, write_sealed
from stats_tl.archive.integrity.verification import verify
from stats_tl.archive.schema import scores_digests
from stats_tl.archive.store import ArchiveWriter
from stats_tl.errors import UserError
from stats_tl.study.digests import labels_digest

from .archive_scale import plan_of, write_archive
from .mutations import Target, mutated_bytes, mutated_values

CELLS, CASES = 20, 30


def _archive(folder: Path) -> Path:
    """A sound archive, in which one cell has failed once more."""
    root = folder / "scale"
    write_archive(root, plan_of(CELLS), CASES)
    ArchiveWriter(root).record_failure({"cell_id": "f" * 20, "key": {}}, "reason", "log")
    return root


@contextlib.contextmanager
def _put_back(root: Path) -> Iterator[None]:
    """Whatever happens to the files of an archive, they are as before at the end."""
    whole = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    try:
        yield
    finally:
        for path in root.rglob("*"):
            if path.is_file() and path not in whole:
                path.unlink()
        for path, data in whole.items():
            if not path.exists() or path.read_bytes() != data:
                path.write_bytes(data)


def _read(root: Path) -> None:
    """Everything that reads an archive."""
    archive = load(root, strict=False)
    archive.scores(partition="test")
    list(archive.records())
    verify(root)


def archive_values(folder: Path) -> Target:
    """Records, descriptions and headers of an archive, sealed anew so that checksums are right."""
    root = _archive(folder)
    contents = {path: read_sealed(path) for path in sorted(root.rglob("*.json"))}
    one = st.one_of(
        [st.tuples(st.just(path), mutated_values([content])) for path, content in contents.items()]
    )

    def run(changed: tuple[Path, Any]) -> None:
        path, content = changed
        with _put_back(root):
            write_sealed(path, content, large=True)
            _read(root)

    return one, run


def archive_files(folder: Path) -> Target:
    """Several files of an archive at once: some sealed anew, some damaged, some removed."""
    root = _archive(folder)
    sealed = {path: read_sealed(path) for path in sorted(root.rglob("*.json"))}
    whole = {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    change = st.one_of(
        *(st.tuples(st.just(p), mutated_values([value])) for p, value in sealed.items()),
        *(st.tuples(st.just(p), mutated_bytes([data])) for p, data in whole.items()),
        st.tuples(st.sampled_from(list(whole)), st.none()),
        st.tuples(st.sampled_from(list(whole)), st.sampled_from(list(whole.values()))),
    )

    def run(changes: list[tuple[Path, Any]]) -> None:
        with _put_back(root):
            for path, content in changes:
                if content is None:
                    path.unlink(missing_ok=True)
                elif isinstance(content, bytes):
                    path.write_bytes(content)
                else:
                    write_sealed(path, content, large=True)
            _read(root)

    return st.lists(change, min_size=2, max_size=5), run


def archive_tampering(folder: Path) -> Target:
    """Consistent tampering: a value is changed, and every checksum over it computed again.

    Each input changes a statement that another file makes, too; one that :func:`verify` does
    not notice, and that changes what is read, ends the run.
    """
    root = _archive(folder)
    before = _statements(root)
    ways: list[Callable[..., None]] = [_tamper_scores, _tamper_cases, _tamper_splits]
    table = st.tuples(
        st.sampled_from(ways), st.integers(0, 10**6), st.integers(0, 3), st.integers(0, CASES)
    )
    fields = ("cell_id", "pair_id", "labels_sha256", "split_sha256", "configuration_sha256",
              "scores_sha256", "key", "counts", "metrics")  # fmt: skip
    records = st.tuples(
        st.just(_tamper_record), st.integers(0, CELLS - 1), st.sampled_from(fields), st.randoms()
    )

    def run(changed: tuple[Any, ...]) -> None:
        way, *arguments = changed
        with _put_back(root):
            way(root, *arguments)
            found = verify(root)
            if found.problems or found.contradictions:
                raise UserError("; ".join(map(str, [*found.problems, *found.contradictions])))
            assert _statements(root) == before, f"{way.__name__}{arguments}: not noticed"

    return st.one_of(table, records), run


def _statements(root: Path) -> list[Any]:
    """What an archive says, read without its own reader; order does not matter."""
    said: list[Any] = []
    for path in sorted((root / "parts").glob("*.json")):
        said += [json.dumps(cell, sort_keys=True) for cell in read_sealed(path)["cells"]]
        frame = pd.read_parquet(path.with_suffix(".parquet"))
        said += frame.astype(str).sort_values(list(frame)).to_numpy().tolist()
    for name in ("t.parquet", "t.splits.parquet"):
        frame = pd.read_parquet(root / "tasks" / name)
        said += frame.astype(str).sort_values(list(frame)).to_numpy().tolist()
    return said


def _exchange(frame: pd.DataFrame, column: str, row: int, other: int) -> pd.DataFrame:
    """Give a row of a table the value that another has."""
    values = frame[column].astype(object).to_numpy(copy=True)
    values[row % len(frame)] = values[other % len(frame)]
    return frame.assign(**{column: pd.Series(values, frame.index).astype(frame[column].dtype)})


def _tamper_scores(root: Path, row: int, column: int, other: int) -> None:
    path = sorted((root / "parts").glob("*.json"))[0]
    frame = pd.read_parquet(path.with_suffix(".parquet"))
    frame = _exchange(frame, ("y_true", "patient", "case", "partition")[column], row, other)
    digests, data = scores_digests(frame), parquet_bytes(frame)
    path.with_suffix(".parquet").write_bytes(data)
    part = read_sealed(path)
    part["scores"]["sha256"] = checksum(data)
    for cell in part["cells"]:
        cell["scores_sha256"] = digests.get(cell["cell_id"], "0" * 64)
    write_sealed(path, part, large=True)


def _tamper_cases(root: Path, row: int, column: int, other: int) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        return _exchange(frame, ("y_true", "patient", "case", "y_true")[column], row, other)

    _change_table(root, "t.parquet", change)


def _tamper_splits(root: Path, row: int, column: int, other: int) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        return _exchange(frame, ("partition", "case", "fold", "repeat")[column], row, other)

    _change_table(root, "t.splits.parquet", change)


def _change_table(root: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = root / "tasks" / "t.json"
    description = read_sealed(path)
    frame = change(pd.read_parquet(path.with_name(name)))
    data = parquet_bytes(frame)
    path.with_name(name).write_bytes(data)
    description["files"][name] = checksum(data)
    if "y_true" in frame:
        labels = labels_digest(frame["case"], frame["patient"], frame["y_true"])
        description["labels_sha256"] = labels
    write_sealed(path, description)


def _tamper_record(root: Path, number: int, field: str, random: Any) -> None:
    """Give a record another value of the same kind: that of another cell, or a near one."""
    path = sorted((root / "parts").glob("*.json"))[0]
    part = read_sealed(path)
    cell, other = part["cells"][number], random.choice(part["cells"])
    if field == "counts":
        counts = cell["counts"][random.choice(["train", "validation", "test"])]
        counts[random.choice(["patients", "cases", "events"])] += random.choice([-1, 1])
    elif field == "metrics":
        name = random.choice(["auc", "validation_auc"])
        cell["metrics"][name] = round(1 - np.float64(cell["metrics"][name]), 6)
    elif field == "key":
        name = random.choice(sorted(cell["key"]))
        cell["key"][name] = other["key"][name]
    elif field.endswith("sha256"):
        cell[field] = random.choice([other[field], "0" * 64])
    else:
        cell[field] = other[field]
    write_sealed(path, part, large=True)
