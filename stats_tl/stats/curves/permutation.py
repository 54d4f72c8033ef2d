"""Permutation test of the difference between two AUCs by swapping arms within patients.

If both models were equally good and interchangeable, exchanging the two (rank-transformed)
scores of a patient would change nothing in distribution. With e_g = +1 (kept) or -1
(swapped) for patient g, the difference of the AUCs after swapping is *linear* in e. For a
positive case i and a negative case j, with a and b their ranks under the two models and
psi as in DeLong's statistic,

    AUC_a - AUC_b = mean over i, j of (e_i + e_j)/2 [psi(a_i, a_j) - psi(b_i, b_j)]
                                    + (e_i - e_j)/2 [psi(a_i, b_j) - psi(b_i, a_j)],

so that each patient has one coefficient, found by sorting, and a permutation costs one sum
over patients. The permutation variance is the sum of the squared coefficients.
"""

from __future__ import annotations

__all__ = ["permutation_auc_test"]

import math
from typing import Any

import numpy as np

from .._shared.inference import Hypothesis, conclude
from .._shared.paired_sample import PairedSample
from .._shared.placements import class_sizes
from .._shared.resampling import Resampling, resampling_of
from .._shared.swaps import describe_swaps, random_swaps, swap_coefficients
from ..procedure import Procedure
from ..results import TestResult


def permutation_auc_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    groups: Any = None,
    n_resamples: int = 9999,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
    rng: Any = None,
    return_draws: bool = False,
    resampling: Resampling | None = None,
) -> TestResult:
    """Paired permutation test of the difference between two AUCs on the same cases.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores_a, scores_b : array_like of shape (n,)
        Scores of the candidate and of the reference for the same cases in the same order.
        Each is replaced by its ranks, so the models need no common scale.
    groups : array_like of shape (n,), optional
        Patient of each case; the arms are swapped for all cases of a patient at once.
    n_resamples : int
        Number of random permutations. If there are no more than this many permutations in
        all (2 to the number of patients), each is evaluated once and the test is exact.
    alternative : {"two-sided", "less", "greater"}
        About ``AUC_a - AUC_b`` against 0.
    confidence_level : float
        Coverage of the interval.
    rng : int, numpy.random.Generator or None
        Seed or generator.
    return_draws : bool
        Whether to keep the permuted differences in ``result.draws``.
    resampling : Resampling, optional
        These options as one object, in place of the keywords.

    Returns
    -------
    TestResult
        ``standard_error`` is the standard deviation of the permutation distribution (known
        exactly, not simulated) and ``statistic`` the estimate over it; ``pvalue`` is the
        share of permutations at least as extreme, the observed one included.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label or score is missing, or all cases
        belong to one patient.

    Warns
    -----
    DegenerateDataWarning
        If both AUCs are 1; p = 1 then is a convention.

    Notes
    -----
    The null hypothesis is that the arms are exchangeable within patients after the rank
    transformation, which is more than equal AUCs: with equal AUCs but crossing ROC curves
    the test may be off its level in large samples, where :func:`delong_test` is the better
    choice. It is the test of choice for small samples. The interval is the estimate plus
    and minus a normal quantile times the permutation standard error: an approximation that
    is good for small differences. Do not use it for scores pooled over folds or repeats.

    References
    ----------
    .. [1] Bandos AI, Rockette HE, Gur D. A permutation test sensitive to differences in
       areas for comparing ROC curves from a paired design. Statistics in Medicine
       2005;24:2873-2893. :doi:`10.1002/sim.2149`
    .. [2] Venkatraman ES, Begg CB. A distribution-free procedure for comparing receiver
       operating characteristic curves from a paired experiment. Biometrika 1996;83:835-848.
       :doi:`10.1093/biomet/83.4.835`

    Examples
    --------
    >>> from stats_tl.stats import permutation_auc_test
    >>> y_true = [0, 0, 0, 0, 1, 1, 1, 1]
    >>> a = [1, 2, 3, 4, 5, 6, 7, 8]
    >>> b = [5, 2, 7, 4, 1, 6, 3, 8]
    >>> result = permutation_auc_test(y_true, a, b)
    >>> result.estimate, result.pvalue
    (0.5, 0.125)
    """
    sample = PairedSample.of_scores(y_true, scores_a, scores_b, groups)
    hypothesis = Hypothesis(alternative, 0.0, confidence_level)
    how = resampling_of(
        resampling,
        {"n_resamples": n_resamples, "rng": rng, "return_draws": return_draws},
        minimum=1,
    )
    sample.require_swaps()

    n1, n0 = class_sizes(sample.labels)
    pairs = n1 * n0
    observed = 2 * int(sample.difference[sample.labels].sum())
    coefficients = swap_coefficients(sample.labels, sample.a, sample.b, sample.difference)
    if sample.codes is not None:
        coefficients = np.bincount(sample.codes, weights=coefficients)
    draws, exact = _swapped(coefficients, how)
    standard_error = math.sqrt(float(np.sum((coefficients / (4 * pairs)) ** 2)))
    found = hypothesis.wald(observed / (4 * pairs), standard_error)
    procedure = Procedure(
        name="permutation",
        variance="permutation",
        clustered=sample.clustered,
        n_resamples=draws.size,
        exhaustive=exact,
        n_arms=2,
    )
    return conclude(
        hypothesis,
        found._replace(pvalue=_pvalue(draws, observed, hypothesis.alternative, exact)),
        estimates=sample.aucs,
        size=sample.size,
        procedure=procedure,
        method=f"Permutation test of two correlated AUCs, {describe_swaps(procedure)}",
        warnings=sample.conventions(),
        draws=draws / (4 * pairs) if how.return_draws else None,
    )


def _swapped(coefficients: np.ndarray, how: Resampling) -> tuple[np.ndarray, bool]:
    """Permuted values, and whether these are all there are."""
    coefficients = coefficients[coefficients != 0]  # swapping the others changes nothing
    n_units = coefficients.size
    if n_units < 63 and 2**n_units <= how.n_resamples:
        draws = np.zeros(1)
        for value in coefficients:
            draws = np.concatenate([draws + value, draws - value])
        return draws, True
    draws = np.concatenate(
        [2 * (kept @ coefficients) for kept in random_swaps(n_units, how.n_resamples, how.rng)]
    )
    draws -= coefficients.sum()
    return draws, False


def _pvalue(draws: np.ndarray, observed: float, alternative: str, exact: bool) -> float:
    """Share of permutations at least as extreme; sums of whole numbers compare exactly."""
    if alternative == "two-sided":
        extreme = np.abs(draws) >= abs(observed)
    elif alternative == "greater":
        extreme = draws >= observed
    else:
        extreme = draws <= observed
    added = 0 if exact else 1
    return float((extreme.sum() + added) / (draws.size + added))
