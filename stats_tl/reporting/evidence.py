"""What a report is made from: a run archive, or a table of predictions in its place."""

from __future__ import annotations

__all__ = ["Evidence", "Predictions", "read_predictions"]

import hashlib
import re
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from ..errors import UserError, suggest
from .alignment import check_scores
from .words import plural

_MOST_BYTES = 4 * 2**30
_NEEDED = ("case", "y_true", "arm", "score")
_OPTIONAL = (
    "patient", "task", "backbone", "head", "unfreeze", "repeat", "fold", "seed", "design",
)  # fmt: skip
_KEYS = ("task", "backbone", "head", "unfreeze", "arm", "repeat", "fold", "seed")


class Evidence(Protocol):
    """The part of :class:`stats_tl.archive.Archive` that a report reads."""

    name: str
    plan: dict[str, Any]
    cells: pd.DataFrame

    @property
    def reference(self) -> str | None: ...

    @property
    def synthetic(self) -> bool: ...

    @property
    def digest(self) -> str: ...

    @property
    def missing(self) -> pd.DataFrame: ...

    def cases(self, task: str) -> pd.DataFrame: ...

    def scores(self, **filters: Any) -> pd.DataFrame: ...


class Predictions:
    """Predictions made elsewhere, read as if they were an archive.

    Parameters
    ----------
    scores : DataFrame
        One row a case and model: ``case, y_true, arm, score``; optional ``patient``,
        the keys of a cell, and ``design``: ``half`` for extra two-fold repeats.
    name : str
        Name of the study.
    digest : str, optional
        SHA-256 of the file they came from.

    Raises
    ------
    UserError
        If columns are missing or hold what they must not.
    """

    reference = None
    synthetic = False

    def __init__(self, scores: pd.DataFrame, *, name: str = "predictions", digest: str = ""):
        self.name = name
        self.plan: dict[str, Any] = {}
        self.digest = digest
        # Sorted, so that the order of rows cannot change the last digit of a sum.
        self._scores = check_scores(scores).sort_values(
            ["design", *_KEYS, "case"], ignore_index=True
        )
        columns = [c for c in ("task", "case", "patient", "y_true") if c in self._scores.columns]
        cases = self._scores[columns].drop_duplicates()
        clash = cases[cases.duplicated(["task", "case"])]
        if len(clash):
            raise UserError(
                f"case {str(clash['case'].iloc[0])!r} has more than one label or patient in a "
                f"task ({plural(len(clash), 'case has', 'cases have')}); a case has one in all rows"
            )
        compared = self._scores["design"] == "cv"
        self.cells = self._scores.loc[compared, list(_KEYS)].drop_duplicates(ignore_index=True)
        self.missing = pd.DataFrame(columns=list(_KEYS))

    def cases(self, task: str) -> pd.DataFrame:
        """Cases of a task: ``case, y_true`` and, where given, ``patient``."""
        own = self._scores[self._scores["task"].astype(str) == task]
        columns = [c for c in ("case", "patient", "y_true") if c in own.columns]
        return own[columns].drop_duplicates("case").sort_values("case", ignore_index=True)

    def scores(self, **filters: Any) -> pd.DataFrame:
        """Scores of the rows that match; all of them are of test cases.

        Without `design`, those of the cross-validation.
        """
        frame = self._scores
        for key, value in {"design": "cv", **filters}.items():
            if key != "partition":
                values = value if isinstance(value, list) else [value]
                frame = frame[frame[key].astype(str).isin([str(v) for v in values])]
        return frame


def read_predictions(path: str | Path) -> Predictions:
    """Read a CSV of predictions.

    Parameters
    ----------
    path : path-like
        Columns ``case, y_true, arm, score``; optional ``patient, task, backbone, head,
        unfreeze, repeat, fold, seed``, and ``design``: ``half`` in the rows of extra
        two-fold repeats, ``cv`` in the others. Other columns are ignored, but for near misses in
        spelling.

    Returns
    -------
    Predictions

    Raises
    ------
    UserError
        If the file cannot be read or is not such a table.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path}: larger than 4 GiB; split it by task")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        # Identifiers are text: 007 and 7 are two cases, and "NA" may be a name.
        text = dict.fromkeys(("case", "patient", "arm", "design", *_KEYS[:4]), str)
        frame = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])
        header = pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0]
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file in UTF-8; save it as CSV in UTF-8") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(f"{path}: not a CSV table: {error}") from None
    # pandas would rename the second of two columns of one name.
    names = header.fillna("").str.strip()
    if names.duplicated().any():
        doubled = names[names.duplicated()].iloc[0]
        raise UserError(f"{path}: the column {doubled!r} is there more than once")
    frame.columns = list(names)
    absent = [name for name in _NEEDED if name not in frame.columns]
    if absent:
        found = ", ".join(frame.columns)
        raise UserError(
            f"{path}: the column{'s' * (len(absent) > 1)} {', '.join(absent)} "
            f"{'are' if len(absent) > 1 else 'is'} missing; found: {found}. One row a case and "
            "model is expected: case,y_true,arm,score, optionally " + ",".join(_OPTIONAL)
        )
    known = {*_NEEDED, *_OPTIONAL}
    for column in frame.columns:
        if column not in known and column.lower() in known:
            raise UserError(f"{path}: unknown column {column!r}; {suggest(column.lower(), known)}")
    try:
        name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", path.stem).strip(".-") or "predictions"
        return Predictions(frame, name=name, digest=digest)
    except UserError as error:
        raise type(error)(f"{path}: {error}") from None
