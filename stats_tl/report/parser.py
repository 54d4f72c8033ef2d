"""The command line of a report, spelt out: ``--help`` needs no import of the analysis."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import __version__
from ..errors import UserError

# Spelt out, so that --help needs no import of the analysis.
FORMATS = ("latex", "csv", "figures", "words", "json", "html", "docx")
CORRECTIONS = ("holm", "hochberg", "hommel", "bonferroni", "bh", "by", "none")
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
        help="the column fold numbers the folds of all repeats through, K per repeat (mlr's iter)",
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


def parse_formats(text: str) -> list[str]:
    """``"latex,csv"`` as a list; unknown names are a UserError."""
    formats = [name.strip() for name in text.split(",") if name.strip()]
    for name in formats:
        if name not in FORMATS:
            raise UserError(f"--format {name!r}: unknown; allowed: {', '.join(FORMATS)}")
    if not formats:
        raise UserError(f"--format is empty; allowed: {', '.join(FORMATS)}")
    return formats
