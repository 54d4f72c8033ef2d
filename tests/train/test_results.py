"""What is computed once for all cells of a split is what each cell would have got."""

import hashlib
import pickle

import numpy as np
import pandas as pd
import pytest

from stats_tl.archive.schema import ScoresDigest, scores_digest
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan
from stats_tl.train import results
from stats_tl.train.results import TaskData


@pytest.fixture
def scores():
    rng = np.random.default_rng(2)
    n = 23
    return pd.DataFrame(
        {
            "case": [f"c{i:02d}" for i in rng.permutation(n)],
            "patient": [f"p{i // 2}" for i in range(n)],
            "y_true": rng.integers(0, 2, n).astype(np.int8),
            "partition": rng.choice(["validation", "test"], n),
            "logit_0": rng.normal(size=n).astype(np.float32),
            "logit_1": rng.normal(size=n).astype(np.float32),
        }
    )


def test_the_digest_of_scores_is_that_of_their_sorted_columns(scores):
    rows = sorted(scores.to_dict("records"), key=lambda row: (row["partition"], row["case"]))
    digest = hashlib.sha256()
    for column in ("case", "patient", "partition"):
        digest.update("\n".join(row[column] for row in rows).encode() + b"\0")
    digest.update(bytes(row["y_true"] for row in rows))
    for column in ("logit_0", "logit_1"):
        digest.update(np.array([row[column] for row in rows], "<f4").tobytes())
    assert scores_digest(scores) == digest.hexdigest()
    assert scores_digest(scores.sample(frac=1, random_state=1)) == digest.hexdigest()
    shared = ScoresDigest(scores)
    logits = scores[["logit_0", "logit_1"]].to_numpy()
    assert shared.of(logits + 1) != digest.hexdigest()
    assert shared.of(logits) == digest.hexdigest()  # also after another cell


def test_splits_are_described_once_and_only_some_are_kept(tiny, monkeypatch):
    cells = plan_cells(parse_plan(tiny))
    rng = np.random.default_rng(0)
    cases = pd.DataFrame(
        {
            "case": [f"c{i}" for i in range(40)],
            "patient": [f"p{i // 2}" for i in range(40)],
            "y_true": np.tile([0, 1], 20),
        }
    )
    partitions = {("cv", r): rng.integers(0, 3, (2, 40)).astype(np.int8) for r in range(2)}
    data = TaskData(cases, partitions, "")
    first = data.split(cells[0])
    other_head = next(
        c for c in cells if c.setting is not cells[0].setting and (c.repeat, c.fold) == (0, 0)
    )
    assert data.split(other_head) is first
    assert first.record["counts"]["test"]["cases"] == int(np.sum(data.partition(cells[0]) == 2))
    np.testing.assert_array_equal(first.rows, np.flatnonzero(data.partition(cells[0]) > 0))
    monkeypatch.setattr(results, "REMEMBERED_SPLITS", 2)
    for cell in cells:
        data.split(cell)
    assert len(data._splits) == 2
    again = pickle.loads(pickle.dumps(data))
    assert again.split(cells[0]).record == first.record
