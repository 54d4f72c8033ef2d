"""From grey values to what a network was trained on.

Weights are only as good as the scaling they meet, and every source has its own:

============= ============================================== ==========================
name          of a value x in 0..255                         used by
============= ============================================== ==========================
``imagenet``  (x/255 - mean) / std, by channel               torchvision's networks
``symmetric`` (x - 127.5) * 2 / 255, in -1..1                RadImageNet's demonstration;
                                                             InceptionV3
``caffe``     x - mean, channels reversed to BGR             Keras' ResNet50
``unit``      x / 255, in 0..1
============= ============================================== ==========================
"""

from __future__ import annotations

__all__ = ["PREPROCESSING", "default_preprocessing"]

from collections.abc import Callable, Sequence

import torch

Preprocess = Callable[[torch.Tensor], torch.Tensor]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
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


def _imagenet(images: torch.Tensor) -> torch.Tensor:
    return _affine(
        images, [255 * mean for mean in IMAGENET_MEAN], [1 / (255 * std) for std in IMAGENET_STD]
    )


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
}


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
