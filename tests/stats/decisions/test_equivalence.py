"""Equivalence and non-inferiority, against R's two one-sided t tests."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as sps

from stats_tl.stats import (
    DegenerateDataWarning,
    combined_5x2cv_ftest,
    corrected_resampled_ttest,
    equivalence_test,
    noninferiority_test,
    roc_auc,
    smallest_equivalence_margin,
)


@pytest.fixture(scope="module")
def a_versus_e(gold_data):
    """The paired t test of columns A and E: without overlap the correction vanishes."""
    frame = gold_data("friedman_14x5")
    return corrected_resampled_ttest((frame["A"] - frame["E"]).to_numpy(), n_train=1e18, n_test=1)


def test_tost_agrees_with_r(a_versus_e, gold):
    expected = gold["other"]["tost_A_vs_E"]
    result = equivalence_test(a_versus_e, expected["margin"])
    assert result.pvalue == pytest.approx(expected["p_tost"], rel=1e-10)
    assert result.statistic == pytest.approx(expected["t_lower"], rel=1e-10)
    assert result.confidence_interval == pytest.approx(tuple(expected["ci90"]), rel=1e-10)
    assert result.confidence_level == pytest.approx(0.9)
    lower = noninferiority_test(a_versus_e, expected["margin"])
    assert lower.statistic == pytest.approx(expected["t_lower"], rel=1e-10)
    assert lower.pvalue == pytest.approx(expected["p_lower"], rel=1e-10)
    assert lower.confidence_interval.low == pytest.approx(expected["ci90"][0], rel=1e-10)
    assert lower.confidence_interval.high == math.inf
    # The upper test is non-inferiority of the reference: swap the arms.
    mirrored = dataclasses.replace(a_versus_e, estimate=-a_versus_e.estimate)
    upper = noninferiority_test(mirrored, expected["margin"])
    assert -upper.statistic == pytest.approx(expected["t_upper"], rel=1e-10)
    assert upper.pvalue == pytest.approx(expected["p_upper"], rel=1e-9)


def test_printout(a_versus_e):
    text = str(equivalence_test(a_versus_e, 0.02))
    assert "closer to zero than 0.02" in text
    assert "90 % confidence interval" in text


@given(st.floats(-0.05, 0.05), st.floats(0.001, 0.05), st.floats(0.001, 0.2), st.floats(0.6, 0.99))
def test_p_and_interval_say_the_same(estimate, standard_error, margin, level):
    base = corrected_resampled_ttest([0.01, 0.02, 0.04], n_train=4, n_test=1)
    result = dataclasses.replace(
        base, estimate=estimate, standard_error=standard_error, confidence_level=level
    )
    test = equivalence_test(result, margin)
    low, high = test.confidence_interval
    assume(min(abs(low + margin), abs(high - margin)) > 1e-9)
    assert (test.pvalue <= 1 - level) == (-margin < low and high < margin)
    smallest = smallest_equivalence_margin(result)
    assert equivalence_test(result, smallest).pvalue == pytest.approx(1 - level, rel=1e-6)
    assert smallest == pytest.approx(max(abs(low), abs(high)))


def test_two_arm_f_and_chi_square_use_their_own_reference(a_versus_e):
    # t**2 is F(1, df): the same data told as F must give the same answer; chi-square the normal's.
    expected = equivalence_test(a_versus_e, 0.02).pvalue
    as_f = dataclasses.replace(
        a_versus_e, statistic=a_versus_e.statistic**2, df=(1.0, a_versus_e.df)
    )
    assert equivalence_test(as_f, 0.02).pvalue == pytest.approx(expected)
    as_chi2 = dataclasses.replace(a_versus_e, statistic=a_versus_e.statistic**2, df=1.0)
    z = (0.02 - abs(a_versus_e.estimate)) / a_versus_e.standard_error
    assert equivalence_test(as_chi2, 0.02).pvalue == pytest.approx(sps.norm.sf(z))
    cauchy = corrected_resampled_ttest([0.01, 0.03], n_train=4, n_test=1)
    z = (0.2 - cauchy.estimate) / cauchy.standard_error
    assert equivalence_test(cauchy, 0.2).pvalue == pytest.approx(sps.t.sf(z, 1))


def test_no_variance_no_answer():
    with pytest.warns(DegenerateDataWarning):
        same = corrected_resampled_ttest(np.zeros(5), n_train=4, n_test=1)
    with pytest.warns(DegenerateDataWarning, match="no margin"):
        result = equivalence_test(same, 0.01)
    assert math.isnan(result.pvalue)
    assert result.warnings
    with pytest.warns(DegenerateDataWarning, match="no margin"):
        assert math.isnan(noninferiority_test(same, 0.01).pvalue)
    assert math.isnan(smallest_equivalence_margin(same))


def test_wrong_input_is_named(a_versus_e):
    with pytest.raises(ValueError, match="`margin`"):
        equivalence_test(a_versus_e, 0.0)
    with pytest.raises(ValueError, match="`margin`"):
        noninferiority_test(a_versus_e, -0.01)
    with pytest.raises(ValueError, match="itself a test of equivalence"):
        equivalence_test(equivalence_test(a_versus_e, 0.02), 0.02)
    d = [[0.05, 0.04], [0.06, 0.02], [0.03, 0.04], [0.05, 0.06], [0.02, 0.05]]
    omnibus = combined_5x2cv_ftest(d)
    with pytest.raises(ValueError, match="several arms"):
        equivalence_test(omnibus, 0.02)
    with pytest.raises(ValueError, match=r"`result` must be the TestResult .* got AUCResult"):
        equivalence_test(roc_auc([0, 0, 1, 1], [1, 3, 2, 4]), 0.02)
    with pytest.raises(ValueError, match="`alpha`"):
        smallest_equivalence_margin(a_versus_e, alpha=0.5)
    with pytest.raises(ValueError, match="confidence level above"):
        equivalence_test(dataclasses.replace(a_versus_e, confidence_level=0.4), 0.02)


def test_size_at_the_margin():
    rng = np.random.default_rng(23)
    n_sim = 2000
    d = rng.normal(0.02, 0.01, size=(n_sim, 12))
    rejected = np.mean(
        [
            equivalence_test(corrected_resampled_ttest(x, n_train=1e18, n_test=1), 0.02).pvalue
            <= 0.05
            for x in d
        ]
    )
    assert abs(rejected - 0.05) < 3.5 * math.sqrt(0.05 * 0.95 / n_sim)
