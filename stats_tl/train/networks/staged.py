"""A backbone in stages, whichever library its layers are of, and what is frozen of it."""

from __future__ import annotations

__all__ = ["Backbone", "freeze", "parameter_counts"]

from collections.abc import Iterable, Mapping

import torch
from torch import nn


class Backbone(nn.Module):
    """A network from images to pooled features, in stages.

    Parameters
    ----------
    name : str
    stages : mapping of str to Module
        In order; composed, they are the network up to its last feature map.
    n_features : int
        Channels of the last feature map.
    image_size : int
        Pixels a side of the images that the architecture was made for.
    key_prefix : str
        What the library's keys have in front of the names of the stages' children.
    inner : str
        What the children's names begin with here, and not in the library.
    pooled : bool
        The last stage ends with the pooled features, as its library pools them; else the
        feature map is averaged.
    """

    def __init__(
        self,
        name: str,
        stages: Mapping[str, nn.Module],
        *,
        n_features: int,
        image_size: int,
        key_prefix: str = "",
        inner: str = "",
        pooled: bool = False,
    ):
        super().__init__()
        self.name = name
        self.n_features = n_features
        self.image_size = image_size
        self.stages = nn.ModuleDict(stages)
        self.boundary = 0
        self._key_prefix, self._inner, self._pooled = key_prefix, inner, pooled

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features of shape (n, n_features) of normalised images (n, 3, size, size)."""
        return self.tail(images, 0)

    def prefix(self, x: torch.Tensor, boundary: int) -> torch.Tensor:
        """Output of the stages before `boundary`; pooled where these are all stages.

        ``tail(prefix(x, b), b)`` is ``forward(x)`` for every boundary b.
        """
        stages = list(self.stages.values())
        for stage in stages[:boundary]:
            x = stage(x)
        # In float32 whatever the stages compute in: features are means of many values.
        return self._pool(x.float()) if boundary == len(stages) else x

    def tail(self, x: torch.Tensor, boundary: int) -> torch.Tensor:
        """Features from the output of :meth:`prefix`; the identity where nothing is left."""
        stages = list(self.stages.values())
        if boundary == len(stages):
            return x
        for stage in stages[boundary:]:
            x = stage(x)
        return self._pool(x)

    def train(self, mode: bool = True) -> Backbone:
        """Set the mode of the trainable stages; frozen ones stay in evaluation mode.

        A frozen batch-norm in training mode would go on changing its running statistics.
        """
        super().train(mode)
        for stage in list(self.stages.values())[: self.boundary]:
            stage.eval()
        return self

    def library_state_dict(self) -> dict[str, torch.Tensor]:
        """State by the keys of the library that the network is of, without a classifier."""
        return {self._library_key(key): value for key, value in self.state_dict().items()}

    def load_library_state_dict(self, state_dict: Mapping[str, torch.Tensor]) -> None:
        """Load what :meth:`library_state_dict` gives; every key must be there, and no other."""
        own = {self._library_key(key): key for key in self.state_dict()}
        self.load_state_dict({own.get(key, key): value for key, value in state_dict.items()})

    def _library_key(self, key: str) -> str:
        own = key.split(".", 2)[2]  # stages.<stage>.<child>...
        return self._key_prefix + own.removeprefix(self._inner)

    def _pool(self, x: torch.Tensor) -> torch.Tensor:
        if self._pooled:
            return x
        return torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1)


def freeze(backbone: Backbone, boundary: int) -> None:
    """Fix the stages before `boundary` and let the others be trained.

    Fixed stages need no gradient and stay in evaluation mode, whatever mode
    :meth:`Backbone.train` sets: their running statistics do not change.

    Parameters
    ----------
    backbone : Backbone
        Changed in place.
    boundary : int
        From :func:`~stats_tl.train.networks.backbones.freeze_boundary`.

    Raises
    ------
    ValueError
        If `boundary` is not in 0 .. number of stages.
    """
    if not 0 <= boundary <= len(backbone.stages):
        raise ValueError(f"`boundary` must be in 0..{len(backbone.stages)}, got {boundary}")
    backbone.boundary = boundary
    for index, stage in enumerate(backbone.stages.values()):
        stage.requires_grad_(index >= boundary)
    backbone.train(backbone.training)


def parameter_counts(backbone: Backbone, head: nn.Module, boundary: int) -> tuple[int, int]:
    """Parameters that are trained behind `boundary`, head included, and all parameters.

    Examples
    --------
    >>> from torch import nn
    >>> from stats_tl.train.networks.backbones import build_backbone
    >>> parameter_counts(build_backbone("resnet50"), nn.Linear(2048, 2), 5)
    (4098, 23512130)
    """
    in_head = _count(head.parameters())
    stages = [_count(stage.parameters()) for stage in backbone.stages.values()]
    return sum(stages[boundary:]) + in_head, sum(stages) + in_head


def _count(parameters: Iterable[torch.Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters)
