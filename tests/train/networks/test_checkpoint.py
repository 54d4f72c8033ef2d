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
from stats_tl.train.networks import checkpoint
from stats_tl.train.networks.backbones import build_backbone, torchvision_network
from stats_tl.train.networks.checkpoint import state_digest
from stats_tl.train.networks.reading import read_state_file


@pytest.fixture(scope="module")
def squeezenet():
    return build_backbone("squeezenet1_1", seed=1).library_state_dict()


def find_backbone(state: dict, backbone: str, *, name: str) -> tuple[dict, list[str]]:
    """Of a file with one group of tensors."""
    placed = checkpoint.find_backbone({"": state}, backbone, name=name)
    return placed.state, placed.dropped


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
    assert all(key.startswith("backbone.") for key in file.groups[""])
    if name == "resnet50":
        assert len(file.groups[""]) == 318  # as in the published file
    state, dropped = find_backbone(file.groups[""], name, name=path.name)
    assert dropped == []
    # Every tensor placed, each once.
    assert len(state) == len(file.groups[""])
    values = {state_digest({"": value}) for value in file.groups[""].values()}
    assert {state_digest({"": value}) for value in state.values()} == values
    backbone = build_backbone(name).eval()
    backbone.load_library_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(backbone(x), expected, rtol=1e-5, atol=1e-6)


def test_inception_with_auxiliary_logits_is_shifted_back():
    torch.manual_seed(4)
    network = torchvision_network("inception_v3", aux_logits=True, init_weights=False)
    children = dict(network.named_children())
    assert list(children).index("AuxLogits") == 15
    sequence = nn.Sequential(*children.values())
    published = {f"backbone.{key}": value for key, value in sequence.state_dict().items()}
    state, dropped = find_backbone(published, "inception_v3", name="x.pt")
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
    own = {key: torch.zeros_like(value) for key, value in network.state_dict().items()}
    state, dropped = find_backbone(
        {prefix + key: value for key, value in own.items()}, backbone, name="x.pt"
    )
    expected = set(build_backbone(backbone).library_state_dict())
    assert set(state) == expected
    assert {key.removeprefix(prefix) for key in dropped} == set(own) - expected
    assert all(state[key].data_ptr() == own[key].data_ptr() for key in state)


def test_a_classifier_beside_the_wrapped_backbone_is_dropped(squeezenet):
    state = {f"module.backbone.{key}": value for key, value in squeezenet.items()}
    state |= {"module.head.weight": torch.zeros(2, 512), "module.head.bias": torch.zeros(2)}
    mapped, dropped = find_backbone(state, "squeezenet1_1", name="x.pt")
    assert same(mapped, squeezenet)
    assert dropped == ["module.head.bias", "module.head.weight"]


def test_features_alone(squeezenet):
    alone = {key.removeprefix("features."): value for key, value in squeezenet.items()}
    assert same(find_backbone(alone, "squeezenet1_1", name="x.pt")[0], squeezenet)


def test_missing_batch_counters_and_old_densenet_names():
    own = build_backbone("densenet121", seed=1).library_state_dict()
    old = {
        key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value
        for key, value in own.items()
        if not key.endswith("num_batches_tracked")
    }
    assert same(find_backbone(old, "densenet121", name="x.pth")[0], own)


@pytest.mark.parametrize(
    "container", ["state_dict", "model_state_dict", "state_dict_ema", "params", "teacher"]
)
def test_state_among_other_things(tmp_path, squeezenet, container):
    path = tmp_path / "checkpoint.pt"
    torch.save({container: squeezenet, "epoch": 3, "optimizer": {"lr": 0.1}}, path)
    assert same(read_state_file(path).groups[container], squeezenet)


def test_legacy_torch_format(tmp_path, squeezenet):
    path = tmp_path / "old.pth"
    torch.save(squeezenet, path, _use_new_zipfile_serialization=False)
    assert same(read_state_file(path).groups[""], squeezenet)


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
    with pytest.raises(UserError, match="a web page, not the weights"):
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
        (torch.zeros(3), "found a tensor"),
        ({}, "found an empty one"),
        ({"epoch": 4}, "found epoch, none of which is a named tensor"),
        ({0: torch.zeros(3)}, "found 0, none of which is a named tensor"),
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
    groups = read_state_file(path).groups
    with pytest.raises(UserError, match=r"features\.3\.squeeze\.weight holds numbers that are not"):
        checkpoint.find_backbone(groups, "squeezenet1_1", name=path.name)


@pytest.mark.parametrize("wanted", BACKBONES)
@pytest.mark.parametrize("given", BACKBONES)
def test_the_wrong_architecture_is_named(wanted, given):
    blank = build_backbone(given).library_state_dict()
    state = {key: torch.zeros_like(value) for key, value in blank.items()}
    if wanted == given:
        find_backbone(state, wanted, name="x.pt")
        return
    with pytest.raises(UserError, match=f"weights x.pt do not fit {wanted}: .*looks like {given}$"):
        find_backbone(state, wanted, name="x.pt")


def test_what_does_not_fit_is_counted_and_named(squeezenet):
    state = dict(squeezenet)
    del state["features.0.weight"]
    state["features.0.bias"] = torch.zeros(65)
    state["features.13.surprise"] = torch.zeros(1)
    with pytest.raises(UserError) as caught:
        find_backbone(state, "squeezenet1_1", name="x.pt")
    message = str(caught.value)
    assert "1 missing (features.0.weight)" in message
    assert "1 of another shape (features.0.bias (65,) for (64,))" in message
    assert "1 unexpected (features.13.surprise)" in message


def test_strangers_look_like_nothing():
    state = {f"blocks.{i}.attn.qkv.weight": torch.zeros(3, 3) for i in range(12)}
    with pytest.raises(UserError, match=r"it looks like no backbone known here .*and 8 more\)"):
        find_backbone(state, "resnet50", name="vit.pt")


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


def resnet18(**changes) -> dict:
    """A state dict of zeros, changed."""
    blank = build_backbone("resnet18").library_state_dict()
    return {key: torch.zeros_like(value) for key, value in blank.items()} | changes


PREFIXES = [
    "net.", "network.", "resnet.", "cnn.", "feature_extractor.", "base_model.", "image_encoder.",
    "visual.", "model.resnet.", "timm_model.", "backbone.body.", "module.encoder_q.",
    "teacher.backbone.", "student.", "online_encoder.", "my.very.own.name.",
]  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_is_found_and_recorded_and_foreign_modules_are_dropped(prefix):
    foreign = ["criterion.weight", "n_averaged", "projection_head.0.weight", "decoder.conv1.weight",
               "aux_classifier.0.weight", "last_linear.weight"]  # fmt: skip
    state = {prefix + key: value for key, value in resnet18().items()}
    state |= {key: torch.zeros(3) for key in foreign}
    placed = checkpoint.find_backbone({"": state}, "resnet18", name="x.pt")
    assert placed.label == prefix
    assert placed.notes == [f"found under {prefix!r}"]
    assert placed.dropped == sorted(foreign)


def test_numbers_of_a_compiled_part_of_a_network():
    state = {
        "net." + key.replace("layer1.", "layer1._orig_mod."): value
        for key, value in resnet18().items()
    }
    placed = checkpoint.find_backbone({"": state}, "resnet18", name="x.pt")
    assert set(placed.state) == set(resnet18())


def several() -> dict:
    student, teacher = resnet18(), resnet18(**{"bn1.bias": torch.ones(64)})
    return {
        "state_dict": {
            **{f"student.{key}": value for key, value in student.items()},
            **{f"teacher.{key}": value for key, value in teacher.items()},
        }
    }


def test_of_several_networks_the_plan_says_which():
    message = (
        r"2 networks of the file are a resnet18 "
        r"\('state_dict/student\.', 'state_dict/teacher\.'\); "
        r"say which in the plan's arm: network = \{ resnet18 = 'state_dict/student\.' \}"
    )
    with pytest.raises(UserError, match=message):
        checkpoint.find_backbone(several(), "resnet18", name="x.pt")
    for name, bias in (("student.", 0), ("teacher", 1)):
        placed = checkpoint.find_backbone(
            several(), "resnet18", name="x.pt", network=f"state_dict/{name}"
        )
        assert placed.state["bn1.bias"].unique().item() == bias
    with pytest.raises(UserError, match=r"no resnet18 is under 'pupil'.*in the file: 'state_dict"):
        checkpoint.find_backbone(several(), "resnet18", name="x.pt", network="pupil")


def test_one_network_under_two_names_is_one():
    state = {
        f"{name}.{key}": value for name in ("model", "ema") for key, value in resnet18().items()
    }
    assert checkpoint.find_backbone({"": state}, "resnet18", name="x.pt").label == "ema."


@pytest.mark.parametrize("kind", ["resnet101", "resnet152", "SE"])
def test_larger_networks_with_all_tensors_of_the_backbone_stay_out(kind):
    state = build_backbone("resnet50").library_state_dict()
    if kind == "SE":
        state["layer1.0.se.fc1.weight"] = torch.zeros(16, 256, 1, 1)
    else:
        from stats_tl.train.networks.torchvision_ops import models

        with torch.device("meta"):
            state = getattr(models, kind)().state_dict()
    with pytest.raises(UserError, match="the file looks like a larger network than resnet50"):
        find_backbone(state, "resnet50", name="x.pt")


def test_monais_resnet_is_named():
    state = resnet18(**{"layer2.0.downsample.0.bias": torch.zeros(128)})
    with pytest.raises(UserError, match="MONAI's ResNet, whose first layer has stride 1"):
        find_backbone(state, "resnet18", name="x.pt")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda x: x.to(torch.float8_e4m3fn), "of type float8_e4m3fn"),
        (lambda x: x.to(torch.int8), "of type int8"),
        (lambda x: x > 0, "of type bool"),
        (lambda x: x.to(torch.complex64), "of type complex64"),
        (lambda x: x.to_sparse(), "a sparse tensor"),
        (lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8), "a quantised tensor"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_that_are_no_weights_are_refused_by_name(tmp_path, make, kind):
    path = tmp_path / "x.pt"
    torch.save({"model": resnet18(**{"layer4.1.bn2.weight": make(torch.ones(512))})}, path)
    groups = read_state_file(path).groups
    with pytest.raises(UserError, match=rf"layer4\.1\.bn2\.weight is {kind}; expected numbers of"):
        checkpoint.find_backbone(groups, "resnet18", name=path.name)


def test_numbers_too_large_for_float32():
    state = resnet18(**{"bn1.weight": torch.full((64,), 1e39, dtype=torch.float64)})
    with pytest.raises(UserError, match=r"bn1\.weight holds numbers up to 1\.0e\+39, too large"):
        find_backbone(state, "resnet18", name="x.pt")


def test_numbers_of_other_modules_do_not_matter():
    state = resnet18(op_threshs=torch.full((18,), float("nan")))
    assert find_backbone(state, "resnet18", name="x.pt")[1] == ["op_threshs"]


@pytest.mark.parametrize(
    "key",
    [
        "decoder.aspp.convs.0.0.weight",  # segmentation-models-pytorch, DeepLabV3
        "decoder.aspp.0.convs.0.0.weight",  # DeepLabV3+
        "decoder.fpa.branch1.1.conv.weight",  # PAN
        "classifier.0.convs.0.0.weight",  # torchvision, DeepLabV3
    ],
)
def test_an_encoder_beside_the_decoder_of_dilated_ones_is_another_function(key, squeezenet):
    state = {f"encoder.{name}": value for name, value in squeezenet.items()}
    find_backbone(state, "squeezenet1_1", name="unet.pt")
    with pytest.raises(UserError, match=r"dilates its last layers.*save the encoder"):
        find_backbone({**state, key: torch.ones(2)}, "squeezenet1_1", name="deeplab.pt")


@pytest.mark.parametrize("prefix", ["", "model.", "module."])
def test_the_head_of_an_fcn_is_known_by_its_shape(prefix, squeezenet):
    """torchvision's ``fcn_resnet50``, whose encoder dilates as that of DeepLabV3 does."""
    state = {f"{prefix}backbone.{name}": value for name, value in squeezenet.items()}
    for head in ("classifier", "aux_classifier"):
        first, last = (f"{prefix}{head}.{position}.weight" for position in (0, 4))
        linear = {first: torch.ones(8, 512), last: torch.ones(2, 8)}
        find_backbone({**state, **linear}, "squeezenet1_1", name="net.pt")
        fcn = {first: torch.ones(8, 16, 3, 3), last: torch.ones(2, 8, 1, 1)}
        with pytest.raises(UserError, match=rf"{head}\.0\.weight is of .*dilates its last layers"):
            find_backbone({**state, **fcn}, "squeezenet1_1", name="fcn.pt")
