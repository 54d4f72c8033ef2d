"""The engine: from pending cells to parts of the archive.

The parent process decodes images once and dispatches chunks over joblib; a worker
computes or finds the activations of the chunk's unit, fits its cells and commits them.
Nothing passes between workers but files: decoded images and activations in a scratch
folder, results in the archive.
"""

from __future__ import annotations

__all__ = ["Engine", "check_weights"]

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..archive import ArchiveWriter
from ..archive.claims import Claims
from ..study.cells import Cell
from .machine.scratch import Scratch, scratch_folder
from .networks.weights import resolve_weights
from .planning.estimate import relative_cost
from .planning.presence import refuse_other_weights
from .results import TaskData
from .worker import ChunkWorker, WorkerOptions, release_holdings
from .workers.backends import open_backend
from .workers.scheduling import CellOutcome, train_cells


class Engine:
    """Trains pending cells.

    Parameters
    ----------
    archive : ArchiveWriter
    tasks : dict of str to TaskData
    options : WorkerOptions
    jobs : int
        Worker processes. On the CPU each uses one thread, so that results depend on
        neither their number nor on the machine's.
    backend : str
        A joblib backend: loky, threading, dask or ray.
    address : str or None
        Of a running dask or ray cluster; None starts one on this machine.
    """

    def __init__(
        self,
        archive: ArchiveWriter,
        tasks: dict[str, TaskData],
        options: WorkerOptions,
        *,
        jobs: int,
        backend: str,
        address: str | None = None,
    ):
        self._archive, self._tasks, self._options = archive, tasks, options
        self._jobs, self._backend, self._address = jobs, backend, address

    def run(
        self,
        cells: list[Cell],
        images: Iterable[tuple[tuple[str, int], np.ndarray]],
        *,
        known: frozenset[str] = frozenset(),
        report: Callable[[str], object] = print,
    ) -> Iterator[CellOutcome]:
        """Train `cells`, yielding each as its chunk is committed, by whomever.

        Parameters
        ----------
        cells : list of Cell
        images : iterable of ((str, int), ndarray of shape (n, channels, size, size))
            Task and size, and the decoded images, which go to files one after another.
        known : frozenset of str, optional
            Parts of the archive that hold none of `cells`.
        report : callable, optional
            Gets a sentence for what goes wrong and is put right.
        """
        root = self._archive.root.resolve()
        shared = root if self._address is not None else None
        claims = Claims(root, known)
        cost = partial(relative_cost, n_cases={n: len(own.cases) for n, own in self._tasks.items()})
        with (
            scratch_folder(shared) as folder,
            open_backend(self._backend, self._jobs, self._address, folder) as backend,
        ):
            scratch = Scratch(folder)
            for (task, size), pixels in images:
                scratch.put(f"images-{task}-{size}", len(pixels), [pixels])
                del pixels  # while the next are read
            options = replace(self._options, base=self._options.base.resolve())
            worker = ChunkWorker(ArchiveWriter(root), self._tasks, scratch, options)
            try:
                yield from train_cells(cells, worker, claims, backend, cost=cost, report=report)
            finally:
                release_holdings()


def check_weights(
    cells: list[Cell], base: Path, archived: dict[tuple[str, str], str]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Load every weight file that `cells` need once, before anything is trained.

    Parameters
    ----------
    cells : list of Cell
    base : Path
    archived : dict of (arm, backbone) to str
        SHA-256 of the weights that archived cells used.

    Returns
    -------
    dict of (arm, backbone) to dict
        Records of the weights.

    Raises
    ------
    UserError
        If a file is missing, of another architecture, or not the one that archived
        cells used.
    """
    records: dict[tuple[str, str], dict[str, Any]] = {}
    for cell in cells:
        arm, backbone = cell.setting.arm, cell.setting.backbone
        if (arm.name, backbone) in records or arm.source == "random":
            continue
        record = resolve_weights(arm, backbone, base=base, seed=None).record
        refuse_other_weights(arm, backbone, record["sha256"], archived.get((arm.name, backbone)))
        records[arm.name, backbone] = record
    return records
