"""What could have been detected: power over true differences, patients and repeats.

The components of the study are taken as the truth of others, of its size and of other sizes, in
closed form (:func:`~stats_tl.stats.repeated_cv_power`): variances between patients shrink with
their number, the variance between repeats does not. How much a case matters as a *training*
case, the elasticity of the learning curve, is estimated; the band is what its 95 % interval
leaves open, within 0 (not at all) to 1 (as much as a case that is tested).
"""

from __future__ import annotations

__all__ = [
    "detectable_data",
    "draw_detectable_difference",
    "draw_power",
    "repeat_styles",
    "single_test_data",
]

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import optimize
from scipy import stats as sps

from ...stats import CVComponents, corrected_ttest_power, repeated_cv_power
from .style import GREY, colours, nice_ticks, tick_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZES = (0.25, 0.5, 1, 2, 4)
#: Differences shown, in standard errors of the study.
_RANGE = 6.0
_STEPS = 49
_METHODS = ("learning-curve", "repeat-delong", "larger-variance")


def detectable_data(
    parts: CVComponents,
    *,
    method: str,
    standard_error: float,
    n_repeats: Sequence[int],
    alpha: float = 0.05,
    power: float = 0.8,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Power at the study's patients, and the smallest detectable difference over patients.

    Parameters
    ----------
    parts : CVComponents
        Of the comparison, from at least two repeats.
    method : str
        Variance that the test uses; any other than those of :func:`repeated_cv_power` and
        "nadeau-bengio" is taken as "larger-variance".
    standard_error : float
        Of the study; sets the range of differences.
    n_repeats : sequence of int
        Designs; the study's own first.
    alpha, power : float, optional

    Returns
    -------
    curve : DataFrame
        ``n_repeats, difference, low, high``: power, and its range over what is not known.
    sizes : DataFrame
        ``n_repeats, n_units, low, high``: smallest detectable difference.
    """
    elasticities = _plausible(parts)
    differences = np.linspace(0, _RANGE, _STEPS) * standard_error
    curves, sizes = [], []
    for repeats in dict.fromkeys(n_repeats):
        for size in SIZES:
            powers = [
                _power_function(parts, method, repeats, size, elasticity, alpha)
                for elasticity in elasticities
            ]
            needed = [_needed(function, standard_error, power) for function in powers]
            sizes.append(
                {
                    "n_repeats": repeats,
                    "n_units": round(parts.n_units * size),
                    "low": min(needed),
                    "high": max(needed),
                }
            )
            if size == 1:
                found = np.array([[function(d) for d in differences] for function in powers])
                curves.append(
                    pd.DataFrame(
                        {
                            "n_repeats": repeats,
                            "difference": differences,
                            "low": found.min(axis=0),
                            "high": found.max(axis=0),
                        }
                    )
                )
    return pd.concat(curves, ignore_index=True), pd.DataFrame(sizes)


def single_test_data(
    standard_error: float, n_units: int, *, alpha: float = 0.05, power: float = 0.8
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same for two fitted models on one test set, whose variance shrinks as 1 / n.

    Parameters
    ----------
    standard_error : float
        Of the difference on the study's test set.
    n_units : int
        Patients (or cases) of the test set.
    """
    threshold, reached = sps.norm.isf(alpha / 2), sps.norm.ppf(power)
    differences = np.linspace(0, _RANGE, _STEPS) * standard_error
    curve = sps.norm.sf(threshold - differences / standard_error)
    units = np.array([max(round(n_units * size), 2) for size in SIZES])
    needed = (threshold + reached) * standard_error * np.sqrt(n_units / units)
    return (
        pd.DataFrame({"n_repeats": 1, "difference": differences, "low": curve, "high": curve}),
        pd.DataFrame({"n_repeats": 1, "n_units": units, "low": needed, "high": needed}),
    )


def draw_power(
    curve: pd.DataFrame, *, ax: Axes, power: float = 0.8, margin: float | None = None
) -> Axes:
    """Draw power over the true difference.

    Parameters
    ----------
    curve : DataFrame
        As from :func:`detectable_data`.
    ax : matplotlib Axes
        Drawn into and returned.
    power : float, optional
        Marked by a line.
    margin : float, optional
        Margin of equivalence, marked by a band.
    """
    if margin is not None and not math.isnan(margin):
        ax.axvspan(0, margin, color="0.92", linewidth=0, zorder=0)
    ax.axhline(power, color="0.75", linewidth=0.6, zorder=0)
    _bands(curve, "difference", ax)
    ax.set(ylim=(0, 1.02), yticks=[0, power / 2, power, 1], xlim=(0, curve["difference"].max()))
    ax.xaxis.set_major_locator(nice_ticks(4))
    _finish(ax)
    return ax


def draw_detectable_difference(
    sizes: pd.DataFrame, *, ax: Axes, present: int | None = None
) -> Axes:
    """Draw the smallest detectable difference over the number of patients.

    Parameters
    ----------
    sizes : DataFrame
        As from :func:`detectable_data`.
    ax : matplotlib Axes
        Drawn into and returned.
    present : int, optional
        Patients of the study, marked by a line.
    """
    if present is not None:
        ax.axvline(present, color="0.75", linewidth=0.6, zorder=0)
    _bands(sizes, "n_units", ax)
    ax.set_xscale("log")
    ax.minorticks_off()
    ticks = sorted(set(sizes["n_units"]))[::2]
    ax.set_xticks(ticks, [f"{tick}" for tick in ticks])
    ax.set_ylim(0, None)
    ax.yaxis.set_major_locator(nice_ticks(4))
    ax.yaxis.set_major_formatter(tick_label)
    ax.tick_params(color=GREY)
    return ax


def repeat_styles(n_repeats: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Colour and dash of every number of repeats, the study's own first."""
    order = list(dict.fromkeys(n_repeats))
    palette = colours(max(len(order), 1))
    dashes = ("-", (0, (4, 1.5)), (0, (1, 1)))
    return {
        repeats: {"color": palette[number], "linestyle": dashes[number % 3]}
        for number, repeats in enumerate(order)
    }


def _plausible(parts: CVComponents) -> list[float]:
    """Ends of the 95 % interval of the elasticity; one value where it is known.

    Within [0, 1], unless halvings have measured it: they may show more.
    """
    spread = sps.norm.ppf(0.975) * parts.elasticity_error
    low, high = (-1.0, math.inf) if "halvings" in parts.elasticity_sources else (0.0, 1.0)
    ends = np.clip([parts.elasticity - spread, parts.elasticity + spread], low, high)
    return sorted({float(end) for end in ends})


def _power_function(
    parts: CVComponents, method: str, repeats: int, size: float, elasticity: float, alpha: float
) -> Callable[[float], float]:
    """Power as a function of the difference, with `size` times the patients."""
    shared = max(parts.shared_variance, 0.0) / size
    if method == "nadeau-bengio":
        return partial(
            corrected_ttest_power,
            standard_deviation=float(parts.differences.std(ddof=1)) / math.sqrt(size),
            n_values=repeats * parts.n_folds,
            n_train=parts.n_folds - 1,
            n_test=1,
            alpha=alpha,
        )
    return partial(
        repeated_cv_power,
        case_variance=max(parts.case_variance / size, shared),
        shared_variance=shared,
        repeat_variance=parts.repeat_variance,
        n_repeats=repeats,
        elasticity=elasticity,
        method=method if method in _METHODS else "larger-variance",
        alpha=alpha,
    )


def _needed(function: Callable[[float], float], step: float, power: float) -> float:
    """The difference at which a power is reached."""
    upper = step
    while function(upper) < power:
        upper *= 2
    return float(optimize.brentq(lambda d: function(d) - power, 0.0, upper, xtol=1e-7))


def _bands(frame: pd.DataFrame, x: str, ax: Axes) -> None:
    for repeats, style in repeat_styles(list(frame["n_repeats"])).items():
        own = frame[frame["n_repeats"] == repeats].sort_values(x)
        ax.fill_between(own[x], own["low"], own["high"], color=style["color"], alpha=0.2, lw=0)
        exact = np.array_equal(own["low"], own["high"])
        for edge in ("low",) if exact else ("low", "high"):
            ax.plot(own[x], own[edge], linewidth=1.2 if exact else 0.8, **style)


def _finish(ax: Axes) -> None:
    ax.xaxis.set_major_formatter(tick_label)
    ax.yaxis.set_major_formatter(tick_label)
    ax.tick_params(color=GREY)
