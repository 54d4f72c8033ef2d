"""A worker: trains the cells of a chunk and commits them, in whatever process it is sent to."""

from __future__ import annotations

__all__ = [
    "ChunkWorker",
    "Holdings",
    "RunEndedError",
    "WorkerOptions",
    "holdings_of_thread",
    "release_holdings",
]

import copy
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import torch

from ..archive import ArchiveWriter
from ..archive.schema import CellResult
from ..study.cells import Cell, derive_seed
from .fitting.features import CachedActivations
from .fitting.fit import CellModel, fit_cell
from .fitting.together import cells_side_by_side, fit_together
from .machine.environment import describe_environment, peak_memory
from .machine.resources import take_device
from .machine.scratch import Scratch, ScratchError
from .networks.heads import build_head
from .networks.staged import parameter_counts
from .planning.units import TRAINED_CHUNK, Chunk, Unit, fit_seed
from .prepare import Prepared, prepare_unit
from .results import TaskData, Trained, cell_result
from .workers.scheduling import CellOutcome


class RunEndedError(RuntimeError):
    """The scratch folder of the run is gone, and with it whoever waits for the result."""


@dataclass(frozen=True)
class WorkerOptions:
    """How and where cells are trained.

    Attributes
    ----------
    base : Path
        Folder that relative weight files of the plan start from.
    device : str
        ``"cpu"``; ``"cuda:1"``, ...; ``"cuda"`` are all GPUs, the workers spread over them.
    keep_backbones : bool
        Archive the trained backbones.
    cache_bytes : int
        Activations of a unit larger than this are recomputed in every epoch.
    compiled : bool
        Compile trained stages.
    """

    base: Path
    device: str
    keep_backbones: bool
    cache_bytes: int
    compiled: bool = False


class Holdings:
    """What a worker holds between the chunks of a run: its device, and what it prepared last.

    Chunks of a unit mostly follow each other, and share what was prepared for the first.

    Parameters
    ----------
    scratch : Scratch
        Of the run.
    """

    def __init__(self, scratch: Scratch):
        self.scratch = scratch
        self._device: str | None = None
        self._key: tuple[object, ...] = ()
        self._prepared: Prepared | None = None

    def device(self, name: str) -> str:
        """The device that this worker has taken, see :func:`take_device`."""
        if self._device is None:
            self._device = take_device(name, self.scratch)
        return self._device

    def prepared(self, unit: Unit, base: Path, device: torch.device, cache_bytes: int) -> Prepared:
        """As :func:`prepare_unit`, unless that is what the last call was for."""
        key = (base, unit.key, device, cache_bytes)
        if self._prepared is None or self._key != key:
            self._prepared = None  # before the next takes as much memory
            self._prepared = prepare_unit(unit, self.scratch, base, device, cache_bytes)
            self._key = key
        return self._prepared


#: A worker is sent anew with every chunk; what it holds stays with the thread it runs in.
_threads = threading.local()


def holdings_of_thread(scratch: Scratch) -> Holdings:
    """What the calling thread holds for a run; what it held for another is let go."""
    held: Holdings | None = getattr(_threads, "holdings", None)
    if held is None or held.scratch.folder != scratch.folder:
        held = _threads.holdings = Holdings(scratch)
    return held


def release_holdings() -> None:
    """Free what the calling thread holds."""
    _threads.holdings = None


@dataclass(frozen=True)
class ChunkWorker:
    """Runs chunks in whatever process it is sent to.

    Parameters
    ----------
    archive : ArchiveWriter
    tasks : dict of str to TaskData
    scratch : Scratch
        Of the run; holds its images.
    options : WorkerOptions
    """

    archive: ArchiveWriter
    tasks: dict[str, TaskData]
    scratch: Scratch
    options: WorkerOptions

    def __call__(self, chunk: Chunk) -> list[CellOutcome]:
        holdings = holdings_of_thread(self.scratch)
        device = torch.device(holdings.device(self.options.device))
        if device.type == "cpu":
            torch.set_num_threads(1)
        else:
            if device.index is not None:
                torch.cuda.set_device(device)  # also for what asks no tensor where it lies
            torch.backends.cudnn.allow_tf32 = False  # the plan's float32 is float32
        try:
            prepared = holdings.prepared(
                chunk.unit, self.options.base, device, self.options.cache_bytes
            )
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
            if self.options.keep_backbones and len(results) == TRAINED_CHUNK:
                self._commit(results, chunk, device)  # fifty networks are some GB
                results = []
        if results:
            self._commit(results, chunk, device)
        return outcomes

    def _commit(self, results: list[CellResult], chunk: Chunk, device: torch.device) -> None:
        settings = {cell.setting.digest: cell.setting for cell in chunk.cells}
        context = {
            "configurations": {key: s.configuration for key, s in settings.items()},
            "environment": {**describe_environment(device), "compiled": self.options.compiled},
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
                    keep_backbone=self.options.keep_backbones,
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
            seed=seeds[0], device=device, compiled=self.options.compiled and not unit.frozen,
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
