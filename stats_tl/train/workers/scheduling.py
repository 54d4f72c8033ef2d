"""From pending cells to outcomes: claims, rounds, and what to do with workers that die.

A round sends every cell that is left, chunk by chunk, to the backend. A worker claims the
cells of its chunk first (:mod:`stats_tl.archive.claims`) and trains those that are free; the
others are trained, or were, by another run. After a round the cells that others have
finished are taken from the archive, and what is still theirs is waited for.

A worker that dies (the system ends processes when memory runs out) leaves claims behind,
which tell what it was doing. These chunks are tried again by a worker alone; if it dies too,
cell by cell; and a cell with which a lone worker dies is recorded as failed.
"""

from __future__ import annotations

__all__ = ["CellOutcome", "WorkerLostError", "train_cells"]

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from ...archive.claims import Claims
from ...errors import UserError
from ...study.cells import Cell
from ..planning.units import Chunk, Unit, chunks_in_order, equal_cost, plan_units
from .backends import Backend, LostWorkersError

#: Rounds without a single claim or outcome in which workers may die.
_MOST_LOSSES = 3
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0


class WorkerLostError(UserError):
    """The system ends worker processes before they begin."""

    exit_code = 1


@dataclass(frozen=True)
class CellOutcome:
    """What became of a cell.

    Attributes
    ----------
    cell : Cell
    auc : float
        NaN where it failed.
    seconds : float
        Of its training alone.
    reason : str
        Why it failed.
    share : float
        Its share of the time that a worker had its chunk, loading, feature pass and commit
        included; 0 where this run has not trained it.
    together : frozenset of str
        Identifiers of the cells that ended with it: a chunk is committed, and told, as a whole.
    """

    cell: Cell
    auc: float
    seconds: float
    reason: str = ""
    share: float = 0.0
    together: frozenset[str] = frozenset()


class Worker(Protocol):
    """Trains a chunk wherever it is called, and commits it."""

    def __call__(self, chunk: Chunk) -> list[CellOutcome]: ...

    def fail(self, cell: Cell, reason: str, log: str) -> CellOutcome:
        """Record a cell as failed."""


@dataclass(frozen=True)
class _Claiming:
    """A worker that trains what it can claim; cells of others are not among its outcomes."""

    worker: Worker
    claims: Claims

    def __call__(self, chunk: Chunk) -> list[CellOutcome]:
        with self.claims.hold([cell.cell_id for cell in chunk.cells]) as mine:
            mine -= self.claims.failed(mine).keys()
            cells = tuple(cell for cell in chunk.cells if cell.cell_id in mine)
            if not cells:
                return []
            started = time.perf_counter()
            outcomes = self.worker(replace(chunk, cells=cells))
            return _share_time(outcomes, time.perf_counter() - started)


def _share_time(outcomes: list[CellOutcome], seconds: float) -> list[CellOutcome]:
    """The outcomes of a chunk with its time: each its own training, and the rest evenly."""
    rest = max(0.0, seconds - sum(own.seconds for own in outcomes)) / max(1, len(outcomes))
    together = frozenset(own.cell.cell_id for own in outcomes)
    return [replace(own, share=own.seconds + rest, together=together) for own in outcomes]


def train_cells(
    cells: list[Cell],
    worker: Worker,
    claims: Claims,
    backend: Backend,
    *,
    cost: Callable[[Unit], float] = equal_cost,
    report: Callable[[str], object] = print,
) -> Iterator[CellOutcome]:
    """Train every cell once, by this run or by another that works on the same archive.

    Parameters
    ----------
    cells : list of Cell
        Not committed, and without a recorded failure.
    worker : Worker
    claims : Claims
    backend : Backend
    cost : callable, optional
        About how long a cell of a unit takes; the longest come first.
    report : callable, optional
        Gets a sentence when workers die, and when others are waited for.

    Yields
    ------
    CellOutcome
        Every cell once.

    Raises
    ------
    WorkerLostError
        If workers die again and again before they have begun.
    """
    left = {cell.cell_id: cell for cell in cells}
    losses, waited = 0, _FIRST_WAIT
    seen: dict[str, tuple[int, float]] = {}
    told = False
    while left:
        before = len(left)
        died = yield from _round(left, worker, claims, backend, cost)
        # Nothing of this run is at work now: what it still holds, dead workers have held. A
        # cluster does not always tell of them, for it sends their chunks to others by itself.
        suspects = [left[cell] for cell in sorted(claims.held() & left.keys())]
        if died is not None or suspects:
            losses = 0 if suspects or len(left) < before else losses + 1
            if losses >= _MOST_LOSSES:
                raise WorkerLostError(
                    "worker processes are killed from outside before they begin, by the system if "
                    f"memory ran out; fewer --jobs than {backend.jobs} need less. What is finished "
                    "is kept, the next run continues"
                ) from died
            report(
                "  a worker process was killed from outside, by the system if memory ran out; "
                f"{len(suspects)} cells are tried again by a worker alone"
            )
            claims = claims.without({cell.cell_id for cell in suspects})
            for outcome in _alone(suspects, worker, claims, backend):
                left.pop(outcome.cell.cell_id, None)
                yield outcome
        elif len(left) < before:
            waited = _FIRST_WAIT
        else:
            if not told:
                report(f"  waiting for {len(left)} cells that other processes are training")
                told = True
            claims, waited = yield from _wait(left, claims, seen, waited)
    claims.tidy({cell.cell_id for cell in cells})


def _round(
    left: dict[str, Cell],
    worker: Worker,
    claims: Claims,
    backend: Backend,
    cost: Callable[[Unit], float],
) -> Generator[CellOutcome, None, LostWorkersError | None]:
    """Every cell of `left` once through the backend, and what others have finished meanwhile.

    Cells with an outcome are taken from `left`. Returns how workers were lost, if they were.
    """
    died = None
    try:
        chunks = chunks_in_order(plan_units(left.values()), backend.jobs, cost)
        for outcomes in backend.run(_Claiming(worker, claims), chunks):
            for outcome in outcomes:
                left.pop(outcome.cell.cell_id, None)
                yield outcome
    except LostWorkersError as error:
        died = error
    yield from _others(left, claims)
    return died


def _wait(
    left: dict[str, Cell], claims: Claims, seen: dict[str, tuple[int, float]], waited: float
) -> Generator[CellOutcome, None, tuple[Claims, float]]:
    """Look again and again, until others have finished `left` or something of it is free.

    Returns the claims, void for those whose holders show no life, and the last pause.
    """
    free = False
    while left and not free:
        time.sleep(waited)
        waited = min(2 * waited, _LONGEST_WAIT)
        yield from _others(left, claims)
        claims = replace(claims, void=claims.watch(seen))
        free = not left.keys() <= claims.taken()
    return claims, waited


def _others(left: dict[str, Cell], claims: Claims) -> Iterator[CellOutcome]:
    """Cells that other runs, or workers that died afterwards, have finished; taken from `left`."""
    for cell, auc in claims.committed(left).items():
        yield CellOutcome(left.pop(cell), auc, 0.0)
    for cell, reason in sorted(claims.failed(left).items()):
        yield CellOutcome(left.pop(cell), float("nan"), 0.0, reason)


def _alone(
    suspects: list[Cell], worker: Worker, claims: Claims, backend: Backend
) -> Iterator[CellOutcome]:
    """Chunks with which a worker died, each by a worker alone; then their cells, one by one."""
    for chunk in chunks_in_order(plan_units(suspects), 1):
        found, died, claims = _try(chunk, worker, claims, backend)
        yield from found
        if died is None:
            continue
        known = {outcome.cell.cell_id for outcome in found}
        for cell in chunk.cells:
            if cell.cell_id in known:
                continue
            if len(chunk.cells) > 1:
                found, died, claims = _try(replace(chunk, cells=(cell,)), worker, claims, backend)
                yield from found
                if died is None:
                    continue
            yield worker.fail(
                cell,
                "the worker process died while it trained this cell alone, killed from outside, "
                "by the system if memory ran out",
                f"{type(died).__name__}: {died}",
            )


def _try(
    chunk: Chunk, worker: Worker, claims: Claims, backend: Backend
) -> tuple[list[CellOutcome], LostWorkersError | None, Claims]:
    """A chunk by a worker alone: outcomes, whether it died, and claims without the dead one's."""
    found: list[CellOutcome] = []
    died = None
    try:
        for outcomes in backend.apart(_Claiming(worker, claims), [chunk]):
            found += outcomes
    except LostWorkersError as error:
        died = error
    missing = {cell.cell_id for cell in chunk.cells} - {own.cell.cell_id for own in found}
    left = claims.held() & missing
    if left and died is None:
        died = LostWorkersError("the worker is gone that had claimed it")
    return found, died, claims.without(left)
