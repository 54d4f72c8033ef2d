"""Refuse files that do not belong in the repository: large ones, and weights of networks.

    python .ci/check_files.py [FILE ...]

Without arguments it looks at every file that git tracks or would add.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST_BYTES = 2**20
#: Weights of networks, and images of patients: neither is ours to distribute.
SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("bin", "ckpt", "h5", "hdf5", "joblib", "keras", "npy", "npz", "onnx", "pickle", "pkl"),
        *("pt", "pth", "safetensors", "tflite", "dcm", "nii", "zip"),
    )
)


def listed() -> list[Path]:
    """Files that git tracks, or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    return [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]


def problems(paths: list[Path]) -> list[str]:
    found = []
    for path in paths:
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        if path.suffix.lower() in SUFFIXES:
            found.append(f"{name}: files of this kind are not committed; say where to get it")
        elif (size := path.stat().st_size) > MOST_BYTES:
            found.append(f"{name}: {size / 2**20:.1f} MiB; at most {MOST_BYTES / 2**20:.0f} MiB")
    return found


if __name__ == "__main__":
    told = problems([Path(name).resolve() for name in sys.argv[1:]] or listed())
    print("\n".join(told), end="\n" if told else "")
    sys.exit(1 if told else 0)
