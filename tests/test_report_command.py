"""``python -m stats_tl.report`` as a user meets it: output, files, exit codes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.sound import make_sound
from stats_tl import __version__, report
from stats_tl.archive import ArchiveWriter
from stats_tl.archive.schema import CellResult, scores_digest
from stats_tl.commands import run_command
from stats_tl.reporting import compare_arms
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan

from .reporting.simulate import simulate_halvings, simulate_scores

ROOT = Path(__file__).resolve().parents[1]
PLAN = {
    "study": {"name": "demo", "title": "A demonstration"},
    "tasks": [{"name": "breast", "adapter": "csv", "path": "t.csv"}],
    "cv": {"folds": 5, "repeats": 5},
    "arms": [
        {"name": "imagenet", "source": "imagenet", "reference": True},
        {"name": "radimagenet", "source": "radimagenet"},
    ],
    "grid": [{"backbones": ["resnet18"], "heads": ["linear"]}],
    "analysis": {"margin": 0.05},
}


@pytest.fixture(scope="module")
def scores():
    return simulate_scores()


def write_archive(root, scores, *, leave_out=(), synthetic=False, half=None, halvings=None):
    """An archive of simulated scores, in the layout of the trainer, with extra repeats."""
    sources = {"cv": scores, "half": half, "halving": halvings}
    extra = 0 if half is None else half["repeat"].nunique()
    divisions = 0 if halvings is None else halvings["repeat"].nunique() // 2
    cv = {**PLAN["cv"], "learning_curve_repeats": extra, "halvings": divisions}
    plan = parse_plan({**PLAN, "cv": cv})
    writer = ArchiveWriter(root)
    writer.open(plan.portable())
    results, configurations = [], {}
    for cell in plan_cells(plan):
        key = cell.key
        if (key["arm"], key["repeat"], key["fold"]) in leave_out:
            continue
        if (key["arm"], key["repeat"], key["fold"], key["design"]) in leave_out:
            continue
        source = sources[key["design"]]
        own = source[
            (source["arm"] == key["arm"])
            & (source["repeat"] == key["repeat"])
            & (source["fold"] == key["fold"])
        ]
        frame = own[["case", "patient", "y_true", "partition"]].assign(
            y_true=own["y_true"].astype(np.int8),
            logit_0=np.float32(0),
            logit_1=own["score"].astype(np.float32),
        )
        counts = {"patients": 1, "cases": len(frame), "events": int(frame["y_true"].sum())}
        auc = report_auc(frame)
        record = {
            "cell_id": cell.cell_id,
            "pair_id": cell.pair_id,
            "key": key,
            "configuration_sha256": cell.setting.digest,
            "scores_sha256": scores_digest(frame),
            "split_sha256": "0" * 64,
            "weights": {"sha256": "0" * 64},
            "counts": {"train": counts, "validation": counts, "test": counts},
            "parameters": {"trainable": 1, "total": 2},
            "selection": {"rule": "last-epoch", "epoch": 1},
            "metrics": {"auc": auc, "validation_auc": auc},
            "times": {"seconds": 1.0},
        }
        configurations[cell.setting.digest] = cell.setting.configuration
        results.append(CellResult(record, frame))
    writer.commit(results, {"configurations": configurations})
    cases = scores.drop_duplicates("case")[["case", "patient", "y_true"]].reset_index(drop=True)
    splits = pd.DataFrame({"repeat": [0], "fold": [0], "case": ["c0000"], "partition": ["test"]})
    description = {
        "synthetic": synthetic,
        "labels_sha256": "a" * 64,
        "images_sha256": "b" * 64,
        "splits_sha256": {},
    }
    writer.write_task("breast", description, cases.assign(group=cases["patient"]), splits)
    make_sound(root)
    return root


def report_auc(frame):
    positive, negative = (frame.loc[frame["y_true"] == label, "logit_1"] for label in (1, 0))
    return float((positive.to_numpy()[:, None] > negative.to_numpy()).mean())


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run the command in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = run_command(lambda: report.main([str(a) for a in arguments]))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def csv(tmp_path, scores):
    path = tmp_path / "predictions.csv"
    scores.drop(columns=["partition"]).to_csv(path, index=False)
    return path


def example_of_the_page(root):
    """Names of the example of the page on tests, run on this archive."""
    page = (ROOT / "docs" / "which_test.md").read_text(encoding="utf-8")
    (example,) = (b for b in re.findall(r"```python\n(.*?)```", page, re.S) if "half" in b)
    for old, new in (
        ("runs/busbra", str(root)),
        ("busbra", "breast"),
        ("squeezenet1_1", "resnet18"),
        ('"imagenet", "random"', '"radimagenet", "imagenet"'),
    ):
        example = example.replace(old, new)
    names = {}
    exec(example, names)
    return names


class TestHalfSample:
    """Archives with extra two-fold repeats."""

    @pytest.fixture
    def half(self):
        weaker = (("imagenet", 0.8), ("radimagenet", 1.1))
        return simulate_scores(repeats=3, folds=2, arms=weaker, model_seed=5)

    def test_the_report_agrees_with_the_way_by_hand(self, run, scores, half, tmp_path):
        """The example of the page on tests, on this archive."""
        root = write_archive(tmp_path / "runs" / "demo", scores, half=half)
        code, out, err = run("--out", "out")
        assert (code, err) == (0, "")
        assert "learning-curve corrected test" in " ".join(out.split())
        names = example_of_the_page(root)
        result = names["repeated_cv_test"](
            names["cases"]["y_true"],
            *names["wide"]("cv"),
            groups=names["cases"]["patient"],
            half=names["wide"]("half"),
        )
        row = pd.read_csv(tmp_path / "out/tables/significance.csv").iloc[0]
        assert row["pvalue"] == pytest.approx(result.pvalue, rel=1e-9)
        assert row["method"] == result.method
        assert row["n_half_repeats"] == 3
        sample = pd.read_csv(tmp_path / "out/tables/sample.csv").iloc[0]
        assert (sample["n_repeats"], sample["n_folds"]) == (5, 5)

    def test_halvings_are_used_as_by_hand(self, run, scores, half, tmp_path):
        root = tmp_path / "runs" / "demo"
        write_archive(root, scores, half=half, halvings=simulate_halvings(scores, 5))
        code, out, err = run("--out", "out")
        assert (code, err) == (0, "")
        assert "5 random divisions of the patients into halves" in " ".join(out.split())
        names = example_of_the_page(root)
        result = names["repeated_cv_test"](
            names["cases"]["y_true"],
            *names["wide"]("cv"),
            groups=names["cases"]["patient"],
            halvings=names["wide"]("halving"),
        )
        row = pd.read_csv(tmp_path / "out/tables/significance.csv").iloc[0]
        assert row["pvalue"] == pytest.approx(result.pvalue, rel=1e-9)
        assert (row["n_half_repeats"], row["n_halvings"]) == (3, 5)
        methods = " ".join((tmp_path / "out/methods.md").read_text(encoding="utf-8").split())
        assert "5 random divisions of the patients into halves" in methods

    def test_a_half_sample_cell_that_lacks_stops_the_report(self, run, scores, half, tmp_path):
        lost = [("radimagenet", 2, 1, "half")]
        write_archive(tmp_path / "runs" / "demo", scores, half=half, leave_out=lost)
        code, _, err = run()
        assert code == 4
        assert "half-sample repeat 2: 'radimagenet' lacks fold 1" in err
        code, out, _ = run("--allow-incomplete")
        assert code == 0
        flat = " ".join(out.split())
        assert "half-sample repeat 2: 'radimagenet' lacks fold 1" in flat
        assert "2 extra repeats of" in flat


class TestArchive:
    def test_runs_that_exist_are_reported_in_turn(self, run, scores, tmp_path):
        write_archive(tmp_path / "runs" / "demo", scores)
        code, out, err = run()
        assert (code, err) == (0, "")
        assert "A demonstration" in out
        assert "RadImageNet" in out
        for name in ("tables/significance.tex", "figures/forest.pdf", "all.tex"):
            assert (tmp_path / "analysis/demo" / name).is_file()
            assert f"analysis/demo/{name}" in out
        found = pd.read_csv(tmp_path / "analysis/demo/tables/significance.csv").iloc[0]
        rounded = scores.assign(score=scores["score"].astype(np.float32))
        expected = compare_arms(rounded, "imagenet").iloc[0]
        assert found["pvalue"] == pytest.approx(expected["pvalue"], rel=1e-12)
        assert found["margin"] == 0.05  # of the plan in the archive
        assert "exploratory" not in out.lower()

    def test_the_digest_of_the_archive_is_in_the_tables(self, run, scores, tmp_path):
        from stats_tl.archive import load

        root = write_archive(tmp_path / "runs" / "demo", scores)
        run("--runs", root, "--format", "latex")
        text = (tmp_path / "analysis/demo/tables/significance.tex").read_text()
        assert text.startswith(
            f"% Written by stats_tl {__version__}\n% archive sha256: {load(root).digest}\n"
        )

    def test_synthetic_data_say_so_on_the_terminal(self, run, scores, tmp_path):
        write_archive(tmp_path / "runs" / "demo", scores, synthetic=True)
        _, out, _ = run("--format", "csv")
        assert "Synthetic data, generated by a program" in out

    def test_an_incomplete_archive_stops_with_4(self, run, scores, tmp_path):
        root = write_archive(tmp_path / "runs" / "demo", scores, leave_out={("imagenet", 2, 1)})
        code, out, err = run("--runs", root)
        assert code == 4
        assert "repeat 2: 'imagenet' lacks fold 1" in err
        assert "--allow-incomplete" in err
        assert not (tmp_path / "analysis").exists()
        code, out, _ = run("--runs", root, "--allow-incomplete")
        assert code == 0
        assert "4 repeats of 5-fold" in out

    def test_a_pair_that_was_never_trained_is_missed(self, run, scores, tmp_path):
        gone = {("imagenet", 4, 4), ("radimagenet", 4, 4)}
        root = write_archive(tmp_path / "runs" / "demo", scores, leave_out=gone)
        code, _, err = run("--runs", root)
        assert code == 4
        assert "repeat 4: fold 4 not trained" in err

    def test_defaults_are_no_plan(self, run, scores, tmp_path, monkeypatch):
        """An archive holds an analysis table even where its plan had none."""
        monkeypatch.setitem(PLAN, "analysis", {})
        write_archive(tmp_path / "runs" / "demo", scores)
        _, out, _ = run("--format", "words,json")
        assert "the comparisons are exploratory" in " ".join(out.split())
        methods = (tmp_path / "analysis/demo/methods.md").read_text(encoding="utf-8")
        assert "followed a plan" not in methods
        assert "No analysis plan was given" in methods
        summary = json.loads((tmp_path / "analysis/demo/summary.json").read_text())
        assert summary["analysis"]["planned"] is False
        assert summary["analysis"]["plan_sha256"] == ""

    def test_a_damaged_archive_stops_with_3(self, run, scores, tmp_path):
        root = write_archive(tmp_path / "runs" / "demo", scores)
        part = sorted((root / "parts").glob("*.parquet"))[0]
        part.write_bytes(part.read_bytes()[:-1] + b"?")
        code, _, err = run()
        assert code == 3
        assert "damaged" in err

    def test_other_archives_are_still_reported(self, run, scores, tmp_path):
        write_archive(tmp_path / "runs" / "a", scores, leave_out={("imagenet", 2, 1)})
        write_archive(tmp_path / "runs" / "b", scores)
        code, _, err = run("--out", "tables_of", "--format", "csv")
        assert code == 4
        assert "runs/a: the pairs are not complete" in err
        assert (tmp_path / "tables_of/b/tables/significance.csv").is_file()

    def test_a_flag_that_departs_from_the_plan_is_exploratory(self, run, scores, tmp_path):
        root = write_archive(tmp_path / "runs" / "demo", scores)
        _, out, _ = run("--runs", root, "--margin", "0.01", "--format", "csv")
        flat = " ".join(out.split())
        assert "it departs from its plan" in flat
        assert "margin 0.01 (on the command line; planned: 0.05)" in flat

    def test_no_archive_tells_how_to_make_one(self, run):
        code, _, err = run()
        assert code == 2
        assert "python -m stats_tl.run_grid" in err


class TestPredictions:
    def test_a_csv_is_reported(self, run, csv, scores, tmp_path):
        code, out, err = run("--scores", csv, "--reference", "imagenet", "--margin", "0.05")
        assert (code, err) == (0, "")
        found = pd.read_csv(tmp_path / "analysis/predictions/tables/significance.csv").iloc[0]
        expected = compare_arms(scores, "imagenet").iloc[0]
        assert found["pvalue"] == pytest.approx(expected["pvalue"], rel=1e-9)
        assert "No analysis plan was given" in out

    def test_what_a_csv_leaves_out_is_said(self, run, csv, scores):
        """Without patients or folds the numbers stand, with what they take for granted."""
        once = scores[(scores["repeat"] == 0) & (scores["partition"] == "test")]
        once = once.drop(columns=["partition"])
        for dropped, caution in (
            ([], ""),
            (["patient"], "patients are unknown"),
            (["repeat", "fold"], "Scores were treated as those of one fixed test set"),
        ):
            once.drop(columns=dropped).to_csv(csv, index=False)
            _, out, _ = run("--scores", csv, "--reference", "imagenet", "--format", "csv")
            flat = " ".join(out.split())
            assert ("patients are unknown" in flat) == (dropped == ["patient"])
            assert ("one fixed test set, because no folds" in flat) == ("fold" in dropped)
            assert caution in flat
            assert "SDD is the smallest difference" in flat

    def test_a_plan_of_the_analysis_only(self, run, csv, tmp_path):
        plan = tmp_path / "analysis.toml"
        plan.write_text('[analysis]\nreference = "imagenet"\nmargin = 0.05\n')
        code, out, _ = run("--scores", csv, "--plan", plan, "--format", "csv")
        assert code == 0
        assert "exploratory" not in out.lower()

    def test_check_finds_a_changed_table(self, run, csv, tmp_path):
        arguments = ("--scores", csv, "--reference", "imagenet")
        run(*arguments)
        table = tmp_path / "analysis/predictions/tables/significance.tex"
        before = {path: path.read_bytes() for path in table.parent.iterdir()}
        code, out, err = run(*arguments, "--check")
        assert (code, err) == (0, "")
        assert " files agree with predictions" in out
        table.write_text(table.read_text().replace("superior", "inferior", 1))
        code, _, err = run(*arguments, "--check")
        assert code == 1
        assert "analysis/predictions/tables/significance.tex: differs" in err
        assert "significance.csv" not in err
        assert all(p.read_bytes() == b for p, b in before.items() if p != table)

    def test_check_draws_nothing_but_looks_for_pictures(self, run, csv, tmp_path, monkeypatch):
        arguments = ("--scores", csv, "--reference", "imagenet")
        run(*arguments)

        def draw(*_):
            raise AssertionError("drawn")

        monkeypatch.setattr("stats_tl.reporting.figures.side_by_side.render_figure", draw)
        assert run(*arguments, "--check")[0] == 0
        (tmp_path / "analysis/predictions/figures/roc.png").unlink()
        code, _, err = run(*arguments, "--check")
        assert code == 1
        assert "roc.png: No such file" in err

    def test_check_without_tables_writes_nothing(self, run, csv, tmp_path):
        code, _, err = run("--scores", csv, "--reference", "imagenet", "--check")
        assert code == 1
        assert "No such file" in err
        assert not (tmp_path / "analysis").exists()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((), "Say --reference NAME; arms: imagenet, radimagenet"),
            (("--reference", "imagnet"), "did you mean 'imagenet'?"),
            (("--reference", "imagenet", "--format", "latx"), "--format 'latx': unknown"),
            (("--reference", "imagenet", "--format", ","), "--format is empty"),
            (("--reference", "imagenet", "--margin", "7"), "expected a number less than 0.5"),
            (("--reference", "imagenet", "--margin", "nan"), "expected a finite number"),
            (("--plan", "no.toml"), "cannot read the plan no.toml"),
        ],
    )
    def test_wrong_use_stops_with_2(self, run, csv, arguments, message):
        code, _, err = run("--scores", csv, *arguments)
        assert code == 2
        assert message in err
        assert err.startswith("error: ")

    def test_a_case_missing_in_one_arm_stops_with_2(self, run, csv):
        csv.write_text("".join(csv.read_text().splitlines(keepends=True)[:-1]))
        code, _, err = run("--scores", csv, "--reference", "imagenet")
        assert code == 2
        assert "1 case has a score in one arm only (c0" in err

    def test_an_interruption_stops_with_130(self, run, csv, monkeypatch):
        def interrupt(*args, **kwargs):
            raise KeyboardInterrupt

        monkeypatch.setattr("stats_tl.reporting.build_report", interrupt)
        code, _, err = run("--scores", csv, "--reference", "imagenet")
        assert code == 130
        assert "Traceback" not in err


class TestCommandLine:
    def command(self, *arguments):
        return subprocess.run(
            [sys.executable, *arguments],
            capture_output=True, text=True, cwd=ROOT, timeout=60, env=dict(os.environ),
        )  # fmt: skip

    def test_help_imports_nothing_heavy(self):
        code = (
            "import sys; from stats_tl import report; report.build_parser().format_help(); "
            "print([m for m in ('numpy', 'pandas', 'torch', 'matplotlib') if m in sys.modules])"
        )
        assert self.command("-c", code).stdout.strip() == "[]"

    def test_help_shows_groups_defaults_examples_and_exit_codes(self):
        out = self.command("-m", "stats_tl.report", "--help").stdout
        for piece in ("what to report", "(default: analysis/<study>)", "examples:", "exit codes:"):
            assert piece in out

    def test_the_report_needs_neither_torch_nor_the_trainer(self):
        code = (
            "import sys; import stats_tl.reporting, stats_tl.reporting.figures; "
            "print([m for m in sys.modules if m == 'torch' "
            "or m.startswith(('stats_tl.train', 'stats_tl.data', 'stats_tl.archive'))])"
        )
        assert self.command("-c", code).stdout.strip() == "[]"

    def test_version_and_unknown_options(self):
        done = self.command("-m", "stats_tl.report", "--version")
        assert (done.returncode, done.stdout.strip()) == (0, f"stats_tl {__version__}")
        done = self.command("-m", "stats_tl.report", "--runs", "a", "--scores", "b")
        assert done.returncode == 2
        assert "not allowed with" in done.stderr

    def test_choices_of_the_parser_are_those_of_the_analysis(self):
        from stats_tl.report.parser import CORRECTIONS as OFFERED
        from stats_tl.report.parser import FORMATS as WRITTEN
        from stats_tl.reporting import CORRECTIONS, FORMATS

        assert (OFFERED, WRITTEN) == (CORRECTIONS, FORMATS)
