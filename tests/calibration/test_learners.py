"""Learners against scikit-learn and loops; above all, no model may see its test fold."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from stats_tl.calibration import LEARNERS, stratified_folds
from stats_tl.calibration.learners import _penalty


def data(p=6, n=80, seed=0):
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 3 == 0).astype(int)
    x = rng.standard_normal((n, p)) + 0.8 * y[:, None]
    return x, y, stratified_folds(y, 4, 3, rng)


@pytest.mark.parametrize("p", [6, 120])  # few features by cross products, many by the hat matrix
def test_ridge_is_the_ridge_of_every_training_part(p):
    x, y, folds = data(p)
    scores = LEARNERS["ridge"](x, y, folds, np.random.default_rng(0))
    centred = np.concatenate([x - x.mean(axis=0), np.ones((len(x), 1))], axis=1)
    for row, found in zip(folds, scores, strict=True):
        for k in range(4):
            model = Ridge(alpha=_penalty(centred)[0], fit_intercept=True)
            model.fit(centred[row != k][:, :-1], (y - y.mean())[row != k])
            np.testing.assert_allclose(
                found[row == k], model.predict(centred[row == k][:, :-1]), atol=1e-6
            )


def test_parzen_is_the_ratio_of_densities():
    x, y, folds = data()
    scores = LEARNERS["parzen"](x, y, folds, np.random.default_rng(0))
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    kernel = np.exp(-((z[:, None] - z[None]) ** 2).sum(axis=2) / x.shape[1])
    for row, found in zip(folds, scores, strict=True):
        for i in range(0, len(y), 7):
            outside = row != row[i]
            density = [kernel[i, outside & (y == label)].mean() for label in (0, 1)]
            assert found[i] == pytest.approx(np.log(density[1] / density[0]), abs=1e-4)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_labels_of_the_test_fold_do_not_matter(name):
    x, y, folds = data()
    base = LEARNERS[name](x, y, folds[:1], np.random.default_rng(5))
    inside = np.flatnonzero(folds[0] == 2)
    moved = y.copy()
    moved[inside] = np.roll(y[inside], 1)  # the same number of positives, other cases
    assert (moved != y).any()
    other = LEARNERS[name](x, moved, folds[:1], np.random.default_rng(5))
    np.testing.assert_allclose(other[0, inside], base[0, inside], atol=1e-5)
    assert not np.allclose(other, base)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_the_training_seed_decides_and_learning_works(name):
    x, y, folds = data(n=300)
    first, second = (LEARNERS[name](x, y, folds, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = LEARNERS[name](x, y, folds, np.random.default_rng(2))
    assert np.array_equal(first, other) == (name in ("ridge", "parzen"))
    assert first[:, y == 1].mean() > first[:, y == 0].mean()
