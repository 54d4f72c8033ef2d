"""``python -m stats_tl.report``: run archive or predictions → tables, figures, words, a page."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__
from .commands import exit_command
from .errors import UserError
from .visible import say, visible

if TYPE_CHECKING:
    from .reporting import (
        AnalysisOptions,
        ClassReport,
        Evidence,
        GridReport,
        Predictions,
        Report,
        ValueReport,
    )

# Spelt out, so that --help needs no import of the analysis.
FORMATS = ("latex", "csv", "figures", "words", "json", "html", "docx")
CORRECTIONS = ("holm", "hochberg", "hommel", "bonferroni", "bh", "by", "none")
EXIT_DIFFERS = 1
#: They say how the table of --scores is to be read.
TABLE_FLAGS = ("columns", "arms", "classes", "names", "truth", "positive", "folds")
EXAMPLES = """\
examples:
  python -m stats_tl.report
      every archive under runs/, each into analysis/<study>
  python -m stats_tl.report --runs runs/busbra --margin 0.02
      one archive; differences within 0.02 are considered negligible
  python -m stats_tl.report --scores predictions.csv --reference imagenet
      predictions of any trainer: columns case,y_true,arm,score, optionally
      patient,task,backbone,head,unfreeze,repeat,fold,seed,design,partition; others are
      covariates
  python -m stats_tl.report --scores wide.csv --reference imagenet \\
          --columns case=image,y_true=malignant --arms imagenet=p_in,radimagenet=p_rin
      one row per case, a score column for each arm, other column names
  python -m stats_tl.report --scores imagenet=a.csv radimagenet=b.csv --reference imagenet \\
          --truth labels.csv --positive malignant
      a file for each arm, labels of the cases from another, as text
  python -m stats_tl.report --scores predictions.csv --reference imagenet \\
          --metric average_precision --metric brier_score --metric f1:threshold=0.5
      by average precision; the others are secondary
  python -m stats_tl.report --scores predictions.csv --plan analysis.toml
      as registered: the [analysis] table of a file whose hash the report prints
  python -m stats_tl.report --scores big=nnunet_big/summary.json small=nnunet_small/summary.json \
          --reference small
      a value of each case in place of scores: nnU-Net's summaries, MONAI's *_raw.csv, or a
      table case,arm,value, optionally patient,repeat,fold
  python -m stats_tl.report --scores classes.csv --reference small
      several classes, a score column of each: case,y_true,arm,prob_benign,prob_malignant,
      prob_normal; or ordinal grades (BI-RADS): case,y_true,arm,grade
  python -m stats_tl.report --aucs grid.csv --reference imagenet
      a published grid, one row per model: arm,auc and configuration (or other columns that
      distinguish models), optionally task,backbone
  python -m stats_tl.report --design n=780,prevalence=0.27,auc=0.8,difference=0.04
      what a planned study of 780 patients could detect
  python -m stats_tl.report --runs runs/busbra --check
      check that analysis/busbra agrees with the archive; writes nothing

exit codes: 0 done, 1 --check found differences, 2 wrong use or bad input, 3 archive
damaged, 4 incomplete, 130 interrupted.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m stats_tl.report",
        description="Compare the arms of a study: tables, figures, text and a web page.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"stats_tl {__version__}")
    what = parser.add_argument_group("what to report")
    source = what.add_mutually_exclusive_group()
    source.add_argument(
        "--runs",
        type=Path,
        metavar="DIR",
        help="an archive, or a folder of archives (default: runs)",
    )
    source.add_argument(
        "--scores",
        nargs="+",
        metavar="FILE",
        help="predictions of any trainer (text, Parquet or Stata), one row per case and arm, or "
        "wide with --arms; or a file for each arm: imagenet=a.csv radimagenet=b.csv",
    )
    source.add_argument(
        "--aucs",
        type=Path,
        metavar="CSV",
        help="AUCs of trained models without their scores: mixed model only",
    )
    source.add_argument(
        "--design",
        metavar="N=VALUE,...",
        help="no results yet: power and detectable difference of a planned study, from n, "
        "prevalence, auc and, optionally, folds, repeats, difference, correlation, noise, "
        "elasticity, half, alpha, power",
    )
    what.add_argument(
        "--columns",
        metavar="OURS=THEIRS,...",
        help="names of the CSV's columns where they differ: case=image_id,y_true=label",
    )
    what.add_argument(
        "--arms",
        metavar="ARM=COLUMN,...",
        help="the CSV is wide, one row per case, with a score column for each arm: "
        "imagenet=p_in,radimagenet=p_rin",
    )
    what.add_argument(
        "--classes",
        metavar="CLASS=COLUMN,...",
        help="the table has a score of each of several classes: benign=p_b,malignant=p_m,"
        "normal=p_n (default: columns such as score_0,score_1,score_2 or prob_benign,...)",
    )
    what.add_argument(
        "--names",
        metavar="NAME,...",
        help="names of all columns of a file that has no heading: case,y_true,score",
    )
    what.add_argument(
        "--truth",
        type=Path,
        metavar="FILE",
        help="table of the cases (case, y_true, covariates), where the predictions lack these",
    )
    what.add_argument(
        "--positive",
        metavar="LABEL",
        help="label of the positive cases, where y_true holds text or other numbers than 0 and 1",
    )
    what.add_argument(
        "--folds",
        type=int,
        metavar="K",
        help="the column fold numbers the folds of all repeats through, K a repeat (as mlr's iter)",
    )
    direction = what.add_mutually_exclusive_group()
    direction.add_argument(
        "--higher-is-better",
        action="store_true",
        default=None,
        help="the table of --scores holds a value of each case in a column 'value' (Dice); higher "
        "is better",
    )
    direction.add_argument(
        "--lower-is-better",
        action="store_false",
        dest="higher_is_better",
        help="the same; lower is better (absolute error, time)",
    )
    what.add_argument(
        "--empty-value",
        type=float,
        metavar="VALUE",
        help="value of cases that have none (NaN), such as 1 for the Dice of an empty structure "
        "that was left empty",
    )
    what.add_argument(
        "--allow-incomplete",
        action="store_true",
        help="compare complete runs only and say so below every table "
        "(default: incomplete pairs are an error)",
    )
    what.add_argument(
        "--allow-leakage",
        action="store_true",
        help="show numbers where patients are on both sides of a split, marked and without "
        "verdicts (default: an error)",
    )
    how = parser.add_argument_group("how to analyse")
    how.add_argument(
        "--plan",
        type=Path,
        metavar="FILE",
        help="TOML file with an [analysis] table (default: the plan in the archive)",
    )
    how.add_argument(
        "--reference", metavar="ARM", help="the arm to compare with (default: the plan's)"
    )
    how.add_argument(
        "--margin",
        type=float,
        metavar="VALUE",
        help="equivalence margin: differences of the metric within ± VALUE are negligible "
        "(default: the plan's)",
    )
    how.add_argument(
        "--metric",
        action="append",
        metavar="NAME[:OPTION=VALUE]",
        help="compare by this in place of the AUC: average_precision, brier_score, "
        "f1:threshold=0.5, ...; repeated, further ones are secondary (default: the plan's)",
    )
    how.add_argument(
        "--correction",
        choices=CORRECTIONS,
        help="adjustment for several comparisons (default: the plan's, else holm)",
    )
    how.add_argument(
        "--alpha",
        type=float,
        metavar="P",
        help="level of the tests (default: the plan's, else 0.05)",
    )
    how.add_argument(
        "--primary",
        metavar="KEY=VALUE,...",
        help="the primary comparison, by the keys task, backbone, head, unfreeze, arm "
        "(default: the plan's)",
    )
    how.add_argument(
        "--families",
        metavar="KEY,...",
        help="adjust secondary comparisons within each value of these keys (default: the plan's, "
        "else all together)",
    )
    how.add_argument(
        "--subgroups",
        metavar="COVARIATE,...",
        help="compare within subgroups of these covariates, '' for none (default: the plan's, "
        "else all that qualify)",
    )
    how.add_argument(
        "--target-sensitivity",
        type=float,
        metavar="SHARE",
        help="set thresholds at this sensitivity on the tuning cases (default: the plan's, else at "
        "the largest Youden index)",
    )
    how.add_argument(
        "--threshold",
        type=float,
        metavar="SCORE",
        help="scores that reach it are called positive, in place of thresholds from tuning cases; "
        "of an archive, risks (default: the plan's)",
    )
    how.add_argument(
        "--prevalence",
        type=float,
        metavar="SHARE",
        help="give predictive values at this prevalence, too (default: the plan's)",
    )
    how.add_argument(
        "--net-benefit-thresholds",
        metavar="RISK,...",
        help="give the net benefit at these thresholds of risk (default: the plan's, else none)",
    )
    how.add_argument(
        "--clinical-table",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="compare the arms by clinical metrics (default: the plan's, else yes)",
    )
    how.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="TOML file with labels for names of tasks, arms, backbones, heads and covariates "
        "(default: those of --plan and of the archive's plan)",
    )
    where = parser.add_argument_group("what to write")
    where.add_argument(
        "--out", type=Path, metavar="DIR", help="output folder (default: analysis/<study>)"
    )
    where.add_argument(
        "--format",
        default=",".join(FORMATS),
        metavar="LIST",
        help=f"some of {','.join(FORMATS)} (default: all)",
    )
    where.add_argument(
        "--layout",
        metavar="ROOM",
        help="what the LaTeX tables have to fit: one-column, two-column (across both), landscape, "
        "beamer (a slide each), or a width in millimetres (default: A4 with margins of 25 mm, as "
        "all.tex)",
    )
    where.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit with 1 if the tables in the output folder differ",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Parse, call, return the exit code."""
    options = build_parser().parse_args(arguments)
    if options.design is not None:
        from .reporting.results.planning import design_text, parse_design

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
    from .archive import load
    from .archive.integrity.consistency import refuse_contradictions

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
    from .reporting import build_report

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
    from .reporting import differing_files, plain_table, write_report

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


def grid_report(options: argparse.Namespace, formats: list[str]) -> GridReport:
    """The report of ``--aucs``."""
    from .reporting import build_grid_report, parse_mapping, read_aucs

    for flag in TABLE_FLAGS:
        if flag != "columns" and getattr(options, flag) is not None:
            raise UserError(
                f"--{flag} describes a table of --scores; --aucs has one row per model and arm"
            )
    columns = options.columns and parse_mapping(options.columns, "--columns", "auc=test_auc")
    frame, digest = read_aucs(options.aucs, columns=columns)
    analysis = without_metric(options, "--aucs has AUCs alone, no scores of cases")
    return build_grid_report(
        frame,
        analysis,
        name=file_name(options.aucs),
        digest=digest,
        allow_incomplete=options.allow_incomplete,
        formats=formats,
        layout=options.layout,
        labels=labels(options),
    )


def value_report(options: argparse.Namespace, formats: list[str]) -> ValueReport | None:
    """The report of ``--scores`` where the files hold values of cases; None where scores."""
    from .reporting import (
        build_value_report,
        has_values,
        parse_mapping,
        read_values,
    )

    given = score_files(options.scores)
    files = given if isinstance(given, dict) else {"": given}
    columns = options.columns and parse_mapping(options.columns, "--columns", "value=dice")
    if not any(has_values(path, columns or None) for path in files.values()):
        for flag, value in (
            ("--empty-value", options.empty_value),
            ("--higher-is-better/--lower-is-better", options.higher_is_better),
        ):
            if value is not None:
                raise UserError(f"{flag} is for values of cases: a column 'value', no 'score'")
        return None
    for flag in TABLE_FLAGS:
        if flag != "columns" and getattr(options, flag) is not None:
            raise UserError(f"--{flag} describes a table of scores; these are values of cases")
    table = read_values(files, columns=columns or None, empty_value=options.empty_value)
    first = next(iter(files.values()))
    return build_value_report(
        table,
        without_metric(options, "values of cases are compared by their means"),
        name=file_name(first) if len(files) == 1 else "-".join(files),
        higher_is_better=options.higher_is_better,
        formats=formats,
        labels=labels(options),
    )


def class_report(options: argparse.Namespace, formats: list[str]) -> ClassReport | None:
    """The report of ``--scores`` where the files hold several classes; None where two."""
    from .reporting import AnalysisOptions, build_class_report, parse_mapping, read_classes

    if options.arms or options.positive is not None:
        if options.classes:
            given = "--arms" if options.arms else "--positive"
            raise UserError(f"{given} is for one score of each case, --classes for several")
        return None
    files = score_files(options.scores)
    columns, classes = options.columns, options.classes
    table = read_classes(
        files if isinstance(files, dict) else {"": files},
        columns=columns and parse_mapping(columns, "--columns", "case=image_id,y_true=label"),
        classes=classes and parse_mapping(classes, "--classes", "benign=p_b,malignant=p_m"),
        names=parse_names(options.names),
        truth=options.truth,
        folds=options.folds,
        name="-".join(files) if isinstance(files, dict) else file_name(files),
    )
    if table is None:
        return None
    note_ignored(table.predictions)
    return build_class_report(
        table,
        overridden(planned(AnalysisOptions(), options), options),
        allow_incomplete=options.allow_incomplete,
        allow_leakage=options.allow_leakage,
        formats=formats,
        labels=labels(options),
        layout=options.layout,
        pictures=not options.check,
    )


def predictions(options: argparse.Namespace) -> Predictions:
    """The CSV of ``--scores``."""
    from .reporting import parse_mapping, read_predictions

    columns, arms = options.columns, options.arms
    if options.folds is not None and options.folds < 2:
        raise UserError(f"--folds {options.folds}: expected 2 or more")
    found = read_predictions(
        score_files(options.scores),
        columns=columns and parse_mapping(columns, "--columns", "case=image_id,y_true=label"),
        arms=arms and parse_mapping(arms, "--arms", "imagenet=p_in,radimagenet=p_rin"),
        names=parse_names(options.names),
        truth=options.truth,
        positive=options.positive,
        folds=options.folds,
    )
    note_ignored(found)
    return found


def note_ignored(found: Predictions) -> None:
    """Say which columns are not used."""
    if found.ignored:
        say(
            "note: columns left unused, because they differ between the rows of a case: "
            f"{', '.join(found.ignored)}",
            error=True,
        )


def score_files(given: list[str]) -> Path | dict[str, Path]:
    """The file of ``--scores``, or the file of each arm."""
    if len(given) == 1 and ("=" not in given[0] or Path(given[0]).exists()):
        return Path(given[0])
    files: dict[str, Path] = {}
    for entry in given:
        arm, sign, file = entry.partition("=")
        if not (sign and arm and file):
            raise UserError(
                f"--scores {entry!r}: of several files, each is that of one arm: "
                "--scores imagenet=a.csv radimagenet=b.csv"
            )
        if arm in files:
            raise UserError(f"--scores: the arm {arm!r} is there more than once")
        files[arm] = Path(file)
    return files


def analysis_options(evidence: Evidence, options: argparse.Namespace) -> AnalysisOptions:
    """The archive's plan, then --plan, then the flags; the later prevail."""
    from .reporting import AnalysisOptions

    analysis = AnalysisOptions.from_archive(
        evidence.plan.get("analysis"), reference=evidence.reference
    )
    return overridden(planned(analysis, options), options)


def planned(analysis: AnalysisOptions, options: argparse.Namespace) -> AnalysisOptions:
    """What ``--plan`` makes of the options."""
    from .reporting import AnalysisOptions, read_analysis_plan

    if options.plan is None:
        return analysis
    table, reference, sha256 = read_analysis_plan(options.plan)
    given = AnalysisOptions.from_plan(
        table, source=str(options.plan), reference=reference, sha256=sha256
    )
    if not analysis.planned:
        return given
    changes = {**({"reference": reference} if reference else {}), **table}
    return analysis.override(f"in {options.plan.name}", **changes)


def labels(options: argparse.Namespace) -> dict[str, dict[str, str]]:
    """The labels in the files of ``--plan`` and ``--labels``; the latter prevail."""
    from .study.labels import read_labels

    found: dict[str, dict[str, str]] = {}
    for path in filter(None, (options.plan, options.labels)):
        for kind, names in read_labels(path).items():
            found[kind] = {**found.get(kind, {}), **names}
    return found


def overridden(analysis: AnalysisOptions, options: argparse.Namespace) -> AnalysisOptions:
    """What the flags make of the options."""
    from .reporting import parse_mapping

    return analysis.override(
        "on the command line",
        reference=options.reference,
        margin=options.margin,
        metric=options.metric,
        alpha=options.alpha,
        correction=options.correction,
        primary=options.primary
        and parse_mapping(options.primary, "--primary", "task=breast,backbone=resnet50"),
        families=parse_names(options.families),
        subgroups=parse_names(options.subgroups),
        target_sensitivity=options.target_sensitivity,
        threshold=options.threshold,
        clinical_table=options.clinical_table,
        prevalence=options.prevalence,
        net_benefit_thresholds=parse_numbers(
            options.net_benefit_thresholds, "--net-benefit-thresholds", "0.1,0.2"
        ),
    )


def without_metric(options: argparse.Namespace, why: str) -> AnalysisOptions:
    """The options of a report that has no choice of metric."""
    from .reporting import AnalysisOptions

    analysis = overridden(planned(AnalysisOptions(), options), options)
    if analysis.metric:
        raise UserError(
            f"--metric ([analysis] metric) is of scores of two classes; {why}. Leave it out"
        )
    return analysis


class Progress:
    """Steps of a report that takes long, on a terminal's standard error.

    Nothing is shown in the first seconds, nor where standard error is no terminal.
    """

    AFTER_SECONDS = 3.0

    def __init__(self, name: str):
        self.name = visible(name)
        self._start = time.monotonic()
        self._width = 0

    def __enter__(self) -> Progress:
        return self

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show that a step begins: its name, its number, and how many there are."""
        elapsed = time.monotonic() - self._start
        if elapsed < self.AFTER_SECONDS or not sys.stderr.isatty():
            return
        bar = "#" * round(20 * done / total)
        left = f", about {elapsed * (total - done) / done:.0f} s left" if done else ""
        text = f"{self.name} [{bar:<20}] {step} ({elapsed:.0f} s{left})"
        print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
        self._width = len(text)

    def __exit__(self, *error: object) -> None:
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr, flush=True)


def file_name(path: Path) -> str:
    """A name of a study from that of a file."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", path.stem).strip(".-") or "report"


def parse_names(text: str | None) -> list[str] | None:
    """``"task,backbone"`` as a list; None stays None, and ``""`` is no name at all."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def parse_numbers(text: str | None, flag: str, example: str) -> list[float] | None:
    """``"0.1,0.2"`` as numbers; None stays None.

    Raises
    ------
    UserError
        If a part is no number.
    """
    try:
        return None if text is None else [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise UserError(f"{flag} is a list of numbers, as {flag} {example}, got {text!r}") from None


def find_archives(folder: Path | None) -> list[Path]:
    """The archive at `folder`, or those in it, sorted by name."""
    from .archive.reader import holds_archive

    root = folder or Path("runs")
    if holds_archive(root):
        return [root]
    archives = sorted(path for path in root.glob("*/") if holds_archive(path))
    if not archives:
        where = f"no run archive in {root}{'' if root.is_dir() else ' (there is no such folder)'}"
        raise UserError(
            f"{where}; `python -m stats_tl.run_grid` makes one (without arguments, of its built-in "
            "example), and --scores reads predictions of any trainer"
        )
    return archives


def parse_formats(text: str) -> list[str]:
    """``"latex,csv"`` as a list; unknown names are a UserError."""
    formats = [name.strip() for name in text.split(",") if name.strip()]
    for name in formats:
        if name not in FORMATS:
            raise UserError(f"--format {name!r}: unknown; allowed: {', '.join(FORMATS)}")
    if not formats:
        raise UserError(f"--format is empty; allowed: {', '.join(FORMATS)}")
    return formats


if __name__ == "__main__":
    exit_command(main, interrupted="the report is not complete; run the same command again")
