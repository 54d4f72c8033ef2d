"""Joint permutations of several comparisons: by enumeration, by their laws, by simulation."""

import itertools

import numpy as np
import pytest
from scipy import stats as sps

from stats_tl.stats import max_t_auc_test, permutation_auc_test


def auc(y, scores):
    x, v = scores[y == 1][:, None], scores[y == 0]
    return np.mean((x > v) + 0.5 * (x == v))


def simulate(seed, n=12, m=3, shared=1.0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    case = y + shared * rng.normal(size=n)
    return y, case + rng.normal(size=(m, n)), case + rng.normal(size=(m, n))


@pytest.mark.parametrize("size", [1, 2])
def test_agrees_with_enumeration_of_joint_swaps(size):
    y, a, b = simulate(2)
    groups = np.arange(12) // size
    ranks_a, ranks_b = (sps.rankdata(s, axis=1) for s in (a, b))

    def differences(swap):
        own = np.array(swap)[groups]
        first, second = np.where(own, ranks_b, ranks_a), np.where(own, ranks_a, ranks_b)
        return [auc(y, p) - auc(y, q) for p, q in zip(first, second, strict=True)]

    units = groups.max() + 1
    values = np.array([differences(s) for s in itertools.product([False, True], repeat=units)])
    scaled = np.abs(values / np.sqrt((values**2).mean(axis=0)))
    observed = scaled[0]
    expected_alone = (scaled >= observed - 1e-9).mean(axis=0)
    expected = (scaled.max(axis=1)[:, None] >= observed - 1e-9).mean(axis=0)
    table = max_t_auc_test(y, a, b, groups=groups, method="single-step", n_resamples=40_000, rng=0)
    np.testing.assert_allclose(table["estimate"], values[0], atol=1e-12)
    np.testing.assert_allclose(table["statistic"].abs(), observed, rtol=1e-9)
    for column, truth in (("pvalue", expected_alone), ("pvalue_adjusted", expected)):
        margin = 4 * np.sqrt(truth * (1 - truth) / 40_000) + 1e-4
        assert (np.abs(table[column] - truth) <= margin).all()


def test_laws():
    y, a, b = simulate(3, n=80)
    table = max_t_auc_test(y, a, b, n_resamples=999, rng=1)
    for row, first, second in zip(table.itertuples(), a, b, strict=True):
        single = permutation_auc_test(y, first, second, n_resamples=999, rng=1)
        assert row.estimate == single.estimate
        assert row.standard_error == pytest.approx(single.standard_error, rel=1e-12)
        assert row.statistic == pytest.approx(single.statistic, rel=1e-12)
    assert (table["pvalue_adjusted"] >= table["pvalue"]).all()
    assert (table["pvalue_adjusted"] <= 1).all()
    again = max_t_auc_test(y, np.exp(a), 3 * b + 1, n_resamples=999, rng=1)
    np.testing.assert_array_equal(table, again)
    swapped = max_t_auc_test(y, b, a, n_resamples=999, rng=1)
    np.testing.assert_allclose(swapped["statistic"], -table["statistic"], rtol=1e-12)
    np.testing.assert_array_equal(swapped["pvalue_adjusted"], table["pvalue_adjusted"])


def test_copies_cost_nothing_and_alike_arms_give_one():
    y, a, b = simulate(4, n=60, m=1)
    alone = max_t_auc_test(y, a, b, n_resamples=999, rng=1)
    copies = max_t_auc_test(
        y, np.repeat(a, 4, axis=0), np.repeat(b, 4, axis=0), n_resamples=999, rng=1
    )
    assert (copies["pvalue_adjusted"] == alone["pvalue"].iloc[0]).all()
    beside = max_t_auc_test(y, np.vstack([a, b]), np.vstack([b, 2 * b]), n_resamples=999, rng=1)
    assert (beside.loc[1, "statistic"], beside.loc[1, "pvalue_adjusted"]) == (0, 1)
    assert beside.loc[0, "pvalue_adjusted"] == alone.loc[0, "pvalue"]


def test_family_wise_error():
    rejections = []
    for seed in range(400):
        y, a, b = simulate(seed, n=60, m=5)
        table = max_t_auc_test(y, a, b, n_resamples=199, rng=seed)
        rejections.append((table["pvalue_adjusted"] <= 0.05).any())
    assert 0.05 - 0.035 < np.mean(rejections) < 0.05 + 0.035  # three standard errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores_b": np.zeros((2, 12))}, "`scores_b` must have the shape of `scores_a`"),
        ({"scores_a": np.zeros(12)}, "`scores_a` must have 2 axes"),
        ({"groups": np.zeros(12)}, "in one patient"),
        ({"n_resamples": 0}, "`n_resamples`"),
        ({"method": "holm"}, "`method`"),
        ({"alternative": "both"}, "`alternative`"),
    ],
)
def test_bad_input_is_named(change, message):
    y, a, b = simulate(5)
    with pytest.raises(ValueError, match=message):
        max_t_auc_test(**{"y_true": y, "scores_a": a, "scores_b": b, **change})
