"""Moments of two arms, against the covariances of each by itself."""

import numpy as np
import pytest

from stats_tl.stats._shared.fold_cells import fold_cells
from stats_tl.stats._shared.fold_covariance import fold_covariance, fold_moments

N, REPEATS = 120, 4


@pytest.mark.parametrize("by_class", [True, False])
@pytest.mark.parametrize("patients", ["none", "pairs", "across folds"])
def test_moments_are_those_of_the_difference_and_of_each_arm(patients, by_class):
    rng = np.random.default_rng(0)
    y = np.arange(N) % 3 == 0
    folds = np.array([rng.permutation(N // 3).repeat(3) % 5 for _ in range(REPEATS)])
    cells = fold_cells(y, folds, REPEATS)
    codes = {"none": None, "pairs": np.arange(N) // 2, "across folds": rng.integers(0, 40, N)}
    own, labels = codes[patients], y if by_class else None
    pair = tuple(rng.standard_normal((2, REPEATS, N)))
    covariance, variances = fold_moments(pair, labels, own, cells)
    difference = fold_covariance((pair[0] - pair[1])[None], labels, own, cells)
    np.testing.assert_allclose(covariance, difference[0, :, 0], rtol=1e-10)
    for arm, found in zip(pair, variances, strict=True):
        alone = fold_covariance(arm[None], labels, own, cells)[0, :, 0]
        np.testing.assert_allclose(found, alone.diagonal(), rtol=1e-10)
