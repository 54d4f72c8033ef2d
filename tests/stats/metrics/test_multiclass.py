"""Several classes and ordinal grades: scikit-learn, statsmodels, DeLong, jackknife."""

import numpy as np
import pytest
import sklearn.metrics as skm
from scipy import special
from statsmodels.stats.inter_rater import cohens_kappa

from stats_tl.stats import (
    DegenerateDataWarning,
    delong_test,
    multiclass_auc,
    multiclass_auc_test,
    weighted_kappa,
    weighted_kappa_test,
)

SKLEARN = {"hand-till": "ovo", "macro": "ovr"}


def sample(n=240, k=4, seed=0, decimals=None):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    case = np.eye(k)[y] + rng.normal(size=(n, k))
    a, b = (special.softmax(case + s * rng.normal(size=(n, k)), axis=1) for s in (0.5, 1.0))
    if decimals is not None:
        a, b = a.round(decimals), b.round(decimals)
    return y, a, b


@pytest.mark.parametrize("average", ["hand-till", "macro"])
def test_value_is_that_of_scikit_learn(average):
    y, a, b = sample()
    truth = [skm.roc_auc_score(y, own, multi_class=SKLEARN[average]) for own in (a, b)]
    assert multiclass_auc(y, a, average=average).estimate == pytest.approx(truth[0], abs=1e-12)
    assert multiclass_auc_test(y, a, b, average=average).estimates == pytest.approx(truth)


@pytest.mark.parametrize("average", ["hand-till", "macro"])
@pytest.mark.parametrize("decimals", [None, 1])
def test_standard_error_is_that_of_the_jackknife(average, decimals):
    y, a, b = sample(decimals=decimals)
    result = multiclass_auc_test(y, a, b, average=average)
    keep = ~np.eye(y.size, dtype=bool)
    without = np.array(
        [
            np.subtract(*multiclass_auc_test(y[k], a[k], b[k], average=average).estimates)
            for k in keep
        ]
    )
    loss = result.estimate - without
    strata = y if average == "hand-till" else np.zeros_like(y)
    for own in np.unique(strata):
        loss[strata == own] -= loss[strata == own].mean()
    assert result.standard_error == pytest.approx(np.sqrt(np.sum(loss**2)), rel=0.02)


@pytest.mark.parametrize("average", ["hand-till", "macro"])
def test_two_classes_are_delongs(average):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 150)
    a, b = y + rng.normal(size=(2, 150))
    theirs = delong_test(y, a, b)
    both = [np.stack([-own, own], axis=1) for own in (a, b)]
    ours = multiclass_auc_test(y, *both, average=average)
    assert ours.estimate == pytest.approx(theirs.estimate)
    assert ours.pvalue == pytest.approx(theirs.pvalue, rel=1e-9)


def test_copies_of_patients_are_worth_nothing():
    y, a, b = sample()
    for average in SKLEARN:
        plain = multiclass_auc_test(y, a, b, average=average)
        copied = multiclass_auc_test(
            np.tile(y, 2),
            np.tile(a, (2, 1)),
            np.tile(b, (2, 1)),
            average=average,
            groups=np.tile(np.arange(240), 2),
        )
        assert copied.standard_error == pytest.approx(plain.standard_error, rel=0.02)
    grades = weighted_kappa_test(y, a.argmax(axis=1), b.argmax(axis=1))
    twice = weighted_kappa_test(
        *(np.tile(own, 2) for own in (y, a.argmax(axis=1), b.argmax(axis=1))),
        groups=np.tile(np.arange(240), 2),
    )
    assert twice.standard_error == pytest.approx(grades.standard_error, rel=1e-9)


@pytest.mark.parametrize("weights", ["quadratic", "linear", "none"])
def test_kappa_is_that_of_scikit_learn_and_its_error_fleisss(weights):
    rng = np.random.default_rng(2)
    truth = rng.integers(1, 6, 180)
    rating = np.clip(truth + rng.integers(-1, 2, 180), 1, 5)
    ours = weighted_kappa(truth, rating, weights=weights)
    theirs = None if weights == "none" else weights
    assert ours.estimate == pytest.approx(skm.cohen_kappa_score(truth, rating, weights=theirs))
    counts = skm.confusion_matrix(truth, rating)
    distance = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    cost = {"quadratic": distance**2, "linear": distance, "none": distance > 0}[weights]
    reference = cohens_kappa(counts, weights=np.asarray(cost, dtype=float))
    # Ours has n / (n - 1) cases less one.
    expected = reference.std_kappa * np.sqrt(180 / 179)
    assert ours.standard_error == pytest.approx(expected, rel=1e-6)


def test_paired_kappas_vary_as_their_jackknife():
    rng = np.random.default_rng(3)
    truth = rng.integers(1, 6, 150)
    a, b = (np.clip(truth + rng.integers(-s, s + 1, 150), 1, 5) for s in (1, 2))
    result = weighted_kappa_test(truth, a, b)
    kept = ~np.eye(150, dtype=bool)
    without = np.array([weighted_kappa_test(truth[k], a[k], b[k]).estimate for k in kept])
    spread = np.sqrt(149 / 150 * np.sum((without - without.mean()) ** 2))
    assert result.standard_error == pytest.approx(spread, rel=0.02)
    same = weighted_kappa_test(truth, a, a)
    assert same.pvalue == 1
    with pytest.warns(DegenerateDataWarning):
        assert np.isnan(weighted_kappa(truth, truth).confidence_interval.low)


@pytest.mark.parametrize("average", ["hand-till", "macro"])
def test_size(average):
    rejected = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 3, 120)
        case = np.eye(3)[y] + rng.normal(size=(120, 3))
        arms = case + 0.7 * rng.normal(size=(2, 120, 3))
        rejected += multiclass_auc_test(y, *arms, average=average).pvalue < 0.05
    assert 0.015 <= rejected / 200 <= 0.09


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda y, a: multiclass_auc(y + (y == 3), a), "no case of class 3"),
        (lambda y, a: multiclass_auc(y, a[:, :3]), r"each of the 4 classes .*\(240, 4\)"),
        (lambda y, a: multiclass_auc(y - 1, a), "from 0"),
        (lambda y, a: multiclass_auc(y + 0.5, a), "whole numbers"),
        (lambda y, a: multiclass_auc(y, np.where(a > 0.9, np.nan, a)), "missing values"),
        (lambda y, a: multiclass_auc(y, a, average="micro"), "`average` must be one of"),
        (lambda y, a: multiclass_auc(y, a, groups=np.zeros(240)), "in one patient"),
        (lambda y, a: weighted_kappa(y, y[:10]), "expected 240, got 10"),
        (lambda y, a: weighted_kappa([1, 1], [1, 1]), "all grades are the same"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(call, words):
    y, a, _ = sample()
    with pytest.raises(ValueError, match=words):
        call(y, a)


def test_a_class_with_one_case_has_no_variance():
    y = np.array([0, 0, 0, 1, 1, 2])
    scores = np.random.default_rng(0).random((6, 3))
    with pytest.warns(DegenerateDataWarning, match="one case"):
        result = multiclass_auc(y, scores)
    assert np.isnan(result.standard_error)
