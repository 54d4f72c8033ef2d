"""From bytes to pixels, within bounds.

The header is checked before a pixel is decoded: a file of a few hundred bytes can
claim 100,000 x 100,000 of them. Only PNG, JPEG, BMP and TIFF are decoded, by
Pillow; truncated files are refused rather than filled with grey.
"""

from __future__ import annotations

__all__ = ["ArrayImages", "FileImages", "ImageSource", "UnreadableImageError", "decode", "resize"]

import io
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from .files import Store

FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
MAX_PIXELS = 64 * 2**20
_EIGHT_BIT = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")


class UnreadableImageError(ValueError):
    """An image that cannot be used; the message says why."""


def decode(data: bytes) -> Image.Image:
    """The image in `data`, as 8-bit grey (mode L) or colour (mode RGB).

    Parameters
    ----------
    data : bytes
        A whole image file.

    Returns
    -------
    PIL.Image.Image
        Upright (EXIF orientation applied), without transparency. Images of more than
        8 bits are scaled from their own minimum and maximum. Colour images whose three
        channels agree become grey.

    Raises
    ------
    UnreadableImageError
        If the file is no image, is damaged, has several frames, or more than 64 Mi pixels.
    """
    try:
        with warnings.catch_warnings():
            # Pillow's own warning comes at more pixels than are allowed here.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise UnreadableImageError(
                        f"{width:,} x {height:,} pixels, more than the limit of {MAX_PIXELS:,}"
                    )
                if getattr(image, "n_frames", 1) != 1:
                    raise UnreadableImageError("several frames; expected a single image")
                image.load()
                return _eight_bit(ImageOps.exif_transpose(image))
    except UnreadableImageError:
        raise
    except Exception as error:  # on damaged files Pillow raises nearly anything
        reason = str(error) or type(error).__name__
        if "<_io.BytesIO" in reason:
            reason = f"not an image ({', '.join(FORMATS)})"
        raise UnreadableImageError(reason) from error


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode not in _EIGHT_BIT:
        pixels = np.asarray(image, dtype=np.float64)
        if pixels.ndim != 2 or not np.isfinite(pixels).all():
            raise UnreadableImageError(f"pixels of mode {image.mode} that are not finite numbers")
        low, high = pixels.min(), pixels.max()
        scaled = (pixels - low) * (255.0 / (high - low)) if high > low else np.zeros_like(pixels)
        return Image.fromarray(np.rint(scaled).astype(np.uint8))
    if image.mode in ("1", "L", "LA", "La"):
        return image.convert("L")
    image = image.convert("RGB")
    red, green, blue = image.split()
    return red if red.tobytes() == green.tobytes() == blue.tobytes() else image


def resize(image: Image.Image, size: int) -> np.ndarray:
    """`image` squeezed to a square: uint8 (size, size) or (size, size, 3).

    Bilinear, antialiased (the support of the filter grows with the reduction). The
    aspect ratio is not kept, as in the studies this package compares.
    """
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


class ImageSource(ABC):
    """Images by position."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def label(self, index: int) -> str:
        """How to name the image in an error."""

    @abstractmethod
    def read(self, index: int) -> bytes:
        """The stored bytes."""

    @abstractmethod
    def open(self, index: int, data: bytes) -> Image.Image:
        """The image (mode L or RGB) that `data`, the stored bytes, hold."""

    @abstractmethod
    def take(self, indices: np.ndarray) -> ImageSource:
        """The images at `indices`, in that order."""

    def missing(self) -> list[str]:
        """Labels of images that are not there."""
        return []


class FileImages(ImageSource):
    """Images in a folder or a zip archive."""

    def __init__(self, store: Store, names: Sequence[str]) -> None:
        self.store = store
        self.names = list(names)

    def __len__(self) -> int:
        return len(self.names)

    def label(self, index: int) -> str:
        return self.names[index]

    def read(self, index: int) -> bytes:
        return self.store.read(self.names[index])

    def open(self, index: int, data: bytes) -> Image.Image:
        return decode(data)

    def take(self, indices: np.ndarray) -> FileImages:
        return FileImages(self.store, [self.names[index] for index in indices])

    def missing(self) -> list[str]:
        return [name for name in self.names if self.store.size(name) is None]


class ArrayImages(ImageSource):
    """Images already in memory.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (n, height, width) or (n, height, width, 3)
    prefix : str
        Opens the label of an image in errors.
    """

    def __init__(self, pixels: np.ndarray, prefix: str) -> None:
        self.pixels = pixels
        self.prefix = prefix

    def __len__(self) -> int:
        return len(self.pixels)

    def label(self, index: int) -> str:
        return f"{self.prefix}[{index}]"

    def read(self, index: int) -> bytes:
        pixels: np.ndarray = self.pixels[index]
        return pixels.tobytes()

    def open(self, index: int, data: bytes) -> Image.Image:
        shape = self.pixels.shape[1:]
        return _eight_bit(Image.fromarray(np.frombuffer(data, dtype=np.uint8).reshape(shape)))

    def take(self, indices: np.ndarray) -> ArrayImages:
        return ArrayImages(self.pixels[indices], self.prefix)
