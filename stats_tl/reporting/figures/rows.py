"""Figures with one row per comparison: names on the left, tasks as headings, a shared axis."""

from __future__ import annotations

__all__ = ["close_rows", "label_rows", "row_layout", "rows_figure"]

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from ..rendering.labels import comparison_labels
from .style import GREY, column_figure, despine, nice_ticks, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABEL_WIDTH = 25
#: Height of one unit of the vertical axis, in inches.
_UNIT = 0.15
_LINE = 0.4
#: Longest figure, in inches, before its names are cut to one line.
_MOST_HEIGHT = 8.0


def row_layout(table: pd.DataFrame, *, height: float = 1.0) -> pd.DataFrame:
    """Where the rows of a figure lie, and what stands beside them.

    Parameters
    ----------
    table : DataFrame
        Rows of :func:`~stats_tl.reporting.compare_arms`.
    height : float, optional
        Least height of a row, in units of a line and a half.

    Returns
    -------
    DataFrame
        One row per comparison: ``task, arm, label``, ``y``, its height on the axis (downwards),
        ``top``, the upper end of its label, ``height``, what it may use. Names are
        shortened to one line where the figure would be longer than a page.
    """
    layout = _layout(table, height, compact=False)
    if _UNIT * float(layout["y"].max()) > _MOST_HEIGHT:
        layout = _layout(table, min(height, 1.0), compact=True)
    return layout


def _layout(table: pd.DataFrame, height: float, *, compact: bool) -> pd.DataFrame:
    rows = []
    y = 0.0
    labels = comparison_labels(table)
    primary = table["role"] == "primary" if "role" in table else pd.Series(False, table.index)
    marked = primary.any() and not primary.all()
    for task, numbers in table.groupby("task", sort=False).indices.items():
        y += 1.2 if task else 0.0
        for number in numbers:
            first, rest = map(printable, labels[number])
            first += " †" if marked and primary.iloc[number] else ""
            if compact:
                lines = [_shorten(", ".join(filter(None, (first, rest))))]
            else:
                lines = [x for part in (first, rest) for x in textwrap.wrap(part, _LABEL_WIDTH)]
            half = max(_LINE * (len(lines) - 1), (height - 1.0) / 2)
            y += half
            rows.append(
                {
                    "task": str(task),
                    "arm": str(table["arm"].iloc[number]),
                    "label": "\n".join(lines),
                    "y": y,
                    "top": y - max(_LINE * len(lines), height / 2),
                    "height": height,
                }
            )
            y += 1.0 + half
    return pd.DataFrame(rows)


def _shorten(text: str) -> str:
    """One line; its middle is left out, as names differ at their ends."""
    most = _LABEL_WIDTH + 7
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2) :]}"


def label_rows(ax: Axes, layout: pd.DataFrame) -> None:
    """Write the names of the rows and the headings of the tasks, and set the vertical limits."""
    named = layout["task"].ne("").any()
    bottom = float(layout["y"].max()) + max(
        0.9, float((layout["y"] - layout["top"]).iloc[-1]) + 0.2
    )
    ax.set_ylim(bottom, float(layout["top"].min()) - (1.1 if named else 0.4))
    ax.set_yticks(layout["y"], layout["label"], linespacing=1.1)
    ax.tick_params(axis="y", length=0, pad=2, labelsize=6.5)
    for task, rows in layout.groupby("task", sort=False):
        if task:
            ax.annotate(
                _heading(str(task)),
                (0, rows["top"].min() - 0.5),
                xycoords=ax.get_yaxis_transform(),
                xytext=(-2, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontweight="bold",
            )
    despine(ax, left=True)


def _heading(task: str) -> str:
    text = printable(task)
    return text if len(text) <= _LABEL_WIDTH + 2 else f"{text[: _LABEL_WIDTH + 1]}…"


def rows_figure(layout: pd.DataFrame, *, extra: float = 0.0) -> tuple[Figure, Axes]:
    """A figure high enough for the rows, and its axes; `extra` inches are for what is below."""
    span = float(layout["y"].max() - layout["top"].min()) + 3.2
    figure = column_figure(_UNIT * span + 0.75 + extra)
    return figure, figure.add_axes((0, 0, 1, 1))


def close_rows(
    figure: Figure, ax: Axes, note: str, lines: Sequence[str] = (), *, right: float = 0.1
) -> None:
    """Place the axes so that labels, axis title and notes fit, whatever their size.

    Parameters
    ----------
    note : str
        The key to the marks; wrapped.
    lines : sequence of str
        Further lines.
    right : float, optional
        Margin on the right, in inches.
    """
    width, height = figure.get_size_inches()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    label = max(
        text.get_window_extent(renderer).width / figure.dpi
        for text in [*ax.get_yticklabels(), *ax.texts]
    )
    left = min((label + 0.08) / width, 0.6)
    said = [*textwrap.wrap(note, 64), *lines]
    bottom = (0.4 + 0.11 * len(said)) / height
    end = 1 - right / width
    ax.set_position((left, bottom, end - left, 1 - bottom - 0.05 / height))
    ticks = max(2, int((end - left) * width / 0.4))
    ax.xaxis.set_major_locator(nice_ticks(ticks, steps=[1, 2, 5, 10], min_n_ticks=2))
    # The axis title may be wider than the axes: keep it within the figure.
    extent = ax.xaxis.label.get_window_extent(renderer).width / figure.dpi / width
    centre = max(min((left + end) / 2, 0.99 - extent / 2), 0.01 + extent / 2)
    ax.xaxis.set_label_coords(centre, bottom - 0.22 / height, transform=figure.transFigure)
    if said:
        figure.text(
            0.01, 0.04 / height, "\n".join(said), ha="left", va="bottom", color=GREY, fontsize=5.5
        )
