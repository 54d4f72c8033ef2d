"""Other people's CSV tables in the layout that a report reads.

The rule, in this order:

1. ``--columns ours=theirs,...`` renames columns: ``case=image_id,y_true=label``.
2. ``--arms arm=column,...`` says that the table is *wide*, one row per case (and repeat, fold,
   seed, task ...) with a score column for each arm: ``imagenet=p_in,radimagenet=p_rin``.
   Without it the table is *long*, one row per case and arm, with the columns ``arm`` and
   ``score``.
3. What is then neither a known column nor the score of an arm is a covariate.

Nothing is guessed: a table with score columns for several arms and without ``--arms`` is
refused with the flag that would mend it. An empty score in a wide table means that the arm
has no score for the case, which the comparison refuses, naming the case.
"""

from __future__ import annotations

__all__ = ["arrange", "parse_mapping"]

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ...errors import UserError, suggest

NEEDED = ("case", "y_true", "arm", "score")
OPTIONAL = (
    "patient",
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
    for ours, theirs in (columns or {}).items():
        if ours not in known:
            raise UserError(f"--columns {ours}={theirs}: {suggest(ours, known)}")
        _require(frame, theirs, f"--columns {ours}={theirs}")
        if ours in frame.columns and ours != theirs:
            raise UserError(
                f"--columns {ours}={theirs}: the table has a column {ours!r} too; rename it"
            )
    frame = frame.rename(columns={theirs: ours for ours, theirs in (columns or {}).items()})
    for name, value in (fixed or {}).items():
        if name not in frame.columns:
            frame = frame.assign(**{name: value})
    if arms:
        frame = _long(frame, arms, columns or {})
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
        rest.assign(arm=arm, score=frame[column]) for arm, column in zip(arms, scores, strict=True)
    ]
    # A case that an arm has no score for is a row less, which the pairing then finds.
    return pd.concat(parts, ignore_index=True).dropna(subset="score").reset_index(drop=True)


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
