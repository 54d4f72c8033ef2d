"""``python -m stats_tl.archive verify``."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.damage import build, quiet, try_damages
from benchmarks.sound import make_sound
from stats_tl.archive import ArchiveWriter, load
from stats_tl.archive.__main__ import main
from stats_tl.archive.files import checksum, parquet_bytes, read_sealed, write_sealed
from stats_tl.archive.integrity.verification import verify
from stats_tl.errors import ArchiveDamagedError
from stats_tl.study.cells import plan_cells

from ..conftest import commit, fill, parts


@pytest.fixture
def sound_root(archive_root):
    make_sound(archive_root)
    return archive_root


class TestVerify:
    def test_a_whole_archive(self, tmp_path, plan):
        fill(tmp_path, plan, plan_cells(plan))
        make_sound(tmp_path)
        code, said = quiet(main, "verify", tmp_path)
        assert code == 0
        assert f"{len(plan_cells(plan))} whole cells" in said
        assert "nothing is damaged, nothing is missing" in said

    def test_an_incomplete_archive_is_whole_and_has_its_own_code(self, sound_root):
        code, said = quiet(main, "verify", sound_root.parent)
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

    def test_a_deleted_record_is_an_orphan(self, sound_root):
        path = parts(sound_root)[0]
        cells = [cell["cell_id"] for cell in read_sealed(path)["cells"]]
        path.unlink()
        code, said = quiet(main, "verify", sound_root)
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
