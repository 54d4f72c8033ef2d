"""What a dry run shows: what is left to do, and what a run would find and take."""

from __future__ import annotations

__all__ = ["ReadingBar", "print_preview", "print_state"]

import sys
from collections.abc import Mapping, Sequence

from tqdm import tqdm

from ..data.leakage import describe_duplicates
from ..data.problems import listed
from ..study.cells import HALVING_REPEATS, Cell
from ..visible import say, visible
from .forecast import Forecast
from .preview import Preview, TaskPreview
from .progress import describe_run, format_duration, say_dataset
from .state import GridState


class ReadingBar:
    """A bar on a terminal while images are read, a bar a task.

    Parameters
    ----------
    style : {"auto", "bar", "lines", "none"}
    """

    def __init__(self, style: str):
        self._shown = style == "bar" or (style == "auto" and sys.stderr.isatty())
        self._bars: dict[str, tqdm] = {}

    def __call__(self, task: str, done: int, total: int) -> None:
        if not self._shown:
            return
        if task not in self._bars:
            what = visible(f"reading {task}")
            self._bars[task] = tqdm(total=total, unit="image", desc=what, dynamic_ncols=True)
        bar = self._bars[task]
        bar.update(done - bar.n)
        if done >= total:
            bar.close()


def print_state(state: GridState, workers: str) -> None:
    """What is done, failed and pending, and with whom."""
    summary = state.summary()
    say(describe_run(state, workers))
    say()
    say(summary.to_string(index=False))
    say()
    counts = summary[["done", "failed", "pending"]].sum()
    say(f"{counts['done']} done, {counts['failed']} failed, {counts['pending']} pending")
    for cell_id, failure in sorted(state.failed.items()):
        say(f"  failed {cell_id}: {failure['reason']}")


def print_preview(state: GridState, workers: str, preview: Preview) -> None:
    """What the data hold, what looks odd among them, what is kept, and about how long it takes."""
    for task in preview.tasks:
        _print_task(task)
    if preview.weights:
        say("weights:")
        for whose, where in preview.weights.items():
            say(f"  {whose}: {where}")
    for line in filter(None, (preview.memory, *preview.notes)):
        say(line)
    if preview.forecast is not None:
        _print_forecast(preview.forecast, workers)
    _print_designs(state, {} if preview.forecast is None else preview.forecast.design_seconds)
    if preview.problems:
        estimate = "" if preview.forecast is not None else "no estimate of the time, and "
        say(f"\n{estimate}this plan would not run here:")
        for problem in preview.problems:
            say(problem)


def _print_forecast(forecast: Forecast, workers: str) -> None:
    for line in forecast.caches:
        say(line)
    if forecast.seconds is None:
        say("no estimate of the time: the machines that will do the work are not asked")
    else:
        say(f"about {format_duration(forecast.seconds)} with {workers}")


def _print_designs(state: GridState, shares: Mapping[str, float]) -> None:
    """What is asked for beside the cross-validation; `shares` is what it costs, in seconds."""
    for design, describe in (("half", _half_words), ("halving", _halving_words)):
        if own := state.of_design(design):
            cost = ""
            if design in shares:
                cost = f", about {format_duration(shares[design])} of the time"
            say(f"of these, {describe(own)}: {state.count(own)}{cost}")


def _print_task(task: TaskPreview) -> None:
    dataset = task.dataset
    say_dataset(
        dataset.name,
        dataset.description,
        dataset.cases,
        patients_known=dataset.patients_known,
    )
    for reason, names in dataset.left_out.items():
        say(f"    left out, {reason} ({len(names)}): {listed(names, 3)}")
    if task.oddities:
        say("  look at these before anything is trained:")
    for oddity in task.oddities:
        say(f"    {oddity}")
    if task.duplicates and task.duplicates["pairs"]:
        say(f"    {describe_duplicates(task.duplicates)}")


def _half_words(cells: Sequence[Cell]) -> str:
    """What the extra two-fold repeats are for, which only the learning curve needs."""
    repeats = len({cell.repeat for cell in cells})
    return (
        f"for the learning curve ({repeats} extra two-fold "
        f"{'repeat' if repeats == 1 else 'repeats'}, half of the data)"
    )


def _halving_words(cells: Sequence[Cell]) -> str:
    """What the halvings are for, which only the variance of training needs."""
    halvings = len({cell.repeat // HALVING_REPEATS for cell in cells})
    return (
        f"for the variance of training ({halvings} "
        f"{'halving' if halvings == 1 else 'halvings'} of the patients)"
    )
