"""Writing: plans that differ, data that have changed, failures that are over."""

import json

import pytest

from stats_tl.archive import ArchiveWriter, load
from stats_tl.errors import UserError
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan

from .conftest import RAW, make_result, task_description


class TestWriting:
    def test_a_changed_plan_is_refused_with_the_difference(self, archive_root):
        changed = json.loads(json.dumps(RAW))
        changed["study"]["seed"] = 1
        changed["arms"][1]["variant"] = "IMAGENET1K_V2"
        changed["grid"][0]["heads"] = ["nonlinear"]
        with pytest.raises(UserError) as caught:
            ArchiveWriter(archive_root).open(parse_plan(changed).portable())
        message = str(caught.value)
        assert "study.seed: archived 2025, given 1" in message
        assert "arms.imagenet.variant: archived 'IMAGENET1K_V1', given" in message
        assert "grid.1.heads" in message

    def test_moved_files_are_no_change(self, archive_root):
        moved = json.loads(json.dumps(RAW))
        moved["tasks"][0]["path"] = "/elsewhere/data.csv"
        moved["arms"][1]["files"] = {"resnet18": "/elsewhere/w.safetensors"}
        ArchiveWriter(archive_root).open(parse_plan(moved).portable())

    def test_extending_keeps_the_cells(self, archive_root):
        grown = json.loads(json.dumps(RAW))
        grown["cv"]["repeats"] = 3
        plan = parse_plan(grown)
        ArchiveWriter(archive_root).open(plan.portable(), extend=True)
        assert len(load(archive_root).missing) == 2 + 4

    def test_changed_labels_are_refused(self, archive_root):
        cases = load(archive_root).cases("t")
        splits = load(archive_root).splits("t")
        with pytest.raises(UserError, match="cases, patients or labels differ"):
            ArchiveWriter(archive_root).write_task("t", task_description("d" * 64), cases, splits)

    def test_success_removes_the_failure(self, archive_root, plan):
        writer, cell = ArchiveWriter(archive_root), plan_cells(plan)[-1]
        writer.record_failure({"cell_id": cell.cell_id, "key": cell.key}, "out of memory", "")
        assert cell.cell_id in load(archive_root).failures()
        context = {"configurations": {cell.setting.digest: cell.setting.configuration}}
        writer.commit([make_result(cell)], context)
        assert not load(archive_root).failures()
