"""The engine: from pending cells to parts of the archive.

The parent process decodes images once and dispatches chunks over joblib; a worker
computes or finds the activations of the chunk's unit, fits its cells and commits them.
Nothing passes between workers but files: decoded images and activations in a scratch
folder, results in the archive.
"""

from __future__ import annotations

__all__ = ["CellOutcome", "Engine", "TaskData", "check_weights"]

import copy
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ..archive import ArchiveWriter
from ..archive.claims import Claims
from ..archive.schema import CellResult
from ..errors import UserError
from ..study.cells import Cell, derive_seed
from .fitting.features import CachedActivations
from .fitting.fit import CellModel, fit_cell
from .fitting.together import cells_side_by_side, fit_together
from .machine.environment import describe_environment, peak_memory
from .machine.resources import worker_device
from .machine.scratch import Scratch, ScratchError, scratch_folder
from .networks.backbones import parameter_counts
from .networks.heads import build_head
from .networks.weights import resolve_weights
from .planning.estimate import relative_cost
from .planning.units import TRAINED_CHUNK, Chunk, Unit, fit_seed
from .prepare import Prepared, forget_prepared, prepare_unit
from .results import TaskData, Trained, cell_result
from .workers.backends import open_backend
from .workers.scheduling import CellOutcome, train_cells


class RunEndedError(RuntimeError):
    """The scratch folder of the run is gone, and with it whoever waits for the result."""


class Engine:
    """Trains pending cells.

    Parameters
    ----------
    archive : ArchiveWriter
    tasks : dict of str to TaskData
    images : dict of (str, int) to ndarray of shape (n, channels, size, size)
        Decoded images by task and size; emptied by :meth:`run`, which moves them to files.
    base : Path
        Folder that relative weight files of the plan start from.
    device : str
        ``"cpu"``; ``"cuda:1"``, ...; ``"cuda"`` are all GPUs, the workers spread over them.
    jobs : int
        Worker processes. On the CPU each uses one thread, so that results depend on
        neither their number nor on the machine's.
    backend : str
        A joblib backend: loky, threading, dask or ray.
    address : str or None
        Of a running dask or ray cluster; None starts one on this machine.
    keep_backbones : bool
        Archive the trained backbones.
    cache_bytes : int
        Activations of a unit larger than this are recomputed in every epoch.
    compiled : bool, optional
        Compile trained stages.
    """

    def __init__(
        self,
        archive: ArchiveWriter,
        tasks: dict[str, TaskData],
        images: dict[tuple[str, int], np.ndarray],
        *,
        base: Path,
        device: str,
        jobs: int,
        backend: str,
        address: str | None = None,
        keep_backbones: bool,
        cache_bytes: int,
        compiled: bool = False,
    ):
        self._archive, self._tasks, self._images = archive, tasks, images
        self._base, self._device, self._jobs = base, device, jobs
        self._backend, self._address = backend, address
        self._keep, self._cache_bytes = keep_backbones, cache_bytes
        self._compiled = compiled

    def run(
        self,
        cells: list[Cell],
        *,
        known: frozenset[str] = frozenset(),
        report: Callable[[str], object] = print,
    ) -> Iterator[CellOutcome]:
        """Train `cells`, yielding each as its chunk is committed, by whomever.

        Parameters
        ----------
        cells : list of Cell
        known : frozenset of str, optional
            Parts of the archive that hold none of `cells`.
        report : callable, optional
            Gets a sentence for what goes wrong and is mended.
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
            while self._images:
                (task, size), images = self._images.popitem()
                scratch.put(f"images-{task}-{size}", len(images), [images])
            worker = _Worker(
                ArchiveWriter(root), self._tasks, scratch, self._base.resolve(), self._device,
                self._keep, self._cache_bytes, self._compiled,
            )  # fmt: skip
            try:
                yield from train_cells(cells, worker, claims, backend, cost=cost, report=report)
            finally:
                forget_prepared()


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
        known = archived.get((arm.name, backbone), record["sha256"])
        if known != record["sha256"]:
            raise UserError(
                f"arm {arm.name!r}, {backbone}: the weights have sha256 {record['sha256'][:12]}, "
                f"but archived cells used {known[:12]}; one arm must have one set of weights. "
                "Restore the file, or give the arm another name"
            )
        records[arm.name, backbone] = record
    return records


@dataclass(frozen=True)
class _Worker:
    """Runs chunks in whatever process it is sent to."""

    archive: ArchiveWriter
    tasks: dict[str, TaskData]
    scratch: Scratch
    base: Path
    device_name: str
    keep_backbones: bool
    cache_bytes: int
    compiled: bool

    def __call__(self, chunk: Chunk) -> list[CellOutcome]:
        device = torch.device(worker_device(self.device_name, self.scratch))
        if device.type == "cpu":
            torch.set_num_threads(1)
        else:
            if device.index is not None:
                torch.cuda.set_device(device)  # also for what asks no tensor where it lies
            torch.backends.cudnn.allow_tf32 = False  # the plan's float32 is float32
        try:
            prepared = prepare_unit(chunk.unit, self.scratch, self.base, device, self.cache_bytes)
        except ScratchError:
            raise  # says nothing about these cells, and the next would fare no better
        except Exception as error:
            failure = _Failure.of(error)
            return [self.fail(cell, *failure) for cell in chunk.cells]
        outcomes, results = [], []
        for cell, result in self._train(chunk, prepared, device):
            if isinstance(result, _Failure):
                outcomes.append(self.fail(cell, *result))
                continue
            results.append(result)
            metrics, seconds = result.record["metrics"], result.record["times"]["seconds"]
            outcomes.append(CellOutcome(cell, metrics["auc"], seconds))
            if self.keep_backbones and len(results) == TRAINED_CHUNK:
                self._commit(results, chunk, device)  # fifty networks are some GB
                results = []
        if results:
            self._commit(results, chunk, device)
        return outcomes

    def _commit(self, results: list[CellResult], chunk: Chunk, device: torch.device) -> None:
        settings = {cell.setting.digest: cell.setting for cell in chunk.cells}
        context = {
            "configurations": {key: s.configuration for key, s in settings.items()},
            "environment": {**describe_environment(device), "compiled": self.compiled},
            "peak_memory_bytes": peak_memory(device),
        }
        self.archive.commit(results, context)

    def fail(self, cell: Cell, reason: str, log: str) -> CellOutcome:
        """Record a cell as failed, unless it is the run that has ended.

        Workers may outlive a run that was killed or interrupted; when the next one has removed
        what they work with, that says nothing about the cell.
        """
        if not self.scratch.folder.exists():
            raise RunEndedError("the run that this worker belongs to has ended")
        record = {"cell_id": cell.cell_id, "pair_id": cell.pair_id, "key": cell.key}
        self.archive.record_failure(record, reason, log)
        return CellOutcome(cell, float("nan"), 0.0, reason)

    def _train(
        self, chunk: Chunk, prepared: Prepared, device: torch.device
    ) -> Iterator[tuple[Cell, CellResult | _Failure]]:
        """Cells of a chunk with what became of them, heads of one shape side by side."""
        for cells in cells_side_by_side(
            chunk, prepared.backbone.n_features, prepared.inputs, device
        ):
            started, clock = datetime.now(UTC), time.perf_counter()
            trained = self._fit(cells, chunk.unit, prepared, device)
            seconds = (time.perf_counter() - clock) / len(cells)
            times = {
                "started": started.isoformat(timespec="seconds"),
                "seconds": round(seconds, 3),
            }
            for cell in cells:
                one = trained.pop(0)  # so that no network is held while the next is trained
                if isinstance(one, _Failure):
                    yield cell, one
                    continue
                result = cell_result(
                    cell, one, self.tasks[cell.setting.task.name], prepared.weights, times,
                    keep_backbone=self.keep_backbones,
                )  # fmt: skip
                del one
                yield cell, result

    def _fit(
        self, cells: Sequence[Cell], unit: Unit, prepared: Prepared, device: torch.device
    ) -> list[Trained | _Failure]:
        """Fit cells side by side, or one by one where that fails as a whole."""
        try:
            return self._fit_at_once(cells, unit, prepared, device)
        except Exception as error:
            failure = _Failure.of(error)
            out_of_memory = isinstance(error, torch.OutOfMemoryError)
        # Here, not in the handler: its traceback would hold what took the memory.
        if out_of_memory:
            torch.cuda.empty_cache()
        if len(cells) == 1:
            return [failure]
        return [one for cell in cells for one in self._fit([cell], unit, prepared, device)]

    def _fit_at_once(
        self, cells: Sequence[Cell], unit: Unit, prepared: Prepared, device: torch.device
    ) -> list[Trained | _Failure]:
        setting, pristine, inputs = cells[0].setting, prepared.backbone, prepared.inputs
        data = self.tasks[setting.task.name]
        y_true = data.cases["y_true"].to_numpy()
        partitions = [data.partition(cell) for cell in cells]
        seeds = [fit_seed(cell) for cell in cells]
        heads = [
            build_head(setting.head, pristine.n_features, seed=derive_seed(seed, "head"))
            for seed in seeds
        ]
        if len(cells) > 1:
            assert isinstance(inputs, CachedActivations)
            fits = fit_together(
                heads, inputs, y_true, partitions, setting.training, seeds=seeds, device=device
            )
            counts = parameter_counts(pristine, heads[0], unit.boundary)
            return [
                _Failure.of(fit) if isinstance(fit, Exception) else Trained(fit, pristine, counts)
                for fit in fits
            ]
        backbone = pristine if unit.frozen else copy.deepcopy(pristine)
        counts = parameter_counts(backbone, heads[0], unit.boundary)
        model = CellModel(backbone, unit.boundary, heads[0])
        fit = fit_cell(
            model, inputs, y_true, partitions[0], setting.training,
            seed=seeds[0], device=device, compiled=self.compiled and not unit.frozen,
        )  # fmt: skip
        return [Trained(fit, backbone, counts)]


class _Failure(NamedTuple):
    """What is kept of an exception, which itself would hold the memory that ran out."""

    reason: str
    log: str

    @classmethod
    def of(cls, error: Exception) -> _Failure:
        name = type(error).__name__
        reason = f"{name}: {error}" if str(error) else name
        return cls(reason, "".join(traceback.format_exception(error)))
