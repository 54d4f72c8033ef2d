"""Cells and pairs: which models a plan asks for.

A *cell* is one trained model: task × backbone × head × unfreezing × arm × repeat ×
fold × seed. Cells that differ in the arm only form a *pair*. The identifier of a
cell hashes its scientific configuration: everything that may change its scores and
nothing else, so no path, device, worker count, analysis setting or place in the
grid. Two plans that share cells share their identifiers.

A cell is of one of three *designs*: ``cv``, the cross-validation of the plan; ``half``,
the extra two-fold repeats that show the learning curve; or ``halving``, the cross-validations
of random halves of the patients that measure the variance of training. Such a cell is a cell
like any other, with a split, seeds and an identifier of its own; its repeats are counted from 0.
Halving h has the repeats 2h and 2h + 1, and the folds 0 to K - 1 of its first half and K to
2K - 1 of its second.
"""

from __future__ import annotations

__all__ = [
    "DESIGNS",
    "HALVING_REPEATS",
    "Cell",
    "Setting",
    "configuration_digests",
    "configured_names",
    "derive_seed",
    "identify_cell",
    "plan_cells",
    "plan_settings",
]

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

from ..errors import UserError
from .plan import STAGE_COUNTS, Arm, GridBlock, Head, Plan, Task, Training

#: Raised when a change of the code alters what the same configuration means.
CONFIGURATION_VERSION = 1
#: Cells of a plan at most: every run and report holds the list of all in memory.
MOST_CELLS = 1_000_000
#: The cross-validation of the plan, its extra two-fold repeats, and its halvings.
DESIGNS = ("cv", "half", "halving")
#: Cross-validations of each half in a halving: their difference shows the noise of one.
HALVING_REPEATS = 2


@dataclass(frozen=True)
class Setting:
    """What the cells of one task, backbone, head, unfreezing depth and arm have in common."""

    task: Task
    backbone: str
    head: Head
    unfreeze: str
    arm: Arm
    training: Training
    study_seed: int
    cv: dict[str, Any]

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The scientific configuration, as JSON types; no label, path or name of a file."""
        task = self.task.model_dump(mode="json", exclude={"path", "label"})
        arm = self.arm.model_dump(
            mode="json", exclude={"files", "label", "network", "reference", "sha256"}
        )
        if self.arm.source != "imagenet":
            del arm["variant"]
        # A checkpoint is what its hash says; other sources are known by name.
        arm["sha256"] = self.arm.sha256.get(self.backbone)
        if self.backbone in self.arm.network:
            arm["network"] = self.arm.network[self.backbone]
        return {
            "version": CONFIGURATION_VERSION,
            "task": task,
            "backbone": self.backbone,
            "head": self.head.model_dump(mode="json", exclude={"label"}),
            "unfreeze": self.unfreeze,
            "arm": arm,
            "training": self.training.model_dump(mode="json"),
            "cv": self.cv,
            "study_seed": self.study_seed,
        }

    @cached_property
    def _digests(self) -> tuple[str, str]:
        return configuration_digests(self.configuration)

    @property
    def digest(self) -> str:
        """SHA-256 of the configuration."""
        return self._digests[0]

    @property
    def pair_digest(self) -> str:
        """SHA-256 of the configuration without the arm."""
        return self._digests[1]

    @property
    def design(self) -> str:
        """``cv``, ``half`` for the extra two-fold repeats, or ``halving``."""
        return str(self.cv.get("design", "cv"))

    @cached_property
    def half(self) -> Setting:
        """The same with half of the data; the marker tells it from a two-fold study."""
        return replace(self, cv={**self.cv, "folds": 2, "official_folds": False, "design": "half"})

    @cached_property
    def halving(self) -> Setting:
        """The same with the halves of the patients cross-validated one by one."""
        return replace(self, cv={**self.cv, "official_folds": False, "design": "halving"})

    @property
    def key(self) -> dict[str, str]:
        """The names under which tables show this setting."""
        return {
            "task": self.task.name,
            "backbone": self.backbone,
            "head": self.head.name,
            "unfreeze": self.unfreeze,
            "arm": self.arm.name,
        }


class Cell(NamedTuple):
    """One model to train; `cell_id` and `pair_id` are 20 hexadecimal digits."""

    cell_id: str
    pair_id: str
    setting: Setting
    repeat: int
    fold: int
    seed: int

    @property
    def key(self) -> dict[str, str | int]:
        """The names under which tables show this cell."""
        return {
            **self.setting.key,
            "repeat": self.repeat,
            "fold": self.fold,
            "seed": self.seed,
            "design": self.setting.design,
        }


def plan_settings(plan: Plan) -> Iterator[Setting]:
    """The settings of a plan, in the order of its grid, each once.

    Raises
    ------
    UserError
        If two blocks ask for the same names with different training: a table
        could not tell them apart.
    """
    amounts = {"repeats", "seeds", "learning_curve_repeats", "halvings"}
    cv = plan.cv.model_dump(mode="json", exclude=amounts)
    cv["near_duplicates"] = plan.audit.near_duplicates
    if plan.audit.near_duplicates == "group":
        cv["hash_distance"] = plan.audit.hash_distance
    tasks = {task.name: task for task in plan.tasks}
    arms = {arm.name: arm for arm in plan.arms}
    heads = plan.all_heads
    seen: dict[tuple[str, ...], str] = {}
    for block in plan.grid:
        training = plan.training.model_copy(update=block.training)
        for task, backbone, head, unfreeze, arm in product(*_axes(plan, block)):
            setting = Setting(
                tasks[task], backbone, heads[head], _depth(backbone, unfreeze), arms[arm],
                training, plan.study.seed, cv,
            )  # fmt: skip
            names = tuple(setting.key.values())
            if seen.setdefault(names, setting.digest) != setting.digest:
                raise UserError(
                    f"two [[grid]] blocks ask for {' / '.join(names)} with "
                    "different training; give one of the heads another name"
                )
            yield setting


def _axes(plan: Plan, block: GridBlock) -> tuple[list[Any], ...]:
    """What a block is the product of: tasks, backbones, heads, depths and arms, each once."""
    given = (
        block.tasks or [task.name for task in plan.tasks],
        block.backbones,
        block.heads,
        block.unfreeze,
        block.arms or [arm.name for arm in plan.arms],
    )
    return tuple(list(dict.fromkeys(names)) for names in given)


def _depth(backbone: str, unfreeze: int | str) -> str:
    """'all' and the number of all stages are the same request (of timm's, 'all' alone is one)."""
    return "all" if unfreeze == STAGE_COUNTS.get(backbone) else str(unfreeze)


def plan_cells(plan: Plan) -> list[Cell]:
    """Every cell of a plan, without doubles; 100,000 in about a second.

    Raises
    ------
    UserError
        If there are more than :data:`MOST_CELLS`; they are counted before they are made.

    Returns
    -------
    list of Cell
        Ordered by the grid, then repeat, fold and seed; the arms of a pair follow
        each other where the grid lists them so. The half-sample cells and those of halvings
        come last; they are trained with one seed, as the slope needs means over many
        patients only, and the two repeats of a halving have their own trainings.
    """
    cells: dict[str, Cell] = {}
    cv = plan.cv
    halving_repeats = HALVING_REPEATS * cv.halvings
    # A block may be the product of long lists, so its settings are counted, too, not made.
    number = sum(math.prod(map(len, _axes(plan, block))) for block in plan.grid) * (
        cv.repeats * cv.folds * cv.seeds
        + 2 * cv.learning_curve_repeats
        + 2 * cv.folds * halving_repeats
    )
    if number > MOST_CELLS:
        raise UserError(
            f"the plan asks for {number:,} cells; at most {MOST_CELLS:,} are allowed, as every run "
            "and report holds the list of all cells in memory. Use fewer repeats, folds or seeds, "
            "or make several studies of it"
        )
    settings = list(plan_settings(plan))
    _add_cells(cells, settings, cv.repeats, cv.folds, cv.seeds)
    if cv.learning_curve_repeats:
        halves = [setting.half for setting in settings]
        _add_cells(cells, halves, cv.learning_curve_repeats, 2, 1)
    if halving_repeats:
        halvings = [setting.halving for setting in settings]
        _add_cells(cells, halvings, halving_repeats, 2 * cv.folds, 1)
    return list(cells.values())


def _add_cells(
    cells: dict[str, Cell], settings: list[Setting], repeats: int, folds: int, seeds: int
) -> None:
    for setting in settings:
        own, pair = setting.digest, setting.pair_digest
        for repeat, fold, seed in product(range(repeats), range(folds), range(seeds)):
            cell_id = identify_cell(own, repeat, fold, seed)
            if cell_id not in cells:
                pair_id = identify_cell(pair, repeat, fold, seed)
                cells[cell_id] = Cell(cell_id, pair_id, setting, repeat, fold, seed)


def identify_cell(digest: str, repeat: int, fold: int, seed: int) -> str:
    """The identifier of a cell, or that of its pair, from the digest of its configuration."""
    return hashlib.sha256(f"{digest}|{repeat}|{fold}|{seed}".encode()).hexdigest()[:20]


def configuration_digests(configuration: Mapping[str, Any]) -> tuple[str, str]:
    """SHA-256 of a configuration, and of what the arms of a pair have in common of it."""
    shared = {name: value for name, value in configuration.items() if name != "arm"}
    return _digest(configuration), _digest(shared)


def configured_names(configuration: Mapping[str, Any]) -> dict[str, str]:
    """The names under which tables show the cells of a configuration, and their design.

    Raises
    ------
    KeyError, TypeError
        If it lacks one.
    """
    return {
        "task": configuration["task"]["name"],
        "backbone": configuration["backbone"],
        "head": configuration["head"]["name"],
        "unfreeze": configuration["unfreeze"],
        "arm": configuration["arm"]["name"],
        "design": configuration["cv"].get("design", "cv"),
    }


def derive_seed(*parts: str | int) -> int:
    """A 63-bit seed that depends on every part and on nothing else.

    Seeds are derived, not counted, so that adding a backbone or a repeat to a plan
    changes no other cell.

    Examples
    --------
    >>> derive_seed(2025, "split", 0) == derive_seed(2025, "split", 0)
    True
    >>> derive_seed(2025, "split", 0) == derive_seed(2025, "split", 1)
    False
    """
    text = json.dumps(parts, ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
