"""How many repeats, seeds and patients does a difference need? By simulation from an archive.

The components of a finished study (:func:`.repeated_cv_components`) are taken as the truth
of the next one, of another size. Variances between cases shrink with the number of
patients, the variance between training runs with the number of seeds averaged in a repeat,
that between splits with the number of repeats only.
"""

from __future__ import annotations

__all__ = ["simulate_design"]

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy

from .._shared.validation import check_positive_int
from ..crossvalidation.components import CVComponents
from ..crossvalidation.elasticity import check_elasticity
from .power import smallest_detectable_difference

METHODS = ("learning-curve", "repeat-delong", "larger-variance", "nadeau-bengio")


def simulate_design(
    components: CVComponents,
    *,
    difference: float = 0.02,
    n_repeats: Sequence[int] = (5, 10, 20),
    n_seeds: Sequence[int] = (1,),
    n_units: Sequence[int] | None = None,
    seed_variance: float | None = None,
    elasticity: float | None = None,
    method: str = "learning-curve",
    alpha: float = 0.05,
    power: float = 0.8,
    n_resamples: int = 4000,
    rng: Any = None,
) -> pd.DataFrame:
    """Power of :func:`repeated_cv_test` over designs, from the components of a study.

    Parameters
    ----------
    components : CVComponents
        From at least two repeats of a study like the one planned.
    difference : float, default 0.02
        True difference in AUC to be found.
    n_repeats, n_seeds, n_units : sequence of int
        Designs: all combinations. `n_units` are patients (or cases), by default as many
        as in `components`.
    seed_variance : float, optional
        Variance of a repeat's difference between training seeds on one split. Needed where
        more than one seed is asked for; at most the repeat variance.
    elasticity : float, optional
        Elasticity of the learning curve, at least -1; by default that of `components`, which is
        above 1 where halvings show that training adds more variance than testing.
    method : {"learning-curve", "repeat-delong", "larger-variance", "nadeau-bengio"}
        Variance that the test will use.
    alpha : float, default 0.05
        Two-sided level.
    power : float, default 0.8
        Power for the column ``smallest_detectable_difference``.
    n_resamples : int, default 4000
        Simulated studies a design.
    rng : int or numpy.random.Generator, optional
        Seed; all designs use the same draws.

    Returns
    -------
    pandas.DataFrame
        One row per design: ``n_units, n_repeats, n_seeds, true_standard_error, size, power,
        power_error, smallest_detectable_difference``. `size` is the share of rejections
        without a difference: above `alpha`, the test would be liberal at that elasticity.
        `power_error` is the Monte-Carlo standard error.

    Raises
    ------
    ValueError
        If the components come from one repeat, a number is out of range or `method` is
        unknown.

    See Also
    --------
    repeated_cv_power : One design in closed form.

    Notes
    -----
    A simulated study draws its estimate around `difference` with variance
    ``(1 + elasticity)**2 C + s2 / M`` and its variance estimates from scaled chi-squares, with
    ``M - 1`` degrees of freedom between repeats and those of the rarer class between cases.
    Taking the components and the elasticity as known makes the answer optimistic after a
    small pilot. The variance between repeats is not reduced with more patients, which makes it
    cautious. It does not extrapolate how the *difference* changes with training size.
    Do not use it where the design will train on far more patients than the pilot had.

    References
    ----------
    .. [1] Morris TP, White IR, Crowther MJ. Using simulation studies to evaluate statistical
       methods. Statistics in Medicine 2019;38:2074-2102. :doi:`10.1002/sim.8086`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import repeated_cv_components, simulate_design
    >>> rng = np.random.default_rng(0)
    >>> n, repeats = 300, 5
    >>> y = np.arange(n) % 3 == 0
    >>> folds = np.array([rng.permutation(n // 3).repeat(3) % 5 for _ in range(repeats)])
    >>> shared = y + rng.standard_normal(n)
    >>> own = 0.5 * rng.standard_normal((2, 1, n))
    >>> a, b = shared + own + 0.6 * rng.standard_normal((2, repeats, n))
    >>> parts = repeated_cv_components(y, a, b, folds)
    >>> plan = simulate_design(
    ...     parts, difference=0.05, n_repeats=(5, 20), n_units=(300, 1200), rng=1
    ... )
    >>> plan[["n_units", "n_repeats", "power"]].round(2)
       n_units  n_repeats  power
    0      300          5   0.42
    1      300         20   0.55
    2     1200          5   0.60
    3     1200         20   0.95
    """
    parts = components
    if math.isnan(parts.repeat_variance):
        raise ValueError("`components` must come from at least two repeats, got one.")
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {METHODS}, got {method!r}.")
    if not 0 < alpha < 1:
        raise ValueError(f"`alpha` must be between 0 and 1, got {alpha!r}.")
    elasticity = check_elasticity(parts.elasticity if elasticity is None else elasticity)
    if seed_variance is None and any(s != 1 for s in n_seeds):
        raise ValueError("`seed_variance` is needed where `n_seeds` asks for more than one seed.")
    seed = 0.0 if seed_variance is None else float(seed_variance)
    if not 0 <= seed <= parts.repeat_variance * (1 + 1e-9):
        raise ValueError(
            "`seed_variance` must lie between 0 and the repeat variance "
            f"{parts.repeat_variance:g}, got {seed:g}."
        )
    draws = check_positive_int(n_resamples, name="n_resamples", minimum=100)
    units = (parts.n_units,) if n_units is None else tuple(n_units)
    entropy = np.random.default_rng(rng).integers(2**63)
    question = _Question(float(difference), method, alpha, power, elasticity, seed, draws)
    rows = []
    for n, m, s in itertools.product(units, n_repeats, n_seeds):
        check_positive_int(n, name="n_units", minimum=10)
        check_positive_int(m, name="n_repeats", minimum=2)
        check_positive_int(s, name="n_seeds")
        generator = np.random.default_rng(entropy)
        rows.append(_one_design(parts, question, (n, m, s), generator))
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class _Question:
    """What is asked of every design."""

    difference: float
    method: str
    alpha: float
    power: float
    elasticity: float
    seed_variance: float
    draws: int


def _one_design(
    parts: CVComponents,
    question: _Question,
    design: tuple[int, int, int],
    rng: np.random.Generator,
) -> dict[str, float]:
    """Size and power with (units, repeats, seeds) as in `design`."""
    n, m, s = design
    elasticity, draws = question.elasticity, question.draws
    seed_variance, difference = question.seed_variance, question.difference
    repeat = max(parts.repeat_variance - seed_variance, 0.0) + seed_variance / s
    kept = repeat / parts.repeat_variance if parts.repeat_variance > 0 else 1.0
    larger = parts.n_units / n
    shared = max(parts.shared_variance, 0.0) * larger
    own = max(parts.case_variance - max(parts.shared_variance, 0.0), 0.0) * larger * kept
    true = (1 + elasticity) ** 2 * shared + repeat / m
    noise = math.sqrt(true) * rng.standard_normal(draws)
    case_df = max(parts.n_minority / larger - 1, 1)
    cases = rng.chisquare(case_df, draws) / case_df
    between = repeat / m * rng.chisquare(m - 1, draws) / (m - 1)
    delong = (shared + own) * cases, np.full(draws, math.inf)
    curve = (1 + elasticity) ** 2 * shared * cases + between
    with np.errstate(divide="ignore"):
        curve_df = np.where(between > 0, (m - 1) * (curve / between) ** 2, math.inf)
    if question.method == "learning-curve":
        variance, df = curve, curve_df
    elif question.method == "repeat-delong":
        variance, df = delong
    elif question.method == "larger-variance":
        variance = np.maximum(curve, delong[0])
        df = np.where(curve >= delong[0], curve_df, math.inf)
    else:
        k = parts.n_folds
        fold_df = m * k - 1
        spread = float(parts.differences.var(ddof=1)) * larger
        variance = (1 / (m * k) + 1 / (k - 1)) * spread * rng.chisquare(fold_df, draws) / fold_df
        df = np.full(draws, float(fold_df))
    # A t of a million degrees of freedom is a normal, and scipy's quantile takes it.
    threshold = scipy.stats.t.isf(question.alpha / 2, np.minimum(df, 1e6)) * np.sqrt(variance)
    found = float(np.mean(np.sign(difference) * (difference + noise) > threshold))
    return {
        "n_units": n,
        "n_repeats": m,
        "n_seeds": s,
        "true_standard_error": math.sqrt(true),
        "size": float(np.mean(np.abs(noise) > threshold)),
        "power": found,
        "power_error": math.sqrt(found * (1 - found) / draws),
        "smallest_detectable_difference": smallest_detectable_difference(
            math.sqrt(float(np.mean(variance))),
            df=float(min(np.median(df), 1e6)),
            alpha=question.alpha,
            power=question.power,
        ),
    }
