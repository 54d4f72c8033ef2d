"""The four classifier heads of the study, on pooled features of length F.

With h hidden units, f filters of width k, L = f (F - k + 1) their outputs and
LeakyReLU of slope .01:

- **linear**: Linear(F, 2).
- **nonlinear**: Linear(F, h, no bias), batch-norm, LeakyReLU, dropout, Linear(h, 2);
  h = ratio F.
- **conv**: the features as a signal of one channel: Conv1d(1, f, k, no bias), batch-norm,
  LeakyReLU, dropout, flattened to L; then Linear(L, L/2, no bias), batch-norm, LeakyReLU,
  dropout, Linear(L/2, 2).
- **convskip**: conv, and before its first Linear the addition of
  ReLU(batch-norm(Linear(F, L, no bias))).

On ResNet50 with f = 16 the last two have 536 and 604 million parameters, as published;
:func:`head_memory` says beforehand what training them takes.

Weights are drawn by Kaiming's rule (normal, fan-in, with the gain of the activation
that follows), biases are 0, batch-norms begin as the identity.

References
----------
.. [1] D. Frees, A. Bolling, A. Bhagirath, "Towards Optimal Convolutional Transfer
   Learning Architectures for Breast Lesion Classification and ACL Tear Detection",
   2025. :arxiv:`2508.17567`
.. [2] K. He et al., "Delving deep into rectifiers", ICCV 2015.
   :doi:`10.1109/ICCV.2015.123`
"""

from __future__ import annotations

__all__ = [
    "ConvHead",
    "Dropout",
    "build_head",
    "dropout_mask",
    "head_memory",
    "head_parameter_count",
    "hide_dropout_from_compiler",
]

import functools
import math
from collections.abc import Callable

import torch
from torch import nn

from ...errors import UserError
from ...study.plan import Head
from .uninitialised import Uninitialised

#: What a mask is made of: a tensor of its shape, the rate, and a generator.
Draw = Callable[[torch.Tensor, float, torch.Generator], torch.Tensor]

SLOPE = 0.01
N_CLASSES = 2

_FLOAT = 4  # bytes
#: Copies of every parameter at the peak. Adam: value, gradient, two moments, the best
#: epoch's copy, and three temporaries of the update (decayed gradient, root of the second
#: moment, the same corrected). SGD with momentum: one moment, two temporaries.
_COPIES = {"adam": 8, "sgd": 6}
#: Copies of a hidden activation that the backward pass of linear or convolution,
#: batch-norm, activation and dropout keeps, with the gradient that passes through.
_ACTIVATION_COPIES = 6


def dropout_mask(x: torch.Tensor, rate: float, generator: torch.Generator) -> torch.Tensor:
    """What dropout multiplies `x` with: 0 at the given rate, else 1 / (1 - rate).

    Drawn in float32 whatever the dtype of `x`, so that all ways to train a head have the same.
    """
    mask = torch.empty(x.shape, device=x.device)
    return mask.bernoulli_(1 - rate, generator=generator).div_(1 - rate).to(x.dtype)


class Dropout(nn.Dropout):
    """Dropout with a generator of its own.

    torch's is one for the whole process, which threads would share, and its CUDA kernels
    give elements other numbers than a generator that is drawn from by hand.

    Attributes
    ----------
    generator : torch.Generator or None
        On the device of the inputs; torch's own where None.
    draw : callable
        :func:`dropout_mask`, hidden from a compiler where there is one.
    """

    generator: torch.Generator | None = None
    draw: Draw = staticmethod(dropout_mask)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`x`, in training with some of its elements set to 0."""
        if not self.training or self.p == 0 or self.generator is None:
            return super().forward(x)
        mask = self.draw(x, self.p, self.generator)
        return x * mask


def hide_dropout_from_compiler(network: nn.Module) -> None:
    """Let torch's compiler leave the masks alone: it would draw from a generator of its own."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.draw = _hidden_mask()


@functools.cache  # one for all cells, so that they share what is compiled
def _hidden_mask() -> Draw:
    # Imports the compiler, which is slow. (torch does not annotate `disable`.)
    hidden: Draw = torch.compiler.disable(dropout_mask)  # type: ignore[no-untyped-call]
    return hidden


class ConvHead(nn.Module):
    """Convolution along the features, then a classifier; optionally with a skip path.

    Parameters
    ----------
    n_features : int
    filters, kernel_size : int
    dropout : float
    skip : bool
        Add a linear projection of the features to the convolution's output.
    """

    def __init__(
        self, n_features: int, *, filters: int, kernel_size: int, dropout: float, skip: bool
    ):
        super().__init__()
        length = filters * (n_features - kernel_size + 1)
        self.convolution = nn.Sequential(
            nn.Conv1d(1, filters, kernel_size, bias=False),
            nn.BatchNorm1d(filters),
            nn.LeakyReLU(SLOPE),
            Dropout(dropout),
            nn.Flatten(),
        )
        self.skip = (
            nn.Sequential(
                nn.Linear(n_features, length, bias=False), nn.BatchNorm1d(length), nn.ReLU()
            )
            if skip
            else None
        )
        self.classifier = _nonlinear(length, length // 2, dropout)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Two logits a case, from features of shape (n, n_features)."""
        x = self.convolution(features.unsqueeze(1))
        if self.skip is not None:
            x = x + self.skip(features)
        logits: torch.Tensor = self.classifier(x)
        return logits


def _nonlinear(n_features: int, hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_features, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.LeakyReLU(SLOPE),
        Dropout(dropout),
        nn.Linear(hidden, N_CLASSES),
    )


def build_head(head: Head, n_features: int, *, seed: int) -> nn.Module:
    """Build a head and draw its weights.

    Parameters
    ----------
    head : Head
        A head of the plan.
    n_features : int
        Length F of the pooled features.
    seed : int
        Of the weights; the arms of a pair share it. No global random state is changed.

    Returns
    -------
    Module
        From (n, F) to (n, 2) logits.

    Raises
    ------
    UserError
        If the head's filters are wider than the features are long, or its ratio leaves
        no hidden unit.

    Examples
    --------
    >>> head = build_head(Head(name="small", kind="conv", filters=4), 32, seed=0)
    >>> head(torch.zeros(3, 32)).shape
    torch.Size([3, 2])
    """
    _check(head, n_features)
    # torch's own initial values would be drawn for nothing, and from the global generator.
    with Uninitialised():
        if head.kind == "linear":
            network: nn.Module = nn.Linear(n_features, N_CLASSES)
        elif head.kind == "nonlinear":
            network = _nonlinear(n_features, _hidden(head, n_features), head.dropout)
        else:
            network = ConvHead(
                n_features,
                filters=head.filters,
                kernel_size=head.kernel_size,
                dropout=head.dropout,
                skip=head.kind == "convskip",
            )
    _initialise(network, torch.Generator().manual_seed(seed))
    return network


def _initialise(network: nn.Module, generator: torch.Generator) -> None:
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm1d):
            module.reset_parameters()
        elif isinstance(module, (nn.Linear, nn.Conv1d)):
            if module.bias is not None:  # the output layer
                gain = nn.init.calculate_gain("linear")
                nn.init.zeros_(module.bias)
            elif name.startswith("skip"):
                gain = nn.init.calculate_gain("relu")
            else:
                gain = nn.init.calculate_gain("leaky_relu", SLOPE)
            fan_in = module.weight[0].numel()
            nn.init.normal_(module.weight, 0, gain / math.sqrt(fan_in), generator=generator)


def _hidden(head: Head, n_features: int) -> int:
    return int(head.ratio * n_features)


def _check(head: Head, n_features: int) -> None:
    if head.kind == "nonlinear" and _hidden(head, n_features) < 1:
        raise UserError(
            f"head {head.name!r}: ratio = {head.ratio:g} of {n_features} features leaves no "
            f"hidden unit; expected at least {1 / n_features:.2g}"
        )
    if head.kind in ("conv", "convskip") and head.filters * (n_features - head.kernel_size + 1) < 2:
        raise UserError(
            f"head {head.name!r}: kernel_size = {head.kernel_size} does not fit "
            f"{n_features} features; expected less than {n_features}"
        )


def _activation_count(head: Head, n_features: int) -> int:
    """Hidden activations of one case."""
    if head.kind == "linear":
        return 0
    if head.kind == "nonlinear":
        return _hidden(head, n_features)
    length = head.filters * (n_features - head.kernel_size + 1)
    return length * (2 if head.kind == "convskip" else 1) + length // 2


def head_parameter_count(head: Head, n_features: int) -> int:
    """Parameters of a head, counted without building it.

    Parameters
    ----------
    head : Head
    n_features : int

    Returns
    -------
    int

    Examples
    --------
    The heads of the study on ResNet50:

    >>> for kind in ("linear", "nonlinear", "conv", "convskip"):
    ...     print(f"{kind:9} {head_parameter_count(Head(name=kind, kind=kind), 2048):11,}")
    linear          4,098
    nonlinear   2,101,250
    conv      536,412,322
    convskip  603,553,922
    """
    _check(head, n_features)

    def nonlinear(width: int, hidden: int) -> int:
        return width * hidden + 2 * hidden + hidden * N_CLASSES + N_CLASSES

    if head.kind == "linear":
        return n_features * N_CLASSES + N_CLASSES
    if head.kind == "nonlinear":
        return nonlinear(n_features, _hidden(head, n_features))
    length = head.filters * (n_features - head.kernel_size + 1)
    skip = n_features * length + 2 * length if head.kind == "convskip" else 0
    convolution = head.filters * head.kernel_size + 2 * head.filters
    return convolution + skip + nonlinear(length, length // 2)


def head_memory(head: Head, n_features: int, *, batch_size: int, optimizer: str = "adam") -> int:
    """Bytes that training a head takes in float32, backbone and inputs aside.

    Values, gradients, the optimiser's moments and temporaries, a copy of the best epoch,
    and the activations of one batch: near the measured peak, from above.

    Parameters
    ----------
    head : Head
    n_features : int
    batch_size : int
    optimizer : {"adam", "sgd"}

    Returns
    -------
    int

    Examples
    --------
    >>> head = Head(name="convskip", kind="convskip", filters=16)
    >>> print(f"{head_memory(head, 2048, batch_size=64) / 2**30:.1f} GiB")
    18.1 GiB
    """
    parameters = head_parameter_count(head, n_features) * _COPIES[optimizer]
    activations = batch_size * _activation_count(head, n_features) * _ACTIVATION_COPIES
    return _FLOAT * (parameters + activations)
