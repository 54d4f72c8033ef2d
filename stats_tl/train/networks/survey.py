"""What the stages of a backbone do to an image: operations, and shapes of their outputs."""

from __future__ import annotations

__all__ = ["Survey", "survey_backbone"]

from functools import cache
from typing import NamedTuple

import torch
from torch import nn

from .backbones import build_backbone


class Survey(NamedTuple):
    """Of one image, stage by stage.

    Attributes
    ----------
    operations : tuple of float
        Floating-point operations of the convolutions and linear layers of each stage.
    shapes : tuple of tuple of int
        What is behind so many stages: the image itself, ..., pooled features.
    """

    operations: tuple[float, ...]
    shapes: tuple[tuple[int, ...], ...]


@cache
def survey_backbone(name: str, size: int) -> Survey:
    """Pass one image of `size` pixels through a backbone without weights.

    A pass on the CPU takes less than torch's passes without values (the meta device, its
    counter of operations), for which it imports its whole compiler.

    Examples
    --------
    >>> survey = survey_backbone("squeezenet1_1", 224)
    >>> survey.shapes[-2:]
    ((384, 13, 13), (512,))
    """
    backbone = build_backbone(name).eval()
    operations: list[float] = []

    def count(layer: nn.Module, inputs: object, output: torch.Tensor) -> None:
        assert isinstance(layer.weight, torch.Tensor)
        operations[-1] += 2.0 * output.numel() * layer.weight[0].numel()

    for layer in backbone.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(count)
    x = torch.zeros(1, 3, size, size)
    shapes = [tuple(x.shape[1:])]
    with torch.inference_mode():
        for stage in backbone.stages.values():
            operations.append(0.0)
            x = stage(x)
            shapes.append(tuple(x.shape[1:]))
    return Survey(tuple(operations), (*shapes[:-1], (backbone.n_features,)))
