"""The bootstrap against R, against a loop over resampled cases, and by its laws."""

import math
import tracemalloc

import numpy as np
import pytest
from scipy import stats as sps
from sklearn.metrics import roc_auc_score

from stats_tl.stats import DegenerateDataWarning, bootstrap_auc_test, delong_test
from stats_tl.stats._shared.auc_replicates import AUCReplicates
from stats_tl.stats._shared.resampling import Resampler, acceleration, bootstrap_interval


def simulate(n, *, seed=0, decimals=None, prevalence=0.4):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) < max(2, round(prevalence * n)))
    a, b = rng.normal(size=(2, n)) + rng.normal(size=n) + y
    return (y, a, b) if decimals is None else (y, a.round(decimals), b.round(decimals))


def patients(n, size, seed=0):
    codes = np.random.default_rng(seed).integers(0, n // size, n)
    return np.unique(codes, return_inverse=True)[1]


# Reference values -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "key"), [("percentile", "perc"), ("basic", "basic"), ("BCa", "bca")]
)
def test_intervals_agree_with_r(gold, gold_data, method, key):
    d, expected = gold_data("asah"), gold["roc"]["mc_asah_s100b_wfns"]
    result = bootstrap_auc_test(
        d["y"], d["s100b"], d["wfns"], method=method, n_resamples=20_000, rng=1
    )
    reference = expected["boot_pkg_diff_strat_20000"]
    assert result.confidence_interval == pytest.approx(reference[key], abs=0.005)
    assert result.standard_error == pytest.approx(reference["se"], rel=0.02)
    normal = result.estimate + result.standard_error * sps.norm.ppf([0.025, 0.975])
    assert normal == pytest.approx(reference["norm"], abs=0.005)


def test_p_value_agrees_with_proc(gold, gold_data):
    d = gold_data("asah")
    expected = gold["roc"]["mc_asah_s100b_wfns"]["roc_test_boot_paired_10000"]
    result = bootstrap_auc_test(d["y"], d["s100b"], d["wfns"], n_resamples=10_000, rng=1)
    assert result.standard_error == pytest.approx(expected["se_boot"], rel=0.03)
    assert result.statistic == pytest.approx(expected["D"], rel=0.03)
    p = expected["p"]
    assert result.pvalue == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 10_000))


@pytest.mark.parametrize("stratified", [True, False])
def test_clusters_agree_with_r(gold, gold_data, stratified):
    d = gold_data("roc_clustered_80")
    expected = gold["other"]["clustered"]["roc_clustered_80"]["cluster_bootstrap_10000"]
    result = bootstrap_auc_test(
        d["y"],
        d["a"],
        d["b"],
        groups=d["cluster"],
        stratified=stratified,
        method="percentile",
        rng=1,
    )
    assert result.standard_error == pytest.approx(expected["se_diff"], rel=0.03)
    assert result.confidence_interval == pytest.approx(expected["perc_diff"], abs=0.005)
    assert result.n_groups == 80


def test_single_auc_matches_scipys_bca():
    """The same replicates' quantiles, with scipy's acceleration from the jackknife."""
    y, a, _ = simulate(60, seed=2)
    positive, negative = a[y], a[~y]
    theta = roc_auc_score(y, a)
    left = [
        np.array([(x > negative).mean() for x in positive]),
        np.array([(positive > v).mean() for v in negative]),
    ]
    numerator = denominator = 0.0
    for v in left:  # scipy.stats._resampling._bca_interval
        jack = (v.sum() - v) / (v.size - 1)
        u = (v.size - 1) * (jack.mean() - jack)
        numerator, denominator = (
            numerator + np.sum(u**3) / v.size**3,
            denominator + np.sum(u**2) / v.size**2,
        )
    expected = numerator / (6 * denominator**1.5)
    resampler = Resampler(y, None, True)
    first_order = np.empty(60)
    first_order[y] = (left[0] - theta) / y.sum()
    first_order[~y] = (left[1] - theta) / (~y).sum()
    assert acceleration(resampler.influence(first_order)) == pytest.approx(expected, rel=1e-9)


def test_bca_of_a_mean_equals_scipy():
    rng = np.random.default_rng(0)
    sample = rng.exponential(size=40)
    reference = sps.bootstrap(
        (sample,), np.mean, n_resamples=5000, method="BCa", random_state=np.random.default_rng(1)
    )
    contribution = (sample - sample.mean()) / sample.size
    interval = bootstrap_interval(
        reference.bootstrap_distribution,
        sample.mean(),
        method="BCa",
        alternative="two-sided",
        confidence_level=0.95,
        accel=acceleration(contribution),
    )
    assert interval == pytest.approx(tuple(reference.confidence_interval), rel=1e-9)


# Replicates are exact ----------------------------------------------------------------------


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("clusters", [None, 1, 3])
@pytest.mark.parametrize("stratified", [True, False])
@pytest.mark.parametrize("strategy", ["kernel", "prefix"])
def test_every_replicate_is_the_auc_of_the_resampled_cases(
    decimals, clusters, stratified, strategy
):
    y, a, b = simulate(50, decimals=decimals)
    codes = None if clusters is None else patients(50, clusters)
    resampler = Resampler(y, codes, stratified)
    draws = AUCReplicates(y, [a, b], resampler, 40, strategy).draw(5, 40)
    single = AUCReplicates(y, [a], resampler, 40, strategy).draw(5, 40)
    weights = np.concatenate(list(resampler.weights(5, 40)))
    assert (weights.sum(axis=1) == resampler.n_units).all()
    for row, difference, auc in zip(weights, draws, single, strict=True):
        cases = np.repeat(np.arange(50), row[resampler.unit])
        expected = roc_auc_score(y[cases], a[cases]), roc_auc_score(y[cases], b[cases])
        assert auc == pytest.approx(expected[0], abs=1e-14)
        assert difference == pytest.approx(expected[0] - expected[1], abs=1e-14)


@pytest.mark.parametrize("clusters", [None, 4])
@pytest.mark.parametrize("n", [30, 1500])
def test_strategy_and_chunk_size_change_no_bit(n, clusters):
    y, a, b = simulate(n, decimals=1)
    codes = None if clusters is None else patients(n, clusters)
    resampler = Resampler(y, codes, True)
    reference = AUCReplicates(y, [a, b], resampler, 60, "kernel").draw(9, 60)
    for strategy in ("kernel", "prefix"):
        for entries in (1, 5 * resampler.n_units, 7 * resampler.n_units, 1 << 22):
            draws = AUCReplicates(y, [a, b], resampler, 60, strategy).draw(
                9, 60, chunk_entries=entries
            )
            np.testing.assert_array_equal(draws, reference)


def test_large_clusters_stay_exact_beyond_single_precision():
    """Sums above 2^24 need the kernel in double precision."""
    y, a, b = simulate(6000, seed=1)
    codes = np.where(np.arange(6000) < 5000, 0, np.arange(6000) - 4999)
    resampler = Resampler(y, codes, False)
    kernel = AUCReplicates(y, [a, b], resampler, 20, "kernel").draw(3, 20)
    prefix = AUCReplicates(y, [a, b], resampler, 20, "prefix").draw(3, 20)
    np.testing.assert_array_equal(kernel, prefix)


def test_strata_are_kept():
    y, _, _ = simulate(40)
    weights = next(iter(Resampler(y, None, True).weights(0, 500)))
    unit = Resampler(y, None, True).unit
    np.testing.assert_array_equal(weights[:, unit[y]].sum(axis=1), y.sum())
    codes = np.array([0, 0, 1, 1, 2, 3, 4, 5])
    labels = np.array(
        [1, 0, 0, 0, 1, 1, 0, 1], dtype=bool
    )  # one mixed, two negative, three positive
    resampler = Resampler(labels, codes, True)
    assert sorted(resampler.sizes) == [1, 2, 3]
    weights = next(iter(resampler.weights(0, 200)))
    assert (weights[:, resampler.unit[0]] == 1).all()  # the only mixed patient is always drawn
    assert (weights[:, resampler.unit[[2, 6]]].sum(axis=1) == 2).all()


def test_counts_are_uniform_over_cases():
    resampler = Resampler(np.arange(700) < 5, None, False)
    counts = sum(w.sum(axis=0) for w in resampler.weights(2, 400))
    # 280,000 draws over 700 units: chi-square with 699 degrees of freedom.
    assert sps.chi2.sf(np.sum((counts - 400.0) ** 2) / 400, 699) > 1e-4


# Behaviour ----------------------------------------------------------------------------------


def test_seed_is_honoured():
    # rliable ignores its random_state.
    y, a, b = simulate(60)
    first = bootstrap_auc_test(y, a, b, rng=1, n_resamples=200, return_draws=True)
    again = bootstrap_auc_test(
        y, a, b, rng=np.random.default_rng(1), n_resamples=200, return_draws=True
    )
    other = bootstrap_auc_test(y, a, b, rng=2, n_resamples=200, return_draws=True)
    np.testing.assert_array_equal(first.draws, again.draws)
    assert first == again
    assert (first.draws != other.draws).any()
    generator = np.random.default_rng(1)
    bootstrap_auc_test(y, a, b, rng=generator, n_resamples=200)
    moved_on = bootstrap_auc_test(y, a, b, rng=generator, n_resamples=200, return_draws=True)
    assert (moved_on.draws != first.draws).any()


@pytest.mark.parametrize("method", ["BCa", "percentile", "basic"])
def test_swapping_arms_flips_the_sign(method):
    y, a, b = simulate(120, decimals=1)
    options = {"method": method, "n_resamples": 999, "rng": 1}
    one, two = bootstrap_auc_test(y, a, b, **options), bootstrap_auc_test(y, b, a, **options)
    assert one.estimate == -two.estimate
    assert one.statistic == pytest.approx(-two.statistic)
    assert one.pvalue == pytest.approx(two.pvalue)
    assert one.confidence_interval == pytest.approx(
        (-two.confidence_interval.high, -two.confidence_interval.low)
    )
    monotone = bootstrap_auc_test(y, np.exp(a), 5 * b, **options)
    assert monotone == one


@pytest.mark.parametrize("stratified", [True, False])
def test_clusters_of_one_case_change_nothing(stratified):
    y, a, b = simulate(70, decimals=1)
    options = {"stratified": stratified, "n_resamples": 300, "rng": 1, "return_draws": True}
    cases = bootstrap_auc_test(y, a, b, **options)
    clusters = bootstrap_auc_test(y, a, b, groups=np.arange(70), **options)
    np.testing.assert_array_equal(clusters.draws, cases.draws)
    assert clusters.confidence_interval == pytest.approx(cases.confidence_interval)


def test_memory_is_bounded():
    y, a, b = simulate(20_000, decimals=2)
    tracemalloc.start()
    bootstrap_auc_test(y, a, b, n_resamples=300, rng=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6  # the counts of 300 replicates alone are 24 MB, 9,999 are 800 MB


def test_one_sided_intervals_and_p_values():
    y, a, b = simulate(150, seed=3)
    both = bootstrap_auc_test(y, a + y, b, confidence_level=0.9, rng=1)
    greater = bootstrap_auc_test(y, a + y, b, alternative="greater", rng=1)
    less = bootstrap_auc_test(y, a + y, b, alternative="less", rng=1)
    assert greater.confidence_interval == (both.confidence_interval.low, math.inf)
    assert less.confidence_interval == (-math.inf, both.confidence_interval.high)
    assert greater.pvalue + less.pvalue == pytest.approx(1)
    assert both.pvalue == pytest.approx(2 * greater.pvalue)


def test_agrees_with_delong_as_n_grows():
    errors = []
    for n in (60, 600, 6000):
        y, a, b = simulate(n, seed=7)
        bootstrap = bootstrap_auc_test(y, a, b, n_resamples=4000, rng=1)
        errors.append(abs(bootstrap.standard_error / delong_test(y, a, b).standard_error - 1))
    # The Monte-Carlo error of a standard deviation from 4,000 draws is 1.1 %.
    assert errors[2] < 0.03
    y, a, b = simulate(6000, seed=7)
    codes = np.arange(6000) // 2
    clustered = bootstrap_auc_test(y, a, b, groups=codes, n_resamples=4000, rng=1)
    expected = delong_test(y, a, b, groups=codes).standard_error
    assert clustered.standard_error == pytest.approx(expected, rel=0.04)


def test_scores_that_rank_alike_give_p_one():
    y, a, _ = simulate(40)
    result = bootstrap_auc_test(y, a, np.exp(a), rng=0)
    assert (result.statistic, result.pvalue, result.standard_error) == (0, 1, 0)
    assert result.confidence_interval == (0, 0)


def test_perfect_curves_warn():
    with pytest.warns(DegenerateDataWarning, match="both AUCs are 1"):
        result = bootstrap_auc_test([0, 0, 1, 1], [1, 2, 3, 4], [1, 1, 5, 6], rng=0)
    assert (result.statistic, result.pvalue) == (0, 1)


def test_one_case_in_a_class_is_not_estimable():
    with pytest.warns(DegenerateDataWarning, match="only one negative"):
        result = bootstrap_auc_test([1, 1, 1, 0], [1, 2, 3, 4], [4, 2, 3, 1], rng=0)
    assert np.isnan([result.pvalue, result.standard_error, *result.confidence_interval]).all()
    assert result.estimate == -1


def test_certain_difference_is_not_significant():
    y = [0, 0, 0, 1, 1, 1]
    with pytest.warns(DegenerateDataWarning, match="no test is possible"):
        result = bootstrap_auc_test(y, [1, 2, 3, 4, 5, 6], np.zeros(6), rng=0)
    assert math.isnan(result.pvalue)


def test_unstratified_resamples_of_one_class_are_counted():
    y = [0, 0, 0, 0, 0, 0, 1, 1]
    result = bootstrap_auc_test(
        y, [1, 2, 3, 4, 5, 6, 5, 7], [3, 1, 2, 6, 4, 5, 7, 3], stratified=False, rng=0
    )
    assert "resamples held one class only" in result.warnings[0]
    assert math.isfinite(result.pvalue)


def test_interval_and_p_value_that_disagree_are_reported():
    y, a, b = simulate(60, seed=11)
    results = [bootstrap_auc_test(y, a + shift * y, b, rng=1) for shift in np.linspace(0, 2, 41)]
    disagree = [(r.confidence_interval.low > 0) != (r.pvalue < 0.05) for r in results]
    reported = [any("disagree" in text for text in r.warnings) for r in results]
    assert reported == disagree
    assert any(disagree)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "bca"}, "`method` must be one of"),
        ({"alternative": "both"}, "`alternative` must be one of"),
        ({"n_resamples": 0}, "`n_resamples` must be at least 2"),
        ({"groups": [1, 1, 1, 1]}, "in one patient"),
        ({"groups": [1, 2, 1, 2]}, "all 2 positive cases in one patient"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_auc_test([0, 1, 0, 1], [1, 2, 3, 4], [2, 1, 4, 3], **options)
