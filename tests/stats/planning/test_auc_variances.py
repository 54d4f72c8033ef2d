"""Variances of one AUC from summaries, against the stored R values and by simulation."""

import math

import numpy as np
import pytest
from scipy import special

from stats_tl.stats import (
    binormal_difference_variance,
    hanley_mcneil_variance,
    obuchowski_variance,
)

CURVES = [
    ("roc_basic_n200", "a"),
    ("roc_basic_n200", "b"),
    ("roc_n20", "a"),
    ("roc_n20", "b"),
    ("roc_ties_5level_n200", "a"),
    ("roc_ties_5level_n200", "b"),
    ("roc_identical_n100", "a"),
    ("roc_identical_n100", "b"),
    ("roc_clustered_size1_n200", "a"),
    ("roc_clustered_size1_n200", "b"),
    ("asah", "s100b"),
    ("asah", "ndka"),
    ("asah", "wfns"),
]


def probit_line(y, scores):
    """Least-squares line of the probits of specificity on those of sensitivity."""
    y = np.asarray(y) == 1
    cuts = np.unique(scores)
    sensitivity = np.array([np.mean(scores[y] > cut) for cut in cuts])
    specificity = np.array([np.mean(scores[~y] <= cut) for cut in cuts])
    x, z = special.ndtri(sensitivity), special.ndtri(specificity)
    finite = np.isfinite(x) & np.isfinite(z)
    slope, intercept = np.polyfit(x[finite], z[finite], 1)
    return intercept, -slope


@pytest.mark.parametrize(("data", "curve"), CURVES)
def test_hanley_mcneil_equals_reference(gold, data, curve):
    own = gold["roc"][data][curve]
    variance = hanley_mcneil_variance(own["auc"], own["n1"], own["n0"])
    assert variance == pytest.approx(own["var_hanley_mcneil"], rel=1e-10)


@pytest.mark.parametrize(("data", "curve"), CURVES)
def test_obuchowski_equals_proc(gold, gold_data, data, curve):
    frame, own = gold_data(data), gold["roc"][data][curve]
    a, b = probit_line(frame["y"], frame[curve].to_numpy())
    auc = special.ndtr(a / math.sqrt(1 + b * b))
    variance = obuchowski_variance(auc, own["n1"], own["n0"], sd_ratio=b)
    assert variance == pytest.approx(own["var_obuchowski"], rel=1e-10)


def test_hanley_mcneil_by_hand():
    # One case of each class is a coin; with one class of one, one Q remains.
    assert hanley_mcneil_variance(0.7, 1, 1) == pytest.approx(0.7 * 0.3)
    assert hanley_mcneil_variance(0.5, 3, 1) == pytest.approx((0.25 + 2 * (1 / 3 - 0.25)) / 3)
    # At 1/2 it is the Mann-Whitney variance without ties, (n1 + n0 + 1) / (12 n1 n0).
    assert hanley_mcneil_variance(0.5, 7, 11) == pytest.approx(19 / (12 * 77))


def test_hanley_mcneil_is_exact_for_exponential_scores():
    # Positive scores with mean r, negative with mean 1: AUC = r / (1 + r).
    rng = np.random.default_rng(5)
    n1, n0, ratio = 8, 12, 4.0
    positive = rng.exponential(ratio, size=(40_000, n1, 1))
    negative = rng.exponential(1.0, size=(40_000, 1, n0))
    aucs = (positive > negative).mean(axis=(1, 2))
    # The relative standard error of a variance from 40,000 draws is below 1 %.
    expected = hanley_mcneil_variance(ratio / (1 + ratio), n1, n0)
    assert aucs.var() == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize("auc", [0.5, 0.7, 0.9, 0.97])
@pytest.mark.parametrize("sizes", [(50, 50), (30, 90)])
def test_obuchowski_is_the_printed_formula_where_spreads_are_equal(auc, sizes):
    # V = 0.0099 exp(-A^2/2) [(5 A^2 + 8) + (A^2 + 8) / kappa] with A = 1.414 Phi^-1(AUC), as in
    # Obuchowski, Lieber and Wians 2004 (doi:10.1373/clinchem.2004.031823); both constants rounded.
    n1, n0 = sizes
    a = 1.414 * special.ndtri(auc)
    printed = 0.0099 * math.exp(-a * a / 2) * ((5 * a * a + 8) / n1 + (a * a + 8) / n0)
    assert obuchowski_variance(auc, n1, n0) == pytest.approx(printed, rel=0.01)


@pytest.mark.parametrize("sd_ratio", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("auc", [0.3, 0.5, 0.8, 0.95])
def test_obuchowski_is_the_delta_method_without_the_covariance(auc, sd_ratio):
    # Two independent curves: the variance of their difference is twice that of one.
    n1, n0 = 40, 70
    full = (
        binormal_difference_variance(
            auc, auc, n1, n0, correlation=0.0, sd_ratio=sd_ratio, method="obuchowski-mcclish"
        )
        / 2
    )
    q = 1 + sd_ratio**2
    z = special.ndtri(auc)
    omitted = (z * sd_ratio) ** 2 * math.exp(-z * z) / (2 * math.pi * q * n1)
    assert obuchowski_variance(auc, n1, n0, sd_ratio=sd_ratio) - omitted == pytest.approx(full)


@pytest.mark.parametrize("function", [hanley_mcneil_variance, obuchowski_variance])
def test_more_cases_and_a_higher_auc_are_surer(function):
    assert function(0.8, 3000, 7000) == pytest.approx(function(0.8, 30, 70) / 100, rel=0.02)
    assert function(0.95, 50, 50) < function(0.8, 50, 50)


@pytest.mark.parametrize("function", [hanley_mcneil_variance, obuchowski_variance])
def test_bad_input_is_named(function):
    for auc in (0, 1, -0.1, math.nan):
        with pytest.raises(ValueError, match="`auc` must be between 0 and 1"):
            function(auc, 10, 10)
    with pytest.raises(ValueError, match="`n_positive` must be at least 1"):
        function(0.8, 0, 10)
    with pytest.raises(ValueError, match="`n_negative` must be a whole number"):
        function(0.8, 10, 10.5)


@pytest.mark.parametrize("sd_ratio", [0, -1, math.inf, math.nan])
def test_spread_must_be_positive(sd_ratio):
    with pytest.raises(ValueError, match="`sd_ratio` must be positive"):
        obuchowski_variance(0.8, 10, 10, sd_ratio=sd_ratio)
