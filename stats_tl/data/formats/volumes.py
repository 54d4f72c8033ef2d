"""Volumes: NIfTI by nibabel, NumPy's ``.npy`` and ``.npz``; slices as the plan says."""

from __future__ import annotations

__all__ = ["count_frames", "decode", "read_npy_header"]

import functools
import gzip
import io
import math
import threading
import zipfile
from typing import IO, Any

import numpy as np
from PIL import Image

from .intensity import render
from .reading import Reading, UnreadableImageError, check_size, choose_frame

MAX_VOLUME_BYTES = 512 * 2**20
#: Axis of the slices in a volume that is turned to right, anterior, superior.
PLANES = {"sagittal": 0, "coronal": 1, "axial": 2}


def decode(data: bytes, reading: Reading, frame: int | None = None) -> Image.Image:
    """A slice of the volume in `data` as mode L or RGB."""
    if _is_numpy(data):
        volume = _as_slices(_numpy(data))
        samples = volume[choose_frame(len(volume), reading, frame)]
    else:
        nifti = _nifti(data, several=frame is not None)
        axis = _axis(nifti.shape, reading)
        number = choose_frame(nifti.shape[axis], reading, frame)
        samples = _upright_slice(nifti, axis, number)
    check_size(samples.shape[1], samples.shape[0])
    return render(np.ascontiguousarray(samples), reading.intensity)


def count_frames(data: bytes, reading: Reading) -> int:
    """How many slices the volume has in the plan's plane."""
    if _is_numpy(data):
        return len(_as_slices(_numpy(data)))
    shape = _nifti(data).shape
    return int(shape[_axis(shape, reading)])


def _is_numpy(data: bytes) -> bool:
    return data.startswith((b"\x93NUMPY", b"PK\x03\x04"))


def _numpy(data: bytes) -> np.ndarray:
    if data.startswith(b"\x93NUMPY"):
        return _array(io.BytesIO(data))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if len(names) != 1 or not names[0].endswith(".npy"):
            raise UnreadableImageError(
                f"an .npz file with {len(names)} arrays; save the one that is meant as .npy"
            )
        with archive.open(names[0]) as file:
            return _array(file)


def _array(file: IO[bytes]) -> np.ndarray:
    """The array, after its header is known to claim no more than is allowed."""
    shape, fortran, dtype = read_npy_header(file)
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "uif" or size > MAX_VOLUME_BYTES or 0 in shape:
        raise UnreadableImageError(
            f"an array of {dtype} and shape {shape}; expected numbers, at most "
            f"{MAX_VOLUME_BYTES:,} bytes"
        )
    flat = np.frombuffer(file.read(size), dtype=dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran's order, and type of the array that follows in `file`."""
    version = np.lib.format.read_magic(file)
    header: tuple[tuple[int, ...], bool, np.dtype]
    header = getattr(np.lib.format, f"read_array_header_{version[0]}_0")(file)
    return header


def _as_slices(array: np.ndarray) -> np.ndarray:
    """``(slices, height, width)`` or ``(slices, height, width, 3)``; an image is one slice."""
    if array.ndim in (3, 4) and array.shape[-1] in (1, 3, 4):  # grey, RGB, RGB with transparency
        slices = array if array.ndim == 4 else array[None]
        return slices[..., 0] if array.shape[-1] == 1 else slices[..., :3]
    if array.ndim in (2, 3):
        return array if array.ndim == 3 else array[None]
    raise UnreadableImageError(
        f"an array of shape {array.shape}; expected (slices, height, width), or RGB as a last axis"
    )


def _inflate(data: bytes) -> bytes:
    with gzip.open(io.BytesIO(data)) as file:
        inflated = file.read(MAX_VOLUME_BYTES + 1)
    if len(inflated) > MAX_VOLUME_BYTES:
        raise UnreadableImageError(f"inflates to more than {MAX_VOLUME_BYTES:,} bytes")
    return inflated


#: The last volume whose slices are all asked for, one after the other.
_inflate_once = functools.lru_cache(maxsize=1)(_inflate)
_inflating = threading.Lock()


def _nifti(data: bytes, *, several: bool = False) -> Any:
    try:
        import nibabel
    except ImportError:
        raise UnreadableImageError(
            "a NIfTI file, which needs nibabel: pip install 'stats_tl[nifti]'"
        ) from None
    if data.startswith(b"\x1f\x8b"):
        if several:
            with _inflating:
                data = _inflate_once(data)
        else:
            data = _inflate(data)
    kind = nibabel.Nifti2Image if data[4:8] == b"n+2\0" else nibabel.Nifti1Image
    to_canonical: Any = nibabel.as_closest_canonical  # not typed there
    image = to_canonical(kind.from_bytes(data))
    shape = image.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (2, 3):
        raise UnreadableImageError(f"a NIfTI file of shape {image.shape}; expected one volume")
    return _Volume(image, (*shape, 1)[:3])


class _Volume:
    """A canonical NIfTI image with exactly three axes."""

    def __init__(self, image: Any, shape: tuple[int, ...]) -> None:
        self.image = image
        self.shape = shape

    def slice(self, axis: int, number: int) -> np.ndarray:
        # The proxy scales what is asked for, one slice, not the volume.
        where: list[Any] = [slice(None)] * 3
        where[axis] = number
        rest = [0] * (len(self.image.shape) - 3)
        picked = tuple(where[: len(self.image.shape)]) + tuple(rest)
        return np.asarray(self.image.dataobj[picked])


def _axis(shape: tuple[int, ...], reading: Reading) -> int:
    if reading.plane is not None:
        return PLANES[reading.plane]
    flat = [axis for axis in range(3) if shape[axis] == 1]
    if len(flat) != 1:
        raise UnreadableImageError(
            f"a volume of {' x '.join(map(str, shape))}; set `plane` in the task to axial, coronal "
            "or sagittal"
        )
    return flat[0]


def _upright_slice(volume: _Volume, axis: int, number: int) -> np.ndarray:
    """As radiologists look at it: superior (axial: anterior) up, the patient's right at the left.

    A sagittal slice has anterior at the left.
    """
    plane = volume.slice(axis, number)
    if plane.dtype.names is not None:  # RGB as a structure of three bytes
        plane = np.stack([plane[name] for name in plane.dtype.names[:3]], axis=-1)
    return np.swapaxes(plane[::-1, ::-1], 0, 1)
