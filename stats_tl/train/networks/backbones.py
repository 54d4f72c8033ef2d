"""Backbones as ordered stages, and what is frozen of them.

A backbone is a library's network without its classifier, cut into *stages*: the
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

These are torchvision's; any of timm is ``timm:<model>``, whose stages are timm's
(:mod:`.timm_networks`). MobileNetV2 has no customary stages: it is cut where the
resolution halves, and once more inside the long run at 1/16, where the width changes
from 64 to 96; the last stage, at 1/32, includes the final 1x1 convolution.

References
----------
.. [1] F. N. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer
   parameters and <0.5MB model size", 2016. :arxiv:`1602.07360`
"""

from __future__ import annotations

__all__ = [
    "build_backbone",
    "default_image_size",
    "feature_count",
    "freeze_boundary",
    "stage_names",
    "torchvision_network",
]

import threading
from collections import OrderedDict
from typing import Any, Literal

import torch
from torch import nn

from ...errors import UserError, suggest
from ...study.plan import BACKBONES, IMAGE_SIZES, TIMM
from .staged import Backbone
from .timm_networks import build_timm_backbone, describe_timm
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

#: Both libraries initialise from torch's global generator, which threads share.
_INITIALISATION = threading.Lock()


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
        One of :data:`stats_tl.study.plan.BACKBONES`, or ``timm:`` and a model of timm.
    seed : int, optional
        Initialise as the network's library does, from this seed. By default only the architecture
        is built, which is quick: every parameter is NaN until weights are loaded, so
        that a network which nobody initialised cannot give scores.

    Returns
    -------
    Backbone
        On the CPU, in training mode, nothing frozen. No global random state is changed.

    Raises
    ------
    UserError
        If there is no such backbone, or it is timm's and cannot be cut into stages.

    Examples
    --------
    >>> backbone = build_backbone("squeezenet1_1", seed=1)
    >>> backbone(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 512])
    >>> list(backbone.stages)
    ['stem', 'fire2-3', 'fire4-5', 'fire6-7', 'fire8-9']
    """
    _check_backbone(name)
    if name.startswith(TIMM):
        describe_timm(name)  # once, with values
    if seed is None:
        with Uninitialised():
            return _blank(_initialised(name, lazy=True))
    with _INITIALISATION, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _initialised(name)


def _initialised(name: str, *, lazy: bool = False) -> Backbone:
    """A backbone as its library makes it."""
    if name.startswith(TIMM):
        return build_timm_backbone(name)
    arguments = {"init_weights": False} if lazy and name == "inception_v3" else {}
    return _cut(name, torchvision_network(name, **arguments))


def _check_backbone(name: str) -> None:
    if name not in BACKBONES and not name.startswith(TIMM):
        raise UserError(f"no backbone is called {name!r}: {suggest(name, BACKBONES)}")


def stage_names(name: str) -> tuple[str, ...]:
    """Names of a backbone's stages, in order.

    Examples
    --------
    >>> stage_names("resnet18")
    ('stem', 'layer1', 'layer2', 'layer3', 'layer4')
    """
    _check_backbone(name)
    return tuple(describe_timm(name).stages if name.startswith(TIMM) else STAGES[name])


def feature_count(name: str) -> int:
    """Length of a backbone's pooled features."""
    _check_backbone(name)
    return describe_timm(name).n_features if name.startswith(TIMM) else N_FEATURES[name]


def default_image_size(name: str) -> int:
    """Pixels a side of the images that a backbone was made for."""
    _check_backbone(name)
    return describe_timm(name).image_size if name.startswith(TIMM) else IMAGE_SIZES[name]


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
    for tensor in backbone.state_dict().values():
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
        name, stages = backbone, stage_names(backbone)
    else:
        name, stages = backbone.name, tuple(backbone.stages)
    n_stages = len(stages)
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
        if not any(True for _ in backbone.stages[first].parameters()):
            raise UserError(
                f"`unfreeze` = {unfreeze} would change nothing beyond {unfreeze - 1}: "
                f"stage {first!r} of {name} has no parameters; expected another number"
            )
    return boundary
