"""Structural components of the AUC and the covariance of several AUCs.

The AUC is a two-sample U statistic. Its structural components V10 (one per positive case)
and V01 (one per negative case) average to it, and to first order it varies like the sum of
two independent means, so that for m curves on the same cases

    Cov(AUC) = S10 / n1 + S01 / n0,

with S10 and S01 the sample covariance matrices of the components [1]_. When a patient
contributes several images, components are summed within patients and the covariance
between a patient's positive and negative images is added [2]_; with one image a patient
this is DeLong's covariance exactly. The scores are taken as given: what varies is the
sample of cases, or patients. Sorting makes it O(n log n) [3]_.

References
----------
.. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more
   correlated receiver operating characteristic curves. Biometrics 1988;44:837-845.
   :doi:`10.2307/2531595`
.. [2] Obuchowski NA. Nonparametric analysis of clustered ROC curve data. Biometrics
   1997;53:567-578. :doi:`10.2307/2533958`
.. [3] Sun X, Xu W. Fast implementation of DeLong's algorithm. IEEE Signal Processing
   Letters 2014;21:1389-1393. :doi:`10.1109/LSP.2014.2337313`
"""

from __future__ import annotations

__all__ = ["delong_covariance", "placements"]

import math
from typing import Any

import numpy as np

from .._shared.degenerate import warn_degenerate
from .._shared.paired_sample import CaseSample, components_under
from .._shared.placements import component_covariance, components_of
from .._shared.validation import as_labels, as_score_matrix, as_scores


def placements(y_true: Any, scores: Any) -> np.ndarray:
    """Placement value of every case under every model.

    For a positive case the share of negative cases that score lower, for a negative case
    the share of positive cases that score higher, ties counting one half. The mean over
    either class is the AUC; these are DeLong's structural components V10 and V01.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores : array_like of shape (n,) or (m, n)
        Scores of one or of m models; higher means more likely positive.

    Returns
    -------
    ndarray of shape (n,) or (m, n)
        Values in [0, 1], in the order of the cases.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, or a label or score is missing.

    Notes
    -----
    Building blocks of other analyses. Do not take their plain variance for that of an AUC:
    use :func:`delong_covariance`.

    References
    ----------
    .. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845.
       :doi:`10.2307/2531595`

    Examples
    --------
    >>> from stats_tl.stats import placements
    >>> placements([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    array([1.  , 0.75, 0.75, 1.  ])
    """
    labels = as_labels(y_true)
    single = np.ndim(scores) == 1
    matrix = (
        as_scores(scores, labels.size)[None] if single else as_score_matrix(scores, labels.size)
    )
    values = components_of(labels, matrix)[1]
    return values[0] if single else values


def delong_covariance(
    y_true: Any, scores: Any, *, groups: Any = None, sample_weight: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """AUCs of m models on the same cases and their covariance matrix.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores : array_like of shape (m, n)
        Scores of m models; higher means more likely positive.
    groups : array_like of shape (n,), optional
        Patient of each case. With it the covariance is Obuchowski's for clustered data.
    sample_weight : array_like of shape (n,), optional
        Weight of each case, such as the inverse of its probability of being in the sample;
        their scale does not matter, and cases of weight 0 are left out. The weights are
        taken as known, and a case as one case whatever its weight.

    Returns
    -------
    aucs : ndarray of shape (m,)
        Empirical AUCs.
    covariance : ndarray of shape (m, m)
        DeLong's covariance; NaN, with a DegenerateDataWarning, where a class has one case.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label or score is missing, or `groups`
        leaves a class with one patient.

    Notes
    -----
    Use :func:`delong_test` for the difference of two AUCs: it works on the differences of
    the components and so loses no precision where the curves are nearly the same.
    Do not use it on scores pooled over folds or repeats of a cross-validation.

    References
    ----------
    .. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845.
       :doi:`10.2307/2531595`
    .. [2] Obuchowski NA. Biometrics 1997;53:567-578. :doi:`10.2307/2533958`
    .. [3] Alonzo TA, Pepe MS. Assessing accuracy of a continuous screening test in the
       presence of verification bias. Applied Statistics 2005;54:173-190.
       :doi:`10.1111/j.1467-9876.2005.00477.x`

    Examples
    --------
    >>> from stats_tl.stats import delong_covariance
    >>> aucs, covariance = delong_covariance(
    ...     [0, 0, 0, 1, 1, 1], [[1, 2, 5, 3, 4, 6], [1, 3, 4, 2, 5, 6]]
    ... )
    >>> aucs.round(3)
    array([0.778, 0.778])
    >>> covariance.round(4)
    array([[0.0617, 0.0247],
           [0.0247, 0.0617]])
    """
    sample = CaseSample.of(y_true, groups)
    matrix = as_score_matrix(scores, sample.labels.size)
    sample, aucs, components = components_under(sample, matrix, sample_weight)
    obstacle = sample.obstacle()
    if obstacle:
        warn_degenerate(obstacle)
        return aucs, np.full((aucs.size, aucs.size), math.nan)
    return aucs, component_covariance(components, sample.labels, sample.codes)
