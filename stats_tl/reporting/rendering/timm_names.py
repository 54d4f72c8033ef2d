"""How papers write the networks that timm names ``convnext_tiny`` or ``vit_base_patch16_224``."""

from __future__ import annotations

__all__ = ["timm_label"]

import re

#: Families whose variants are written with a size, a depth, a patch or a resolution.
_FAMILIES = {
    "coatnet": "CoAtNet", "convnext": "ConvNeXt", "convnextv2": "ConvNeXt V2", "davit": "DaViT",
    "deit": "DeiT", "deit3": "DeiT III", "densenet": "DenseNet", "efficientnet": "EfficientNet",
    "efficientnetv2": "EfficientNetV2", "fastvit": "FastViT", "levit": "LeViT", "maxvit": "MaxViT",
    "mobilenetv2": "MobileNetV2", "mobilenetv3": "MobileNetV3", "mobilevit": "MobileViT",
    "regnetx": "RegNetX", "regnety": "RegNetY", "resnet": "ResNet", "resnetv2": "ResNetV2",
    "resnext": "ResNeXt", "seresnet": "SE-ResNet", "seresnext": "SE-ResNeXt", "swin": "Swin",
    "swinv2": "Swin V2", "vgg": "VGG", "vit": "ViT",
}  # fmt: skip
_SIZES = {
    "atto": "A", "femto": "F", "pico": "P", "nano": "N", "tiny": "T", "small": "S", "base": "B",
    "large": "L", "xlarge": "XL", "huge": "H", "s": "S", "m": "M", "l": "L", "xl": "XL",
}  # fmt: skip
_USUAL = 224  # pixels, which are not worth a word


def timm_label(name: str) -> str:
    """A label for a network of timm; its own name where a part of that is not understood.

    Parameters
    ----------
    name : str
        As timm writes it, with or without a tag of the weights, which the label leaves out.

    Examples
    --------
    >>> [timm_label(name) for name in ("convnext_tiny.fb_in1k", "vit_base_patch16_384")]
    ['ConvNeXt-T', 'ViT-B/16, 384 px']
    """
    first, *words = name.partition(".")[0].split("_")
    if first in _FAMILIES:
        family, depth = first, ""
    else:
        family, depth = first.rstrip("0123456789"), re.sub(r"\D+", "", first)
    if family not in _FAMILIES or family + depth != first:
        return name
    parts = [_part(family, word) for word in words]
    if None in parts:
        return name
    return "".join([_FAMILIES[family], f"-{depth}" if depth else "", *filter(None, parts)])


def _part(family: str, word: str) -> str | None:
    """What one word of a name adds to the label; None where it is not understood."""
    if word in _SIZES:
        return f"-{_SIZES[word]}"
    if re.fullmatch(r"b\d", word):
        return f"-{word.upper()}"
    if match := re.fullmatch(r"patch(\d+)", word):
        return f"/{match[1]}"
    if re.fullmatch(r"\d+x\d+d", word):
        return f" ({word})"
    if re.fullmatch(r"window\d+", word):
        return ""
    return _number(family, int(word)) if word.isdigit() else None


def _number(family: str, value: int) -> str | None:
    if family.startswith("regnet"):  # hundreds of millions of operations
        return f"-{value * 100}MF" if value < 10 else f"-{value / 10:g}GF"
    if family.startswith("mobilenet") and value == 100:  # the channels of the paper, in per cent
        return ""
    if value < _USUAL:
        return None
    return "" if value == _USUAL else f", {value} px"
