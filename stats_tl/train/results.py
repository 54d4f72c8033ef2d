"""From a fit to what the archive keeps of a cell: its record and its scores."""

from __future__ import annotations

__all__ = ["TaskData", "Trained", "cell_result"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..archive.schema import CellResult, ScoresDigest
from ..study.cells import Cell
from ..study.splits import PARTITIONS, count_partition, partition_digest
from .fitting.fit import Fit, scored_cases
from .networks.staged import Backbone
from .networks.weights import LoadedWeights, save_backbone
from .planning.units import fit_seed, weights_seed

#: Splits whose description a worker keeps: more than the cells of a chunk.
REMEMBERED_SPLITS = 128


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
    _splits: dict[bytes, Split] = field(default_factory=dict, compare=False)

    def partition(self, cell: Cell) -> np.ndarray:
        """Partition codes of a cell."""
        codes: np.ndarray = self.partitions[cell.setting.design, cell.repeat][cell.fold]
        return codes

    def split(self, cell: Cell) -> Split:
        """A cell's split, described once for all cells that have it."""
        partition = self.partition(cell)
        key = partition.tobytes()
        if key not in self._splits:
            if len(self._splits) >= REMEMBERED_SPLITS:
                del self._splits[next(iter(self._splits))]  # the oldest
            self._splits[key] = _describe_split(self.cases, partition)
        return self._splits[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_splits": {}}  # a worker describes the splits it meets


@dataclass(frozen=True)
class Split:
    """What the records of all cells with one split have in common.

    Attributes
    ----------
    record : dict
        Digest of the split; patients, cases and events of each partition.
    rows : ndarray of shape (m,)
        Indices of the validation and test cases.
    scored : DataFrame
        What the archive says of these cases.
    digest : ScoresDigest
    """

    record: dict[str, Any]
    rows: np.ndarray
    scored: pd.DataFrame
    digest: ScoresDigest


def _describe_split(cases: pd.DataFrame, partition: np.ndarray) -> Split:
    y_true, patients = cases["y_true"].to_numpy(), cases["patient"].to_numpy()
    rows = scored_cases(partition)
    scored = pd.DataFrame(
        {
            "case": cases["case"].to_numpy()[rows],
            "patient": patients[rows],
            "y_true": y_true[rows].astype(np.int8),
            "partition": [PARTITIONS[code] for code in partition[rows]],
        }
    )
    record = {
        "split_sha256": partition_digest(cases["case"], partition),
        "counts": count_partition(partition, y_true, patients),
    }
    return Split(record, rows, scored, ScoresDigest(scored))


@dataclass(frozen=True)
class Trained:
    """A fit with the backbone it ended with, and its parameters: trainable, all."""

    fit: Fit
    backbone: Backbone
    parameters: tuple[int, int]


def cell_result(
    cell: Cell,
    trained: Trained,
    data: TaskData,
    weights: LoadedWeights,
    times: Mapping[str, Any],
    *,
    keep_backbone: bool,
) -> CellResult:
    """Record, scores and, where it is kept, the backbone of a trained cell."""
    setting, fit, split = cell.setting, trained.fit, data.split(cell)
    scores = split.scored.assign(logit_0=fit.logits[:, 0], logit_1=fit.logits[:, 1])
    trainable, total = trained.parameters
    record = {
        "cell_id": cell.cell_id,
        "pair_id": cell.pair_id,
        "key": cell.key,
        "configuration_sha256": setting.digest,
        "labels_sha256": data.labels_sha256,
        "scores_sha256": split.digest.of(fit.logits),
        "weights": weights.record,
        "seeds": {
            "fit": fit_seed(cell), "weights": weights_seed(cell), "study": setting.study_seed
        },
        **split.record,
        "parameters": {"trainable": trainable, "total": total},
        "selection": {"rule": setting.training.selection, "epoch": fit.epoch},
        "history": fit.history,
        "metrics": {"auc": fit.auc, "validation_auc": fit.validation_auc},
        "times": dict(times),
    }  # fmt: skip
    files = {}
    if keep_backbone:
        # Without times: a cell that two processes train, or two archives hold, has one file.
        timeless = {key: value for key, value in record.items() if key != "times"}
        files[".safetensors"] = save_backbone(trained.backbone, timeless)
    return CellResult(record, scores, files)
