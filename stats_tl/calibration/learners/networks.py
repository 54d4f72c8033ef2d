"""Networks: a random layer before ridge regression, and a trained hidden layer."""

from __future__ import annotations

__all__ = ["network", "random_relu"]

import numpy as np

from .linear import ridge_scores
from .trainings import Trainings

#: Of the random layer.
HIDDEN = 48
#: Of the trained network.
UNITS, BATCH, EPOCHS, RATE, DECAY = 16, 32, 12, 0.01, 1e-3


def random_relu(
    views: np.ndarray, y: np.ndarray, trainings: Trainings, rng: np.random.Generator
) -> np.ndarray:
    """Out-of-fold scores of ridge regressions behind random layers, one a cross-validation."""
    layers = [
        (rng.standard_normal((views.shape[2], HIDDEN)) / np.sqrt(views.shape[2]),
         0.5 * rng.standard_normal(HIDDEN))
        for _ in trainings.parts()
    ]  # fmt: skip
    scores = np.empty((len(views), *trainings.folds.shape))
    for arm, x in enumerate(views):
        x = (x - x.mean(axis=0)) / x.std(axis=0)
        hidden = np.stack([np.maximum(x @ layer + shift, 0.0) for layer, shift in layers])
        hidden -= hidden.mean(axis=1, keepdims=True)
        for part in range(trainings.n_parts):
            found = ridge_scores(hidden[part :: trainings.n_parts], y, trainings)
            scores[arm] = np.where(trainings.part == part, found, scores[arm])
    return scores


def network(
    views: np.ndarray, y: np.ndarray, trainings: Trainings, rng: np.random.Generator
) -> np.ndarray:
    """Out-of-fold logits of networks with one hidden layer, trained by mini-batches of Adam.

    All models of both arms are trained as one; the arms begin alike and see cases in one order.
    """
    arms, models, p = len(views), trainings.n_models, views.shape[2]
    mean, spread = views.mean(axis=1, keepdims=True), views.std(axis=1, keepdims=True)
    x = ((views - mean) / spread).astype(np.float32)
    first = (rng.standard_normal((models, p, UNITS)) * np.sqrt(2 / p)).astype(np.float32)
    last = (rng.standard_normal((models, UNITS, 1)) * np.sqrt(1 / UNITS)).astype(np.float32)
    shapes = [(p, UNITS), (1, UNITS), (UNITS, 1), (1, 1)]
    stops = np.cumsum([a * b for a, b in shapes])
    flat = np.zeros((arms * models, stops[-1]), np.float32)

    def views_of(whole: np.ndarray) -> list[np.ndarray]:
        parts = np.split(whole, stops[:-1], axis=1)
        return [part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]

    flat[:, : stops[0]] = np.tile(first.reshape(models, -1), (arms, 1))
    flat[:, stops[1] : stops[2]] = np.tile(last.reshape(models, -1), (arms, 1))
    train = [np.flatnonzero(row) for row in trainings.train]
    batch = min(BATCH, *map(len, train))
    steps = min(map(len, train)) // batch
    decay = np.zeros(stops[-1], np.float32)
    decay[: stops[0]] = decay[stops[1] : stops[2]] = DECAY
    moment, square = np.zeros_like(flat), np.zeros_like(flat)
    arm = np.arange(arms)[:, None, None]
    step = 0
    for _ in range(EPOCHS):
        order = np.stack([rng.permutation(rows)[: steps * batch] for rows in train])
        for start in range(0, order.shape[1], batch):
            step += 1
            rows = order[:, start : start + batch]
            own = x[arm, rows[None]].reshape(arms * models, rows.shape[1], p)
            gradient = _gradient(own, np.tile(y[rows][..., None], (arms, 1, 1)), views_of(flat))
            gradient += decay * flat
            moment += 0.1 * (gradient - moment)
            square += 0.01 * (gradient * gradient - square)
            scale = np.sqrt(square / np.float32(1 - 0.99**step))
            flat -= np.float32(RATE / (1 - 0.9**step)) * moment / (scale + np.float32(1e-6))
    w1, b1, w2, b2 = (w.reshape(arms, models, *w.shape[1:]) for w in views_of(flat))
    scores = []
    for number in range(arms):
        filled = np.append(x[number], np.zeros((1, p), np.float32), axis=0)
        hidden = np.maximum(filled[trainings.tested] @ w1[number] + b1[number], 0)
        scores.append(trainings.scatter((hidden @ w2[number] + b2[number])[..., 0]))
    return np.stack(scores)


def _gradient(x: np.ndarray, y: np.ndarray, parameters: list[np.ndarray]) -> np.ndarray:
    """Gradient of the mean cross-entropy of every model, shape (models, parameters)."""
    w1, b1, w2, b2 = parameters
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    error = (1 / (1 + np.exp(-(h @ w2 + b2))) - y).astype(np.float32) / np.float32(x.shape[1])
    back = (error * w2.transpose(0, 2, 1)) * (z > 0)
    parts = [
        x.transpose(0, 2, 1) @ back,
        back.sum(axis=1, keepdims=True),
        h.transpose(0, 2, 1) @ error,
        error.sum(axis=1, keepdims=True),
    ]
    return np.concatenate([part.reshape(len(x), -1) for part in parts], axis=1)
