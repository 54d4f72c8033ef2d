"""One area under the ROC curve with its confidence interval."""

from __future__ import annotations

__all__ = ["auc_logit_interval", "roc_auc"]

import math
from typing import Any

import numpy as np

from .._shared.auc_replicates import AUCReplicates
from .._shared.bootstrap_results import Replicates, single_result
from .._shared.degenerate import warn_degenerate
from .._shared.inference import check_confidence_level, logit_interval, wald_inference
from .._shared.paired_sample import CaseSample, components_under
from .._shared.placements import class_sizes, component_covariance
from .._shared.resampling import Resampler, Resampling, acceleration, resampling_of
from .._shared.validation import as_scores, check_option
from ..procedure import Procedure, ResultWarning
from ..results import AUCResult, ConfidenceInterval
from .delong import describe_sampling

METHODS = ("delong", "logit", "bootstrap")


def roc_auc(
    y_true: Any,
    scores: Any,
    *,
    groups: Any = None,
    sample_weight: Any = None,
    method: str = "delong",
    confidence_level: float = 0.95,
    n_resamples: int = 9999,
    bootstrap_interval: str = "percentile",
    stratified: bool = True,
    rng: Any = None,
    return_draws: bool = False,
    resampling: Resampling | None = None,
) -> AUCResult:
    """Area under the ROC curve with a confidence interval.

    The area is the share of (positive, negative) pairs that the scores rank right, ties
    counting one half. Its variance is DeLong's, or Obuchowski's where `groups` is given.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    scores : array_like of shape (n,)
        Higher means more likely positive; only ranks matter.
    groups : array_like of shape (n,), optional
        Patient of each case.
    sample_weight : array_like of shape (n,), optional
        Weight of each case, such as the inverse of its probability of being in the sample;
        their scale does not matter, and cases of weight 0 are left out. The weights are
        taken as known, and a case as one case whatever its weight.
        Not with ``method="bootstrap"``.
    method : {"delong", "logit", "bootstrap"}
        Interval: Wald, cut at 0 and 1; Wald on the logit scale and transformed back, which
        covers better near 1 and in small samples; or bootstrap of cases, or of patients.
    confidence_level : float
        Coverage of the interval.
    n_resamples : int
        Number of bootstrap replicates.
    bootstrap_interval : {"percentile", "BCa", "basic"}
        Kind of the bootstrap interval.
    stratified : bool
        Whether the bootstrap draws within classes, so that their sizes stay as they are.
    rng : int, numpy.random.Generator or None
        Seed or generator of the bootstrap.
    return_draws : bool
        Whether to keep the bootstrap replicates in ``result.draws``.
    resampling : Resampling, optional
        The options of the bootstrap as one object, in place of the keywords.

    Returns
    -------
    AUCResult
        ``standard_error`` is on the scale of the AUC, for every method.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label or score is missing, `groups` leaves
        a class with one patient, or `method` is unknown.

    Warns
    -----
    DegenerateDataWarning
        If a class has a single case (standard error and interval are NaN), or the estimated
        variance is 0, as with an AUC of 1 or constant scores (the interval is a point).

    Notes
    -----
    With an AUC of exactly 1 no method here says how much lower it may be: all give the
    interval (1, 1) and a warning. Do not compare two models by looking whether their
    intervals overlap: use :func:`delong_test`. Do not use it on scores pooled over folds.

    References
    ----------
    .. [1] DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845.
       :doi:`10.2307/2531595`
    .. [2] Obuchowski NA. Biometrics 1997;53:567-578. :doi:`10.2307/2533958`
    .. [3] Qin G, Hotilovac L. Comparison of non-parametric confidence intervals for the
       area under the ROC curve of a continuous-scale diagnostic test. Statistical Methods in
       Medical Research 2008;17:207-221. :doi:`10.1177/0962280207087173`
    .. [4] Alonzo TA, Pepe MS. Assessing accuracy of a continuous screening test in the
       presence of verification bias. Applied Statistics 2005;54:173-190.
       :doi:`10.1111/j.1467-9876.2005.00477.x`

    Examples
    --------
    >>> from stats_tl.stats import roc_auc
    >>> result = roc_auc([0, 0, 0, 1, 1, 1], [1, 2, 5, 3, 4, 6], method="logit")
    >>> print(result)
    AUC with a DeLong logit interval (cases random, fitted models fixed)
    AUC = 0.7778 (standard error 0.2485), 95 % confidence interval 0.1730 to 0.9832
    6 cases: 3 positive, 3 negative
    """
    sample = CaseSample.of(y_true, groups)
    labels = sample.labels
    values = as_scores(scores, labels.size)
    check_option(method, METHODS, name="method")
    level = check_confidence_level(confidence_level)
    how = resampling_of(
        resampling,
        {
            "n_resamples": n_resamples,
            "rng": rng,
            "interval": bootstrap_interval,
            "stratified": bool(stratified),
            "return_draws": return_draws,
        },
        interval="percentile",
        interval_keyword="bootstrap_interval",
    )

    if method == "bootstrap" and sample_weight is not None:
        raise ValueError("`sample_weight` needs method='delong' or 'logit', got 'bootstrap'.")
    sample, aucs, components = components_under(sample, values[None], sample_weight)
    labels, auc = sample.labels, float(aucs[0])
    variance = math.nan
    notes: tuple[ResultWarning, ...] = ()
    obstacle = sample.obstacle()
    if obstacle:
        notes = (warn_degenerate(obstacle),)
    else:
        variance = float(component_covariance(components, labels, sample.codes)[0, 0])
        if variance == 0:
            text = (
                f"the variance of the AUC of {auc:g} is estimated as 0, which can be misleading: "
                "the interval is a point"
            )
            notes = (warn_degenerate(ResultWarning("zero-variance", text)),)
    if method == "bootstrap":
        replicates = Replicates(warnings=notes)
        if not obstacle:
            resampler = Resampler(labels, sample.codes, how.stratified)
            evaluate = AUCReplicates(labels, [values], resampler, how.n_resamples)
            influence = (components[0] - auc) / np.where(labels, *class_sizes(labels))
            replicates = Replicates(
                draws=evaluate.draw(how.rng, how.n_resamples),
                accel=acceleration(resampler.influence(influence)),
                warnings=notes,
            )
        return single_result(
            sample,
            how,
            replicates,
            estimate=auc,
            name="auc",
            quantity="AUC",
            confidence_level=level,
        )
    standard_error = math.sqrt(variance)
    if standard_error == 0:
        interval = ConfidenceInterval(auc, auc)
    elif method == "logit":
        interval = logit_interval(auc, standard_error, level)
    else:
        interval = wald_inference(
            auc, standard_error, null_value=auc, confidence_level=level, bounds=(0.0, 1.0)
        )[2]
    n_positive, n_negative = class_sizes(labels)
    procedure = Procedure(
        name="auc",
        variance="obuchowski" if sample.clustered else "delong",
        version="logit" if method == "logit" else "Wald",
        clustered=sample.clustered,
    )
    return AUCResult(
        estimate=auc,
        standard_error=standard_error,
        confidence_interval=interval,
        confidence_level=level,
        n_cases=labels.size,
        n_positive=n_positive,
        n_negative=n_negative,
        n_groups=sample.n_groups,
        method=(
            f"{'' if sample_weight is None else 'Weighted '}AUC with a DeLong {procedure.version} "
            "interval "
            f"({describe_sampling(sample.clustered)})"
        ),
        warnings=notes,
        procedure=procedure,
    )


def auc_logit_interval(
    auc: float, standard_error: float, *, confidence_level: float = 0.95
) -> ConfidenceInterval:
    """Confidence interval of an AUC on the logit scale, from its standard error.

    Parameters
    ----------
    auc : float
        The estimate.
    standard_error : float
        Its standard error on the AUC scale, from whatever design.
    confidence_level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    ConfidenceInterval
        Within (0, 1): ``expit(logit(auc) -+ z * se / (auc * (1 - auc)))``. NaN where the AUC
        is 0 or 1 or the standard error is not positive, of which nothing can be said.

    Raises
    ------
    ValueError
        If `confidence_level` is not strictly between 0 and 1.

    See Also
    --------
    roc_auc : From labels and scores.

    References
    ----------
    .. [1] Qin G, Hotilovac L. Comparison of non-parametric confidence intervals for the
       area under the ROC curve of a continuous-scale diagnostic test. Statistical Methods in
       Medical Research 2008;17:207-221. :doi:`10.1177/0962280207087173`

    Examples
    --------
    >>> from stats_tl.stats import auc_logit_interval
    >>> low, high = auc_logit_interval(0.9, 0.03)
    >>> round(low, 3), round(high, 3)
    (0.824, 0.945)
    """
    level = check_confidence_level(confidence_level)
    return logit_interval(float(auc), float(standard_error), level)
