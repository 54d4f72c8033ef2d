"""Time left of a run, against a simulated clock: workers, chunks and costs of grids as they are."""

from __future__ import annotations

import heapq
from functools import partial

import numpy as np
import pytest

from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan
from stats_tl.train.networks.survey import survey_backbone
from stats_tl.train.planning.estimate import Speed, relative_cost
from stats_tl.train.planning.units import chunks_in_order, plan_units
from stats_tl.train.time_left import TimeLeft
from stats_tl.train.workers.scheduling import CellOutcome

N_CASES = {"breast": 600}
#: Seconds an image of 96 pixels, one thread of a Xeon: inference, and a training step.
INFERENCE = {"squeezenet1_1": 2.5e-3, "resnet18": 7e-3}
STEP = {"squeezenet1_1": 8.3e-3, "resnet18": 19e-3}
#: Seconds of a cell with a frozen backbone: steps of the head, scores, records.
FROZEN = {"linear": 0.1, "nonlinear": 0.25}
#: Seconds: a backbone with all stages trained, 384 images to fit, 96 to validate, ten epochs; what
#: a unit takes before its first cell; imports of a worker.
TRAINED = {name: 10 * (384 * STEP[name] + 96 * INFERENCE[name]) for name in STEP}
PASS = {name: 0.5 + 600 * INFERENCE[name] for name in STEP}
STARTING = 9.0


def probed(unit):
    """What the probe of this Xeon would say."""
    name = unit.first.setting.backbone
    return Speed(sum(survey_backbone(name, 96).operations) / INFERENCE[name], 3e-4)


def grid(tiny, *blocks, repeats=5):
    tiny["cv"].update(folds=5, repeats=repeats)
    tiny["arms"] = [
        {"name": "a", "source": "random", "reference": True},
        {"name": "b", "source": "random"},
    ]
    tiny["grid"] = [
        {"backbones": list(TRAINED), "heads": list(heads), "unfreeze": list(depths)}
        for heads, depths in blocks
    ]
    tiny["training"].update(epochs=10, image_size=96, batch_size=64)
    return plan_cells(parse_plan(tiny))


def simulate(cells, jobs, slow=1.0, noise=0.0):
    """Outcomes in the order in which workers would tell them, each with the time of the clock."""
    generator = np.random.default_rng(1)
    workers = [(STARTING, number) for number in range(jobs)]
    told, passed = [], set()
    order = chunks_in_order(plan_units(cells), jobs, partial(relative_cost, n_cases=N_CASES))
    for chunk in order:
        began, number = heapq.heappop(workers)
        setting = chunk.unit.first.setting
        frozen = chunk.unit.frozen
        own = {
            cell.cell_id: slow
            * (FROZEN[cell.setting.head.name] if frozen else TRAINED[setting.backbone])
            * np.exp(noise * generator.standard_normal())
            for cell in chunk.cells
        }
        before = (
            0.0 if chunk.unit.key in passed else slow * (PASS[setting.backbone] if frozen else 0.5)
        )
        passed.add(chunk.unit.key)
        total = before + sum(own.values())
        heapq.heappush(workers, (began + total, number))
        ids = frozenset(own)
        told.append(
            (
                began + total,
                [
                    CellOutcome(cell, 0.5, s, share=s + before / len(own), together=ids)
                    for cell, s in zip(chunk.cells, own.values(), strict=True)
                ],
            )
        )
    return sorted(told, key=lambda pair: pair[0])


@pytest.mark.parametrize("jobs", [1, 2, 8])
@pytest.mark.parametrize("slow", [0.2, 1.0, 6.0])
@pytest.mark.parametrize(
    "blocks",
    [
        [(("linear", "nonlinear"), (0,))],
        [(("linear",), (0, "all"))],
        [(("linear", "nonlinear"), (0,)), (("linear",), ("all",))],
    ],
)
def test_it_is_within_a_factor_of_two_from_the_first_cell_on(tiny, blocks, slow, jobs):
    cells = grid(tiny, *blocks)
    told = simulate(cells, jobs, slow, noise=0.2)
    end = told[-1][0]
    left = TimeLeft(cells, N_CASES, jobs, probed)
    assert left.seconds() is None
    for now, outcomes in told:
        for outcome in outcomes:
            left.note(outcome)
            # Towards the end a worker is in the middle of a chunk, and nobody knows how far.
            if end - now > 0.25 * end:
                assert 0.5 < left.seconds() / (end - now) < 2
    assert left.seconds() == 0


def test_cells_of_others_and_failures_take_no_time_but_are_done(tiny):
    cells = grid(tiny, (("linear",), (0,)), repeats=1)
    left = TimeLeft(cells, N_CASES, 1, probed)
    left.note(CellOutcome(cells[0], 0.5, 0.0))
    assert left.seconds() is None
    left.note(CellOutcome(cells[1], 0.5, 2.0, share=3.0, together=frozenset({cells[1].cell_id})))
    same = [cell for cell in cells if cell.setting.backbone == cells[1].setting.backbone]
    assert left.seconds() > 3.0 * (len(same) - 2)
    for cell in cells[2:]:
        left.note(CellOutcome(cell, float("nan"), 0.0, "failed"))
    assert left.seconds() == 0
