"""Arrays that worker processes share through files of a scratch folder."""

from __future__ import annotations

__all__ = ["Scratch"]

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Scratch:
    """Memory-mapped arrays by name, each computed by one process and read by all.

    Parameters
    ----------
    folder : Path
        A local folder that the caller makes and removes.
    """

    folder: Path

    def _path(self, name: str) -> Path:
        return self.folder / (re.sub(r"[^A-Za-z0-9_.+-]", "_", name) + ".npy")

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
        """The array of a name, made by the first process that asks; the others wait for it."""
        path = self._path(name)
        claim = path.with_suffix(".claim")
        while not path.exists():
            try:
                with claim.open("x") as file:
                    file.write(str(os.getpid()))
            except FileExistsError:
                if not _alive(claim):
                    claim.unlink(missing_ok=True)
                time.sleep(POLL_SECONDS)
                continue
            try:
                self.put(name, make())
            finally:
                claim.unlink(missing_ok=True)
        return self.get(name)


def _alive(claim: Path) -> bool:
    """Whether the process that holds a claim still runs."""
    try:
        os.kill(int(claim.read_text() or os.getpid()), 0)
    except (FileNotFoundError, ValueError, PermissionError):
        return True
    except ProcessLookupError:
        return False
    return True
