"""What has no room in memory is refused before it is made."""

import pytest

from stats_tl import run_grid
from stats_tl.errors import UserError
from stats_tl.train.planning import memory
from tests.test_run_grid_command import toml


def test_images_of_all_tasks_and_sizes_count(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2**20)
    sizes = {"small": [32], "large": [64, 256]}
    memory.check_images({"small": 64, "large": 14, "unused": 10**9}, sizes)
    with pytest.raises(UserError, match=r"most of it the 15 of task 'large' with 256 pixels"):
        memory.check_images({"small": 64, "large": 15}, sizes)


@pytest.mark.parametrize("arguments", [(), ("--dry-run",)])
def test_pictures_of_thousands_of_phantoms(tmp_path, capsys, monkeypatch, arguments):
    """12,669 images of 2048 × 2048 pixels are 49.5 GiB; none of them is drawn."""
    monkeypatch.setattr(memory, "available_memory", lambda: 8 * 2**30)
    task = {"name": "t", "adapter": "phantom-knee", "options": {"n_patients": 5000, "size": 512}}
    raw = {
        "study": {"name": "large"},
        "tasks": [task],
        "training": {"image_size": 2048},
        "audit": {"near_duplicates": "ignore"},
        "arms": [
            {"name": "a", "source": "random", "reference": True},
            {"name": "b", "source": "random"},
        ],
        "grid": [{"backbones": ["squeezenet1_1"], "heads": ["linear"]}],
    }
    plan = tmp_path / "plan.toml"
    plan.write_text("\n".join(f"{key} = {toml(value)}" for key, value in raw.items()))
    command = ["--plan", str(plan), "--runs", str(tmp_path / "runs"), "--jobs", "1", *arguments]
    if arguments:
        assert run_grid.main(command) == 2
        said = capsys.readouterr().out
    else:
        with pytest.raises(UserError) as caught:
            run_grid.main(command)
        said = str(caught.value)
    assert "the images take 49." in said
    assert "of task 't' with 2048 pixels a side; 8.0 GiB of memory are free" in said
    assert not (tmp_path / "runs").exists()
