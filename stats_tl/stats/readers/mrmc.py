"""Multi-reader multi-case (MRMC) comparison of AUCs: Obuchowski and Rockette's model.

Every reader scores every case with every arm. In a study of training procedures a reader
is a training run (a seed), and the arms are the procedures. The AUC of arm i with reader j

    A_ij = mu + tau_i + R_j + (tau R)_ij + e_ij

has errors that are correlated because all share the cases: ``Cov1`` between arms of one
reader, ``Cov2`` between readers of one arm, ``Cov3`` between different arms and readers.
Tests and degrees of freedom are those of Hillis (2007), as in the R package MRMCaov.
"""

from __future__ import annotations

__all__ = ["MRMCResult", "obuchowski_rockette_test"]

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import scipy

from .._shared.degenerate import warn_degenerate
from .._shared.inference import NO_INTERVAL, check_confidence_level, wald_inference
from .._shared.validation import as_score_matrix
from ..metrics.base import Metric
from ..metrics.class_metrics import ClassMetric, class_sample
from ..metrics.inputs import metric_of, sample_of
from ..procedure import Procedure, ResultWarning
from ..results import (
    ConfidenceInterval,
    TestResult,
    format_number,
    format_pvalue,
)
from .auc_covariance import auc_covariance
from .metric_covariance import class_covariance, metric_covariance
from .obuchowski_rockette import (
    ROUNDING,
    Decomposition,
    Noise,
    clean_square,
    decompose,
    reference_variance,
)


@dataclass(frozen=True)
class MRMCResult(TestResult):
    """A :class:`TestResult` with the parts of an MRMC analysis beside it.

    Attributes
    ----------
    arms : pandas.DataFrame
        One row an arm: ``estimate, standard_error, df, ci_low, ci_high``.
    differences : pandas.DataFrame
        One row per pair of arms: ``arm_a, arm_b, estimate, standard_error, df, statistic,
        pvalue, ci_low, ci_high``; p values are not adjusted.
    reader_differences : pandas.DataFrame
        The same for each reader by itself, where readers are fixed; else empty.
    variance_components : pandas.Series
        ``reader, arm:reader, error, cov1, cov2, cov3`` of the Obuchowski-Rockette model
        and the mean squares ``ms_arm, ms_arm_reader``.
    reader_estimates : numpy.ndarray of shape (arms, readers)
        The AUC of every arm and reader.
    """

    arms: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False, compare=False)
    differences: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False, compare=False)
    reader_differences: pd.DataFrame = field(
        default_factory=pd.DataFrame, repr=False, compare=False
    )
    variance_components: pd.Series = field(
        default_factory=lambda: pd.Series(dtype=float), repr=False, compare=False
    )
    reader_estimates: np.ndarray = field(
        default_factory=lambda: np.empty((0, 0)), repr=False, compare=False
    )

    def __str__(self) -> str:
        lines = [super().__str__()]
        if len(self.arms) > 2:
            lines.append("differences between arms (p values not adjusted):")
            lines += [
                f"  {row['arm_a']} - {row['arm_b']}: {format_number(row['estimate'])} "
                f"({format_number(row['ci_low'])} to {format_number(row['ci_high'])}), "
                f"{format_pvalue(row['pvalue'])}"
                for row in self.differences.to_dict("records")
            ]
        return "\n".join(lines)


def obuchowski_rockette_test(
    y_true: Any,
    scores: Any,
    *,
    groups: Any = None,
    covariance: str = "delong",
    metric: str | Metric = "roc_auc",
    threshold: Any = None,
    readers: str = "random",
    cases: str = "random",
    confidence_level: float = 0.95,
) -> MRMCResult:
    """Obuchowski-Rockette test of equal mean AUC across arms, with Hillis' df.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Reference standard, 0 or 1; classes 0 to C - 1, or grades, of a metric of these.
    scores : array_like of shape (arms, readers, n), or (arms, readers, n, classes)
        Score of each case by each reader (training run) with each arm. Arm 0 is the candidate
        where there are two. NaN where a reader did not score a case, with one arm or any;
        every reader scores at least two positive and two negative cases with every arm.
    groups : array_like of shape (n,), optional
        Patient of each case; needs ``covariance="delong"``.
    covariance : {"delong", "jackknife", "unbiased"}, default "delong"
        Estimator of the covariances between AUCs. The unbiased one is the U-statistic of
        Gallas and co-workers, which holds in small samples; it needs
        O(arms x readers x n1 x n0) time.
    metric : str or Metric, default "roc_auc"
        What is compared in place of the AUC: one of :func:`metric_names`, or what
        :func:`get_metric` returns; of several classes 'roc_auc_ovr', 'roc_auc_ovo' or
        'quadratic_kappa' of grades. Every score has to be there.
    threshold : float or array_like of shape (arms, readers), optional
        Of metrics of decisions: scores that reach it are called positive. Fix it on other
        cases. Of 'net_benefit' one number.
    readers, cases : {"random", "fixed"}, default "random"
        Which the conclusion is meant to go beyond. Both fixed leaves nothing to test.
    confidence_level : float, default 0.95
        Coverage of all intervals.

    Returns
    -------
    MRMCResult
        F with df ``(arms - 1, df2)``; with fixed readers a chi-square with
        ``df = arms - 1``. With two arms `estimate` is the mean AUC of arm 0 minus that of
        arm 1 with its interval; with more it is NaN and `differences` holds all pairs.

    Raises
    ------
    ValueError
        If a reader has fewer than two scored cases of a class with an arm, scores are missing
        with `groups`, the jackknife or a metric other than the AUC, the metric is not defined for a
        reader or gets what it cannot use, shapes disagree, there are fewer than two arms, fewer
        than two readers where they are random, or nothing is random.

    Warns
    -----
    DegenerateDataWarning
        If there is one positive or one negative case, or no variance at all:
        the statistic is NaN, or 0 with p = 1 where the arms agree exactly.

    See Also
    --------
    repeated_cv_test : For scores out of repeated cross-validation.
    delong_test : Two fitted models, no variation of training.

    Notes
    -----
    Missing scores are taken to be missing at random, as where readers were dealt cases. Each
    AUC is that of the cases that were scored; the covariance of two comes from the cases that
    both have: DeLong's sample covariances over these [4]_, or the U-statistic, as MRMCaov and
    iMRMC compute it for such designs (MRMCaov refuses DeLong's there).

    The model is of any measure of accuracy [1]_. Of a `metric` other than the AUC, covariances are
    sums of products of the influences of the cases (patients), which for the AUC are DeLong's.
    Likelihood ratios are compared by their logarithms.

    With readers the seeds of one training set, the conclusion holds for *new seeds and new
    patients, the training set fixed*. Out-of-fold scores of repeated cross-validation are
    no such readers: the test is then liberal (8 to 12 % on average at nominal
    5 % in a first simulation study). Use :func:`repeated_cv_test` there.

    References
    ----------
    .. [1] Obuchowski, N. A. and Rockette, H. E. (1995). Hypothesis testing of diagnostic
       accuracy for multiple readers and multiple tests. Communications in Statistics -
       Simulation and Computation 24, 285-308. :doi:`10.1080/03610919508813243`
    .. [2] Hillis, S. L. (2007). A comparison of denominator degrees of freedom methods for
       multiple observer ROC analysis. Statistics in Medicine 26, 596-619.
       :doi:`10.1002/sim.2532`
    .. [3] Gallas, B. D., Pennello, G. A. and Myers, K. J. (2007). Multireader multicase
       variance analysis for binary data. Journal of the Optical Society of America A 24,
       B70-B80. :doi:`10.1364/JOSAA.24.000B70`
    .. [4] Zhou, X. H. and Gatsonis, C. A. (1996). A simple method for comparing correlated
       ROC curves using incomplete data. Statistics in Medicine 15, 1687-1693.

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import obuchowski_rockette_test
    >>> rng = np.random.default_rng(1)
    >>> y = np.repeat([0, 1], 40)
    >>> signal = y + rng.standard_normal(80)
    >>> scores = signal + 0.5 * rng.standard_normal((2, 4, 80))  # 2 arms, 4 seeds
    >>> result = obuchowski_rockette_test(y, scores)
    >>> print(f"F = {result.statistic:.3f}, p = {result.pvalue:.3f}")
    F = 1.546, p = 0.302
    """
    found, cut = metric_of(metric, threshold=threshold)
    is_auc = found.name == "roc_auc"
    level = check_confidence_level(confidence_level)
    if isinstance(found, ClassMetric):
        sample, classes = class_sample(found, y_true, groups)
        values = np.asarray(scores)
        n_arms, n_readers = values.shape[:2] if values.ndim > 2 else (1, 1)
    else:
        sample = sample_of(found, y_true, groups, np.shape(scores)[-1] if np.ndim(scores) else 0)
        values = as_score_matrix(scores, sample.labels.size, ndim=3, missing=is_auc)
        n_arms, n_readers = values.shape[:2]
    _check_design(n_arms, n_readers, readers, cases)
    if is_auc:
        _check_scored(sample.labels, values)
        aucs, matrix = auc_covariance(
            sample.labels,
            values.reshape(n_arms * n_readers, -1),
            covariance=covariance,
            groups=sample.codes,
        )
    else:
        if covariance != "delong":
            raise ValueError(
                f"`covariance` is of AUCs, not of metric {found.name!r}; leave it out."
            )
        covariance = "infinitesimal-jackknife"
        aucs, matrix = (
            class_covariance(found, classes, sample.codes, values)
            if isinstance(found, ClassMetric)
            else metric_covariance(found, sample, values, cut)
        )
    aucs = aucs.reshape(n_arms, n_readers)
    parts = decompose(aucs, matrix)
    noise = reference_variance(parts, readers, cases)
    statistic, pvalue = _omnibus(parts.ms_arm, noise, n_arms)
    means = aucs.mean(axis=1)
    differences = _difference_table(means, noise, level)
    if n_arms == 2:
        row = differences.iloc[0]
        estimate, standard_error = float(row["estimate"]), float(row["standard_error"])
        interval = ConfidenceInterval(float(row["ci_low"]), float(row["ci_high"]))
    else:
        estimate, standard_error, interval = math.nan, math.nan, NO_INTERVAL
    of = " of" if is_auc else f" of the {found.label} of"
    procedure = Procedure(
        name="obuchowski-rockette",
        variance=covariance,
        clustered=sample.clustered,
        n_arms=n_arms,
        n_readers=n_readers,
        metric=found.name,
        higher_is_better=found.higher_is_better,
        random=tuple(
            name for name, how in (("readers", readers), ("cases", cases)) if how == "random"
        ),
    )
    return MRMCResult(
        statistic=statistic,
        pvalue=pvalue,
        df=float(n_arms - 1) if readers == "fixed" else (float(n_arms - 1), noise.df),
        estimate=estimate,
        estimates=tuple(float(x) for x in (np.exp(means) if found.interval == "log" else means)),
        standard_error=standard_error,
        confidence_interval=interval,
        confidence_level=level,
        alternative="two-sided",
        null_value=0.0,
        n_cases=sample.labels.size,
        n_groups=sample.n_groups,
        method=(
            f"Obuchowski-Rockette test{of} {n_arms} arms by {n_readers} readers ({covariance} "
            f"covariance{', clustered by patient' if sample.clustered else ''}): readers "
            f"{readers}, cases {cases}; the training data are held fixed"
        ),
        warnings=(*_degenerate(statistic, parts), *_incomplete(values)),
        procedure=procedure,
        arms=_arm_table(
            aucs, parts, matrix, readers=readers, cases=cases, level=level, metric=found
        ),
        differences=differences,
        reader_differences=(
            _reader_table(aucs, matrix, level) if readers == "fixed" else pd.DataFrame()
        ),
        variance_components=parts.components(),
        reader_estimates=np.exp(aucs) if found.interval == "log" else aucs,
    )


def _check_design(n_arms: int, n_readers: int, readers: str, cases: str) -> None:
    for name, value in (("readers", readers), ("cases", cases)):
        if value not in ("random", "fixed"):
            raise ValueError(f"`{name}` must be 'random' or 'fixed', got {value!r}.")
    if readers == cases == "fixed":
        raise ValueError("`readers` and `cases` cannot both be fixed: nothing would be random.")
    if n_arms < 2:
        raise ValueError(f"`scores` must hold at least two arms on its first axis, got {n_arms}.")
    if readers == "random" and n_readers < 2:
        raise ValueError(
            "`scores` must hold at least two readers on its second axis where readers are "
            f"random, got {n_readers}; use readers='fixed' or `delong_test` for one."
        )


def _check_scored(labels: np.ndarray, values: np.ndarray) -> None:
    """Raise ValueError where scores are missing and a reader has too few cases left."""
    absent = np.isnan(values)
    if not absent.any():
        return
    for own, word in ((labels, "positive"), (~labels, "negative")):
        few = np.argwhere((~absent[..., own]).sum(axis=-1) < 2)
        if few.size:
            places = ", ".join(f"reader {reader} with arm {arm}" for arm, reader in few[:5])
            more = f" and {len(few) - 5} more" if len(few) > 5 else ""
            raise ValueError(
                f"`scores` has fewer than two scored {word} cases of {places}{more}; leave the "
                "readers, or the arms, out."
            )


def _omnibus(ms_arm: float, noise: Noise, n_arms: int) -> tuple[float, float]:
    if math.isnan(noise.variance):
        return math.nan, math.nan
    if ms_arm == 0:
        return 0.0, 1.0
    if noise.variance <= ROUNDING:
        return math.nan, math.nan
    ratio = ms_arm / noise.variance
    if math.isinf(noise.df):
        chi2 = (n_arms - 1) * ratio
        return chi2, float(scipy.stats.chi2.sf(chi2, n_arms - 1))
    return ratio, float(scipy.stats.f.sf(ratio, n_arms - 1, noise.df))


def _difference_table(means: np.ndarray, noise: Noise, level: float) -> pd.DataFrame:
    variance = noise.variance if noise.variance > ROUNDING else 0.0 * noise.variance
    standard_error = math.sqrt(2 / noise.n_readers * variance)
    rows = []
    for a, b in itertools.combinations(range(means.size), 2):
        estimate = _clean_difference(means[a] - means[b])
        rows.append(
            {"arm_a": a, "arm_b": b, **_wald_row(estimate, standard_error, noise.df, level)}
        )
    return pd.DataFrame(rows)


def _reader_table(aucs: np.ndarray, matrix: np.ndarray, level: float) -> pd.DataFrame:
    """Differences of each reader by itself, error variances pooled over its arms."""
    t, r = aucs.shape
    four = matrix.reshape(t, r, t, r)
    rows = []
    for j in range(r):
        own = four[:, j, :, j]
        variance = np.trace(own) / t
        covariance = (own.sum() - np.trace(own)) / (t * (t - 1))
        standard_error = math.sqrt(max(2 * (variance - covariance), 0.0))
        for a, b in itertools.combinations(range(t), 2):
            estimate = _clean_difference(aucs[a, j] - aucs[b, j])
            row = _wald_row(estimate, standard_error, math.inf, level)
            rows.append({"reader": j, "arm_a": a, "arm_b": b, **row})
    return pd.DataFrame(rows)


def _arm_table(
    aucs: np.ndarray,
    parts: Decomposition,
    matrix: np.ndarray,
    *,
    readers: str,
    cases: str,
    level: float,
    metric: Metric,
) -> pd.DataFrame:
    """Mean AUC of each arm, from the readers and covariances of that arm alone."""
    r, logged = parts.n_readers, metric.interval == "log"
    shown = math.exp if logged else float
    four = matrix.reshape(parts.n_arms, r, parts.n_arms, r)
    rows = []
    for i, own in enumerate(aucs):
        block = four[i, :, i, :]
        error = np.trace(block) / r
        cov2 = max((block.sum() - np.trace(block)) / (r * (r - 1)), 0.0) if r > 1 else 0.0
        if readers == "fixed":
            variance, df = (error + (r - 1) * cov2) / r, math.inf
        else:
            ms_reader = clean_square(float(own.var(ddof=1)))
            shared = 0.0 if cases == "fixed" else r * cov2
            variance = (ms_reader + shared) / r
            df = (r - 1) * ((ms_reader + shared) / ms_reader) ** 2 if ms_reader else math.inf
        standard_error = math.sqrt(variance) if not variance < 0 else math.nan
        mean = float(own.mean())
        _, _, interval = wald_inference(
            mean,
            standard_error,
            df=df,
            null_value=mean,
            confidence_level=level,
            bounds=(-math.inf, math.inf) if logged else metric.bounds,
        )
        rows.append(
            {
                "estimate": shown(mean),
                "standard_error": standard_error,
                "df": df,
                "ci_low": shown(interval.low),
                "ci_high": shown(interval.high),
            }
        )
    return pd.DataFrame(rows).rename_axis("arm")


def _wald_row(estimate: float, standard_error: float, df: float, level: float) -> dict[str, float]:
    statistic, pvalue, interval = wald_inference(
        estimate, standard_error, df=df, confidence_level=level
    )
    return {
        "estimate": estimate,
        "standard_error": standard_error,
        "df": df,
        "statistic": statistic,
        "pvalue": pvalue,
        "ci_low": interval.low,
        "ci_high": interval.high,
    }


def _clean_difference(difference: float) -> float:
    return 0.0 if difference**2 < ROUNDING else float(difference)


def _degenerate(statistic: float, parts: Decomposition) -> tuple[ResultWarning, ...]:
    if math.isnan(parts.error):
        note = ResultWarning(
            "single-case",
            "only one positive or one negative case: the variance cannot be estimated",
        )
    elif math.isnan(statistic):
        note = ResultWarning(
            "zero-variance",
            "the AUCs carry no variance, so that their difference cannot be tested",
        )
    elif parts.error <= ROUNDING:
        rest = (
            "p = 1 is a convention"
            if parts.ms_arm == 0
            else "only the variation between readers counts"
        )
        note = ResultWarning(
            "no-case-variation",
            f"no AUC varies between cases, as with perfect or constant scores: {rest}",
        )
    else:
        return ()
    return (warn_degenerate(note),)


def _incomplete(values: np.ndarray) -> tuple[ResultWarning, ...]:
    absent = np.isnan(values)
    if not absent.any():
        return ()
    n_cases = int(absent.any(axis=(0, 1)).sum())
    text = (
        f"{int(absent.sum())} of {absent.size} scores, of {n_cases} cases, are missing; they are "
        "taken to be missing at random"
    )
    return (ResultWarning("missing-scores", text),)
