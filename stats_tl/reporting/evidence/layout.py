"""Other people's CSV tables in the layout that a report reads.

The rule, in this order:

1. ``--columns ours=theirs,...`` renames columns: ``case=image_id,y_true=label``.
2. ``--arms arm=column,...`` says that the table is *wide*, one row per case (and repeat, fold,
   seed, task ...) with a score column for each arm: ``imagenet=p_in,radimagenet=p_rin``.
   Without it the table is *long*, one row per case and arm, with the columns ``arm`` and
   ``score``.
3. What is then neither a known column nor the score of an arm is a covariate.

Nothing is guessed: a table with score columns for several arms and without ``--arms`` is
refused with the flag that would mend it. Two columns need no place in the file: ``row``, the
number of the row, and ``index``, the row names without a heading; both are used where
``--columns case=row`` says so. An empty score in a wide table means that the arm
has no score for the case, which the comparison refuses, naming the case.
"""

from __future__ import annotations

__all__ = ["NEEDED", "OPTIONAL", "arrange", "parse_mapping", "stack_arms"]

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.api.types import union_categoricals

from ...errors import UserError, suggest
from ..rendering.labels import plural
from .tabular import INDEX, UNNAMED

NEEDED = ("case", "y_true", "arm", "score")
#: The number of the row, as a name for ``--columns``.
ROW = "row"
OPTIONAL = (
    "patient",
    "reader",
    "task",
    "backbone",
    "head",
    "unfreeze",
    "repeat",
    "fold",
    "seed",
    "design",
    "partition",
)


def parse_mapping(text: str, flag: str, example: str) -> dict[str, str]:
    """``"a=b,c=d"`` as a dict.

    Raises
    ------
    UserError
        If an entry has no ``=``, an empty side, or a name that is there twice.

    Examples
    --------
    >>> parse_mapping("case=image_id, y_true=label", "--columns", "case=image_id")
    {'case': 'image_id', 'y_true': 'label'}
    """
    result: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = (word.strip() for word in entry.partition("="))
        if not (sign and name and value):
            raise UserError(f"{flag} {entry!r}: expected NAME=VALUE, for example {example}")
        if name in result:
            raise UserError(f"{flag}: {name!r} is there more than once")
        result[name] = value
    if not result:
        raise UserError(f"{flag} is empty: expected NAME=VALUE, for example {example}")
    return result


def arrange(
    frame: pd.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    arms: Mapping[str, str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    truth: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """A table of predictions as one row per case and arm, with our names.

    Parameters
    ----------
    frame : DataFrame
        As it was read.
    columns : mapping of str to str, optional
        Our name → theirs.
    arms : mapping of str to str, optional
        Arm → the column of its scores; the table is then wide.
    fixed : mapping, optional
        Columns to add with one value, where the table has no such column.
    truth : DataFrame, optional
        Labels and covariates of the cases, ``case, y_true, ...``, that the table lacks.

    Raises
    ------
    UserError
        If a column is not there, or two would have one name.

    Examples
    --------
    >>> import pandas as pd
    >>> wide = pd.DataFrame({"id": ["a", "b"], "y_true": [0, 1], "p1": [.2, .7], "p2": [.1, .9]})
    >>> arrange(wide, columns={"case": "id"}, arms={"old": "p1", "new": "p2"})
      case  y_true  arm  score
    0    a       0  old    0.2
    1    b       1  old    0.7
    2    a       0  new    0.1
    3    b       1  new    0.9
    """
    known = {*NEEDED, *OPTIONAL}
    tables = [frame] if truth is None else [frame, truth]
    if columns:
        _require_columns(columns, tables)
    frame, *others = (_renamed(table, columns or {}) for table in tables)
    if others:
        frame = _with_truth(frame, others[0])
    for name, value in (fixed or {}).items():
        if name not in frame.columns:
            frame = frame.assign(**{name: value})
    if arms:
        frame = _long(frame, arms, columns or {})
    if {"reader", "seed"} <= set(frame.columns):
        raise UserError(
            "the table has a column 'reader' and a column 'seed': scores are those of readers or "
            "of training runs; leave one of them out"
        )
    absent = [name for name in NEEDED if name not in frame.columns]
    if absent:
        found = ", ".join(map(str, frame.columns))
        raise UserError(
            f"the column{'s' * (len(absent) > 1)} {', '.join(absent)} "
            f"{'are' if len(absent) > 1 else 'is'} missing; found: {found}. One row per case and "
            "model is expected: case,y_true,arm,score, optionally "
            + ",".join(OPTIONAL)
            + _hint(frame)
        )
    for column in frame.columns:
        if column not in known and str(column).lower() in known:
            raise UserError(f"unknown column {column!r}; {suggest(str(column).lower(), known)}")
    return frame


def stack_arms(
    frames: Mapping[str, pd.DataFrame],
    *,
    columns: Mapping[str, str] | None = None,
    arms: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The tables of several arms below each other, with the column ``arm``.

    Raises
    ------
    UserError
        If a table names arms itself, or has other columns than the first.
    """
    if arms:
        raise UserError("--arms says that one table holds all arms; leave it out for a file an arm")
    first, expected = next(iter(frames.items()))
    numbered = ROW in (columns or {}).values() and ROW not in expected.columns
    for arm, frame in frames.items():
        if "arm" in frame.columns:
            raise UserError(f"the file of {arm!r} has a column 'arm' itself; give that file alone")
        if odd := sorted(map(str, set(expected.columns) ^ set(frame.columns))):
            raise UserError(
                f"the files of {first!r} and {arm!r} differ in their columns ({', '.join(odd)}); "
                "give both the same"
            )
    parts = [
        frame.assign(
            arm=pd.Categorical([arm] * len(frame)),
            **({ROW: range(1, len(frame) + 1)} if numbered else {}),
        )
        for arm, frame in frames.items()
    ]
    return concatenated(parts)


def concatenated(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables below each other; what is categorical in any of them is so in the whole."""
    result = {}
    for name in parts[0].columns:
        own = [part[name] for part in parts]
        if any(isinstance(column.dtype, pd.CategoricalDtype) for column in own):
            coded = [column.astype("category").array for column in own]
            result[name] = pd.Series(union_categoricals(coded))
        else:
            result[name] = pd.concat(own, ignore_index=True)
    return pd.DataFrame(result)


def _require_columns(columns: Mapping[str, str], tables: Sequence[pd.DataFrame]) -> None:
    known = {*NEEDED, *OPTIONAL}
    found = dict.fromkeys(str(name) for table in tables for name in table.columns)
    found |= dict.fromkeys([ROW, *([INDEX] if UNNAMED in found else [])])
    for ours, theirs in columns.items():
        flag = f"--columns {ours}={theirs}"
        if ours not in known:
            raise UserError(f"{flag}: {suggest(ours, known)}")
        if theirs not in found:
            raise UserError(f"{flag}: no such column; {suggest(theirs, filter(None, found))}")
        if any(ours != theirs and {ours, theirs} <= set(table.columns) for table in tables):
            raise UserError(f"{flag}: the table has a column {ours!r} too; rename it")


def _renamed(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Our names; numbers and names of rows only where they are asked for."""
    wanted = {theirs: ours for ours, theirs in columns.items()}
    if INDEX in wanted and INDEX not in frame.columns:
        wanted[UNNAMED] = wanted[INDEX]
    if ROW in wanted and ROW not in frame.columns:
        frame = frame.assign(**{ROW: range(1, len(frame) + 1)})
    return frame.rename(columns=wanted).drop(columns=UNNAMED, errors="ignore")


def _with_truth(frame: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Labels and covariates of `truth` beside the predictions of each case."""
    for table, what in ((frame, "the predictions"), (truth, "the table of --truth")):
        if "case" not in table.columns:
            found = ", ".join(map(str, table.columns))
            raise UserError(f"{what} lack a column 'case' to join by; found: {found}")
    keys = ["task", "case"] if {"task"} <= set(frame.columns) & set(truth.columns) else ["case"]
    both = [name for name in truth.columns if name in frame.columns and name not in keys]
    if both:
        raise UserError(
            f"the predictions and the table of --truth both have the column {both[0]!r}; "
            "leave it out of one of them"
        )
    text = frame.assign(**{key: frame[key].astype(str) for key in keys})
    known = truth.assign(**{key: truth[key].astype(str) for key in keys})
    if known.duplicated(keys).any():
        doubled = known.loc[known.duplicated(keys), "case"].iloc[0]
        raise UserError(f"--truth has case {doubled!r} more than once; a case has one row")
    joined = text.merge(known, on=keys, how="left", indicator=True)
    lost = joined.loc[joined.pop("_merge") == "left_only", "case"].drop_duplicates()
    if len(lost):
        shown = ", ".join(lost.head(10)) + (", …" if len(lost) > 10 else "")
        raise UserError(f"--truth lacks {plural(len(lost), 'case')} of the predictions: {shown}")
    return joined


def _long(frame: pd.DataFrame, arms: Mapping[str, str], columns: Mapping[str, str]) -> pd.DataFrame:
    renamed = {theirs: ours for ours, theirs in columns.items()}
    for name in ("arm", "score"):
        if name in frame.columns and name not in arms.values():
            raise UserError(
                f"--arms says that the table is wide, but it has a column {name!r}; leave out "
                "--arms for a table with one row per case and arm"
            )
    scores = [renamed.get(column, column) for column in arms.values()]
    for arm, column in zip(arms, scores, strict=True):
        _require(frame, column, f"--arms {arm}={column}")
        if scores.count(column) > 1:
            raise UserError(f"--arms: the column {column!r} is given for more than one arm")
    rest = frame.drop(columns=scores)
    parts = [
        rest.assign(arm=pd.Categorical([arm] * len(rest)), score=frame[column])
        for arm, column in zip(arms, scores, strict=True)
    ]
    # A case that an arm has no score for is a row less, which the pairing then finds.
    return concatenated(parts).dropna(subset="score").reset_index(drop=True)


def _require(frame: pd.DataFrame, column: str, flag: str) -> None:
    if column not in frame.columns:
        raise UserError(f"{flag}: no such column; {suggest(column, map(str, frame.columns))}")


def _hint(frame: pd.DataFrame) -> str:
    """What would mend a table that looks wide, or has other names."""
    numbers = [
        str(c) for c in frame.select_dtypes("number").columns if c not in (*NEEDED, *OPTIONAL)
    ]
    wide = ""
    if "arm" not in frame.columns and len(numbers) > 1:
        pairs = ",".join(f"NAME={column}" for column in numbers[:2])
        wide = f". A score column for each arm: --arms {pairs}"
    return f"{wide}. Other names: --columns case=THEIRS,y_true=THEIRS"
