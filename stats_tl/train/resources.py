"""Devices and workers of this machine."""

from __future__ import annotations

__all__ = ["available_memory", "choose_device", "choose_jobs"]

import os
from pathlib import Path

from ..errors import UserError


def choose_device(name: str, *, here: bool = True) -> str:
    """`name` checked; ``"auto"`` is a CUDA device where there is one, else the CPU.

    Parameters
    ----------
    name : str
    here : bool, optional
        False if the work is done on other machines: what this one has does not matter, and
        ``"auto"`` is the CPU.
    """
    if name == "cpu" or (name == "auto" and not here):
        return "cpu"
    import torch

    usable = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if usable else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"--device {name!r}: expected cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {name!r}: expected cpu, cuda or cuda:N")
    if not here:
        return str(device)
    if device.type == "cuda" and not usable:
        raise UserError(f"--device {name}: this torch ({torch.__version__}) finds no CUDA device")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"--device {name}: there are {torch.cuda.device_count()} CUDA devices")
    return str(device)


def choose_jobs(device: str) -> int:
    """One worker a core on the CPU, one on a GPU."""
    if device != "cpu":
        return 1
    if hasattr(os, "sched_getaffinity"):  # fewer than all cores, on a shared machine
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory(device: str = "cpu") -> int:
    """Bytes that a new process can use: of the device, or of main memory.

    8 GiB where the system does not say.
    """
    if device != "cpu":
        import torch

        return torch.cuda.mem_get_info(torch.device(device))[0]
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 8 * 2**30
