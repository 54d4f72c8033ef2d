"""An archive of 1,000 to 100,000 cells × 200 cases: time and memory to resume, verify, report.

    python -m benchmarks.archive_scale                      1,000, 10,000 and 100,000 cells
    python -m benchmarks.archive_scale --cells 1000 10000
    python -m benchmarks.archive_scale --cells 20000 --base DIR    verify beside the build in DIR

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
from sklearn.metrics import roc_auc_score

from stats_tl.archive import ArchiveWriter, load
from stats_tl.archive.compaction import compact
from stats_tl.archive.integrity.verification import verify
from stats_tl.archive.schema import CellResult, ScoresDigest, split_name
from stats_tl.report import main as report_main
from stats_tl.study.cells import Cell, plan_cells
from stats_tl.study.digests import labels_digest
from stats_tl.study.loading import parse_plan
from stats_tl.study.plan import Plan
from stats_tl.study.splits import PARTITIONS, TEST, VALIDATION, count_partition, partition_digest

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


def write_archive(root: Path, plan: Plan, n_cases: int = CASES) -> None:
    """The archive of a plan with made-up scores, none of which contradicts another.

    One fold of the cases is the test set, the others are the validation set.
    """
    rng = np.random.default_rng(0)
    writer = ArchiveWriter(root)
    writer.open(plan.portable())
    number = np.arange(n_cases)
    cases = pd.DataFrame(
        {
            "case": [f"case-{i:04d}" for i in number],
            "patient": [f"patient-{i // 2:04d}" for i in number],
            "group": [f"patient-{i // 2:04d}" for i in number],
            "y_true": (number // 2 % 3 == 0).astype(np.int8),
        }
    )
    labels = labels_digest(cases["case"], cases["patient"], cases["y_true"])
    folds = [
        np.where(number // 2 % plan.cv.folds == fold, TEST, VALIDATION).astype(np.int8)
        for fold in range(plan.cv.folds)
    ]
    digests = [partition_digest(cases["case"], codes) for codes in folds]
    own = [(repeat, fold) for repeat in range(plan.cv.repeats) for fold in range(plan.cv.folds)]
    writer.write_task(
        "t",
        {
            "description": "made up", "synthetic": True, "labels_sha256": labels,
            "images_sha256": "b" * 64,
            "splits_sha256": {split_name(repeat, fold): digests[fold] for repeat, fold in own},
            "identifiers": {"kept": "as-given"},
        },
        cases,
        pd.concat(
            pd.DataFrame({"design": "cv", "repeat": repeat, "fold": fold, "case": cases["case"],
                          "partition": [PARTITIONS[code] for code in folds[fold]]})
            for repeat, fold in own
        ),
    )  # fmt: skip
    environment = {
        "python": "3",
        "platform": "made up",
        "packages": {f"p{i}": "1" for i in range(9)},
    }
    cells = plan_cells(plan)
    scored = [
        cases[["case", "patient", "y_true"]].assign(partition=[PARTITIONS[c] for c in codes])
        for codes in folds
    ]
    digest = [ScoresDigest(frame) for frame in scored]
    y_true, patients = cases["y_true"].to_numpy(), cases["patient"].to_numpy()
    shared = [
        {
            "labels_sha256": labels, "split_sha256": digests[fold],
            "counts": count_partition(codes, y_true, patients),
        }
        for fold, codes in enumerate(folds)
    ]  # fmt: skip
    for start in range(0, len(cells), PART):
        chunk = cells[start : start + PART]
        results = []
        for cell in chunk:
            logits = rng.normal(size=(n_cases, 2)).astype(np.float32)
            logits[:, 1] += y_true
            score = logits[:, 1].astype(np.float64) - logits[:, 0]
            tested = folds[cell.fold] == TEST
            record = {
                **_record(cell, rng),
                **shared[cell.fold],
                "scores_sha256": digest[cell.fold].of(logits),
                "metrics": {
                    "auc": roc_auc_score(y_true[tested], score[tested]),
                    "validation_auc": roc_auc_score(y_true[~tested], score[~tested]),
                },
            }
            frame = scored[cell.fold].assign(logit_0=logits[:, 0], logit_1=logits[:, 1])
            results.append(CellResult(record, frame))
        settings = {cell.setting.digest: cell.setting.configuration for cell in chunk}
        writer.commit(
            results,
            {"configurations": settings, "environment": environment, "peak_memory_bytes": start},
        )


def _record(cell: Cell, rng: np.random.Generator) -> dict[str, Any]:
    """A record as long as a real one, without what its data set and scores say."""
    return {
        "cell_id": cell.cell_id,
        "pair_id": cell.pair_id,
        "key": cell.key,
        "configuration_sha256": cell.setting.digest,
        "weights": {
            "sha256": "0" * 64, "name": "resnet18", "licence": "BSD-3", "origin": "torchvision",
            "preprocessing": "imagenet", "source": "imagenet", "variant": "V1", "notes": [],
            "dropped": ["fc.weight", "fc.bias"], "seed": None, "trained_from": None,
        },
        "seeds": {"fit": 1, "weights": None, "study": 2025},
        "parameters": {"trainable": 1026, "total": 11_000_000},
        "selection": {"rule": "best-validation-auc", "epoch": 7},
        "history": {
            "train_loss": [round(float(x), 6) for x in rng.random(EPOCHS)],
            "validation_auc": [round(float(x), 6) for x in rng.random(EPOCHS)],
        },
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


def beside(base: Path, sizes: list[int], rounds: int = 3) -> int:
    """``verify`` of this build and of another, by turns on one archive; medians and ratios."""
    script = (
        "import sys, resource; from stats_tl.archive.__main__ import main; "
        "assert main(['verify', sys.argv[1]]) == 0; "
        "own = resource.getrusage(resource.RUSAGE_SELF); print(own.ru_utime + own.ru_stime, "
        "[l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')][0])"
    )
    for cells in sizes:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name) / "scale"
            write_archive(root, plan_of(cells))
            taken: dict[Path, list[list[float]]] = {base: [], Path.cwd(): []}
            for _ in range(rounds):
                for build, rows in taken.items():
                    started = time.perf_counter()
                    done = subprocess.run(
                        [sys.executable, "-c", script, str(root)],
                        cwd=build, capture_output=True, text=True, check=True,
                    )  # fmt: skip
                    own = [float(text) for text in done.stdout.split("\n")[-2].split()]
                    rows.append([time.perf_counter() - started, own[0], own[1] / 1024])
        medians = [np.median(rows, axis=0) for rows in taken.values()]
        for build, (seconds, cpu, memory) in zip(("base", "this"), medians, strict=True):
            print(f"{cells} {build}: {seconds:.1f} s, {cpu:.1f} CPU s, {memory:.0f} MiB at most")
        ratios = ", ".join(f"{ratio:.2f}" for ratio in medians[1] / medians[0])
        print(f"{cells} this/base (seconds, CPU, memory): {ratios}", flush=True)
    return 0


def main() -> int:
    """Write, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument(
        "--base", type=Path, metavar="DIR", help="another build: verify alone, by turns with it"
    )
    parser.add_argument("--measure", nargs=2, metavar=("STEP", "ROOT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]))))
        return 0
    if options.base:
        return beside(options.base, options.cells)
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
