"""Read-only, bounded access to a folder or a zip archive.

What lies there may be damaged or hostile, so every name is checked before it is
joined to a path, every size before a byte is read, and nothing is ever unpacked.
Names are relative POSIX paths; symbolic links that the user put into a data
folder are followed, names that climb out of it are refused.
"""

from __future__ import annotations

__all__ = ["FolderStore", "Listing", "Store", "ZipStore", "open_store", "safe_name"]

import os
import re
import stat
import threading
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any, NamedTuple

from ..errors import UserError
from ..visible import visible
from .problems import Problems, listed

MAX_FILE_BYTES = 128 * 2**20
MAX_FILES = 2_000_000
#: No file system has longer paths in use; a longer name is damage or an attack.
MAX_NAME = 1024
_DRIVE = re.compile(r"[A-Za-z]:")
#: What Windows keeps in folders beside the user's files.
_LITTER = ("thumbs.db", "desktop.ini")


def safe_name(name: str, *, where: str) -> str:
    """`name` as a relative POSIX path that stays below the root.

    Parameters
    ----------
    name : str
        As written in a table or a zip directory; backslashes count as slashes.
    where : str
        Named in the error.

    Raises
    ------
    UserError
        If the name is absolute, climbs with ``..``, is longer than 1,024 characters, or holds
        control characters or bytes that are no UTF-8.

    Examples
    --------
    >>> safe_name("./images\\\\a.png", where="demo")
    'images/a.png'
    >>> safe_name("../secret.png", where="demo")
    Traceback (most recent call last):
    ...
    stats_tl.errors.UserError: demo: the path '../secret.png' leaves the data folder; paths are relative to it and without '..'
    """  # noqa: E501
    parts = [part for part in name.replace("\\", "/").split("/") if part != "."]
    if reason := _unusable(name):
        raise UserError(f"{where}: {visible(name[:100])!r} is not a usable file name ({reason})")
    if parts[:1] == [""] or ".." in parts or _DRIVE.match(name):
        raise UserError(
            f"{where}: the path {name!r} leaves the data folder; "
            "paths are relative to it and without '..'"
        )
    return "/".join(part for part in parts if part)


def _unusable(name: str) -> str:
    """Why a name can be that of no case: tables, hashes and pages could not hold it. "" if it can.

    The one policy for names in tables, zip archives and folders.
    """
    if not name:
        return "it is empty"
    if len(name) > MAX_NAME:
        return f"it has {len(name):,} characters, more than {MAX_NAME:,}"
    if any(ord(char) < 32 or 127 <= ord(char) < 160 for char in name):
        return "it has control characters"
    if any(0xD800 <= ord(char) < 0xE000 for char in name):
        return "it is not UTF-8; convmv renames such files"
    return ""


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER


class Listing(NamedTuple):
    """Files below a folder, sorted: those that count, and the hidden ones beside them."""

    shown: list[str]
    hidden: list[str]


class Store(ABC):
    """A tree of files. Subclasses: :class:`FolderStore`, :class:`ZipStore`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def size(self, name: str) -> int | None:
        """Bytes of the file, None if there is no such file."""

    @abstractmethod
    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """The file, to be read from its start; use it at once, others may wait for it."""

    @abstractmethod
    def listing(self, under: str = "") -> Listing:
        """All files below the folder `under`."""

    def names(self, under: str = "") -> list[str]:
        """All files below the folder `under`, sorted; hidden ones are left out."""
        return self.listing(under).shown

    def read(self, name: str, *, limit: int = MAX_FILE_BYTES) -> bytes:
        """The bytes of a file of at most `limit` bytes.

        Raises
        ------
        UserError
            Naming the file, if it is missing, too large or unreadable.
        """
        size = self.size(name)
        if size is None:
            raise UserError(f"{self.path}: the file {name!r} is missing")
        if size > limit:
            raise UserError(
                f"{self.path}: {name!r} has {size:,} bytes, more than the limit of {limit:,}"
            )
        try:
            with self.open(name) as file:
                data = file.read(limit + 1)
        except Exception as error:  # a damaged zip makes zipfile raise nearly anything
            raise UserError(f"{self.path}: {name!r} cannot be read ({error})") from error
        if len(data) > limit:
            raise UserError(f"{self.path}: {name!r} is longer than the limit of {limit:,} bytes")
        return data

    def head(self, name: str, size: int) -> bytes:
        """The first `size` bytes of a file, or all of a shorter one.

        Raises
        ------
        UserError
            Naming the file, if it is missing or unreadable.
        """
        if self.size(name) is None:
            raise UserError(f"{self.path}: the file {name!r} is missing")
        try:
            with self.open(name) as file:
                return file.read(size)
        except Exception as error:
            raise UserError(f"{self.path}: {name!r} cannot be read ({error})") from error


class FolderStore(Store):
    """The files of a folder."""

    def size(self, name: str) -> int | None:
        try:
            info = (self.path / name).stat()
        except (OSError, ValueError):
            return None
        # A named pipe would block the reader for ever.
        return info.st_size if stat.S_ISREG(info.st_mode) else None

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        return (self.path / name).open("rb")

    def listing(self, under: str = "") -> Listing:
        found: list[str] = []
        hidden: list[str] = []
        seen: set[Path] = set()
        for folder, folders, files in os.walk(self.path / under, followlinks=True):
            here = Path(folder)
            if here.resolve() in seen:  # a link that leads back to itself
                folders.clear()
                continue
            seen.add(here.resolve())
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            relative = here.relative_to(self.path)
            for name in files:
                (hidden if _is_hidden(name) else found).append((relative / name).as_posix())
            if len(found) > MAX_FILES:
                raise UserError(f"{self.path}: more than {MAX_FILES:,} files")
        problems = Problems(f"{self.path}")
        for name in found:
            if reason := _unusable(name):
                problems.add(f"file names that cannot be used: {reason}", visible(name))
        problems.raise_if_any("Rename these files.")
        return Listing(sorted(found), sorted(hidden))


class ZipStore(Store):
    """The files of a zip archive, read in place.

    If the archive has one top folder, names are relative to it; hidden files beside that
    folder do not count, and with `marker` no files do.

    Parameters
    ----------
    path : Path
    marker : str, optional
        A file or folder that the data have at their top: if it is at the top of the archive,
        names stay as they are; if one folder has it, names are relative to that folder.
    """

    def __init__(self, path: Path, marker: str = ".") -> None:
        super().__init__(path)
        self.marker = marker
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:  # an open file does not travel to another process
        return type(self), (self.path, self.marker)

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except Exception as error:
            raise UserError(f"{self.path}: not a readable zip archive ({error})") from error

    @cached_property
    def _entries(self) -> dict[str, zipfile.ZipInfo]:
        entries: dict[str, zipfile.ZipInfo] = {}
        infos = self._zip.infolist()
        if len(infos) > MAX_FILES:
            raise UserError(f"{self.path}: more than {MAX_FILES:,} files")
        twice = []
        for info in infos:
            if info.is_dir() or info.filename.startswith("__MACOSX/"):
                continue
            name = safe_name(info.filename, where=str(self.path))
            if name in entries:
                twice.append(name)
            entries[name] = info
        if twice:
            raise UserError(f"{self.path}: the archive holds two files named {listed(twice)}")
        root = self._root(list(entries))
        return {
            name.removeprefix(root): info for name, info in entries.items() if name.startswith(root)
        }

    def _root(self, names: list[str]) -> str:
        """The folder that names are relative to, with a slash; empty if it is the archive."""
        inner: set[str] = set()
        for name in names:
            if name == self.marker or name.startswith(f"{self.marker}/"):
                return ""
            top, _, rest = name.partition("/")
            if rest == self.marker or rest.startswith(f"{self.marker}/"):
                inner.add(top)
        if len(inner) == 1:
            return f"{inner.pop()}/"
        shown = [name for name in names if not any(map(_is_hidden, name.split("/")))]
        tops = {name.split("/", 1)[0] if "/" in name else "" for name in shown}
        return f"{tops.pop()}/" if len(tops) == 1 and "" not in tops else ""

    def size(self, name: str) -> int | None:
        info = self._entries.get(name)
        return None if info is None else info.file_size

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        # One reader at a time: the first use opens the archive, and entries share one file.
        with self._lock, self._zip.open(self._entries[name]) as file:
            yield file

    def listing(self, under: str = "") -> Listing:
        prefix = f"{under}/" if under else ""
        listing = Listing([], [])
        for name in sorted(self._entries):
            if name.startswith(prefix):
                hidden = any(map(_is_hidden, name.split("/")))
                (listing.hidden if hidden else listing.shown).append(name)
        return listing


def open_store(path: Path | None, *, where: str, marker: str) -> Store:
    """The folder or zip archive at `path`.

    Parameters
    ----------
    path : Path or None
        None: the plan did not say.
    where : str
        Opens the errors.
    marker : str
        A file or folder that the data have at their top. If `path` lacks it and exactly one
        folder in `path` has it, that folder is meant (archives are often unpacked so).

    Raises
    ------
    UserError
        If there is neither folder nor archive.
    """
    if path is None:
        raise UserError(
            f"{where}: needs `path`, the place of the data; set it in the plan, "
            "or give --data NAME=PATH"
        )
    if path.is_dir():
        if not (path / marker).exists():
            inner = [child for child in path.iterdir() if (child / marker).exists()]
            path = inner[0] if len(inner) == 1 else path
        return FolderStore(path)
    if path.is_file():
        if zipfile.is_zipfile(path):
            return ZipStore(path, marker)
        raise UserError(f"{where}: {path} is a file but not a zip archive; give the data's folder")
    raise UserError(
        f"{where}: there is no folder or zip archive {path}; correct `path` in the plan, "
        "or give the place with --data NAME=PATH"
    )
