"""From samples of any depth to 8 bits."""

from __future__ import annotations

__all__ = ["grey_or_colour", "map_samples", "render"]

from collections.abc import Callable

import numpy as np
from PIL import Image

from ...study.plan import Intensity
from .reading import UnreadableImageError


def render(samples: np.ndarray, intensity: Intensity) -> Image.Image:
    """Samples as an 8-bit image.

    Parameters
    ----------
    samples : ndarray, shape (height, width) or (height, width, 3)
        Integers or finite floats. Colour is scaled jointly, which keeps hues.
    intensity : Intensity
        ``auto`` leaves 8 unsigned bits as they are, and scales all else from its own minimum
        and maximum.

    Returns
    -------
    PIL.Image.Image
        Mode L, or RGB where the three channels differ.

    Raises
    ------
    UnreadableImageError
        For samples that are not finite numbers, or a DICOM window of what is no DICOM.
    """
    if intensity.window is not None:
        raise UnreadableImageError(
            f"`intensity` asks for the DICOM window {intensity.window!r}, and this is no DICOM file"
        )
    if samples.dtype.kind not in "uif":
        raise UnreadableImageError(f"samples of type {samples.dtype}; expected real numbers")
    if not np.isfinite(samples).all():
        raise UnreadableImageError("samples that are not finite numbers")
    if samples.dtype == np.uint8 and intensity.auto:
        return grey_or_colour(samples)
    low, high = bounds(samples, intensity)
    return grey_or_colour(map_samples(samples, lambda values: stretch(values, low, high)))


def bounds(levels: np.ndarray, intensity: Intensity) -> tuple[float, float]:
    """The levels that become black and white."""
    if intensity.range is not None:
        return intensity.range
    if intensity.percentiles is not None:
        low, high = np.percentile(levels, intensity.percentiles)
        return float(low), float(high)
    return float(levels.min()), float(levels.max())


def stretch(levels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Float levels to 0..255, rounded; a flat image is black."""
    if high <= low:
        return np.zeros(levels.shape, dtype=np.uint8)
    scaled = (levels - low) * (255.0 / (high - low))
    return np.rint(np.clip(scaled, 0.0, 255.0)).astype(np.uint8)


def map_samples(samples: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`function` of the samples as float64, by a table where they have at most 16 bits.

    Parameters
    ----------
    samples : ndarray of any shape
    function : callable
        Of an array of float64, element by element, to uint8.

    Returns
    -------
    ndarray of uint8, of the shape of `samples`
    """
    if samples.dtype.kind not in "ui" or samples.dtype.itemsize > 2:
        return function(samples.astype(np.float64))
    samples = np.asarray(samples, dtype=samples.dtype.newbyteorder("="))
    if samples.dtype.kind == "u":
        return np.take(function(np.arange(int(samples.max()) + 1, dtype=np.float64)), samples)
    values = np.arange(int(samples.min()), int(samples.max()) + 1)
    unsigned = np.dtype(f"u{samples.dtype.itemsize}")
    table = np.zeros(256**unsigned.itemsize, dtype=np.uint8)
    table[values.astype(samples.dtype).view(unsigned)] = function(values.astype(np.float64))
    # Every position is in the table; `take` is twice as fast as indexing.
    return np.take(table, samples.view(unsigned))


def grey_or_colour(pixels: np.ndarray | Image.Image) -> Image.Image:
    """8-bit pixels as an image; colour whose three channels agree becomes grey."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    if image.mode == "L":
        return image
    red, green, blue = image.split()
    return red if red.tobytes() == green.tobytes() == blue.tobytes() else image
