"""Average precision with bootstrap inference."""

from __future__ import annotations

__all__ = ["average_precision", "average_precision_test"]

from typing import Any

import numpy as np

from .._shared.inference import Hypothesis, check_confidence_level
from .._shared.paired_sample import CaseSample, PairedSample
from .._shared.resampling import Resampling, resampling_of
from .._shared.validation import as_scores
from ..results import AUCResult, TestResult
from .curve_bootstrap import compare_curves, one_curve


def average_precision(
    y_true: Any,
    scores: Any,
    *,
    groups: Any = None,
    stratified: bool = True,
    method: str = "percentile",
    n_resamples: int = 9999,
    confidence_level: float = 0.95,
    rng: Any = None,
    return_draws: bool = False,
    resampling: Resampling | None = None,
) -> AUCResult:
    """Average precision, the area under the precision-recall steps, with a bootstrap interval.

    ``sum over thresholds of (recall_k - recall_(k-1)) * precision_k``, thresholds from the
    highest score down, tied scores taken together: scikit-learn's definition.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores : array_like of shape (n,)
        Higher means more likely positive.
    groups : array_like of shape (n,), optional
        Patient of each case; patients are resampled.
    stratified : bool
        Resample within classes, which holds the prevalence fixed.
    method : {"percentile", "BCa", "basic"}
        Bootstrap interval. BCa evaluates the curve once more for every case left out.
    n_resamples : int
        Number of bootstrap replicates.
    confidence_level : float
        Coverage of the interval.
    rng : int, numpy.random.Generator or None
        Seed or generator.
    return_draws : bool
        Whether to keep the replicates in ``result.draws``.
    resampling : Resampling, optional
        These options as one object, in place of the keywords.

    Returns
    -------
    AUCResult
        ``quantity`` is ``"average precision"``.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label or score is missing, or `groups`
        leaves a class with one patient.

    Warns
    -----
    DegenerateDataWarning
        If a class has a single case: standard error and interval are NaN.

    Notes
    -----
    Average precision depends on the prevalence: do not compare it between data sets of
    different prevalence. It is biased upwards in small samples, and so is its bootstrap.

    References
    ----------
    .. [1] Davis J, Goadrich M. The relationship between precision-recall and ROC curves.
       ICML 2006:233-240. :doi:`10.1145/1143844.1143874`
    .. [2] Boyd K, Eng KH, Page CD. Area under the precision-recall curve: point estimates
       and confidence intervals. ECML PKDD 2013:451-466.
       :doi:`10.1007/978-3-642-40994-3_29`

    Examples
    --------
    >>> from stats_tl.stats import average_precision
    >>> result = average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], rng=0)
    >>> round(result.estimate, 4)
    0.8333
    """
    sample = CaseSample.of(y_true, groups)
    values = as_scores(scores, sample.labels.size)
    level = check_confidence_level(confidence_level)
    how = resampling_of(
        resampling,
        {
            "n_resamples": n_resamples,
            "rng": rng,
            "interval": method,
            "stratified": bool(stratified),
            "return_draws": return_draws,
        },
        interval="percentile",
    )
    return one_curve(
        sample,
        values,
        _average_precision,
        how,
        name="average-precision",
        quantity="average precision",
        confidence_level=level,
    )


def average_precision_test(
    y_true: Any,
    scores_a: Any,
    scores_b: Any,
    *,
    groups: Any = None,
    stratified: bool = True,
    method: str = "percentile",
    n_resamples: int = 9999,
    alternative: str = "two-sided",
    null_value: float = 0.0,
    confidence_level: float = 0.95,
    rng: Any = None,
    return_draws: bool = False,
    resampling: Resampling | None = None,
) -> TestResult:
    """Paired bootstrap test of the difference between two average precisions.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores_a, scores_b : array_like of shape (n,)
        Scores of the candidate and of the reference for the same cases in the same order.
    groups, stratified, method, n_resamples, alternative, null_value, confidence_level, rng, \
return_draws, resampling
        As in :func:`bootstrap_auc_test`.

    Returns
    -------
    TestResult
        The p value is that of the estimate over its bootstrap standard error.

    Raises
    ------
    ValueError
        As :func:`average_precision`.

    Warns
    -----
    DegenerateDataWarning
        If a class has a single case: all inference is NaN.

    Notes
    -----
    Both models see the same cases, hence the same prevalence. With fewer than about 20
    positive cases prefer :func:`permutation_auc_test` on the AUC.

    References
    ----------
    .. [1] Boyd K, Eng KH, Page CD. ECML PKDD 2013:451-466.
       :doi:`10.1007/978-3-642-40994-3_29`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import average_precision_test
    >>> generator = np.random.default_rng(1)
    >>> y_true = np.repeat([0, 1], 100)
    >>> a = generator.normal(size=200) + 2 * y_true
    >>> b = generator.normal(size=200) + y_true
    >>> average_precision_test(y_true, a, b, rng=0).pvalue < 0.05
    True
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
        interval="percentile",
    )
    return compare_curves(
        sample,
        _average_precision,
        hypothesis,
        how,
        name="average-precision",
        quantity="average precisions",
    )


def _average_precision(true_positives: np.ndarray, false_positives: np.ndarray) -> np.ndarray:
    gained = np.diff(true_positives, axis=1)
    selected = (true_positives + false_positives)[:, 1:]
    precision = np.divide(
        true_positives[:, 1:], selected, out=np.zeros(selected.shape), where=selected > 0
    )
    average: np.ndarray = np.sum(gained * precision, axis=1) / true_positives[:, -1]
    return average
