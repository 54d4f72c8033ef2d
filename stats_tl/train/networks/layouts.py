"""Under which names libraries keep a backbone.

A *layout* turns a backbone's own names into another library's. The functions are the same:
the tests compare pooled features of the libraries' own networks. What comes in front of
the names (``module.``, ``encoder.``) is no part of a layout; it is found in the file.

- torchvision's and timm's own; ``features`` alone;
- a Sequential of a network's children (RadImageNet, MONAI's TorchVisionFCModel),
  which numbers them: ``4.0.conv1.weight`` is ``layer1.0.conv1.weight`` of a ResNet;
- Hugging Face's ResNet, which has names of its own;
- MONAI's DenseNet, which has ``layers`` inside each dense layer.
"""

from __future__ import annotations

__all__ = ["Layout", "classifier_names", "layouts", "shapes"]

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ...study.plan import TIMM
from .backbones import build_backbone, torchvision_network
from .timm_networks import describe_timm, first_layer_first
from .uninitialised import Uninitialised

#: Of torchvision's InceptionV3 in training, in front of `Mixed_7a`.
INCEPTION_AUX = "AuxLogits"


@dataclass(frozen=True)
class Layout:
    """A way to write a backbone's keys."""

    name: str
    write: Callable[[str], str]


@functools.cache
def shapes(backbone: str) -> dict[str, torch.Size]:
    """Shapes of a backbone's tensors by its own keys, the first layer first."""
    state = build_backbone(backbone).library_state_dict()
    if backbone.startswith(TIMM):
        state = first_layer_first(backbone, state)
    return {key: value.shape for key, value in state.items()}


def classifier_names(backbone: str) -> tuple[str, ...]:
    """Modules of a classifier that lie among the backbone's own: timm has such."""
    return describe_timm(backbone).classifier if backbone.startswith(TIMM) else ()


@functools.cache
def layouts(backbone: str) -> tuple[Layout, ...]:
    """The layouts in which a backbone may be found, its own first."""
    found = [Layout("its own names", lambda key: key)]
    if backbone.startswith(TIMM):
        return tuple(found)
    if any(key.startswith("features.") for key in shapes(backbone)):
        found.append(Layout("its features alone", lambda key: key.removeprefix("features.")))
    found += [_sequential(order) for order in _orders(backbone)]
    if backbone.startswith("resnet"):
        found.append(Layout("Hugging Face's names", _hugging_face_resnet))
    if backbone == "densenet121":
        found.append(
            Layout("MONAI's names", lambda key: re.sub(r"(denselayer\d+)\.", r"\1.layers.", key))
        )
    return tuple(found)


def _orders(backbone: str) -> list[list[str]]:
    """Orders of the children that a Sequential of them may have."""
    with Uninitialised():
        lazy = {"init_weights": False} if backbone == "inception_v3" else {}
        children = [name for name, _ in torchvision_network(backbone, **lazy).named_children()]
    orders = [children]
    if backbone == "inception_v3":
        # With auxiliary logits their module comes in between and shifts what follows.
        place = children.index("Mixed_7a")
        orders.append([*children[:place], INCEPTION_AUX, *children[place:]])
    return orders


def _sequential(order: list[str]) -> Layout:
    numbers = {child: str(index) for index, child in enumerate(order)}

    def write(key: str) -> str:
        child, _, rest = key.partition(".")
        return f"{numbers[child]}.{rest}"

    return Layout("numbered children", write)


def _hugging_face_resnet(key: str) -> str:
    key = re.sub(r"^conv1\.", "embedder.embedder.convolution.", key)
    key = re.sub(r"^bn1\.", "embedder.embedder.normalization.", key)
    stage = re.match(r"layer(\d)\.(\d+)\.", key)
    if stage is None:
        return key
    rest = key[stage.end() :]
    rest = re.sub(r"^downsample\.0\.", "shortcut.convolution.", rest)
    rest = re.sub(r"^downsample\.1\.", "shortcut.normalization.", rest)
    for name, written in (("conv", "convolution"), ("bn", "normalization")):
        part = re.match(rf"{name}(\d)\.", rest)
        if part:
            rest = f"layer.{int(part[1]) - 1}.{written}.{rest[part.end() :]}"
    return f"encoder.stages.{int(stage[1]) - 1}.layers.{stage[2]}.{rest}"
