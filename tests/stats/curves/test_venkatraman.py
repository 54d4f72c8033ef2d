"""The test of whole ROC curves against pROC, direct enumeration, and by its laws."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as sps

from stats_tl.stats import DegenerateDataWarning, permutation_auc_test, venkatraman_test

PAIRS = [
    ("roc_basic_n200", "pair", "a", "b"),
    ("roc_n20", "pair", "a", "b"),
    ("roc_ties_5level_n200", "pair", "a", "b"),
    ("roc_identical_n100", "pair", "a", "b"),
    ("roc_clustered_size1_n200", "pair", "a", "b"),
    ("roc_perfect_both_n60", "pair", "a", "b"),
    ("asah", "s100b_vs_ndka", "s100b", "ndka"),
    ("asah", "s100b_vs_wfns", "s100b", "wfns"),
    ("asah", "ndka_vs_wfns", "ndka", "wfns"),
]


def errors(y, ranks, k):
    """Misclassified cases if ranks above k are called positive."""
    return np.sum((ranks <= k) & (y == 1)) + np.sum((ranks > k) & (y == 0))


def direct(y, a, b):
    """E by its definition: every cut, every case; ties in the order of the cases."""
    y = np.asarray(y)
    r, s = (sps.rankdata(v, method="ordinal") for v in (a, b))
    return sum(abs(errors(y, r, k) - errors(y, s, k)) for k in range(1, y.size))


def enumerate_swaps(y, a, b, groups=None):
    """E after every pattern of swaps, ranks taken anew."""
    groups = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    r, s = (sps.rankdata(v, method="ordinal") for v in (a, b))
    values = []
    for swap in itertools.product([False, True], repeat=groups.max() + 1):
        own = np.array(swap)[groups]
        values.append(direct(y, np.where(own, s, r), np.where(own, r, s)))
    return np.array(values)


def simulate(n, seed=0, decimals=None):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) < n // 2).astype(int)
    a, b = rng.normal(size=(2, n)) + rng.normal(size=n) + y
    return (y, a, b) if decimals is None else (y, a.round(decimals), b.round(decimals))


# Reference values -------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "key", "a", "b"), PAIRS)
@pytest.mark.filterwarnings("ignore::stats_tl.stats.DegenerateDataWarning")
def test_equals_proc(gold, gold_data, data, key, a, b):
    # pROC 1.18.0, roc.test(method = "venkatraman", paired = TRUE), 2000 permutations; the
    # statistic has no random part because its default ranks ties in the order of the cases.
    frame = gold_data(data)
    expected = gold["roc"][data][key]["venkatraman_paired_seed42"]
    result = venkatraman_test(frame["y"], frame[a], frame[b], rng=1)
    assert result.statistic == expected["statistic"]
    spread = math.sqrt(result.pvalue * (1 - result.pvalue) * (1 / 2000 + 1 / 9999))
    assert result.pvalue == pytest.approx(expected["p"], abs=4 * spread + 1 / 9999)


@pytest.mark.parametrize(
    ("y", "a", "b", "expected"),
    [
        # roc.test of pROC 1.18.0 as above; ties within and between the classes, and the
        # same cases in another order.
        ([0, 1, 0, 1, 1, 0, 1, 0], [1, 1, 1, 2, 2, 2, 3, 3], [2, 1, 2, 1, 3, 1, 3, 2], 12),
        ([1, 0, 1, 0, 1, 0, 1, 0], [1, 1, 2, 1, 2, 2, 3, 3], [1, 2, 1, 2, 3, 1, 3, 2], 10),
    ],
)
def test_ties_in_the_order_of_the_cases(y, a, b, expected):
    result = venkatraman_test(y, a, b)
    assert result.statistic == expected == direct(y, a, b)
    assert any("ranked in the order of the cases" in text for text in result.warnings)


# A second implementation ------------------------------------------------------------------


@pytest.mark.parametrize("decimals", [None, 0])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_small_samples_are_exact(decimals, size):
    y, a, b = simulate(8 * (1 if size == 1 else 2), seed=4, decimals=decimals)
    groups = None if size == 1 else np.arange(y.size) // size
    expected = enumerate_swaps(y, a, b, groups)
    result = venkatraman_test(y, a, b, groups=groups, return_draws=True)
    assert result.statistic == direct(y, a, b)
    assert result.pvalue == (expected >= result.statistic).mean()
    # Patients whom a swap does not change are left out: each value then occurs 2**m times less.
    times = expected.size // result.draws.size
    np.testing.assert_array_equal(np.repeat(np.sort(result.draws), times), np.sort(expected))
    assert f"all {result.draws.size}" in result.method
    assert result.n_groups == (None if size == 1 else len(set(groups)))


def test_random_swaps_agree_with_enumeration():
    y, a, b = simulate(14, seed=1)
    exact = venkatraman_test(y, a, b, n_resamples=2**14)
    random = venkatraman_test(y, a, b, n_resamples=2000, rng=0)
    assert "all" in exact.method
    assert "random 2000" in random.method
    error = math.sqrt(exact.pvalue * (1 - exact.pvalue) / 2000)
    assert random.pvalue == pytest.approx(exact.pvalue, abs=4 * error)


def test_seed_is_honoured_whatever_the_chunk(monkeypatch):
    y, a, b = simulate(120, seed=2)
    first = venkatraman_test(y, a, b, rng=1, n_resamples=300, return_draws=True)
    other = venkatraman_test(y, a, b, rng=2, n_resamples=300, return_draws=True)
    monkeypatch.setattr("stats_tl.stats._shared.swaps.CHUNK_ENTRIES", 1500)
    monkeypatch.setattr("stats_tl.stats.curves.venkatraman.CHUNK_ENTRIES", 500)
    again = venkatraman_test(y, a, b, rng=1, n_resamples=300, return_draws=True)
    np.testing.assert_array_equal(first.draws, again.draws)
    assert (first.draws != other.draws).any()


# Laws -------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 40), st.integers(0, 10_000), st.sampled_from([None, 0, 1]))
def test_laws(n, seed, decimals):
    y, a, b = simulate(n, seed, decimals)
    result = venkatraman_test(y, a, b, n_resamples=99, rng=0, return_draws=True)
    assert result.statistic == direct(y, a, b)
    assert result.statistic % 2 == 0
    assert 0 < result.pvalue <= 1
    # Ranks only: no common scale is needed.
    transformed = venkatraman_test(list(y), np.exp(a), 100 * b, n_resamples=99, rng=0)
    assert (transformed.statistic, transformed.pvalue) == (result.statistic, result.pvalue)
    # The same swaps, seen from the other arm.
    swapped = venkatraman_test(y, b, a, n_resamples=99, rng=0, return_draws=True)
    np.testing.assert_array_equal(swapped.draws, result.draws)
    assert (swapped.statistic, swapped.pvalue) == (result.statistic, result.pvalue)
    assert swapped.estimates == result.estimates[::-1]


def test_negative_cases_are_positive_cases_of_the_reversed_scores():
    y, a, b = simulate(50, seed=6)
    reversed_ = venkatraman_test(1 - y, -a, -b, rng=0)
    assert reversed_.statistic == venkatraman_test(y, a, b, rng=0).statistic


def test_sees_curves_that_cross_where_the_auc_does_not():
    # Normal scores; under b the positive cases have another spread but the same AUC.
    rng = np.random.default_rng(3)
    n = 300
    y = np.repeat([0, 1], n)
    a = np.concatenate([rng.normal(size=n), rng.normal(1.0, 1.0, n)])
    b = np.concatenate([rng.normal(size=n), rng.normal(math.sqrt((1 + 9) / 2), 3.0, n)])
    assert venkatraman_test(y, a, b, rng=0, n_resamples=999).pvalue == 1 / 1000
    assert permutation_auc_test(y, a, b, rng=0).pvalue > 0.1


def test_edges():
    y, a, _ = simulate(30)
    alike = venkatraman_test(y, a, np.exp(a), rng=0)
    assert (alike.statistic, alike.pvalue) == (0, 1)
    assert "the same at every operating point" in alike.warnings[0]
    with pytest.warns(DegenerateDataWarning, match="both AUCs are 1"):
        perfect = venkatraman_test([0, 0, 1, 1], [1, 2, 3, 4], [2, 1, 4, 3])
    assert (perfect.statistic, perfect.pvalue) == (0, 1)
    # Cases change places within their class: other ranks, the same curve.
    same = venkatraman_test([0, 0, 1, 0, 1, 1], [1, 2, 3, 4, 5, 6], [2, 1, 3, 4, 6, 5])
    assert (same.statistic, same.pvalue) == (0, 1)
    one = [0, 0, 0, 1], [1, 2, 3, 4], [1, 2, 4, 3]
    assert venkatraman_test(*one).pvalue == (enumerate_swaps(*one) >= direct(*one)).mean()


def test_result_prints_and_tabulates():
    y, a, b = simulate(40, seed=1)
    result = venkatraman_test(y, a, b, rng=0, groups=np.arange(40) // 2)
    text = str(result)
    assert text.startswith("Venkatraman and Begg's permutation test of two correlated ROC curves")
    assert "40 cases of 20 patients" in text
    assert "nan" not in text.lower()
    row = result.to_frame().iloc[0]
    assert (row["statistic"], row["pvalue"]) == (result.statistic, result.pvalue)
    assert (row["estimate_a"], row["estimate_b"]) == result.estimates
    assert result.draws is None


def test_bad_input_is_named():
    y, a, b = [0, 0, 0, 1], [1, 2, 3, 4], [1, 2, 4, 3]
    with pytest.raises(ValueError, match="`scores_b` must have one entry per case"):
        venkatraman_test(y, a, b[:3])
    with pytest.raises(ValueError, match="`scores_a` has 1 missing"):
        venkatraman_test(y, [math.nan, 2, 3, 4], b)
    with pytest.raises(ValueError, match="must hold both classes"):
        venkatraman_test([1, 1, 1, 1], a, b)
    with pytest.raises(ValueError, match="in one patient"):
        venkatraman_test(y, a, b, groups=np.zeros(4))
    with pytest.raises(ValueError, match="`n_resamples` must be at least 1"):
        venkatraman_test(y, a, b, n_resamples=0)


# Level ------------------------------------------------------------------------------------


def rejections(rng, *, n, replicates, draw):
    # Sorted by class, the worst order for ranking ties by it.
    y = np.repeat([0, 1], n // 2)
    pvalues = []
    for _ in range(replicates):
        a, b, groups = draw(rng, y)
        pvalues.append(venkatraman_test(y, a, b, groups=groups, n_resamples=199, rng=rng).pvalue)
    return np.mean(np.array(pvalues) <= 0.05)


def continuous(rng, y):
    return (*(rng.normal(size=(2, y.size)) + rng.normal(size=y.size) + y), None)


def ratings(rng, y):
    a, b, _ = continuous(rng, y)
    return a.round(), b.round(), None


def patients(rng, y):
    """Pairs of images of a patient with the same label and strongly correlated scores."""
    groups = np.arange(y.size) // 2
    own = rng.normal(size=(2, y.size // 2))[:, groups]
    return (*(own + 0.3 * rng.normal(size=(2, y.size)) + y), groups)


@pytest.mark.slow
@pytest.mark.parametrize("draw", [continuous, ratings, patients])
def test_level_under_exchangeable_arms(draw):
    # 1000 replicates: the standard error of a rate of 5 % is 0.7 %.
    rate = rejections(np.random.default_rng(11), n=60, replicates=1000, draw=draw)
    assert 0.028 < rate < 0.072
