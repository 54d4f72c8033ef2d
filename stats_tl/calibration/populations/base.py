"""What a data set is, and what a calibration draws it from."""

from __future__ import annotations

__all__ = ["DataSet", "Population", "draw_labels"]

from typing import NamedTuple, Protocol

import numpy as np


class DataSet(NamedTuple):
    """Cases of one data set.

    Attributes
    ----------
    y_true : ndarray of int, shape (n,)
    patients : ndarray of int, shape (n,)
        Patient of each case, 0, 1, ...; cases of a patient stand together.
    views : tuple of two ndarrays of shape (n, p)
        What candidate and reference see.
    """

    y_true: np.ndarray
    patients: np.ndarray
    views: tuple[np.ndarray, np.ndarray]


class Population(Protocol):
    """What a calibration draws from."""

    @property
    def halves(self) -> bool: ...

    def draw(self, n_patients: int, rng: np.random.Generator) -> DataSet: ...


def draw_labels(n_patients: int, prevalence: float, rng: np.random.Generator) -> np.ndarray:
    """Labels of patients with a fixed number of positives, in random order."""
    labels = np.zeros(n_patients, dtype=np.int64)
    labels[: max(2, round(prevalence * n_patients))] = 1
    return rng.permutation(labels)
