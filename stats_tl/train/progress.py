"""What a person sees of a run: the state before it, progress, and the summary after."""

from __future__ import annotations

__all__ = ["format_duration", "print_state", "train_with_progress"]

import sys
import time
from collections import Counter

import pandas as pd
from tqdm import tqdm

from ..data import Dataset
from ..errors import UserError
from ..study.cells import Cell
from .grid import GridState


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


def print_state(state: GridState, *, cache_bytes: int) -> None:
    """What is done, failed and pending, what is kept in memory, and about how long it takes."""
    summary = state.summary()
    print(_headline(state))
    print()
    print(summary.to_string(index=False))
    print()
    counts = summary[["done", "failed", "pending"]].sum()
    print(f"{counts['done']} done, {counts['failed']} failed, {counts['pending']} pending")
    for cell_id, failure in sorted(state.failed.items()):
        print(f"  failed {cell_id}: {failure['reason']}")
    half = [cell for cell in state.selected if cell.setting.design == "half"]
    if not state.pending:
        if half:
            print(_half_line(state, half))
        return
    try:
        datasets = state.load_datasets(for_training=False)
    except UserError as error:
        if half:
            print(_half_line(state, half))
        print(f"\nno estimate of the time, and this plan would not run here:\n{error}")
        return
    state.split(datasets)
    _print_caches(state, datasets, cache_bytes)
    if state.options.scheduler_address is not None:
        print("no estimate of the time: the machines that will do the work are not asked")
        if half:
            print(_half_line(state, half))
        return
    seconds = _estimate(state, state.pending, datasets)
    print(f"about {format_duration(seconds)} with {_workers(state)}")
    if half:
        others = [cell for cell in state.pending if cell.setting.design != "half"]
        own = seconds - _estimate(state, others, datasets)
        cost = (
            f", about {format_duration(own)} of the time"
            if len(others) < len(state.pending)
            else ""
        )
        print(_half_line(state, half) + cost)


def train_with_progress(state: GridState, *, style: str, cache_bytes: int) -> int:
    """Train the pending cells; return how many cells of the selection have failed."""
    total = len(state.pending)
    print(_headline(state), flush=True)
    if not total and not state.stale:
        already = len(state.failed)
        print("nothing to do: every selected cell is done" if not already else "nothing pending")
        return _report_failures({c: f["reason"] for c, f in state.failed.items()})
    if state.stale:
        print("the archived plan and descriptions are brought up to date", flush=True)
    datasets = state.load_datasets()
    for dataset in datasets.values():
        print(f"  {dataset.name}: {dataset.description}")
        print(f"  {_counts(dataset.cases)}", flush=True)
    bar = style == "bar" or (style == "auto" and sys.stderr.isatty())
    failed = {c: f["reason"] for c, f in state.failed.items() if not state.options.retry_failed}
    started = time.monotonic()
    outcomes = state.run(datasets, cache_bytes=cache_bytes, report=tqdm.write)
    with tqdm(
        total=total, unit="cell", disable=not bar, dynamic_ncols=True, desc=state.plan.study.name
    ) as progress:
        for number, outcome in enumerate(outcomes, 1):
            if outcome.reason:
                failed[outcome.cell.cell_id] = outcome.reason
            progress.update()
            if style != "none" and not bar:
                left = (time.monotonic() - started) / number * (total - number)
                remaining = f", {format_duration(left)} left" if number < total else ""
                result = outcome.reason or f"AUC {outcome.auc:.3f}"
                print(
                    f"[{number:>{len(str(total))}}/{total}] {_name(outcome.cell)}  {result}  "
                    f"{outcome.seconds:.1f} s{remaining}",
                    flush=True,
                )
    print(f"{total} cells in {format_duration(time.monotonic() - started)}: {state.root}")
    return _report_failures(failed)


def _half_line(state: GridState, half: list[Cell]) -> str:
    """What of the cells is the extra two-fold repeats, which only the learning curve needs."""
    waiting = {cell.cell_id for cell in state.pending}
    done = sum(cell.cell_id in state.done for cell in half)
    failed = sum(cell.cell_id in state.failed for cell in half)
    pending = sum(cell.cell_id in waiting for cell in half)
    repeats = len({cell.repeat for cell in half})
    return (
        f"of these, for the learning curve ({repeats} extra two-fold "
        f"{'repeat' if repeats == 1 else 'repeats'}, half of the data): "
        f"{done} done, {failed} failed, {pending} pending"
    )


def _report_failures(failed: dict[str, str]) -> int:
    if failed:
        print(f"{len(failed)} cells failed (--retry-failed trains them again):", file=sys.stderr)
        for reason, count in Counter(failed.values()).most_common(5):
            print(f"  {count} × {reason}", file=sys.stderr)
        print("  the whole log of each: failed/<cell>.json in the archive", file=sys.stderr)
    return len(failed)


def _headline(state: GridState) -> str:
    title = f": {state.plan.study.title}" if state.plan.study.title else ""
    return (
        f"{state.plan.study.name}{title}\n"
        f"{len(state.selected)} cells, {len(state.pending)} to train with {_workers(state)}, "
        f"archive {state.root}"
    )


def _workers(state: GridState) -> str:
    if state.options.scheduler_address is not None:
        return f"the workers of {state.options.scheduler_address} on {state.options.device}"
    jobs = state.jobs
    why = ", as memory allows," if jobs < state.options.jobs else ""
    return f"{jobs} {'process' if jobs == 1 else 'processes'}{why} on {state.options.device}"


def _counts(cases: pd.DataFrame) -> str:
    positives = int(cases["y_true"].sum())
    return (
        f"{len(cases)} images of {cases['patient'].nunique()} patients, "
        f"{positives} positive, {len(cases) - positives} negative"
    )


def _name(cell: Cell) -> str:
    setting = cell.setting
    repeat = "half-sample repeat" if setting.design == "half" else "repeat"
    return (
        f"{setting.task.name} {setting.backbone} {setting.head.name} unfreeze {setting.unfreeze} "
        f"{setting.arm.name} {repeat} {cell.repeat} fold {cell.fold} seed {cell.seed}"
    )


def _print_caches(state: GridState, datasets: dict[str, Dataset], cache_bytes: int) -> None:
    from .planning.units import plan_units
    from .prepare import describe_caches

    sizes = {name: len(dataset.cases) for name, dataset in datasets.items()}
    for line in describe_caches(plan_units(state.pending), sizes, cache_bytes):
        print(line)


def _estimate(state: GridState, cells: list[Cell], datasets: dict[str, Dataset]) -> float:
    import torch

    from .planning.estimate import estimate_seconds

    measured: dict[tuple[str, ...], float] = {}
    if state.archive is not None:
        keys = ["task", "backbone", "head", "unfreeze", "arm"]
        trained = pd.concat([state.archive.cells, state.archive.half_cells])
        sums = trained.groupby(keys, as_index=False)[["seconds", "n_train"]].sum()
        names = zip(*(sums[key] for key in keys), strict=True)
        measured = dict(zip(names, sums["seconds"] / sums["n_train"], strict=True))
    return estimate_seconds(
        cells,
        {name: len(dataset.cases) for name, dataset in datasets.items()},
        measured,
        device=torch.device(state.options.device),
        jobs=state.jobs,
    )
