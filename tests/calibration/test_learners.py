"""Learners against scikit-learn and loops; above all, no model may see its test fold."""

import numpy as np
import pytest
from scipy import optimize
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from stats_tl.calibration import LEARNERS, PhantomPopulation, Trainings, stratified_folds
from stats_tl.calibration.learners import mirrored
from stats_tl.calibration.learners.trees import BINS, grow
from stats_tl.calibration.simulate import halving_folds

TORCH = ("fine-tuned", "from-scratch")
NAMES = sorted(set(LEARNERS) - {"ready", *TORCH})
DETERMINISTIC = {"ridge", "logistic", "selected-8", "selected-10", "parzen", "neighbours", "tree",
                 "shallow-tree"}  # fmt: skip


def data(p=12, n=80, seed=0):
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 3 == 0).astype(int)
    x = rng.standard_normal((n, p)) + 0.8 * y[:, None]
    return x, y, stratified_folds(y, 4, 3, rng)


def scores_of(name, x, y, folds, seed=0, n_parts=1):
    views = np.stack([x, x[:, ::-1]]) if x.ndim == 2 else np.stack([x, x])
    return LEARNERS[name](views, y, Trainings(folds, n_parts), np.random.default_rng(seed))


def each_fold(x, y, folds, model, predict="predict_proba"):
    """Scores by scikit-learn, one fit a fold."""
    found = np.empty(folds.shape)
    for row, out in zip(folds, found, strict=True):
        for k in range(row.max() + 1):
            model.fit(x[row != k], y[row != k])
            values = getattr(model, predict)(x[row == k])
            out[row == k] = values[:, 1] if predict == "predict_proba" else values
    return found


def test_trainings_say_who_is_trained():
    folds = np.array([[0, 0, 1, 2, 2, 3]])
    one, two = Trainings(folds), Trainings(folds, 2)
    assert one.train.sum(axis=1).tolist() == [4, 5, 4, 5]
    assert two.train.tolist()[0] == [False, False, True, False, False, False]
    assert two.tested.tolist() == [[0, 1], [2, 6], [3, 4], [5, 6]]
    values = np.arange(24).reshape(4, 6)
    assert one.collect(values).tolist() == [[0, 1, 8, 15, 16, 23]]
    assert one.scatter(one.tested * 10).tolist() == [[0, 10, 20, 30, 40, 50]]


@pytest.mark.parametrize("p", [6, 120])  # few features by cross products, many by the kernel
def test_ridge_is_the_ridge_of_every_training_part(p):
    x, y, folds = data(p)
    scores = scores_of("ridge", x, y, folds)
    centred = x - x.mean(axis=0)
    expected = each_fold(
        centred, y - y.mean(), folds, Ridge(alpha=0.1 * (centred**2).mean(axis=0).mean() * len(y)),
        "predict",
    )  # fmt: skip
    np.testing.assert_allclose(scores[0], expected, atol=1e-6 if p < 100 else 1e-4)


def test_logistic_has_the_least_penalised_loss():
    x, y, folds = data(40)  # so many that the second derivatives are kept for some steps
    scores = scores_of("logistic", x, y, folds)
    train = folds[1] != 2
    x1 = np.append(x, np.ones((len(x), 1)), axis=1)
    penalty = np.append(np.ones(40), 1e-6)

    def loss(w):
        z = x1[train] @ w
        return (np.logaddexp(0, z) - y[train] * z).sum() + 0.5 * penalty @ w**2

    best = optimize.minimize(loss, np.zeros(41), method="BFGS", options={"gtol": 1e-7}).x
    np.testing.assert_allclose(scores[0, 1, ~train], x1[~train] @ best, atol=1e-4)


def test_selection_is_made_on_the_training_cases():
    x, y, folds = data(30)
    scores = scores_of("selected-8", x, y, folds)
    train = folds[0] != 1
    inside, labels = x[train], y[train]
    gap = inside[labels == 1].mean(axis=0) - inside[labels == 0].mean(axis=0)
    kept = np.argsort(-np.abs(gap) / inside.std(axis=0))[:8]
    centred = x - x.mean(axis=0)
    model = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000)
    model.fit(centred[train][:, kept], labels)
    expected = model.decision_function(centred[~train][:, kept])
    np.testing.assert_allclose(scores[0, 0, ~train], expected, atol=1e-4)


def test_neighbours_are_the_nearest_training_cases():
    x, y, folds = data(3)
    expected = each_fold(x, y, folds, KNeighborsClassifier(15))
    np.testing.assert_allclose(scores_of("neighbours", x, y, folds)[0], expected, atol=1e-12)


def test_parzen_is_the_ratio_of_densities():
    x, y, folds = data()
    scores = scores_of("parzen", x, y, folds)[0]
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    kernel = np.exp(-((z[:, None] - z[None]) ** 2).sum(axis=2) / x.shape[1])
    for row, found in zip(folds, scores, strict=True):
        for i in range(0, len(y), 7):
            outside = row != row[i]
            density = [kernel[i, outside & (y == label)].mean() for label in (0, 1)]
            assert found[i] == pytest.approx(np.log(density[1] / density[0]), abs=1e-4)


def test_trees_are_those_of_scikit_learn():
    rng = np.random.default_rng(4)
    codes = rng.integers(BINS, size=(300, 4))
    y = (codes[:, 0] + 0.5 * codes[:, 1] + rng.normal(0, 10, 300) > 24).astype(int)
    weights = (rng.random((5, 300)) < 0.8).astype(float)
    found = grow(codes, y, weights, depth=3, leaf=12)
    for row, own in zip(found, weights > 0, strict=True):
        model = DecisionTreeClassifier(max_depth=3, min_samples_leaf=12, random_state=0)
        model.fit(codes[own], y[own])
        np.testing.assert_allclose(row, model.predict_proba(codes)[:, 1], atol=1e-12)


def test_a_full_tree_knows_its_training_cases():
    x, y, _ = data(5, n=BINS)
    codes = x.argsort(axis=0).argsort(axis=0)
    weights = np.ones((2, y.size))
    weights[1, ::4] = 0
    found = grow(codes, y, weights)
    assert (found[weights > 0] == np.broadcast_to(y, found.shape)[weights > 0]).all()
    assert not np.array_equal(found[1], y)


@pytest.mark.parametrize("name", [*NAMES, *TORCH])
def test_labels_of_the_test_fold_do_not_matter(name):
    if name in TORCH:
        pytest.importorskip("torch")
        drawn = PhantomPopulation(size=16).draw(40, np.random.default_rng(0))
        x, y = drawn.views[0], drawn.y_true
        folds = stratified_folds(y, 4, 1, np.random.default_rng(1))
    else:
        x, y, folds = data()
    base = scores_of(name, x, y, folds[:1], 5)
    inside = np.flatnonzero(folds[0] == 2)
    moved = y.copy()
    moved[inside] = np.roll(y[inside], 1)  # the same number of positives, other cases
    assert (moved != y).any()
    other = scores_of(name, x, moved, folds[:1], 5)
    np.testing.assert_allclose(other[:, 0, inside], base[:, 0, inside], atol=1e-5)
    assert not np.allclose(other, base)


@pytest.mark.parametrize("name", NAMES)
def test_a_half_does_not_see_the_other(name):
    x, y, _ = data()
    folds = halving_folds(y, 3, 2, np.random.default_rng(3))
    assert folds.shape == (4, len(y))
    base = scores_of(name, x, y, folds, 5, n_parts=2)
    second = folds[0] >= 3
    np.testing.assert_array_equal(second, folds[1] >= 3)  # two repeats of one halving
    assert not np.array_equal(folds[0], folds[1])
    moved = y.copy()
    moved[second] = np.random.default_rng(1).permutation(y[second])
    other = scores_of(name, x, moved, folds, 5, n_parts=2)
    np.testing.assert_allclose(other[:, 0, ~second], base[:, 0, ~second], atol=1e-5)
    assert not np.allclose(other[:, 0, second], base[:, 0, second])


@pytest.mark.parametrize("name", NAMES)
def test_the_training_seed_decides_and_learning_works(name):
    x, y, folds = data(n=300)
    first, second = (scores_of(name, x, y, folds, 1) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = scores_of(name, x, y, folds, 2)
    assert np.array_equal(first, other) == (name in DETERMINISTIC)
    assert (first[..., y == 1].mean(axis=-1) > first[..., y == 0].mean(axis=-1)).all()


def test_fine_tuning_learns_and_both_arms_begin_alike():
    pytest.importorskip("torch")
    drawn = PhantomPopulation(size=16, separation=6, shared=1.0).draw(
        120, np.random.default_rng(0)
    )  # fmt: skip
    folds = stratified_folds(drawn.y_true, 3, 1, np.random.default_rng(1))
    a, b = scores_of("fine-tuned", drawn.views[0], drawn.y_true, folds)
    np.testing.assert_allclose(a, b, atol=1e-4)  # the same images: the same models
    y = drawn.y_true
    assert a[0, y == 1].mean() > a[0, y == 0].mean() + 0.5 * a[0].std()


def test_what_is_ready_is_not_trained_and_a_mirror_changes_the_sign():
    x, y, folds = data()
    found = scores_of("ready", x, y, folds)
    np.testing.assert_array_equal(found[0], np.broadcast_to(x[:, 0], folds.shape))
    turned = mirrored(LEARNERS["ready"])(x[None], y, Trainings(folds), np.random.default_rng(0))
    np.testing.assert_array_equal(turned[0], -found[0])
