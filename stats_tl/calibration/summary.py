"""The table of a calibration study, condensed: a line a role, and figures."""

from __future__ import annotations

__all__ = ["draw_power", "draw_sizes", "summarise", "write_figures"]

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Sizes that count as right at a nominal 5 %.
RIGHT = (0.035, 0.065)
_NAMES = {
    "auto with half-sample repeats": "learning curve,\nhalf-sample repeats",
    "auto": "learning curve",
    "repeat-delong": "repeat-averaged\nDeLong",
    "larger-variance": "larger of the two",
    "nadeau-bengio": "Nadeau-Bengio",
    "DeLong, averaged scores": "DeLong,\naveraged scores",
    "DeLong, stacked repeats": "DeLong,\nstacked repeats",
    "t over folds and repeats": "t over folds\nand repeats",
    "t over repeats": "t over repeats",
    "5x2cv F": "5×2cv F",
    "Obuchowski-Rockette": "Obuchowski-\nRockette",
    "bootstrap, averaged scores": "bootstrap,\naveraged scores",
    "permutation, averaged scores": "permutation,\naveraged scores",
}
_COLOURS = {100: "#cc79a7", 200: "#e69f00", 400: "#56b4e9", 780: "#0072b2"}


def summarise(results: pd.DataFrame) -> pd.DataFrame:
    """Rejections and coverage over the designs of a role.

    Parameters
    ----------
    results : DataFrame
        Rows of :func:`.study.run_design`.

    Returns
    -------
    DataFrame
        One row per role, number of repeats and procedure: ``designs, datasets`` (fewest of a
        design), ``rejected_min, rejected_mean, rejected_max`` and ``right`` (share of designs
        with 3.5 to 6.5 % rejections), ``oracle`` (mean), ``covered_min, covered_mean,
        covered_max``, ``warned``.
    """
    groups = results.groupby(["role", "n_repeats", "procedure"], sort=False)
    rejected, covered = groups["rejected"], groups["covered"]
    right = results["rejected"].between(*RIGHT)
    table = pd.DataFrame(
        {
            "designs": rejected.size(),
            "datasets": groups["datasets"].min(),
            "rejected_min": rejected.min(),
            "rejected_mean": rejected.mean(),
            "rejected_max": rejected.max(),
            "right": right.groupby([results[k] for k in ("role", "n_repeats", "procedure")]).mean(),
            "oracle": groups["oracle"].mean(),
            "covered_min": covered.min(),
            "covered_mean": covered.mean(),
            "covered_max": covered.max(),
            "warned": groups["warned"].mean(),
        }
    )
    return table.reset_index()


def draw_sizes(results: pd.DataFrame, *, n_repeats: int, ax: Axes | None = None) -> Axes:
    """False positives of every procedure, a point a design.

    Parameters
    ----------
    results : DataFrame
        Rows of :func:`.study.run_design` whose difference is 0.
    n_repeats : int
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    rows = results[(results["n_repeats"] == n_repeats) & (results["difference"] == 0)]
    ax = _axes(ax)
    # What was tried on a few designs only would be hard to compare.
    counts = rows["procedure"].value_counts()
    names = [name for name in _NAMES if counts.get(name, 0) > counts.max() / 4]
    ax.axvspan(100 * RIGHT[0], 100 * RIGHT[1], color="0.9", lw=0, zorder=0)
    ax.axvline(5, color="0.4", lw=0.8, zorder=1)
    rng = np.random.default_rng(0)
    for position, name in enumerate(names):
        own = rows[rows["procedure"] == name]
        jitter = position + rng.uniform(-0.28, 0.28, len(own))
        colours = own["patients"].map(_COLOURS).fillna("0.5")
        ax.scatter(100 * own["rejected"], jitter, s=9, c=colours, lw=0, alpha=0.85, zorder=2)
    ax.set_yticks(range(len(names)), [_NAMES[name] for name in names])
    ax.set_xscale("symlog", linthresh=20, linscale=2)
    ax.set_xticks([0, 5, 10, 15, 20, 50, 100], ["0", "5", "10", "15", "20", "50", "100"])
    ax.set_xlim(-0.5, 110)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel(f"false positives at nominal 5 %, {n_repeats} repeats (%)")
    for patients in sorted(rows["patients"].unique()):
        ax.scatter([], [], s=9, c=_COLOURS.get(patients, "0.5"), lw=0, label=f"{patients}")
    ax.legend(
        title="patients", frameon=False, fontsize=7, title_fontsize=7, loc="upper right",
        handletextpad=0.2,
    )  # fmt: skip
    ax.tick_params(axis="y", length=0, labelsize=7)
    ax.spines[["top", "right", "left"]].set_visible(False)
    return ax


def draw_power(results: pd.DataFrame, *, n_repeats: int, ax: Axes | None = None) -> Axes:
    """Power of the procedures that hold their size, against that of an oracle.

    Parameters
    ----------
    results : DataFrame
        Rows of :func:`.study.run_design` with a difference.
    n_repeats : int
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    rows = results[(results["n_repeats"] == n_repeats) & (results["difference"] != 0)]
    ax = _axes(ax)
    ax.plot([0, 100], [0, 100], color="0.6", lw=0.8, zorder=0)
    marks = {
        "auto with half-sample repeats": ("#0072b2", "o"),
        "auto": ("#56b4e9", "s"),
        "nadeau-bengio": ("#d55e00", "^"),
    }
    for name, (colour, mark) in marks.items():
        own = rows[rows["procedure"] == name]
        label = _NAMES[name].replace("\n", " ")
        ax.scatter(
            100 * own["oracle"], 100 * own["rejected"], s=16, c=colour, marker=mark, lw=0,
            alpha=0.85, label=label,
        )  # fmt: skip
    ax.set_xlabel("power of a test that knows the variance (%)")
    ax.set_ylabel(f"power, {n_repeats} repeats (%)")
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 100)
    ax.set_aspect("equal")
    ax.legend(frameon=False, fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), handletextpad=0.2)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def write_figures(results: pd.DataFrame, folder: Path) -> None:
    """False positives and power, as PDF and PNG; the same bytes for the same numbers."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Numbers of repeats that only some designs have would show these designs only.
    counts = results.loc[results["procedure"] == "auto", "n_repeats"].value_counts()
    found = counts.index[counts > counts.max() / 2].astype(int).tolist()
    common = [m for m in found if m > 1]
    few, most = min(common, default=1), max(common, default=1)
    with mpl.rc_context({"font.size": 8, "pdf.fonttype": 42, "svg.hashsalt": "stats_tl"}):
        null = results["difference"] == 0
        panels = [
            (draw, repeats)
            for draw, repeats, rows in ((draw_sizes, few, null), (draw_power, most, ~null))
            if (results.loc[rows, "n_repeats"] == repeats).any()
        ]
        if not panels:
            return  # one repeat only
        figure = Figure(figsize=(3.6 * len(panels), 3.6), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False, width_ratios=[1.4, 1][: len(panels)])
        for (draw, repeats), ax in zip(panels, axes[0], strict=True):
            draw(results, n_repeats=repeats, ax=ax)
        for suffix, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
            figure.savefig(folder / f"calibration.{suffix}", dpi=150, metadata=metadata)


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.gca()
