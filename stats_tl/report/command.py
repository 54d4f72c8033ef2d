"""From the command line to files, or to what differs from them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from ..visible import say
from .analysis import analysis_options, labels
from .parser import build_parser, parse_formats
from .progress import Progress
from .sources import (
    TABLE_FLAGS,
    class_report,
    find_archives,
    grid_report,
    predictions,
    value_report,
)

if TYPE_CHECKING:
    from ..reporting import ClassReport, Evidence, GridReport, Report, ValueReport

EXIT_DIFFERS = 1


def main(arguments: list[str] | None = None) -> int:
    """Parse, call, return the exit code."""
    options = build_parser().parse_args(arguments)
    if options.design is not None:
        from ..reporting.results.planning import design_text, parse_design

        say(design_text(parse_design(options.design)))
        return 0
    formats = parse_formats(options.format)
    if options.scores is not None:
        values = value_report(options, formats)
        if values is not None:
            return finish(values, options, options.out)
        classes = class_report(options, formats)
        if classes is not None:
            return finish(classes, options, options.out)
        return report(predictions(options), options, formats, options.out)
    if options.aucs is not None:
        return finish(grid_report(options, formats), options, options.out)
    given = [flag for flag in TABLE_FLAGS if getattr(options, flag) is not None]
    if given:
        raise UserError(f"--{given[0]} describes the table of --scores; give that too")
    roots = find_archives(options.runs)
    codes = []
    for root in roots:
        out = options.out / root.name if options.out and len(roots) > 1 else options.out
        try:
            codes.append(report_archive(root, options, formats, out))
        except UserError as error:
            if len(roots) == 1:
                raise
            # The other archives can still be reported.
            say(f"error: {root}: {error}\n", error=True)
            codes.append(error.exit_code)
    return max(codes)


def report_archive(
    root: Path, options: argparse.Namespace, formats: list[str], out: Path | None
) -> int:
    """Report an archive whose files do not contradict each other."""
    from ..archive import load
    from ..archive.integrity.consistency import refuse_contradictions

    archive = load(root)
    compared = refuse_contradictions(archive)
    if archive.seal is not None and not archive.seal.holds:
        say(f"warning: the seal of {root} no longer holds: {archive.seal}", error=True)
    code = report(archive, options, formats, out)
    if not options.check:
        left = "the hash of each cell’s scores, and kept backbones"
        if not compared:
            left = "the scores with labels, splits and recorded AUCs, and " + left
        say(f"Not checked here: {left}; `python -m stats_tl.archive verify {root}` does.\n")
    return code


def report(
    evidence: Evidence, options: argparse.Namespace, formats: list[str], out: Path | None
) -> int:
    """Report one study, on the terminal and into files."""
    from ..reporting import build_report

    with Progress(evidence.name) as progress:
        result = build_report(
            evidence,
            analysis_options(evidence, options),
            allow_incomplete=options.allow_incomplete,
            allow_leakage=options.allow_leakage,
            formats=formats,
            layout=options.layout,
            labels=labels(options),
            progress=progress,
            pictures=not options.check,
            jobs=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        )
    return finish(result, options, out)


def finish(
    result: Report | GridReport | ValueReport | ClassReport,
    options: argparse.Namespace,
    out: Path | None,
) -> int:
    """Write or check what was built, and show it on the terminal."""
    from ..reporting import differing_files, plain_table, write_report

    folder = out or Path("analysis") / result.name
    if options.check:
        problems = differing_files(result, folder)
        for problem in problems:
            say(problem, error=True)
        if problems:
            say(
                f"{folder} differs from {result.name}; run python -m stats_tl.report again",
                error=True,
            )
            return EXIT_DIFFERS
        say(f"{folder}: all {len(result.files)} files agree with {result.name}")
        return 0
    # Written first: a reader of the output that goes away, as `head` does, loses nothing.
    written = write_report(result, folder)
    say(plain_table(result.terminal))
    for part in result.absent:
        say(f"No {part.what}: {part.reason}.")
    say("\nWritten:")
    for path in written:
        say(f"  {path}")
    say()
    return 0
