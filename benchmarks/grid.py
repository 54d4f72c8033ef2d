"""What a grid costs beside one plainly trained cell, and where the rest of its time goes.

    python -m benchmarks.grid --data busbra_sq256_jpg.zip --weights squeezenet1_1.safetensors
    python -m benchmarks.grid --only growth        # phantoms; needs no data and no weights

Figures, each a ratio within one run:

- ``frozen``: a grid of SqueezeNet1.1, frozen, 2 arms × 2 heads × 5 folds × repeats, from
  reading the images to the archive on disk, over one cell trained plainly (its images
  through the whole network in every epoch; reading them is not counted against it). The
  second arm is a random network kept as a checkpoint, so that both have one feature pass.
- ``unfrozen``: one cell with the last stage trained, from that stage's cached input, over
  the same cell trained plainly; and what counting operations says the ratio should be.
- ``overhead``: what the engine adds to preparing and fitting, a cell.
- ``growth``: seconds for 10 to 10,000 cells behind the same two feature passes.

Everything runs in one process on one thread. Wall time is what users feel; on a busy
machine the ratio of processor times is the steadier one, so both are printed. A plain cell
may be trained for fewer epochs (``--plain-epochs``) and scaled by the images that pass.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stats_tl.archive import load
from stats_tl.study.cells import Cell, derive_seed
from stats_tl.study.loading import parse_plan
from stats_tl.study.splits import TEST, TRAIN, VALIDATION
from stats_tl.train import worker
from stats_tl.train.fitting.features import (
    CachedActivations,
    ImagePass,
    Inputs,
    compute_activations,
)
from stats_tl.train.fitting.fit import CellModel, fit_cell
from stats_tl.train.grid import GridRun
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.heads import build_head
from stats_tl.train.networks.preprocessing import PREPROCESSING
from stats_tl.train.networks.staged import freeze
from stats_tl.train.networks.survey import survey_backbone
from stats_tl.train.networks.weights import resolve_weights, save_backbone
from stats_tl.train.options import GridOptions
from stats_tl.train.planning.units import fit_seed, plan_units
from stats_tl.train.state import open_grid

CPU = torch.device("cpu")
CACHE = 2**33


class Clock:
    """Wall and processor seconds of a block."""

    def __enter__(self) -> Clock:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = time.process_time() - self._cpu


def busbra_plan(options: argparse.Namespace, folder: Path, unfreeze: int) -> dict[str, Any]:
    """BUS-BRA, SqueezeNet1.1: ImageNet's weights against a random network."""
    other = folder / "random.safetensors"
    other.write_bytes(save_backbone(build_backbone("squeezenet1_1", seed=1), {}))
    return {
        "study": {"name": f"unfreeze-{unfreeze}", "seed": 1},
        "tasks": [{"name": "busbra", "adapter": "busbra", "path": str(options.data.resolve())}],
        "cv": {"folds": 5, "repeats": options.repeats},
        "arms": [
            {
                "name": "imagenet",
                "source": "imagenet",
                "reference": True,
                "files": {"squeezenet1_1": str(options.weights.resolve())},
            },
            {
                "name": "random",
                "source": "checkpoint",
                "files": {"squeezenet1_1": str(other)},
            },
        ],
        "grid": [
            {
                "backbones": ["squeezenet1_1"],
                "heads": ["linear", "nonlinear"],
                "unfreeze": [unfreeze],
            }
        ],
        "training": {
            "epochs": options.epochs,
            "class_weights": "balanced",
            "standardize": unfreeze == 0,
        },
        "audit": {"near_duplicates": "ignore"},
    }


def open_run(raw: dict[str, Any], folder: Path) -> GridRun:
    """A plan, ready to run in this process."""
    options = GridOptions(runs=folder, base=folder, jobs=1, cache_bytes=CACHE)
    return GridRun(open_grid(parse_plan(raw), options), options)


def run(raw: dict[str, Any], folder: Path) -> int:
    """The whole of a plan: images, weights, training, archive. Number of cells."""
    grid = open_run(raw, folder)
    outcomes = list(grid.train(grid.load_datasets(), report=lambda _: None))
    failed = [outcome.reason for outcome in outcomes if outcome.reason]
    if failed:
        raise SystemExit(f"{len(failed)} cells failed: {failed[0]}")
    return len(outcomes)


def single(raw: dict[str, Any], folder: Path, *, head: str, epochs: int) -> SingleCell:
    """One cell of a plan with its images, for training outside of the engine."""
    raw = copy.deepcopy(raw)
    raw["training"]["epochs"] = epochs
    grid = open_run(raw, folder)
    datasets = grid.load_datasets()
    cell = next(c for c in grid.state.cells if c.setting.head.name == head and c.fold == 0)
    return SingleCell(cell, grid, datasets)


class SingleCell:
    """A cell that is trained plainly, or from cached activations."""

    def __init__(self, cell: Cell, grid: GridRun, datasets: dict[str, Any]):
        setting = cell.setting
        dataset = datasets[setting.task.name]
        (unit,) = plan_units([cell])
        self.cell, self.boundary = cell, unit.boundary
        self.images = dataset.read_images(224)
        self.y_true = dataset.cases["y_true"].to_numpy()
        self.partition = grid.split(datasets)[setting.task.name]["cv", cell.repeat][cell.fold]
        weights = resolve_weights(
            setting.arm, setting.backbone, base=grid.options.weights_base, seed=None
        )
        self.preprocess = PREPROCESSING[weights.record["preprocessing"]]
        self.backbone = build_backbone(setting.backbone)
        self.backbone.load_library_state_dict(weights.state_dict)
        freeze(self.backbone, self.boundary)
        self.backbone = self.backbone.to(memory_format=torch.channels_last)

    def fit(self, inputs: Inputs) -> tuple[np.ndarray, Clock]:
        """Logits, and what training took."""
        setting, seed = self.cell.setting, fit_seed(self.cell)
        backbone = copy.deepcopy(self.backbone)
        head = build_head(setting.head, backbone.n_features, seed=derive_seed(seed, "head"))
        model = CellModel(backbone, self.boundary, head)
        with Clock() as clock:
            fit = fit_cell(
                model, inputs, self.y_true, self.partition, setting.training,
                seed=seed, device=CPU,
            )  # fmt: skip
        return fit.logits, clock

    def plain(self) -> tuple[np.ndarray, Clock]:
        """Images through the whole network in every epoch."""
        inputs = ImagePass(
            self.images, self.backbone, self.boundary, self.preprocess, augment=False, device=CPU
        )
        return self.fit(inputs)

    def cached(self) -> tuple[np.ndarray, Clock, Clock]:
        """From activations; what training took, and what the activations took."""
        with Clock() as clock:
            batches = compute_activations(
                self.images, self.backbone, self.boundary, self.preprocess, CPU
            )
            activations = np.concatenate(list(batches))
        return (*self.fit(CachedActivations(activations, CPU)), clock)

    def counts(self) -> tuple[int, int, int]:
        """Training, validation and test cases."""
        return tuple(int(np.sum(self.partition == code)) for code in (TRAIN, VALIDATION, TEST))

    def passes(self, epochs: int) -> int:
        """Images that pass through the network in a plain training of so many epochs."""
        train, validation, test = self.counts()
        return epochs * (train + validation) + validation + test


def frozen(options: argparse.Namespace, folder: Path) -> None:
    """The grid over one plain cell."""
    raw = busbra_plan(options, folder, 0)
    one = single(raw, folder / "none", head="linear", epochs=options.plain_epochs)
    scale = one.passes(options.epochs) / one.passes(options.plain_epochs)
    _, before = one.plain()
    with Clock() as grid:
        n_cells = run(raw, folder)
    _, after = one.plain()
    wall, cpu = (
        scale * (getattr(before, key) + getattr(after, key)) / 2 for key in ("wall", "cpu")
    )
    note = "" if scale == 1 else f" (measured over {options.plain_epochs} epochs, scaled)"
    print(f"frozen: {n_cells} cells of {options.epochs} epochs against one plain cell{note}")
    for name, grid_time, cell_time in (
        ("wall time", grid.wall, wall),
        ("processor time", grid.cpu, cpu),
    ):
        print(
            f"  {name:14}  grid {grid_time:7.1f} s, plain cell {cell_time:7.1f} s: "
            f"the grid costs {grid_time / cell_time:.2f} plain cells"
        )
    print(f"  per cell, in processor time: {n_cells * cpu / grid.cpu:.0f} times cheaper than plain")


def unfrozen(options: argparse.Namespace, folder: Path) -> None:
    """One cell with a trained stage, from its cached input and plainly."""
    raw = busbra_plan(options, folder, 1)
    epochs = options.plain_epochs
    one = single(raw, folder / "none", head="nonlinear", epochs=epochs)
    shared = copy.deepcopy(raw["cv"])
    plain_logits, plain = one.plain()
    logits, cached, activations = one.cached()
    train, validation, test = one.counts()
    operations = survey_backbone("squeezenet1_1", 224).operations
    prefix, tail = sum(operations[: one.boundary]), sum(operations[one.boundary :])
    evaluated = epochs * validation + validation + test
    plain_operations = epochs * train * (prefix + 3 * tail) + evaluated * (prefix + tail)
    cached_operations = epochs * train * 3 * tail + evaluated * tail
    share = 1 / (shared["folds"] * shared["repeats"] * 2)  # cells behind one feature pass
    print(f"unfrozen: last stage trained, {epochs} epochs, from its cached input over plainly")
    print(
        f"  operations an image: {prefix / 1e6:.0f} M before the boundary, {tail / 1e6:.0f} M "
        f"behind it, three times that to train; so {plain_operations / cached_operations:.2f} x"
    )
    for name in ("wall", "cpu"):
        alone = getattr(plain, name) / getattr(cached, name)
        paid = getattr(cached, name) + share * getattr(activations, name)
        print(
            f"  {'wall time' if name == 'wall' else 'processor time':14} plain "
            f"{getattr(plain, name):.1f} s, cached {getattr(cached, name):.1f} s: {alone:.2f} x, "
            f"{getattr(plain, name) / paid:.2f} x with its share of the feature pass"
        )
    rates = plain_operations / plain.cpu / 1e9, cached_operations / cached.cpu / 1e9
    print(f"  operations a processor second: plain {rates[0]:.0f} G, cached {rates[1]:.0f} G")
    print(f"  largest difference of a logit: {np.abs(plain_logits - logits).max():.1e}")


@contextmanager
def timed(names: list[str]) -> Iterator[dict[str, float]]:
    """Processor seconds inside functions of the engine."""
    spent = dict.fromkeys(names, 0.0)
    originals = {name: getattr(worker, name) for name in names}

    def wrap(name: str) -> Any:
        def timed_call(*args: Any, **kwargs: Any) -> Any:
            with Clock() as clock:
                result = originals[name](*args, **kwargs)
            spent[name] += clock.cpu
            return result

        return timed_call

    for name in names:
        setattr(worker, name, wrap(name))
    try:
        yield spent
    finally:
        for name, function in originals.items():
            setattr(worker, name, function)


def phantom_plan(repeats: int, heads: list[str], patients: int) -> dict[str, Any]:
    """Two fixed arms on phantoms; 10 cells a repeat and head."""
    return {
        "study": {"name": f"phantoms-{repeats}", "seed": 1},
        "tasks": [
            {
                "name": "breast",
                "adapter": "phantom-breast",
                "options": {"n_patients": patients, "size": 64},
            }
        ],
        "cv": {"folds": 5, "repeats": repeats},
        "arms": [
            {
                "name": name,
                "source": "checkpoint",
                "reference": name == "a",
                "files": {"squeezenet1_1": f"{name}.safetensors"},
            }
            for name in "ab"
        ],
        "grid": [{"backbones": ["squeezenet1_1"], "heads": heads}],
        "training": {"epochs": 5, "image_size": 64, "standardize": True},
        "audit": {"near_duplicates": "ignore"},
    }


def write_arms(folder: Path) -> None:
    """Two random networks as checkpoints."""
    for seed, name in enumerate("ab"):
        data = save_backbone(build_backbone("squeezenet1_1", seed=seed), {})
        (folder / f"{name}.safetensors").write_bytes(data)


def overhead(options: argparse.Namespace, folder: Path) -> None:
    """Processor and wall time of the engine beside preparing and fitting."""
    write_arms(folder)
    raw = phantom_plan(50, ["linear"], 600)
    raw["study"]["name"] = "overhead"
    raw["training"]["epochs"] = 1
    grid = open_run(raw, folder)
    datasets = grid.load_datasets()
    names = ["prepare_unit", "fit_together", "fit_cell"]
    with timed(names) as spent:
        outcomes = grid.train(datasets, report=lambda _: None)
        next(outcomes)  # weights, images, splits and the first chunk are behind
        start = dict(spent)
        with Clock() as clock:
            n_cells = 1 + len(list(outcomes))
    inside = sum(spent.values()) - sum(start.values())
    fitted = n_cells - engine_chunk(grid)
    own = 1e3 * (clock.cpu - inside) / fitted
    print(f"overhead: {n_cells} cells of {len(datasets['breast'].cases)} cases, one epoch")
    print(
        f"  {own:.2f} ms of processor time a cell for records, digests, files and scheduling; "
        f"everything after the first chunk {1e3 * clock.wall / fitted:.2f} ms of wall time a cell"
    )


def engine_chunk(grid: GridRun) -> int:
    """Cells of the first chunk."""
    from stats_tl.train.planning.units import chunks_in_order

    return len(chunks_in_order(plan_units(grid.state.cells), 1)[0].cells)


def growth(options: argparse.Namespace, folder: Path) -> None:
    """The same two feature passes under more and more repeats."""
    write_arms(folder)
    print("growth: two feature passes (200 phantoms), linear heads of 5 epochs")
    first = None
    for repeats in (1, 10, 100, 1000):
        if 10 * repeats > options.most_cells:
            break
        with Clock() as clock:
            n_cells = run(phantom_plan(repeats, ["linear"], 200), folder)
        first = first or clock
        print(
            f"  {n_cells:6} cells: {clock.wall:7.1f} s wall, {clock.cpu:7.1f} s of processor, "
            f"{1e3 * clock.cpu / n_cells:7.1f} ms a cell, {clock.cpu / first.cpu:6.1f} times the "
            "first",
            flush=True,
        )
        shown = len(load(folder / f"phantoms-{repeats}").cells)
        if shown != n_cells:
            raise SystemExit(f"the archive holds {shown} cells of {n_cells}")


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="BUS-BRA, a folder or zip")
    parser.add_argument("--weights", type=Path, help="SqueezeNet1.1's ImageNet weights")
    parser.add_argument("--repeats", type=int, default=10, help="of five folds (default: 10)")
    parser.add_argument("--epochs", type=int, default=30, help="of a cell (default: 30)")
    parser.add_argument(
        "--plain-epochs", type=int, default=30, help="of the plain cell; its time is scaled up"
    )
    parser.add_argument(
        "--most-cells", type=int, default=10_000, help="where growth ends (default: 10000)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=["frozen", "unfrozen", "overhead", "growth"],
        default=["frozen", "unfrozen", "overhead", "growth"],
    )  # fmt: skip
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.only:
        if name in ("frozen", "unfrozen") and not (options.data and options.weights):
            print(f"{name}: needs --data and --weights; left out")
            continue
        with tempfile.TemporaryDirectory() as folder:
            globals()[name](options, Path(folder))


if __name__ == "__main__":
    main()
