"""From grey values to what a network was trained on.

Weights are only as good as the scaling they meet, and every source has its own:

============== ============================================= ==========================
name           of a value x in 0..255                         used by
============== ============================================= ==========================
``imagenet``   (x/255 - mean) / std, by channel               torchvision's networks
``symmetric``  (x - 127.5) * 2 / 255, in -1..1                RadImageNet's demonstration;
                                                              InceptionV3
``caffe``      x - mean, channels reversed to BGR             Keras' ResNet50
``unit``       x / 255, in 0..1
``clip``       (x/255 - mean) / std, by channel, of its own   CLIP and its descendants
``xrayvision`` (x - 127.5) * 2/255 * 1024, in -1024..1024    torchxrayvision
============== ============================================= ==========================
"""

from __future__ import annotations

__all__ = ["GREY", "PREPROCESSING", "default_preprocessing", "named_preprocessing"]

from collections.abc import Callable, Sequence

import torch

Preprocess = Callable[[torch.Tensor], torch.Tensor]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


def _three_channels(images: torch.Tensor) -> torch.Tensor:
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"`images` must have shape (n, 1, height, width) or (n, 3, height, width), "
            f"got {tuple(images.shape)}"
        )
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"`images` must be uint8 or floating point, got {images.dtype}")
    return images.to(torch.float32).expand(-1, 3, -1, -1)


def _affine(
    images: torch.Tensor, shift: float | Sequence[float], scale: float | Sequence[float]
) -> torch.Tensor:
    """(images - shift) * scale by channel."""
    x = _three_channels(images)
    return (x - x.new_tensor(shift).view(-1, 1, 1)) * x.new_tensor(scale).view(-1, 1, 1)


def _standardise(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    return _affine(images, [255 * value for value in mean], [1 / (255 * value) for value in std])


def _imagenet(images: torch.Tensor) -> torch.Tensor:
    return _standardise(images, IMAGENET_MEAN, IMAGENET_STD)


def _clip(images: torch.Tensor) -> torch.Tensor:
    return _standardise(images, CLIP_MEAN, CLIP_STD)


def _xrayvision(images: torch.Tensor) -> torch.Tensor:
    return _affine(images, [127.5], [2 / 255 * 1024])


def _symmetric(images: torch.Tensor) -> torch.Tensor:
    return _affine(images, [127.5], [2 / 255])


def _caffe(images: torch.Tensor) -> torch.Tensor:
    return _affine(_three_channels(images).flip(1), CAFFE_MEAN_BGR, [1.0])


def _unit(images: torch.Tensor) -> torch.Tensor:
    return _affine(images, [0.0], [1 / 255])


#: By name: a function from images of shape (n, 1 or 3, height, width), uint8 or floating
#: point in 0..255, RGB, to float32 of shape (n, 3, height, width) on the same device.
PREPROCESSING: dict[str, Preprocess] = {
    "imagenet": _imagenet,
    "symmetric": _symmetric,
    "caffe": _caffe,
    "unit": _unit,
    "clip": _clip,
    "xrayvision": _xrayvision,
}
#: Those that are the same for every channel, as a network of grey images needs.
GREY = ("symmetric", "unit", "xrayvision")


def default_preprocessing(source: str, backbone: str) -> str:
    """What the authors of a source of weights fed their network.

    torchvision's pretrained InceptionV3 turns ImageNet scaling into -1..1 inside the
    network (``transform_input``); here that is the preprocessing.

    Examples
    --------
    >>> default_preprocessing("imagenet", "resnet50")
    'imagenet'
    >>> default_preprocessing("imagenet", "inception_v3")
    'symmetric'
    >>> default_preprocessing("radimagenet", "resnet50")
    'symmetric'
    """
    if source == "radimagenet" or (source == "imagenet" and backbone == "inception_v3"):
        return "symmetric"
    return "imagenet"


def named_preprocessing(mean: object, std: object) -> str | None:
    """The name of a scaling that a library's configuration gives by mean and deviation.

    Examples
    --------
    >>> named_preprocessing([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
    'symmetric'
    """
    known = {
        "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
        "symmetric": ((0.5,) * 3, (0.5,) * 3),
        "unit": ((0.0,) * 3, (1.0,) * 3),
        "clip": (CLIP_MEAN, CLIP_STD),
    }
    if not isinstance(mean, Sequence) or not isinstance(std, Sequence):
        return None
    given = (tuple(mean), tuple(std))
    return next((name for name, values in known.items() if values == given), None)
