"""``python -m stats_tl.calibration``: a plan of designs → error rates, as CSV."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..commands import run_command
from ..errors import UserError
from ..visible import say

EXAMPLES = """\
examples:
  python -m stats_tl.calibration --plan analysis/calibration/plan.toml --out calibration
      the study behind the tests; interrupt it when you like, it continues
  python -m stats_tl.calibration --plan mine.toml --role mine --datasets 200
      some designs, quickly

exit codes: 0 done, 2 wrong use or bad input, 130 interrupted.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m stats_tl.calibration",
        description="Simulate how often each test errs, over the designs of a plan.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--plan", type=Path, required=True, metavar="FILE", help="TOML plan")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("calibration"),
        metavar="DIR",
        help="where results.csv, summary.csv, the figure and a file for each finished design go "
        "(default: calibration)",
    )
    parser.add_argument("--role", metavar="NAME", help="only designs of this role (default: all)")
    parser.add_argument(
        "--datasets", type=int, metavar="N", help="data sets a design (default: the plan's)"
    )
    parser.add_argument(
        "--features",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder of the files of real features (default: here)",
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="worker processes (default: 1)"
    )
    parser.add_argument("--list", action="store_true", help="list the designs; run nothing")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Parse, call, return the exit code."""
    options = build_parser().parse_args(arguments)
    from .study import load_calibration_plan

    plan = load_calibration_plan(options.plan)
    designs = [d for d in plan.designs() if options.role in (None, d.role)]
    if not designs:
        roles = ", ".join(sorted({d.role for d in plan.designs()}))
        raise UserError(f"--role {options.role!r}: no such design; roles: {roles}")
    if options.datasets is not None:
        if options.datasets < 2:
            raise UserError(f"--datasets {options.datasets}: expected 2 or more")
        designs = [d.model_copy(update={"datasets": options.datasets}) for d in designs]
    if options.list:
        for design in designs:
            say(f"{design.digest(plan.seed)} {design}")
        return 0
    from .runner import run_designs

    path = run_designs(designs, plan.seed, options.out, base=options.features, jobs=options.jobs)
    say(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
