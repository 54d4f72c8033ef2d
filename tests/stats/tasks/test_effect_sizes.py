"""Effect sizes, against R and from their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats_tl.stats import cliffs_delta, hodges_lehmann, paired_effect_sizes, wilcoxon_test


def test_agrees_with_r(gold_data, gold):
    table = gold_data("friedman_14x5")
    expected = gold["other"]["effect_sizes_A_vs_C"]
    sizes = paired_effect_sizes(table["A"], table["C"])
    assert sizes.cohen_dz == pytest.approx(expected["dz"], rel=1e-10)
    assert sizes.hedges_gz == pytest.approx(expected["hedges_gz"], rel=1e-10)
    assert sizes.cohen_dav == pytest.approx(expected["d_av"], rel=1e-10)
    assert sizes.cliffs_delta == pytest.approx(expected["cliff_delta"], rel=1e-10)
    assert sizes.vargha_delaney_a == pytest.approx(expected["vd_A12"], rel=1e-10)
    assert sizes.matched_rank_biserial == pytest.approx(
        expected["rank_biserial_matched"], rel=1e-10
    )
    # R finds the Hodges-Lehmann values of tied data by a root search to 1e-4.
    assert sizes.hodges_lehmann == pytest.approx(expected["hodges_lehmann"], abs=1e-4)
    result = hodges_lehmann(table["A"], table["C"], method="asymptotic")
    assert result.confidence_interval == pytest.approx(tuple(expected["hl_ci"]), abs=1e-4)
    assert sizes.to_frame().loc[0, "cohen_dz"] == sizes.cohen_dz


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("n", [6, 9, 20])
def test_interval_inverts_the_exact_test(n, level):
    d = np.random.default_rng(n).standard_normal(n)
    low, high = hodges_lehmann(d, np.zeros(n), confidence_level=level).confidence_interval
    for bound, outward in ((low, -1e-9), (high, 1e-9)):
        inside = wilcoxon_test(d, np.full(n, bound - outward)).pvalue
        outside = wilcoxon_test(d, np.full(n, bound + outward)).pvalue
        assert outside <= 1 - level < inside


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=8),
    st.lists(st.integers(0, 5), min_size=1, max_size=8),
)
def test_cliffs_delta_by_comparing_all_pairs(a, b):
    difference = np.subtract.outer(a, b)
    expected = ((difference > 0).sum() - (difference < 0).sum()) / difference.size
    assert cliffs_delta(a, b) == pytest.approx(expected)


def test_no_spread_and_wrong_input():
    sizes = paired_effect_sizes([1, 2, 3], [1, 2, 3])
    assert math.isnan(sizes.cohen_dz)
    assert sizes.matched_rank_biserial == 0.0
    low, high = hodges_lehmann([1, 2, 3], [0, 0, 1]).confidence_interval
    assert (low, high) == (-math.inf, math.inf)  # three tasks cannot give 95 %
    with pytest.raises(ValueError, match="`method`"):
        hodges_lehmann([1, 2], [2, 3], method="normal")
    with pytest.raises(ValueError, match="`b`"):
        cliffs_delta([1.0], [])
