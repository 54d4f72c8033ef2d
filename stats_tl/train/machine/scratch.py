"""Arrays that worker processes share through files of a scratch folder."""

from __future__ import annotations

__all__ = ["Scratch", "ScratchError", "scratch_folder"]

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from ...archive.processes import describe_process, link, machine, still_runs
from ...errors import UserError

POLL_SECONDS = 0.05


class ScratchError(UserError):
    """The temporary folder is full, or cannot be written."""


@contextlib.contextmanager
def scratch_folder(shared: Path | None = None) -> Iterator[Path]:
    """A temporary folder that is removed at the end, and if killed, by the next run.

    Parameters
    ----------
    shared : Path or None
        A folder that all workers see; the system's folder for temporary files if None.
    """
    parent = Path(tempfile.gettempdir()) if shared is None else shared
    prefix = "stats_tl-" if shared is None else ".scratch-"
    for left in parent.glob(f"{prefix}*/owner.json"):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if still_runs(json.loads(left.read_bytes())) is False:
                _remove(left.parent)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    except OSError as error:
        raise UserError(f"cannot write {parent}: {error.strerror or error}") from error
    try:
        with contextlib.suppress(OSError):
            (folder / "owner.json").write_text(json.dumps(describe_process()))
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Gone at once for workers that still run, which look whether it is there."""
    gone = folder.with_name(f"{folder.name}-removed")
    with contextlib.suppress(OSError):
        folder.rename(gone)
    shutil.rmtree(gone if gone.exists() else folder, ignore_errors=True)


@dataclass(frozen=True)
class Scratch:
    """Memory-mapped arrays by name, each computed by one process and read by all.

    Parameters
    ----------
    folder : Path
        A folder that the caller makes and removes, see :func:`scratch_folder`.
    """

    folder: Path

    def _path(self, name: str) -> Path:
        return self.folder / (re.sub(r"[^A-Za-z0-9_.+@-]", "_", name) + ".npy")

    def put(self, name: str, rows: int, blocks: Iterable[np.ndarray]) -> None:
        """Store an array under a name, block by block; it appears whole.

        Parameters
        ----------
        name : str
        rows : int
            Length of the array.
        blocks : iterable of ndarray
            Its rows, in order.

        Raises
        ------
        ScratchError
            If the disk is full, or the folder cannot be written.
        """
        path, written = self._path(name), 0
        aside = path.with_suffix(f".{os.getpid()}.part")
        try:
            for block in blocks:
                # Only writing is watched: whatever making a block raises is not the disk's.
                with _explained(self.folder), aside.open("ab") as file:
                    if not written:
                        _write_header(file, (rows, *block.shape[1:]), block.dtype)
                    np.ascontiguousarray(block).tofile(file)
                written += len(block)
            if written != rows:
                raise ValueError(f"{name}: {written} rows were made, {rows} announced")
            with _explained(self.folder):
                aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    def get(self, name: str) -> np.ndarray:
        """The array of a name, mapped copy-on-write: torch takes no read-only memory."""
        array: np.ndarray = np.load(self._path(name), mmap_mode="c", allow_pickle=False)
        return array

    def get_or_make(
        self, name: str, rows: int, make: Callable[[], Iterable[np.ndarray]]
    ) -> np.ndarray:
        """The array of a name, made by the first process that asks; the others wait for it.

        Each machine makes its own: whether the maker still lives can be told of processes of
        one machine only. `rows` and what `make` returns are those of :meth:`put`.
        """
        name = f"{name}@{machine()}"
        path = self._path(name)
        claim = path.with_suffix(".claim")
        while not path.exists():
            if not self._claim(claim):
                time.sleep(POLL_SECONDS)
                continue
            try:
                self.put(name, rows, make())
            finally:
                claim.unlink(missing_ok=True)
        return self.get(name)

    def take_place(self, names: Iterable[str]) -> str:
        """The first of `names` that no living process of this machine has taken.

        It stays taken until this process ends.
        """
        for name in names:
            claim = self._path(f"{name}@{machine()}").with_suffix(".claim")
            # A second try, for the first frees what a dead process had.
            if self._claim(claim) or self._claim(claim):
                return name
        raise ValueError("every place is taken")

    def _claim(self, claim: Path) -> bool:
        """Whether a claim is now this process's; one of a dead process is removed instead."""
        holder = claim.with_suffix(f".{uuid.uuid4().hex}.holder")
        with _explained(self.folder):
            holder.write_text(json.dumps(describe_process()))
        try:
            link(holder, claim)
            return True
        except FileExistsError:
            if not _alive(claim):
                claim.unlink(missing_ok=True)
            return False
        finally:
            holder.unlink(missing_ok=True)


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """A file system's refusal in words."""
    try:
        yield
    except OSError as error:
        raise ScratchError(
            f"cannot write images or activations to the temporary folder {folder}: "
            f"{error.strerror or error}; set the environment variable TMPDIR to a folder with "
            "more space"
        ) from error


def _write_header(file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype) -> None:
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(file, header)


def _alive(claim: Path) -> bool:
    """Whether the process that holds a claim still runs."""
    try:
        return still_runs(json.loads(claim.read_bytes())) is not False
    except FileNotFoundError:
        return True
    except (ValueError, AttributeError):
        return False
