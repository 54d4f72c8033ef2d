"""Where the variance comes from: patients, whom repeats cannot replace, and training.

Upper part, of a difference in AUC: the variance of M repeats of a cross-validation is
C + 2 B + s2 / M, with C the variance between patients as test cases, which all repeats share, B its
covariance with what they do as training cases, and s2 the variance between repeats
(:func:`~stats_tl.stats.repeated_cv_components`). Lower part: shares of the variance of single
folds' AUCs, from the mixed model.
"""

from __future__ import annotations

__all__ = ["draw_shares", "draw_variance", "variance_data", "variance_figure"]

import math
import textwrap
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..rendering.labels import Labels
from ..results.pairs import PairComponents
from .rows import label_rows, row_layout
from .style import (
    COLUMN_WIDTH,
    GREY,
    colours,
    column_figure,
    despine,
    nice_ticks,
    printable,
    styled,
    tick_label,
    warning_lines,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Places in the palette of ten.
_COLORS = {
    "patients": 0,
    "learning": 9,
    "splits": 1,
    "seeds": 2,
}
_HATCHES = {"patients": "", "learning": "", "splits": "////", "seeds": "\\\\\\\\"}
_HEIGHT = 1.5
_SCALE = 1e4


def variance_data(
    table: pd.DataFrame,
    components: Sequence[PairComponents | None],
    *,
    labels: Labels | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Components of the variance of each difference, for one repeat and for all.

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
        One row per comparison of at least two repeats: as from :func:`row_layout`, with
        ``used``, the squared standard error of its test.
    parts : DataFrame
        One row per comparison, number of repeats and source: ``row, repeats, source, variance``;
        `source` is ``patients`` (as test cases), ``learning`` (as training cases), ``splits``
        (with training) or ``seeds``.
    """
    table = (labels or Labels()).applied(table)
    known = [
        number
        for number, parts in enumerate(components)
        if parts is not None and not math.isnan(parts.parts.repeat_variance)
    ]
    if not known:
        return pd.DataFrame(), pd.DataFrame()
    layout = row_layout(table.iloc[known].reset_index(drop=True), height=_HEIGHT)
    layout["used"] = table["standard_error"].to_numpy()[known] ** 2
    rows = []
    for row, number in enumerate(known):
        pair = components[number]
        assert pair is not None
        seeds = 0.0 if math.isnan(pair.seed_variance) else pair.seed_variance
        seeds = min(seeds, pair.parts.repeat_variance)
        shared = max(pair.parts.shared_variance, 0.0)
        sources = {
            "patients": shared,
            "learning": pair.parts.through_cases - shared,
            "splits": pair.parts.repeat_variance - seeds,
            "seeds": seeds,
        }
        per_repeat = len(pair.repeats) / pair.parts.n_repeats
        for repeats in (1, pair.parts.n_repeats):
            for source, variance in sources.items():
                # One repeat is one run of one seed; the whole study has all its seeds.
                lasts = source in ("patients", "learning") or repeats == 1
                divisor = 1.0 if lasts else float(repeats)
                divisor *= per_repeat if source == "seeds" and repeats > 1 else 1.0
                rows.append(
                    {
                        "row": row,
                        "repeats": repeats,
                        "source": source,
                        "variance": variance / divisor,
                    }
                )
    return layout, pd.DataFrame(rows)


def draw_variance(
    layout: pd.DataFrame, parts: pd.DataFrame, *, ax: Axes, metric: str = "AUC"
) -> Axes:
    """Draw the components as stacked bars: above one repeat, below all of them.

    Parameters
    ----------
    layout, parts : DataFrame
        As from :func:`variance_data`.
    ax : matplotlib Axes
        Drawn into and returned.
    metric : str, optional
        What the difference is in.
    """
    for _, own in parts.groupby(["row", "repeats"], sort=False):
        row, repeats = (int(own[key].iloc[0]) for key in ("row", "repeats"))
        room = layout["height"].iloc[row]
        y = layout["y"].iloc[row] + room * (-0.22 if repeats == 1 else 0.22)
        left = 0.0
        for source, variance in own[["source", "variance"]].itertuples(index=False):
            ax.barh(
                y,
                variance * _SCALE,
                left=left,
                height=0.37 * room,
                color=colours(10)[_COLORS[source]],
                hatch=_HATCHES[source],
                edgecolor="white",
                linewidth=0.0,
            )
            left += variance * _SCALE
    for y, used, room in layout[["y", "used", "height"]].itertuples(index=False):
        ends = [y, y + 0.45 * room]
        ax.plot([used * _SCALE] * 2, ends, color="0.1", linewidth=1.1, zorder=4)
    label_rows(ax, layout)
    longest = parts.groupby(["row", "repeats"])["variance"].sum().max()
    ax.set_xlim(0, 1.04 * _SCALE * max(longest, layout["used"].max()))
    ax.xaxis.set_major_formatter(tick_label)
    ax.xaxis.set_major_locator(nice_ticks(5))
    ax.set_xlabel(f"Variance of the difference in {metric} (× 10⁻⁴)")
    return ax


def draw_shares(components: pd.DataFrame, *, ax: Axes) -> Axes:
    """Draw the shares of the mixed model's variance components.

    Parameters
    ----------
    components : DataFrame
        ``source, share``, as in :class:`~stats_tl.reporting.MixedReport`.
    ax : matplotlib Axes
        Drawn into and returned.
    """
    y = np.arange(len(components)) * 1.45
    share = 100 * components["share"].to_numpy()
    ax.barh(y, share, height=0.75, color="0.55")
    for where, value in zip(y, share, strict=True):
        ax.text(value + 1.5, where, f"{value:.0f} %", va="center", fontsize=6)
    labels = ["\n".join(textwrap.wrap(printable(source), 25)) for source in components["source"]]
    ax.set_yticks(y, labels, linespacing=1.05)
    ax.set(ylim=(y[-1] + 0.75, -0.75), xlim=(0, 114), xticks=[0, 50, 100])
    ax.tick_params(axis="y", length=0, pad=2, labelsize=6.5)
    ax.set_xlabel("Share of the variance of fold AUCs (%)")
    despine(ax, left=True)
    return ax


def variance_figure(
    layout: pd.DataFrame,
    parts: pd.DataFrame,
    components: pd.DataFrame,
    *,
    units: str = "patients",
    metric: str = "AUC",
    synthetic: bool = False,
    incomplete: bool = False,
) -> Figure:
    """Both parts as a figure one column wide; either may be empty, not both.

    Parameters
    ----------
    layout, parts : DataFrame
        As from :func:`variance_data`.
    components : DataFrame
        As for :func:`draw_shares`.
    units : str, optional
        What the cases are drawn from.
    metric : str, optional
        What the difference is in.
    """
    lines = warning_lines(synthetic=synthetic, incomplete=incomplete)
    key = _key(parts, units) if len(layout) else []
    with styled():
        upper = (
            0.15 * (float(layout["y"].max() - layout["top"].min()) + 3.2) if len(layout) else 0.0
        )
        lower = 0.21 * len(components)
        head = 0.125 * len(key) + 0.04
        foot = 0.4
        height = head + upper + lower + foot * ((upper > 0) + (lower > 0)) + 0.12 * len(lines)
        figure = column_figure(height)
        axes = []
        y = height - head
        for size, draw in (
            (upper, partial(draw_variance, layout, parts, metric=metric)),
            (lower, partial(draw_shares, components)),
        ):
            if size:
                ax = figure.add_axes((0.4, (y - size) / height, 0.55, size / height))
                axes.append(draw(ax=ax))
                y -= size + foot
        _place(figure, axes)
        for number, (text, source) in enumerate(key):
            _sample(figure, height, number, text, source)
        if lines:
            figure.text(
                0.01, 0.03 / height, "\n".join(lines), va="bottom", color=GREY, fontsize=5.5
            )
    return figure


def _key(parts: pd.DataFrame, units: str) -> list[tuple[str, str | None]]:
    repeats = sorted(set(parts["repeats"]))
    most = f"{repeats[-1]} repeats" if len(repeats) <= 2 else "all repeats"
    key: list[tuple[str, str | None]] = [
        (f"{units} as test cases (shared by all repeats)", "patients"),
        (f"{units} as training cases (estimated)", "learning"),
        ("splits and training", "splits"),
    ]
    if (parts.loc[parts["source"] == "seeds", "variance"] > 0).any():
        key[2:] = [("splits", "splits"), ("training seeds", "seeds")]
    return [*key, (f"upper bar: one repeat; lower bar: {most}; line: used by the test", None)]


def _place(figure: Figure, axes: list[Axes]) -> None:
    """One left edge for all axes, right of the longest label."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    label = max(
        text.get_window_extent(renderer).width / figure.dpi
        for ax in axes
        for text in [
            *ax.get_yticklabels(),
            *(t for t in ax.texts if t.get_horizontalalignment() == "right"),
        ]
    )
    left = min((label + 0.08) / COLUMN_WIDTH, 0.6)
    right = 1 - 0.1 / COLUMN_WIDTH
    for ax in axes:
        box = ax.get_position()
        ax.set_position((left, box.y0, right - left, box.height))
        extent = ax.xaxis.label.get_window_extent(renderer).width / figure.dpi / COLUMN_WIDTH
        centre = max(min((left + right) / 2, 0.99 - extent / 2), 0.01 + extent / 2)
        below = box.y0 - 0.22 / figure.get_size_inches()[1]
        ax.xaxis.set_label_coords(centre, below, transform=figure.transFigure)


def _sample(figure: Figure, height: float, number: int, text: str, source: str | None) -> None:
    from matplotlib.patches import Rectangle

    y = 1 - (0.09 + 0.125 * number) / height
    if source is not None:
        figure.add_artist(
            Rectangle(
                (0.01, y - 0.04 / height),
                0.18 / COLUMN_WIDTH,
                0.08 / height,
                transform=figure.transFigure,
                facecolor=colours(10)[_COLORS[source]],
                hatch=_HATCHES[source] * 2,
                edgecolor="white",
                linewidth=0,
            )
        )
    figure.text(
        0.01 + (0.24 / COLUMN_WIDTH if source else 0), y, text, va="center", fontsize=6,
        color="black" if source else GREY,
    )  # fmt: skip
