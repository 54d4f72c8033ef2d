"""Heads of one shape as one network: parameters stacked along a first axis, the cells.

A :class:`HeadStack` of C heads maps inputs (C, B, F) to logits (C, B, 2) and carries
gradients back, layer by layer, without autograd. Two programs give the same numbers up to
rounding:

- *exact*, on the CPU: matrix products, convolutions and batch-norms are called cell by
  cell, with the operators and the shapes that a head trained alone would use; only what
  acts on single elements (activations, dropout, standardization) spans the cells. A
  cell's numbers are therefore those of the cell alone, bit for bit, whichever cells it is
  trained beside.
- *merged*, on CUDA: one batched product for all cells, one batch-norm over all their
  channels, one grouped convolution. The library may choose its kernel by the number of
  cells, so neighbours can change the last bits there, and no more than that.

Running statistics, dropout masks (drawn from each cell's own generator) and scalings are
the cell's own in both.
"""

from __future__ import annotations

__all__ = ["HeadStack"]

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from ..networks.heads import ConvHead, dropout_mask

_ALIGNMENT = 64  # bytes; products of unaligned matrices may round otherwise
_aten = torch.ops.aten


def _aligned(matrix: torch.Tensor) -> torch.Tensor:
    return matrix if matrix.data_ptr() % _ALIGNMENT == 0 else matrix.clone()


def _product(
    out: torch.Tensor, a: torch.Tensor, b: torch.Tensor, bias: torch.Tensor | None = None
) -> None:
    """``out = a @ b (+ bias)``, with the bits that matrices of their own would give."""
    to = out if out.data_ptr() % _ALIGNMENT == 0 else torch.empty_like(out)
    if bias is None:
        torch.mm(a, b, out=to)
    else:
        torch.addmm(bias, a, b, out=to)
    if to is not out:
        out.copy_(to)


class _Layer(ABC):
    """A layer of all cells; `span` selects the cells that take part in a step."""

    @abstractmethod
    def forward(self, x: torch.Tensor, span: slice, training: bool) -> torch.Tensor: ...

    @abstractmethod
    def backward(self, g: torch.Tensor, span: slice, inner: bool) -> torch.Tensor | None:
        """Store the parameters' gradients; return the input's, where `inner` asks for it."""


class _Linear(_Layer):
    def __init__(self, stack: HeadStack, name: str):
        self.stack, self.name = stack, name
        self.biased = f"{name}.bias".lstrip(".") in stack.parameters
        self.weight = f"{name}.weight".lstrip(".")
        self.bias = f"{name}.bias".lstrip(".")

    def forward(self, x: torch.Tensor, span: slice, training: bool) -> torch.Tensor:
        self.x = x
        weight = self.stack.parameters[self.weight][span]
        bias = self.stack.parameters[self.bias][span] if self.biased else None
        if not self.stack.exact:
            low = self.stack.dtype
            y = torch.bmm(x.to(low), weight.to(low).transpose(1, 2)).float()
            return y if bias is None else y + bias[:, None]
        y = x.new_empty(*x.shape[:2], weight.shape[1])
        for cell, out in enumerate(y):
            own = _aligned(weight[cell]).t()
            _product(out, _aligned(x[cell]), own, None if bias is None else bias[cell])
        return y

    def backward(self, g: torch.Tensor, span: slice, inner: bool) -> torch.Tensor | None:
        gradient = self.stack.gradients[self.weight][span]
        weight = self.stack.parameters[self.weight][span]
        gx = None
        if self.stack.exact:
            if inner:
                gx = torch.empty_like(self.x)
            for cell, own in enumerate(g):
                own = _aligned(own)
                _product(gradient[cell], own.t(), _aligned(self.x[cell]))
                if gx is not None:
                    _product(gx[cell], own, _aligned(weight[cell]))
        else:
            low = self.stack.dtype
            gradient.copy_(torch.bmm(g.to(low).transpose(1, 2), self.x.to(low)))
            if inner:
                gx = torch.bmm(g.to(low), weight.to(low)).float()
        if self.biased:
            sums = self.stack.gradients[self.bias][span]
            if self.stack.exact:
                for cell, own in enumerate(g):
                    torch.sum(own, 0, out=sums[cell])
            else:
                torch.sum(g, 1, out=sums)
        return gx


class _BatchNorm(_Layer):
    """Over the cases (and positions) of each cell; running statistics are the cell's."""

    def __init__(self, stack: HeadStack, name: str, module: nn.BatchNorm1d):
        self.stack, self.eps, self.momentum = stack, module.eps, module.momentum
        self.weight, self.bias = f"{name}.weight", f"{name}.bias"
        self.mean, self.variance = f"{name}.running_mean", f"{name}.running_var"

    def _values(self, span: slice) -> tuple[torch.Tensor, ...]:
        parameters, buffers = self.stack.parameters, self.stack.buffers
        values = (
            parameters[self.weight], parameters[self.bias],
            buffers[self.mean], buffers[self.variance],
        )  # fmt: skip
        return tuple(value[span] for value in values)

    def forward(self, x: torch.Tensor, span: slice, training: bool) -> torch.Tensor:
        self.x, values = x, self._values(span)
        if not self.stack.exact:
            flat = [value.reshape(-1) for value in values]  # views: the statistics move in place
            y, *self.saved = _aten.native_batch_norm(
                _channels(x), *flat, training, self.momentum, self.eps
            )
            return _cells(y, len(x))
        y, self.saved = torch.empty_like(x), []
        for cell, own in enumerate(zip(*values, strict=True)):
            y[cell], *saved = _aten.native_batch_norm(
                x[cell], *own, training, self.momentum, self.eps
            )
            self.saved.append(saved)
        return y

    def backward(self, g: torch.Tensor, span: slice, inner: bool) -> torch.Tensor | None:
        weight, _, mean, variance = self._values(span)
        gradients = [self.stack.gradients[name][span] for name in (self.weight, self.bias)]
        mask = [True, True, True]
        if not self.stack.exact:
            gx, *own = _aten.native_batch_norm_backward(
                _channels(g), _channels(self.x), weight.reshape(-1), mean.reshape(-1),
                variance.reshape(-1), *self.saved, True, self.eps, mask,
            )  # fmt: skip
            for gradient, value in zip(gradients, own, strict=True):
                gradient.copy_(value.view_as(gradient))
            return _cells(gx, len(g))
        gx = torch.empty_like(g)
        for cell, saved in enumerate(self.saved):
            gx[cell], gradients[0][cell], gradients[1][cell] = _aten.native_batch_norm_backward(
                g[cell], self.x[cell], weight[cell], mean[cell], variance[cell], *saved,
                True, self.eps, mask,
            )  # fmt: skip
        return gx


def _channels(x: torch.Tensor) -> torch.Tensor:
    """(C, B, F, ...) as (B, C F, ...): the channels of all cells side by side."""
    return x.transpose(0, 1).reshape(x.shape[1], x.shape[0] * x.shape[2], *x.shape[3:])


def _cells(x: torch.Tensor, n_cells: int) -> torch.Tensor:
    """The inverse of :func:`_channels`."""
    return x.reshape(x.shape[0], n_cells, -1, *x.shape[2:]).transpose(0, 1).contiguous()


class _Convolution(_Layer):
    """The first layer of a head, so that no gradient of its input is ever asked for."""

    def __init__(self, stack: HeadStack, name: str):
        self.stack, self.weight = stack, f"{name}.weight"

    def forward(self, x: torch.Tensor, span: slice, training: bool) -> torch.Tensor:
        self.x = x
        weight = self.stack.parameters[self.weight][span]
        if self.stack.exact:
            return torch.stack([nn.functional.conv1d(*own) for own in zip(x, weight, strict=True)])
        merged = nn.functional.conv1d(_channels(x), weight.flatten(0, 1), groups=len(x))
        return _cells(merged, len(x))

    def backward(self, g: torch.Tensor, span: slice, inner: bool) -> None:
        weight = self.stack.parameters[self.weight][span]
        gradient = self.stack.gradients[self.weight][span]
        if self.stack.exact:
            for cell, own in enumerate(g):
                gradient[cell] = _weight_gradient(own, self.x[cell], weight[cell], 1)
        else:
            merged = _weight_gradient(_channels(g), _channels(self.x), weight.flatten(0, 1), len(g))
            gradient.copy_(merged.view_as(gradient))


def _weight_gradient(
    g: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, groups: int
) -> torch.Tensor:
    wanted = [False, True, False]  # gradients of the input, the weight and the bias
    _, gradient, _ = _aten.convolution_backward(
        g, x, weight, None, [1], [0], [1], False, [0], groups, wanted
    )
    assert isinstance(gradient, torch.Tensor)
    return gradient


class _Rectifier(_Layer):
    """Leaky ReLU; ReLU where the slope is 0."""

    def __init__(self, slope: float):
        self.slope = slope

    def forward(self, x: torch.Tensor, span: slice, training: bool) -> torch.Tensor:
        self.x = x
        return nn.functional.leaky_relu(x, self.slope) if self.slope else torch.relu(x)

    def backward(self, g: torch.Tensor, span: slice, inner: bool) -> torch.Tensor:
        gradient: torch.Tensor = (
            _aten.leaky_relu_backward(g, self.x, self.slope, False)
            if self.slope
            else _aten.threshold_backward(g, self.x, 0)
        )
        return gradient


class _Dropout(_Layer):
    def __init__(self, stack: HeadStack, rate: float):
        self.stack, self.rate = stack, rate

    def forward(self, x: torch.Tensor, span: slice, training: bool) -> torch.Tensor:
        if not training or self.rate == 0:
            self.mask = None
            return x
        self.mask = torch.empty_like(x)
        for mask, own, generator in zip(self.mask, x, self.stack.generators[span], strict=True):
            mask.copy_(dropout_mask(own, self.rate, generator))
        return x * self.mask

    def backward(self, g: torch.Tensor, span: slice, inner: bool) -> torch.Tensor:
        return g if self.mask is None else g * self.mask


class _Flatten(_Layer):
    def forward(self, x: torch.Tensor, span: slice, training: bool) -> torch.Tensor:
        self.shape = x.shape
        return x.flatten(2)

    def backward(self, g: torch.Tensor, span: slice, inner: bool) -> torch.Tensor:
        return g.view(self.shape)


class _Chain(_Layer):
    def __init__(self, layers: Sequence[_Layer]):
        self.layers = layers

    def forward(self, x: torch.Tensor, span: slice, training: bool) -> torch.Tensor:
        for layer in self.layers:
            x = layer.forward(x, span, training)
        return x

    def backward(self, g: torch.Tensor, span: slice, inner: bool) -> torch.Tensor | None:
        for index, layer in reversed(list(enumerate(self.layers))):
            out = layer.backward(g, span, inner or index > 0)
            if index > 0:
                assert out is not None
                g = out
        return out


class _ConvHead(_Layer):
    """As :meth:`stats_tl.train.networks.heads.ConvHead.forward`."""

    def __init__(self, convolution: _Layer, skip: _Layer | None, classifier: _Layer):
        self.convolution, self.skip, self.classifier = convolution, skip, classifier

    def forward(self, x: torch.Tensor, span: slice, training: bool) -> torch.Tensor:
        out = self.convolution.forward(x.unsqueeze(2), span, training)
        if self.skip is not None:
            out = out + self.skip.forward(x, span, training)
        return self.classifier.forward(out, span, training)

    def backward(self, g: torch.Tensor, span: slice, inner: bool) -> None:
        between = self.classifier.backward(g, span, True)
        assert between is not None
        self.convolution.backward(between, span, False)
        if self.skip is not None:
            self.skip.backward(between, span, False)


#: The stacked form of each module that has no modules inside, from stack, name and module.
_SIMPLE: dict[type[nn.Module], Callable[[HeadStack, str, Any], _Layer]] = {
    nn.Linear: lambda stack, name, module: _Linear(stack, name),
    nn.Conv1d: lambda stack, name, module: _Convolution(stack, name),
    nn.BatchNorm1d: _BatchNorm,
    nn.LeakyReLU: lambda stack, name, module: _Rectifier(module.negative_slope),
    nn.ReLU: lambda stack, name, module: _Rectifier(0.0),
    nn.Dropout: lambda stack, name, module: _Dropout(stack, module.p),
    nn.Flatten: lambda stack, name, module: _Flatten(),
}


class HeadStack:
    """Heads of one shape with their parameters stacked.

    Parameters
    ----------
    heads : sequence of Module
        From :func:`stats_tl.train.networks.heads.build_head`, of one shape; not changed.
    generators : sequence of torch.Generator
        One a head, on `device`; dropout masks are drawn from them.
    device : torch.device
    exact : bool, optional
        Which program; by default exact on the CPU.
    dtype : torch.dtype, optional
        Of the matrix products of the merged program.

    Attributes
    ----------
    parameters, gradients, buffers : dict of str to Tensor of shape (C, ...)
        By the names of a head's state.
    """

    def __init__(
        self,
        heads: Sequence[nn.Module],
        generators: Sequence[torch.Generator],
        device: torch.device,
        *,
        exact: bool | None = None,
        dtype: torch.dtype = torch.float32,
    ):
        self.exact = device.type == "cpu" if exact is None else exact
        self.dtype = dtype
        self.generators = list(generators)
        names = dict(heads[0].named_parameters())
        states = [head.state_dict() for head in heads]
        self.parameters: dict[str, torch.Tensor] = {}
        self.buffers: dict[str, torch.Tensor] = {}
        for name, value in states[0].items():
            if value.is_floating_point():  # not the counters of batch-norm, which nothing reads
                stacked = torch.stack([state[name] for state in states]).to(device)
                (self.parameters if name in names else self.buffers)[name] = stacked
        self.gradients = {name: torch.empty_like(v) for name, v in self.parameters.items()}
        self._network = self._translate(heads[0], "")

    def __len__(self) -> int:
        return len(self.generators)

    def _translate(self, module: nn.Module, name: str) -> _Layer:
        """The stacked layer of a head's module."""

        def child(key: str) -> _Layer:
            return self._translate(getattr(module, key), f"{name}.{key}".lstrip("."))

        if isinstance(module, ConvHead):
            skip = None if module.skip is None else child("skip")
            return _ConvHead(child("convolution"), skip, child("classifier"))
        if isinstance(module, nn.Sequential):
            return _Chain([child(key) for key, _ in module.named_children()])
        for kind, translate in _SIMPLE.items():
            if isinstance(module, kind):
                return translate(self, name, module)
        raise TypeError(f"no stacked form of {type(module).__name__}")

    def forward(self, x: torch.Tensor, span: slice, *, training: bool) -> torch.Tensor:
        """Logits (c, B, 2) of the cells in `span`, from their features (c, B, F)."""
        return self._network.forward(x, span, training)

    def backward(self, g: torch.Tensor, span: slice) -> None:
        """Fill `gradients` of the cells in `span` from the gradient of their logits.

        Belongs to the :meth:`forward` in training mode that came last.
        """
        self._network.backward(g, span, False)

    def state(self, cell: int) -> dict[str, torch.Tensor]:
        """A copy of the parameters and running statistics of one cell."""
        return {name: value[cell].clone() for name, value in self._tensors()}

    def restore(self, cell: int, state: dict[str, torch.Tensor]) -> None:
        """Put back what :meth:`state` gave."""
        for name, value in self._tensors():
            value[cell] = state[name]

    def keep(self, cells: Sequence[int]) -> None:
        """Drop all other cells."""
        self.generators = [self.generators[cell] for cell in cells]
        for tensors in (self.parameters, self.gradients, self.buffers):
            for name, value in tensors.items():
                tensors[name] = value[list(cells)]

    def _tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        yield from self.parameters.items()
        yield from self.buffers.items()
