"""From the bytes of a file to an 8-bit image, whatever format they are in.

The format is known by the first bytes, never by the suffix. The header is checked before
a pixel is decoded: a file of a few hundred bytes can claim 100,000 x 100,000 of them.
Decoding itself is left to Pillow, imagecodecs, tifffile, pydicom and nibabel.
"""

from __future__ import annotations

__all__ = [
    "DICOM_SUFFIXES",
    "HEAD_BYTES",
    "SUFFIXES",
    "Reading",
    "UnreadableImageError",
    "count_frames",
    "decode",
    "recognise",
]

import warnings
from collections.abc import Callable
from typing import TypeVar

from PIL import Image

from .reading import Reading, UnreadableImageError

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
#: Of files that are images by their name; other files are looked into, or named in an error.
SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".gif", ".webp"),
    *(".jp2", ".j2k", ".jpx", ".nii", ".nii.gz", ".npy", ".npz"),
    *DICOM_SUFFIXES,
)
#: How many bytes :func:`recognise` looks at.
HEAD_BYTES = 352
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "raster"),
    (b"\xff\xd8\xff", "raster"),
    (b"GIF8", "raster"),
    (b"BM", "raster"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "raster"),
    (b"\xff\x4f\xff\x51", "raster"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\x93NUMPY", "volume"),
    (b"PK\x03\x04", "volume"),
    (b"\x1f\x8b", "volume"),
)
# Elements of the groups 0002 and 0008 that a DICOM file without a preamble begins with.
_BARE_DICOM = tuple(
    bytes((group, 0, element, 0))
    for group, elements in ((2, (0, 1)), (8, (0, 1, 5, 8, 0x12, 0x14, 0x16, 0x18)))
    for element in elements
)
#: What is no image here, but may well be one elsewhere, or was meant to be one.
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"NRRD000", "an NRRD file"),
    (0, b"ObjectType", "a MetaImage file"),
    (0, b"NDims", "a MetaImage file"),
    (344, b"ni1\0", "a NIfTI header whose voxels lie in an .img file"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"MATLAB ", "a MATLAB file"),
    (0, b"\xff\x0a", "a JPEG XL file"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL file"),
    (0, b"II\xbc", "a JPEG XR file"),
    (4, b"ftypavi", "an AVIF file"),
    (4, b"ftyphei", "an HEIC file"),
    (4, b"ftypmif1", "an HEIC file"),
    (4, b"ftyp", "a video"),
    (8, b"AVI ", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (0, b"%PDF", "a PDF file"),
    (0, b"8BPS", "a Photoshop file"),
    *((0, f"P{kind}".encode(), "a Netpbm file (PGM, PPM)") for kind in range(1, 8)),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<!DOCTYPE html", "an HTML page, perhaps of a failed download"),
    (0, b"<html", "an HTML page, perhaps of a failed download"),
    (0, b"version https://git-lfs", "a Git LFS pointer; fetch the file with `git lfs pull`"),
)
FORMATS = "PNG, JPEG, BMP, TIFF, GIF, WebP, JPEG 2000, DICOM, NIfTI, NumPy"
_DEFAULT = Reading()
_Result = TypeVar("_Result")


def recognise(head: bytes) -> str | None:
    """What a file that begins with `head` is: raster, tiff, dicom, volume, or None.

    Examples
    --------
    >>> recognise(b"\\x89PNG\\r\\n\\x1a\\n"), recognise(b"a,b,c")
    ('raster', None)
    """
    if head[128:132] == b"DICM" or head.startswith(_BARE_DICOM):
        return "dicom"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "raster"
    if head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0":
        return "volume"
    return next((kind for start, kind in _SIGNATURES if head.startswith(start)), None)


def decode(data: bytes, reading: Reading = _DEFAULT, frame: int | None = None) -> Image.Image:
    """The image in `data`, as 8-bit grey (mode L) or colour (mode RGB).

    Parameters
    ----------
    data : bytes
        A whole file.
    reading : Reading
        The intensity, frame and plane that the plan asks for.
    frame : int, optional
        The frame, from 0, where every frame of a file is a case of its own.

    Returns
    -------
    PIL.Image.Image
        Upright (EXIF orientation applied), without transparency. Images of more than
        8 bits are scaled as `reading` says, by default from their own minimum and maximum;
        DICOM by its first window, if it has one. Colour images whose three channels agree
        become grey.

    Raises
    ------
    UnreadableImageError
        If the file is no image, is damaged, has several frames of which the plan names
        none, or more than 64 Mi pixels.
    """

    def read() -> Image.Image:
        kind = recognise(data[:HEAD_BYTES])
        if kind == "dicom":
            from . import dicom

            return dicom.decode(data, reading, frame)
        if kind == "tiff":
            from . import tiff

            return tiff.decode(data, reading, frame)
        from . import raster, volumes

        if kind is None:
            raise UnreadableImageError(_why_unread(data))
        if kind == "volume":
            return volumes.decode(data, reading, frame)
        return raster.decode(data, reading, frame)

    return _guarded(read)


def count_frames(data: bytes, reading: Reading = _DEFAULT) -> int:
    """How many images the file in `data` holds; of a volume, slices in the plan's plane.

    Raises
    ------
    UnreadableImageError
        As for :func:`decode`.
    """

    def count() -> int:
        kind = recognise(data[:HEAD_BYTES])
        if kind == "volume":
            from . import volumes

            return volumes.count_frames(data, reading)
        if kind == "dicom":
            from . import dicom

            return dicom.count_frames(data)
        from . import raster, tiff

        if kind is None:
            raise UnreadableImageError(_why_unread(data))
        return tiff.count_frames(data) if kind == "tiff" else raster.count_frames(data)

    return _guarded(count)


def _why_unread(data: bytes) -> str:
    """What `data` are instead of an image of one of the formats, where that can be told."""
    if not data.strip(b"\0"):
        return f"not an image but {'zeros alone' if data else 'an empty file'}"
    for start, signature, name in _OTHERS:
        if data[start : start + len(signature)] == signature:
            return f"not an image but {name}" + ("" if ";" in name else f" ({FORMATS})")
    return f"not an image ({FORMATS})"


def _guarded(action: Callable[[], _Result]) -> _Result:
    """One kind of error, whatever goes wrong: damaged files make readers raise nearly anything."""
    try:
        with warnings.catch_warnings():
            # Pillow's own warning comes at more pixels than are allowed here, and pydicom's
            # may quote the header.
            warnings.simplefilter("ignore")
            return action()
    except UnreadableImageError:
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        if "<_io.BytesIO" in reason:
            reason = f"not an image ({FORMATS})"
        raise UnreadableImageError(reason) from error
