"""A small archive of made-up scores."""

import numpy as np
import pandas as pd
import pytest

from stats_tl.archive import ArchiveWriter
from stats_tl.archive.schema import CellResult, scores_digest
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan

RAW = {
    "study": {"name": "demo"},
    "tasks": [{"name": "t", "adapter": "csv", "path": "t.csv"}],
    "cv": {"folds": 2, "repeats": 2},
    "arms": [
        {"name": "random", "source": "random", "reference": True},
        {"name": "imagenet", "source": "imagenet"},
    ],
    "grid": [{"backbones": ["resnet18"], "heads": ["linear"]}],
}
N = 24


@pytest.fixture
def plan():
    return parse_plan(RAW)


def make_result(cell, seed=0):
    """A cell whose scores depend on its identifier only."""
    rng = np.random.default_rng([seed, int(cell.cell_id[:8], 16)])
    case = np.arange(N)
    scores = pd.DataFrame(
        {
            "case": [f"c{i}" for i in case],
            "patient": [f"p{i // 2}" for i in case],
            "y_true": (case // 2 % 2).astype(np.int8),
            "partition": np.where(case % 4 < 2, "validation", "test"),
            "logit_0": rng.normal(size=N).astype(np.float32),
            "logit_1": rng.normal(size=N).astype(np.float32),
        }
    )
    counts = {"patients": 6, "cases": 12, "events": 6}
    record = {
        "cell_id": cell.cell_id,
        "pair_id": cell.pair_id,
        "key": cell.key,
        "configuration_sha256": cell.setting.digest,
        "scores_sha256": scores_digest(scores),
        "split_sha256": "c" * 64,
        "weights": {"sha256": "0" * 64},
        "counts": {"train": counts, "validation": counts, "test": counts},
        "parameters": {"trainable": 1, "total": 2},
        "selection": {"rule": "last-epoch", "epoch": 3},
        "metrics": {"auc": 0.5, "validation_auc": 0.5},
        "times": {"seconds": 1.0},
    }
    return CellResult(record, scores)


def fill(root, plan, cells):
    """Write an archive with `cells` in parts of two."""
    writer = ArchiveWriter(root)
    writer.open(plan.portable())
    cases = make_result(cells[0]).scores[["case", "patient", "y_true"]]
    cases = cases.assign(group=cases["patient"])
    splits = pd.DataFrame({"repeat": [0], "fold": [0], "case": ["c0"], "partition": ["test"]})
    writer.write_task("t", task_description(), cases, splits)
    results = [make_result(cell) for cell in cells]
    for start in range(0, len(cells), 2):
        chunk = cells[start : start + 2]
        context = {"configurations": {c.setting.digest: c.setting.configuration for c in chunk}}
        writer.commit(results[start : start + 2], context)


@pytest.fixture
def archive_root(tmp_path, plan):
    """An archive with every cell but the last two."""
    cells = plan_cells(plan)
    root = tmp_path / "runs" / "demo"
    fill(root, plan, cells[:-2])
    return root


def task_description(labels="a" * 64):
    return {
        "description": "made up",
        "synthetic": True,
        "labels_sha256": labels,
        "images_sha256": "b" * 64,
        "splits_sha256": {"repeat 0, fold 0": "c" * 64},
    }


def parts(root):
    return sorted((root / "parts").glob("*.json"))


def commit(root, cell, seed=0, files=None):
    """One more cell, in a part of its own."""
    result = make_result(cell, seed)
    result.files.update(files or {})
    context = {"configurations": {cell.setting.digest: cell.setting.configuration}}
    ArchiveWriter(root).commit([result], context)
