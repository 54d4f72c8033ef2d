"""Predictive values and likelihood ratios of binary tests, alone and in pairs.

The reference of the comparisons is DTComPair 1.2.2 (`pv.gs`, `pv.wgs`, `pv.rpv`, `dlr.regtest`) on
its data set Paired1 and on a small table, that of the intervals bdpv 1.4 (`CIlppv`, `CIlnpv`,
`CIlppvak`, `CIlnpvak`) on the data of Mercaldo and co-workers.
"""

import math

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from stats_tl.stats import (
    DegenerateDataWarning,
    diagnostic_likelihood_ratio_test,
    diagnostic_likelihood_ratios,
    predictive_value_test,
    predictive_values,
    sensitivity_specificity,
)

# Positive cases called by both, a alone, b alone, neither; then negative cases.
PAIRED1 = [319, 78, 22, 32, 31, 53, 22, 155]


def expand(cells):
    y = np.repeat([1, 1, 1, 1, 0, 0, 0, 0], cells)
    return y, np.repeat([1, 1, 0, 0] * 2, cells), np.repeat([1, 0, 1, 0] * 2, cells)


def calls(counts):
    """Labels and calls from true positives, false negatives, false positives, true negatives."""
    return np.repeat([1, 1, 0, 0], counts), np.repeat([1, 0, 1, 0], counts)


@pytest.mark.parametrize(
    ("value", "method", "statistic", "pvalue"),
    [
        ("ppv", "score", 5.71124070472, 0.01685662173),
        ("ppv", "weighted-score", 5.46588744642, 0.01939120414),
        ("ppv", "relative", 2.38355929089, 0.01714612219),
        ("npv", "score", 17.78567021, 2.472383267e-05),
        ("npv", "weighted-score", 16.53540414, 4.775011601e-05),
        ("npv", "relative", -4.182314200, 2.885568108e-05),
    ],
)
def test_predictive_values_compare_as_in_dtcompair(value, method, statistic, pvalue):
    y, a, b = expand(PAIRED1)  # DTComPair takes the second test minus the first, or over it
    result = predictive_value_test(y, b, a, value=value, method=method)
    assert result.statistic == pytest.approx(statistic, rel=1e-9)
    assert result.pvalue == pytest.approx(pvalue, rel=1e-8)
    assert result.df == (math.inf if method == "relative" else 1)


def test_relative_predictive_values_have_dtcompairs_interval():
    y, a, b = expand(PAIRED1)
    result = predictive_value_test(y, b, a, method="relative")
    assert result.estimates == pytest.approx((0.86548223350, 0.82536382536), abs=1e-10)
    assert result.estimate == pytest.approx(1.04860693782, abs=1e-10)
    assert result.standard_error == pytest.approx(0.01991247190, abs=1e-10)
    assert result.confidence_interval == pytest.approx((1.00847050304, 1.09034077519), abs=1e-9)


def test_likelihood_ratios_compare_as_in_dtcompair():
    y, a, b = expand(PAIRED1)
    for value, ratio, error, statistic, interval in (
        ("positive", 0.7345691942, 0.1326085936, -2.326177162, (0.5664428142, 0.9525973101)),
        ("negative", 0.5768875193, 0.1373760335, -4.004395511, (0.4407135989, 0.7551371474)),
    ):
        result = diagnostic_likelihood_ratio_test(y, a, b, value=value)
        assert (result.estimate, result.standard_error) == pytest.approx((ratio, error), abs=1e-8)
        assert result.statistic == pytest.approx(statistic, abs=1e-7)
        assert result.confidence_interval == pytest.approx(interval, abs=1e-8)
        assert result.estimates[0] / result.estimates[1] == pytest.approx(ratio)


def multinomial_error(cells, of_cells):
    """Delta method by central differences over the eight cells."""
    cells = np.asarray(cells, dtype=float)
    n, slopes = cells.sum(), []
    for k in range(8):
        step = np.zeros(8)
        step[k] = 1e-5
        slopes.append((of_cells(cells + step) - of_cells(cells - step)) / 2e-5)
    share, slopes = cells / n, np.array(slopes)
    return math.sqrt(n * (share @ slopes**2 - (share @ slopes) ** 2))


def test_standard_errors_are_those_of_the_delta_method():
    cells = [20, 9, 3, 8, 6, 7, 2, 40]
    y, a, b = expand(cells)
    result = predictive_value_test(y, a, b)
    expected = multinomial_error(
        cells,
        lambda c: (
            (c[0] + c[1]) / (c[0] + c[1] + c[4] + c[5])
            - (c[0] + c[2]) / (c[0] + c[2] + c[4] + c[6])
        ),
    )
    assert result.standard_error == pytest.approx(expected, rel=1e-6)
    result = diagnostic_likelihood_ratio_test(y, a, b)
    expected = multinomial_error(
        cells, lambda c: np.log((c[0] + c[1]) / (c[4] + c[5]) * (c[4] + c[6]) / (c[0] + c[2]))
    )
    assert result.standard_error == pytest.approx(expected, rel=1e-6)


def test_classes_tests_and_directions_can_be_exchanged():
    y, a, b = expand([20, 9, 3, 8, 6, 7, 2, 40])
    for method in ("score", "weighted-score", "relative"):
        one = predictive_value_test(y, a, b, method=method)
        mirrored = predictive_value_test(1 - y, 1 - a, 1 - b, value="npv", method=method)
        assert mirrored.statistic == pytest.approx(one.statistic)
        swapped = predictive_value_test(y, b, a, method=method)
        assert swapped.pvalue == pytest.approx(one.pvalue)
        tails = [
            predictive_value_test(y, a, b, method=method, alternative=side).pvalue
            for side in ("greater", "less")
        ]
        assert sum(tails) == pytest.approx(1)
        assert 2 * min(tails) == pytest.approx(one.pvalue)


def test_a_patient_counts_once_however_often_its_case_is_given():
    y, a, b = expand([20, 9, 3, 8, 6, 7, 2, 40])
    patients = np.tile(np.arange(y.size), 3)
    three = [np.tile(values, 3) for values in (y, a, b)]
    plain = predictive_value_test(y, a, b, method="score")
    clustered = predictive_value_test(*three, groups=patients)
    assert clustered.pvalue == pytest.approx(plain.pvalue)
    assert clustered.procedure.version == "score"
    assert (clustered.n_cases, clustered.n_groups) == (3 * y.size, y.size)
    shrink = math.sqrt(y.size / (y.size - 1))
    for test in (
        lambda *data, **how: predictive_value_test(*data, method="relative", **how),
        diagnostic_likelihood_ratio_test,
    ):
        plain, clustered = test(y, a, b), test(*three, groups=patients)
        assert clustered.standard_error == pytest.approx(plain.standard_error * shrink)


def test_intervals_of_mercaldo_and_co_workers():
    y, called = calls([240, 178, 87, 288])
    for method, ppv, npv in (
        ("logit", (0.07109937006, 0.05887097288, 0.08563666566), (0.98314, 0.9809488, 0.9850837)),
        (
            "adjusted-logit",
            (0.07025717195, 0.05828658824, 0.08446570164),
            (0.98305516, 0.9808626, 0.9850003),
        ),
    ):
        result = predictive_values(y, called, prevalence=0.03, method=method)
        for part, expected in ((result.ppv, ppv), (result.npv, npv)):
            found = (part.estimate, *part.confidence_interval)
            assert found == pytest.approx(expected, abs=1e-6)
    assert (result.ppv.n_successes, result.ppv.n_cases) == (240, 327)
    assert (result.npv.n_successes, result.npv.n_cases) == (288, 466)


def test_in_a_cohort_they_are_proportions_of_the_calls():
    y, called = calls([24, 5, 7, 40])
    groups = np.arange(y.size) // 2
    for method in ("wilson", "clopper-pearson"):
        for own in (None, groups):
            result = predictive_values(y, called, method=method, groups=own)
            other = sensitivity_specificity(called, y, 0.5, method=method, groups=own)
            assert (result.ppv, result.npv) == (other.sensitivity, other.specificity)
    assert result.prevalence == pytest.approx(29 / 76)
    # At their own prevalence both designs have the same estimates.
    known = predictive_values(y, called, prevalence=29 / 76)
    assert known.ppv.estimate == pytest.approx(result.ppv.estimate)
    assert known.npv.estimate == pytest.approx(result.npv.estimate)


@pytest.mark.parametrize("counts", [[24, 5, 7, 40], [3, 9, 1, 30], [200, 31, 120, 400]])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_ratio_intervals_equal_statsmodels(counts, level):
    y, called = calls(counts)
    tp, fn, fp, tn = counts
    for method in ("score", "log"):
        found = diagnostic_likelihood_ratios(y, called, method=method, confidence_level=level)
        for part, x, v in ((found.positive, tp, fp), (found.negative, fn, tn)):
            expected = confint_proportions_2indep(
                x, tp + fn, v, fp + tn, compare="ratio", method=method, alpha=1 - level,
                correction=False,
            )  # fmt: skip
            assert part.confidence_interval == pytest.approx(expected, rel=1e-4)


def test_score_intervals_hold_what_the_score_test_does_not_reject():
    # Closed form of Koopman's interval where a count is zero, and the ends it must have.
    y, called = calls([12, 3, 0, 20])
    found = diagnostic_likelihood_ratios(y, called)
    assert (found.positive.estimate, found.positive.confidence_interval.high) == (math.inf,) * 2
    assert found.positive.confidence_interval.low > 1
    y, called = calls([15, 0, 4, 20])
    negative = diagnostic_likelihood_ratios(y, called).negative
    assert (negative.estimate, negative.confidence_interval.low) == (0, 0)
    # Ratio r with x = 0 of n against y of m: the chi-square is that of its maximum likelihood.
    critical, r, n, m, v = 3.841458820694124, negative.confidence_interval.high, 15, 24, 20
    p = np.linspace(1e-6, min(1, 1 / r) - 1e-6, 200_001)
    best = p[np.argmax(n * np.log1p(-p * r) + v * np.log(p) + (m - v) * np.log1p(-p))]
    chi = n * best * r / (1 - best * r) + (v - m * best) ** 2 / (m * best * (1 - best))
    assert chi == pytest.approx(critical, rel=1e-3)
    log = diagnostic_likelihood_ratios(y, called, method="log").negative
    assert np.isnan([log.standard_error, *log.confidence_interval]).all()


def test_no_calls_and_no_difference_are_said():
    y, a, _ = expand([20, 9, 3, 8, 6, 7, 2, 40])
    none = np.zeros_like(y)
    assert math.isnan(predictive_values(y, none).ppv.estimate)
    for method in ("score", "weighted-score", "relative"):
        with pytest.warns(DegenerateDataWarning, match="no test is possible"):
            assert math.isnan(predictive_value_test(y, a, none, method=method).pvalue)
        with pytest.warns(DegenerateDataWarning, match="p = 1 is a convention"):
            assert predictive_value_test(y, a, a, method=method).pvalue == 1
    with pytest.warns(DegenerateDataWarning, match="p = 1 is a convention"):
        assert diagnostic_likelihood_ratio_test(y, a, a).pvalue == 1
    with pytest.warns(DegenerateDataWarning, match="count that a ratio rests on is zero"):
        assert math.isnan(diagnostic_likelihood_ratio_test(y, a, none).pvalue)


@pytest.mark.parametrize("method", ["score", "weighted-score", "relative"])
def test_size_is_held(method):
    # Two tests with the same predictive values that make different calls.
    rng, rejected, n_sets = np.random.default_rng(11), 0, 1500
    share = np.array([0.24, 0.08, 0.08, 0.05, 0.05, 0.06, 0.06, 0.38])
    for cells in rng.multinomial(250, share, size=n_sets):
        rejected += predictive_value_test(*expand(cells), method=method).pvalue < 0.05
    assert rejected / n_sets == pytest.approx(0.05, abs=0.018)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda y, a: predictive_values(y, a[:-1]), r"`y_pred`.*expected 95, got 94"),
        (lambda y, a: predictive_values(y, a + 0.5), "`y_pred` must hold 0"),
        (lambda y, a: predictive_values(y, a, prevalence=3), "`prevalence` must be between"),
        (lambda y, a: predictive_values(y, a, prevalence=0.1, method="wilson"), "`method`"),
        (lambda y, a: predictive_values(y, a, prevalence=0.1, groups=y), "cannot be given"),
        (lambda y, a: diagnostic_likelihood_ratios(y, a, method="wald"), "`method` must be one"),
        (lambda y, a: predictive_value_test(y, a, a, value="sensitivity"), "`value` must be"),
        (
            lambda y, a: predictive_value_test(y, a, a, groups=y, method="weighted-score"),
            "needs method='score'",
        ),
        (lambda y, a: predictive_value_test(y, a, a, groups=0 * y), "all 95 cases in one patient"),
        (lambda y, a: predictive_value_test(y, a, a[1:]), r"`y_pred_b`.*expected 95, got 94"),
        (lambda y, a: diagnostic_likelihood_ratio_test(y, a, a, value="ppv"), "`value` must be"),
    ],
)
def test_bad_input_is_named(call, message):
    y, a, _ = expand([20, 9, 3, 8, 6, 7, 2, 40])
    with pytest.raises(ValueError, match=message):
        call(y, a)
