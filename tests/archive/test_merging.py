"""``python -m stats_tl.archive merge``."""

import json

import pytest

from benchmarks.damage import quiet
from stats_tl.archive import ArchiveWriter, load
from stats_tl.archive.__main__ import main
from stats_tl.archive.files import read_sealed, write_sealed
from stats_tl.archive.integrity.verification import verify
from stats_tl.archive.merging import merge
from stats_tl.errors import UserError
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan

from .conftest import RAW, commit, fill, parts


class TestMerge:
    @pytest.fixture
    def halves(self, tmp_path, plan):
        """Two archives that share two cells; their union is the plan."""
        cells = plan_cells(plan)
        fill(tmp_path / "a" / "demo", plan, cells[:5])
        fill(tmp_path / "b" / "demo", plan, cells[3:])
        fill(tmp_path / "whole" / "demo", plan, cells)
        return tmp_path / "a" / "demo", tmp_path / "b" / "demo"

    @staticmethod
    def content(root):
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    def test_the_union_in_either_order(self, halves, tmp_path):
        one, other = tmp_path / "one", tmp_path / "other"
        code, said = quiet(main, "merge", *halves, "--into", one)
        assert code == 0
        assert "8 cells, 2 of them in more than one source" in said
        merge(halves[::-1], other)
        assert self.content(one) == self.content(other)
        assert load(one).digest == load(tmp_path / "whole" / "demo").digest
        assert load(one).missing.empty

    def test_conflicts_are_shown_and_nothing_is_written(self, halves, plan, tmp_path):
        cell = plan_cells(plan)[-1]
        commit(halves[0], cell, seed=1)
        code, said = quiet(main, "merge", *halves, "--into", tmp_path / "into")
        assert code == 1
        assert f"conflict {cell.cell_id} (arm=" in said
        assert "nothing was written" in said
        assert not (tmp_path / "into").exists()

    def test_conflicts_can_be_left_out(self, halves, plan, tmp_path):
        cell = plan_cells(plan)[-1]
        commit(halves[0], cell, seed=1)
        one, other = tmp_path / "one", tmp_path / "other"
        command = ["merge", *halves, "--leave-out-conflicts", "--into"]
        assert quiet(main, *command, one)[0] == 1
        merge(halves[::-1], other, leave_out_conflicts=True)
        assert self.content(one) == self.content(other)
        assert list(load(one).missing["cell_id"]) == [cell.cell_id]

    def test_nothing_is_overwritten(self, halves, tmp_path):
        before = self.content(halves[1])
        with pytest.raises(UserError, match="nothing is overwritten"):
            merge(halves, halves[1])
        assert self.content(halves[1]) == before

    def test_other_plans_and_other_data_are_refused(self, halves, tmp_path):
        raw = json.loads(json.dumps(RAW))
        raw["training"] = {"epochs": 7}
        fill(tmp_path / "c" / "demo", parse_plan(raw), plan_cells(parse_plan(raw)))
        with pytest.raises(UserError, match=r"training.epochs: archived 30, given 7"):
            merge([halves[0], tmp_path / "c" / "demo"], tmp_path / "into")
        path = halves[1] / "tasks" / "t.json"
        write_sealed(path, {**read_sealed(path), "labels_sha256": "d" * 64})
        with pytest.raises(UserError, match="different labels"):
            merge(halves, tmp_path / "into")

    def test_a_damaged_source_is_refused(self, halves, tmp_path):
        parts(halves[0])[0].write_text("{}")
        assert quiet(main, "merge", *halves, "--into", tmp_path / "into")[0] == 3
        assert not (tmp_path / "into").exists()

    def test_failures_and_kept_backbones_come_along(self, halves, plan, tmp_path):
        cells = plan_cells(plan)
        key = {"cell_id": cells[-1].cell_id, "key": cells[-1].key}
        ArchiveWriter(halves[0]).record_failure(key, "out of memory", "log")
        raw = json.loads(json.dumps(RAW))
        fill(tmp_path / "d" / "demo", parse_plan(raw), cells[:3])
        commit(tmp_path / "d" / "demo", cells[5], files={".safetensors": b"weights"})
        merge([halves[0], tmp_path / "d" / "demo"], tmp_path / "into")
        merged = load(tmp_path / "into")
        assert list(merged.failures()) == [cells[-1].cell_id]
        assert not verify(tmp_path / "into").problems
        merge([halves[0], halves[1]], tmp_path / "done")
        assert not load(tmp_path / "done").failures()
