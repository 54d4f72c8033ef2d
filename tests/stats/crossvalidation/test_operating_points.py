"""Operating points over repeated runs: by hand, against McNemar's test, and by simulation."""

import numpy as np
import pytest
from scipy import stats as sps

from stats_tl.stats import (
    mcnemar_test,
    repeated_operating_point_test,
    repeated_proportion,
    sensitivity_threshold,
    youden_threshold,
)


@pytest.fixture
def calls():
    """Three repeats of four folds: labels, calls of both arms, folds."""
    rng = np.random.default_rng(5)
    y = np.arange(80) % 4 < 2
    a = rng.random((3, 80)) < np.where(y, 0.8, 0.3)
    b = rng.random((3, 80)) < np.where(y, 0.6, 0.3)
    folds = np.array([rng.permutation(20).repeat(4) % 4 for _ in range(3)])
    return y, a, b, folds


@pytest.mark.parametrize("metric", ["sensitivity", "specificity"])
def test_cross_validation_is_the_corrected_t_over_folds(calls, metric):
    y, a, b, folds = calls
    positive = metric == "sensitivity"
    differences = [
        np.mean((a[m] == positive)[own]) - np.mean((b[m] == positive)[own])
        for m in range(3)
        for own in ((folds[m] == k) & (y == positive) for k in range(4))
    ]
    error = np.sqrt((1 / 12 + 1 / 3) * np.var(differences, ddof=1))
    result = repeated_operating_point_test(y, a, b, folds, metric=metric)
    assert result.standard_error == pytest.approx(error, rel=1e-12)
    assert result.df == 11
    assert result.estimate == pytest.approx(np.mean(differences), rel=1e-12)
    assert result.pvalue == pytest.approx(2 * sps.t.sf(abs(result.estimate) / error, 11), rel=1e-9)


def test_one_model_on_one_test_set_has_the_interval_of_mcnemar(calls):
    y, a, b, _ = calls
    groups = np.arange(80) // 2
    result = repeated_operating_point_test(y, a[:1], b[:1], np.zeros((1, 80)), groups=groups)
    clustered = mcnemar_test(a[0][y], b[0][y], groups=groups[y])
    assert result.estimate == pytest.approx(clustered.estimate)
    assert result.standard_error == pytest.approx(clustered.standard_error, rel=1e-12)


def test_trainings_on_one_test_set_have_the_variance_of_obuchowski_and_rockette(calls):
    y, a, b, _ = calls
    d = (a[:, y].astype(float) - b[:, y]) * 1.0
    n = d.shape[1]
    covariance = np.cov(d) / n
    between = d.mean(axis=1).var(ddof=1) / 3
    shared = max((covariance.sum() - np.trace(covariance)) / 6, 0)
    result = repeated_operating_point_test(y, a, b, np.zeros((3, 80)))
    assert result.standard_error**2 == pytest.approx(between + shared, rel=1e-9)


def test_a_proportion_of_one_run_is_wilsons():
    y = np.array([1] * 30 + [0] * 10)
    part = repeated_proportion(y[None], np.zeros((1, 40)))
    # The variance over cases divides by n - 1, so that the effective number is 39.
    z, n, p = sps.norm.isf(0.025), 39, 0.75
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert part.confidence_interval == pytest.approx((centre - half, centre + half), rel=1e-9)
    assert part.estimate == 0.75
    assert part.n_successes == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folds": np.zeros((2, 80))}, "one shape"),
        ({"called_a": np.full((3, 80), 2)}, "must hold 0 and 1"),
        ({"called_a": np.zeros((3, 79))}, "must be of shape"),
        ({"metric": "accuracy"}, "`metric`"),
        ({"groups": np.zeros(80)}, "one patient"),
    ],
)
def test_bad_input_is_named(calls, change, message):
    y, a, b, folds = calls
    given = {"called_a": a, "called_b": b, "folds": folds, **change}
    with pytest.raises(ValueError, match=message):
        repeated_operating_point_test(y, **given)


@pytest.mark.parametrize("target", [0.5, 0.9, 1.0])
def test_a_threshold_reaches_its_sensitivity_and_no_higher_one_does(target):
    rng = np.random.default_rng(2)
    y = rng.random(60) < 0.4
    scores = np.round(rng.standard_normal(60) + y, 1)
    threshold = sensitivity_threshold(y, scores, target)
    assert np.mean(scores[y] >= threshold) >= target
    higher = np.unique(scores[scores > threshold])[1:]
    assert all(np.mean(scores[y] >= t) < target for t in higher)


def fit_and_call(rng, n=300, n_features=8, n_repeats=5, n_folds=5):
    """Two exchangeable arms: linear discriminants of disjoint halves of equal features."""
    y = rng.permutation(np.arange(n) < 0.35 * n)
    x = rng.standard_normal((n, 2 * n_features)) + rng.standard_normal((n, 1))
    x += 1.1 / np.sqrt(n_features) * y[:, None]
    called = np.zeros((2, n_repeats, n), dtype=bool)
    folds = np.zeros((n_repeats, n), dtype=int)
    for m in range(n_repeats):
        for label in (False, True):
            own = rng.permutation(np.flatnonzero(y == label))
            folds[m, own] = np.arange(own.size) % n_folds
        for k in range(n_folds):
            test, tuning = folds[m] == k, rng.random(n) < 0.2
            train, tuning = ~test & ~tuning, ~test & tuning
            for arm in range(2):
                own = x[:, arm * n_features : (arm + 1) * n_features]
                means = [own[train & (y == label)].mean(axis=0) for label in (True, False)]
                scatter = np.cov(own[train].T) + 0.05 * np.eye(n_features)
                scores = own @ np.linalg.solve(scatter, means[0] - means[1])
                called[arm, m, test] = scores[test] >= youden_threshold(y[tuning], scores[tuning])
    return y, called, folds


@pytest.mark.slow
def test_the_test_keeps_its_size_where_a_variance_of_cases_does_not():
    """200 studies of two equal procedures at 5 %, in each study sensitivity and specificity."""
    rng = np.random.default_rng(1)
    rejected, naive = [], []
    for _ in range(200):
        y, called, folds = fit_and_call(rng)
        for metric, label in (("sensitivity", True), ("specificity", False)):
            result = repeated_operating_point_test(y, *called, folds, metric=metric)
            rejected.append(result.pvalue < 0.05)
            right = (called == label)[:, :, y == label].astype(float)
            d = right[0] - right[1]
            error = np.sqrt(np.mean(d.var(axis=1, ddof=1) / d.shape[1]))
            naive.append(abs(d.mean()) > 1.96 * error)
    bound = sps.binom.isf(0.001, len(rejected), 0.05) / len(rejected)
    assert np.mean(rejected) <= bound
    assert np.mean(naive) > bound
