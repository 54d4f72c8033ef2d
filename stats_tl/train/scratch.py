"""Arrays that worker processes share through files of a scratch folder."""

from __future__ import annotations

__all__ = ["Scratch", "scratch_folder"]

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..archive.claims import describe_process, link, machine, still_runs
from ..errors import UserError

POLL_SECONDS = 0.05


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

    def put(self, name: str, array: np.ndarray) -> None:
        """Store an array under a name; it appears whole."""
        path = self._path(name)
        aside = path.with_suffix(f".{os.getpid()}.part")
        try:
            with aside.open("wb") as file:
                np.save(file, array)
            aside.replace(path)
        except OSError as error:
            raise UserError(
                f"cannot write {array.nbytes / 2**20:.0f} MiB of images or activations to the "
                f"temporary folder {self.folder}: {error.strerror or error}; set the environment "
                "variable TMPDIR to a folder with more space"
            ) from error
        finally:
            aside.unlink(missing_ok=True)

    def get(self, name: str) -> np.ndarray:
        """The array of a name, mapped copy-on-write: torch takes no read-only memory."""
        return np.load(self._path(name), mmap_mode="c", allow_pickle=False)

    def get_or_make(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of a name, made by the first process that asks; the others wait for it.

        Each machine makes its own: whether the maker still lives can be told of processes of
        one machine only.
        """
        name = f"{name}@{machine()}"
        path = self._path(name)
        claim = path.with_suffix(".claim")
        while not path.exists():
            holder = path.with_suffix(f".{uuid.uuid4().hex}.holder")
            holder.write_text(json.dumps(describe_process()))
            try:
                link(holder, claim)
            except FileExistsError:
                if not _alive(claim):
                    claim.unlink(missing_ok=True)
                time.sleep(POLL_SECONDS)
                continue
            finally:
                holder.unlink(missing_ok=True)
            try:
                self.put(name, make())
            finally:
                claim.unlink(missing_ok=True)
        return self.get(name)


def _alive(claim: Path) -> bool:
    """Whether the process that holds a claim still runs."""
    try:
        return still_runs(json.loads(claim.read_bytes())) is not False
    except FileNotFoundError:
        return True
    except (ValueError, AttributeError):
        return False
