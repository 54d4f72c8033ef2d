"""Made-up archives that contradict themselves in nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from stats_tl.archive import load
from stats_tl.archive.descriptions import task_files
from stats_tl.archive.files import checksum, parquet_bytes, read_sealed, write_sealed
from stats_tl.archive.schema import split_name
from stats_tl.study.cells import DESIGNS
from stats_tl.study.digests import labels_digest
from stats_tl.study.splits import PARTITIONS, TRAIN, count_partition, partition_digest


def make_sound(root: Path) -> None:
    """Write into an archive what its scores say of labels, splits, counts and AUCs.

    Cases that a cell does not score are its training cases.
    """
    archive = load(root)
    designs = [archive.scores(design=design) for design in DESIGNS]
    scores = pd.concat([frame for frame in designs if len(frame)])
    shared = {
        task: _write_task(root / "tasks" / f"{task}.json", archive.cases(task), own)
        for task, own in scores.groupby("task")
    }
    metrics = {cell: _metrics(own) for cell, own in scores.groupby("cell_id")}
    for path in sorted((root / "parts").glob("*.json")):
        part = read_sealed(path)
        for cell in part["cells"]:
            key = cell["key"]
            name = split_name(key["repeat"], key["fold"], key.get("design", "cv"))
            cell.update(shared[key["task"]][name], metrics=metrics[cell["cell_id"]])
        write_sealed(path, part, large=True)


def _write_task(path: Path, cases: pd.DataFrame, scores: pd.DataFrame) -> dict[str, Any]:
    """The splits of a data set as its scores have them; what each says in a record."""
    codes_of = {name: code for code, name in PARTITIONS.items()}
    y_true, patients = cases["y_true"].to_numpy(), cases["patient"].to_numpy()
    labels = labels_digest(cases["case"], patients, y_true)
    shared, frames = {}, []
    for (design, repeat, fold), own in scores.groupby(["design", "repeat", "fold"]):
        first = own[own["cell_id"] == own["cell_id"].iloc[0]].set_index("case")["partition"]
        codes = cases["case"].map(first).map(codes_of).fillna(TRAIN).to_numpy(np.int8)
        shared[split_name(repeat, fold, design)] = {
            "split_sha256": partition_digest(cases["case"], codes),
            "labels_sha256": labels,
            "counts": count_partition(codes, y_true, patients),
        }
        sides = [PARTITIONS[code] for code in codes]
        named = {"design": design, "repeat": repeat, "fold": fold}
        frames.append(pd.DataFrame({**named, "case": cases["case"], "partition": sides}))
    description = read_sealed(path)
    file = task_files(description)[1]
    data = parquet_bytes(pd.concat(frames, ignore_index=True))
    path.with_name(file).write_bytes(data)
    description["files"][file] = checksum(data)
    description["labels_sha256"] = labels
    description["splits_sha256"] = {name: own["split_sha256"] for name, own in shared.items()}
    write_sealed(path, description)
    return shared


def _metrics(scores: pd.DataFrame) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name, side in (("auc", "test"), ("validation_auc", "validation")):
        own = scores[scores["partition"] == side]
        both = own["y_true"].nunique() == 2
        found[name] = float(roc_auc_score(own["y_true"], own["score"])) if both else None
    return found
