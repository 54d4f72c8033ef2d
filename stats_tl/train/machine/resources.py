"""Devices and workers of this machine."""

from __future__ import annotations

__all__ = [
    "available_memory",
    "check_compiler",
    "choose_device",
    "choose_jobs",
    "take_device",
    "worker_memory",
]

import importlib.util
import itertools
import os
import shutil
from pathlib import Path

from ...errors import UserError
from .scratch import Scratch


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
    """One worker a core on the CPU; one a GPU for ``"cuda"``, which is all of them."""
    if device != "cpu":
        return _count_gpus() if device == "cuda" else 1
    if hasattr(os, "sched_getaffinity"):  # fewer than all cores, on a shared machine
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_compiler(device: str) -> None:
    """Refuse ``--compile`` where torch could not.

    Raises
    ------
    UserError
        Without a C++ compiler, or for CUDA without Triton.
    """
    compilers = (os.environ.get("CXX"), "g++", "clang++", "cl")
    if not any(name and shutil.which(name) for name in compilers):
        raise UserError("--compile: no C++ compiler found; install g++, or leave --compile out")
    if device != "cpu" and importlib.util.find_spec("triton") is None:
        raise UserError(
            "--compile: torch needs Triton for CUDA; install it, or leave --compile out"
        )


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


def worker_memory(device: str, jobs: int) -> int:
    """Bytes that each of `jobs` workers can use, which share the GPUs evenly."""
    on_one = jobs
    if device == "cuda":
        on_one = -(-jobs // _count_gpus())
    return available_memory(device) // on_one


def take_device(name: str, scratch: Scratch) -> str:
    """The device of a new worker: of several GPUs one that fewest others have.

    It stays taken until this process ends, so a worker asks once.

    Parameters
    ----------
    name : str
        ``"cuda"`` stands for any GPU that this process sees; others are returned as they are.
    scratch : Scratch
        Of the run; notes who has which GPU of this machine.
    """
    if name != "cuda" or _count_gpus() < 2:
        return name
    rounds = ((index, turn) for turn in itertools.count() for index in range(_count_gpus()))
    place = scratch.take_place(f"cuda-{index}-{turn}" for index, turn in rounds)
    return f"cuda:{place.split('-')[1]}"


def _count_gpus() -> int:
    """GPUs that this process sees; 1 where that cannot be asked."""
    import torch

    return max(1, torch.cuda.device_count())
