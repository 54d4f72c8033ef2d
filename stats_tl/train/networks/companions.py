"""What stands beside the tensors and names the network they belong to.

Tensors of one name and shape are those of several functions: timm's resnetblur50 blurs
before it halves, segmentation encoders dilate instead of halving, and no key of a state
dict says so. Where a ``config.json`` beside the file, or the file itself, says which
network it is of, another one than the backbone is refused.
"""

from __future__ import annotations

__all__ = ["check_companions"]

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...study.plan import TIMM
from .preprocessing import named_preprocessing

CONFIG = "config.json"
#: timm's (and torchvision's) names of the same functions, without the tag behind a dot.
SAME = {
    "resnet18": ("resnet18", "tv_resnet18", "gluon_resnet18_v1b", "ssl_resnet18", "swsl_resnet18"),
    "resnet50": ("resnet50", "tv_resnet50", "gluon_resnet50_v1b", "ssl_resnet50", "swsl_resnet50"),
    "densenet121": ("densenet121", "tv_densenet121"),
    "inception_v3": (
        "inception_v3", "tf_inception_v3", "adv_inception_v3", "gluon_inception_v3",
    ),
    "mobilenet_v2": ("mobilenet_v2",),
    "squeezenet1_1": ("squeezenet1_1",),
}  # fmt: skip
#: Beginnings of timm's names of networks with a ResNet's or DenseNet's names and shapes.
LOOKALIKES = ("resnetblur", "resnetaa", "densenetblur")


def check_companions(path: Path, backbone: str, architecture: str) -> str | None:
    """Refuse a file whose companions say that it is of another network.

    Parameters
    ----------
    path : Path
        The weight file; a ``config.json`` of Hugging Face, timm or
        segmentation-models-pytorch is looked for beside it.
    backbone : str
    architecture : str
        What the file itself calls its network, or "".

    Returns
    -------
    str or None
        The name of the input scaling that the configuration states, if it does.

    Raises
    ------
    UserError
        If the network is another one.
    """
    if architecture.startswith(LOOKALIKES) and architecture.partition(".")[0] != _own(backbone):
        raise _other(path, backbone, f"the file says that it is of {architecture!r}")
    config = _read(path.parent / CONFIG)
    found = next(_contradictions(config, backbone), None)
    if found:
        raise _other(path, backbone, f"{CONFIG} beside it says {found}")
    scaling = config.get("pretrained_cfg")
    if isinstance(scaling, Mapping):
        return named_preprocessing(scaling.get("mean"), scaling.get("std"))
    return None


def _own(backbone: str) -> str:
    return backbone.removeprefix(TIMM).partition(".")[0]


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def _contradictions(config: Mapping[str, Any], backbone: str) -> Iterator[str]:
    """What a configuration says of another function than the backbone's."""
    same = SAME.get(backbone, (_own(backbone),))
    for key in ("architecture", "encoder_name"):  # timm; segmentation-models-pytorch
        name = config.get(key)
        if isinstance(name, str):
            base = name.removeprefix("tu-").removeprefix("timm-").partition(".")[0]
            if base not in same:
                yield f"{key} = {name!r}"
    stride = _stride(config)
    if stride is not None and stride != 32:
        yield f"an output stride of {stride}, so that its last layers are dilated"
    if config.get("model_type") == "resnet" and backbone.startswith("resnet"):
        yield from _hugging_face_resnet(config)


def _stride(config: Mapping[str, Any]) -> Any:
    arguments = config.get("model_args")
    inner = arguments.get("output_stride") if isinstance(arguments, Mapping) else None
    return config.get("encoder_output_stride", inner)


def _hugging_face_resnet(config: Mapping[str, Any]) -> Iterator[str]:
    for key, expected in (
        ("downsample_in_bottleneck", False),
        ("downsample_in_first_stage", False),
        ("hidden_act", "relu"),
    ):
        value = config.get(key, expected)
        if value != expected:
            yield f"{key} = {json.dumps(value)}"


def _other(path: Path, backbone: str, reason: str) -> UserError:
    return UserError(
        f"weights {path}: {reason}: another function than {backbone}, whatever the names of its "
        f"tensors; if {CONFIG} is of another file, move this one to a folder of its own"
    )
