"""What scores give away about themselves: labels for scores, the wrong class, torn patients."""

from __future__ import annotations

__all__ = ["ScoreProblem", "divided_patients", "score_problems"]

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from .alignment import Aligned

#: Share of scores that are exactly 0 or 1 from which on they count as saturated.
SATURATED = 0.5


@dataclass(frozen=True)
class ScoreProblem:
    """What the scores of an arm in a task look like.

    Attributes
    ----------
    kind : {"labels", "saturated", "confidence"}
        ``labels``: two values only; ``saturated``: at least half are exactly 0 or 1;
        ``confidence``: all lie between 0.5 and 1, as the probability of the *predicted* class
        does where there are two classes.
    task, arm : str
    share : float
        Of scores that are exactly 0 or 1.
    """

    kind: Literal["labels", "saturated", "confidence"]
    task: str
    arm: str
    share: float


def score_problems(settings: Iterable[Aligned]) -> list[ScoreProblem]:
    """Arms whose test scores, in any setting, cannot be what an AUC needs; each once a task."""
    found: dict[tuple[str, str, str], ScoreProblem] = {}
    for aligned in settings:
        for arm, name in enumerate(aligned.arms):
            scores = aligned.scores[arm][aligned.folds[arm] >= 0]
            problem = _problem(scores, aligned.setting["task"], name)
            if problem is not None:
                found.setdefault((problem.kind, problem.task, name), problem)
    return list(found.values())


def _problem(scores: np.ndarray, task: str, arm: str) -> ScoreProblem | None:
    if not scores.size:
        return None
    low, high = float(scores.min()), float(scores.max())
    extreme = np.isin(scores, (0.0, 1.0))
    share = float(extreme.mean())
    # A constant score is no label: it says nothing, and the test says so.
    if low < high and ((scores == low) | (scores == high)).all():
        return ScoreProblem("labels", task, arm, share)
    if low >= 0 and high <= 1 and share >= SATURATED and low < high:
        return ScoreProblem("saturated", task, arm, share)
    if 0.5 <= low < high <= 1:
        return ScoreProblem("confidence", task, arm, share)
    return None


def divided_patients(
    settings: Iterable[Aligned], tuning: Iterable[pd.DataFrame] = ()
) -> dict[str, frozenset[str]]:
    """Patients with cases on both sides of a split, by task; tasks without any are left out.

    Parameters
    ----------
    settings : iterable of Aligned
        A patient who was tested in two folds of a repeat was trained on in each of them.
    tuning : iterable of DataFrame
        Scores of tuning cases, ``task, repeat, fold, patient``: those patients must not be
        tested in that fold.
    """
    tuned = _tuned(tuning)
    torn: dict[str, set[str]] = {}
    for aligned in settings:
        if aligned.patients is None:
            continue
        task = aligned.setting["task"]
        found = torn.setdefault(task, set())
        codes, names = pd.factorize(aligned.patients)
        names = pd.Index(names.astype(str))
        for extra in aligned.further.values():
            for folds in extra.folds.reshape(-1, extra.folds.shape[-1]):
                found.update(names[_torn(folds, codes)])
        for run, (repeat, _) in enumerate(aligned.runs):
            # Mostly all arms have the same folds.
            for folds in {own.tobytes(): own for own in aligned.folds[:, run]}.values():
                found.update(names[_torn(folds, codes)])
                for fold, people in tuned.get((task, str(repeat)), {}).items():
                    tested = codes[folds == int(fold)] if fold.isdecimal() else codes[:0]
                    found.update(names[np.unique(tested)].intersection(people))
    return {task: frozenset(found) for task, found in torn.items() if found}


def _tuned(tuning: Iterable[pd.DataFrame]) -> dict[tuple[str, str], dict[str, pd.Index]]:
    """Patients of the tuning cases, by task and repeat, then by fold."""
    tuned: dict[tuple[str, str], dict[str, pd.Index]] = {}
    for frame in tuning:
        if "patient" not in frame.columns:
            continue
        for (task, repeat, fold), own in frame.groupby(["task", "repeat", "fold"], observed=True):
            people = pd.Index(own["patient"].unique().astype(str))
            tuned.setdefault((str(task), str(repeat)), {})[str(fold)] = people
    return tuned


def _torn(folds: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Codes of the patients with cases in several folds of a run."""
    used = folds >= 0
    if not used.any():
        return people[used]
    n_folds = int(folds.max()) + 1
    pairs = np.unique(people[used] * n_folds + folds[used])
    codes, counts = np.unique(pairs // n_folds, return_counts=True)
    return codes[counts > 1]
