"""An archive of 1,000 to 100,000 cells × 200 cases: time and memory to resume, verify, report.

    python -m benchmarks.archive_scale                      1,000, 10,000 and 100,000 cells
    python -m benchmarks.archive_scale --cells 1000 10000

For each size an archive of made-up scores is written as a grid would write it (parts of 50
cells), and measured as written and after ``python -m stats_tl.archive compact``. Every
figure comes from a fresh process: wall time, CPU time, and the largest resident memory.

- *resume*: opening the archive and deciding what of the plan is left (`open_grid`);
- *verify*: ``python -m stats_tl.archive verify``;
- *read*: what ``report`` reads, the scores of the test cases of all cells;
- *report*: ``python -m stats_tl.report``, tables in LaTeX and CSV.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stats_tl.archive import ArchiveWriter, load
from stats_tl.archive.compaction import compact
from stats_tl.archive.schema import CellResult, scores_digests, split_name
from stats_tl.archive.verification import verify
from stats_tl.report import main as report_main
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan
from stats_tl.study.plan import Plan

CASES, FOLDS, EPOCHS, PART = 200, 5, 30, 50
STEPS = ("resume", "verify", "read", "report")


def plan_of(cells: int) -> Plan:
    """Two arms, two heads, five folds, as many repeats and seeds as are needed."""
    repeats = min(100, cells // (4 * FOLDS))
    return parse_plan(
        {
            "study": {"name": "scale"},
            "tasks": [{"name": "t", "adapter": "csv", "path": "t.csv"}],
            "cv": {"folds": FOLDS, "repeats": repeats, "seeds": cells // (4 * FOLDS * repeats)},
            "arms": [
                {"name": "random", "source": "random", "reference": True},
                {"name": "imagenet", "source": "imagenet"},
            ],
            "grid": [{"backbones": ["resnet18"], "heads": ["linear", "nonlinear"]}],
        }
    )


def write_archive(root: Path, plan: Plan) -> None:
    """The archive of a plan with made-up scores: 60 of 200 cases validation, 40 test."""
    rng = np.random.default_rng(0)
    writer = ArchiveWriter(root)
    writer.open(plan.portable())
    case = np.array([f"case-{i:04d}" for i in range(CASES)], dtype=object)
    patient = np.array([f"patient-{i // 2:04d}" for i in range(CASES)], dtype=object)
    y_true = (np.arange(CASES) // 2 % 3 == 0).astype(np.int8)
    cases = pd.DataFrame({"case": case, "patient": patient, "group": patient, "y_true": y_true})
    fold_of = np.arange(CASES) // 2 % FOLDS
    splits = pd.DataFrame({"design": ["cv"], "repeat": [0], "fold": [0], "case": ["case-0000"],
                           "partition": ["test"]})  # fmt: skip
    digests = {split_name(r, f): "c" * 64 for r in range(plan.cv.repeats) for f in range(FOLDS)}
    writer.write_task(
        "t",
        {
            "description": "made up", "synthetic": True, "labels_sha256": "a" * 64,
            "images_sha256": "b" * 64, "splits_sha256": digests,
            "identifiers": {"kept": "as-given"},
        },
        cases,
        splits,
    )  # fmt: skip
    environment = {
        "python": "3",
        "platform": "made up",
        "packages": {f"p{i}": "1" for i in range(9)},
    }
    cells = plan_cells(plan)
    for start in range(0, len(cells), PART):
        chunk = cells[start : start + PART]
        frames = []
        for cell in chunk:
            test = fold_of == cell.fold
            n = CASES
            frames.append(
                pd.DataFrame(
                    {
                        "cell_id": cell.cell_id,
                        "case": case,
                        "patient": patient,
                        "y_true": y_true,
                        "partition": np.where(test, "test", "validation"),
                        "logit_0": rng.normal(size=n).astype(np.float32),
                        "logit_1": (rng.normal(size=n) + y_true).astype(np.float32),
                    }
                )
            )
        digest = scores_digests(pd.concat(frames, ignore_index=True))
        results = [
            CellResult(_record(cell, digest[cell.cell_id], rng), frame.drop(columns="cell_id"))
            for cell, frame in zip(chunk, frames, strict=True)
        ]
        settings = {cell.setting.digest: cell.setting.configuration for cell in chunk}
        writer.commit(
            results,
            {"configurations": settings, "environment": environment, "peak_memory_bytes": start},
        )


def _record(cell: Any, digest: str, rng: np.random.Generator) -> dict[str, Any]:
    """A record as long as a real one."""
    counts = {"patients": 20, "cases": 40, "events": 13}
    return {
        "cell_id": cell.cell_id,
        "pair_id": cell.pair_id,
        "key": cell.key,
        "configuration_sha256": cell.setting.digest,
        "split_sha256": "c" * 64,
        "labels_sha256": "a" * 64,
        "scores_sha256": digest,
        "weights": {
            "sha256": "0" * 64, "name": "resnet18", "licence": "BSD-3", "origin": "torchvision",
            "preprocessing": "imagenet", "source": "imagenet", "variant": "V1", "notes": [],
            "dropped": ["fc.weight", "fc.bias"], "seed": None, "trained_from": None,
        },
        "seeds": {"fit": 1, "weights": None, "study": 2025},
        "counts": {"train": counts, "validation": counts, "test": counts},
        "parameters": {"trainable": 1026, "total": 11_000_000},
        "selection": {"rule": "best-validation-auc", "epoch": 7},
        "history": {
            "train_loss": [round(float(x), 6) for x in rng.random(EPOCHS)],
            "validation_auc": [round(float(x), 6) for x in rng.random(EPOCHS)],
        },
        "metrics": {"auc": 0.7, "validation_auc": 0.7},
        "times": {"started": "2026-01-01T00:00:00+00:00", "seconds": 1.0},
    }  # fmt: skip


def measure(step: str, root: Path) -> dict[str, float]:
    """One step in this process."""
    started = time.perf_counter()
    if step == "resume":
        archive = load(root)
        left = [
            cell
            for cell in plan_cells(parse_plan(archive.plan))
            if cell.cell_id not in archive.cell_ids
        ]
        found = len(archive.cell_ids) + len(left)
    elif step == "verify":
        verified = verify(root)
        found = verified.cells + len(verified.problems)
    elif step == "read":
        found = len(load(root).scores(partition="test"))
    else:
        arguments = [
            "--runs",
            str(root),
            "--format",
            "latex,csv",
            "--out",
            str(root.parent / "out"),
        ]
        with contextlib.redirect_stdout(io.StringIO()):
            found = report_main(arguments)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "memory_mib": peak_memory() / 2**20,
        "found": found,
    }


def peak_memory() -> int:
    """Bytes. Linux's ``ru_maxrss`` would be that of the parent, if it was larger."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("needs Linux")


def main() -> int:
    """Write, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--measure", nargs=2, metavar=("STEP", "ROOT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]))))
        return 0
    print("cells    state      files    MiB  step    seconds  CPU s  peak MiB")
    for cells in options.cells:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name) / "scale"
            started = time.process_time()
            write_archive(root, plan_of(cells))
            print(f"{cells:<8} written in {time.process_time() - started:.0f} CPU s", flush=True)
            for state in ("as written", "compacted"):
                if state == "compacted":
                    started = time.process_time()
                    compact(root)
                    spent = time.process_time() - started
                    print(f"{cells:<8} compacted in {spent:.0f} CPU s", flush=True)
                files = [path for path in root.rglob("*") if path.is_file()]
                size = sum(path.stat().st_size for path in files) / 2**20
                for step in STEPS:
                    command = [sys.executable, "-m", "benchmarks.archive_scale"]
                    done = subprocess.run(
                        [*command, "--measure", step, str(root)],
                        capture_output=True, text=True, check=True,
                    )  # fmt: skip
                    found = json.loads(done.stdout)
                    print(
                        f"{cells:<8} {state:<10} {len(files):>5} {size:>6.0f}  {step:<7}"
                        f"{found['seconds']:>8.1f} {found['cpu_seconds']:>6.1f} "
                        f"{found['memory_mib']:>9.0f}",
                        flush=True,
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
