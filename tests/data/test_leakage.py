"""A copy of an image under another patient's name, and what a split does with it."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stats_tl.data import load_dataset
from stats_tl.data.leakage import audit_duplicates, describe_duplicates
from stats_tl.study.plan import Audit, CrossValidation, Task
from stats_tl.study.splits import partition_cases

N = 40


@pytest.fixture
def table(tmp_path):
    """40 patients with an image each; p1's image is a copy of p0's, one grey level brighter."""
    blocks = np.random.default_rng(0).integers(0, 250, (N, 12, 12)).astype(np.uint8)
    blocks[1] = blocks[0] + 1
    rows = []
    for index in range(N):
        pixels = np.kron(blocks[index], np.ones((8, 8), np.uint8))
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        rows.append((f"{index}.png", "yes" if index % 2 else "no", f"p{index}"))
    pd.DataFrame(rows, columns=["path", "label", "patient"]).to_csv(
        tmp_path / "cases.csv", index=False
    )
    return tmp_path / "cases.csv"


def load(table, near_duplicates):
    options = {"positive": "yes", "patient": "patient"}
    task = Task(name="t", adapter="csv", options=options)
    return load_dataset(task, table, audit=Audit(near_duplicates=near_duplicates))


def split(dataset, repeats):
    cases = dataset.cases
    return {
        repeat: partition_cases(
            cases["y_true"].to_numpy(), cases["group"].to_numpy(), CrossValidation(), seed=0,
            repeat=repeat,
        )
        for repeat in range(repeats)
    }  # fmt: skip


def test_a_copy_on_two_sides_is_reported_once_and_named(table):
    dataset = load(table, "report")
    partitions = split(dataset, repeats=3)
    first, second = (dataset.cases["patient"] == name for name in ("p0", "p1"))
    torn = any((p[first.to_numpy()] != p[second.to_numpy()]).item() for p in partitions[0])
    assert torn
    audit = audit_duplicates(dataset, partitions)
    assert (audit["pairs"], audit["between_patients"], audit["across_partitions"]) == (1, 1, 1)
    assert len(audit["examples"]) == 1
    text = describe_duplicates(audit)
    assert "1 lies on two sides of a split" in text
    assert '"group"' in text


def test_grouping_keeps_the_copy_on_one_side(table):
    dataset = load(table, "group")
    assert dataset.cases["group"].nunique() == N - 1
    audit = audit_duplicates(dataset, split(dataset, repeats=5))
    assert (audit["pairs"], audit["across_partitions"], audit["examples"]) == (1, 0, [])
    assert '"group"' not in describe_duplicates(audit)


def test_ignoring_finds_nothing(table):
    dataset = load(table, "ignore")
    assert audit_duplicates(dataset, split(dataset, repeats=1))["pairs"] == 0
