"""Input scalings against their published formulas and torchvision's own transform."""

import numpy as np
import pytest
import torch

from stats_tl.study.plan import BACKBONES
from stats_tl.train.networks.backbones import torchvision_network
from stats_tl.train.networks.preprocessing import PREPROCESSING, default_preprocessing
from stats_tl.train.networks.torchvision_ops import models


@pytest.fixture
def rgb() -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=generator)


def test_imagenet_is_torchvisions_own(rgb):
    transform = models.get_model_weights("resnet50")["IMAGENET1K_V1"].transforms()
    expected = torch.stack(
        [
            (image / 255 - torch.tensor(transform.mean).view(3, 1, 1))
            / torch.tensor(transform.std).view(3, 1, 1)
            for image in rgb.double()
        ]
    )
    result = PREPROCESSING["imagenet"](rgb)
    torch.testing.assert_close(result.double(), expected, rtol=0, atol=2e-6)


def test_the_other_formulas(rgb):
    x = rgb.numpy().astype(np.float64)
    # Keras' `imagenet_utils.preprocess_input(mode="caffe")`: BGR minus these means.
    caffe = x[:, ::-1] - np.array([103.939, 116.779, 123.68]).reshape(3, 1, 1)
    for name, expected in {
        "symmetric": (x - 127.5) * 2 / 255,
        "caffe": caffe,
        "unit": x / 255,
    }.items():
        np.testing.assert_allclose(PREPROCESSING[name](rgb), expected, rtol=0, atol=3e-5)
    assert PREPROCESSING["symmetric"](torch.tensor([[[[0, 255]]]]).byte()).tolist() == [
        [[[-1.0, 1.0]]] * 3
    ]


@pytest.mark.parametrize("name", PREPROCESSING)
def test_grey_is_three_equal_channels(name, rgb):
    grey = rgb[:, :1]
    assert torch.equal(PREPROCESSING[name](grey), PREPROCESSING[name](grey.expand(-1, 3, -1, -1)))


@pytest.mark.parametrize("name", PREPROCESSING)
def test_integers_and_floats_are_treated_alike(name, rgb):
    before = rgb.clone()
    result = PREPROCESSING[name](rgb)
    assert result.dtype == torch.float32
    assert result.shape == rgb.shape
    assert torch.equal(result, PREPROCESSING[name](rgb.float()))
    assert torch.equal(rgb, before)


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 4, 16, 16)])
def test_wrong_shapes(shape):
    with pytest.raises(ValueError, match="`images` must have shape"):
        PREPROCESSING["unit"](torch.zeros(shape))


def test_wrong_dtype():
    with pytest.raises(ValueError, match=r"uint8 or floating point, got torch\.int64"):
        PREPROCESSING["unit"](torch.zeros(1, 1, 4, 4, dtype=torch.int64))


def test_pretrained_inception_sees_what_torchvision_shows_it(rgb):
    # torchvision switches `transform_input` on for its ImageNet weights.
    network = torchvision_network("inception_v3", init_weights=False, transform_input=True)
    seen = {}
    network.Conv2d_1a_3x3.register_forward_pre_hook(lambda _, inputs: seen.update(x=inputs[0]))
    network.eval()(PREPROCESSING["imagenet"](rgb.repeat(1, 1, 5, 5)))
    scaling = PREPROCESSING[default_preprocessing("imagenet", "inception_v3")]
    torch.testing.assert_close(scaling(rgb.repeat(1, 1, 5, 5)), seen["x"], rtol=0, atol=2e-6)


def test_defaults_by_source():
    for backbone in BACKBONES:
        assert default_preprocessing("radimagenet", backbone) == "symmetric"
        assert default_preprocessing("random", backbone) == "imagenet"
        assert default_preprocessing("checkpoint", backbone) == "imagenet"
