"""The dry run: all that a run would find, and all that stands in its way."""

from __future__ import annotations

import huggingface_hub
import pytest
import torch

from stats_tl.data import images
from stats_tl.run_grid import main
from stats_tl.study.loading import parse_plan
from stats_tl.train.dry_run import print_preview
from stats_tl.train.grid import GridRun
from stats_tl.train.options import GridOptions
from stats_tl.train.planning import memory
from stats_tl.train.preview import preview_run
from stats_tl.train.state import open_grid
from tests.data.conftest import encode
from tests.data.test_oddities import mask, scan
from tests.test_run_grid_command import toml


@pytest.fixture
def study(tiny, tmp_path):
    """A plan on thirty-three images in two folders, one of which stands there twice."""
    for number in range(16):
        for label, first in (("benign", 0), ("malignant", 100)):
            path = tmp_path / "d" / label / f"p{first + number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(scan(first + number)))
    (tmp_path / "d/malignant/p999.png").write_bytes(encode(scan(100)))
    options = {"positive": "malignant", "patient_pattern": r"p(\d+)"}
    tiny["tasks"] = [{"name": "breast", "adapter": "folders", "path": "d", "options": options}]
    tiny["audit"] = {"near_duplicates": "report"}
    tiny["grid"][0]["heads"] = ["linear"]
    tiny["training"].update(image_size=32)
    return tiny


def look(raw, folder):
    given = GridOptions(runs=folder / "runs", base=folder)
    run = GridRun(open_grid(parse_plan(raw), given), given)
    return run, preview_run(run)


def test_every_image_is_decoded_once(study, tmp_path, monkeypatch):
    opened = []
    decode = images.decode

    def counted(data, *arguments):
        opened.append(len(data))
        return decode(data, *arguments)

    monkeypatch.setattr(images, "decode", counted)
    _, preview = look(study, tmp_path)
    assert len(opened) == 33
    assert preview.problems == ()
    assert not (tmp_path / "runs").exists()


def test_it_says_what_it_finds(study, tmp_path, capsys):
    for number in range(3):
        (tmp_path / f"d/benign/p{number}_mask.png").write_bytes(encode(mask(number)))
    run, preview = look(study, tmp_path)
    print_preview(run.state, run.workers, preview)
    said = capsys.readouterr().out
    assert "36 images of 33 patients, 17 positive, 19 negative" in said
    assert "3 images that look like segmentation masks (0 positive, 3 negative)" in said
    assert 'skip = "_mask" in the task\'s options' in said
    assert "1 pair of near-duplicate images, 1 of them between patients; 1 lies on two" in said
    assert 'near_duplicates = "group" in [audit]' in said
    assert "memory: 36 KiB for the images" in said


def test_all_that_stands_in_the_way_is_listed(study, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(memory, "available_memory", lambda: 0)
    monkeypatch.setattr(memory, "worker_memory", lambda *_: 0)
    (tmp_path / "d/benign/p3.png").write_bytes(encode(scan(3))[:90])
    study["tasks"].append({"name": "knee", "adapter": "phantom-knee", "options": {"size": 32}})
    study["grid"][0]["tasks"] = ["breast", "knee"]
    study["arms"].append(
        {"name": "ours", "source": "checkpoint", "files": {"squeezenet1_1": "ours.pth"}}
    )
    plan = tmp_path / "plan.toml"
    plan.write_text("\n".join(f"{key} = {toml(value)}" for key, value in study.items()))
    assert main(["--plan", str(plan), "--runs", str(tmp_path / "runs"), "--dry-run"]) == 2
    said = capsys.readouterr().out
    assert "this plan would not run here:" in said
    for part in (
        "unreadable images (1): 'benign/p3.png",
        "no weights of squeezenet1_1 at",
        "GiB to train; ",
        "the images take",
        "SYNTHETIC: knee",
    ):
        assert part in said


def test_weights_are_looked_for_and_none_fetched(study, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    study["arms"] = [
        {"name": "a", "source": "imagenet", "reference": True},
        {"name": "b", "source": "radimagenet"},
    ]
    study["grid"][0]["backbones"] = ["resnet50"]
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    _, preview = look(study, tmp_path)
    absent = "not on this machine; the run will fetch them from https://"
    assert preview.weights["a, resnet50"].startswith(absent + "download.pytorch.org/")
    assert preview.weights["b, resnet50"].startswith(absent + "huggingface.co/Lab-Rasool/")
    assert preview.problems == ()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    (problem,) = look(study, tmp_path)[1].problems
    assert "ResNet50.pt, the radimagenet weights of resnet50, is not on this machine" in problem
    study["grid"][0]["backbones"] = ["resnet18"]
    (problem,) = look(study, tmp_path)[1].problems
    assert "RadImageNet published no weights of resnet18" in problem
    assert not (tmp_path / "hub").exists()
