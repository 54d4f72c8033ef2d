"""ROC curves of the arms of a setting, averaged vertically over folds and runs.

R(t), the sensitivity at a false positive rate of t, is read off every fold's empirical curve
and averaged over the folds of a run, then over runs, so that the area under the mean curve is
the mean AUC of the tables [1]_. With U a case's placement among the negatives of its fold, the
influence of a case on R(t) is (1[U <= t] - R(t)) / n+ for a positive and -R'(t) (1[U <= t] - t)
/ n- for a negative case [2]_; the slope R'(t) is that of the binormal curve fitted to the mean.

References
----------
.. [1] Fawcett T. An introduction to ROC analysis. Pattern Recognition Letters 2006;27:861-874.
   :doi:`10.1016/j.patrec.2005.10.010`
.. [2] Hsieh F, Turnbull BW. Nonparametric and semiparametric estimation of the receiver
   operating characteristic curve. Annals of Statistics 1996;24:25-40.
   :doi:`10.1214/aos/1033066197`
"""

from __future__ import annotations

__all__ = ["GRID", "draw_roc", "roc_data"]

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special
from scipy import stats as sps

from .curves import CurveScores, clustered_variance
from .style import GREY, arm_styles, tick_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: False positive rates at which curves are averaged.
GRID = np.linspace(0, 1, 101)


def roc_data(scores: CurveScores, *, confidence_level: float = 0.95) -> pd.DataFrame:
    """Mean ROC curve of every arm, its confidence band and its spread over runs.

    Parameters
    ----------
    scores : CurveScores
    confidence_level : float, optional
        Of the band, point by point.

    Returns
    -------
    DataFrame
        One row an arm and false positive rate: ``arm, fpr, tpr, low, high`` (band for new
        patients), ``least, most`` (over runs).
    """
    z = sps.norm.isf((1 - confidence_level) / 2)
    frames = []
    for arm, values in scores.scores.items():
        curves = np.empty((len(values), GRID.size))
        for run, row in enumerate(values):
            own = [_curve(scores.y_true[c], row[c]) for c in scores.cells(run)]
            curves[run] = np.mean(own, axis=0)
        mean = curves.mean(axis=0)
        slope = _binormal_slope(mean)
        variance = np.mean(
            [_variance(scores, run, row, slope) for run, row in enumerate(values)], axis=0
        )
        # The arcsine keeps the band within [0, 1] and calm near the corners.
        least = 0.25 / scores.y_true.sum()
        centre = np.arcsin(np.sqrt(np.clip(mean, least, 1 - least)))
        half = z * np.sqrt(variance) / np.sin(2 * centre)
        ends = [np.clip(centre + sign * half, 0, math.pi / 2) for sign in (-1, 1)]
        low, high = (np.sin(end) ** 2 for end in ends)
        frames.append(
            pd.DataFrame(
                {
                    "arm": arm,
                    "fpr": GRID,
                    "tpr": mean,
                    "low": np.minimum(low, mean),
                    "high": np.maximum(high, mean),
                    "least": curves.min(axis=0),
                    "most": curves.max(axis=0),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def draw_roc(
    data: pd.DataFrame, *, ax: Axes, reference: str, aucs: dict[str, str] | None = None
) -> Axes:
    """Draw mean ROC curves with their bands.

    Parameters
    ----------
    data : DataFrame
        As from :func:`roc_data`.
    ax : matplotlib Axes
        Drawn into and returned.
    reference : str
        Name of the reference arm.
    aucs : dict of str to str, optional
        Text on the AUC of each arm, written in the lower right corner.
    """
    arms = list(dict.fromkeys(data["arm"]))
    styles = arm_styles(arms, reference)
    ax.plot([0, 1], [0, 1], color="0.8", linewidth=0.6, zorder=0)
    for arm in arms:
        own = data[data["arm"] == arm]
        color, dash = styles[arm]["color"], styles[arm]["linestyle"]
        ax.fill_between(own["fpr"], own["low"], own["high"], color=color, alpha=0.16, linewidth=0)
        if (own["most"] > own["least"]).any():
            for edge in ("least", "most"):
                ax.plot(own["fpr"], own[edge], color=color, linewidth=0.35, alpha=0.8)
        ax.plot(own["fpr"], own["tpr"], color=color, linestyle=dash, linewidth=1.2)
    listed = [arm for arm in reversed(arms) if aucs and arm in aucs]
    for number, arm in enumerate(listed):
        ax.text(
            0.99,
            0.03 + 0.095 * number,
            (aucs or {})[arm],
            color=styles[arm]["color"],
            ha="right",
            va="bottom",
            fontsize=5.5,
            transform=ax.transAxes,
        )
    unit_square(ax)
    return ax


def unit_square(ax: Axes) -> None:
    """Axes from 0 to 1 with few ticks."""
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    ax.xaxis.set_major_formatter(tick_label)
    ax.yaxis.set_major_formatter(tick_label)
    ax.grid(color="0.93", linewidth=0.5, zorder=-1)
    ax.set_axisbelow(True)
    ax.tick_params(color=GREY)


def _curve(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Sensitivity of one fold at every false positive rate of the grid; ties are a slope."""
    order = np.argsort(-scores, kind="stable")
    ordered = labels[order]
    last = np.append(np.diff(scores[order]) != 0, True)
    tpr = np.append(0.0, np.cumsum(ordered)[last] / labels.sum())
    fpr = np.append(0.0, np.cumsum(~ordered)[last] / (~labels).sum())
    # At a false positive rate where the curve rises, the upper end counts.
    at = np.clip(np.searchsorted(fpr, GRID + 1e-12, side="right") - 1, 0, fpr.size - 2)
    run = fpr[at + 1] - fpr[at]
    share = np.divide(GRID - fpr[at], run, out=np.zeros_like(run), where=run > 0)
    curve: np.ndarray = tpr[at] + np.clip(share, 0, 1) * (tpr[at + 1] - tpr[at])
    curve[-1] = 1.0
    return curve


def _variance(scores: CurveScores, run: int, row: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Variance of one run's curve at every point of the grid, clustered by patient."""
    influence = np.zeros((row.size, GRID.size))
    cells = list(scores.cells(run))
    for cell in cells:
        labels = scores.y_true[cell]
        negatives = np.sort(row[cell][~labels])
        above = (
            negatives.size
            - (
                np.searchsorted(negatives, row[cell], "left")
                + np.searchsorted(negatives, row[cell], "right")
            )
            / 2
        )
        called = (above / negatives.size)[:, None] <= GRID
        positive = labels.sum()
        influence[cell[labels]] = (called[labels] - called[labels].mean(axis=0)) / positive
        false = called[~labels] - called[~labels].mean(axis=0)
        influence[cell[~labels]] = -slope * false / negatives.size
    return clustered_variance(influence / len(cells), scores.groups)


def _binormal_slope(curve: np.ndarray) -> np.ndarray:
    """Slope of the binormal curve through a mean curve; of the chance line where none fits."""
    inner = (GRID > 0.01) & (GRID < 0.99) & (curve > 0.01) & (curve < 0.99)
    if inner.sum() < 3:
        return np.ones_like(GRID)
    x, y = special.ndtri(GRID[inner]), special.ndtri(curve[inner])
    b, a = np.polyfit(x, y, 1)
    t = np.clip(GRID, 0.5 / 100, 1 - 0.5 / 100)
    z = special.ndtri(t)
    return np.asarray(np.clip(b, 0.05, None) * np.exp((z**2 - (a + b * z) ** 2) / 2))
