"""One run of a plan: from what is left to the engine that trains it.

What is left is known from the plan and the archive (:mod:`.state`); how data sets reach the
archive is in :mod:`.task_data`; what a person sees is printed by :mod:`.progress`. Here they
are put together.
"""

from __future__ import annotations

__all__ = ["GridRun", "train_grid"]

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..archive import ArchiveWriter
from ..archive.store import refuse_other_data
from ..data import Dataset, load_dataset
from ..data.leakage import audit_duplicates, describe_duplicates
from ..data.oddities import find_oddities
from ..errors import UserError
from ..study.plan import TIMM, Task
from .options import GridOptions
from .planning.units import image_size
from .progress import ProgressView
from .state import GridState, holds_nothing
from .task_data import (
    Identifiers,
    Partitions,
    archive_task,
    hash_identifiers,
    split_dataset,
    split_digests,
)

if TYPE_CHECKING:  # torch is slow to import, and a dry run may do without
    from .planning.memory import HeadNeed
    from .results import TaskData
    from .time_left import TimeLeft
    from .workers.scheduling import CellOutcome


@dataclass
class GridRun:
    """A plan beside its archive, and where and how to run what is left of it.

    Attributes
    ----------
    state : GridState
    options : GridOptions
    """

    state: GridState
    options: GridOptions

    @cached_property
    def timm_problem(self) -> str:
        """Why networks of timm that are pending could not be had; empty if they can."""
        asked = {
            (cell.setting.backbone, cell.setting.unfreeze, cell.setting.training.image_size)
            for cell in self.state.pending
            if cell.setting.backbone.startswith(TIMM)
        }
        if asked:
            from .networks.timm_networks import check_timm_request

            try:
                for backbone, unfreeze, size in sorted(asked, key=str):
                    check_timm_request(backbone, unfreeze, size)
            except UserError as error:
                return str(error)
        return ""

    @cached_property
    def largest_head(self) -> HeadNeed | None:
        """The pending head that takes most memory; None where other machines train it."""
        if not self.state.pending or self.options.elsewhere:
            return None
        from .planning.memory import largest_head

        return largest_head(self.state.pending)

    @cached_property
    def jobs(self) -> int:
        """Worker processes: those of the options, or fewer where these may be too many."""
        jobs = self.options.jobs
        if not self.options.fewer_jobs or self.timm_problem or self.largest_head is None:
            return jobs
        from .planning.memory import reduce_jobs

        return reduce_jobs(self.largest_head, self.options.device, jobs)

    @property
    def workers(self) -> str:
        """Who does the work, for people."""
        options = self.options
        if options.elsewhere:
            return f"the workers of {options.scheduler_address} on {options.device}"
        why = ", as memory allows," if self.jobs < options.jobs else ""
        return (
            f"{self.jobs} {'process' if self.jobs == 1 else 'processes'}{why} on {options.device}"
        )

    def task_path(self, task: Task) -> Path | None:
        """Where a task's data lie: from the command line, or the plan."""
        if task.name in self.options.data:
            return self.options.data[task.name]
        return None if task.path is None else self.options.base / task.path

    def check_networks(self) -> None:
        """Refuse networks of timm that cannot be had, before data are read.

        Raises
        ------
        UserError
            With the first.
        """
        if self.timm_problem:
            raise UserError(self.timm_problem)

    def load_datasets(self) -> dict[str, Dataset]:
        """The data sets that :meth:`train` needs; every problem before any training."""
        return {name: self.load_dataset(task) for name, task in self.tasks.items()}

    @property
    def tasks(self) -> dict[str, Task]:
        """The tasks of the plan whose data sets :meth:`train` needs, by name."""
        wanted = self.state.tasks_to_write
        return {task.name: task for task in self.state.plan.tasks if task.name in wanted}

    def load_dataset(self, task: Task, *, pixels: bool = True) -> Dataset:
        """The data set of a task; without `pixels` none will be asked for."""
        sizes = self.image_sizes.get(task.name, []) if pixels else []
        return load_dataset(task, self.task_path(task), audit=self.state.plan.audit, sizes=sizes)

    @cached_property
    def image_sizes(self) -> dict[str, list[int]]:
        """Sizes of images that pending cells are trained on, by task."""
        sizes: dict[str, set[int]] = {}
        for cell in self.state.pending:
            sizes.setdefault(cell.setting.task.name, set()).add(image_size(cell))
        return {name: sorted(own) for name, own in sizes.items()}

    def split(self, datasets: dict[str, Dataset]) -> dict[str, Partitions]:
        """Partition codes by task, then design and repeat."""
        return {name: split_dataset(self.state.plan, dataset) for name, dataset in datasets.items()}

    def train(
        self, datasets: dict[str, Dataset], *, report: Callable[[str], object] = print
    ) -> Iterator[CellOutcome]:
        """Train the pending cells, yielding each as it is committed.

        Parameters
        ----------
        datasets : dict of str to Dataset
            From :meth:`load_datasets`.
        report : callable, optional
            Gets a sentence for what checking weights and data finds.
        """
        self.check_networks()
        self.check_memory()
        self.check_images(datasets)
        for note in self.precision_notes():
            report(f"  {note}")
        partitions = self.split(datasets)
        self._check_weights(report)
        images = {
            (name, size): datasets[name].read_images(size)
            for name, sizes in self.image_sizes.items()
            for size in sizes
        }
        identifiers = Identifiers({"kept": self.state.plan.keep.identifiers})
        if identifiers.hashed:
            plan, archive = self.state.plan, self.state.archive
            salt = self.options.salt or self.options.base / f"{plan.study.name}.salt"
            datasets, identifiers = hash_identifiers(datasets, archive, self.state.root, salt)
        self._check_data(datasets, partitions)
        writer = self._open_writer()
        tasks = self._archive_tasks(writer, datasets, partitions, identifiers, report)
        if self.state.pending:
            yield from self._start_engine(writer, tasks, _one_by_one(images), report)

    def time_left(self, n_cases: Mapping[str, int]) -> TimeLeft:
        """What is left of the time, once cells have ended; `n_cases` are cases by task."""
        import torch

        from .planning.estimate import NOMINAL, probe_speed
        from .time_left import TimeLeft

        device = torch.device(self.options.device)
        here = device.type == "cpu" and not self.options.elsewhere  # a GPU is the workers' alone
        return TimeLeft(
            self.state.pending,
            n_cases,
            self.jobs,
            lambda unit: probe_speed(unit, device) if here else NOMINAL,
        )

    def precision_notes(self) -> list[str]:
        """What of the plan's lower precision this device does not compute in."""
        trainings = [cell.setting.training for cell in self.state.pending]
        wanted = {own.precision for own in trainings}
        wanted |= {own.activations for own in trainings} & {"bfloat16"}
        if wanted == {"float32"} or self.options.elsewhere:
            return []
        from .machine.precision import describe_precision

        return describe_precision(wanted, self.options.device)

    def check_memory(self) -> None:
        """Refuse heads that no worker of this machine could train."""
        if self.largest_head is not None:
            from .planning.memory import check_memory

            check_memory(self.largest_head, self.options.device, self.jobs)

    def check_images(self, datasets: Mapping[str, Dataset]) -> None:
        """Refuse images that have no room in memory."""
        from .planning.memory import check_images

        check_images({name: len(dataset) for name, dataset in datasets.items()}, self.image_sizes)

    def _check_weights(self, report: Callable[[str], object]) -> None:
        from .engine import check_weights

        archive = self.state.archive
        archived = {} if archive is None else archive.weights
        records = check_weights(self.state.pending, self.options.weights_base, archived)
        for (arm, backbone), record in records.items():
            for note in record["notes"]:
                report(f"  arm {arm}, {backbone}: {note}")

    def _check_data(self, datasets: dict[str, Dataset], partitions: dict[str, Partitions]) -> None:
        """Refuse data other than the archived before anything is written, the plan included.

        Where no cell was trained on the archived data, they are replaced instead.
        """
        known = {} if self.state.archive is None else self.state.archive.tasks
        for name in sorted(self.state.tasks_to_write & known.keys()):
            dataset = datasets[name]
            given = {
                "labels_sha256": dataset.labels_sha256,
                "images_sha256": dataset.images_sha256,
                "splits_sha256": split_digests(dataset, partitions[name]),
            }
            try:
                refuse_other_data(name, known[name], given)
            except UserError:
                assert self.state.archive is not None
                if not holds_nothing(self.state.archive):
                    raise
                self.state.begin_again = True

    def _open_writer(self) -> ArchiveWriter:
        """The archive, without what is damaged and without failures that are tried again."""
        writer = ArchiveWriter(self.state.root)
        if self.state.archive is not None:
            writer.remove_damaged(self.state.archive.damaged)
        if self.state.begin_again:
            writer.begin_again()
        extend = self.options.extend or self.state.begin_again
        writer.open(self.state.plan.portable(), extend=extend)
        for cell in self.state.pending:
            writer.forget_failure(cell.cell_id)
        return writer

    def _archive_tasks(
        self,
        writer: ArchiveWriter,
        datasets: dict[str, Dataset],
        partitions: dict[str, Partitions],
        identifiers: Identifiers,
        report: Callable[[str], object],
    ) -> dict[str, TaskData]:
        from .results import TaskData

        tasks = {}
        for name in sorted(self.state.tasks_to_write):
            dataset, own = datasets[name], partitions[name]
            audit = audit_duplicates(dataset, own)
            if audit["pairs"]:
                report(f"  {name}: {describe_duplicates(audit)}")
            for oddity in find_oddities(dataset, self.tasks[name]):
                report(f"  {name}: {oddity}")
            archive_task(writer, dataset, own, audit, identifiers)
            cases = dataset.cases[["case", "patient", "group", "y_true"]]
            tasks[name] = TaskData(cases, own, dataset.labels_sha256)
        return tasks

    def _start_engine(
        self,
        writer: ArchiveWriter,
        tasks: dict[str, TaskData],
        images: Iterable[tuple[tuple[str, int], np.ndarray]],
        report: Callable[[str], object],
    ) -> Iterator[CellOutcome]:
        from .engine import Engine
        from .worker import WorkerOptions

        options, archive = self.options, self.state.archive
        engine = Engine(
            writer,
            tasks,
            WorkerOptions(
                base=options.weights_base,
                device=options.device,
                keep_backbones=self.state.plan.keep.backbones,
                cache_bytes=options.cache_bytes,
                compiled=options.compiled,
            ),
            jobs=self.jobs,
            backend=options.backend,
            address=options.scheduler_address,
        )
        known = frozenset() if archive is None else archive.part_names
        yield from engine.run(self.state.pending, images, known=known, report=report)


def _one_by_one(
    images: dict[tuple[str, int], np.ndarray],
) -> Iterator[tuple[tuple[str, int], np.ndarray]]:
    """Hand images over one set after another, keeping none that is handed over."""
    while images:
        yield images.popitem()


def train_grid(run: GridRun, view: ProgressView) -> int:
    """Train the pending cells under the eyes of a person.

    Returns
    -------
    int
        How many cells of the selection have failed.
    """
    state = run.state
    failed = {cell: failure["reason"] for cell, failure in state.failed.items()}
    view.headline(state, run.workers)
    if not state.pending and not state.stale:
        view.nothing_to_do(failed)
        return len(failed)
    if state.begin_again:
        view.say("the archive is of another plan and holds no cell: it is begun again")
    if state.stale:
        view.say("the archived plan and descriptions are brought up to date")
    run.check_networks()
    datasets = run.load_datasets()
    for dataset in datasets.values():
        view.dataset(
            dataset.name,
            dataset.description,
            dataset.cases,
            patients_known=dataset.patients_known,
        )
    if state.retry_failed:
        failed = {}
    sizes = {name: len(dataset) for name, dataset in datasets.items()}
    with view.progress(state, run.time_left(sizes)) as show:
        for outcome in run.train(datasets, report=view.note):
            if outcome.reason:
                failed[outcome.cell.cell_id] = outcome.reason
            show(outcome)
    view.failures(failed)
    return len(failed)
