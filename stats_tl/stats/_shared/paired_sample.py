"""Cases with their labels and patients, and two scores of each: checked once, for every test.

Every paired test of this package starts here, so that lengths, missing values, labels and
patients are refused alike everywhere and the placements of a curve are counted once.
"""

from __future__ import annotations

__all__ = ["CaseSample", "PairedSample", "independent_samples", "score_pair", "size_of_both"]

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..procedure import ResultWarning
from .degenerate import ALIKE, perfect, warn_degenerate
from .inference import SampleSize
from .placements import (
    auc_of,
    components_of,
    doubled_placements,
    scale_placements,
    weighted_components_of,
)
from .validation import (
    as_groups,
    as_labels,
    as_score_matrix,
    as_scores,
    as_weights,
    variance_obstacle,
)


@dataclass(frozen=True)
class CaseSample:
    """Validated cases.

    Attributes
    ----------
    labels : ndarray of bool, shape (n,)
        True for positive cases; both classes occur.
    codes : ndarray of int, shape (n,), or None
        Patient of each case as 0, 1, ...; None where cases are independent.
    """

    labels: np.ndarray
    codes: np.ndarray | None

    @classmethod
    def of(cls, y_true: Any, groups: Any = None, *, suffix: str = "") -> CaseSample:
        """From the arguments of a public function; `suffix` ends their names in messages."""
        labels = as_labels(y_true, name=f"y_true{suffix}")
        return CaseSample(labels, as_groups(groups, labels.size, name=f"groups{suffix}"))

    @property
    def clustered(self) -> bool:
        return self.codes is not None

    @property
    def n_groups(self) -> int | None:
        return None if self.codes is None else int(self.codes.max()) + 1

    @property
    def n_units(self) -> int:
        """Independent units: patients, or cases."""
        return self.n_groups or self.labels.size

    @property
    def size(self) -> SampleSize:
        return SampleSize(self.labels.size, self.n_groups)

    @cached_property
    def units(self) -> np.ndarray:
        """Independent unit of each case: its patient, or itself."""
        return np.arange(self.labels.size) if self.codes is None else self.codes

    def obstacle(self, *, suffix: str = "") -> ResultWarning | None:
        """Why no variance of an AUC can be estimated, if so; see :func:`variance_obstacle`."""
        return variance_obstacle(self.labels, self.codes, name=f"groups{suffix}")

    def require_swaps(self) -> None:
        """Raise ValueError where all cases belong to one patient, whose arms alone can swap."""
        if self.codes is not None and not self.codes.any():
            raise ValueError(
                f"`groups` puts all {self.labels.size} cases in one patient; swapping the arms "
                "needs at least two patients."
            )


@dataclass(frozen=True)
class PairedSample(CaseSample):
    """Validated cases that two models scored.

    Attributes
    ----------
    a, b : ndarray of shape (n,)
        Scores of the candidate and of the reference.
    """

    a: np.ndarray
    b: np.ndarray

    @classmethod
    def of_scores(
        cls, y_true: Any, scores_a: Any, scores_b: Any, groups: Any = None
    ) -> PairedSample:
        """From the arguments of a public function.

        Raises
        ------
        ValueError
            If lengths differ, one class is absent, or a label, score or patient is missing.
        """
        labels = as_labels(y_true)
        return cls(
            labels=labels,
            a=as_scores(scores_a, labels.size, name="scores_a"),
            b=as_scores(scores_b, labels.size, name="scores_b"),
            codes=as_groups(groups, labels.size),
        )

    @property
    def scores(self) -> list[np.ndarray]:
        return [self.a, self.b]

    @cached_property
    def doubled(self) -> tuple[np.ndarray, np.ndarray]:
        """Doubled placement counts of either curve: whole numbers."""
        return doubled_placements(self.labels, self.a), doubled_placements(self.labels, self.b)

    @cached_property
    def difference(self) -> np.ndarray:
        """Difference of the doubled counts: exact, zero for curves that rank alike."""
        difference: np.ndarray = self.doubled[0] - self.doubled[1]
        return difference

    @cached_property
    def aucs(self) -> tuple[float, float]:
        return auc_of(self.labels, self.doubled[0]), auc_of(self.labels, self.doubled[1])

    @cached_property
    def estimate(self) -> float:
        """AUC of a minus AUC of b, from whole numbers."""
        return auc_of(self.labels, self.difference)

    @property
    def components(self) -> np.ndarray:
        """Differences of placement values, shape (n,)."""
        difference: np.ndarray = scale_placements(self.labels, self.difference[None])[0]
        return difference

    def conventions(self, null_value: float = 0.0) -> list[ResultWarning]:
        """What to say of curves that are both perfect, or that rank the cases alike."""
        if self.aucs[0] == self.aucs[1] and self.aucs[0] in (0.0, 1.0) and null_value == 0:
            return [warn_degenerate(perfect(self.aucs[0]))]
        return [] if self.difference.any() else [ALIKE]


def components_under(
    sample: CaseSample, matrix: np.ndarray, sample_weight: Any
) -> tuple[CaseSample, np.ndarray, np.ndarray]:
    """The cases that have weight, AUCs (m,) and structural components (m, n) of m curves.

    Raises
    ------
    ValueError
        If the weights do not fit the cases.
    """
    weights = as_weights(sample_weight, sample.labels)
    if weights is None:
        return sample, *components_of(sample.labels, matrix)
    kept = weights > 0
    codes = None if sample.codes is None else np.unique(sample.codes[kept], return_inverse=True)[1]
    weighed = CaseSample(sample.labels[kept], codes)
    return weighed, *weighted_components_of(weighed.labels, matrix[:, kept], weights[kept])


def independent_samples(
    y_true: tuple[Any, Any], scores: tuple[Any, Any], groups: tuple[Any, Any] = (None, None)
) -> list[tuple[CaseSample, np.ndarray]]:
    """Cases and scores of two samples that share no patient, from the arguments of a test.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label, score or patient is missing, or the
        groups of one sample only are given.
    """
    if (groups[0] is None) != (groups[1] is None):
        raise ValueError(
            "`groups_a` and `groups_b` must be given together; number the cases of a sample "
            "in which every patient has one."
        )
    samples = []
    for suffix, labels, given, patients in zip(("_a", "_b"), y_true, scores, groups, strict=True):
        sample = CaseSample.of(labels, patients, suffix=suffix)
        values = as_scores(given, sample.labels.size, name=f"scores{suffix}")
        samples.append((sample, values))
    return samples


def size_of_both(a: CaseSample, b: CaseSample) -> SampleSize:
    """Cases and patients of two samples that share no patient."""
    clustered = a.n_groups is not None and b.n_groups is not None
    return SampleSize(a.labels.size + b.labels.size, a.n_units + b.n_units if clustered else None)


def score_pair(
    scores_a: Any,
    scores_b: Any,
    n_cases: int,
    names: tuple[str, str] = ("scores_a", "scores_b"),
    *,
    promote: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of two arms in several runs, shape (runs, n).

    With `promote`, one run may be given as shape (n,).

    Raises
    ------
    ValueError
        If shapes differ, or a score is missing or no number.
    """
    pair = []
    for scores, name in zip((scores_a, scores_b), names, strict=True):
        if promote and np.ndim(scores) == 1:
            scores = np.asarray(scores)[None]
        pair.append(as_score_matrix(scores, n_cases, name=name))
    a, b = pair
    if a.shape != b.shape:
        raise ValueError(
            f"`{names[1]}` must have the shape of `{names[0]}`, {a.shape}, got {b.shape}; "
            "the comparison is paired."
        )
    return a, b
