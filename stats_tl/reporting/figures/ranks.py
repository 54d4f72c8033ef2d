"""The critical-difference diagram: average ranks over tasks, and which cannot be told apart.

As Demšar's diagram [1]_, turned so that names of any length have a line of their own: methods
whose average ranks differ by less than Nemenyi's critical difference are joined by a bar.

References
----------
.. [1] Demšar J. Statistical comparisons of classifiers over multiple data sets. Journal of
   Machine Learning Research 2006;7:1-30.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["FEWEST_TASKS", "draw_ranks", "rank_table", "ranks_data", "ranks_figure"]

import textwrap
from collections.abc import Sequence

import pandas as pd

from ...stats import average_ranks, nemenyi_critical_difference
from ..rendering.labels import Labels, varies
from .rows import close_rows
from .style import colours, column_figure, despine, printable, styled, tick_label, warning_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: With fewer tasks the test's large-sample critical values are not to be trusted.
FEWEST_TASKS = 5
_LABEL_WIDTH = 25


def rank_table(aucs: pd.DataFrame, *, labels: Labels | None = None) -> tuple[pd.DataFrame, str]:
    """Mean AUC of every method on every task, and why there is none.

    Parameters
    ----------
    aucs : DataFrame
        One row per cell: ``task, backbone, head, unfreeze, arm, auc``.
    labels : Labels, optional
        What is shown in place of names.

    Returns
    -------
    table : DataFrame of shape (tasks, methods)
        Methods are the arms where there are three or more, else arms with backbone, head and
        depth. Empty where the design has no such diagram.
    reason : str
        Why it is empty.
    """
    aucs = (labels or Labels()).applied(aucs)
    tasks = aucs["task"].nunique()
    if tasks < FEWEST_TASKS:
        return pd.DataFrame(), (
            f"ranks have the tasks as sampling units and need at least {FEWEST_TASKS}; this study "
            f"has {tasks}"
        )
    if aucs["arm"].nunique() >= 3:
        method = aucs["arm"].astype(str)
    else:
        keys = [k for k in ("arm", "backbone", "head", "unfreeze") if varies(aucs[k])]
        method = aucs[keys].astype(str).agg(", ".join, axis=1)
    table = aucs.assign(method=method).pivot_table(index="task", columns="method", values="auc")
    table = table.dropna(axis=1)
    if table.shape[1] < 3:
        return pd.DataFrame(), "ranks need at least three methods measured on every task"
    return table, ""


def ranks_data(
    table: pd.DataFrame, *, alpha: float = 0.05
) -> tuple[pd.DataFrame, list[Any], float]:
    """Average ranks, cliques and the critical difference.

    Parameters
    ----------
    table : DataFrame of shape (tasks, methods)
        Higher is better.
    alpha : float, optional
        Family-wise error rate.

    Returns
    -------
    ranks : DataFrame
        ``method, rank``, best first.
    cliques : list of (int, int)
        First and last row of each largest set of methods whose ranks differ by less than the
        critical difference.
    critical : float
    """
    ranks = average_ranks(table).sort_values(kind="stable")
    critical = nemenyi_critical_difference(table.shape[1], len(table), alpha=alpha)
    values = ranks.to_numpy()
    cliques: list[tuple[int, int]] = []
    for start, value in enumerate(values):
        stop = int((values < value + critical).sum()) - 1
        if stop > start and (not cliques or stop > cliques[-1][1]):
            cliques.append((start, stop))
    return ranks.rename_axis("method").reset_index(name="rank"), cliques, critical


def draw_ranks(
    ranks: pd.DataFrame, cliques: Sequence[tuple[int, int]], critical: float, *, ax: Axes
) -> Axes:
    """Draw a critical-difference diagram, one method a line.

    Parameters
    ----------
    ranks, cliques, critical
        As from :func:`ranks_data`.
    ax : matplotlib Axes
        Drawn into and returned.
    """
    labels = ["\n".join(textwrap.wrap(printable(m), _LABEL_WIDTH)) for m in ranks["method"]]
    heights, y = [], 0.0
    for label in labels:
        half = 0.4 * label.count("\n")
        heights.append(y + half)
        y += 1.0 + 2 * half
    ax.hlines(heights, 1, ranks["rank"], color="0.85", linewidth=0.6, zorder=0)
    ax.plot(ranks["rank"], heights, "o", color=colours(1)[0], markersize=4)
    most = len(ranks)
    step = 0.045 * most
    for number, (start, stop) in enumerate(cliques):
        x = most + step * (1.2 + number)
        ax.plot(
            [x, x], [heights[start] - 0.2, heights[stop] + 0.2], color="0.25", linewidth=2.2,
            solid_capstyle="round",
        )  # fmt: skip
    ax.plot([1, 1 + critical], [-1.4, -1.4], color="0.1", linewidth=1, clip_on=False)
    for x in (1, 1 + critical):
        ax.plot([x, x], [-1.6, -1.2], color="0.1", linewidth=1, clip_on=False)
    ax.text(1, -1.75, f"critical difference {critical:.2f}", fontsize=6, va="bottom", ha="left")
    ax.set_yticks(heights, labels, linespacing=1.1)
    ax.tick_params(axis="y", length=0, pad=2, labelsize=6.5)
    ax.set_ylim(heights[-1] + 0.9 + 0.4 * labels[-1].count("\n"), -2.9)
    right = max(most + step * (1.7 + len(cliques)), 1 + critical * 1.03)
    ax.set_xlim(1 - 0.03 * most, right)
    ticks = range(1, most + 1, max(1, round(most / 6)))
    ax.set_xticks(list(ticks))
    ax.xaxis.set_major_formatter(tick_label)
    ax.set_xlabel("Average rank over tasks (1 is best)")
    despine(ax, left=True)
    return ax


def ranks_figure(
    table: pd.DataFrame, *, alpha: float = 0.05, synthetic: bool = False, incomplete: bool = False
) -> Figure:
    """The diagram as a figure one column wide; `table` as from :func:`rank_table`."""
    ranks, cliques, critical = ranks_data(table, alpha=alpha)
    lines = warning_lines(synthetic=synthetic, incomplete=incomplete)
    with styled():
        count = sum(len(textwrap.wrap(printable(m), _LABEL_WIDTH)) for m in ranks["method"])
        figure = column_figure(0.16 * (count + 4) + 0.75 + 0.12 * len(lines))
        ax = figure.add_axes((0, 0, 1, 1))
        draw_ranks(ranks, cliques, critical, ax=ax)
        note = "Thick bars join methods that Nemenyi’s test cannot distinguish."
        close_rows(figure, ax, note if cliques else "", lines)
    return figure
