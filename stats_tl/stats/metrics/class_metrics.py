"""Metrics of several classes, and of grades, as objects: within folds, and beside several arms.

Their *labels* are the classes 0 to C - 1 (or the grades) of the cases, and their *values* have a
further axis for the scores of the classes (or are grades).

Within folds, cases vary within their class: the shares of the classes, on which the
macro-averaged AUC depends, are held as they are, as stratified folds hold them. Kappa varies over
all cases.
"""

from __future__ import annotations

__all__ = [
    "ClassMetric",
    "class_sample",
    "class_values",
    "quadratic_kappa",
    "roc_auc_ovo",
    "roc_auc_ovr",
]

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from .._shared.fold_cells import FoldCells, placements_within
from .._shared.paired_sample import CaseSample
from .._shared.validation import as_groups, as_score_matrix
from .base import Evaluator, Metric, UndefinedMetricError
from .kappa import grade_agreement
from .multiclass import as_classes, hand_till, macro
from .stratified import StratifiedValue, whole_numbers


@dataclass(frozen=True, kw_only=True)
class ClassMetric(Metric):
    """A metric of classes, by its value on one sample."""

    of_sample: Callable[[np.ndarray, np.ndarray], StratifiedValue] = field(compare=False)

    def stratified(self, labels: np.ndarray, values: np.ndarray) -> StratifiedValue:
        """Value on one sample, influences, and the classes within which these are centred."""
        return self.of_sample(labels, values)

    def evaluate(self, labels: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
        try:
            found = self.of_sample(labels, values)
        except ValueError as error:
            raise UndefinedMetricError(f"the {self.label} is not defined: {error}") from None
        return found.value, found.influence

    def evaluator(
        self, labels: np.ndarray, values: np.ndarray, unit: np.ndarray, n_units: int
    ) -> Evaluator:
        _refuse(self)


@dataclass(frozen=True, kw_only=True)
class _OneVersusRest(ClassMetric):
    """Mean over classes of the AUC of the class against all others."""

    def within(
        self, labels: np.ndarray, values: np.ndarray, cells: FoldCells
    ) -> tuple[np.ndarray, np.ndarray]:
        n_classes = values.shape[2]
        counts = _counts(labels, cells, n_classes)
        total = counts.sum(axis=0)
        aucs = np.zeros(counts[0].shape)
        influence = np.zeros(cells.cell.shape)
        for own, positive in enumerate(counts):
            rest = cells._replace(n_positive=positive, n_negative=total - positive)
            auc, placed = placements_within(labels == own, values[:, :, own], rest)
            aucs += auc.ravel() / n_classes
            sizes = np.where(labels == own, positive[cells.cell], (total - positive)[cells.cell])
            influence += (placed - auc.ravel()[cells.cell]) / (sizes * n_classes)
        components = np.empty_like(influence)
        for own, size in enumerate(counts):
            inside = labels == own
            cell = cells.cell[:, inside]
            sums = np.bincount(cell.ravel(), influence[:, inside].ravel(), minlength=size.size)
            # The mean of a class's components is the value: what moves a whole class cancels
            # where the shares of the classes are held.
            components[:, inside] = influence[:, inside] * size[cell] + (aucs - sums)[cell]
        return aucs.reshape(-1, cells.n_folds), components


@dataclass(frozen=True, kw_only=True)
class _OneVersusOne(ClassMetric):
    """Mean over ordered pairs of classes of the AUC between them by the score of the first."""

    def within(
        self, labels: np.ndarray, values: np.ndarray, cells: FoldCells
    ) -> tuple[np.ndarray, np.ndarray]:
        n_classes = values.shape[2]
        counts = _counts(labels, cells, n_classes)
        pairs = list(itertools.permutations(range(n_classes), 2))
        aucs = np.zeros(counts[0].shape)
        components = np.zeros(cells.cell.shape)
        for own, other in pairs:
            inside = (labels == own) | (labels == other)
            cell = cells.cell[:, inside]
            pair = cells._replace(cell=cell, n_positive=counts[own], n_negative=counts[other])
            auc, placed = placements_within(labels[inside] == own, values[:, inside, own], pair)
            aucs += auc.ravel() / len(pairs)
            components[:, inside] += (placed - auc.ravel()[cell]) / len(pairs)
        return aucs.reshape(-1, cells.n_folds), components + aucs[cells.cell]


def roc_auc_ovr() -> Metric:
    """Macro-averaged one-versus-rest AUC."""
    return _OneVersusRest(
        name="roc_auc_ovr",
        label="macro-averaged one-versus-rest AUC",
        needs="class scores",
        higher_is_better=True,
        by_class=True,
        interval="logit",
        of_sample=macro,
    )


def roc_auc_ovo() -> Metric:
    """Hand and Till's M: the mean one-versus-one AUC."""
    return _OneVersusOne(
        name="roc_auc_ovo",
        label="Hand–Till M",
        needs="class scores",
        higher_is_better=True,
        by_class=True,
        interval="logit",
        of_sample=hand_till,
    )


def quadratic_kappa() -> Metric:
    """Quadratically weighted kappa of grades with reference grades."""
    return ClassMetric(
        name="quadratic_kappa",
        label="quadratically weighted kappa",
        needs="grades",
        higher_is_better=True,
        bounds=(-1.0, 1.0),
        of_sample=lambda labels, values: grade_agreement(labels, values, "quadratic"),
    )


def class_values(metric: Metric, scores: Any, n_classes: int, n: int, name: str) -> np.ndarray:
    """Scores of the classes, shape (runs, n, classes), or grades, (runs, n).

    Raises
    ------
    ValueError
        If the shape is another, a score is missing, or a grade is no whole number.
    """
    raw = np.asarray(scores)
    if metric.needs == "grades":
        rows = raw[None] if raw.ndim == 1 else raw
        checked = as_score_matrix(rows, n, name=name)
        return whole_numbers(checked.ravel(), None, name).reshape(checked.shape)
    if raw.ndim == 2:
        raw = raw[None]
    if raw.ndim != 3 or raw.shape[1:] != (n, n_classes):
        raise ValueError(
            f"`{name}` must have a score for each of the {n_classes} classes of `y_true`, shape "
            f"(repeats, {n}, {n_classes}), got {np.shape(scores)}."
        )
    moved = as_score_matrix(np.moveaxis(raw, 1, 2), n, ndim=3, name=name)
    return np.moveaxis(moved, 2, 1)


def class_sample(metric: ClassMetric, y_true: Any, groups: Any) -> tuple[CaseSample, np.ndarray]:
    """Cases, with labels of no meaning, and their classes or grades.

    Raises
    ------
    ValueError
        If classes are not numbered from 0, or all cases of one belong to one patient.
    """
    graded = metric.needs == "grades"
    classes = whole_numbers(y_true, None, "y_true") if graded else as_classes(y_true)
    codes = as_groups(groups, classes.size)
    if metric.by_class and codes is not None:
        _check_patients(classes, codes)
    return CaseSample(np.ones(classes.size, dtype=bool), codes), classes


def _check_patients(classes: np.ndarray, codes: np.ndarray) -> None:
    for own, of_class in enumerate(_members(classes)):
        patients = codes[of_class]
        if patients.size > 1 and (patients == patients[0]).all():
            raise ValueError(
                f"`groups` puts all {patients.size} cases of class {own} in one patient; the "
                "variance between patients needs at least two patients with cases of every class."
            )


def _members(classes: np.ndarray) -> Iterator[np.ndarray]:
    return (classes == own for own in range(int(classes.max()) + 1))


def _counts(classes: np.ndarray, cells: FoldCells, n_classes: int) -> np.ndarray:
    """Cases of every class in every cell; refuses cells without a class."""
    n_cells = cells.n_repeats * cells.n_folds
    counts = np.stack(
        [np.bincount(cells.cell[:, own].ravel(), minlength=n_cells) for own in _members(classes)]
    )
    if len(counts) < n_classes or (counts == 0).any():
        absent, cell = np.argwhere(counts == 0)[0]
        repeat, fold = divmod(int(cell), cells.n_folds)
        raise UndefinedMetricError(
            f"fold {fold} of repeat {repeat} has no case of class {absent} "
            f"({int((counts == 0).any(axis=0).sum())} of {n_cells} folds lack a class), so that "
            "its AUC is not defined; stratify the folds by class, use fewer, or merge rare classes"
        )
    return counts


def _refuse(metric: Metric) -> NoReturn:
    raise ValueError(f"metric {metric.name!r} has no bootstrap.")
