"""Halvings in a plan: cells of their own, each half of the patients cross-validated by itself."""

from pathlib import Path

import numpy as np
import pytest

from stats_tl.errors import UserError
from stats_tl.stats.crossvalidation import halvings as stats_halvings
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import load_plan, parse_plan
from stats_tl.study.plan import FEWEST_HALVINGS, CrossValidation
from stats_tl.study.splits import TEST, TRAIN, UNUSED, VALIDATION, partition_cases
from stats_tl.train.planning.units import fit_seed, weights_seed

ROOT = Path(__file__).resolve().parents[2]


def cells_of(raw, design):
    return [c for c in plan_cells(parse_plan(raw)) if c.key["design"] == design]


def halving(y_true, groups, repeat, folds=3, **cv):
    plan = CrossValidation(folds=folds, **cv)
    return partition_cases(y_true, groups, plan, seed=1, repeat=repeat, task="t", design="halving")


@pytest.fixture
def patients():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(120), rng.integers(1, 4, 120))
    return (groups % 3 == 0).astype(int), groups


@pytest.mark.parametrize("official", [False, True])
def test_each_half_is_cross_validated_by_itself(patients, official):
    y_true, groups = patients
    splits = [halving(y_true, groups, repeat, official_folds=official) for repeat in range(4)]
    halves = []
    for folds in splits:
        assert folds.shape == (6, len(groups))
        assert np.all((folds == TEST).sum(axis=0) == 1)  # every case once a repeat
        first = (folds[:3] == TEST).any(axis=0)
        halves.append(first)
        for number, fold in enumerate(folds):
            own = first if number < 3 else ~first
            assert np.array_equal(fold == UNUSED, ~own)
            sides = [set(groups[fold == code]) for code in (TRAIN, VALIDATION, TEST, UNUSED)]
            assert sum(map(len, sides)) == 120
            for code in (TRAIN, VALIDATION, TEST):
                assert 0.15 < y_true[fold == code].mean() < 0.55
        assert abs(first.mean() - 0.5) < 0.02
        assert abs(y_true[first].mean() - y_true[~first].mean()) < 0.02
    # two repeats of one halving have its halves and folds of their own; another has other halves
    assert np.array_equal(halves[0], halves[1])
    assert np.array_equal(halves[2], halves[3])
    assert not np.array_equal(splits[0], splits[1])
    assert 0.3 < np.mean(halves[0] == halves[2]) < 0.7


def test_a_division_does_not_depend_on_the_order_of_rows(patients):
    y_true, groups = patients
    order = np.random.default_rng(1).permutation(len(groups))
    there = halving(y_true[order], groups[order], 1)
    assert np.array_equal(there, halving(y_true, groups, 1)[:, order])


@pytest.mark.parametrize(("folds", "least"), [(2, 8), (3, 6), (5, 10)])
def test_the_least_number_of_patients_suffices_and_one_less_is_refused(folds, least):
    y_true = np.repeat([1, 0], [least, 40])
    for repeat in range(6):
        halving(y_true, np.arange(y_true.size), repeat, folds)
    with pytest.raises(UserError, match=rf"at least {least} patients.*found {least - 1} and 40"):
        halving(y_true[1:], np.arange(y_true.size - 1), 0, folds)
    # a patient with two images is one patient
    with pytest.raises(UserError, match=rf"found {least - 1} and 40"):
        halving(y_true, np.maximum(np.arange(y_true.size), 1), 0, folds)


def test_cells_are_two_repeats_of_two_halves_with_one_seed(raw):
    raw["cv"].update(folds=3, seeds=2)
    before = cells_of(raw, "cv")
    raw["cv"]["halvings"] = 5
    assert [c.cell_id for c in cells_of(raw, "cv")] == [c.cell_id for c in before]
    cells = cells_of(raw, "halving")
    # heads × depths × arms × halvings × repeats × halves × folds
    assert len({c.cell_id for c in cells}) == len(cells) == 2 * 2 * 2 * 5 * 2 * 2 * 3
    assert {(c.repeat, c.fold, c.seed) for c in cells} == {
        (repeat, fold, 0) for repeat in range(10) for fold in range(6)
    }
    pairs = {}
    for cell in cells:
        pairs.setdefault(cell.pair_id, set()).add(cell.setting.arm.name)
    assert set(map(frozenset, pairs.values())) == {frozenset({"random", "imagenet"})}
    assert not set(pairs) & {c.pair_id for c in before}
    raw["cv"].update(halvings=6, repeats=7, learning_curve_repeats=2)
    assert {c.cell_id for c in cells} < {c.cell_id for c in cells_of(raw, "halving")}


def test_a_shipped_study_keeps_its_cells_and_its_plan():
    plan = load_plan(ROOT / "analysis" / "busbra" / "plan.toml")
    more = plan.model_copy(update={"cv": plan.cv.model_copy(update={"halvings": 2})})
    before = plan_cells(plan)
    assert plan_cells(more)[: len(before)] == before
    assert "halvings" not in plan.portable()["cv"]
    assert more.portable()["cv"]["halvings"] == 2


def test_seeds_are_their_own(raw):
    raw["cv"].update(folds=3, halvings=5, learning_curve_repeats=2, repeats=2, seeds=1)
    for seed in (fit_seed, weights_seed):
        drawn = [
            {seed(cell) for cell in cells_of(raw, name)} - {None}
            for name in ("cv", "half", "halving")
        ]
        assert all(drawn)
        assert len(set.union(*drawn)) == sum(map(len, drawn))


def test_a_single_split_cannot_be_halved(raw):
    raw["cv"] = {"folds": 1, "repeats": 1, "official_folds": True, "halvings": 20}
    with pytest.raises(UserError, match=r"\[cv\] halvings = 20: needs folds = 2 or more"):
        parse_plan(raw)


def test_one_repeat_cannot_use_them(raw):
    raw["cv"] = {"folds": 5, "repeats": 1, "halvings": 20}
    with pytest.raises(UserError, match=r"\[cv\] halvings = 20: needs repeats = 2 or more"):
        parse_plan(raw)


@pytest.mark.parametrize("number", [1, 4])
def test_fewer_than_the_test_can_use_are_refused(raw, number):
    raw["cv"]["halvings"] = number
    with pytest.raises(UserError, match=rf"\[cv\] halvings = {number}: .* at least 5 .*20 are rec"):
        parse_plan(raw)
    assert FEWEST_HALVINGS == stats_halvings.FEWEST_HALVINGS


@pytest.mark.parametrize("number", [-1, 1001, 2.5])
def test_the_number_is_checked(raw, number):
    raw["cv"]["halvings"] = number
    with pytest.raises(UserError, match="halvings"):
        parse_plan(raw)
