"""What a run would do and find, before it is begun: the dry run.

Everything that a run checks before its first cell is checked here, and whatever stands in its
way is collected, not only the first of it. Every image is read once, none is kept; no weights
are fetched, nothing is written.
"""

from __future__ import annotations

__all__ = ["Preview", "TaskPreview", "preview_run"]

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..data import Dataset
from ..data.leakage import audit_duplicates
from ..data.oddities import Oddity, find_oddities, unlisted_images
from ..errors import UserError
from ..study.plan import Task
from .forecast import Forecast, forecast_cells
from .grid import GridRun

#: Why images beside the cases are none.
UNLISTED = "not in the data set's table"


@dataclass(frozen=True)
class TaskPreview:
    """A data set as a run would find it.

    Attributes
    ----------
    dataset : Dataset
    oddities : tuple of Oddity
    duplicates : dict
        From :func:`stats_tl.data.leakage.audit_duplicates`; empty where nothing was looked for.
    """

    dataset: Dataset
    oddities: tuple[Oddity, ...] = ()
    duplicates: dict[str, Any] | None = None


@dataclass(frozen=True)
class Preview:
    """What a run of the pending cells would find.

    Attributes
    ----------
    tasks : tuple of TaskPreview
    weights : dict of str to str
        Where the weights of an arm and backbone are.
    memory : str
        What images and heads take; empty if not known.
    notes : tuple of str
        What of the plan is done otherwise on this device.
    problems : tuple of str
        Why the plan would not run here.
    forecast : Forecast or None
        None where not all data sets could be loaded.
    """

    tasks: tuple[TaskPreview, ...] = ()
    weights: dict[str, str] | None = None
    memory: str = ""
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    forecast: Forecast | None = None


def preview_run(
    run: GridRun, *, progress: Callable[[str, int, int], object] | None = None
) -> Preview:
    """Look at all that a run of the pending cells needs.

    Parameters
    ----------
    run : GridRun
    progress : callable, optional
        Called as ``progress(task, images_read, images)`` now and then.
    """
    state, options = run.state, run.options
    if not state.pending:
        return Preview()
    problems: list[str] = []
    tasks = tuple(
        found
        for task in run.tasks.values()
        if (found := _load(run, task, problems, progress)) is not None
    )
    datasets = {own.dataset.name: own.dataset for own in tasks}
    if run.timm_problem:
        problems.append(run.timm_problem)
        return Preview(tasks, problems=tuple(problems))
    whole = len(datasets) == len(run.tasks)
    for check in (run.check_memory, *([lambda: run.check_images(datasets)] if whole else ())):
        _note_problem(check, problems)
    weights = _find_weights(run, problems)
    preview = Preview(tasks, weights, notes=tuple(run.precision_notes()), problems=tuple(problems))
    if not whole:
        return preview
    from .planning.memory import describe_memory

    sizes = {name: len(dataset) for name, dataset in datasets.items()}
    forecast = forecast_cells(
        state.pending,
        sizes,
        state.seconds_a_case(),
        device=None if options.elsewhere else options.device,
        jobs=run.jobs,
        cache_bytes=options.cache_bytes,
    )
    memory = describe_memory(sizes, run.image_sizes, run.largest_head, options.device, run.jobs)
    return replace(preview, forecast=forecast, memory=memory)


def _load(
    run: GridRun,
    task: Task,
    problems: list[str],
    progress: Callable[[str, int, int], object] | None,
) -> TaskPreview | None:
    """A data set that was looked at; None, and a problem, where it could not be loaded."""
    dataset = None
    try:
        dataset = run.load_dataset(task, pixels=False)
        partitions = run.split({task.name: dataset})[task.name]
        if dataset.synthetic:  # nothing can be odd about what is drawn from a seed
            return TaskPreview(dataset)
        dataset.check_images(
            progress=None if progress is None else lambda done, n: progress(task.name, done, n)
        )
        if unlisted := unlisted_images(dataset):
            left_out = {**dataset.left_out, UNLISTED: tuple(unlisted)}
            dataset = replace(dataset, left_out=left_out)
        oddities = tuple(find_oddities(dataset, task))
        return TaskPreview(dataset, oddities, audit_duplicates(dataset, partitions))
    except UserError as error:
        problems.append(str(error))
        return None if dataset is None else TaskPreview(dataset)


def _note_problem(check: Callable[[], object], problems: list[str]) -> None:
    try:
        check()
    except UserError as error:
        problems.append(str(error))


def _find_weights(run: GridRun, problems: list[str]) -> dict[str, str]:
    """Where weights are, by arm and backbone; those that cannot be had become `problems`."""
    from .planning.presence import find_weights

    archived = {} if run.state.archive is None else run.state.archive.weights
    wanted = {
        (cell.setting.arm.name, cell.setting.backbone): cell.setting.arm
        for cell in run.state.pending
        if cell.setting.arm.source != "random"
    }
    found = {}
    for (name, backbone), arm in wanted.items():
        try:
            found[f"{name}, {backbone}"] = find_weights(
                arm,
                backbone,
                base=run.options.weights_base,
                known=archived.get((name, backbone)),
            )
        except UserError as error:
            problems.append(str(error))
    return found
