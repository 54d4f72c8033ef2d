"""Gaussian features, and what is made of them: skewed, heavy-tailed, interacting, unlike arms."""

from __future__ import annotations

__all__ = ["ExclusiveOrPopulation", "GaussianPopulation", "WeakFeaturesPopulation"]

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .base import DataSet, draw_labels

#: Degrees of freedom of heavy tails, and the exponent of skewed features.
HEAVY, SKEW = 3, 0.7


@dataclass(frozen=True)
class GaussianPopulation:
    """Gaussian features whose mean, or mixture of means, depends on the label.

    Attributes
    ----------
    separation : float
        Distance between the class means of the reference, in within-class standard deviations.
    prevalence : float
        Share of positive patients.
    advantage : float
        The candidate's distance as a multiple of the reference's; 1 makes the arms exchangeable.
    n_features : int
        Features of each arm.
    shared : float
        Share of the within-class variance that is common to the arms.
    images : int
        Most images of a patient; their number is uniform from 1.
    patient_share : float
        Share of the within-class variance common to the images of a patient.
    mixture : bool
        Positives are of two kinds with means in orthogonal directions, three to one.
    informative : int, optional
        Features that tell of the label; by default all.
    tails : {"normal", "skewed", "heavy"}
        Of the features: as they are; exp(0.7 x); or with noise of a t distribution with three
        degrees of freedom, the arms and features of an image being extreme together.
    """

    separation: float = 1.0
    prevalence: float = 0.27
    advantage: float = 1.0
    n_features: int = 20
    shared: float = 0.5
    images: int = 1
    patient_share: float = 0.5
    mixture: bool = False
    informative: int | None = None
    tails: Literal["normal", "skewed", "heavy"] = "normal"

    @property
    def halves(self) -> bool:
        """False: the arms have features of their own."""
        return False

    def with_separation(self, separation: float) -> GaussianPopulation:
        """The same population at another level of difficulty."""
        return replace(self, separation=separation)

    def draw(self, n_patients: int, rng: np.random.Generator) -> DataSet:
        """A data set of `n_patients` patients."""
        labels = draw_labels(n_patients, self.prevalence, rng)
        counts = rng.integers(1, self.images + 1, n_patients) if self.images > 1 else None
        patients = np.arange(n_patients)
        if counts is not None:
            patients = patients.repeat(counts)
        p, y = self.n_features, labels[patients]
        mean = np.zeros((n_patients, p))
        if self.mixture:
            kind = rng.random(n_patients) < 0.25
            mean[:, 0] = labels * ~kind
            mean[:, 1] = labels * kind
        else:
            k = self.informative or p
            mean[:, :k] = labels[:, None] / math.sqrt(k)
        noise = self._noise(n_patients, patients, 3, rng)
        if self.tails == "heavy":
            noise *= np.sqrt(HEAVY / rng.chisquare(HEAVY, patients.size))[:, None]
        common = math.sqrt(self.shared) * noise[0]
        views = tuple(
            common + math.sqrt(1 - self.shared) * own + factor * self.separation * mean[patients]
            for own, factor in zip(noise[1:], (self.advantage, 1.0), strict=True)
        )
        if self.tails == "skewed":
            views = tuple(np.exp(SKEW * view) for view in views)
        return DataSet(y, patients, (views[0], views[1]))

    def _noise(
        self, n_patients: int, patients: np.ndarray, parts: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Standard normal noise, shape (parts, cases, features), alike within a patient."""
        own = rng.standard_normal((parts, patients.size, self.n_features))
        if patients.size == n_patients:
            return own
        common = rng.standard_normal((parts, n_patients, self.n_features))[:, patients]
        return math.sqrt(self.patient_share) * common + math.sqrt(1 - self.patient_share) * own


@dataclass(frozen=True)
class ExclusiveOrPopulation:
    """Six features: the label is the product of the signs of two, a third tells a little of it.

    Attributes
    ----------
    prevalence : float
        Share of positive cases.
    shared : float
        Share of the noise that is common to the arms.
    main : float
        Mean of the third feature in positives.
    """

    prevalence: float = 0.5
    shared: float = 0.3
    main: float = 0.4

    @property
    def halves(self) -> bool:
        """False: the arms have features of their own."""
        return False

    def draw(self, n_patients: int, rng: np.random.Generator) -> DataSet:
        """A data set of `n_patients` patients with one case each."""
        y = draw_labels(n_patients, self.prevalence, rng)
        z = rng.standard_normal((3, n_patients, 6))
        sign = rng.choice([-1, 1], n_patients)
        mean = np.zeros((n_patients, 6))
        mean[:, 0], mean[:, 1], mean[:, 2] = sign, np.where(y == 1, sign, -sign), self.main * y
        common = math.sqrt(self.shared) * z[0]
        first, second = (common + math.sqrt(1 - self.shared) * own + mean for own in z[1:])
        return DataSet(y, np.arange(n_patients), (first, second))


@dataclass(frozen=True)
class WeakFeaturesPopulation:
    """Unlike arms: the candidate sees many weak features, the reference a score of another kind.

    Attributes
    ----------
    prevalence : float
        Share of positive cases.
    n_features : int
        Of the candidate.
    separation : float
        Distance between the class means of the candidate.
    score : float
        Distance between the class means of the reference's score.
    """

    prevalence: float = 0.35
    n_features: int = 60
    separation: float = 1.6
    score: float = 1.05

    @property
    def halves(self) -> bool:
        """False: the arms have features of their own."""
        return False

    def draw(self, n_patients: int, rng: np.random.Generator) -> DataSet:
        """A data set of `n_patients` patients with one case each."""
        y = draw_labels(n_patients, self.prevalence, rng)
        x = rng.standard_normal((n_patients, self.n_features))
        x += y[:, None] * self.separation / math.sqrt(self.n_features)
        score = self.score * y + rng.standard_normal(n_patients)
        return DataSet(y, np.arange(n_patients), (x, score[:, None]))
