"""``kill -9`` at random moments of a small grid: the next run continues, nothing is lost.

    python -m benchmarks.kill              200 kills
    python -m benchmarks.kill --kills 10

A grid of 32 cells is run with two worker processes. After a random time one of three things
is killed with SIGKILL: the parent alone, one worker alone, or all of them. The next run takes
over at once, while workers that have lost their parent may still be ending; when an archive is
complete, it is compared with that of an uninterrupted run
(the digest: plan, data sets and the scores of every cell), verified, and the grid begins
anew. At every kill the archive is read: what was there before has to be there, unchanged.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.damage import PLAN
from stats_tl.archive import load
from stats_tl.archive.contents import holds_archive
from stats_tl.archive.integrity.verification import verify

TARGETS = ("parent", "worker", "all")
#: Epochs that make a cell take long enough to be hit.
GRID = PLAN.replace("repeats = 2", "repeats = 4").replace("epochs = 2", "epochs = 20")


def start(plan: Path, runs: Path, scratch: Path) -> subprocess.Popen[bytes]:
    """The grid in a process group of its own."""
    command = [sys.executable, "-m", "stats_tl.run_grid", "--plan", plan, "--runs", runs]
    command += ["--jobs", "2", "--progress", "none"]
    return subprocess.Popen(
        [*map(str, command)], start_new_session=True, env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def workers_of(parent: int) -> list[int]:
    """The worker processes of a parent; Linux only."""
    found = []
    for listed in Path(f"/proc/{parent}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, listed.read_text().split()):
                if b"popen_loky" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
    return found


def kill(process: subprocess.Popen[bytes], target: str, rng: np.random.Generator) -> bool:
    """Kill `target`; False if it was gone, or there was none."""
    workers = workers_of(process.pid)
    if process.poll() is not None or (target == "worker" and not workers):
        return False
    with contextlib.suppress(ProcessLookupError):
        if target == "parent":
            process.kill()
        elif target == "worker":
            os.kill(int(rng.choice(workers)), signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGKILL)
    return True


def end(process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    """Wait for the parent, not for workers that have outlived it."""
    process.wait()
    error = b""
    if process.stderr is not None:
        os.set_blocking(process.stderr.fileno(), False)
        error = process.stderr.read() or b""
        process.stderr.close()
    return process.returncode, error


def print_counts(counts: Counter[str]) -> None:
    """One line of how far it is."""
    total = sum(counts[target] for target in TARGETS)
    print(f"{total} kills, {counts['runs']} runs, {counts['grids']} grids", flush=True)


def try_kills(
    kills: int, folder: Path, rng: np.random.Generator, *, plan_text: str = GRID, quiet: bool = True
) -> Counter[str]:
    """Kill so many times; returns counts of what was killed, of runs and of finished grids.

    Raises
    ------
    AssertionError
        If anything was lost, doubled or half-written, or a run was stopped by what a killed
        one left.
    """
    plan, runs, scratch = folder / "plan.toml", folder / "runs", folder / "scratch"
    plan.write_text(plan_text)
    scratch.mkdir()
    began = time.monotonic()
    assert end(start(plan, folder / "whole", scratch))[0] == 0
    length = time.monotonic() - began
    whole = load(folder / "whole" / "small")
    counts: Counter[str] = Counter()
    before: dict[str, str] = {}
    while sum(counts[target] for target in TARGETS) < kills:
        process = start(plan, runs, scratch)
        target = str(rng.choice(TARGETS))
        deadline = time.monotonic() + rng.uniform(0, length)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        hit = kill(process, target, rng)
        while not hit and process.poll() is None and target == "worker":
            time.sleep(0.01)  # too early for a worker: wait for the first
            hit = kill(process, target, rng)
        code, error = end(process)
        counts["runs"] += 1
        counts[target] += hit
        assert b"Traceback" not in error, error.decode()
        assert not hit or target == "worker" or code == -signal.SIGKILL or code == 0, (code, error)
        root = runs / "small"
        if not holds_archive(root):
            continue
        archive = load(root)  # raises where anything is damaged
        now = archive.score_hashes
        assert before.items() <= now.items() <= whole.score_hashes.items()
        before = now
        if code == 0:
            assert archive.digest == whole.digest
            found = verify(root)
            assert not found.problems
            assert not found.orphans
            counts["grids"] += 1
            counts["cells"] += len(now)
            shutil.rmtree(root)
            before = {}
        if not quiet and counts["runs"] % 10 == 0:
            print_counts(counts)
    process = start(plan, runs, scratch)  # the last grid, to its end
    code, error = end(process)
    assert code == 0, error.decode()
    assert load(runs / "small").digest == whole.digest
    counts["grids"] += 1
    assert not [path for path in (runs / "small" / "claims").glob("*") if path.suffix != ".holder"]
    assert not list(scratch.glob("stats_tl-*"))
    return counts


def main() -> int:
    """Run it and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        rng = np.random.default_rng(options.seed)
        counts = try_kills(options.kills, Path(name), rng, quiet=False)
    killed = ", ".join(f"{target} {counts[target]}" for target in TARGETS)
    print(
        f"{sum(counts[target] for target in TARGETS)} kills ({killed}) in {counts['runs']} runs, "
        f"{time.perf_counter() - started:.0f} s: {counts['grids']} grids completed, each equal to "
        "the uninterrupted one"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
