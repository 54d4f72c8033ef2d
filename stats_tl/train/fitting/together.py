"""Fitting many cells at once: heads of one shape on cached features.

:func:`fit_together` does for each cell what :func:`stats_tl.train.fitting.fit.fit_cell` does, with
the cell's own data order, dropout masks, class weights, scaling, running statistics,
optimiser state, chosen epoch and end of training; the cells share only the passes over
memory and the calls. On the CPU the result is `fit_cell`'s, bit for bit, and so depends
on neither the other cells nor their number (see :mod:`stats_tl.train.fitting.stacking`).

Cells are sorted by their number of training cases. In every step of an epoch the cells
with batches of one size are then neighbours, and each such *span* is one rectangular
program: nothing is padded or masked. Cells that have ended leave the stack.
"""

from __future__ import annotations

__all__ = ["cells_side_by_side", "fit_together", "stack_width"]

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from ...study.cells import Cell, derive_seed
from ...study.plan import Head, Training
from ...study.splits import TRAIN, VALIDATION
from ..networks.heads import head_memory
from ..planning.units import Chunk
from .auc import trapezoidal_auc
from .features import CachedActivations, Inputs
from .fit import (
    Fit,
    Standardize,
    class_weights,
    finish_fit,
    learning_rates,
    nonfinite_logits,
    nonfinite_loss,
)
from .optimizers import StackedOptimizer
from .stacking import HeadStack

#: Bytes of heads and batches that are trained side by side. On the CPU many small heads
#: share each call, while large ones, which would push each other out of its cache, go by few.
STACK_BYTES = {"cpu": 16 * 2**20, "cuda": 8 * 2**30}

_aten = torch.ops.aten


def stack_width(head: Head, n_features: int, training: Training, device: torch.device) -> int:
    """How many heads of a shape are trained side by side; 1: they are fitted one by one."""
    if training.precision == "float16" and device.type == "cuda":
        return 1  # its loss scaling belongs to one network
    need = head_memory(
        head, n_features, batch_size=training.batch_size, optimizer=training.optimizer
    )
    need += 4 * 4 * training.batch_size * n_features  # the batch, gathered and scaled
    return max(1, STACK_BYTES[device.type] // need)


def cells_side_by_side(
    chunk: Chunk, n_features: int, inputs: Inputs, device: torch.device
) -> Iterator[Sequence[Cell]]:
    """The cells of a chunk, cut into groups for :func:`fit_together`; single ones are apart."""
    if not (isinstance(inputs, CachedActivations) and inputs.pooled):
        yield from ([cell] for cell in chunk.cells)
        return
    shapes: dict[tuple[Head, str], list[Cell]] = {}
    for cell in chunk.cells:
        setting = cell.setting
        shapes.setdefault((setting.head, setting.training.model_dump_json()), []).append(cell)
    for cells in shapes.values():
        setting = cells[0].setting
        width = stack_width(setting.head, n_features, setting.training, device)
        for start in range(0, len(cells), width):
            yield cells[start : start + width]


@dataclass
class _Cell:
    """A cell in training; `place` is its position in the caller's list."""

    place: int
    train: torch.Tensor
    validation: np.ndarray
    partition: np.ndarray
    order: torch.Generator
    weights: torch.Tensor | None
    steps: int = 0
    best_auc: float = -math.inf
    best_epoch: int = 0
    best_state: dict[str, torch.Tensor] | None = None
    history: dict[str, list[float]] = field(
        default_factory=lambda: {"train_loss": [], "validation_auc": []}
    )


def fit_together(
    heads: Sequence[nn.Module],
    inputs: CachedActivations,
    y_true: np.ndarray,
    partitions: Sequence[np.ndarray],
    training: Training,
    *,
    seeds: Sequence[int],
    device: torch.device,
    exact: bool | None = None,
) -> list[Fit | FloatingPointError]:
    """Train heads of one shape on cached features and score their cases.

    Parameters
    ----------
    heads : sequence of Module
        From :func:`stats_tl.train.networks.heads.build_head`; not changed.
    inputs : CachedActivations
        Pooled features of all cases.
    y_true : ndarray of shape (n,)
    partitions : sequence of ndarray of shape (n,)
        Codes of :mod:`stats_tl.study.splits`, one array a head.
    training : Training
    seeds : sequence of int
        Seeds of batch order and dropout, one a head.
    device : torch.device
    exact : bool, optional
        See :class:`stats_tl.train.fitting.stacking.HeadStack`.

    Returns
    -------
    list of Fit or FloatingPointError
        In the order of `heads`; the error where a loss or logit was not finite, which
        ends that cell alone.
    """
    run = _Run(heads, inputs, y_true, partitions, training, seeds=seeds, device=device, exact=exact)
    with torch.no_grad():
        return run.fit()


class _Run:
    def __init__(
        self,
        heads: Sequence[nn.Module],
        inputs: CachedActivations,
        y_true: np.ndarray,
        partitions: Sequence[np.ndarray],
        training: Training,
        *,
        seeds: Sequence[int],
        device: torch.device,
        exact: bool | None,
    ):
        self.inputs, self.y_true = inputs, np.asarray(y_true)
        self.training, self.device = training, device
        self.labels = torch.from_numpy(self.y_true.astype(np.int64)).to(device)
        self.cells = [
            self._cell(place, partition, seed)
            for place, (partition, seed) in enumerate(zip(partitions, seeds, strict=True))
        ]
        self.cells.sort(key=lambda cell: -len(cell.train))
        places = [cell.place for cell in self.cells]
        dtype = torch.bfloat16 if training.precision == "bfloat16" else torch.float32
        self.stack = HeadStack(
            [heads[place] for place in places],
            [self._generator(seeds[place], "dropout") for place in places],
            device,
            exact=exact,
            dtype=dtype if device.type == "cuda" else torch.float32,
        )
        self.optimizer = StackedOptimizer(self.stack, training)
        self.scaling = self._scaling() if training.standardize else None
        self.results: dict[int, Fit | FloatingPointError] = {}

    def _generator(self, seed: int, what: str) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(derive_seed(seed, what))

    def _cell(self, place: int, partition: np.ndarray, seed: int) -> _Cell:
        train = torch.from_numpy(np.flatnonzero(partition == TRAIN))
        weights = class_weights(self.y_true[partition == TRAIN], self.training)
        return _Cell(
            place=place,
            train=train,
            validation=np.flatnonzero(partition == VALIDATION),
            partition=partition,
            order=torch.Generator().manual_seed(derive_seed(seed, "order")),
            weights=None if weights is None else weights.to(self.device),
        )

    def _scaling(self) -> list[torch.Tensor]:
        """Mean and reciprocal standard deviation (C, F) over each cell's training cases."""
        own = [Standardize(self.inputs.evaluation_batch(cell.train).cpu()) for cell in self.cells]
        stacked = torch.stack([x.mean for x in own]), torch.stack([x.scale for x in own])
        return [value.to(self.device) for value in stacked]

    def fit(self) -> list[Fit | FloatingPointError]:
        """Train every cell to its end."""
        for epoch, rate in enumerate(learning_rates(self.training), 1):
            losses = self._train_epoch(epoch, rate)
            ended = []
            for index, cell in enumerate(self.cells):
                try:
                    end = self._close_epoch(index, cell, epoch, losses[index])
                    if end or epoch == self.training.epochs:
                        self.results[cell.place] = self._finish(index, cell)
                        ended.append(index)
                except FloatingPointError as error:
                    self.results[cell.place] = error
                    ended.append(index)
            self._drop(ended)
            if not self.cells:
                break
        return [self.results[place] for place in sorted(self.results)]

    def _train_epoch(self, epoch: int, rate: float) -> list[float]:
        """One pass over the training cases of every cell; mean losses."""
        shuffled = [
            cell.train[torch.randperm(len(cell.train), generator=cell.order)] for cell in self.cells
        ]
        totals = torch.zeros(len(self.cells), dtype=torch.float64, device=self.device)
        seen = np.zeros(len(self.cells))
        for step in itertools.count():
            done = True
            for span, size in self._spans(step):
                done = False
                start = step * self.training.batch_size
                cases = torch.stack([own[start : start + size] for own in shuffled[span]])
                losses = self._step(cases, span, epoch, rate)
                totals[span] += losses.double() * size
                seen[span] += size
            if done:
                break
        return [float(total) for total in totals.cpu().numpy() / seen]

    def _spans(self, step: int) -> Iterator[tuple[slice, int]]:
        """Neighbouring cells whose batch of this step has one size, without those below 2."""
        batch = self.training.batch_size

        def size(index: int) -> int:
            return max(0, min(batch, len(self.cells[index].train) - step * batch))

        start = 0
        for own, group in itertools.groupby(range(len(self.cells)), size):
            stop = start + len(list(group))
            if own > 1:  # batch-norm cannot use a single case
                yield slice(start, stop), own
            start = stop

    def _step(self, cases: torch.Tensor, span: slice, epoch: int, rate: float) -> torch.Tensor:
        cells = self.cells[span]
        x = self.inputs.training_batch(cases.view(-1), None, epoch).view(*cases.shape, -1)
        logits = self.stack.forward(self._scale(x, span), span, training=True)
        labels = self.labels[cases.to(self.device)]
        losses, gradient = _cross_entropy(
            logits, labels, [cell.weights for cell in cells], exact=self.stack.exact
        )
        self.stack.backward(gradient, span)
        for cell in cells:
            cell.steps += 1
        self.optimizer.step(span, [cell.steps for cell in cells], rate)
        return losses

    def _scale(self, x: torch.Tensor, span: slice) -> torch.Tensor:
        """Standardized features, in the place of `x`."""
        if self.scaling is None:
            return x
        mean, scale = (value[span, None] for value in self.scaling)
        return x.sub_(mean).mul_(scale)

    def _close_epoch(self, index: int, cell: _Cell, epoch: int, loss: float) -> bool:
        """Validate; keep the state if it is the best so far; True if patience has ended."""
        if not math.isfinite(loss):
            raise nonfinite_loss(epoch, self.training)
        logits = self._predict(index, cell.validation)
        auc = trapezoidal_auc(self.y_true[cell.validation], logits[:, 1] - logits[:, 0])
        cell.history["train_loss"].append(round(loss, 6))
        cell.history["validation_auc"].append(round(auc, 6))
        if self.training.selection == "last-epoch":
            cell.best_epoch = epoch
        elif auc > cell.best_auc:
            cell.best_auc, cell.best_epoch = auc, epoch
            last = epoch == self.training.epochs
            cell.best_state = None if last else self.stack.state(index)
        elif self.training.patience and epoch - cell.best_epoch >= self.training.patience:
            return True
        return False

    def _predict(self, index: int, cases: np.ndarray) -> np.ndarray:
        span, outputs = slice(index, index + 1), []
        for part in torch.split(torch.from_numpy(cases), self.inputs.evaluation_size):
            x = self._scale(self.inputs.evaluation_batch(part)[None], span)
            outputs.append(self.stack.forward(x, span, training=False)[0].cpu().numpy())
        logits = np.concatenate(outputs)
        if not np.isfinite(logits).all():
            raise nonfinite_logits()
        return logits

    def _finish(self, index: int, cell: _Cell) -> Fit:
        if cell.best_state is not None:
            self.stack.restore(index, cell.best_state)
        return finish_fit(
            lambda cases: self._predict(index, cases),
            self.y_true, cell.partition, cell.best_epoch, cell.history,
        )  # fmt: skip

    def _drop(self, ended: list[int]) -> None:
        if not ended:
            return
        kept = [index for index in range(len(self.cells)) if index not in set(ended)]
        self.cells = [self.cells[index] for index in kept]
        if self.scaling is not None:
            self.scaling = [value[kept] for value in self.scaling]
        self.stack.keep(kept)
        self.optimizer.keep(kept)


def _cross_entropy(
    logits: torch.Tensor,
    labels: torch.Tensor,
    weights: Sequence[torch.Tensor | None],
    *,
    exact: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted mean cross-entropy of each cell, and its gradient by the logits (c, B, 2)."""
    flat = logits.view(-1, logits.shape[2])
    log_p = _aten._log_softmax(flat, 1, False)
    if not exact:
        chosen = labels[..., None]
        share = torch.ones_like(logits[..., 0])
        if weights[0] is not None:
            share = torch.stack([own for own in weights if own is not None]).gather(1, labels)
        share = share / share.sum(1, keepdim=True)
        log_p = log_p.view_as(logits)
        gradient = log_p.exp()
        gradient.scatter_add_(2, chosen, -torch.ones_like(chosen, dtype=gradient.dtype))
        losses = -(log_p.gather(2, chosen)[..., 0] * share).sum(1)
        return losses, gradient * share[..., None]
    by_cell = log_p.view_as(logits)
    gradient, losses, one = torch.empty_like(by_cell), [], logits.new_ones(())
    for own, own_log_p, own_labels, weight in zip(gradient, by_cell, labels, weights, strict=True):
        loss, total = _aten.nll_loss_forward(own_log_p, own_labels, weight, 1, -100)
        own.copy_(_aten.nll_loss_backward(one, own_log_p, own_labels, weight, 1, -100, total))
        losses.append(loss)
    gradient = _aten._log_softmax_backward_data(gradient.view_as(flat), log_p, 1, logits.dtype)
    return torch.stack(losses), gradient.view_as(logits)
