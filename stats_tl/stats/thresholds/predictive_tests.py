"""Paired comparisons of the predictive values and likelihood ratios of two binary tests.

Both tests are applied to the same cases, but the cases that they call positive differ: the two
predictive values are proportions of overlapping sets, for which McNemar's test does not serve.
"""

from __future__ import annotations

__all__ = ["diagnostic_likelihood_ratio_test", "predictive_value_test"]

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy

from .._shared.degenerate import warn_degenerate
from .._shared.inference import Hypothesis, Inference, SampleSize, conclude
from .._shared.validation import as_groups, as_labels, check_option
from ..procedure import Procedure, ResultWarning
from ..results import ConfidenceInterval, TestResult
from .predictive import check_lengths

METHODS = ("weighted-score", "score", "relative")
NAMES = {
    "weighted-score": "Kosinski's weighted generalised score",
    "score": "Leisenring, Alonzo and Pepe's generalised score",
    "relative": "Moskowitz and Pepe's relative predictive value",
}


@dataclass(frozen=True)
class _Calls:
    """Calls of two tests on the same cases.

    Attributes
    ----------
    labels : ndarray of bool, shape (n,)
        True for positive cases.
    a, b : ndarray of bool, shape (n,)
        Calls of the candidate and of the reference.
    codes : ndarray of int, shape (n,), or None
        Patient of each case.
    """

    labels: np.ndarray
    a: np.ndarray
    b: np.ndarray
    codes: np.ndarray | None

    @classmethod
    def of(cls, y_true: Any, y_pred_a: Any, y_pred_b: Any, groups: Any) -> _Calls:
        labels = as_labels(y_true)
        calls = []
        for given, name in ((y_pred_a, "y_pred_a"), (y_pred_b, "y_pred_b")):
            called = as_labels(given, name=name, both_classes=False)
            check_lengths(labels, called, name)
            calls.append(called)
        codes = as_groups(groups, labels.size)
        if codes is not None and not codes.any():
            raise ValueError(
                f"`groups` puts all {codes.size} cases in one patient; at least two are needed."
            )
        return cls(labels, calls[0], calls[1], codes)

    @property
    def size(self) -> SampleSize:
        n_groups = None if self.codes is None else int(self.codes.max()) + 1
        return SampleSize(self.labels.size, n_groups)

    @property
    def reversed(self) -> _Calls:
        """With the classes exchanged: an NPV is a PPV of negative calls of negative cases."""
        return _Calls(~self.labels, ~self.a, ~self.b, self.codes)

    def squares(self, influence: np.ndarray) -> float:
        """Sum of the squared contributions of the cases, or of the patients."""
        if self.codes is None:
            return float(influence @ influence)
        totals = np.bincount(self.codes, weights=influence)
        return float(totals @ totals) * totals.size / (totals.size - 1)


def predictive_value_test(
    y_true: Any,
    y_pred_a: Any,
    y_pred_b: Any,
    *,
    value: str = "ppv",
    groups: Any = None,
    method: str | None = None,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
) -> TestResult:
    """Paired test of two positive, or two negative, predictive values on the same cases.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present; a sample of the population of interest.
    y_pred_a, y_pred_b : array_like of shape (n,)
        Calls of the candidate and of the reference, 0 and 1, at thresholds fixed on other
        data.
    value : {"ppv", "npv"}
        Which predictive value is compared.
    groups : array_like of shape (n,), optional
        Patient of each case. Contributions are then summed within patients; needs the score
        or the relative method.
    method : {"weighted-score", "score", "relative"}, optional
        Kosinski's weighted generalised score statistic, the default without `groups`;
        the generalised score statistic of Leisenring, Alonzo and Pepe, the default with
        them; or Moskowitz and Pepe's ratio of the two values.
    alternative : {"two-sided", "less", "greater"}
        About the value of a against that of b.
    confidence_level : float
        Coverage of the interval, one-sided for a one-sided alternative.

    Returns
    -------
    TestResult
        ``estimates`` are the two predictive values. With the score methods ``statistic`` is
        chi-square on 1 degree of freedom, ``estimate`` the difference a - b with its Wald
        interval. With the relative method ``estimate`` is the ratio of a to b,
        ``null_value`` 1, ``statistic`` z of its logarithm, ``standard_error`` that of the
        logarithm and the interval that of the ratio.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label or call is neither 0 nor 1, an
        option is unknown, or all cases belong to one patient.

    Warns
    -----
    DegenerateDataWarning
        If a test calls no case, or every call of both is right: the result is NaN, or the
        statistic 0 with p = 1 where the two values are the same without variance.

    See Also
    --------
    predictive_values : One test.
    mcnemar_test : Sensitivities, specificities and accuracies.

    Notes
    -----
    The values are those at the prevalence of these cases. Do not use it where cases were
    chosen by their label: compare likelihood ratios there. Of the two score statistics the
    weighted one keeps its size better; they agree with equal numbers of calls.

    References
    ----------
    .. [1] Leisenring W, Alonzo T, Pepe MS. Comparisons of predictive values of binary
       medical diagnostic tests for paired designs. Biometrics 2000;56:345-351.
       :doi:`10.1111/j.0006-341X.2000.00345.x`
    .. [2] Kosinski AS. A weighted generalized score statistic for comparison of predictive
       values of diagnostic tests. Statistics in Medicine 2013;32:964-977.
       :doi:`10.1002/sim.5587`
    .. [3] Moskowitz CS, Pepe MS. Comparing the predictive values of diagnostic tests:
       sample size and analysis for paired study designs. Clinical Trials 2006;3:272-279.
       :doi:`10.1191/1740774506cn147oa`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import predictive_value_test
    >>> cells = [319, 78, 22, 32, 31, 53, 22, 155]  # positive cases, then negative ones
    >>> y_true = np.repeat([1, 1, 1, 1, 0, 0, 0, 0], cells)
    >>> a = np.repeat([1, 1, 0, 0, 1, 1, 0, 0], cells)
    >>> b = np.repeat([1, 0, 1, 0, 1, 0, 1, 0], cells)
    >>> result = predictive_value_test(y_true, a, b)
    >>> round(result.statistic, 4), round(result.pvalue, 4)
    (5.4659, 0.0194)
    """
    calls = _Calls.of(y_true, y_pred_a, y_pred_b, groups)
    check_option(value, ("ppv", "npv"), name="value")
    if method is None:
        method = "weighted-score" if calls.codes is None else "score"
    check_option(method, METHODS, name="method")
    if calls.codes is not None and method == "weighted-score":
        raise ValueError(
            "`groups` needs method='score' or method='relative'; Kosinski's statistic takes "
            "cases as independent."
        )
    ratio = method == "relative"
    hypothesis = Hypothesis(alternative, 1.0 if ratio else 0.0, confidence_level)
    positive = calls if value == "ppv" else calls.reversed
    estimates = tuple(_share(positive.labels, called) for called in (positive.a, positive.b))
    if ratio:
        influences = [
            _influence(positive.labels, called, at) / at if at > 0 else np.full(called.size, np.nan)
            for called, at in zip((positive.a, positive.b), estimates, strict=True)
        ]
        found, notes = _of_ratio(calls, estimates, influences[0] - influences[1], hypothesis)
    else:
        found, notes = _of_difference(positive, estimates, method, hypothesis)
    return conclude(
        hypothesis,
        found,
        estimates=estimates,
        size=calls.size,
        procedure=Procedure(
            name=f"{value}", version=method, clustered=calls.codes is not None, n_arms=2
        ),
        method=_sentence(f"{NAMES[method]} test of two {value.upper()}s", calls),
        warnings=notes,
    )


def diagnostic_likelihood_ratio_test(
    y_true: Any,
    y_pred_a: Any,
    y_pred_b: Any,
    *,
    value: str = "positive",
    groups: Any = None,
    alternative: str = "two-sided",
    confidence_level: float = 0.95,
) -> TestResult:
    """Paired test of two positive, or two negative, likelihood ratios on the same cases.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1, both present.
    y_pred_a, y_pred_b : array_like of shape (n,)
        Calls of the candidate and of the reference, 0 and 1, at thresholds fixed on other
        data.
    value : {"positive", "negative"}
        Which likelihood ratio is compared.
    groups : array_like of shape (n,), optional
        Patient of each case; contributions are then summed within patients.
    alternative : {"two-sided", "less", "greater"}
        About the ratio of a's likelihood ratio to that of b, against 1.
    confidence_level : float
        Coverage of the interval, one-sided for a one-sided alternative.

    Returns
    -------
    TestResult
        ``estimates`` are the two likelihood ratios, ``estimate`` is that of a over that of
        b, ``null_value`` 1, ``statistic`` z of its logarithm, ``standard_error`` that of the
        logarithm and the interval that of the ratio.

    Raises
    ------
    ValueError
        If lengths differ, one class is absent, a label or call is neither 0 nor 1, an
        option is unknown, or all cases belong to one patient.

    Warns
    -----
    DegenerateDataWarning
        If a count that a ratio divides by is zero: the result is NaN; or if the tests agree
        on every case: the statistic is 0 with p = 1.

    See Also
    --------
    diagnostic_likelihood_ratios : One test.

    Notes
    -----
    Serves in cohorts and where cases were chosen by their label alike. A *smaller* negative
    likelihood ratio is the better one.

    References
    ----------
    .. [1] Gu W, Pepe MS. Estimating the capacity for improvement in risk prediction with a
       marker. Biostatistics 2009;10:172-186. :doi:`10.1093/biostatistics/kxn025`
    .. [2] Roldán Nofuentes JA, Luna del Castillo JD. Comparison of the likelihood ratios of
       two binary diagnostic tests in paired designs. Statistics in Medicine
       2007;26:4179-4201. :doi:`10.1002/sim.2850`

    Examples
    --------
    >>> import numpy as np
    >>> from stats_tl.stats import diagnostic_likelihood_ratio_test
    >>> cells = [319, 78, 22, 32, 31, 53, 22, 155]  # positive cases, then negative ones
    >>> y_true = np.repeat([1, 1, 1, 1, 0, 0, 0, 0], cells)
    >>> a = np.repeat([1, 1, 0, 0, 1, 1, 0, 0], cells)
    >>> b = np.repeat([1, 0, 1, 0, 1, 0, 1, 0], cells)
    >>> result = diagnostic_likelihood_ratio_test(y_true, a, b)
    >>> round(result.estimate, 4), round(result.pvalue, 3)
    (0.7346, 0.02)
    """
    calls = _Calls.of(y_true, y_pred_a, y_pred_b, groups)
    check_option(value, ("positive", "negative"), name="value")
    hypothesis = Hypothesis(alternative, 1.0, confidence_level)
    labels = calls.labels
    estimates, influences = [], []
    for called in (calls.a, calls.b):
        counted = called if value == "positive" else ~called
        shares = [_share(counted, own) for own in (labels, ~labels)]
        if shares[1]:
            estimates.append(shares[0] / shares[1])
        else:
            estimates.append(math.inf if shares[0] else math.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = [
                _influence(counted, own, share) / share
                for own, share in zip((labels, ~labels), shares, strict=True)
            ]
        influences.append(logs[0] - logs[1])
    pair = (estimates[0], estimates[1])
    found, notes = _of_ratio(calls, pair, influences[0] - influences[1], hypothesis)
    return conclude(
        hypothesis,
        found,
        estimates=pair,
        size=calls.size,
        procedure=Procedure(
            name=f"{value}-likelihood-ratio",
            version="log",
            clustered=calls.codes is not None,
            n_arms=2,
        ),
        method=_sentence(f"Test of two {value} diagnostic likelihood ratios", calls),
        warnings=notes,
    )


def _sentence(test: str, calls: _Calls) -> str:
    units = "cases" if calls.codes is None else "patients"
    return f"{test} on the same cases ({units} random)"


def _share(success: np.ndarray, selected: np.ndarray) -> float:
    """Share of successes among the selected cases; NaN where there is none."""
    total = int(selected.sum())
    return int((success & selected).sum()) / total if total else math.nan


def _influence(success: np.ndarray, selected: np.ndarray, share: float) -> np.ndarray:
    """Contribution of each case to the error of `_share`."""
    total = int(selected.sum())
    if not total:
        return np.full(selected.size, np.nan)
    values: np.ndarray = selected * (success - share) / total
    return values


def _of_difference(
    calls: _Calls, estimates: tuple[float, ...], method: str, hypothesis: Hypothesis
) -> tuple[Inference, list[ResultWarning]]:
    """Score test, with the Wald interval of the difference."""
    influences = [
        _influence(calls.labels, called, share)
        for called, share in zip((calls.a, calls.b), estimates, strict=True)
    ]
    estimate = estimates[0] - estimates[1]
    error = math.sqrt(calls.squares(influences[0] - influences[1]))
    interval = (
        replace(hypothesis, null_value=estimate).wald(estimate, error, bounds=(-1, 1)).interval
    )
    root = _kosinski(calls, estimate) if method == "weighted-score" else _leisenring(calls)
    notes = []
    if math.isnan(root):
        if estimate == 0 and error == 0:
            root = 0.0
            text = "the predictive values are the same without variance: p = 1 is a convention"
            notes.append(ResultWarning("no-difference", text))
        else:
            text = "a test calls no case, or the values carry no variance: no test is possible"
            notes.append(ResultWarning("zero-variance", text))
        notes = [warn_degenerate(note) for note in notes]
    tails = {
        "two-sided": 2 * scipy.special.ndtr(-abs(root)),
        "greater": scipy.special.ndtr(-root),
        "less": scipy.special.ndtr(root),
    }
    pvalue = float(tails[hypothesis.alternative])
    return Inference(root**2, pvalue, 1.0, estimate, error, interval), notes


def _kosinski(calls: _Calls, difference: float) -> float:
    """Signed root of Kosinski's statistic; NaN where it is not defined."""
    n_a, n_b = int(calls.a.sum()), int(calls.b.sum())
    if not (n_a and n_b):
        return math.nan
    times = calls.a.astype(np.int64) + calls.b
    pooled = float(times @ calls.labels) / (n_a + n_b)
    both = calls.a & calls.b
    shared = float(np.sum((calls.labels[both] - pooled) ** 2)) / (n_a + n_b)
    variance = (pooled * (1 - pooled) - 2 * shared) * (1 / n_a + 1 / n_b)
    return difference / math.sqrt(variance) if variance > 1e-15 else math.nan


def _leisenring(calls: _Calls) -> float:
    """Signed root of the generalised score statistic; NaN where it is not defined."""
    n_a, n_b = int(calls.a.sum()), int(calls.b.sum())
    if not (n_a and n_b):
        return math.nan
    times = calls.a.astype(np.int64) + calls.b
    pooled = float(times @ calls.labels) / (n_a + n_b)
    # Calls of a count 1 - n_a / n, calls of b -n_a / n, with n all calls.
    signed = calls.a - times * (n_a / (n_a + n_b))
    per_case = signed * (calls.labels - pooled)
    if calls.codes is not None:
        per_case = np.bincount(calls.codes, weights=per_case)
    spread = float(per_case @ per_case)
    return float(per_case.sum()) / math.sqrt(spread) if spread > 1e-15 else math.nan


def _of_ratio(
    calls: _Calls, estimates: tuple[float, ...], influence: np.ndarray, hypothesis: Hypothesis
) -> tuple[Inference, list[ResultWarning]]:
    """Wald test of the logarithm of the ratio."""
    defined = all(math.isfinite(value) and value > 0 for value in estimates)
    log_ratio = math.log(estimates[0] / estimates[1]) if defined else math.nan
    error = math.sqrt(calls.squares(influence)) if defined else math.nan
    log_null = replace(hypothesis, null_value=0.0)
    found = log_null.wald(log_ratio, error)
    notes = []
    if error == 0 and log_ratio == 0:
        text = "the tests differ on no case that counts: p = 1 is a convention"
        notes.append(warn_degenerate(ResultWarning("no-difference", text)))
    elif math.isnan(found.statistic):
        text = "a count that a ratio rests on is zero: no test is possible"
        notes.append(warn_degenerate(ResultWarning("zero-variance", text)))
    low, high = found.interval
    ratio = estimates[0] / estimates[1] if defined else math.nan
    interval = ConfidenceInterval(math.exp(low), math.exp(high))
    return found._replace(estimate=ratio, interval=interval), notes
