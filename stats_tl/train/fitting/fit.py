"""Fitting one cell: the trainable stages and the head, on given inputs.

Every random number comes from the cell's seed, which the arms of a pair share: head
initialisation, batch order, augmentation and dropout are the same on both sides.
"""

from __future__ import annotations

__all__ = [
    "CellModel",
    "Fit",
    "Standardize",
    "class_weights",
    "finish_fit",
    "fit_cell",
    "learning_rates",
    "nonfinite_logits",
    "nonfinite_loss",
    "scored_cases",
]

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ...study.cells import derive_seed
from ...study.plan import Training
from ...study.splits import TEST, TRAIN, VALIDATION
from ..machine.precision import lower_precision
from ..networks.heads import Dropout, hide_dropout_from_compiler
from ..networks.staged import Backbone
from .auc import trapezoidal_auc
from .features import CachedActivations, Inputs

COSINE_FLOOR = 0.2  # of the learning rate, as in the study the settings come from


class CellModel(nn.Module):
    """The stages behind the freeze boundary, and a head."""

    def __init__(self, backbone: Backbone, boundary: int, head: nn.Module):
        super().__init__()
        self.backbone, self.boundary, self.head = backbone, boundary, head

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Two logits a case, from activations at the boundary."""
        if inputs.ndim == 4:  # convolutions are fastest so, on the CPU as on CUDA
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        logits: torch.Tensor = self.head(self.backbone.tail(inputs, self.boundary))
        return logits


class Standardize(nn.Module):
    """Features to mean 0 and standard deviation 1 over given cases; constant ones to 0."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, features: torch.Tensor):
        super().__init__()
        mean, sd = features.mean(dim=0), features.std(dim=0)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", torch.where(sd > 0, 1 / sd, 0.0))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Scaled features of shape (n, F)."""
        return (features - self.mean) * self.scale


@dataclass(frozen=True)
class Fit:
    """A fitted cell.

    Attributes
    ----------
    cases : ndarray of shape (m,)
        Indices of the validation and test cases.
    logits : ndarray of shape (m, 2), dtype float32
        Their logits under the chosen epoch.
    epoch : int
        The chosen epoch, counted from 1.
    validation_auc, auc : float
        AUC on validation and test cases.
    history : dict of str to list of float
        Training loss and validation AUC by epoch.
    """

    cases: np.ndarray
    logits: np.ndarray
    epoch: int
    validation_auc: float
    auc: float
    history: dict[str, list[float]]


def fit_cell(
    model: CellModel,
    inputs: Inputs,
    y_true: np.ndarray,
    partition: np.ndarray,
    training: Training,
    *,
    seed: int,
    device: torch.device,
    compiled: bool = False,
) -> Fit:
    """Train `model` and score the validation and test cases.

    Parameters
    ----------
    model : CellModel
        Changed in place; ends with the parameters of the chosen epoch.
    inputs : Inputs
        Inputs of the model by index of case.
    y_true : ndarray of shape (n,)
    partition : ndarray of shape (n,)
        Codes of :mod:`stats_tl.study.splits`.
    training : Training
    seed : int
        Seed of batch order, augmentation and dropout.
    device : torch.device
    compiled : bool, optional
        Train with :func:`torch.compile`, which rounds otherwise.

    Returns
    -------
    Fit

    Raises
    ------
    FloatingPointError
        If the loss or a logit is not finite.
    """
    order = torch.Generator().manual_seed(derive_seed(seed, "order"))
    dropout = torch.Generator(device).manual_seed(derive_seed(seed, "dropout"))
    for module in model.modules():
        if isinstance(module, Dropout):
            module.generator = dropout
    train = torch.from_numpy(np.flatnonzero(partition == TRAIN))
    validation = np.flatnonzero(partition == VALIDATION)
    if training.standardize:
        with torch.no_grad():
            pieces = torch.split(train, inputs.evaluation_size)
            features = torch.cat([inputs.evaluation_batch(piece) for piece in pieces])
        model.head = nn.Sequential(Standardize(features.cpu()), model.head)
    model.to(device)
    pooled = isinstance(inputs, CachedActivations) and inputs.pooled
    autocast = _autocast(training, device, pooled=pooled)
    steps = _Steps(
        model,
        inputs,
        torch.from_numpy(np.asarray(y_true, dtype=np.int64)).to(device),
        training,
        weights=class_weights(y_true[partition == TRAIN], training),
        augmentation=torch.Generator().manual_seed(derive_seed(seed, "augmentation")),
        autocast=autocast,
        compiled=compiled,
    )
    history: dict[str, list[float]] = {"train_loss": [], "validation_auc": []}
    best_auc, best_epoch, best_state = -math.inf, 0, None
    for epoch in range(1, training.epochs + 1):
        loss = steps.train_epoch(_batches(train, training.batch_size, order), epoch)
        scores = _predict(model, inputs, validation, device, autocast)
        auc = trapezoidal_auc(y_true[validation], scores[:, 1] - scores[:, 0])
        history["train_loss"].append(round(loss, 6))
        history["validation_auc"].append(round(auc, 6))
        if training.selection == "last-epoch":
            best_epoch = epoch
        elif auc > best_auc:
            best_auc, best_epoch = auc, epoch
            best_state = _trainable_state(model) if epoch < training.epochs else None
        elif training.patience and epoch - best_epoch >= training.patience:
            break
    if best_state is not None:
        model.load_state_dict(best_state, strict=False)
    return finish_fit(
        lambda cases: _predict(model, inputs, cases, device, autocast),
        y_true, partition, best_epoch, history,
    )  # fmt: skip


class _Steps:
    """The optimiser's steps of one cell.

    Parameters
    ----------
    model : CellModel
        On its device.
    inputs : Inputs
    labels : Tensor of shape (n,)
        On the device of `model`.
    training : Training
    weights : Tensor of shape (2,) or None
        Of the classes in the loss.
    augmentation : torch.Generator
    autocast : callable
        A context in which the layers compute, perhaps in lower precision.
    compiled : bool
    """

    def __init__(
        self,
        model: CellModel,
        inputs: Inputs,
        labels: torch.Tensor,
        training: Training,
        *,
        weights: torch.Tensor | None,
        augmentation: torch.Generator,
        autocast: Callable[[], AbstractContextManager[Any]],
        compiled: bool,
    ):
        device = labels.device
        self._model, self._inputs, self._labels = model, inputs, labels
        self._training, self._augmentation = training, augmentation
        self._optimizer = _optimizer(model, training, fused=device.type == "cuda")
        self._schedule = _schedule(self._optimizer, training)
        self._criterion = nn.CrossEntropyLoss(weight=weights).to(device)
        self._autocast = autocast
        self._scaler = torch.amp.GradScaler(
            device.type, enabled=device.type == "cuda" and training.precision == "float16"
        )
        # Cells of one shape share what is compiled. Only whole batches go through it: every
        # other size would be compiled for itself.
        self._whole_batch: Callable[..., torch.Tensor] = model
        if compiled:
            hide_dropout_from_compiler(model)
            self._whole_batch = torch.compile(model, dynamic=False)

    def train_epoch(self, batches: Iterable[torch.Tensor], epoch: int) -> float:
        """One pass over the training cases; their mean loss."""
        self._model.train()
        # Summed on the device: reading each loss would make a GPU wait for the CPU.
        sums = torch.zeros((), dtype=torch.float64, device=self._labels.device)
        seen = 0
        for batch in batches:
            sums += self._step(batch, epoch).double() * len(batch)
            seen += len(batch)
        self._schedule.step()
        total = float(sums)
        if not math.isfinite(total):
            raise nonfinite_loss(epoch, self._training)
        return total / seen

    def _step(self, batch: torch.Tensor, epoch: int) -> torch.Tensor:
        """Move the parameters along the gradient of a batch; its loss."""
        whole = len(batch) == self._training.batch_size
        forward = self._whole_batch if whole else self._model
        with self._autocast():
            logits = forward(self._inputs.training_batch(batch, self._augmentation, epoch))
        loss: torch.Tensor = self._criterion(
            logits.float(), self._labels[batch.to(self._labels.device)]
        )
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self._scaler.scale(loss))
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return loss.detach()


def finish_fit(
    predict: Callable[[np.ndarray], np.ndarray],
    y_true: np.ndarray,
    partition: np.ndarray,
    epoch: int,
    history: dict[str, list[float]],
) -> Fit:
    """Score the validation and test cases with `predict`, under the chosen epoch."""
    cases = scored_cases(partition)
    logits = predict(cases)
    score = logits[:, 1].astype(np.float64) - logits[:, 0]
    tested = partition[cases] == TEST
    return Fit(
        cases=cases,
        logits=logits,
        epoch=epoch,
        validation_auc=trapezoidal_auc(y_true[cases][~tested], score[~tested]),
        auc=trapezoidal_auc(y_true[cases][tested], score[tested]),
        history=history,
    )


def scored_cases(partition: np.ndarray) -> np.ndarray:
    """Indices of the validation and test cases."""
    return np.flatnonzero((partition == VALIDATION) | (partition == TEST))


def nonfinite_loss(epoch: int, training: Training) -> FloatingPointError:
    """The error of a loss that is infinite or not a number."""
    return FloatingPointError(
        f"the training loss is not finite in epoch {epoch}; a smaller learning_rate "
        f"than {training.learning_rate:g} may help"
    )


def nonfinite_logits() -> FloatingPointError:
    """The error of logits that are infinite or not a number."""
    return FloatingPointError("the network gives logits that are not finite")


def _batches(
    cases: torch.Tensor, batch_size: int, generator: torch.Generator
) -> Iterator[torch.Tensor]:
    """Shuffled batches; a last batch of one case is left out, for batch-norm cannot use it."""
    shuffled = cases[torch.randperm(len(cases), generator=generator)]
    for start in range(0, len(shuffled), batch_size):
        batch = shuffled[start : start + batch_size]
        if len(batch) > 1:
            yield batch


@torch.inference_mode()
def _predict(
    model: CellModel,
    inputs: Inputs,
    cases: np.ndarray,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> np.ndarray:
    model.eval()
    outputs = []
    for start in range(0, len(cases), inputs.evaluation_size):
        batch = torch.from_numpy(cases[start : start + inputs.evaluation_size])
        with autocast():
            outputs.append(model(inputs.evaluation_batch(batch)).float().cpu().numpy())
    logits = np.concatenate(outputs)
    if not np.isfinite(logits).all():
        raise nonfinite_logits()
    return logits


def _trainable_state(model: CellModel) -> dict[str, torch.Tensor]:
    """A copy of all that training changes: parameters, and running statistics beside them."""
    frozen = tuple(
        f"backbone.stages.{name}." for name in list(model.backbone.stages)[: model.boundary]
    )
    return {
        name: value.clone()
        for name, value in model.state_dict().items()
        if not name.startswith(frozen)
    }


def _optimizer(model: CellModel, training: Training, *, fused: bool) -> torch.optim.Optimizer:
    """The plan's optimiser; on CUDA one kernel updates all parameters, rounding otherwise."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    if training.optimizer == "adam":
        return torch.optim.Adam(
            parameters,
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            fused=fused or None,
        )
    return torch.optim.SGD(
        parameters,
        lr=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        nesterov=training.momentum > 0,
        fused=fused or None,
    )


def _schedule(
    optimizer: torch.optim.Optimizer, training: Training
) -> torch.optim.lr_scheduler.LRScheduler:
    schedulers = torch.optim.lr_scheduler
    if training.schedule == "cosine":
        return schedulers.CosineAnnealingLR(
            optimizer, training.epochs, eta_min=COSINE_FLOOR * training.learning_rate
        )
    factor = 0.5 if training.schedule == "halving" else 1.0
    return schedulers.ExponentialLR(optimizer, gamma=factor)


def learning_rates(training: Training) -> list[float]:
    """The learning rate of each epoch."""
    parameter = nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.SGD([parameter], lr=training.learning_rate)
    schedule, rates = _schedule(optimizer, training), []
    for _ in range(training.epochs):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step()
    return rates


def class_weights(labels: np.ndarray, training: Training) -> torch.Tensor | None:
    """Weights of both classes in the loss, from the labels of the training cases."""
    if training.class_weights == "none":
        return None
    counts = np.bincount(labels, minlength=2)
    return torch.tensor(len(labels) / (2 * counts), dtype=torch.float32)


def _autocast(
    training: Training, device: torch.device, *, pooled: bool
) -> Callable[[], AbstractContextManager[Any]]:
    """A context factory: lower precision where the plan asks for it and the device has it.

    Heads on pooled features are small: on the CPU they stay in float32, so that a cell has the
    same bits whether it is trained alone or beside others.
    """
    dtype = lower_precision(training.precision, device)
    if dtype is None or (pooled and device.type == "cpu"):
        return contextlib.nullcontext
    return lambda: torch.autocast(device.type, dtype=dtype)
