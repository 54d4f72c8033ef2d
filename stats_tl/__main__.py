"""``python -m stats_tl``, installed as ``stats-tl``: the commands, by name."""

from __future__ import annotations

import runpy
import sys

from . import __version__
from .commands import exit_command
from .errors import UserError, suggest
from .visible import say

#: Command → module, and what it does.
COMMANDS = {
    "run-grid": ("stats_tl.run_grid", "train what a study plan asks for, into a run archive"),
    "report": ("stats_tl.report", "tables, figures and text of an archive or of predictions"),
    "archive": ("stats_tl.archive", "verify, merge and compact archives"),
    "calibration": ("stats_tl.calibration", "simulate the error rates of the tests"),
}


def main(arguments: list[str] | None = None) -> int:
    """List the commands, or run one in the place of this program."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given[0] in ("-h", "--help"):
        say(listing())
        return 0
    if given[0] == "--version":
        say(f"stats_tl {__version__}")
        return 0
    name = given[0].replace("_", "-")
    if name not in COMMANDS:
        raise UserError(f"no command {given[0]!r}; {suggest(name, COMMANDS)}")
    module, _ = COMMANDS[name]
    sys.argv = [f"stats-tl {name}", *given[1:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def listing() -> str:
    """The commands with what they do."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: stats-tl COMMAND ..., or python -m stats_tl COMMAND ...",
            "",
            *lines,
            "",
            "`stats-tl COMMAND --help` describes one. Each is also a module: python -m "
            "stats_tl.run_grid",
        ]
    )


def run() -> None:
    """End the process as a command does; the console script."""
    exit_command(main)


if __name__ == "__main__":
    run()
