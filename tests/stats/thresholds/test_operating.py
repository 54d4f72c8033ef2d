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


CLUSTER_METHODS = ("obuchowski", "durkalski", "eliasziw-donner")


def test_clusters_of_one_are_mcnemars_and_copies_add_nothing():
    a, b = from_table([[30, 12], [2, 6]])
    plain = mcnemar_test(a, b, method="chi-square")
    patients = np.arange(50)
    for method, factor in zip(CLUSTER_METHODS, (49 / 50, 1, 1), strict=True):
        single = mcnemar_test(a, b, groups=patients, cluster_method=method)
        assert single.statistic**2 == pytest.approx(factor * plain.statistic)
        copies = mcnemar_test(
            np.tile(a, 3), np.tile(b, 3), groups=np.tile(patients, 3), cluster_method=method
        )
        assert copies.pvalue == pytest.approx(single.pvalue)
        assert copies.confidence_interval == pytest.approx(single.confidence_interval)
        assert (copies.n_cases, copies.n_groups) == (150, 50)
    with pytest.raises(ValueError, match="in one patient"):
        mcnemar_test(a, b, groups=np.zeros(50))
    with pytest.raises(ValueError, match="cluster_method"):
        mcnemar_test(a, b, cluster_method="yang")


def obuchowski(a, b, patients):
    """Variances and covariance under a common proportion, from the definitions of 1998."""
    pooled, kinds = (a.mean() + b.mean()) / 2, np.unique(patients)
    residual = np.array([[(x[patients == k] - pooled).sum() for x in (a, b)] for k in kinds])
    factor = kinds.size / (kinds.size - 1) / a.size**2
    va, vb, cov = (
        factor * (residual[:, i] * residual[:, j]).sum() for i, j in ((0, 0), (1, 1), (0, 1))
    )
    return (a.mean() - b.mean()) / math.sqrt(va + vb - 2 * cov)


def durkalski(a, b, patients):
    d = [a[patients == k].mean() - b[patients == k].mean() for k in np.unique(patients)]
    return sum(d) / math.sqrt(sum(x**2 for x in d))


def eliasziw_donner(a, b, patients):
    """Sums of squares of each kind of pair over single cases; n_c in the paper's own terms."""
    kinds = np.unique(patients)
    between = within = 0.0
    for kind in ((0, 0), (0, 1), (1, 0), (1, 1)):
        y = ((a == kind[0]) & (b == kind[1])).astype(float)
        for k in kinds:
            own = y[patients == k]
            between += own.size * (own.mean() - y.mean()) ** 2
            within += ((own - own.mean()) ** 2).sum()
    sizes = np.array([(patients == k).sum() for k in kinds])
    n, mean = kinds.size, sizes.mean()
    between, within = between / n, within / (n * (mean - 1))
    n0 = mean - ((sizes - mean) ** 2).sum() / (n * (n - 1) * mean)
    star = (between - within) / (between + (n0 - 1) * within)
    only_a, only_b = (a > b).mean(), (a < b).mean()
    rho = 1 / (1 + only_a * (1 - star) / star + only_b * (1 - star) / star)
    s = np.array([(a != b)[patients == k].sum() for k in kinds])
    s = s[s > 0]
    s0 = s.mean() - ((s - s.mean()) ** 2).sum() / (s.size * (s.size - 1) * s.mean())
    n_c = s0 + s.size * (s.mean() - s0)
    chi2 = (only_a - only_b) ** 2 / (only_a + only_b) * a.size / (1 + (n_c - 1) * rho)
    return math.copysign(math.sqrt(chi2), only_a - only_b)


@pytest.mark.parametrize("seed", range(8))
def test_clustered_tests_are_those_of_their_names(seed):
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(30), rng.integers(1, 7, 30))
    ease = rng.normal(0, 1.5, (2, 30))[:, patients]
    a, b = (rng.normal(size=ease.shape) < ease + np.array([[0.6], [0.2]])).astype(int)
    found = {
        method: mcnemar_test(a, b, groups=patients, cluster_method=method)
        for method in CLUSTER_METHODS
    }
    for method, expected in zip(
        CLUSTER_METHODS, (obuchowski, durkalski, eliasziw_donner), strict=True
    ):
        result = found[method]
        assert result.statistic == pytest.approx(expected(a, b, patients), rel=1e-10)
        assert result.pvalue == pytest.approx(2 * sps.norm.sf(abs(result.statistic)))
        assert result.procedure.version == method
        assert result.estimate == pytest.approx(result.estimates[0] - result.estimates[1])
        swapped = mcnemar_test(b, a, groups=patients, cluster_method=method)
        assert swapped.statistic == pytest.approx(-result.statistic)
    yang = np.bincount(patients, a - b)
    assert found["obuchowski"].statistic ** 2 == pytest.approx(
        29 / 30 * yang.sum() ** 2 / (yang**2).sum()
    )
    points = operating_point_test(
        np.r_[np.ones(a.size), 0], np.r_[a, 0], np.r_[b, 0], threshold_a=0.5, threshold_b=0.5,
        groups=np.r_[patients, 99], cluster_method="durkalski",
    )  # fmt: skip
    assert points.statistic == pytest.approx(found["durkalski"].statistic)


def test_cluster_methods_as_in_r():
    # clust.bin.pair 0.1.2: chi-square of `method = "obuchowski"`, "durkalski" and "eliasziw".
    # Right by both, by a alone, by b alone, by neither, of 25 patients.
    counts = (
        "1202 5001 1410 1000 2111 0001 3010 3200 1000 1100 2100 0100 1101 "
        "1014 0002 0201 1000 2202 1000 0103 2100 2202 1000 2112 2012"
    )
    pairs = [
        (patient, *kind)
        for patient, row in enumerate(counts.split(" "))
        for kind, count in zip(((1, 1), (1, 0), (0, 1), (0, 0)), row, strict=True)
        for _ in range(int(count))
    ]
    patients, a, b = np.array(pairs).T
    expected = (6.46736842105, 7.5415821501, 8.7008130923)
    for method, chi_square in zip(CLUSTER_METHODS, expected, strict=True):
        result = mcnemar_test(a, b, groups=patients, cluster_method=method)
        assert result.statistic**2 == pytest.approx(chi_square, rel=1e-10), method
        assert result.pvalue == pytest.approx(sps.chi2.sf(chi_square, 1), rel=1e-9)


def test_no_variance_from_eliasziw_and_donners_correlation_is_refused():
    # Every case alike in every patient: no kind of pair varies, so no correlation is defined.
    with pytest.raises(ValueError, match="obuchowski"):
        mcnemar_test(
            np.ones(6), np.zeros(6), groups=[0, 0, 1, 1, 2, 2], cluster_method="eliasziw-donner"
        )


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
