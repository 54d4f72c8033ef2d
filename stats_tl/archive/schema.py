"""What the archive holds for one cell, and its identity apart from time and place."""

from __future__ import annotations

__all__ = [
    "SCHEMA_VERSION",
    "SCORE_COLUMNS",
    "CellResult",
    "ScoresDigest",
    "scores_digest",
    "scores_digests",
    "split_name",
]

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

SCHEMA_VERSION = 2

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
        `SCORE_COLUMNS` without ``cell_id``: one row per validation or test case.
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
    >>> split_name(0, 3), split_name(0, 1, "half"), split_name(3, 7, "halving")
    ('repeat 0, fold 3', 'half repeat 0, fold 1', 'halving repeat 3, fold 7')
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
        self._digest = _digest_cases(
            [text[self._order] for text in texts.values()],
            cases["y_true"].to_numpy()[self._order],
        )

    def of(self, logits: np.ndarray) -> str:
        """The digest of logits (n, 2), in the order of the cases given."""
        return _add_logits(self._digest.copy(), logits[self._order].T)


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
    y_true = ordered["y_true"].to_numpy()
    logits = [ordered[c].to_numpy() for c in ("logit_0", "logit_1")]
    return {
        ids[start]: _add_logits(
            _digest_cases([text[start:stop] for text in texts], y_true[start:stop]),
            [logit[start:stop] for logit in logits],
        )
        for start, stop in zip(starts, [*starts[1:], len(ids)], strict=True)
    }


def _digest_cases(texts: Sequence[np.ndarray], y_true: np.ndarray) -> hashlib._Hash:
    """What the scores of all cells with the same cases have in common."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update("\n".join(text.tolist()).encode())
        digest.update(b"\0")
    digest.update(np.ascontiguousarray(y_true, dtype="<i1").tobytes())
    return digest


def _add_logits(digest: hashlib._Hash, logits: Iterable[np.ndarray]) -> str:
    for column in logits:
        digest.update(np.ascontiguousarray(column, dtype="<f4").tobytes())
    return digest.hexdigest()
