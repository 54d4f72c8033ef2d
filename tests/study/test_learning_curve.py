"""Extra two-fold repeats in a plan: cells of their own that leave the others as they are."""

from pathlib import Path

import numpy as np
import pytest

from stats_tl.archive import load
from stats_tl.archive.schema import split_name
from stats_tl.errors import UserError
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import load_plan, parse_plan
from stats_tl.study.plan import CrossValidation
from stats_tl.study.splits import TEST, TRAIN, VALIDATION, partition_cases, partition_digest
from stats_tl.train.planning.units import fit_seed, weights_seed

ROOT = Path(__file__).resolve().parents[2]


def by_design(raw):
    cells = plan_cells(parse_plan(raw))
    return {name: [c for c in cells if c.key["design"] == name] for name in ("cv", "half")}


def test_what_was_archived_before_keeps_identifiers_seeds_and_splits():
    """A study that was run without such repeats is the truth."""
    archive = load(ROOT / "runs" / "busbra")
    plan = load_plan(ROOT / "analysis" / "busbra" / "plan.toml")
    plan = plan.model_copy(update={"cv": plan.cv.model_copy(update={"learning_curve_repeats": 5})})
    cells = {cell.cell_id: cell for cell in plan_cells(plan)}
    for record in archive.records():
        cell = cells.pop(record["cell_id"])
        assert cell.pair_id == record["pair_id"]
        assert cell.setting.configuration == record["configuration"]
        assert fit_seed(cell) == record["seeds"]["fit"]
        assert weights_seed(cell) == record["seeds"]["weights"]
    assert {cell.key["design"] for cell in cells.values()} == {"half"}
    assert len(cells) == 5 * 2 * 2 * (2 * 2 + 1)  # repeats, folds, arms, settings
    table = archive.cases("busbra")
    for repeat in (1, 4):
        partitions = partition_cases(
            table["y_true"], table["group"], plan.cv, seed=plan.study.seed, repeat=repeat,
            task="busbra",
        )  # fmt: skip
        for fold, partition in enumerate(partitions):
            known = archive.tasks["busbra"]["splits_sha256"][split_name(repeat, fold)]
            assert partition_digest(table["case"], partition) == known
    assert archive.plan == load_plan(ROOT / "analysis/busbra/plan.toml").portable()


def test_half_sample_cells_are_two_folds_with_one_seed(raw):
    before = by_design(raw)
    assert before["half"] == []
    raw["cv"]["learning_curve_repeats"] = 4
    after = by_design(raw)
    assert [c.cell_id for c in after["cv"]] == [c.cell_id for c in before["cv"]]
    # heads × depths × arms × repeats × folds
    assert len({c.cell_id for c in after["half"]}) == len(after["half"]) == 2 * 2 * 2 * 4 * 2
    assert {(c.repeat, c.fold, c.seed) for c in after["half"]} == {
        (repeat, fold, 0) for repeat in range(4) for fold in range(2)
    }
    pairs = {}
    for cell in after["half"]:
        pairs.setdefault(cell.pair_id, set()).add(cell.setting.arm.name)
    assert set(map(frozenset, pairs.values())) == {frozenset({"random", "imagenet"})}
    assert not set(pairs) & {c.pair_id for c in after["cv"]}


def test_more_of_them_leave_those_there_are(raw):
    raw["cv"]["learning_curve_repeats"] = 2
    two = {c.cell_id for c in by_design(raw)["half"]}
    raw["cv"].update(learning_curve_repeats=3, repeats=7)
    assert two < {c.cell_id for c in by_design(raw)["half"]}


def test_they_are_not_the_cells_of_a_two_fold_study(raw):
    raw["cv"]["learning_curve_repeats"] = 2
    half = {c.cell_id for c in by_design(raw)["half"]}
    raw["cv"] = {**raw["cv"], "folds": 2, "learning_curve_repeats": 0}
    assert not half & {c.cell_id for c in by_design(raw)["cv"]}


def test_seeds_differ_from_those_of_the_cross_validation(raw):
    raw["cv"].update(learning_curve_repeats=2, repeats=2, seeds=1)
    cells = by_design(raw)
    for seed in (fit_seed, weights_seed):
        drawn = [{seed(cell) for cell in cells[name]} - {None} for name in ("cv", "half")]
        assert all(drawn)
        assert not drawn[0] & drawn[1]


@pytest.mark.parametrize("cv", [{"folds": 2}, {"folds": 1, "repeats": 1, "official_folds": True}])
def test_a_plan_with_two_folds_cannot_ask_for_them(raw, cv):
    raw["cv"] = {**cv, "learning_curve_repeats": 5}
    with pytest.raises(UserError, match=r"\[cv\] learning_curve_repeats = 5: needs folds = 3"):
        parse_plan(raw)
    parse_plan({**raw, "cv": cv})


@pytest.mark.parametrize("number", [-1, 101, 2.5])
def test_the_number_is_checked(raw, number):
    raw["cv"]["learning_curve_repeats"] = number
    with pytest.raises(UserError, match="learning_curve_repeats"):
        parse_plan(raw)


@pytest.mark.parametrize("official", [False, True])
def test_splits_are_two_halves_by_patient_with_both_classes(official):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(90), rng.integers(1, 4, 90))
    y_true = (groups % 3 == 0).astype(int)
    cv = CrossValidation(folds=5, official_folds=official)
    splits = []
    for repeat in range(2):
        halves = partition_cases(
            y_true, groups, cv, seed=1, repeat=repeat, design="half", official=None
        )
        assert halves.shape == (2, len(groups))
        assert np.all((halves == TEST).sum(axis=0) == 1)
        for half in halves:
            assert abs((half == TEST).mean() - 0.5) < 0.05
            sides = [set(groups[half == code]) for code in (TRAIN, VALIDATION, TEST)]
            assert sum(map(len, sides)) == 90
            for code in (TRAIN, VALIDATION, TEST):
                assert 0.2 < y_true[half == code].mean() < 0.5
        splits.append(halves)
    assert not np.array_equal(*splits)
    plain = partition_cases(y_true, groups, CrossValidation(folds=2), seed=1, repeat=0)
    assert not np.array_equal(splits[0], plain)
