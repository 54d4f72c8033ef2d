"""Figures for one column of a journal: computing apart from drawing, Axes in, Axes out."""

from __future__ import annotations

__all__ = ["FIGURES", "draw_forest", "forest_data", "forest_figure", "render_figure"]

import io
import math
import textwrap
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .contents import Drawing
from .material import Material
from .numbers import MINUS, format_interval, format_number
from .words import comparison_labels

#: One column of most journals, in inches (85 mm).
COLUMN_WIDTH = 3.35
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
_STYLE: Any = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same figure everywhere
    "font.size": 6.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "pdf.fonttype": 42,
    "text.usetex": False,
    # A user's name with a dollar sign is no formula.
    "text.parse_math": False,
}
_LABEL_WIDTH = 25
_GREY = "0.45"


def forest_data(table: pd.DataFrame) -> pd.DataFrame:
    """What a forest plot shows, from the rows of :func:`compare_arms`.

    Parameters
    ----------
    table : DataFrame
        As from :func:`~stats_tl.reporting.compare_arms`.

    Returns
    -------
    DataFrame
        One row a comparison: ``task, label, arm, difference, low, high, significant, text``,
        ``y``, its height, and ``top``, that of its label's upper end; tasks are groups with
        a line for their name above them.
    """
    rows = []
    y = 0.0
    labels = comparison_labels(table)
    for task, numbers in table.groupby("task", sort=False).indices.items():
        y += 1.2 if task else 0.0
        for number in numbers:
            row = table.iloc[number]
            parts = [textwrap.wrap(part, _LABEL_WIDTH) for part in labels[number]]
            lines = [line for part in parts for line in part]
            y += 0.4 * (len(lines) - 1)
            rows.append(
                {
                    "task": str(task),
                    "label": "\n".join(lines),
                    "arm": row["arm"],
                    "difference": row["difference"],
                    "low": row["difference_low"],
                    "high": row["difference_high"],
                    "significant": bool(row["pvalue_adjusted"] < row["alpha"]),
                    "text": f"{format_number(row['difference'])} "
                    f"({format_interval(row['difference_low'], row['difference_high'])})",
                    "y": y,
                    "top": y - 0.4 * len(lines),
                }
            )
            y += 1.0 + 0.4 * (len(lines) - 1)
    return pd.DataFrame(rows)


def draw_forest(
    data: pd.DataFrame,
    *,
    ax: Axes,
    reference: str = "reference",
    margin: float | None = None,
) -> Axes:
    """Draw a forest plot of differences in AUC.

    Parameters
    ----------
    data : DataFrame
        As from :func:`forest_data`.
    ax : matplotlib Axes
        Drawn into and returned.
    reference : str
        Name of the reference arm, for the axis.
    margin : float, optional
        Half width of the band of equivalence.

    Notes
    -----
    Filled markers: adjusted P < alpha. Colour and shape both tell candidates
    apart, and their names stand beside them.
    """
    arms = sorted(set(data["arm"]))
    palette = sns.color_palette("colorblind", len(arms))
    if margin is not None and not math.isnan(margin):
        ax.axvspan(-margin, margin, color="0.92", linewidth=0, zorder=0)
    ax.axvline(0, color=_GREY, linewidth=0.8, zorder=1)
    for row in data.dropna(subset=["difference"]).to_dict("records"):
        which = arms.index(row["arm"])
        color = palette[which]
        if not math.isnan(row["low"]):
            ax.plot([row["low"], row["high"]], [row["y"]] * 2, color=color, linewidth=1.3, zorder=2)
        ax.plot(
            row["difference"],
            row["y"],
            marker=MARKERS[which % len(MARKERS)],
            markersize=4.2,
            markerfacecolor=color if row["significant"] else "white",
            markeredgecolor=color,
            markeredgewidth=1.1,
            linestyle="none",
            zorder=3,
        )
    named = data["task"].ne("").any()
    ax.set_ylim(float(data["y"].max()) + 0.9, float(data["top"].min()) - (1.1 if named else 0.4))
    ax.set_yticks(data["y"], data["label"], linespacing=1.1)
    ax.tick_params(axis="y", length=0, pad=2)
    for task, rows in data.groupby("task", sort=False):
        if task:
            ax.annotate(
                str(task),
                (0, rows["top"].min() - 0.5),
                xycoords=ax.get_yaxis_transform(),
                xytext=(-2, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontweight="bold",
            )
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.2f}".replace("-", MINUS))
    ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(6, steps=[1, 2, 5, 10], min_n_ticks=4))
    who = arms[0] if len(arms) == 1 else "candidate"
    ax.set_xlabel(f"Difference in AUC ({who} {MINUS} {reference})")
    sns.despine(ax=ax, left=True)
    return ax


def forest_figure(
    table: pd.DataFrame, *, synthetic: bool = False, incomplete: bool = False
) -> Figure:
    """The forest plot as a figure one column wide.

    Parameters
    ----------
    table : DataFrame
        As from :func:`~stats_tl.reporting.compare_arms`.
    synthetic : bool, optional
        Say in the figure that the data are made up.
    incomplete : bool, optional
        Say in the figure that runs are left out.
    """
    data = forest_data(table)
    level = f"{100 * table['confidence_level'].iloc[0]:g} %"
    with mpl.rc_context(_STYLE):
        span = float(data["y"].max() - data["y"].min()) + 2.8
        figure = Figure(
            figsize=(COLUMN_WIDTH, 0.15 * span + 0.75 + 0.12 * (synthetic + incomplete))
        )
        FigureCanvasAgg(figure)
        ax = figure.add_axes((0, 0, 1, 1))
        draw_forest(
            data, ax=ax, reference=table["reference"].iloc[0], margin=table["margin"].iloc[0]
        )
        note = (
            f"Bars: {level} confidence interval. Filled: adjusted P < {table['alpha'].iloc[0]:g}."
        )
        if not math.isnan(table["margin"].iloc[0]):
            note += f" Grey: margin of ± {table['margin'].iloc[0]:g}."
        if incomplete:
            note += "\nIncomplete: the table lists what is left out."
        if synthetic:
            note += "\nSynthetic data."
        _fit(figure, ax, note)
    return figure


def render_figure(figure: Figure) -> dict[str, bytes]:
    """A figure as PDF and PNG: suffix → bytes, without dates or names of programs."""
    with mpl.rc_context(_STYLE):
        pdf, png = io.BytesIO(), io.BytesIO()
        figure.savefig(
            pdf, format="pdf", metadata={"Creator": None, "Producer": None, "CreationDate": None}
        )
        figure.savefig(png, format="png", dpi=300, metadata={"Software": None})
    return {".pdf": pdf.getvalue(), ".png": png.getvalue()}


def _fit(figure: Figure, ax: Axes, note: str) -> None:
    """Place the axes so that labels, axis title and note fit in the figure, whatever their size."""
    width, height = figure.get_size_inches()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    label = max(
        text.get_window_extent(renderer).width / figure.dpi
        for text in [*ax.get_yticklabels(), *ax.texts]
    )
    left = min((label + 0.08) / width, 0.6)
    lines = textwrap.wrap(note.split("\n")[0], 62) + note.split("\n")[1:]
    bottom = (0.42 + 0.11 * len(lines)) / height
    ax.set_position((left, bottom, 0.97 - left, 1 - bottom - 0.05 / height))
    # The axis title may be wider than the axes: keep it within the figure.
    extent = ax.xaxis.label.get_window_extent(renderer).width / figure.dpi / width
    centre = min(left + (0.97 - left) / 2, 0.99 - extent / 2)
    ax.xaxis.set_label_coords(centre, bottom - 0.24 / height, transform=figure.transFigure)
    figure.text(
        0.01, 0.04 / height, "\n".join(lines), ha="left", va="bottom", color=_GREY, fontsize=5.5
    )


def _forest(material: Material) -> Drawing:
    table = material.comparisons
    figure = forest_figure(table, synthetic=material.synthetic, incomplete=bool(material.lacking))
    level = f"{100 * table['confidence_level'].iloc[0]:g} %"
    caption = (
        f"Differences in AUC, candidate {MINUS} {material.reference}, with {level} confidence "
        "intervals; positive values favor the candidate."
    )
    listed = "; ".join(
        " ".join(filter(None, [row["task"], *row["label"].split("\n")])) + f": {row['text']}"
        for row in forest_data(table).to_dict("records")
    )
    return Drawing(figure, caption, f"Forest plot. {caption} {listed}.")


#: Figures by the name of their files, in the order of the report.
FIGURES: dict[str, Callable[[Material], Drawing | None]] = {"forest": _forest}
