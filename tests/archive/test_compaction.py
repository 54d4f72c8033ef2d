"""``python -m stats_tl.archive compact``."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.damage import quiet
from stats_tl.archive import compaction, load
from stats_tl.archive.__main__ import main
from stats_tl.archive.compaction import compact
from stats_tl.archive.integrity.verification import verify
from stats_tl.errors import ArchiveDamagedError

from .conftest import parts


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

    def test_scores_of_what_was_compacted_after_loading_are_refused(self, archive_root):
        archive = load(archive_root)
        whole = archive.scores()
        compact(archive_root)
        with pytest.raises(ArchiveDamagedError, match=r"is gone: .* read it again"):
            archive.scores()
        assert load(archive_root).scores().equals(whole)

    def test_a_damaged_archive_is_not_compacted(self, archive_root):
        path = parts(archive_root)[0].with_suffix(".parquet")
        path.write_bytes(path.read_bytes()[:-1])
        assert quiet(main, "compact", archive_root)[0] == 3
        assert len(parts(archive_root)) == 3
