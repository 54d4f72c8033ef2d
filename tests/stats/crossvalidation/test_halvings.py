"""Halvings: the estimate by loops, what it should find by simulation, and what it refuses."""

import numpy as np
import pytest

from stats_tl.stats import (
    repeated_cv_comparison,
    repeated_cv_components,
    repeated_cv_omnibus_test,
    repeated_cv_test,
)

N_FOLDS = 3


def deal(y, n_parts, rng):
    parts = np.empty(y.size, dtype=int)
    for label in (0, 1):
        own = rng.permutation(np.flatnonzero(y == label))
        parts[own] = np.arange(own.size) % n_parts
    return parts


def fisher(x, y, train, test):
    """Scores of a linear discriminant with a little ridge."""
    mean = [x[train & (y == label)].mean(axis=0) for label in (0, 1)]
    centred = np.concatenate([x[train & (y == label)] - mean[label] for label in (0, 1)])
    within = centred.T @ centred / len(centred) + 0.1 * np.eye(x.shape[1])
    return x[test] @ np.linalg.solve(within, mean[1] - mean[0])


def cross_validate(x, y, folds, halves=None):
    scores = np.empty(folds.shape)
    for row, fold in enumerate(folds):
        for k in np.unique(fold):
            test = fold == k
            train = ~test if halves is None else ~test & (halves[row] == halves[row][test][0])
            scores[row, test] = fisher(x, y, train, test)
    return scores


def study(rng, n=120, p=30, n_repeats=4, n_halvings=6, gap=1.4):
    """Two arms with features alike in distribution, half of their variance in common."""
    y = (np.arange(n) % 3 == 0).astype(int)
    common, *own = rng.standard_normal((3, n, p))
    views = [np.sqrt(0.5) * (common + e) + y[:, None] * gap / np.sqrt(p) for e in own]
    folds = np.array([deal(y, N_FOLDS, rng) for _ in range(n_repeats)])
    halves = np.repeat([deal(y, 2, rng) for _ in range(n_halvings)], 2, axis=0)
    inner = np.empty_like(halves)
    for row, half in enumerate(halves):
        for h in (0, 1):
            inner[row, half == h] = deal(y[half == h], N_FOLDS, rng) + h * N_FOLDS
    main = [cross_validate(x, y, folds) for x in views]
    small = [cross_validate(x, y, inner, halves) for x in views]
    return y, (*main, folds), (*small, inner)


def auc(y, s):
    x, z = s[y == 1][:, None], s[y == 0]
    return np.mean((x > z) + 0.5 * (x == z))


def by_loops(y, main, halvings):
    """R from its definition."""
    parts = repeated_cv_components(y, *main)
    placed = np.zeros(y.size)
    for a, b, fold in zip(*main, strict=True):
        for i in range(y.size):
            other = (fold == fold[i]) & (y != y[i])
            sign = 1 if y[i] else -1
            for s, weight in ((a, 1), (b, -1)):
                placed[i] += weight * (
                    0.5 + sign * np.sign(s[i] - s[other]).mean() / 2
                ) / len(main[2])  # fmt: skip
    known = 2 * sum(placed[y == k].var(ddof=1) / (y == k).sum() for k in (0, 1))
    squares, shared, within, contrasts, expected = [], [], [], [], []
    a, b, folds = halvings
    for first in range(0, len(a), 2):
        half = folds[first] >= N_FOLDS
        means, of_half = [], []
        for h in (False, True):
            own = half == h
            inner = repeated_cv_components(
                y[own], a[first : first + 2, own], b[first : first + 2, own],
                folds[first : first + 2, own],
            )  # fmt: skip
            of_half.append((inner.shared_variance, inner.case_variance, inner.repeat_variance))
            means.append([placed[own & (y == k)].mean() for k in (0, 1)])
            squares.append(inner.estimate)
        t2, t1 = squares.pop(), squares.pop()
        c, v, s2 = np.mean(of_half, axis=0)
        squares.append((t1 - t2) ** 2 / 2 - s2 / 2)
        shared.append(c)
        within.append(v)
        contrasts.append(t1 - t2)
        expected.append(np.sum(means[0]) - np.sum(means[1]))
    contrasts, expected = np.array(contrasts), np.array(expected)
    slope = contrasts @ expected / (expected @ expected)
    square = np.mean(squares) - slope**2 * (np.mean(expected**2) / 2 - known)
    ratio = max(square, 0) / np.mean(shared)
    excess = parts.case_variance / parts.shared_variance - 1
    own = np.mean(within) / np.mean(shared) - 1
    return 1 + (ratio - 1) * np.clip(np.sqrt(excess / own), 0.5, 1.25), parts


def test_by_loops():
    y, main, halvings = study(np.random.default_rng(3))
    ratio, parts = by_loops(y, main, halvings)
    found = repeated_cv_components(y, *main, halvings=halvings)
    assert found.n_halvings == 6
    assert 1 + 2 * found.training_covariance / found.shared_variance == pytest.approx(ratio)
    assert (1 + found.elasticity) ** 2 == pytest.approx(ratio)
    test = repeated_cv_test(y, *main, halvings=halvings)
    expected = ratio * parts.shared_variance + parts.repeat_variance / parts.n_repeats
    assert test.standard_error == pytest.approx(np.sqrt(expected))
    assert test.procedure.n_halvings == 6
    assert "6 halvings" in test.method
    # Order of rows and of the halves carry no information, and half-sample repeats no more.
    order = np.random.default_rng(0).permutation(12)
    swapped = (halvings[2] + N_FOLDS) % (2 * N_FOLDS)
    other = repeated_cv_test(
        y, *main, halvings=(halvings[0][order], halvings[1][order], swapped[order])
    )
    assert other.pvalue == pytest.approx(test.pvalue)
    both = repeated_cv_comparison(y, *main, halvings=halvings)
    assert both.primary.pvalue == pytest.approx(test.pvalue)
    omnibus = repeated_cv_omnibus_test(
        y, [main[1], main[0]], main[2], halvings=([halvings[1], halvings[0]], halvings[2])
    )
    assert omnibus.pvalue == pytest.approx(test.pvalue, rel=1e-6)


def test_halves_without_shared_variance_are_a_warning():
    y, main, (a, b, folds) = study(np.random.default_rng(0))
    without = repeated_cv_test(y, *main)
    # In all but one halving the second repeat contradicts the first.
    noise = np.random.default_rng(1).standard_normal((2, *a.shape))
    noise[:, 1::2] = -noise[:, ::2]
    noise[:, :2] = a[:2], b[:2]
    for own in (np.zeros_like(noise), noise):
        result = repeated_cv_test(y, *main, halvings=(*own, folds))
        assert [w.code for w in result.warnings][-1] == "unusable-halvings"
        assert result.pvalue == without.pvalue
        assert result.procedure.n_halvings == 6
        assert "the 6 halvings are of no use" in result.method


def test_measures_what_scores_do_not_show():
    """Eighty features of 120 cases: the case part is far more than C, and is found."""
    rng = np.random.default_rng(11)
    estimates, through_cases, shared, between = [], [], [], []
    for _ in range(100):
        y, main, halvings = study(rng, p=80, n_halvings=8)
        parts = repeated_cv_components(y, *main, halvings=halvings)
        estimates.append(parts.estimate)
        shared.append(parts.shared_variance)
        through_cases.append(parts.shared_variance + 2 * parts.training_covariance)
        between.append(parts.repeat_variance / parts.n_repeats)
    truth = np.mean(np.square(estimates)) - np.mean(between)  # the arms are exchangeable
    # Of 100 data sets, the standard error of the truth is a seventh.
    assert np.mean(shared) < 0.75 * truth
    assert 0.7 * truth < np.mean(through_cases) < 1.6 * truth


def test_refuses_what_are_no_halvings():
    y, main, (a, b, folds) = study(np.random.default_rng(0))

    def fails(*halvings, match):
        with pytest.raises(ValueError, match=match):
            repeated_cv_test(y, *main, halvings=halvings)

    fails(a, b, match=r"must be a tuple \(scores_a, scores_b, folds\)")
    fails(a[:, 1:], b[:, 1:], folds[:, 1:], match="halvings")
    fails(a, b[:2], folds, match="halvings")
    fails(a, b, folds % N_FOLDS, match="must number 6 folds in every row")
    fails(a[::2], b[::2], folds[::2], match="at least two repeats of every halving")
    fails(a[:8], b[:8], folds[:8], match="at least 5 halvings, got 4")
    uneven = np.where((folds >= N_FOLDS) & (np.arange(y.size) < 60), folds - N_FOLDS, folds)
    fails(a, b, uneven, match="must deal the cases into halves")
    same = folds.copy()
    same[1] = same[0]
    fails(a, b, same, match="new folds in every repeat of a halving; rows 0, 1 share theirs")
    with pytest.raises(ValueError, match="into both halves"):
        repeated_cv_test(y, *main, groups=np.arange(y.size) // 2, halvings=(a, b, folds))
    with pytest.raises(ValueError, match="at least two repeats in `scores_a`"):
        repeated_cv_test(y, *(s[:1] for s in main), halvings=(a, b, folds))
