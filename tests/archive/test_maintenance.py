"""``python -m stats_tl.archive``: verify, merge, compact; and archives of every schema version."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.damage import build, quiet, try_damages
from stats_tl.archive import ArchiveWriter, compaction, load
from stats_tl.archive.__main__ import main
from stats_tl.archive.compaction import compact
from stats_tl.archive.files import checksum, parquet_bytes, read_sealed, unseal, write_sealed
from stats_tl.archive.merging import merge
from stats_tl.archive.migrations import migrate_part
from stats_tl.archive.schema import SCHEMA_VERSION
from stats_tl.archive.verification import verify
from stats_tl.errors import ArchiveDamagedError, UserError
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan

from .conftest import RAW, fill, make_result

GOLDEN = Path(__file__).with_name("golden")


def parts(root):
    return sorted((root / "parts").glob("*.json"))


def commit(root, cell, seed=0, files=None):
    """One more cell, in a part of its own."""
    result = make_result(cell, seed)
    result.files.update(files or {})
    context = {"configurations": {cell.setting.digest: cell.setting.configuration}}
    ArchiveWriter(root).commit([result], context)


class TestVerify:
    def test_a_whole_archive(self, archive_root, plan):
        commit(archive_root, plan_cells(plan)[-2])
        commit(archive_root, plan_cells(plan)[-1])
        code, said = quiet(main, "verify", archive_root)
        assert code == 0
        assert f"{len(plan_cells(plan))} whole cells" in said
        assert "nothing is damaged, nothing is missing" in said

    def test_an_incomplete_archive_is_whole_and_has_its_own_code(self, archive_root):
        code, said = quiet(main, "verify", archive_root.parent)
        assert code == 4
        assert "nothing is damaged; 2 cells of the plan are not there" in said

    def test_the_cells_of_a_damaged_record_are_named_by_their_scores(self, archive_root):
        path = parts(archive_root)[0]
        cells = [cell["cell_id"] for cell in read_sealed(path)["cells"]]
        path.write_bytes(path.read_bytes()[:-10])
        code, said = quiet(main, "verify", archive_root)
        assert code == 3
        assert all(cell in said for cell in cells)
        with pytest.raises(ArchiveDamagedError, match=cells[0]):
            load(archive_root)

    def test_a_deleted_record_is_an_orphan(self, archive_root):
        path = parts(archive_root)[0]
        cells = [cell["cell_id"] for cell in read_sealed(path)["cells"]]
        path.unlink()
        code, said = quiet(main, "verify", archive_root)
        assert code == 4
        assert f"orphan   parts/{path.stem}.parquet" in said
        assert all(cell in said for cell in cells)

    def test_scores_that_are_not_those_of_the_record(self, archive_root):
        """Every checksum right, and the scores of two cells exchanged."""
        path = parts(archive_root)[0]
        part = read_sealed(path)
        frame = pd.read_parquet(path.with_suffix(".parquet"))
        one, other = frame["cell_id"].unique()
        frame["cell_id"] = frame["cell_id"].map({one: other, other: one})
        data = parquet_bytes(frame)
        path.with_suffix(".parquet").write_bytes(data)
        part["scores"]["sha256"] = checksum(data)
        write_sealed(path, part)
        load(archive_root)
        found = verify(archive_root)
        assert [problem.cells for problem in found.problems] == [sorted([one, other])]

    def test_kept_backbones_are_read(self, archive_root, plan):
        cell = plan_cells(plan)[-1]
        commit(archive_root, cell, files={".safetensors": b"weights"})
        assert not verify(archive_root).problems
        (kept,) = (archive_root / "backbones").iterdir()
        for data in (b"weighty", None):
            kept.unlink()
            if data is not None:
                kept.write_bytes(data)
            (problem,) = verify(archive_root).problems
            assert problem.cells == [cell.cell_id]

    def test_without_its_plan_the_rest_is_still_looked_at(self, archive_root):
        (archive_root / "archive.json").write_text("{}")
        parts(archive_root)[0].write_text("{}")
        found = verify(archive_root)
        assert {problem.path.name for problem in found.problems} == {
            "archive.json",
            parts(archive_root)[0].name,
        }
        assert found.cells == 4
        assert found.missing is None

    def test_a_damaged_failure_record(self, archive_root, plan):
        cell = plan_cells(plan)[-1]
        key = {"cell_id": cell.cell_id, "pair_id": cell.pair_id, "key": cell.key}
        ArchiveWriter(archive_root).record_failure(key, "out of memory", "log")
        path = archive_root / "failed" / f"{cell.cell_id}.json"
        path.write_bytes(path.read_bytes().replace(b"memory", b"memxry"))
        with pytest.raises(ArchiveDamagedError, match=cell.cell_id):
            load(archive_root)

    def test_random_damage_is_never_silent(self, tmp_path):
        """A small share of ``python -m benchmarks.damage``, on the archive of a real grid."""
        build(tmp_path)
        found = try_damages(tmp_path / "runs" / "small", 18, np.random.default_rng(7), tmp_path)
        assert found.tries == 18
        assert found.silent == []

    def test_no_archive(self, tmp_path):
        code, said = quiet(main, "verify", tmp_path)
        assert code == 2
        assert "no run archive in" in said


class TestCompaction:
    def test_content_stays_and_files_go(self, archive_root):
        before = load(archive_root)
        records = sorted(before.records(), key=lambda record: record["cell_id"])
        scores, digest = before.scores(), before.digest
        code, said = quiet(main, "compact", archive_root)
        assert code == 0
        assert "6 cells in 1 parts, 3 before" in said
        after = load(archive_root)
        assert len(list((archive_root / "parts").iterdir())) == 2
        assert after.digest == digest
        pd.testing.assert_frame_equal(after.scores(), scores)
        assert not verify(archive_root).problems
        for new, old in zip(
            sorted(after.records(), key=lambda record: record["cell_id"]), records, strict=True
        ):
            assert {**new, "scores": 0} == {**old, "scores": 0}
        assert compact(archive_root).after == 1

    def test_parts_have_a_largest_size(self, archive_root):
        assert compact(archive_root, cells=4).after == 2
        assert len(load(archive_root).cells) == 6
        assert compact(archive_root, rows=10).after == 2

    def test_wherever_it_is_killed_nothing_is_lost(self, archive_root, monkeypatch, tmp_path):
        """Stop in front of every write and removal in turn."""
        digest = load(archive_root).digest
        unlink, write = Path.unlink, compaction.write_part

        class Killed(BaseException):
            pass

        stops = 0
        for stop in range(20):
            root = tmp_path / str(stop) / "demo"
            shutil.copytree(archive_root, root)
            left = [stop]

            def step(function, left=left):
                def wrapped(*arguments, **keywords):
                    if left[0] == 0:
                        raise Killed
                    left[0] -= 1
                    return function(*arguments, **keywords)

                return wrapped

            monkeypatch.setattr(Path, "unlink", step(unlink))
            monkeypatch.setattr(compaction, "write_part", step(write))
            try:
                compact(root)
            except Killed:
                stops += 1
            monkeypatch.setattr(Path, "unlink", unlink)
            monkeypatch.setattr(compaction, "write_part", write)
            assert load(root).digest == digest
            compact(root)
            assert load(root).digest == digest
            assert len(parts(root)) == 1
        assert stops >= 7  # one part written, three records and three files of scores removed

    def test_a_reader_finds_what_is_compacted_meanwhile(self, archive_root, monkeypatch):
        from stats_tl.archive import reader

        digest, read = load(archive_root).digest, reader.read_part
        calls = []

        def compacting(path):
            calls.append(path)
            if len(calls) == 2:
                compact(archive_root)
            return read(path)

        monkeypatch.setattr(reader, "read_part", compacting)
        assert load(archive_root).digest == digest

    def test_a_damaged_archive_is_not_compacted(self, archive_root):
        path = parts(archive_root)[0].with_suffix(".parquet")
        path.write_bytes(path.read_bytes()[:-1])
        assert quiet(main, "compact", archive_root)[0] == 3
        assert len(parts(archive_root)) == 3


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


class TestSchemas:
    #: What the program of each version read from its own golden archive.
    DIGESTS = {1: "5041a2c8a803c90574795f4c0920c512115b333e7e5eb4f86526915a7d1c83e0"}  # noqa: RUF012

    @pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
    def test_every_version_is_read_as_it_was_written(self, version, plan, tmp_path):
        root = GOLDEN / f"v{version}" / "demo"
        archive = load(root)
        assert all(read_sealed(path)["schema_version"] == version for path in parts(root))
        assert archive.digest == self.DIGESTS.get(version, self.DIGESTS[1])
        scores = archive.scores()
        for cell in plan_cells(plan)[:-2]:
            own = scores[scores["cell_id"] == cell.cell_id].set_index("case")
            written = make_result(cell).scores.set_index("case").loc[own.index]
            expected = written["logit_1"].astype(float) - written["logit_0"].astype(float)
            np.testing.assert_array_equal(own["score"], expected)
        for record in archive.records():
            assert record["configuration"]["backbone"] == "resnet18"
            assert record["key"]["task"] == "t"
        assert set(archive.failures()) == {plan_cells(plan)[-1].cell_id}
        assert not verify(root).problems

    def test_an_old_archive_goes_on_and_is_compacted(self, plan, tmp_path):
        root = tmp_path / "demo"
        shutil.copytree(GOLDEN / "v1" / "demo", root)
        ArchiveWriter(root).open(plan.portable())
        assert read_sealed(root / "archive.json")["schema_version"] == SCHEMA_VERSION
        for cell in plan_cells(plan)[-2:]:
            commit(root, cell)
        fill(tmp_path / "new" / "demo", plan, plan_cells(plan))
        digest = load(tmp_path / "new" / "demo").digest
        assert load(root).digest == digest
        compact(root)
        assert load(root).digest == digest

    def test_migrations_are_pure(self):
        path = parts(GOLDEN / "v1" / "demo")[0]
        content = read_sealed(path)
        before = json.dumps(content)
        first, second = migrate_part(content), migrate_part(content)
        assert first == second
        assert first["schema_version"] == SCHEMA_VERSION
        assert json.dumps(content) == before
        assert migrate_part(first) == first

    def test_a_newer_part_is_refused_by_name(self, archive_root):
        path = parts(archive_root)[0]
        write_sealed(path, {**read_sealed(path), "schema_version": SCHEMA_VERSION + 1}, large=True)
        for command in (main, None):
            with pytest.raises(UserError, match=rf"schema version {SCHEMA_VERSION + 1}.*Update"):
                load(archive_root) if command is None else verify(archive_root)
        assert quiet(main, "verify", archive_root)[0] == 2


def test_the_plain_seal_notices_every_flip(tmp_path):
    path = tmp_path / "file.json"
    write_sealed(path, {"a": [1.5, "ä", None]}, large=True)
    whole = path.read_bytes()
    assert json.loads(whole)["content"] == read_sealed(path) == {"a": [1.5, "ä", None]}
    for position in range(len(whole)):
        for bit in range(8):
            data = bytearray(whole)
            data[position] ^= 1 << bit
            with pytest.raises(ArchiveDamagedError):
                unseal(bytes(data), path)
        with pytest.raises(ArchiveDamagedError):
            unseal(whole[:position], path)
