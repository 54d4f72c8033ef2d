"""Subgroups: AUCs, variances and the interaction test from their definitions."""

import numpy as np
import pytest
from scipy import stats as sps

from stats_tl.stats import delong_test, subgroup_auc_test


@pytest.fixture
def study():
    """Two repeats of three folds, patients of one to three images in two subgroups."""
    rng = np.random.default_rng(3)
    patients = np.repeat(np.arange(60), rng.integers(1, 4, 60))
    n = len(patients)
    y = (rng.random(60) < 0.45)[patients].astype(int)
    level = np.where(rng.random(n) < 0.5, "u", "v")
    shared = y + rng.standard_normal(n)
    a, b = (np.round(shared + rng.standard_normal((2, n)), 1) for _ in range(2))
    folds = np.array([rng.permutation(60)[patients] % 3 for _ in range(2)])
    return y, a, b, folds, level, patients


def by_hand(y, a, b, folds, level, name, patients):
    """Difference and clustered influences of one subgroup and one run, pair by pair."""
    own = level == name
    pairs = [
        (i, j)
        for i in np.flatnonzero(own & (y == 1))
        for j in np.flatnonzero(own & (y == 0))
        if folds[i] == folds[j]
    ]

    def wins(s, i, j):
        return (np.sign(s[i] - s[j]) + 1) / 2

    estimate = [np.mean([wins(s, i, j) for i, j in pairs]) for s in (a, b)]
    influence = np.zeros(patients.max() + 1)
    for i, j in pairs:
        excess = wins(a, i, j) - wins(b, i, j) - (estimate[0] - estimate[1])
        influence[patients[i]] += excess / len(pairs)
        influence[patients[j]] += excess / len(pairs)
    clusters = len(set(patients[own]))
    return estimate, influence, clusters


def test_estimates_variances_and_interaction_are_those_of_their_definitions(study):
    y, a, b, folds, level, patients = study
    result = subgroup_auc_test(y, a, b, folds, level, groups=patients)
    differences, influences, clusters = {}, {}, {}
    for name in "uv":
        runs = [by_hand(y, a[m], b[m], folds[m], level, name, patients) for m in range(2)]
        differences[name] = np.mean([e[0] - e[1] for e, _, _ in runs])
        influences[name] = np.array([i for _, i, _ in runs])
        clusters[name] = runs[0][2]
    covariance = np.zeros((2, 2))
    for p, q in np.ndindex(2, 2):
        one, two = "uv"[p], "uv"[q]
        small = np.sqrt(clusters[one] / (clusters[one] - 1) * clusters[two] / (clusters[two] - 1))
        covariance[p, q] = small * np.mean(np.sum(influences[one] * influences[two], axis=1))
    rows = result.table.set_index("subgroup")
    for number, name in enumerate("uv"):
        assert rows.loc[name, "difference"] == pytest.approx(differences[name], rel=1e-10)
        assert rows.loc[name, "standard_error"] == pytest.approx(
            np.sqrt(covariance[number, number]), rel=1e-10
        )
    shift = differences["u"] - differences["v"]
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert result.interaction.statistic == pytest.approx(shift**2 / variance, rel=1e-9)
    assert result.interaction.pvalue == pytest.approx(sps.chi2.sf(shift**2 / variance, 1), rel=1e-9)


def test_one_test_set_is_close_to_delong():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    a, b = y + rng.standard_normal(400), 0.4 * y + rng.standard_normal(400)
    row = subgroup_auc_test(y, a, b, np.zeros(400), np.full(400, "all")).table.iloc[0]
    expected = delong_test(y, a, b)
    assert row["difference"] == pytest.approx(expected.estimate, rel=1e-12)
    # n / (n - 1) over all cases in place of each class.
    assert row["standard_error"] == pytest.approx(expected.standard_error, rel=2e-3)


def test_subgroups_with_few_cases_are_counted_and_left_out(study):
    y, a, b, folds, level, patients = study
    rare = level.astype(object)
    rare[np.flatnonzero(y == 1)[:3]] = "rare"
    rare[np.flatnonzero(y == 0)[0]] = None
    result = subgroup_auc_test(y, a, b, folds, rare, groups=patients)
    row = result.table.set_index("subgroup").loc["rare"]
    assert (row["n_cases"], row["n_events"]) == (3, 3)
    assert np.isnan(row["difference"])
    assert result.n_unknown == 1
    assert result.interaction.df == 1


def test_one_subgroup_has_no_interaction(study):
    y, a, b, folds, level, _ = study
    result = subgroup_auc_test(y, a, b, folds, np.full(len(level), "u"))
    assert np.isnan(result.interaction.pvalue)
    assert "fewer than two subgroups" in result.interaction.warnings[0]


def test_bad_shapes_are_named(study):
    y, a, b, folds, level, _ = study
    with pytest.raises(ValueError, match="one shape"):
        subgroup_auc_test(y, a, b, folds[:1], level)
    with pytest.raises(ValueError, match="`subgroups` must be of shape"):
        subgroup_auc_test(y, a, b, folds, level[:-1])


@pytest.mark.slow
def test_the_interaction_test_keeps_its_size():
    """400 studies of five repeats, learners refitted in every fold, no interaction, at 5 %."""
    rng = np.random.default_rng(4)
    rejected = []
    for _ in range(400):
        n = 240
        y = rng.permutation(np.arange(n) < 90)
        x = rng.standard_normal((n, 12)) + 0.35 * y[:, None]
        level = rng.integers(0, 3, n)
        scores = np.zeros((2, 5, n))
        folds = np.array([rng.permutation(n) % 5 for _ in range(5)])
        for m in range(5):
            for k in range(5):
                train = folds[m] != k
                for arm in range(2):
                    own = x[:, arm * 6 : arm * 6 + 6]
                    gap = own[train & y].mean(axis=0) - own[train & ~y].mean(axis=0)
                    scores[arm, m, ~train] = own[~train] @ gap
        result = subgroup_auc_test(y, scores[0], scores[1], folds, level)
        rejected.append(result.interaction.pvalue < 0.05)
    assert np.mean(rejected) <= sps.binom.isf(0.001, 400, 0.05) / 400
