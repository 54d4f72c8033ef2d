"""What the shorter reports write: values of cases and published AUCs, for Word and LaTeX."""

import io

import docx
import pytest

from stats_tl.report import main
from stats_tl.reporting import AnalysisOptions, build_grid_report, build_value_report, read_values

from .auc_table.test_model import make_grid
from .value_table.test_values import table_of

FORMATS = ("latex", "csv", "figures", "words", "json", "html", "docx")
OPTIONS = AnalysisOptions(reference="imagenet")


def values(tmp_path):
    table_of().to_csv(tmp_path / "values.csv", index=False)
    return read_values({"": tmp_path / "values.csv"})


def reports(tmp_path, **options):
    table = values(tmp_path)
    own = AnalysisOptions(reference=sorted(table.frame["arm"].unique())[0])
    return (
        build_value_report(table, own, name="study", higher_is_better=False, **options),
        build_grid_report(make_grid(), OPTIONS, name="study", digest="0" * 64, **options),
    )


def test_every_number_of_a_table_is_in_the_word_file(tmp_path):
    for report in reports(tmp_path, formats=FORMATS):
        document = docx.Document(io.BytesIO(report.files["report.docx"]))
        assert len(document.tables) == len(report.sections)
        for written, section in zip(document.tables, report.sections, strict=True):
            text = " ".join(cell.text for row in written.rows for cell in row.cells)
            for row in section.table.body:
                for cell in getattr(row, "cells", ()):
                    assert cell.text.split("\n")[0] in text


def test_what_is_asked_for_and_not_there_is_said(tmp_path):
    for report in reports(tmp_path, formats=FORMATS):
        assert {part.what for part in report.absent} == {"web page", "figures"}
    for report in reports(tmp_path, formats=["latex", "docx"]):
        assert report.absent == ()
        assert "report.html" not in report.files


def test_tables_fit_the_layout_that_is_asked_for(tmp_path):
    wide, narrow = (reports(tmp_path, layout=room) for room in (None, "60"))
    for one, other in zip(wide, narrow, strict=True):
        tables = [path for path in one.files if path.endswith(".tex") and "tables/" in path]
        assert any(one.files[path] != other.files[path] for path in tables)


def test_the_command_writes_and_checks_a_word_file(tmp_path, capsys):
    values(tmp_path)
    arm = sorted(table_of()["arm"].unique())[0]
    command = ["--scores", str(tmp_path / "values.csv"), "--reference", arm, "--lower-is-better"]
    out = ["--out", str(tmp_path / "out")]
    assert main([*command, *out]) == 0
    assert (tmp_path / "out" / "report.docx").is_file()
    assert "No web page" in capsys.readouterr().out
    assert main([*command, *out, "--check"]) == 0


@pytest.mark.parametrize("grouped", [True, False])
def test_a_conclusion_is_about_patients_where_they_are_known(tmp_path, grouped):
    frame = table_of()
    frame = frame if grouped else frame.drop(columns="patient")
    frame.to_csv(tmp_path / "values.csv", index=False)
    table = read_values({"": tmp_path / "values.csv"})
    options = AnalysisOptions(reference=sorted(frame["arm"].unique())[0])
    report = build_value_report(table, options, name="study", higher_is_better=False)
    notes = " ".join(report.terminal.notes)
    assert ("for new patients" in notes) == grouped
    assert ("for new cases" in notes) != grouped
