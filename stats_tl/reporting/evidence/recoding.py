"""Labels and folds as other tools write them, as the numbers that an analysis uses.

Nothing is guessed: a label is positive because ``--positive`` says so, and names of folds are
read where every one of them has a known form. What is neither is refused, with what would help.
"""

from __future__ import annotations

__all__ = ["recode_folds", "recode_labels", "split_iterations"]

import re
from typing import Any

import pandas as pd

from ...errors import UserError, suggest
from ..rendering.labels import plural

#: What tools call a part of a resampling, and what it is here.
_PARTS = {
    **dict.fromkeys(("fold", "resample", "bootstrap", "iter", "iteration", "split"), "fold"),
    **dict.fromkeys(("rep", "repeat"), "repeat"),
}
_PART = re.compile(r"([A-Za-z]+)[ _-]?0*(\d+)")
_FORMS = "whole numbers, Fold1, Fold1.Rep1, Resample01 or Repeat1"
_KEYS = ("task", "backbone", "head", "unfreeze", "arm", "seed", "reader")


def recode_labels(frame: pd.DataFrame, positive: str | None) -> pd.DataFrame:
    """Labels as 1 (the `positive` one) and 0 (the other).

    Parameters
    ----------
    frame : DataFrame
        With the column ``y_true``.
    positive : str or None
        The label of positive cases; numbers are compared as numbers. None: nothing is changed.

    Raises
    ------
    UserError
        If no case has that label, or the others have more than one.
    """
    labels = frame["y_true"]
    known = labels.dropna().unique()
    if positive is None:
        _require_numbers(labels, sorted({str(label) for label in known}))
        return frame
    chosen = [label for label in known if _same(label, positive)]
    if not chosen:
        raise UserError(
            f"--positive {positive}: no case has this label; "
            f"{suggest(positive, sorted(map(str, known))[:20])}"
        )
    others = sorted(str(label) for label in known if label not in chosen)
    if len(others) > 1:
        shown = ", ".join(map(repr, others[:5])) + (", …" if len(others) > 5 else "")
        raise UserError(
            f"--positive {positive}: the other cases have {len(others)} labels ({shown}); an AUC "
            "compares two classes: leave cases out, or give the others one label"
        )
    numbers = labels.isin(chosen).astype("float").where(labels.notna())
    return frame.assign(y_true=numbers)


def recode_folds(frame: pd.DataFrame) -> pd.DataFrame:
    """``Fold1.Rep1`` and the like in the columns ``fold`` and ``repeat`` as whole numbers.

    Raises
    ------
    UserError
        If a name has no known form, or says another repeat than the column ``repeat``.
    """
    read = {name: _parts(frame, name) for name in ("fold", "repeat") if name in frame.columns}
    for name, parts in read.items():
        for part, numbers in parts.items():
            if part == name or part not in frame.columns:
                frame = frame.assign(**{part: numbers})
            elif not numbers.eq(read.get(part, {}).get(part, frame[part])).all():
                raise UserError(
                    f"column {name!r} names a {part} ({frame[name].iloc[0]!r}), and there is a "
                    f"column {part!r} that says otherwise; leave one of them out"
                )
    return frame


def split_iterations(frame: pd.DataFrame, folds: int) -> pd.DataFrame:
    """Iterations 1 … repeats * folds, numbered through, as repeats of `folds` folds each.

    Raises
    ------
    UserError
        If there is no such numbering, or these are not repeats in which every case is tested
        at most once.
    """
    flag = f"--folds {folds}"
    if "fold" not in frame.columns:
        raise UserError(f"{flag} splits a column of iterations: name it, --columns fold=iter")
    if "repeat" in frame.columns:
        raise UserError(f"{flag}: there is a column 'repeat' already; leave out {flag}")
    numbers = pd.to_numeric(frame["fold"], errors="coerce")
    if numbers.isna().any() or (numbers % 1 != 0).any():
        wrong = frame.loc[numbers.isna() | (numbers % 1 != 0), "fold"].iloc[0]
        raise UserError(f"{flag}: expected iterations as whole numbers, got {wrong!r}")
    first, count = int(numbers.min()), int(numbers.nunique())
    last = int(numbers.max())
    if first not in (0, 1) or last - first + 1 != count or count % folds:
        raise UserError(
            f"{flag}: expected iterations numbered 1 to a multiple of {folds}, or from 0, got "
            f"{plural(count, 'number')} from {first} to {last}"
        )
    repeat, fold = divmod(numbers.astype("int64") - first, folds)
    split = frame.assign(repeat=repeat, fold=fold)
    keys = [
        key for key in (*_KEYS, "partition", "design", "repeat", "case") if key in split.columns
    ]
    tested = split if "partition" not in split.columns else split[_tested(split)]
    doubled = tested.duplicated(keys)
    if doubled.any():
        row = tested[doubled].iloc[0]
        low = first + int(row["repeat"]) * folds
        raise UserError(
            f"{flag}: case {str(row['case'])!r} is tested more than once in the iterations {low} "
            f"to {low + folds - 1}, so that these are not the folds of one repeat"
        )
    return split


def _tested(frame: pd.DataFrame) -> pd.Series:
    return frame["partition"].astype(str).str.strip().str.lower() == "test"


def _parts(frame: pd.DataFrame, name: str) -> dict[str, pd.Series]:
    """What the names in a column say, by part; nothing where they are numbers."""
    names = frame[name]
    if pd.api.types.is_numeric_dtype(names) or pd.to_numeric(names, errors="coerce").notna().all():
        return {}
    levels = {level: _read(str(level)) for level in names.dropna().unique()}
    unknown = [str(level) for level, parts in levels.items() if not parts]
    if unknown:
        worst = min(unknown, key=str.isdigit)
        raise UserError(f"column {name!r} holds {worst!r}; known are {_FORMS}")
    first, said = next(iter(levels.items()))
    other = next((level for level, parts in levels.items() if parts.keys() != said.keys()), None)
    if other is not None:
        raise UserError(
            f"column {name!r} holds {first!r} and {other!r}; the names of folds need one form"
        )
    if name not in said:
        raise UserError(f"column {name!r} holds {first!r}, which names no {name}")
    return {part: names.map({level: own[part] for level, own in levels.items()}) for part in said}


def _read(text: str) -> dict[str, int]:
    """``Fold1.Rep2`` as ``{"fold": 1, "repeat": 2}``; empty if any of it has no known form."""
    found: dict[str, int] = {}
    for piece in re.split(r"[.,;/ ]+(?=[A-Za-z])", text.strip()):
        match = _PART.fullmatch(piece)
        part = match and _PARTS.get(match[1].lower())
        if not match or not part or part in found:
            return {}
        found[part] = int(match[2])
    return found


def _require_numbers(labels: pd.Series, words: list[str]) -> None:
    """Refuse two labels that are not 0 and 1; anything else is left to the check of the scores."""
    if len(words) != 2 or labels.dtype == bool:
        return
    if not pd.to_numeric(pd.Series(words), errors="coerce").isin([0, 1]).all():
        raise UserError(
            f"column 'y_true' holds {words[0]!r} and {words[1]!r}, not 0 (negative) and 1 "
            f"(positive); which is positive? Say --positive {_quoted(words[1])} or "
            f"--positive {_quoted(words[0])}"
        )


def _same(label: Any, positive: str) -> bool:
    """Whether a label is the one that was named; 2, 2.0 and "2" are the same."""
    if str(label) == positive:
        return True
    try:
        return float(label) == float(positive)
    except (TypeError, ValueError):
        return False


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w.+-]+", word) else f"'{word}'"
