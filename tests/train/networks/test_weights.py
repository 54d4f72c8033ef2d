"""Sources of weights: what is loaded, what is recorded, what is said when there is nothing."""

import hashlib
import json
import shutil
import urllib.error
from pathlib import Path

import huggingface_hub
import pytest
import safetensors.torch
import torch

from stats_tl.errors import UserError
from stats_tl.study.plan import Arm
from stats_tl.train.networks import published as module
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.weights import resolve_weights, save_backbone

RECORD_KEYS = {
    "name", "source", "variant", "licence", "sha256", "preprocessing", "origin", "seed",
    "dropped", "notes", "trained_from",
}  # fmt: skip


def arm(source: str, **options) -> Arm:
    return Arm(name="the-arm", source=source, **options)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def squeezenet():
    return build_backbone("squeezenet1_1", seed=1)


@pytest.fixture
def file(tmp_path, squeezenet) -> Path:
    path = tmp_path / "weights" / "squeezenet.safetensors"
    path.parent.mkdir()
    safetensors.torch.save_file(squeezenet.library_state_dict(), path)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of torch.hub."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder))
    return folder / "checkpoints"


def test_random_weights_come_from_their_seed_alone():
    torch.manual_seed(1)
    first = resolve_weights(arm("random"), "squeezenet1_1", base=Path(), seed=5)
    torch.manual_seed(2)
    again = resolve_weights(arm("random"), "squeezenet1_1", base=Path(), seed=5)
    other = resolve_weights(arm("random"), "squeezenet1_1", base=Path(), seed=6)
    assert all(torch.equal(value, again.state_dict[key]) for key, value in first.state_dict.items())
    assert first.record == again.record
    assert first.record["sha256"] != other.record["sha256"]
    assert first.record["seed"] == 5
    assert set(first.record) == RECORD_KEYS


def test_random_weights_need_a_seed():
    with pytest.raises(ValueError, match="`seed` must be given"):
        resolve_weights(arm("random"), "squeezenet1_1", base=Path(), seed=None)


def test_local_file_is_relative_to_the_plan_and_recorded_without_its_folder(
    file, tmp_path, squeezenet
):
    plan = arm("checkpoint", files={"squeezenet1_1": "weights/squeezenet.safetensors"})
    loaded = resolve_weights(plan, "squeezenet1_1", base=tmp_path, seed=None)
    expected = squeezenet.library_state_dict()
    assert set(loaded.state_dict) == set(expected)
    assert all(torch.equal(loaded.state_dict[key], value) for key, value in expected.items())
    assert loaded.record["origin"] == file.name
    assert loaded.record["sha256"] == sha256(file)
    assert loaded.record["licence"] == "not stated"
    assert set(loaded.record) == RECORD_KEYS
    assert str(tmp_path) not in json.dumps(loaded.record)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_half_precision_is_widened(tmp_path, squeezenet, suffix):
    half = {key: value.half() for key, value in squeezenet.library_state_dict().items()}
    path = tmp_path / f"half{suffix}"
    save = safetensors.torch.save_file if suffix == ".safetensors" else torch.save
    save(half, path)
    plan = arm("checkpoint", files={"squeezenet1_1": path.name})
    loaded = resolve_weights(plan, "squeezenet1_1", base=tmp_path, seed=None)
    for key, value in loaded.state_dict.items():
        assert value.dtype == torch.float32
        assert torch.equal(value, half[key].float())


def test_expected_hash(file):
    right, wrong = sha256(file), "0" * 64
    options = {"files": {"squeezenet1_1": str(file)}}
    for given in (right, right.upper()):
        plan = arm("checkpoint", sha256={"squeezenet1_1": given}, **options)
        resolve_weights(plan, "squeezenet1_1", base=Path(), seed=None)
    plan = arm("checkpoint", sha256={"squeezenet1_1": wrong}, **options)
    with pytest.raises(UserError, match=f"sha256 is {right}, expected {wrong}"):
        resolve_weights(plan, "squeezenet1_1", base=Path(), seed=None)


def test_missing_local_file(tmp_path):
    plan = arm("imagenet", files={"resnet18": "nowhere.pth"})
    with pytest.raises(UserError, match=r"'the-arm': no weights of resnet18 at .*nowhere\.pth"):
        resolve_weights(plan, "resnet18", base=tmp_path, seed=None)


def test_a_checkpoint_arm_must_name_every_backbone(file):
    plan = arm("checkpoint", files={"squeezenet1_1": str(file)})
    with pytest.raises(UserError, match=r"files = \{ resnet18 = '<path>' \}"):
        resolve_weights(plan, "resnet18", base=Path(), seed=None)


def test_preprocessing_is_the_sources_unless_the_plan_says_otherwise(file):
    options = {"files": {"squeezenet1_1": str(file)}}
    for source, default in [
        ("imagenet", "imagenet"),
        ("radimagenet", "symmetric"),
        ("checkpoint", "imagenet"),
    ]:
        loaded = resolve_weights(arm(source, **options), "squeezenet1_1", base=Path(), seed=None)
        assert loaded.record["preprocessing"] == default
        plan = arm(source, preprocessing="caffe", **options)
        loaded = resolve_weights(plan, "squeezenet1_1", base=Path(), seed=None)
        assert loaded.record["preprocessing"] == "caffe"


def test_a_local_file_that_is_not_the_published_one_is_noted(file):
    options = {"files": {"squeezenet1_1": str(file)}}
    loaded = resolve_weights(arm("imagenet", **options), "squeezenet1_1", base=Path(), seed=None)
    (note,) = loaded.record["notes"]
    assert "torchvision's squeezenet1_1-b8a52dc0.pth (IMAGENET1K_V1) has another hash" in note
    loaded = resolve_weights(arm("radimagenet", **options), "squeezenet1_1", base=Path(), seed=None)
    assert "has no hash to compare with" in loaded.record["notes"][0]


@pytest.fixture(scope="module")
def densenet(tmp_path_factory) -> Path:
    """Stands in for RadImageNet's file, as its cache on the hub keeps it."""
    path = tmp_path_factory.mktemp("hub") / "snapshots" / "0123abc" / "DenseNet121.pt"
    path.parent.mkdir(parents=True)
    torch.save(build_backbone("densenet121", seed=1).library_state_dict(), path)
    return path


def test_the_published_radimagenet_file_is_known(densenet, monkeypatch):
    plan = arm("radimagenet", files={"densenet121": str(densenet)})
    monkeypatch.setitem(module.RADIMAGENET_SHA256, "densenet121", "0" * 64)
    (note,) = resolve_weights(plan, "densenet121", base=Path(), seed=None).record["notes"]
    assert note.endswith("Lab-Rasool/RadImageNet's DenseNet121.pt has another hash")
    monkeypatch.setitem(module.RADIMAGENET_SHA256, "densenet121", sha256(densenet))
    assert resolve_weights(plan, "densenet121", base=Path(), seed=None).record["notes"] == []


def test_trained_backbone_is_an_arm_of_the_next_study(tmp_path, squeezenet):
    record = {
        "cell_id": "abc",
        "key": {"task": "breast"},
        "history": {"train_loss": [0.7]},
        "weights": {"licence": "MIT", "preprocessing": "symmetric", "source": "radimagenet"},
    }
    data = save_backbone(squeezenet, record)
    assert data == save_backbone(squeezenet, dict(reversed(record.items())))
    path = tmp_path / "trained.safetensors"
    path.write_bytes(data)
    plan = arm("checkpoint", files={"squeezenet1_1": path.name})
    loaded = resolve_weights(plan, "squeezenet1_1", base=tmp_path, seed=None)
    for key, value in squeezenet.library_state_dict().items():
        assert torch.equal(loaded.state_dict[key], value)
    assert loaded.record["preprocessing"] == "symmetric"
    assert loaded.record["licence"] == "MIT"
    assert loaded.record["trained_from"] == {
        key: record[key] for key in ("cell_id", "key", "weights")
    }


def no_network(*_, **__):
    raise urllib.error.URLError("Name or service not known")


def test_offline_imagenet_is_one_clear_sentence(cache, monkeypatch):
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(UserError) as caught:
        resolve_weights(arm("imagenet"), "resnet50", base=Path(), seed=None)
    message = str(caught.value)
    for part in (
        "'the-arm'",
        "resnet50-0676ba61.pth",
        "Name or service not known",
        "https://download.pytorch.org/models/resnet50-0676ba61.pth",
        str(cache),
        "files = { resnet50 = '<path to resnet50-0676ba61.pth>' }",
    ):
        assert part in message
    assert "\n" not in message


def test_offline_radimagenet_is_one_clear_sentence(monkeypatch):
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(module, "urlopen", no_network)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(UserError) as caught:
        resolve_weights(arm("radimagenet"), "densenet121", base=Path(), seed=None)
    message = str(caught.value)
    for part in (
        "DenseNet121.pt",
        "Name or service not known",
        "huggingface.co/Lab-Rasool/RadImageNet/resolve/main/DenseNet121.pt",
        "files = { densenet121 = '<path to DenseNet121.pt>' }",
    ):
        assert part in message
    assert "\n" not in message


def test_imagenet_is_fetched_once_into_torchs_cache(cache, squeezenet, monkeypatch):
    calls = []

    def download(url, path, hash_prefix, progress):
        calls.append((url, hash_prefix))
        torch.save(squeezenet.library_state_dict(), path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    monkeypatch.setattr(module, "_hash_in_name", lambda url: "")
    for _ in range(2):
        loaded = resolve_weights(arm("imagenet"), "squeezenet1_1", base=Path(), seed=None)
    assert len(calls) == 1
    assert loaded.record["origin"].endswith("/models/squeezenet1_1-b8a52dc0.pth")
    assert loaded.record["variant"] == "IMAGENET1K_V1"
    assert (cache / "squeezenet1_1-b8a52dc0.pth").is_file()


def test_a_damaged_cache_is_refused(cache, file):
    cache.mkdir(parents=True)
    cached = cache / "squeezenet1_1-b8a52dc0.pth"
    torch.save(safetensors.torch.load_file(file), cached)
    with pytest.raises(UserError, match=r"its source published b8a52dc0\.\.\.; remove it"):
        resolve_weights(arm("imagenet"), "squeezenet1_1", base=Path(), seed=None)


def test_radimagenet_from_the_hubs_cache_names_its_revision(densenet, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(densenet))
    monkeypatch.setitem(module.RADIMAGENET_SHA256, "densenet121", "0" * 64)
    with pytest.raises(UserError, match=r"its source published 000000"):
        resolve_weights(arm("radimagenet"), "densenet121", base=Path(), seed=None)
    # Whoever means another version says so.
    plan = arm("radimagenet", sha256={"densenet121": sha256(densenet)})
    record = resolve_weights(plan, "densenet121", base=Path(), seed=None).record
    assert record["origin"] == "hf://Lab-Rasool/RadImageNet@0123abc/DenseNet121.pt"
    assert record["preprocessing"] == "symmetric"


def test_unknown_variants_and_unpublished_backbones():
    with pytest.raises(
        UserError, match=r"no weights 'IMAGENET1K_V2' of densenet121.*IMAGENET1K_V1"
    ):
        resolve_weights(
            arm("imagenet", variant="IMAGENET1K_V2"), "densenet121", base=Path(), seed=None
        )
    with pytest.raises(UserError, match="RadImageNet published no weights of mobilenet_v2, only"):
        resolve_weights(arm("radimagenet"), "mobilenet_v2", base=Path(), seed=None)


@pytest.mark.parametrize(
    ("backbone", "name"),
    [
        ("squeezenet1_1", "squeezenet1_1_imagenet_fp16.safetensors"),
        ("mobilenet_v2", "mobilenet_v2_features_imagenet_fp16.safetensors"),
    ],
)
def test_real_imagenet_weights(shared, tmp_path, backbone, name):
    shutil.copy(shared / "weights" / name, tmp_path)
    plan = arm("imagenet", files={backbone: name})
    loaded = resolve_weights(plan, backbone, base=tmp_path, seed=None)
    network = build_backbone(backbone).eval()
    network.load_library_state_dict(loaded.state_dict)
    assert loaded.record["origin"] == name
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        features = network(torch.randn(4, 3, 96, 96, generator=generator))
    assert torch.isfinite(features).all()
    # Trained on normalised images, the features are neither dead nor exploding.
    assert 0.01 < features.std() < 10
