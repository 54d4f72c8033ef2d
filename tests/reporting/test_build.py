"""Whole reports: files, notes, bytes, and the check of committed tables."""

import io

import numpy as np
import pandas as pd
import pytest

from stats_tl.errors import IncompleteError, UserError
from stats_tl.reporting import (
    AnalysisOptions,
    Predictions,
    build_report,
    compare_arms,
    differing_files,
    plain_table,
    write_report,
)

from .simulate import simulate_scores

OPTIONS = AnalysisOptions(reference="imagenet", margin=0.03, planned=True)
TABLES = ("sample", "significance", "mixed_model", "variance_components")


class Synthetic(Predictions):
    """Evidence that is made up, with a title and a gap."""

    synthetic = True


@pytest.fixture(scope="module")
def evidence(scores):
    return Predictions(scores, name="demo", digest="0" * 64)


@pytest.fixture(scope="module")
def report(evidence):
    return build_report(evidence, OPTIONS)


def test_all_files_are_there(report):
    expected = {f"tables/{name}.{suffix}" for name in TABLES for suffix in ("csv", "tex")}
    assert expected <= set(report.files)
    assert {"all.tex", "summary.json", "figures/forest.pdf", "figures/forest.png"} <= set(
        report.files
    )
    for name in TABLES:
        assert rf"\input{{tables/{name}.tex}}" in report.files["all.tex"].decode()


@pytest.mark.parametrize(
    ("formats", "suffixes"),
    [(["csv"], {"csv"}), (["latex"], {"tex"}), (["figures"], {"pdf", "png"}), (["json"], {"json"})],
)
def test_formats(evidence, formats, suffixes):
    files = build_report(evidence, OPTIONS, formats=formats).files
    assert {name.rsplit(".")[-1] for name in files} == suffixes


def test_the_same_scores_give_the_same_bytes_in_any_order(evidence, report, scores):
    shuffled = scores.sample(frac=1, random_state=3)
    other = build_report(Predictions(shuffled, name="demo", digest="0" * 64), OPTIONS)
    assert other.files == report.files


def test_the_csv_holds_the_numbers_unrounded(report, scores):
    text = report.files["tables/significance.csv"]
    found = pd.read_csv(io.BytesIO(text), dtype=str)  # pandas' own parser may round
    expected = compare_arms(scores, "imagenet", options=OPTIONS)
    for column in ("auc", "difference", "pvalue", "pvalue_adjusted", "n_cases"):
        np.testing.assert_array_equal(found[column].map(float), expected[column])


def test_the_latex_says_test_estimand_interval_correction_and_n(report):
    text = report.files["tables/significance.tex"].decode()
    for piece in (
        "archive sha256" if "archive" in text else "predictions sha256: " + "0" * 64,
        "Raw: the P value of the learning-curve corrected test, clustered by patient",
        "Nadeau and Bengio",
        "95 \\% confidence interval",
        "Holm\\textquoteright{}s correction over 4 comparisons",
        "training procedures, for new patients and new training runs at this sample size",
        "within \\ensuremath{\\pm} 0.03",
        "120 patients, 248 images, 88 events; 5 repeats of 5-fold cross-validation",
    ):
        assert piece in text
    assert "NS" not in text
    assert "exploratory" not in text.lower()


def test_bold_stands_only_where_the_adjusted_test_rejects(report):
    text = report.files["tables/significance.tex"].decode()
    rejected = (report.comparisons["pvalue_adjusted"] < 0.05).sum()
    assert text.count(r"\textbf{") == rejected
    assert 0 < rejected < 4


def test_the_mixed_model_says_that_it_is_not_the_test(report):
    text = report.files["tables/mixed_model.tex"].decode()
    assert "is not the test between arms" in text
    assert "share training data" in text


def test_the_sample_is_counted_once_a_case(report, scores):
    row = report.sample.set_index("task").loc["acl"]
    own = scores[scores["task"] == "acl"]
    assert row["n_cases"] == own["case"].nunique()
    assert row["n_patients"] == own["patient"].nunique()
    assert row["n_patients_events"] == own.loc[own["y_true"] == 1, "patient"].nunique()


def test_synthetic_data_say_so_everywhere(scores):
    report = build_report(Synthetic(scores, name="demo"), OPTIONS)
    for name in TABLES:
        assert "Synthetic data, made by a program" in report.files[f"tables/{name}.tex"].decode()
    assert "Synthetic data, made by a program" in plain_table(report.terminal)


def test_an_incomplete_report_says_so_in_every_table(scores):
    gone = (scores["repeat"] == 1) & (scores["fold"] == 0) & (scores["arm"] == "imagenet")
    evidence = Predictions(scores[~gone], name="demo")
    with pytest.raises(IncompleteError, match="repeat 1: 'imagenet' lacks fold 0"):
        build_report(evidence, OPTIONS)
    report = build_report(evidence, OPTIONS, allow_incomplete=True)
    for name in TABLES:
        assert "Incomplete, computed from" in report.files[f"tables/{name}.tex"].decode()
    assert "repeat 1: 'imagenet' lacks fold 0" in " ".join(plain_table(report.terminal).split())


def test_departures_from_the_plan_are_exploratory(evidence):
    options = OPTIONS.override("on the command line", correction="none")
    text = plain_table(build_report(evidence, options, formats=[]).terminal)
    assert "Exploratory: the analysis departs from its plan in correction none" in text


@pytest.mark.parametrize(
    ("primary", "said"),
    [
        ({}, "over 4 comparisons."),
        ({"task": "acl", "backbone": "resnet18"}, "over the 3 secondary comparisons; the primary"),
        ({"task": "acl"}, "over the 2 primary (†) and the 2 secondary comparisons separately"),
        ({"arm": "radimagenet"}, "over 4 comparisons."),
    ],
)
def test_the_note_names_the_family(evidence, primary, said):
    options = AnalysisOptions(reference="imagenet", primary=primary, planned=True)
    terminal = build_report(evidence, options, formats=[]).terminal
    assert said in " ".join(plain_table(terminal).split())


def test_the_terminal_table_fits_100_columns(report):
    text = plain_table(report.terminal, width=100)
    assert max(map(len, text.splitlines())) <= 100
    for row in report.comparisons.itertuples():
        assert f"{row.auc:.3f}" in text
        assert f"{row.auc_reference:.3f}" in text


def test_a_reference_is_needed(evidence):
    with pytest.raises(UserError, match="Say --reference NAME; arms: imagenet, radimagenet"):
        build_report(evidence, AnalysisOptions())


def test_text_that_a_spreadsheet_would_run_is_quoted():
    scores = simulate_scores(arms=(("imagenet", 1.0), ("=cmd|' /C calc'!A0", 1.2)), repeats=1)
    report = build_report(Predictions(scores), OPTIONS, formats=["csv"])
    assert b",'=cmd|" in report.files["tables/significance.csv"]


class TestCheck:
    @pytest.fixture
    def folder(self, report, tmp_path):
        write_report(report, tmp_path)
        return tmp_path

    def test_what_was_written_does_not_differ(self, report, folder):
        assert differing_files(report, folder) == []

    def test_a_changed_number_in_latex_is_found(self, report, folder):
        path = folder / "tables/significance.tex"
        path.write_text(path.read_text().replace("0.8", "0.9", 1))
        (problem,) = differing_files(report, folder)
        assert "significance.tex: differs from line" in problem

    def test_a_changed_number_in_csv_is_found(self, report, folder):
        path = folder / "tables/sample.csv"
        path.write_text(path.read_text().replace("248", "249", 1))
        (problem,) = differing_files(report, folder)
        assert "sample.csv" in problem

    def test_a_missing_file_is_found(self, report, folder):
        (folder / "figures/forest.pdf").unlink()
        (problem,) = differing_files(report, folder)
        assert "forest.pdf: No such file" in problem

    def test_a_table_of_another_report_is_found(self, report, folder):
        (folder / "tables/old.tex").write_text("old")
        (folder / "tables/README.md").write_text("not a table")
        (problem,) = differing_files(report, folder)
        assert "old.tex: left over" in problem

    def test_the_version_and_the_last_digits_may_differ(self, report, folder):
        path = folder / "tables/significance.tex"
        path.write_text(
            path.read_text().replace("% Written by stats_tl ", "% Written by stats_tl 9")
        )
        path = folder / "tables/significance.csv"
        frame = pd.read_csv(path, dtype={"unfreeze": str})
        frame["auc"] *= 1 + 1e-12
        frame.to_csv(path, index=False)
        assert differing_files(report, folder) == []


def test_a_file_in_the_way_is_explained(report, tmp_path):
    (tmp_path / "tables").write_text("in the way")
    with pytest.raises(UserError, match="cannot write"):
        write_report(report, tmp_path)


def test_no_half_written_file_is_left(report, tmp_path):
    write_report(report, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
