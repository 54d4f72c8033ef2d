"""How much a case matters as a training case, from out-of-fold scores.

The mean difference varies through cases as (g + h) / n, g the influence of a case as a test
case and h its influence through training. Scores show C, the variance of g; what is missing is
2 B, with B the covariance of g and h (the variance of h beyond B was small in simulations). Three
things tell of B:

- *excess*: V, the case variance of one repeat, exceeds C by what the split and the training run
  do to a case, and by X_0, the noise of comparing it with few cases of its fold, which is known.
  Where two cases influence each other alike, as in a linear learner, leaving one fold in K out
  shows a (K - 1)th of it, and B = (K - 1) (V - C - X_0) / 2. Noise of training runs, which has no
  part in B, makes this too large;
- *learning curve*: B / C is about its elasticity, by half-sample repeats and a prior from
  the AUC (:mod:`.elasticity`). A curve does not show interactions of two cases;
- *fold composition*: a fold of easy cases leaves a training set that lacks them. With G the mean
  placement of a fold's cases in the *other* repeats, the AUC of the fold follows G with slope
  1 - B / ((K - 1) C). Products of G over two other repeats, in place of squares, keep the noise
  of G out. Unbiased for linear learners, up to 1.5 times too large with selection of
  features, and noisy with few repeats.

The first two make a prior, the third an observation. Their weights were set on designs of linear
heads, trees, networks, nearest neighbours and feature selection, and checked on new data sets of
them; ``analysis/calibration/README.md`` has the figures.
"""

from __future__ import annotations

__all__ = [
    "Covariance",
    "TrainingEvidence",
    "composition_covariance",
    "metric_noise",
    "reference_noise",
]

import itertools
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy

from .._shared.fold_cells import FoldCells
from .._shared.fold_covariance import classes_of, fold_covariance
from ..metrics.base import Metric, UndefinedMetricError
from ..metrics.means import CaseMean
from .elasticity import Elasticity

# Set by a search over a grid on designs like those of analysis/calibration/learners.toml.
EXCESS_SHARE, EXCESS_MOST, EXCESS_SPREAD = 0.6, 1.5, 0.3
PRIOR_SPREAD, COMPOSITION_BIAS = 0.2, 1.5
# In place of the excess, as a share of C, where all repeats have one partition and hide it.
ONE_PARTITION, ONE_PARTITION_SPREAD = 0.4, 0.3
# C is little more than noise below this share of V.
LEAST_SHARE = 0.05
# Cases of a class and fold that the reference noise is computed from.
MOST_CASES = 32
# Repeats whose folds it is computed from for other metrics.
NOISE_REPEATS = 4


class Covariance(NamedTuple):
    """An estimate of B and its variance; the variance is infinite where nothing is known."""

    value: float
    variance: float


NOTHING = Covariance(0.0, math.inf)


@dataclass(frozen=True)
class TrainingEvidence:
    """What is known of B.

    Attributes
    ----------
    shared : float
        C, at least `LEAST_SHARE` of V.
    excess : float
        What the excess of V over C says of B; NaN where all repeats have one partition.
    curve : Elasticity
        Of the learning curve.
    composition : Covariance
        What the composition of the folds says of B.
    """

    shared: float
    excess: float
    curve: Elasticity
    composition: Covariance

    def estimate(self) -> Covariance:
        """B, not below zero."""
        c = self.shared
        if math.isnan(self.excess):
            expected, spread = ONE_PARTITION * c, ONE_PARTITION_SPREAD * c
        else:
            seen = min(self.excess, EXCESS_MOST * c)
            expected, spread = EXCESS_SHARE * seen, EXCESS_SPREAD * seen
        expected += self.curve.value * c
        variance = spread**2 + (PRIOR_SPREAD * c) ** 2
        if variance == 0:
            return Covariance(0.0, 0.0)
        weight = 1 / variance
        value, variance = self.composition
        other = COMPOSITION_BIAS**2 / variance if variance > 0 else 0.0
        total = weight + other
        mean = (weight * expected + other * value / COMPOSITION_BIAS) / total
        return Covariance(max(mean, 0.0), 1 / total)

    def as_elasticity(self, covariance: Covariance) -> Elasticity:
        """The elasticity e that gives the same variance: (1 + e)**2 C = C + 2 B."""
        if self.shared == 0:
            return Elasticity(0.0, math.inf)
        root = math.sqrt(max(1 + 2 * covariance.value / self.shared, 0.0))
        slope = 1 / (self.shared * max(root, 0.5))
        return Elasticity(root - 1, slope**2 * covariance.variance)

    def sources(self) -> dict[str, Elasticity]:
        """What the excess and the composition say, as elasticities."""
        found = {}
        if not math.isnan(self.excess):
            value = EXCESS_SHARE * min(self.excess, EXCESS_MOST * self.shared)
            spread = (EXCESS_SPREAD / EXCESS_SHARE * value) ** 2
            found["excess of one repeat"] = self.as_elasticity(
                Covariance(value, spread + (PRIOR_SPREAD * self.shared) ** 2)
            )
        if math.isfinite(self.composition.variance):
            value, variance = self.composition
            found["fold composition"] = self.as_elasticity(
                Covariance(value / COMPOSITION_BIAS, variance / COMPOSITION_BIAS**2)
            )
        return found


def composition_covariance(
    placements: np.ndarray, labels: np.ndarray | None, cells: FoldCells, partition: np.ndarray
) -> Covariance:
    """B from how the AUC of a fold follows the ease of its cases.

    Parameters
    ----------
    placements : ndarray of shape (repeats, n)
        Differences between the arms of the placement values within folds, or of the components
        of another metric.
    labels : ndarray of bool or int, shape (n,), or None
        None for a metric that is a mean over all cases.
    cells : FoldCells
    partition : ndarray of int, shape (repeats,)
        From :meth:`FoldCells.partitions`. Repeats with the same one are averaged: they say nothing
        of composition.

    Returns
    -------
    Covariance
        Nothing with fewer than three partitions, which leave no two others to compare.
    """
    first = np.unique(partition)
    if first.size < 3:
        return NOTHING
    if first.size < cells.n_repeats:
        placements = np.stack([placements[partition == own].mean(axis=0) for own in first])
        cells = cells.of_repeats(first)
    m, k = cells.n_repeats, cells.n_folds
    centred = placements.copy()
    classes = classes_of(labels, cells)
    for own in classes:
        centred[:, own] -= placements[:, own].mean(axis=1, keepdims=True)
    # Column (repeat, fold) averages over the positives and over the negatives of that fold.
    n = centred.shape[1]
    share = 1 / _class_sizes(classes, cells)
    averages = scipy.sparse.csr_array(
        (share.T.ravel(), cells.cell.T.ravel(), np.arange(0, n * m + 1, m)), shape=(n, m * k)
    )
    means = (centred @ averages).reshape(m, m, k)  # of repeat l, over fold k of repeat m
    itself = np.arange(m)
    # Every class's average of its own repeat is the AUC's deviation.
    auc = means[itself, itself] / len(classes)
    others = means.sum(axis=0) - means[itself, itself]
    squares = (means**2).sum(axis=0) - means[itself, itself] ** 2
    product = float((auc * others).sum()) / (m - 1)
    spread = float((others**2 - squares).sum()) / ((m - 1) * (m - 2))
    total = float((others**2).sum()) / (m - 1) ** 2
    if total <= 0:
        return NOTHING
    residual = max(float((auc**2).sum()) - product**2 / total, 0.0)
    return Covariance((spread - product) / (m * k), residual * total / (m * k) ** 2 / (m * (k - 1)))


def _class_sizes(classes: tuple[np.ndarray, ...], cells: FoldCells) -> np.ndarray:
    """Cases of the class of each case in its fold, shape (repeats, n)."""
    sizes = np.empty(cells.cell.shape)
    for own in classes:
        inside = cells.cell[:, own]
        sizes[:, own] = np.bincount(inside.ravel(), minlength=cells.n_positive.size)[inside]
    return sizes


def reference_noise(
    labels: np.ndarray, a: np.ndarray, b: np.ndarray, cells: FoldCells, repeats: np.ndarray
) -> float:
    """What V exceeds C by for scores that do not depend on training: the noise of few partners.

    Parameters
    ----------
    labels : ndarray of bool, shape (n,)
    a, b : ndarray of shape (repeats, n)
        Scores of the arms.
    cells : FoldCells
    repeats : ndarray of int
        Those that are looked at.

    Returns
    -------
    float
        From the interaction of positive and negative cases within a fold,
        by the two-way analysis of variance; folds with one case of a class are left out.
    """
    total, counted = 0.0, 0
    k = cells.n_folds
    for repeat, fold in itertools.product(repeats, range(k)):
        inside = cells.cell[repeat] == repeat * k + fold
        sides = [np.flatnonzero(inside & own) for own in (labels, ~labels)]
        n1, n0 = map(len, sides)
        if min(n1, n0) < 2:
            continue
        kept = [_thinned(side, a[repeat]) for side in sides]
        d = _wins(a[repeat], *kept) - _wins(b[repeat], *kept)
        d -= d.mean(axis=0)
        d -= d.mean(axis=1, keepdims=True)
        mean_square = float((d**2).sum()) / ((len(kept[0]) - 1) * (len(kept[1]) - 1))
        total += 2 * mean_square / (n1 * n0)
        counted += 1
    return total / (counted * k) if counted else 0.0


def metric_noise(
    metric: Metric,
    truth: np.ndarray,
    labels: np.ndarray | None,
    arms: tuple[np.ndarray, np.ndarray],
    cells: FoldCells,
) -> float:
    """:func:`reference_noise` of any metric: the same values, dealt into the folds of repeats.

    The component of a case then varies between repeats by its partners alone. Means over cases have
    no partners. `truth` is what the metric takes, `labels` what it varies within.
    """
    rows = np.arange(min(cells.n_repeats, NOISE_REPEATS))
    if isinstance(metric, CaseMean) or rows.size < 2:
        return 0.0
    some = cells.of_repeats(rows)
    fixed = (np.broadcast_to(own[0], (rows.size, *own.shape[1:])) for own in arms)
    try:
        one, other = (metric.within(truth, own, some)[1] for own in fixed)
    except UndefinedMetricError:
        return 0.0
    matrix = fold_covariance((one - other)[None], labels, None, some)[0, :, 0]
    own = float(np.trace(matrix)) / rows.size
    shared = (float(matrix.sum()) - float(np.trace(matrix))) / (rows.size * (rows.size - 1))
    return max(own - shared, 0.0)


def _wins(scores: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    x, y = scores[positive][:, None], scores[negative]
    wins: np.ndarray = (x > y) + 0.5 * (x == y)
    return wins


def _thinned(rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """At most `MOST_CASES` of the rows, evenly spaced by score."""
    if rows.size <= MOST_CASES:
        return rows
    order = rows[np.argsort(scores[rows], kind="stable")]
    kept: np.ndarray = order[_evenly(rows.size)]
    return kept


@lru_cache(maxsize=64)
def _evenly(size: int) -> np.ndarray:
    """`MOST_CASES` places from 0 to size - 1."""
    places: np.ndarray = np.linspace(0, size - 1, MOST_CASES).round().astype(int)
    places.flags.writeable = False  # it is shared
    return places
