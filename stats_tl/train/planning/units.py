"""Which cells are trained together: pure bookkeeping, no torch but to ask timm.

A *unit* is what shares one pass through the frozen stages: task, image size, arm,
backbone, freeze boundary and draw of random weights. Its cells are cut into *chunks*,
each of which is trained in one go and lands in the archive as one part. Neither
depends on the number of workers, so that the same plan gives the same parts.
"""

from __future__ import annotations

__all__ = ["Chunk", "Unit", "chunks_in_order", "equal_cost", "plan_units", "stage_count"]

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...study.cells import Cell, derive_seed
from ...study.plan import IMAGE_SIZES, STAGE_COUNTS

#: Cells of a chunk: many where a cell takes a second, few where it takes minutes.
FROZEN_CHUNK, TRAINED_CHUNK = 50, 5


def image_size(cell: Cell) -> int:
    """Pixels a side of the images that a cell is trained on."""
    setting = cell.setting
    if setting.training.image_size is not None:
        return setting.training.image_size
    known = IMAGE_SIZES.get(setting.backbone)
    if known is None:  # a model of timm, which only timm knows
        from ..networks.backbones import default_image_size

        known = default_image_size(setting.backbone)
    return known


def stage_count(backbone: str) -> int:
    """Stages of a backbone."""
    known = STAGE_COUNTS.get(backbone)
    if known is None:
        from ..networks.backbones import stage_names

        known = len(stage_names(backbone))
    return known


def weights_seed(cell: Cell) -> int | None:
    """Seed of randomly drawn backbone weights: one draw a repeat and seed; else None.

    A random initialisation is part of the training procedure under comparison, so it
    varies with the runs; the folds of a repeat share it, and with it the feature pass.
    """
    setting = cell.setting
    if setting.arm.source != "random":
        return None
    return derive_seed(
        setting.study_seed, "weights", setting.arm.name, setting.backbone, cell.repeat, cell.seed,
        *_label(cell),
    )  # fmt: skip


def views_seed(cell: Cell, view: int) -> int:
    """Seed of one augmentation view of every image of a task, the same for all its cells."""
    return derive_seed(cell.setting.study_seed, "view", cell.setting.task.name, view)


def fit_seed(cell: Cell) -> int:
    """Seed of everything random in fitting; the same for every arm of a pair."""
    setting = cell.setting
    return derive_seed(
        setting.study_seed, "fit", setting.task.name, setting.backbone, setting.head.name,
        setting.unfreeze, cell.repeat, cell.fold, cell.seed, *_label(cell),
    )  # fmt: skip


def _label(cell: Cell) -> tuple[str, ...]:
    """What sets the seeds of another design apart from those of the cross-validation."""
    return () if cell.setting.design == "cv" else (cell.setting.design,)


@dataclass(frozen=True)
class Unit:
    """Cells behind one pass through the frozen stages."""

    key: tuple[str | int | None, ...]
    cells: tuple[Cell, ...]

    @property
    def first(self) -> Cell:
        """Any cell: the shared settings are those of all."""
        return self.cells[0]

    @property
    def boundary(self) -> int:
        """Number of frozen stages."""
        depth, stages = self.first.setting.unfreeze, stage_count(self.first.setting.backbone)
        return 0 if depth == "all" else stages - int(depth)

    @property
    def frozen(self) -> bool:
        """True if no stage of the backbone is trained."""
        return self.boundary == stage_count(self.first.setting.backbone)

    @property
    def cacheable(self) -> bool:
        """True if the frozen stages have one output an image, or one a view, in all epochs."""
        training = self.first.setting.training
        fixed = training.augmentation == "none" or training.augmentation_views > 0
        return self.boundary > 0 and fixed

    @property
    def rows(self) -> int:
        """Outputs of the frozen stages that are kept for one image: itself and its views."""
        return 1 + self.first.setting.training.augmentation_views


@dataclass(frozen=True)
class Chunk:
    """Cells of a unit that are trained in one go; `unit` has these cells only."""

    unit: Unit
    cells: tuple[Cell, ...]


def plan_units(cells: Iterable[Cell]) -> list[Unit]:
    """Group cells into units, in the order in which the plan first names them."""
    groups: dict[tuple[str | int | None, ...], list[Cell]] = {}
    for cell in cells:
        setting = cell.setting
        key = (
            setting.task.name, image_size(cell), setting.backbone, setting.arm.name,
            setting.unfreeze, setting.training.augmentation, weights_seed(cell),
            setting.training.augmentation_views, setting.training.activations,
        )  # fmt: skip
        groups.setdefault(key, []).append(cell)
    return [Unit(key, tuple(members)) for key, members in groups.items()]


def equal_cost(unit: Unit) -> float:
    """The cost of a cell where nothing is known of it."""
    return 1.0


def chunks_in_order(
    units: Iterable[Unit], workers: int, cost: Callable[[Unit], float] = equal_cost
) -> list[Chunk]:
    """Chunks in the order of dispatch.

    The settings whose chunks take longest come first, so that no worker begins one when the
    others have ended; the arms of a pair next to each other, so that an interrupted run
    leaves pairs. `workers` units go side by side, so that every worker begins with a feature
    pass of its own instead of waiting for another's.

    Parameters
    ----------
    units : iterable of Unit
    workers : int
    cost : callable, optional
        About how long a cell of a unit takes, in any measure.
    """
    settings: dict[tuple[str | int | None, ...], list[Unit]] = {}
    for unit in units:
        shared = (*unit.key[:3], *unit.key[4:6], *unit.key[7:])  # all but arm and draw
        settings.setdefault(shared, []).append(unit)

    def longest(members: list[Unit]) -> float:
        return max(min(len(unit.cells), _chunk_size(unit)) * cost(unit) for unit in members)

    ordered: list[Unit] = []
    for members in sorted(settings.values(), key=longest, reverse=True):
        ordered += sorted(
            members,
            key=lambda unit: (unit.first.setting.design, unit.first.repeat, unit.first.seed),
        )
    queue: list[Chunk] = []
    for start in range(0, len(ordered), workers):
        side_by_side = [_cut(unit) for unit in ordered[start : start + workers]]
        for row in itertools.zip_longest(*side_by_side):
            queue += [chunk for chunk in row if chunk is not None]
    return queue


def _chunk_size(unit: Unit) -> int:
    return FROZEN_CHUNK if unit.frozen and unit.cacheable else TRAINED_CHUNK


def _cut(unit: Unit) -> list[Chunk]:
    size = _chunk_size(unit)
    parts = [unit.cells[start : start + size] for start in range(0, len(unit.cells), size)]
    # A chunk travels to a worker, the other cells of its unit need not.
    return [Chunk(Unit(unit.key, cells), cells) for cells in parts]
