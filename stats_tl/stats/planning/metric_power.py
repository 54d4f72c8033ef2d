"""Power of the paired test of any metric, from the scores of a pilot.

The variance of a difference is the sum over independent units of their squared influences, so
that it falls as one over the number of units; a pilot shows it for the metric, the models and the
population at hand, where no model of scores is needed.
"""

from __future__ import annotations

__all__ = ["paired_metric_power", "paired_metric_sample_size"]

import math

from .._shared.validation import check_option, check_positive_int
from ..results import TestResult
from .power import check_probability, power_of_t

KINDS = ("equivalence", "noninferiority")
# No study has as many; a difference so small is an error of the input.
MOST_UNITS = 10**12


def paired_metric_power(
    pilot: TestResult,
    n: int,
    *,
    difference: float | None = None,
    margin: float | None = None,
    kind: str = "equivalence",
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> float:
    """Power of :func:`paired_metric_test` in a study of `n` units, from a pilot.

    Parameters
    ----------
    pilot : TestResult
        Of :func:`paired_metric_test`, by any metric.
    n : int
        Independent units of the study: patients where the pilot had `groups`, else cases. As
        many of them are positive, and patients have as many cases, as in the pilot.
    difference : float, optional
        True difference, candidate minus reference; of likelihood ratios that of their logarithms.
        The one that matters, not the one that the pilot found. By default 0 with a `margin`.
    margin : float, optional
        Power of a test of equivalence or noninferiority with this margin, in place of a difference.
    kind : {"equivalence", "noninferiority"}, default "equivalence"
        With `margin`: :func:`equivalence_test` or :func:`noninferiority_test`, which goes by the
        direction of the metric.
    alpha : float, default 0.05
        Level; with `margin` of each one-sided test.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        Of the test of a difference.

    Returns
    -------
    float
        Probability that the test is significant.

    Raises
    ------
    ValueError
        If `pilot` is of another test or has no variance, `difference` is missing, or a number or
        an option is out of range.

    See Also
    --------
    paired_metric_sample_size : The reverse.
    repeated_cv_power : Of training procedures; its components are of any metric.
    delong_power : Of the AUC without a pilot.

    Notes
    -----
    The standard error of the pilot is scaled by ``sqrt(n_pilot / n)``. It is itself an estimate,
    and of a metric that rests on few cases a poor one: the standard error of a variance from n
    units is about ``sqrt(2 / n)`` of it and more with outliers. Take a pilot of a hundred units or
    more, or plan for a larger variance.

    References
    ----------
    .. [1] Efron B, Stein C. The jackknife estimate of variance. Annals of Statistics
       1981;9:586-596. :doi:`10.1214/aos/1176345462`
    .. [2] Julious SA, Owen RJ. Sample size calculations for clinical studies allowing for
       uncertainty about the variance. Pharmaceutical Statistics 2006;5:29-37.
       :doi:`10.1002/pst.197`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import paired_metric_power, paired_metric_test
    >>> rng = np.random.default_rng(1)
    >>> y = np.arange(200) % 2
    >>> logit = 2 * y - 1 + rng.normal(size=200)
    >>> a, b = 1 / (1 + np.exp(-2 * logit)), 1 / (1 + np.exp(-logit - rng.normal(size=200)))
    >>> pilot = paired_metric_test(y, a, b, metric="brier_score")
    >>> round(paired_metric_power(pilot, 400, difference=-0.02), 3)
    0.85
    """
    check_probability(alpha, "alpha")
    units = check_positive_int(n, name="n", minimum=2)
    error, bounded = _standard_error(pilot, units)
    df = units - 1.0 if bounded else math.inf
    if margin is None:
        if difference is None:
            raise ValueError(
                "`difference` must be given, the smallest that matters, or a `margin`; that of the "
                "pilot is too uncertain to plan by."
            )
        return power_of_t(_finite(difference), error, df, alpha, alternative)
    check_option(kind, KINDS, name="kind")
    if not (margin > 0 and math.isfinite(margin)):
        raise ValueError(f"`margin` must be positive, got {margin!r}.")
    better = _finite(0.0 if difference is None else difference)
    if kind == "noninferiority":
        higher = pilot.procedure.higher_is_better
        if higher is None:
            raise ValueError(
                f"metric {pilot.procedure.metric!r} is best at a value in between, so that no arm "
                "is inferior for a lower one; use kind='equivalence'."
            )
        return _one_sided(margin + (better if higher else -better), error, df, alpha)
    sides = (_one_sided(margin + own, error, df, alpha) for own in (better, -better))
    return max(sum(sides) - 1, 0.0)


def paired_metric_sample_size(
    pilot: TestResult,
    *,
    difference: float | None = None,
    margin: float | None = None,
    kind: str = "equivalence",
    power: float = 0.8,
    alpha: float = 0.05,
    alternative: str = "two-sided",
) -> int:
    """Fewest units at which :func:`paired_metric_test` has the power, from a pilot.

    Parameters
    ----------
    pilot, difference, margin, kind, alpha, alternative
        As in :func:`paired_metric_power`.
    power : float, default 0.8
        Wanted power.

    Returns
    -------
    int
        Independent units: patients where the pilot had `groups`, else cases.

    Raises
    ------
    ValueError
        As :func:`paired_metric_power`, or if no number of units has the power: a difference of 0,
        on the other side than `alternative`, or not within the `margin`.

    See Also
    --------
    delong_sample_size, delong_equivalence_sample_size : Of the AUC without a pilot.

    References
    ----------
    .. [1] Julious SA, Owen RJ. Sample size calculations for clinical studies allowing for
       uncertainty about the variance. Pharmaceutical Statistics 2006;5:29-37.
       :doi:`10.1002/pst.197`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import paired_metric_sample_size, paired_metric_test
    >>> rng = np.random.default_rng(1)
    >>> y = np.arange(200) % 2
    >>> logit = 2 * y - 1 + rng.normal(size=200)
    >>> a, b = 1 / (1 + np.exp(-2 * logit)), 1 / (1 + np.exp(-logit - rng.normal(size=200)))
    >>> pilot = paired_metric_test(y, a, b, metric="brier_score")
    >>> paired_metric_sample_size(pilot, difference=-0.02)
    351
    """
    wanted = check_probability(power, "power")

    def reached(n: int) -> bool:
        found = paired_metric_power(
            pilot,
            n,
            difference=difference,
            margin=margin,
            kind=kind,
            alpha=alpha,
            alternative=alternative,
        )
        return found >= wanted

    low, high = 2, 4
    if reached(low):
        return low
    while not reached(high):
        low, high = high, 2 * high
        if high > MOST_UNITS:
            raise ValueError(
                f"No number of units up to {MOST_UNITS:,} has a power of {wanted:g}: the "
                "difference must not be 0, must lie on the side of `alternative`, and with a "
                "`margin` within it."
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def _standard_error(pilot: TestResult, n: int) -> tuple[float, bool]:
    """Of the difference in a study of `n` units, and whether its test is Student's."""
    if not isinstance(pilot, TestResult) or pilot.procedure.name != "paired-metric":
        given = pilot.procedure.name if isinstance(pilot, TestResult) else type(pilot).__name__
        raise ValueError(
            f"`pilot` must be a result of `paired_metric_test`, got {given!r}; of a repeated "
            "cross-validation see `repeated_cv_power`."
        )
    if not pilot.standard_error > 0:
        raise ValueError(
            "`pilot` has no variance, so that nothing can be planned by it: its arms do alike on "
            "every case, or a class has a single case."
        )
    units = pilot.n_cases if pilot.n_groups is None else pilot.n_groups
    assert units is not None
    student = isinstance(pilot.df, float) and math.isfinite(pilot.df)
    return pilot.standard_error * math.sqrt(units / n), student


def _one_sided(distance: float, error: float, df: float, alpha: float) -> float:
    """Power to show that an estimate lies above a bound that is `distance` below the truth."""
    return power_of_t(distance, error, df, alpha, "greater")


def _finite(difference: float) -> float:
    if not math.isfinite(difference):
        raise ValueError(f"`difference` must be a finite number, got {difference!r}.")
    return float(difference)
