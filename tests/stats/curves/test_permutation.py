"""The permutation test against enumeration of swapped ranks, and by its laws."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as sps

from stats_tl.stats import DegenerateDataWarning, delong_test, permutation_auc_test


def auc(y, scores):
    x, v = scores[y == 1][:, None], scores[y == 0]
    return np.mean((x > v) + 0.5 * (x == v))


def enumerate_swaps(y, a, b, groups=None):
    """All differences of AUCs after swapping the arms' ranks within patients."""
    y = np.asarray(y)
    groups = np.arange(y.size) if groups is None else np.unique(groups, return_inverse=True)[1]
    a, b = sps.rankdata(a), sps.rankdata(b)
    values = []
    for swap in itertools.product([False, True], repeat=groups.max() + 1):
        own = np.array(swap)[groups]
        first, second = np.where(own, b, a), np.where(own, a, b)
        values.append(auc(y, first) - auc(y, second))
    return np.array(values)


def simulate(n, seed=0, levels=None):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) < n // 2).astype(int)
    a, b = rng.normal(size=(2, n)) + rng.normal(size=n) + y
    return (y, a, b) if levels is None else (y, a.round(levels), b.round(levels))


@pytest.mark.parametrize("levels", [None, 0])
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_small_samples_are_exact(levels, size, alternative):
    y, a, b = simulate(8 * (1 if size == 1 else 2), seed=4, levels=levels)
    groups = None if size == 1 else np.arange(y.size) // size
    expected = enumerate_swaps(y, a, b, groups)
    observed = auc(y, a) - auc(y, b)
    extreme = {
        "two-sided": np.abs(expected) >= abs(observed) - 1e-12,
        "greater": expected >= observed - 1e-12,
        "less": expected <= observed + 1e-12,
    }[alternative]
    result = permutation_auc_test(
        y, a, b, groups=groups, alternative=alternative, return_draws=True
    )
    assert result.pvalue == pytest.approx(extreme.mean(), abs=1e-14)
    assert result.standard_error == pytest.approx(np.sqrt(np.mean(expected**2)), rel=1e-12)
    np.testing.assert_allclose(np.unique(result.draws.round(12)), np.unique(expected.round(12)))
    assert "all" in result.method


def test_random_swaps_agree_with_enumeration():
    # Swapping changes nothing in two of the 14 cases: 2**12 permutations are all there are.
    y, a, b = simulate(14, seed=1)
    exact = permutation_auc_test(y, a, b, n_resamples=4096)
    random = permutation_auc_test(y, a, b, n_resamples=4095, rng=0)
    assert "all 4096" in exact.method
    assert "random 4095" in random.method
    error = math.sqrt(exact.pvalue * (1 - exact.pvalue) / 4095)
    assert random.pvalue == pytest.approx(exact.pvalue, abs=4 * error)


def test_seed_is_honoured_whatever_the_chunk(monkeypatch):
    y, a, b = simulate(200, seed=2)
    first = permutation_auc_test(y, a, b, rng=1, n_resamples=500, return_draws=True)
    other = permutation_auc_test(y, a, b, rng=2, n_resamples=500, return_draws=True)
    monkeypatch.setattr("stats_tl.stats._shared.swaps.CHUNK_ENTRIES", 1500)
    again = permutation_auc_test(y, a, b, rng=1, n_resamples=500, return_draws=True)
    np.testing.assert_array_equal(first.draws, again.draws)
    assert (first.draws != other.draws).any()


def test_laws():
    y, a, b = simulate(80, seed=3, levels=1)
    groups = np.arange(80) // 2
    result = permutation_auc_test(y, a, b, groups=groups, rng=1)
    swapped = permutation_auc_test(y, b, a, groups=groups, rng=1)
    assert (swapped.estimate, swapped.statistic) == (-result.estimate, -result.statistic)
    assert swapped.pvalue == pytest.approx(result.pvalue, abs=0.02)
    # Ranks only: no common scale is needed.
    assert permutation_auc_test(y, np.exp(a), 100 * b, groups=groups, rng=1) == result
    names = [f"patient {g}" for g in groups]
    assert permutation_auc_test(list(y), list(a), list(b), groups=names, rng=1) == result


def test_agrees_with_delong_in_large_samples():
    y, a, b = simulate(4000, seed=5)
    for groups in (None, np.arange(4000) // 2):
        permutation = permutation_auc_test(y, a, b, groups=groups, rng=0)
        delong = delong_test(y, a, b, groups=groups)
        assert permutation.standard_error == pytest.approx(delong.standard_error, rel=0.04)
        assert permutation.confidence_interval == pytest.approx(
            delong.confidence_interval, abs=0.002
        )
        assert permutation.pvalue == pytest.approx(delong.pvalue, abs=0.05)


def test_edges():
    y, a, _ = simulate(30)
    alike = permutation_auc_test(y, a, np.exp(a), rng=0)
    assert (alike.statistic, alike.pvalue) == (0, 1)
    with pytest.warns(DegenerateDataWarning, match="both AUCs are 1"):
        perfect = permutation_auc_test([0, 0, 1, 1], [1, 2, 3, 4], [2, 1, 4, 3])
    assert (perfect.statistic, perfect.pvalue) == (0, 1)
    # One positive case: the swap of arms needs no variance between positive cases.
    y_one, a, b = np.array([0, 0, 0, 1]), np.array([1, 2, 3, 4]), np.array([1, 2, 4, 3])
    extreme = np.abs(enumerate_swaps(y_one, a, b)) >= abs(auc(y_one, a) - auc(y_one, b)) - 1e-12
    assert permutation_auc_test(y_one, a, b).pvalue == extreme.mean()
    with pytest.raises(ValueError, match="in one patient"):
        permutation_auc_test(y_one, a, b, groups=np.zeros(4))
    with pytest.raises(ValueError, match="`n_resamples` must be at least 1"):
        permutation_auc_test(y_one, a, b, n_resamples=0)


def test_level_is_kept_in_small_clustered_samples():
    """Exchangeable arms, 10 patients of 3 images: at most 5 % false positives, exactly."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 3)
    rejected, runs = 0, 600
    for _ in range(runs):
        y = rng.permutation(30) % 2
        shared = rng.normal(size=10)[groups]
        a, b = shared + rng.normal(size=(2, 10))[:, groups] + 0.3 * rng.normal(size=(2, 30)) + y
        rejected += permutation_auc_test(y, a, b, groups=groups).pvalue <= 0.05
    assert sps.binomtest(rejected, runs, 0.05, alternative="greater").pvalue > 1e-3
    assert rejected / runs > 0.02
