"""The command ``python -m stats_tl.report``."""

from __future__ import annotations

from ..commands import exit_command
from .command import main

if __name__ == "__main__":
    exit_command(main, interrupted="the report is not complete; run the same command again")
