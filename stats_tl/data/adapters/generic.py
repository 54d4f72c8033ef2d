"""Anything else: a folder per class, or a CSV with a path and a label for every image."""

from __future__ import annotations

__all__ = ["load_csv", "load_folders"]

import re
from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import UserError
from ...study.plan import Audit, Task
from ...study.splits import TEST, TRAIN, VALIDATION
from ..dataset import Dataset, build_dataset
from ..files import FolderStore, Store, open_store, safe_name
from ..formats import SUFFIXES, Reading
from ..images import FileImages
from ..labels import MISSING, binary_labels
from ..listing import IDENTIFIERS, dicom_among, images_among, patients_by_identifier
from ..options import Option, read_options
from ..problems import Problems, listed
from ..tables import read_table

CLASS_OPTIONS = tuple(
    Option(name, (str, int, bool, list)) for name in ("positive", "negative", "exclude")
)
PATIENT_TAG = Option("patient_tag", choices=(*IDENTIFIERS, "none"))
SKIP = Option("skip")
#: Why files that match it are no cases.
SKIPPED = "matching `skip`"
NO_PATIENTS = "no patient ids were given, every image counts as its own patient"
_SIDES = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
    "tune": VALIDATION,
    "test": TEST,
}


def load_folders(task: Task, path: Path | None, audit: Audit) -> Dataset:
    """The task from ``<class>/**/<image>``.

    Notes
    -----
    Options: ``positive``, ``negative``, ``exclude`` (class folders), ``patient_pattern``
    (regular expression searched in ``<class>/…/<image>``; the patient is its first group,
    or the whole match), ``patient_tag`` (the element of DICOM headers that names the patient),
    ``skip`` (regular expression; matching files are left out, e.g. masks). The case id is
    the path. Files that are no images are refused: they may be cases in a format that is
    not read, and a class may have more of them than the other.
    """
    where = f"task {task.name!r}"
    options = read_options(task, *CLASS_OPTIONS, Option("patient_pattern"), PATIENT_TAG, SKIP)
    store = open_store(path, where=where, marker=".")
    names, left_out = _images_in_classes(store, _regex(options["skip"], "skip", where), where)
    labels = [name.split("/", 1)[0] for name in names]
    pattern = _regex(options["patient_pattern"], "patient_pattern", where)
    if pattern is not None:
        patients, who = _patients_by_pattern(names, pattern, where), f"by {pattern.pattern!r}"
    else:
        patients, who = _patients_by_tag(store, names, options["patient_tag"], where)
    cases = pd.DataFrame({"case": names, "patient": patients})
    classes = {key: options[key] for key in ("positive", "negative", "exclude")}
    cases["y_true"] = binary_labels(labels, names, missing=(), where=where, **classes)
    return build_dataset(
        task.name,
        cases,
        FileImages(store, names, Reading.of(task)),
        description=f"Images of {store.path.name}, a folder per class; "
        + (f"patients {who}" if who else NO_PATIENTS)
        + ".",
        audit=audit,
        patients_known=bool(who),
        left_out=left_out,
    )


def _images_in_classes(
    store: Store, skip: re.Pattern[str] | None, where: str
) -> tuple[list[str], dict[str, list[str]]]:
    """The images in class folders; and, by the reason, files that count as none."""
    listing = store.listing()
    left_out: dict[str, list[str]] = {
        "hidden files": [name for name in listing.hidden if name.lower().endswith(SUFFIXES)],
        "beside the class folders": [
            name for name in listing.shown if "/" not in name and name.lower().endswith(SUFFIXES)
        ],
        SKIPPED: [],
    }
    inside: list[str] = []
    for name in listing.shown:
        if "/" in name:
            skipped = skip is not None and skip.search(name)
            (left_out[SKIPPED] if skipped else inside).append(name)
    problems = Problems(f"{where}: {store.path}")
    names = images_among(store, inside, problems)
    problems.raise_if_any(
        "Convert them, move them away, or leave them out with the option `skip`, a regular "
        "expression such as skip = '\\\\.txt$'."
    )
    if not names:
        raise UserError(
            f"{where}: {store.path} has no images in class folders; expected "
            f"<class>/<image> with {', '.join(SUFFIXES)}"
        )
    return names, left_out


def _patients_by_pattern(names: list[str], pattern: re.Pattern[str], where: str) -> list[str]:
    matches = [pattern.search(name) for name in names]
    patients = [(m[1] if pattern.groups else m[0]) if m else "" for m in matches]
    unmatched = [n for n, patient in zip(names, patients, strict=True) if not patient]
    if unmatched:
        raise UserError(
            f"{where}: `patient_pattern` = {pattern.pattern!r} finds no patient "
            f"in these names ({len(unmatched)}): {listed(unmatched)}"
        )
    return patients


def _patients_by_tag(
    store: Store, names: list[str], tag: str | None, where: str
) -> tuple[list[str], str]:
    """Patients by DICOM headers, and what the description says; without a tag each its own."""
    if tag in IDENTIFIERS:
        return patients_by_identifier(store, names, tag, where), f"by {tag} of the DICOM headers"
    if tag is None and (headers := dicom_among(store, names)):
        raise UserError(
            f"{where}: {len(headers)} DICOM files, and the plan does not say whose they are; set "
            f"`patient_tag` in options to {' or '.join(map(repr, IDENTIFIERS))}, so that no "
            "patient is on two sides of a split; or to 'none', if every file is a patient"
        )
    return names, ""


def load_csv(task: Task, path: Path | None, audit: Audit) -> Dataset:
    """The task from a CSV with one row per image.

    Notes
    -----
    `path` is the CSV, or a folder or zip with the CSV named by the option ``table``.
    Options that name columns: ``path``, ``label``, ``case``, ``patient``, ``fold`` (by
    default the columns of these names; the last three may be absent) and ``covariates`` (a
    list). ``patient_tag``: the element of DICOM headers that names the patient, where there
    is no such column. ``skip`` (regular expression): rows whose file matches are left out.
    ``root``: folder of the images below the CSV's.
    ``absolute_paths = true`` allows paths outside the data folder; without it they are
    refused, since a table made by somebody else should not decide which files of this
    machine are opened.
    """
    where = f"task {task.name!r}"
    options = read_options(
        task,
        *CLASS_OPTIONS,
        Option("path", default="path"),
        Option("label", default="label"),
        *(Option(name) for name in ("case", "patient", "fold")),
        PATIENT_TAG,
        SKIP,
        Option("covariates", list, default=[]),
        Option("root", default=""),
        Option("table", default="cases.csv"),
        Option("absolute_paths", bool, default=False),
    )
    if path is not None and path.is_file() and path.suffix.lower() != ".zip":
        store: Store = FolderStore(path.parent)
        name = path.name
    else:
        store = open_store(path, where=where, marker=options["table"])
        name = safe_name(options["table"], where=where)
    given = [options[key] for key in ("case", "patient", "fold") if options[key] is not None]
    table = read_table(
        store, name, columns=[options["path"], options["label"], *given, *options["covariates"]]
    )
    where = f"{where}: {name}"
    table, skipped = _without(table, options["path"], _regex(options["skip"], "skip", where), where)
    files = table[options["path"]].tolist()
    column = {
        key: options[key] or (key if key in table else None) for key in ("case", "patient", "fold")
    }
    cases = pd.DataFrame({"case": files if column["case"] is None else table[column["case"]]})
    root = safe_name(options["root"], where=where) + "/" if options["root"] else ""
    names = [_place(file, root, where, absolute=options["absolute_paths"]) for file in files]
    if column["patient"] is not None:
        cases["patient"], who = table[column["patient"]], f"by `{column['patient']}`"
        _refuse_nobody(cases, column["patient"], where)
    else:
        patients, who = _patients_by_tag(store, names, options["patient_tag"], where)
        cases["patient"] = patients if who else cases["case"]
    classes = {key: options[key] for key in ("positive", "negative", "exclude")}
    cases["y_true"] = binary_labels(
        table[options["label"]].tolist(), cases["case"].tolist(), where=where, **classes
    )
    for covariate in options["covariates"]:
        cases[covariate] = table[covariate]
    official = None
    if column["fold"] is not None:
        official = _folds(table[column["fold"]].tolist(), cases["case"].tolist(), where)
    return build_dataset(
        task.name,
        cases,
        FileImages(store, names, Reading.of(task)),
        description=f"Images listed in {name}; "
        + (f"patients {who}" if who else NO_PATIENTS)
        + ".",
        audit=audit,
        patients_known=bool(who),
        official=official,
        left_out={SKIPPED: skipped},
    )


def _without(
    table: pd.DataFrame, path: str, skip: re.Pattern[str] | None, where: str
) -> tuple[pd.DataFrame, list[str]]:
    """The table without the rows whose file matches `skip`, and those files."""
    if skip is None:
        return table, []
    matching = table[path].map(lambda file: skip.search(file) is not None).astype(bool)
    if matching.all():
        raise UserError(f"{where}: `skip` = {skip.pattern!r} matches the file of every row")
    return table[~matching].reset_index(drop=True), table.loc[matching, path].tolist()


def _place(file: str, root: str, where: str, *, absolute: bool) -> str:
    """The name under which the store finds a file of the table."""
    if absolute and Path(file).is_absolute() and file.isprintable():
        return file
    return root + safe_name(file, where=where)


def _refuse_nobody(cases: pd.DataFrame, column: str, where: str) -> None:
    unknown = cases.loc[cases["patient"].str.lower().isin(MISSING), "case"]
    if len(unknown):
        raise UserError(
            f"{where}: cases without a patient in column `{column}` ({len(unknown)}): "
            f"{listed(unknown)}; complete it (a case that is its own patient needs an id too)"
        )


def _folds(values: list[str], cases: list[str], where: str) -> np.ndarray:
    """Numbers: the fold that tests a case. Words: the side of a case in a single split."""
    words = [value.lower() for value in values]
    if all(word in _SIDES for word in words):
        official = np.array([[_SIDES[word] for word in words]], dtype=np.int8)
        if not {TRAIN, TEST} <= set(official[0].tolist()):
            raise UserError(f"{where}: the split has no training or no test cases")
        return official
    numbers = pd.to_numeric(pd.Series(words), errors="coerce").to_numpy()
    bad = [c for c, number in zip(cases, numbers, strict=True) if not float(number).is_integer()]
    folds = np.unique(numbers)
    if bad or len(folds) < 2 or len(folds) > 100:
        raise UserError(
            f"{where}: a fold is the number of the fold that tests the case (2 to 100 of them), or "
            f"train, validation or test; found {listed(sorted(set(values)))}"
            + (f", which does not fit these cases ({len(bad)}): {listed(bad)}" if bad else "")
        )
    return np.where(numbers[None, :] == folds[:, None], TEST, TRAIN).astype(np.int8)


def _regex(text: str | None, option: str, where: str) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise UserError(f"{where}: `{option}` = {text!r} is no regular expression ({error})") from (
            error
        )
