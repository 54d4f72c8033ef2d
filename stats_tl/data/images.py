"""Images by position, wherever they are; and the square that a network is given."""

from __future__ import annotations

__all__ = [
    "ArrayImages",
    "FileImages",
    "ImageFacts",
    "ImageSource",
    "UnreadableImageError",
    "decode",
    "measure",
    "resize",
]

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np
from PIL import Image

from ..errors import UserError
from .files import Store
from .formats import Reading, UnreadableImageError, count_frames, decode
from .formats.intensity import grey_or_colour
from .problems import Problems

#: Threads that decode: Pillow and numpy work without holding the interpreter lock.
WORKERS = min(4, os.cpu_count() or 1)
#: Grey levels at either end that compression leaves of black and white.
_EXTREME = 16


def resize(image: Image.Image, size: int) -> np.ndarray:
    """`image` squeezed to a square: uint8 (size, size) or (size, size, 3).

    Bilinear, antialiased (the support of the filter grows with the reduction). The
    aspect ratio is not kept, as in the studies this package compares.
    """
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


class ImageFacts(NamedTuple):
    """What tells an image of a patient from a mask, a blank page or a thumbnail.

    Attributes
    ----------
    width, height : int
        Pixels, as stored.
    colour : bool
    levels : int
        How many of the 256 grey levels occur.
    black, white : float
        Shares of the pixels that are nearly so.
    """

    width: int
    height: int
    colour: bool
    levels: int
    black: float
    white: float


def measure(grey: Image.Image, *, colour: bool) -> ImageFacts:
    """The facts of an image, given in shades of grey (mode L).

    Examples
    --------
    >>> mask = Image.new("L", (40, 30))
    >>> mask.paste(255, (10, 10, 20, 20))
    >>> measure(mask, colour=False)
    ImageFacts(width=40, height=30, colour=False, levels=2, black=0.91..., white=0.083...)
    """
    counts = grey.histogram()
    pixels = grey.width * grey.height
    black, white = sum(counts[:_EXTREME]) / pixels, sum(counts[-_EXTREME:]) / pixels
    return ImageFacts(*grey.size, colour, 256 - counts.count(0), black, white)


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

    def split_frames(self, where: str) -> tuple[ImageSource, np.ndarray]:
        """Every frame as an image of its own, where the plan wants all of them.

        Parameters
        ----------
        where : str
            Opens the error that names the files that cannot be read.

        Returns
        -------
        images : ImageSource
        counts : ndarray of int
            How many of them each image of this source has become.
        """
        return self, np.ones(len(self), dtype=np.int64)


class _RecentFiles:
    """The last files that were read, for images that share one; a copy begins empty."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, bytes] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()

    def read(self, store: Store, name: str) -> bytes:
        with self._lock:
            data = self._files.pop(name, None)
            self._files[name] = store.read(name) if data is None else data
            # Threads may be at as many files, one behind the other.
            while len(self._files) > WORKERS:
                del self._files[next(iter(self._files))]
            return self._files[name]


class FileImages(ImageSource):
    """Images in a folder or a zip archive.

    Parameters
    ----------
    store : Store
    names : sequence of str
        The file of each image.
    reading : Reading
        What the plan says about intensity and frames.
    frames : sequence of int, optional
        The frame of each image, from 0; without it the one that `reading` chooses.
    """

    def __init__(
        self,
        store: Store,
        names: Sequence[str],
        reading: Reading = Reading(),  # noqa: B008 - frozen
        frames: Sequence[int] | None = None,
    ) -> None:
        self.store = store
        self.names = list(names)
        self.reading = reading
        self.frames = None if frames is None else list(frames)
        self._recent = _RecentFiles()

    def __len__(self) -> int:
        return len(self.names)

    def label(self, index: int) -> str:
        return self.names[index]

    def read(self, index: int) -> bytes:
        if self.frames is None:
            return self.store.read(self.names[index])
        return self._recent.read(self.store, self.names[index])

    def open(self, index: int, data: bytes) -> Image.Image:
        return decode(data, self.reading, None if self.frames is None else self.frames[index])

    def take(self, indices: np.ndarray) -> FileImages:
        frames = None if self.frames is None else [self.frames[index] for index in indices]
        return FileImages(self.store, [self.names[i] for i in indices], self.reading, frames)

    def missing(self) -> list[str]:
        return [name for name in self.names if self.store.size(name) is None]

    def split_frames(self, where: str) -> tuple[ImageSource, np.ndarray]:
        if self.reading.frames != "all":
            return super().split_frames(where)

        def count(name: str) -> int | str:
            try:
                return count_frames(self.store.read(name), self.reading)
            except (UserError, UnreadableImageError) as error:
                return f"{name}: {error}"

        with ThreadPoolExecutor(WORKERS) as pool:
            counted = list(pool.map(count, self.names))
        problems = Problems(where)
        problems.add("unreadable images", *(found for found in counted if isinstance(found, str)))
        problems.raise_if_any("Restore these files from their source, or remove the cases.")
        counts = np.array(counted, dtype=np.int64)
        frames = [frame for count in counts for frame in range(count)]
        names = np.repeat(self.names, counts).tolist()
        return FileImages(self.store, names, self.reading, frames), counts


class Pixels(Protocol):
    """An array of images, or what draws one when it is asked for by position."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, index: int, /) -> np.ndarray: ...


class ArrayImages(ImageSource):
    """Images in memory, or made when they are asked for.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (n, height, width) or (n, height, width, 3)
        Or what behaves like one.
    prefix : str
        Opens the label of an image in errors.
    order : ndarray of int, optional
        Positions of the images in `pixels`; all of them by default.
    """

    def __init__(self, pixels: Pixels, prefix: str, order: np.ndarray | None = None) -> None:
        self.pixels = pixels
        self.prefix = prefix
        self.order = np.arange(pixels.shape[0]) if order is None else order

    def __len__(self) -> int:
        return len(self.order)

    def label(self, index: int) -> str:
        return f"{self.prefix}[{index}]"

    def read(self, index: int) -> bytes:
        return self.pixels[int(self.order[index])].tobytes()

    def open(self, index: int, data: bytes) -> Image.Image:
        shape = self.pixels.shape[1:]
        return grey_or_colour(np.frombuffer(data, dtype=np.uint8).reshape(shape))

    def take(self, indices: np.ndarray) -> ArrayImages:
        return ArrayImages(self.pixels, self.prefix, self.order[indices])
