"""Files that are whole or absent, and that notice damage.

A *sealed* JSON file holds ``{"content": ..., "sha256": ...}``. There are two seals, and in
both any changed byte shows:

- the *canonical* seal of small files that people read: the checksum is that of the content,
  and the file has to be byte for byte the one canonical rendering of it;
- the *plain* seal of parts, which may be large: the checksum is that of all bytes in front
  of it, so that nothing has to be rendered again.
"""

from __future__ import annotations

__all__ = [
    "checksum",
    "parquet_bytes",
    "read_bytes",
    "read_parquet",
    "read_sealed",
    "unseal",
    "write_atomically",
    "write_sealed",
]

import contextlib
import hashlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ArchiveDamagedError, UserError

#: What closes a plainly sealed file: this, the checksum of all before, and the end.
_SEAL, _END = b',\n"sha256": "', b'"}\n'
_TAIL = len(_SEAL) + 64 + len(_END)


def checksum(data: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside `path`, flush to disk, then move into place in one step."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(aside).chmod(0o644)
            os.replace(aside, path)  # noqa: PTH105 - the one atomic call, named as documented
        except BaseException:
            with contextlib.suppress(OSError):
                Path(aside).unlink()
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; what was finished before is kept"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make the new name durable where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _canonical(content: Any) -> bytes:
    body = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)
    sealed = {"content": content, "sha256": checksum(body.encode())}
    text = json.dumps(sealed, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    return (text + "\n").encode()


def _plain(content: Any) -> bytes:
    body = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)
    front = b'{"content": ' + body.encode()
    return front + _SEAL + checksum(front).encode() + _END


def write_sealed(path: Path, content: Any, *, large: bool = False) -> None:
    """Write JSON content with its checksum; `large` content gets the plain seal."""
    write_atomically(path, _plain(content) if large else _canonical(content))


def read_sealed(path: Path) -> Any:
    """Read what :func:`write_sealed` wrote.

    Raises
    ------
    ArchiveDamagedError
        If a byte of the file differs from what was written.
    """
    return unseal(read_bytes(path), path)


def unseal(data: bytes, path: Path, *, known: str | None = None) -> Any:
    """The content of a sealed file's bytes; `path` is named where they are damaged.

    `known` is the checksum of bytes that were unsealed before: of the same bytes, the seal
    need not be compared again.
    """
    if known is not None and checksum(data) == known:
        return json.loads(data)["content"]
    front, seal = data[:-_TAIL], data[-_TAIL:]
    plain = seal == _SEAL + checksum(front).encode() + _END
    try:
        content = json.loads(data)["content"]
        whole = plain or _canonical(content) == data
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise ArchiveDamagedError(f"{path} is damaged: it is not what was written")
    return content


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """`frame` as a compressed Parquet file, strings dictionary-encoded."""
    buffer = io.BytesIO()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_parquet(path: Path, sha256: str, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet file whose checksum is known.

    Raises
    ------
    ArchiveDamagedError
        If the file is missing or its checksum differs.
    """
    data = read_bytes(path)
    if checksum(data) != sha256:
        raise ArchiveDamagedError(f"{path} is damaged: its checksum is not the recorded one")
    frame: pd.DataFrame = pq.read_table(io.BytesIO(data), columns=columns).to_pandas()
    return frame


def read_bytes(path: Path) -> bytes:
    """The whole of a file.

    Raises
    ------
    ArchiveDamagedError
        If it is not there.
    UserError
        If the system refuses it.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ArchiveDamagedError(f"{path} is missing") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
