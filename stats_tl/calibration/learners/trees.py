"""Classification trees and forests, all of them grown at once, level by level.

Features are cut at quantiles, as in gradient boosting by histograms. All cases go down a tree,
those that it is not trained on with a weight of 0, so that growing it also predicts.
"""

from __future__ import annotations

__all__ = ["forest", "grow", "tree"]

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .trainings import Learner, Trainings

#: Values a feature is cut into.
BINS = 32
#: Nodes of a level and tree that draw features by themselves; beyond, they repeat.
SLOTS = 32
#: Cases in all trees that are grown at once.
AT_ONCE = 60_000


def tree(depth: int | None = None, *, leaf: int = 1) -> Learner:
    """A tree of at most `depth` levels with at least `leaf` cases in a leaf."""
    return _Trees(depth, leaf)


def forest(n_trees: int, *, leaf: int = 2) -> Learner:
    """Trees of resampled cases that may split on the root of the number of features."""
    return _Trees(None, leaf, n_trees)


@dataclass(frozen=True)
class _Trees:
    """A tree a model, or a forest."""

    depth: int | None
    leaf: int
    n_trees: int = 0

    def __call__(
        self, views: np.ndarray, y: np.ndarray, trainings: Trainings, rng: np.random.Generator
    ) -> np.ndarray:
        seed = int(rng.integers(2**62))
        most = max(1, AT_ONCE // (y.size * max(self.n_trees, 1)))
        scores = []
        for x in views:
            codes, values = _quantiles(x), np.empty((trainings.n_models, y.size))
            drawn = np.random.default_rng(seed)  # both arms draw alike
            for first in range(0, trainings.n_models, most):
                train = trainings.train[first : first + most]
                values[first : first + most] = self._predict(codes, y, train, drawn)
            scores.append(trainings.collect(values))
        return np.stack(scores)

    def _predict(
        self, codes: np.ndarray, y: np.ndarray, train: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        if self.n_trees == 0:
            return grow(codes, y, train.astype(float), depth=self.depth, leaf=self.leaf)
        weights = _resampled(train, self.n_trees, rng)
        tried = max(1, math.isqrt(codes.shape[1]))
        found = grow(codes, y, weights, depth=self.depth, leaf=self.leaf, tried=tried, rng=rng)
        return np.asarray(found.reshape(len(train), self.n_trees, -1).mean(axis=1))


class _Samples(NamedTuple):
    """Cases on their way down: number, weight, weight of a positive, and node."""

    case: np.ndarray
    weight: np.ndarray
    positive: np.ndarray
    node: np.ndarray


def grow(
    codes: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    *,
    depth: int | None = None,
    leaf: int = 1,
    tried: int | None = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Share of positives in the leaf of every case, for trees that split by the Gini index.

    Parameters
    ----------
    codes : ndarray of int, shape (n, p)
        Features, from 0 to `BINS` - 1.
    y : ndarray of int, shape (n,)
    weights : ndarray of shape (trees, n)
        How often each tree is trained on a case.
    depth : int, optional
    leaf : int, default 1
        Least weight of a leaf.
    tried : int, optional
        Features that a node may split on, drawn by `rng`; by default all.

    Returns
    -------
    ndarray of shape (trees, n)
    """
    trees, n = weights.shape
    p = codes.shape[1]
    case, weight = np.tile(np.arange(n), trees), weights.ravel()
    node, active = np.arange(trees).repeat(n), np.arange(trees * n)
    result = np.empty(trees * n)
    root = np.arange(trees)  # tree of each node
    level = 0
    while active.size:
        own, w = case[active], weight[active]
        samples = _Samples(own, w, w * y[own], node)
        size, positive = (np.bincount(node, weights=part) for part in samples[1:3])
        result[active] = (positive / np.maximum(size, 1e-9))[node]
        if level == depth:
            break
        features = np.arange(p)[None].repeat(size.size, axis=0)
        if tried is not None:
            assert rng is not None
            # By its number within the tree: no tree's luck depends on the other trees.
            order = rng.random((trees, SLOTS, p))
            place = np.arange(size.size) - np.searchsorted(root, root)
            drawn = order[root, place % SLOTS]
            features = np.argpartition(drawn, tried - 1, axis=1)[:, :tried]
        feature, cut = _best_splits(codes, samples, features, (size, positive), leaf)
        going = feature[node] >= 0
        active, node, own = active[going], node[going], own[going]
        right = codes[own, feature[node]] > cut[node]
        # Nodes of the next level, numbered without gaps.
        kept, node = np.unique(2 * node + right, return_inverse=True)
        root = root[kept // 2]
        level += 1
    return result.reshape(trees, n)


def _best_splits(
    codes: np.ndarray,
    samples: _Samples,
    features: np.ndarray,
    totals: tuple[np.ndarray, np.ndarray],
    leaf: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Feature (-1 for none) and last bin to the left, of every node."""
    nodes, tried = features.shape
    code = codes[samples.case[:, None], features[samples.node]]
    cell = ((samples.node[:, None] * tried + np.arange(tried)) * BINS + code).ravel()
    left, hits = (
        np.bincount(cell, weights=part.repeat(tried), minlength=features.size * BINS)
        .reshape(nodes, tried, BINS)
        .cumsum(axis=2)
        for part in samples[1:3]
    )
    size, positive = (total[:, None, None] for total in totals)
    right = size - left
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = hits**2 / left + (positive - hits) ** 2 / right - positive**2 / size
    gain[~((left >= leaf) & (right >= leaf) & (left > 0) & (right > 0))] = 0.0
    flat = gain.reshape(nodes, -1)
    best = flat.argmax(axis=1)
    chosen, cut = np.divmod(best, BINS)
    feature = features[np.arange(nodes), chosen]
    feature[flat[np.arange(nodes), best] <= 1e-9] = -1
    return feature, cut


def _quantiles(x: np.ndarray) -> np.ndarray:
    """Features as numbers of the quantiles they lie between."""
    order = x.argsort(axis=0).argsort(axis=0)
    codes: np.ndarray = order * BINS // len(x)
    return codes


def _resampled(train: np.ndarray, n_trees: int, rng: np.random.Generator) -> np.ndarray:
    """How often each tree of each model draws a case, shape (models * trees, n)."""
    weights = np.zeros((len(train) * n_trees, train.shape[1]))
    for model, row in enumerate(train):
        cases = np.flatnonzero(row)
        drawn = cases[rng.integers(cases.size, size=(n_trees, cases.size))]
        first = model * n_trees
        for number, own in enumerate(drawn):
            weights[first + number] = np.bincount(own, minlength=row.size)
    return weights
