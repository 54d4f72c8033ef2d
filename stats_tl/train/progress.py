"""What a person sees of a run: what it is, progress, and the summary after.

Views are given what they show; nothing is loaded, computed or trained here.
"""

from __future__ import annotations

__all__ = ["ProgressView", "count_cases", "describe_run", "format_duration", "say_dataset"]

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import pandas as pd
from tqdm import tqdm

from ..study.cells import Cell
from ..visible import say, visible
from .state import GridState

if TYPE_CHECKING:  # their modules import torch, which a dry run may do without
    from .time_left import TimeLeft
    from .workers.scheduling import CellOutcome


def format_duration(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3 h 05 min``, ``2 d 4 h``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 36 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"


def say_dataset(name: str, description: str, cases: pd.DataFrame, *, patients_known: bool) -> None:
    """A data set, and what it holds."""
    say(f"  {name}: {description}")
    say(f"  {count_cases(cases, patients_known)}")


class ProgressView:
    """A bar on a terminal, else a line per cell.

    Parameters
    ----------
    style : {"auto", "bar", "lines", "none"}
    """

    def __init__(self, style: str):
        self._bar = style == "bar" or (style == "auto" and sys.stderr.isatty())
        self._lines = style != "none" and not self._bar

    def headline(self, state: GridState, workers: str) -> None:
        """The study, how much of it is left, and who does it."""
        self.say(describe_run(state, workers))

    def say(self, text: str) -> None:
        """A line of its own."""
        say(text)

    def note(self, text: str) -> None:
        """A line beside the progress, which it does not disturb."""
        tqdm.write(visible(text))

    def dataset(
        self, name: str, description: str, cases: pd.DataFrame, *, patients_known: bool
    ) -> None:
        """A data set that was loaded."""
        say_dataset(name, description, cases, patients_known=patients_known)

    def nothing_to_do(self, failed: Mapping[str, str]) -> None:
        """No cell is pending; `failed` are reasons by cell."""
        self.say("nothing pending" if failed else "nothing to do: every selected cell is done")
        self.failures(failed)

    @contextlib.contextmanager
    def progress(
        self, state: GridState, time_left: TimeLeft
    ) -> Iterator[Callable[[CellOutcome], None]]:
        """A context whose value is called with every cell that has ended."""
        total, number, started = len(state.pending), 0, time.monotonic()
        with tqdm(
            total=total,
            unit="cell",
            disable=not self._bar,
            dynamic_ncols=True,
            desc=state.plan.study.name,
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]",
        ) as bar:

            def show(outcome: CellOutcome) -> None:
                nonlocal number
                number += 1
                time_left.note(outcome)
                left = time_left.seconds() if number < total else None
                remaining = "" if left is None else f"{format_duration(left)} left"
                bar.set_postfix_str(remaining, refresh=False)
                bar.update()
                if self._lines:
                    result = outcome.reason or f"AUC {outcome.auc:.3f}"
                    self.say(
                        f"[{number:>{len(str(total))}}/{total}] {_name(outcome.cell)}  {result}  "
                        f"{outcome.seconds:.1f} s{', ' if remaining else ''}{remaining}"
                    )

            yield show
        say(f"{total} cells in {format_duration(time.monotonic() - started)}: {state.root}")

    def failures(self, failed: Mapping[str, str]) -> None:
        """The most frequent reasons, and where to read more."""
        if not failed:
            return
        say(f"{len(failed)} cells failed (--retry-failed trains them again):", error=True)
        for reason, count in Counter(failed.values()).most_common(5):
            say(f"  {count} × {reason}", error=True)
        say("  the whole log of each: failed/<cell>.json in the archive", error=True)


def describe_run(state: GridState, workers: str) -> str:
    """The study, how much of it is left, and who does it."""
    title = f": {state.plan.study.title}" if state.plan.study.title else ""
    return (
        f"{state.plan.study.name}{title}\n"
        f"{len(state.selected)} cells, {len(state.pending)} to train with {workers}, "
        f"archive {state.root}"
    )


def count_cases(cases: pd.DataFrame, patients_known: bool) -> str:
    """Images, patients and classes."""
    positives = int(cases["y_true"].sum())
    patients = f" of {cases['patient'].nunique()} patients" if patients_known else ""
    unknown = "" if patients_known else "; patients unknown"
    return (
        f"{len(cases)} images{patients}, {positives} positive, {len(cases) - positives} "
        f"negative{unknown}"
    )


def _name(cell: Cell) -> str:
    setting = cell.setting
    repeat = {"cv": "repeat", "half": "half-sample repeat", "halving": "halving repeat"}
    return (
        f"{setting.task.name} {setting.backbone} {setting.head.name} unfreeze {setting.unfreeze} "
        f"{setting.arm.name} {repeat[setting.design]} {cell.repeat} fold {cell.fold} "
        f"seed {cell.seed}"
    )
