"""Weight files: every layout users have, and every way in which a file can be wrong."""

import os
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from stats_tl.errors import UserError
from stats_tl.study.plan import BACKBONES
from stats_tl.train.networks.backbones import build_backbone, torchvision_network
from stats_tl.train.networks.checkpoint import map_to_torchvision, read_state_file, state_digest


@pytest.fixture(scope="module")
def squeezenet():
    return build_backbone("squeezenet1_1", seed=1).torchvision_state_dict()


def same(state: dict, expected: dict) -> bool:
    return set(state) == set(expected) and all(
        torch.equal(state[key], value) for key, value in expected.items()
    )


def write(path: Path, state: dict) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    return path


class Published(nn.Module):
    """RadImageNet's layout: `backbone`, a Sequential of torchvision's children."""

    def __init__(self, network: nn.Module, name: str):
        super().__init__()
        children = dict(network.named_children())
        for classifier in ("fc", "classifier"):
            children.pop(classifier, None)
        # DenseNet's is its `features` alone, which leave out the last ReLU and the pool.
        self.features_only = name == "densenet121"
        self.backbone = nn.Sequential(*children.values())

    def forward(self, x):
        x = self.backbone(x)
        if self.features_only:
            x = nn.functional.adaptive_avg_pool2d(torch.relu(x), 1)
        return x.flatten(1)


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "inception_v3"])
def test_radimagenets_layout(name, tmp_path):
    torch.manual_seed(3)
    options = {"init_weights": False} if name == "inception_v3" else {}
    published = Published(torchvision_network(name, **options), name).eval()
    x = torch.randn(2, 3, 80, 80)
    with torch.no_grad():
        published.train()(x)  # running statistics that are not 0 and 1
        expected = published.eval()(x)
    path = tmp_path / f"{name}.pt"
    torch.save(published.state_dict(), path)
    file = read_state_file(path)
    assert all(key.startswith("backbone.") for key in file.state_dict)
    if name == "resnet50":
        assert len(file.state_dict) == 318  # as in the published file
    state, dropped = map_to_torchvision(file.state_dict, name, name=path.name)
    assert dropped == []
    # Every tensor placed, each once.
    assert len(state) == len(file.state_dict)
    values = {state_digest({"": value}) for value in file.state_dict.values()}
    assert {state_digest({"": value}) for value in state.values()} == values
    backbone = build_backbone(name).eval()
    backbone.load_torchvision_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(backbone(x), expected, rtol=1e-5, atol=1e-6)


def test_inception_with_auxiliary_logits_is_shifted_back():
    torch.manual_seed(4)
    network = torchvision_network("inception_v3", aux_logits=True, init_weights=False)
    children = dict(network.named_children())
    assert list(children).index("AuxLogits") == 15
    sequence = nn.Sequential(*children.values())
    published = {f"backbone.{key}": value for key, value in sequence.state_dict().items()}
    state, dropped = map_to_torchvision(published, "inception_v3", name="x.pt")
    own = network.state_dict()
    assert same(state, {key: own[key] for key in state})
    assert len(state) + len(dropped) == len(published)
    assert {key.split(".")[1] for key in dropped} == {"15", str(len(children) - 1)}


@pytest.mark.parametrize(
    ("backbone", "prefix"),
    [
        *((backbone, "") for backbone in BACKBONES),
        *(("resnet18", wrapper) for wrapper in ("module.", "model.", "backbone.", "encoder.")),
        ("inception_v3", "module.encoder."),
        ("mobilenet_v2", "_orig_mod.module."),
    ],
)
def test_whole_networks_with_and_without_wrappers(backbone, prefix):
    options = {"init_weights": False} if backbone == "inception_v3" else {}
    with torch.device("meta"):
        network = torchvision_network(backbone, **options)
    network = network.to_empty(device="cpu")
    own = network.state_dict()
    state, dropped = map_to_torchvision(
        {prefix + key: value for key, value in own.items()}, backbone, name="x.pt"
    )
    expected = set(build_backbone(backbone).torchvision_state_dict())
    assert set(state) == expected
    assert {key.removeprefix(prefix) for key in dropped} == set(own) - expected
    assert all(state[key].data_ptr() == own[key].data_ptr() for key in state)


def test_a_classifier_beside_the_wrapped_backbone_is_dropped(squeezenet):
    state = {f"module.backbone.{key}": value for key, value in squeezenet.items()}
    state |= {"module.head.weight": torch.zeros(2, 512), "module.head.bias": torch.zeros(2)}
    mapped, dropped = map_to_torchvision(state, "squeezenet1_1", name="x.pt")
    assert same(mapped, squeezenet)
    assert dropped == ["module.head.bias", "module.head.weight"]


def test_features_alone(squeezenet):
    alone = {key.removeprefix("features."): value for key, value in squeezenet.items()}
    assert same(map_to_torchvision(alone, "squeezenet1_1", name="x.pt")[0], squeezenet)


def test_missing_batch_counters_and_old_densenet_names():
    own = build_backbone("densenet121", seed=1).torchvision_state_dict()
    old = {
        key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value
        for key, value in own.items()
        if not key.endswith("num_batches_tracked")
    }
    assert same(map_to_torchvision(old, "densenet121", name="x.pth")[0], own)


@pytest.mark.parametrize("container", ["state_dict", "model_state_dict", "model", "net"])
def test_state_among_other_things(tmp_path, squeezenet, container):
    path = tmp_path / "checkpoint.pt"
    torch.save({container: squeezenet, "epoch": 3, "optimizer": {"lr": 0.1}}, path)
    assert same(read_state_file(path).state_dict, squeezenet)


def test_legacy_torch_format(tmp_path, squeezenet):
    path = tmp_path / "old.pth"
    torch.save(squeezenet, path, _use_new_zipfile_serialization=False)
    assert same(read_state_file(path).state_dict, squeezenet)


class Malicious:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (str(self.target),))


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "pickle2"])
def test_a_malicious_pickle_is_refused_and_nothing_runs(tmp_path, squeezenet, kind):
    target = tmp_path / "executed"
    content = {**squeezenet, "extra": Malicious(target)}
    path = tmp_path / "weights.pt"
    if kind.startswith("pickle"):
        protocol = 2 if kind == "pickle2" else pickle.DEFAULT_PROTOCOL
        path.write_bytes(pickle.dumps(content["extra"], protocol=protocol))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(UserError, match="refused, and nothing of it was executed"):
        read_state_file(path)
    assert not target.exists()
    if kind.startswith("pickle"):  # the bait works
        pickle.loads(path.read_bytes())
        assert target.exists()


def test_a_whole_module_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(UserError, match=r"it calls torch\.nn\.modules\.linear\.Linear\)"):
        read_state_file(path)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 5, 100, 200_000, -100])
def test_truncated_files(tmp_path, squeezenet, suffix, keep):
    path = write(tmp_path / f"weights{suffix}", squeezenet)
    path.write_bytes(path.read_bytes()[:keep])
    kind = "safetensors" if suffix == ".safetensors" else "torch"
    with pytest.raises(UserError, match=rf"weights{suffix}: not a readable {kind} file, or cut"):
        read_state_file(path)


def test_other_files(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_text("<html>404 Not Found</html>")
    with pytest.raises(UserError, match="Expected a plain state dict"):
        read_state_file(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(UserError, match="a Keras file"):
        read_state_file(path)
    with pytest.raises(UserError, match=r"missing\.pt: cannot be read \(No such file"):
        read_state_file(tmp_path / "missing.pt")
    with pytest.raises(UserError, match="cannot be read"):
        read_state_file(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.zeros(3), "found Tensor"),
        ({}, "found an empty one"),
        ({"features.0.weight": torch.zeros(3), "epoch": 4}, "it also holds epoch;"),
        ({0: torch.zeros(3)}, "it also holds 0;"),
    ],
)
def test_torch_files_that_are_no_state_dicts(tmp_path, content, message):
    path = tmp_path / "x.pt"
    torch.save(content, path)
    with pytest.raises(UserError, match=message):
        read_state_file(path)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite(tmp_path, squeezenet, suffix, value):
    state = {key: tensor.clone() for key, tensor in squeezenet.items()}
    state["features.3.squeeze.weight"].view(-1)[7] = value
    path = write(tmp_path / f"x{suffix}", state)
    with pytest.raises(UserError, match=r"features\.3\.squeeze\.weight holds numbers that are not"):
        read_state_file(path)


@pytest.mark.parametrize("wanted", BACKBONES)
@pytest.mark.parametrize("given", BACKBONES)
def test_the_wrong_architecture_is_named(wanted, given):
    state = build_backbone(given).torchvision_state_dict()
    if wanted == given:
        map_to_torchvision(state, wanted, name="x.pt")
        return
    with pytest.raises(UserError, match=f"weights x.pt do not fit {wanted}: .*looks like {given}$"):
        map_to_torchvision(state, wanted, name="x.pt")


def test_what_does_not_fit_is_counted_and_named(squeezenet):
    state = dict(squeezenet)
    del state["features.0.weight"]
    state["features.0.bias"] = torch.zeros(65)
    state["surprise"] = torch.zeros(1)
    with pytest.raises(UserError) as caught:
        map_to_torchvision(state, "squeezenet1_1", name="x.pt")
    message = str(caught.value)
    assert "1 missing (features.0.weight)" in message
    assert "1 of another shape (features.0.bias (65,) for (64,))" in message
    assert "1 unexpected (surprise)" in message


def test_strangers_look_like_nothing():
    state = {f"blocks.{i}.attn.qkv.weight": torch.zeros(3, 3) for i in range(12)}
    with pytest.raises(UserError, match=r"and 8 more\).*it looks like no backbone known here"):
        map_to_torchvision(state, "resnet50", name="vit.pt")


def test_digest_is_of_names_shapes_and_values():
    state = {"a": torch.arange(4.0), "b": torch.zeros((), dtype=torch.int64)}
    digest = state_digest(state)
    assert digest == state_digest(dict(reversed(state.items())))
    for change in (
        {**state, "a": torch.arange(4.0).view(2, 2)},
        {**state, "a": torch.arange(4.0) + 1},
        {**state, "c": torch.zeros(1)},
        {"a": state["a"]},
    ):
        assert state_digest(change) != digest
