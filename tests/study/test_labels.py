"""Labels are presentation only: they change no cell, no digest and no comparison of plans."""

import copy

import pytest

from stats_tl.archive import load
from stats_tl.errors import UserError
from stats_tl.reporting.rendering.labels import Labels
from stats_tl.study.cells import plan_cells
from stats_tl.study.differences import plan_differences
from stats_tl.study.labels import plan_labels, read_labels, without_labels
from stats_tl.study.loading import parse_plan
from stats_tl.train.grid import GridRun
from stats_tl.train.options import GridOptions
from stats_tl.train.state import open_grid

RAW = {
    "study": {"name": "lesions", "seed": 3},
    "tasks": [
        {"name": "breast", "adapter": "phantom-breast", "options": {"n_patients": 24, "size": 64}}
    ],
    "cv": {"folds": 2, "repeats": 1, "validation_share": 0.3},
    "arms": [
        {"name": "random", "source": "random", "reference": True},
        {"name": "other", "source": "random"},
    ],
    "heads": [{"name": "narrow", "kind": "nonlinear", "ratio": 0.25}],
    "grid": [{"backbones": ["squeezenet1_1"], "heads": ["narrow"]}],
    "training": {"epochs": 1, "batch_size": 16, "image_size": 32},
}


def labelled():
    raw = copy.deepcopy(RAW)
    raw["tasks"][0]["label"] = "Breast phantom"
    raw["arms"][1]["label"] = "second draw"
    raw["heads"][0]["label"] = "narrow head"
    raw["labels"] = {"backbones": {"squeezenet1_1": "Squeeze"}, "covariates": {"side": "Side"}}
    return raw


def test_no_cell_and_no_difference_of_plans_depends_on_a_label():
    bare, named = parse_plan(RAW), parse_plan(labelled())
    assert plan_cells(bare)[0].setting.configuration == plan_cells(named)[0].setting.configuration
    assert [c.cell_id for c in plan_cells(bare)] == [c.cell_id for c in plan_cells(named)]
    assert [c.pair_id for c in plan_cells(bare)] == [c.pair_id for c in plan_cells(named)]
    assert plan_differences(bare.portable(), named.portable()) == []
    assert without_labels(named.portable()) == bare.portable()
    assert "label" not in str(bare.portable())


def test_the_labels_of_a_plan_by_kind():
    assert plan_labels(parse_plan(labelled()).portable()) == {
        "tasks": {"breast": "Breast phantom"},
        "arms": {"other": "second draw"},
        "heads": {"narrow": "narrow head"},
        "backbones": {"squeezenet1_1": "Squeeze"},
        "covariates": {"side": "Side"},
    }


def test_an_archive_takes_new_labels_without_training(tmp_path):
    def run(raw):
        options = GridOptions(tmp_path / "runs", tmp_path, cache_bytes=2**28)
        grid = GridRun(open_grid(parse_plan(raw), options), options)
        return list(grid.train(grid.load_datasets()))

    assert len(run(copy.deepcopy(RAW))) == 4
    before = load(tmp_path / "runs/lesions")
    assert before.labels == {}
    assert run(labelled()) == []
    after = load(tmp_path / "runs/lesions")
    assert after.labels["arms"] == {"other": "second draw"}
    assert after.digest == before.digest
    assert after.cell_ids == before.cell_ids


@pytest.mark.parametrize("label", [" x", "two\nlines", "x" * 61])
def test_a_label_is_one_short_line(label):
    raw = labelled()
    raw["arms"][1]["label"] = label
    with pytest.raises(UserError, match=r"\[\[arms\]\] 'other' label"):
        parse_plan(raw)


def test_labels_from_a_file(tmp_path):
    path = tmp_path / "labels.toml"
    path.write_text('[labels.arms]\nrin = "RadImageNet"\n[[tasks]]\nname = "a"\nlabel = "ACL"\n')
    assert read_labels(path) == {"arms": {"rin": "RadImageNet"}, "tasks": {"a": "ACL"}}
    for text, message in (
        ("[labels.arm]\nx = 'y'", "did you mean 'arms'"),
        ("[labels]\narms = 3", r"\[labels.arms\]|arms"),
        ("[labels.arms]\nx = ''\ny = ' z'", "without spaces at its ends"),
        ("not toml", "not valid TOML"),
        ("a = " + "[" * 100_000, "nest too deeply"),
        ("a = " + "9" * 100_000, "an integer of more than"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            read_labels(path)
    with pytest.raises(UserError, match="cannot read the labels"):
        read_labels(tmp_path / "none.toml")


class TestOfNames:
    def test_known_names_have_labels_and_others_are_shown_as_written(self):
        labels = Labels.of_names({"arms": ["imagenet", "my_arm"], "heads": ["linear", "mlp"]}, {})
        assert [labels.arm("imagenet"), labels.arm("my_arm")] == ["ImageNet", "my_arm"]
        assert [labels.head("linear"), labels.head("mlp")] == ["linear head", "mlp head"]
        assert labels.depth("3") == "last three stages trained"

    def test_two_names_may_not_share_a_label(self):
        with pytest.raises(UserError, match="'a' and 'b' have the same label 'X'"):
            Labels.of_names({"arms": ["a", "b"]}, {"arms": {"a": "X", "b": "X"}})

    def test_a_known_label_yields_to_a_name_that_looks_like_it(self):
        labels = Labels.of_names({"arms": ["imagenet", "ImageNet"]}, {})
        assert labels.arm("imagenet") != labels.arm("ImageNet")
        labels = Labels.of_names({"arms": ["imagenet", "x"]}, {"arms": {"x": "ImageNet"}})
        assert labels.arm("imagenet") == "imagenet"
