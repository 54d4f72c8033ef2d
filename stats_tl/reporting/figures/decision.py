"""Decision curves: the net benefit of acting on a prediction, at every threshold of risk.

NB(t) = TP / n - FP / n * t / (1 - t): true positives, less the false ones at the price that the
threshold t implies [1]_. Within a run every case counts once; averaged over runs.

References
----------
.. [1] Vickers AJ, Elkin EB. Decision curve analysis: a novel method for evaluating prediction
   models. Medical Decision Making 2006;26:565-574. :doi:`10.1177/0272989X06295361`
"""

from __future__ import annotations

__all__ = ["THRESHOLDS", "decision_data", "draw_decision", "highest_threshold"]

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special
from scipy import stats as sps

from .curves import CurveScores, clustered_variance
from .style import GREY, arm_styles, nice_ticks, tick_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THRESHOLDS = np.linspace(0.01, 0.99, 99)


def decision_data(scores: CurveScores, *, confidence_level: float = 0.95) -> pd.DataFrame:
    """Net benefit of every arm, and of treating all.

    Parameters
    ----------
    scores : CurveScores
        Scores are logits.
    confidence_level : float, optional
        Of the band, point by point.

    Returns
    -------
    DataFrame
        One row an arm and threshold: ``arm, threshold, net_benefit, low, high, treat_all``.
    """
    z = sps.norm.isf((1 - confidence_level) / 2)
    weight = THRESHOLDS / (1 - THRESHOLDS)
    events = scores.y_true[:, None]
    treat_all = scores.y_true.mean() - (1 - scores.y_true.mean()) * weight
    frames = []
    for arm, values in scores.scores.items():
        benefit, variance = (np.empty((len(values), THRESHOLDS.size)) for _ in range(2))
        for run, row in enumerate(special.expit(values)):
            gain = (row[:, None] >= THRESHOLDS) * np.where(events, 1.0, -weight)
            benefit[run] = gain.mean(axis=0)
            variance[run] = clustered_variance((gain - benefit[run]) / row.size, scores.groups)
        mean, half = benefit.mean(axis=0), z * np.sqrt(variance.mean(axis=0))
        frames.append(
            pd.DataFrame(
                {
                    "arm": arm,
                    "threshold": THRESHOLDS,
                    "net_benefit": mean,
                    "low": mean - half,
                    "high": mean + half,
                    "treat_all": treat_all,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def highest_threshold(frames: Sequence[pd.DataFrame]) -> float:
    """Where the axis of thresholds may end: beyond, no arm has a benefit to speak of."""
    useful = 0.2
    for data in frames:
        own = data["net_benefit"] > 0.02 * data["treat_all"].max()
        useful = max(useful, data.loc[own, "threshold"].max()) if own.any() else useful
    return min(math.ceil(10 * useful + 0.5) / 10, 1.0)


def draw_decision(
    data: pd.DataFrame, *, ax: Axes, reference: str, most: float | None = None
) -> Axes:
    """Draw decision curves beside treating all and treating none.

    Parameters
    ----------
    data : DataFrame
        As from :func:`decision_data`.
    ax : matplotlib Axes
        Drawn into and returned.
    reference : str
        Name of the reference arm.
    most : float, optional
        Highest threshold; by default as from :func:`highest_threshold`.
    """
    arms = list(dict.fromkeys(data["arm"]))
    styles = arm_styles(arms, reference)
    top = float(data["treat_all"].max())
    first = data[data["arm"] == arms[0]]
    ax.axhline(0, color=GREY, linewidth=0.7, zorder=1)
    ax.plot(first["threshold"], first["treat_all"], color=GREY, linewidth=0.7, zorder=1)
    for arm in arms:
        own = data[data["arm"] == arm]
        color = styles[arm]["color"]
        ax.fill_between(
            own["threshold"], own["low"], own["high"], color=color, alpha=0.16, linewidth=0
        )
        ax.plot(
            own["threshold"],
            own["net_benefit"],
            color=color,
            linestyle=styles[arm]["linestyle"],
            linewidth=1.2,
        )
    end = highest_threshold([data]) if most is None else most
    ax.set(xlim=(0, end), ylim=(-0.2 * top, 1.12 * top))
    ax.xaxis.set_major_locator(nice_ticks(4, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_locator(nice_ticks(4, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(tick_label)
    ax.yaxis.set_major_formatter(tick_label)
    ax.tick_params(color=GREY)
    return ax
