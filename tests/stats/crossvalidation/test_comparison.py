"""What a report says of two arms, against the tests one by one."""

import math

import numpy as np
import pytest
from scipy import special
from scipy import stats as sps

from stats_tl.stats import (
    auc_logit_interval,
    corrected_resampled_ttest,
    fold_placements,
    get_metric,
    repeated_cv_comparison,
    repeated_cv_components,
    repeated_cv_test,
    repeated_cv_test_from_components,
    roc_auc,
)
from stats_tl.stats.crossvalidation import comparison

N = 120


def simulate(repeats, seed=0):
    """Scores of runs with these repeats; runs of a repeat share the split."""
    rng = np.random.default_rng(seed)
    y = np.arange(N) % 3 == 0
    splits = np.array([rng.permutation(N // 6).repeat(6) % 5 for _ in range(max(repeats) + 1)])
    case = y + rng.standard_normal(N)
    a, b = (case + 0.5 * rng.standard_normal((len(repeats), N)) for _ in range(2))
    halves = np.array([rng.permutation(N // 6).repeat(6) % 2 for _ in range(3)])
    half = (*(case + rng.standard_normal((2, 3, N))), halves)
    return y, a, b, splits[np.asarray(repeats)], half


@pytest.mark.parametrize("groups", [None, np.arange(N) // 2])
@pytest.mark.parametrize("extra", [False, True])
def test_one_seed_is_the_primary_test(groups, extra):
    y, a, b, folds, half = simulate(range(5))
    half = half if extra else None
    found = repeated_cv_comparison(y, a, b, folds, groups=groups, half=half)
    assert found.primary == repeated_cv_test(y, a, b, folds, groups=groups, half=half)
    delong = repeated_cv_test(y, a, b, folds, groups=groups, method="repeat-delong")
    assert found.repeat_delong == delong
    corrected = corrected_resampled_ttest(found.components.differences, n_train=96, n_test=24)
    assert found.corrected_t.pvalue == corrected.pvalue
    for scores, interval in zip((a, b), found.intervals, strict=True):
        alone = repeated_cv_components(y, scores, np.zeros_like(scores), folds, groups=groups)
        auc, error = alone.aucs[0], math.sqrt(alone.case_variance)
        reach = sps.norm.isf(0.025) * error / (auc * (1 - auc))
        expected = special.expit(special.logit(auc) + reach * np.array([-1, 1]))
        np.testing.assert_allclose(interval, expected, rtol=1e-12)


@pytest.mark.parametrize("repeats", [[0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 1, 1, 1, 2]])
def test_seeds_are_averaged(repeats):
    repeats = np.array(repeats)
    y, a, b, folds, half = simulate(repeats)
    found = repeated_cv_comparison(y, a, b, folds, repeats=repeats, half=half)
    own = [np.flatnonzero(repeats == r) for r in range(3)]
    runs = [[runs[seed % len(runs)] for runs in own] for seed in range(3)]
    seeds = [repeated_cv_test(y, a[r], b[r], folds[r], half=half) for r in runs]
    variance = np.mean([seed.standard_error**2 for seed in seeds])
    df = min(seed.df for seed in seeds)
    primary = found.primary
    assert primary.estimate == pytest.approx(np.mean([seed.estimate for seed in seeds]))
    assert primary.standard_error == pytest.approx(math.sqrt(variance))
    assert primary.df == df
    assert primary.pvalue == pytest.approx(2 * sps.t.sf(abs(primary.statistic), df))
    assert primary.procedure.n_seeds == len(repeats) / 3
    assert primary.method.endswith(f"averaged over {len(repeats) / 3:g} training seeds")
    every = repeated_cv_components(y, a, b, folds)
    assert primary.estimates == every.aucs
    means = [every.differences[repeats == r].mean(axis=0) for r in range(3)]
    expected = corrected_resampled_ttest(means, n_train=96, n_test=24)
    assert found.corrected_t == expected


def test_one_repeat_with_seeds_is_the_corrected_test():
    y, a, b, folds, _ = simulate([0, 0])
    found = repeated_cv_comparison(y, a, b, folds, repeats=[0, 0])
    assert found.primary.procedure.variance == "nadeau-bengio"
    assert found.primary.pvalue == found.corrected_t.pvalue


@pytest.mark.parametrize(("repeats", "looks"), [([0, 1, 2], 1), ([0, 0, 1, 1], 3), ([0, 0], 2)])
def test_scores_are_looked_at_no_more_often_than_needed(monkeypatch, repeats, looks):
    seen = []

    def counted(*args, **options):
        seen.append(1)
        return repeated_cv_components(*args, **options)

    monkeypatch.setattr(comparison, "repeated_cv_components", counted)
    y, a, b, folds, half = simulate(repeats)
    repeated_cv_comparison(y, a, b, folds, repeats=repeats, half=half)
    assert len(seen) == looks


def test_repeats_must_fit_the_runs():
    y, a, b, folds, _ = simulate([0, 1])
    with pytest.raises(ValueError, match=r"`repeats` must have one entry per run"):
        repeated_cv_comparison(y, a, b, folds, repeats=[0])


@pytest.mark.parametrize("method", ["auto", "learning-curve", "repeat-delong", "nadeau-bengio"])
def test_components_give_the_same_test(method):
    y, a, b, folds, half = simulate(range(3))
    parts = repeated_cv_components(y, a, b, folds, half=half)
    options = {"method": method, "alternative": "greater", "null_value": 0.01}
    assert repeated_cv_test_from_components(parts, **options) == repeated_cv_test(
        y, a, b, folds, half=half, **options
    )
    with pytest.raises(ValueError, match="`method` must be one of"):
        repeated_cv_test_from_components(parts, method="best")


def test_fold_placements_are_mann_whitney_shares():
    y, a, _, folds, _ = simulate([0, 1])
    a = np.round(a, 1)  # ties
    aucs, placed = fold_placements(y, a, folds)
    for repeat, fold in np.ndindex(2, 5):
        own = folds[repeat] == fold
        x, z = a[repeat][own & y], a[repeat][own & ~y]
        psi = (x[:, None] > z) + 0.5 * (x[:, None] == z)
        assert aucs[repeat, fold] == pytest.approx(psi.mean())
        np.testing.assert_allclose(placed[repeat][own & y], psi.mean(axis=1))
        np.testing.assert_allclose(placed[repeat][own & ~y], psi.mean(axis=0))


def test_logit_interval_is_that_of_roc_auc():
    y, a, _, _, _ = simulate([0])
    result = roc_auc(y, a[0], method="logit", confidence_level=0.9)
    own = auc_logit_interval(result.estimate, result.standard_error, confidence_level=0.9)
    assert own == result.confidence_interval
    for auc, error in ((1.0, 0.1), (0.8, 0.0), (0.8, math.nan)):
        assert all(math.isnan(end) for end in auc_logit_interval(auc, error))


@pytest.mark.parametrize("name", ["average_precision", "brier_score", "f1", "npv"])
def test_comparison_by_any_metric_is_that_of_the_test(name):
    rng = np.random.default_rng(5)
    y = np.arange(200) % 3 == 0
    folds = np.array([rng.permutation(200) % 5 for _ in range(4)])
    case = y + rng.standard_normal(200)
    a, b = (special.expit(case + s * rng.standard_normal((4, 200)) - 1) for s in (0.3, 1.0))
    decisions = get_metric(name).needs == "decisions"
    cuts = (rng.uniform(0.4, 0.6, (4, 5)), 0.5) if decisions else None
    found = repeated_cv_comparison(y, a, b, folds, metric=name, threshold=cuts)
    alone = repeated_cv_test(y, a, b, folds, metric=name, threshold=cuts)
    assert found.primary == alone
    assert found.primary.procedure.metric == name
    for value, interval in zip(found.primary.estimates, found.intervals, strict=True):
        assert interval.low < value < interval.high
    # Two seeds alike are one.
    twice = cuts and (np.repeat(cuts[0], 2, axis=0), 0.5)
    again = repeated_cv_comparison(
        y, *(np.repeat(own, 2, axis=0) for own in (a, b, folds)),
        repeats=np.repeat(np.arange(4), 2), metric=name, threshold=twice,
    )  # fmt: skip
    assert again.primary.estimate == pytest.approx(alone.estimate)
    assert again.primary.pvalue == pytest.approx(alone.pvalue)
    assert get_metric(name).label in again.primary.method


def decided(repeats=(0, 0, 1, 1, 2, 2)):
    """Runs with two seeds a repeat, and thresholds of every run and fold for either arm."""
    y, a, b, folds, _ = simulate(repeats)
    cuts = np.random.default_rng(5).normal(0.5, 0.2, (2, len(repeats), 5))
    return y, a, b, folds, np.array(repeats), cuts


def by_fold(value, y, scores, folds, cuts):
    """`value(labels, called)` of every fold of every run."""
    return np.array(
        [
            [value(y[own == k], row[own == k] >= cut[k]) for k in range(5)]
            for row, own, cut in zip(scores, folds, cuts, strict=True)
        ]
    )


def f1(labels, called):
    return 2 * (labels & called).sum() / (labels.sum() + called.sum())


def accuracy(labels, called):
    return (labels == called).mean()


@pytest.mark.parametrize("value", [f1, accuracy])
def test_tuned_thresholds_by_nadeau_and_bengio(value):
    y, a, b, folds, repeats, cuts = decided()
    found = repeated_cv_comparison(
        y, a, b, folds, repeats=repeats, metric=value.__name__, threshold=tuple(cuts),
        method="nadeau-bengio",
    )  # fmt: skip
    arms = [by_fold(value, y, s, folds, c) for s, c in zip((a, b), cuts, strict=True)]
    means = [own.reshape(3, 2, 5).mean(axis=1) for own in arms]
    expected = corrected_resampled_ttest(means[0] - means[1], n_train=96, n_test=24)
    assert found.primary.pvalue == pytest.approx(expected.pvalue, rel=1e-12)
    assert found.primary.estimates == pytest.approx([own.mean() for own in arms])
    for own, interval in zip(means, found.intervals, strict=True):
        p, variance = own.mean(), own.var(ddof=1) * (1 / 15 + 1 / 4)
        z = sps.norm.isf(0.025)
        if value is f1:
            ends = special.logit(p) + z * math.sqrt(variance) / (p * (1 - p)) * np.array([-1, 1])
            expected = special.expit(ends)
        else:
            # Wilson's, as the roots of (p - x)^2 = z^2 x (1 - x) / n.
            n = p * (1 - p) / variance
            expected = np.sort(np.roots([1 + z**2 / n, -2 * p - z**2 / n, p**2]))
        np.testing.assert_allclose(interval, expected, rtol=1e-9)


def test_an_unknown_method_is_refused():
    y, a, b, folds, _ = simulate(range(2))
    with pytest.raises(ValueError, match="`method` must be one of"):
        repeated_cv_comparison(y, a, b, folds, method="bengio")
