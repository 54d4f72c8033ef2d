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

__all__ = ["SAME_CURVE", "tied_note", "venkatraman_test"]

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._shared.degenerate import perfect, warn_degenerate
from .._shared.inference import Hypothesis, Inference, conclude
from .._shared.paired_sample import PairedSample
from .._shared.resampling import Resampling, resampling_of
from .._shared.swaps import CHUNK_ENTRIES, describe_swaps, random_swaps
from ..procedure import Procedure, ResultWarning
from ..results import TestResult

SAME_CURVE = ResultWarning(
    "identical-curves", "the two ROC curves are the same at every operating point"
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
    resampling: Resampling | None = None,
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
    resampling : Resampling, optional
        These options as one object, in place of the keywords.

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
    sample = PairedSample.of_scores(y_true, scores_a, scores_b, groups)
    how = resampling_of(
        resampling,
        {"n_resamples": n_resamples, "rng": rng, "return_draws": return_draws},
        minimum=1,
    )
    sample.require_swaps()

    labels = sample.labels
    order_a, order_b = (s.argsort(kind="stable") for s in sample.scores)
    observed = _area(labels[order_a][None], labels[order_b][None])[0]
    active, n_active = _active_units(sample.units, order_a, order_b)
    exact = n_active < 63 and 2**n_active <= how.n_resamples
    swaps = _all_swaps(n_active) if exact else random_swaps(n_active, how.n_resamples, how.rng)
    step = max(1, CHUNK_ENTRIES // labels.size)
    blocks = (kept[i : i + step] for kept in swaps for i in range(0, len(kept), step))
    draws = np.concatenate(
        [_swapped_areas(kept, active, labels, order_a, order_b) for kept in blocks]
    )
    added = 0 if exact else 1
    pvalue = (int((draws >= observed).sum()) + added) / (draws.size + added)
    procedure = Procedure(
        name="venkatraman",
        clustered=sample.clustered,
        n_resamples=draws.size,
        exhaustive=exact,
        n_arms=2,
    )
    return conclude(
        Hypothesis(),
        Inference(float(observed), pvalue),
        estimates=sample.aucs,
        size=sample.size,
        procedure=procedure,
        method=(
            "Venkatraman and Begg's permutation test of two correlated ROC curves, "
            + describe_swaps(procedure)
        ),
        warnings=_notes(sample, same=observed == 0),
        draws=draws.astype(np.float64) if how.return_draws else None,
    )


def _notes(sample: PairedSample, *, same: bool) -> list[ResultWarning]:
    notes = []
    if sample.aucs[0] == sample.aucs[1] and sample.aucs[0] in (0.0, 1.0):
        notes.append(warn_degenerate(perfect(sample.aucs[0])))
    elif same:
        notes.append(SAME_CURVE)
    return notes + tied_note({"scores_a": sample.a, "scores_b": sample.b})


def tied_note(scores: dict[str, np.ndarray]) -> list[ResultWarning]:
    """What to say of tied scores, named as the arguments."""
    tied = [f"`{name}`" for name, values in scores.items() if _ties(values)]
    if not tied:
        return []
    text = (
        f"tied scores ({', '.join(tied)}) are ranked in the order of the cases; another order "
        "may give another statistic and p value"
    )
    return [ResultWarning("tied-scores", text)]


def _area(ordered_a: np.ndarray, ordered_b: np.ndarray) -> np.ndarray:
    """E of each row, from the labels (replicates, n) in increasing order under either arm."""
    steps = ordered_a.astype(np.int8) - ordered_b.astype(np.int8)
    areas: np.ndarray = 2 * np.abs(steps.cumsum(axis=1, dtype=np.int32)).sum(axis=1, dtype=np.int64)
    return areas


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
