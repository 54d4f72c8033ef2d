"""Small speckled images with a lesion, hundreds in one transform: what a network is tuned on.

The model is that of :mod:`stats_tl.data.phantoms` in short: a map of echogenicity scales complex
white noise, a point-spread function filters it, the logarithm of the envelope is displayed. The
outline and the darkness of the lesion follow a latent severity, whose mean depends on the label.
SYNTHETIC: nothing measured on them says anything about patients.
"""

from __future__ import annotations

__all__ = ["PhantomPopulation", "draw_source"]

import math
from dataclasses import dataclass

import numpy as np

from .base import DataSet, draw_labels

#: Width of the point-spread function across and along the beam, in pixels.
SPREAD = (1.2, 0.7)


@dataclass(frozen=True)
class PhantomPopulation:
    """Two scans of every patient's lesion, one for each arm.

    Attributes
    ----------
    size : int
        Pixels a side.
    prevalence : float
        Share of positive patients.
    separation : float
        Distance between the mean severities of the classes.
    shared : float
        Correlation within a class of the severities that the scans show.
    """

    size: int = 32
    prevalence: float = 0.4
    separation: float = 3.0
    shared: float = 0.7

    @property
    def halves(self) -> bool:
        """False: the arms have scans of their own."""
        return False

    def draw(self, n_patients: int, rng: np.random.Generator) -> DataSet:
        """A data set of `n_patients` patients with one case each."""
        y = draw_labels(n_patients, self.prevalence, rng)
        z = rng.standard_normal((3, n_patients))
        place = rng.uniform(0.4, 0.6, (n_patients, 2))
        common = self.separation * (y - 0.5) + math.sqrt(self.shared) * z[0]
        first, second = (
            _lesions(common + math.sqrt(1 - self.shared) * own, place, self.size, rng)
            for own in z[1:]
        )
        return DataSet(y, np.arange(n_patients), (first, second))


def draw_source(n: int, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a source task: coarse or fine speckle, whatever the lesion is."""
    y = rng.permutation(np.arange(n) % 2)
    severity = rng.standard_normal(n)
    coarse = np.where(y == 1, 1.35, 0.75)
    return _lesions(severity, rng.uniform(0.3, 0.7, (n, 2)), size, rng, coarse), y


def _lesions(
    severity: np.ndarray,
    place: np.ndarray,
    size: int,
    rng: np.random.Generator,
    coarse: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Images, shape (n, size, size); the more severe, the more lobed and the darker."""
    n = len(severity)
    line = (np.arange(size, dtype=np.float32) + 0.5) / size
    down = line[None, :, None] - place[:, 0, None, None]
    across = line[None, None, :] - place[:, 1, None, None]
    shape, dark = 1 / (1 + np.exp(-severity[None] - 0.7 * rng.standard_normal((2, n))))
    angle = np.arctan2(down, across)
    lobes = np.cos(5 * angle + rng.uniform(0, 2 * np.pi, n)[:, None, None])
    radius = rng.uniform(0.2, 0.26, n)[:, None, None] * (1 + 0.4 * shape[:, None, None] * lobes)
    inside = 1 / (1 + np.exp((np.hypot(down, across) - radius) * size))
    decibels = -inside * (6 + 8 * dark[:, None, None])
    noise = rng.standard_normal((2, n, size, size), dtype=np.float32)
    field = (noise[0] + 1j * noise[1]) * 10 ** (decibels / 20)
    frequency = np.fft.fftfreq(size)
    squares = (SPREAD[0] * frequency[:, None]) ** 2 + (SPREAD[1] * frequency) ** 2
    width = np.broadcast_to(coarse, n)[:, None, None]
    point = np.exp(-2 * (np.pi * width) ** 2 * squares)
    envelope = np.abs(np.fft.ifft2(np.fft.fft2(field) * point))
    image: np.ndarray = np.log(envelope + 1e-3).astype(np.float32)
    return image
