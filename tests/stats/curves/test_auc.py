"""One AUC with its intervals, against pROC and by its own laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from stats_tl.stats import DegenerateDataWarning, delong_covariance, roc_auc

CURVES = [
    ("roc_basic_n200", "a", "a"),
    ("roc_basic_n200", "b", "b"),
    ("roc_n20", "a", "a"),
    ("roc_n20", "b", "b"),
    ("roc_ties_5level_n200", "a", "a"),
    ("roc_ties_5level_n200", "b", "b"),
    ("roc_identical_n100", "a", "a"),
    ("roc_identical_n100", "b", "b"),
    ("roc_clustered_size1_n200", "a", "a"),
    ("roc_clustered_size1_n200", "b", "b"),
    ("asah", "s100b", "s100b"),
    ("asah", "ndka", "ndka"),
    ("asah", "wfns", "wfns"),
]


@pytest.mark.parametrize(("data", "key", "column"), CURVES)
def test_equals_proc(gold, gold_data, data, key, column):
    d, expected = gold_data(data), gold["roc"][data][key]
    result = roc_auc(d["y"], d[column])
    low, auc, high = expected["ci_delong"]
    assert result.estimate == pytest.approx(expected["auc"], abs=1e-10)
    assert result.estimate == pytest.approx(auc, abs=1e-10)
    assert result.standard_error**2 == pytest.approx(expected["var_delong"], abs=1e-10)
    assert result.confidence_interval == pytest.approx((low, high), abs=1e-10)
    assert (result.n_positive, result.n_negative) == (expected["n1"], expected["n0"])
    assert result.estimate * result.n_positive * result.n_negative == pytest.approx(
        expected["mann_whitney_W"], rel=1e-12
    )
    low, _, high = expected["ci_delong_90"]
    narrow = roc_auc(d["y"], d[column], confidence_level=0.9)
    assert narrow.confidence_interval == pytest.approx((low, high), abs=1e-10)
    logit = roc_auc(d["y"], d[column], method="logit")
    assert logit.confidence_interval == pytest.approx(expected["ci_delong_logit"], abs=1e-10)
    assert logit.standard_error == result.standard_error


@pytest.mark.parametrize("data", ["roc_clustered_80", "roc_clustered_size1_n200"])
@pytest.mark.parametrize("arm", ["A", "B"])
def test_clusters_equal_obuchowskis_code(gold, gold_data, data, arm):
    d, expected = gold_data(data), gold["other"]["clustered"][data]
    result = roc_auc(d["y"], d[arm.lower()], groups=d["cluster"])
    assert result.standard_error == pytest.approx(expected[f"auc.se.{arm}"], abs=1e-10)
    assert result.estimate == pytest.approx(expected[f"auc.{arm}"], abs=1e-10)
    # Obuchowski's code takes 1.96 for the quantile of the normal distribution.
    bounds = expected[f"ci.bot.{arm}"], expected[f"ci.top.{arm}"]
    assert result.confidence_interval == pytest.approx(bounds, abs=1e-5)


def test_bootstrap_intervals_agree_with_r(gold, gold_data):
    # Monte-Carlo error: gold's mc_note asks for agreement within about 0.005.
    d, expected = gold_data("asah"), gold["roc"]["mc_asah_s100b_wfns"]
    cases = [
        ("percentile", True, expected["ci_auc_boot_strat_10000"][::2]),
        ("percentile", False, expected["ci_auc_boot_unstrat_10000"][::2]),
        ("percentile", True, expected["boot_pkg_auc_a_strat_20000"]["perc"]),
        ("BCa", True, expected["boot_pkg_auc_a_strat_20000"]["bca"]),
    ]
    for kind, stratified, bounds in cases:
        result = roc_auc(
            d["y"],
            d["s100b"],
            method="bootstrap",
            bootstrap_interval=kind,
            stratified=stratified,
            n_resamples=20_000,
            rng=1,
        )
        assert result.confidence_interval == pytest.approx(bounds, abs=0.005)
        if stratified:
            se = expected["boot_pkg_auc_a_strat_20000"]["se"]
            assert result.standard_error == pytest.approx(se, rel=0.02)


def test_clustered_bootstrap_agrees_with_r(gold, gold_data):
    d = gold_data("roc_clustered_80")
    expected = gold["other"]["clustered"]["roc_clustered_80"]["cluster_bootstrap_10000"]
    result = roc_auc(
        d["y"], d["a"], groups=d["cluster"], method="bootstrap", stratified=False, rng=2
    )
    # Both have a relative Monte-Carlo error of 1 / sqrt(2 * 10000) = 0.7 %.
    assert result.standard_error == pytest.approx(expected["se_a"], rel=0.03)


def test_draws_are_reproducible_and_kept_on_request():
    y, s = [0, 0, 0, 1, 1, 1, 0, 1], [1, 2, 5, 3, 4, 6, 4, 4]
    options = {"method": "bootstrap", "n_resamples": 50}
    first = roc_auc(y, s, rng=3, return_draws=True, **options)
    again = roc_auc(y, s, rng=np.random.default_rng(3), return_draws=True, **options)
    other = roc_auc(y, s, rng=4, return_draws=True, **options)
    np.testing.assert_array_equal(first.draws, again.draws)
    assert first.draws.shape == (50,)
    assert (first.draws != other.draws).any()
    assert roc_auc(y, s, rng=3, **options).draws is None


@pytest.mark.parametrize("method", ["delong", "logit", "bootstrap"])
def test_perfect_auc_is_a_point_and_says_so(method):
    with pytest.warns(DegenerateDataWarning, match="estimated as 0"):
        result = roc_auc([0, 0, 0, 1, 1], [1, 2, 3, 4, 5], method=method, rng=0)
    assert (result.estimate, result.standard_error) == (1, 0)
    assert result.confidence_interval == (1, 1)
    assert result.warnings


@pytest.mark.parametrize("method", ["delong", "logit", "bootstrap"])
def test_constant_scores_give_one_half(method):
    with pytest.warns(DegenerateDataWarning, match="estimated as 0"):
        result = roc_auc([0, 0, 0, 1, 1], [3, 3, 3, 3, 3], method=method, rng=0)
    assert result.estimate == 0.5
    assert result.confidence_interval == (0.5, 0.5)


@pytest.mark.parametrize("method", ["delong", "logit", "bootstrap"])
def test_one_positive_case_has_no_interval(method):
    with pytest.warns(DegenerateDataWarning, match="only one positive"):
        result = roc_auc([0, 0, 0, 1], [1, 2, 4, 3], method=method, rng=0)
    assert result.estimate == pytest.approx(2 / 3)
    assert np.isnan([result.standard_error, *result.confidence_interval]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "hanley"}, "`method` must be one of"),
        ({"bootstrap_interval": "normal"}, "`bootstrap_interval` must be one of"),
        ({"confidence_level": 1}, "`confidence_level` must be between"),
        ({"n_resamples": 1}, "`n_resamples` must be at least 2"),
        ({"n_resamples": 10.5}, "`n_resamples` must be a whole number"),
        ({"groups": [0, 0, 0, 0]}, "in one patient"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        roc_auc([0, 1, 0, 1], [1, 2, 3, 4], **options)


def test_print_and_frame():
    result = roc_auc([0, 0, 0, 1, 1, 1], [1, 2, 5, 3, 4, 6], groups=list("aabbcd"))
    assert "AUC = 0.7778" in str(result)
    assert "6 cases of 4 patients: 3 positive, 3 negative" in str(result)
    frame = result.to_frame()
    assert frame.shape[0] == 1
    assert frame.loc[0, "estimate"] == result.estimate


labels_and_scores = st.integers(2, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda y: 0 < sum(y) < len(y)),
        st.lists(st.floats(allow_nan=False), min_size=n, max_size=n),
    )
)


@given(labels_and_scores)
@settings(max_examples=100, deadline=None)
@pytest.mark.filterwarnings("ignore::stats_tl.stats.DegenerateDataWarning")
def test_laws_of_the_auc(data):
    y, scores = np.array(data[0]), np.array(data[1])
    ranks = np.unique(scores, return_inverse=True)[1]
    result = roc_auc(y, scores)
    assert result.estimate == pytest.approx(roc_auc_score(y, ranks), abs=1e-13)
    # Every float, infinite and subnormal ones and both zeros, counts as its rank.
    assert roc_auc(y, ranks).to_frame().equals(result.to_frame())
    assert roc_auc(1 - y, scores).estimate == pytest.approx(1 - result.estimate, abs=1e-13)
    # Duplication of the sample changes the estimate not at all, the variance as 1 / n does.
    twice = roc_auc(np.tile(y, 2), np.tile(scores, 2))
    assert twice.estimate == result.estimate
    for method in ("delong", "logit"):
        low, high = roc_auc(y, scores, method=method).confidence_interval
        assert math.isnan(low) or 0 <= low <= result.estimate <= high <= 1


def test_covariance_of_one_curve_is_the_squared_standard_error():
    y, s = [0, 0, 0, 1, 1, 1], [1, 2, 5, 3, 4, 6]
    variance = delong_covariance(y, [s])[1][0, 0]
    assert roc_auc(y, s).standard_error == pytest.approx(math.sqrt(variance), rel=1e-14)


@pytest.mark.slow
def test_logit_interval_covers_better_near_one():
    """AUC 0.95, 15 positive and 30 negative cases: Wald is too optimistic, logit is not."""
    rng = np.random.default_rng(5)
    shift = math.sqrt(2) * 1.6448536269514722  # AUC = Phi(shift / sqrt 2) = 0.95
    y = np.repeat([1, 0], [15, 30])
    covered = dict.fromkeys(("delong", "logit"), 0)
    runs = 4000
    for _ in range(runs):
        scores = rng.normal(size=45) + shift * y
        if roc_auc_score(y, scores) == 1:
            continue
        for method in covered:
            low, high = roc_auc(y, scores, method=method).confidence_interval
            covered[method] += low <= 0.95 <= high
    assert covered["delong"] / runs < 0.92
    assert covered["logit"] > covered["delong"]


def test_single_precision_scores_lose_nothing():
    # confidenceinterval 1.0.5 keeps midranks in single precision: AUCs above 1, wrong digits.
    rng = np.random.default_rng(5)
    y = np.arange(300_000) % 3 == 0
    scores = (y + rng.normal(size=y.size)).astype(np.float32)
    assert roc_auc(y, scores) == roc_auc(y, scores.astype(float))
    separated = np.where(y, 2, 1) + rng.random(y.size).astype(np.float32) / 2
    with pytest.warns(DegenerateDataWarning):
        perfect = roc_auc(y, separated.astype(np.float32))
    assert perfect.estimate == 1


@pytest.mark.parametrize("method", ["delong", "logit", "bootstrap"])
def test_intervals_stay_between_zero_and_one(method):
    # confidenceinterval 1.0.5 goes beyond.
    y, scores = [0, 0, 0, 0, 1, 1, 1, 1], [1, 2, 3, 5, 4, 6, 7, 8]
    for values in (scores, [-s for s in scores]):
        low, high = roc_auc(
            y, values, method=method, confidence_level=0.999, n_resamples=99, rng=0
        ).confidence_interval
        assert 0 <= low < high <= 1
