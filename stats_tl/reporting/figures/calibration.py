"""Do the predicted probabilities mean what they say? Reliability curves, intercept and slope.

With s the logit of a predicted probability, the calibration intercept is a of
logit P(y) = a + s (0 if the mean risk is right) and the slope is b of logit P(y) = a + b s
(below 1: predictions too extreme) [1]_. Both are fitted within a run, where every case is
predicted once by a model that has not seen it, and averaged over runs.

References
----------
.. [1] Van Calster B, McLernon DJ, van Smeden M, et al. Calibration: the Achilles heel of
   predictive analytics. BMC Medicine 2019;17:230. :doi:`10.1186/s12916-019-1466-7`
"""

from __future__ import annotations

__all__ = ["calibration_data", "calibration_summary", "draw_calibration"]

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import special
from scipy import stats as sps

from ..rendering.numbers import format_number
from .curves import CurveScores, clustered_variance
from .roc import unit_square
from .style import arm_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_GROUPS, _PER_GROUP = 10, 40
_STEPS = 50


def calibration_data(scores: CurveScores, *, confidence_level: float = 0.95) -> pd.DataFrame:
    """Observed against predicted risk, in groups of equal size by predicted risk.

    Parameters
    ----------
    scores : CurveScores
        Scores are logits.
    confidence_level : float, optional

    Returns
    -------
    DataFrame
        One row an arm and group: ``arm, group, predicted, observed, low, high``, means over runs.
    """
    z = sps.norm.isf((1 - confidence_level) / 2)
    n_groups = int(np.clip(scores.y_true.size // _PER_GROUP, 3, _MOST_GROUPS))
    frames = []
    for arm, values in scores.scores.items():
        predicted, observed, variance = (np.empty((len(values), n_groups)) for _ in range(3))
        for run, row in enumerate(special.expit(values)):
            # Ties are split by position, so that groups are of equal size.
            ranks = np.argsort(np.argsort(row, kind="stable"), kind="stable")
            member = (ranks * n_groups // row.size)[:, None] == np.arange(n_groups)
            size = member.sum(axis=0)
            predicted[run] = (row[:, None] * member).sum(axis=0) / size
            observed[run] = (scores.y_true[:, None] & member).sum(axis=0) / size
            influence = member * (scores.y_true[:, None] - observed[run]) / size
            variance[run] = clustered_variance(influence, scores.groups)
        mean = observed.mean(axis=0)
        inner = (mean > 0) & (mean < 1)
        half = np.full(n_groups, np.nan)
        half[inner] = z * np.sqrt(variance.mean(axis=0)[inner]) / (mean * (1 - mean))[inner]
        centre = special.logit(np.clip(mean, 1e-12, 1 - 1e-12))
        frames.append(
            pd.DataFrame(
                {
                    "arm": arm,
                    "group": np.arange(n_groups),
                    "predicted": predicted.mean(axis=0),
                    "observed": mean,
                    "low": special.expit(centre - half),
                    "high": special.expit(centre + half),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def calibration_summary(scores: CurveScores, *, confidence_level: float = 0.95) -> pd.DataFrame:
    """Calibration intercept and slope of every arm.

    Parameters
    ----------
    scores : CurveScores
        Scores are logits.
    confidence_level : float, optional

    Returns
    -------
    DataFrame
        One row an arm: ``arm, intercept, intercept_low, intercept_high, slope, slope_low,
        slope_high, offset`` (`offset` is a where both are fitted); NaN where a fit fails.
    """
    z = sps.norm.isf((1 - confidence_level) / 2)
    rows = []
    for arm, values in scores.scores.items():
        fits = np.array([_fit_run(scores, row) for row in values])
        intercept, slope, offset = fits[:, 0].mean(), fits[:, 2].mean(), fits[:, 4].mean()
        errors = np.sqrt(fits[:, [1, 3]].mean(axis=0))
        rows.append(
            {
                "arm": arm,
                "intercept": intercept,
                "intercept_low": intercept - z * errors[0],
                "intercept_high": intercept + z * errors[0],
                "slope": slope,
                "slope_low": slope - z * errors[1],
                "slope_high": slope + z * errors[1],
                "offset": offset,
            }
        )
    return pd.DataFrame(rows)


def draw_calibration(
    data: pd.DataFrame, summary: pd.DataFrame, *, ax: Axes, reference: str
) -> Axes:
    """Draw reliability curves: groups as points, the logistic recalibration as a line.

    Parameters
    ----------
    data, summary : DataFrame
        As from :func:`calibration_data` and :func:`calibration_summary`.
    ax : matplotlib Axes
        Drawn into and returned.
    reference : str
        Name of the reference arm.
    """
    arms = list(dict.fromkeys(data["arm"]))
    styles = arm_styles(arms, reference)
    ax.plot([0, 1], [0, 1], color="0.7", linewidth=0.7, zorder=0)
    for number, arm in enumerate(arms):
        own, fit = data[data["arm"] == arm], summary[summary["arm"] == arm].iloc[0]
        color = styles[arm]["color"]
        ax.vlines(own["predicted"], own["low"], own["high"], color=color, linewidth=0.6, alpha=0.6)
        ax.plot(
            own["predicted"],
            own["observed"],
            color=color,
            marker=styles[arm]["marker"],
            markersize=2.6,
            markeredgewidth=0,
            linestyle="none",
        )
        if not math.isnan(fit["slope"]):
            x = np.linspace(own["predicted"].min(), own["predicted"].max(), 60)
            line = special.expit(fit["offset"] + fit["slope"] * special.logit(x))
            ax.plot(x, line, color=color, linestyle=styles[arm]["linestyle"], linewidth=0.9)
        ax.text(
            0.03,
            0.99 - 0.095 * number,
            f"a {format_number(fit['intercept'], 2)}, b {format_number(fit['slope'], 2)}",
            color=color,
            ha="left",
            va="top",
            fontsize=5.5,
            transform=ax.transAxes,
        )
    unit_square(ax)
    return ax


def _fit_run(scores: CurveScores, row: np.ndarray) -> list[float]:
    """Intercept, its variance, slope, its variance, intercept beside the slope."""
    ones = np.ones((row.size, 1))
    intercept, first = _logistic(ones, scores, offset=row)
    both, second = _logistic(np.column_stack([ones[:, 0], row]), scores)
    return [intercept[0], first[0, 0], both[1], second[1, 1], both[0]]


def _logistic(
    design: np.ndarray, scores: CurveScores, offset: Any = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of a logistic regression and their covariance, clustered by patient."""
    y = scores.y_true.astype(float)
    beta = np.zeros(design.shape[1])
    nothing = np.full(beta.size, np.nan), np.full((beta.size, beta.size), np.nan)
    for _ in range(_STEPS):
        risk = special.expit(design @ beta + offset)
        information = design.T @ (design * (risk * (1 - risk))[:, None])
        gradient = design.T @ (y - risk)
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return nothing
        # A bounded step: constant or separating scores must not run away.
        beta = beta + step / max(1.0, np.abs(step).max() / 2)
        if np.abs(step).max() < 1e-10:
            break
    else:
        return nothing
    bread = np.linalg.inv(information)
    influence = (design * (y - risk)[:, None]) @ bread
    count = int(scores.groups.max()) + 1
    sums = np.zeros((count, beta.size))
    np.add.at(sums, scores.groups, influence)
    return beta, count / max(count - 1, 1) * sums.T @ sums
