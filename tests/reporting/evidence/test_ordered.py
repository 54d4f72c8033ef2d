"""Parts of a table of scores are found where a search would find them."""

import numpy as np
import pandas as pd
import pytest

from stats_tl.reporting.evidence.alignment import sorted_codes
from stats_tl.reporting.evidence.ordered import _distinct, _ranks


@pytest.mark.parametrize("highest", [1, 7, 200, 300, 100_000, 10**12])
def test_codes_are_those_of_numpy(highest):
    rng = np.random.default_rng(highest)
    numbers = rng.integers(0, highest, 500)
    for found, expected in zip(
        _distinct(numbers), np.unique(numbers, return_index=True, return_inverse=True), strict=True
    ):
        assert np.array_equal(found, expected)
    ranks = _ranks(numbers)
    assert np.array_equal(np.argsort(ranks, kind="stable"), np.argsort(numbers, kind="stable"))
    assert np.array_equal(ranks[:, None] == ranks, numbers[:, None] == numbers)


@pytest.mark.parametrize(
    "levels", [["a", "b", "c"], ["c", "a", "b"], [10, 9, 2], ["b"], ["b", "unused", "a"]]
)
def test_text_is_coded_in_its_order_whatever_the_levels(levels):
    rng = np.random.default_rng(0)
    words = rng.choice([level for level in levels if level != "unused"], 50)
    column = pd.Series(pd.Categorical(words, categories=levels))
    codes, names = sorted_codes(column)
    assert names.tolist() == sorted(set(map(str, words)))
    assert names[codes].tolist() == list(map(str, words))
