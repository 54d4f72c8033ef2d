"""Hostile and broken input: nothing but a sentence may come of it.

    python -m benchmarks.fuzz                  17,000 inputs for each of eleven targets
    python -m benchmarks.fuzz --inputs 500 --targets plan-values archive-values

Targets are whatever reads what users or others wrote: plans (text, and values of valid
TOML), CSVs of predictions, case tables with folds, image files, DICOM, safetensors files,
checkpoints of torch, and archives (:mod:`.fuzz_archives`): records whose checksums are right,
several files at once, and tampering that ``verify`` has to notice. Inputs are valid files to
which Hypothesis applies mutations (:mod:`.mutations`): bytes changed, cut, doubled and
spliced, words of a dictionary (path traversal, scripts, formulas, TeX, huge numbers) put in,
values exchanged for others.

An input passes if it is accepted or refused with a ``UserError`` (for an image:
``UnreadableImageError``), within ten seconds of processor time, in two GiB of memory beyond
what the program itself takes, and without a file outside its folder having changed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import signal
import struct
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import nibabel
import numpy as np
import pandas as pd
import tifffile
from hypothesis import HealthCheck, Phase, given, settings
from PIL import Image

from stats_tl.data import load_dataset
from stats_tl.data.formats import count_frames
from stats_tl.data.formats.dicom import read_identifier
from stats_tl.data.formats.reading import Reading
from stats_tl.data.images import UnreadableImageError, decode
from stats_tl.errors import UserError
from stats_tl.reporting import read_predictions
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import load_plan, parse_plan
from stats_tl.study.plan import Audit, Task

from .fuzz_archives import archive_files, archive_tampering, archive_values
from .mutations import Target, mutated_bytes, mutated_values

SECONDS, MEMORY = 10, 2 * 2**30
EVERY_FRAME = Reading(frames="all")
RAW: dict[str, Any] = {
    "study": {"name": "demo", "title": "a title", "seed": 3},
    "tasks": [{"name": "t", "adapter": "csv", "path": "t.csv", "options": {"positive": "yes"}}],
    "cv": {"folds": 2, "repeats": 2, "validation_share": 0.3},
    "heads": [{"name": "wide", "kind": "nonlinear", "ratio": 1.0}],
    "arms": [
        {"name": "random", "source": "random", "reference": True},
        {"name": "mine", "source": "checkpoint", "files": {"resnet18": "w.safetensors"}},
    ],
    "grid": [{"backbones": ["resnet18"], "heads": ["linear", "wide"], "unfreeze": [0, "all"]}],
    "training": {"epochs": 3},
    "analysis": {"margin": 0.02, "primary": {"head": "wide"}},
}


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def plan_text(folder: Path) -> Target:
    """Bytes of a plan file."""
    text = "\n".join(f"{key} = {_toml(value)}" for key, value in RAW.items()).encode()
    path = folder / "plan.toml"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        plan_cells(load_plan(path))

    return mutated_bytes([text]), run


def plan_values(folder: Path) -> Target:
    """A plan that is TOML, with other values."""

    def run(raw: Any) -> None:
        plan = parse_plan(raw)
        plan_cells(plan)
        json.dumps(plan.portable())

    return mutated_values([RAW]), run


def predictions(folder: Path) -> Target:
    """A CSV of predictions."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "case": [f"c{i}" for i in range(12)] * 2,
            "patient": [f"p{i // 2}" for i in range(12)] * 2,
            "y_true": [0, 1] * 12,
            "arm": ["a"] * 12 + ["b"] * 12,
            "fold": [0, 1, 2] * 8,
            "score": rng.normal(size=24),
        }
    )
    path = folder / "scores.csv"
    seeds = [
        frame.to_csv(index=False).encode(),
        frame.drop(columns="fold").to_csv(index=False).encode(),
        frame.to_csv(sep=";", decimal=",").encode(),
        frame.to_parquet(),
        b"=== Predictions on test data ===\n\n inst# actual predicted error distribution (id)\n"
        b"     1   1:no   1:no       *0.78,0.22 (c56)\n     2 2:yes 1:no + *0.6,0.4 (c48)\n",
    ]

    def run(data: bytes) -> None:
        path.write_bytes(data)
        read_predictions(path)

    return mutated_bytes(seeds), run


def case_table(folder: Path) -> Target:
    """A case table with patients and published folds, images beside it."""
    for i in range(12):
        Image.new("L", (8, 8), i).save(folder / f"{i}.png")
    frame = pd.DataFrame(
        {
            "path": [f"{i}.png" for i in range(12)],
            "patient": [f"p{i // 2}" for i in range(12)],
            "label": ["no", "no", "yes", "yes"] * 3,
            "fold": [1, 1, 2, 2, 3, 3] * 2,
        }
    )
    path = folder / "cases.csv"
    task = Task(name="t", adapter="csv", path="cases.csv", options={"patient": "patient"})
    audit = Audit(near_duplicates="ignore")

    def run(data: bytes) -> None:
        path.write_bytes(data)
        dataset = load_dataset(task, path, audit=audit)
        dataset.check_official()

    return mutated_bytes([frame.to_csv(index=False).encode(), frame.to_csv(sep=";").encode()]), run


def images(folder: Path) -> Target:
    """Image files of every format; one claims 100,000 x 100,000 pixels in its header."""
    from tests.data.formats.dicoms import dicom

    pixels = np.random.default_rng(0).integers(0, 255, (9, 11, 3), dtype=np.uint8)
    seeds = []
    for kind in ("PNG", "JPEG", "BMP", "TIFF"):
        for mode in ("L", "RGB", "P"):
            buffer = io.BytesIO()
            image = Image.fromarray(pixels).convert(mode)
            (image.convert("RGB") if kind == "JPEG" and mode == "P" else image).save(buffer, kind)
            seeds.append(buffer.getvalue())
    bomb = bytearray(seeds[0])
    bomb[16:24] = struct.pack(">II", 100_000, 100_000)
    seeds.append(bytes(bomb))
    deep = pixels.astype(np.uint16) * 16
    for kind in ("GIF", "WEBP", "JPEG2000"):
        Image.fromarray(pixels).save(buffer := io.BytesIO(), kind)
        seeds.append(buffer.getvalue())
    seeds.append(imagecodecs.png_encode(deep))
    for layout, stored in (("contig", deep), ("separate", np.moveaxis(deep, 2, 0).copy())):
        tifffile.imwrite(
            buffer := io.BytesIO(),
            stored,
            photometric="rgb",
            planarconfig=layout,
            compression="lzw",
        )
        seeds.append(buffer.getvalue())
    np.save(buffer := io.BytesIO(), pixels)
    seeds.append(buffer.getvalue())
    seeds.append(nibabel.Nifti1Image(deep[..., :1], np.eye(4)).to_bytes())
    window = {"WindowCenter": 900, "WindowWidth": 2500, "RescaleSlope": 2, "RescaleIntercept": -9}
    seeds.append(dicom(deep[..., 0], **window))
    seeds.append(dicom(pixels, photometric="RGB"))
    return mutated_bytes(seeds), decode


def dicoms(folder: Path) -> Target:
    """DICOM files: their pixels, their frames, and whose they are."""
    from tests.data.formats.dicoms import dicom

    rng = np.random.default_rng(0)
    grey = rng.integers(0, 4096, (9, 11), dtype=np.uint16)
    frames = rng.integers(-1000, 1000, (3, 8, 8), dtype=np.int16)
    colour = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    seeds = [
        dicom(grey, WindowCenter=[900, 40], WindowWidth=[2500, 80], RescaleSlope=2,
              RescaleIntercept=-1024),
        dicom(grey, photometric="MONOCHROME1", stored=12, preamble=False),
        dicom(frames, NumberOfFrames=3, PixelSpacing=[1, 1]),
        dicom(colour, photometric="RGB"),
        dicom(colour[..., 0], BurnedInAnnotation="YES"),
    ]  # fmt: skip

    def run(data: bytes) -> None:
        with contextlib.suppress(UnreadableImageError):
            read_identifier(io.BytesIO(data), "PatientID")
        for frame in range(min(count_frames(data, EVERY_FRAME), 4)):
            decode(data, EVERY_FRAME, frame)

    return mutated_bytes(seeds), run


def checkpoints(folder: Path) -> Target:
    """torch's files, old and new; of the new ones also the pickle within, with a right CRC."""
    import torch

    from stats_tl.train.networks.checkpoint import find_backbone
    from stats_tl.train.networks.reading import read_state_file

    tensors = {"a.weight": torch.ones(2, 3), "b": torch.zeros(4, dtype=torch.float16)}
    content = {"epoch": 3, "state_dict": tensors, "args": argparse.Namespace(lr=0.1), "best": [1]}
    files = []
    for zipped in (True, False):
        for value in (content, tensors):
            torch.save(value, buffer := io.BytesIO(), _use_new_zipfile_serialization=zipped)
            files.append(buffer.getvalue())
    path = folder / "weights.pt"

    def within(pickled: bytes) -> bytes:
        old, buffer = zipfile.ZipFile(io.BytesIO(files[0])), io.BytesIO()
        with old, zipfile.ZipFile(buffer, "w") as new:
            for entry in old.infolist():
                own = entry.filename.endswith("/data.pkl")
                new.writestr(entry.filename, pickled if own else old.read(entry))
        return buffer.getvalue()

    with zipfile.ZipFile(io.BytesIO(files[0])) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        pickled = archive.read(name)

    def run(data: bytes) -> None:
        path.write_bytes(data)
        groups = read_state_file(path).groups
        with contextlib.suppress(UserError):  # a readable file of no backbone
            find_backbone(groups, "squeezenet1_1", name="fuzz")

    return mutated_bytes(files) | mutated_bytes([pickled]).map(within), run


def safetensors(folder: Path) -> Target:
    """Weight files; among the seeds one whose header claims an exabyte."""
    import torch
    from safetensors.torch import save

    from stats_tl.train.networks.checkpoint import find_backbone
    from stats_tl.train.networks.reading import read_state_file

    whole = save({"a.weight": torch.ones(2, 3), "b": torch.zeros(4)}, {"stats_tl": "{}"})
    bomb = whole.replace(b"[2,3]", b"[9,9]")
    path = folder / "weights.safetensors"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        groups = read_state_file(path).groups
        with contextlib.suppress(UserError):  # a readable file of no backbone
            find_backbone(groups, "squeezenet1_1", name="fuzz")

    return mutated_bytes([whole, bomb, struct.pack("<Q", 2**60) + whole[8:]]), run


TARGETS: dict[str, Callable[[Path], Target]] = {
    "plan-text": plan_text,
    "plan-values": plan_values,
    "predictions": predictions,
    "case-table": case_table,
    "images": images,
    "dicom": dicoms,
    "safetensors": safetensors,
    "checkpoints": checkpoints,
    "archive-values": archive_values,
    "archive-files": archive_files,
    "archive-tampering": archive_tampering,
}


class HangError(BaseException):
    """An input took longer than it may."""


def fuzz(name: str, inputs: int, folder: Path, *, derandomize: bool = False) -> Counter[str]:
    """Run a target on so many inputs; returns how many were accepted and refused.

    Raises
    ------
    Exception
        Whatever an input causes that is no refusal, with Hypothesis's smallest example.
    """
    own = folder / name
    own.mkdir()
    strategy, run = TARGETS[name](own)
    outside = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path != own}
    counts: Counter[str] = Counter()

    def hang(number: int, frame: object) -> None:
        raise HangError(f"longer than {SECONDS} s")

    @settings(
        max_examples=inputs, deadline=None, database=None, derandomize=derandomize,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(strategy)
    def attack(data: Any) -> None:
        for kind in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(kind, hang)
        # Processor time, as machines may be busy; and a long time for what sleeps.
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(30 * SECONDS)
        try:
            run(data)
            counts["accepted"] += 1
        except (UserError, UnreadableImageError) as error:
            counts["refused" if str(error) else "without a word"] += 1
        finally:
            signal.alarm(0)
            signal.setitimer(signal.ITIMER_PROF, 0)

    attack()
    assert not counts["without a word"]
    now = {path: path.stat().st_mtime_ns for path in folder.iterdir() if path != own}
    assert now == outside, "a file outside the folder has changed"
    return counts


def main() -> int:
    """Run the targets and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=17_000, help="of each target")
    parser.add_argument("--targets", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    options = parser.parse_args()
    if {"safetensors", "checkpoints"} & set(options.targets):
        import torch  # noqa: F401 - before memory is bounded
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, resource.RLIM_INFINITY))
    total = 0
    with tempfile.TemporaryDirectory() as name:
        for target in options.targets:
            started = time.perf_counter()
            counts = fuzz(target, options.inputs, Path(name))
            total += sum(counts.values())
            print(
                f"{target:<15} {sum(counts.values()):>7,} inputs: {counts['refused']:,} refused, "
                f"{counts['accepted']:,} accepted, {time.perf_counter() - started:.0f} s",
                flush=True,
            )
    print(f"{total:,} inputs: nothing but refusals in words")
    return 0


if __name__ == "__main__":
    sys.exit(main())
