"""Bootstrap test of the difference between two AUCs: stratified, paired, clustered.

Cases, or patients with all their images, are drawn with replacement; both models are
evaluated on the same draw. The scores are sorted once and replicates are evaluated as
reweightings, exactly also with ties: see :mod:`stats_tl.stats._shared.auc_replicates`.
"""

from __future__ import annotations

__all__ = ["bootstrap_auc_test"]

from typing import Any

import numpy as np

from .._shared.auc_replicates import AUCReplicates
from .._shared.bootstrap_results import Replicates, comparison_result
from .._shared.degenerate import warn_degenerate
from .._shared.inference import Hypothesis
from .._shared.paired_sample import PairedSample
from .._shared.placements import class_sizes
from .._shared.resampling import Resampler, Resampling, acceleration, resampling_of
from ..results import TestResult


def bootstrap_auc_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    groups: Any = None,
    stratified: bool = True,
    method: str = "BCa",
    n_resamples: int = 9999,
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
    rng: Any = None,
    return_draws: bool = False,
    resampling: Resampling | None = None,
) -> TestResult:
    """Paired bootstrap test of the difference between two AUCs on the same cases.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores_a, scores_b : array_like of shape (n,)
        Scores of the candidate and of the reference for the same cases in the same order;
        higher means more likely positive.
    groups : array_like of shape (n,), optional
        Patient of each case; patients are resampled with all their cases.
    stratified : bool
        Resample within classes; patients within those who have negative cases only,
        positive cases only, and both. A group of one or two patients hardly varies then:
        with few patients of a kind set it to False.
    method : {"BCa", "percentile", "basic"}
        Interval: bias-corrected and accelerated, percentile, or basic.
    n_resamples : int
        Number of bootstrap replicates.
    alternative : {"two-sided", "less", "greater"}
        About ``AUC_a - AUC_b`` against `null_value`.
    null_value : float
        Difference under the null hypothesis.
    confidence_level : float
        Coverage of the interval, one-sided for a one-sided alternative.
    rng : int, numpy.random.Generator or None
        Seed or generator. The same seed gives the same replicates whatever memory allows
        to be computed at once.
    return_draws : bool
        Whether to keep the replicates of the difference in ``result.draws``.
    resampling : Resampling, optional
        These options as one object, in place of the keywords.

    Returns
    -------
    TestResult
        ``standard_error`` is the standard deviation of the replicates, ``statistic`` the
        estimate (minus `null_value`) over it, ``pvalue`` its normal p value, as in pROC.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label or score is missing, `groups` leaves
        a class with one patient, or an option is unknown.

    Warns
    -----
    DegenerateDataWarning
        If both AUCs are 1 (p = 1 by convention), a class has a single case, or BCa is
        undefined because all replicates lie on one side of the estimate.

    Notes
    -----
    The p value comes from the bootstrap standard error, the interval from `method`; where
    they disagree about the null value ``warnings`` says so. The acceleration of BCa comes
    from the structural components of the AUCs, by patient where `groups` is given.

    The fitted models are fixed: do not use it for scores pooled over the folds or repeats
    of a cross-validation, nor without `groups` where patients have several images. With
    fewer than about 10 cases in a class the bootstrap is too narrow: prefer
    :func:`permutation_auc_test`.

    References
    ----------
    .. [1] Efron B. Better bootstrap confidence intervals. Journal of the American
       Statistical Association 1987;82:171-185. :doi:`10.1080/01621459.1987.10478410`
    .. [2] Rutter CM. Bootstrap estimation of diagnostic accuracy with patient-clustered
       data. Academic Radiology 2000;7:413-419. :doi:`10.1016/S1076-6332(00)80381-5`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import bootstrap_auc_test
    >>> generator = np.random.default_rng(1)
    >>> y_true = np.repeat([0, 1], 100)
    >>> a = generator.normal(size=200) + 2 * y_true
    >>> b = generator.normal(size=200) + y_true
    >>> result = bootstrap_auc_test(y_true, a, b, rng=0)
    >>> result.pvalue < 0.05, result.confidence_interval.low > 0
    (True, True)
    """
    sample = PairedSample.of_scores(y_true, scores_a, scores_b, groups)
    hypothesis = Hypothesis(alternative, null_value, confidence_level)
    how = resampling_of(
        resampling,
        {
            "n_resamples": n_resamples,
            "rng": rng,
            "interval": method,
            "stratified": bool(stratified),
            "return_draws": return_draws,
        },
        interval="BCa",
    )
    return comparison_result(
        sample.size,
        hypothesis,
        how,
        _replicates(sample, hypothesis.null_value, how),
        estimates=sample.aucs,
        estimate=sample.estimate,
        name="bootstrap",
        quantity="correlated AUCs",
    )


def _replicates(sample: PairedSample, null_value: float, how: Resampling) -> Replicates:
    obstacle = sample.obstacle()
    if obstacle:
        return Replicates(warnings=(warn_degenerate(obstacle),))
    labels = sample.labels
    resampler = Resampler(labels, sample.codes, how.stratified)
    evaluate = AUCReplicates(labels, sample.scores, resampler, how.n_resamples)
    first_order = (sample.components - sample.estimate) / np.where(labels, *class_sizes(labels))
    return Replicates(
        draws=evaluate.draw(how.rng, how.n_resamples),
        accel=acceleration(resampler.influence(first_order)),
        warnings=tuple(sample.conventions(null_value)),
    )
