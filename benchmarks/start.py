"""What it takes to begin: importing the statistics, a dry run, the first trained cell.

Run ``python -m benchmarks.start --base DIR`` from the root of the repository, DIR being another
checkout. The two take turns, each command in a process of its own, and the medians are compared:
wall time, and processor time of the command and its children, which other programs disturb less.
The dry run and the run are of the built-in example; the run is stopped at its first cell, and
has wall time only.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[1]
COMMANDS = {
    "import numpy, pandas": ("-c", "import numpy, pandas"),
    "import stats_tl.stats": ("-c", "import stats_tl.stats"),
    "import delong_test": ("-c", "from stats_tl.stats import delong_test"),
    "call delong_test": (
        "-c",
        "from stats_tl.stats import delong_test as t; t([0, 1, 0, 1], [1, 2, 3, 4], [1, 4, 3, 2])",
    ),
    "dry run": ("-m", "stats_tl.run_grid", "--dry-run", "--runs", "RUNS"),
    "first cell": ("-m", "stats_tl.run_grid", "--progress", "lines", "--runs", "RUNS"),
}


def measure(root: Path, name: str) -> tuple[float, float]:
    """Seconds of wall and processor time of one command in a checkout."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, *(runs if part == "RUNS" else part for part in COMMANDS[name])]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            command, cwd=root, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        if name == "first cell":
            assert process.stdout is not None
            wall = float("nan")
            for line in process.stdout:
                if re.match(r"\[ *\d+/\d+\]", line):
                    wall = time.perf_counter() - started
                    break
            process.terminate()
            process.communicate()
            return wall, float("nan")
        process.communicate()
        wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall, own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", type=Path, help="another checkout to compare with")
    parser.add_argument("--rounds", type=int, default=5, help="runs each (default: %(default)s)")
    parser.add_argument("--only", choices=COMMANDS, action="append", help="default: all")
    options = parser.parse_args()
    roots = [HERE] if options.base is None else [HERE, options.base.resolve()]
    for name in options.only or COMMANDS:
        times: list[list[tuple[float, float]]] = [[] for _ in roots]
        for _ in range(options.rounds):
            for own, root in zip(times, roots, strict=True):
                own.append(measure(root, name))
        line = f"{name:22}"
        found = [[median(column) for column in zip(*own, strict=True)] for own in times]
        for wall, processor in found:
            line += f"  {wall:7.2f} s wall {processor:7.2f} s processor"
        if len(found) == 2:
            ratios = [base / here for here, base in zip(*found, strict=True)]
            line += f"  {ratios[0]:5.2f} x, {ratios[1]:5.2f} x"
        print(line, flush=True)


if __name__ == "__main__":
    main()
