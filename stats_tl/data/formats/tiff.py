"""TIFF: 8-bit images by Pillow; other depths, sample formats and layouts by tifffile."""

from __future__ import annotations

__all__ = ["count_frames", "decode"]

import io
import logging

import numpy as np
from PIL import Image, ImageOps
from tifffile import TiffFile, TiffPage, TiffPageSeries

from . import raster
from .intensity import render
from .reading import Reading, UnreadableImageError, check_size, choose_frame

_NAMED = {0: "MINISWHITE", 1: "MINISBLACK", 2: "RGB", 3: "PALETTE", 5: "SEPARATED", 6: "YCBCR"}
_BY_PILLOW = ("SEPARATED", "YCBCR")
# None, fax, LZW, JPEG, Deflate, PackBits, LZMA, Zstandard; the others are read by imagecodecs.
_COMPRESSIONS_OF_PILLOW = (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 34925, 50000)

# tifffile logs what it finds odd about a file; without a handler that would be printed.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def decode(data: bytes, reading: Reading, frame: int | None = None) -> Image.Image:
    """The image in `data`, upright, as mode L or RGB."""
    with TiffFile(io.BytesIO(data)) as tiff:
        series = _images(tiff)
        page = series.keyframe
        check_size(page.imagewidth, page.imagelength)
        photometric = _NAMED.get(int(page.photometric))
        if photometric is None:
            name = getattr(page.photometric, "name", page.photometric)
            raise UnreadableImageError(
                f"photometric interpretation {name}; convert it to grey levels or RGB"
            )
        number = choose_frame(len(series), reading, frame)
        if _is_plain(page) and series is tiff.series[0] and len(tiff.pages) == len(series):
            return _by_pillow(data, number, reading)
        if photometric in _BY_PILLOW:
            if int(page.compression) not in _COMPRESSIONS_OF_PILLOW:
                how = getattr(page.compression, "name", page.compression)
                raise UnreadableImageError(
                    f"photometric interpretation {photometric} compressed as {how}; convert it to "
                    "grey levels or RGB"
                )
            shown = series[number] or page
            return _by_pillow(data, int(shown.index), reading)
        samples = _samples(tiff, series, number)
        if photometric == "PALETTE":
            samples = np.moveaxis(np.asarray(page.colormap)[:, samples] // 257, 0, -1)
            samples = samples.astype(np.uint8)
        orientation = page.tags.get("Orientation")
        image = render(samples, reading.intensity)
        if photometric == "MINISWHITE":
            image = Image.fromarray(255 - np.asarray(image))
        return raster.upright(image, orientation.value if orientation else 1)


def count_frames(data: bytes) -> int:
    """How many images the file holds, thumbnails and reduced copies aside."""
    with TiffFile(io.BytesIO(data)) as tiff:
        return len(_images(tiff))


def _images(tiff: TiffFile) -> TiffPageSeries:
    """The pages of the one size that counts: the first that is no reduced copy of another."""
    full = [series for series in tiff.series if not series.keyframe.is_reduced]
    first = (full or tiff.series)[0]
    for other in full:
        page, shown = other.keyframe, first.keyframe
        smaller = page.imagewidth < shown.imagewidth and page.imagelength < shown.imagelength
        if other is not first and not smaller:
            raise UnreadableImageError(
                f"frames of different kinds: {shown.imagewidth} x {shown.imagelength} and "
                f"{page.imagewidth} x {page.imagelength} pixels; save the one that is meant"
            )
    return first


def _is_plain(page: TiffPage) -> bool:
    """What Pillow decodes as it stands: up to 8 unsigned bits, samples side by side."""
    return (
        page.bitspersample <= 8
        and int(page.compression) in _COMPRESSIONS_OF_PILLOW
        and page.dtype is not None
        and page.dtype.kind in "ub"
        and (int(page.planarconfig) == 1 or page.samplesperpixel == 1)
    )


def _by_pillow(data: bytes, index: int, reading: Reading) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
        if index:
            image.seek(index)
        image.load()
        return raster.to_eight_bit(ImageOps.exif_transpose(image), reading)


def _samples(tiff: TiffFile, series: TiffPageSeries, number: int) -> np.ndarray:
    page = series.keyframe
    samples = np.asarray(tiff.asarray(series=series, key=number))
    if page.samplesperpixel == 1:
        return samples.reshape(page.imagelength, page.imagewidth)
    if int(page.planarconfig) == 2:
        samples = np.moveaxis(samples, 0, -1)
    if samples.ndim != 3:
        raise UnreadableImageError(f"samples of shape {samples.shape}; expected grey levels or RGB")
    colour = _NAMED[int(page.photometric)] == "RGB"
    if page.samplesperpixel not in ((3, 4) if colour else (1, 2)):
        raise UnreadableImageError(
            f"{page.samplesperpixel} samples a pixel; expected grey levels or RGB, at most with "
            "transparency"
        )
    if not colour:
        return samples[..., 0]
    return np.ascontiguousarray(samples[..., :3])
