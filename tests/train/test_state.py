"""A plan beside its archive."""

import hashlib
from pathlib import Path

import pytest

from stats_tl.study.loading import parse_plan
from stats_tl.train.state import pin_checkpoints


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
