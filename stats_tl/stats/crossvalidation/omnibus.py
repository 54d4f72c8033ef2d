"""Several training procedures at once under repeated cross-validation.

Model and notation are those of :mod:`.repeated_cv`, with the differences to
the first arm as a vector: V = (1 + beta)**2 C + S / M, C the covariance matrix of the
differences' placement values between repeats, S the covariance matrix of the differences
between repeats.
"""

from __future__ import annotations

__all__ = ["repeated_cv_omnibus_test"]

import math
from typing import Any

import numpy as np
import scipy

from .._shared.degenerate import ALIKE, CARRIES_NO_VARIANCE, warn_degenerate
from .._shared.fold_covariance import fold_covariance
from .._shared.inference import Hypothesis, Inference, conclude
from .._shared.validation import as_score_matrix
from ..curves.delong_omnibus import quadratic_form
from ..metrics.base import Metric
from ..procedure import Procedure
from ..results import TestResult
from .arms import AUC, FoldMetric
from .cautions import cautions
from .components import repeated_cv_components
from .repeated_cv import ESTIMAND, estimate_variance


def repeated_cv_omnibus_test(
    y_true: Any,
    scores: Any,
    folds: Any,
    *,
    groups: Any = None,
    half: tuple[Any, Any] | None = None,
    halvings: tuple[Any, Any] | None = None,
    metric: str | Metric = "roc_auc",
    threshold: Any = None,
) -> TestResult:
    """Test whether several training procedures have equal expected AUCs, or metrics.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Reference standard, 0 or 1; classes 0 to C - 1 of a metric of several classes.
    scores : array_like of shape (arms, repeats, n), or (arms, repeats, n, classes)
        Out-of-fold scores of each arm; at least two arms and two repeats.
    folds : array_like of int, shape (repeats, n)
        Fold in which each case was tested, the same for all arms.
    groups : array_like of shape (n,), optional
        Patient of each case.
    half : tuple (scores, folds), optional
        Extra repeats of two-fold cross-validation, shapes (arms, extra repeats, n) and
        (extra repeats, n).
    halvings : tuple (scores, folds), optional
        Cross-validations of random halves of the patients, shapes (arms, rows, n) and (rows, n),
        see :func:`repeated_cv_test`.
    metric : str or Metric, default "roc_auc"
        What is compared, as in :func:`repeated_cv_test`.
    threshold : float, optional
        Of metrics of decisions, one for all arms.

    Returns
    -------
    TestResult
        `statistic` is F, `df` its pair of degrees of freedom, `estimates` the mean AUCs (metrics).

    Raises
    ------
    ValueError
        As :func:`repeated_cv_test`, or if there are fewer than two arms or repeats.

    Warns
    -----
    DegenerateDataWarning
        If the scores carry no variance although the AUCs differ.

    See Also
    --------
    repeated_cv_test : Two arms; for the pairs after this test, with `adjust_pvalues`.
    delong_omnibus_test : Several fitted models on one test set.

    Notes
    -----
    A Wald test of the differences to the first arm; which arm comes first does not matter
    beyond the estimate of the elasticity, which is averaged over the pairs with the first
    arm. The denominator degrees of freedom are the least of these pairs', less the number of
    differences but one, as in Hotelling's test. With two arms it is
    :func:`repeated_cv_test` with ``method="learning-curve"``, squared. Do not use it to rank
    arms.

    References
    ----------
    .. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845.
       :doi:`10.2307/2531595`
    .. [2] Hotelling H. The generalization of Student's ratio. Annals of Mathematical
       Statistics 1931;2:360-378. :doi:`10.1214/aoms/1177732979`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import repeated_cv_omnibus_test
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(240) % 3 == 0
    >>> folds = np.array([rng.permutation(80).repeat(3) % 5 for _ in range(6)])
    >>> arms = y + rng.standard_normal((3, 1, 240)) + 0.5 * rng.standard_normal((3, 6, 240))
    >>> result = repeated_cv_omnibus_test(y, arms, folds)
    >>> result.df[0], round(result.pvalue, 3)
    (2.0, 0.083)
    """
    raw = np.asarray(scores)
    study = FoldMetric.of(y_true, np.atleast_1d(raw), groups, metric, threshold)
    sample = study.sample
    of_classes = study.metric.needs == "class scores"
    if raw.ndim != 3 + of_classes or raw.shape[0] < 2 or raw.shape[1] < 2:
        raise ValueError(
            f"`scores` must have shape (arms, repeats, cases{', classes' * of_classes}) with at "
            f"least two arms and two repeats, got {raw.shape}."
        )
    n_arms, m = raw.shape[:2]
    if study.classes is None:
        flat = as_score_matrix(raw.reshape(n_arms * m, -1), sample.labels.size)
        raw = flat.reshape(n_arms, m, -1)
    scored = [study.scored(arm, raw[0], folds) for arm in raw]
    cells = scored[0][2]
    pairs = [
        repeated_cv_components(
            y_true,
            raw[arm],
            raw[0],
            folds,
            groups=groups,
            half=None if half is None else (half[0][arm], half[0][0], half[1]),
            halvings=None if halvings is None else (halvings[0][arm], halvings[0][0], halvings[1]),
            metric=metric,
            threshold=threshold,
        )
        for arm in range(1, n_arms)
    ]
    aucs, placed = zip(*(study.within(values, cells) for values, _, _ in scored), strict=True)
    per_repeat = np.stack([auc.mean(axis=1) for auc in aucs])
    differences = np.stack([p - placed[0] for p in placed[1:]])
    blocks = fold_covariance(differences, study.labels, sample.codes, cells)
    total, within = blocks.sum(axis=(1, 3)), np.einsum("ambm->ab", blocks)
    shared = _positive((total - within) / (m * (m - 1)))
    contrast = per_repeat[1:] - per_repeat[0]
    between = np.cov(contrast).reshape(n_arms - 1, n_arms - 1) / m
    elasticity = float(np.mean([pair.elasticity for pair in pairs]))
    covariance = (1 + elasticity) ** 2 * shared + between
    df2 = min(estimate_variance("learning-curve", pair)[1] for pair in pairs)
    quadratic, rank = quadratic_form(contrast.mean(axis=1), covariance)
    notes = tuple(
        dict.fromkeys(text for pair in pairs for text in cautions("learning-curve", pair))
    )
    statistic, pvalue, df = math.nan, math.nan, (float(rank), math.nan)
    if math.isnan(quadratic):
        notes += (warn_degenerate(CARRIES_NO_VARIANCE),)
    elif rank == 0:
        statistic, pvalue, notes = 0.0, 1.0, (*notes, ALIKE)
    else:
        residual = max(df2 - rank + 1, 1.0)
        df = (float(rank), residual)
        statistic = quadratic / rank if math.isinf(df2) else quadratic * residual / (rank * df2)
        pvalue = float(scipy.stats.f.sf(statistic, rank, min(residual, 1e9)))
    what = "AUCs" if study.metric.name == AUC else f"values of {study.metric.label}"
    procedure = Procedure(
        name="repeated-cv-omnibus",
        variance="learning-curve",
        clustered=sample.clustered,
        n_arms=n_arms,
        n_repeats=m,
        n_folds=cells.n_folds,
        n_seeds=1,
        n_half_repeats=pairs[0].n_half_repeats,
        n_halvings=pairs[0].n_halvings,
        elasticity=elasticity,
        metric=None if study.is_auc else study.metric.name,
        higher_is_better=study.metric.higher_is_better,
    )
    return conclude(
        Hypothesis(),
        Inference(statistic, pvalue, df),
        estimates=[float(auc.mean()) for auc in aucs],
        size=sample.size,
        procedure=procedure,
        method=(
            f"Repeated cross-validation F test that {n_arms} {what} are equal (learning-curve; "
            f"{m} x {cells.n_folds}-fold{', clustered by patient' if sample.clustered else ''}): "
            f"{ESTIMAND}"
        ),
        warnings=notes,
    )


def _positive(matrix: np.ndarray) -> np.ndarray:
    """The nearest covariance matrix: negative variances, which arise by chance, to zero."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    nearest: np.ndarray = (vectors * np.maximum(values, 0)) @ vectors.T
    return nearest
