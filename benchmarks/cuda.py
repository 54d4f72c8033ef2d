"""A CUDA device: agreement with the CPU, images a second, and the price of a whole grid.

    python -m benchmarks.cuda                    # all of it, about half an hour on one GPU
    python -m benchmarks.cuda --only finetune    # or agreement, plain, grid

Needs no data and no weights (phantoms, random networks); says so and stops where there is
no CUDA device. Prints, with the device's utilisation and memory as nvidia-smi samples them:

- ``agreement``: a small plan on the CPU and on CUDA, in float32 and bfloat16: the largest
  difference of a score, the mean difference in AUC, seconds a cell.
- ``finetune``: ResNet50, all stages trained at 224 px: images a second of this trainer, as it
  is and with ``--compile``, over those of a bare loop of the same network on resident random
  data (bfloat16, channels_last, compiled, fused optimiser). Wanted: .8 or more.
- ``plain``: one frozen ResNet50 cell as studies commonly run it, image files through a
  DataLoader and the whole network in every epoch; seconds a cell.
- ``grid``: the frozen grid of the study: tasks of 780 and 1,021 images × 3 backbones × 2
  arms × 4 heads × 5 folds × 10 repeats, minutes; and, with ``plain``, how many times less
  than plain cells it takes. Wanted: minutes, 20 times or more.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from stats_tl.archive import Archive, load
from stats_tl.study.loading import parse_plan
from stats_tl.study.plan import Head, Training
from stats_tl.study.splits import TEST, TRAIN, VALIDATION
from stats_tl.train.fitting.features import ImagePass
from stats_tl.train.fitting.fit import CellModel, fit_cell
from stats_tl.train.grid import GridRun
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.heads import build_head
from stats_tl.train.networks.preprocessing import PREPROCESSING
from stats_tl.train.networks.staged import freeze
from stats_tl.train.networks.weights import save_backbone
from stats_tl.train.options import GridOptions
from stats_tl.train.state import open_grid

BACKBONES = ("resnet50", "densenet121", "inception_v3")
HEADS = ("linear", "nonlinear", "conv", "convskip")
#: Cases of the study's tasks, ACL tears and breast lesions.
TASKS = {"acl": 1021, "breast": 780}
IMAGES_A_PATIENT = 2.57  # of the phantoms, on average


@contextmanager
def sampled() -> Iterator[dict[str, float]]:
    """Mean utilisation (%) and peak memory (GiB) of the device, every half second."""
    seen: list[tuple[float, float]] = []
    stop = threading.Event()

    def sample() -> None:
        query = "--query-gpu=utilization.gpu,memory.used"
        command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
        while not stop.wait(0.5):
            try:
                answer = subprocess.run(command, capture_output=True, text=True, check=False)
                busy, used = answer.stdout.splitlines()[0].split(",")
                seen.append((float(busy), float(used) / 1024))
            except (OSError, IndexError, ValueError):
                return

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    result: dict[str, float] = {}
    try:
        yield result
    finally:
        stop.set()
        thread.join()
        if seen:
            busy, used = zip(*seen, strict=True)
            result.update(busy=float(np.mean(busy)), memory=max(used))


def describe(use: dict[str, float]) -> str:
    """What nvidia-smi saw, in words."""
    if not use:
        return "nvidia-smi not available"
    return f"GPU {use['busy']:.0f} % busy, {use['memory']:.1f} GiB at most"


def write_arms(folder: Path, backbones: tuple[str, ...]) -> list[dict[str, Any]]:
    """Two arms of random networks, as checkpoints, so that each has one feature pass."""
    arms = []
    for seed, name in enumerate("ab"):
        files = {}
        for backbone in backbones:
            path = folder / f"{name}-{backbone}.safetensors"
            path.write_bytes(save_backbone(build_backbone(backbone, seed=seed), {}))
            files[backbone] = path.name
        arms.append(
            {"name": name, "source": "checkpoint", "reference": name == "a", "files": files}
        )
    return arms


def phantoms(name: str, n: int) -> dict[str, Any]:
    """A task of about `n` phantom images; a patient has two or three."""
    return {
        "name": name,
        "adapter": "phantom-breast",
        "options": {"n_patients": round(n / IMAGES_A_PATIENT), "size": 224},
    }


# -------------------------------------------------------------------------- agreement


def small_plan(precision: str, patients: int, arms: list[dict[str, Any]]) -> dict[str, Any]:
    """Frozen and unfrozen, one repeat."""
    return {
        "study": {"name": f"cuda-{precision}", "seed": 1},
        "tasks": [phantoms("breast", round(patients * IMAGES_A_PATIENT))],
        "cv": {"folds": 2, "repeats": 1},
        "arms": arms,
        "grid": [
            {
                "backbones": ["resnet18", "resnet50"],
                "heads": ["linear", "nonlinear"],
                "unfreeze": [0, 1],
            }
        ],
        "training": {"epochs": 3, "precision": precision, "learning_rate": 1e-4},
        "audit": {"near_duplicates": "ignore"},
    }


def train(raw: dict[str, Any], device: str, folder: Path, *, jobs: int = 1) -> Archive:
    """Run a plan on a device and read its archive."""
    options = GridOptions(
        runs=folder / device, base=folder, device=device, jobs=jobs, cache_bytes=2**35
    )
    grid = GridRun(open_grid(parse_plan(raw), options), options)
    for outcome in grid.train(grid.load_datasets(), report=lambda _: None):
        if outcome.reason:
            print(f"  failed: {outcome.reason}")
    return load(folder / device / raw["study"]["name"])


def agreement(options: argparse.Namespace, folder: Path) -> None:
    """The same plan on the CPU and on CUDA."""
    arms = write_arms(folder, ("resnet18", "resnet50"))
    cpu = train(small_plan("float32", options.patients, arms), "cpu", folder)
    for precision in ("float32", "bfloat16"):
        with sampled() as use:
            cuda = train(small_plan(precision, options.patients, arms), "cuda", folder)
        print(f"agreement, {precision}: {describe(use)}")
        compare(cpu, cuda)


def compare(cpu: Archive, cuda: Archive) -> None:
    """One line a backbone, depth and head."""
    keys = ["backbone", "unfreeze", "head"]
    for values, cells in cuda.cells.groupby(keys):
        filters = dict(zip(keys, values, strict=True))
        one, other = (archive.scores(**filters)["score"].to_numpy() for archive in (cuda, cpu))
        own = cpu.cells
        for key, value in filters.items():
            own = own[own[key] == value]
        change = cells["auc"].to_numpy() - own["auc"].to_numpy()
        print(
            f"  {filters['backbone']:9} unfreeze {filters['unfreeze']} {filters['head']:9}: scores "
            f"differ by at most {np.abs(one - other).max():.1e}, "
            f"AUC by {np.abs(change).mean():.4f}; "
            f"{cells['seconds'].mean():.2f} s a cell, CPU {own['seconds'].mean():.2f} s"
        )


# --------------------------------------------------------------------------- finetune


def bare_loop(batch: int, steps: int) -> float:
    """Images a second of the network alone: the ceiling."""
    network = nn.Sequential(build_backbone("resnet50", seed=1), nn.Linear(2048, 2)).cuda()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    compiled = torch.compile(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)
    images = torch.randn(batch, 3, 224, 224, device="cuda")
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(0, 2, (batch,), device="cuda")

    def step() -> None:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            logits = compiled(images)
        nn.functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return batch * steps / seconds_of(lambda: [step() for _ in range(steps)], warm_up=step)


def seconds_of(call: Callable[[], object], *, warm_up: Callable[[], object]) -> float:
    """Seconds of a call that leaves work on the device, after three others."""
    for _ in range(3):
        warm_up()
    torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def finetune(options: argparse.Namespace, folder: Path) -> None:
    """This trainer beside the bare loop."""
    rng = np.random.default_rng(0)
    n, n_other = 64 * options.batch, 32
    images = rng.integers(0, 256, (n + 2 * n_other, 1, 224, 224), dtype=np.uint8)
    y_true = np.tile([0, 1], len(images) // 2)
    partition = np.repeat([TRAIN, VALIDATION, TEST], [n, n_other, n_other])
    device = torch.device("cuda")

    def fit(epochs: int, augmentation: str, compiled: bool) -> float:
        training = Training(
            epochs=epochs, batch_size=options.batch, precision="bfloat16", learning_rate=1e-4,
            augmentation=augmentation,  # type: ignore[arg-type]
        )  # fmt: skip
        backbone = build_backbone("resnet50", seed=1)
        freeze(backbone, 0)
        backbone = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        model = CellModel(backbone, 0, build_head(Head(name="l", kind="linear"), 2048, seed=1))
        inputs = ImagePass(
            images, backbone.to(device), 0, PREPROCESSING["imagenet"],
            augment=augmentation != "none", device=device,
        )  # fmt: skip
        torch.cuda.synchronize()
        start = time.perf_counter()
        fit_cell(
            model, inputs, y_true, partition, training,
            seed=1, device=device, compiled=compiled,
        )  # fmt: skip
        torch.cuda.synchronize()
        return time.perf_counter() - start

    ceiling = bare_loop(options.batch, 40)
    print(f"finetune: bare loop {ceiling:.0f} images/s (batches of {options.batch})")
    for augmentation, compiled in itertools.product(("none", "affine"), (False, True)):
        fit(1, augmentation, compiled)
        with sampled() as use:
            # The difference leaves start and final scoring out.
            rate = 2 * n / (fit(3, augmentation, compiled) - fit(1, augmentation, compiled))
        print(
            f"  this trainer, augmentation {augmentation}{', compiled' * compiled}: "
            f"{rate:.0f} images/s, "
            f"{rate / ceiling:.2f} of the ceiling; {describe(use)}"
        )


# ------------------------------------------------------------------------ plain, grid


class Files(torch.utils.data.Dataset):
    """Image files, opened, resized and normalised one by one, as in the usual script."""

    def __init__(self, folder: Path, n: int):
        rng = np.random.default_rng(0)
        self.paths = [folder / f"{index}.png" for index in range(n)]
        for path in self.paths:
            Image.fromarray(rng.integers(0, 256, (256, 256), dtype=np.uint8)).save(path)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with Image.open(self.paths[index]) as image:
            pixels = np.array(image.convert("RGB").resize((224, 224)), dtype=np.float32)
        x = torch.from_numpy(pixels).permute(2, 0, 1) / 255
        return (x - 0.45) / 0.225, index % 2


def plain(options: argparse.Namespace, folder: Path) -> float:
    """Seconds of one frozen ResNet50 cell, as the study's authors ran it."""
    n = TASKS["breast"]
    data = Files(folder, n)
    train_part = torch.utils.data.Subset(data, range(int(0.64 * n)))
    rest = torch.utils.data.Subset(data, range(int(0.64 * n), int(0.8 * n)))
    loaders = [
        torch.utils.data.DataLoader(
            part, batch_size=64, shuffle=part is train_part, num_workers=options.workers,
            pin_memory=True,
        )
        for part in (train_part, rest)
    ]  # fmt: skip
    backbone = build_backbone("resnet50", seed=1).cuda().eval().requires_grad_(False)
    head = build_head(Head(name="h", kind="nonlinear"), 2048, seed=1).cuda()
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-4, weight_decay=1e-5)

    def epoch() -> None:
        for loader in loaders:
            head.train(loader is loaders[0])
            for images, labels in loader:
                with torch.autocast("cuda", dtype=torch.bfloat16):
                    logits = head(backbone(images.cuda(non_blocking=True)))
                loss = nn.functional.cross_entropy(logits.float(), labels.cuda())
                if head.training:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                loss.item()

    epoch()
    torch.cuda.synchronize()
    start = time.perf_counter()
    with sampled() as use:
        for _ in range(3):
            epoch()
        torch.cuda.synchronize()
    seconds = (time.perf_counter() - start) / 3 * options.epochs
    print(
        f"plain: {seconds:.1f} s a cell of {n} images and {options.epochs} epochs (three measured, "
        f"scaled), {options.workers} loading processes; {describe(use)}"
    )
    return seconds


def grid(options: argparse.Namespace, folder: Path) -> None:
    """The study's frozen grid, from decoding to the archive."""
    raw = {
        "study": {"name": "grid", "seed": 1},
        "tasks": [phantoms(name, n) for name, n in TASKS.items()],
        "cv": {"folds": 5, "repeats": options.repeats},
        "arms": write_arms(folder, BACKBONES),
        "grid": [{"backbones": list(BACKBONES), "heads": options.heads}],
        "training": {
            "epochs": options.epochs,
            "precision": "bfloat16",
            "learning_rate": 1e-4,
            "standardize": True,
        },
        "audit": {"near_duplicates": "ignore"},
    }
    start = time.perf_counter()
    with sampled() as use:
        archive = train(raw, "cuda", folder, jobs=options.jobs)
    seconds, cells = time.perf_counter() - start, archive.cells
    print(f"grid: {len(cells)} cells in {seconds / 60:.1f} min; {describe(use)}")
    for (backbone, head), own in cells.groupby(["backbone", "head"]):
        print(f"  {backbone:13} {head:9} {own['seconds'].mean():8.3f} s a cell")
    one = plain(options, folder)
    print(f"  {len(cells)} plain cells would take {one * len(cells) / seconds:.0f} times as long")


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=60, help="agreement (default: 60)")
    parser.add_argument("--batch", type=int, default=64, help="finetune (default: 64)")
    parser.add_argument("--epochs", type=int, default=5, help="plain, grid (default: 5)")
    parser.add_argument("--repeats", type=int, default=10, help="grid (default: 10)")
    parser.add_argument("--jobs", type=int, default=1, help="grid: processes that share the GPU")
    parser.add_argument("--workers", type=int, default=8, help="plain: loading processes")
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS), help="grid")
    choices = ["agreement", "finetune", "plain", "grid"]
    parser.add_argument(
        "--only", nargs="+", choices=choices, default=["agreement", "finetune", "grid"]
    )
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print(f"no CUDA device is visible to torch {torch.__version__}; nothing was measured")
        return
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            globals()[name](options, Path(folder))


if __name__ == "__main__":
    main()
