"""What halvings of a frozen head cost beside one fine-tuned cell, on the built-in phantoms.

    python -m benchmarks.halvings

One task of the built-in example (breast phantoms of 120 patients, 96 pixels, 10 epochs), with
backbones of kept random weights, so that every arm has one feature pass as with published weights.
Twenty halvings are forty half-samples, each cross-validated twice. Each figure is a difference of
two runs from images to archive, so that reading and the feature pass, which a study without
halvings has too, do not count:

- ``halvings``: frozen linear head, two arms, cross-validation and halvings, less the
  cross-validation alone, divided by two arms;
- ``fine-tuned``: two cells with all stages trained, less one of them.

One process, one thread; processor time, which is steadier on a busy machine, and wall time.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.grid import Clock
from stats_tl.study.loading import parse_plan
from stats_tl.train.grid import GridRun
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.weights import save_backbone
from stats_tl.train.options import GridOptions
from stats_tl.train.state import open_grid

FOLDS = 5


def plan(folder: Path, backbone: str, *, unfreeze: int | str, halvings: int) -> dict[str, Any]:
    """Two arms on the example's breast phantoms."""
    arms = []
    for number, name in enumerate("ab"):
        file = folder / f"{backbone}-{name}.safetensors"
        file.write_bytes(save_backbone(build_backbone(backbone, seed=number), {}))
        arms.append(
            {
                "name": name,
                "source": "checkpoint",
                "reference": name == "a",
                "files": {backbone: str(file)},
            }
        )
    return {
        "study": {"name": f"halvings-{halvings}-{unfreeze}", "seed": 2025},
        "tasks": [{"name": "breast", "adapter": "phantom-breast", "options": {"n_patients": 120}}],
        "cv": {"folds": FOLDS, "repeats": 2, "halvings": halvings},
        "arms": arms,
        "grid": [{"backbones": [backbone], "heads": ["linear"], "unfreeze": [unfreeze]}],
        "training": {
            "epochs": 10,
            "batch_size": 32,
            "learning_rate": 1e-3,
            "image_size": 96,
            "standardize": unfreeze == 0,
        },
        "audit": {"near_duplicates": "ignore"},
    }


def timed(raw: dict[str, Any], folder: Path, **select: str) -> tuple[int, Clock]:
    """Number of cells of a run, from images to archive, and what it took."""
    chosen = {key: set(value.split(",")) for key, value in select.items()}
    with tempfile.TemporaryDirectory(dir=folder) as runs, Clock() as clock:
        options = GridOptions(runs=Path(runs), base=folder, select=chosen, cache_bytes=2**33)
        grid = GridRun(open_grid(parse_plan(raw), options), options)
        outcomes = list(grid.train(grid.load_datasets(), report=lambda _: None))
    failed = [outcome.reason for outcome in outcomes if outcome.reason]
    if failed:
        raise SystemExit(f"{len(failed)} cells failed: {failed[0]}")
    return len(outcomes), clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbones", nargs="+", default=["squeezenet1_1", "resnet18"])
    parser.add_argument("--halvings", type=int, nargs="+", default=[20, 40])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{'':>14}{'halvings':>9}{'cells':>7}{'CPU s':>8}{'fine-tuned':>12}{'ratio':>7}{'wall':>7}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for backbone in options.backbones:
            raw = plan(folder, backbone, unfreeze="all", halvings=0)
            cell = {"arm": "a", "repeat": "0"}
            _, one = timed(raw, folder, **cell, fold="0")
            _, two = timed(raw, folder, **cell, fold="0,1")
            tuned = [two.cpu - one.cpu, two.wall - one.wall]
            few, plain = timed(plan(folder, backbone, unfreeze=0, halvings=0), folder)
            for halvings in options.halvings:
                many, whole = timed(plan(folder, backbone, unfreeze=0, halvings=halvings), folder)
                cost = [(whole.cpu - plain.cpu) / 2, (whole.wall - plain.wall) / 2]
                print(
                    f"{backbone:>14}{halvings:>9}{(many - few) // 2:>7}{cost[0]:>8.1f}"
                    f"{tuned[0]:>12.1f}{cost[0] / tuned[0]:>7.2f}{cost[1] / tuned[1]:>7.2f}"
                )


if __name__ == "__main__":
    main()
