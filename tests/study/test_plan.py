"""Plans: what is accepted, and what the errors say."""

import subprocess
import sys

import pytest

from stats_tl.errors import UserError
from stats_tl.study.cells import plan_settings
from stats_tl.study.example import EXAMPLE_PLAN
from stats_tl.study.loading import load_plan, parse_plan


def error_of(raw):
    with pytest.raises(UserError) as caught:
        parse_plan(raw)
    return str(caught.value)


def test_defaults_are_filled_in(raw):
    plan = parse_plan(raw)
    assert plan.reference == "random"
    assert plan.training.epochs == 30
    assert plan.analysis.correction == "holm"
    assert set(plan.all_heads) == {"linear", "nonlinear", "conv", "convskip"}


def test_the_built_in_example_is_a_valid_plan():
    assert load_plan(EXAMPLE_PLAN).study.name == "example"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p["cv"].update(fold=3), ["[cv] fold", "unknown key", "did you mean 'folds'"]),
        (lambda p: p["cv"].update(folds="five"), ["[cv] folds", '"five"', "integer"]),
        (lambda p: p["cv"].update(folds=True), ["[cv] folds", "true", "integer"]),
        (lambda p: p["cv"].update(validation_share=1.5), ["_share", "1.5", "less than 1"]),
        (
            lambda p: p["grid"][0].update(backbones=["resnet5O"]),
            ["[[grid]] number 1 backbones", "resnet5O", "did you mean 'resnet50'", "densenet121"],
        ),
        (
            lambda p: p["grid"][0].update(heads=["lineal"]),
            ["[[grid]] number 1 heads", "'lineal'", "did you mean 'linear'"],
        ),
        (lambda p: p["grid"][0].update(unfreeze=[9]), ["unfreeze = 9", "resnet18 has 5 stages"]),
        (lambda p: p["grid"][0].update(unfreeze=["al"]), ["unfreeze", '"al"']),
        (
            lambda p: p["grid"][0].update(training={"epoch": 3}),
            ["[[grid]] number 1 training", "'epoch'", "did you mean 'epochs'"],
        ),
        (
            lambda p: p["grid"][0].update(training={"epochs": 0}),
            ["training epochs = 0", "greater than or equal to 1"],
        ),
        (
            lambda p: p["grid"][0].update(training={"standardize": True}),
            ["[[grid]] number 1", "standardize", "unfreeze = [0]"],
        ),
        (
            lambda p: p["grid"][0].update(training={"augmentation_views": 3}),
            ["augmentation_views = 3", 'augmentation = "affine"'],
        ),
        (
            lambda p: p["grid"][0].update(unfreeze=["all"], training={"activations": "float16"}),
            ["training.activations", 'unfreeze = "all" of resnet18'],
        ),
        (lambda p: p["arms"][0].pop("reference"), ["exactly one arm", "none"]),
        (lambda p: p["arms"][1].update(reference=True), ["exactly one", "'random', 'imagenet'"]),
        (lambda p: p["arms"][1].update(name="random"), ["2 entries have the name 'random'"]),
        (lambda p: p["arms"][1].update(name="../x"), ["name", "letters, digits"]),
        (
            lambda p: p["grid"][0].update(backbones=["timm:a/b"]),
            ["[[grid]] number 1 backbones", "'timm:convnext_tiny'"],
        ),
        (lambda p: p["arms"][1].update(files={"timm:": "x"}), ["a model of timm"]),
        (lambda p: p["arms"][1].update(files={"vgg": "x"}), ["unknown backbone 'vgg'"]),
        (lambda p: p["arms"][1].update(source="checkpoint", files={}), ["needs files"]),
        (
            lambda p: p["arms"][1].update(source="checkpoint", files={"resnet50": "x"}),
            ["no file for resnet18"],
        ),
        (lambda p: p["grid"][0].update(arms=["imagenet"]), ["lacks the reference 'random'"]),
        (lambda p: p["tasks"][0].update(adapter="busbar"), ["adapter", "did you mean 'busbra'"]),
        (lambda p: p.pop("study"), ["[study]", "missing"]),
        (lambda p: p.update(gird=[]), ["[gird]", "unknown key", "did you mean 'grid'"]),
        (lambda p: p.update(analysis={"primary": {"head": "x"}}), ["primary head = 'x'"]),
        (lambda p: p.update(analysis={"margin": -1.0}), ["[analysis] margin", "-1.0"]),
        (lambda p: p["cv"].update(folds=1), ["folds = 1", "official_folds"]),
        (lambda p: p["training"] if p.update(training={"learning_rate": float("inf")}) else 0,
         ["learning_rate", "finite"]),
    ],
)  # fmt: skip
def test_an_error_names_key_value_and_what_is_allowed(raw, change, words):
    change(raw)
    message = error_of(raw)
    for word in words:
        assert word in message, message


def test_all_problems_are_listed_at_once(raw):
    raw["cv"]["folds"] = "five"
    raw["grid"][0]["backbones"] = ["vgg16"]
    raw["extra"] = 1
    message = error_of(raw)
    assert message.count("\n  - ") == 3, message


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"a = [", b"[study]\nname = 1979-05-27\n", b"a = 1\n" * 10]
)
def test_files_that_are_no_plan_are_refused_in_words(tmp_path, content):
    path = tmp_path / "plan.toml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"plan\.toml"):
        load_plan(path)


def test_a_missing_plan_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.toml"):
        load_plan(tmp_path / "nowhere.toml")


def test_the_portable_plan_has_no_folders(raw):
    raw["tasks"][0]["path"] = "/home/someone/data.zip"
    portable = parse_plan(raw).portable()
    assert portable["tasks"][0]["path"] == "data.zip"
    assert portable["arms"][1]["files"] == {"resnet18": "r18.safetensors"}
    assert parse_plan(portable).portable() == portable


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"intensity": {"rang": [0, 1]}}, "did you mean 'range'"),
        ({"intensity": {"range": [5, 5]}}, "first value must be less"),
        ({"intensity": {"range": [0]}}, r"'breast' intensity range"),
        ({"intensity": {"percentiles": [1, 101]}}, "between 0 and 100"),
        ({"intensity": {"range": [0, 1], "window": "first"}}, "give one of"),
        ({"intensity": "own-range"}, r"'breast' intensity = \"own-range\""),
        ({"frames": "midle"}, "'breast' frames"),
        ({"frames": 0}, "'breast' frames = 0"),
        ({"plane": "oblique"}, "axial, coronal, sagittal"),
    ],
)
def test_keys_of_files_that_are_wrong(raw, change, message):
    raw["tasks"][0].update(change)
    with pytest.raises(UserError, match=message):
        parse_plan(raw)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["breast", "Breast"], "'breast' and 'Breast' differ in case only"),
        (["con"], "'con' on Windows; choose another, for example 'my_con'"),
        (["LPT1.old"], "'LPT1.old' on Windows"),
        (["breast."], "example 'my_breast'"),
    ],
)
def test_names_that_not_every_system_has_as_files(raw, names, words):
    raw["tasks"] = [{**raw["tasks"][0], "name": name} for name in names]
    raw["grid"] = [{**raw["grid"][0], "tasks": names}]
    assert words in error_of(raw)


def test_networks_of_timm_are_named_without_timm(raw):
    raw["grid"][0].update(backbones=["timm:vit_tiny_patch16_224.augreg_in21k"], unfreeze=[0, 99])
    raw["arms"][1].update(files={"timm:vit_tiny_patch16_224.augreg_in21k": "own.safetensors"})
    plan = parse_plan(raw)  # of its stages only timm knows
    depths = {(setting.backbone[:5], setting.unfreeze) for setting in plan_settings(plan)}
    assert {("timm:", "0"), ("timm:", "99")} <= depths
    probe = "import sys, stats_tl.study.loading; assert not {'torch', 'timm'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", probe], check=True)
