"""The design calculator against simulated studies; the omnibus test against the paired one."""

import math

import numpy as np
import pytest

from stats_tl.stats import (
    repeated_cv_design,
    repeated_cv_omnibus_test,
    repeated_cv_power,
    repeated_cv_test,
)

from ..crossvalidation.test_repeated_cv import make


def test_standard_error_of_fitted_scores_by_simulation():
    # Scores that nobody trained: elasticity 0, the same in every repeat but for the folds.
    rng, n, events, z = np.random.default_rng(0), 300, 90, 1.2
    y = np.zeros(n, dtype=int)
    y[:events] = 1
    estimates = []
    for _ in range(400):
        shared = rng.standard_normal(n)
        a, b = (
            z * y + math.sqrt(0.5) * shared + math.sqrt(0.5) * rng.standard_normal(n)
            for _ in range(2)
        )
        auc = [(s[y == 1][:, None] > s[y == 0]).mean() for s in (a, b)]
        estimates.append(auc[0] - auc[1])
    auc = 0.8019  # of two normals 1.2 apart
    design = repeated_cv_design(
        n, prevalence=0.3, auc=auc, difference=1e-9, correlation=0.5, run_noise=0, elasticity=0
    )
    assert np.std(estimates) == pytest.approx(design.standard_error, rel=0.1)


def test_design_agrees_with_the_power_of_given_components():
    design = repeated_cv_design(
        400, prevalence=0.3, auc=0.8, difference=0.05, run_noise=0.5, n_repeats=8, elasticity=0.2
    )
    shared = design.standard_error**2 / (1.2**2 + 0.5 / 8)
    power = repeated_cv_power(
        0.05, case_variance=shared, shared_variance=shared, repeat_variance=0.5 * shared,
        n_repeats=8, elasticity=0.2, method="learning-curve",
    )  # fmt: skip
    assert design.power == pytest.approx(power, abs=0.03)
    again = repeated_cv_design(
        400, prevalence=0.3, auc=0.8, difference=design.smallest_detectable_difference,
        run_noise=0.5, n_repeats=8, elasticity=0.2,
    )  # fmt: skip
    assert again.power == pytest.approx(0.8, abs=0.03)


def test_design_moves_as_it_should():
    base = repeated_cv_design(400, prevalence=0.3, auc=0.8)
    for change in ({"n_repeats": 40}, {"half": True, "n_repeats": 20}, {"correlation": 0.8}):
        better = repeated_cv_design(400, prevalence=0.3, auc=0.8, **change)
        assert better.smallest_detectable_difference < base.smallest_detectable_difference
    assert repeated_cv_design(400, prevalence=0.3, auc=0.8, half=False).power < base.power
    assert "80 % power" in str(base)


def test_design_refuses_what_cannot_be():
    for change, message in (
        ({"prevalence": 0.001}, "two of each"),
        ({"auc": 1.2}, "`auc`"),
        ({"difference": 0.3}, "between 0 and 1"),
        ({"run_noise": -1}, "`run_noise`"),
        ({"elasticity": -1.1}, "`elasticity`"),
        ({"n_repeats": 1}, "n_repeats"),
    ):
        with pytest.raises(ValueError, match=message):
            repeated_cv_design(400, **{"prevalence": 0.3, "auc": 0.8, **change})


def test_two_arms_are_the_paired_test_squared():
    y, a, b, folds, half = make(n=120)
    groups = np.arange(120) // 3
    pair = repeated_cv_test(y, a, b, folds, half=half, method="learning-curve")
    both = repeated_cv_omnibus_test(
        y, np.stack([b, a]), folds, half=(np.stack([half[1], half[0]]), half[2])
    )
    assert both.statistic == pytest.approx(pair.statistic**2, rel=1e-9)
    assert both.pvalue == pytest.approx(pair.pvalue, rel=1e-9)
    assert both.df == (1.0, pytest.approx(pair.df))
    assert both.estimates == pytest.approx(pair.estimates[::-1])
    clustered = repeated_cv_omnibus_test(y, np.stack([b, a]), folds, groups=groups)
    assert clustered.n_groups == 40


def test_omnibus_of_three():
    y, a, b, folds, _ = make(n=240, gain=0.0)
    rng = np.random.default_rng(1)
    c = a + 0.3 * rng.standard_normal(a.shape)
    scores = np.stack([a, b, c])
    base = repeated_cv_omnibus_test(y, scores, folds)
    assert base.df[0] == 2
    # A monotone change of an arm's scores within repeats, and the order of the others.
    moved = repeated_cv_omnibus_test(y, np.stack([np.exp(a), 3 * c, b]), folds)
    assert moved.statistic == pytest.approx(base.statistic, rel=1e-8)
    better = np.stack([a, b, c + 1.5 * y])
    assert repeated_cv_omnibus_test(y, better, folds).pvalue < 1e-4
    same = repeated_cv_omnibus_test(y, np.stack([a, 2 * a, a + 1]), folds)
    assert (same.statistic, same.pvalue) == (0.0, 1.0)
    with pytest.raises(ValueError, match="at least two arms"):
        repeated_cv_omnibus_test(y, a, folds)
