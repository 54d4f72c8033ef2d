"""What varies in a repeated cross-validation: cases, splits and training runs.

Notation: M repeats of K folds; delta_m the mean over folds of the AUC differences of
repeat m; psi_mi the difference of placement values of case i within its fold of repeat m;
V(psi) = var+(psi)/n+ + var-(psi)/n-, its patient-clustered form where patients are given.

- ``case_variance`` is the mean over repeats of V(psi_m): DeLong's variance of one repeat.
- ``shared_variance`` is the mean of the covariances between psi_m and psi_l, m != l. It is
  what is left of the case variance when M grows.
- ``repeat_variance`` is the variance of delta_m between repeats: splits and training.
- ``training_covariance`` is the covariance of what a case adds to the estimate as a test case and
  through training, which out-of-fold scores do not show; :mod:`.training` says where it
  comes from, :mod:`.halvings` how it is measured.
- ``elasticity`` expresses it as the elasticity e of a learning curve along which a case would
  matter that much: (1 + e)**2 ``shared_variance`` is the variance through cases.
"""

from __future__ import annotations

__all__ = ["CVComponents", "repeated_cv_components"]

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._shared.fold_cells import FoldCells, extra_runs, placements_within
from .._shared.fold_covariance import classes_of, fold_moments
from .._shared.paired_sample import CaseSample
from ..metrics.base import Metric
from ..metrics.estimate import obstacle_of
from ..procedure import ResultWarning
from .arms import AUC, FoldMetric
from .elasticity import Elasticity, TwoArmMeans, combine, half_elasticity, neutral_prior
from .elasticity import prior as prior_elasticity
from .halvings import case_ratio
from .training import (
    LEAST_SHARE,
    Covariance,
    TrainingEvidence,
    composition_covariance,
    metric_noise,
    reference_noise,
)

HALF, PRIOR, HALVINGS = "half-sample repeats", "prior", "halvings"
# Repeats that the noise of comparing with few cases is computed from.
FEW_REPEATS = 2


@dataclass(frozen=True)
class CVComponents:
    """Estimates and variance components of a paired repeated cross-validation.

    Attributes
    ----------
    estimate : float
        Mean difference in AUC, or in `metric`, candidate minus reference.
    aucs : tuple of float
        Mean AUC, or `metric`, of candidate and reference over folds and repeats.
    case_variance, shared_variance, repeat_variance : float
        See the module's notation. `shared_variance` may be negative by chance;
        it and `repeat_variance` are NaN with one repeat.
    arm_variances : tuple of float
        `case_variance` of either arm by itself: of its AUC, in place of the difference.
    shared_error : float
        Standard error of `shared_variance` from the sampling of cases (or patients).
    training_covariance, training_error : float
        See the module's notation, and its standard error.
    elasticity, elasticity_error : float
        The same as an elasticity.
    n_half_repeats, n_halvings : int
        Half-sample repeats and halvings that were given. Halvings that say something make the
        training covariance alone.
    elasticity_sources : dict of str to (value, variance)
        What each source says of the elasticity: "prior" (from the AUC), "half-sample repeats",
        "excess of one repeat", "fold composition" and "halvings", where they say something.
    n_repeats, n_folds, n_cases : int
        The design.
    n_partitions : int
        Different partitions into folds among the repeats.
    n_groups : int or None
        Number of patients, where given.
    n_units, n_minority : int
        Independent units (patients or cases), in all and of the rarer class.
    straddling : int
        Patients with cases in different folds of one repeat: leakage.
    metric : Metric
        What was compared.
    notes : tuple of ResultWarning
        What the metric says of these cases.
    differences : numpy.ndarray of shape (repeats, folds)
        AUC differences (or of the metric) of every fold.
    arm_values : tuple of numpy.ndarray of shape (repeats, folds)
        AUC, or `metric`, of candidate and reference in every fold.
    """

    estimate: float
    aucs: tuple[float, float]
    case_variance: float
    arm_variances: tuple[float, float]
    shared_variance: float
    repeat_variance: float
    shared_error: float
    training_covariance: float
    training_error: float
    elasticity: float
    elasticity_error: float
    n_half_repeats: int
    n_halvings: int
    n_repeats: int
    n_partitions: int
    n_folds: int
    n_cases: int
    n_groups: int | None
    n_units: int
    n_minority: int
    straddling: int
    elasticity_sources: dict[str, Elasticity] = field(repr=False)
    evidence: TrainingEvidence = field(repr=False, compare=False)
    metric: Metric = field(repr=False)
    notes: tuple[ResultWarning, ...] = field(repr=False)
    differences: np.ndarray = field(repr=False, compare=False)
    arm_values: tuple[np.ndarray, np.ndarray] = field(repr=False, compare=False)

    @property
    def reported(self) -> tuple[float, float]:
        """`aucs`, or likelihood ratios in place of their logarithms."""
        a, b = self.aucs
        return (math.exp(a), math.exp(b)) if self.metric.interval == "log" else (a, b)

    @property
    def label(self) -> str | None:
        """The metric in words; None of the AUC."""
        return None if self.metric.name == AUC else self.metric.label

    @property
    def through_cases(self) -> float:
        """Variance of the estimate through cases, as test and as training cases."""
        return max(self.evidence.shared + 2 * self.training_covariance, 0.0)

    def without_half(self) -> CVComponents:
        """The same as if no half-sample repeats had been given."""
        sources = {k: v for k, v in self.elasticity_sources.items() if k != HALF}
        evidence = replace(self.evidence, curve=sources[PRIOR])
        kept = {} if HALVINGS in sources else _training(evidence, evidence.estimate())
        return replace(
            self, **kept, n_half_repeats=0, elasticity_sources=sources, evidence=evidence
        )


def _training(evidence: TrainingEvidence, found: Covariance) -> dict[str, Any]:
    """The fields of the training covariance."""
    elasticity = evidence.as_elasticity(found)
    return {
        "training_covariance": found.value,
        "training_error": math.sqrt(found.variance),
        "elasticity": elasticity.value,
        "elasticity_error": math.sqrt(elasticity.variance),
    }


def repeated_cv_components(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    folds: Any,
    *,
    groups: Any = None,
    half: tuple[Any, Any, Any] | None = None,
    halvings: tuple[Any, Any, Any] | None = None,
    metric: str | Metric = "roc_auc",
    threshold: Any = None,
) -> CVComponents:
    """Variance components of a paired repeated cross-validation.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Reference standard, 0 or 1; classes or grades of a metric of these.
    scores_a, scores_b : array_like of shape (repeats, n), or (repeats, n, classes)
        Out-of-fold scores of candidate and reference.
    folds : array_like of int, shape (repeats, n)
        Fold in which each case was tested; every case once in every repeat.
    groups : array_like of shape (n,), optional
        Patient of each case.
    half : tuple (scores_a, scores_b, folds), optional
        The same for extra repeats of two-fold cross-validation.
    halvings : tuple (scores_a, scores_b, folds), optional
        The same for cross-validations of random halves of the patients, see
        :func:`repeated_cv_test`.
    metric, threshold
        As in :func:`repeated_cv_test`.

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
    >>> y = np.arange(240) % 3 == 0
    >>> folds = np.array([rng.permutation(80).repeat(3) % 5 for _ in range(4)])
    >>> shared = y + rng.standard_normal(240)
    >>> own = 0.5 * rng.standard_normal((2, 1, 240))
    >>> a, b = shared + own + 0.5 * rng.standard_normal((2, 4, 240))
    >>> parts = repeated_cv_components(y, a, b, folds)
    >>> print(f"{parts.estimate:.4f} {parts.case_variance:.5f} {parts.shared_variance:.5f}")
    0.0406 0.00074 0.00029
    """
    study = FoldMetric.of(y_true, scores_a, groups, metric, threshold)
    if half is not None and not study.is_auc:
        raise ValueError(
            f"`half` tells of the learning curve of the AUC, not of metric {study.metric.name!r}; "
            "leave it out, or give `halvings`."
        )
    sample, within = study.sample, study.labels
    labels, codes = sample.labels, sample.codes
    a, b, cells = study.scored(scores_a, scores_b, folds)
    aucs_a, placed_a = study.within(a, cells)
    aucs_b, placed_b = study.within(b, cells)
    differences = aucs_a - aucs_b
    m = cells.n_repeats
    obstacle_of(study.metric, sample)  # refuses one patient in a class
    placed = placed_a - placed_b
    matrix, arm_variances = fold_moments((placed_a, placed_b), within, codes, cells)
    case_variance = float(np.trace(matrix)) / m
    arms = arm_variances.mean(axis=1)
    shared = repeat = math.nan
    if m > 1:
        shared = float(matrix.sum() - np.trace(matrix)) / (m * (m - 1))
        repeat = float(differences.mean(axis=1).var(ddof=1))
    aucs = (float(aucs_a.mean()), float(aucs_b.mean()))
    curves = {PRIOR: prior_elasticity(sum(aucs) / 2) if study.is_auc else neutral_prior()}
    n_half = 0
    if half is not None:
        pooled = (placed_a + placed_b).mean(axis=0) / 2
        full = TwoArmMeans((aucs_a + aucs_b).mean(axis=1) / 2, pooled)
        curve, n_half = _from_half(sample, half, full, cells.n_folds)
        if math.isfinite(curve.variance):
            curves[HALF] = curve
    partition = cells.partitions()
    different = partition[:, None] != partition
    excess = math.nan
    if different.any():
        noise = _noise(study, (a, b), cells, differences)
        seen = case_variance - float(matrix[different].mean()) - noise
        excess = max(seen, 0.0) * (cells.n_folds - 1) / 2
    evidence = TrainingEvidence(
        shared=max(np.nan_to_num(shared), LEAST_SHARE * case_variance, 0.0),
        excess=excess,
        curve=combine(*curves.values()),
        composition=composition_covariance(placed, within, cells, partition),
    )
    found, n_halvings = evidence.estimate(), 0
    sources = {**curves, **evidence.sources()}
    if halvings is not None:
        if m < 2:
            raise ValueError("`halvings` needs at least two repeats in `scores_a`, got one.")
        ratio = case_ratio(
            sample,
            halvings,
            placed.mean(axis=0),
            metric=study,
            excess=case_variance / shared - 1 if shared > 0 else math.nan,
            n_folds=cells.n_folds,
        )
        n_halvings = ratio.n_halvings
        if math.isfinite(ratio.value):
            c = evidence.shared
            found = Covariance((ratio.value - 1) * c / 2, ratio.variance * (c / 2) ** 2)
            sources[HALVINGS] = evidence.as_elasticity(found)
    return CVComponents(
        estimate=float(differences.mean()),
        aucs=aucs,
        case_variance=case_variance,
        arm_variances=(float(arms[0]), float(arms[1])),
        shared_variance=shared,
        repeat_variance=repeat,
        shared_error=_error_of_variance(placed.mean(axis=0), classes_of(within, cells), codes),
        **_training(evidence, found),
        n_half_repeats=n_half,
        n_halvings=n_halvings,
        n_repeats=m,
        n_partitions=np.unique(partition).size,
        n_folds=cells.n_folds,
        n_cases=labels.size,
        n_groups=sample.n_groups,
        n_units=sample.n_units,
        n_minority=_minority(study),
        straddling=0 if codes is None else _straddling(codes, cells),
        elasticity_sources=sources,
        evidence=evidence,
        metric=study.metric,
        notes=study.cautions(a, b),
        differences=differences,
        arm_values=(aucs_a, aucs_b),
    )


def _noise(
    study: FoldMetric,
    arms: tuple[np.ndarray, np.ndarray],
    cells: FoldCells,
    differences: np.ndarray,
) -> float:
    """What V exceeds C by through few partners alone."""
    if not study.is_auc:
        return metric_noise(study.metric, study.truth, study.labels, arms, cells)
    labels = study.sample.labels
    some = np.argsort(differences.mean(axis=1))[:: max(cells.n_repeats // FEW_REPEATS, 1)]
    return reference_noise(labels, *arms, cells, some)


def _from_half(
    sample: CaseSample, half: tuple[Any, Any, Any], full: TwoArmMeans, n_folds: int
) -> tuple[Elasticity, int]:
    """Elasticity from half-sample repeats, and their number."""
    labels = sample.labels
    a, b, cells = extra_runs(half, labels, name="half")
    if n_folds == 2:
        raise ValueError(
            "`half` needs more than two folds in `folds`: two-fold repeats already train on half."
        )
    if cells.n_folds != 2:
        raise ValueError(f"`half[2]` must number two folds in every repeat, got {cells.n_folds}.")
    (aucs_a, placed_a), (aucs_b, placed_b) = (placements_within(labels, s, cells) for s in (a, b))
    means = TwoArmMeans((aucs_a + aucs_b).mean(axis=1) / 2, (placed_a + placed_b).mean(axis=0) / 2)
    estimate = half_elasticity(full, means, labels, sample.codes, n_folds)
    return estimate, cells.n_repeats


def _error_of_variance(
    components: np.ndarray, classes: tuple[np.ndarray, ...], codes: np.ndarray | None
) -> float:
    """Standard error of the variance of a mean of placement values, by fourth moments."""
    variance = 0.0
    for own in classes:
        values = components[own] - components[own].mean()
        if codes is not None:
            sums = np.bincount(codes[own], weights=values)[np.unique(codes[own])]
            values = sums * (sums.size / values.size)
        square = values**2
        variance += float(np.mean(square**2) - np.mean(square) ** 2) / values.size**3
    return math.sqrt(max(variance, 0.0))


def _minority(study: FoldMetric) -> int:
    """Units of the rarer class, or all where there are no classes."""
    sample = study.sample
    if study.classes is not None and study.metric.by_class:
        return min(_count(sample.codes, study.classes == own) for own in np.unique(study.classes))
    if study.metric.needs in ("values", "grades"):
        return sample.n_units
    return min(_count(sample.codes, own) for own in (sample.labels, ~sample.labels))


def _count(codes: np.ndarray | None, selected: np.ndarray) -> int:
    return int(selected.sum()) if codes is None else np.unique(codes[selected]).size


def _straddling(codes: np.ndarray, cells: FoldCells) -> int:
    """Patients with cases in more than one fold of some repeat."""
    n_groups = int(codes.max()) + 1
    first = np.empty(n_groups, dtype=np.intp)
    first[codes[::-1]] = np.arange(codes.size)[::-1]
    differs = (cells.cell != cells.cell[:, first[codes]]).any(axis=0)
    return np.unique(codes[differs]).size
