"""A metric within the folds of a cross-validation, for the cases of a study."""

from __future__ import annotations

__all__ = ["FoldMetric"]

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._shared.fold_cells import FoldCells, extra_runs, fold_cells
from .._shared.paired_sample import CaseSample, score_pair
from ..metrics.base import Metric
from ..metrics.calibration import CalibrationMetric
from ..metrics.class_metrics import ClassMetric, class_sample, class_values
from ..metrics.inference import influence_variance
from ..metrics.inputs import metric_of, pair_of_thresholds, sample_of, values_of
from ..metrics.stratified import StratifiedValue, standard_error_of
from ..procedure import ResultWarning

AUC = "roc_auc"
CAUTIOUS = ResultWarning(
    "over-cautious",
    "models are calibrated to the cases that they are trained on, so that what chance does to test "
    "and training cases cancels; the test does not see this, and its standard error is far too "
    "large for calibration under cross-validation (3 to 80 times the variance in simulations)",
)


@dataclass(frozen=True)
class FoldMetric:
    """What is compared, and in which cases.

    Attributes
    ----------
    metric : Metric
    sample : CaseSample
        Of several classes, with labels of no meaning.
    cuts : tuple
        Thresholds of candidate and reference: numbers, arrays of shape (repeats, folds), or None.
    classes : ndarray of int, shape (n,), or None
        Of metrics of several classes, or of grades.
    """

    metric: Metric
    sample: CaseSample
    cuts: tuple[Any, Any]
    classes: np.ndarray | None = None

    @classmethod
    def of(
        cls, y_true: Any, scores_a: Any, groups: Any, metric: str | Metric, threshold: Any
    ) -> FoldMetric:
        """From the arguments of a public function."""
        cuts = pair_of_thresholds(threshold)
        found, _ = metric_of(metric, threshold=cuts[0])
        if found.needs != "decisions":
            cuts = (None, None)
        if isinstance(found, ClassMetric):
            sample, classes = class_sample(found, y_true, groups)
            return cls(found, sample, cuts, classes)
        return cls(found, sample_of(found, y_true, groups, np.shape(scores_a)[-1]), cuts)

    @property
    def is_auc(self) -> bool:
        return self.metric.name == AUC

    @property
    def truth(self) -> np.ndarray:
        """What the metric takes as labels."""
        return self.sample.labels if self.classes is None else self.classes

    @property
    def labels(self) -> np.ndarray | None:
        """Labels where the metric varies within classes; None where over all cases."""
        return self.truth if self.metric.by_class else None

    @property
    def what(self) -> str | None:
        """What is not defined in a fold without one of the classes."""
        if self.is_auc:
            return "its AUC"
        if self.classes is not None:
            return None  # it says so itself
        return f"the {self.metric.label}" if self.metric.by_class else None

    def scored(
        self, scores_a: Any, scores_b: Any, folds: Any
    ) -> tuple[np.ndarray, np.ndarray, FoldCells]:
        """What the metric takes of either arm, shape (repeats, n), and the folds."""
        labels = self.sample.labels
        a, b = self._pair(scores_a, scores_b, ("scores_a", "scores_b"))
        cells = fold_cells(labels, folds, len(a), what=self.what)
        return (*self._values((a, b), cells, ("scores_a", "scores_b")), cells)

    def extra(
        self, runs: tuple[Any, Any, Any], *, name: str
    ) -> tuple[np.ndarray, np.ndarray, FoldCells]:
        """The same of further cross-validations of these cases."""
        if any(np.ndim(cut) for cut in self.cuts):
            raise ValueError(
                f"`{name}` can be used with one threshold an arm, not with those of the folds of "
                "`folds`."
            )
        labels = self.sample.labels
        if self.classes is None:
            a, b, cells = extra_runs(runs, labels, name=name, what=self.what)
        else:
            if not isinstance(runs, tuple | list) or len(runs) != 3:
                raise ValueError(f"`{name}` must be a tuple (scores_a, scores_b, folds).")
            a, b = self._pair(runs[0], runs[1], (f"{name}[0]", f"{name}[1]"))
            cells = fold_cells(labels, runs[2], len(a), name=f"{name}[2]", what=None)
        return (*self._values((a, b), cells, (f"{name}[0]", f"{name}[1]")), cells)

    def within(self, values: np.ndarray, cells: FoldCells) -> tuple[np.ndarray, np.ndarray]:
        """Metric of every fold, and components of the cases; see :meth:`.Metric.within`."""
        return self.metric.within(self.truth, values, cells)

    def cautions(self, a: np.ndarray, b: np.ndarray) -> tuple[ResultWarning, ...]:
        """What the metric says of the first repeat of either arm, once."""
        if isinstance(self.metric, CalibrationMetric):
            return (CAUTIOUS,)
        found = (self.metric.caution(self.sample.labels, own[0]) for own in (a, b))
        return tuple(caution for caution in found if caution)[:1]

    def variance_of_mean(self, components: np.ndarray) -> float:
        """Variance of the mean of components of shape (n,), as of one sample."""
        centred = components.astype(np.float64)
        if self.classes is not None and self.metric.by_class:
            for own in np.unique(self.classes):
                inside = self.classes == own
                centred[inside] = (centred[inside] - centred[inside].mean()) / inside.sum()
            value = StratifiedValue(0.0, centred, self.classes)
            return standard_error_of(value, self.sample.codes)[1] ** 2
        labels = self.sample.labels
        for own in (labels, ~labels) if self.metric.by_class else (slice(None),):
            centred[own] -= centred[own].mean()
        return influence_variance(self.metric, self.sample, centred / self.metric.sizes(labels))

    def _pair(
        self, scores_a: Any, scores_b: Any, names: tuple[str, str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores of both arms with runs on the first axis and cases on the second."""
        n = self.sample.labels.size
        if self.classes is None:
            return score_pair(scores_a, scores_b, n, names)
        n_classes = int(self.classes.max()) + 1
        a, b = (
            class_values(self.metric, own, n_classes, n, name)
            for own, name in zip((scores_a, scores_b), names, strict=True)
        )
        if a.shape != b.shape:
            raise ValueError(
                f"`{names[1]}` must have the shape of `{names[0]}`, {a.shape}, got {b.shape}; "
                "the comparison is paired."
            )
        return a, b

    def _values(
        self, arms: tuple[np.ndarray, np.ndarray], cells: FoldCells, names: tuple[str, str]
    ) -> tuple[np.ndarray, np.ndarray]:
        if self.classes is not None:
            return arms
        a, b = (
            values_of(self.metric, own, _by_case(cut, cells), self.sample.labels, name=name)
            for own, cut, name in zip(arms, self.cuts, names, strict=True)
        )
        return a, b


def _by_case(threshold: Any, cells: FoldCells) -> Any:
    """Threshold of every case of every repeat, from those of the folds."""
    if threshold is None or np.ndim(threshold) == 0:
        return threshold
    given = np.asarray(threshold, dtype=np.float64)
    if given.shape != (cells.n_repeats, cells.n_folds):
        raise ValueError(
            "`threshold` must be a number, or hold one for every fold, (repeats, folds) = "
            f"({cells.n_repeats}, {cells.n_folds}), got shape {given.shape}."
        )
    if np.isnan(given).any():
        raise ValueError(f"`threshold` is NaN in {int(np.isnan(given).sum())} folds.")
    return given.ravel()[cells.cell]
