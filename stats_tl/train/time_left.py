"""How long a run will go on, from what its cells have taken so far.

Cells differ in cost by orders of magnitude, a chunk of up to fifty is told as a whole, and
before the first come imports, loading and a feature pass. So neither cells nor the clock on the
wall are counted: what a worker spent on the cells of a setting, over what was expected of them,
corrects what is expected of the others.
"""

from __future__ import annotations

__all__ = ["TimeLeft"]

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..study.cells import Cell
from .planning.estimate import Speed, expected_seconds
from .planning.units import Unit, chunks_in_order, plan_units
from .workers.scheduling import CellOutcome

#: What a cell has in common with others, from the most similar to all.
_Kinds = tuple[tuple[str, ...], ...]


class TimeLeft:
    """Estimates the wall time that is left.

    Parameters
    ----------
    cells : sequence of Cell
        All that the run is to train.
    n_cases : mapping of str to int
        Cases by task.
    jobs : int
        Workers that share the work.
    speed_of : callable
        The speed that is expected of a worker with a unit's backbone; wrong by a factor that
        all share, it does no harm. Not asked before a cell has ended.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        n_cases: Mapping[str, int],
        jobs: int,
        speed_of: Callable[[Unit], Speed],
    ):
        self._cells, self._n_cases, self._jobs, self._speed_of = cells, n_cases, jobs, speed_of
        self._begun = False

    def _begin(self) -> None:
        """What is expected; only now, when the workers have begun and are not held up by it."""
        self._begun = True
        units, jobs = plan_units(self._cells), self._jobs
        self._expected = expected_seconds(units, self._n_cases, self._speed_of)
        self._kinds = {
            cell.cell_id: tuple(_kinds(cell, unit.frozen)) for unit in units for cell in unit.cells
        }
        self._chunks = {
            cell.cell_id: number
            for number, chunk in enumerate(chunks_in_order(units, jobs))
            for cell in chunk.cells
        }
        self._left = set(self._expected)
        self._left_of = Counter(self._chunks.values())
        self._work: defaultdict[_Kinds, float] = defaultdict(float)
        for cell, expected in self._expected.items():
            self._work[self._kinds[cell]] += expected
        self._spent: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self._was_expected: defaultdict[tuple[str, ...], float] = defaultdict(float)

    def note(self, outcome: CellOutcome) -> None:
        """Take account of a cell that has ended, and of those that ended with it."""
        if not self._begun:
            self._begin()
        own = outcome.cell.cell_id
        for cell in {own, *outcome.together} & self._left:
            self._left.remove(cell)
            self._work[self._kinds[cell]] -= self._expected[cell]
            self._left_of[self._chunks[cell]] -= 1
            if not self._left_of[self._chunks[cell]]:
                del self._left_of[self._chunks[cell]]
        if outcome.share > 0 and own in self._kinds:
            for kind in self._kinds[own]:
                self._spent[kind] += outcome.share
                self._was_expected[kind] += self._expected[own]

    def seconds(self) -> float | None:
        """Wall time that is left; None as long as nothing is known."""
        if self._begun and not self._left:
            return 0.0
        if not self._begun or not self._was_expected[()]:
            return None
        work = sum(expected * self._pace(kinds) for kinds, expected in self._work.items())
        return max(0.0, work) / min(self._jobs, len(self._left_of))

    def _pace(self, kinds: _Kinds) -> float:
        """Time spent over time expected, of the most similar cells that have ended."""
        known = next(kind for kind in kinds if self._was_expected[kind])
        return self._spent[known] / self._was_expected[known]


def _kinds(cell: Cell, frozen: bool) -> Iterator[tuple[str, ...]]:
    setting = cell.setting
    depth = str(setting.unfreeze)
    yield (setting.task.name, setting.backbone, setting.head.name, depth, setting.design)
    yield (setting.backbone, setting.head.name, depth)
    yield (setting.backbone, depth)
    yield ("frozen" if frozen else "trained",)
    yield ()
