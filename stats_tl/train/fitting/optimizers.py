"""Adam and SGD on stacked parameters, each cell with its own state and count of steps."""

from __future__ import annotations

__all__ = ["StackedOptimizer"]

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from ...study.plan import Training
from .stacking import HeadStack

#: On the CPU, elements of a piece: its values, gradients and moments stay in the cache.
PIECE = 2**14
#: torch's loops round the last elements of an array, those that do not fill two registers,
#: differently from the rest. Arrays of a multiple of this many elements have no such rest.
WHOLE_REGISTERS = 64


class StackedOptimizer:
    """torch's own update rules, applied to spans of cells.

    Every element of a cell is updated with the bits that :class:`torch.optim.Adam` or
    :class:`torch.optim.SGD` would give the cell alone.

    Parameters
    ----------
    stack : HeadStack
    training : Training
    """

    def __init__(self, stack: HeadStack, training: Training):
        self._stack, self._training = stack, training
        names = ("first", "second") if training.optimizer == "adam" else ("momentum",)
        self._state = {
            key: {name: torch.zeros_like(value) for name, value in stack.parameters.items()}
            for key in names
        }

    def step(self, span: slice, steps: Sequence[int], rate: float) -> None:
        """Update the cells of `span`.

        Parameters
        ----------
        span : slice
        steps : sequence of int
            Updates of each cell, this one included; they set Adam's bias corrections.
        rate : float
        """
        start = span.start
        for count, group in itertools.groupby(steps):
            stop = start + len(list(group))
            pieces = list(zip(*self._pieces(slice(start, stop)), strict=True))
            if self._training.optimizer == "adam":
                self._adam(pieces, count, rate)
            else:
                self._sgd(pieces, count, rate)
            start = stop

    def keep(self, cells: Sequence[int]) -> None:
        """Drop the state of all other cells."""
        for tensors in self._state.values():
            for name, value in tensors.items():
                tensors[name] = value[list(cells)]

    def _pieces(self, span: slice) -> Iterator[tuple[torch.Tensor, ...]]:
        """Parameter, gradient and state, cut alike."""
        stack = self._stack
        for name in stack.parameters:
            arrays = (
                stack.parameters[name], stack.gradients[name],
                *(state[name] for state in self._state.values()),
            )  # fmt: skip
            rows = [array[span] for array in arrays]
            if self._stack.exact and rows[0][0].numel() % WHOLE_REGISTERS:
                yield from zip(*rows, strict=True)  # cell by cell
            elif self._stack.exact:
                yield from zip(*(torch.split(row.view(-1), PIECE) for row in rows), strict=True)
            else:
                yield tuple(rows)

    def _adam(self, pieces: list[tuple[torch.Tensor, ...]], count: int, rate: float) -> None:
        parameters, gradients, first, second = map(list, pieces)
        adam(
            parameters, gradients, first, second, [],
            [torch.tensor(float(count - 1)) for _ in parameters],
            foreach=not self._stack.exact, amsgrad=False, beta1=0.9, beta2=0.999, lr=rate,
            weight_decay=self._training.weight_decay, eps=1e-8, maximize=False,
        )  # fmt: skip

    def _sgd(self, pieces: list[tuple[torch.Tensor, ...]], count: int, rate: float) -> None:
        parameters, gradients, momentum = map(list, pieces)
        factor = self._training.momentum
        # torch begins with the first gradient itself, not with a share of it.
        buffers = [None if count == 1 or not factor else own for own in momentum]
        sgd(
            parameters, gradients, buffers,
            foreach=not self._stack.exact, weight_decay=self._training.weight_decay,
            momentum=factor, lr=rate, dampening=0.0, nesterov=factor > 0, maximize=False,
        )  # fmt: skip
        if count == 1 and factor:
            for own, buffer in zip(momentum, buffers, strict=True):
                assert buffer is not None
                own.copy_(buffer)
