"""Sensitivity, specificity and McNemar's tests against R, statsmodels, scipy and enumeration."""

import math

import numpy as np
import pytest
from scipy import stats as sps
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.proportion import proportion_confint

from stats_tl.stats import (
    mcnemar_test,
    operating_point_test,
    sensitivity_specificity,
    sensitivity_threshold,
    youden_threshold,
)


def from_table(table):
    """Success of a and of b, cases listed from a 2 x 2 table (rows a, columns b; right first)."""
    (both, only_a), (only_b, neither) = table
    a = np.repeat([1, 1, 0, 0], [both, only_a, only_b, neither])
    b = np.repeat([1, 0, 1, 0], [both, only_a, only_b, neither])
    return a, b


@pytest.mark.parametrize(
    ("method", "key"),
    [("chi-square-corrected", "chisq_cc"), ("chi-square", "chisq_nocc"), ("exact", "exact_p"),
     ("mid-p", "mid_p")],
)  # fmt: skip
def test_mcnemar_equals_r(gold, method, key):
    expected = gold["other"]["mcnemar_seed0"]
    result = mcnemar_test(*from_table(expected["table"]), method=method)
    reference = expected[key]
    if isinstance(reference, dict):
        assert result.statistic == pytest.approx(reference["statistic"], abs=1e-10)
        assert result.df == reference["parameter"]["df"]
        reference = reference["p"]
    assert result.pvalue == pytest.approx(reference, abs=1e-10)
    assert result.n_cases == 120
    assert result.estimate == pytest.approx((11 - 10) / 120)


@pytest.mark.parametrize("only_a", [0, 1, 4, 9])
@pytest.mark.parametrize("only_b", [0, 2, 9])
def test_mcnemar_equals_binomial_and_statsmodels(only_a, only_b):
    table = [[30, only_a], [only_b, 5]]
    a, b = from_table(table)
    total = only_a + only_b
    for alternative in ("two-sided", "less", "greater"):
        exact = mcnemar_test(a, b, alternative=alternative).pvalue
        expected = sps.binomtest(only_a, total, 0.5, alternative=alternative).pvalue if total else 1
        assert exact == pytest.approx(expected, abs=1e-12)
    for method, correction in (("chi-square", False), ("chi-square-corrected", True)):
        result = mcnemar_test(a, b, method=method)
        if total and only_a != only_b:
            expected = sm_mcnemar(table, exact=False, correction=correction)
            assert result.statistic == pytest.approx(expected.statistic)
            assert result.pvalue == pytest.approx(expected.pvalue)
        elif not total:
            assert result.pvalue == 1
    greater = mcnemar_test(a, b, method="chi-square", alternative="greater").pvalue
    less = mcnemar_test(a, b, method="chi-square", alternative="less").pvalue
    assert greater + less == pytest.approx(1 if total else 2)
    mid = mcnemar_test(a, b, method="mid-p").pvalue
    assert mid <= mcnemar_test(a, b).pvalue


def test_bonett_price_interval():
    # p12 = (b + 1) / (n + 2), p21 = (c + 1) / (n + 2), by hand for b = 12, c = 2, n = 50.
    a, b = from_table([[30, 12], [2, 6]])
    p12, p21, z = 13 / 52, 3 / 52, 1.959963984540054
    half = z * math.sqrt((p12 + p21 - (p12 - p21) ** 2) / 52)
    expected = (p12 - p21 - half, p12 - p21 + half)
    assert mcnemar_test(a, b).confidence_interval == pytest.approx(expected, abs=1e-12)
    same = mcnemar_test([1, 1, 0], [1, 1, 0])
    assert (same.estimate, same.pvalue) == (0, 1)
    assert same.confidence_interval.low < 0 < same.confidence_interval.high
    assert same.warnings


def test_clusters_of_one_equal_chi_square_and_copies_add_nothing():
    a, b = from_table([[30, 12], [2, 6]])
    plain = mcnemar_test(a, b, method="chi-square")
    single = mcnemar_test(a, b, groups=np.arange(50))
    assert single.statistic**2 == pytest.approx(plain.statistic)
    assert single.pvalue == pytest.approx(plain.pvalue)
    copies = mcnemar_test(np.tile(a, 3), np.tile(b, 3), groups=np.tile(np.arange(50), 3))
    assert copies.pvalue == pytest.approx(plain.pvalue)
    assert copies.confidence_interval == pytest.approx(single.confidence_interval)
    assert (copies.n_cases, copies.n_groups) == (150, 50)
    with pytest.raises(ValueError, match="in one patient"):
        mcnemar_test(a, b, groups=np.zeros(50))


def test_operating_points_select_their_cases():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 200)
    a, b = rng.normal(size=(2, 200)) + y
    thresholds = {"threshold_a": 0.3, "threshold_b": 0.7}
    for metric, cases in (
        ("sensitivity", y == 1),
        ("specificity", y == 0),
        ("accuracy", y >= 0),
    ):
        result = operating_point_test(y, a, b, metric=metric, **thresholds)
        right_a, right_b = (a >= 0.3) == y, (b >= 0.7) == y
        assert result == mcnemar_test(right_a[cases], right_b[cases])
        assert result.estimates == (right_a[cases].mean(), right_b[cases].mean())
        swapped = operating_point_test(y, b, a, metric=metric, threshold_a=0.7, threshold_b=0.3)
        assert swapped.estimate == -result.estimate
        assert swapped.pvalue == pytest.approx(result.pvalue)
    groups = np.arange(200) // 2
    clustered = operating_point_test(y, a, b, groups=groups, **thresholds)
    assert clustered.n_groups == np.unique(groups[y == 1]).size


@pytest.mark.parametrize(("method", "name"), [("wilson", "wilson"), ("clopper-pearson", "beta")])
@pytest.mark.parametrize("threshold", [-9, 0.0, 0.5, 9])
def test_intervals_equal_statsmodels(method, name, threshold):
    rng = np.random.default_rng(3)
    y = rng.permutation(np.arange(70) < 25).astype(int)
    scores = rng.normal(size=70) + y
    result = sensitivity_specificity(y, scores, threshold, method=method, confidence_level=0.9)
    for part, success in (
        (result.sensitivity, scores[y == 1] >= threshold),
        (result.specificity, scores[y == 0] < threshold),
    ):
        assert part.estimate == success.mean()
        expected = proportion_confint(success.sum(), success.size, alpha=0.1, method=name)
        assert part.confidence_interval == pytest.approx(expected, abs=1e-12)
        assert 0 <= part.confidence_interval.low <= part.confidence_interval.high <= 1


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ("roc_basic_n200", "ab"),
        ("roc_n20", "ab"),
        ("roc_ties_5level_n200", "ab"),
        ("roc_perfect_both_n60", "ab"),
        ("asah", ["s100b", "ndka", "wfns"]),
    ],
)
def test_youden_threshold_equals_proc(gold, gold_data, data, keys):
    d = gold_data(data)
    for key in keys:
        expected = gold["roc"][data][key]["youden"]
        threshold = youden_threshold(d["y"], d[key])
        assert threshold == pytest.approx(expected["threshold"], abs=1e-12)
        at = sensitivity_specificity(d["y"], d[key], threshold)
        assert at.sensitivity.estimate == pytest.approx(expected["sensitivity"], abs=1e-12)
        assert at.specificity.estimate == pytest.approx(expected["specificity"], abs=1e-12)


def test_youden_threshold_of_worthless_scores_calls_all_alike():
    assert youden_threshold([1, 1, 0, 0], [1, 2, 3, 4]) == -math.inf


def test_scores_at_the_threshold_are_positive_calls():
    result = sensitivity_specificity([0, 0, 1, 1], [0.1, 0.5, 0.5, 0.9], 0.5)
    assert (result.sensitivity.estimate, result.specificity.estimate) == (1, 0.5)


def test_clustered_intervals_take_the_effective_sample():
    rng = np.random.default_rng(4)
    y = rng.permutation(np.arange(60) < 30).astype(int)
    scores = rng.normal(size=60) + y
    single = sensitivity_specificity(y, scores, 0.5)
    patients = np.tile(np.arange(60), 4)
    copies = sensitivity_specificity(np.tile(y, 4), np.tile(scores, 4), 0.5, groups=patients)
    assert copies.sensitivity.n_groups == 30
    # Four copies of an image are worth one image (G / (G - 1) apart).
    assert copies.sensitivity.confidence_interval == pytest.approx(
        single.sensitivity.confidence_interval, abs=0.005
    )
    nothing = sensitivity_specificity(np.tile(y, 4), np.tile(scores, 4), 99, groups=patients)
    alone = sensitivity_specificity(y, scores, 99)
    assert nothing.sensitivity.confidence_interval == alone.sensitivity.confidence_interval
    assert nothing.specificity.confidence_interval == alone.specificity.confidence_interval


def test_print_and_frame():
    result = sensitivity_specificity([0, 0, 1, 1], [1, 3, 2, 4], 2.5, groups=list("abbc"))
    assert "sensitivity = 0.5000 (1 of 2 cases of 2 patients)" in str(result)
    frame = result.to_frame()
    assert list(frame["quantity"]) == ["sensitivity", "specificity"]
    assert list(frame["n_groups"]) == [2, 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mcnemar_test([1, 0], [1, 0, 1]), "one entry per case each, got 2 and 3"),
        (lambda: mcnemar_test([1, 2], [1, 0]), "`success_a` must hold 0"),
        (lambda: mcnemar_test([1, 0], [1, 0], method="midp"), "`method` must be one of"),
        (lambda: sensitivity_specificity([0, 1], [1, 2], math.nan), "`threshold` must be a number"),
        (lambda: sensitivity_specificity([0, 1], [1, 2], 1, method="wald"), "`method` must be"),
        (
            lambda: operating_point_test(
                [0, 1], [1, 2], [1, 2], threshold_a=1, threshold_b=1, metric="auc"
            ),
            "`metric` must be one of",
        ),
    ],
)
def test_bad_options_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "low", [1 - 2**-52, np.nextafter(0.3, 1), 0.7310585786300049, 0.9241418199787566, 5e-324]
)
def test_a_threshold_between_neighbouring_doubles_separates_them(low):
    # The middle of two neighbours is rounded to one of them.
    high = np.nextafter(low, 2)
    y, scores = [0, 0, 0, 1, 1, 1], np.array([-0.1, -0.2, low, high, high, 1.5])
    for threshold in (youden_threshold(y, scores), sensitivity_threshold(y, scores, 1.0)):
        assert low < threshold <= high
        found = sensitivity_specificity(y, scores, threshold)
        assert (found.sensitivity.estimate, found.specificity.estimate) == (1.0, 1.0)


def test_a_score_of_minus_infinity_is_below_the_threshold():
    y, scores = [0, 0, 1, 1], [-np.inf, -np.inf, -5.0, 2.0]
    found = sensitivity_specificity(y, scores, youden_threshold(y, scores))
    assert (found.sensitivity.estimate, found.specificity.estimate) == (1.0, 1.0)
