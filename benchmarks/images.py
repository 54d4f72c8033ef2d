"""Reading images: a second and memory for PNG, and DICOM beside bare pydicom.

    python -m benchmarks.images                       this checkout
    python -m benchmarks.images --base ../before      and another one, side by side

PNG: 8-bit grey files are read by ``Dataset.read_images`` (decoding, resizing, hashes), in a
process each, which also shows the peak of its resident memory; the checkouts take turns.
DICOM: one thread decodes 16-bit files to 8-bit images through their window, beside bare
pydicom, which decodes them to samples (``dcmread`` and ``pixel_array``), and beside pydicom's
own window; by processor time. Their headers have some 150 elements, as those of scanners.
Then ``Dataset.read_images``, which decodes in threads and also hashes and resizes, by wall
time beside bare pydicom in one thread. Only ratios of one run mean anything.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SIDE = 512
_READ = """
import json, resource, sys, time
from pathlib import Path
from stats_tl.data import load_dataset
from stats_tl.study.plan import Audit, Task
start = time.perf_counter()
task = Task(name="t", adapter="folders", options={"positive": "b"})
data = load_dataset(task, Path(sys.argv[1]), audit=Audit(near_duplicates="report"))
data.read_images(224)
seconds = time.perf_counter() - start
print(json.dumps([len(data) / seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def speckle(seed: int) -> np.ndarray:
    """A 12-bit image that compresses about as well as ultrasound."""
    rng = np.random.default_rng(seed)
    smooth = np.cumsum(np.cumsum(rng.standard_normal((SIDE, SIDE)), axis=0), axis=1)
    noisy = smooth / np.abs(smooth).max() + 0.1 * rng.standard_normal((SIDE, SIDE))
    return np.clip(2048 + 1200 * noisy, 0, 4095).astype(np.uint16)


def png(n: int, rounds: int, checkouts: list[Path]) -> None:
    """Images a second and peak memory of each checkout."""
    with tempfile.TemporaryDirectory() as folder:
        for index in range(n):
            path = Path(folder) / "ab"[index % 2] / f"{index:05d}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray((speckle(index) // 16).astype(np.uint8)).save(path)
        found: dict[Path, list[list[float]]] = {checkout: [] for checkout in checkouts}
        for _ in range(rounds):
            for checkout in checkouts:
                answer = subprocess.run(
                    [sys.executable, "-c", _READ, folder],
                    env={**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"},
                    cwd=folder, capture_output=True, text=True, check=True,
                )  # fmt: skip
                found[checkout].append(json.loads(answer.stdout))
    first = None
    for checkout, runs in found.items():
        rate, memory = (max(run[0] for run in runs), statistics.median(run[1] for run in runs))
        first = first or (rate, memory)
        print(
            f"PNG   {rate:7.0f} images/s ({first[0] / rate:4.2f}), peak {memory:6.0f} MiB "
            f"({first[1] / memory:4.2f})   {checkout.name}"
        )


def dicom_threads(files: list[bytes], rounds: int, bare: Callable[[bytes], object]) -> float:
    """Images a second of ``read_images`` over those of bare pydicom in one thread, by wall time."""
    from stats_tl.data import load_dataset
    from stats_tl.study.plan import Audit, Task

    task = Task(
        name="t", adapter="folders", options={"positive": "b", "patient_tag": "StudyInstanceUID"}
    )
    with tempfile.TemporaryDirectory() as folder:
        for index, data in enumerate(files):
            path = Path(folder) / "ab"[index % 2] / f"{index:05d}.dcm"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        dataset = load_dataset(task, Path(folder), audit=Audit(near_duplicates="ignore"))
        best = {"bare": float("inf"), "here": float("inf")}
        for _ in range(rounds):
            start = time.perf_counter()
            for data in files:
                bare(data)
            middle = time.perf_counter()
            dataset.read_images(224)
            end = time.perf_counter()
            best = {
                "bare": min(best["bare"], middle - start), "here": min(best["here"], end - middle)
            }  # fmt: skip
    return best["bare"] / best["here"]


def dicom(n: int, rounds: int) -> None:
    """Images a second in one thread: this package, bare pydicom, pydicom with its window."""
    import pydicom
    from pydicom.pixels import apply_modality_lut, apply_voi_lut
    from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

    from stats_tl.data.formats import decode
    from tests.data.formats.dicoms import dataset_of, fill_header, written

    def bare(data: bytes) -> object:
        return pydicom.dcmread(io.BytesIO(data)).pixel_array

    def windowed(data: bytes) -> object:
        dataset = pydicom.dcmread(io.BytesIO(data))
        return apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)

    for syntax in (ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless):
        files = []
        for index in range(n):
            dataset = dataset_of(
                speckle(index), stored=12, WindowCenter=900, WindowWidth=2500,
                RescaleSlope=1, RescaleIntercept=-1024,
            )  # fmt: skip
            dataset.StudyInstanceUID = f"1.2.3.{index}"
            fill_header(dataset)
            if syntax.is_encapsulated:
                dataset.compress(syntax, generate_instance_uid=False)
            files.append(written(dataset))
        rates = {name: 0.0 for name in ("bare", "windowed", "here")}
        ways: dict[str, Callable[[bytes], object]]
        ways = {"bare": bare, "windowed": windowed, "here": decode}
        for _ in range(rounds):
            for name, way in ways.items():
                start = time.process_time()
                for data in files:
                    way(data)
                rates[name] = max(rates[name], n / (time.process_time() - start))
        print(
            f"DICOM {rates['here']:7.0f} images/s; of bare pydicom "
            f"{rates['here'] / rates['bare']:4.2f}, of pydicom with its window "
            f"{rates['here'] / rates['windowed']:4.2f}; read_images "
            f"{dicom_threads(files, rounds, bare):4.2f}   {syntax.name}"
        )


def main() -> None:
    """Print a line for each format."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--base", type=Path, help="another checkout, for a comparison")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    png(
        arguments.images,
        arguments.rounds,
        [ROOT, *([arguments.base.resolve()] if arguments.base else [])],
    )
    dicom(max(10, arguments.images // 10), arguments.rounds)


if __name__ == "__main__":
    main()
