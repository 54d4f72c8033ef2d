"""A whole repeated cross-validation on a drawn data set, in milliseconds."""

from __future__ import annotations

__all__ = ["CrossValidated", "cross_validate", "separation_for_auc", "stratified_folds"]

from dataclasses import dataclass, replace

import numpy as np

from ..stats import fold_placements
from .learners import Learner
from .populations import DataSet, GaussianPopulation

MOST_SEPARATION, BISECTIONS, PILOT_CASES = 6.0, 9, 2400


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
    """

    y_true: np.ndarray
    groups: np.ndarray | None
    scores_a: np.ndarray
    scores_b: np.ndarray
    folds: np.ndarray
    half: tuple[np.ndarray, np.ndarray, np.ndarray] | None

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
    n_folds: int,
    n_repeats: int,
    n_half_repeats: int = 5,
    halves: bool = False,
    rng: np.random.Generator,
) -> CrossValidated:
    """Train both arms on every fold of every repeat and keep the out-of-fold scores.

    Parameters
    ----------
    data : DataSet
    learner : callable
        From :mod:`.learners`. Both arms get the same training seed.
    n_folds, n_repeats : int
    n_half_repeats : int, default 5
        Further repeats of two-fold cross-validation; none with two folds.
    halves : bool, default False
        Every repeat deals the columns of the views into two halves, one for each arm. The arms
        are then exchangeable whatever the features are.
    rng : numpy.random.Generator

    Returns
    -------
    CrossValidated
    """
    labels = patient_labels(data)

    def run(k: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        folds = stratified_folds(labels, k, m, rng)[:, data.patients]
        seed = int(rng.integers(2**62))
        if not halves:
            a, b = (
                learner(view, data.y_true, folds, np.random.default_rng(seed))
                for view in data.views
            )
            return a, b, folds
        scores = np.empty((2, *folds.shape))
        width = data.views[0].shape[1] // 2
        for repeat in range(m):
            columns = rng.permutation(2 * width)
            for arm, view in enumerate(data.views):
                scores[arm, repeat] = learner(
                    view[:, columns[arm * width : (arm + 1) * width]],
                    data.y_true,
                    folds[repeat : repeat + 1],
                    np.random.default_rng([seed, repeat]),
                )[0]
        return scores[0], scores[1], folds

    a, b, folds = run(n_folds, n_repeats)
    return CrossValidated(
        y_true=data.y_true,
        groups=None if data.patients.size == labels.size else data.patients,
        scores_a=a,
        scores_b=b,
        folds=folds,
        half=run(2, n_half_repeats) if n_half_repeats and n_folds > 2 else None,
    )


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
            scores = learner(data.views[1], data.y_true, folds, np.random.default_rng(1))
            aucs.append(fold_placements(data.y_true, scores, folds)[0].mean())
        low, high = (middle, high) if np.mean(aucs) < auc else (low, middle)
    return (low + high) / 2
