"""Backbones against torchvision's own networks, and what freezing does and does not do."""

import copy

import pytest
import torch
from torch import nn

from stats_tl.errors import UserError
from stats_tl.study.plan import BACKBONES, STAGE_COUNTS
from stats_tl.train.networks.backbones import (
    build_backbone,
    freeze_boundary,
    torchvision_network,
)
from stats_tl.train.networks.staged import Backbone, freeze, parameter_counts

#: The smallest sizes at which no network runs out of pixels.
SIZE = {"inception_v3": 80}

#: torchvision's classifier by attribute; SqueezeNet's pools, so its stand-in must.
CLASSIFIER = {
    "resnet50": ("fc", nn.Identity()),
    "resnet18": ("fc", nn.Identity()),
    "densenet121": ("classifier", nn.Identity()),
    "inception_v3": ("fc", nn.Identity()),
    "squeezenet1_1": ("classifier", nn.AdaptiveAvgPool2d(1)),
    "mobilenet_v2": ("classifier", nn.Identity()),
}


@pytest.fixture(autouse=True, scope="module")
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(min(2, before))
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=BACKBONES, scope="module")
def backbone(request) -> Backbone:
    """Each backbone, randomly initialised; tests that change it take a copy."""
    return build_backbone(request.param, seed=11).eval()


def images(name: str, n: int = 2) -> torch.Tensor:
    size = SIZE.get(name, 64)
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(3))


def test_forward_equals_torchvision(backbone):
    network = torchvision_network(backbone.name)
    own = backbone.library_state_dict()
    missing, unexpected = network.load_state_dict(own, strict=False)
    attribute, stand_in = CLASSIFIER[backbone.name]
    assert all(key.startswith(attribute) for key in missing)
    assert not unexpected
    setattr(network, attribute, stand_in)
    x = images(backbone.name)
    with torch.no_grad():
        expected = network.eval()(x.clone()).flatten(1)
        features = backbone(x)
    assert features.shape == (2, backbone.n_features)
    assert features.std() > 0
    torch.testing.assert_close(features, expected, rtol=1e-6, atol=1e-6)


def test_prefix_then_tail_is_forward_at_every_boundary(backbone):
    x = images(backbone.name)
    n_stages = len(backbone.stages)
    with torch.no_grad():
        features = backbone(x)
        for boundary in range(n_stages + 1):
            activations = backbone.prefix(x, boundary)
            kept = activations.clone()
            torch.testing.assert_close(
                backbone.tail(activations, boundary), features, rtol=1e-6, atol=1e-6
            )
            # Cached activations are shared by cells: no in-place layer may change them.
            assert torch.equal(activations, kept)
        assert torch.equal(backbone.prefix(x, 0), x)
        assert backbone.prefix(x, n_stages).shape == features.shape


def test_stages_are_those_of_the_plan_and_all_hold_parameters(backbone):
    assert len(backbone.stages) == STAGE_COUNTS[backbone.name]
    for stage in backbone.stages.values():
        assert sum(parameter.numel() for parameter in stage.parameters()) > 0


def test_stages_cover_the_network_but_for_its_classifier(backbone):
    network = torchvision_network(backbone.name)
    attribute, _ = CLASSIFIER[backbone.name]
    expected = {key for key in network.state_dict() if not key.startswith(f"{attribute}.")}
    assert set(backbone.library_state_dict()) == expected


def test_published_parameter_counts():
    # torchvision's `num_params` minus its 1000-class classifier; the stem's 9,536 is the
    # study's (7 * 7 * 3 * 64 weights and 2 * 64 of the batch-norm).
    head = nn.Linear(2048, 2)
    resnet = build_backbone("resnet50")
    in_head = 2 * 2048 + 2
    assert parameter_counts(resnet, head, 5) == (in_head, 25_557_032 - 2_049_000 + in_head)
    trainable, total = parameter_counts(resnet, head, freeze_boundary(resnet, 4))
    assert total - trainable == 9_536
    assert parameter_counts(resnet, head, 0) == (total, total)
    densenet = build_backbone("densenet121")
    assert parameter_counts(densenet, nn.Identity(), 0)[1] == 7_978_856 - 1_025_000


@pytest.mark.parametrize(
    ("name", "unfreeze"),
    [
        *((name, 1) for name in BACKBONES),
        *((name, 2) for name in ("resnet18", "mobilenet_v2")),
        *((name, "all") for name in ("resnet18", "squeezenet1_1", "mobilenet_v2")),
    ],
)
def test_only_unfrozen_stages_get_gradients_and_new_statistics(name, unfreeze):
    model = build_backbone(name, seed=11)
    boundary = freeze_boundary(model, unfreeze)
    freeze(model, boundary)
    before = copy.deepcopy(model.state_dict())
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.1, weight_decay=0.1)
    model.train()
    x = images(model.name, 4)
    model(x).square().mean().backward()
    optimizer.step()
    model.eval()
    model.train()
    for index, (name, stage) in enumerate(model.stages.items()):
        frozen = index < boundary
        assert stage.training is not frozen
        for parameter in stage.parameters():
            assert (parameter.grad is None) is frozen
        changed = [
            key
            for key, value in model.state_dict().items()
            if key.startswith(f"stages.{name}.") and not torch.equal(value, before[key])
        ]
        assert bool(changed) is not frozen
        if not frozen and any(isinstance(layer, nn.BatchNorm2d) for layer in stage.modules()):
            assert any(key.endswith("running_mean") for key in changed)


def test_freezing_again_undoes_an_earlier_freeze():
    model = build_backbone("squeezenet1_1", seed=1)
    freeze(model, 5)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not any(stage.training for stage in model.stages.values())
    freeze(model, 0)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(stage.training for stage in model.train().stages.values())


def test_frozen_batch_norm_normalises_by_its_running_statistics():
    model = build_backbone("resnet18", seed=2)
    freeze(model, 5)
    model.train()
    x = images("resnet18", 4)
    with torch.no_grad():
        torch.testing.assert_close(model(x)[:1], model(x[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("unfreeze", "boundary"), [(0, 5), (1, 4), (4, 1), (5, 0), ("all", 0)])
def test_freeze_boundary(unfreeze, boundary):
    assert freeze_boundary("resnet50", unfreeze) == boundary


@pytest.mark.parametrize("unfreeze", [6, -1, "top5", True, 1.0])
def test_impossible_depths_are_refused(unfreeze):
    with pytest.raises(UserError, match=r"resnet50 has 5 stages .*layer4.*expected 0"):
        freeze_boundary("resnet50", unfreeze)


def test_a_depth_that_changes_nothing_is_refused():
    # `unfreezetop1` of the study this grew from unfroze an average pool.
    stages = {"layer": nn.Conv2d(3, 4, 1), "avgpool": nn.AdaptiveAvgPool2d(1)}
    model = Backbone("toy", stages, n_features=4, image_size=8)
    with pytest.raises(UserError, match="'avgpool' of toy has no parameters"):
        freeze_boundary(model, 1)
    assert freeze_boundary(model, 2) == 0


def test_boundary_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"`boundary` must be in 0\.\.5, got 6"):
        freeze(build_backbone("squeezenet1_1"), 6)


def test_seed_decides_the_weights_and_global_state_stays():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = build_backbone("squeezenet1_1", seed=7).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    again = build_backbone("squeezenet1_1", seed=7).state_dict()
    other = build_backbone("squeezenet1_1", seed=8).state_dict()
    weight = "stages.stem.0.weight"
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    assert not torch.equal(first[weight], other[weight])


def test_random_weights_are_torchvisions():
    torch.manual_seed(7)
    expected = torchvision_network("mobilenet_v2").state_dict()
    for key, value in build_backbone("mobilenet_v2", seed=7).library_state_dict().items():
        assert torch.equal(value, expected[key])


def test_without_weights_a_backbone_gives_no_scores():
    model = build_backbone("resnet18").eval()
    assert torch.isnan(model(images("resnet18"))).all()


def test_state_round_trip_and_strictness():
    source = build_backbone("squeezenet1_1", seed=3)
    target = build_backbone("squeezenet1_1")
    state = source.library_state_dict()
    target.load_library_state_dict(state)
    x = images("squeezenet1_1")
    assert torch.equal(source(x), target(x))
    del state["features.0.weight"]
    with pytest.raises(RuntimeError, match="Missing"):
        target.load_library_state_dict(state)


def test_misspelt_backbone():
    with pytest.raises(UserError, match="did you mean 'resnet50'"):
        build_backbone("resnet_50")
    with pytest.raises(UserError, match="did you mean 'densenet121'"):
        freeze_boundary("densnet121", 1)
