"""What an archive says of itself twice has to be the same."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.archive_scale import plan_of
from benchmarks.damage import quiet
from stats_tl import report
from stats_tl.archive import load
from stats_tl.archive.__main__ import main
from stats_tl.archive.compaction import compact
from stats_tl.archive.files import read_sealed, write_sealed
from stats_tl.archive.integrity.verification import verify

from ..tampering import (
    change_records,
    change_scores,
    change_table,
    copy_of,
    part_paths,
    write_sound,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return write_sound(tmp_path_factory.mktemp("sound") / "runs" / "scale")


@pytest.fixture
def root(sound, tmp_path):
    return copy_of(sound, tmp_path)


def found(root):
    """What contradicts what, and of how many cells."""
    verified = verify(root)
    assert not verified.problems
    return {one.what: len(one.cells) for one in verified.contradictions}


def of(frame, side):
    return frame["partition"].astype(str) == side


def flip_labels(frame):
    return frame.assign(y_true=(1 - frame["y_true"]).astype("int8"))


def flip_one_label(frame):
    frame.loc[frame.index[3], "y_true"] = 1 - frame["y_true"].iloc[3]
    return frame


def patients_are_cases(frame):
    return frame.assign(patient=frame["case"].astype(str))


def a_third_of_positives_gone(frame):
    wanted = frame[of(frame, "test") & (frame["y_true"] == 1)]
    return frame.drop(wanted.index[wanted.groupby("cell_id", observed=True).cumcount() % 3 == 0])


def validation_becomes_test(frame):
    text = frame["partition"].astype(str)
    return frame.assign(partition=text.where(np.arange(len(frame)) % 7 > 0, "test"))


def another_partition(frame):
    text = frame["partition"].astype(str)
    return frame.assign(partition=text.where(np.arange(len(frame)) != 5, "holdout"))


def not_finite(value):
    def change(frame):
        frame.loc[frame.index[7], "logit_1"] = np.float32(value)
        return frame

    return change


def renamed_case(frame):
    text = frame["case"].astype(str)
    return frame.assign(case=text.where(text != "case-0004", "case-9999"))


def doubled(frame):
    return pd.concat([frame, frame.iloc[10:14]], ignore_index=True)


def doubled_for_another(frame):
    """The number of rows stays what it was."""
    return pd.concat([frame.drop(frame.index[10]), frame.iloc[[11]]], ignore_index=True)


SCORES = {
    flip_labels: ("y_true in the scores", 40),
    flip_one_label: ("y_true in the scores", 1),
    patients_are_cases: ("patients in the scores", 40),
    a_third_of_positives_gone: ("scores lack validation or test cases", 40),
    validation_becomes_test: ("partitions in the scores", 40),
    another_partition: ("partitions in the scores", 1),
    not_finite(np.nan): ("scores are not finite", 1),
    not_finite(np.inf): ("scores are not finite", 1),
    renamed_case: ("scores are of cases that tasks/t does not have", 40),
    doubled: ("scores hold a case twice", 1),
    doubled_for_another: ("scores lack validation or test cases", 1),
}


class TestScores:
    def test_a_sound_archive(self, sound):
        assert found(sound) == {}
        assert quiet(main, "verify", sound) == (
            0,
            f"{sound}: 40 whole cells in 1 parts, 2,400 scores read\n"
            f"{sound}: nothing is damaged, nothing is missing\n",
        )

    @pytest.mark.parametrize("change", SCORES, ids=lambda change: change.__name__)
    def test_scores_against_data_set_and_splits(self, root, change):
        change_scores(root, change)
        told = found(root)
        words, cells = SCORES[change]
        assert [n for what, n in told.items() if what.startswith(words)] == [cells], told
        code, said = quiet(main, "verify", root)
        assert code == 3
        assert words in said
        assert "restore the files named from a backup" in said

    def test_every_way_at_once_is_told(self, root):
        change_scores(root, lambda frame: patients_are_cases(flip_labels(doubled(frame))))
        assert len(found(root)) == 3

    @pytest.mark.parametrize("metric", ["auc", "validation_auc"])
    def test_a_recorded_auc(self, root, metric):
        def change(cell, part):
            if cell["key"]["arm"] == "imagenet":
                cell["metrics"][metric] += 1e-6

        change_records(root, change)
        (what,) = found(root)
        assert f"({metric})" in what
        assert found(root)[what] == 20

    def test_aucs_with_ties_are_those_of_scikit_learn(self, root):
        aucs = {}

        def tie(frame):
            frame = frame.assign(logit_0=np.float32(0), logit_1=frame["logit_1"].round(0))
            for cell, own in frame.groupby("cell_id", observed=True):
                aucs[str(cell)] = [
                    roc_auc_score(rows["y_true"], rows["logit_1"])
                    for rows in (own[of(own, "test")], own[of(own, "validation")])
                ]
            return frame

        def record(cell, part):
            cell["metrics"] = dict(
                zip(("auc", "validation_auc"), aucs[cell["cell_id"]], strict=True)
            )

        change_scores(root, tie)
        assert len(found(root)) == 2
        change_records(root, record)
        assert found(root) == {}

    @pytest.mark.parametrize("side", ["train", "validation", "test"])
    @pytest.mark.parametrize("unit", ["patients", "cases", "events"])
    def test_counts(self, root, side, unit):
        def change(cell, part):
            cell["counts"][side][unit] += 1

        change_records(root, change)
        assert found(root) == {
            "the recorded counts are not those of the cell's split in tasks/": 40
        }

    def test_parts_of_an_old_schema_and_compacted_ones(self, root):
        assert compact(root).cells == 40
        change_scores(root, flip_labels)
        assert set(found(root).values()) == {40}


def exchange_arms(cell, part):
    cell["key"]["arm"] = {"random": "imagenet", "imagenet": "random"}[cell["key"]["arm"]]


def exchange_arms_in_the_configuration(cell, part):
    """Key and configuration agree; hash and identifier are the old ones."""
    exchange_arms(cell, part)
    own = part["configurations"][cell["configuration_sha256"]]
    if own["arm"]["name"] != cell["key"]["arm"]:
        own["arm"]["name"] = cell["key"]["arm"]


def another_repeat(cell, part):
    cell["key"]["repeat"] = 1 - cell["key"]["repeat"]


def another_pair(cell, part):
    cell["pair_id"] = "0" * 20


def other_labels(cell, part):
    cell["labels_sha256"] = "0" * 64


class TestRecords:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (exchange_arms, "its key says arm"),
            (exchange_arms_in_the_configuration, "its configuration is not the one"),
            (another_repeat, "its identifier is not that"),
            (another_pair, "its pair is not that"),
            (other_labels, "names other labels"),
        ],
    )
    def test_key_configuration_and_identifiers(self, root, change, words):
        change_records(root, change)
        code, said = quiet(main, "verify", root)
        assert code == 3
        assert words in said
        assert "40 cells: " in said
        # Cheap to see, so report sees it, too.
        code, said = quiet(report.main, "--runs", root, "--out", root.parent / "out")
        assert code == 3
        assert words in said
        assert "restore the files named" in said
        assert not (root.parent / "out").exists()


class TestTasks:
    def test_labels_under_their_old_hash(self, root):
        change_table(root, "", flip_labels)
        told = found(root)
        assert "cases, patients or labels in tasks/t.parquet are not those whose hash" in next(
            iter(told)
        )
        assert any(what.startswith("y_true in the scores") for what in told)

    def test_labels_with_their_hash(self, root):
        change_table(root, "", flip_one_label, labels=True)
        told = found(root)
        assert told["a record names other labels (labels_sha256) than tasks/t.json"] == 40
        assert quiet(report.main, "--runs", root, "--out", root / "out")[0] == 3

    def test_labels_with_every_hash_and_the_scores(self, root):
        """What is left is what the records have measured: AUCs and counts."""
        change_table(root, "", flip_labels, labels=True)
        new = read_sealed(root / "tasks" / "t.json")["labels_sha256"]
        change_records(root, lambda cell, part: cell.update(labels_sha256=new))
        change_scores(root, flip_labels)
        told = found(root)
        assert len(told) == 3
        assert all(what.startswith("the recorded") for what in told)

    def test_partitions_under_their_old_hash(self, root):
        def change(frame):
            side = frame["partition"].astype(str)
            return frame.assign(
                partition=side.map({"test": "validation", "validation": "test"}).where(
                    (frame["fold"] == 1) & (frame["repeat"] == 0), side
                )
            )

        change_table(root, ".splits", change)
        told = found(root)
        assert any(what.startswith("a split in tasks/t.splits.parquet") for what in told)
        assert any(what.startswith("partitions in the scores") for what in told)

    def test_cases_that_stand_twice(self, root):
        change_table(root, "", lambda frame: pd.concat([frame, frame.iloc[[0]]]))
        assert "tasks/t.parquet holds a case twice" in found(root)

    def test_a_split_without_some_cases(self, root):
        change_table(root, ".splits", lambda frame: frame.iloc[1:])
        assert any(what.startswith("a split in tasks/t.splits") for what in found(root))


class TestGrownStudy:
    """An older file beside newer ones: each whole, together false."""

    def test_an_older_plan(self, root):
        path = root / "archive.json"
        header = read_sealed(path)
        header["plan"] = json.loads(json.dumps(plan_of(20).portable()))
        write_sealed(path, header)
        code, said = quiet(main, "verify", root)
        assert code == 3
        assert "20 cells: a cell is archived that the plan in archive.json does not ask for" in said
        for options in ((), ("--allow-incomplete",)):
            code, said = quiet(report.main, "--runs", root, "--out", root / "out", *options)
            assert code == 3
            assert "does not ask for" in said
            assert "run_grid --extend" in said
        assert len(load(root).cells) == 40  # nothing is lost for it

    def test_older_descriptions_of_a_data_set(self, root, tmp_path):
        old = write_sound(tmp_path / "old" / "scale", cells=20)
        for path in (old / "tasks").iterdir():
            (root / "tasks" / path.name).write_bytes(path.read_bytes())
        told = found(root)
        (what,) = told
        assert what.startswith("tasks/t.json does not describe the split of a cell")
        assert told[what] == 20
        assert quiet(report.main, "--runs", root, "--out", root / "out")[0] == 3

    def test_a_plan_that_no_version_reads(self, root):
        path = root / "archive.json"
        header = read_sealed(path)
        header["plan"]["grid"] = [{"backbones": ["resnet1018"], "heads": ["linear"]}]
        write_sealed(path, header)
        code, said = quiet(main, "verify", root)
        assert code == 2
        assert "cannot read its plan" in said

    @pytest.mark.parametrize(
        ("suffix", "change"),
        [
            ("", lambda frame: frame.drop(columns="patient")),
            ("", lambda frame: frame.assign(y_true="yes")),
            ("", lambda frame: frame.assign(y_true=2)),
            ("", lambda frame: frame.assign(case=None)),
            (".splits", lambda frame: frame.drop(columns="fold")),
            (".splits", lambda frame: frame.assign(repeat=0.5)),
        ],
    )
    def test_tables_that_reading_cannot_use(self, root, suffix, change):
        change_table(root, suffix, change)
        for command, options in ((main, ("verify", root)), (report.main, ("--runs", root))):
            code, said = quiet(command, *options)
            assert code == 3
            assert f"t{suffix}.parquet is damaged: its column" in said or "it has no column" in said

    def test_types_that_are_no_scores(self, root):
        change_scores(root, lambda frame: frame.assign(logit_1=frame["logit_1"].astype(str)))
        (problem,) = verify(root).problems
        assert "logit_1" in problem.what
        assert part_paths(root)[0] == problem.path
