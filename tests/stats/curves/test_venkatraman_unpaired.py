"""Venkatraman's test of the ROC curves of two independent samples."""

import itertools

import numpy as np
import pytest

from stats_tl.stats import DegenerateDataWarning, Resampling, venkatraman_test_unpaired


def simulate(n_positive, n_negative, seed, effect=1.0):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([1, 0], [n_positive, n_negative]))
    return y, effect * y + rng.normal(size=y.size)


def by_definition(labels_a, labels_b):
    """E case by case: trapezoids over the cuts of both samples on the common scale."""
    weight = (labels_a.sum() + labels_b.sum()) / (labels_a.size + labels_b.size)
    curves = []
    for labels in (labels_a, labels_b):
        cuts = []
        for k in range(1, labels.size + 1):
            missed = labels[:k].sum() / labels.sum()
            cleared = (1 - labels[:k]).sum() / (1 - labels).sum()
            p = weight * missed + (1 - weight) * cleared
            cuts.append((p, weight * missed + (1 - weight) * (1 - cleared)))
        curves.append(cuts)

    def errors(cuts, p):
        for (p0, e0), (p1, e1) in itertools.pairwise(cuts):
            if p0 <= p <= p1:
                return e0 + (e1 - e0) * (p - p0) / (p1 - p0)
        return cuts[-1][1]

    start = max(cuts[0][0] for cuts in curves)
    grid = sorted(p for cuts in curves for p, _ in cuts if p >= start)
    gap = [abs(errors(curves[0], p) - errors(curves[1], p)) for p in grid]
    return sum(
        (g0 + g1) * (p1 - p0) / 2
        for (g0, p0), (g1, p1) in itertools.pairwise(zip(gap, grid, strict=True))
    )


@pytest.mark.parametrize("sizes", [(6, 9, 6, 9), (6, 9, 20, 10), (3, 30, 25, 4)])
def test_statistic_by_its_definition(sizes):
    (ya, a), (yb, b) = simulate(*sizes[:2], seed=1), simulate(*sizes[2:], seed=2)
    result = venkatraman_test_unpaired(ya, a, yb, b, n_resamples=1, rng=0)
    expected = by_definition(ya[a.argsort()], yb[b.argsort()])
    assert result.statistic == pytest.approx(expected, abs=1e-12)


def test_equals_proc_where_the_samples_have_one_size():
    # roc.test(method = "venkatraman", paired = FALSE) of pROC 1.18.0, 4,000 permutations:
    # E = 0.062171356824, p = 0.2235.
    ya, yb = np.repeat([0, 1], [35, 25]), np.repeat([0, 1], [40, 20])
    a, b = (np.array([float(v) for v in text.split()]) for text in (SCORES_A, SCORES_B))
    result = venkatraman_test_unpaired(ya, a, yb, b, rng=1)
    assert result.statistic == pytest.approx(0.062171356824, abs=1e-11)
    assert result.pvalue == pytest.approx(0.2235, abs=0.03)


SCORES_A = """
-0.8409 1.3844 -1.2555 0.0701 1.7114 -0.6029 -0.4722 -0.6354 -0.2858 0.1381 1.2276 -0.8018
-1.0804 -0.1575 -1.0718 -0.139 -0.5973 -2.184 0.2408 -0.2594 0.9005 0.9419 1.468 0.7068 0.819
-0.2935 1.4186 1.4988 -0.6571 -0.8528 0.3159 1.1097 2.2155 1.2171 1.4792 1.9516 -0.0095 -1.0005
-0.7622 0.8574 2.5501 0.1976 0.9254 2.8957 0.5434 1.5622 0.113 0.5398 0.2757 0.9308 2.4632
1.1877 2.022 0.4082 0.8878 0.075 1.7533 0.8874 0.9359 1.2333
"""
SCORES_B = """
-1.1366 0.8548 -0.5784 0.4964 -0.7601 -0.3414 -2.1023 -0.3017 -1.2724 -0.2797 -0.2041 -0.2256
0.347 0.0324 0.4135 -0.1553 0.9735 0.1211 0.1892 -0.5629 0.4984 -1.7423 0.9755 -0.0241 0.6757
-0.7103 2.3872 -0.4734 -0.0758 -0.5218 0.926 -1.0624 0.557 0.9007 0.9899 0.3836 -0.3466 -0.5402
-0.1826 -0.0593 0.0046 3.1353 2.6758 2.2085 -0.0578 2.8938 -0.2289 -1.9657 1.2465 1.2802 1.0471
1.6224 4.6001 0.1396 0.6493 2.7989 0.445 2.4637 2.0524 -0.202
"""


def test_neither_order_nor_scale_matters():
    # In pROC 1.18.0 E depends on which curve comes first: 0.0578 or 0.0477 in one example.
    (ya, a), (yb, b) = simulate(15, 30, 3), simulate(40, 50, 4)
    one = venkatraman_test_unpaired(ya, a, yb, b, rng=1)
    other = venkatraman_test_unpaired(yb, np.exp(b), ya, 3 * a, rng=2)
    assert other.statistic == pytest.approx(one.statistic, abs=1e-14)
    assert other.pvalue == pytest.approx(one.pvalue, abs=0.03)
    assert other.estimates == pytest.approx(one.estimates[::-1])
    assert one.n_cases == 135
    mirrored = venkatraman_test_unpaired(1 - ya, -a, 1 - yb, -b, n_resamples=1, rng=1)
    # The integral begins at the other end.
    assert mirrored.statistic == pytest.approx(one.statistic, abs=0.01)


def test_permutations_deal_the_cases_of_a_class():
    """Against all deals of a tiny sample, on the randomised common scale."""
    ya, yb = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1, 1, 0])
    a, b = np.arange(4.0), np.arange(6.0)
    result = venkatraman_test_unpaired(ya, a, yb, b, n_resamples=20_000, rng=0, return_draws=True)
    rng = np.random.default_rng(7)
    weight, scale, steps = 0.5, [], []
    for labels in (ya, yb):
        own = np.where(labels, weight / labels.sum(), (1 - weight) / (1 - labels).sum())
        scale.append(np.cumsum(own))
        steps.append(own)
    both, step = np.concatenate(scale), np.concatenate(steps)
    label = np.concatenate([ya, yb])
    positive, negative = np.flatnonzero(label), np.flatnonzero(1 - label)
    values = []
    for first in itertools.combinations(positive, 2):
        for second in itertools.combinations(negative, 2):
            inside = np.isin(np.arange(10), first + second)
            for _ in range(60):
                p = both - step * rng.random(10)
                parts = [label[own][p[own].argsort()] for own in (inside, ~inside)]
                values.append(
                    venkatraman_test_unpaired(
                        parts[0], np.arange(4), parts[1], np.arange(6), n_resamples=1, rng=0
                    ).statistic
                )
    for level in (0.25, 0.5, 0.75, 0.9):
        assert np.quantile(result.draws, level) == pytest.approx(
            np.quantile(values, level), abs=0.012
        )


def test_curves_that_cross_are_told_apart():
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], 150)
    a = y + rng.normal(size=300)
    b = np.where(y == 1, np.where(rng.random(300) < 0.6, 6, -1), 0) + rng.normal(size=300)
    result = venkatraman_test_unpaired(y, a, y, b, rng=0, n_resamples=999)
    assert abs(result.estimates[0] - result.estimates[1]) < 0.1
    assert result.pvalue < 0.01


def test_conventions():
    y, s = np.repeat([0, 1], 10), np.arange(20.0)
    with pytest.warns(DegenerateDataWarning, match="p = 1 is a convention"):
        result = venkatraman_test_unpaired(y, s, y, s, n_resamples=99, rng=0)
    assert (result.statistic, result.pvalue) == (0, 1)
    ya, a = simulate(8, 9, 1)
    result = venkatraman_test_unpaired(ya, a, ya, a**3, resampling=Resampling(99, rng=0))
    assert result.pvalue == 1
    assert result.warnings[0].code == "identical-curves"
    tied = venkatraman_test_unpaired(ya, a.round(), ya, a, n_resamples=99, rng=0)
    assert "(`scores_a`) are ranked in the order of the cases" in tied.warnings[-1]
    again = [
        venkatraman_test_unpaired(ya, a, ya, -a, n_resamples=99, rng=5, return_draws=True).draws
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*again)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_true_b": np.zeros(12)}, "`y_true_b` must hold both classes"),
        ({"scores_a": [1, 2]}, r"`scores_a`.*expected 12, got 2"),
        ({"n_resamples": 0}, "`n_resamples` must be at least 1"),
    ],
)
def test_bad_input_is_named(change, message):
    y, s = simulate(5, 7, 1)
    given = {"y_true_a": y, "scores_a": s, "y_true_b": y, "scores_b": s} | change
    with pytest.raises(ValueError, match=message):
        venkatraman_test_unpaired(**given)
