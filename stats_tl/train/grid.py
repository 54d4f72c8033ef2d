"""One run of a plan: what is left to do, and doing it."""

from __future__ import annotations

__all__ = ["GridOptions", "GridState", "open_grid", "pin_checkpoints", "select_cells"]

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..archive import Archive, ArchiveWriter, load
from ..archive.reader import holds_archive
from ..archive.schema import split_name
from ..archive.store import refuse_other_plan
from ..data import Dataset, load_dataset
from ..data.leakage import audit_duplicates, describe_duplicates
from ..data.pseudonyms import pseudonymize, read_salt, salt_check
from ..errors import ArchiveDamagedError, UserError, suggest
from ..study.cells import Cell, plan_cells
from ..study.differences import plan_differences
from ..study.keys import CELL_KEYS
from ..study.labels import plan_labels
from ..study.plan import Plan, Task
from ..study.splits import PARTITIONS, partition_cases, partition_digest
from .planning.units import image_size

if TYPE_CHECKING:  # torch is slow to import, and a dry run may do without
    from .engine import CellOutcome
    from .planning.memory import HeadNeed


@dataclass(frozen=True)
class GridOptions:
    """Where and how to run; nothing here changes a result by more than rounding.

    Attributes
    ----------
    runs : Path
        Folder of the archives.
    base : Path
        Folder that relative paths of the plan start from.
    weights : Path or None
        Folder that relative weight files start from; `base` where None.
    data : dict of str to Path
        Paths of tasks given on the command line.
    select : dict of str to set of str
        Cells to run, by key.
    fewer_jobs : bool
        Use fewer than `jobs` where memory would not suffice for so many.
    """

    runs: Path
    base: Path
    weights: Path | None = None
    data: dict[str, Path] = field(default_factory=dict)
    select: dict[str, set[str]] = field(default_factory=dict)
    resume: bool = True
    extend: bool = False
    retry_failed: bool = False
    device: str = "cpu"
    jobs: int = 1
    fewer_jobs: bool = False
    backend: str = "loky"
    scheduler_address: str | None = None
    salt: Path | None = None
    compiled: bool = False

    @property
    def weights_base(self) -> Path:
        """Folder that relative weight files start from."""
        return self.weights if self.weights is not None else self.base


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
            for backbone, name in arm.files.items():
                path = base / name
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
    archive = None
    if holds_archive(root):
        try:
            archive = load(root)
        except ArchiveDamagedError:
            if not options.retry_failed:
                raise
            archive = load(root, strict=False, plan=plan.portable())
        if not options.resume and archive.cell_ids:
            raise UserError(f"{root} already holds {len(archive.cell_ids)} cells, and --no-resume")
        if not options.extend:
            refuse_other_plan(root, archive.plan, plan.portable())
        lost = archive.cell_ids - {cell.cell_id for cell in cells}
        if lost:
            raise UserError(
                f"{root}: {len(lost)} archived cells are not in this plan, for example "
                f"{sorted(lost)[0]}; a plan may only grow. Give the study another name"
            )
    unknown = set(options.data) - {task.name for task in plan.tasks}
    if unknown:
        name, names = sorted(unknown)[0], [task.name for task in plan.tasks]
        raise UserError(f"--data {name}=...: no such task; {suggest(name, names)}")
    return GridState(plan, cells, select_cells(cells, options.select), archive, options)


@dataclass
class GridState:
    """A plan beside its archive.

    Attributes
    ----------
    plan : Plan
    cells : list of Cell
        All cells of the plan.
    selected : list of Cell
        Those that this run is about.
    archive : Archive or None
    options : GridOptions
    """

    plan: Plan
    cells: list[Cell]
    selected: list[Cell]
    archive: Archive | None
    options: GridOptions

    @property
    def root(self) -> Path:
        """Folder of the archive."""
        return self.options.runs / self.plan.study.name

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
        skip = set(self.done) if self.options.retry_failed else self.done | set(self.failed)
        return [cell for cell in self.selected if cell.cell_id not in skip]

    @cached_property
    def _largest_head(self) -> HeadNeed | None:
        """The pending head that takes most memory; None where other machines train it."""
        if not self.pending or self.options.scheduler_address is not None:
            return None
        from .planning.memory import largest_head

        return largest_head(self.pending)

    @cached_property
    def jobs(self) -> int:
        """Worker processes: those of the options, or fewer where these may be too many."""
        jobs = self.options.jobs
        if not self.options.fewer_jobs or self._largest_head is None:
            return jobs
        from .planning.memory import reduce_jobs

        return reduce_jobs(self._largest_head, self.options.device, jobs)

    @cached_property
    def damaged_tasks(self) -> set[str]:
        """Tasks whose archived description is damaged."""
        damaged = () if self.archive is None else self.archive.damaged
        return {path.stem for path in damaged if path.parent.name == "tasks"}

    @property
    def stale(self) -> bool:
        """True if the archive has to be written although no cell may be pending."""
        if self.archive is None:
            return False
        archived, given = self.archive.plan, self.plan.portable()
        return bool(
            self.archive.damaged
            or plan_differences(archived, given)
            or plan_labels(archived) != plan_labels(given)
        )

    def task_path(self, task: Task) -> Path | None:
        """Where a task's data lie: from the command line, or the plan."""
        if task.name in self.options.data:
            return self.options.data[task.name]
        return None if task.path is None else self.options.base / task.path

    def load_datasets(self, *, for_training: bool = True) -> dict[str, Dataset]:
        """The data sets that :meth:`run` needs; every problem before any training.

        Parameters
        ----------
        for_training : bool, optional
            False if no pixels will be asked for.
        """
        sizes = self._image_sizes() if for_training else {}
        return {
            task.name: load_dataset(
                task,
                self.task_path(task),
                audit=self.plan.audit,
                sizes=sizes.get(task.name, ()),
            )
            for task in self.plan.tasks
            if task.name in self._tasks_to_write
        }

    def _image_sizes(self) -> dict[str, list[int]]:
        """Sizes of images that pending cells are trained on, by task."""
        sizes: dict[str, set[int]] = {}
        for cell in self.pending:
            sizes.setdefault(cell.setting.task.name, set()).add(image_size(cell))
        return {name: sorted(own) for name, own in sizes.items()}

    @property
    def _tasks_to_write(self) -> set[str]:
        return {cell.setting.task.name for cell in self.pending} | self.damaged_tasks

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
        keys = ["task", "backbone", "head", "unfreeze", "arm"]
        return frame.groupby(keys, sort=False)[["done", "failed", "pending"]].sum().reset_index()

    def split(self, datasets: dict[str, Dataset]) -> dict[str, dict[tuple[str, int], np.ndarray]]:
        """Partition codes by task, then design and repeat, checked: no patient on two sides."""
        if self.plan.cv.official_folds:
            for dataset in datasets.values():
                dataset.check_official()
        repeats = {"cv": self.plan.cv.repeats, "half": self.plan.cv.learning_curve_repeats}
        return {
            name: {
                (design, repeat): partition_cases(
                    dataset.cases["y_true"].to_numpy(),
                    dataset.cases["group"].to_numpy(),
                    self.plan.cv,
                    seed=self.plan.study.seed,
                    repeat=repeat,
                    task=name,
                    official=dataset.official,
                    design=design,
                )
                for design, number in repeats.items()
                for repeat in range(number)
            }
            for name, dataset in datasets.items()
        }

    def run(
        self,
        datasets: dict[str, Dataset],
        *,
        cache_bytes: int,
        report: Callable[[str], object] = print,
    ) -> Iterator[CellOutcome]:
        """Train the pending cells, yielding each as it is committed.

        Parameters
        ----------
        datasets : dict of str to Dataset
        cache_bytes : int
            Activations of a feature pass that are kept at most.
        report : callable, optional
            Gets a sentence for what checking weights and data finds.
        """
        from .engine import Engine, TaskData, check_weights
        from .planning.memory import check_memory

        if self._largest_head is not None:
            check_memory(self._largest_head, self.options.device, self.jobs)
        partitions = self.split(datasets)
        records = check_weights(self.pending, self.options.weights_base, self._archived_weights())
        for (arm, backbone), record in records.items():
            for note in record["notes"]:
                report(f"  arm {arm}, {backbone}: {note}")
        images = {
            (name, size): datasets[name].read_images(size)
            for name, sizes in self._image_sizes().items()
            for size in sizes
        }
        named: dict[str, Any] = {"kept": self.plan.keep.identifiers}
        if self.plan.keep.identifiers == "hashed":
            datasets, named = self._pseudonymous(datasets)
        writer = ArchiveWriter(self.root)
        if self.archive is not None:
            writer.remove_damaged(self.archive.damaged)
        writer.open(self.plan.portable(), extend=self.options.extend)
        for cell in self.pending:
            writer.forget_failure(cell.cell_id)
        tasks = {}
        for name in sorted(self._tasks_to_write):
            audit = audit_duplicates(datasets[name], partitions[name])
            if audit["pairs"]:
                report(f"  {name}: {describe_duplicates(audit)}")
            self._write_task(writer, datasets[name], partitions[name], audit, named)
            tasks[name] = TaskData(
                datasets[name].cases[["case", "patient", "group", "y_true"]],
                partitions[name],
                datasets[name].labels_sha256,
            )
        if not self.pending:
            return
        engine = Engine(
            writer,
            tasks,
            images,
            base=self.options.weights_base,
            device=self.options.device,
            jobs=self.jobs,
            backend=self.options.backend,
            address=self.options.scheduler_address,
            keep_backbones=self.plan.keep.backbones,
            cache_bytes=cache_bytes,
            compiled=self.options.compiled,
        )
        known = frozenset() if self.archive is None else self.archive.part_names
        yield from engine.run(self.pending, known=known, report=report)

    def _archived_weights(self) -> dict[tuple[str, str], str]:
        return {} if self.archive is None else self.archive.weights

    def _write_task(
        self,
        writer: ArchiveWriter,
        dataset: Dataset,
        partitions: dict[tuple[str, int], np.ndarray],
        audit: dict[str, Any],
        named: dict[str, Any],
    ) -> None:
        cases = dataset.cases["case"]
        frames, digests = [], {}
        for (design, repeat), folds in partitions.items():
            for fold, partition in enumerate(folds):
                name = split_name(repeat, fold, design)
                digests[name] = partition_digest(cases, partition)
                names = pd.Series(partition).map({**PARTITIONS, -1: "unused"})
                own = {"design": design, "repeat": repeat, "fold": fold}
                frames.append(pd.DataFrame({**own, "case": cases, "partition": names}))
        splits = pd.concat(frames, ignore_index=True)
        splits = splits.astype(
            {"repeat": "int32", "fold": "int32"}
            | dict.fromkeys(("design", "case", "partition"), "category")
        )
        description = {
            "description": dataset.description,
            "synthetic": dataset.synthetic,
            "labels_sha256": dataset.labels_sha256,
            "images_sha256": dataset.images_sha256,
            "splits_sha256": digests,
            "near_duplicates": audit,
            "identifiers": named,
        }
        archived = dataset.cases
        if named["kept"] == "hashed":  # the order of rows must not be that of the names
            archived = archived.sort_values("case", ignore_index=True)
            splits = splits.sort_values(["design", "repeat", "fold", "case"], ignore_index=True)
        writer.write_task(dataset.name, description, archived, splits)

    def _pseudonymous(
        self, datasets: dict[str, Dataset]
    ) -> tuple[dict[str, Dataset], dict[str, Any]]:
        """The data sets under salted names, and what the archive says of them."""
        path = self.options.salt or self.options.base / f"{self.plan.study.name}.salt"
        archived = () if self.archive is None else self.archive.tasks.values()
        named = [task.get("identifiers", {}) for task in archived]
        checks = {own["salt_check"] for own in named if own.get("kept") == "hashed"}
        begun = self.archive is not None and bool(self.archive.cell_ids)
        if begun and any(own.get("kept") != "hashed" for own in named):
            raise UserError(
                f"{self.root} holds identifiers as they were given, and the plan now asks for "
                "hashed ones (identifiers in [keep]); give the study another name"
            )
        salt = read_salt(path, create=not (begun or checks))
        if checks and checks != {salt_check(salt)}:
            raise UserError(
                f"{path} is another salt than the one that the archive's identifiers were hashed "
                "with; give that one with --salt"
            )
        hashed = {name: pseudonymize(dataset, salt) for name, dataset in datasets.items()}
        method = "HMAC-SHA256, first 20 hexadecimal digits"
        return hashed, {"kept": "hashed", "method": method, "salt_check": salt_check(salt)}
