"""Rank tests over tasks, against R (stats, PMCMRplus, coin) and enumeration."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from stats_tl.stats import (
    DegenerateDataWarning,
    average_ranks,
    friedman_test,
    iman_davenport_test,
    kendalls_w,
    nemenyi_critical_difference,
    nemenyi_pvalues,
    paired_ttest,
    quade_test,
    sign_test,
    wilcoxon_test,
)

PAIRS = [f"{a}-{b}" for a, b in itertools.combinations("ABCDE", 2)]


@pytest.fixture(scope="module")
def table(gold_data):
    return gold_data("friedman_14x5")


@pytest.fixture(scope="module")
def reference(gold):
    return gold["other"]["friedman_14x5"]


def test_omnibus_tests_agree_with_r(table, reference):
    assert average_ranks(table).to_dict() == pytest.approx(reference["avg_rank_best_is_1"])
    friedman = friedman_test(table)
    assert friedman.statistic == pytest.approx(reference["friedman"]["statistic"], rel=1e-12)
    assert friedman.pvalue == pytest.approx(reference["friedman"]["p"], rel=1e-10)
    assert friedman.df == reference["friedman"]["parameter"]["df"]
    iman = iman_davenport_test(table)
    expected = reference["iman_davenport"]
    assert iman.statistic == pytest.approx(expected["F"], rel=1e-12)
    assert iman.df == (expected["df1"], expected["df2"])
    assert iman.pvalue == pytest.approx(expected["p"], rel=1e-10)
    quade = quade_test(table)
    assert quade.statistic == pytest.approx(reference["quade"]["statistic"], rel=1e-12)
    assert quade.pvalue == pytest.approx(reference["quade"]["p"], rel=1e-10)
    assert quade.df == tuple(reference["quade"]["parameter"].values())
    assert kendalls_w(table) == pytest.approx(reference["kendall_W"], rel=1e-12)
    assert "14 tasks" in str(friedman)


def test_nemenyi_agrees_with_r(table, reference):
    cd = nemenyi_critical_difference(5, 14)
    assert cd == pytest.approx(reference["nemenyi_CD_05"], rel=1e-8)
    pairs = nemenyi_pvalues(table)
    for row in pairs.itertuples():
        # R's ptukey is accurate to about 1e-9.
        assert row.pvalue == pytest.approx(reference["nemenyi_p"][f"{row.a}-{row.b}"], rel=1e-5)
    ranks = average_ranks(table)
    assert pairs["rank_difference"][0] == pytest.approx(ranks["A"] - ranks["B"])
    # A pair is significant exactly where its ranks differ by more than the CD.
    assert ((pairs["pvalue"] < 0.05) == (pairs["rank_difference"].abs() > cd)).all()


@pytest.mark.parametrize("pair", PAIRS)
def test_pairs_agree_with_r(table, reference, pair):
    a, b = (table[name].to_numpy() for name in pair.split("-"))
    for key in ("coin_exact_zero_wilcoxon", "coin_exact_zero_pratt"):
        exact = wilcoxon_test(a, b, zero_method=key.split("_")[-1].replace("wilcoxon", "wilcox"))
        assert exact.pvalue == pytest.approx(reference[key][pair], rel=1e-10)
    default = reference["wilcoxon_default"][pair]
    assert exact.statistic == default["statistic"]
    if np.unique(np.abs(a - b)).size == a.size:  # R is exact without ties, else approximates
        assert exact.pvalue == pytest.approx(default["p"], rel=1e-10)
    else:
        corrected = wilcoxon_test(a, b, method="asymptotic", correction=True)
        assert corrected.pvalue == pytest.approx(default["p"], rel=1e-10)
    normal = wilcoxon_test(a, b, method="asymptotic")
    expected = reference["wilcoxon_asymptotic_nocorrect"][pair]
    assert normal.pvalue == pytest.approx(expected["p"], rel=1e-10)
    sign, expected = sign_test(a, b), reference["sign_test"][pair]
    assert sign.statistic == expected["statistic"]
    assert sign.pvalue == pytest.approx(expected["p"], rel=1e-10)
    assert sign.estimate == pytest.approx(expected["estimate"], rel=1e-12)
    assert sign.confidence_interval == pytest.approx(tuple(expected["conf_int"]), rel=1e-6)
    t, expected = paired_ttest(a, b), reference["paired_t"][pair]
    assert t.statistic == pytest.approx(expected["statistic"], rel=1e-10)
    assert t.pvalue == pytest.approx(expected["p"], rel=1e-10)
    assert t.confidence_interval == pytest.approx(tuple(expected["conf_int"]), rel=1e-9)


@given(
    st.lists(st.integers(-4, 4), min_size=2, max_size=9),
    st.sampled_from(["two-sided", "less", "greater"]),
    st.sampled_from(["wilcox", "pratt"]),
)
def test_exact_wilcoxon_by_enumerating_all_signs(differences, alternative, zero_method):
    d = np.array(differences, dtype=float)
    result = wilcoxon_test(d, np.zeros(d.size), alternative=alternative, zero_method=zero_method)
    kept = d if zero_method == "pratt" else d[d != 0]
    ranks = sps.rankdata(np.abs(kept))[kept != 0]
    positive = kept[kept != 0] > 0
    signs = np.array(list(itertools.product([0, 1], repeat=ranks.size))).reshape(
        2**ranks.size, ranks.size
    )
    sums, observed = signs @ ranks, ranks[positive].sum()
    upper, lower = (sums >= observed).mean(), (sums <= observed).mean()
    expected = {"greater": upper, "less": lower, "two-sided": min(1, 2 * min(upper, lower))}
    assert result.pvalue == pytest.approx(expected[alternative], abs=1e-12)


def test_friedman_against_its_permutation_distribution():
    rng = np.random.default_rng(4)
    table = rng.standard_normal((8, 3)) + np.array([1.2, 0.0, 0.3])
    observed = quade_test(table).statistic, friedman_test(table).statistic
    draws = np.array(
        [
            (quade_test(shuffled).statistic, friedman_test(shuffled).statistic)
            for shuffled in (rng.permuted(table, axis=1) for _ in range(500))
        ]
    )
    # The asymptotic p values approximate the permutation ones; tasks keep their spread.
    for column, test in enumerate((quade_test, friedman_test)):
        exact = (1 + (draws[:, column] >= observed[column] - 1e-9).sum()) / 501
        assert test(table).pvalue == pytest.approx(exact, abs=0.07)


def test_agreement_and_disagreement():
    same = np.ones((4, 3))
    assert friedman_test(same).pvalue == 1.0
    assert iman_davenport_test(same).pvalue == 1.0
    assert quade_test(same).pvalue == 1.0
    unanimous = np.tile([0.9, 0.8, 0.7], (6, 1)) + np.arange(6)[:, None] / 100
    assert kendalls_w(unanimous) == pytest.approx(1.0)
    assert iman_davenport_test(unanimous).statistic == math.inf
    assert quade_test(unanimous).pvalue == 0.0
    assert wilcoxon_test([1, 2, 3], [1, 2, 3]).pvalue == 1.0
    assert wilcoxon_test([1, 2, 3], [1, 2, 3]).warnings
    assert sign_test([1, 2], [1, 2]).pvalue == 1.0
    assert paired_ttest([1, 2], [1, 2]).pvalue == 1.0
    with pytest.warns(DegenerateDataWarning):
        assert math.isnan(paired_ttest([0.3, 0.4, 0.5], [0.1, 0.2, 0.3]).pvalue)


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="at least 2 tasks and 3"):
        friedman_test([[1, 2], [2, 1]])
    with pytest.raises(ValueError, match="1 missing"):
        average_ranks([[1, 2], [2, math.nan]])
    with pytest.raises(ValueError, match="of one length"):
        wilcoxon_test([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="missing pairs"):
        paired_ttest([1, math.nan], [1, 2])
    with pytest.raises(ValueError, match="two tasks"):
        sign_test([1], [2])
    with pytest.raises(ValueError, match="`method`"):
        wilcoxon_test([1, 2], [2, 2], method="approx")
    with pytest.raises(ValueError, match="`zero_method`"):
        wilcoxon_test([1, 2], [2, 2], zero_method="split")
    with pytest.raises(ValueError, match="at least 2"):
        nemenyi_critical_difference(1, 5)
    with pytest.raises(ValueError, match="`alpha`"):
        nemenyi_critical_difference(3, 5, alpha=1.5)


def test_names_come_from_the_columns():
    frame = pd.DataFrame({"imagenet": [0.8, 0.7], "random": [0.6, 0.5]})
    assert average_ranks(frame).index.tolist() == ["imagenet", "random"]
    assert nemenyi_pvalues(frame).loc[0, ["a", "b"]].tolist() == ["imagenet", "random"]


def test_comparisons_of_pairs_stay_paired():
    # autorank 1.3.0 follows a repeated-measures omnibus test with unpaired comparisons. What
    # is added to all methods of a task must cancel.
    rng = np.random.default_rng(6)
    table = pd.DataFrame(rng.normal([0.0, 0.5, 2.0], size=(8, 3)), columns=list("ABC"))
    shifted = table.add(rng.permutation(8) * 100.0, axis=0)
    pd.testing.assert_frame_equal(nemenyi_pvalues(table), nemenyi_pvalues(shifted))
    for test in (wilcoxon_test, paired_ttest, sign_test):
        own, other = (test(t["C"], t["A"]).pvalue for t in (table, shifted))
        assert own == pytest.approx(other, rel=1e-9)
        assert own < sps.mannwhitneyu(shifted["C"], shifted["A"]).pvalue
