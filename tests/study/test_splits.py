"""Splits: no patient on two sides, classes in their shares, the same for ever."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from stats_tl.errors import UserError
from stats_tl.study.plan import CrossValidation
from stats_tl.study.splits import (
    TEST,
    TRAIN,
    VALIDATION,
    count_partition,
    partition_cases,
    partition_digest,
    stratified_group_deal,
)


@st.composite
def cohorts(draw):
    """Patients with one to five images each, mostly of one class."""
    n_patients = draw(st.integers(40, 120))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sizes = rng.integers(1, 6, n_patients)
    groups = np.repeat([f"p{i}" for i in range(n_patients)], sizes)
    label = rng.random(n_patients) < draw(st.floats(0.25, 0.75))
    y_true = np.repeat(label.astype(int), sizes)
    mixed = rng.random(len(y_true)) < draw(st.sampled_from([0, 0.1]))
    y_true[mixed] = 1 - y_true[mixed]
    return y_true, groups


@settings(max_examples=60, deadline=None)
@given(cohorts(), st.integers(0, 2**31), st.integers(2, 5))
def test_every_fold_is_grouped_disjoint_and_complete(cohort, seed, folds):
    y_true, groups = cohort
    cv = CrossValidation(folds=folds)
    try:
        partitions = partition_cases(y_true, groups, cv, seed=seed, repeat=1)
    except UserError:
        # Refused only where a class has too few patients to be everywhere.
        assert min(len(set(groups[y_true == label])) for label in (0, 1)) < 2 * folds
        return
    assert np.all((partitions == TEST).sum(axis=0) == 1)
    for partition in partitions:
        sides = [set(groups[partition == code]) for code in (TRAIN, VALIDATION, TEST)]
        assert sum(map(len, sides)) == len(set.union(*sides))
        assert all(len(np.unique(y_true[partition == code])) == 2 for code in (0, 1, 2))


@settings(max_examples=25, deadline=None)
@given(cohorts(), st.integers(0, 2**31))
def test_row_order_and_relabelling_of_rows_change_nothing(cohort, seed):
    y_true, groups = cohort
    order = np.random.default_rng(seed).permutation(len(y_true))
    cv = CrossValidation(folds=3)
    straight = partition_cases(y_true, groups, cv, seed=seed, repeat=0)
    shuffled = partition_cases(y_true[order], groups[order], cv, seed=seed, repeat=0)
    np.testing.assert_array_equal(straight[:, order], shuffled)


def test_repeats_and_seeds_differ_and_repeat_themselves():
    rng = np.random.default_rng(0)
    y_true, groups = rng.integers(0, 2, 200), np.arange(200)
    cv = CrossValidation(folds=5)
    first = partition_cases(y_true, groups, cv, seed=1, repeat=0)
    np.testing.assert_array_equal(first, partition_cases(y_true, groups, cv, seed=1, repeat=0))
    assert not np.array_equal(first, partition_cases(y_true, groups, cv, seed=1, repeat=1))
    assert not np.array_equal(first, partition_cases(y_true, groups, cv, seed=2, repeat=0))


def test_balance_is_no_worse_than_scikit_learns_greedy_splitter():
    """Spread of fold sizes and of positives, against StratifiedGroupKFold on 20 cohorts."""
    ours, theirs = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 5, 300)
        groups = np.repeat(np.arange(300), sizes)
        y_true = np.repeat(rng.random(300) < 0.3, sizes).astype(int)
        fold = stratified_group_deal(y_true, groups, np.full(5, 0.2), seed=seed)
        other = np.zeros(len(y_true), int)
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        for index, (_, test) in enumerate(splitter.split(y_true, y_true, groups)):
            other[test] = index
        for deal, spread in ((fold, ours), (other, theirs)):
            positives = np.bincount(deal, weights=y_true)
            negatives = np.bincount(deal, weights=1 - y_true)
            spread.append(np.ptp(positives) + np.ptp(negatives))
    assert np.mean(ours) <= np.mean(theirs)
    assert np.max(ours) <= 4


def test_equally_many_of_each_class_where_that_is_possible():
    y_true = np.repeat([0, 1], [60, 25])
    fold = stratified_group_deal(y_true, np.arange(85), np.full(5, 0.2), seed=3)
    np.testing.assert_array_equal(np.bincount(fold, weights=y_true), [5] * 5)
    np.testing.assert_array_equal(np.bincount(fold), [17] * 5)


def test_membership_is_random_over_seeds():
    """Two patients of a class share a fold with probability (n/K - 1) / (n - 1)."""
    y_true, groups = np.repeat([0, 1], 20), np.arange(40)
    together = [
        fold[0] == fold[1]
        for fold in (
            stratified_group_deal(y_true, groups, np.full(4, 0.25), seed=s) for s in range(2000)
        )
    ]
    expected = (5 - 1) / (20 - 1)
    assert abs(np.mean(together) - expected) < 4 * np.sqrt(expected * (1 - expected) / 2000)


def test_a_class_of_few_large_patients_reaches_every_part():
    """Two negative patients with 8 images each: a fifth of the cases, but one patient each."""
    groups = np.r_[np.repeat(["n0", "n1"], 8), [f"p{i}" for i in range(40)]]
    y_true = np.repeat([0, 1], [16, 40])
    for seed in range(20):
        part = stratified_group_deal(y_true, groups, [0.8, 0.2], seed=seed)
        for index in (0, 1):
            assert set(y_true[part == index]) == {0, 1}


def test_validation_share_is_respected():
    y_true, groups = np.repeat([0, 1], [700, 300]), np.arange(1000)
    cv = CrossValidation(folds=5, validation_share=0.15)
    for partition in partition_cases(y_true, groups, cv, seed=0, repeat=0):
        counts = count_partition(partition, y_true, groups)
        assert counts["validation"]["cases"] == 120
        assert counts["validation"]["events"] == 36


def test_too_few_positives_are_an_error_that_says_where():
    y_true = np.r_[np.zeros(50, int), 1, 1, 1]
    with pytest.raises(UserError, match=r"task 'rare', repeat 0, fold \d.*positives in all: 3"):
        partition_cases(
            y_true, np.arange(53), CrossValidation(folds=5), seed=0, repeat=0, task="rare"
        )


class TestOfficialFolds:
    y_true = np.tile([0, 1], 12)
    groups = np.repeat(np.arange(12), 2)
    cv = CrossValidation(folds=2, official_folds=True)

    def official(self):
        fold = np.repeat(np.tile([0, 1], 6), 2)
        return np.where(fold == np.arange(2)[:, None], TEST, TRAIN).astype(np.int8)

    def split(self, official):
        return partition_cases(
            self.y_true, self.groups, self.cv, seed=0, repeat=0, task="t", official=official
        )

    def test_test_folds_are_kept_and_validation_is_taken_from_training(self):
        official = self.official()
        partitions = self.split(official)
        np.testing.assert_array_equal(partitions == TEST, official == TEST)
        assert np.any(partitions == VALIDATION)

    def test_published_validation_is_kept(self):
        official = self.official()
        official[0, np.flatnonzero(official[0] == TRAIN)[:4]] = VALIDATION
        np.testing.assert_array_equal(self.split(official)[0], official[0])

    def test_other_repeats_are_our_own(self):
        partitions = partition_cases(
            self.y_true, self.groups, self.cv, seed=0, repeat=1, official=self.official()
        )
        assert np.all((partitions == TEST).sum(axis=0) == 1)

    def test_a_patient_on_two_sides_is_named(self):
        official = self.official()
        official[0, 0] = TRAIN
        official[0, 1] = TEST
        with pytest.raises(UserError, match=r"fold 0: 1 patient.*: 0; every image"):
            self.split(official)

    def test_missing_or_miscounted_folds_are_refused(self):
        with pytest.raises(UserError, match="no published folds"):
            self.split(None)
        with pytest.raises(UserError, match=r"1 published folds, but .* folds = 2"):
            self.split(self.official()[:1])


def test_the_digest_knows_members_not_rows():
    partition = np.array([0, 1, 2], np.int8)
    digest = partition_digest(["a", "b", "c"], partition)
    assert digest == partition_digest(["c", "a", "b"], np.array([2, 0, 1], np.int8))
    assert digest != partition_digest(["a", "b", "c"], np.array([0, 2, 1], np.int8))
