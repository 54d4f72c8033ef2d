"""Halvings from a plan to the archive."""

import pandas as pd
import pytest

from stats_tl.archive import load
from stats_tl.errors import UserError
from stats_tl.study.loading import parse_plan
from stats_tl.train.dry_run import print_preview, print_state
from stats_tl.train.grid import GridRun
from stats_tl.train.options import GridOptions
from stats_tl.train.preview import preview_run
from stats_tl.train.state import open_grid


@pytest.fixture
def halved(tiny):
    """Two folds, and five halvings: 2 arms × (2 × 2 + 5 × 2 × 4) cells."""
    tiny["cv"].update(folds=2, repeats=2, halvings=5)
    tiny["grid"][0]["heads"] = ["linear"]
    tiny["training"].update(epochs=1, image_size=32)
    return tiny


def test_they_are_archived_apart_and_scored_once_a_repeat(halved, run_plan, tmp_path):
    run_plan(halved)
    archive = load(tmp_path / "runs" / "tiny")
    assert (len(archive.cells), len(archive.half_cells), len(archive.halving_cells)) == (8, 0, 80)
    assert "8 cells and 80 halving cells" in repr(archive)
    assert archive.missing.empty
    assert set(archive.scores()["design"]) == {"cv"}
    scores = archive.scores(design="halving", partition="test")
    assert (scores.groupby(["arm", "repeat", "case"]).size() == 1).all()
    assert set(scores["case"]) == set(archive.cases("breast")["case"])
    # nobody who was tested in one half had a part in the other
    splits = archive.splits("breast", design="halving")
    patient = archive.cases("breast").set_index("case")["patient"]
    splits["patient"] = splits["case"].astype(str).map(patient)
    used = splits[splits["partition"].isin(["train", "validation", "test"])]
    halves = (used["fold"] // 2).groupby([used["repeat"], used["patient"]]).agg(["min", "max"])
    assert (halves["min"] == halves["max"]).all()
    assert set(halves["min"]) == {0, 1}
    # a model has a quarter of the data to test on, and another quarter to learn from
    largest = archive.halving_cells["n_train"].max()
    assert largest < 0.7 * archive.cells["n_train"].min()
    pairs = {}
    for record in archive.records():
        shared = (record["split_sha256"], record["seeds"]["fit"])
        pairs.setdefault(record["pair_id"], []).append(shared)
    assert all(len(members) == 2 and len(set(members)) == 1 for members in pairs.values())


def test_a_study_grows_by_them_and_resumes(halved, run_plan, tmp_path):
    del halved["cv"]["halvings"]
    run_plan(halved)
    before = load(tmp_path / "runs" / "tiny")
    assert "halvings" not in before.plan["cv"]
    halved["cv"]["halvings"] = 5
    with pytest.raises(UserError, match=r"cv.halvings: only in the given plan \(5"):
        run_plan(halved)
    assert len(run_plan(halved, extend=True, select={"design": {"halving"}, "fold": {"3"}})) == 20
    assert len(run_plan(halved, extend=True)) == 60
    assert run_plan(halved) == []
    archive = load(tmp_path / "runs" / "tiny")
    pd.testing.assert_frame_equal(archive.scores(), before.scores())
    assert len(archive.halving_cells) == 80


def test_a_dry_run_says_what_they_cost(halved, tmp_path, capsys):
    given = GridOptions(runs=tmp_path / "runs", base=tmp_path, cache_bytes=2**30)
    run = GridRun(open_grid(parse_plan(halved), given), given)
    print_state(run.state, run.workers)
    print_preview(run.state, run.workers, preview_run(run))
    line = capsys.readouterr().out.splitlines()[-1]
    assert "of these, for the variance of training (5 halvings of the patients)" in line
    assert "0 done, 0 failed, 80 pending, about" in line
