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
from ..images import SUFFIXES, FileImages
from ..labels import MISSING, binary_labels
from ..options import Option, read_options
from ..problems import listed
from ..tables import read_table

CLASS_OPTIONS = tuple(
    Option(name, (str, int, bool, list)) for name in ("positive", "negative", "exclude")
)
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
    or the whole match), ``skip`` (regular expression; matching files are left out, e.g.
    masks). The case id is the path.
    """
    where = f"task {task.name!r}"
    options = read_options(task, *CLASS_OPTIONS, Option("patient_pattern"), Option("skip"))
    store = open_store(path, where=where, marker=".")
    skip, pattern = (_regex(options[key], key, where) for key in ("skip", "patient_pattern"))
    names = [
        name
        for name in store.names()
        if "/" in name
        and name.lower().endswith(SUFFIXES)
        and not (skip is not None and skip.search(name))
    ]
    if not names:
        raise UserError(
            f"{where}: {store.path} has no images in class folders; expected "
            f"<class>/<image> with {', '.join(SUFFIXES)}"
        )
    labels = [name.split("/", 1)[0] for name in names]
    patients = names
    if pattern is not None:
        matches = [pattern.search(name) for name in names]
        patients = [(m[1] if pattern.groups else m[0]) if m else "" for m in matches]
        unmatched = [n for n, patient in zip(names, patients, strict=True) if not patient]
        if unmatched:
            raise UserError(
                f"{where}: `patient_pattern` = {options['patient_pattern']!r} finds no patient "
                f"in these names ({len(unmatched)}): {listed(unmatched)}"
            )
    cases = pd.DataFrame({"case": names, "patient": patients})
    classes = {key: options[key] for key in ("positive", "negative", "exclude")}
    cases["y_true"] = binary_labels(labels, names, missing=(), where=where, **classes)
    return build_dataset(
        task.name,
        cases,
        FileImages(store, names),
        description=f"Images of {store.path.name}, a folder per class; "
        + (NO_PATIENTS if pattern is None else f"patients by {pattern.pattern!r}")
        + ".",
        audit=audit,
    )


def load_csv(task: Task, path: Path | None, audit: Audit) -> Dataset:
    """The task from a CSV with one row an image.

    Notes
    -----
    `path` is the CSV, or a folder or zip with the CSV named by the option ``table``.
    Options that name columns: ``path``, ``label``, ``case``, ``patient``, ``fold`` (by
    default the columns of these names; the last three may be absent) and ``covariates`` (a
    list). ``root``: folder of the images below the CSV's. ``absolute_paths = true`` allows
    paths outside the data folder; without it they are refused, since a table made by
    somebody else should not decide which files of this machine are opened.
    """
    where = f"task {task.name!r}"
    options = read_options(
        task,
        *CLASS_OPTIONS,
        Option("path", default="path"),
        Option("label", default="label"),
        *(Option(name) for name in ("case", "patient", "fold")),
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
    files = table[options["path"]].tolist()
    column = {
        key: options[key] or (key if key in table else None) for key in ("case", "patient", "fold")
    }
    cases = pd.DataFrame({"case": files if column["case"] is None else table[column["case"]]})
    cases["patient"] = cases["case"] if column["patient"] is None else table[column["patient"]]
    unknown = cases.loc[cases["patient"].str.lower().isin(MISSING), "case"]
    if column["patient"] is not None and len(unknown):
        raise UserError(
            f"{where}: cases without a patient in column `{column['patient']}` ({len(unknown)}): "
            f"{listed(unknown)}; complete it (a case that is its own patient needs an id too)"
        )
    classes = {key: options[key] for key in ("positive", "negative", "exclude")}
    cases["y_true"] = binary_labels(
        table[options["label"]].tolist(), cases["case"].tolist(), where=where, **classes
    )
    for covariate in options["covariates"]:
        cases[covariate] = table[covariate]
    root = safe_name(options["root"], where=where) + "/" if options["root"] else ""
    names = []
    for file in files:
        if options["absolute_paths"] and Path(file).is_absolute() and file.isprintable():
            names.append(file)
        else:
            names.append(root + safe_name(file, where=where))
    official = None
    if column["fold"] is not None:
        official = _folds(table[column["fold"]].tolist(), cases["case"].tolist(), where)
    return build_dataset(
        task.name,
        cases,
        FileImages(store, names),
        description=f"Images listed in {name}; "
        + (NO_PATIENTS if column["patient"] is None else f"patients by `{column['patient']}`")
        + ".",
        audit=audit,
        official=official,
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
