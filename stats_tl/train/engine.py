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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..archive import ArchiveWriter
from ..archive.claims import Claims
from ..archive.schema import CellResult, scores_digest
from ..errors import UserError
from ..study.cells import Cell, derive_seed
from ..study.splits import PARTITIONS, count_partition, partition_digest
from .backbones import (
    Backbone,
    build_backbone,
    freeze,
    freeze_boundary,
    parameter_counts,
)
from .backends import open_backend
from .environment import describe_environment, peak_memory
from .features import CachedActivations, ImagePass, Inputs, compute_activations
from .fit import CellModel, Fit, fit_cell
from .heads import build_head
from .preprocessing import PREPROCESSING
from .scheduling import CellOutcome, train_cells
from .scratch import Scratch, scratch_folder
from .units import Chunk, Unit, fit_seed, image_size, weights_seed
from .weights import LoadedWeights, resolve_weights, save_backbone


@dataclass(frozen=True)
class TaskData:
    """What fitting needs of a task: cases and splits; images lie in the scratch folder.

    Attributes
    ----------
    cases : DataFrame
        Columns case, patient, group, y_true.
    partitions : dict of (str, int) to ndarray of shape (folds, n)
        Partition codes by design and repeat.
    labels_sha256 : str
    """

    cases: pd.DataFrame
    partitions: dict[tuple[str, int], np.ndarray]
    labels_sha256: str


class RunEndedError(RuntimeError):
    """The scratch folder of the run is gone, and with it whoever waits for the result."""


class Engine:
    """Trains pending cells.

    Parameters
    ----------
    archive : ArchiveWriter
    tasks : dict of str to TaskData
    images : dict of (str, int) to ndarray of shape (n, channels, size, size)
        Decoded images by task and size.
    base : Path
        Folder that relative weight files of the plan start from.
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
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
    ):
        self._archive, self._tasks, self._images = archive, tasks, images
        self._base, self._device, self._jobs = base, device, jobs
        self._backend, self._address = backend, address
        self._keep, self._cache_bytes = keep_backbones, cache_bytes

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
        with (
            scratch_folder(shared) as folder,
            open_backend(self._backend, self._jobs, self._address, folder) as backend,
        ):
            scratch = Scratch(folder)
            for (task, size), images in self._images.items():
                scratch.put(f"images-{task}-{size}", images)
            worker = _Worker(
                ArchiveWriter(root), self._tasks, scratch, self._base.resolve(), self._device,
                self._keep, self._cache_bytes,
            )  # fmt: skip
            yield from train_cells(cells, worker, claims, backend, report=report)
            claims.tidy({cell.cell_id for cell in cells})


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

    def __call__(self, chunk: Chunk) -> list[CellOutcome]:
        device = torch.device(self.device_name)
        if device.type == "cpu":
            torch.set_num_threads(1)
        first = chunk.unit.first
        try:
            weights = resolve_weights(
                first.setting.arm, first.setting.backbone,
                base=self.base, seed=weights_seed(first),
            )  # fmt: skip
            pristine = self._backbone(chunk.unit, weights)
            inputs = self._inputs(chunk.unit, weights, pristine, device)
        except Exception as error:
            return [self._fail(cell, error, 0.0) for cell in chunk.cells]
        outcomes, results = [], []
        for cell in chunk.cells:
            started = time.perf_counter()
            try:
                result = self._train(cell, chunk.unit, weights, pristine, inputs, device)
            except Exception as error:
                outcomes.append(self._fail(cell, error, time.perf_counter() - started))
                continue
            results.append(result)
            metrics, seconds = result.record["metrics"], result.record["times"]["seconds"]
            outcomes.append(CellOutcome(cell, metrics["auc"], seconds))
        if results:
            settings = {cell.setting.digest: cell.setting for cell in chunk.cells}
            context = {
                "configurations": {key: s.configuration for key, s in settings.items()},
                "environment": describe_environment(device),
                "peak_memory_bytes": peak_memory(device),
            }
            self.archive.commit(results, context)
        return outcomes

    def _fail(self, cell: Cell, error: Exception, seconds: float) -> CellOutcome:
        if isinstance(error, torch.OutOfMemoryError):
            torch.cuda.empty_cache()  # so that smaller cells can go on
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return self.fail(cell, reason, "".join(traceback.format_exception(error)), seconds)

    def fail(self, cell: Cell, reason: str, log: str, seconds: float = 0.0) -> CellOutcome:
        """Record a cell as failed, unless it is the run that has ended.

        Workers may outlive a run that was killed or interrupted; when the next one has removed
        what they work with, that says nothing about the cell.
        """
        if not self.scratch.folder.exists():
            raise RunEndedError("the run that this worker belongs to has ended")
        record = {"cell_id": cell.cell_id, "pair_id": cell.pair_id, "key": cell.key}
        self.archive.record_failure(record, reason, log)
        return CellOutcome(cell, float("nan"), seconds, reason)

    def _backbone(self, unit: Unit, weights: LoadedWeights) -> Backbone:
        backbone = build_backbone(unit.first.setting.backbone)
        backbone.load_torchvision_state_dict(weights.state_dict)
        depth = unit.first.setting.unfreeze
        # Refuses a depth that would train nothing on this very network.
        freeze(backbone, freeze_boundary(backbone, "all" if depth == "all" else int(depth)))
        # torch's annotations lack the keyword.
        return backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _inputs(
        self, unit: Unit, weights: LoadedWeights, backbone: Backbone, device: torch.device
    ) -> Inputs:
        """Cached activations where they are fixed and fit, else the images themselves."""
        task, size = unit.first.setting.task.name, image_size(unit.first)
        images = self.scratch.get(f"images-{task}-{size}")
        preprocess = PREPROCESSING[weights.record["preprocessing"]]
        backbone = backbone.to(device)
        if unit.cacheable:
            one = compute_activations(images[:1], backbone, unit.boundary, preprocess, device)
            if one.nbytes * len(images) <= self.cache_bytes:
                name = "activations-" + "-".join(map(str, unit.key))
                activations = self.scratch.get_or_make(
                    name,
                    lambda: compute_activations(
                        images, backbone, unit.boundary, preprocess, device
                    ),
                )
                return CachedActivations(activations, device)
        augment = unit.first.setting.training.augmentation != "none"
        return ImagePass(
            images, backbone, unit.boundary, preprocess, augment=augment, device=device
        )

    def _train(
        self,
        cell: Cell,
        unit: Unit,
        weights: LoadedWeights,
        pristine: Backbone,
        inputs: Inputs,
        device: torch.device,
    ) -> CellResult:
        started, clock = datetime.now(UTC), time.perf_counter()
        setting, data = cell.setting, self.tasks[cell.setting.task.name]
        seed = fit_seed(cell)
        backbone = pristine if unit.frozen else copy.deepcopy(pristine)
        head = build_head(setting.head, backbone.n_features, seed=derive_seed(seed, "head"))
        trainable, total = parameter_counts(backbone, head, unit.boundary)
        partition = data.partitions[setting.design, cell.repeat][cell.fold]
        model = CellModel(backbone, unit.boundary, head)
        y_true = data.cases["y_true"].to_numpy()
        fit = fit_cell(model, inputs, y_true, partition, setting.training, seed=seed, device=device)
        scores = _scores(fit, data, partition)
        record = {
            "cell_id": cell.cell_id,
            "pair_id": cell.pair_id,
            "key": cell.key,
            "configuration_sha256": setting.digest,
            "split_sha256": partition_digest(data.cases["case"], partition),
            "labels_sha256": data.labels_sha256,
            "scores_sha256": scores_digest(scores),
            "weights": weights.record,
            "seeds": {"fit": seed, "weights": weights_seed(cell), "study": setting.study_seed},
            "counts": count_partition(partition, y_true, data.cases["patient"].to_numpy()),
            "parameters": {"trainable": trainable, "total": total},
            "selection": {"rule": setting.training.selection, "epoch": fit.epoch},
            "history": fit.history,
            "metrics": {"auc": fit.auc, "validation_auc": fit.validation_auc},
            "times": {
                "started": started.isoformat(timespec="seconds"),
                "seconds": round(time.perf_counter() - clock, 3),
            },
        }
        files = {}
        if self.keep_backbones:
            files[".safetensors"] = save_backbone(backbone, record)
        return CellResult(record, scores, files)


def _scores(fit: Fit, data: TaskData, partition: np.ndarray) -> pd.DataFrame:
    rows = data.cases.iloc[fit.cases]
    return pd.DataFrame(
        {
            "case": rows["case"].to_numpy(),
            "patient": rows["patient"].to_numpy(),
            "y_true": rows["y_true"].to_numpy().astype(np.int8),
            "partition": [PARTITIONS[code] for code in partition[fit.cases]],
            "logit_0": fit.logits[:, 0],
            "logit_1": fit.logits[:, 1],
        }
    )
