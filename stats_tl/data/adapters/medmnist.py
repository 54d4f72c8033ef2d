"""MedMNIST: one ``.npz`` file with the arrays of a published train/validation/test split.

References
----------
.. [1] J. Yang et al. (2023). MedMNIST v2: a large-scale lightweight benchmark for 2D and 3D
   biomedical image classification. Scientific Data 10, 41. doi:10.1038/s41597-022-01721-8
"""

from __future__ import annotations

__all__ = ["load_medmnist"]

import math
import threading
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from PIL import Image

from ...errors import UserError
from ...study.plan import Audit, Task
from ...study.splits import TEST, TRAIN, VALIDATION
from ..dataset import Dataset, build_dataset
from ..formats import UnreadableImageError
from ..formats.intensity import grey_or_colour
from ..formats.volumes import read_npy_header
from ..images import ImageSource
from ..labels import binary_labels
from ..options import Option, read_options

SPLITS = {"train": TRAIN, "val": VALIDATION, "test": TEST}
MAX_BYTES = 64 * 2**30
MAX_IMAGE_BYTES = 2**20
MAX_LABELS = 2**26
#: Images of a block; more than the threads that decode run ahead of each other.
BLOCK = 256
_CLASSES = (str, int, list)
#: Of a zip file's local header: its length without name and extra field, and where the lengths
#: of these stand.
LOCAL_HEADER_BYTES, LOCAL_NAME_LENGTH = 30, 26


def load_medmnist(task: Task, path: Path | None, audit: Audit) -> Dataset:
    """The task from ``<name>.npz``.

    Notes
    -----
    Options ``positive`` (required: MedMNIST numbers its classes freely; in BreastMNIST 0 is
    malignant), ``negative`` and ``exclude``: class numbers. The published split becomes one
    official fold. There are no patient ids: every image is its own patient.
    """
    where = f"task {task.name!r}"
    options = read_options(
        task, *(Option(name, _CLASSES) for name in ("positive", "negative", "exclude"))
    )
    if path is None or not path.is_file():
        raise UserError(f"{where}: needs `path`, a MedMNIST file such as breastmnist_224.npz")
    parts = _read_headers(path, where)
    labels, split, cases = [], [], []
    for name, code in SPLITS.items():
        count, label = parts[f"{name}_images"].shape[0], _read_labels(path, name, parts, where)
        if label.ndim != 1 or len(label) != count:
            raise UserError(
                f"{where}: {path.name}: `{name}_labels` has shape {parts[f'{name}_labels'].shape} "
                f"for {count} images; one class an image is expected (multi-label sets, such "
                "as ChestMNIST, have no single reference standard)"
            )
        labels += label.tolist()
        split += [code] * count
        cases += [f"{name}_{index:06d}" for index in range(count)]
    if len({parts[f"{name}_images"].shape[1:] for name in SPLITS}) != 1:
        raise UserError(f"{where}: {path.name}: the images of the three parts differ in size")
    if options["positive"] is None:
        found = ", ".join(map(str, sorted(set(labels))[:20]))
        raise UserError(
            f"{where}: set `positive` in options to the class number (or a list of them) that "
            f"counts as positive; found {found} (in BreastMNIST 0 is malignant)"
        )
    table = pd.DataFrame({"case": cases, "patient": cases})
    table["y_true"] = binary_labels(labels, cases, where=where, **options)
    return build_dataset(
        task.name,
        table,
        NpzImages(path, [parts[f"{name}_images"] for name in SPLITS]),
        description=(
            f"MedMNIST, {path.stem}, classes {options['positive']} against the other; patients "
            "unknown, every image counts as its own patient (Yang et al., Scientific Data 2023, "
            "doi:10.1038/s41597-022-01721-8)."
        ),
        audit=audit,
        patients_known=False,
        official=np.array([split], dtype=np.int8),
    )


@dataclass(frozen=True)
class _Part:
    """An array of the file, by its header."""

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype


class NpzImages(ImageSource):
    """Images in the arrays of an ``.npz`` file, one array after the other.

    At 224 pixels they have up to 16 GB. Arrays that are stored as they are (``np.savez``) are
    mapped into memory. Compressed ones, as MedMNIST publishes them, cannot be: they are read
    as a stream, a block of images at a time; reading in order costs one pass, going back
    begins the array again.
    """

    def __init__(
        self, path: Path, parts: Sequence[_Part], positions: np.ndarray | None = None
    ) -> None:
        self.path = path
        self.parts = list(parts)
        self._starts = np.cumsum([0, *(part.shape[0] for part in parts)])
        self.positions = np.arange(self._starts[-1]) if positions is None else positions
        self._lock = threading.Lock()
        self._arrays: dict[int, _Stream | _Mapped] = {}

    def __reduce__(self) -> tuple[Any, ...]:  # an open file does not travel to another process
        return type(self), (self.path, self.parts, self.positions)

    def __len__(self) -> int:
        return len(self.positions)

    def label(self, index: int) -> str:
        return f"{self.path.name}[{self.positions[index]}]"

    def read(self, index: int) -> bytes:
        position = int(self.positions[index])
        number = int(np.searchsorted(self._starts, position, side="right")) - 1
        with self._lock:
            if number not in self._arrays:
                self._arrays[number] = _open_part(self.path, self.parts[number])
            return self._arrays[number].image(position - int(self._starts[number]))

    def open(self, index: int, data: bytes) -> Image.Image:
        shape = self.parts[0].shape[1:]
        return grey_or_colour(np.frombuffer(data, dtype=np.uint8).reshape(shape))

    def take(self, indices: np.ndarray) -> NpzImages:
        return NpzImages(self.path, self.parts, self.positions[indices])


def _open_part(path: Path, part: _Part) -> _Stream | _Mapped:
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(f"{part.key}.npy")
            # Opened by zipfile, which compares the local header with the directory.
            with archive.open(info) as file:
                read_npy_header(file)
                header = file.tell()
        if info.compress_type != zipfile.ZIP_STORED:
            return _Stream(path, part)
        with path.open("rb") as raw:
            raw.seek(info.header_offset + LOCAL_NAME_LENGTH)
            name, extra = (int.from_bytes(raw.read(2), "little") for _ in range(2))
        start = info.header_offset + LOCAL_HEADER_BYTES + name + extra + header
        return _Mapped(np.memmap(path, part.dtype, "r", start, part.shape))
    except Exception as error:  # a damaged zip raises nearly anything
        raise UnreadableImageError(f"cannot be read ({error})") from error


class _Mapped:
    """Images of an array that lies in the file as it is; the system reads what is asked for."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels = pixels

    def image(self, index: int) -> bytes:
        image: bytes = self._pixels[index].tobytes()
        return image


class _Stream:
    """Images of one array of an ``.npz`` file; the last two blocks are kept."""

    def __init__(self, path: Path, part: _Part) -> None:
        self._path = path
        self._part = part
        self._bytes = math.prod(part.shape[1:])
        self._file: IO[bytes] | None = None
        self._next = 0
        self._blocks: dict[int, bytes] = {}

    def image(self, index: int) -> bytes:
        block, offset = divmod(index, BLOCK)
        if block not in self._blocks:
            self._fetch(block)
        start = offset * self._bytes
        image = self._blocks[block][start : start + self._bytes]
        if len(image) != self._bytes:
            raise UnreadableImageError("the file ends before this image")
        return image

    def _fetch(self, block: int) -> None:
        try:
            if self._file is None or block < self._next:
                archive = zipfile.ZipFile(self._path)
                self._file, self._next, self._blocks = archive.open(f"{self._part.key}.npy"), 0, {}
                read_npy_header(self._file)
            while self._next <= block:
                self._blocks[self._next] = self._file.read(BLOCK * self._bytes)
                self._blocks.pop(self._next - 2, None)
                self._next += 1
        except Exception as error:  # a damaged zip raises nearly anything
            self._file = None
            raise UnreadableImageError(f"cannot be read ({error})") from error


def _read_headers(path: Path, where: str) -> dict[str, _Part]:
    """The six arrays by their headers; nothing of their size is allocated."""
    parts: dict[str, _Part] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            for key in (f"{split}_{what}" for split in SPLITS for what in ("images", "labels")):
                if f"{key}.npy" not in names:
                    raise UserError(f"{where}: {path.name} has no array `{key}`; is it MedMNIST?")
                with archive.open(f"{key}.npy") as file:
                    shape, fortran, dtype = read_npy_header(file)
                _check_part(_Part(key, shape, dtype), fortran, f"{where}: {path.name}")
                size = math.prod(shape) * dtype.itemsize
                if size > archive.getinfo(f"{key}.npy").file_size:
                    raise UserError(
                        f"{where}: {path.name}: `{key}` claims {size:,} bytes, more than the "
                        "file holds"
                    )
                parts[key] = _Part(key, shape, dtype)
    except UserError:
        raise
    except Exception as error:  # a damaged zip or header raises nearly anything
        raise UserError(f"{where}: {path} is not a readable .npz file ({error})") from error
    return parts


def _check_part(part: _Part, fortran: bool, where: str) -> None:
    shape, images = part.shape, part.key.endswith("images")
    if images and len(shape) in (4, 5) and shape[3] != 3:
        raise UserError(
            f"{where}: `{part.key}` holds volumes of {' x '.join(map(str, shape[1:4]))}; the 3-D "
            "sets (OrganMNIST3D, NoduleMNIST3D, AdrenalMNIST3D, FractureMNIST3D, VesselMNIST3D, "
            "SynapseMNIST3D) are not read. Choose a 2-D set, or save slices and a CSV"
        )
    wanted = part.dtype == np.uint8 if images else part.dtype.kind in "iu"
    shaped = not images or (len(shape) in (3, 4) and 0 not in shape)
    if not wanted or fortran or not shaped:
        raise UserError(
            f"{where}: `{part.key}` is {part.dtype} of shape {shape}; expected "
            + ("uint8 (n, h, w) or (n, h, w, 3)" if images else "integers (n, 1)")
        )
    if images and math.prod(shape[1:]) > MAX_IMAGE_BYTES:
        raise UserError(
            f"{where}: `{part.key}` claims images of {shape[1]:,} x {shape[2]:,} pixels"
        )
    if math.prod(shape) > (MAX_BYTES if images else MAX_LABELS):
        raise UserError(f"{where}: `{part.key}` claims {math.prod(shape):,} values; too many")


def _read_labels(path: Path, name: str, parts: dict[str, _Part], where: str) -> np.ndarray:
    part = parts[f"{name}_labels"]
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{part.key}.npy") as file:
            read_npy_header(file)
            data = file.read(math.prod(part.shape) * part.dtype.itemsize)
        label = np.frombuffer(data, dtype=part.dtype).reshape(part.shape)
    except Exception as error:  # a damaged zip raises nearly anything
        raise UserError(f"{where}: {path} is not a readable .npz file ({error})") from error
    return label[:, 0] if label.ndim == 2 and label.shape[1] == 1 else label
