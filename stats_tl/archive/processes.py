"""Which process is meant, whether it still runs, and names that only one can take.

Of use where several processes share a folder: claims on cells, scratch files.
"""

from __future__ import annotations

__all__ = ["describe_process", "link", "machine", "still_runs"]

import contextlib
import functools
import hashlib
import os
import platform
from pathlib import Path


@functools.cache
def machine() -> str:
    """What tells process numbers apart: the boot of a machine, and its container."""
    marks = [platform.node()]
    with contextlib.suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with contextlib.suppress(OSError):
        marks.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()[:12]


def _status(pid: int) -> list[str]:
    """What the kernel says of a process, from its state on; empty where it says nothing."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _birth(pid: int) -> str:
    """When a process began, so that a number that is used again is not taken for it."""
    return next(iter(_status(pid)[19:]), "")


def _runs(pid: int, birth: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    if not Path("/proc/self/stat").exists():
        return True
    status = _status(pid)
    return bool(status) and status[0] not in "ZX" and birth in ("", status[19])


def describe_process() -> dict[str, str | int]:
    """This process, in words by which others can tell whether it still runs."""
    pid = os.getpid()
    return {"machine": machine(), "host": platform.node(), "pid": pid, "birth": _birth(pid)}


def still_runs(process: dict[str, str | int]) -> bool | None:
    """Whether a described process runs; None if it belongs to another machine."""
    if process.get("machine") != machine():
        return None
    try:
        return _runs(int(process["pid"]), str(process["birth"]))
    except (KeyError, ValueError, OverflowError):
        return False


def link(holder: Path, path: Path) -> bool:
    """Make `path` a link to the holder's file; a copy, and False, where there are no links."""
    try:
        os.link(holder, path)
        return True
    except FileExistsError:
        raise
    except OSError:
        data = holder.read_bytes()
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except OSError:  # the disk is full: an empty claim would keep the cell from all others
            path.unlink(missing_ok=True)
            raise
        return False
