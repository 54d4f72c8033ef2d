"""Trainings beside the cross-validation under comparison, which tell how much training matters.

Half-sample repeats (design ``half``) and halvings of the patients (``halving``) are used where
both arms have them whole. A halving needs two complete repeats or more.
"""

from __future__ import annotations

__all__ = ["Extra", "further_runs", "further_scores"]

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from .alignment import DESIGNS, Aligned, complete_runs
from .gaps import Missing

#: Scores of candidate and reference, and folds, of shape (rows, cases).
Extra = tuple[np.ndarray, np.ndarray, np.ndarray]
#: Design -> argument of the tests of :mod:`stats_tl.stats`.
_ARGUMENTS = {"half": "half", "halving": "halvings"}
#: Halvings that a test needs; fewer complete ones are left out where others are incomplete.
FEWEST_HALVINGS = 5


def further_runs(
    aligned: Aligned, arm: str, reference: str, planned: Mapping[str, Missing] | None = None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Complete runs of either further design, and what the others lack.

    Parameters
    ----------
    aligned : Aligned
    arm, reference : str
        The two arms.
    planned : mapping of str to Missing, optional
        Planned cells without a result, by design.

    Returns
    -------
    runs : dict of str to ndarray of int
        Design -> positions in the runs of that design; designs without any are not there.
    lacking : list of str
        One sentence for each gap.

    Raises
    ------
    UserError
        If the arms are not paired.
    """
    found, lacking = {}, []
    for design, own in aligned.further.items():
        missing = (planned or {}).get(design, {})
        cells = [*missing.get(arm, []), *missing.get(reference, [])]
        runs, gaps = complete_runs(own, arm, reference, cells)
        if design == "halving" and gaps:
            runs, few = _whole_halvings(own, arm, runs)
            gaps += few
        if len(runs):
            found[design] = runs
        lacking += gaps
    return found, lacking


def further_scores(
    aligned: Aligned, arm: str, reference: str, runs: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Scores of these runs, under the names that the tests of two arms give them.

    Raises
    ------
    ValueError
        If half-sample repeats have other than two folds, or a repeat of a halving several seeds.
    """
    found = {}
    for design, chosen in runs.items():
        own = aligned.further[design]
        a, b = own.arm(arm), own.arm(reference)
        folds = own.folds[a, chosen]
        _check(own, chosen, folds)
        found[_ARGUMENTS[design]] = (own.scores[a, chosen], own.scores[b, chosen], folds)
    return found


def _check(own: Aligned, runs: np.ndarray, folds: np.ndarray) -> None:
    if own.design == "half":
        for run, row in zip(runs, folds, strict=True):
            if (count := len(np.unique(row))) != 2:
                raise ValueError(
                    f"half-sample repeat {own.runs[run][0]} has {count} fold{'s' * (count > 1)}; "
                    "rows with design = 'half' must come from two-fold cross-validation"
                )
        return
    repeat, count = Counter(own.runs[run][0] for run in runs).most_common(1)[0]
    if count > 1:
        raise ValueError(
            f"{DESIGNS[own.design]} {repeat} has {count} seeds; give each training of a halving a "
            "repeat, with folds, of its own"
        )


def _whole_halvings(own: Aligned, arm: str, runs: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The runs of halvings with two complete repeats or more, if these are enough for a test."""
    if not len(runs):
        return runs, []
    of_halving: dict[bytes, list[Any]] = {}
    for run, row in zip(runs, own.folds[own.arm(arm), runs], strict=True):
        fold = np.unique(row, return_inverse=True)[1]
        second = fold > fold.max() // 2
        of_halving.setdefault((second ^ second[0]).tobytes(), []).append(run)
    whole = [rows for rows in of_halving.values() if len(rows) > 1]
    if len(whole) >= FEWEST_HALVINGS:
        return np.sort(np.concatenate(whole)), []
    return runs[:0], [
        f"{len(whole)} complete halving{'s' * (len(whole) != 1)}, fewer than the "
        f"{FEWEST_HALVINGS} that a test needs: none is used"
    ]
