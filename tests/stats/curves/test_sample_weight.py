"""DeLong's variance of AUCs of weighted cases."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from stats_tl.stats import DegenerateDataWarning, delong_covariance, delong_test, roc_auc


def simulate(n=60, seed=0, decimals=1):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) < 0.4 * n).astype(int)
    scores = (rng.normal(size=(2, n)) + rng.normal(size=n) + y).round(decimals)
    return y, scores, rng.uniform(0.2, 4, n)


def area(y, scores, weights):
    """By its definition: every pair of a positive and a negative case."""
    x, v = scores[y == 1][:, None], scores[y == 0][None]
    pair = weights[y == 1][:, None] * weights[y == 0][None]
    return np.sum(pair * ((x > v) + 0.5 * (x == v))) / pair.sum()


def influences(y, scores, weights):
    """Derivative of the AUC by each weight, times the weight, by central differences."""
    found = []
    for k in range(y.size):
        step = np.zeros(y.size)
        step[k] = 1e-4 * weights[k]
        slope = area(y, scores, weights + step) - area(y, scores, weights - step)
        found.append(slope / 2e-4)
    return np.array(found)


def test_equal_weights_change_nothing():
    y, (a, b), _ = simulate()
    groups = np.arange(60) // 2
    for own in (None, groups):
        plain = delong_test(y, a, b, groups=own)
        weighted = delong_test(y, a, b, groups=own, sample_weight=np.full(60, 7.0))
        assert weighted.statistic == pytest.approx(plain.statistic, rel=1e-10)
        assert weighted.estimates == pytest.approx(plain.estimates)
        assert weighted.n_groups == plain.n_groups
        one, other = roc_auc(y, a, groups=own), roc_auc(y, a, groups=own, sample_weight=[3] * 60)
        assert other.confidence_interval == pytest.approx(one.confidence_interval, rel=1e-10)
    assert weighted.procedure.version == "weighted"
    assert "weighted cases" in weighted.method
    assert other.method.startswith("Weighted AUC")


def test_areas_equal_scikit_learn():
    y, scores, weights = simulate()
    aucs, _ = delong_covariance(y, scores, sample_weight=weights)
    expected = [roc_auc_score(y, own, sample_weight=weights) for own in scores]
    assert aucs == pytest.approx(expected, abs=1e-12)
    assert aucs == pytest.approx([area(y, own, weights) for own in scores], abs=1e-12)


def test_covariance_is_that_of_the_influences():
    y, scores, weights = simulate()
    _, covariance = delong_covariance(y, scores, sample_weight=weights)
    moved = np.array([influences(y, own, weights) for own in scores])
    expected = np.zeros((2, 2))
    for label in (0, 1):
        own = moved[:, y == label]
        n = own.shape[1]
        expected += n / (n - 1) * own @ own.T
    np.testing.assert_allclose(covariance, expected, rtol=1e-6)
    # With patients their influences are summed.
    groups = np.arange(60) // 3
    _, clustered = delong_covariance(y, scores, groups=groups, sample_weight=weights)
    sums = np.array([np.bincount(groups, weights=own) for own in moved])
    np.testing.assert_allclose(clustered, sums @ sums.T * 20 / 19, rtol=0.1)


def test_jackknife_that_leaves_weighted_cases_out():
    y, (a, b), weights = simulate(300, seed=3, decimals=8)
    without = []
    for k in range(y.size):
        rest = np.arange(y.size) != k
        values = [area(y[rest], own[rest], weights[rest]) for own in (a, b)]
        without.append(values[0] - values[1])
    without, variance = np.array(without), 0.0
    for label in (0, 1):
        own = without[y == label]
        variance += (own.size - 1) * own.var()
    result = delong_test(y, a, b, sample_weight=weights)
    assert result.standard_error == pytest.approx(np.sqrt(variance), rel=0.02)


def test_cases_without_weight_are_left_out():
    y, (a, b), weights = simulate()
    groups = np.arange(60) // 2
    weights[::5] = 0
    kept = weights > 0
    result = delong_test(y, a, b, groups=groups, sample_weight=weights)
    other = delong_test(
        y[kept], a[kept], b[kept], groups=groups[kept], sample_weight=100 * weights[kept]
    )
    assert result.statistic == pytest.approx(other.statistic, rel=1e-10)
    assert (result.n_cases, result.n_groups) == (48, 30)
    assert roc_auc(y, a, sample_weight=weights).n_cases == 48


def test_weights_undo_a_selection():
    """Positive cases found by their score: the weighted AUC is that of all cases."""
    rng, inside, plain = np.random.default_rng(8), 0, []
    truth = 0.7602499  # AUC of a shift of one standard deviation
    for _ in range(300):
        y = (rng.random(500) < 0.4).astype(int)
        score = y + rng.normal(size=500)
        chance = np.where((score > 1) & (y == 1), 0.9, 0.3)
        seen = rng.random(500) < chance
        result = roc_auc(y[seen], score[seen], sample_weight=1 / chance[seen])
        low, high = result.confidence_interval
        inside += low <= truth <= high
        plain.append(roc_auc(y[seen], score[seen]).estimate)
    assert inside / 300 == pytest.approx(0.95, abs=0.04)
    assert abs(np.mean(plain) - truth) > 0.01


def test_curves_that_rank_alike_differ_by_nothing():
    y, (a, _), weights = simulate()
    result = delong_test(y, a, np.exp(a), sample_weight=weights)
    assert (result.estimate, result.statistic, result.pvalue) == (0, 0, 1)
    assert [note.code for note in result.warnings] == ["identical-ranking"]
    with pytest.warns(DegenerateDataWarning, match="p = 1 is a convention"):
        assert delong_test(y, y, 2 * y, sample_weight=weights).pvalue == 1
    once = weights * (y == 0)
    once[np.flatnonzero(y)[0]] = 1
    with pytest.warns(DegenerateDataWarning, match="only one positive case"):
        assert np.isnan(delong_test(y, a, a**3, sample_weight=once).pvalue)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(59), r"`sample_weight`.*expected 60, got 59"),
        (np.full(60, -1.0), "finite numbers of at least 0, got -1"),
        (np.full(60, np.inf), "finite numbers of at least 0, got inf"),
        (np.zeros(60), "is 0 for every positive case"),
        (np.full(60, np.nan), "`sample_weight` has 60 missing values"),
    ],
)
def test_wrong_weights_are_named(weights, message):
    y, (a, b), _ = simulate()
    with pytest.raises(ValueError, match=message):
        delong_test(y, a, b, sample_weight=weights)
    with pytest.raises(ValueError, match="`sample_weight` needs method='delong'"):
        roc_auc(y, a, method="bootstrap", sample_weight=np.ones(60))
