"""Reading: what was written comes back, and damage is noticed."""

import numpy as np
import pandas as pd
import pytest

from stats_tl.archive import ArchiveWriter, load
from stats_tl.archive.descriptions import divided_patients
from stats_tl.archive.files import read_sealed, write_sealed
from stats_tl.errors import ArchiveDamagedError, UserError
from stats_tl.study.cells import plan_cells

from .conftest import fill, make_result, task_description


class TestReading:
    def test_cells_have_the_contracted_columns(self, archive_root, plan):
        archive = load(archive_root)
        contracted = ["cell_id", "pair_id", "task", "backbone", "head", "unfreeze", "arm"]
        contracted += ["repeat", "fold", "seed"]
        assert list(archive.cells.columns[:10]) == contracted
        assert set(archive.cells["cell_id"]) == {c.cell_id for c in plan_cells(plan)[:-2]}
        assert archive.reference == "random"
        assert archive.synthetic

    def test_scores_are_the_log_odds_of_what_was_written(self, archive_root, plan):
        scores = load(archive_root).scores()
        assert list(scores.columns)[-5:] == ["case", "patient", "y_true", "partition", "score"]
        for cell in plan_cells(plan)[:-2]:
            own = scores[scores["cell_id"] == cell.cell_id].set_index("case")
            written = make_result(cell).scores.set_index("case").loc[own.index]
            expected = written["logit_1"].astype(float) - written["logit_0"].astype(float)
            np.testing.assert_array_equal(own["score"], expected)
            assert (own["arm"] == cell.setting.arm.name).all()
            assert (own["partition"] == written["partition"]).all()

    @pytest.mark.parametrize(
        "filters",
        [
            {"arm": "random"},
            {"arm": "random", "repeat": 0, "partition": "test"},
            {"unfreeze": 0, "fold": [0, 1]},
            {"y_true": 1},
            {"case": ["c0", "c3"]},
        ],
    )
    def test_filters_select_what_they_say(self, archive_root, filters):
        archive = load(archive_root)
        everything = archive.scores()
        for key, value in filters.items():
            wanted = value if isinstance(value, list) else [value]
            everything = everything[everything[key].astype(str).isin(map(str, wanted))]
        filtered = archive.scores(**filters)
        assert len(filtered)
        pd.testing.assert_frame_equal(filtered, everything.reset_index(drop=True))

    def test_an_unknown_filter_is_refused(self, archive_root):
        with pytest.raises(UserError, match="cannot filter by 'arms'"):
            load(archive_root).scores(arms="random")

    def test_missing_cells_are_named_with_the_reason(self, archive_root, plan):
        cell = plan_cells(plan)[-1]
        ArchiveWriter(archive_root).record_failure(
            {"cell_id": cell.cell_id, "key": cell.key}, "out of memory", "log"
        )
        missing = load(archive_root).missing
        assert set(missing["cell_id"]) == {c.cell_id for c in plan_cells(plan)[-2:]}
        assert set(missing["reason"]) == {"not trained yet", "out of memory"}

    def test_records_carry_configuration(self, archive_root):
        for record in load(archive_root).records():
            assert record["configuration"]["backbone"] == "resnet18"
            assert record["configuration"]["arm"]["name"] == record["key"]["arm"]

    def test_the_digest_ignores_time_and_the_grouping_into_parts(self, tmp_path, plan):
        cells = plan_cells(plan)
        fill(tmp_path / "a", plan, cells)
        fill(tmp_path / "b", plan, cells[::-1])
        fill(tmp_path / "c", plan, cells[:-1])
        digests = [load(tmp_path / name).digest for name in "abc"]
        assert digests[0] == digests[1] != digests[2]

    def test_no_archive_is_a_sentence(self, tmp_path):
        with pytest.raises(UserError, match=r"no run archive at .*run_grid"):
            load(tmp_path)

    def test_an_archive_without_cells_has_empty_frames(self, tmp_path, plan):
        ArchiveWriter(tmp_path).open(plan.portable())
        archive = load(tmp_path)
        assert archive.cells.empty
        assert "auc" in archive.cells
        assert archive.scores().empty
        assert len(archive.missing) == len(plan_cells(plan))


class TestDamage:
    def files(self, root):
        return sorted(path for path in root.rglob("*") if path.is_file())

    def test_any_flipped_byte_is_noticed(self, archive_root):
        """Every file, 40 random bytes each."""
        rng = np.random.default_rng(0)
        for path in self.files(archive_root):
            whole = path.read_bytes()
            for position in rng.integers(0, len(whole), 40):
                damaged = bytearray(whole)
                damaged[position] ^= 1 << int(rng.integers(8))
                path.write_bytes(bytes(damaged))
                with pytest.raises(ArchiveDamagedError, match=path.name.split(".")[0]):
                    load(archive_root)
            path.write_bytes(whole)
        load(archive_root)

    def test_truncation_and_deletion_are_noticed(self, archive_root, plan):
        for path in self.files(archive_root):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            with pytest.raises(ArchiveDamagedError):
                load(archive_root)
            path.write_bytes(whole)
        scores = next((archive_root / "parts").glob("*.parquet"))
        scores.unlink()
        with pytest.raises(ArchiveDamagedError, match=r"is missing; cells [0-9a-f]{20}"):
            load(archive_root)

    def test_the_rest_stays_usable_and_the_damaged_cells_count_as_missing(self, archive_root, plan):
        scores = next((archive_root / "parts").glob("*.parquet"))
        scores.write_bytes(b"nothing")
        archive = load(archive_root, strict=False)
        assert len(archive.damaged) == 1
        assert len(archive.missing) == 4
        ArchiveWriter(archive_root).remove_damaged(archive.damaged)
        assert len(load(archive_root).missing) == 4

    def test_two_results_for_one_cell_are_a_conflict(self, archive_root, plan):
        writer, cell = ArchiveWriter(archive_root), plan_cells(plan)[0]
        context = {"configurations": {cell.setting.digest: cell.setting.configuration}}
        writer.commit([make_result(cell)], context)  # the same scores: no conflict
        assert len(load(archive_root).cells) == len(plan_cells(plan)) - 2
        writer.commit([make_result(cell, seed=1)], context)
        with pytest.raises(ArchiveDamagedError, match=f"{cell.cell_id}.*other scores"):
            load(archive_root)

    def test_a_patient_on_two_sides_is_noticed(self, archive_root):
        """c0 and c1 are images of patient p0."""
        archive = load(archive_root)
        writer, cases = ArchiveWriter(archive_root), archive.cases("t")
        splits = pd.DataFrame(
            {"repeat": 0, "fold": 1, "case": ["c0", "c1", "c2"], "partition": "train"}
        )
        for side, torn in (("unused", False), ("train", False), ("test", True)):
            splits.loc[1, "partition"] = side
            assert bool(len(divided_patients(splits, cases))) == torn
        # A longer list of splits replaces the archived one.
        description = task_description()
        description["splits_sha256"] = {**description["splits_sha256"], "repeat 0, fold 1": "d"}
        writer.write_task("t", description, cases, splits)
        with pytest.raises(ArchiveDamagedError, match=r"1 patients .* 'p0' in repeat 0, fold 1"):
            load(archive_root)

    def test_a_cell_of_another_split_is_noticed(self, archive_root, plan):
        cell = plan_cells(plan)[-1]
        result = make_result(cell)
        description = task_description()
        description["splits_sha256"] = {
            **description["splits_sha256"],
            f"repeat {cell.repeat}, fold {cell.fold}": "e" * 64,
        }
        archive = load(archive_root)
        ArchiveWriter(archive_root).write_task(
            "t", description, archive.cases("t"), archive.splits("t")
        )
        context = {"configurations": {cell.setting.digest: cell.setting.configuration}}
        ArchiveWriter(archive_root).commit([result], context)
        with pytest.raises(ArchiveDamagedError, match="trained on another split"):
            load(archive_root)

    def test_a_newer_schema_is_refused_by_name(self, archive_root):
        content = read_sealed(archive_root / "archive.json")
        write_sealed(archive_root / "archive.json", {**content, "schema_version": 99})
        with pytest.raises(UserError, match=r"schema version 99.*Update stats_tl"):
            load(archive_root)
