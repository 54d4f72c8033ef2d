"""Repeated cross-validation with several classes, and of grades: scikit-learn, brute force."""

import numpy as np
import pytest
import sklearn.metrics as skm
from scipy import special

from stats_tl.stats import (
    equivalence_test,
    repeated_cv_components,
    repeated_cv_omnibus_test,
    repeated_cv_test,
)

SKLEARN = {"roc_auc_ovr": "ovr", "roc_auc_ovo": "ovo"}
N, REPEATS, FOLDS = 240, 4, 4


def stratified(rng, y, k=FOLDS):
    folds = np.empty(y.size, dtype=int)
    for own in np.unique(y):
        rows = np.flatnonzero(y == own)
        folds[rows] = rng.permutation(rows.size) % k
    return folds


def study(n=N, classes=3, seed=0, size=1):
    """Classes, probabilities of two arms (repeats, n, C), folds, patients."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) // size
    y = rng.integers(0, classes, n // size)
    folds = np.stack([stratified(rng, y)[groups] for _ in range(REPEATS)])
    y = y[groups]
    case = np.eye(classes)[y] + rng.normal(size=(n, classes))
    a, b = (
        special.softmax(
            case + s * rng.normal(size=(n, classes)) + 0.3 * rng.normal(size=(REPEATS, n, classes)),
            axis=2,
        )
        for s in (0.3, 0.8)
    )
    return y, a, b, folds, groups


@pytest.mark.parametrize("metric", SKLEARN)
def test_estimate_is_the_mean_over_folds_of_scikit_learn(metric):
    y, a, b, folds, _ = study()
    means = [
        np.mean(
            [
                skm.roc_auc_score(y[own], arm[r, own], multi_class=SKLEARN[metric])
                for r in range(REPEATS)
                for own in (folds[r] == k for k in range(FOLDS))
            ]
        )
        for arm in (a, b)
    ]
    result = repeated_cv_test(y, a, b, folds, metric=metric)
    assert result.estimates == pytest.approx(means, abs=1e-12)
    assert result.procedure.metric == metric
    assert 0 < result.pvalue < 1
    assert equivalence_test(result, margin=0.9).pvalue < 0.05


def test_kappa_is_the_mean_over_folds_of_scikit_learn():
    y, a, b, folds, _ = study(classes=5)
    one, other = a.argmax(axis=2), b.argmax(axis=2)
    result = repeated_cv_test(y + 1, one + 1, other + 1, folds, metric="quadratic_kappa")
    means = [
        np.mean(
            [
                skm.cohen_kappa_score(y[own], arm[r, own], weights="quadratic")
                for r in range(REPEATS)
                for own in (folds[r] == k for k in range(FOLDS))
            ]
        )
        for arm in (one, other)
    ]
    assert result.estimates == pytest.approx(means, abs=1e-12)
    assert "quadratically weighted kappa" in result.method


def influences(y, scores, average):
    """Of each case on the macro average of one fold, by a small change of its weight."""
    n_classes = scores.shape[1]

    def value(weights):
        each = []
        for own in range(n_classes):
            for other in range(n_classes) if average == "ovo" else [None]:
                if other == own:
                    continue
                inside = (y == own) | (y == other) if other is not None else y >= 0
                each.append(
                    skm.roc_auc_score(
                        y[inside] == own, scores[inside, own], sample_weight=weights[inside]
                    )
                )
        return np.mean(each)

    ones, step = np.ones(y.size), 1e-5
    up, down = (
        np.array([value(ones + sign * step * (np.arange(y.size) == i)) for i in range(y.size)])
        for sign in (1, -1)
    )
    return value(ones), (up - down) / (2 * step)


@pytest.mark.parametrize("metric", SKLEARN)
def test_variance_is_that_of_brute_force(metric):
    """Sums over pairs of folds of products of deviations within classes, each made unbiased."""
    n, repeats = 48, 3
    y, *most = study(n=n)
    a, b, folds = (own[:repeats] for own in most[:3])
    deviations = np.zeros((repeats, n))
    for r in range(repeats):
        for k in range(FOLDS):
            rows = np.flatnonzero(folds[r] == k)
            one, other = (influences(y[rows], arm[r, rows], SKLEARN[metric])[1] for arm in (a, b))
            deviations[r, rows] = one - other
    matrix = np.zeros((repeats, repeats))
    for own in range(3):
        for r in range(repeats):
            for s in range(repeats):
                for i in range(FOLDS):
                    for j in range(FOLDS):
                        one = (folds[r] == i) & (y == own)
                        other = (folds[s] == j) & (y == own)
                        both = one & other
                        if not both.any():
                            continue
                        x = deviations[r, both] - deviations[r, one].mean()
                        z = deviations[s, both] - deviations[s, other].mean()
                        n1, n2, o = one.sum(), other.sum(), both.sum()
                        kept = 1 - 1 / n1 - 1 / n2 + o / (n1 * n2)
                        matrix[r, s] += float(x @ z) / FOLDS**2 / kept
    parts = repeated_cv_components(y, a, b, folds, metric=metric)
    assert parts.case_variance == pytest.approx(np.trace(matrix) / repeats, rel=1e-5)
    shared = (matrix.sum() - np.trace(matrix)) / (repeats * (repeats - 1))
    assert parts.shared_variance == pytest.approx(shared, rel=1e-5)


@pytest.mark.parametrize("metric", SKLEARN)
def test_two_classes_have_the_variances_of_the_auc(metric):
    y, a, b, folds, _ = study(classes=2)
    both = [np.stack([-own[:, :, 1], own[:, :, 1]], axis=2) for own in (a, b)]
    ours = repeated_cv_components(y, *both, folds, metric=metric)
    theirs = repeated_cv_components(y, a[:, :, 1], b[:, :, 1], folds)
    for name in ("estimate", "case_variance", "shared_variance", "repeat_variance", "n_minority"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-9), name


@pytest.mark.parametrize("metric", SKLEARN)
def test_order_of_classes_and_names_of_patients_do_not_matter(metric):
    y, a, b, folds, groups = study(size=2)
    plain = repeated_cv_test(y, a, b, folds, groups=groups, metric=metric)
    turn = np.array([2, 0, 1])
    moved = [own[:, :, np.argsort(turn)] for own in (a, b)]
    again = repeated_cv_test(
        turn[y], *moved, folds, groups=[f"p{g}" for g in groups], metric=metric
    )
    assert again.pvalue == pytest.approx(plain.pvalue, rel=1e-9)
    assert again.n_groups == N // 2


@pytest.mark.parametrize("metric", [*SKLEARN, "quadratic_kappa"])
def test_copies_of_cases_as_one_patient_are_worth_nothing(metric):
    y, a, b, folds, _ = study()
    if metric == "quadratic_kappa":
        a, b = a.argmax(axis=2), b.argmax(axis=2)
    plain = repeated_cv_components(y, a, b, folds, metric=metric)
    copies = [np.concatenate([own, own], axis=1) for own in (a, b)]
    copied = repeated_cv_components(
        np.tile(y, 2), *copies, np.tile(folds, 2), groups=np.tile(np.arange(N), 2), metric=metric
    )
    assert copied.estimate == pytest.approx(plain.estimate, abs=1e-9)
    assert copied.shared_variance == pytest.approx(plain.shared_variance, rel=0.05)


@pytest.mark.parametrize("metric", SKLEARN)
def test_two_arms_at_once_are_the_pair_squared(metric):
    y, a, b, folds, _ = study()
    pair = repeated_cv_test(y, b, a, folds, metric=metric, method="learning-curve")
    both = repeated_cv_omnibus_test(y, np.stack([a, b]), folds, metric=metric)
    assert both.statistic == pytest.approx(pair.statistic**2, rel=1e-9)
    assert both.pvalue == pytest.approx(pair.pvalue, rel=1e-9)
    three = repeated_cv_omnibus_test(y, np.stack([a, b, a[::-1]]), folds, metric=metric)
    assert three.df[0] == 2


def test_halvings_of_several_classes():
    rng = np.random.default_rng(3)
    y, a, b, folds, _ = study()
    rows = []
    for _ in range(5):
        second = stratified(rng, y, 2) == 1
        for _ in range(2):
            own = np.empty(N, dtype=int)
            for part, first in ((~second, 0), (second, FOLDS)):
                own[part] = first + stratified(rng, y[part])
            rows.append(own)
    scores = [np.concatenate([arm, arm, arm])[: len(rows)] for arm in (a, b)]
    result = repeated_cv_test(
        y, a, b, folds, metric="roc_auc_ovr", halvings=(*scores, np.stack(rows))
    )
    assert result.procedure.n_halvings == 5


def test_bad_input_is_refused():
    y, a, b, folds, _ = study()
    torn = folds.copy()
    torn[1, (y == 2) & (folds[1] == 0)] = 1
    with pytest.raises(ValueError, match="fold 0 of repeat 1 has no case of class 2"):
        repeated_cv_test(y, a, b, torn, metric="roc_auc_ovr")
    with pytest.raises(ValueError, match="a score for each of the 3 classes"):
        repeated_cv_test(y, a[:, :, :2], b[:, :, :2], folds, metric="roc_auc_ovo")
    with pytest.raises(ValueError, match="no case of class 1"):
        repeated_cv_test(np.where(y == 1, 0, y), a, b, folds, metric="roc_auc_ovr")
    with pytest.raises(ValueError, match=r"in one patient.*of every class"):
        repeated_cv_test(
            y, a, b, folds, groups=np.where(y == 1, -1, np.arange(N)), metric="roc_auc_ovr"
        )
