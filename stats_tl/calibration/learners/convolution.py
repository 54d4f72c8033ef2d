"""Small convolutional networks, fine-tuned on images: all models of both arms as one.

A convolution is a product of patches and kernels, so that those of all models are one batch of
matrix products. Needs torch.
"""

from __future__ import annotations

__all__ = ["fine_tuned"]

from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..populations.phantoms import draw_source
from .trainings import Learner, Trainings

if TYPE_CHECKING:
    import torch

#: Channels, pixels a side of the kernel, and stride of the convolutions.
LAYERS = ((8, 5, 4), (16, 3, 2), (16, 3, 2))
BATCH, EPOCHS, RATE = 16, 6, 3e-3
#: Source task.
SOURCE_IMAGES, SOURCE_EPOCHS = 1500, 6


def fine_tuned(*, pretrained: bool) -> Learner:
    """A convolutional network, all of it trained; from the weights of a source task or anew."""
    return partial(_fine_tuned, pretrained)


def _fine_tuned(
    pretrained: bool,
    views: np.ndarray,
    y: np.ndarray,
    trainings: Trainings,
    rng: np.random.Generator,
) -> np.ndarray:
    models, size = trainings.n_models, views.shape[-1]
    start = _source_weights(size) if pretrained else None
    weights = [np.tile(w, (len(views), *[1] * (w.ndim - 1))) for w in _initial(models, rng, start)]
    train = [np.flatnonzero(row) for row in trainings.train]
    fitted = _fit(_Task(_standard(views), y, train), weights, EPOCHS, rng)
    scores = np.empty((len(views), *trainings.folds.shape))
    tested = np.where(trainings.tested < len(y), trainings.tested, 0)  # what fills up is not kept
    found = _predict(_patches(_standard(views))[:, tested], fitted)
    for arm in range(len(views)):
        scores[arm] = trainings.scatter(found[arm])
    return scores


def _standard(views: np.ndarray) -> np.ndarray:
    """Images with mean 0 and variance 1."""
    mean = views.mean(axis=(-2, -1), keepdims=True)
    standard = (views - mean) / views.std(axis=(-2, -1), keepdims=True)
    return np.asarray(standard, dtype=np.float32)


def _initial(
    models: int, rng: np.random.Generator, start: list[np.ndarray] | None
) -> list[np.ndarray]:
    """Kernels and biases of the convolutions and the head, each of shape (models, ...)."""
    weights, inputs = [], 1
    for channels, side, _ in LAYERS:
        pixels = inputs * side**2
        kernel = rng.standard_normal((models, channels, pixels)) * np.sqrt(2 / pixels)
        weights += [kernel, np.zeros((models, channels, 1))]
        inputs = channels
    if start is not None:
        weights = [np.repeat(own, models, axis=0) for own in start]
    head = rng.standard_normal((models, inputs)) / np.sqrt(inputs)
    return [own.astype(np.float32) for own in (*weights, head, np.zeros((models, 1)))]


@lru_cache(maxsize=4)
def _source_weights(size: int) -> list[np.ndarray]:
    """Convolutions trained once on a source task: the texture of other phantoms."""
    rng = np.random.default_rng([20261128, size])
    images, labels = draw_source(SOURCE_IMAGES, size, rng)
    everyone = [np.arange(len(labels))]
    weights = _initial(1, rng, None)
    task = _Task(_standard(images[None]), labels, everyone)
    fitted = _fit(task, weights, SOURCE_EPOCHS, rng)
    return [w.detach().numpy() for w in fitted[:-2]]


class _Task(NamedTuple):
    """Images (arms, n, size, size), labels, and the cases of every model."""

    images: np.ndarray
    y: np.ndarray
    train: list[np.ndarray]


def _fit(
    task: _Task, weights: list[np.ndarray], epochs: int, rng: np.random.Generator
) -> list[torch.Tensor]:
    """Adam by mini-batches; the arms see cases in one order. Models are numbered arm by arm."""
    import torch
    from torch.nn import functional

    images, y, train = task
    arms = len(images)
    parameters = [torch.from_numpy(w).requires_grad_() for w in weights]
    optimiser = torch.optim.Adam(parameters, lr=RATE)
    patches, labels = _patches(images), torch.from_numpy(y.astype(np.float32))
    fewest = min(map(len, train))
    batch = min(BATCH, fewest)
    steps = fewest // batch
    for _ in range(epochs):
        order = np.stack([rng.permutation(rows)[: steps * batch] for rows in train])
        for start in range(0, order.shape[1], batch):
            rows = torch.from_numpy(order[:, start : start + batch])
            own = patches[:, rows].flatten(0, 1)
            wanted = labels[rows].repeat(arms, 1)
            optimiser.zero_grad()
            logits = _forward(own, parameters)
            # The sum over models of each one's mean: the gradient of a model is its own.
            loss = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")
            (loss / rows.shape[1]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return parameters


def _patches(images: np.ndarray) -> torch.Tensor:
    """Of the first convolution, shape (arms, n, pixels of a patch, places): cut once."""
    import torch
    from torch.nn import functional

    _, side, stride = LAYERS[0]
    flat = torch.from_numpy(images).flatten(0, 1)[:, None]
    cut = functional.unfold(flat, side, stride=stride, padding=side // 2)
    patches: torch.Tensor = cut.reshape(*images.shape[:2], *cut.shape[1:])
    return patches


def _predict(patches: torch.Tensor, weights: list[torch.Tensor]) -> np.ndarray:
    """Logits, shape (arms, models, cases), from patches of the same leading shape."""
    import torch

    with torch.no_grad():
        logits = _forward(patches.flatten(0, 1), weights).numpy()
    return np.asarray(logits.reshape(patches.shape[:3]))


def _forward(patches: torch.Tensor, weights: list[torch.Tensor]) -> torch.Tensor:
    """Logits, shape (models, cases), from the first patches (models, cases, pixels, places)."""
    from torch.nn import functional

    models, cases = patches.shape[:2]
    x = patches
    for number, (_, side, stride) in enumerate(LAYERS):
        if number > 0:
            x = functional.unfold(x, side, stride=stride, padding=side // 2)
            x = x.reshape(models, cases, *x.shape[1:])
        kernel, bias = weights[2 * number : 2 * number + 2]
        x = (kernel @ x.transpose(1, 2).flatten(2) + bias).relu()
        x = x.reshape(models, len(bias[0]), cases, -1).transpose(1, 2)
        places = round(x.shape[-1] ** 0.5)
        x = x.reshape(models * cases, -1, places, places)
    pooled = x.mean(dim=(-2, -1)).reshape(models, cases, -1)
    head, shift = weights[-2:]
    logits: torch.Tensor = (pooled @ head[..., None])[..., 0] + shift
    return logits
