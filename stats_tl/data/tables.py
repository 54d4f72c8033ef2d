"""Tables of others: bounded CSV reading."""

from __future__ import annotations

__all__ = ["read_table"]

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence

import pandas as pd

from ..errors import UserError, suggest
from .files import Store
from .problems import listed

MAX_TABLE_BYTES = 64 * 2**20
MAX_LINE_BYTES = 2**20
MAX_ROWS = 2_000_000
MAX_COLUMNS = 1_000


def read_table(
    store: Store,
    name: str,
    *,
    columns: Iterable[str] = (),
    header: Sequence[str] | None = None,
) -> pd.DataFrame:
    """A CSV file as strings, stripped of surrounding blanks.

    The separator is the one of comma, semicolon and tab that is most frequent in the
    first line. UTF-8, with or without byte-order mark. Memory is bounded: at most 64 MiB,
    1 MiB a line, 131,072 characters a field, 1,000 columns and 2,000,000 rows.

    Parameters
    ----------
    store : Store
        Where the file lies.
    name : str
        The file.
    columns : iterable of str
        Columns that must be there.
    header : sequence of str, optional
        Names of the columns of a table that has no header of its own.

    Returns
    -------
    DataFrame
        All columns, dtype string, one row per line.

    Raises
    ------
    UserError
        Naming the line, if the file is not a table; naming the columns, if some are missing.
    """
    where = f"{store.path}: {name}"
    text = _bounded_text(store, name, where)
    names, rows = _parse(text, list(header) if header is not None else None, where)
    if not rows:
        raise UserError(f"{where}: the table is empty; expected a header and one row per case")
    twice = [column for column, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"{where}: two columns are named {listed(twice)}")
    lacking = [column for column in columns if column not in names]
    if lacking:
        missing = f"column {listed(lacking)}" if len(lacking) == 1 else f"columns {listed(lacking)}"
        raise UserError(f"{where}: no {missing}; {suggest(lacking[0], names[:50])}")
    return pd.DataFrame(rows, columns=names, dtype="object")


def _bounded_text(store: Store, name: str, where: str) -> str:
    data = store.read(name, limit=MAX_TABLE_BYTES)
    # Before anything is split: a file of line ends alone would become 64 million objects.
    if max(data.count(b"\n"), data.count(b"\r")) > MAX_ROWS:
        raise UserError(f"{where}: more than {MAX_ROWS:,} rows")
    longest = max(map(len, data.splitlines()), default=0)
    if longest > MAX_LINE_BYTES:
        raise UserError(f"{where}: a line of {longest:,} bytes; at most {MAX_LINE_BYTES:,} allowed")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{where}: not UTF-8 text (byte {error.start:,}); save the table as 'CSV UTF-8'"
        ) from error


def _parse(text: str, header: list[str] | None, where: str) -> tuple[list[str], list[list[str]]]:
    """The names of the columns, and the rows; blank lines are left out."""
    separator = max(",;\t", key=text.split("\n", 1)[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            fields = [field.strip() for field in row]
            if not any(fields):
                continue
            if header is None:
                header = fields
                if len(header) > MAX_COLUMNS:
                    raise UserError(f"{where}: {len(header):,} columns; at most {MAX_COLUMNS:,}")
            elif len(fields) != len(header):
                raise UserError(
                    f"{where}, line {reader.line_num}: {len(fields)} fields where the header "
                    f"has {len(header)}"
                )
            else:
                rows.append(fields)
    except csv.Error as error:
        raise UserError(f"{where}, line {reader.line_num}: not a CSV table ({error})") from error
    return header or [], rows
