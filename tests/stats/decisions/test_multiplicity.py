"""Adjusted p values, against R's p.adjust, brute-force closed testing and permutation theory."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats_tl.stats import adjust_pvalues, max_t_adjust

METHODS = ["holm", "hochberg", "hommel", "bonferroni", "BH", "BY", "fdr", "none"]


@pytest.mark.parametrize("method", METHODS)
def test_agrees_with_r_and_does_not_count_missing(gold, method):
    demo = gold["other"]["p_adjust_demo"]
    adjusted = adjust_pvalues(demo["p"], method=method)
    expected = np.array(demo[method], dtype=float)
    np.testing.assert_allclose(adjusted, expected, rtol=1e-12)
    assert math.isnan(adjusted[-1])


@pytest.mark.parametrize("method", METHODS)
def test_agrees_with_r_on_wilcoxon_pvalues(gold, method):
    section = gold["other"]["friedman_14x5"]
    raw = section["p_adjust_of_asymptotic"]["none"]
    expected = section["p_adjust_of_asymptotic"][method]
    adjusted = adjust_pvalues(list(raw.values()), method=method)
    np.testing.assert_allclose(adjusted, list(expected.values()), rtol=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_hommel_and_holm_are_closed_tests(pvalues):
    """Hommel closes Simes' test, Holm closes Bonferroni's: over all subsets, by brute force."""
    p = np.array(pvalues)
    hommel, holm = np.zeros(p.size), np.zeros(p.size)
    for size in range(1, p.size + 1):
        for subset in itertools.combinations(range(p.size), size):
            ordered = np.sort(p[list(subset)])
            simes = min(1, (size * ordered / np.arange(1, size + 1)).min())
            bonferroni = min(1, size * ordered[0])
            for i in subset:
                hommel[i], holm[i] = max(hommel[i], simes), max(holm[i], bonferroni)
    np.testing.assert_allclose(adjust_pvalues(p, "hommel"), hommel, atol=1e-12)
    np.testing.assert_allclose(adjust_pvalues(p, "holm"), holm, atol=1e-12)


@given(st.permutations(list(range(6))), st.sampled_from(METHODS))
def test_order_of_the_tests_does_not_matter(order, method):
    p = np.array([0.001, 0.02, 0.02, 0.3, 0.8, math.nan])
    np.testing.assert_array_equal(
        adjust_pvalues(p, method)[order], adjust_pvalues(p[order], method)
    )


def test_input_is_checked_and_left_alone():
    p = np.array([0.01, 0.02])
    adjust_pvalues(p, "none")[0] = 5
    adjust_pvalues(p)
    assert p.tolist() == [0.01, 0.02]
    assert adjust_pvalues([]).size == 0
    assert np.isnan(adjust_pvalues([math.nan, None])).all()
    with pytest.raises(ValueError, match="between 0 and 1"):
        adjust_pvalues([0.5, 1.5])
    with pytest.raises(ValueError, match="`method`"):
        adjust_pvalues([0.5], method="sidak")
    with pytest.raises(ValueError, match="one-dimensional"):
        adjust_pvalues([[0.5, 0.2]])


def step_down_by_hand(statistics, draws):
    order = np.argsort(-np.abs(statistics))
    adjusted = np.zeros(len(statistics))
    previous = 0.0
    for i, j in enumerate(order):
        maxima = np.abs(draws[:, order[i:]]).max(axis=1)
        p = (1 + (maxima >= abs(statistics[j])).sum()) / (1 + len(draws))
        previous = max(previous, p)
        adjusted[j] = previous
    return adjusted


def test_step_down_against_a_loop():
    rng = np.random.default_rng(11)
    draws = rng.standard_normal((300, 5)) + rng.standard_normal((300, 1))
    statistics = np.array([0.3, -3.1, 2.4, 1.0, -1.9])
    np.testing.assert_allclose(
        max_t_adjust(statistics, draws), step_down_by_hand(statistics, draws), rtol=1e-12
    )
    single = max_t_adjust(statistics, draws, method="single-step")
    maxima = np.abs(draws).max(axis=1)
    expected = [(1 + (maxima >= abs(t)).sum()) / 301 for t in statistics]
    np.testing.assert_allclose(single, expected, rtol=1e-12)
    assert (max_t_adjust(statistics, draws) <= single).all()


def test_one_hypothesis_needs_no_adjustment():
    draws = np.random.default_rng(1).standard_normal((99, 1))
    expected = (1 + (np.abs(draws[:, 0]) >= 1.5).sum()) / 100
    assert max_t_adjust([1.5], draws)[0] == pytest.approx(expected)
    greater = (1 + (draws[:, 0] >= 1.5).sum()) / 100
    less = (1 + (draws[:, 0] <= 1.5).sum()) / 100
    assert max_t_adjust([1.5], draws, alternative="greater")[0] == pytest.approx(greater)
    assert max_t_adjust([1.5], draws, alternative="less")[0] == pytest.approx(less)


def test_perfectly_correlated_hypotheses_cost_nothing():
    one = np.random.default_rng(2).standard_normal((199, 1))
    repeated = max_t_adjust([2.0, 2.0, 2.0], np.repeat(one, 3, axis=1))
    assert repeated == pytest.approx(max_t_adjust([2.0], one)[0])


def test_missing_statistics_do_not_count():
    draws = np.random.default_rng(3).standard_normal((99, 3))
    draws[:, 1] = math.nan
    adjusted = max_t_adjust([2.0, math.nan, 1.0], draws)
    assert math.isnan(adjusted[1])
    np.testing.assert_array_equal(adjusted[[0, 2]], max_t_adjust([2.0, 1.0], draws[:, [0, 2]]))
    with pytest.raises(ValueError, match="NaN"):
        max_t_adjust([2.0, 1.0, 1.0], draws)
    with pytest.raises(ValueError, match="one column per statistic"):
        max_t_adjust([2.0], draws)
    with pytest.raises(ValueError, match="at least one draw"):
        max_t_adjust([2.0], np.empty((0, 1)))
    with pytest.raises(ValueError, match="`method`"):
        max_t_adjust([2.0], [[1.0]], method="stepdown")
    with pytest.raises(ValueError, match="`alternative`"):
        max_t_adjust([2.0], [[1.0]], alternative="both")


def test_family_wise_error_is_held_under_strong_correlation():
    rng = np.random.default_rng(5)
    n_sim, n_draws, m = 600, 99, 8
    z = 0.9 * rng.standard_normal((n_sim, n_draws + 1, 1))
    z = z + math.sqrt(1 - 0.81) * rng.standard_normal((n_sim, n_draws + 1, m))
    any_rejected = np.mean([(max_t_adjust(x[0], x[1:]) <= 0.05).any() for x in z])
    bonferroni = np.mean(
        [
            (
                adjust_pvalues((1 + (abs(x[1:]) >= abs(x[0])).sum(0)) / 100, "bonferroni") <= 0.05
            ).any()
            for x in z
        ]
    )
    assert abs(any_rejected - 0.05) < 3.5 * math.sqrt(0.05 * 0.95 / n_sim)
    assert bonferroni < any_rejected
