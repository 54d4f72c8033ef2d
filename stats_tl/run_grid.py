"""``python -m stats_tl.run_grid``: plan → run archive."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from . import __version__
from .commands import EXIT_FAILED_CELLS, exit_command
from .errors import UserError

EXAMPLES = """\
examples:
  python -m stats_tl.run_grid
      the built-in synthetic example, into runs/example
  python -m stats_tl.run_grid --plan analysis/busbra/plan.toml --data busbra=busbra.zip --dry-run
      what a study would do, and how long it would take
  python -m stats_tl.run_grid --plan study.toml --select backbone=resnet50 --device cuda
      a part of a study; the rest can run elsewhere, or later
  python -m stats_tl.run_grid --plan study.toml --backend dask --scheduler-address tcp://head:8786
      on the workers of a dask cluster: docs/cluster.md

exit codes: 0 done, 1 some cells failed, 2 wrong use or bad input, 3 archive damaged,
130 interrupted. What is finished is kept; the same command continues. A dry run ends with 2 if the
plan would not run here.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m stats_tl.run_grid",
        description="Train the cells of a study plan that are not yet in the archive.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"stats_tl {__version__}")
    what = parser.add_argument_group("what to run")
    what.add_argument(
        "--plan", type=Path, metavar="FILE", help="study plan (default: the built-in example)"
    )
    what.add_argument(
        "--select",
        action="append",
        default=[],
        metavar="KEY=VALUE[,VALUE]",
        help="only cells with these values: task, backbone, head, unfreeze, arm, repeat, fold, "
        "seed or design (cv, half, halving); may be given several times (default: all)",
    )
    what.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="continue an archive that holds cells (default: --resume)",
    )
    what.add_argument(
        "--retry-failed",
        action="store_true",
        help="train failed cells again, and cells in damaged files (default: leave them)",
    )
    what.add_argument(
        "--extend",
        action="store_true",
        help="accept a plan that has grown since the archive was started (default: refuse)",
    )
    where = parser.add_argument_group("where things are")
    where.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="folder of the archives; this study goes to DIR/<study name> (default: runs)",
    )
    where.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="TASK=PATH",
        help="where the data of a task lie (default: as the plan says, relative to it)",
    )
    where.add_argument(
        "--weights",
        type=Path,
        metavar="DIR",
        help="folder of the plan's weight files (default: the plan's own folder)",
    )
    where.add_argument(
        "--salt",
        type=Path,
        metavar="FILE",
        help="secret of hashed identifiers, made where there is none "
        "(default: <study name>.salt beside the plan)",
    )
    how = parser.add_argument_group("how to run")
    how.add_argument(
        "--device",
        default="auto",
        help="cpu; cuda for all GPUs, one process for each; cuda:1, ... "
        "(default: cuda if there is one)",
    )
    how.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="worker processes (default: one per core on the CPU, one per GPU, as memory allows)",
    )
    how.add_argument(
        "--backend", default="loky", choices=["loky", "threading", "dask", "ray"],
        help="what runs the workers; dask and ray are extras (default: loky)",
    )  # fmt: skip
    how.add_argument(
        "--scheduler-address",
        metavar="ADDRESS",
        help="running dask scheduler or ray cluster (default: one is started on this machine)",
    )
    how.add_argument(
        "--cache-gib",
        type=float,
        default=4.0,
        metavar="GIB",
        help="largest set of activations kept for one feature pass (default: 4)",
    )
    how.add_argument(
        "--compile",
        action="store_true",
        help="compile trained stages, for long trainings on CUDA (default: no)",
    )
    how.add_argument(
        "--dry-run",
        action="store_true",
        help="train nothing: show what is done, failed and pending, what the data hold and what "
        "looks odd among them, memory, weights and time",
    )
    how.add_argument(
        "--progress",
        choices=["auto", "bar", "lines", "none"],
        default="auto",
        help="a bar on a terminal, else one line per cell (default: auto)",
    )
    return parser


def parse_pairs(option: str, texts: list[str], form: str) -> list[tuple[str, str]]:
    """``["a=1", "b=2"]`` as pairs; a malformed text is a UserError."""
    pairs = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise UserError(f"{option} {text!r}: expected the form {form}")
        pairs.append((key, value))
    return pairs


def main(arguments: list[str] | None = None) -> int:
    """Parse, call, return the exit code."""
    options = build_parser().parse_args(arguments)
    if options.jobs is not None and options.jobs < 1:
        raise UserError(f"--jobs {options.jobs}: expected 1 or more")
    if options.scheduler_address is not None and options.backend not in ("dask", "ray"):
        raise UserError(
            f"--scheduler-address {options.scheduler_address}: --backend {options.backend} runs on "
            "this machine only; add --backend dask or --backend ray"
        )
    if not (options.cache_gib >= 0 and math.isfinite(options.cache_gib)):
        raise UserError(f"--cache-gib {options.cache_gib:g}: expected a number, 0 or more")
    select: dict[str, set[str]] = {}
    for key, values in parse_pairs("--select", options.select, "KEY=VALUE"):
        select.setdefault(key, set()).update(values.split(","))
    data: dict[str, Path] = {}
    for task, place in parse_pairs("--data", options.data, "TASK=PATH"):
        if task in data:
            raise UserError(f"--data {task}=... is given twice: {data[task]} and {place}")
        data[task] = Path(place)

    from .study.example import EXAMPLE_PLAN
    from .study.loading import load_plan
    from .train.dry_run import ReadingBar, print_preview, print_state
    from .train.grid import GridRun, train_grid
    from .train.machine.resources import check_compiler, choose_device, choose_jobs
    from .train.options import GridOptions
    from .train.preview import preview_run
    from .train.progress import ProgressView
    from .train.state import open_grid

    path = options.plan or EXAMPLE_PLAN
    plan = load_plan(path)
    elsewhere = options.scheduler_address is not None  # where there may be other devices
    device = choose_device(options.device, here=not elsewhere)
    if options.compile and not elsewhere:
        check_compiler(device)
    grid_options = GridOptions(
        runs=options.runs,
        base=path.parent,
        weights=options.weights,
        data=data,
        select=select,
        resume=options.resume,
        extend=options.extend,
        retry_failed=options.retry_failed,
        device=device,
        jobs=options.jobs or choose_jobs(device),
        fewer_jobs=options.jobs is None,
        backend=options.backend,
        scheduler_address=options.scheduler_address,
        salt=options.salt,
        cache_bytes=int(options.cache_gib * 2**30),
        compiled=options.compile,
    )
    run = GridRun(open_grid(plan, grid_options), grid_options)
    if options.dry_run:
        print_state(run.state, run.workers)
        preview = preview_run(run, progress=ReadingBar(options.progress))
        print_preview(run.state, run.workers, preview)
        return UserError.exit_code if preview.problems else 0
    failures = train_grid(run, ProgressView(options.progress))
    return EXIT_FAILED_CELLS if failures else 0


if __name__ == "__main__":
    exit_command(main)
