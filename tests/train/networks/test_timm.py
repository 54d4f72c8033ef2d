"""timm's networks as backbones: against timm where it is installed, and by a stand-in always.

The stand-in has what is used of timm's interface, and traps: a token of the network's own, a
cut behind a module without parameters, an activation that works in place, a classifier among
the backbone's modules, a buffer that no file holds, a module that needs more than its input.
"""

import importlib
import sys
import types

import huggingface_hub
import pytest
import safetensors.torch
import torch
from torch import nn

from stats_tl.errors import UserError
from stats_tl.study.plan import Arm
from stats_tl.train.networks import timm_networks, torchvision_ops
from stats_tl.train.networks.backbones import (
    build_backbone,
    default_image_size,
    feature_count,
    freeze_boundary,
    stage_names,
)
from stats_tl.train.networks.layouts import shapes
from stats_tl.train.networks.staged import freeze, parameter_counts
from stats_tl.train.networks.weights import resolve_weights

#: Small ones that timm keeps for tests, and what people use.
REAL = {
    "test_resnet": ("act1", "layer1", "layer2", "layer3", "layer4"),
    "test_convnext": ("stages_0", "stages_1", "stages_2", "stages_3"),
    "test_efficientnet": ("blocks_0", "blocks_1", "blocks_2", "blocks_3", "blocks_4"),
    "test_vit": tuple(f"blocks_{block}" for block in range(6)),
    "resnet18": ("act1", "layer1", "layer2", "layer3", "layer4"),
    "mobilenetv3_small_050": None,
    "convnext_atto": ("stages_0", "stages_1", "stages_2", "stages_3"),
    "vit_tiny_patch16_224": tuple(f"blocks_{block}" for block in range(12)),
    "swin_tiny_patch4_window7_224": ("layers_0", "layers_1", "layers_2", "layers_3"),
}


class Head(nn.Module):
    def __init__(self, width, num_classes):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Linear(width, num_classes) if num_classes else nn.Identity()

    def forward(self, x, pre_logits=False):
        x = self.norm(x[:, 0] + x[:, 1:].mean(1))
        return x if pre_logits else self.fc(x)


class Block(nn.Sequential):
    """Not opened: its own `forward` may do more than call one module after the other."""

    def forward(self, x):
        return super().forward(x)


class Network(nn.Module):
    def __init__(self, num_classes=1000):
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.embed = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.BatchNorm2d(8))
        self.act = nn.ReLU(inplace=True)
        self.blocks = nn.Sequential(
            nn.Sequential(nn.Linear(8, 8), nn.ReLU(inplace=True)),
            Block(nn.ReLU(inplace=True), nn.Linear(8, 8), nn.Dropout(0.5)),
        )
        self.norm = nn.LayerNorm(8)
        self.head = Head(8, num_classes)
        self.register_buffer("ramp", torch.linspace(0, 1, 5)[None, :, None], persistent=False)
        self.feature_info = [{"module": "act"}, {"module": "blocks.0"}, {"module": "blocks.1.1"}]
        self.pretrained_cfg = {
            "architecture": "net", "tag": "a_in1k", "input_size": (3, 16, 16), "first_conv":
            "embed.0", "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "classifier": "head.fc",
            "fixed_input_size": True, "hf_hub_id": "timm/net.a_in1k", "license": "mit",
        }  # fmt: skip

    def forward_features(self, x):
        x = self.act(self.embed(x)).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.ramp
        return self.norm(self.blocks(x))

    def forward_head(self, x, pre_logits=False):
        return self.head(x, pre_logits=pre_logits)


class Skipping(Network):
    """Its second block gets the sum of two outputs."""

    def forward_features(self, x):
        x = self.act(self.embed(x)).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        return self.norm(x + self.blocks[1](x + self.blocks[0](x)))


@pytest.fixture
def timm(monkeypatch):
    """A module of timm's interface with two networks."""
    models = {"net": Network, "skipping": Skipping}
    tags = {"net": ["a_in1k", "b_laion2b"], "skipping": ["a_in1k"]}

    def create_model(name, pretrained, num_classes):
        assert not pretrained
        architecture, _, tag = name.partition(".")
        network = models[architecture](num_classes)
        network.pretrained_cfg["tag"] = tag or "a_in1k"
        return network

    module = types.SimpleNamespace(
        __version__="9.9",
        is_model=models.__contains__,
        list_models=lambda: list(models),
        list_pretrained=lambda glob: [f"{glob[:-2]}.{tag}" for tag in tags[glob[:-2]]],
        create_model=create_model,
    )
    monkeypatch.setitem(sys.modules, "timm", module)
    caches = (timm_networks.describe_timm, shapes)
    for cache in caches:
        cache.cache_clear()
    yield module
    for cache in caches:
        cache.cache_clear()


def whole(network, x):
    return network.forward_head(network.forward_features(x), pre_logits=True)


def same_function(backbone, network, x):
    """Every boundary composes to the library's features and leaves its input as it was."""
    with torch.no_grad():
        for parameter in backbone.parameters():  # fresh ones are partly 0, and hide differences
            parameter.add_(0.05 * torch.randn(parameter.shape))
        network.eval().load_state_dict(backbone.eval().library_state_dict())
        expected = whole(network, x)
        scale = expected.abs().max()
        assert scale > 0.001
        for boundary in range(len(backbone.stages) + 1):
            activations = backbone.prefix(x, boundary)
            kept = activations.clone()
            found = backbone.tail(activations, boundary)
            assert (found - expected).abs().max() <= 1e-5 * scale
            assert torch.equal(activations, kept)


def test_stages_of_a_stand_in(timm):
    backbone = build_backbone("timm:net", seed=1)
    # A map inside a block ends the stage behind it; what follows belongs to the last.
    assert stage_names("timm:net") == tuple(backbone.stages) == ("act", "blocks_0", "blocks_1")
    assert (feature_count("timm:net"), default_image_size("timm:net")) == (8, 16)
    same_function(backbone, Network(0), torch.randn(3, 3, 16, 16))
    counts = [parameter_counts(backbone, nn.Identity(), k)[0] for k in range(3, -1, -1)]
    assert counts == sorted(set(counts))
    assert counts[-1] == sum(parameter.numel() for parameter in Network(0).parameters())
    with pytest.raises(UserError, match=r"has 3 stages \(act, blocks_0, blocks_1\)"):
        freeze_boundary("timm:net", 4)


def test_frozen_stages_of_a_stand_in_stay_as_they_are(timm):
    backbone = build_backbone("timm:net", seed=1)
    freeze(backbone, freeze_boundary(backbone, 1))
    backbone.train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], 0.1)
    backbone(torch.randn(4, 3, 16, 16)).square().sum().backward()
    optimizer.step()
    changed = {key for key, value in backbone.state_dict().items() if not before[key].equal(value)}
    assert changed == {key for key in before if key.startswith("stages.blocks_1.")}


def test_seeds_and_blanks_of_a_stand_in(timm):
    torch.manual_seed(5)
    drawn = torch.randn(1)
    torch.manual_seed(5)
    first, again = build_backbone("timm:net", seed=2), build_backbone("timm:net", seed=2)
    assert torch.equal(torch.randn(1), drawn)  # torch's own generator is where it was
    other = build_backbone("timm:net", seed=3)
    assert torch.equal(first.stages["act"].network.token, again.stages["act"].network.token)
    assert not torch.equal(first.stages["act"].network.token, other.stages["act"].network.token)
    blank = build_backbone("timm:net")
    assert all(p.isnan().all() for p in blank.parameters())
    # Loaded into, it is the network, with the buffer that no file holds.
    blank.load_library_state_dict(first.library_state_dict())
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(blank.eval()(x), first.eval()(x))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm:skipping", "cannot be cut into stages"),
        ("timm:nett", "did you mean 'net'"),
        ("timm:net.c", "allowed: a_in1k, b_laion2b"),
    ],
)
def test_networks_that_are_none(timm, name, words):
    with pytest.raises(UserError, match=words):
        build_backbone(name)


def test_without_timm_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    timm_networks.describe_timm.cache_clear()
    with pytest.raises(UserError, match=r"pip install 'stats_tl\[timm\]'"):
        build_backbone("timm:convnext_tiny")


def test_what_only_timm_knows_of_a_request(timm):
    timm_networks.check_timm_request("timm:net", "2", None)
    timm_networks.check_timm_request("timm:net", "all", 16)
    with pytest.raises(UserError, match='expected 0 to 2, or "all"'):
        timm_networks.check_timm_request("timm:net", "3", None)
    with pytest.raises(UserError, match="takes images of 16 pixels only"):
        timm_networks.check_timm_request("timm:net", "1", 32)


def test_weights_of_a_stand_in(timm, tmp_path, monkeypatch):
    source = Network()
    safetensors.torch.save_file(source.state_dict(), tmp_path / "own.safetensors")
    arm = Arm(name="own", source="checkpoint", files={"timm:net": "own.safetensors"})
    loaded = resolve_weights(arm, "timm:net", base=tmp_path, seed=None)
    backbone = build_backbone("timm:net").eval()
    backbone.load_library_state_dict(loaded.state_dict)
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(backbone(x), whole(source.eval(), x))
    assert loaded.record["dropped"] == ["head.fc.bias", "head.fc.weight"]
    assert loaded.record["preprocessing"] == "symmetric"  # by its configuration
    assert loaded.record["notes"] == ["network and input of timm 9.9, configuration net.a_in1k"]

    # From the hub's cache, as its client lays it out.
    folder = tmp_path / "hub/models--timm--net.a_in1k"
    (folder / "snapshots/0123abc").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text("0123abc")
    (tmp_path / "own.safetensors").rename(folder / "snapshots/0123abc/model.safetensors")
    cached = huggingface_hub.try_to_load_from_cache
    monkeypatch.setattr(
        huggingface_hub,
        "try_to_load_from_cache",
        lambda repository, name: cached(repository, name, cache_dir=tmp_path / "hub"),
    )
    hub = resolve_weights(Arm(name="a", source="imagenet"), "timm:net", base=tmp_path, seed=None)
    assert hub.record["origin"] == "hf://timm/net.a_in1k@0123abc/model.safetensors"
    assert (hub.record["variant"], hub.record["licence"][:17]) == ("a_in1k", "timm's weights, m")
    assert all(torch.equal(hub.state_dict[key], value) for key, value in loaded.state_dict.items())

    for variant, words in (("b_laion2b", "ImageNet's classes"), ("c", "allowed: a_in1k")):
        with pytest.raises(UserError, match=words):
            resolve_weights(
                Arm(name="a", source="imagenet", variant=variant),
                "timm:net",
                base=tmp_path,
                seed=None,
            )
    drawn = resolve_weights(Arm(name="r", source="random"), "timm:net", base=tmp_path, seed=1)
    assert drawn.record["origin"] == "initialised by timm"


def real_timm():
    assert torchvision_ops.models
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed")
    return importlib.import_module("timm")


@pytest.mark.parametrize("name", REAL)
def test_stages_of_timms_networks(name):
    timm = real_timm()
    backbone = build_backbone(f"timm:{name}", seed=3)
    if REAL[name]:
        assert stage_names(f"timm:{name}") == REAL[name]
    network = timm.create_model(name, num_classes=0)
    assert backbone.image_size == network.pretrained_cfg["input_size"][-1]
    size = backbone.image_size
    same_function(backbone, network, torch.randn(2, 3, size, size))
    counts = [
        parameter_counts(backbone, nn.Identity(), k)[0] for k in range(len(backbone.stages), -1, -1)
    ]
    assert counts == sorted(set(counts))
    assert counts[-1] == sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])
def test_frozen_batch_norms_of_timm_do_not_drift(name):
    real_timm()
    backbone = build_backbone(f"timm:{name}", seed=3)
    freeze(backbone, freeze_boundary(backbone, 1))
    backbone.train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    backbone(torch.randn(4, 3, 64, 64)).sum().backward()
    drifted = {key for key, value in backbone.state_dict().items() if not before[key].equal(value)}
    last = f"stages.{list(backbone.stages)[-1]}."
    assert drifted
    assert all(key.startswith(last) for key in drifted)


@pytest.mark.parametrize("name", ["hrnet_w18_small", "eva02_tiny_patch14_224"])
def test_networks_of_timm_without_stages_that_follow_each_other(name):
    real_timm()
    with pytest.raises(UserError, match="cannot be cut into stages"):
        build_backbone(f"timm:{name}")


@pytest.mark.parametrize("name", ["test_convnext", "test_vit", "test_resnet"])
def test_checkpoints_of_timms_networks(name, tmp_path):
    timm = real_timm()
    network = timm.create_model(name, num_classes=3).eval()
    timm.models.save_for_hf(network, tmp_path, safe_serialization=True)
    arm = Arm(name="own", source="checkpoint", files={f"timm:{name}": "model.safetensors"})
    loaded = resolve_weights(arm, f"timm:{name}", base=tmp_path, seed=None)
    assert loaded.record["preprocessing"] in ("imagenet", "symmetric")
    backbone = build_backbone(f"timm:{name}").eval()
    backbone.load_library_state_dict(loaded.state_dict)
    x = torch.randn(2, 3, 160, 160)
    assert torch.equal(backbone(x), whole(network, x))
    other = Arm(name="o", source="checkpoint", files={"timm:resnet18": "model.safetensors"})
    with pytest.raises(UserError, match=r"config.json beside it says architecture"):
        resolve_weights(other, "timm:resnet18", base=tmp_path, seed=None)
