"""Cells and pairs: counts, and what an identifier depends on."""

import json
from pathlib import Path

import pytest

from stats_tl.errors import UserError
from stats_tl.study.cells import derive_seed, plan_cells
from stats_tl.study.loading import load_plan, parse_plan

ROOT = Path(__file__).resolve().parents[2]


def ids(raw):
    return {cell.cell_id for cell in plan_cells(parse_plan(raw))}


def test_a_plan_is_the_product_of_its_settings(raw):
    cells = plan_cells(parse_plan(raw))
    # heads × depths × arms × repeats × folds × seeds
    assert len(cells) == 2 * 2 * 2 * 2 * 3 * 2
    assert len({cell.cell_id for cell in cells}) == len(cells)


def test_a_pair_differs_in_the_arm_only(raw):
    pairs = {}
    for cell in plan_cells(parse_plan(raw)):
        pairs.setdefault(cell.pair_id, []).append(cell.key)
    for keys in pairs.values():
        assert {key.pop("arm") for key in keys} == {"random", "imagenet"}
        assert keys[0] == keys[1]


def test_overlapping_blocks_give_no_doubles(raw):
    before = ids(raw)
    raw["grid"].append({"backbones": ["resnet18"], "heads": ["linear"]})
    assert ids(raw) == before


def test_two_meanings_of_one_name_are_refused(raw):
    raw["grid"].append({"backbones": ["resnet18"], "heads": ["linear"], "training": {"epochs": 3}})
    with pytest.raises(UserError, match="different training"):
        plan_cells(parse_plan(raw))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p["tasks"][0].update(path="/elsewhere"),
        lambda p: p["arms"][1].update(files={"resnet18": "/elsewhere/r18.safetensors"}),
        lambda p: p["study"].update(title="another title"),
        lambda p: p.update(analysis={"margin": 0.02}),
        lambda p: p["grid"].append({"backbones": ["resnet50"], "heads": ["linear"]}),
        lambda p: p["cv"].update(repeats=9),
        lambda p: p["cv"].update(seeds=5),
    ],
)
def test_identifiers_do_not_depend_on_paths_or_the_rest_of_the_plan(raw, change):
    before = ids(raw)
    change(raw)
    assert before <= ids(raw)


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p["study"].update(seed=8),
        lambda p: p["tasks"][0].update(options={"n_patients": 21}),
        lambda p: p["cv"].update(folds=4),
        lambda p: p.update(training={"epochs": 3}),
        lambda p: p.update(training={"activations": "float16"}),
        lambda p: p.update(audit={"near_duplicates": "group"}),
    ],
)
def test_identifiers_depend_on_everything_that_may_change_a_score(raw, change):
    before = ids(raw)
    change(raw)
    assert not before & ids(raw)


def test_younger_keys_at_their_defaults_leave_the_identifiers_of_older_archives(raw):
    before = ids(raw)
    raw["training"] = {"augmentation_views": 0, "activations": "float32"}
    assert ids(raw) == before
    portable = parse_plan(raw).portable()["training"]
    assert not {"augmentation_views", "activations"} & set(portable)
    raw["training"]["activations"] = "float16"
    assert parse_plan(raw).portable()["training"]["activations"] == "float16"


@pytest.mark.parametrize("default", [{"intensity": {}}, {"frames": "one"}])
def test_keys_of_files_at_their_defaults_leave_the_identifiers_of_older_archives(raw, default):
    before = ids(raw)
    (setting, *_) = (cell.setting for cell in plan_cells(parse_plan(raw)))
    assert set(setting.configuration["task"]) == {"name", "adapter", "options"}
    raw["tasks"][0].update(default)
    assert ids(raw) == before
    assert set(parse_plan(raw).portable()["tasks"][0]) == {"name", "adapter", "path", "options"}


@pytest.mark.parametrize(
    "change",
    [
        {"intensity": {"own_range": True}},
        {"intensity": {"range": [0, 4095]}},
        {"intensity": {"percentiles": [1, 99]}},
        {"intensity": {"window": "first"}},
        {"frames": "middle"},
        {"frames": 3},
        {"plane": "axial"},
    ],
)
def test_keys_of_files_are_part_of_the_identifier_where_given(raw, change):
    before = ids(raw)
    raw["tasks"][0].update(change)
    assert not ids(raw) & before
    plan = parse_plan(raw)
    (key, value), *_ = change.items()
    assert plan.portable()["tasks"][0][key] == value
    assert parse_plan(json.loads(json.dumps(plan.portable()))).tasks == plan.tasks


def test_the_committed_archive_is_of_the_committed_plan():
    plan = load_plan(ROOT / "analysis/busbra/plan.toml")
    archived = {
        cell["cell_id"]
        for path in (ROOT / "runs/busbra/parts").glob("*.json")
        for cell in json.loads(path.read_text(encoding="utf-8"))["content"]["cells"]
    }
    assert archived == {cell.cell_id for cell in plan_cells(plan)}


def test_settings_are_counted_before_they_are_made(raw):
    raw["heads"] = [{"name": f"h{number}", "kind": "linear"} for number in range(3000)]
    raw["arms"] += [{"name": f"r{number}", "source": "random"} for number in range(3000)]
    raw["grid"][0].update(heads=[head["name"] for head in raw["heads"]])
    raw["grid"][0].pop("arms", None)
    with pytest.raises(UserError, match=r"asks for \d\d\d,\d\d\d,\d\d\d cells; at most 1,000,000"):
        plan_cells(parse_plan(raw))


def test_names_that_a_block_repeats_count_once(raw):
    before = plan_cells(parse_plan(raw))
    for key in ("backbones", "heads", "unfreeze"):
        raw["grid"][0][key] = raw["grid"][0].get(key, [0]) * 2000
    assert plan_cells(parse_plan(raw)) == before


def test_another_arm_leaves_the_pairs_of_the_rest(raw):
    before = {(c.cell_id, c.pair_id) for c in plan_cells(parse_plan(raw))}
    raw["arms"].append({"name": "again", "source": "random"})
    assert before <= {(c.cell_id, c.pair_id) for c in plan_cells(parse_plan(raw))}


def test_the_number_of_all_stages_is_all(raw):
    raw["grid"][0]["unfreeze"] = [5]
    by_number = ids(raw)
    raw["grid"][0]["unfreeze"] = ["all"]
    assert by_number == ids(raw)


def test_derived_seeds_are_stable_across_versions():
    # sha256('[2025, "folds", "breast", 0]'), first 8 bytes, halved
    import hashlib

    digest = hashlib.sha256(b'[2025, "folds", "breast", 0]').digest()
    assert derive_seed(2025, "folds", "breast", 0) == int.from_bytes(digest[:8], "big") // 2
