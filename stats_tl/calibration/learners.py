"""Learners that are trained thousands of times: all folds of all repeats at once.

Each takes features of shape (n, p), labels and folds of shape (repeats, n), trains one
model for every fold of every repeat on the other folds, and returns out-of-fold scores of
shape (repeats, n). `rng` is the training seed: two arms that are given generators in the same
state make the same random choices, as the cells of a pair do.

- ``ridge``: least squares on the labels with a ridge penalty; a linear head.
- ``random-relu``: ridge behind a random layer that is drawn anew in every repeat; a
  non-linear head with training noise.
- ``parzen``: log ratio of kernel density estimates of the classes; local and non-linear,
  without training noise.
- ``network``: one hidden layer, trained by mini-batches of Adam; the real thing, and slow.
"""

from __future__ import annotations

__all__ = ["LEARNERS", "Learner"]

from collections.abc import Callable

import numpy as np

Learner = Callable[[np.ndarray, np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
HIDDEN = 48


def ridge(x: np.ndarray, y: np.ndarray, folds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out-of-fold scores of a ridge regression on the labels."""
    scores = np.empty(folds.shape)
    x = np.concatenate([x - x.mean(axis=0), np.ones((len(x), 1))], axis=1)
    penalty = _penalty(x)
    if x.shape[1] <= 100:
        target = y - y.mean()
        for repeat, row in enumerate(folds):
            scores[repeat] = _ridge_of_repeat(x, target, row, penalty)
        return scores
    # With many features the hat matrix is cheaper: the residuals of the left-out fold
    # are (I - H_kk)^-1 times the ordinary ones, exactly, for a fixed penalty.
    target = y - y.mean()
    hat = x @ np.linalg.solve(x.T @ x + np.diag(penalty), x.T)
    residual = target - hat @ target
    for repeat, row in enumerate(folds):
        for fold in range(int(row.max()) + 1):
            own = np.flatnonzero(row == fold)
            block = np.eye(own.size) - hat[np.ix_(own, own)]
            scores[repeat, own] = target[own] - np.linalg.solve(block, residual[own])
    return scores


def random_relu(
    x: np.ndarray, y: np.ndarray, folds: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Out-of-fold scores of ridge regressions behind random layers, one a repeat."""
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    scores, target = np.empty(folds.shape), y - y.mean()
    for repeat, row in enumerate(folds):
        layer = rng.standard_normal((x.shape[1], HIDDEN)) / np.sqrt(x.shape[1])
        hidden = np.maximum(x @ layer + 0.5 * rng.standard_normal(HIDDEN), 0.0)
        hidden -= hidden.mean(axis=0)
        hidden = np.concatenate([hidden, np.ones((len(x), 1))], axis=1)
        scores[repeat] = _ridge_of_repeat(hidden, target, row, _penalty(hidden))
    return scores


def parzen(x: np.ndarray, y: np.ndarray, folds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out-of-fold log ratios of the classes' kernel density estimates."""
    x = np.ascontiguousarray((x - x.mean(axis=0)) / x.std(axis=0), dtype=np.float32)
    square = (x * x).sum(axis=1)
    distance = square[:, None] + square - 2 * (x @ x.T)
    # Half the mean squared distance: broad enough to be smooth in twenty dimensions.
    kernel = np.exp(-distance / np.float32(0.5 * 2 * x.shape[1]))
    n_repeats, n = folds.shape
    n_folds = int(folds.max()) + 1
    member = np.zeros((n, n_repeats, n_folds, 2), dtype=np.float32)
    member[np.arange(n)[None], np.arange(n_repeats)[:, None], folds, y] = 1
    sums = (kernel @ member.reshape(n, -1)).reshape(member.shape)
    counts = member.sum(axis=0)
    total, size = sums.sum(axis=2), counts.sum(axis=1)
    index = (np.arange(n)[None], np.arange(n_repeats)[:, None], folds)
    outside = total.transpose(1, 0, 2) - sums[index]
    left = size[:, None, :] - counts[np.arange(n_repeats)[:, None], folds]
    density = outside / left + 1e-12
    ratio: np.ndarray = np.log(density[..., 1]) - np.log(density[..., 0])
    return ratio


def network(
    x: np.ndarray, y: np.ndarray, folds: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Out-of-fold logits of a network with one hidden layer, all models trained as one."""
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    n_repeats = len(folds)
    n_folds, hidden, batch, epochs = int(folds.max()) + 1, 16, 32, 12
    models, p = n_repeats * n_folds, x.shape[1]
    parameters = [
        (rng.standard_normal((models, p, hidden)) * np.sqrt(2 / p)).astype(np.float32),
        np.zeros((models, 1, hidden), np.float32),
        (rng.standard_normal((models, hidden, 1)) * np.sqrt(1 / hidden)).astype(np.float32),
        np.zeros((models, 1, 1), np.float32),
    ]
    train = [np.flatnonzero(row != fold) for row in folds for fold in range(n_folds)]
    steps = min(map(len, train)) // batch
    first = [np.zeros_like(w) for w in parameters]
    second = [np.zeros_like(w) for w in parameters]
    step = 0
    for _ in range(epochs):
        order = np.stack([rng.permutation(rows)[: steps * batch] for rows in train])
        for start in range(0, steps * batch, batch):
            step += 1
            rows = order[:, start : start + batch]
            gradients = _gradients(x[rows], y[rows][..., None], parameters)
            for w, g, m, v in zip(parameters, gradients, first, second, strict=True):
                m += 0.1 * (g - m)
                v += 0.01 * (g * g - v)
                w -= 0.01 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.99**step)) + 1e-6)
    scores = np.empty(folds.shape)
    w1, b1, w2, b2 = parameters
    for model in range(models):
        repeat, fold = divmod(model, n_folds)
        own = np.flatnonzero(folds[repeat] == fold)
        scores[repeat, own] = (
            np.maximum(x[own] @ w1[model] + b1[model], 0) @ w2[model] + b2[model]
        )[:, 0]
    return scores


#: By the names that plans use.
LEARNERS: dict[str, Learner] = {
    "ridge": ridge,
    "random-relu": random_relu,
    "parzen": parzen,
    "network": network,
}


def _penalty(x: np.ndarray) -> np.ndarray:
    """A tenth of the mean sum of squares of a feature; the intercept is not penalised."""
    penalty = np.full(x.shape[1], 0.1 * float((x[:, :-1] ** 2).sum()) / (x.shape[1] - 1))
    penalty[-1] = 1e-8
    return penalty


def _ridge_of_repeat(
    x: np.ndarray, target: np.ndarray, folds: np.ndarray, penalty: np.ndarray
) -> np.ndarray:
    """Out-of-fold predictions of one repeat, from the folds' cross products."""
    n_folds = int(folds.max()) + 1
    order = np.argsort(folds, kind="stable")
    sizes = np.bincount(folds, minlength=n_folds)
    stops = np.cumsum(sizes)
    blocks = [order[stop - size : stop] for stop, size in zip(stops, sizes, strict=True)]
    parts = [x[own] for own in blocks]
    gram = np.stack([part.T @ part for part in parts])
    right = np.stack([part.T @ target[own] for part, own in zip(parts, blocks, strict=True)])
    weights = np.linalg.solve(
        gram.sum(axis=0) - gram + np.diag(penalty), (right.sum(axis=0) - right)[..., None]
    )[..., 0]
    predicted = np.empty(len(x))
    for own, part, w in zip(blocks, parts, weights, strict=True):
        predicted[own] = part @ w
    return predicted


def _gradients(x: np.ndarray, y: np.ndarray, parameters: list[np.ndarray]) -> list[np.ndarray]:
    """Gradients of the mean cross-entropy of every model, with a little weight decay."""
    w1, b1, w2, b2 = parameters
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    error = (1 / (1 + np.exp(-(h @ w2 + b2))) - y).astype(np.float32) / x.shape[1]
    back = (error @ w2.transpose(0, 2, 1)) * (z > 0)
    return [
        x.transpose(0, 2, 1) @ back + 1e-3 * w1,
        back.sum(axis=1, keepdims=True),
        h.transpose(0, 2, 1) @ error + 1e-3 * w2,
        error.sum(axis=1, keepdims=True),
    ]
