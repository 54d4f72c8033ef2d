"""Evidence and reports from the files of the command line."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from ..visible import say
from .analysis import labels, overridden, planned, without_metric
from .parser import parse_names

if TYPE_CHECKING:
    from ..reporting import ClassReport, GridReport, Predictions, ValueReport

#: They say how the table of --scores is to be read.
TABLE_FLAGS = ("columns", "arms", "classes", "names", "truth", "positive", "folds")


def find_archives(folder: Path | None) -> list[Path]:
    """The archive at `folder`, or those in it, sorted by name."""
    from ..archive.contents import holds_archive

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


def predictions(options: argparse.Namespace) -> Predictions:
    """The CSV of ``--scores``."""
    from ..reporting import parse_mapping, read_predictions

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


def value_report(options: argparse.Namespace, formats: list[str]) -> ValueReport | None:
    """The report of ``--scores`` where the files hold values of cases; None where scores."""
    from ..reporting import (
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
        layout=options.layout,
    )


def class_report(options: argparse.Namespace, formats: list[str]) -> ClassReport | None:
    """The report of ``--scores`` where the files hold several classes; None where two."""
    from ..reporting import AnalysisOptions, build_class_report, parse_mapping, read_classes

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


def grid_report(options: argparse.Namespace, formats: list[str]) -> GridReport:
    """The report of ``--aucs``."""
    from ..reporting import build_grid_report, parse_mapping, read_aucs

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


def file_name(path: Path) -> str:
    """A name of a study from that of a file."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", path.stem).strip(".-") or "report"
