"""Sensitivities at one specificity, and the reverse, from paired and independent samples."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from stats_tl.stats import (
    DegenerateDataWarning,
    roc_point_test,
    roc_point_test_unpaired,
)

FEW = {"n_resamples": 20, "rng": 0}


def simulate(n, seed=0, decimals=1):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) < 0.4 * n).astype(int)
    a, b = rng.normal(size=(2, n)) + rng.normal(size=n) + y
    return y, a.round(decimals), b.round(decimals)


@pytest.mark.parametrize("at", [0.0, 0.25, 0.5, 0.77, 0.9, 1.0])
def test_points_lie_on_the_polygon(at):
    y, a, b = simulate(50)
    sensitivities = roc_point_test(y, a, b, specificity=at, **FEW).estimates
    specificities = roc_point_test(y, a, b, sensitivity=at, **FEW).estimates
    for k, scores in enumerate((a, b)):
        fall_out, sensitivity, _ = roc_curve(y, scores, drop_intermediate=False)
        # Just right of a vertical stretch the polygon is at its top, which is what is meant.
        top = np.interp(1 - at + 1e-10, fall_out, sensitivity)
        assert sensitivities[k] == pytest.approx(top, abs=1e-7)
        best = 1 - np.interp(at - 1e-10, sensitivity, fall_out)
        assert specificities[k] == pytest.approx(best, abs=1e-7)


# pROC 1.18.0, 20,000 resamples: S100B in the men and the women of aSAH.
#   roc.test(men, women, paired = FALSE, method = "specificity", specificity = 0.8)
#   roc.test(men, women, paired = FALSE, method = "sensitivity", sensitivity = 0.8)
@pytest.mark.parametrize(
    ("at", "statistic", "pvalue", "first"),
    [
        ({"specificity": 0.8}, -0.29768, 0.766, 0.6),
        ({"sensitivity": 0.8}, 0.47346, 0.6359, None),
    ],
)
def test_independent_samples_agree_with_proc(gold_data, at, statistic, pvalue, first):
    d = gold_data("asah")
    male = np.asarray(d["gender"]) == "Male"
    y, s = np.asarray(d["y"]), np.asarray(d["s100b"])
    result = roc_point_test_unpaired(y[male], s[male], y[~male], s[~male], **at, rng=1)
    assert result.statistic == pytest.approx(statistic, abs=0.02)
    assert result.pvalue == pytest.approx(pvalue, abs=0.015)
    assert first is None or result.estimates[0] == pytest.approx(first)
    assert result.n_cases == y.size


def test_independent_samples_add_their_variances():
    (ya, a, _), (yb, b, _) = simulate(90, 1), simulate(60, 2)
    groups_a, groups_b = np.arange(90) // 2, np.arange(60) // 3
    result = roc_point_test_unpaired(
        ya, a, yb, b, specificity=0.8, groups_a=groups_a, groups_b=groups_b, rng=3
    )
    # The spread of either sensitivity by itself, against a reference that does not vary.
    alone = [
        roc_point_test(y, s, np.zeros(y.size), specificity=0.8, groups=groups, rng=seed)
        for y, s, groups, seed in ((ya, a, groups_a, 4), (yb, b, groups_b, 5))
    ]
    assert result.estimates == pytest.approx([one.estimates[0] for one in alone])
    expected = math.hypot(*(one.standard_error for one in alone))
    assert result.standard_error == pytest.approx(expected, rel=0.04)
    assert (result.n_cases, result.n_groups) == (150, 65)
    assert "patients resampled" in result.method
    assert result.procedure.clustered


def test_samples_that_are_alike_are_drawn_apart():
    y, a, _ = simulate(80)
    result = roc_point_test_unpaired(y, a, y, a, specificity=0.9, rng=0, return_draws=True)
    assert result.estimate == 0
    assert result.draws.std() > 0.05


@pytest.mark.parametrize("method", ["percentile", "BCa", "basic"])
def test_swapping_the_samples_mirrors_the_interval(method):
    (ya, a, _), (yb, b, _) = simulate(90, 1), simulate(60, 2)
    how = {"sensitivity": 0.7, "method": method, "n_resamples": 4000}
    one = roc_point_test_unpaired(ya, a, yb, b, rng=1, **how).confidence_interval
    other = roc_point_test_unpaired(yb, b, ya, a, rng=2, **how).confidence_interval
    assert one == pytest.approx((-other.high, -other.low), abs=0.04)


def test_a_single_case_in_either_sample_leaves_no_variance():
    y, a, _ = simulate(30)
    with pytest.warns(DegenerateDataWarning, match="sample b: only one positive"):
        result = roc_point_test_unpaired(y, a, [0, 0, 1], [1, 2, 3], specificity=0.5, rng=0)
    assert result.estimates[1] == 1
    assert math.isnan(result.pvalue)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"specificity": None}, "Give one of `specificity` and `sensitivity`"),
        ({"specificity": 80}, "`specificity` must be between 0 and 1, got 80"),
        ({"scores_b": [1, 2]}, r"`scores_b`.*expected 30, got 2"),
        ({"y_true_a": np.zeros(30)}, "`y_true_a` must hold both classes"),
        ({"groups_a": np.arange(30)}, "must be given together"),
    ],
)
def test_bad_input_is_named(change, message):
    y, a, b = simulate(30)
    given = {"y_true_a": y, "scores_a": a, "y_true_b": y, "scores_b": b, "specificity": 0.8}
    given |= change
    with pytest.raises(ValueError, match=message):
        roc_point_test_unpaired(**given)
