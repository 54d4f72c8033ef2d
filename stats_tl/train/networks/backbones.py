"""Backbones as ordered stages, and what is frozen of them.

A backbone is torchvision's network without its classifier, cut into *stages*: the
groups of layers that hold parameters, in the order in which an image meets them.
Layers without parameters (activations, pooling) belong to the stage they follow.
*Unfreezing k* trains the last k stages; the *boundary* is the number of stages in
front of them, which are fixed: ``boundary = n_stages - k``.

=============== ========================================================================
backbone        stages
=============== ========================================================================
resnet18, 50    stem (conv1, bn1), layer1, layer2, layer3, layer4
densenet121     stem, denseblock1 + transition1, 2 and 3 alike, denseblock4 + norm5
inception_v3    stem, Mixed_5, Mixed_6, Mixed_7
squeezenet1_1   stem, fire2-3, fire4-5, fire6-7, fire8-9 (names of the paper [1]_)
mobilenet_v2    stem (features 0-1), features 2-3, 4-6, 7-10, 11-13, 14-18
=============== ========================================================================

MobileNetV2 has no customary stages: it is cut where the resolution halves, and once
more inside the long run at 1/16, where the width changes from 64 to 96; the last
stage, at 1/32, includes the final 1x1 convolution.

References
----------
.. [1] F. N. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer
   parameters and <0.5MB model size", 2016. :arxiv:`1602.07360`
"""

from __future__ import annotations

__all__ = [
    "Backbone",
    "build_backbone",
    "freeze",
    "freeze_boundary",
    "parameter_counts",
    "torchvision_network",
]

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import nn

from ...errors import UserError, suggest
from ...study.plan import BACKBONES, IMAGE_SIZES, STAGE_COUNTS
from .torchvision_ops import models
from .uninitialised import Uninitialised

_RESNET = {
    "stem": ("conv1", "bn1", "relu", "maxpool"),
    "layer1": ("layer1",),
    "layer2": ("layer2",),
    "layer3": ("layer3",),
    "layer4": ("layer4",),
}


def _numbered(spans: dict[str, tuple[int, int]]) -> dict[str, tuple[str, ...]]:
    """Stages of an unnamed sequence, by the first and last index of each."""
    return {
        name: tuple(str(index) for index in range(first, last + 1))
        for name, (first, last) in spans.items()
    }


#: Children of torchvision's network (of its ``features``, where it has them) by stage.
STAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "resnet50": _RESNET,
    "resnet18": _RESNET,
    "densenet121": {
        "stem": ("conv0", "norm0", "relu0", "pool0"),
        "denseblock1+transition1": ("denseblock1", "transition1"),
        "denseblock2+transition2": ("denseblock2", "transition2"),
        "denseblock3+transition3": ("denseblock3", "transition3"),
        "denseblock4+norm5": ("denseblock4", "norm5"),
    },
    "inception_v3": {
        "stem": (
            "Conv2d_1a_3x3",
            "Conv2d_2a_3x3",
            "Conv2d_2b_3x3",
            "maxpool1",
            "Conv2d_3b_1x1",
            "Conv2d_4a_3x3",
            "maxpool2",
        ),
        "Mixed_5": ("Mixed_5b", "Mixed_5c", "Mixed_5d"),
        "Mixed_6": ("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
        "Mixed_7": ("Mixed_7a", "Mixed_7b", "Mixed_7c"),
    },
    "squeezenet1_1": _numbered(
        {
            "stem": (0, 2),
            "fire2-3": (3, 5),
            "fire4-5": (6, 8),
            "fire6-7": (9, 10),
            "fire8-9": (11, 12),
        }
    ),
    "mobilenet_v2": _numbered(
        {
            "stem": (0, 1),
            "features2-3": (2, 3),
            "features4-6": (4, 6),
            "features7-10": (7, 10),
            "features11-13": (11, 13),
            "features14-18": (14, 18),
        }
    ),
}
N_FEATURES = {
    "resnet50": 2048,
    "densenet121": 1024,
    "inception_v3": 2048,
    "resnet18": 512,
    "squeezenet1_1": 512,
    "mobilenet_v2": 1280,
}

#: torchvision initialises from torch's global generator, which threads share.
_INITIALISATION = threading.Lock()


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
        What torchvision's keys have in front of the names of the stages' children.
    """

    def __init__(
        self,
        name: str,
        stages: Mapping[str, nn.Module],
        *,
        n_features: int,
        image_size: int,
        key_prefix: str = "",
    ):
        super().__init__()
        self.name = name
        self.n_features = n_features
        self.image_size = image_size
        self.stages = nn.ModuleDict(stages)
        self.boundary = 0
        self._key_prefix = key_prefix

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
        return _pool(x.float()) if boundary == len(stages) else x

    def tail(self, x: torch.Tensor, boundary: int) -> torch.Tensor:
        """Features from the output of :meth:`prefix`; the identity where nothing is left."""
        stages = list(self.stages.values())
        if boundary == len(stages):
            return x
        for stage in stages[boundary:]:
            x = stage(x)
        return _pool(x)

    def train(self, mode: bool = True) -> Backbone:
        """Set the mode of the trainable stages; frozen ones stay in evaluation mode.

        A frozen batch-norm in training mode would go on changing its running statistics.
        """
        super().train(mode)
        for stage in list(self.stages.values())[: self.boundary]:
            stage.eval()
        return self

    def torchvision_state_dict(self) -> dict[str, torch.Tensor]:
        """State by torchvision's keys, without a classifier."""
        return {self._torchvision_key(key): value for key, value in self.state_dict().items()}

    def load_torchvision_state_dict(self, state_dict: Mapping[str, torch.Tensor]) -> None:
        """Load what :meth:`torchvision_state_dict` gives; every key must be there, and no other."""
        own = {self._torchvision_key(key): key for key in self.state_dict()}
        self.load_state_dict({own.get(key, key): value for key, value in state_dict.items()})

    def _torchvision_key(self, key: str) -> str:
        return self._key_prefix + key.split(".", 2)[2]  # stages.<stage>.<child>...


def _pool(x: torch.Tensor) -> torch.Tensor:
    return torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1)


def torchvision_network(name: str, **arguments: Any) -> nn.Module:
    """torchvision's own network of a backbone, initialised as torchvision does.

    InceptionV3 comes without auxiliary logits unless they are asked for.
    """
    _check_backbone(name)
    if name == "inception_v3":
        arguments = {"aux_logits": False, "init_weights": True, **arguments}
    network: nn.Module = getattr(models, name)(weights=None, **arguments)
    return network


def build_backbone(name: str, *, seed: int | None = None) -> Backbone:
    """Build a backbone.

    Parameters
    ----------
    name : str
        One of :data:`stats_tl.study.plan.BACKBONES`.
    seed : int, optional
        Initialise as torchvision does, from this seed. By default only the architecture
        is built, which is quick: every parameter is NaN until weights are loaded, so
        that a network which nobody initialised cannot give scores.

    Returns
    -------
    Backbone
        On the CPU, in training mode, nothing frozen. No global random state is changed.

    Raises
    ------
    UserError
        If there is no such backbone.

    Examples
    --------
    >>> backbone = build_backbone("squeezenet1_1", seed=1)
    >>> backbone(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 512])
    >>> list(backbone.stages)
    ['stem', 'fire2-3', 'fire4-5', 'fire6-7', 'fire8-9']
    """
    _check_backbone(name)
    if seed is None:
        with Uninitialised():
            lazy = {"init_weights": False} if name == "inception_v3" else {}
            network = torchvision_network(name, **lazy)
        return _blank(_cut(name, network))
    with _INITIALISATION, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _cut(name, torchvision_network(name))


def _check_backbone(name: str) -> None:
    if name not in BACKBONES:
        raise UserError(f"no backbone is called {name!r}: {suggest(name, BACKBONES)}")


def _cut(name: str, network: nn.Module) -> Backbone:
    """Put the children of torchvision's network into stages."""
    trunk = getattr(network, "features", network)
    children = dict(trunk.named_children())
    stages = {
        stage: nn.Sequential(OrderedDict((child, children[child]) for child in members))
        for stage, members in STAGES[name].items()
    }
    if name == "densenet121":  # torchvision applies it in `forward`
        stages["denseblock4+norm5"].add_module("relu5", nn.ReLU(inplace=True))
    return Backbone(
        name,
        stages,
        n_features=N_FEATURES[name],
        image_size=IMAGE_SIZES[name],
        key_prefix="" if trunk is network else "features.",
    )


@torch.no_grad()
def _blank(backbone: Backbone) -> Backbone:
    for tensor in (*backbone.parameters(), *backbone.buffers()):
        tensor.fill_(float("nan") if tensor.is_floating_point() else 0)
    return backbone


def freeze_boundary(backbone: str | Backbone, unfreeze: int | Literal["all"]) -> int:
    """Number of frozen stages when the last `unfreeze` stages are trained.

    Parameters
    ----------
    backbone : str or Backbone
    unfreeze : int or "all"
        Stages to train, counted from the end; 0 freezes the backbone.

    Returns
    -------
    int

    Raises
    ------
    UserError
        If there are fewer stages, or if the request would train no parameter.

    Examples
    --------
    >>> freeze_boundary("resnet50", 1), freeze_boundary("resnet50", "all")
    (4, 0)
    """
    if isinstance(backbone, str):
        _check_backbone(backbone)
        name, n_stages, stages = backbone, STAGE_COUNTS[backbone], tuple(STAGES[backbone])
    else:
        name, n_stages, stages = backbone.name, len(backbone.stages), tuple(backbone.stages)
    if unfreeze == "all":
        return 0
    if isinstance(unfreeze, bool) or not isinstance(unfreeze, int) or not 0 <= unfreeze <= n_stages:
        raise UserError(
            f"`unfreeze` = {unfreeze!r}: {name} has {n_stages} stages ({', '.join(stages)}); "
            f"expected 0 (frozen) to {n_stages}, or 'all'"
        )
    boundary = n_stages - unfreeze
    if unfreeze and isinstance(backbone, Backbone):
        # A stage without parameters counts, but trains nothing: a silent no-op.
        first = stages[boundary]
        if _count(backbone.stages[first].parameters()) == 0:
            raise UserError(
                f"`unfreeze` = {unfreeze} would change nothing beyond {unfreeze - 1}: "
                f"stage {first!r} of {name} has no parameters; expected another number"
            )
    return boundary


def freeze(backbone: Backbone, boundary: int) -> None:
    """Fix the stages before `boundary` and let the others be trained.

    Fixed stages need no gradient and stay in evaluation mode, whatever mode
    :meth:`Backbone.train` sets: their running statistics do not change.

    Parameters
    ----------
    backbone : Backbone
        Changed in place.
    boundary : int
        From :func:`freeze_boundary`.

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
    >>> parameter_counts(build_backbone("resnet50"), nn.Linear(2048, 2), 5)
    (4098, 23512130)
    """
    in_head = _count(head.parameters())
    stages = [_count(stage.parameters()) for stage in backbone.stages.values()]
    return sum(stages[boundary:]) + in_head, sum(stages) + in_head


def _count(parameters: Iterable[torch.Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters)
