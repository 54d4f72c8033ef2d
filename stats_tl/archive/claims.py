"""Which process trains which cell, when several work on one archive.

A process *claims* cells before it trains them, by files in ``claims/``::

    <holder>.holder         who: machine, process, the run it belongs to
    <cell>.<generation>     a hard link to the holder's file

Creating a link is atomic, also on NFS, and fails if the name is taken; no locks are used.
A claim is void once its holder is dead: at once, where the holder was a process of this
machine; else when the holder's file has not changed for `LEASE` seconds *of the observer's
own monotonic clock* (a living holder touches it every `BEAT` seconds), so that neither
clocks that differ nor clocks that go backwards matter. A void claim is not removed but
outbid: the next generation is created, which one process only can do.

After a claim is won, the parts of the archive are looked at once more: a claim is given back
only after its cells are committed, so that a cell which is neither claimed nor committed is
not trained by anyone.

What is assumed of a file system: that ``link`` (or, where it has no links, ``open`` with
``O_EXCL``) is atomic, that a rename is, and that a file that another machine has written is
seen after at most `LEASE` − `BEAT` seconds. If that fails, cells are trained twice, which
costs time and, on the same hardware, nothing else.
"""

from __future__ import annotations

__all__ = ["BEAT", "LEASE", "Claims"]

import contextlib
import functools
import json
import os
import threading
import time
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import ArchiveDamagedError, UserError
from .files import read_sealed
from .parts import read_part
from .processes import describe_process, link, still_runs

#: Seconds between two signs of life, and without one until a holder counts as dead.
BEAT, LEASE = 15.0, 120.0


@functools.cache
def _cells_of(path: Path) -> dict[str, float]:
    """AUCs by cell of a part; parts never change, so each is read once a process."""
    return {row.cell_id: _number(row.metrics["auc"]) for row in read_part(path).rows}


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


@dataclass(frozen=True)
class Claims:
    """The claims of one run; small, and sent to its workers.

    Parameters
    ----------
    root : Path
        Folder of the archive.
    known : frozenset of str
        Parts that the run knew when it began: their cells are not asked for.
    run : str, optional
        Identifier of the run.
    void : frozenset of (str, int), optional
        Claims of other machines whose holders have shown no sign of life, as (name,
        modification time), from :meth:`watch`.
    """

    root: Path
    known: frozenset[str]
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    void: frozenset[tuple[str, int]] = frozenset()

    @property
    def folder(self) -> Path:
        """Where claims lie."""
        return self.root / "claims"

    @contextlib.contextmanager
    def hold(self, cells: Collection[str]) -> Iterator[set[str]]:
        """Claim what is free of `cells`, for as long as the context lasts.

        Yields
        ------
        set of str
            The cells that are this process's to train: free, and not committed meanwhile.
        """
        holder = self.folder / f"{uuid.uuid4().hex}.holder"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            holder.write_text(json.dumps({**describe_process(), "run": self.run}))
        except OSError as error:
            raise _refused(holder, error) from error
        won: dict[str, int] = {}
        over = threading.Event()
        touched = [holder]
        heart = threading.Thread(target=_beat, args=(touched, over), daemon=True)
        try:
            heart.start()
            taken = self._generations()
            for cell in cells:
                generation = self._claim(cell, taken.get(cell, -1), touched)
                if generation is not None:
                    won[cell] = generation
            self._withdraw_disputed(won)
            done = self.committed(won)
            self._release({cell: won.pop(cell) for cell in done})
            yield set(won)
        finally:
            over.set()
            self._release(won)
            holder.unlink(missing_ok=True)

    def _all_generations(self) -> Iterator[tuple[str, int]]:
        """Cell and generation of every claim, void or not."""
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.folder):  # noqa: PTH208 - names are all that is needed
                cell, _, generation = name.rpartition(".")
                if generation.isdecimal():
                    yield cell, int(generation)

    def _generations(self) -> dict[str, int]:
        """The latest generation of each claim."""
        latest: dict[str, int] = {}
        for cell, generation in self._all_generations():
            latest[cell] = max(latest.get(cell, -1), generation)
        return latest

    def _claim(self, cell: str, latest: int, touched: list[Path]) -> int | None:
        """Win the next generation if the latest is void; None if another holds the cell."""
        if latest >= 0 and not self._is_void(f"{cell}.{latest}"):
            return None
        path = self.folder / f"{cell}.{latest + 1}"
        try:
            if not link(touched[0], path):
                touched.append(path)
        except FileExistsError:
            return None
        except OSError as error:
            raise _refused(path, error) from error
        return latest + 1

    def _withdraw_disputed(self, won: dict[str, int]) -> None:
        """Give back cells that another holds in another generation.

        Between the look and the link others may have outbid, failed and given back, and a
        third begun with the first generation again. Of two who look after they have linked,
        at least one sees the other; if both do, the cell is free for the next round.
        """
        for cell, number in self._all_generations():
            if cell in won and number != won[cell] and not self._is_void(f"{cell}.{number}"):
                (self.folder / f"{cell}.{won.pop(cell)}").unlink(missing_ok=True)

    def _is_void(self, name: str) -> bool:
        path = self.folder / name
        try:
            process = json.loads(path.read_bytes())
            runs = still_runs(process)
        except FileNotFoundError:
            return True
        except (OSError, ValueError, AttributeError):
            runs = None  # no link but a file of its own, not written yet; or a damaged one
        if runs is not None:
            return not runs
        return (name, _changed(path)) in self.void

    def _release(self, won: dict[str, int]) -> None:
        """Give claims back, the outbid generations first."""
        for cell, generation in won.items():
            for number in range(generation + 1):
                with contextlib.suppress(OSError):
                    (self.folder / f"{cell}.{number}").unlink()

    def committed(self, cells: Collection[str]) -> dict[str, float]:
        """AUCs of those of `cells` that have been committed since the run began, by anyone."""
        wanted, found = set(cells), {}
        if not wanted:
            return {}
        for path in (self.root / "parts").glob("*.json"):
            if path.stem not in self.known:
                try:
                    own = _cells_of(path)
                except (ArchiveDamagedError, FileNotFoundError):
                    continue
                found.update({cell: own[cell] for cell in wanted & own.keys()})
        return found

    def failed(self, cells: Collection[str]) -> dict[str, str]:
        """Those of `cells` that have been recorded as failed since the run began, and why."""
        found = {}
        for cell in cells:
            path = self.root / "failed" / f"{cell}.json"
            if path.exists():
                with contextlib.suppress(FileNotFoundError):
                    found[cell] = _reason(path)
        return found

    def taken(self) -> set[str]:
        """Cells that live claims, or claims of unknown life, keep from others."""
        latest = self._generations()
        return {cell for cell, number in latest.items() if not self._is_void(f"{cell}.{number}")}

    def held(self) -> set[str]:
        """Cells that workers of this run hold, on whatever machine they are or were."""
        found = set()
        for cell, number in self._generations().items():
            with contextlib.suppress(OSError, ValueError, AttributeError):
                holder = json.loads((self.folder / f"{cell}.{number}").read_bytes())
                if holder.get("run") == self.run:
                    found.add(cell)
        return found

    def without(self, cells: Collection[str]) -> Claims:
        """These claims, for which those of `cells` are void as long as they show no life."""
        latest = self._generations()
        names = (f"{cell}.{latest[cell]}" for cell in cells if cell in latest)
        gone = {(name, _changed(self.folder / name)) for name in names}
        return replace(self, void=self.void | gone)

    def watch(self, seen: dict[str, tuple[int, float]]) -> frozenset[tuple[str, int]]:
        """Claims that have not changed for `LEASE` seconds while this process looked on.

        Parameters
        ----------
        seen : dict of str to (int, float)
            Modification time, and when it was first seen by the monotonic clock; kept
            between calls by the caller.
        """
        now, void = time.monotonic(), set()
        for cell, number in self._generations().items():
            name = f"{cell}.{number}"
            changed = _changed(self.folder / name)
            if seen.get(name, (None, 0.0))[0] != changed:
                seen[name] = (changed, now)
            elif now - seen[name][1] > LEASE:
                void.add((name, changed))
        return frozenset(void)

    def tidy(self, done: Collection[str]) -> None:
        """Remove what dead processes left: claims of cells that are done, holders' files.

        To be called when no worker of this run is at work: what it still holds, the dead held.
        """
        done, held = set(done), self.held()
        for cell, number in self._generations().items():
            if cell in done and (cell in held or self._is_void(f"{cell}.{number}")):
                self._release({cell: number})
        with contextlib.suppress(OSError):
            for path in self.folder.glob("*.holder"):
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    holder = json.loads(path.read_bytes())
                    if holder.get("run") == self.run or still_runs(holder) is False:
                        path.unlink()


def _refused(path: Path, error: OSError) -> UserError:
    why = error.strerror or error
    return UserError(f"cannot write {path}: {why}; what was finished before is kept")


def _reason(path: Path) -> str:
    try:
        return str(read_sealed(path)["reason"])
    except (ArchiveDamagedError, KeyError, TypeError):
        return "its failure record is damaged"


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _beat(touched: list[Path], over: threading.Event) -> None:
    """Touch the holder's file, and with it every claim that is a link to it, and the copies."""
    while not over.wait(BEAT):
        for path in list(touched):
            with contextlib.suppress(OSError):
                os.utime(path)
