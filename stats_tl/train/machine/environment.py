"""What the numbers were computed with: versions, machine, code, memory."""

from __future__ import annotations

__all__ = ["describe_environment", "peak_memory"]

import functools
import platform
import resource
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from ... import __file__ as package_file
from ... import __version__
from .precision import lower_precision

#: On which the numbers may depend: what computes, what decodes images, what builds networks;
#: partly extras.
PACKAGES = (
    *("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "pillow"),
    *("imagecodecs", "tifffile", "pydicom", "pylibjpeg-openjpeg", "python-gdcm", "nibabel"),
    "timm",
)


@functools.cache
def describe_environment(device: torch.device) -> dict[str, Any]:
    """Versions, platform, device and code, as JSON types."""
    name = platform.processor() or platform.machine()
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    return {
        "stats_tl": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {package: _version(package) for package in PACKAGES},
        "device": device.type,
        "device_name": name,
        "threads": torch.get_num_threads(),
        "bfloat16": lower_precision("bfloat16", device) is not None,
    }


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that CUDA tensors of this process held, or that the process held."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of a source checkout; None for an installed package."""
    root = Path(package_file).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None
