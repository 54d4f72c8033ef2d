"""Local learners: kernel densities and nearest neighbours, from one matrix of distances."""

from __future__ import annotations

__all__ = ["nearest", "parzen"]

from functools import partial

import numpy as np

from .trainings import Learner, Trainings


def parzen(
    views: np.ndarray, y: np.ndarray, trainings: Trainings, rng: np.random.Generator
) -> np.ndarray:
    """Out-of-fold log ratios of the classes' kernel density estimates."""
    train = trainings.train
    member = np.concatenate([train & (y == 1), train & (y == 0)]).astype(np.float32)
    scores = []
    for x in views:
        x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
        # Half the mean squared distance: broad enough to be smooth in twenty dimensions.
        kernel = np.exp(-_squared_distances(x) / np.float32(0.5 * 2 * x.shape[1]))
        density = member @ kernel / member.sum(axis=1, keepdims=True) + np.float32(1e-12)
        positive, negative = (trainings.collect(part) for part in np.split(np.log(density), 2))
        scores.append(positive - negative)
    return np.stack(scores)


def nearest(number: int) -> Learner:
    """Share of positives among the nearest training cases."""
    return partial(_nearest, number)


def _nearest(
    number: int, views: np.ndarray, y: np.ndarray, trainings: Trainings, rng: np.random.Generator
) -> np.ndarray:
    rows, n = trainings.folds.shape
    # So many of the nearest cases hold enough training cases nearly always.
    share = trainings.train.sum(axis=1).min() / n
    most = min(n, int(2 * number / share) + 10)
    scores = np.empty((len(views), rows, n))
    for arm, x in enumerate(views):
        distance = _squared_distances(x)
        close = np.argpartition(distance, most - 1, axis=1)[:, :most]
        order = np.argsort(np.take_along_axis(distance, close, axis=1), axis=1)
        close = np.take_along_axis(close, order, axis=1)
        for row, (folds, part) in enumerate(zip(trainings.folds, trainings.part, strict=True)):
            scores[arm, row] = _share_of_positives(number, close, y, folds, part)
            if np.isnan(scores[arm, row]).any():
                everyone = np.argsort(distance, axis=1)
                scores[arm, row] = _share_of_positives(number, everyone, y, folds, part)
    return scores


def _share_of_positives(
    number: int, close: np.ndarray, y: np.ndarray, folds: np.ndarray, part: np.ndarray
) -> np.ndarray:
    """Among the first `number` training cases of each row; NaN where they are fewer."""
    trained = (folds[close] != folds[:, None]) & (part[close] == part[:, None])
    counted = trained & (np.cumsum(trained, axis=1) <= number)
    share: np.ndarray = (counted * y[close]).sum(axis=1) / number
    share[counted.sum(axis=1) < number] = np.nan
    return share


def _squared_distances(x: np.ndarray) -> np.ndarray:
    square = (x * x).sum(axis=1)
    distance: np.ndarray = square[:, None] + square - 2 * (x @ x.T)
    return distance
