"""Names of timm as papers write them, or as they are where that is not known."""

import pytest

from stats_tl.reporting.rendering.labels import Labels
from stats_tl.reporting.rendering.timm_names import timm_label


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("convnext_tiny", "ConvNeXt-T"),
        ("convnext_base.fb_in22k_ft_in1k", "ConvNeXt-B"),
        ("convnextv2_nano", "ConvNeXt V2-N"),
        ("vit_base_patch16_224.augreg_in21k_ft_in1k", "ViT-B/16"),
        ("vit_large_patch14_336", "ViT-L/14, 336 px"),
        ("deit_small_patch16_224", "DeiT-S/16"),
        ("swin_tiny_patch4_window7_224", "Swin-T/4"),
        ("efficientnet_b0", "EfficientNet-B0"),
        ("efficientnetv2_s", "EfficientNetV2-S"),
        ("resnet50", "ResNet-50"),
        ("resnext50_32x4d", "ResNeXt-50 (32x4d)"),
        ("seresnet50", "SE-ResNet-50"),
        ("densenet201", "DenseNet-201"),
        ("vgg16", "VGG-16"),
        ("mobilenetv3_large_100", "MobileNetV3-L"),
        ("regnety_008", "RegNetY-800MF"),
        ("regnety_016", "RegNetY-1.6GF"),
    ],
)
def test_names_of_known_families(name, label):
    assert timm_label(name) == label
    assert Labels().backbone(f"timm:{name}") == label


@pytest.mark.parametrize(
    "name", ["resnet50d", "vit_base_patch16_clip_224", "tf_efficientnet_b0", "mobilenetv2_050", "x"]
)
def test_what_is_not_understood_is_shown_as_timm_writes_it(name):
    assert timm_label(name) == name
    assert Labels().backbone(f"timm:{name}") == name


def test_namesakes_are_told_apart_by_their_identifiers():
    names = [
        "resnet50",
        "timm:convnext_tiny.fb_in1k",
        "timm:convnext_tiny.fb_in22k",
        "timm:resnet18",
    ]
    labels = Labels.of_names({"backbones": names}, {}).backbones
    assert labels == {
        "resnet50": "ResNet-50",
        "timm:convnext_tiny.fb_in1k": "timm:convnext_tiny.fb_in1k",
        "timm:convnext_tiny.fb_in22k": "timm:convnext_tiny.fb_in22k",
        "timm:resnet18": "ResNet-18",
    }
