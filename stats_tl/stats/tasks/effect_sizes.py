"""How large a difference is, in units that can be compared between studies.

Paired measurements of a candidate ``a`` and a reference ``b``, one pair a task. A positive
value always means that the candidate is higher.
"""

from __future__ import annotations

__all__ = [
    "EffectSizes",
    "cliffs_delta",
    "hodges_lehmann",
    "paired_effect_sizes",
]

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy

from .._shared.inference import check_confidence_level
from .._shared.signed_rank import as_pair, signed_rank_distribution
from ..results import ConfidenceInterval


@dataclass(frozen=True)
class EffectSizes:
    """Effect sizes of a paired comparison.

    Attributes
    ----------
    cohen_dz : float
        Mean difference over the standard deviation of the differences.
    hedges_gz : float
        `cohen_dz` times ``1 - 3 / (4 (n - 1) - 1)``, which removes its small-sample bias.
    cohen_dav : float
        Mean difference over the root of the mean of the two variances; does not grow with
        the correlation between the arms.
    cliffs_delta : float
        Share of all pairs (task i, task j) with a_i > b_j, minus the share with a_i < b_j;
        ignores the pairing.
    vargha_delaney_a : float
        ``(cliffs_delta + 1) / 2``, the probability of superiority.
    matched_rank_biserial : float
        Sum of the signed ranks over the sum of ranks: -1 to 1.
    hodges_lehmann : float
        Median of the means of all pairs of differences, in the units of the data.
    """

    cohen_dz: float
    hedges_gz: float
    cohen_dav: float
    cliffs_delta: float
    vargha_delaney_a: float
    matched_rank_biserial: float
    hodges_lehmann: float

    def to_frame(self) -> pd.DataFrame:
        """One row, unrounded."""
        return pd.DataFrame([asdict(self)])


class HodgesLehmann(NamedTuple):
    """Hodges-Lehmann estimate and its interval."""

    estimate: float
    confidence_interval: ConfidenceInterval


def paired_effect_sizes(a: Any, b: Any) -> EffectSizes:
    """Effect sizes of candidate against reference over tasks.

    Parameters
    ----------
    a, b : array_like of shape (tasks,)
        Measurements of candidate and reference on the same tasks.

    Returns
    -------
    EffectSizes
        Standardised values are NaN where the spread they divide by is zero.

    Raises
    ------
    ValueError
        If lengths differ, a value is missing or there are fewer than two tasks.

    Notes
    -----
    A difference in AUC already has a meaning; report it first. Over folds or seeds of one
    data set a standardised effect measures the stability of training, not its merit:
    do not use these there.

    References
    ----------
    .. [1] Lakens, D. (2013). Calculating and reporting effect sizes. Frontiers in Psychology
       4, 863. :doi:`10.3389/fpsyg.2013.00863`
    .. [2] Cliff, N. (1993). Dominance statistics. Psychological Bulletin 114, 494-509.
       :doi:`10.1037/0033-2909.114.3.494`
    .. [3] Kerby, D. S. (2014). The simple difference formula. Comprehensive Psychology 3.
       :doi:`10.2466/11.IT.3.1`

    Examples
    --------
    >>> from stats_tl.stats import paired_effect_sizes
    >>> sizes = paired_effect_sizes([0.74, 0.83, 0.69, 0.93, 0.81], [0.71, 0.80, 0.70, 0.88, 0.79])
    >>> print(f"{sizes.hedges_gz:.3f} {sizes.cliffs_delta:.2f} {sizes.hodges_lehmann:.3f}")
    0.876 0.20 0.025
    """
    x, y = as_pair(a, b)
    difference = x - y
    mean, n = float(difference.mean()), difference.size
    dz = _ratio(mean, float(difference.std(ddof=1)))
    # The usual approximation to Hedges' factor, a ratio of gamma functions.
    correction = 1 - 3 / (4 * (n - 1) - 1)
    delta = cliffs_delta(x, y)
    moved = difference[difference != 0]
    ranks = scipy.stats.rankdata(np.abs(moved))
    return EffectSizes(
        cohen_dz=dz,
        hedges_gz=dz * correction,
        cohen_dav=_ratio(mean, math.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2)),
        cliffs_delta=delta,
        vargha_delaney_a=(delta + 1) / 2,
        matched_rank_biserial=(
            float((np.sign(moved) * ranks).sum() / ranks.sum()) if moved.size else 0.0
        ),
        hodges_lehmann=hodges_lehmann(x, y).estimate,
    )


def cliffs_delta(a: Any, b: Any) -> float:
    """Cliff's delta of two samples, paired or not.

    Parameters
    ----------
    a, b : array_like of shape (n_a,) and (n_b,)
        Measurements.

    Returns
    -------
    float
        P(a > b) - P(a < b), between -1 and 1.

    Raises
    ------
    ValueError
        If a sample is empty, not one-dimensional or holds NaN.

    Notes
    -----
    Takes the two samples as independent: do not use it for paired scores, where
    :func:`paired_effect_sizes` also gives the matched rank-biserial correlation.

    References
    ----------
    .. [1] Cliff N. Dominance statistics: ordinal analyses to answer ordinal questions.
       Psychological Bulletin 1993;114:494-509. :doi:`10.1037/0033-2909.114.3.494`

    Examples
    --------
    >>> from stats_tl.stats import cliffs_delta
    >>> cliffs_delta([3, 4, 5], [1, 4])
    0.5
    """
    samples = [np.asarray(s, dtype=np.float64) for s in (a, b)]
    for name, sample in zip("ab", samples, strict=True):
        if sample.ndim != 1 or sample.size == 0 or np.isnan(sample).any():
            raise ValueError(f"`{name}` must be a one-dimensional sample without missing values.")
    x, y = samples
    ordered = np.sort(y)
    below = np.searchsorted(ordered, x, side="left").sum()
    above = (y.size - np.searchsorted(ordered, x, side="right")).sum()
    return float(below - above) / (x.size * y.size)


def hodges_lehmann(
    a: Any, b: Any, *, method: str = "exact", confidence_level: float = 0.95
) -> HodgesLehmann:
    """Hodges-Lehmann median difference with the interval that inverts the signed-rank test.

    Parameters
    ----------
    a, b : array_like of shape (tasks,)
        Measurements of candidate and reference on the same tasks.
    method : {"exact", "asymptotic"}, default "exact"
        Quantiles of the signed-rank distribution: its own, or of the normal with
        continuity correction.
    confidence_level : float, default 0.95
        Least coverage; the distribution is discrete, so the interval covers a little more.

    Returns
    -------
    HodgesLehmann
        ``estimate, confidence_interval``; the interval is infinite where there are too few
        tasks for the level.

    Raises
    ------
    ValueError
        If lengths differ, a value is missing, there are fewer than two tasks or `method` is
        unknown.

    Notes
    -----
    Order statistics of the Walsh averages, at quantiles of the signed-rank distribution
    without ties; with ties the exact interval is conservative.
    Do not use it over folds or repeats of one data set, which are not independent.

    References
    ----------
    .. [1] Hodges, J. L. and Lehmann, E. L. (1963). Estimates of location based on rank tests.
       Annals of Mathematical Statistics 34, 598-611. :doi:`10.1214/aoms/1177704172`

    Examples
    --------
    >>> from stats_tl.stats import hodges_lehmann
    >>> result = hodges_lehmann(
    ...     [0.74, 0.83, 0.69, 0.93, 0.81, 0.77], [0.71, 0.80, 0.70, 0.88, 0.79, 0.70]
    ... )
    >>> print(f"{result.estimate:.4f}")
    0.0300
    """
    level = check_confidence_level(confidence_level)
    x, y = as_pair(a, b)
    difference = x - y
    n = difference.size
    walsh = np.sort((difference[:, None] + difference)[np.triu_indices(n)] / 2)
    if method == "exact":
        distribution = signed_rank_distribution(np.arange(1, n + 1))
        # The largest k with P(V < k) at most half of what may be missed.
        below = int(np.searchsorted(np.cumsum(distribution), (1 - level) / 2, side="right"))
    elif method == "asymptotic":
        sd = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        below = math.ceil(n * (n + 1) / 4 - 0.5 - scipy.stats.norm.isf((1 - level) / 2) * sd)
    else:
        raise ValueError(f"`method` must be 'exact' or 'asymptotic', got {method!r}.")
    interval = (
        ConfidenceInterval(float(walsh[below - 1]), float(walsh[-below]))
        if below > 0
        else ConfidenceInterval(-math.inf, math.inf)
    )
    return HodgesLehmann(float(np.median(walsh)), interval)


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else math.nan
