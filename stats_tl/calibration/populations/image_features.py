"""Features of real images as a population without end."""

from __future__ import annotations

__all__ = ["FeaturePopulation", "load_features"]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UserError
from .base import DataSet, draw_labels


@dataclass(frozen=True)
class FeaturePopulation:
    """Features of real images as a population that can be drawn from without end.

    A patient is drawn with all of their images, with replacement, and moved by Gaussian
    noise, part of it common to the images of the patient; scaled so that each class keeps its
    mean and covariance (a smoothed bootstrap with shrinkage).

    Attributes
    ----------
    features : ndarray of shape (n, p)
    y_true, patients : ndarray of shape (n,)
        Label and patient of each image; a patient has one label.
    bandwidth : float
        Standard deviation of the noise as a share of that of the features.
    columns : tuple of two ndarrays of int, optional
        Features that candidate and reference see, of one length. By default both see all,
        and every repeat deals the features anew between the arms (see
        :func:`.simulate.cross_validate`), which makes the arms exchangeable.
    copies : bool
        Both arms see all features, each with noise of its own: two imperfect views of the
        same images, exchangeable as well.
    prevalence : float, optional
        Share of positive patients; by default that of the images.

    References
    ----------
    .. [1] Silverman, B. W. and Young, G. A. (1987). The bootstrap: to smooth or not to smooth?
       Biometrika 74, 469-479. :doi:`10.1093/biomet/74.3.469`
    """

    features: np.ndarray
    y_true: np.ndarray
    patients: np.ndarray
    columns: tuple[np.ndarray, np.ndarray] | None = None
    copies: bool = False
    prevalence: float | None = None
    bandwidth: float = 0.5

    @property
    def halves(self) -> bool:
        """True if the arms are dealt halves of the same features."""
        return self.columns is None and not self.copies

    def __post_init__(self) -> None:
        order = np.argsort(self.patients, kind="stable")
        _, first, counts = np.unique(self.patients[order], return_index=True, return_counts=True)
        labels = self.y_true[order][first]
        factors, means = {}, {}
        for label in (0, 1):
            own = self.features[self.y_true == label]
            means[label] = own.mean(axis=0)
            # Noise of a class has its covariance; a thin SVD is its square root.
            _, s, vt = np.linalg.svd(own - means[label], full_matrices=False)
            factors[label] = s[:, None] * vt / math.sqrt(len(own) - 1)
        object.__setattr__(self, "_layout", (order, first, counts, labels, means, factors))

    def draw(self, n_patients: int, rng: np.random.Generator) -> DataSet:
        """A data set of `n_patients` patients."""
        order, first, counts, labels, *_ = self._layout  # type: ignore[attr-defined]
        prevalence = float(labels.mean()) if self.prevalence is None else self.prevalence
        wanted = draw_labels(n_patients, prevalence, rng)
        chosen = np.empty(n_patients, dtype=np.intp)
        for label in (0, 1):
            own = np.flatnonzero(labels == label)
            chosen[wanted == label] = rng.choice(own, int((wanted == label).sum()))
        sizes = counts[chosen]
        patients = np.arange(n_patients).repeat(sizes)
        within = np.arange(patients.size) - (np.cumsum(sizes) - sizes).repeat(sizes)
        x = self.features[order[first[chosen][patients] + within]]
        y = wanted[patients]
        moved = self._smooth(x, y, patients, rng)
        if self.copies:
            return DataSet(y, patients, (moved, self._smooth(x, y, patients, rng)))
        if self.columns is None:
            return DataSet(y, patients, (moved, moved))
        return DataSet(y, patients, (moved[:, self.columns[0]], moved[:, self.columns[1]]))

    def _smooth(
        self, x: np.ndarray, y: np.ndarray, patients: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """`x` moved by noise that a patient's images share in part, scaled back."""
        *_, means, factors = self._layout  # type: ignore[attr-defined]
        moved = np.empty_like(x)
        for label in (0, 1):
            rows = y == label
            shape = (int(patients[-1]) + 1, len(factors[label]))
            common = rng.standard_normal(shape, dtype=np.float32)[patients[rows]]
            own = rng.standard_normal((int(rows.sum()), shape[1]), dtype=np.float32)
            noise = (common + own) * np.float32(math.sqrt(0.5)) @ factors[label]
            centred = x[rows] - means[label] + self.bandwidth * noise
            moved[rows] = means[label] + centred / math.sqrt(1 + self.bandwidth**2)
        return moved


def principal_components(features: np.ndarray, n_components: int) -> np.ndarray:
    """Scores on the first principal components, scaled to unit variance."""
    centred = features - features.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    scores = u[:, :n_components] * (s[:n_components] > 0) * np.sqrt(len(u))
    return np.asarray(scores, dtype=np.float32)


def load_features(
    paths: Sequence[str | Path],
    *,
    n_components: int = 64,
    prevalence: float | None = None,
    copies: bool = False,
) -> FeaturePopulation:
    """A population from files of features.

    Parameters
    ----------
    paths : sequence of one or two path-like
        ``.npz`` files with ``features`` (images, p), ``y_true`` and ``patients``, of the same
        images in the same order. One: the arms share its features by halves. Two: candidate
        and reference.
    n_components : int, default 64
        Principal components that stand for the features of a file.
    prevalence : float, optional
        Share of positive patients.
    copies : bool
        One file: the arms share its features by noisy copies, not by halves.

    Raises
    ------
    UserError
        If a file is not there or not such a file, or the files hold other images.
    """
    blocks: list[np.ndarray] = []
    labels: np.ndarray | None = None
    patients: np.ndarray | None = None
    for path in paths:
        try:
            with np.load(path) as file:
                features, y, p = file["features"], file["y_true"], file["patients"]
        except (OSError, KeyError, ValueError) as error:
            raise UserError(
                f"{path}: expected an .npz file with `features`, `y_true` and `patients` ({error})"
            ) from None
        if (
            labels is not None
            and patients is not None
            and not (np.array_equal(y, labels) and np.array_equal(p, patients))
        ):
            raise UserError(f"{path}: other images than {paths[0]}; one order of cases is needed")
        labels, patients = y, p
        blocks.append(principal_components(features, n_components))
    if labels is None or patients is None:
        raise UserError("no file of features was named")
    width = blocks[0].shape[1]
    columns = None
    if len(blocks) == 2:
        columns = (np.arange(width), np.arange(width, width + blocks[1].shape[1]))
    return FeaturePopulation(
        np.concatenate(blocks, axis=1),
        labels,
        patients,
        columns,
        copies=copies,
        prevalence=prevalence,
    )
