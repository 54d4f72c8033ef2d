"""Complete scores of one setting, and small multiples of curves: what ROC, calibration and
decision curve share.

Notation: M runs (a run is one cross-validation: a repeat with a seed) of K folds. Whatever is
drawn is computed within every fold, averaged over the folds of a run, then over runs, as the
AUCs of the tables are; scores of different models are never ranked against each other. A
variance is that of one run, clustered by patient, averaged over runs: the convention of the
repeat-averaged DeLong test, which does not take repeats for further patients.
"""

from __future__ import annotations

__all__ = ["CurveScores", "clustered_variance", "curve_settings", "panels"]

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..evidence.alignment import SETTING, Aligned
from ..rendering.labels import Labels, varies
from .style import COLUMN_WIDTH, GREY, column_figure, despine, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

if TYPE_CHECKING:
    from ..results.material import Material

#: Settings shown when all cannot be: more than this would fill pages.
MOST_PANELS = 6


@dataclass(frozen=True)
class CurveScores:
    """Scores of one setting in the runs that are complete in all its arms.

    Attributes
    ----------
    title : str
        What distinguishes the setting from the others shown.
    setting : dict of str to str
    reference : str
        Its label.
    y_true : ndarray of bool, shape (cases,)
    groups : ndarray of int, shape (cases,)
        Code of each case's patient or group; of the case itself where there are none.
    folds : ndarray of int, shape (runs, cases)
    scores : dict of str to ndarray of shape (runs, cases)
        By label of the arm, the reference first.
    repeats : ndarray of shape (runs,)
    """

    title: str
    setting: dict[str, str]
    reference: str
    y_true: np.ndarray
    groups: np.ndarray
    folds: np.ndarray
    scores: dict[str, np.ndarray]
    repeats: np.ndarray

    def cells(self, run: int) -> Iterator[np.ndarray]:
        """Positions of the cases of each fold of a run."""
        for fold in np.unique(self.folds[run]):
            yield np.flatnonzero(self.folds[run] == fold)


def clustered_variance(influence: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Variance of a sum of influences, patients being the independent units.

    Parameters
    ----------
    influence : ndarray of shape (cases, ...)
        What each case adds to the estimate beyond its mean.
    patients : ndarray of int, shape (cases,)
        Codes from 0.
    """
    count = int(patients.max()) + 1
    sums = np.zeros((count, *influence.shape[1:]))
    np.add.at(sums, patients, influence)
    return np.asarray(count / max(count - 1, 1) * (sums**2).sum(axis=0))


def curve_settings(material: Material) -> tuple[list[CurveScores], str]:
    """The settings whose curves are shown, and a sentence on the choice.

    All of them up to six; else those of the primary comparison; else the first of each task in
    the order of the tables, so that no result decides what is seen.
    """
    table = material.comparisons
    groups: list[Any] = list(table.groupby(list(SETTING), sort=False).indices.items())
    chosen, why = groups, ""
    if len(groups) > MOST_PANELS:
        primary = [g for g in groups if (table["role"].iloc[g[1]] == "primary").any()]
        if 0 < len(primary) <= MOST_PANELS:
            chosen, why = primary, f"the primary comparison, of {len(groups)} settings"
        else:
            first: dict[str, Any] = {}
            for group in groups:
                first.setdefault(group[0][0], group)
            chosen = list(first.values())[:MOST_PANELS]
            why = f"the first setting of each task in the order of the tables, of {len(groups)}"
    shown = table.iloc[[number for _, numbers in chosen for number in numbers]]
    varying = [key for key in SETTING if varies(shown[key])]
    result = []
    for _, numbers in chosen:
        row = table.iloc[numbers[0]]
        title = ", ".join(material.labels.setting(row, varying))
        arms = [material.reference, *table["arm"].iloc[numbers]]
        scores = _complete(material.aligned(row), arms, title, material.labels)
        if scores is not None:
            result.append(scores)
    return result, why


def _complete(
    aligned: Aligned, arms: Sequence[str], title: str, shown: Labels
) -> CurveScores | None:
    """The runs in which every arm tested every case; None where there is none."""
    which = [aligned.arm(arm) for arm in arms]
    folds = aligned.folds[which]
    same = (folds >= 0).all(axis=(0, 2)) & (folds == folds[0]).all(axis=(0, 2))
    runs = np.flatnonzero(same)
    if not len(runs):
        return None
    y_true = aligned.y_true == 1
    for run in runs:
        for fold in np.unique(folds[0, run]):
            labels = y_true[folds[0, run] == fold]
            if labels.all() or not labels.any():
                return None
    units = aligned.groups if aligned.groups is not None else aligned.cases
    return CurveScores(
        title=title,
        setting=aligned.setting,
        reference=shown.arm(arms[0]),
        y_true=y_true,
        groups=pd.factorize(np.asarray(units))[0],
        folds=folds[0, runs],
        scores={
            shown.arm(arm): aligned.scores[number, runs]
            for arm, number in zip(arms, which, strict=True)
        },
        repeats=np.array([aligned.runs[run][0] for run in runs]),
    )


def panels(
    titles: Sequence[str],
    *,
    xlabel: str | Sequence[str],
    ylabel: str = "",
    key: Sequence[tuple[str, dict[str, Any]]] = (),
    notes: Sequence[str] = (),
    aspect: float = 1.0,
    gap: float = 0.22,
    right: float = 0.06,
) -> tuple[Figure, list[Axes]]:
    """Small multiples, two in a row, with one key above and notes below.

    Parameters
    ----------
    titles : sequence of str
        One a panel; wrapped.
    xlabel : str or sequence of str
        Written once, or one a column.
    ylabel : str
        Written once.
    key : sequence of (str, dict)
        Names of the lines and how they look.
    notes : sequence of str
        Lines at the bottom.
    aspect : float, optional
        Height of a panel over its width.
    gap, right : float, optional
        Inches between the columns and right of them.
    """
    from matplotlib.lines import Line2D

    columns = 1 if len(titles) == 1 else 2
    rows = math.ceil(len(titles) / columns)
    left = 0.4 if ylabel else 0.3
    width = 2.2 if columns == 1 else (COLUMN_WIDTH - left - gap - right) / 2
    left = (COLUMN_WIDTH - width + 0.3) / 2 if columns == 1 else left
    side = aspect * width
    wrapped = [
        textwrap.wrap(printable(t), int(width / 0.053), max_lines=3, placeholder=" …")
        for t in titles
    ]
    heads = [
        0.11 * max(map(len, wrapped[row * columns : (row + 1) * columns])) + 0.08
        for row in range(rows)
    ]
    keys = 0.125 * len(key) + (0.06 if key else 0)
    foot = 0.36 + 0.1 * len(notes)
    height = keys + sum(heads) + rows * side + (rows - 1) * 0.2 + foot
    figure = column_figure(height)
    axes = []
    for number, lines in enumerate(wrapped):
        row, column = divmod(number, columns)
        above = keys + sum(heads[: row + 1]) + row * (side + 0.2)
        x = (left + column * (width + gap)) / COLUMN_WIDTH
        ax = figure.add_axes((x, 1 - (above + side) / height, width / COLUMN_WIDTH, side / height))
        ax.set_title("\n".join(lines), loc="left", pad=3, linespacing=1.1, x=0)
        despine(ax)
        axes.append(ax)
    for number, (name, style) in enumerate(key):
        y = 1 - (0.1 + 0.125 * number) / height
        looks = {k: v for k, v in style.items() if k in ("color", "linestyle")}
        ends = [left / COLUMN_WIDTH, (left + 0.3) / COLUMN_WIDTH]
        line = Line2D(ends, [y, y], transform=figure.transFigure, linewidth=1.2, **looks)
        figure.add_artist(line)
        text = printable(name)
        short = text if len(text) <= 52 else f"{text[:51]}…"
        figure.text((left + 0.36) / COLUMN_WIDTH, y, short, va="center", ha="left")
    base = (foot - 0.3) / height
    if isinstance(xlabel, str):
        middle = 0.5 if columns == 2 else (left + width / 2) / COLUMN_WIDTH
        figure.text(middle + 0.02 * (columns == 2), base, xlabel, ha="center", va="bottom")
    else:
        for ax, text in zip(axes, xlabel, strict=False):
            centre = ax.get_position().x0 + ax.get_position().width / 2
            figure.text(centre, base, text, ha="center", va="bottom")
    middle = (foot + (height - foot - keys) / 2) / height
    figure.text((left - 0.36) / COLUMN_WIDTH, middle, ylabel, rotation=90, ha="left", va="center")
    if notes:
        figure.text(
            0.01, 0.03 / height, "\n".join(notes), ha="left", va="bottom", color=GREY, fontsize=5.5
        )
    return figure, axes
