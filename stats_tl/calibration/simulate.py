"""A whole repeated cross-validation on a drawn data set, in milliseconds."""

from __future__ import annotations

__all__ = [
    "CrossValidated",
    "Scores",
    "cross_validate",
    "halving_folds",
    "hospital_folds",
    "separation_for_auc",
    "stratified_folds",
]

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..stats import fold_placements
from .learners import Learner, Trainings
from .populations import DataSet, GaussianPopulation

MOST_SEPARATION, BISECTIONS, PILOT_CASES = 6.0, 9, 2400
#: Share of the cases in each fold where every fold is a hospital.
HOSPITALS = (0.05, 0.05, 0.1, 0.15, 0.65)
#: Cross-validations of each halving.
HALVING_REPEATS = 2

#: Scores of candidate and reference, and folds, each of shape (rows, n).
Scores = tuple[np.ndarray, np.ndarray, np.ndarray]
Partition = Literal["new", "one", "hospitals"]


@dataclass(frozen=True)
class CrossValidated:
    """Out-of-fold scores of two arms, in the layout of :func:`stats_tl.stats.repeated_cv_test`.

    Attributes
    ----------
    y_true : ndarray of shape (n,)
    groups : ndarray of shape (n,) or None
        Patient of each case; None where each has one.
    scores_a, scores_b, folds : ndarray of shape (repeats, n)
    half : tuple (scores_a, scores_b, folds) or None
        Repeats of two-fold cross-validation.
    halvings : tuple (scores_a, scores_b, folds) or None
        Cross-validations of random halves of the patients.
    """

    y_true: np.ndarray
    groups: np.ndarray | None
    scores_a: np.ndarray
    scores_b: np.ndarray
    folds: np.ndarray
    half: Scores | None
    halvings: Scores | None = None

    def first(self, n_repeats: int) -> CrossValidated:
        """The study as it would have been with fewer repeats."""
        return replace(
            self,
            scores_a=self.scores_a[:n_repeats],
            scores_b=self.scores_b[:n_repeats],
            folds=self.folds[:n_repeats],
        )


def cross_validate(
    data: DataSet,
    learner: Learner,
    *,
    against: Learner | None = None,
    n_folds: int,
    n_repeats: int,
    n_half_repeats: int = 5,
    n_halvings: int = 0,
    partition: Partition = "new",
    halves: bool = False,
    rng: np.random.Generator,
) -> CrossValidated:
    """Train both arms on every fold of every repeat and keep the out-of-fold scores.

    Parameters
    ----------
    data : DataSet
    learner : callable
        From :mod:`.learners`. Both arms get the same training seed.
    against : callable, optional
        Learner of the reference, if it is another.
    n_folds, n_repeats : int
    n_half_repeats : int, default 5
        Further repeats of two-fold cross-validation; none with two folds.
    n_halvings : int, default 0
        Random halvings of the patients, each half cross-validated twice by itself.
    partition : {"new", "one", "hospitals"}, default "new"
        New folds in every repeat; the same in all, so that only the training seed differs; or the
        same, of unequal sizes.
    halves : bool, default False
        Every repeat deals the columns of the views into two halves, one for each arm. The arms
        are then exchangeable whatever the features are.
    rng : numpy.random.Generator

    Returns
    -------
    CrossValidated
    """
    labels = patient_labels(data)

    def run(folds: np.ndarray, n_parts: int = 1) -> Scores:
        folds = folds[:, data.patients]
        seed = int(rng.integers(2**62))
        if halves:
            a, b = _dealt_halves(data, learner, folds, n_parts, seed)
        else:
            a, b = _both_arms(data, (learner, against), Trainings(folds, n_parts), seed)
        return a, b, folds

    a, b, folds = run(_folds(labels, n_folds, n_repeats, partition, rng))
    half = halvings = None
    if n_half_repeats and n_folds > 2:
        half = run(stratified_folds(labels, 2, n_half_repeats, rng))
    if n_halvings:
        halvings = run(halving_folds(labels, n_folds, n_halvings, rng), 2)
    return CrossValidated(
        y_true=data.y_true,
        groups=None if data.patients.size == labels.size else data.patients,
        scores_a=a,
        scores_b=b,
        folds=folds,
        half=half,
        halvings=halvings,
    )


def _both_arms(
    data: DataSet, learners: tuple[Learner, Learner | None], trainings: Trainings, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of both arms; alike arms are trained at once."""
    first, second = learners
    if second is None:
        a, b = first(np.stack(data.views), data.y_true, trainings, np.random.default_rng(seed))
        return a, b
    a, b = (
        own(view[None], data.y_true, trainings, np.random.default_rng(seed))[0]
        for own, view in zip((first, second), data.views, strict=True)
    )
    return a, b


def _dealt_halves(
    data: DataSet, learner: Learner, folds: np.ndarray, n_parts: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of both arms, who get other halves of the features in every row."""
    scores = np.empty((2, *folds.shape))
    width = data.views[0].shape[1] // 2
    for row in range(len(folds)):
        columns = np.random.default_rng([seed, row, 1]).permutation(2 * width)
        views = [
            view[:, columns[arm * width : (arm + 1) * width]] for arm, view in enumerate(data.views)
        ]
        trainings = Trainings(folds[row : row + 1], n_parts)
        rng = np.random.default_rng([seed, row])
        scores[:, row] = learner(np.stack(views), data.y_true, trainings, rng)[:, 0]
    return scores[0], scores[1]


def _folds(
    labels: np.ndarray, n_folds: int, n_repeats: int, partition: Partition, rng: np.random.Generator
) -> np.ndarray:
    """Folds of patients, shape (repeats, patients)."""
    if partition == "new":
        return stratified_folds(labels, n_folds, n_repeats, rng)
    if partition == "one":
        row = stratified_folds(labels, n_folds, 1, rng)
    else:
        row = hospital_folds(labels, rng)[None]
    return row.repeat(n_repeats, axis=0)


def patient_labels(data: DataSet) -> np.ndarray:
    """Label of every patient, shape (patients,)."""
    labels = np.empty(int(data.patients[-1]) + 1, dtype=np.int64)
    labels[data.patients] = data.y_true
    return labels


def stratified_folds(
    labels: np.ndarray, n_folds: int, n_repeats: int, rng: np.random.Generator
) -> np.ndarray:
    """Random folds of patients, shape (repeats, patients), with both classes evenly spread."""
    folds = np.empty((n_repeats, labels.size), dtype=np.int64)
    for row in folds:
        start = int(rng.integers(n_folds))
        for label in (1, 0):
            own = rng.permutation(np.flatnonzero(labels == label))
            row[own] = (start + np.arange(own.size)) % n_folds
            start += own.size
    return folds


def hospital_folds(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Folds as unequal as hospitals, with both classes in each, shape (patients,)."""
    folds = np.empty(labels.size, dtype=np.int64)
    for label in (1, 0):
        own = rng.permutation(np.flatnonzero(labels == label))
        stops = np.round(np.cumsum(HOSPITALS) * own.size).astype(int)
        folds[own] = np.searchsorted(stops, np.arange(own.size), side="right")
    return folds


def halving_folds(
    labels: np.ndarray, n_folds: int, n_halvings: int, rng: np.random.Generator
) -> np.ndarray:
    """Folds of halvings, shape (halvings * 2, patients), the first half's numbered first."""
    found = []
    for _ in range(n_halvings):
        second = stratified_folds(labels, 2, 1, rng)[0]
        rows = np.empty((HALVING_REPEATS, labels.size), dtype=np.int64)
        for half in (0, 1):
            own = np.flatnonzero(second == half)
            dealt = stratified_folds(labels[own], n_folds, HALVING_REPEATS, rng)
            rows[:, own] = half * n_folds + dealt
        found.append(rows)
    return np.concatenate(found)


def separation_for_auc(
    population: GaussianPopulation, learner: Learner, n_patients: int, n_folds: int, auc: float
) -> float:
    """Separation at which the reference arm has about this cross-validated AUC.

    By bisection over pilot data sets that are the same at every step.
    """
    low, high = 0.05, MOST_SEPARATION
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        pilot = population.with_separation(middle)
        rng, aucs = np.random.default_rng(12345), []
        for _ in range(max(4, PILOT_CASES // n_patients)):
            data = pilot.draw(n_patients, rng)
            folds = stratified_folds(patient_labels(data), n_folds, 2, rng)[:, data.patients]
            views, seed = data.views[1][None], np.random.default_rng(1)
            scores = learner(views, data.y_true, Trainings(folds), seed)[0]
            aucs.append(fold_placements(data.y_true, scores, folds)[0].mean())
        low, high = (middle, high) if np.mean(aucs) < auc else (low, middle)
    return (low + high) / 2
