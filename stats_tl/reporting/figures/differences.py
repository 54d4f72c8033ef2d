"""Paired differences in AUC of every fold and repeat."""

from __future__ import annotations

__all__ = ["differences_data", "differences_figure", "draw_differences"]

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..rendering.labels import Labels
from ..results.pairs import PairComponents
from .forest import difference_axis
from .rows import close_rows, label_rows, row_layout, rows_figure
from .style import GREY, arm_styles, styled, warning_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Height of a row in units of the layout, and the share of it that repeats fill.
_HEIGHT, _SPREAD = 1.9, 0.79


def differences_data(
    table: pd.DataFrame,
    components: Sequence[PairComponents | None],
    *,
    labels: Labels | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Folds and runs of every comparison.

    Parameters
    ----------
    table : DataFrame
        As from :func:`~stats_tl.reporting.compare_arms`.
    components : sequence of PairComponents or None
        One per row of `table`.
    labels : Labels, optional
        What is shown in place of names.

    Returns
    -------
    layout : DataFrame
        One row per comparison that has folds: as from :func:`row_layout`, with its ``estimate``.
    points : DataFrame
        One row per fold: ``row`` (of `layout`), ``repeat, run, fold, difference, y``; within a
        comparison every run has a height of its own.
    """
    table = (labels or Labels()).applied(table)
    known = [number for number, parts in enumerate(components) if parts is not None]
    layout = row_layout(table.iloc[known].reset_index(drop=True), height=_HEIGHT)
    layout["estimate"] = table["difference"].to_numpy()[known]
    frames = []
    for row, number in enumerate(known):
        parts = components[number]
        assert parts is not None
        runs, folds = parts.differences.shape
        lanes = (np.arange(runs) + 0.5) / runs - 0.5
        spread = _SPREAD * layout["height"].iloc[row]
        frames.append(
            pd.DataFrame(
                {
                    "row": row,
                    "repeat": np.repeat(parts.repeats, folds),
                    "run": np.repeat(np.arange(runs), folds),
                    "fold": np.tile(np.arange(folds), runs),
                    "difference": parts.differences.ravel(),
                    "y": layout["y"].iloc[row] + spread * np.repeat(lanes, folds),
                }
            )
        )
    return layout, pd.concat(frames, ignore_index=True)


def draw_differences(
    layout: pd.DataFrame,
    points: pd.DataFrame,
    *,
    ax: Axes,
    reference: str = "reference",
    metric: str = "AUC",
) -> Axes:
    """Draw the difference of every fold as a dot, of every run as a bar, and of all as a line.

    Parameters
    ----------
    layout, points : DataFrame
        As from :func:`differences_data`.
    ax : matplotlib Axes
        Drawn into and returned.
    reference : str
        Name of the reference arm, for the axis.
    metric : str, optional
        What the differences are in.
    """
    arms = sorted(set(layout["arm"]))
    styles = arm_styles(arms, reference)
    ax.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    for number, row in enumerate(layout.to_dict("records")):
        own = points[points["row"] == number]
        color = styles[row["arm"]]["color"]
        spread = _SPREAD * row["height"]
        lane = spread / own["run"].nunique()
        ax.plot(
            own["difference"],
            own["y"],
            linestyle="none",
            marker=styles[row["arm"]]["marker"],
            markersize=float(np.clip(7 * lane, 1.2, 2.4)),
            markeredgewidth=0,
            color=color,
            alpha=0.45,
            zorder=2,
        )
        means = own.groupby("run")[["difference", "y"]].mean()
        half = min(0.42 * lane, 0.2)
        ax.vlines(
            means["difference"], means["y"] - half, means["y"] + half, color=color, linewidth=1.4
        )
        ax.vlines(
            row["estimate"],
            row["y"] - 0.55 * spread,
            row["y"] + 0.55 * spread,
            color="0.1",
            linewidth=0.7,
            zorder=4,
        )
    label_rows(ax, layout)
    difference_axis(ax, arms, reference, metric)
    return ax


def differences_figure(
    table: pd.DataFrame,
    components: Sequence[PairComponents | None],
    *,
    labels: Labels | None = None,
    metric: str = "AUC",
    synthetic: bool = False,
    incomplete: bool = False,
) -> Figure:
    """The paired differences as a figure one column wide; arguments as above."""
    shown = labels or Labels()
    layout, points = differences_data(table, components, labels=shown)
    lines = warning_lines(synthetic=synthetic, incomplete=incomplete)
    with styled():
        figure, ax = rows_figure(layout, extra=0.12 * len(lines))
        named = shown.arm(table["reference"].iloc[0])
        draw_differences(layout, points, ax=ax, reference=named, metric=metric)
        seeds = len(points[["row", "repeat"]].value_counts()) < len(
            points[["row", "run"]].value_counts()
        )
        note = (
            f"Dots: folds. Bars: mean of a {'run (repeat and seed)' if seeds else 'repeat'}, one "
            "lane each. Line: mean of all."
        )
        if layout["label"].str.contains("†").any():
            note += " †: primary comparison."
        close_rows(figure, ax, note, lines)
    return figure
