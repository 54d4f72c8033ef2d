"""DeLong's tests against pROC, Obuchowski's code, an O(n^2) second implementation, and laws."""

import itertools
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats_tl.stats import (
    DegenerateDataWarning,
    bootstrap_auc_test,
    delong_covariance,
    delong_omnibus_test,
    delong_test,
    delong_test_unpaired,
    permutation_auc_test,
    placements,
)

PAIRED = [
    ("roc_basic_n200", "pair", "a", "b"),
    ("roc_n20", "pair", "a", "b"),
    ("roc_ties_5level_n200", "pair", "a", "b"),
    ("roc_identical_n100", "pair", "a", "b"),
    ("roc_clustered_size1_n200", "pair", "a", "b"),
    ("asah", "s100b_vs_ndka", "s100b", "ndka"),
    ("asah", "s100b_vs_wfns", "s100b", "wfns"),
    ("asah", "ndka_vs_wfns", "ndka", "wfns"),
]


def psi(x, y):
    """Kernel of the Mann-Whitney statistic, all pairs."""
    return (x[:, None] > y).astype(float) + 0.5 * (x[:, None] == y)


def reference_covariance(y, scores, groups=None):
    """Obuchowski (1997), equations of section 2, from all pairs and loops over patients."""
    y, scores = np.asarray(y).astype(bool), np.asarray(scores, dtype=float)
    groups = np.arange(y.size) if groups is None else np.asarray(groups)
    m, n = int(y.sum()), int((~y).sum())
    kernels = [psi(row[y], row[~y]) for row in scores]
    aucs = np.array([k.mean() for k in kernels])
    v10, v01 = [k.mean(axis=1) for k in kernels], [k.mean(axis=0) for k in kernels]
    names = np.unique(groups)
    i10, i01, i = np.unique(groups[y]).size, np.unique(groups[~y]).size, names.size
    covariance = np.zeros((len(scores),) * 2)
    for r, s in itertools.product(range(len(scores)), repeat=2):
        s10 = s01 = s11 = s11_transposed = 0.0
        for name in names:
            pos, neg = groups[y] == name, groups[~y] == name
            x_r, x_s = ((v10[c][pos] - aucs[c]).sum() for c in (r, s))
            y_r, y_s = ((v01[c][neg] - aucs[c]).sum() for c in (r, s))
            s10, s01 = s10 + x_r * x_s, s01 + y_r * y_s
            s11, s11_transposed = s11 + x_r * y_s, s11_transposed + x_s * y_r
        s10, s01 = s10 * i10 / ((i10 - 1) * m), s01 * i01 / ((i01 - 1) * n)
        cross = (s11 + s11_transposed) * i / (i - 1)
        covariance[r, s] = s10 / m + s01 / n + cross / (m * n)
    return aucs, covariance


def simulate(n, *, seed=0, decimals=None, prevalence=0.4, m=2):
    rng = np.random.default_rng(seed)
    y = np.zeros(n, dtype=int)
    y[: max(2, round(prevalence * n))] = 1
    y = rng.permutation(y)
    scores = rng.normal(size=(m, n)) + rng.normal(size=n) + y
    return y, scores if decimals is None else scores.round(decimals)


# Reference values -------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "key", "a", "b"), PAIRED)
@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_paired_equals_proc(gold, gold_data, data, key, a, b, alternative):
    d, expected = gold_data(data), gold["roc"][data][key]
    reference = expected[f"delong_paired_{alternative.replace('-', '.')}"]
    result = delong_test(d["y"], d[a], d[b], alternative=alternative)
    assert result.statistic == pytest.approx(reference["statistic"], abs=1e-10)
    assert result.pvalue == pytest.approx(reference["p"], abs=1e-10)
    assert result.estimates == pytest.approx(reference["estimate"], abs=1e-10)
    assert result.estimate == pytest.approx(expected["diff"], abs=1e-10)
    assert result.standard_error**2 == pytest.approx(expected["var_diff"], abs=1e-10)
    if alternative == "two-sided":
        assert result.confidence_interval == pytest.approx(expected["ci_diff"], abs=1e-10)
    _, covariance = delong_covariance(d["y"], d[[a, b]].T)
    assert covariance[0, 1] == pytest.approx(expected["cov_delong"], abs=1e-12)


@pytest.mark.parametrize(("data", "key", "a", "b"), PAIRED)
@pytest.mark.parametrize("margin", [0.02, 0.05])
def test_null_value_gives_the_noninferiority_test(gold, gold_data, data, key, a, b, margin):
    d, expected = gold_data(data), gold["roc"][data][key][f"ni_margin_{margin:g}"]
    if expected["z_noninf"] is None:
        with pytest.warns(DegenerateDataWarning, match="no test is possible"):
            result = delong_test(d["y"], d[a], d[b], null_value=-margin, alternative="greater")
        assert math.isnan(result.pvalue)
        return
    result = delong_test(d["y"], d[a], d[b], null_value=-margin, alternative="greater")
    assert result.statistic == pytest.approx(expected["z_noninf"], abs=1e-10)
    assert result.pvalue == pytest.approx(expected["p_noninf"], abs=1e-10)
    assert result.confidence_interval.low == pytest.approx(expected["lower95_onesided"], abs=1e-10)
    assert result.confidence_interval.high == math.inf


@pytest.mark.parametrize(("data", "key", "a", "b"), PAIRED)
def test_unpaired_equals_proc(gold, gold_data, data, key, a, b):
    d, expected = gold_data(data), gold["roc"][data][key]["delong_unpaired"]
    result = delong_test_unpaired(d["y"], d[a], d["y"], d[b])
    assert result.statistic == pytest.approx(expected["statistic"], abs=1e-10)
    assert result.pvalue == pytest.approx(expected["p"], abs=1e-10)
    assert result.df == pytest.approx(expected["parameter"]["df"], rel=1e-10)


def test_unpaired_samples_of_different_size_equal_proc(gold, gold_data):
    d, expected = gold_data("asah"), gold["roc"]["asah"]["male_vs_female_s100b"]
    men, women = (d[d["gender"] == g] for g in ("Male", "Female"))
    if expected["estimate"][0] != pytest.approx(
        delong_covariance(men["y"], [men["s100b"]])[0][0], abs=1e-10
    ):
        men, women = women, men
    result = delong_test_unpaired(men["y"], men["s100b"], women["y"], women["s100b"])
    assert result.estimates == pytest.approx(expected["estimate"], abs=1e-10)
    assert result.statistic == pytest.approx(expected["statistic"], abs=1e-10)
    assert result.pvalue == pytest.approx(expected["p"], abs=1e-10)
    assert result.df == pytest.approx(expected["parameter"]["df"], rel=1e-10)


def test_unpaired_with_clusters():
    y, (a, b) = simulate(60)
    patients = np.arange(60)
    plain = delong_test_unpaired(y, a, y[:40], b[:40])
    one_each = delong_test_unpaired(y, a, y[:40], b[:40], groups_a=patients, groups_b=patients[:40])
    for field in ("statistic", "pvalue", "df"):
        assert getattr(one_each, field) == pytest.approx(getattr(plain, field), rel=1e-12)
    assert (plain.n_groups, one_each.n_groups) == (None, 100)

    # Images copied within their patients add nothing, and Welch's df counts patients.
    twice = delong_test_unpaired(
        np.tile(y, 2),
        np.tile(a, 2),
        y[:40],
        b[:40],
        groups_a=np.tile(patients, 2),
        groups_b=patients[:40],
    )
    assert twice.pvalue == pytest.approx(plain.pvalue, rel=1e-10)
    assert twice.df == pytest.approx(plain.df, rel=1e-10)
    assert "patients random" in twice.method

    # Against the variances of the two samples by themselves.
    pairs = patients // 2
    result = delong_test_unpaired(y, a, y, b, groups_a=pairs, groups_b=pairs, null_value=0.1)
    (auc_a,), var_a = delong_covariance(y, [a], groups=pairs)
    (auc_b,), var_b = delong_covariance(y, [b], groups=pairs)
    variance = var_a[0, 0] + var_b[0, 0]
    assert result.statistic == pytest.approx((auc_a - auc_b - 0.1) / math.sqrt(variance))
    assert result.df == pytest.approx(variance**2 / (var_a[0, 0] ** 2 / 29 + var_b[0, 0] ** 2 / 29))
    with pytest.raises(ValueError, match="`groups_a` and `groups_b` must be given together"):
        delong_test_unpaired(y, a, y, b, groups_a=pairs)
    with pytest.raises(ValueError, match="`groups_b` puts all 60 cases in one patient"):
        delong_test_unpaired(y, a, y, b, groups_a=pairs, groups_b=np.zeros(60))


def test_three_curves_equal_proc(gold, gold_data):
    d, expected = gold_data("roc_three_models_n400"), gold["roc"]["roc_three_models_n400"]
    scores = d[["a", "b", "c"]].T
    aucs, covariance = delong_covariance(d["y"], scores)
    np.testing.assert_allclose(aucs, expected["auc"], atol=1e-10)
    np.testing.assert_allclose(covariance, expected["cov"], atol=1e-12)
    result = delong_omnibus_test(d["y"], scores)
    assert result.statistic == pytest.approx(expected["chi2_all_equal"], abs=1e-10)
    assert (result.df, result.pvalue) == (2, pytest.approx(expected["p"], abs=1e-10))
    for key, reference in expected["pairwise"].items():
        a, b = key.split("_vs_")
        pair = delong_test(d["y"], d[a], d[b])
        assert pair.statistic == pytest.approx(reference["statistic"], abs=1e-10)
        assert pair.pvalue == pytest.approx(reference["p"], abs=1e-10)
        assert pair.confidence_interval == pytest.approx(reference["diff_ci"], abs=1e-10)


@pytest.mark.parametrize("data", ["roc_clustered_80", "roc_clustered_size1_n200"])
def test_clusters_equal_obuchowskis_code(gold, gold_data, data):
    d, expected = gold_data(data), gold["other"]["clustered"][data]
    aucs, covariance = delong_covariance(d["y"], d[["a", "b"]].T, groups=d["cluster"])
    np.testing.assert_allclose(aucs, [expected["auc.A"], expected["auc.B"]], atol=1e-10)
    assert covariance[0, 0] == pytest.approx(expected["auc.var.A"], abs=1e-12)
    assert covariance[1, 1] == pytest.approx(expected["auc.var.B"], abs=1e-12)
    assert covariance[0, 1] == pytest.approx(expected["cov_AB"], abs=1e-12)
    result = delong_test(d["y"], d["a"], d["b"], groups=d["cluster"])
    assert abs(result.estimate) == pytest.approx(expected["auc.AminusB"], abs=1e-10)
    assert abs(result.statistic) == pytest.approx(expected["z"], abs=1e-10)
    assert result.pvalue == pytest.approx(expected["p.value"], abs=1e-10)
    assert result.standard_error**2 == pytest.approx(expected["auc.var.AminusB"], abs=1e-12)
    assert result.n_groups == d["cluster"].nunique()
    if "naive_delong" in expected:
        naive = delong_test(d["y"], d["a"], d["b"])
        assert naive.statistic == pytest.approx(expected["naive_delong"]["z"], abs=1e-10)
        assert naive.pvalue == pytest.approx(expected["naive_delong"]["p"], abs=1e-10)


def test_perfect_curves_follow_proc(gold, gold_data):
    d, expected = gold_data("roc_perfect_both_n60"), gold["roc"]["roc_perfect_both_n60"]["pair"]
    for alternative in ("two-sided", "less", "greater"):
        with pytest.warns(DegenerateDataWarning, match="both AUCs are 1"):
            result = delong_test(d["y"], d["a"], d["b"], alternative=alternative)
        reference = expected[f"delong_paired_{alternative.replace('-', '.')}"]
        assert (result.statistic, result.pvalue) == (reference["statistic"], reference["p"])
        assert result.warnings
        if alternative == "two-sided":
            assert result.confidence_interval == tuple(reference["diff_ci"])
    with pytest.warns(DegenerateDataWarning, match="both AUCs are 1"):
        unpaired = delong_test_unpaired(d["y"], d["a"], d["y"], d["b"])
    assert (unpaired.statistic, unpaired.pvalue) == (0, 1)


def test_perfect_curves_say_nothing_about_a_margin(gold_data):
    d = gold_data("roc_perfect_both_n60")
    with pytest.warns(DegenerateDataWarning, match="no test is possible"):
        result = delong_test(d["y"], d["a"], d["b"], null_value=-0.05, alternative="greater")
    assert math.isnan(result.pvalue)
    assert not any("convention" in text for text in result.warnings)


# A second implementation ------------------------------------------------------------------


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("groups", [None, 1, 2, 7])
def test_equals_all_pairs(decimals, groups):
    y, scores = simulate(83, seed=3, decimals=decimals, m=3)
    codes = None if groups is None else np.random.default_rng(1).permutation(83) // groups
    aucs, covariance = delong_covariance(y, scores, groups=codes)
    expected_aucs, expected = reference_covariance(y, scores, codes)
    np.testing.assert_allclose(aucs, expected_aucs, rtol=1e-13)
    np.testing.assert_allclose(covariance, expected, rtol=1e-10, atol=1e-16)
    result = delong_test(y, scores[0], scores[1], groups=codes)
    variance = expected[0, 0] + expected[1, 1] - 2 * expected[0, 1]
    assert result.standard_error**2 == pytest.approx(variance, rel=1e-10)


@pytest.mark.parametrize("n_positive", [2, 3, 396])
def test_extreme_imbalance_equals_all_pairs(n_positive):
    y, scores = simulate(400, seed=5, prevalence=n_positive / 400)
    _, covariance = delong_covariance(y, scores)
    np.testing.assert_allclose(covariance, reference_covariance(y, scores)[1], rtol=1e-10)


def test_placements_are_means_of_the_kernel():
    y, scores = simulate(60, decimals=1)
    values = placements(y, scores)
    kernel = psi(scores[0][y == 1], scores[0][y == 0])
    np.testing.assert_allclose(values[0][y == 1], kernel.mean(axis=1), rtol=1e-14)
    np.testing.assert_allclose(values[0][y == 0], kernel.mean(axis=0), rtol=1e-14)
    np.testing.assert_array_equal(placements(y, scores[1]), values[1])


@pytest.mark.parametrize(
    "scale",
    ["float64", "float32", "few levels", "signed zeros", "last bits", "last bits, ties"],
)
def test_packed_sort_gives_the_same_placements(scale):
    # Above PACK_FROM cases only leading bits are sorted; midranks by pandas are the second opinion.
    y, (a, _) = simulate(20_000, seed=2)
    a = {
        "float64": a * 1e-200,
        "float32": a.astype(np.float32).astype(float),
        "few levels": a.round(),
        "signed zeros": np.where(np.abs(a) < 1, np.copysign(0.0, a), a),
        "last bits": 1 + a * 2.0**-45,
        "last bits, ties": np.where(a < 0, a.round(), 1 + a.round() * 2.0**-52),
    }[scale]
    a[:2], a[2:4] = np.inf, -np.inf
    n1, n0 = y.sum(), (1 - y).sum()
    ranks, values = pd.Series(a).rank(), placements(y, a)
    within1, within0 = pd.Series(a[y == 1]).rank(), pd.Series(a[y == 0]).rank()
    np.testing.assert_allclose(values[y == 1], (ranks[y == 1] - within1.to_numpy()) / n0)
    np.testing.assert_allclose(values[y == 0], 1 - (ranks[y == 0] - within0.to_numpy()) / n1)


def test_nothing_is_added_to_the_variance_of_large_samples():
    # rocauc-comparison 0.1.1 adds 1e-10 to the covariance, which shows at n = 1e6.
    y, (a, b) = simulate(300_000, seed=1)
    result = delong_test(y, a + y, b)
    halves = []
    for values in (a + y, b):
        ranks = pd.Series(values).rank().to_numpy()
        v10 = (ranks[y == 1] - pd.Series(values[y == 1]).rank().to_numpy()) / (y == 0).sum()
        v01 = 1 - (ranks[y == 0] - pd.Series(values[y == 0]).rank().to_numpy()) / y.sum()
        halves.append((v10, v01))
    d10, d01 = (halves[0][k] - halves[1][k] for k in (0, 1))
    variance = d10.var(ddof=1) / d10.size + d01.var(ddof=1) / d01.size
    assert result.standard_error**2 == pytest.approx(variance, rel=1e-10)
    assert result.statistic == pytest.approx(d10.mean() / math.sqrt(variance), rel=1e-10)
    assert max(result.estimates) <= 1


# Edge conventions -------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [lambda s: s, lambda s: 3 * s - 1, np.exp])
def test_scores_that_rank_alike_give_p_one(transform):
    # MLstatkit 0.1.91 gives p = 0 here.
    y, (a, _) = simulate(50)
    result = delong_test(y, a, transform(a))
    assert (result.statistic, result.pvalue, result.standard_error) == (0, 1, 0)
    assert result.confidence_interval == (0, 0)
    assert result.warnings


@pytest.mark.parametrize("flip", [False, True])
def test_one_case_in_a_class_is_not_estimable(flip):
    # MLstatkit 0.1.91 gives z = 9.48, p = 0 for one positive case.
    y = np.array([0] * 9 + [1])
    a, b = np.arange(10.0), np.arange(10.0)[::-1].copy()
    if flip:
        y = 1 - y
    with pytest.warns(DegenerateDataWarning, match="only one"):
        result = delong_test(y, a, b)
    assert np.isnan([result.statistic, result.pvalue, result.standard_error]).all()
    assert np.isnan(result.confidence_interval).all()
    assert abs(result.estimate) == 1
    assert "only one" in result.warnings[0]
    with pytest.warns(DegenerateDataWarning):
        assert np.isnan(delong_covariance(y, [a, b])[1]).all()
    with pytest.warns(DegenerateDataWarning):
        assert math.isnan(delong_omnibus_test(y, [a, b]).pvalue)
    with pytest.warns(DegenerateDataWarning):
        assert math.isnan(delong_test_unpaired(y, a, [0, 1, 0, 1], [1, 2, 3, 4]).pvalue)


def test_difference_without_variance_is_not_significant():
    y = np.array([0, 0, 0, 1, 1, 1])
    with pytest.warns(DegenerateDataWarning, match="no test is possible"):
        result = delong_test(y, [1, 2, 3, 4, 5, 6], np.zeros(6))
    assert result.estimates == (1, 0.5)
    assert math.isnan(result.pvalue)


def test_constant_scores_against_informative_ones():
    y, (a, _) = simulate(60)
    result = delong_test(y, a, np.full(60, 7.0))
    assert result.estimates[1] == 0.5
    assert result.standard_error == pytest.approx(math.sqrt(reference_covariance(y, [a])[1][0, 0]))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_tiny_samples_answer_or_warn(n):
    rng = np.random.default_rng(n)
    for labels in itertools.product([0, 1], repeat=n):
        if 0 < sum(labels) < n:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DegenerateDataWarning)
                result = delong_test(labels, rng.integers(0, 3, n), rng.integers(0, 3, n))
            assert math.isnan(result.pvalue) or 0 <= result.pvalue <= 1
            assert -1 <= result.estimate <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1, 0, 1], [1, 2, 3, 4], [1, 2, 3]), r"`scores_b`.*expected 4, got 3"),
        (([0, 1, 0, 1], [1, 2, 3], [1, 2, 3]), r"`scores_a`.*expected 4, got 3"),
        (([0, 1, 0, 1], [1, np.nan, np.nan, 4], [1, 2, 3, 4]), r"`scores_a` has 2 missing"),
        (([1, 1, 1, 1], [1, 2, 3, 4], [1, 2, 3, 4]), r"`y_true` must hold both classes"),
        (([0, 0, 0, 0], [1, 2, 3, 4], [1, 2, 3, 4]), r"`y_true` must hold both classes"),
        (([0, 1, 2, 1], [1, 2, 3, 4], [1, 2, 3, 4]), r"`y_true` must hold 0 .* got also 2"),
        (([0, 1, np.nan, 1], [1, 2, 3, 4], [1, 2, 3, 4]), r"`y_true` has 1 missing"),
        ((["0", "1", "0", "1"], [1, 2, 3, 4], [1, 2, 3, 4]), r"`y_true` .* text such as '0'"),
        (([], [], []), r"`y_true` is empty"),
        (([[0, 1], [0, 1]], [1, 2, 3, 4], [1, 2, 3, 4]), r"`y_true` must be one-dimensional"),
        (([0, 1, 0, 1], [[1, 2], [3, 4]], [1, 2, 3, 4]), r"`scores_a` must be one-dimensional"),
        (([0, 1, 0, 1], [1j, 2, 3, 4], [1, 2, 3, 4]), r"`scores_a` must hold numbers"),
        (([0, 1, 0, 1], [1, 2, 3, 4], [1, [2], 3, 4]), r"`scores_b` must be an array"),
        (
            ([0, 1, 0, 1], np.ma.array([1, 2, 3, 4.0], mask=[1, 0, 0, 0]), [1, 2, 3, 4]),
            r"`scores_a` has 1 missing",
        ),
        (
            (np.ma.array([0, 1, 0, 1], mask=[1, 1, 0, 0]), [1, 2, 3, 4], [1, 2, 3, 4]),
            r"`y_true` has 2 missing",
        ),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        delong_test(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alternative": "bigger"}, "`alternative` must be one of"),
        ({"confidence_level": 95}, "`confidence_level` must be between"),
        ({"groups": [1, 1, 1, 1]}, "`groups` puts all 4 cases in one patient"),
        ({"groups": [1, 2, 1, 2]}, "`groups` puts all 2 positive cases in one patient"),
        ({"groups": [1, 2, 3]}, "`groups` .*expected 4, got 3"),
        ({"groups": ["a", None, "b", "c"]}, "`groups` has 1 missing"),
        ({"groups": ["a", "b", math.nan, "c"]}, "`groups` has 1 missing"),
        ({"groups": [["a", "b"], ["c", "d"]]}, "`groups` must be one-dimensional"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        delong_test([0, 1, 0, 1], [1, 2, 3, 4], [2, 1, 4, 3], **options)


def test_containers_and_types_do_not_matter():
    y, (a, b) = simulate(40, decimals=1)
    patients = np.arange(40) // 2
    expected = delong_test(y, a, b, groups=patients)
    names = np.array([f"P{p}" for p in patients])
    for convert in (list, pd.Series, lambda v: pd.Series(v, index=range(100, 140)), tuple):
        assert delong_test(convert(y), convert(a), convert(b), groups=convert(names)) == expected
    assert delong_test(y.astype(bool), a.astype(object), b, groups=names.astype(object)) == expected
    assert delong_test(pd.Series(y, dtype="Int64"), a, b, groups=pd.Categorical(names)) == expected


def test_identifiers_of_patients_are_taken_as_they_are():
    y, (a, b) = simulate(40)
    patients = np.arange(40) // 2
    expected = delong_test(y, a, b, groups=patients)
    assert delong_test(y, a, b, groups=[("clinic", int(p)) for p in patients]) == expected
    mixed = [str(p - 1) if p % 2 else int(p) for p in patients]  # '0' is not 0
    assert delong_test(y, a, b, groups=mixed) == expected


def test_infinite_scores_are_ranks():
    y = [0, 0, 0, 1, 1, 1]
    infinite = delong_test(y, [-np.inf, 1, np.inf, 0, 2, np.inf], [1, 2, 3, 2, 4, 5])
    finite = delong_test(y, [-9, 1, 9, 0, 2, 9], [1, 2, 3, 2, 4, 5])
    assert infinite == finite


def test_inputs_are_left_alone():
    y, (a, b) = simulate(5000)
    copies = y.copy(), a.copy(), b.copy()
    delong_test(y, a, b, groups=np.arange(5000) // 2)
    for given_array, copy in zip((y, a, b), copies, strict=True):
        np.testing.assert_array_equal(given_array, copy)


# Omnibus ----------------------------------------------------------------------------------


def test_omnibus_of_two_is_the_square_of_the_paired_test():
    y, scores = simulate(80, decimals=1)
    groups = np.arange(80) // 2
    for codes in (None, groups):
        pair, omnibus = (
            delong_test(y, *scores, groups=codes),
            delong_omnibus_test(y, scores, groups=codes),
        )
        assert omnibus.statistic == pytest.approx(pair.statistic**2, rel=1e-10)
        assert omnibus.pvalue == pytest.approx(pair.pvalue, rel=1e-9)


def test_omnibus_equals_a_contrast_of_the_covariance():
    y, scores = simulate(120, m=4, seed=8)
    aucs, covariance = reference_covariance(y, scores)
    contrast = np.array([[1, -1, 0, 0], [0, 1, -1, 0], [0, 0, 1, -1]])
    d = contrast @ aucs
    expected = d @ np.linalg.solve(contrast @ covariance @ contrast.T, d)
    assert delong_omnibus_test(y, scores).statistic == pytest.approx(expected, rel=1e-9)
    shuffled = delong_omnibus_test(y, scores[[2, 0, 3, 1]])
    assert shuffled.statistic == pytest.approx(expected, rel=1e-9)


def test_omnibus_counts_curves_that_rank_alike_once():
    y, scores = simulate(90, m=2, seed=4)
    pair = delong_omnibus_test(y, scores)
    for extended in (
        [scores[0], scores[1], np.exp(scores[1])],
        [scores[0], 2 * scores[0], scores[1], scores[1]],
    ):
        result = delong_omnibus_test(y, extended)
        assert result.df == 1
        assert result.statistic == pytest.approx(pair.statistic, rel=1e-9)
        assert "rank 1" in result.warnings[0]
    alike = delong_omnibus_test(y, [scores[0]] * 3)
    assert (alike.statistic, alike.df, alike.pvalue) == (0, 0, 1)


def test_omnibus_without_variance_or_models():
    y = [0, 0, 0, 1, 1, 1]
    with pytest.warns(DegenerateDataWarning, match="no test is possible"):
        result = delong_omnibus_test(y, [[1, 2, 3, 4, 5, 6], [0] * 6, [0] * 6])
    assert math.isnan(result.pvalue)
    with pytest.warns(DegenerateDataWarning, match="all AUCs are 1"):
        assert delong_omnibus_test(y, [[1, 2, 3, 4, 5, 6], [1, 1, 1, 4, 4, 4]]).pvalue == 1
    with pytest.raises(ValueError, match="at least two models"):
        delong_omnibus_test(y, [[1, 2, 3, 4, 5, 6]])


# Laws -------------------------------------------------------------------------------------

datasets = st.integers(4, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda y: 1 < sum(y) < n - 1),
        st.lists(st.integers(-6, 6), min_size=n, max_size=n),
        st.lists(st.integers(-6, 6), min_size=n, max_size=n),
        st.randoms(use_true_random=False),
    )
)


def quiet(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        return delong_test(*args, **kwargs)


def assert_same(first, second, sign=1):
    for name in ("statistic", "estimate", "standard_error"):
        expected = getattr(second, name) * (1 if name == "standard_error" else sign)
        assert getattr(first, name) == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)
    assert first.pvalue == pytest.approx(second.pvalue, rel=1e-8, nan_ok=True)


@given(datasets)
@settings(max_examples=60, deadline=None)
def test_laws_of_the_paired_test(data):
    y, a, b, random = data
    y, a, b = np.array(y), np.array(a, dtype=float), np.array(b, dtype=float)
    result = quiet(y, a, b)
    assert_same(quiet(y, b, a), result, sign=-1)  # swapping the arms
    assert_same(quiet(1 - y, -a, -b), result)  # swapping the classes
    assert_same(quiet(y, np.exp(a), b**3), result)  # monotone transforms, exact on integers
    order = list(range(y.size))
    random.shuffle(order)
    assert_same(quiet(y[order], a[order], b[order]), result)  # order of the cases
    assert_same(quiet(y, a, b, groups=order), result)  # clusters of one case


@given(datasets)
@settings(max_examples=40, deadline=None)
def test_duplicated_images_of_a_patient_add_nothing(data):
    """Every image twice: with `groups` the answer is that of the single images."""
    y, a, b, _ = data
    once = quiet(y, a, b)
    twice = quiet(np.tile(y, 2), np.tile(a, 2), np.tile(b, 2), groups=np.tile(range(len(y)), 2))
    assert_same(twice, once)
    assert (twice.n_cases, twice.n_groups) == (2 * len(y), len(y))


@given(datasets)
@settings(max_examples=40, deadline=None)
def test_covariance_is_positive_semidefinite_and_consistent(data):
    y, a, b, random = data
    groups = [random.randrange(max(2, len(y) // 2)) for _ in y]
    try:
        _, covariance = delong_covariance(y, [a, b], groups=groups)
    except ValueError:  # a class within one patient
        return
    assert np.linalg.eigvalsh(covariance).min() > -1e-12
    difference = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    result = quiet(y, a, b, groups=groups)
    assert result.standard_error**2 == pytest.approx(difference, abs=1e-12)


def test_interval_covers_with_clusters_and_not_without():
    """Three images of a patient, alike: the naive interval is too short, the clustered is not."""
    rng = np.random.default_rng(12)
    covered = np.zeros(2)
    runs, patients = 400, 60
    groups = np.repeat(np.arange(patients), 3)
    for _ in range(runs):
        y = np.repeat(rng.permutation(patients) % 2, 3)
        effect = rng.normal(size=(2, patients)).repeat(3, axis=1)
        scores = effect + 0.3 * rng.normal(size=(2, y.size)) + y
        for k, codes in enumerate((None, groups)):
            low, high = delong_test(y, *scores, groups=codes).confidence_interval
            covered[k] += low <= 0 <= high  # the models are equally good
    assert covered[0] / runs < 0.85
    assert 0.92 < covered[1] / runs < 0.98


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1, 2, 3, 4], "`scores` must have 2 axes"),
        (np.ones((4, 2)), r"`scores` .*on its last axis: expected 4, got 2"),
        (np.ones((0, 4)), "`scores` must hold at least one model"),
        ([[1, 2, 3, None]], "`scores` has 1 missing values"),
    ],
)
def test_bad_score_matrices_are_named(scores, message):
    with pytest.raises(ValueError, match=message):
        delong_covariance([0, 1, 0, 1], scores)


@pytest.mark.slow
@pytest.mark.parametrize("images", [1, 3])
def test_level_under_equal_aucs(images):
    """Equal AUCs of .76, 100 patients: DeLong, bootstrap and permutation keep their 5 %."""
    rng = np.random.default_rng(20)
    runs, patients = 2000, 100
    groups = np.repeat(np.arange(patients), images)
    tests = {
        "delong": delong_test,
        "bootstrap": lambda *a, **k: bootstrap_auc_test(*a, n_resamples=999, rng=rng, **k),
        "permutation": lambda *a, **k: permutation_auc_test(*a, n_resamples=999, rng=rng, **k),
    }
    rejected = dict.fromkeys(tests, 0)
    for _ in range(runs):
        y = (rng.permutation(patients) < 40).astype(int)[groups]
        shared, own = rng.normal(size=patients), rng.normal(size=(2, patients))
        scores = shared[groups] + own[:, groups] + 0.5 * rng.normal(size=(2, y.size)) + 1.5 * y
        for name, test in tests.items():
            rejected[name] += test(y, *scores, groups=groups).pvalue < 0.05
    for name, count in rejected.items():
        # Within 3.5 standard errors (.0049) of 5 %, and a little room for finite samples.
        assert 0.03 < count / runs < 0.07, (name, count / runs)
