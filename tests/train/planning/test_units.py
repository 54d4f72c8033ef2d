"""Which cells are trained together, and what the arms of a pair share."""

import itertools
import pickle
from functools import partial

import numpy as np
import torch

from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan
from stats_tl.train.fitting.features import CachedActivations, ImagePass
from stats_tl.train.machine.scratch import Scratch
from stats_tl.train.planning.estimate import relative_cost
from stats_tl.train.planning.units import (
    chunks_in_order,
    fit_seed,
    plan_units,
    views_seed,
    weights_seed,
)
from stats_tl.train.prepare import activation_bytes, describe_caches, prepare_unit


def test_every_cell_is_in_one_chunk_whatever_the_number_of_workers(tiny):
    tiny["cv"]["repeats"] = 20
    tiny["grid"][0]["unfreeze"] = [0, 1]
    cells = plan_cells(parse_plan(tiny))
    parts = []
    for workers in (1, 2, 5):
        chunks = chunks_in_order(plan_units(cells), workers)
        ids = [cell.cell_id for chunk in chunks for cell in chunk.cells]
        assert sorted(ids) == sorted(cell.cell_id for cell in cells)
        parts.append({tuple(cell.cell_id for cell in chunk.cells) for chunk in chunks})
    assert parts[0] == parts[1] == parts[2]


def test_workers_start_on_units_of_their_own(tiny):
    cells = plan_cells(parse_plan(tiny))
    chunks = chunks_in_order(plan_units(cells), 4)
    assert len({chunk.unit.key for chunk in chunks[:4]}) == 4


def test_a_chunk_travels_without_the_rest_of_its_unit(tiny):
    """Else sending a grid to workers would take time and bytes by the square of its cells."""
    sizes = []
    for repeats in (50, 100):
        tiny["arms"][1] = {"name": "imagenet", "source": "imagenet"}
        tiny["cv"]["repeats"] = repeats
        chunks = chunks_in_order(plan_units(plan_cells(parse_plan(tiny))), 1)
        sizes.append(max(len(pickle.dumps(chunk)) for chunk in chunks))
        assert all(chunk.unit.cells == chunk.cells for chunk in chunks)
    assert sizes[1] < 1.1 * sizes[0]


def test_what_takes_longest_comes_first(tiny):
    """Deeper training, larger networks and larger images before the rest, arms side by side."""
    tiny["training"]["epochs"] = 30
    tiny["grid"] = [
        {"backbones": ["squeezenet1_1", "resnet50"], "heads": ["linear"], "unfreeze": [0, 1, "all"]}
    ]
    units = plan_units(plan_cells(parse_plan(tiny)))
    for workers in (1, 3):
        cost = partial(relative_cost, n_cases={"breast": 1000})
        order = [
            (chunk.unit.first.setting.backbone, chunk.unit.first.setting.unfreeze)
            for chunk in chunks_in_order(units, workers, cost)
        ]
        assert list(dict.fromkeys(order)) == [
            ("resnet50", "all"), ("resnet50", "1"), ("squeezenet1_1", "all"),
            # A feature pass of the one, shared by two cells, is longer than 30 epochs of the other.
            ("resnet50", "0"), ("squeezenet1_1", "1"), ("squeezenet1_1", "0"),
        ]  # fmt: skip


def test_an_interrupted_run_leaves_pairs(tiny):
    """After any even number of chunks of one worker, every pair is whole."""
    tiny["cv"]["repeats"] = 5
    chunks = chunks_in_order(plan_units(plan_cells(parse_plan(tiny))), 1)
    pairs = {}
    for number, chunk in enumerate(chunks, 1):
        for cell in chunk.cells:
            pairs.setdefault(cell.pair_id, set()).add(cell.setting.arm.name)
        if number % 2 == 0:
            assert set(map(len, pairs.values())) == {2}


def test_frozen_heads_share_a_unit_and_depths_do_not(tiny):
    tiny["arms"][1] = {"name": "imagenet", "source": "imagenet"}
    tiny["grid"][0]["unfreeze"] = [0, 1]
    units = plan_units(plan_cells(parse_plan(tiny)))
    imagenet = [unit for unit in units if unit.first.setting.arm.name == "imagenet"]
    assert [(unit.boundary, unit.frozen, len(unit.cells)) for unit in imagenet] == [
        (5, True, 2 * 4),
        (4, False, 2 * 4),
    ]


def test_augmented_and_fully_trained_cells_are_not_cached(tiny):
    tiny["grid"][0]["unfreeze"] = [0, "all"]
    units = plan_units(plan_cells(parse_plan(tiny)))
    assert {(unit.boundary, unit.cacheable) for unit in units} == {(5, True), (0, False)}
    tiny["training"]["augmentation"] = "affine"
    units = plan_units(plan_cells(parse_plan(tiny)))
    assert not any(unit.cacheable for unit in units)


def test_a_number_of_augmentation_views_can_be_cached(tiny):
    tiny["training"].update(augmentation="affine", augmentation_views=3)
    units = plan_units(plan_cells(parse_plan(tiny)))
    assert {(unit.cacheable, unit.rows) for unit in units} == {(True, 4)}
    assert len({views_seed(unit.first, 0) for unit in units}) == 1  # the same in each arm
    assert views_seed(units[0].first, 0) != views_seed(units[0].first, 1)


def test_the_size_of_activations_is_known_before_they_are(tiny, tmp_path):
    tiny["grid"][0]["unfreeze"] = [0, 1]
    tiny["training"].update(augmentation="affine", augmentation_views=1, activations="float16")
    unit = next(u for u in plan_units(plan_cells(parse_plan(tiny))) if not u.frozen)
    scratch = Scratch(tmp_path)
    scratch.put("images-breast-48", 5, [np.zeros((5, 1, 48, 48), np.uint8)])
    prepared = prepare_unit(unit, scratch, tmp_path, torch.device("cpu"), 2**30)
    (path,) = tmp_path.glob("activations-*.npy")
    assert np.load(path).nbytes == activation_bytes(unit, 5)
    assert isinstance(prepared.inputs, CachedActivations)
    other = prepare_unit(unit, scratch, tmp_path, torch.device("cpu"), 10)
    assert isinstance(other.inputs, ImagePass)


def test_the_dry_run_says_what_is_kept(tiny):
    units = plan_units(plan_cells(parse_plan(tiny)))
    size = 1000 * 512 * 4
    assert list(describe_caches(units, {"breast": 1000}, size)) == [
        "activations of 4 feature passes are kept in the temporary folder: 7.8 MiB, the largest "
        "2.0 MiB"
    ]
    (line,) = describe_caches(units[:1], {"breast": 1000}, size - 1)
    assert "1 more" in line
    assert "up to 2.0 MiB" in line


def test_a_pair_shares_its_fit_seed_and_nobody_else_does(tiny):
    tiny["cv"]["seeds"] = 2
    cells = plan_cells(parse_plan(tiny))
    by_pair = {}
    for cell in cells:
        by_pair.setdefault(cell.pair_id, set()).add(fit_seed(cell))
    assert all(len(seeds) == 1 for seeds in by_pair.values())
    assert len(set.union(*by_pair.values())) == len(by_pair)


def test_random_weights_vary_with_arm_repeat_and_seed_but_not_with_fold_or_head(tiny):
    tiny["cv"]["seeds"] = 2
    cells = plan_cells(parse_plan(tiny))
    drawn = {}
    for cell in cells:
        place = (cell.setting.arm.name, cell.repeat, cell.seed)
        drawn.setdefault(place, set()).add(weights_seed(cell))
    assert all(len(seeds) == 1 for seeds in drawn.values())
    for one, other in itertools.combinations(drawn.values(), 2):
        assert one != other
