"""What the archive holds for one cell, and its identity apart from time and place."""

from __future__ import annotations

__all__ = [
    "KEYS",
    "SCHEMA_VERSION",
    "SCORE_COLUMNS",
    "CellResult",
    "ScoresDigest",
    "scores_digest",
    "scores_digests",
    "split_name",
]

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

SCHEMA_VERSION = 2

#: Names of a cell: five texts, three numbers.
KEYS = ["task", "backbone", "head", "unfreeze", "arm", "repeat", "fold", "seed"]

#: Columns of the case-level scores on disk.
SCORE_COLUMNS = ("cell_id", "case", "patient", "y_true", "partition", "logit_0", "logit_1")


@dataclass(frozen=True)
class CellResult:
    """A trained cell, ready for the archive.

    Attributes
    ----------
    record : dict
        What was done, as JSON types; see ``docs/archive.md``.
    scores : DataFrame
        `SCORE_COLUMNS` without ``cell_id``: one row a validation or test case.
    files : dict of str to bytes
        Further files, by suffix: ``{".safetensors": ...}`` for a kept backbone.
    """

    record: dict[str, Any]
    scores: pd.DataFrame
    files: dict[str, bytes] = field(default_factory=dict)


def split_name(repeat: int, fold: int, design: str = "cv") -> str:
    """The key under which a task's record holds the hash of a split.

    Examples
    --------
    >>> split_name(0, 3), split_name(0, 1, "half")
    ('repeat 0, fold 3', 'half repeat 0, fold 1')
    """
    return f"{'' if design == 'cv' else design + ' '}repeat {repeat}, fold {fold}"


class ScoresDigest:
    """:func:`scores_digest` for many cells that score the same cases.

    Parameters
    ----------
    cases : DataFrame
        Columns case, patient, partition and y_true.
    """

    def __init__(self, cases: pd.DataFrame):
        texts = {
            name: cases[name].astype(str).to_numpy(dtype=str)
            for name in ("case", "patient", "partition")
        }
        self._order = np.lexsort((texts["case"], texts["partition"]))
        self._digest = hashlib.sha256()
        for text in texts.values():
            self._digest.update("\n".join(text[self._order].tolist()).encode())
            self._digest.update(b"\0")
        self._digest.update(cases["y_true"].to_numpy()[self._order].astype("<i1").tobytes())

    def of(self, logits: np.ndarray) -> str:
        """The digest of logits (n, 2), in the order of the cases given."""
        digest = self._digest.copy()
        for column in logits[self._order].T:
            digest.update(np.ascontiguousarray(column, dtype="<f4").tobytes())
        return digest.hexdigest()


def scores_digest(scores: pd.DataFrame) -> str:
    """SHA-256 of a cell's scores, independent of the order of rows."""
    return ScoresDigest(scores).of(scores[["logit_0", "logit_1"]].to_numpy())


def scores_digests(scores: pd.DataFrame) -> dict[str, str]:
    """:func:`scores_digest` of every ``cell_id`` of a frame."""
    ordered = scores.astype({c: str for c in ("cell_id", "case", "patient", "partition")})
    ordered = ordered.sort_values(["cell_id", "partition", "case"], kind="stable")
    ids = ordered["cell_id"].to_numpy(dtype=object)
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if len(ids) else np.array([], int)
    texts = [ordered[c].to_numpy(dtype=object) for c in ("case", "patient", "partition")]
    numbers = [
        np.ascontiguousarray(ordered[column].to_numpy(), dtype=kind)
        for column, kind in (("y_true", "<i1"), ("logit_0", "<f4"), ("logit_1", "<f4"))
    ]
    digests = {}
    for start, stop in zip(starts, [*starts[1:], len(ids)], strict=True):
        digest = hashlib.sha256()
        for text in texts:
            digest.update("\n".join(text[start:stop]).encode())
            digest.update(b"\0")
        for number in numbers:
            digest.update(number[start:stop].tobytes())
        digests[ids[start]] = digest.hexdigest()
    return digests
