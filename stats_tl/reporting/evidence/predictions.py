"""Predictions made elsewhere, as a table in the place of a run archive."""

from __future__ import annotations

__all__ = ["Predictions", "read_predictions"]

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...errors import UserError
from ..rendering.labels import plural
from .alignment import CELL, check_scores
from .base import Source
from .designs import as_external_task, iterations_as_repeats
from .layout import NEEDED, OPTIONAL, arrange, stack_arms
from .ordered import Ordered, matching
from .recoding import recode_folds, recode_labels, split_iterations
from .repeated_scores import refuse_tuning_values, refuse_unsplit_iterations
from .tabular import read_table

_PARTITIONS = {
    "test": "test",
    "external": "external",
    **dict.fromkeys(("validation", "val", "valid", "tune", "tuning", "dev"), "validation"),
}


class Predictions:
    """Predictions made elsewhere, read as if they were an archive.

    Parameters
    ----------
    scores : DataFrame
        One row per case and model: ``case, y_true, arm, score``; optional ``patient``,
        the keys of a cell, ``design`` (``half`` for extra two-fold repeats, ``halving`` for
        cross-validations of halves of the patients) and ``partition`` (``test``; ``validation``
        for the cases a model was tuned on; ``external`` for those of another collection; all are
        test cases where there is no such column). Other columns are covariates of the cases.
    name : str
        Name of the study.
    digest : str, optional
        SHA-256 of the file they came from.

    Raises
    ------
    UserError
        If columns are missing or hold what they must not.
    """

    source: Source = "predictions"
    reference = None
    synthetic = False

    def __init__(self, scores: pd.DataFrame, *, name: str = "predictions", digest: str = ""):
        self.name = name
        self.plan: dict[str, Any] = {}
        self.labels: dict[str, dict[str, str]] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.digest = digest
        scores = scores.reset_index(drop=True)
        partition = _partitions(scores)
        checked = as_external_task(check_scores(scores).assign(partition=partition))
        refuse_unsplit_iterations(scores, checked)
        checked = iterations_as_repeats(checked, list(scores.columns))
        # Sorted, so that the order of rows cannot change the last digit of a sum.
        ordered = Ordered.of_frame(checked)
        if ordered.repeated.any():
            repeated = pd.Series(ordered.repeated)
            refuse_tuning_values(scores.take(ordered.order, axis=0).reset_index(drop=True),
                                 ordered.frame, repeated)  # fmt: skip
        self._ordered, self._scores = ordered, ordered.frame
        if not (self._scores["partition"] == "test").any():
            raise UserError("no row has partition 'test'; nothing to compare")
        for name in ("y_true", "patient"):
            if name in checked.columns and (clash := ordered.differing(self._scores[name])):
                raise UserError(
                    f"case {clash[0]!r} has more than one label or patient in a task "
                    f"({plural(len(clash), 'case has', 'cases have')}); a case has one in all "
                    "rows. Of several raters' labels, one has to be the reference standard "
                    "(majority, panel), or each rater's is a task of its own"
                )
        self._covariates: dict[str, pd.Series] = {}
        ignored = []
        for name in (c for c in scores.columns if c not in (*NEEDED, *OPTIONAL)):
            values = scores[name].take(ordered.order).reset_index(drop=True)
            if ordered.differing(values):
                ignored.append(str(name))
            else:
                self._covariates[str(name)] = values
        self.ignored = tuple(ignored)
        self.cells = ordered.cells()
        self.missing = pd.DataFrame(columns=list(CELL))

    def patients_known(self, task: str) -> bool:
        """Whether the table has a column ``patient``."""
        return "patient" in self._scores.columns

    def cases(self, task: str) -> pd.DataFrame:
        """Cases of a task: ``case, y_true``, where given ``patient``, and covariates."""
        rows = self._ordered.first_rows(task)
        columns = [c for c in ("case", "patient", "y_true") if c in self._scores.columns]
        own = self._scores[columns].take(rows)
        text = [c for c in columns if c != "y_true"]
        cases = own.astype(dict.fromkeys(text, str)).reset_index(drop=True)
        for name, values in self._covariates.items():
            found = values.take(rows)
            known = found.astype(object).where(found.notna().to_numpy(), None)
            cases[name] = known.map(str, na_action="ignore").to_numpy()
        return cases

    def scores(self, *, as_categories: bool = False, **filters: Any) -> pd.DataFrame:
        """Scores of the rows that match; without `design`, those of the cross-validation."""
        frame = self._scores
        for key, value in {"design": "cv", **filters}.items():
            wanted = {str(v) for v in (value if isinstance(value, list) else [value])}
            if key == "task" and len(wanted) == 1 and frame is self._scores:
                frame = frame.iloc[self._ordered.rows(next(iter(wanted)))]
            else:
                frame = matching(frame, key, wanted)
        return frame

    def records(self) -> tuple[dict[str, Any], ...]:
        """None: how the models were trained is not known."""
        return ()

    def failures(self) -> dict[str, dict[str, Any]]:
        """None: what failed is not known."""
        return {}


def read_predictions(
    path: str | Path | Mapping[str, str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    arms: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    truth: str | Path | None = None,
    positive: str | None = None,
    folds: int | None = None,
) -> Predictions:
    """Read predictions, long or wide, from a text or Parquet file, or from one file an arm.

    Parameters
    ----------
    path : path-like, or mapping of str to path-like
        Columns ``case, y_true, arm, score``; optional ``patient, task, backbone, head,
        unfreeze, repeat, fold, seed, partition`` and ``design``: ``half`` in the rows of
        extra two-fold repeats, ``halving`` in those of cross-validations of halves of the
        patients, ``cv`` in the others. Other columns are covariates of the cases, but for near
        misses in spelling. A mapping is arm → its file, without the column ``arm``. What files
        are read: :mod:`.tabular`.
    columns : mapping of str to str, optional
        Our name → the table's name of a column; ``row`` is the number of the row.
    arms : mapping of str to str, optional
        Arm → the column of its scores: the table is wide, one row per case; see
        :mod:`~stats_tl.reporting.evidence.layout`.
    names : sequence of str, optional
        Names of the columns of files without a heading.
    truth : path-like, optional
        Table of the cases, ``case, y_true`` and covariates, where the predictions lack these.
    positive : str, optional
        Label of the positive cases, where ``y_true`` holds other labels than 0 and 1.
    folds : int, optional
        Number of folds, where ``fold`` numbers the folds of all repeats through, as mlr's
        ``iter`` does.

    Returns
    -------
    Predictions

    Raises
    ------
    UserError
        If a file cannot be read or is not such a table.
    """
    named = path if isinstance(path, Mapping) else {"": path}
    files = {str(arm): Path(own) for arm, own in named.items()}
    first = next(iter(files.values()))
    table, truth_digest = read_table(Path(truth), columns=columns) if truth else (None, "")
    read = {arm: read_table(own, columns=columns, names=names) for arm, own in files.items()}
    digests = [digest for _, digest in read.values()]
    if truth:
        digests.append(truth_digest)
    try:
        frames = {arm: frame for arm, (frame, _) in read.items()}
        several = isinstance(path, Mapping)
        frame = stack_arms(frames, columns=columns, arms=arms) if several else frames[""]
        del read, frames
        arranged = arrange(frame, columns=columns, arms=arms, truth=table)
        arranged = recode_labels(arranged, positive)
        arranged = split_iterations(arranged, folds) if folds else recode_folds(arranged)
        return Predictions(arranged, name=_study_name(files), digest=_joined(digests))
    except UserError as error:
        raise type(error)(f"{first}: {error}") from None


def _study_name(files: Mapping[str, Path]) -> str:
    """A name of a study from that of its file, or from the arms of its files."""
    stem = "-".join(files) if len(files) > 1 else next(iter(files.values())).stem
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", stem).strip(".-") or "predictions"


def _joined(digests: Sequence[str]) -> str:
    """That of the only file, or of the digests of all of them."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _partitions(scores: pd.DataFrame) -> Any:
    """``test`` or ``validation`` of every row, whatever word was used."""
    if "partition" not in scores.columns:
        return pd.Categorical.from_codes(np.zeros(len(scores), dtype=np.int8), pd.Index(["test"]))
    words = scores["partition"].astype(str).str.strip().str.lower().map(_PARTITIONS)
    if words.isna().any():
        found = sorted(set(scores.loc[words.isna(), "partition"].astype(str)))[:5]
        raise UserError(
            f"column 'partition' holds {', '.join(map(repr, found))}; allowed: "
            f"{', '.join(_PARTITIONS)}. Leave training cases out"
        )
    return words
