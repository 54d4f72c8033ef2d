"""Tables and labels: bounded CSV reading, binary reference standards, plan options."""

from __future__ import annotations

__all__ = ["Option", "binary_labels", "clean_label", "read_options", "read_table"]

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stats_tl.data.files import Store
from stats_tl.data.problems import listed
from stats_tl.errors import UserError, suggest
from stats_tl.study.plan import Task

MAX_TABLE_BYTES = 64 * 2**20
MAX_LINE_BYTES = 2**20
MAX_ROWS = 2_000_000
MAX_COLUMNS = 1_000
MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "<na>", "?"})
#: What is positive when exactly these two classes occur and the plan does not say.
KNOWN_PAIRS = (
    ("0", "1"),
    ("no", "yes"),
    ("false", "true"),
    ("negative", "positive"),
    ("benign", "malignant"),
    ("normal", "abnormal"),
    ("intact", "torn"),
)


@dataclass(frozen=True)
class Option:
    """One key of a task's ``options`` table."""

    name: str
    kind: type | tuple[type, ...] = str
    default: Any = None
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


def read_options(task: Task, *allowed: Option) -> dict[str, Any]:
    """The task's options, checked, with defaults filled in.

    Parameters
    ----------
    task : Task
        Its ``options`` are read.
    *allowed : Option
        What the adapter knows.

    Returns
    -------
    dict
        One value for every allowed option.

    Raises
    ------
    UserError
        For an unknown option (with the nearest spelling), a wrong type, or a
        value outside the choices or the range.
    """
    where = f"task {task.name!r} (adapter {task.adapter!r})"
    known = {option.name: option for option in allowed}
    for key in task.options:
        if not known:
            raise UserError(f"{where}: takes no options, was given `{key}`; remove it")
        if key not in known:
            raise UserError(f"{where}: unknown option `{key}`; {suggest(key, known)}")
    values = {}
    for name, option in known.items():
        value: Any = task.options.get(name)
        if value is None:
            values[name] = option.default
            continue
        kinds = option.kind if isinstance(option.kind, tuple) else (option.kind,)
        if isinstance(value, int) and float in kinds and not isinstance(value, bool):
            value = float(value) if int not in kinds else value
        # bool is a subclass of int, and never what is meant by a number.
        if not any(isinstance(value, kind) for kind in kinds) or (
            isinstance(value, bool) and bool not in kinds
        ):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise UserError(f"{where}: `{name}` must be {expected}, was given {value!r}")
        if option.choices and value not in option.choices:
            raise UserError(f"{where}: `{name}` = {value!r}; {suggest(str(value), option.choices)}")
        if (option.low is not None and not value >= option.low) or (
            option.high is not None and not value <= option.high
        ):
            raise UserError(
                f"{where}: `{name}` must lie between {option.low} and {option.high}, "
                f"was given {value!r}"
            )
        values[name] = value
    return values


def read_table(store: Store, name: str, *, columns: Iterable[str] = ()) -> pd.DataFrame:
    """A CSV file as strings, stripped of surrounding blanks.

    The separator is the one of comma, semicolon and tab that is most frequent in the
    header. UTF-8, with or without byte-order mark. Memory is bounded: at most 64 MiB,
    1 MiB a line, 131,072 characters a field, 1,000 columns and 2,000,000 rows.

    Parameters
    ----------
    store : Store
        Where the file lies.
    name : str
        The file.
    columns : iterable of str
        Columns that must be there.

    Returns
    -------
    DataFrame
        All columns, dtype string, one row a line.

    Raises
    ------
    UserError
        Naming the line, if the file is not a table; naming the columns, if some are missing.
    """
    where = f"{store.path}: {name}"
    data = store.read(name, limit=MAX_TABLE_BYTES)
    # Before anything is split: a file of line ends alone would become 64 million objects.
    if max(data.count(b"\n"), data.count(b"\r")) > MAX_ROWS:
        raise UserError(f"{where}: more than {MAX_ROWS:,} rows")
    longest = max(map(len, data.splitlines()), default=0)
    if longest > MAX_LINE_BYTES:
        raise UserError(f"{where}: a line of {longest:,} bytes; at most {MAX_LINE_BYTES:,} allowed")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{where}: not UTF-8 text (byte {error.start:,}); save the table as 'CSV UTF-8'"
        ) from error
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    rows: list[list[str]] = []
    try:
        for row in reader:
            if not any(field.strip() for field in row):
                continue
            fields = [field.strip() for field in row]
            if not header:
                header = fields
                if len(header) > MAX_COLUMNS:
                    raise UserError(f"{where}: {len(header):,} columns; at most {MAX_COLUMNS:,}")
                continue
            if len(fields) != len(header):
                raise UserError(
                    f"{where}, line {reader.line_num}: {len(fields)} fields where the header "
                    f"has {len(header)}"
                )
            rows.append(fields)
    except csv.Error as error:
        raise UserError(f"{where}, line {reader.line_num}: not a CSV table ({error})") from error
    if not rows:
        raise UserError(f"{where}: the table is empty; expected a header and one row a case")
    twice = [column for column, count in Counter(header).items() if count > 1]
    if twice:
        raise UserError(f"{where}: two columns are named {listed(twice)}")
    lacking = [column for column in columns if column not in header]
    if lacking:
        names = f"column {listed(lacking)}" if len(lacking) == 1 else f"columns {listed(lacking)}"
        raise UserError(f"{where}: no {names}; {suggest(lacking[0], header[:50])}")
    return pd.DataFrame(rows, columns=header, dtype="object")


def clean_label(label: object) -> str:
    """A class as one spelling: ``1.0``, ``1`` and ``True`` (TOML) need not differ in type.

    Examples
    --------
    >>> [clean_label(label) for label in ("1.0", 1, " yes ", True)]
    ['1', '1', 'yes', 'true']
    """
    if isinstance(label, bool):
        return str(label).lower()
    text = str(label).strip()
    whole, dot, zeros = text.partition(".")
    return whole if dot and zeros and not zeros.strip("0") and whole.lstrip("-").isdigit() else text


def _classes(value: Any) -> list[str]:
    values = value if isinstance(value, list | tuple) else [] if value is None else [value]
    return [clean_label(item) for item in values]


def binary_labels(
    labels: Sequence[object],
    cases: Sequence[str],
    *,
    positive: Any = None,
    negative: Any = None,
    exclude: Any = None,
    missing: Collection[str] = MISSING,
    where: str,
) -> np.ndarray:
    """The reference standard as 1, 0, or -1 for a case to leave out.

    Parameters
    ----------
    labels : sequence of length n
        The class of every case.
    cases : sequence of str, length n
        Named in errors.
    positive, negative, exclude : str, int or list of these, optional
        Classes. With exactly two classes, one of `positive` and `negative` is enough,
        and neither is needed for 0/1, no/yes, benign/malignant and the like. With more,
        every class must be named: which ones count as negative is never guessed.
    missing : collection of str
        Labels, in lower case, that mean 'no label' unless they are named as a class.
    where : str
        Opens the errors.

    Returns
    -------
    ndarray of int8, shape (n,)

    Raises
    ------
    UserError
        For missing labels, a class that is not there or not named, fewer than two classes.

    Examples
    --------
    >>> binary_labels(["yes", "no", "yes"], ["a", "b", "c"], where="demo").tolist()
    [1, 0, 1]
    """
    clean = np.array([clean_label(label) for label in labels], dtype=object)
    counts = Counter(clean.tolist())
    found = ", ".join(f"{name!r} ({n})" for name, n in sorted(counts.items())[:20])
    named = {"positive": _classes(positive), "negative": _classes(negative)}
    left_out = _classes(exclude)
    flat = [*named["positive"], *named["negative"], *left_out]
    absent = {text for text in counts if text.lower() in missing and text not in flat}
    if absent:
        unlabelled = [case for case, text in zip(cases, clean, strict=True) if text in absent]
        raise UserError(
            f"{where}: cases without a label ({len(unlabelled)}): {listed(unlabelled)}; "
            "complete the labels or remove these cases"
        )
    for name in flat:
        if name not in counts:
            raise UserError(f"{where}: the class {name!r} does not occur; classes found: {found}")
        if flat.count(name) > 1:
            raise UserError(f"{where}: the class {name!r} is named twice; once is meant")
    kept = [name for name in counts if name not in left_out]
    if len(kept) < 2:
        raise UserError(f"{where}: two classes are needed, found only {found}")
    if not named["positive"] and not named["negative"]:
        lowered = {name.lower(): name for name in kept}
        pair = next((p for p in KNOWN_PAIRS if sorted(p) == sorted(lowered)), None)
        if pair is None or len(kept) != 2:
            raise UserError(
                f"{where}: cannot tell which class is positive among {found}; set `positive` "
                "(and, with more than two classes, `negative` or `exclude` for the others)"
            )
        named["positive"] = [lowered[pair[1]]]
    rest = [name for name in kept if name not in named["positive"] + named["negative"]]
    if rest:
        if len(kept) > 2 and named["positive"] and named["negative"]:
            more = "name every class"
        elif len(kept) > 2:
            more = f"{len(kept)} classes were found, the reference standard has two"
        else:
            more = ""
        if more:
            raise UserError(
                f"{where}: {more}: put {listed(rest)} under `positive`, `negative` or `exclude`; "
                f"classes found: {found}"
            )
        side = "positive" if not named["positive"] else "negative"
        named[side] = rest
    if not named["positive"] or not named["negative"]:
        raise UserError(f"{where}: both a positive and a negative class are needed, found {found}")
    code = {
        **dict.fromkeys(named["positive"], 1),
        **dict.fromkeys(named["negative"], 0),
        **dict.fromkeys(left_out, -1),
    }
    return np.array([code[text] for text in clean], dtype=np.int8)
