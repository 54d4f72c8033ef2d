"""The settings of a table of classes: aligned arms, the classes of the cases, what the runs are."""

from __future__ import annotations

__all__ = [
    "ClassSetting",
    "Kind",
    "describe_design",
    "read_settings",
    "sample_of_classes",
    "where_in",
]

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from ...errors import UserError, suggest
from ..evidence.alignment import DESIGNS, Aligned, align, complete_runs, require_complete
from ..evidence.further import further_runs, further_scores
from ..evidence.options import AnalysisOptions
from ..rendering.labels import plural
from .sources import ClassTable

#: Folds; people; several models of an arm on one test set, or one.
Kind = Literal["cross-validation", "readers", "reader", "training runs", "models"]


@dataclass(frozen=True)
class ClassSetting:
    """One setting: the classes of its cases, and the scores of its arms.

    Attributes
    ----------
    aligned : Aligned
        With positions in the table in place of scores.
    labels : ndarray of int, shape (cases,)
    runs : ndarray of int
        Those that are complete in all arms.
    names : tuple of str
        Of the classes.
    """

    aligned: Aligned
    labels: np.ndarray
    runs: np.ndarray
    names: tuple[str, ...]
    _values: np.ndarray = field(repr=False)

    @property
    def folds(self) -> np.ndarray:
        """Fold of each case in the runs, shape (runs, cases)."""
        found: np.ndarray = self.aligned.folds[0, self.runs]
        return found

    @property
    def repeats(self) -> np.ndarray:
        """Repeat of each run."""
        return np.array([self.aligned.runs[run][0] for run in self.runs])

    @property
    def cross_validated(self) -> bool:
        """Whether there is more than one fold."""
        return len(np.unique(self.folds[0])) > 1

    @property
    def kind(self) -> Kind:
        """What the runs are."""
        if self.aligned.readers:
            return "readers" if len(self.runs) > 1 else "reader"
        if self.cross_validated:
            return "cross-validation"
        return "training runs" if len(self.runs) > 1 else "models"

    def scores(self, arm: str) -> np.ndarray:
        """Scores of an arm, shape (runs, cases, classes), or grades, (runs, cases)."""
        return self.taken(self.aligned.scores[self.aligned.arm(arm), self.runs])

    def taken(self, positions: np.ndarray) -> np.ndarray:
        """Scores at positions in the table."""
        found: np.ndarray = self._values[positions.astype(np.int64)]
        return found[..., 0] if found.shape[-1] == 1 else found

    def halvings(self, arm: str, reference: str) -> dict[str, Any]:
        """Scores of cross-validations of halves, for the tests of two arms."""
        runs = further_runs(self.aligned, arm, reference)[0]
        return {
            name: (self.taken(a), self.taken(b), folds)
            for name, (a, b, folds) in further_scores(self.aligned, arm, reference, runs).items()
        }


def read_settings(
    table: ClassTable, options: AnalysisOptions, *, allow_incomplete: bool
) -> tuple[tuple[ClassSetting, ...], list[str]]:
    """Settings whose arms are paired, and a sentence for each gap.

    Raises
    ------
    UserError
        If the reference is no arm, arms are not paired, or the design has no test for classes.
    IncompleteError
        If runs are incomplete and `allow_incomplete` is false.
    """
    scores = table.predictions.scores(design=list(DESIGNS), as_categories=True)
    test = scores[scores["partition"] == "test"]
    found, lacking = [], []
    arms = sorted(set(test["arm"].astype(str)))
    if options.reference is None:
        raise UserError(
            f"which arm is the reference? Say --reference NAME; arms: {', '.join(arms)}"
        )
    if options.reference not in arms:
        raise UserError(
            f"no arm is called {options.reference!r}; {suggest(options.reference, arms)}"
        )
    for aligned in align(test):
        if options.reference not in aligned.arms or len(aligned.arms) < 2:
            raise UserError(
                f"{where_in(aligned)}the arms are {', '.join(aligned.arms)}; a comparison needs "
                f"the reference {options.reference!r} and another"
            )
        runs = np.arange(len(aligned.runs))
        for arm in aligned.arms:
            if arm != options.reference:
                own, gaps = complete_runs(aligned, arm, options.reference)
                runs = np.intersect1d(runs, own)
                lacking += gaps
        lacking = list(dict.fromkeys(lacking))
        if not allow_incomplete:
            require_complete(lacking, readers=bool(aligned.readers))
        if not runs.size:
            raise UserError(f"{where_in(aligned)}no run is complete in all arms")
        _refuse_designs(aligned)
        labels = _labels(aligned, runs, table)
        found.append(ClassSetting(aligned, labels, runs, table.classes, table.values))
    return tuple(found), lacking


def _refuse_designs(aligned: Aligned) -> None:
    where = where_in(aligned)
    if aligned.hold_outs:
        raise UserError(
            f"{where}random hold-outs of several classes have no test here; use repeated "
            "cross-validation, in which every case is tested once in every repeat"
        )
    if aligned.further["half"].runs:
        raise UserError(
            f"{where}half-sample repeats tell of the learning curve of the AUC of two classes; "
            "leave the rows with design = 'half' out"
        )


def _labels(aligned: Aligned, runs: np.ndarray, table: ClassTable) -> np.ndarray:
    """Class of each case, the same in all its rows."""
    positions = aligned.scores[:, runs].astype(np.int64)
    labels = table.labels[positions]
    first: np.ndarray = labels[0, 0]
    clash = (labels != first).any(axis=(0, 1))
    if clash.any():
        raise UserError(
            f"{where_in(aligned)}case {str(aligned.cases[clash][0])!r} has more than one label "
            f"({plural(int(clash.sum()), 'case has', 'cases have')}); a case has one in all rows"
        )
    return first


def where_in(aligned: Aligned) -> str:
    """The setting, to open a sentence; empty where there is one."""
    words = " / ".join(word for word in aligned.setting.values() if word)
    return f"{words}: " if words else ""


def sample_of_classes(settings: Sequence[ClassSetting], table: ClassTable) -> pd.DataFrame:
    """Cases and patients of every class, task by task."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for own in settings:
        task, groups = own.aligned.setting["task"], own.aligned.groups
        for number in np.unique(own.labels):
            inside = own.labels == number
            name = str(number) if table.graded else table.classes[number]
            rows.setdefault(
                (task, name),
                {
                    "task": task,
                    "class": name,
                    "n_cases": int(inside.sum()),
                    "n_patients": np.nan if groups is None else len(np.unique(groups[inside])),
                },
            )
    return pd.DataFrame(list(rows.values()))


def describe_design(own: ClassSetting) -> str:
    """Cases, patients and runs, for the notes."""
    runs, n = own.folds.shape
    cases = plural(n, "case")
    if own.aligned.groups is not None:
        cases += f" of {plural(len(np.unique(own.aligned.groups)), 'patient')}"
    if not own.cross_validated:
        what = "reader" if own.aligned.readers else "training run"
        each = f", {plural(runs, what)}" if runs > 1 else ""
        return f"{cases}, one test set{each}"
    repeats = len(np.unique(own.repeats))
    folds = len(np.unique(own.folds[0]))
    seeds = f", {plural(runs // repeats, 'training seed')}" if runs > repeats else ""
    return f"{cases}, {plural(repeats, 'repeat')} of {folds}-fold cross-validation{seeds}"
