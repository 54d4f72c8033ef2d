"""bfloat16 on a CPU: asked of torch, forced here where the processor has it or not."""

import numpy as np
import pytest
import torch
from torch import nn

from stats_tl.study.plan import Head, Training
from stats_tl.study.splits import TEST, TRAIN, VALIDATION
from stats_tl.train.fitting.features import CachedActivations, ImagePass, compute_activations
from stats_tl.train.fitting.fit import CellModel, fit_cell
from stats_tl.train.machine.precision import (
    computes_bfloat16,
    describe_precision,
    lower_precision,
)
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.heads import build_head
from stats_tl.train.networks.staged import freeze

CPU = torch.device("cpu")


@pytest.fixture
def processor(monkeypatch):
    """Make torch say what the processor can."""

    def set_to(avx512_bf16=False, amx=False):
        monkeypatch.setattr("platform.machine", lambda: "x86_64")
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
        computes_bfloat16.cache_clear()

    yield set_to
    computes_bfloat16.cache_clear()


def test_torch_is_asked(processor):
    for avx512_bf16, amx in ((True, False), (False, True)):
        processor(avx512_bf16, amx)
        assert lower_precision("bfloat16", CPU) is torch.bfloat16
        assert lower_precision("float32", CPU) is lower_precision("float16", CPU) is None
        assert describe_precision({"bfloat16", "float32"}, "cpu") == []
    processor()
    assert lower_precision("bfloat16", CPU) is None
    (note,) = describe_precision({"bfloat16"}, "cpu")
    assert "float32 is used" in note
    assert describe_precision({"bfloat16", "float16"}, "cuda") == []
    assert lower_precision("float16", torch.device("cuda")) is torch.float16


def test_a_torch_without_these_questions_has_float32(processor, monkeypatch):
    processor()
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert not computes_bfloat16()


def images(n=48):
    rng = np.random.default_rng(0)
    y_true = np.tile([0, 1], n // 2)
    pixels = rng.integers(0, 256, (n, 1, 48, 48), dtype=np.uint8)
    pixels[y_true == 1] //= 2
    return pixels, y_true


def preprocess(batch):
    return batch.float().expand(-1, 3, -1, -1) / 255


def train(precision, boundary=4):
    pixels, y_true = images()
    backbone = build_backbone("squeezenet1_1", seed=1)
    freeze(backbone, boundary)
    model = CellModel(backbone, boundary, build_head(Head(name="h", kind="linear"), 512, seed=2))
    inputs = ImagePass(pixels, backbone, boundary, preprocess, augment=False, device=CPU)
    partition = np.repeat([TRAIN, VALIDATION, TEST], [24, 12, 12])
    settings = Training(epochs=2, batch_size=8, precision=precision, image_size=48)
    fit = fit_cell(model, inputs, y_true, partition, settings, seed=3, device=CPU)
    assert all(value.dtype is torch.float32 for value in model.state_dict().values())
    return fit.logits


def test_trained_stages_compute_in_it_where_the_processor_does(processor):
    processor(amx=True)
    full, lower, again = train("float32"), train("bfloat16"), train("bfloat16")
    np.testing.assert_array_equal(lower, again)
    assert not np.array_equal(lower, full)
    np.testing.assert_allclose(lower, full, atol=0.05)
    np.testing.assert_array_equal(train("float16"), full)
    processor()
    np.testing.assert_array_equal(train("bfloat16"), full)


def test_heads_on_features_stay_in_float32(processor):
    processor(amx=True)
    rng = np.random.default_rng(1)
    features, y_true = rng.normal(size=(48, 512)).astype(np.float32), np.tile([0, 1], 24)
    partition = np.repeat([TRAIN, VALIDATION, TEST], 16)

    def logits(precision):
        torch.manual_seed(0)
        model = CellModel(build_backbone("squeezenet1_1"), 5, nn.Linear(512, 2))
        settings = Training(epochs=2, batch_size=8, precision=precision)
        inputs = CachedActivations(features, CPU)
        return fit_cell(model, inputs, y_true, partition, settings, seed=3, device=CPU).logits

    np.testing.assert_array_equal(logits("bfloat16"), logits("float32"))


@pytest.mark.parametrize("boundary", [4, 5])
def test_frozen_stages_compute_in_it_where_the_plan_says_so(processor, boundary):
    pixels, _ = images(20)
    backbone = build_backbone("squeezenet1_1", seed=1).eval()

    def kept(precision):
        return np.concatenate(
            list(
                compute_activations(
                    pixels, backbone, boundary, preprocess, CPU, precision=precision
                )
            )
        )

    full = kept("float32")
    processor()
    np.testing.assert_array_equal(kept("bfloat16"), full)
    processor(avx512_bf16=True)
    lower = kept("bfloat16")
    assert lower.dtype == np.float32
    error = np.abs(lower - full).max() / np.abs(full).max()
    assert 0 < error < 0.02
    if boundary == 5:  # pooled in float32: means are no bfloat16 values
        assert (torch.from_numpy(lower).bfloat16().float().numpy() != lower).any()
    # What is computed in every epoch has the bits of what is kept, in whatever company, and
    # whatever the precision of the stages that are trained.
    inputs = ImagePass(
        pixels, backbone, boundary, preprocess, augment=False, device=CPU, precision="bfloat16"
    )
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        anew = inputs.evaluation_batch(torch.tensor([17, 3, 5]))
    np.testing.assert_array_equal(anew.float().numpy(), lower[[17, 3, 5]])
