"""Scores of several arms, aligned case by case; nothing is dropped in silence.

A *run* here is one cross-validation of one arm: a repeat and a seed. Arms are paired
by case identifier within a run, and within a run every case is tested in one fold. The
runs of further designs, the extra two-fold repeats (``half``) and the cross-validations of
halves of the patients (``halving``), are kept apart from those of the cross-validation.
"""

from __future__ import annotations

__all__ = [
    "CELL",
    "DESIGNS",
    "SETTING",
    "Aligned",
    "align",
    "check_scores",
    "complete_runs",
    "sorted_codes",
    "unfreeze_order",
]

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ...errors import IncompleteError, UserError
from ..rendering.labels import plural
from .designs import are_hold_outs

#: What a comparison is made within.
SETTING = ("task", "backbone", "head", "unfreeze")
#: What names a trained model.
CELL = (*SETTING, "arm", "repeat", "fold", "seed")
#: The cross-validation under comparison, extra two-fold repeats for the learning curve, and
#: cross-validations of halves of the patients, with what a repeat of each is called.
DESIGNS = {"cv": "repeat", "half": "half-sample repeat", "halving": "halving repeat"}
_RUN = ("repeat", "seed")
_TEXT = ("case", "arm", "design", *SETTING)
#: Of a case: its patient, and its group of related images, as :mod:`..results.material` gives it.
_UNITS = ("patient", "related_group")
_NEEDED = ("case", "y_true", "arm", "score")
_DEFAULTS: dict[str, Any] = {
    "task": "",
    "backbone": "",
    "head": "",
    "unfreeze": "",
    "repeat": 0,
    "fold": 0,
    "design": "cv",
}
_LISTED = 10


@dataclass(frozen=True)
class Aligned:
    """The scores of one setting as arrays.

    Attributes
    ----------
    setting : dict of str to str
        Task, backbone, head and unfreezing depth.
    cases : ndarray of shape (cases,)
        Identifiers, sorted.
    y_true : ndarray of int, shape (cases,)
    patients : ndarray of shape (cases,) or None
        None where they are unknown.
    groups : ndarray of shape (cases,) or None
        The units that tests take as independent: groups of related images where there are any,
        else patients; None where every case is a unit of its own.
    runs : list of (repeat, seed)
    arms : list of str
    folds : ndarray of int, shape (arms, runs, cases)
        Fold that tested the case; -1 where the arm has no score for it.
    scores : ndarray of shape (arms, runs, cases)
        NaN where there is none.
    design : {"cv", "half", "halving"}
        What the runs are of.
    further : mapping of str to Aligned
        The runs of the other designs, of the same arms and cases; empty in these themselves.
    hold_outs : bool
        Whether every repeat tests a random part of the cases, once; see :mod:`.designs`.
    readers : mapping of int to str, or None
        Seed of a run → the reader who gave its scores; None where models did.
    """

    setting: dict[str, str]
    cases: np.ndarray
    y_true: np.ndarray
    patients: np.ndarray | None
    groups: np.ndarray | None
    runs: list[tuple[int, int]]
    arms: list[str]
    folds: np.ndarray
    scores: np.ndarray
    design: str = "cv"
    further: Mapping[str, Aligned] = field(default_factory=dict)
    hold_outs: bool = False
    readers: Mapping[int, str] | None = None

    def arm(self, name: str) -> int:
        """Position of an arm."""
        return self.arms.index(name)

    @property
    def unit(self) -> str:
        """What `groups` are: "patient", "patient-group", "group", or "" where there are none.

        A ``patient-group`` is one patient, or several with related images.
        """
        if self.groups is None:
            return ""
        if self.patients is None:
            return "group"
        return "patient" if self.groups is self.patients else "patient-group"


def check_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """The columns that an analysis uses, complete and of one type.

    Parameters
    ----------
    scores : DataFrame
        One row per case and model: ``case, y_true, arm, score``; optional ``patient``,
        ``related_group`` (of images that no test may take as independent),
        the keys ``task, backbone, head, unfreeze, repeat, fold, seed``, ``reader`` in place of
        ``seed`` where people gave the scores, and ``design``: ``half`` for extra two-fold
        repeats, ``halving`` for cross-validations of halves of the patients, else ``cv``.

    Returns
    -------
    DataFrame
        A copy with every key; keys that were not given are constant.

    Raises
    ------
    UserError
        If a column is missing, or holds missing values, other labels than 0 and 1, or
        scores that are not finite.
    """
    absent = [name for name in _NEEDED if name not in scores.columns]
    if absent:
        raise UserError(
            f"the scores lack the column{'s' * (len(absent) > 1)} {', '.join(absent)}; "
            f"given: {', '.join(map(str, scores.columns))}"
        )
    if scores.empty:
        raise UserError("there are no scores: the table is empty")
    frame = scores[
        [c for c in scores.columns if c in {*_NEEDED, *_DEFAULTS, "seed", "reader", *_UNITS}]
    ]
    for name in frame.columns:
        missing = frame[name].isna()
        if name in _UNITS and missing.all():
            frame = frame.drop(columns=name)
        elif missing.any():
            raise UserError(
                f"column {name!r} has {int(missing.sum())} missing values of {len(frame)}, "
                f"the first for case {_first(frame, missing)}; fill them in or leave the rows out"
            )
    lacking = {k: v for k, v in _DEFAULTS.items() if k not in frame.columns}
    frame = frame.assign(
        **{k: _constant(v, len(frame)) if isinstance(v, str) else v for k, v in lacking.items()}
    )
    if "seed" not in frame.columns:
        # A reader is numbered, in alphabetical order, as a training run is.
        frame["seed"] = sorted_codes(frame["reader"])[0] if "reader" in frame.columns else 0
    for name in ("repeat", "fold", "seed"):
        frame[name] = _whole_numbers(frame, name)
    wrong = ~frame["design"].isin(DESIGNS)
    if wrong.any():
        raise UserError(
            "column 'design' must hold 'cv', 'half' (extra repeats of two-fold "
            "cross-validation) or 'halving' (cross-validations of halves of the patients), got "
            f"{frame.loc[wrong, 'design'].iloc[0]!r} for case {_first(frame, wrong)}"
        )
    if not frame["design"].eq("cv").any():
        given = " or ".join(repr(name) for name in DESIGNS if frame["design"].eq(name).any())
        raise UserError(
            f"every score has design = {given}: these only tell how much training matters, and "
            "there is no cross-validation to compare by; add its scores with design = 'cv'"
        )
    labels = pd.to_numeric(frame["y_true"], errors="coerce")
    wrong = ~labels.isin([0, 1])
    if wrong.any():
        given = ", ".join(sorted({repr(v) for v in frame.loc[wrong, "y_true"].head(50)})[:5])
        raise UserError(
            f"column 'y_true' must hold 0 (negative) and 1 (positive), got also {given}; recode "
            "it, or give a score of each class (--classes)"
        )
    values = pd.to_numeric(frame["score"], errors="coerce")
    wrong = ~np.isfinite(values)
    if wrong.any():
        raise UserError(
            f"column 'score' has {int(wrong.sum())} values that are not finite numbers, the first "
            f"for case {_first(frame, wrong)}: {frame.loc[wrong, 'score'].iloc[0]!r}; "
            "give the logit or probability of the positive class"
        )
    frame["design"] = pd.Categorical(frame["design"], list(DESIGNS))
    frame["y_true"], frame["score"] = labels.astype(np.int8), values.astype(np.float64)
    for name in ("case", "arm", *SETTING):
        if not isinstance(frame[name].dtype, pd.CategoricalDtype):
            frame[name] = frame[name].astype(str)
    return frame


def align(scores: pd.DataFrame, *, planned: bool = False) -> Iterator[Aligned]:
    """The scores as arrays, setting by setting, in sorted order.

    Parameters
    ----------
    scores : DataFrame
        As returned by :func:`check_scores`.
    planned : bool, optional
        Whether the runs are known to be of cross-validations, so that one that tests a part of
        the cases is not complete. Otherwise it may be a random hold-out.

    Yields
    ------
    Aligned

    Raises
    ------
    UserError
        If a case has two scores in one run of one arm, two labels or two patients.
    """
    table = _Table.of_frame(scores)
    for key, rows in sorted(
        table.settings(), key=lambda item: (*item[0][:3], unfreeze_order(item[0][3]))
    ):
        aligned = _align_setting(dict(zip(SETTING, key, strict=True)), table.take(rows))
        repeats = [repeat for repeat, _ in aligned.runs]
        if not planned and are_hold_outs(aligned.folds, repeats):
            aligned = replace(aligned, hold_outs=True)
        yield aligned


def unfreeze_order(depth: Any) -> tuple[int, float, str]:
    """Sorting key of an unfreezing depth: numbers, then ``all``, then other words."""
    text = str(depth)
    if re.fullmatch(r"\d+", text):
        return (0, float(text), "")
    return (1, 0.0, "") if text == "all" else (2, 0.0, text)


def complete_runs(
    aligned: Aligned, candidate: str, reference: str, missing: Sequence[tuple[int, int, int]] = ()
) -> tuple[np.ndarray, list[str]]:
    """Runs in which both arms have a score for every case, and what the others lack.

    Parameters
    ----------
    aligned : Aligned
    candidate, reference : str
        The two arms.
    missing : sequence of (repeat, fold, seed)
        Planned cells of either arm that have no result.

    Returns
    -------
    runs : ndarray of int
        Positions in ``aligned.runs``.
    lacking : list of str
        One sentence for each incomplete run.

    Raises
    ------
    UserError
        If within a fold that both arms have, a case has one score only, or if the arms
        tested a case in different folds: the arms are not paired.
    """
    pair = [aligned.arm(candidate), aligned.arm(reference)]
    folds = aligned.folds[pair]
    usable, lacking = [], []
    planned = {(repeat, seed) for repeat, _, seed in missing}
    for position, (repeat, seed) in enumerate(aligned.runs):
        a, b = folds[:, position]
        where = _where(aligned, repeat, seed)
        own_a, own_b = set(a[a >= 0]), set(b[b >= 0])
        both = np.array(sorted(own_a & own_b), dtype=a.dtype)
        one_sided = ((a < 0) != (b < 0)) & (np.isin(a, both) | np.isin(b, both))
        if one_sided.any():
            arm = candidate if (a[one_sided] < 0).any() else reference
            raise UserError(
                f"{where}: {plural(int(one_sided.sum()), 'case has', 'cases have')} a score in "
                f"one arm only ({_listed(aligned.cases[one_sided])}; {arm!r} lacks "
                f"{int(((a if arm == candidate else b)[one_sided] < 0).sum())}); "
                "a paired comparison needs both scores of every case"
            )
        moved = (a >= 0) & (b >= 0) & (a != b)
        if moved.any():
            raise UserError(
                f"{where}: {candidate!r} and {reference!r} tested "
                f"{plural(int(moved.sum()), 'case')} in different folds "
                f"({_listed(aligned.cases[moved])}); "
                "a paired comparison needs the same folds"
            )
        gaps = [
            f"{arm!r} lacks fold{'s' * (len(absent) > 1)} {', '.join(map(str, sorted(absent)))}"
            for arm, absent in ((candidate, own_b - own_a), (reference, own_a - own_b))
            if absent
        ]
        planned_folds = sorted({fold for r, fold, s in missing if (r, s) == (repeat, seed)})
        untested = int((a < 0).sum())
        if (repeat, seed) in planned and not gaps:
            gaps = [f"fold{'s' * (len(planned_folds) > 1)} {', '.join(map(str, planned_folds))} "
                    "not trained"]  # fmt: skip
        elif untested and not gaps and not aligned.hold_outs:
            gaps = [
                f"{untested} of {a.size} cases are not tested in it"
                if not aligned.readers
                else f"{untested} of {a.size} cases not read: {_listed(aligned.cases[a < 0])}"
            ]
        if gaps:
            lacking.append(f"{where}: {'; '.join(gaps)}")
        else:
            usable.append(position)
    for repeat, seed in sorted(planned - set(aligned.runs)):
        lacking.append(f"{_where(aligned, repeat, seed)}: not trained")
    return np.array(usable, dtype=np.intp), lacking


def require_complete(lacking: Sequence[str], *, readers: bool = False) -> None:
    """Raise IncompleteError, with the list, unless nothing lacks."""
    if lacking:
        shown = [f"  - {line}" for line in lacking[: 3 * _LISTED]]
        if len(lacking) > len(shown):
            shown.append(f"  - and {len(lacking) - len(shown)} more")
        mend = (
            "The test needs every reader to have read every case in both arms. Leave these cases "
            "out for all readers, or report the readers who have read all with --allow-incomplete"
            if readers
            else "Train what is missing (`python -m stats_tl.run_grid`), or report the complete "
            "runs with --allow-incomplete"
        )
        raise IncompleteError("\n".join(["the pairs are not complete:", *shown, mend]))


@dataclass(frozen=True)
class _Table:
    """Columns of scores as arrays: text as codes of sorted names, and numbers."""

    codes: dict[str, np.ndarray]
    names: dict[str, np.ndarray]
    numbers: dict[str, np.ndarray]

    @classmethod
    def of_frame(cls, scores: pd.DataFrame) -> _Table:
        text = [c for c in (*_TEXT, *_UNITS, "reader") if c in scores.columns]
        coded = {name: sorted_codes(scores[name]) for name in text}
        return cls(
            {name: codes for name, (codes, _) in coded.items()},
            {name: names for name, (_, names) in coded.items()},
            {name: scores[name].to_numpy() for name in ("y_true", "score", *_RUN, "fold")},
        )

    def settings(self) -> Iterator[tuple[tuple[str, ...], slice | np.ndarray]]:
        """Each combination of task, backbone, head and depth, and its rows."""
        sizes = [len(self.names[key]) for key in SETTING]
        if max(sizes) == 1:
            yield tuple(str(self.names[key][0]) for key in SETTING), slice(None)
            return
        code = np.zeros(len(self.codes["case"]), dtype=np.int64)
        for key, size in zip(SETTING, sizes, strict=True):
            code = code * size + self.codes[key]
        order = np.argsort(code, kind="stable")
        ends = np.flatnonzero(np.diff(code[order])) + 1
        for rows in np.split(order, ends):
            first = rows[0]
            yield tuple(str(self.names[key][self.codes[key][first]]) for key in SETTING), rows

    def take(self, rows: slice | np.ndarray) -> _Table:
        """Some of the rows."""
        return _Table(
            {name: codes[rows] for name, codes in self.codes.items()},
            self.names,
            {name: values[rows] for name, values in self.numbers.items()},
        )

    def used(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Codes of the names that occur, and these."""
        used, codes = np.unique(self.codes[name], return_inverse=True)
        return codes, self.names[name][used]


def _align_setting(setting: dict[str, str], table: _Table) -> Aligned:
    case, cases = table.used("case")
    arm, arms = table.used("arm")
    designs = table.names["design"][table.codes["design"]]
    whole = len(table.names["design"]) == 1
    arrays = {}
    for design, word in DESIGNS.items():
        rows = slice(None) if whole and designs[0] == design else designs == design
        numbers = table.numbers if isinstance(rows, slice) else table.take(rows).numbers
        arrays[design] = _arrays(setting, numbers, case[rows], cases, arm[rows], list(arms), word)
    labels = _one_per_case(setting, "y_true", table.numbers["y_true"], case, cases)
    if len(set(labels.tolist())) < 2:
        raise UserError(
            f"{_describe(setting)}all {len(cases)} cases have y_true = {labels[0]}; "
            "an AUC needs positive and negative cases"
        )
    patients, groups = (_units(setting, name, table, case, cases) for name in _UNITS)
    if groups is None or (patients is not None and (groups == patients).all()):
        groups = patients
    y_true, arm_names = labels.astype(int), [str(a) for a in arms]
    found = {
        design: Aligned(
            setting, cases, y_true, patients, groups, runs, arm_names, folds, scores, design
        )
        for design, (runs, folds, scores) in arrays.items()
    }
    own = found.pop("cv")
    readers = None
    if "reader" in table.codes:
        who = table.names["reader"][table.codes["reader"]]
        readers = dict(zip(table.numbers["seed"].tolist(), map(str, who), strict=True))
    return replace(own, further=found, readers=readers)


def _units(
    setting: dict[str, str], name: str, table: _Table, case: np.ndarray, cases: np.ndarray
) -> np.ndarray | None:
    """The patient, or the group, of every case; None where there is no such column."""
    if name not in table.codes:
        return None
    codes, units = table.used(name)
    return np.asarray(units[_one_per_case(setting, name, codes, case, cases)])


def _arrays(
    setting: dict[str, str],
    numbers: Mapping[str, np.ndarray],
    case: np.ndarray,
    cases: np.ndarray,
    arm: np.ndarray,
    arms: list[str],
    word: str,
) -> tuple[list[tuple[int, int]], np.ndarray, np.ndarray]:
    """The runs of one design, and their folds and scores."""
    repeats, repeat = np.unique(numbers["repeat"], return_inverse=True)
    seeds, seed = np.unique(numbers["seed"], return_inverse=True)
    used, run = np.unique(repeat * len(seeds) + seed, return_inverse=True)
    runs = [
        (int(repeats[code // len(seeds)]), int(seeds[code % len(seeds)])) for code in used.tolist()
    ]
    shape = (len(arms), len(runs), len(cases))
    scores = np.full(shape, np.nan)
    folds = np.full(shape, -1, dtype=np.int64)
    if not runs:
        return runs, folds, scores
    flat = np.ravel_multi_index((arm, run, case), shape)
    counts = np.bincount(flat, minlength=int(np.prod(shape)))
    if counts.max() > 1:
        a, r = (int(i) for i in np.unravel_index(int(np.argmax(counts > 1)), shape)[:2])
        doubled = counts.reshape(shape)[a, r] > 1
        raise UserError(
            f"{_describe(setting)}arm {arms[a]!r}, {word} {runs[r][0]}, seed {runs[r][1]}: "
            f"{plural(int(doubled.sum()), 'case has', 'cases have')} more than one score "
            f"({_listed(cases[doubled])}); "
            "give each model its own repeat, fold and seed, or average first"
        )
    scores.ravel()[flat] = numbers["score"]
    folds.ravel()[flat] = numbers["fold"]
    return runs, folds, scores


def _one_per_case(
    setting: dict[str, str], name: str, values: np.ndarray, case: np.ndarray, cases: np.ndarray
) -> np.ndarray:
    result = np.empty(len(cases), dtype=values.dtype)
    result[case] = values
    differing = np.zeros(len(cases), dtype=bool)
    differing[case[result[case] != values]] = True
    if differing.any():
        raise UserError(
            f"{_describe(setting)}{plural(int(differing.sum()), 'case has', 'cases have')} "
            f"more than one {name} ({_listed(cases[differing])}); a case has one in all its rows"
        )
    return result


def sorted_codes(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the values as text, and the values, sorted."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        own, levels = column.cat.codes.to_numpy(), column.cat.categories
        used = np.flatnonzero(np.bincount(own, minlength=len(levels)))
        names = _words(levels if len(used) == len(levels) else levels[used])
        if len(names) == len(levels) and (names[1:] >= names[:-1]).all():
            return own, names
        rank = np.argsort(names, kind="stable")
        place = np.empty(len(levels), dtype=np.int32)
        place[used[rank]] = np.arange(len(used))
        return place[own], names[rank]
    codes, found = pd.factorize(column.astype(str), sort=True)
    return codes.astype(np.int32), np.asarray(found, dtype=object)


def _words(levels: pd.Index) -> np.ndarray:
    """Levels as Python's text; what is text already is not looked at one by one."""
    if isinstance(levels.dtype, pd.StringDtype):
        return levels.to_numpy(dtype=object)
    return np.array([str(level) for level in levels], dtype=object)


def _constant(value: str, count: int) -> Any:
    return pd.Categorical.from_codes(np.zeros(count, dtype=np.int8), categories=pd.Index([value]))


def _whole_numbers(frame: pd.DataFrame, name: str) -> pd.Series:
    numbers = pd.to_numeric(frame[name], errors="coerce")
    wrong = numbers.isna() | (numbers % 1 != 0) | (numbers < 0)
    if wrong.any():
        raise UserError(
            f"column {name!r} must hold whole numbers from 0, got "
            f"{frame.loc[wrong, name].iloc[0]!r} for case {_first(frame, wrong)}"
        )
    return numbers.astype(np.int64)


def _first(frame: pd.DataFrame, mask: pd.Series) -> str:
    return repr(str(frame.loc[mask, "case"].iloc[0]))


def _listed(cases: np.ndarray) -> str:
    shown = ", ".join(map(str, cases[:_LISTED]))
    return shown if len(cases) <= _LISTED else f"{shown}, and {len(cases) - _LISTED} more"


def _describe(setting: dict[str, str]) -> str:
    words = " / ".join(value for value in setting.values() if value)
    return f"{words}: " if words else ""


def _where(aligned: Aligned, repeat: int, seed: int) -> str:
    if aligned.readers:
        return f"{_describe(aligned.setting)}reader {aligned.readers[seed]}"
    seeds = {seed for _, seed in aligned.runs}
    tail = f", seed {seed}" if len(seeds) > 1 or (seeds and seed not in seeds) else ""
    return f"{_describe(aligned.setting)}{DESIGNS[aligned.design]} {repeat}{tail}"
