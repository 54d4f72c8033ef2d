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

from .._shared.inference import check_alternative, check_confidence_level, wald_inference
from .._shared.placements import auc_of, class_sizes, doubled_placements
from .._shared.swaps import random_swaps, swap_coefficients
from .._shared.validation import (
    as_groups,
    as_labels,
    as_scores,
    check_positive_int,
    warn_degenerate,
)
from ..results import TestResult
from .delong import ALIKE, PERFECT


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
    labels = as_labels(y_true)
    scores_a = as_scores(scores_a, labels.size, name="scores_a")
    scores_b = as_scores(scores_b, labels.size, name="scores_b")
    codes = as_groups(groups, labels.size)
    check_alternative(alternative)
    level = check_confidence_level(confidence_level)
    n_resamples = check_positive_int(n_resamples, name="n_resamples")
    if codes is not None and not codes.any():
        raise ValueError(
            f"`groups` puts all {labels.size} cases in one patient; swapping the arms needs "
            "at least two patients."
        )

    n1, n0 = class_sizes(labels)
    pairs = n1 * n0
    doubled_a, doubled_b = (doubled_placements(labels, s) for s in (scores_a, scores_b))
    estimates = (auc_of(labels, doubled_a), auc_of(labels, doubled_b))
    observed = 2 * int((doubled_a - doubled_b)[labels].sum())
    coefficients = swap_coefficients(labels, scores_a, scores_b, doubled_a - doubled_b)
    if codes is not None:
        coefficients = np.bincount(codes, weights=coefficients)
    draws, exact = _swapped(coefficients, n_resamples, rng)

    texts: list[str] = []
    if estimates[0] == estimates[1] and estimates[0] in (0.0, 1.0):
        texts.append(warn_degenerate(PERFECT.format(auc=estimates[0])))
    elif np.array_equal(doubled_a, doubled_b):
        texts.append(ALIKE)
    estimate = observed / (4 * pairs)
    standard_error = math.sqrt(float(np.sum((coefficients / (4 * pairs)) ** 2)))
    statistic, _, interval = wald_inference(
        estimate, standard_error, alternative=alternative, confidence_level=level
    )
    return TestResult(
        statistic=statistic,
        pvalue=_pvalue(draws, observed, alternative, exact),
        df=math.inf,
        estimate=estimate,
        estimates=estimates,
        standard_error=standard_error,
        confidence_interval=interval,
        confidence_level=level,
        alternative=alternative,
        null_value=0.0,
        n_cases=labels.size,
        n_groups=None if codes is None else int(codes.max()) + 1,
        method=(
            f"Permutation test of two correlated AUCs, "
            f"{'all' if exact else 'random'} {draws.size} swaps of the arms within "
            f"{'cases' if codes is None else 'patients'} (sample and fitted models fixed)"
        ),
        warnings=tuple(texts),
        draws=draws / (4 * pairs) if return_draws else None,
    )


def _swapped(coefficients: np.ndarray, n_resamples: int, rng: Any) -> tuple[np.ndarray, bool]:
    """Permuted values, and whether these are all there are."""
    coefficients = coefficients[coefficients != 0]  # swapping the others changes nothing
    n_units = coefficients.size
    if n_units < 63 and 2**n_units <= n_resamples:
        draws = np.zeros(1)
        for value in coefficients:
            draws = np.concatenate([draws + value, draws - value])
        return draws, True
    draws = np.concatenate(
        [2 * (kept @ coefficients) for kept in random_swaps(n_units, n_resamples, rng)]
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
