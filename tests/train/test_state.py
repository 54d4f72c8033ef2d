"""A plan beside its archive."""

import hashlib
import shutil
from pathlib import Path

import pytest

from stats_tl.archive import load
from stats_tl.archive.integrity.verification import verify
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan
from stats_tl.train.state import GridState, pin_checkpoints
from tests.archive.conftest import RAW, commit, fill


@pytest.mark.parametrize("name", ["weights.pt", "~/weights.pt", "~weights.pt", "absolute"])
def test_a_checkpoint_is_known_by_its_content_wherever_it_lies(tiny, tmp_path, monkeypatch, name):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    place = {"~/weights.pt": "home/weights.pt", "absolute": "elsewhere/weights.pt"}
    path = tmp_path / place.get(name, name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"some weights")
    given = str(path) if name == "absolute" else name
    tiny["arms"][1].update(source="checkpoint", files={"squeezenet1_1": given})
    arm = pin_checkpoints(parse_plan(tiny), tmp_path).arms[1]
    assert arm.weight_file("squeezenet1_1", tmp_path) == path
    assert arm.sha256 == {"squeezenet1_1": hashlib.sha256(b"some weights").hexdigest()}


def test_a_checkpoint_that_is_not_there_is_not_pinned(tiny):
    tiny["arms"][1].update(source="checkpoint", files={"squeezenet1_1": "weights.pt"})
    assert pin_checkpoints(parse_plan(tiny), Path("nowhere")).arms[1].sha256 == {}


def test_a_data_set_is_outdated_once_a_cell_has_a_split_that_it_lacks(tmp_path):
    """The description in this archive knows repeat 0, fold 0 only."""
    plan = parse_plan(RAW)
    cells, root = plan_cells(plan), tmp_path / "demo"
    fill(root, plan, cells[:1])
    state = GridState(plan, cells, cells, load(root), root)
    assert state.outdated_tasks == set()
    assert not state.stale
    commit(root, cells[1])
    state = GridState(plan, cells, cells[:2], load(root), root)
    assert (cells[1].repeat, cells[1].fold) == (0, 1)
    assert not state.pending
    assert state.outdated_tasks == state.tasks_to_write == {"t"}
    assert state.stale


def test_an_older_description_put_back_into_a_grown_study_is_written_again(
    tiny, run_plan, tmp_path
):
    tiny["cv"]["repeats"] = 1
    tiny["grid"][0]["heads"] = ["linear"]
    run_plan(tiny)
    root = tmp_path / "runs" / "tiny"
    shutil.copytree(root / "tasks", tmp_path / "older")
    tiny["cv"]["repeats"] = 2
    run_plan(tiny, extend=True)
    whole = load(root).digest
    shutil.rmtree(root / "tasks")
    shutil.copytree(tmp_path / "older", root / "tasks")
    assert verify(root).contradictions
    assert run_plan(tiny) == []
    found = verify(root)
    assert not [*found.contradictions, *found.problems]
    assert load(root).digest == whole
