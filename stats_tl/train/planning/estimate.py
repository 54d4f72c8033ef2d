"""How long pending cells will take: counted operations over a measured speed.

Cells whose setting the archive already holds are timed by what those took a training case,
so that half-sample cells are known from the others. For the rest, multiplications are
counted on the meta device (nothing is computed) and divided by the speed of a short probe.
It is meant to tell minutes from days.
"""

from __future__ import annotations

__all__ = ["count_operations", "estimate_seconds", "relative_cost"]

import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ...study.cells import Cell
from ..networks.backbones import N_FEATURES, build_backbone
from ..networks.heads import head_parameter_count
from .units import Unit, image_size, plan_units

#: A training step costs the forward pass, and about twice as much backwards.
TRAINING_FACTOR = 3
#: Frozen heads are trained side by side: a step costs each so much of a step alone.
SHARED_STEP = 0.3


class Speed(NamedTuple):
    """Of a device: operations a second in convolutions, and seconds of an optimiser step."""

    rate: float
    step: float


#: Of no machine in particular.
NOMINAL = Speed(1e11, 1e-3)


def estimate_seconds(
    cells: Iterable[Cell],
    n_cases: Mapping[str, int],
    measured: Mapping[tuple[str, ...], float],
    *,
    device: torch.device,
    jobs: int,
) -> float:
    """Wall time of `cells` in seconds.

    Parameters
    ----------
    cells : iterable of Cell
    n_cases : mapping of str to int
        Cases by task.
    measured : mapping of (task, backbone, head, unfreeze, arm) to float
        Mean seconds of archived cells, divided by their training cases.
    device : torch.device
    jobs : int
        Workers that share the work.

    Returns
    -------
    float
    """
    speed = _speed(device)
    total = 0.0
    for unit in plan_units(cells):
        n = n_cases[unit.first.setting.task.name]
        total += _pass_seconds(unit, n, speed)
        for cell in unit.cells:
            known = measured.get(tuple(cell.setting.key.values()))
            n_train, n_validation = _parts(cell, n)
            total += (
                known * n_train
                if known is not None
                else _fit_seconds(cell, unit, n_train, n_validation, speed)
            )
    return total / jobs


def relative_cost(unit: Unit, n_cases: Mapping[str, int]) -> float:
    """About how long a cell of a unit takes, its share of the feature pass included.

    Of use for an order only: the speed of the machine is not asked.
    """
    n, cell = n_cases[unit.first.setting.task.name], unit.first
    fit = _fit_seconds(cell, unit, *_parts(cell, n), NOMINAL)
    return fit + _pass_seconds(unit, n, NOMINAL) / len(unit.cells)


def _parts(cell: Cell, n: int) -> tuple[float, float]:
    """Training and validation cases of a cell, about."""
    folds, share = cell.setting.cv["folds"], cell.setting.cv["validation_share"]
    n_fit = n * (1 - 1 / folds) if folds > 1 else n
    return n_fit * (1 - share), n_fit * share


def _pass_seconds(unit: Unit, n: int, speed: Speed) -> float:
    if not unit.cacheable:
        return 0.0
    prefix, _ = _operations(unit)
    return unit.rows * n * prefix / speed.rate


def _operations(unit: Unit) -> tuple[float, float]:
    return count_operations(unit.first.setting.backbone, unit.boundary, image_size(unit.first))


def _fit_seconds(
    cell: Cell, unit: Unit, n_train: float, n_validation: float, speed: Speed
) -> float:
    training = cell.setting.training
    prefix, tail = _operations(unit)
    trained = tail + 2 * head_parameter_count(cell.setting.head, N_FEATURES[cell.setting.backbone])
    image_prefix = 0.0 if unit.cacheable else prefix
    operations = n_train * (TRAINING_FACTOR * trained + image_prefix)
    operations += n_validation * (trained + image_prefix)
    step = speed.step * (SHARED_STEP if unit.frozen and unit.cacheable else 1)
    return training.epochs * (operations / speed.rate + step * n_train / training.batch_size)


@cache
def count_operations(name: str, boundary: int, size: int) -> tuple[float, float]:
    """Floating-point operations of one image before and behind the boundary."""
    backbone = build_backbone(name).to("meta").eval()
    with torch.no_grad():
        image = torch.empty(1, 3, size, size, device="meta")
        with FlopCounterMode(display=False) as before:
            activation = backbone.prefix(image, boundary)
        with FlopCounterMode(display=False) as behind:
            backbone.tail(activation, boundary)
    return float(before.get_total_flops()), float(behind.get_total_flops())


@cache
def _speed(device: torch.device) -> Speed:
    """The speed of a device, by a short probe."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        convolution = nn.Conv2d(64, 128, 3, padding=1).to(device)
        image = torch.randn(16, 64, 56, 56, device=device)
        with torch.inference_mode():
            convolution(image)
            with FlopCounterMode(display=False) as counter:
                convolution(image)
            seconds = min(_time(lambda: convolution(image), device) for _ in range(5))
        # Whole networks reach about half of what one well-shaped convolution does.
        rate = 0.5 * counter.get_total_flops() / seconds
        head = nn.Linear(512, 2).to(device)
        optimizer = torch.optim.Adam(head.parameters())
        features = torch.randn(64, 512, device=device)

        def step() -> None:
            optimizer.zero_grad()
            head(features).square().mean().backward()
            optimizer.step()

        step()
        return Speed(rate, min(_time(step, device) for _ in range(20)))
    finally:
        torch.set_num_threads(threads)


def _time(call: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
