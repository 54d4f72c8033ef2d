r"""Permutation test that two paired ROC curves are equal at every operating point.

Rank the cases 1, ..., n under either model. With P_a(k) the positive cases among the k
lowest ranks of model a, a cut after rank k misclassifies P_a(k) positive and
n0 - (k - P_a(k)) negative cases, so that the errors of the two models at the same cut differ
by 2 [P_a(k) - P_b(k)]. The statistic of Venkatraman and Begg adds up

.. math::  E = \sum_{k=1}^{n-1} 2\,|P_a(k) - P_b(k)|,

which is 0 if and only if the empirical curves are the same. A permutation exchanges the two
ranks of a patient and ranks anew. Exchanged ranks are whole numbers of which each occurs at
most twice, so that every permutation is a counting sort: n steps, no comparison.
"""

from __future__ import annotations

__all__ = ["venkatraman_test"]

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._shared.placements import auc_of, doubled_placements
from .._shared.swaps import CHUNK_ENTRIES, random_swaps
from .._shared.validation import (
    as_groups,
    as_labels,
    as_scores,
    check_positive_int,
    warn_degenerate,
)
from ..results import ConfidenceInterval, TestResult
from .delong import PERFECT

SAME_CURVE = "the two ROC curves are the same at every operating point"
TIED = (
    "tied scores ({}) are ranked in the order of the cases; another order may give "
    "another statistic and p value"
)


def venkatraman_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    groups: Any = None,
    n_resamples: int = 9999,
    rng: Any = None,
    return_draws: bool = False,
) -> TestResult:
    """Paired permutation test that two ROC curves are equal at every operating point.

    Unlike a test of AUCs it sees curves that cross: two models with the same AUC may still
    differ where one would operate.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores_a, scores_b : array_like of shape (n,)
        Scores of the candidate and of the reference for the same cases in the same order;
        higher means more likely positive. Each is replaced by its ranks, so the models need
        no common scale. Tied scores are ranked in the order in which the cases are given.
    groups : array_like of shape (n,), optional
        Patient of each case; the arms are swapped for all cases of a patient at once.
    n_resamples : int
        Number of random permutations. If there are no more than this many permutations in
        all (2 to the number of patients whose ranks differ), each is evaluated once and the
        test is exact.
    rng : int, numpy.random.Generator or None
        Seed or generator.
    return_draws : bool
        Whether to keep the permuted statistics in ``result.draws``.

    Returns
    -------
    TestResult
        ``statistic`` is E, a whole number of errors added up over all cuts, at least 0;
        ``pvalue`` is the share of permutations with E at least as large, the observed one
        included; ``estimates`` are the two AUCs. The test is about curves, not about one
        number: ``estimate``, ``standard_error`` and interval are NaN, and there is no
        direction.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label or score is missing, or all cases
        belong to one patient.

    Warns
    -----
    DegenerateDataWarning
        If both AUCs are 1; p = 1 then is a convention.

    See Also
    --------
    permutation_auc_test : The same permutations, for the AUC alone.
    roc_point_test : One operating point that was fixed beforehand.

    Notes
    -----
    The null hypothesis is that the arms are exchangeable within patients after the rank
    transformation; the fitted models are fixed. A small p value says that the curves
    differ, neither where nor which model is better: add a figure and a test of the
    quantity in question. Do not use it (i) where the AUC, or the sensitivity at one
    specificity, is the question: it spends its power on all cuts; (ii) for scores pooled
    over the folds or repeats of a cross-validation; (iii) with several images per patient
    and no `groups`; (iv) for models one of which was chosen on these cases; (v) for few
    distinct scores, such as ratings: ranking ties in the order of the cases, as pROC does
    by default, keeps the level but makes E depend on that order (a warning says so). Shuffle
    the cases once beforehand where they are sorted by class or by anything related to it.

    References
    ----------
    .. [1] Venkatraman ES, Begg CB. A distribution-free procedure for comparing receiver
       operating characteristic curves from a paired experiment. Biometrika 1996;83:835-848.
       :doi:`10.1093/biomet/83.4.835`

    Examples
    --------
    Two models with the same AUC whose curves cross:

    >>> from stats_tl.stats import venkatraman_test
    >>> y_true = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> a = [1, 2, 3, 4, 5, 6, 7, 8]
    >>> b = [5, 2, 7, 4, 1, 6, 3, 8]
    >>> result = venkatraman_test(y_true, a, b)
    >>> result.statistic, result.pvalue
    (16.0, 0.125)
    """
    labels = as_labels(y_true)
    scores = (
        as_scores(scores_a, labels.size, name="scores_a"),
        as_scores(scores_b, labels.size, name="scores_b"),
    )
    codes = as_groups(groups, labels.size)
    n_resamples = check_positive_int(n_resamples, name="n_resamples")
    if codes is not None and not codes.any():
        raise ValueError(
            f"`groups` puts all {labels.size} cases in one patient; swapping the arms needs "
            "at least two patients."
        )

    order_a, order_b = (s.argsort(kind="stable") for s in scores)
    observed = _area(labels[order_a][None], labels[order_b][None])[0]
    units = np.arange(labels.size) if codes is None else codes
    active, n_active = _active_units(units, order_a, order_b)
    exact = n_active < 63 and 2**n_active <= n_resamples
    swaps = _all_swaps(n_active) if exact else random_swaps(n_active, n_resamples, rng)
    step = max(1, CHUNK_ENTRIES // labels.size)
    blocks = (kept[i : i + step] for kept in swaps for i in range(0, len(kept), step))
    draws = np.concatenate(
        [_swapped_areas(kept, active, labels, order_a, order_b) for kept in blocks]
    )
    added = 0 if exact else 1
    pvalue = (int((draws >= observed).sum()) + added) / (draws.size + added)

    aucs = tuple(auc_of(labels, doubled_placements(labels, s)) for s in scores)
    texts: list[str] = []
    if aucs[0] == aucs[1] and aucs[0] in (0.0, 1.0):
        texts.append(warn_degenerate(PERFECT.format(auc=aucs[0])))
    elif observed == 0:
        texts.append(SAME_CURVE)
    tied = [f"`{n}`" for n, s in zip(("scores_a", "scores_b"), scores, strict=True) if _ties(s)]
    if tied:
        texts.append(TIED.format(", ".join(tied)))
    return TestResult(
        statistic=float(observed),
        pvalue=pvalue,
        df=math.inf,
        estimate=math.nan,
        estimates=aucs,
        standard_error=math.nan,
        confidence_interval=ConfidenceInterval(math.nan, math.nan),
        confidence_level=0.95,
        alternative="two-sided",
        null_value=0.0,
        n_cases=labels.size,
        n_groups=None if codes is None else int(codes.max()) + 1,
        method=(
            f"Venkatraman and Begg's permutation test of two correlated ROC curves, "
            f"{'all' if exact else 'random'} {draws.size} swaps of the arms within "
            f"{'cases' if codes is None else 'patients'} (sample and fitted models fixed)"
        ),
        warnings=tuple(texts),
        draws=draws.astype(np.float64) if return_draws else None,
    )


def _area(ordered_a: np.ndarray, ordered_b: np.ndarray) -> np.ndarray:
    """E of each row, from the labels (replicates, n) in increasing order under either arm."""
    steps = ordered_a.astype(np.int8) - ordered_b.astype(np.int8)
    return 2 * np.abs(steps.cumsum(axis=1, dtype=np.int32)).sum(axis=1, dtype=np.int64)


def _active_units(
    units: np.ndarray, order_a: np.ndarray, order_b: np.ndarray
) -> tuple[np.ndarray, int]:
    """New codes of the patients, 0 first for all whom a swap would not change, and their number.

    The patients whom a swap changes are numbered 1, 2, ...
    """
    ranks_a, ranks_b = np.empty_like(order_a), np.empty_like(order_b)
    ranks_a[order_a] = ranks_b[order_b] = np.arange(units.size)
    changes = np.zeros(units.max() + 1, dtype=bool)
    changes[units[ranks_a != ranks_b]] = True
    return np.where(changes, changes.cumsum(), 0)[units], int(changes.sum())


def _swapped_areas(
    kept: np.ndarray,
    active: np.ndarray,
    labels: np.ndarray,
    order_a: np.ndarray,
    order_b: np.ndarray,
) -> np.ndarray:
    """E after each row of swaps of the active patients (1 for kept, 0 for swapped).

    A rank belongs to one case under a and to one under b. After the swaps arm a holds the
    first if it was kept and the second if it was swapped; arm b holds the others. Where an
    arm holds both, the one given first ranks first, as among tied scores.
    """
    of_b = np.stack([order_a > order_b, order_a <= order_b], axis=1).ravel()
    cases = np.sort(np.stack([order_a, order_b], axis=1), axis=1).ravel()
    padded = np.ones((len(kept), kept.shape[1] + 1), dtype=bool)
    padded[:, 1:] = kept
    in_a = padded[:, active[cases]] ^ of_b
    slots = np.broadcast_to(labels[cases], in_a.shape)
    shape = (len(kept), labels.size)
    return _area(slots[in_a].reshape(shape), slots[~in_a].reshape(shape))


def _all_swaps(n_units: int) -> Iterator[np.ndarray]:
    """Yield every pattern of swaps once, arrays of shape (replicates, n_units)."""
    step = max(1, CHUNK_ENTRIES // max(n_units, 1))
    for start in range(0, 2**n_units, step):
        numbers = np.arange(start, min(start + step, 2**n_units))
        yield (numbers[:, None] >> np.arange(n_units)) & 1


def _ties(scores: np.ndarray) -> bool:
    return np.unique(scores).size < scores.size
