"""Random damage to an archive: every flip, truncation and deletion has to be noticed.

    python -m benchmarks.damage            1,000 damages, about five minutes
    python -m benchmarks.damage --tries 50

Trains a small grid on phantoms, with one failed cell. Then, again and again, one random
file of the archive is damaged: a flipped bit at a random place, a truncation at a random
place, or a deletion. For each it is checked that

- ``report`` does not end with 0, does not say what it says of the whole archive, and
  writes no other tables (a deleted failure record, after which the cell simply counts as
  not trained, is the one thing that it need not see);
- ``verify`` does not end with 0, does not say what it says of the whole archive, and names
  the file or the cells;
- what can still be read are cells of the whole archive, with their scores unchanged.

At the end ``run_grid --retry-failed`` mends an archive with one damage of every kind, and
its content hash is that of the whole one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stats_tl.archive import ArchiveWriter, load
from stats_tl.archive.__main__ import main as archive_main
from stats_tl.commands import run_command
from stats_tl.errors import UserError
from stats_tl.report import main as report_main
from stats_tl.run_grid import main as grid_main

PLAN = """
study = { name = "small", seed = 3 }
cv = { folds = 2, repeats = 2, validation_share = 0.3 }
training = { epochs = 2, batch_size = 16, image_size = 32 }
audit = { near_duplicates = "ignore" }
[[tasks]]
name = "breast"
adapter = "phantom-breast"
options = { n_patients = 24, size = 64 }
[[arms]]
name = "a"
source = "random"
reference = true
[[arms]]
name = "b"
source = "random"
[[grid]]
backbones = ["squeezenet1_1"]
heads = ["linear", "nonlinear"]
"""
KINDS = ("flip", "truncate", "delete")


@dataclass
class Findings:
    """What happened to each damage; `silent` lists those that nobody noticed."""

    tries: int = 0
    exits: Counter = field(default_factory=Counter)
    silent: list[str] = field(default_factory=list)


def quiet(main, *arguments) -> tuple[int, str]:
    """A command's exit code and everything it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run_command(lambda: main([str(argument) for argument in arguments]))
    return code, said.getvalue()


def build(folder: Path) -> Path:
    """A whole archive under `folder`; returns the plan's path."""
    plan = folder / "plan.toml"
    plan.write_text(PLAN)
    code, said = quiet(grid_main, "--plan", plan, "--runs", folder / "runs", "--jobs", 1)
    if code:
        raise RuntimeError(said)
    return plan


def files_of(root: Path) -> list[Path]:
    """Every file of an archive."""
    return sorted(path for path in root.rglob("*") if path.is_file())


def damage(path: Path, kind: str, rng: np.random.Generator) -> str:
    """Damage a file; returns what was done."""
    data = bytearray(path.read_bytes())
    if kind == "delete":
        path.unlink()
        return f"delete {path.name}"
    place = int(rng.integers(len(data)))
    if kind == "truncate":
        path.write_bytes(data[:place])
        return f"truncate {path.name} at {place}"
    bit = int(rng.integers(8))
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return f"flip bit {bit} of byte {place} of {path.name}"


def try_damages(root: Path, tries: int, rng: np.random.Generator, folder: Path) -> Findings:
    """Damage a copy of a whole archive `tries` times, each time anew, and look who notices."""
    whole = load(root)
    hashes = whole.score_hashes
    tables = folder / "tables"
    options = ("--format", "latex,csv", "--out")
    before = quiet(report_main, "--runs", root, *options, tables)
    written = {path.name: path.read_bytes() for path in files_of(tables)}
    verified = quiet(archive_main, "verify", root)
    findings = Findings()
    for number in range(tries):
        copy = folder / "damaged" / root.name
        shutil.rmtree(copy.parent, ignore_errors=True)
        shutil.copytree(root, copy)
        path = files_of(copy)[int(rng.integers(len(files_of(copy))))]
        what = damage(path, KINDS[number % len(KINDS)], rng)
        findings.tries += 1

        again = folder / "again"
        shutil.rmtree(again, ignore_errors=True)
        code, said = quiet(report_main, "--runs", copy, *options, again)
        findings.exits["report", code] += 1
        now = {p.name: p.read_bytes() for p in files_of(again)} if again.is_dir() else {}
        same = code == 0 or said.replace(str(copy), str(root)) == before[1]
        if same and what != f"delete {path.name}" * (path.parent.name == "failed"):
            findings.silent.append(f"{what}: report says nothing")
        elif now and now != written:
            findings.silent.append(f"{what}: report writes other tables")
        code, told = quiet(archive_main, "verify", copy)
        findings.exits["verify", code] += 1
        same = code == 0 or told.replace(str(copy), str(root)) == verified[1]
        lost = set(hashes) - _readable(copy, hashes, whole.plan)
        named = path.name in told or path.stem in told or all(cell in told for cell in lost)
        if same or not (named or path.parent.name == "failed"):
            findings.silent.append(f"{what}: verify says nothing (exit {code})")
        if "Traceback" in said + told:
            findings.silent.append(f"{what}: traceback")
    return findings


def _readable(root: Path, hashes: dict[str, str], plan: dict) -> set[str]:
    """The cells that can still be read; their scores have to be the old ones."""
    try:
        left = load(root, strict=False, plan=plan).score_hashes
    except UserError:  # every file of a cell is gone
        return set()
    if not left.items() <= hashes.items():
        raise AssertionError(f"{root}: a cell reads otherwise than before")
    return set(left)


def mends(root: Path, plan: Path, rng: np.random.Generator, folder: Path) -> bool:
    """Whether --retry-failed brings back an archive with every kind of damage at once."""
    copy = folder / "mended" / root.name
    shutil.copytree(root, copy)
    for kind, name in (
        ("flip", "archive.json"),
        ("truncate", "tasks/*.splits.parquet"),
        ("flip", "parts/*.json"),
        ("delete", "parts/*.parquet"),
    ):
        paths = sorted(copy.glob(name))
        damage(paths[int(rng.integers(len(paths)))], kind, rng)
    arguments = ("--plan", plan, "--runs", copy.parent, "--jobs", 1, "--retry-failed")
    code, said = quiet(grid_main, *arguments)
    if code:
        raise RuntimeError(said)
    return load(copy).digest == load(root).digest


def main() -> int:
    """Run it and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = build(folder)
        root = folder / "runs" / "small"
        sizes = {path.name: path.stat().st_size for path in files_of(root)}
        print(f"an archive of {len(load(root).cells)} cells in {len(sizes)} files", flush=True)
        whole = mends(root, plan, rng, folder)
        half = options.tries // 2
        found = try_damages(root, half, rng, folder)
        # The other half on an archive with a failed cell beside the whole ones.
        other = folder / "failed" / "small"
        shutil.copytree(root, other)
        lost = sorted((other / "parts").glob("*.json"))[0]
        cells = json.loads(lost.read_bytes())["content"]["cells"]
        for path in (lost, lost.with_suffix(".parquet")):
            path.unlink()
        for cell in cells:
            key = {name: cell[name] for name in ("cell_id", "pair_id", "key")}
            ArchiveWriter(other).record_failure(key, "out of memory", "log")
        more = try_damages(other, options.tries - half, rng, folder)
    silent = found.silent + more.silent
    print(f"{found.tries + more.tries} damages in {time.perf_counter() - started:.0f} s")
    for (command, code), count in sorted((found.exits + more.exits).items()):
        print(f"  {command} ended with {code}: {count}")
    print(f"unnoticed: {len(silent)}")
    for line in silent[:20]:
        print(f"  {line}")
    print(f"--retry-failed mends all kinds at once: {'yes' if whole else 'NO'}")
    return 1 if silent or not whole else 0


if __name__ == "__main__":
    sys.exit(main())
