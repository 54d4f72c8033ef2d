"""Tests over cross-validation differences, against R (correctR, closed forms) and by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from stats_tl.stats import (
    DegenerateDataWarning,
    bayesian_correlated_ttest,
    combined_5x2cv_ftest,
    corrected_resampled_ttest,
    paired_5x2cv_ttest,
)


@pytest.fixture(scope="module")
def differences(gold_data):
    frame = gold_data("cv_10x10")
    frame["d"] = frame["a"] - frame["b"]
    return frame.pivot_table(index="rep", columns="fold", values="d").to_numpy()


@pytest.fixture(scope="module")
def reference(gold):
    return gold["other"]["cv_10x10"]


def test_nadeau_bengio_agrees_with_r(differences, reference):
    result = corrected_resampled_ttest(differences, n_train=9, n_test=1)
    expected = reference["nadeau_bengio_1_9"]
    assert result.statistic == pytest.approx(expected["t"], rel=1e-12)
    assert result.pvalue == pytest.approx(expected["p"], rel=1e-12)
    assert result.estimate == pytest.approx(expected["mean"], rel=1e-12)
    assert result.df == expected["df"]
    assert result.confidence_interval == pytest.approx(tuple(expected["ci"]), rel=1e-10)
    for key in ("correctR_repkfold", "correctR_resampled"):
        assert result.statistic == pytest.approx(reference[key]["statistic"], rel=1e-12)
        assert result.pvalue == pytest.approx(reference[key]["p.value"], rel=1e-12)


def test_one_repeat_is_nadeau_bengio_and_not_correctr_kfold(differences, reference):
    # correctR::kfold_ttest replaces n_test/n_train by another ratio; its value must not be ours.
    result = corrected_resampled_ttest(differences[0], n_train=9, n_test=1)
    expected = reference["nb_first_rep"]
    assert result.statistic == pytest.approx(expected["t"], rel=1e-12)
    assert result.pvalue == pytest.approx(expected["p"], rel=1e-12)
    assert result.confidence_interval == pytest.approx(tuple(expected["ci"]), rel=1e-10)
    wrong = reference["correctR_kfold_first_rep"]["statistic"]
    assert abs(result.statistic - wrong) > 1e-3


def test_without_correction_it_is_the_naive_t(differences, reference):
    # n_test/n_train -> 0 leaves the paired t of R's t.test over all folds.
    result = corrected_resampled_ttest(differences, n_train=1e18, n_test=1)
    expected = reference["naive_t"]
    assert result.statistic == pytest.approx(expected["statistic"], rel=1e-12)
    assert result.pvalue == pytest.approx(expected["p"], rel=1e-10)
    assert result.confidence_interval == pytest.approx(tuple(expected["conf_int"]), rel=1e-10)
    averaged = corrected_resampled_ttest(differences.mean(axis=1), n_train=1e18, n_test=1)
    expected = reference["bouckaert_frank_averaged_over_folds"]
    assert averaged.statistic == pytest.approx(expected["statistic"], rel=1e-12)
    assert averaged.pvalue == pytest.approx(expected["p"], rel=1e-10)


def test_bayesian_posterior_agrees_with_r(differences, reference):
    expected = reference["bayes_correlated_t"]
    result = bayesian_correlated_ttest(differences, n_train=9, n_test=1, rope=expected["rope"])
    assert result.correlation == pytest.approx(expected["rho"], rel=1e-12)
    assert result.scale == pytest.approx(expected["scale"], rel=1e-12)
    assert result.p_left == pytest.approx(expected["p_left"], rel=1e-10)
    assert result.p_rope == pytest.approx(expected["p_rope"], rel=1e-10)
    assert result.p_right == pytest.approx(expected["p_right"], rel=1e-10)
    assert result.to_frame().loc[0, "p_rope"] == result.p_rope
    assert "practically equal: 0.6575" in str(result)


def test_credible_interval_is_the_confidence_interval(differences):
    # Under the flat prior both rest on the same t distribution.
    frequentist = corrected_resampled_ttest(differences, n_train=9, n_test=1, confidence_level=0.9)
    bayesian = bayesian_correlated_ttest(differences, n_train=9, n_test=1, credible_level=0.9)
    assert bayesian.credible_interval == pytest.approx(frequentist.confidence_interval, rel=1e-10)


@given(
    st.lists(st.floats(-1, 1), min_size=3, max_size=20),
    st.floats(1, 50),
    st.sampled_from(["less", "greater", "two-sided"]),
)
def test_swapping_the_arms_mirrors_the_test(values, n_train, alternative):
    d = np.array(values)
    if d.std() < 1e-6:
        return
    mirrored = {"less": "greater", "greater": "less"}.get(alternative, alternative)
    one = corrected_resampled_ttest(d, n_train=n_train, n_test=1, alternative=alternative)
    other = corrected_resampled_ttest(-d, n_train=n_train, n_test=1, alternative=mirrored)
    assert one.statistic == pytest.approx(-other.statistic)
    assert one.pvalue == pytest.approx(other.pvalue)
    assert one.confidence_interval.low == pytest.approx(-other.confidence_interval.high)


def test_null_value_shifts_the_differences(differences):
    shifted = corrected_resampled_ttest(differences - 0.01, n_train=9, n_test=1)
    tested = corrected_resampled_ttest(differences, n_train=9, n_test=1, null_value=0.01)
    assert tested.statistic == pytest.approx(shifted.statistic, rel=1e-12)
    assert tested.pvalue == pytest.approx(shifted.pvalue, rel=1e-12)


def test_equal_differences():
    with pytest.warns(DegenerateDataWarning, match="equal"):
        same = corrected_resampled_ttest(np.zeros((2, 5)), n_train=80, n_test=20)
    assert (same.statistic, same.pvalue) == (0.0, 1.0)
    with pytest.warns(DegenerateDataWarning, match="equal"):
        constant = corrected_resampled_ttest(np.full((2, 5), 0.1), n_train=80, n_test=20)
    assert math.isnan(constant.pvalue)
    assert constant.warnings
    with pytest.warns(DegenerateDataWarning):
        point = bayesian_correlated_ttest(np.full(5, 0.1), n_train=4, n_test=1, rope=0.05)
    assert (point.p_left, point.p_rope, point.p_right) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: corrected_resampled_ttest([0.1], n_train=4, n_test=1), "at least two"),
        (lambda: corrected_resampled_ttest([0.1, math.nan], n_train=4, n_test=1), "1 values"),
        (lambda: corrected_resampled_ttest([0.1, 0.2], n_train=0, n_test=1), "`n_train`"),
        (lambda: corrected_resampled_ttest([0.1, 0.2], n_train="9", n_test=1), "`n_train`"),
        (lambda: corrected_resampled_ttest(["a", "b"], n_train=4, n_test=1), "`differences`"),
        (lambda: corrected_resampled_ttest(np.zeros((2, 2, 2)), n_train=4, n_test=1), "shape"),
        (lambda: combined_5x2cv_ftest(np.zeros((2, 5))), r"\(5, 2\)"),
        (lambda: paired_5x2cv_ttest(np.zeros(10)), r"\(5, 2\)"),
        (lambda: bayesian_correlated_ttest([0, 1], n_train=1, n_test=1, rope=-1), "`rope`"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_five_by_two_by_hand():
    d = np.array([[0.05, 0.04], [0.06, 0.02], [0.03, 0.04], [0.05, 0.06], [0.02, 0.05]])
    # Written out from the papers' formulas.
    s2 = [((x - (x + y) / 2) ** 2 + (y - (x + y) / 2) ** 2) for x, y in d]
    f = (d**2).sum() / (2 * sum(s2))
    t = d[0, 0] / math.sqrt(sum(s2) / 5)
    result = combined_5x2cv_ftest(d)
    assert result.statistic == pytest.approx(f, rel=1e-12)
    assert result.df == (10.0, 5.0)
    assert result.pvalue == pytest.approx(1 - sps.f.cdf(f, 10, 5), rel=1e-9)
    first = paired_5x2cv_ttest(d)
    assert first.statistic == pytest.approx(t, rel=1e-12)
    assert first.pvalue == pytest.approx(2 * sps.t.sf(t, 5), rel=1e-12)
    with pytest.warns(DegenerateDataWarning):
        assert combined_5x2cv_ftest(np.zeros((5, 2))).pvalue == 1.0
    with pytest.warns(DegenerateDataWarning):
        assert math.isnan(combined_5x2cv_ftest(np.ones((5, 2))).pvalue)


def test_five_by_two_holds_its_size_on_independent_differences():
    # Under the model of Alpaydin's paper (independent normal differences) F is conservative.
    rng = np.random.default_rng(7)
    pvalues = [combined_5x2cv_ftest(rng.standard_normal((5, 2))).pvalue for _ in range(1000)]
    rejected = np.mean(np.array(pvalues) < 0.05)
    assert rejected < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1000)


def test_size_when_the_correlation_is_as_assumed():
    # Differences with correlation exactly n_test/(n_train + n_test): the model's own world.
    rng = np.random.default_rng(3)
    n_sim, n_values, rho = 2000, 50, 0.2
    shared = rng.standard_normal((n_sim, 1)) * math.sqrt(rho)
    d = shared + rng.standard_normal((n_sim, n_values)) * math.sqrt(1 - rho)
    corrected = [corrected_resampled_ttest(x, n_train=80, n_test=20).pvalue < 0.05 for x in d]
    naive = [sps.ttest_1samp(x, 0).pvalue < 0.05 for x in d]
    # var(mean) = rho + (1 - rho)/J, and E s^2 = 1 - rho: Nadeau-Bengio is then exact on average.
    assert abs(np.mean(corrected) - 0.05) < 3.5 * math.sqrt(0.05 * 0.95 / n_sim)
    assert np.mean(naive) > 0.5
