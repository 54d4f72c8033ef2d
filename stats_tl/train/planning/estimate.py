"""How long pending cells will take: counted operations over a measured speed.

Cells whose setting the archive already holds are timed by what those took a training case,
so that half-sample cells are known from the others. For the rest, operations are counted and
divided by the speed of a short probe of the same network.
It is meant to tell minutes from days.
"""

from __future__ import annotations

__all__ = [
    "NOMINAL",
    "Speed",
    "estimate_seconds",
    "expected_seconds",
    "probe_speed",
    "relative_cost",
]

import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import NamedTuple

import torch
from torch import nn
from torch.optim.adam import adam

from ...study.cells import Cell
from ..networks.backbones import build_backbone, feature_count
from ..networks.heads import N_CLASSES, head_parameter_count
from ..networks.survey import survey_backbone
from .units import Unit, image_size, plan_units

#: A training step costs the forward pass, and about twice as much backwards.
TRAINING_FACTOR = 3
#: Frozen heads are trained side by side: a step costs each so much of a step alone.
SHARED_STEP = 0.3


class Speed(NamedTuple):
    """Of a device: operations a second in a backbone, and seconds of an optimiser step."""

    rate: float
    step: float


#: Images of a probe: enough that a device is busy.
CPU_IMAGES, CUDA_IMAGES = 2, 64
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
    total = 0.0
    for unit in plan_units(cells):
        speed = probe_speed(unit, device)
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


def expected_seconds(
    units: Iterable[Unit], n_cases: Mapping[str, int], speed_of: Callable[[Unit], Speed]
) -> dict[str, float]:
    """Seconds of every cell, its share of the feature pass included, by its identifier.

    Parameters
    ----------
    units : iterable of Unit
    n_cases : mapping of str to int
        Cases by task.
    speed_of : callable
        The speed of a worker with the backbone of a unit: :func:`probe_speed`, for example.
    """
    seconds = {}
    for unit in units:
        n, speed = n_cases[unit.first.setting.task.name], speed_of(unit)
        shared = _pass_seconds(unit, n, speed) / len(unit.cells)
        for cell in unit.cells:
            seconds[cell.cell_id] = shared + _fit_seconds(cell, unit, *_parts(cell, n), speed)
    return seconds


def probe_speed(unit: Unit, device: torch.device) -> Speed:
    """The speed of a device with the backbone of a unit; once for each backbone and size."""
    return _speed(device, unit.first.setting.backbone, image_size(unit.first))


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
    counts = survey_backbone(unit.first.setting.backbone, image_size(unit.first)).operations
    return sum(counts[: unit.boundary]), sum(counts[unit.boundary :])


def _fit_seconds(
    cell: Cell, unit: Unit, n_train: float, n_validation: float, speed: Speed
) -> float:
    training = cell.setting.training
    prefix, tail = _operations(unit)
    trained = tail + 2 * head_parameter_count(
        cell.setting.head, feature_count(cell.setting.backbone)
    )
    image_prefix = 0.0 if unit.cacheable else prefix
    operations = n_train * (TRAINING_FACTOR * trained + image_prefix)
    operations += n_validation * (trained + image_prefix)
    step = speed.step * (SHARED_STEP if unit.frozen and unit.cacheable else 1)
    return training.epochs * (operations / speed.rate + step * n_train / training.batch_size)


@cache
def _speed(device: torch.device, name: str, size: int) -> Speed:
    """The speed of a device with a backbone, by a short probe."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        return Speed(_rate(device, name, size), _step(device))
    finally:
        torch.set_num_threads(threads)


def _rate(device: torch.device, name: str, size: int) -> float:
    """Operations a second of the backbone itself, as frozen stages are passed."""
    operations = sum(survey_backbone(name, size).operations)
    backbone = build_backbone(name).eval().to(device)
    n = CPU_IMAGES if device.type == "cpu" else CUDA_IMAGES
    images = torch.zeros(n, 3, size, size, device=device)
    backbone = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        backbone(images)
        return n * operations / min(_time(lambda: backbone(images), device) for _ in range(2))


@cache
def _step(device: torch.device) -> float:
    """Seconds of an optimiser's step on the smallest head."""
    head = nn.Linear(512, N_CLASSES).to(device)
    values: list[torch.Tensor] = list(head.parameters())
    first, second = ([torch.zeros_like(value) for value in values] for _ in range(2))
    counts = [torch.zeros(()) for _ in values]
    features = torch.randn(64, 512, device=device)

    def step() -> None:
        gradients = torch.autograd.grad(head(features).square().mean(), values)
        with torch.no_grad():
            adam(
                values, list(gradients), first, second, [], counts, amsgrad=False, beta1=0.9,
                beta2=0.999, lr=1e-3, weight_decay=0.0, eps=1e-8, maximize=False,
            )  # fmt: skip

    step()
    return min(_time(step, device) for _ in range(20))


def _time(call: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
