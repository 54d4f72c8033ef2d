"""From a fit to what the archive keeps of a cell: its record and its scores."""

from __future__ import annotations

__all__ = ["TaskData", "Trained", "cell_result"]

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..archive.schema import CellResult, scores_digest
from ..study.cells import Cell
from ..study.splits import PARTITIONS, count_partition, partition_digest
from .backbones import Backbone
from .fit import Fit
from .units import fit_seed, weights_seed
from .weights import LoadedWeights, save_backbone


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
    _described: dict[bytes, dict[str, Any]] = field(default_factory=dict, compare=False)

    def partition(self, cell: Cell) -> np.ndarray:
        """Partition codes of a cell."""
        return self.partitions[cell.setting.design, cell.repeat][cell.fold]

    def describe_split(self, cell: Cell) -> dict[str, Any]:
        """Digest and counts of a cell's split, computed once for all cells that have it."""
        partition = self.partition(cell)
        key = partition.tobytes()
        if key not in self._described:
            y_true, patients = self.cases["y_true"].to_numpy(), self.cases["patient"].to_numpy()
            self._described[key] = {
                "split_sha256": partition_digest(self.cases["case"], partition),
                "counts": count_partition(partition, y_true, patients),
            }
        return self._described[key]


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
    setting, fit = cell.setting, trained.fit
    scores = _scores(fit, data, data.partition(cell))
    trainable, total = trained.parameters
    record = {
        "cell_id": cell.cell_id,
        "pair_id": cell.pair_id,
        "key": cell.key,
        "configuration_sha256": setting.digest,
        "labels_sha256": data.labels_sha256,
        "scores_sha256": scores_digest(scores),
        "weights": weights.record,
        "seeds": {
            "fit": fit_seed(cell), "weights": weights_seed(cell), "study": setting.study_seed
        },
        **data.describe_split(cell),
        "parameters": {"trainable": trainable, "total": total},
        "selection": {"rule": setting.training.selection, "epoch": fit.epoch},
        "history": fit.history,
        "metrics": {"auc": fit.auc, "validation_auc": fit.validation_auc},
        "times": dict(times),
    }  # fmt: skip
    files = {}
    if keep_backbone:
        files[".safetensors"] = save_backbone(trained.backbone, record)
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
