"""DeLong's chi-square test that several AUCs on the same cases are equal."""

from __future__ import annotations

__all__ = ["delong_omnibus_test"]

import math
from typing import Any

import numpy as np
import scipy

from .._shared.degenerate import NO_VARIANCE, perfect, warn_degenerate
from .._shared.inference import Hypothesis, Inference, conclude
from .._shared.paired_sample import CaseSample
from .._shared.placements import (
    auc_of,
    component_covariance,
    doubled_placements,
    scale_placements,
)
from .._shared.validation import as_score_matrix
from ..procedure import Procedure, ResultWarning
from ..results import TestResult
from .delong import describe_sampling


def delong_omnibus_test(y_true: Any, scores: Any, *, groups: Any = None) -> TestResult:
    """Test that m AUCs on the same cases are all equal.

    ``d' C^- d`` with d the differences to the first AUC and C their covariance is referred
    to chi-square with rank(C) degrees of freedom; C^- is the Moore-Penrose inverse, so
    that models which rank the cases alike count once.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores : array_like of shape (m, n)
        Scores of m >= 2 models; higher means more likely positive.
    groups : array_like of shape (n,), optional
        Patient of each case.

    Returns
    -------
    TestResult
        ``statistic`` is chi-square, ``df`` its degrees of freedom (0, with p = 1, if all
        models rank alike), ``estimates`` the AUCs; there is no single estimate (NaN).

    Raises
    ------
    ValueError
        If `scores` has fewer than two rows, lengths differ, one class is absent, a label or
        score is missing, or `groups` leaves a class with one patient.

    Warns
    -----
    DegenerateDataWarning
        If all AUCs are 1, a class has a single case, or AUCs differ in a direction without
        variance (statistic and p value are NaN).

    Notes
    -----
    It tells that some model differs, not which: follow with pairwise :func:`delong_test`
    and adjusted p values. Do not use it with m near the number of cases (or patients) in
    the smaller class, where the covariance matrix is nearly singular and the test too
    liberal.

    References
    ----------
    .. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845.
       :doi:`10.2307/2531595`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import delong_omnibus_test
    >>> rng = np.random.default_rng(0)
    >>> y_true = np.repeat([0, 1], 50)
    >>> result = delong_omnibus_test(y_true, y_true + rng.normal(size=(3, 100)))
    >>> result.df, round(result.pvalue, 3)
    (2.0, 0.989)
    """
    sample = CaseSample.of(y_true, groups)
    labels = sample.labels
    matrix = as_score_matrix(scores, labels.size)
    if len(matrix) < 2:
        raise ValueError(f"`scores` must hold at least two models, got shape {matrix.shape}.")
    doubled = np.stack([doubled_placements(labels, row) for row in matrix])
    aucs = tuple(auc_of(labels, d) for d in doubled)
    obstacle = sample.obstacle()
    if obstacle:
        found, notes = _NOT_ESTIMABLE, [warn_degenerate(obstacle)]
    else:
        components = scale_placements(labels, doubled[1:] - doubled[0])
        covariance = component_covariance(components, labels, sample.codes)
        found, notes = _chi_square(components[:, labels].mean(axis=1), covariance, aucs)
    return conclude(
        Hypothesis(),
        found,
        estimates=aucs,
        size=sample.size,
        procedure=Procedure(
            name="delong-omnibus",
            variance="obuchowski" if sample.clustered else "delong",
            clustered=sample.clustered,
            n_arms=len(matrix),
        ),
        method=(
            f"DeLong's chi-square test that {len(matrix)} AUCs are equal "
            f"({describe_sampling(sample.clustered)})"
        ),
        warnings=notes,
    )


_NOT_ESTIMABLE = Inference(math.nan, math.nan, df=math.nan)


def _chi_square(
    contrasts: np.ndarray, covariance: np.ndarray, aucs: tuple[float, ...]
) -> tuple[Inference, list[ResultWarning]]:
    """Wald chi-square of the differences to the first AUC."""
    quadratic, rank = quadratic_form(contrasts, covariance)
    if math.isnan(quadratic):
        return _NOT_ESTIMABLE._replace(df=float(rank)), [warn_degenerate(NO_VARIANCE)]
    notes: list[ResultWarning] = []
    if rank < contrasts.size:
        text = f"the covariance of the {contrasts.size} contrasts has rank {rank}"
        notes.append(ResultWarning("singular-covariance", text))
    if len(set(aucs)) == 1 and aucs[0] in (0.0, 1.0):
        notes.append(warn_degenerate(perfect(aucs[0], several=True)))
    pvalue = float(scipy.stats.chi2.sf(quadratic, rank)) if rank else 1.0
    return Inference(quadratic, pvalue, df=float(rank)), notes


def quadratic_form(vector: np.ndarray, covariance: np.ndarray) -> tuple[float, int]:
    """``vector' covariance^- vector`` and the rank; NaN if `vector` leaves the range."""
    scale = np.sqrt(np.diag(covariance))
    if (vector[scale == 0] != 0).any():
        return math.nan, int((scale > 0).sum())
    vector, covariance, scale = (
        vector[scale > 0],
        covariance[np.ix_(scale > 0, scale > 0)],
        scale[scale > 0],
    )
    # On the scale of correlations the rank does not depend on how variable each contrast is.
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    rotated = vectors.T @ (vector / scale)
    kept = values > 1e-11 * max(len(values), 1)
    rank = int(kept.sum())
    if (np.abs(rotated[~kept]) > 1e-6 * np.linalg.norm(rotated)).any():
        return math.nan, rank
    return float(np.sum(rotated[kept] ** 2 / values[kept])), rank
