"""Extra two-fold repeats from a plan to the archive."""

import pandas as pd
import pytest

from stats_tl.archive import load
from stats_tl.errors import UserError
from stats_tl.study.loading import parse_plan
from stats_tl.train.dry_run import print_preview, print_state
from stats_tl.train.grid import GridRun, train_grid
from stats_tl.train.options import GridOptions
from stats_tl.train.preview import preview_run
from stats_tl.train.progress import ProgressView
from stats_tl.train.state import open_grid

KEYS = ["head", "repeat", "fold", "case"]


@pytest.fixture
def curved(tiny):
    """Three folds, and two repeats of two: 2 arms × (3 + 4) cells."""
    tiny["cv"].update(folds=3, repeats=1, learning_curve_repeats=2)
    tiny["grid"][0]["heads"] = ["linear"]
    tiny["training"].update(epochs=2, image_size=32)
    return tiny


def opened(raw, folder, **options):
    given = GridOptions(runs=folder / "runs", base=folder, cache_bytes=2**30, **options)
    return GridRun(open_grid(parse_plan(raw), given), given)


def show(run):
    """A dry run."""
    print_state(run.state, run.workers)
    print_preview(run.state, run.workers, preview_run(run))


def test_half_sample_cells_are_archived_apart(curved, run_plan, tmp_path):
    run_plan(curved)
    archive = load(tmp_path / "runs" / "tiny")
    assert (len(archive.cells), len(archive.half_cells)) == (6, 8)
    assert set(archive.cells["design"]) == {"cv"}
    assert archive.missing.empty
    assert len(list(archive.records())) == len(archive.cell_ids) == 14
    pd.testing.assert_frame_equal(archive.scores(), archive.scores(design="cv"))
    half = archive.scores(design="half", partition="test")
    both = archive.scores(design=["cv", "half"], partition="test")
    assert len(both) == len(half) + len(archive.scores(partition="test"))
    # every case once a repeat and arm, in the fold that the archived split names
    assert (half.groupby(["arm", "repeat", "case"]).size() == 1).all()
    splits = archive.splits("breast", design="half")
    named = splits[splits["partition"] == "test"].set_index(["repeat", "case"])["fold"]
    for arm in ("a", "b"):
        own = half[half["arm"] == arm].set_index(["repeat", "case"])["fold"]
        assert own.to_dict() == named.to_dict()
    assert set(archive.splits("breast")["fold"]) == {0, 1, 2}
    # training cases: half of the data against two thirds
    assert archive.half_cells["n_train"].max() < archive.cells["n_train"].min()
    one = archive.half_cells["cell_id"].iloc[0]
    assert set(archive.scores(cell_id=one)["design"]) == {"half"}


def test_pairs_share_split_and_seeds(curved, run_plan, tmp_path):
    run_plan(curved)
    pairs = {}
    for record in load(tmp_path / "runs" / "tiny").records():
        shared = (record["split_sha256"], record["seeds"]["fit"])
        pairs.setdefault(record["pair_id"], []).append(shared)
    assert all(len(members) == 2 and len(set(members)) == 1 for members in pairs.values())
    # 3 folds, and 2 × 2 halves
    assert len({members[0] for members in pairs.values()}) == 7


def test_a_run_continues_where_it_was_whatever_the_design(curved, run_plan, tmp_path):
    run_plan(curved, "whole")
    assert len(run_plan(curved, "parts", select={"design": {"half"}, "repeat": {"1"}})) == 4
    assert len(run_plan(curved, "parts", select={"design": {"cv"}})) == 6
    assert len(opened(curved, tmp_path).state.pending) == 14
    assert len(run_plan(curved, "parts")) == 4
    assert run_plan(curved, "parts") == []
    whole, parts = (load(tmp_path / name / "tiny") for name in ("whole", "parts"))
    assert whole.digest == parts.digest


def test_a_study_grows_by_them_and_not_back(curved, run_plan, tmp_path):
    repeats = curved["cv"].pop("learning_curve_repeats")
    run_plan(curved)
    before = load(tmp_path / "runs" / "tiny").scores()
    assert "learning_curve_repeats" not in load(tmp_path / "runs" / "tiny").plan["cv"]
    curved["cv"]["learning_curve_repeats"] = repeats
    with pytest.raises(UserError, match=r"cv.learning_curve_repeats: only in the given plan \(2"):
        run_plan(curved)
    assert len(run_plan(curved, extend=True)) == 8
    archive = load(tmp_path / "runs" / "tiny")
    pd.testing.assert_frame_equal(archive.scores(), before)
    del curved["cv"]["learning_curve_repeats"]
    with pytest.raises(UserError, match="8 archived cells are not in this plan"):
        run_plan(curved, extend=True)


def test_a_half_sample_cell_on_another_split_is_damage(curved, run_plan, tmp_path):
    from stats_tl.archive.files import read_sealed, write_sealed

    run_plan(curved, select={"design": {"half"}})
    path = tmp_path / "runs" / "tiny" / "tasks" / "breast.json"
    content = read_sealed(path)
    content["splits_sha256"]["half repeat 1, fold 0"] = "0" * 64
    write_sealed(path, content)
    archive = load(tmp_path / "runs" / "tiny", strict=False)
    assert archive.damaged
    assert all("trained on another split" in text for text in archive.damaged.values())


def test_what_a_person_sees(curved, tmp_path, capsys):
    show(opened(curved, tmp_path))
    said = capsys.readouterr().out
    assert "14 cells, 14 to train" in said
    assert "0 done, 0 failed, 14 pending" in said
    line = said.splitlines()[-1]
    assert "for the learning curve (2 extra two-fold repeats, half of the data)" in line
    assert "0 done, 0 failed, 8 pending, about" in line
    run = opened(curved, tmp_path, select={"design": {"half"}, "repeat": {"0"}, "arm": {"a"}})
    assert train_grid(run, ProgressView("lines")) == 0
    said = capsys.readouterr().out
    assert "a half-sample repeat 0 fold 1 seed 0" in said
    show(opened(curved, tmp_path))
    assert "2 done, 0 failed, 6 pending, about" in capsys.readouterr().out.splitlines()[-1]


def test_a_design_that_the_plan_has_not_cannot_be_selected(curved, tmp_path):
    del curved["cv"]["learning_curve_repeats"]
    with pytest.raises(UserError, match="--select design=half: not in this plan"):
        opened(curved, tmp_path, select={"design": {"half"}})
