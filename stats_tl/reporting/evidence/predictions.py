"""Predictions made elsewhere, as a table in the place of a run archive."""

from __future__ import annotations

__all__ = ["Predictions", "read_csv", "read_predictions"]

import hashlib
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ...errors import UserError
from ..rendering.labels import plural
from .alignment import CELL, check_scores
from .base import Source
from .layout import NEEDED, OPTIONAL, arrange
from .recoding import recode_folds, recode_labels, split_iterations
from .repeated_scores import refuse_repeated_scores

_MOST_BYTES = 4 * 2**30
_LONGEST_LINE = 2**20
_DIALECT_BYTES = 2**16
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")
_TEXT = ("case", "patient", "arm", "design", "task", "backbone", "head", "unfreeze")
_PARTITIONS = {
    "test": "test",
    **dict.fromkeys(("validation", "val", "valid", "tune", "tuning", "dev"), "validation"),
}


class Predictions:
    """Predictions made elsewhere, read as if they were an archive.

    Parameters
    ----------
    scores : DataFrame
        One row per case and model: ``case, y_true, arm, score``; optional ``patient``,
        the keys of a cell, ``design`` (``half`` for extra two-fold repeats) and
        ``partition`` (``test``, or ``validation`` for the cases a model was tuned on; all
        are test cases where there is no such column). Other columns are covariates of the
        cases.
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
        partition = _partitions(scores)
        checked = check_scores(scores).assign(partition=partition)
        refuse_repeated_scores(scores, checked)
        self._covariates, self.ignored = _covariates(scores, checked)
        # Sorted, so that the order of rows cannot change the last digit of a sum.
        self._scores = checked.sort_values(
            ["design", *CELL, "partition", "case"], ignore_index=True
        )
        if not (self._scores["partition"] == "test").any():
            raise UserError("no row has partition 'test'; nothing to compare")
        columns = [c for c in ("task", "case", "patient", "y_true") if c in self._scores.columns]
        cases = self._scores[columns].drop_duplicates()
        clash = cases[cases.duplicated(["task", "case"])]
        if len(clash):
            raise UserError(
                f"case {str(clash['case'].iloc[0])!r} has more than one label or patient in a "
                f"task ({plural(len(clash), 'case has', 'cases have')}); a case has one in all rows"
            )
        compared = self._scores["design"] == "cv"
        self.cells = self._scores.loc[compared, list(CELL)].drop_duplicates(ignore_index=True)
        self.missing = pd.DataFrame(columns=list(CELL))

    def patients_known(self, task: str) -> bool:
        """Whether the table has a column ``patient``."""
        return "patient" in self._scores.columns

    def cases(self, task: str) -> pd.DataFrame:
        """Cases of a task: ``case, y_true``, where given ``patient``, and covariates."""
        own = self._scores[self._scores["task"].astype(str) == task]
        columns = [c for c in ("case", "patient", "y_true") if c in own.columns]
        cases = own[columns].drop_duplicates("case").sort_values("case", ignore_index=True)
        if self._covariates is None:
            return cases
        covariates = self._covariates[self._covariates["task"] == task].drop(columns="task")
        return cases.merge(covariates, on="case", how="left")

    def scores(self, *, as_categories: bool = False, **filters: Any) -> pd.DataFrame:
        """Scores of the rows that match; without `design`, those of the cross-validation."""
        frame = self._scores
        for key, value in {"design": "cv", **filters}.items():
            values = value if isinstance(value, list) else [value]
            frame = frame[frame[key].astype(str).isin([str(v) for v in values])]
        return frame

    def records(self) -> tuple[dict[str, Any], ...]:
        """None: how the models were trained is not known."""
        return ()

    def failures(self) -> dict[str, dict[str, Any]]:
        """None: what failed is not known."""
        return {}


def read_predictions(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    arms: Mapping[str, str] | None = None,
    positive: str | None = None,
    folds: int | None = None,
) -> Predictions:
    """Read a CSV of predictions, long or wide.

    Parameters
    ----------
    path : path-like
        Columns ``case, y_true, arm, score``; optional ``patient, task, backbone, head,
        unfreeze, repeat, fold, seed, partition`` and ``design``: ``half`` in the rows of
        extra two-fold repeats, ``cv`` in the others. Other columns are covariates of the
        cases, but for near misses in spelling.
    columns : mapping of str to str, optional
        Our name → the table's name of a column.
    arms : mapping of str to str, optional
        Arm → the column of its scores: the table is wide, one row per case; see
        :mod:`.layout`.
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
        If the file cannot be read or is not such a table.
    """
    path = Path(path)
    frame, digest = read_csv(path, columns)
    try:
        name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", path.stem).strip(".-") or "predictions"
        arranged = recode_labels(arrange(frame, columns=columns, arms=arms), positive)
        arranged = split_iterations(arranged, folds) if folds else recode_folds(arranged)
        return Predictions(arranged, name=name, digest=digest)
    except UserError as error:
        raise type(error)(f"{path}: {error}") from None


def read_csv(path: Path, columns: Mapping[str, str] | None = None) -> tuple[pd.DataFrame, str]:
    """A CSV table with identifiers as text, and the SHA-256 of the file."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"{path}: larger than 4 GiB; split it by task")
        digest = _digest(path)
        separator, decimal = _dialect(path)
        header = pd.read_csv(
            path, header=None, nrows=1, dtype=str, encoding="utf-8-sig", sep=separator
        ).iloc[0]
        # pandas would rename the second of two columns of one name.
        names = header.fillna("").str.strip()
        if names.duplicated().any():
            doubled = names[names.duplicated()].iloc[0]
            raise UserError(f"{path}: the column {doubled!r} is there more than once")
        # Identifiers are text: 007 and 7 are two cases, and "NA" may be a name.
        theirs = {name: (columns or {}).get(name, name) for name in _TEXT}
        text = {position: str for position, name in enumerate(names) if name in theirs.values()}
        with warnings.catch_warnings():
            # A row with more fields than the header would lose them.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path, header=None, skiprows=1, names=range(len(names)), dtype=text,
                keep_default_na=False, na_values=[""], index_col=False, encoding="utf-8-sig",
                sep=separator, decimal=decimal,
            )  # fmt: skip
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file in UTF-8; save it as CSV in UTF-8") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except pd.errors.ParserWarning:
        raise UserError(f"{path}: a row has more fields than the header") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(f"{path}: not a CSV table: {error}") from None
    frame.columns = list(names)
    return frame, digest


def _dialect(path: Path) -> tuple[str, str]:
    """Separator of a CSV, and its decimal mark.

    Where commas are decimal marks, spreadsheets separate by semicolons. The separator is the
    one of comma, semicolon and tab that is most frequent in the header; the mark is a comma
    if it is not the separator and a field of the first lines is such a number.
    """
    with path.open("rb") as file:
        first, *rows = file.read(_DIALECT_BYTES).decode("utf-8-sig", "replace").splitlines() or [""]
    separator = max(",;\t", key=first.count)
    fields = (field.strip(' "') for row in rows for field in row.split(separator))
    marked = separator != "," and any(_DECIMAL_COMMA.fullmatch(field) for field in fields)
    return separator, "," if marked else "."


def _digest(path: Path) -> str:
    """SHA-256 of a file, read block by block; a line of a million characters is no table's."""
    digest, length = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_LONGEST_LINE):
            digest.update(block)
            first, last = block.find(b"\n"), block.rfind(b"\n")
            if length + (len(block) if first < 0 else first) > _LONGEST_LINE:
                raise UserError(f"{path}: a line is longer than 1 MiB; is this a table of scores?")
            length = length + len(block) if first < 0 else len(block) - last - 1
    return digest.hexdigest()


def _partitions(scores: pd.DataFrame) -> Any:
    """``test`` or ``validation`` of every row, whatever word was used."""
    if "partition" not in scores.columns:
        return "test"
    words = scores["partition"].astype(str).str.strip().str.lower().map(_PARTITIONS)
    if words.isna().any():
        found = sorted(set(scores.loc[words.isna(), "partition"].astype(str)))[:5]
        raise UserError(
            f"column 'partition' holds {', '.join(map(repr, found))}; allowed: "
            f"{', '.join(_PARTITIONS)}. Leave training cases out"
        )
    return words


def _covariates(
    scores: pd.DataFrame, checked: pd.DataFrame
) -> tuple[pd.DataFrame | None, tuple[str, ...]]:
    """Columns that are the same in all rows of a case, and the names of the others."""
    names = [c for c in scores.columns if c not in (*NEEDED, *OPTIONAL)]
    if not names:
        return None, ()
    keys = checked[["task", "case"]].astype(str)
    n_cases = len(keys.drop_duplicates())
    kept, ignored = [], []
    for name in names:
        values = scores[name].astype(object).where(scores[name].notna(), None)
        own = keys.assign(**{str(name): values.map(str, na_action="ignore")}).drop_duplicates()
        if len(own) == n_cases:
            kept.append(own.set_index(["task", "case"])[str(name)])
        else:
            ignored.append(str(name))
    return (pd.concat(kept, axis=1).reset_index() if kept else None), tuple(ignored)
