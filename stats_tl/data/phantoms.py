"""SYNTHETIC images: breast-like ultrasound and knee-like MR, drawn from a seed.

They exist so that a whole study runs on a machine without data or network. They look
like the modality, no more: nothing measured on them says anything about patients.

Model. Every patient i has a latent severity z_i = ±δ/2 + N(0, 1), the sign by the label,
and what a reader would look at follows z_i with noise of its own. δ = 4 (1 − difficulty),
so no classifier can pass an AUC of Φ(δ/√2) in expectation: .976 at the default difficulty
of .3, and .5 at difficulty 1, where the label is unrelated to the image (a null
experiment); simple classifiers reach .75 to .85 at the default. Anatomy, gain and scanner
are drawn once a patient and shared by the images of that patient, so that an image-level
split leaks, as it does with real data.

Ultrasound: echogenicity in dB (layers, septa, lesion, shadow or enhancement behind it)
scales complex white noise, a point-spread function filters it, and the logarithm of the
envelope is displayed: fully developed speckle with a Rayleigh envelope [1]_. MR: signed
distance fields of bone, cartilage, ligament and fat, a coil's bias field and Rician
noise [2]_.

References
----------
.. [1] R. F. Wagner, S. W. Smith, J. M. Sandrik and H. Lopez (1983). Statistics of speckle in
   ultrasound B-scans. IEEE Transactions on Sonics and Ultrasonics 30(3), 156-163.
   doi:10.1109/T-SU.1983.31404
.. [2] H. Gudbjartsson and S. Patz (1995). The Rician distribution of noisy MRI data.
   Magnetic Resonance in Medicine 34(6), 910-914. doi:10.1002/mrm.1910340618
"""

from __future__ import annotations

__all__ = ["Phantoms", "draw_phantoms"]

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

Kind = Literal["breast", "knee"]
PREVALENCE: dict[Kind, float] = {"breast": 0.4, "knee": 0.5}
SCANNERS = ("synthetic A", "synthetic B", "synthetic C")
MAX_IMAGES = 4


class _View(NamedTuple):
    """What an image is drawn from."""

    severity: float
    device: int
    person: int
    view: int


@dataclass(frozen=True, eq=False)
class Phantoms:
    """What :func:`draw_phantoms` returns; all arrays have one entry an image.

    Attributes
    ----------
    patient : ndarray of int, shape (n,)
    y_true : ndarray of int8, shape (n,)
    scanner : ndarray of str, shape (n,)
    size : int
        Pixels a side.
    """

    patient: np.ndarray
    y_true: np.ndarray
    scanner: np.ndarray
    size: int
    _kind: Kind
    _views: tuple[_View, ...] = field(repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of :attr:`images`."""
        return len(self._views), self.size, self.size

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, index: int) -> np.ndarray:
        """One image, drawn now: uint8, shape (size, size)."""
        severity, device, person, view = self._views[index]
        # The same person every time, another view of it.
        streams = np.random.default_rng([person]), np.random.default_rng([person, view])
        return _DRAW[self._kind](severity, device, *streams, self.size)

    @cached_property
    def images(self) -> np.ndarray:
        """All images: uint8, shape (n, size, size)."""
        return np.stack([self[index] for index in range(len(self))])


def draw_phantoms(
    kind: Kind, *, n_patients: int = 120, seed: int = 0, difficulty: float = 0.3, size: int = 112
) -> Phantoms:
    """Draw SYNTHETIC patients with one to four images each.

    Pixels, which take longest, are drawn when they are asked for.

    Parameters
    ----------
    kind : {'breast', 'knee'}
    n_patients : int
        Patients; about 2.5 times as many images.
    seed : int
        Same arguments, same images.
    difficulty : float
        0 (classes nearly apart) to 1 (label and image unrelated).
    size : int
        Pixels a side.

    Returns
    -------
    Phantoms

    Examples
    --------
    >>> phantoms = draw_phantoms("knee", n_patients=4, size=48)
    >>> phantoms.images.shape[1:], sorted(set(phantoms.patient.tolist()))
    ((48, 48), [0, 1, 2, 3])
    """
    stream = list(PREVALENCE).index(kind)
    n_positive = round(PREVALENCE[kind] * n_patients)
    labels = np.random.default_rng([seed, stream]).permutation(np.arange(n_patients) < n_positive)
    views, patient = [], []
    for index, label in enumerate(labels):
        rng = np.random.default_rng([seed, stream, index])
        severity = 4 * (1 - difficulty) * (label - 0.5) + rng.standard_normal()
        device = int(rng.integers(len(SCANNERS)))
        person = int(rng.integers(2**32))
        for view in range(int(rng.integers(1, MAX_IMAGES + 1))):
            views.append(_View(severity, device, person, view))
            patient.append(index)
    patients = np.array(patient)
    scanners = np.array([SCANNERS[view.device] for view in views])
    return Phantoms(patients, labels[patients].astype(np.int8), scanners, size, kind, tuple(views))


def _sign(severity: float, rng: np.random.Generator) -> float:
    """A sign that follows the severity with noise of its own, in (0, 1)."""
    return float(1 / (1 + np.exp(-1.5 * (0.8 * severity + 0.6 * rng.standard_normal()))))


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the pixels: y (down) and x (right) in (0, 1)."""
    line = (np.arange(size) + 0.5) / size
    return line[:, None], line[None, :]


def _gauss(field: np.ndarray, down: float, across: float) -> np.ndarray:
    """Gaussian filter with standard deviations in pixels; the borders wrap."""
    height, width = field.shape
    fy = np.exp(-2 * (np.pi * down * np.fft.fftfreq(height)) ** 2)[:, None]
    if np.iscomplexobj(field):
        fx = np.exp(-2 * (np.pi * across * np.fft.fftfreq(width)) ** 2)
        return np.fft.ifft2(np.fft.fft2(field) * fy * fx)
    fx = np.exp(-2 * (np.pi * across * np.fft.rfftfreq(width)) ** 2)
    return np.fft.irfft2(np.fft.rfft2(field) * fy * fx, s=field.shape)


def _texture(rng: np.random.Generator, size: int, down: float, across: float) -> np.ndarray:
    """A smooth random field of unit variance; scales as shares of the image."""
    field = _gauss(rng.standard_normal((size, size)), down * size, across * size)
    return np.asarray((field - field.mean()) / field.std())


def _inside(distance: np.ndarray, size: int, blur: float = 0.7) -> np.ndarray:
    """Signed distance (negative inside, shares of the image) → soft mask."""
    return 0.5 - 0.5 * np.tanh(distance * size / (2 * blur))


def _breast(
    severity: float,
    device: int,
    person: np.random.Generator,
    view: np.random.Generator,
    size: int,
) -> np.ndarray:
    y, x = _grid(size)
    sign = [_sign(severity, person) for _ in range(5)]
    width = person.uniform(0.12, 0.22)
    aspect = np.exp(-0.75 + 0.75 * sign[0] + 0.12 * person.standard_normal())
    harmonics = person.standard_normal((2, 12)) / np.arange(1, 13) ** np.where(
        np.arange(12) < 5, 0.7, 0.25
    )
    depth = person.uniform(0.38, 0.50)
    layers = np.array([0.035, person.uniform(0.15, 0.26), person.uniform(0.66, 0.80)])
    levels = np.array([-6, -23, -12, -21]) + person.normal(0, 2, 4)
    gain, slope = person.normal(0, 3), person.uniform(4, 14)

    # Layers with wavy borders: skin, fat, fibroglandular tissue, muscle.
    wave = _texture(view, size, 1.0, 0.16)[size // 2][None, :]
    echo = np.full((size, size), levels[0])
    for border, level, swing in zip(layers, levels[1:], (0.004, 0.025, 0.02), strict=True):
        below = 1 - _inside(y - border - swing * wave, size, 1.0)
        echo = echo + (level - echo) * below
    muscle = 1 - _inside(y - layers[2] - 0.02 * wave, size, 1.0)
    gland = (y > layers[1]) * (1 - muscle)
    echo = echo + gland * 3.5 * _texture(view, size, 0.02, 0.07)
    echo = echo + muscle * 4.5 * _texture(view, size, 0.008, 0.15)
    septa = np.exp(-((_texture(view, size, 0.03, 0.12) / 0.10) ** 2))
    echo = echo + 9 * septa * (y > layers[0]) * (1 - 0.6 * gland) * (1 - muscle)
    fascia = np.exp(-(((y - layers[2] - 0.02 * wave) / 0.010) ** 2))
    echo = echo + 9 * fascia

    # The lesion: an ellipse whose border swings more, and faster, the more severe it is.
    cx, cy = 0.5 + view.normal(0, 0.09), depth + view.normal(0, 0.025)
    a, b = width * view.uniform(0.9, 1.1), width * aspect * view.uniform(0.9, 1.1)
    tilt = view.normal(0, 0.15)
    u, v = (x - cx) * np.cos(tilt) + (y - cy) * np.sin(tilt), (y - cy) - (x - cx) * tilt
    turn = np.linspace(-np.pi, np.pi, 181)
    order = np.arange(2, 14)[:, None]
    phase = order * (turn + view.normal(0, 0.25))
    swing = harmonics[0][:, None] * np.cos(phase) + harmonics[1][:, None] * np.sin(phase)
    swing = (0.02 + 0.11 * sign[1]) * swing[:5].sum(axis=0) + (
        0.07 * sign[2] ** 2 * swing[5:].sum(axis=0)
    )
    radius = np.interp(np.arctan2(v / b, u / a), turn, np.clip(1 + swing, 0.35, 1.8))
    distance = (np.hypot(u / a, v / b) - radius) * np.sqrt(a * b)
    lesion = _inside(distance, size, 0.8 + 2.2 * sign[3] * size / 112)
    inner = -31 + 3 * person.standard_normal() + 3 * _texture(view, size, 0.03, 0.03)
    echo = echo + (inner - echo) * lesion
    rim = np.exp(-(((distance - 0.012) / 0.014) ** 2))
    echo = echo + 5 * rim * (0.3 + 0.7 * sign[3]) * (1 - lesion)

    # Behind it: enhancement when fluid-like, shadow when it absorbs.
    behind = _inside(np.abs(x - cx) - 0.85 * a, size, 2.5) * (1 - _inside(y - cy - 0.4 * b, size))
    fade = np.exp(-np.clip(y - cy - b, 0, None) / 0.45)
    echo = echo + behind * (1 - lesion) * fade * (7.5 - 20 * sign[4])

    noise = view.standard_normal((2, size, size))
    field = (noise[0] + 1j * noise[1]) * 10 ** (echo / 20)
    grain = size / 112 * (0.85, 1.0, 1.2)[device]
    envelope = np.abs(_gauss(field, 0.75 * grain, 1.6 * grain)) * 1.5 * grain
    decibel = 20 * np.log10(envelope + 1e-4) - slope * y + gain + (2, 0, -2)[device]
    span = (48, 54, 60)[device]
    grey: np.ndarray = np.rint(255 * np.clip((decibel + span - 4) / span, 0, 1))
    return grey.astype(np.uint8)


def _segment(
    x: np.ndarray, y: np.ndarray, start: tuple[float, float], end: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Distance to a segment, and the position along it in (0, 1)."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy)
    clipped = np.clip(along, 0, 1)
    return np.hypot(x - start[0] - clipped * dx, y - start[1] - clipped * dy), clipped


def _smooth_union(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    blend = np.clip(0.5 + 0.5 * (b - a) / width, 0, 1)
    return np.asarray(b + (a - b) * blend - width * blend * (1 - blend))


def _box(
    x: np.ndarray,
    y: np.ndarray,
    centre: tuple[float | np.ndarray, float],
    half: tuple[float, float],
) -> np.ndarray:
    """Signed distance of a rectangle with rounded corners; `half` is half of (width, height)."""
    r = 0.05
    dx, dy = np.abs(x - centre[0]) - half[0] + r, np.abs(y - centre[1]) - half[1] + r
    outside = np.hypot(np.clip(dx, 0, None), np.clip(dy, 0, None))
    return np.asarray(outside + np.clip(np.maximum(dx, dy), None, 0) - r)


def _knee(
    severity: float,
    device: int,
    person: np.random.Generator,
    view: np.random.Generator,
    size: int,
) -> np.ndarray:
    y, x = _grid(size)
    sign = [_sign(severity, person) for _ in range(4)]
    scale, turn = person.normal(1, 0.05), person.normal(0, 0.06)
    shift = person.normal(0, 0.02, 2) + view.normal(0, 0.006, 2)
    condyle, flex = person.uniform(0.155, 0.18), person.normal(0, 0.02)
    marrow, fat, muscle = np.array([0.56, 0.82, 0.36]) + person.normal(0, 0.03, 3)
    effusion = np.clip(person.normal(0.25, 0.25) + 0.35 * sign[3], 0, 1)
    slice_ = view.normal(0, 0.5)
    dx, dy = (x - 0.5 - shift[0]) / scale, (y - 0.5 - shift[1]) / scale
    x, y = 0.5 + dx * np.cos(turn) - dy * np.sin(turn), 0.5 + dy * np.cos(turn) + dx * np.sin(turn)

    def paint(image: np.ndarray, mask: np.ndarray, level: float | np.ndarray) -> np.ndarray:
        painted: np.ndarray = image + (level - image) * mask
        return painted

    def band(start: tuple[float, float], end: tuple[float, float], half_width: float) -> np.ndarray:
        return _inside(_segment(x, y, start, end)[0] - half_width, size)

    leg = np.abs(x - 0.52) - 0.43 - 0.03 * np.cos(5 * y)
    image = _inside(leg, size) * np.full_like(x, fat) * 0.95
    image = paint(
        image, _inside(leg + 0.045, size), muscle + 0.05 * _texture(view, size, 0.12, 0.02)
    )
    image = paint(image, band((0.27, 0.30), (0.31, 0.62), 0.12), fat - 0.06)  # Hoffa's fat pad
    image = paint(image, band((0.86, 0.30), (0.84, 0.75), 0.05), fat - 0.10)  # popliteal fat
    notch = (0.50 + flex, 0.52)
    image = paint(image, band((0.40, 0.53), (0.72, 0.55), 0.075), 0.50 + 0.35 * effusion)

    bones = _texture(person, size, 0.03, 0.03)
    femur = _smooth_union(
        _box(x, y, (0.53 + 0.1 * (y - 0.2), 0.12), (0.125, 0.26)),
        np.hypot((x - 0.56 - flex) / 1.28, y - 0.335) - condyle - 0.012 * slice_,
        0.09,
    )
    tibia = _smooth_union(
        _box(x, y, (0.545, 0.705), (0.215, 0.080)), _box(x, y, (0.535, 0.92), (0.13, 0.22)), 0.08
    )
    patella = np.hypot((x - 0.205) / 0.62, y - 0.33) - 0.085
    for bone, cartilage in ((femur, 0.020), (tibia, 0.012), (patella, 0.010)):
        image = paint(image, _inside(bone - cartilage, size), 0.66)
        image = paint(image, _inside(bone, size), 0.10)
        image = paint(image, _inside(bone + 0.013, size), marrow + 0.03 * bones)
    physis = np.exp(-(((y - 0.80 - 0.015 * np.sin(9 * x)) / 0.006) ** 2)) * _inside(
        tibia + 0.02, size
    )
    image = image - 0.16 * physis

    image = paint(image, band((0.19, 0.02), (0.185, 0.25), 0.014), 0.12)  # quadriceps tendon
    image = paint(image, band((0.185, 0.41), (0.315, 0.76), 0.015), 0.12)  # patellar ligament
    # Posterior cruciate ligament: seen in some slices, never torn here.
    arc = np.abs(np.hypot(x - 0.60, (y - 0.635) * 1.05) - 0.135) - 0.016
    pcl = _inside(arc, size) * _inside(0.60 - x, size) * _inside(y - 0.63, size)
    image = paint(image, pcl * np.clip(0.55 - 0.4 * slice_, 0, 1), 0.13)

    # Anterior cruciate ligament: taut, dark and whole, or wavy, bright and interrupted.
    sag = 0.05 * sign[0] + 0.01 * view.standard_normal()
    start, end = (notch[0] + 0.14, 0.475), (notch[0] - 0.075 - 0.02 * sign[0], 0.635)
    wave = (
        0.016 * sign[0] * np.sin(5 * np.pi * _segment(x, y, start, end)[1] + person.uniform(0, 6))
    )
    along = _segment(x, y, start, end)[1]
    bend = sag * np.sin(np.pi * along) + wave
    distance, _ = _segment(x, y - bend, start, end)
    fibres = _inside(distance - 0.021 - 0.010 * sign[1], size, 0.7 + 0.8 * sign[1])
    gap = np.exp(-(((along - person.uniform(0.3, 0.65)) / 0.16) ** 2))
    shown = np.clip(1.05 - 0.15 * slice_**2, 0.4, 1)
    image = paint(image, fibres * shown * (1 - 0.85 * sign[2] * gap), 0.13 + 0.34 * sign[1])

    coil = 1 + 0.16 * _texture(person, size, 0.35, 0.35)
    blurred = _gauss(image * coil, 0.55 * size / 112, 0.55 * size / 112)
    sigma = (0.025, 0.035, 0.05)[device]
    noise = sigma * view.standard_normal((2, size, size))
    signal = np.hypot(blurred + noise[0], noise[1])
    grey: np.ndarray = np.rint(255 * np.clip(signal * (1.0, 0.92, 1.06)[device], 0, 1))
    return grey.astype(np.uint8)


_DRAW: dict[Kind, Callable[..., np.ndarray]] = {"breast": _breast, "knee": _knee}
