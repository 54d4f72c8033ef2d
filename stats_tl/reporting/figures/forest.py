"""The forest plot: every difference with its interval."""

from __future__ import annotations

__all__ = ["draw_forest", "forest_data", "forest_figure"]

import math
from typing import TYPE_CHECKING

import pandas as pd

from ..rendering.labels import Labels
from ..rendering.numbers import MINUS, format_interval, format_number
from .rows import close_rows, label_rows, row_layout, rows_figure
from .style import GREY, arm_styles, nice_ticks, printable, styled, tick_label, warning_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def forest_data(table: pd.DataFrame, *, labels: Labels | None = None) -> pd.DataFrame:
    """What a forest plot shows, from the rows of :func:`~stats_tl.reporting.compare_arms`.

    Parameters
    ----------
    table : DataFrame
        As from :func:`~stats_tl.reporting.compare_arms`.
    labels : Labels, optional
        What is shown in place of names.

    Returns
    -------
    DataFrame
        One row per comparison: ``task, label, arm, difference, low, high, significant, text``,
        ``y``, its height, and ``top``, that of its label's upper end; tasks are groups with
        a line for their name above them.
    """
    layout = row_layout((labels or Labels()).applied(table))
    rows = table.reset_index(drop=True)
    return layout.assign(
        difference=rows["difference"],
        low=rows["difference_low"],
        high=rows["difference_high"],
        significant=(rows["pvalue_adjusted"] < rows["alpha"]).astype(bool),
        text=[
            f"{format_number(estimate)} ({format_interval(low, high)})"
            for estimate, low, high in rows[
                ["difference", "difference_low", "difference_high"]
            ].itertuples(index=False)
        ],
    )


def draw_forest(
    data: pd.DataFrame,
    *,
    ax: Axes,
    reference: str = "reference",
    metric: str = "AUC",
    margin: float | None = None,
) -> Axes:
    """Draw a forest plot of differences.

    Parameters
    ----------
    data : DataFrame
        As from :func:`forest_data`.
    ax : matplotlib Axes
        Drawn into and returned.
    reference : str
        The reference arm, as the axis shall show it.
    metric : str, optional
        What the differences are in.
    margin : float, optional
        Half width of the band of equivalence.

    Notes
    -----
    Filled markers: adjusted P < alpha. Colour and shape both tell candidates
    apart, and their names stand beside them.
    """
    arms = sorted(set(data["arm"]))
    styles = arm_styles(arms, reference)
    if margin is not None and not math.isnan(margin):
        ax.axvspan(-margin, margin, color="0.92", linewidth=0, zorder=0)
    ax.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    for row in data.dropna(subset=["difference"]).to_dict("records"):
        color = styles[row["arm"]]["color"]
        if not math.isnan(row["low"]):
            ax.plot([row["low"], row["high"]], [row["y"]] * 2, color=color, linewidth=1.3, zorder=2)
        ax.plot(
            row["difference"],
            row["y"],
            marker=styles[row["arm"]]["marker"],
            markersize=4.2,
            markerfacecolor=color if row["significant"] else "white",
            markeredgecolor=color,
            markeredgewidth=1.1,
            linestyle="none",
            zorder=3,
        )
    label_rows(ax, data)
    difference_axis(ax, arms, reference, metric)
    return ax


def difference_axis(ax: Axes, arms: list[str], reference: str, metric: str) -> None:
    """The horizontal axis of differences, with a title that says whose they are."""
    ax.xaxis.set_major_formatter(tick_label)
    ax.xaxis.set_major_locator(nice_ticks(6, steps=[1, 2, 5, 10], min_n_ticks=4))
    who = arms[0] if len(arms) == 1 else "candidate"
    if len(who) + len(reference) + len(metric) > 37:
        who, reference = "candidate", "reference"
    ax.set_xlabel(f"Difference in {metric} ({printable(who)} {MINUS} {printable(reference)})")


def forest_figure(
    table: pd.DataFrame,
    *,
    labels: Labels | None = None,
    metric: str = "AUC",
    synthetic: bool = False,
    incomplete: bool = False,
) -> Figure:
    """The forest plot as a figure one column wide.

    Parameters
    ----------
    table : DataFrame
        As from :func:`~stats_tl.reporting.compare_arms`.
    labels : Labels, optional
        What is shown in place of names.
    metric : str, optional
        What the differences are in.
    synthetic : bool, optional
        Say in the figure that the data are synthetic.
    incomplete : bool, optional
        Say in the figure that runs are left out.
    """
    shown = labels or Labels()
    data = forest_data(table, labels=shown)
    level = f"{100 * table['confidence_level'].iloc[0]:g} %"
    lines = warning_lines(synthetic=synthetic, incomplete=incomplete)
    with styled():
        figure, ax = rows_figure(data, extra=0.12 * len(lines))
        draw_forest(
            data,
            ax=ax,
            reference=shown.arm(table["reference"].iloc[0]),
            metric=metric,
            margin=table["margin"].iloc[0],
        )
        note = (
            f"Bars: {level} confidence interval. Filled: adjusted P < {table['alpha'].iloc[0]:g}."
        )
        if not math.isnan(table["margin"].iloc[0]):
            note += f" Grey: equivalence margin, ± {table['margin'].iloc[0]:g}."
        if data["label"].str.contains("†").any():
            note += " †: primary comparison."
        close_rows(figure, ax, note, lines)
    return figure
