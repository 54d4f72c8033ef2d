"""A plan beside its archive: what is done, what has failed, what is left. Nothing is done here."""

from __future__ import annotations

__all__ = ["GridState", "holds_nothing", "open_grid", "pin_checkpoints"]

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ..archive import Archive, load
from ..archive.claims import Claims
from ..archive.contents import holds_archive
from ..archive.schema import split_name
from ..archive.store import refuse_other_plan
from ..errors import ArchiveDamagedError, UserError, suggest
from ..study.cells import Cell, plan_cells
from ..study.differences import plan_differences, same_plan
from ..study.keys import CELL_KEYS, SETTING_KEYS
from ..study.plan import Plan
from .options import GridOptions


def select_cells(cells: Sequence[Cell], select: dict[str, set[str]]) -> list[Cell]:
    """Cells whose keys have the wanted values.

    Raises
    ------
    UserError
        If a key or value is not of this plan, or nothing is left.
    """
    allowed = (*CELL_KEYS, "design")
    for key, wanted in select.items():
        if key not in allowed:
            raise UserError(f"--select {key}=...: unknown key; {suggest(key, allowed)}")
        present = {str(cell.key[key]) for cell in cells}
        for value in wanted - present:
            raise UserError(f"--select {key}={value}: not in this plan; {suggest(value, present)}")
    chosen = [
        cell
        for cell in cells
        if all(str(cell.key[key]) in wanted for key, wanted in select.items())
    ]
    if not chosen:
        raise UserError("--select leaves no cell of the plan")
    return chosen


def pin_checkpoints(plan: Plan, base: Path) -> Plan:
    """Fill in the hashes of checkpoint files, so that cells are known by their content."""
    arms = []
    for arm in plan.arms:
        if arm.source == "checkpoint":
            pinned = dict(arm.sha256)
            for backbone in arm.files:
                path = arm.weight_file(backbone, base)
                if backbone not in pinned and path.is_file():
                    with path.open("rb") as file:
                        pinned[backbone] = hashlib.file_digest(file, "sha256").hexdigest()
            arm = arm.model_copy(update={"sha256": pinned})
        arms.append(arm)
    return plan.model_copy(update={"arms": tuple(arms)})


def open_grid(plan: Plan, options: GridOptions) -> GridState:
    """Read the archive, if there is one, and see what is left.

    Raises
    ------
    UserError
        If the archive is of another plan, or `options` ask for what is not there.
    ArchiveDamagedError
        If files are damaged and ``retry_failed`` is not set.
    """
    plan = pin_checkpoints(plan, options.weights_base)
    cells = plan_cells(plan)
    root = options.runs / plan.study.name
    archive = _open_archive(root, plan, cells, options) if holds_archive(root) else None
    unknown = set(options.data) - {task.name for task in plan.tasks}
    if unknown:
        name, names = sorted(unknown)[0], [task.name for task in plan.tasks]
        raise UserError(f"--data {name}=...: no such task; {suggest(name, names)}")
    selected = select_cells(cells, options.select)
    begin_again = archive is not None and _is_other(archive, plan) and holds_nothing(archive)
    if begin_again:
        archive = None
    return GridState(plan, cells, selected, archive, root, options.retry_failed, begin_again)


def _is_other(archive: Archive, plan: Plan) -> bool:
    return bool(plan_differences(archive.plan, plan.portable()))


def holds_nothing(archive: Archive) -> bool:
    """Whether no cell was trained and none is being trained, so that nothing is lost with it."""
    taken = Claims(archive.root, frozenset()).taken()
    return not (archive.cell_ids or archive.damaged or taken)


def _open_archive(root: Path, plan: Plan, cells: Sequence[Cell], options: GridOptions) -> Archive:
    """The archive of a plan; one of another plan, or with more cells, is refused."""
    try:
        archive = load(root)
    except ArchiveDamagedError:
        if not options.retry_failed:
            raise
        archive = load(root, strict=False, plan=plan.portable())
    if not options.resume and archive.cell_ids:
        raise UserError(f"{root} already holds {len(archive.cell_ids)} cells, and --no-resume")
    if not options.extend and not holds_nothing(archive):
        refuse_other_plan(root, archive.plan, plan.portable())
    lost = archive.cell_ids - {cell.cell_id for cell in cells}
    if lost:
        raise UserError(
            f"{root}: {len(lost)} archived cells are not in this plan, for example "
            f"{sorted(lost)[0]}; a plan may only grow. Give the study another name"
        )
    return archive


@dataclass(frozen=True)
class CellCounts:
    """How many cells are done, failed, and to be trained."""

    done: int
    failed: int
    pending: int

    def __str__(self) -> str:
        return f"{self.done} done, {self.failed} failed, {self.pending} pending"


@dataclass
class GridState:
    """A plan beside its archive, as it was found.

    Attributes
    ----------
    plan : Plan
    cells : list of Cell
        All cells of the plan.
    selected : list of Cell
        Those that this run is about.
    archive : Archive or None
    root : Path
        Folder of the archive.
    retry_failed : bool
        Count failed cells among those to train.
    begin_again : bool
        What lies at `root` is of another plan and holds no cell; it is replaced.
    """

    plan: Plan
    cells: list[Cell]
    selected: list[Cell]
    archive: Archive | None
    root: Path
    retry_failed: bool = False
    begin_again: bool = False

    @cached_property
    def done(self) -> set[str]:
        """Identifiers of verified cells."""
        return set() if self.archive is None else set(self.archive.cell_ids)

    @cached_property
    def failed(self) -> dict[str, dict[str, Any]]:
        """Why selected cells failed, by identifier."""
        failures = {} if self.archive is None else self.archive.failures()
        chosen = {cell.cell_id for cell in self.selected}
        return {cell: failure for cell, failure in failures.items() if cell in chosen}

    @cached_property
    def pending(self) -> list[Cell]:
        """Selected cells to train: neither verified nor failed, unless failures are retried."""
        skip = set(self.done) if self.retry_failed else self.done | set(self.failed)
        return [cell for cell in self.selected if cell.cell_id not in skip]

    @cached_property
    def damaged_tasks(self) -> set[str]:
        """Tasks whose archived description is damaged."""
        damaged = () if self.archive is None else self.archive.damaged
        return {path.stem for path in damaged if path.parent.name == "tasks"}

    @cached_property
    def outdated_tasks(self) -> set[str]:
        """Tasks whose archived description lacks splits that archived cells were trained on."""
        if self.archive is None:
            return set()
        known = {name: task["splits_sha256"] for name, task in self.archive.tasks.items()}
        return {
            task
            for cell in self.cells
            if cell.cell_id in self.done
            and (task := cell.setting.task.name) in known
            and split_name(cell.repeat, cell.fold, cell.setting.design) not in known[task]
        }

    @property
    def tasks_to_write(self) -> set[str]:
        """Tasks that the archive needs a description of, before anything is trained."""
        own = {cell.setting.task.name for cell in self.pending}
        return own | self.damaged_tasks | self.outdated_tasks

    @property
    def stale(self) -> bool:
        """True if the archive has to be written although no cell may be pending."""
        if self.archive is None:
            return False
        return bool(
            self.archive.damaged
            or self.outdated_tasks
            or not same_plan(self.archive.plan, self.plan.portable())
        )

    def of_design(self, design: str) -> list[Cell]:
        """Selected cells of one design."""
        return [cell for cell in self.selected if cell.setting.design == design]

    def count(self, cells: Iterable[Cell]) -> CellCounts:
        """How many of `cells` are done, failed and to be trained."""
        own = {cell.cell_id for cell in cells}
        waiting = {cell.cell_id for cell in self.pending}
        return CellCounts(len(own & self.done), len(own & self.failed.keys()), len(own & waiting))

    def summary(self) -> pd.DataFrame:
        """Cells done, failed and pending by task, backbone, head, unfreezing and arm."""
        rows = [
            {
                **cell.setting.key,
                "done": cell.cell_id in self.done,
                "failed": cell.cell_id in self.failed,
            }
            for cell in self.selected
        ]
        frame = pd.DataFrame(rows)
        frame["pending"] = ~frame["done"] & ~frame["failed"]
        counted = frame.groupby(list(SETTING_KEYS), sort=False)[["done", "failed", "pending"]]
        return counted.sum().reset_index()

    def seconds_a_case(self) -> dict[tuple[str, ...], float]:
        """Mean seconds of archived cells, divided by their training cases, by setting."""
        if self.archive is None:
            return {}
        archive = self.archive
        trained = pd.concat([archive.cells, archive.half_cells, archive.halving_cells])
        keys = list(SETTING_KEYS)
        sums = trained.groupby(keys, as_index=False)[["seconds", "n_train"]].sum()
        names = zip(*(sums[key] for key in keys), strict=True)
        return dict(zip(names, sums["seconds"] / sums["n_train"], strict=True))
