"""Partial areas, points of the curve and average precision against pROC and scikit-learn."""

import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from stats_tl.stats import (
    DegenerateDataWarning,
    average_precision,
    average_precision_test,
    partial_auc,
    partial_auc_test,
    roc_auc,
    roc_point_test,
)

CURVES = [
    ("roc_basic_n200", "a", "a"),
    ("roc_basic_n200", "b", "b"),
    ("roc_n20", "a", "a"),
    ("roc_n20", "b", "b"),
    ("roc_ties_5level_n200", "a", "a"),
    ("roc_ties_5level_n200", "b", "b"),
    ("roc_perfect_both_n60", "a", "a"),
    ("roc_identical_n100", "a", "a"),
    ("asah", "s100b", "s100b"),
    ("asah", "ndka", "ndka"),
    ("asah", "wfns", "wfns"),
]
FEW = {"n_resamples": 20, "rng": 0}


def simulate(n, seed=0, decimals=1):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) < 0.4 * n).astype(int)
    a, b = rng.normal(size=(2, n)) + rng.normal(size=n) + y
    return y, a.round(decimals), b.round(decimals)


@pytest.mark.parametrize(("data", "key", "column"), CURVES)
def test_equals_proc(gold, gold_data, data, key, column):
    d, expected = gold_data(data), gold["roc"][data][key]

    def area(**options):
        return partial_auc(d["y"], d[column], **options, **FEW).estimate

    close = {"abs": 1e-10}
    assert area() == pytest.approx(expected["pauc_spec_1_0.8"], **close)
    assert area(specificity=(1, 0.9)) == pytest.approx(expected["pauc_spec_1_0.9"], **close)
    assert area(sensitivity=(0.8, 1)) == pytest.approx(expected["pauc_sens_1_0.8"], **close)
    for focus, name in (("specificity", "spec"), ("sensitivity", "sens")):
        reference = expected[f"pauc_{name}_1_0.8_mcclish"]
        result = partial_auc(d["y"], d[column], **{focus: (0.8, 1)}, corrected=True, **FEW)
        if reference is None:
            assert math.isnan(result.estimate)
            assert "below that of the chance line" in result.warnings[-1]
        else:
            assert result.estimate == pytest.approx(reference, **close)


def test_bootstrap_agrees_with_proc(gold, gold_data):
    d, expected = gold_data("asah"), gold["roc"]["mc_asah_s100b_wfns"]
    one = partial_auc(d["y"], d["s100b"], rng=1)
    low, _, high = expected["ci_pauc_spec_1_0.8_boot_4000"]
    assert one.confidence_interval == pytest.approx((low, high), abs=0.005)
    for test, key in (
        (partial_auc_test(d["y"], d["s100b"], d["wfns"], rng=1), "roc_test_pauc_boot_4000"),
        (
            roc_point_test(d["y"], d["s100b"], d["wfns"], specificity=0.9, rng=1),
            "roc_test_sens_at_spec90_boot_4000",
        ),
    ):
        p = expected[key]["p"]
        # D carries the Monte-Carlo error of a standard deviation from 4,000 draws, 1.1 %.
        assert test.statistic == pytest.approx(expected[key]["D"], rel=0.04)
        assert test.pvalue == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 4000))


def test_ranges_add_up_to_the_whole_area():
    y, a, _ = simulate(80)
    auc = roc_auc(y, a).estimate
    edges = [0, 0.13, 0.5, 0.77, 1]
    for focus in ("specificity", "sensitivity"):
        parts = [
            partial_auc(y, a, **{focus: pair}, **FEW).estimate for pair in itertools.pairwise(edges)
        ]
        assert sum(parts) == pytest.approx(auc, abs=1e-13)
    assert partial_auc(y, a, specificity=(0, 1), corrected=True, **FEW).estimate == pytest.approx(
        auc, abs=1e-13
    )


def test_correction_equals_scikit_learn():
    y, a, _ = simulate(120)
    for limit in (0.1, 0.35):
        ours = partial_auc(y, a, specificity=(1 - limit, 1), corrected=True, **FEW).estimate
        assert ours == pytest.approx(roc_auc_score(y, a, max_fpr=limit), abs=1e-12)


def test_whole_range_bootstraps_like_the_auc():
    y, a, _ = simulate(60)
    whole = partial_auc(y, a, specificity=(0, 1), rng=4, n_resamples=300, return_draws=True)
    auc = roc_auc(y, a, method="bootstrap", rng=4, n_resamples=300, return_draws=True)
    np.testing.assert_allclose(whole.draws, auc.draws, atol=1e-12)
    # ... and BCa with the jackknife is close to BCa with the structural components.
    one = partial_auc(y, a, specificity=(0, 1), method="BCa", rng=4)
    two = roc_auc(y, a, method="bootstrap", bootstrap_interval="BCa", rng=4)
    assert one.confidence_interval == pytest.approx(two.confidence_interval, abs=0.003)


def test_average_precision_equals_scikit_learn():
    for seed, decimals in ((0, 8), (1, 1), (2, 0)):
        y, a, b = simulate(70, seed, decimals)
        expected = average_precision_score(y, a), average_precision_score(y, b)
        result = average_precision_test(y, a, b, **FEW)
        assert result.estimates == pytest.approx(expected, abs=1e-13)
        assert average_precision(y, a, **FEW).estimate == pytest.approx(expected[0], abs=1e-13)


def test_replicates_equal_scikit_learn_on_weights():
    from stats_tl.stats._shared.resampling import Resampler

    y, a, b = simulate(40)
    groups = np.arange(40) // 2
    result = average_precision_test(
        y, a, b, groups=groups, n_resamples=30, rng=5, return_draws=True
    )
    resampler = Resampler(y == 1, groups, True)
    weights = np.concatenate(list(resampler.weights(5, 30)))[:, resampler.unit]
    for row, draw in zip(weights, result.draws, strict=True):
        one, two = (average_precision_score(y, s, sample_weight=row) for s in (a, b))
        assert draw == pytest.approx(one - two, abs=1e-13)


@pytest.mark.parametrize("test", [partial_auc_test, average_precision_test])
@pytest.mark.parametrize("method", ["percentile", "basic", "BCa"])
def test_swap_transform_and_seed(test, method):
    y, a, b = simulate(90)
    options = {"method": method, "rng": 2, "n_resamples": 500}
    one, two = test(y, a, b, **options), test(y, b, a, **options)
    assert two.estimate == pytest.approx(-one.estimate, abs=1e-15)
    assert two.pvalue == pytest.approx(one.pvalue)
    assert two.confidence_interval == pytest.approx(
        (-one.confidence_interval.high, -one.confidence_interval.low), abs=1e-12
    )
    assert test(y, np.exp(a), 3 * b, **options) == one
    assert test(y, a, b, **{**options, "rng": 3}) != one
    alike = test(y, a, 2 * a, **options)
    assert (alike.statistic, alike.pvalue) == (0, 1)


def test_one_case_in_a_class_is_not_estimable():
    y, a = [0, 0, 0, 0, 1], [1, 2, 3, 5, 4]
    with pytest.warns(DegenerateDataWarning, match="only one positive"):
        result = partial_auc(y, a, specificity=(0.5, 1), rng=0)
    assert result.estimate == pytest.approx(0.25)
    assert np.isnan([result.standard_error, *result.confidence_interval]).all()
    with pytest.warns(DegenerateDataWarning, match="only one positive"):
        assert math.isnan(average_precision_test(y, a, a, rng=0).pvalue)


def test_printed_name_is_that_of_the_quantity():
    y, a, _ = simulate(60)
    assert "partial AUC (specificity 0.8 to 1) = 0." in str(partial_auc(y, a, **FEW))
    assert "average precision = 0." in str(average_precision(y, a, **FEW))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda y, a: partial_auc(y, a, specificity=(0.9, 1.2)), "within 0 and 1"),
        (lambda y, a: partial_auc(y, a, specificity=0.9), "`specificity` must be a pair"),
        (lambda y, a: partial_auc(y, a, sensitivity=(1, 1)), "`sensitivity` must be a range"),
        (
            lambda y, a: partial_auc(y, a, specificity=(0.8, 1), sensitivity=(0.8, 1)),
            "not both",
        ),
        (lambda y, a: partial_auc(y, a, method="normal"), "`method` must be one of"),
        (lambda y, a: roc_point_test(y, a, a), "Give one of `specificity` and `sensitivity`"),
        (lambda y, a: roc_point_test(y, a, a, specificity=90), "`specificity` must be between"),
        (lambda y, a: average_precision(y, a[:-1]), r"`scores`.*expected 20, got 19"),
    ],
)
def test_bad_options_are_named(call, message):
    y, a, _ = simulate(20)
    with pytest.raises(ValueError, match=message):
        call(y, a)


@pytest.mark.parametrize(
    "compare",
    [
        lambda y, a, b: partial_auc_test(y, a, b, specificity=(0.7, 0.93), n_resamples=99, rng=0),
        lambda y, a, b: partial_auc_test(y, a, b, corrected=True, n_resamples=99, rng=0),
        lambda y, a, b: roc_point_test(y, a, b, specificity=0.9, n_resamples=99, rng=0),
        lambda y, a, b: average_precision_test(y, a, b, n_resamples=99, rng=0),
    ],
)
def test_curves_without_a_difference_give_p_one(compare):
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1], [37, 23])
    noisy, tied = y + rng.random(60) * 0.9, y.astype(float)
    # Both perfect, one with ties: the areas are sums of different, equally rounded terms.
    with pytest.warns(DegenerateDataWarning, match="p = 1 is a convention"):
        result = compare(y, noisy, tied)
    assert (result.estimate, result.statistic, result.pvalue) == (0, 0, 1)
    assert result.confidence_interval == (0, 0)
    scores = y + rng.normal(size=60)
    result = compare(y, scores, np.exp(scores))
    assert (result.statistic, result.pvalue) == (0, 1)
    assert "rank the cases alike" in result.warnings[0]
