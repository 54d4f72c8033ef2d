"""Hostile and broken input: nothing but a sentence may come of it.

    python -m benchmarks.fuzz                  17,000 inputs for each of seven targets
    python -m benchmarks.fuzz --inputs 500 --targets plan-values archive-values

Targets are whatever reads what users or others wrote: plans (text, and values of valid
TOML), CSVs of predictions, case tables with folds, image files, safetensors files, and the
records of an archive whose checksums are right. Inputs are valid files to which Hypothesis
applies mutations: bytes changed, cut, doubled and spliced, words of a dictionary (path
traversal, scripts, formulas, TeX, huge numbers) put in, values exchanged for others.

An input passes if it is accepted or refused with a ``UserError`` (for an image:
``UnreadableImageError``), within ten seconds of processor time, in two GiB of memory beyond
what the program itself takes, and without a file outside its folder having changed.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import resource
import signal
import struct
import sys
import tempfile
import time
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
from hypothesis import strategies as st
from PIL import Image

from stats_tl.archive import ArchiveWriter, load
from stats_tl.archive.files import read_sealed, write_sealed
from stats_tl.archive.integrity.verification import verify
from stats_tl.archive.schema import CellResult, scores_digest
from stats_tl.data import load_dataset
from stats_tl.data.images import UnreadableImageError, decode
from stats_tl.errors import UserError
from stats_tl.reporting import read_predictions
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import load_plan, parse_plan
from stats_tl.study.plan import Audit, Task

SECONDS, MEMORY = 10, 2 * 2**30
WORDS = (
    b"../../../etc/passwd", b"/etc/passwd", b"C:\\x", b"\\write18{touch x}",
    b"<script>alert(1)</script>", b"=cmd|'/c calc'!A1", b"@SUM(1)", b"1e999", b"-1",
    b"99999999999999999999", b"nan", b"inf",
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"'", b"\n", b"\r\n", b",", b";",
    b"[[", b"]]", b"{", b"}", b"!!python/object:os.system", b"\xf0\x9f\x98\x80", b"A" * 5000,
)  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.integers(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([word.decode("latin-1") for word in WORDS]),
    st.text(max_size=20),
    st.builds(list),
    st.builds(dict),
    st.lists(st.integers(0, 3), max_size=3),
    st.builds(lambda: [[[[[[]]]]]]),
)
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


@st.composite
def mutated_bytes(draw: Any, seeds: list[bytes]) -> bytes:
    """A seed after a few mutations."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["set", "cut", "drop", "double", "word", "splice"]))
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(1, 64))
        if kind == "set" and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + length]
        elif kind == "double":
            data[at:at] = data[at : at + length]
        elif kind == "word":
            data[at:at] = draw(st.sampled_from(WORDS))
        else:
            data[at : at + length] = draw(st.binary(max_size=16))
    return bytes(data)


def _places(value: Any) -> list[tuple[Any, ...]]:
    """Every place inside nested dictionaries and lists."""
    found: list[tuple[Any, ...]] = []
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        found.append((key,))
        if isinstance(inner, dict | list):
            found += [(key, *rest) for rest in _places(inner)]
    return found


@st.composite
def mutated_values(draw: Any, seeds: list[Any]) -> Any:
    """A nested value in which a few places hold others, or nothing."""
    value = copy.deepcopy(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 3))):
        places = _places(value)
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        inner = value
        for key in way:
            inner = inner[key]
        action = draw(st.sampled_from(["set", "set", "set", "remove", "add"]))
        if action == "set":
            inner[last] = draw(VALUES)
        elif action == "remove":
            del inner[last]
        elif isinstance(inner, dict):
            inner[draw(st.text(max_size=8))] = draw(VALUES)
        else:
            inner.append(draw(VALUES))
    return value


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


Target = tuple[st.SearchStrategy[Any], Callable[[Any], object]]


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
    return mutated_values([RAW]), lambda raw: _few_cells(parse_plan(raw))


def _few_cells(plan: Any) -> None:
    """What a plan asks for, unless it asks for a million cells, which only takes time."""
    if plan.cv.repeats * plan.cv.folds * plan.cv.seeds < 2000:
        plan_cells(plan)
    json.dumps(plan.portable())


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


def archive_values(folder: Path) -> Target:
    """Records, descriptions and headers of an archive, sealed anew so that checksums are right."""
    root = folder / "demo"
    plan = parse_plan(RAW)
    cells = plan_cells(plan)[:4]
    writer = ArchiveWriter(root)
    writer.open(plan.portable())
    rng = np.random.default_rng(0)
    results = []
    for cell in cells:
        scores = pd.DataFrame(
            {
                "case": [f"c{i}" for i in range(8)],
                "patient": [f"p{i // 2}" for i in range(8)],
                "y_true": np.array([0, 0, 1, 1] * 2, dtype=np.int8),
                "partition": ["validation", "test"] * 4,
                "logit_0": rng.normal(size=8).astype(np.float32),
                "logit_1": rng.normal(size=8).astype(np.float32),
            }
        )
        counts = {"patients": 2, "cases": 4, "events": 2}
        record = {
            "cell_id": cell.cell_id, "pair_id": cell.pair_id, "key": cell.key,
            "configuration_sha256": cell.setting.digest, "split_sha256": "c" * 64,
            "scores_sha256": scores_digest(scores), "weights": {"sha256": "0" * 64},
            "counts": {"train": counts, "validation": counts, "test": counts},
            "parameters": {"trainable": 1, "total": 2}, "selection": {"epoch": 3},
            "metrics": {"auc": 0.5, "validation_auc": None}, "times": {"seconds": 1.0},
        }  # fmt: skip
        results.append(CellResult(record, scores))
    cases = results[0].scores[["case", "patient", "y_true"]]
    splits = pd.DataFrame({"design": ["cv"], "repeat": [0], "fold": [0], "case": ["c0"],
                           "partition": ["test"]})  # fmt: skip
    description = {
        "description": "made up", "synthetic": True, "labels_sha256": "a" * 64,
        "images_sha256": "b" * 64, "splits_sha256": {"repeat 0, fold 0": "c" * 64},
    }  # fmt: skip
    writer.write_task("t", description, cases.assign(group=cases["patient"]), splits)
    settings_ = {cell.setting.digest: cell.setting.configuration for cell in cells}
    writer.commit(results, {"configurations": settings_})
    writer.record_failure({"cell_id": plan_cells(plan)[-1].cell_id, "key": {}}, "reason", "log")
    paths = sorted(root.rglob("*.json"))
    whole = [path.read_bytes() for path in paths]
    strategies = [
        st.tuples(st.just(number), mutated_values([read_sealed(path)]))
        for number, path in enumerate(paths)
    ]

    def run(mutated: Any) -> None:
        number, content = mutated
        try:
            write_sealed(paths[number], content, large=True)
            archive = load(root, strict=False)
            archive.scores(partition="test")
            list(archive.records())
            verify(root)
        finally:
            paths[number].write_bytes(whole[number])

    return st.one_of(strategies), run


TARGETS: dict[str, Callable[[Path], Target]] = {
    "plan-text": plan_text,
    "plan-values": plan_values,
    "predictions": predictions,
    "case-table": case_table,
    "images": images,
    "safetensors": safetensors,
    "archive-values": archive_values,
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
    if "safetensors" in options.targets:
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
