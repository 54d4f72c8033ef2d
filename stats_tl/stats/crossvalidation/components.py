"""What varies in a repeated cross-validation: cases, splits and training runs.

Notation: M repeats of K folds; delta_m the mean over folds of the AUC differences of
repeat m; psi_mi the difference of placement values of case i within its fold of repeat m;
V(psi) = var+(psi)/n+ + var-(psi)/n-, its patient-clustered form where patients are given.

- ``case_variance`` is the mean over repeats of V(psi_m): DeLong's variance of one repeat.
- ``shared_variance`` is the mean of the covariances between psi_m and psi_l, m != l. It is
  what is left of the case variance when M grows.
- ``repeat_variance`` is the variance of delta_m between repeats: splits and training.
- ``elasticity`` is the slope of log(inverse normal of AUC) on log(training size). It measures
  how much a case matters as a *training* case, which out-of-fold scores do not show;
  :mod:`stats_tl.stats.crossvalidation.elasticity` says where it comes from.
"""

from __future__ import annotations

__all__ = ["CVComponents", "repeated_cv_components"]

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._shared.fold_cells import FoldCells, fold_cells, placements_within
from .._shared.paired_sample import CaseSample, score_pair
from .._shared.placements import component_covariance
from .elasticity import Elasticity, TwoArmMeans, combine, composition_elasticity, half_elasticity
from .elasticity import prior as prior_elasticity

HALF = "half-sample repeats"


@dataclass(frozen=True)
class CVComponents:
    """Estimates and variance components of a paired repeated cross-validation.

    Attributes
    ----------
    estimate : float
        Mean difference in AUC, candidate minus reference.
    aucs : tuple of float
        Mean AUC of candidate and reference over folds and repeats.
    case_variance, shared_variance, repeat_variance : float
        See the module's notation. `shared_variance` may be negative by chance;
        it and `repeat_variance` are NaN with one repeat.
    arm_variances : tuple of float
        `case_variance` of either arm by itself: of its AUC, in place of the difference.
    shared_error : float
        Standard error of `shared_variance` from the sampling of cases (or patients).
    elasticity, elasticity_error : float
        Elasticity of the learning curve, in [0, 1], and its standard error: from half-sample
        repeats where given, from the composition of the folds, and a prior.
    n_half_repeats : int
        Half-sample repeats that were given.
    elasticity_sources : dict of str to (value, variance)
        What each source says of the elasticity: "prior", "fold composition", and
        "half-sample repeats" where given. The variance is infinite where it says nothing.
    n_repeats, n_folds, n_cases : int
        The design.
    n_groups : int or None
        Number of patients, where given.
    n_units, n_minority : int
        Independent units (patients or cases), in all and of the rarer class.
    straddling : int
        Patients with cases in different folds of one repeat: leakage.
    differences : numpy.ndarray of shape (repeats, folds)
        AUC differences of every fold.
    """

    estimate: float
    aucs: tuple[float, float]
    case_variance: float
    arm_variances: tuple[float, float]
    shared_variance: float
    repeat_variance: float
    shared_error: float
    elasticity: float
    elasticity_error: float
    n_half_repeats: int
    n_repeats: int
    n_folds: int
    n_cases: int
    n_groups: int | None
    n_units: int
    n_minority: int
    straddling: int
    elasticity_sources: dict[str, Elasticity] = field(repr=False)
    differences: np.ndarray = field(repr=False, compare=False)

    def without_half(self) -> CVComponents:
        """The same as if no half-sample repeats had been given."""
        sources = {k: v for k, v in self.elasticity_sources.items() if k != HALF}
        elasticity = combine(*sources.values())
        return replace(
            self,
            elasticity=elasticity.value,
            elasticity_error=math.sqrt(elasticity.variance),
            n_half_repeats=0,
            elasticity_sources=sources,
        )


def repeated_cv_components(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    folds: Any,
    *,
    groups: Any = None,
    half: tuple[Any, Any, Any] | None = None,
) -> CVComponents:
    """Variance components of a paired repeated cross-validation.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Reference standard, 0 or 1.
    scores_a, scores_b : array_like of shape (repeats, n)
        Out-of-fold scores of candidate and reference.
    folds : array_like of int, shape (repeats, n)
        Fold in which each case was tested; every case once in every repeat.
    groups : array_like of shape (n,), optional
        Patient of each case.
    half : tuple (scores_a, scores_b, folds), optional
        The same for extra repeats of two-fold cross-validation.

    Returns
    -------
    CVComponents
        Estimates for :func:`repeated_cv_test` and for planning (:func:`simulate_design`).

    Raises
    ------
    ValueError
        As :func:`repeated_cv_test`.

    Notes
    -----
    Descriptive: use :func:`repeated_cv_test` for inference.

    References
    ----------
    .. [1] LeDell, E., Petersen, M. and van der Laan, M. (2015). Computationally efficient
       confidence intervals for cross-validated area under the ROC curve estimates.
       Electronic Journal of Statistics 9, 1583-1607. :doi:`10.1214/15-EJS1035`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import repeated_cv_components
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(60) % 3 == 0
    >>> folds = np.array([rng.permutation(20).repeat(3) % 5 for _ in range(4)])
    >>> shared = y + rng.standard_normal(60)
    >>> a, b = (shared + 0.5 * rng.standard_normal((4, 60)) for _ in range(2))
    >>> parts = repeated_cv_components(y, a, b, folds)
    >>> print(f"{parts.estimate:.4f} {parts.case_variance:.5f} {parts.shared_variance:.5f}")
    0.0203 0.00442 0.00005
    """
    sample = CaseSample.of(y_true, groups)
    labels, codes = sample.labels, sample.codes
    a, b = score_pair(scores_a, scores_b, labels.size)
    cells = fold_cells(labels, folds, a.shape[0])
    aucs_a, placed_a = placements_within(labels, a, cells)
    aucs_b, placed_b = placements_within(labels, b, cells)
    differences = aucs_a - aucs_b
    m = cells.n_repeats
    sample.obstacle()  # refuses one patient in a class
    placed = placed_a - placed_b
    matrix = component_covariance(placed, labels, codes)
    case_variance = float(np.trace(matrix)) / m
    shared = repeat = math.nan
    if m > 1:
        shared = float(matrix.sum() - np.trace(matrix)) / (m * (m - 1))
        repeat = float(differences.mean(axis=1).var(ddof=1))
    aucs = (float(aucs_a.mean()), float(aucs_b.mean()))
    pooled = (placed_a + placed_b) / 2
    sources = {
        "prior": prior_elasticity(sum(aucs) / 2),
        "fold composition": composition_elasticity(pooled, labels, cells),
    }
    n_half = 0
    if half is not None:
        full = TwoArmMeans((aucs_a + aucs_b).mean(axis=1) / 2, pooled.mean(axis=0))
        sources[HALF], n_half = _from_half(sample, half, full, cells.n_folds)
    elasticity = combine(*sources.values())
    minority = min(_count(codes, labels), _count(codes, ~labels))
    return CVComponents(
        estimate=float(differences.mean()),
        aucs=aucs,
        case_variance=case_variance,
        arm_variances=(
            _mean_variance(placed_a, labels, codes),
            _mean_variance(placed_b, labels, codes),
        ),
        shared_variance=shared,
        repeat_variance=repeat,
        shared_error=_error_of_variance(placed.mean(axis=0), labels, codes),
        elasticity=elasticity.value,
        elasticity_error=math.sqrt(elasticity.variance),
        n_half_repeats=n_half,
        n_repeats=m,
        n_folds=cells.n_folds,
        n_cases=labels.size,
        n_groups=sample.n_groups,
        n_units=sample.n_units,
        n_minority=minority,
        straddling=0 if codes is None else _straddling(codes, cells),
        elasticity_sources=sources,
        differences=differences,
    )


def _from_half(
    sample: CaseSample, half: tuple[Any, Any, Any], full: TwoArmMeans, n_folds: int
) -> tuple[Elasticity, int]:
    """Elasticity from half-sample repeats, and their number."""
    if not isinstance(half, tuple | list) or len(half) != 3:
        raise ValueError("`half` must be a tuple (scores_a, scores_b, folds).")
    if n_folds == 2:
        raise ValueError(
            "`half` needs more than two folds in `folds`: two-fold repeats already train on half."
        )
    labels = sample.labels
    a, b = score_pair(half[0], half[1], labels.size, ("half[0]", "half[1]"))
    cells = fold_cells(labels, half[2], a.shape[0], name="half[2]")
    if cells.n_folds != 2:
        raise ValueError(f"`half[2]` must number two folds in every repeat, got {cells.n_folds}.")
    (aucs_a, placed_a), (aucs_b, placed_b) = (placements_within(labels, s, cells) for s in (a, b))
    means = TwoArmMeans((aucs_a + aucs_b).mean(axis=1) / 2, (placed_a + placed_b).mean(axis=0) / 2)
    estimate = half_elasticity(full, means, labels, sample.codes, n_folds)
    return estimate, cells.n_repeats


def _mean_variance(placed: np.ndarray, labels: np.ndarray, codes: np.ndarray | None) -> float:
    """Mean over repeats of DeLong's variance of one arm."""
    # Placements of a constant score are 1/2: centred like the differences of two arms.
    matrix = component_covariance(placed - 0.5, labels, codes)
    return float(np.trace(matrix)) / len(placed)


def _error_of_variance(
    components: np.ndarray, labels: np.ndarray, codes: np.ndarray | None
) -> float:
    """Standard error of the variance of a mean of placement values, by fourth moments."""
    variance = 0.0
    for own in (labels, ~labels):
        values = components[own] - components[own].mean()
        if codes is not None:
            sums = np.bincount(codes[own], weights=values)[np.unique(codes[own])]
            values = sums * (sums.size / values.size)
        square = values**2
        variance += float(np.mean(square**2) - np.mean(square) ** 2) / values.size**3
    return math.sqrt(max(variance, 0.0))


def _count(codes: np.ndarray | None, selected: np.ndarray) -> int:
    return int(selected.sum()) if codes is None else np.unique(codes[selected]).size


def _straddling(codes: np.ndarray, cells: FoldCells) -> int:
    """Patients with cases in more than one fold of some repeat."""
    n_groups = int(codes.max()) + 1
    first = np.empty(n_groups, dtype=np.intp)
    first[codes[::-1]] = np.arange(codes.size)[::-1]
    differs = (cells.cell != cells.cell[:, first[codes]]).any(axis=0)
    return np.unique(codes[differs]).size
