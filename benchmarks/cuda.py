"""A CUDA device against the CPU: the same plan, the same scores, how long.

    python -m benchmarks.cuda

Trains a small plan on phantoms twice, frozen and with the last stage unfrozen, in
float32 and, on CUDA, in bfloat16. Prints for each the largest difference of a score
from the CPU's, the mean difference in AUC, seconds a cell and peak memory. Needs no
data and no weights; says so and stops where there is no CUDA device.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stats_tl.archive import Archive, load
from stats_tl.study.loading import parse_plan
from stats_tl.train.grid import GridOptions, open_grid


def plan(precision: str, patients: int) -> dict[str, Any]:
    """Two arms, frozen and unfrozen, one repeat."""
    return {
        "study": {"name": f"cuda-{precision}", "seed": 1},
        "tasks": [
            {
                "name": "breast",
                "adapter": "phantom-breast",
                "options": {"n_patients": patients, "size": 224},
            }
        ],
        "cv": {"folds": 2, "repeats": 1},
        "arms": [
            {"name": "a", "source": "random", "reference": True},
            {"name": "b", "source": "random"},
        ],
        "grid": [
            {"backbones": ["resnet18", "resnet50"], "heads": ["nonlinear"], "unfreeze": [0, 1]}
        ],
        "training": {"epochs": 3, "precision": precision, "learning_rate": 1e-4},
        "audit": {"near_duplicates": "ignore"},
    }


def train(precision: str, device: str, patients: int, folder: Path) -> Archive:
    """Run the plan on a device and read its archive."""
    raw = plan(precision, patients)
    options = GridOptions(runs=folder / device, base=folder, device=device)
    state = open_grid(parse_plan(raw), options)
    for outcome in state.run(state.load_datasets(), cache_bytes=2**33):
        if outcome.reason:
            print(f"  failed: {outcome.reason}")
    return load(folder / device / raw["study"]["name"])


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=60, help="phantoms (default: 60)")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print(f"no CUDA device is visible to torch {torch.__version__}; nothing was measured")
        return
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cpu = train("float32", "cpu", arguments.patients, folder)
        for precision in ("float32", "bfloat16"):
            cuda = train(precision, "cuda", arguments.patients, folder)
            compare(cpu, cuda, precision)


def compare(cpu: Archive, cuda: Archive, precision: str) -> None:
    """One line a backbone and depth."""
    peak = max(record["peak_memory_bytes"] for record in cuda.records())
    print(f"{precision}: peak {peak / 2**30:.2f} GiB on the device")
    for (backbone, unfreeze), cells in cuda.cells.groupby(["backbone", "unfreeze"]):
        filters = {"backbone": backbone, "unfreeze": unfreeze}
        difference = (
            cuda.scores(**filters)["score"].to_numpy() - cpu.scores(**filters)["score"].to_numpy()
        )
        own = cpu.cells[(cpu.cells["backbone"] == backbone) & (cpu.cells["unfreeze"] == unfreeze)]
        change = cells["auc"].to_numpy() - own["auc"].to_numpy()
        print(
            f"  {backbone:10} unfreeze {unfreeze}: scores differ by at most "
            f"{np.abs(difference).max():.1e}, AUC by {np.abs(change).mean():.4f}; "
            f"{cells['seconds'].mean():.2f} s a cell, CPU {own['seconds'].mean():.2f} s"
        )


if __name__ == "__main__":
    main()
