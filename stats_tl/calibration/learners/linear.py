"""Linear learners: least squares and logistic regression, with and without selection."""

from __future__ import annotations

__all__ = ["logistic", "ready", "ridge", "ridge_scores", "selected"]

from functools import partial

import numpy as np
from scipy.linalg import lapack
from scipy.special import expit

from .trainings import Learner, Trainings

#: Ridge penalty as a share of the mean sum of squares of a feature.
PENALTY = 0.1
#: Above this number of features, cases are fewer than features or not many more.
MOST_PRIMAL = 100
#: Newton's method: a penalty of 1, and the last step that is taken for none.
LOGISTIC_PENALTY, CONVERGED, MOST_STEPS = 1.0, 1e-7, 60
#: Numbers in the features of the models that are fitted at once.
AT_ONCE = 4_000_000


def ridge(
    views: np.ndarray, y: np.ndarray, trainings: Trainings, rng: np.random.Generator
) -> np.ndarray:
    """Out-of-fold scores of a ridge regression on the labels."""
    fit = ridge_scores if views.shape[2] <= MOST_PRIMAL else _ridge_by_kernel
    return np.stack([fit((x - x.mean(axis=0))[None], y, trainings) for x in views])


def ridge_scores(x: np.ndarray, y: np.ndarray, trainings: Trainings) -> np.ndarray:
    """Ridge regression from the cross products of the folds.

    Parameters
    ----------
    x : ndarray of shape (rows or 1, n, p)
        Centred features, of each row its own or the same.
    y : ndarray of shape (n,)
    trainings : Trainings

    Returns
    -------
    ndarray of shape (rows, n)
    """
    rows = len(trainings.folds)
    x = np.concatenate([x, np.ones((*x.shape[:2], 1))], axis=2)
    x = np.concatenate([x, np.zeros((len(x), 1, x.shape[2]))], axis=1)
    target = np.append(y - y.mean(), 0.0)
    tested = trainings.tested
    row = np.arange(rows).repeat(trainings.n_folds) if len(x) > 1 else np.zeros(1, dtype=int)
    own = x[row[:, None], tested]
    shape = (rows, trainings.n_parts, -1)
    gram = (own.transpose(0, 2, 1) @ own).reshape(*shape, *own.shape[2:] * 2)
    right = (own.transpose(0, 2, 1) @ target[tested][..., None]).reshape(*shape, own.shape[2])
    total = gram.sum(axis=2, keepdims=True)
    squares = np.diagonal(total, axis1=-2, axis2=-1)[..., :-1]
    penalty = np.full((*total.shape[:3], own.shape[2]), 1e-8)  # that of the intercept
    penalty[..., :-1] = PENALTY * squares.mean(axis=-1, keepdims=True)
    left = total - gram + penalty[..., None] * np.eye(own.shape[2])
    weights = np.linalg.solve(left, (right.sum(axis=2, keepdims=True) - right)[..., None])
    return trainings.scatter((own @ weights.reshape(len(own), -1, 1))[..., 0])


def _ridge_by_kernel(x: np.ndarray, y: np.ndarray, trainings: Trainings) -> np.ndarray:
    """Ridge regression of many features: one inverse a data set, downdated for every fold.

    With R = I - H the matrix that makes residuals, those of a fold that was left out are
    R_kk^-1 (R y)_k, exactly, for a fixed penalty.
    """
    # Single precision is enough: the penalty keeps the matrix well conditioned.
    x = x.astype(np.float32)
    kernel = x[0] @ x[0].T
    scores = np.empty(trainings.folds.shape)
    known: dict[bytes, np.ndarray] = {}
    for row, _, cases in trainings.parts():
        key = cases.tobytes()
        if key not in known:
            known[key] = _residual_maker(kernel[np.ix_(cases, cases)], x.shape[2])
        maker, target = known[key], (y[cases] - y[cases].mean()).astype(np.float32)
        residual = maker @ target
        folds = trainings.folds[row, cases]
        for fold in range(folds.min(), folds.max() + 1):
            own = np.flatnonzero(folds == fold)
            left_out = lapack.sposv(maker[np.ix_(own, own)], residual[own])[1]
            scores[row, cases[own]] = target[own] - left_out
    return scores


def _residual_maker(kernel: np.ndarray, n_features: int) -> np.ndarray:
    """I - H of a ridge regression with an intercept, from the products of the cases."""
    n = len(kernel)
    means = kernel.mean(axis=0)
    centred = kernel - means - means[:, None] + means.mean()
    penalty = PENALTY * float(np.trace(kernel)) / n_features
    centred[np.diag_indices(n)] += penalty
    lower = lapack.spotri(lapack.spotrf(centred, lower=True)[0], lower=True)[0]
    inverse = np.tril(lower) + np.tril(lower, -1).T
    return np.asarray(penalty * inverse - 1 / n)


def logistic(
    views: np.ndarray, y: np.ndarray, trainings: Trainings, rng: np.random.Generator
) -> np.ndarray:
    """Out-of-fold scores of a logistic regression."""
    scores = []
    for view in views:
        x = np.append(view, np.ones((len(view), 1)), axis=1)
        # All models begin at the fit of all cases, and end at their own, which is the only one.
        start = _newton(x[None], y[None], np.ones((1, len(x))), np.zeros((1, x.shape[1])))[0]
        weights = np.empty((trainings.n_models, x.shape[1]))
        for models in _batches(trainings, x.shape[1]):
            own, used, labels = _training_rows(x, y, trainings.trained[models])
            weights[models] = _newton(own, labels, used, np.tile(start, (len(own), 1)))
        scores.append(trainings.collect(weights @ x.T))
    return np.stack(scores)


def selected(number: int) -> Learner:
    """Logistic regression on the features that differ most, chosen on the training cases."""
    return partial(_selected, number)


def _selected(
    number: int, views: np.ndarray, y: np.ndarray, trainings: Trainings, rng: np.random.Generator
) -> np.ndarray:
    train = trainings.train.astype(float)
    size, positive = train.sum(axis=1)[:, None], (train @ y)[:, None]
    scores = []
    for x in views:
        x = x - x.mean(axis=0)
        total, of_positives, squares = train @ x, (train * y) @ x, train @ x**2
        spread = np.sqrt(squares / size - (total / size) ** 2)
        apart = of_positives / positive - (total - of_positives) / (size - positive)
        kept = np.argpartition(-np.abs(apart) / spread, number, axis=1)[:, :number]
        values = np.empty((trainings.n_models, len(x)))
        for models in _batches(trainings, number + 1):
            chosen = x[:, kept[models]].transpose(1, 0, 2)
            chosen = np.append(chosen, np.ones((*chosen.shape[:2], 1)), axis=2)
            own, used, labels = _training_rows(chosen, y, trainings.trained[models])
            weights = _newton(own, labels, used, np.zeros((len(own), number + 1)))
            values[models] = (chosen @ weights[..., None])[..., 0]
        scores.append(trainings.collect(values))
    return np.stack(scores)


def ready(
    views: np.ndarray, y: np.ndarray, trainings: Trainings, rng: np.random.Generator
) -> np.ndarray:
    """The first feature: a score that was there before."""
    rows, n = trainings.folds.shape
    return np.broadcast_to(views[:, None, :, 0], (len(views), rows, n)).copy()


def _batches(trainings: Trainings, width: int) -> list[np.ndarray]:
    """Numbers of the models, in batches."""
    size = max(1, AT_ONCE // (trainings.trained.shape[1] * width))
    models = np.arange(trainings.n_models)
    return np.split(models, range(size, models.size, size))


def _training_rows(
    x: np.ndarray, y: np.ndarray, trained: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, weights (0 where a row only fills up) and labels of the models' cases."""
    used = trained < len(y)
    rows = np.where(used, trained, 0)
    own = x[rows] if x.ndim == 2 else x[np.arange(len(x))[:, None], rows]
    return own, used.astype(float), y[rows]


def _newton(x: np.ndarray, y: np.ndarray, used: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Logistic regressions with a ridge penalty, one a model; the last feature is free of it.

    With many features the second derivatives are kept for some steps, which costs less than it
    saves.
    """
    p = x.shape[2]
    penalty = np.append(np.full(p - 1, LOGISTIC_PENALTY), 1e-6)
    kept = 1 if p <= 30 else 5
    weights = weights.copy()
    turned = x.transpose(0, 2, 1)
    for step in range(MOST_STEPS):
        chance = expit((x @ weights[..., None])[..., 0])
        if step % kept == 0:
            curvature = (chance * (1 - chance) * used)[..., None]
            inverse = np.linalg.inv(turned @ (x * curvature) + np.diag(penalty))
        gradient = (turned @ ((chance - y) * used)[..., None])[..., 0] + penalty * weights
        move = (inverse @ gradient[..., None])[..., 0]
        weights -= move
        if np.abs(move).max() < CONVERGED:
            break
    return weights
