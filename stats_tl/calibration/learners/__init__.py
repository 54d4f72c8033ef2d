"""Learners that are trained thousands of times: all folds of all repeats of both arms at once.

Each takes the views of the arms, shape (arms, n, p) or (arms, n, size, size), labels and the
models to be trained (:class:`.trainings.Trainings`), and returns out-of-fold scores of shape
(arms, rows, n). `rng` is the training seed: the arms make the same random choices, as the cells
of a pair do.

- ``ridge``: least squares on the labels with a ridge penalty; a linear head. ``logistic``:
  logistic regression; ``selected-8`` and ``selected-10`` first choose features inside the fold.
- ``parzen``: log ratio of kernel density estimates of the classes; ``neighbours``: share of
  positives among the 15 nearest. Local and non-linear, without training noise.
- ``tree``, ``shallow-tree`` (three levels) and ``forest`` (ten trees): steps, not slopes.
- ``random-relu``: ridge behind a random layer that is drawn anew in every repeat;
  ``network``: one hidden layer, trained by mini-batches of Adam. With training noise.
- ``fine-tuned``: a convolutional network on images, from the weights of a source task;
  ``from-scratch``: the same from random weights. Need torch.
- ``ready``: the first feature as it is; nothing is trained.

A learner of your own is a function of that form, added to `LEARNERS`.
"""

from __future__ import annotations

import numpy as np

from .convolution import fine_tuned
from .linear import logistic, ready, ridge, selected
from .local import nearest, parzen
from .networks import network, random_relu
from .trainings import Learner, Trainings
from .trees import forest, tree

__all__ = ["LEARNERS", "Learner", "Trainings", "mirrored"]

#: By the names that plans use.
LEARNERS: dict[str, Learner] = {
    "ridge": ridge,
    "logistic": logistic,
    "selected-8": selected(8),
    "selected-10": selected(10),
    "parzen": parzen,
    "neighbours": nearest(15),
    "tree": tree(leaf=3),
    "shallow-tree": tree(3, leaf=5),
    "forest": forest(10),
    "random-relu": random_relu,
    "network": network,
    "fine-tuned": fine_tuned(pretrained=True),
    "from-scratch": fine_tuned(pretrained=False),
    "ready": ready,
}


def mirrored(learner: Learner) -> Learner:
    """The learner with the sign of its scores changed, as if the classes had been confused."""

    def run(
        views: np.ndarray, y: np.ndarray, trainings: Trainings, rng: np.random.Generator
    ) -> np.ndarray:
        return -learner(views, y, trainings, rng)

    return run
