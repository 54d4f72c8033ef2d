"""Time of a whole report, from an archive on disk to files, and of its parts.

Run ``python -m benchmarks.report`` from the root of the repository: it writes an archive of
10,000 made-up cells with 1,000 test cases in all (2 arms x 100 settings x 10 repeats x 5
folds, 200 test and 160 tuning cases a cell), and reports it in a process of its own, as a user
would, with ``python -m stats_tl.report``. ``--test-set`` makes one fixed test set of 1,000
cases instead, which every one of the 10,000 models scores.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.sound import make_sound
from stats_tl.archive import ArchiveWriter
from stats_tl.archive.schema import CellResult, scores_digest
from stats_tl.stats import roc_auc
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan

PART = 50


def plan_of(n_cells: int, test_set: bool) -> dict:
    """A plan of `n_cells` cells: settings x 2 arms x runs."""
    runs = {"folds": 1, "repeats": 1, "seeds": 50, "official_folds": True}
    if not test_set:
        runs = {"folds": 5, "repeats": 10}
    settings = max(n_cells // 100, 1)
    return {
        "study": {"name": "benchmark"},
        "tasks": [{"name": "made-up", "adapter": "csv", "path": "t.csv"}],
        "cv": runs,
        "arms": [
            {"name": "a", "source": "random", "reference": True},
            {"name": "b", "source": "random"},
        ],
        "heads": [
            {"name": f"h{n:03d}", "kind": "nonlinear", "ratio": 1 / (n + 1)}
            for n in range(settings)
        ],
        "grid": [{"backbones": ["resnet18"], "heads": [f"h{n:03d}" for n in range(settings)]}],
    }


def write_archive(root: Path, n_cells: int, n_cases: int, test_set: bool) -> int:
    """An archive of made-up scores; returns the number of cells."""
    rng = np.random.default_rng(0)
    plan = parse_plan(plan_of(n_cells, test_set))
    writer = ArchiveWriter(root)
    writer.open(plan.portable())
    y = (np.arange(n_cases) % 3 == 0).astype(np.int8)
    case = np.array([f"image_{n:06d}" for n in range(n_cases)])
    patient = np.array([f"patient_{n // 2:06d}" for n in range(n_cases)])
    shared = y + rng.standard_normal(n_cases)
    cells = plan_cells(plan)
    results, configurations = [], {}
    for number, cell in enumerate(cells, 1):
        key = cell.key
        order = np.random.default_rng(key["repeat"]).permutation(n_cases // 2)
        fold = (order % 5)[np.arange(n_cases) // 2 % (n_cases // 2)]
        test = np.ones(n_cases, dtype=bool) if test_set else fold == key["fold"]
        tuning = fold == (key["fold"] + 1) % 5
        parts = [(test, "test"), (tuning, "validation")]
        frame = pd.concat(
            [
                pd.DataFrame(
                    {
                        "case": case[own],
                        "patient": patient[own],
                        "y_true": y[own],
                        "partition": name,
                        "logit_0": np.float32(0),
                        "logit_1": (shared[own] + rng.standard_normal(own.sum())).astype("f4"),
                    }
                )
                for own, name in parts
            ],
            ignore_index=True,
        )
        counts = {
            name: {"patients": int(own.sum()) // 2, "cases": int(own.sum()), "events": 1}
            for own, name in (*parts, (~test, "train"))
        }
        own = frame[frame["partition"] == "test"]
        record = {
            "cell_id": cell.cell_id,
            "pair_id": cell.pair_id,
            "key": key,
            "configuration_sha256": cell.setting.digest,
            "scores_sha256": scores_digest(frame),
            "split_sha256": "0" * 64,
            "weights": {"sha256": "0" * 64, "name": key["arm"], "source": "random"},
            "counts": counts,
            "parameters": {"trainable": 1, "total": 2},
            "selection": {"rule": "last-epoch", "epoch": 1},
            "metrics": {
                "auc": roc_auc(own["y_true"], own["logit_1"]).estimate,
                "validation_auc": 0.5,
            },
            "times": {"seconds": 1.0},
        }
        configurations[cell.setting.digest] = cell.setting.configuration
        results.append(CellResult(record, frame))
        if len(results) == PART or number == len(cells):
            writer.commit(results, {"configurations": configurations})
            results, configurations = [], {}
    cases = pd.DataFrame({"case": case, "patient": patient, "y_true": y, "group": patient})
    splits = pd.DataFrame({"repeat": [0], "fold": [0], "case": case[:1], "partition": ["test"]})
    description = {
        "synthetic": True,
        "labels_sha256": "a" * 64,
        "images_sha256": "b" * 64,
        "splits_sha256": {},
    }
    writer.write_task("made-up", description, cases, splits)
    make_sound(root)
    return len(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--test-set", action="store_true", help="one test set for all models")
    parser.add_argument("--keep", type=Path, help="make the archive here, or use that here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = (options.keep or Path(folder)) / "benchmark"
        if not root.exists():
            start = time.perf_counter()
            n = write_archive(root, options.cells, options.cases, options.test_set)
            print(f"archive of {n} cells written in {time.perf_counter() - start:.0f} s")
        command = [sys.executable, "-m", "stats_tl.report", "--runs", str(root)]
        command += ["--out", f"{folder}/out"]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        use = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak = use.ru_maxrss / 2**20
        print(
            f"report in {seconds:.1f} s ({use.ru_utime + use.ru_stime:.1f} s of processor time), "
            f"peak memory {peak:.1f} GiB"
        )


if __name__ == "__main__":
    main()
