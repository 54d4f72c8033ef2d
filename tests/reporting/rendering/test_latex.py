"""Tables as LaTeX: structure, and pages that compile without an overfull box."""

import re
import subprocess

import pandas as pd
import pytest

from stats_tl.reporting import (
    AnalysisOptions,
    Predictions,
    build_report,
    latex_document,
    latex_table,
    write_report,
)
from stats_tl.reporting.rendering.table import Cell, Column, Panel, Row, Table

from ..simulate import simulate_scores


def small_table(n_rows=1, **changes):
    row = Row((Cell("net_1", "frozen"), Cell("−0.013", "(−0.1 to 0.2)"), Cell(".03")))
    parts = {
        "name": "demo",
        "caption": "A & B.",
        "columns": (
            Column("Name", "wrap"),
            Column("Δ", "decimal", "Both"),
            Column("P", "p", "Both"),
        ),
        "body": (Panel("task_a"), *[row] * n_rows),
        "notes": ("5 % level.",),
    }
    return Table(**{**parts, **changes})


def test_a_table_has_rules_notes_and_provenance():
    text = latex_table(small_table(), provenance=["archive sha256: abc"])
    assert text.startswith("% archive sha256: abc\n")
    for piece in (
        r"\begin{threeparttable}",
        r"\caption{A \& B.}\label{tab:demo}",
        r"\begin{tabular}{@{}p{15mm}cc@{}}",
        r"\multicolumn{2}{c}{Both}",
        r"\unless\iffalse\cmidrule(lr){2-3}\fi",
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
        r"\item 5 \% level.",
        r"\raggedright net\_1 & \ensuremath{-}0.013 & .03 \\",
        r"\raggedright\scriptsize frozen & \scriptsize (\ensuremath{-}0.1 to 0.2) &  \\[2pt]",
    ):
        assert piece in text
    assert not re.search(r"20\d\d-\d\d", text)  # no dates


def test_decimal_points_are_in_line_by_what_each_number_lacks():
    cells = ("0.835", "−12.1", "7", "–")
    rows = [Row((Cell("a"), Cell(text, bold=text == "0.835"), Cell("<.001"))) for text in cells]
    text = latex_table(small_table(body=tuple(rows)))
    for cell in (
        r"\phantom{\ensuremath{-}0}\textbf{0.835}",
        r"\ensuremath{-}12.1\phantom{00}",
        r"\phantom{\ensuremath{-}0}7\phantom{.000}",
        "{--}",
    ):
        assert rf"\raggedright a & {cell} & \textless{{}}.001 \\" in text


def test_a_last_column_that_wraps_ends_its_row_in_another_way():
    columns = (Column("Item", "wrap"), Column("Value", "wrap", width=40))
    text = latex_table(small_table(columns=columns, body=(Row((Cell("a"), Cell("b", "c"))),)))
    assert r"\raggedright a & \raggedright b \tabularnewline" in text
    assert r" & \raggedright\scriptsize c \tabularnewline[2pt]" in text


def test_a_long_table_goes_on_with_header_panel_and_notes():
    text = latex_table(small_table(n_rows=7), max_rows=3)
    assert text.count(r"\begin{table}") == 3
    assert text.count("(continued)") == 2
    assert text.count(r"\label{") == 1
    assert text.count(r"task\_a") == 3
    assert text.count(r"net\_") == 7
    assert text.count(r"\item 5") == 3


def test_a_panel_is_never_the_last_line_of_a_part():
    row = small_table().body[1]
    body = (Panel("one"), row, row, Panel("two"), row)
    parts = latex_table(small_table(body=body), max_rows=2).split(r"\begin{table}")[1:]
    assert "two" not in parts[0]
    assert "one" not in parts[1]


def test_rows_must_fit_the_columns():
    with pytest.raises(ValueError, match="'demo' has 3 columns, got a row of 1"):
        small_table(body=(Row((Cell("a"),)),))


def compile_latex(pdflatex, folder, name):
    done = subprocess.run(
        [pdflatex, "-interaction=nonstopmode", "-halt-on-error", name],
        cwd=folder, capture_output=True, text=True, errors="replace", timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    return re.findall(r"Overfull.*|Package \w+ (?:Error|Warning).*", done.stdout)


@pytest.mark.parametrize("case", ["plain", "many arms, long and odd names", "one test set"])
def test_the_report_compiles_without_overfull_boxes(case, pdflatex, tmp_path, scores):
    reference = "imagenet"
    if case == "one test set":
        scores = simulate_scores(folds=1, repeats=1).drop(columns=["backbone", "head", "unfreeze"])
    elif case != "plain":
        reference = "ImageNet_1k-V2&co"
        arms = (
            (reference, 0.9),
            ("A_very_long_arm.name-of_64_letters+" + "x" * 29, 1.0),
            ("C%", 2),
        )
        scores = simulate_scores(arms=arms, backbone="squeezenet1_1", head="my_head", repeats=2)
        other = scores.assign(unfreeze="all", head="[*] <b>", task="ACL {tear} 50 % ä")
        scores = pd.concat([scores, other], ignore_index=True)
    options = AnalysisOptions(reference=reference, margin=0.02, planned=True)
    report = build_report(Predictions(scores, name="a_b", digest="0" * 64), options)
    write_report(report, tmp_path)
    assert compile_latex(pdflatex, tmp_path, "all.tex") == []
    for path in sorted((tmp_path / "tables").glob("*.tex")) if case == "plain" else ():
        alone = latex_document("alone", [f"tables/{path.name}"])
        (tmp_path / "alone.tex").write_text(alone, encoding="ascii")
        assert compile_latex(pdflatex, tmp_path, "alone.tex") == []
