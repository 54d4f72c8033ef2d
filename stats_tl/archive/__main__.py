"""``python -m stats_tl.archive``: verify, seal, merge and compact archives."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..commands import exit_command
from ..errors import ArchiveDamagedError, IncompleteError, UserError
from ..visible import say, visible

if TYPE_CHECKING:
    from .integrity.verification import Verification

EXIT_CONFLICTS = 1
RESEAL = (
    "if it has been continued, repaired or compacted since, verify it and seal it again; else "
    "restore these files"
)
EXAMPLES = """\
examples:
  python -m stats_tl.archive verify runs/busbra
      check every byte and every score; name damaged files and the cells lost with them
  python -m stats_tl.archive verify
      every archive under runs/
  python -m stats_tl.archive seal runs/busbra --sign ~/.ssh/id_ed25519
      one digest over every file, for the paper; signed by OpenSSH
  python -m stats_tl.archive seal runs/busbra --check 5f0c...
      is this the archive of that digest?
  python -m stats_tl.archive merge here/runs/study there/runs/study --into runs/study
      one archive from two of one plan; cells with different scores are shown and nothing
      is written
  python -m stats_tl.archive compact runs/study
      few large parts in place of many small ones

Repair is part of training: python -m stats_tl.run_grid --plan PLAN --retry-failed sets
damaged files aside and trains their cells again.

exit codes: 0 done, 1 merge found conflicts, 2 wrong use or bad input, 3 archive damaged,
4 whole but incomplete (verify), 130 interrupted.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m stats_tl.archive",
        description="Look after run archives: verify, seal, merge, compact.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"stats_tl {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    sub = commands.add_parser("verify", help="check every byte and every score")
    sub.add_argument(
        "archives",
        nargs="*",
        type=Path,
        metavar="DIR",
        help="archives, or folders of archives (default: runs)",
    )
    sub = commands.add_parser("seal", help="one digest over every file")
    sub.add_argument("archives", nargs=1, type=Path, metavar="DIR", help="the archive")
    sub.add_argument(
        "--sign", type=Path, metavar="KEY", help="sign with this private key of OpenSSH"
    )
    sub.add_argument(
        "--check",
        nargs="?",
        const="",
        metavar="DIGEST",
        help="write nothing: compare the archive with its seal, and the seal with DIGEST",
    )
    sub = commands.add_parser("merge", help="one archive from several of one plan")
    sub.add_argument("archives", nargs="+", type=Path, metavar="DIR", help="archives to read")
    sub.add_argument(
        "--into", type=Path, required=True, metavar="DIR", help="folder of the new archive"
    )
    sub.add_argument(
        "--leave-out-conflicts",
        action="store_true",
        help="merge the rest; cells with different scores are left to be trained again "
        "(default: write nothing if there are any)",
    )
    sub = commands.add_parser("compact", help="few large parts in place of many small ones")
    sub.add_argument("archives", nargs="+", type=Path, metavar="DIR", help="archives to compact")
    sub.add_argument(
        "--cells", type=int, default=5000, metavar="N", help="most cells a part (default: 5000)"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Parse, call, return the exit code."""
    options = build_parser().parse_args(arguments)
    if options.command == "verify":
        return max(_verify(root) for root in _roots(options.archives or [Path("runs")]))
    if options.command == "seal":
        (root,) = options.archives
        return _seal(root, options.sign) if options.check is None else _check(root, options.check)
    if options.command == "merge":
        return _merge(options.archives, options.into, options.leave_out_conflicts)
    if options.cells < 1:
        raise UserError(f"--cells {options.cells}: expected 1 or more")
    from .compaction import compact

    for root in options.archives:
        done = compact(root, cells=options.cells, progress=_progress(f"{root}: parts"))
        say(f"{root}: {done.cells} cells in {done.after} parts, {done.before} before")
    return 0


def _roots(folders: list[Path]) -> list[Path]:
    """The archives themselves, or those in a folder."""
    from .contents import holds_archive

    found = []
    for folder in folders:
        inside = sorted(path for path in folder.glob("*/") if holds_archive(path))
        if holds_archive(folder):
            found.append(folder)
        elif inside:
            found += inside
        else:
            raise UserError(f"no run archive in {folder}; `python -m stats_tl.run_grid` makes one")
    return found


def _verify(root: Path) -> int:
    from .integrity.verification import verify

    try:
        found = verify(root, progress=_progress(f"{root}: parts"))
    except UserError as error:
        say(f"{root}: {error}", error=True)
        return error.exit_code
    for problem in found.problems:
        say(f"damaged  {problem.path.relative_to(root)}: {problem.what}")
    for path, cells in found.orphans.items():
        say(
            f"orphan   {path.relative_to(root)}: scores without their record "
            f"({path.stem}.json), which was lost or never written; cells {', '.join(cells)}"
        )
    for contradiction in found.contradictions:
        say(f"contradiction  {contradiction}")
    say(f"{root}: {found.cells} whole cells in {found.parts} parts, {found.scores:,} scores read")
    faults = list(_faults(found))
    for fault in faults:
        say(f"{root}: {fault}")
    return ArchiveDamagedError.exit_code if faults else _completeness(root, found)


def _faults(found: Verification) -> Iterator[str]:
    """What is wrong with an archive on the whole, and what to do."""
    from .integrity.contradictions import REMEDY

    if found.problems:
        lost = {cell for problem in found.problems for cell in problem.cells}
        yield (
            f"{len(found.problems)} damaged files, {len(lost)} cells in them; "
            "run_grid --retry-failed with the plan sets them aside and trains these cells again"
        )
    if found.contradictions:
        yield f"its files contradict each other in {len(found.contradictions)} ways; {REMEDY}"
    if found.seal is not None and not found.seal.holds:
        yield f"the seal does not hold: {found.seal}; {RESEAL}"


def _completeness(root: Path, found: Verification) -> int:
    """Say whether a sound archive holds all of its plan."""
    if found.missing is None:
        say(
            f"{root}: nothing is damaged, but this version cannot read its plan, so it is not "
            "known whether cells are missing; python -m stats_tl.run_grid --plan PLAN --dry-run "
            "names what is wrong with a plan"
        )
        return UserError.exit_code
    if len(found.missing):
        failed = int((found.missing["reason"] != "not trained yet").sum())
        say(
            f"{root}: nothing is damaged; {len(found.missing)} cells of the plan are not there"
            f"{f', {failed} of them failed' if failed else ''}, for example "
            f"{found.missing['cell_id'].iloc[0]}; run_grid continues"
        )
        return IncompleteError.exit_code
    say(f"{root}: nothing is damaged, nothing is missing")
    return 0


def _seal(root: Path, key: Path | None) -> int:
    from .integrity.consistency import refuse_contradictions
    from .reader import load
    from .seal import SEAL, SIGNATURE, seal_archive

    refuse_contradictions(load(root))
    seal = seal_archive(root, key=key)
    signed = f", signed in {SIGNATURE}" if key else ""
    say(f"{root / SEAL}: {seal.files} files{signed}\nSHA-256 of the seal: {seal.digest}")
    return 0


def _check(root: Path, expected: str) -> int:
    from .seal import SEAL, check_seal

    seal = check_seal(root)
    if seal is None:
        raise UserError(f"{root} is not sealed; python -m stats_tl.archive seal {root} does it")
    if not seal.holds:
        raise ArchiveDamagedError(f"{root}: the seal does not hold: {seal}; {RESEAL}")
    if expected and expected.lower() != seal.digest:
        raise ArchiveDamagedError(
            f"{root}: another seal: expected {expected}, found {seal.digest}; this is not the "
            "archive of that digest, or it was sealed again since"
        )
    say(f"{root}: the seal holds ({seal})\nSHA-256 of {SEAL}: {seal.digest}")
    return 0


def _merge(archives: list[Path], into: Path, leave_out: bool) -> int:
    from .merging import merge

    found = merge(archives, into, leave_out_conflicts=leave_out)
    for root, cells in found.sources.items():
        say(f"{root}: {cells} cells")
    for conflict in found.conflicts:
        places = ", ".join(
            f"{'none' if auc is None else format(auc, '.6f')} in {root}"
            for root, auc in conflict.aucs.items()
        )
        names = " ".join(f"{name}={value}" for name, value in sorted(conflict.key.items()))
        say(f"conflict {conflict.cell_id} ({names}): AUC {places}")
    if not found.written:
        say(
            f"{len(found.conflicts)} cells have different scores; nothing was written. "
            "--leave-out-conflicts merges the others and leaves these to be trained again",
            error=True,
        )
        return EXIT_CONFLICTS
    say(f"{into}: {found.cells} cells, {found.shared} of them in more than one source")
    return EXIT_CONFLICTS if found.conflicts else 0


def _progress(label: str) -> Callable[[int, int], object] | None:
    """A line that counts, on a terminal only."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        print(
            f"\r{visible(label)} {done}/{total}", end="\n" if done == total else "", file=sys.stderr
        )

    return show


if __name__ == "__main__":
    exit_command(
        main, interrupted="nothing is lost; run the same command again, merge into a new folder"
    )
