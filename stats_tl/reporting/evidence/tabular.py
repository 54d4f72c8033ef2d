"""Tables as programs write them: delimited text of several dialects, Parquet, Stata's, WEKA's.

What is unambiguous is read; for what is not, the message names the separator or the row, and the
flag that helps.
"""

from __future__ import annotations

__all__ = ["INDEX", "TEXT_COLUMNS", "UNNAMED", "read_table"]

import csv
import hashlib
import io
import re
import struct
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ...errors import UserError
from .mrmc import is_imrmc, read_imrmc, read_lrc
from .weka import is_weka, read_weka

#: A column of row numbers or names without a heading, and how ``--columns`` calls it.
UNNAMED = ""
INDEX = "index"
#: Identifiers are text: 007 and 7 are two cases, and "NA" may be a name.
TEXT_COLUMNS = (
    "case",
    "patient",
    "reader",
    "arm",
    "design",
    "task",
    "backbone",
    "head",
    "unfreeze",
)
_MOST_BYTES = 4 * 2**30
_LONGEST_LINE = 2**20
_HEAD_BYTES = 2**16
_BLOCK_BYTES = 2**23
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space"}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")
_ORANGE_TYPES = {"continuous", "c", "discrete", "d", "string", "s", "time", "t", "basket"}
_ORANGE_FLAGS = {"", "class", "meta", "weight", "ignore", "m", "i", "w"}
_SPSS = "SAVE TRANSLATE /OUTFILE='predictions.csv' /TYPE=CSV /FIELDNAMES /CELLS=LABELS."
#: First bytes of Stata's files: of releases 8 to 12, and since 13.
_STATA = (
    *(bytes([release, order]) for release in (113, 114, 115) for order in (1, 2)),
    b"<stata_dta>",
)
_NOT_UTF8 = "not a text file in UTF-8; save it as CSV in UTF-8"
#: First bytes of files that hold tables, but no text, and how to make text of them.
_BINARY = {
    b"\xff\xfe": _NOT_UTF8,
    b"\xfe\xff": _NOT_UTF8,
    b"PK\x03\x04": "a spreadsheet or a zip archive; save the sheet as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (.xls); save the sheet as CSV in UTF-8",
    b"\x1f\x8b": "compressed by gzip; unpack it first",
    b"$FL2": f"a file of SPSS; export it there: {_SPSS}",
    b"$FL3": f"a file of SPSS; export it there: {_SPSS}",
    b"RDX": "a workspace of R; export it there: write.csv(x, row.names = FALSE)",
}


@dataclass(frozen=True)
class _Dialect:
    """How a delimited text is to be read."""

    separator: str
    decimal: str
    names: list[str]
    skip: int


def read_table(
    path: Path, *, columns: Mapping[str, str] | None = None, names: Sequence[str] | None = None
) -> tuple[pd.DataFrame, str]:
    """A table, with identifiers as text, and the SHA-256 of its file.

    Parameters
    ----------
    path : Path
        Delimited text in UTF-8 (separated by commas, semicolons, tabs, bars or single blanks;
        with decimal commas where the separator is none), Parquet, Stata's ``.dta``, or what WEKA,
        Orange, iMRMC (``.imrmc``) or OR-DBM MRMC (``.lrc``) write.
    columns : mapping of str to str, optional
        Our name → the file's name of a column.
    names : sequence of str, optional
        Names of all columns of a file without a heading.

    Returns
    -------
    frame : DataFrame
        A column of row names without a heading is called ``""``.
    digest : str

    Raises
    ------
    UserError
        If the file cannot be read, or is not such a table.
    """
    with _explained(path):
        if path.stat().st_size > _MOST_BYTES:
            raise UserError("larger than 4 GiB; split it by task")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        for magic, what in _BINARY.items():
            if head.startswith(magic):
                raise UserError(what)
        binary = head.startswith((b"PAR1", *_STATA))
        digest = _digest(path, lines=not binary)
        text = {(columns or {}).get(name, name) for name in TEXT_COLUMNS}
        if binary:
            read = pq.read_table if head.startswith(b"PAR1") else _read_stata
            frame = _of_arrow(read(path), text)
        elif (reader := _own_reader(path, head)) is not None:
            frame = reader(path.read_text(encoding="utf-8-sig"))
        else:
            frame = _read_text(path, _dialect(head, text, names), text)
    return frame, digest


def _own_reader(path: Path, head: bytes) -> Callable[[str], pd.DataFrame] | None:
    """The reader of a format that is no table; None for delimited text."""
    if path.suffix.lower() == ".lrc":
        return read_lrc
    lines = head.decode("utf-8-sig", "replace").splitlines()
    if is_imrmc(lines):
        return read_imrmc
    return read_weka if is_weka(lines) else None


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Errors in a file as sentences that begin with its path."""
    try:
        yield
    except UnicodeDecodeError:
        raise UserError(f"{path}: {_NOT_UTF8}") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except (pa.ArrowException, csv.Error) as error:
        said = _NOT_UTF8 if "UTF8" in str(error) else f"not a CSV table: {error}"
        raise UserError(f"{path}: {said}") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _read_text(path: Path, dialect: _Dialect, text: set[str]) -> pd.DataFrame:
    # Numbers for names: pyarrow would take two columns of one name without a word.
    positions = [str(number) for number in range(len(dialect.names))]
    identifiers = _identifiers(dialect.names, text)
    types = {
        position: pa.dictionary(pa.int32(), pa.string())
        for position, name in zip(positions, dialect.names, strict=True)
        if name in identifiers
    }
    conversion = pa_csv.ConvertOptions(
        null_values=[""], strings_can_be_null=True, decimal_point=dialect.decimal,
        column_types=types, auto_dict_encode=True, auto_dict_max_cardinality=1000,
    )  # fmt: skip
    wrong: list[pa_csv.InvalidRow] = []

    def refuse(row: pa_csv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    def read(*, use_threads: bool) -> pa.Table:
        return pa_csv.read_csv(
            path,
            pa_csv.ReadOptions(
                column_names=positions, skip_rows=dialect.skip, block_size=_BLOCK_BYTES,
                use_threads=use_threads,
            ),
            pa_csv.ParseOptions(
                delimiter=dialect.separator, newlines_in_values=True,
                invalid_row_handler=refuse,
            ),
            conversion,
        )  # fmt: skip

    try:
        table = read(use_threads=True)
    except pa.ArrowInvalid:
        if not wrong:
            raise
        wrong.clear()
        with suppress(pa.ArrowInvalid):
            read(use_threads=False)  # which counts rows
        row = wrong[0]
        shown = row.text if len(row.text) <= 60 else row.text[:60] + "…"
        raise UserError(
            f"row {row.number} has {row.actual_columns} fields and the heading has "
            f"{row.expected_columns} (separator: {_SEPARATORS.get(dialect.separator, '?')}): "
            f"{shown!r}"
        ) from None
    # What the parser keeps for itself is several times the file.
    pa.default_memory_pool().release_unused()
    return _of_arrow(table.rename_columns(dialect.names), text)


def _read_stata(path: Path) -> pa.Table:
    """A file of Stata; values that have labels are read as their labels."""
    try:
        frame = pd.read_stata(path)
        for name, column in frame.items():
            if isinstance(column.dtype, pd.CategoricalDtype):  # some values may lack a label
                frame[name] = column.cat.rename_categories(list(map(str, column.cat.categories)))
            elif column.dtype == "float64" and _whole(column):  # as Stata keeps long identifiers
                frame[name] = column.astype("Int64")
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (
        LookupError,
        MemoryError,
        TypeError,
        ValueError,
        pa.ArrowException,
        struct.error,
    ) as why:
        raise UserError(
            f"not a file that pandas reads as Stata's ({why}); export it there: export delimited"
        ) from None


def _whole(column: pd.Series) -> bool:
    """Whether all numbers are whole, and exact as such."""
    known = column.dropna()
    return bool((known % 1 == 0).all() and (known.abs() < 2**53).all())


def _of_arrow(table: pa.Table, text: set[str]) -> pd.DataFrame:
    """A table of pyarrow with few copies; text is categorical, dates are text."""
    # An index that pandas wrote into a Parquet file.
    names = [UNNAMED if name == "__index_level_0__" else name for name in table.column_names]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise UserError(f"the column {min(doubled)!r} is there more than once")
    table = table.rename_columns(names)
    identifiers = _identifiers(names, text)
    for position, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_dictionary(kind):
            continue
        column = table.column(position)
        if field.name in identifiers or pa.types.is_temporal(kind):
            column = column.cast(pa.string())
        if pa.types.is_large_string(column.type) or pa.types.is_string(column.type):
            column = column.dictionary_encode()
        table = table.set_column(position, field.name, column)
    frame: pd.DataFrame = table.unify_dictionaries().to_pandas(
        split_blocks=True, self_destruct=True, ignore_metadata=True
    )
    return frame


def _identifiers(names: Sequence[str], text: set[str]) -> set[str]:
    """Columns to be read as text; ``index`` is the one without a heading, if none has that name."""
    return {UNNAMED, *text} if INDEX in text and INDEX not in names else text


def _dialect(head: bytes, text: set[str], names: Sequence[str] | None) -> _Dialect:
    """Separator, decimal mark, names and lines to skip, from the first lines of a text."""
    whole = len(head) < _HEAD_BYTES
    lines = getincrementaldecoder("utf-8-sig")().decode(head, whole).splitlines()
    skip = next((number for number, line in enumerate(lines) if line.strip()), 0)
    lines = lines[skip:]
    if lines and (given := re.fullmatch(r'"?sep=(.)"?', lines[0])):  # as Excel takes it
        separator, skip = given[1], skip + 1
        lines = lines[1:]
    else:
        separator = _separator(lines[0] if lines else "")
    rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=separator))
    if not whole:
        rows = rows[:-1]  # cut off
    rows = [row for row in rows if row]
    if not rows:
        raise UserError("not a CSV table: it is empty")
    first, rest = [field.strip() for field in rows[0]], rows[1:]
    if names is not None:
        if len(names) != len(first):
            raise UserError(
                f"--names gives {len(names)} names, and the first row has {len(first)} fields "
                f"(separator: {_SEPARATORS.get(separator, separator)}): {_shown(first)}"
            )
        used, rest = list(names), rows
    else:
        used, below = _names(first, rest)
        skip += 1 + below
        rest = rest[below:]
    if len(set(used)) < len(used):
        doubled = next(name for name in used if used.count(name) > 1)
        raise UserError(f"the column {doubled!r} is there more than once")
    marked = separator != "," and any(
        _DECIMAL_COMMA.fullmatch(field.strip())
        for row in rest
        for name, field in zip(used, row, strict=False)
        if name not in text
    )
    return _Dialect(separator, "," if marked else ".", used, skip)


def _separator(heading: str) -> str:
    """The sign that cuts the heading into most fields; a blank only where there is no other."""
    counts = {
        sign: len(next(csv.reader([heading], delimiter=sign), []))
        for sign in _SEPARATORS
        if sign != " "
    }
    best = max(counts, key=lambda sign: counts[sign])
    return best if counts[best] > 1 or " " not in heading.strip() else " "


def _names(first: list[str], rest: list[list[str]]) -> tuple[list[str], int]:
    """Names of the columns, and how many further rows belong to the heading."""
    names = list(first)
    short = [len(row) - len(names) for row in rest[:100]]
    if short and all(extra == 1 for extra in short):
        names = [UNNAMED, *names]  # R's write.table gives row names no heading
    if len(rest) > 2 and _is_orange(rest[0], rest[1]):
        return names, 2
    numbers = [name for name in names if _NUMBER.fullmatch(name)]
    if numbers and len(numbers) >= len([name for name in names if name]) / 2:
        raise UserError(
            f"the first row looks like data, not like names of columns: {_shown(first)}; where "
            "there is no heading, give the names: --names case,y_true,score"
        )
    return names, 0


def _is_orange(types: list[str], flags: list[str]) -> bool:
    """Whether two rows say the types and roles of columns, as Orange writes them."""
    known = [field for field in types if field.strip().lower() in _ORANGE_TYPES]
    roles = [field for field in flags if field.strip().lower() not in _ORANGE_FLAGS]
    return bool(known) and any(field.strip() for field in flags) and not roles


def _shown(fields: list[str]) -> str:
    text = ", ".join(fields)
    return repr(text if len(text) <= 60 else text[:60] + "…")


def _digest(path: Path, *, lines: bool) -> str:
    """SHA-256 of a file, read block by block; a line of a million characters is no table's."""
    digest, length = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_LONGEST_LINE):
            digest.update(block)
            if not lines:
                continue
            first, last = block.find(b"\n"), block.rfind(b"\n")
            if length + (len(block) if first < 0 else first) > _LONGEST_LINE:
                raise UserError("a line is longer than 1 MiB; is this a table of scores?")
            length = length + len(block) if first < 0 else len(block) - last - 1
    return digest.hexdigest()
