r"""Permutation test that the ROC curves of two independent samples are equal everywhere.

With F and G the shares of positive and of negative cases at or below a cut, and w the share of
positive cases in both samples together, p = w F + (1 - w) G is a scale that both samples have in
common: equal ROC curves give the cases of a class the same distribution of p, whatever the scale
of the scores and the prevalence of either sample. Venkatraman's statistic is the area between
the curves of errors over p,

.. math::  E = \int_0^1 |e_a(p) - e_b(p)|\, dp, \qquad e(p) = w F + (1 - w)(1 - G),

by trapezoids over the cuts of both samples. A permutation deals the values p of a class anew to
the two samples.
"""

from __future__ import annotations

__all__ = ["venkatraman_test_unpaired"]

from typing import Any

import numpy as np

from .._shared.degenerate import perfect, warn_degenerate
from .._shared.inference import Hypothesis, Inference, conclude
from .._shared.paired_sample import independent_samples, size_of_both
from .._shared.placements import auc_of, doubled_placements
from .._shared.resampling import Resampling, resampling_of
from ..procedure import Procedure, ResultWarning
from ..results import TestResult
from .venkatraman import SAME_CURVE, tied_note

CHUNK_ENTRIES = 1 << 20
# Areas are sums of n terms near 1 / n: less than this apart, they are equal.
ROUNDING = 1e-12


def venkatraman_test_unpaired(
    y_true_a: Any,
    scores_a: Any,
    y_true_b: Any,
    scores_b: Any,
    *,
    n_resamples: int = 9999,
    rng: Any = None,
    return_draws: bool = False,
    resampling: Resampling | None = None,
) -> TestResult:
    """Permutation test that the ROC curves of two independent samples are equal.

    Parameters
    ----------
    y_true_a, y_true_b : array_like of shape (n_a,) and (n_b,)
        Labels 0 and 1, both present in either sample.
    scores_a, scores_b : array_like of shape (n_a,) and (n_b,)
        Scores; higher means more likely positive. Only their ranks within a sample count.
        Tied scores are ranked in the order in which the cases are given.
    n_resamples : int
        Number of random permutations.
    rng : int, numpy.random.Generator or None
        Seed or generator.
    return_draws : bool
        Whether to keep the permuted statistics in ``result.draws``.
    resampling : Resampling, optional
        These options as one object, in place of the keywords.

    Returns
    -------
    TestResult
        ``statistic`` is E, an area between 0 and 1; ``pvalue`` is the share of permutations
        with E at least as large, the observed one included; ``estimates`` are the two AUCs.
        The test is about curves, not about one number: ``estimate``, ``standard_error`` and
        interval are NaN, and there is no direction.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, or a label or score is missing.

    Warns
    -----
    DegenerateDataWarning
        If both AUCs are 1; p = 1 then is a convention.

    See Also
    --------
    venkatraman_test : Two models on the same cases.
    delong_test_unpaired, roc_point_test_unpaired : The AUC, and one operating point.

    Notes
    -----
    The null hypothesis is that the ROC curves are the same; prevalence and sizes may differ.
    There is no version for patients with several images. Shuffle the cases once beforehand
    where scores are tied and cases are sorted by class.

    For samples of one size the statistic is that of pROC. For others pROC 1.18.0 divides
    the number of positive cases by twice the size of the first sample, so that its
    statistic depends on the order of the curves, and exchanges ranks 1 to n_a with ranks 1
    to n_b.

    References
    ----------
    .. [1] Venkatraman ES. A permutation test to compare receiver operating characteristic
       curves. Biometrics 2000;56:1134-1138. :doi:`10.1111/j.0006-341X.2000.01134.x`

    Examples
    --------
    >>> from stats_tl.stats import venkatraman_test_unpaired
    >>> result = venkatraman_test_unpaired(
    ...     [0, 0, 0, 0, 1, 1, 1, 1],
    ...     [1, 2, 3, 5, 4, 6, 7, 8],
    ...     [0, 0, 0, 0, 1, 1, 1, 1],
    ...     [2, 4, 6, 8, 1, 3, 5, 7],
    ...     rng=0,
    ... )
    >>> round(result.statistic, 4)
    0.2656
    """
    samples = independent_samples((y_true_a, y_true_b), (scores_a, scores_b))
    how = resampling_of(
        resampling,
        {"n_resamples": n_resamples, "rng": rng, "return_draws": return_draws},
        minimum=1,
    )
    ordered = [sample.labels[scores.argsort(kind="stable")] for sample, scores in samples]
    weight = sum(int(labels.sum()) for labels in ordered) / sum(own.size for own in ordered)
    observed = _area(ordered[0], ordered[1], weight)
    draws = _permuted_areas(ordered, weight, how)
    reached = int((draws >= observed - ROUNDING).sum())
    aucs = [
        auc_of(sample.labels, doubled_placements(sample.labels, scores))
        for sample, scores in samples
    ]
    notes: list[ResultWarning] = []
    if aucs[0] == aucs[1] and aucs[0] in (0.0, 1.0):
        notes.append(warn_degenerate(perfect(aucs[0])))
    elif observed <= ROUNDING:
        notes.append(SAME_CURVE)
    notes += tied_note({"scores_a": samples[0][1], "scores_b": samples[1][1]})
    return conclude(
        Hypothesis(),
        Inference(observed, (reached + 1) / (draws.size + 1)),
        estimates=aucs,
        size=size_of_both(samples[0][0], samples[1][0]),
        procedure=Procedure(
            name="venkatraman-unpaired", n_resamples=draws.size, exhaustive=False, n_arms=2
        ),
        method=(
            "Venkatraman's permutation test of two independent ROC curves, random "
            f"{draws.size} exchanges of cases between the samples (fitted models fixed)"
        ),
        warnings=notes,
        draws=draws if how.return_draws else None,
    )


def _area(labels_a: np.ndarray, labels_b: np.ndarray, weight: float) -> float:
    """E from the labels of either sample in increasing order of the scores.

    As in pROC the integral begins where both curves have their first case.
    """
    (p_a, errors_a), (p_b, errors_b) = (_curve(own, weight) for own in (labels_a, labels_b))
    grid = np.concatenate([p_a, p_b])
    grid.sort()
    grid = grid[grid.searchsorted(max(p_a[0], p_b[0])) :]
    gap = np.abs(np.interp(grid, p_a, errors_a) - np.interp(grid, p_b, errors_b))
    return float((gap[1:] + gap[:-1]) @ np.diff(grid)) / 2


def _curve(labels: np.ndarray, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """The common scale p and the errors at a cut after each case."""
    positive = np.cumsum(labels)
    negative = np.arange(1, labels.size + 1) - positive
    missed = weight * positive / positive[-1]
    cleared = (1 - weight) * negative / negative[-1]
    return missed + cleared, missed + (1 - weight) - cleared


def _permuted_areas(ordered: list[np.ndarray], weight: float, how: Resampling) -> np.ndarray:
    """E after dealing the cases of either class anew to the two samples."""
    generator = np.random.default_rng(how.rng)
    values = [_curve(labels, weight)[0] for labels in ordered]
    n_first = [int(ordered[0].sum()), int((~ordered[0]).sum())]
    pools, steps = [], []
    for share, own in ((weight, ordered), (1 - weight, [~labels for labels in ordered])):
        pools.append(np.concatenate([p[o] for p, o in zip(values, own, strict=True)]))
        steps.append(np.concatenate([np.full(int(o.sum()), share / int(o.sum())) for o in own]))
    size = sum(own.size for own in ordered)
    block = max(1, CHUNK_ENTRIES // size)
    draws = np.empty(how.n_resamples)
    for start in range(0, how.n_resamples, block):
        n_rows = min(block, how.n_resamples - start)
        # A case stands for a step of p: a place within it breaks the ties between samples.
        dealt = [
            generator.permuted(pool - step * generator.random((n_rows, pool.size)), axis=1)
            for pool, step in zip(pools, steps, strict=True)
        ]
        labels = []
        for first in (True, False):
            parts = [
                own[:, :n] if first else own[:, n:] for own, n in zip(dealt, n_first, strict=True)
            ]
            order = np.concatenate(parts, axis=1).argsort(axis=1)
            labels.append(order < parts[0].shape[1])
        draws[start : start + n_rows] = [
            _area(a, b, weight) for a, b in zip(labels[0], labels[1], strict=True)
        ]
    return draws
