"""Archives of every schema version."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.damage import quiet
from stats_tl.archive import ArchiveWriter, load
from stats_tl.archive.__main__ import main
from stats_tl.archive.compaction import compact
from stats_tl.archive.files import read_sealed, write_sealed
from stats_tl.archive.integrity.verification import verify
from stats_tl.archive.migrations import migrate_part
from stats_tl.archive.schema import SCHEMA_VERSION
from stats_tl.errors import UserError
from stats_tl.study.cells import plan_cells

from .conftest import commit, fill, make_result, parts

GOLDEN = Path(__file__).with_name("golden")


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
