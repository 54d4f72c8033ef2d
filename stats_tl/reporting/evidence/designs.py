"""What the folds of a table say about how cases were chosen for testing.

==========================  ====================================================================
design                      recognised by
==========================  ====================================================================
cross-validation            in every run, each case is tested in one of several folds
one test set                one fold, in which every run tests every case
random hold-outs            every repeat tests some of the cases in one fold; the cases differ
bootstrap, out-of-bag       such hold-outs whose sizes vary as those of samples that are drawn with
                            replacement do, around e⁻¹ = 36.8 % of the cases
leave-one-out               as many folds as cases (or patients)
==========================  ====================================================================
"""

from __future__ import annotations

__all__ = [
    "EXTERNAL",
    "are_bootstrap",
    "are_hold_outs",
    "as_external_task",
    "iterations_as_repeats",
    "left_out",
]

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

#: Name of the task of an external test set, after that of the cross-validation.
EXTERNAL = "external test set"
_RUN = ("design", "task", "backbone", "head", "unfreeze", "arm", "seed", "partition", "case")
#: Share of the cases that a sample as large as all of them, drawn with replacement, leaves out.
_OUT_OF_BAG = math.exp(-1)


def are_hold_outs(folds: np.ndarray, repeats: Sequence[int]) -> bool:
    """Whether every repeat tests a part of the cases of its own, once.

    Parameters
    ----------
    folds : ndarray of int, shape (arms, runs, cases)
        Fold that tested the case; -1 where none did.
    repeats : sequence of int, length runs
    """
    if len(set(repeats)) < 2:
        return False
    tested = folds >= 0
    used = tested.any(axis=2)
    if not used.any(axis=0).all() or (tested.all(axis=2)).any():
        return False
    highest = folds.max(axis=2)
    if not (~tested | (folds == highest[..., None])).all():
        return False  # more folds than one
    parts: np.ndarray = np.asarray(tested.any(axis=0))
    return bool(np.any(parts != parts[0]))


def are_bootstrap(tested: np.ndarray, groups: np.ndarray | None = None) -> bool:
    """Whether hold-outs have the sizes of the cases that bootstrap samples leave out.

    Parameters
    ----------
    tested : ndarray of bool, shape (repeats, cases)
    groups : ndarray, shape (cases,), optional
        Patients. Where each is tested with all cases or none, patients are what was drawn, and
        are counted: their numbers of cases vary for a reason of their own.
    """
    if groups is not None:
        codes, names = pd.factorize(groups)
        first = np.unique(codes, return_index=True)[1]
        if (tested == tested[:, first][:, codes]).all() and len(names) < len(codes):
            return are_bootstrap(tested[:, first])
    n_cases = int(tested.any(axis=0).sum())
    sizes = tested.sum(axis=1)
    spread = math.sqrt(n_cases * (_OUT_OF_BAG - 2 * _OUT_OF_BAG**2))
    near = abs(float(sizes.mean()) - _OUT_OF_BAG * n_cases) < 3 * spread / math.sqrt(len(sizes)) + 1
    return near and 0.5 < float(sizes.std(ddof=1)) / spread < 2


def left_out(folds: np.ndarray, groups: np.ndarray | None) -> str:
    """What each fold of a run leaves out by itself: "case", "patient", or "" for more than one."""
    n_folds = len(np.unique(folds))
    if n_folds < 3:
        return ""
    if n_folds == len(folds):
        return "case"
    if groups is None:
        return ""
    pairs = pd.DataFrame({"fold": folds, "group": groups}).drop_duplicates()
    return "patient" if len(pairs) == n_folds and pairs["group"].nunique() == n_folds else ""


def iterations_as_repeats(scores: pd.DataFrame, given: Sequence[str]) -> pd.DataFrame:
    """Iterations that test a case more than once, as the repeats that they are.

    Parameters
    ----------
    scores : DataFrame
        As from :func:`~.alignment.check_scores`, with ``partition``.
    given : sequence of str
        Columns of the table that was read; where it had no ``repeat``, folds that overlap are
        random hold-outs and each is a repeat of its own.
    """
    if "repeat" in given or "fold" not in given:
        return scores
    if not scores.duplicated(list(_RUN)).any():
        return scores
    return scores.assign(repeat=scores["fold"], fold=0)


def as_external_task(scores: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``partition`` ``external`` as test cases of a task of their own.

    Every model that scored them is a training run: their repeats, folds and seeds are numbered
    through as seeds on one test set.
    """
    external = (scores["partition"] == "external").to_numpy()
    if not external.any():
        return scores
    own = scores[external]
    runs = own.groupby(["repeat", "fold", "seed"]).ngroup()
    task = own["task"].astype(str)
    moved = own.assign(
        task=task.where(task == "", task + ", ") + EXTERNAL,
        partition="test",
        repeat=0,
        fold=0,
        seed=runs,
    )
    rest = scores[~external]
    return pd.concat([rest.assign(task=rest["task"].astype(str)), moved]).loc[scores.index]
