"""Tables as LaTeX: structure, and pages that compile without an overfull box."""

import re
import subprocess

import pandas as pd
import pytest

from stats_tl.errors import UserError
from stats_tl.reporting import (
    AnalysisOptions,
    Predictions,
    build_report,
    latex_document,
    latex_table,
    write_report,
)
from stats_tl.reporting.rendering.layout import parse_layout
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
        r"\begin{tabular}{@{}p{",
        r"\multicolumn{2}{c}{Both}",
        r"\unless\iffalse\cmidrule(lr){2-3}\fi",
        r"\toprule",
        r"\midrule",
        r"\bottomrule",
        r"\item 5 \% level.",
        r"\raggedright net\_1 & \ensuremath{-}0.013 & .03 \\",
        r"\raggedright\fontsize{7}{9.5}\selectfont frozen & ",
        r"\fontsize{7}{9.5}\selectfont (\ensuremath{-}0.1 to 0.2) &  \\[2pt]",
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


def test_an_interval_stays_below_its_number_when_the_name_beside_it_wraps():
    label = Cell("A long name of an arm that takes two lines or more in print", "frozen backbone")
    table = small_table(body=(Row((label, Cell("0.835", "(0.8 to 0.9)"), Cell(".03"))),))
    lines = latex_table(table, layout=parse_layout("60")).splitlines()
    number = next(index for index, line in enumerate(lines) if "0.835" in line)
    assert "(0.8 to 0.9)" in lines[number + 1]
    column = [line.split(" & ")[0] for line in lines[number:] if " & " in line]
    text = " ".join(
        re.sub(r"\\(raggedright|fontsize\{7\}\{9.5\}|selectfont) ?", "", c) for c in column
    )
    assert len(column) > 2
    assert " ".join(text.split()) == f"{label.text} {label.below}"


def test_a_last_column_that_wraps_ends_its_row_in_another_way():
    columns = (Column("Item", "wrap"), Column("Value", "wrap", width=40))
    text = latex_table(small_table(columns=columns, body=(Row((Cell("a"), Cell("b", "c"))),)))
    assert r"\raggedright a & \raggedright b \tabularnewline" in text
    assert r" & \raggedright\fontsize{7}{9.5}\selectfont c \tabularnewline[2pt]" in text


def test_a_long_table_goes_on_with_header_panel_and_notes():
    text = latex_table(small_table(n_rows=7), max_rows=3)
    assert text.count(r"\begin{table}") == 3
    assert text.count("(continued)") == 2
    assert text.count(r"\label{") == 1
    assert text.count(r"task\_a") == 3
    assert text.count(r"net\_") == 7
    assert text.count(r"\item 5") == 1
    assert text.count(r"\addtocounter{table}{-1}") == 2


def test_a_panel_is_never_the_last_line_of_a_part():
    row = small_table().body[1]
    body = (Panel("one"), row, row, Panel("two"), row)
    parts = latex_table(small_table(body=body), max_rows=2).split(r"\begin{table}")[1:]
    assert "two" not in parts[0]
    assert "one" not in parts[1]


#: Wide in every way: many columns, long names that break and that do not, long panels and notes.
WIDE = Table(
    name="wide",
    caption="A caption of some length, which is said twice. " * 2,
    columns=(
        Column("Candidate", "wrap"),
        Column("A_long.name-of+an:arm/with_breaks", "decimal", "AUC (95 % CI)"),
        Column("Reference", "decimal", "AUC (95 % CI)"),
        Column("Difference", "decimal"),
        Column("95 % CI", "center"),
        Column("Raw", "p", "P value for interaction"),
        Column("Adjusted", "p", "P value for interaction"),
        Column("Images", "right"),
        Column("Verdict"),
    ),
    body=tuple(
        line
        for number in range(12)
        for line in (
            Panel(f"Task {number}: " + "1064 patients, 1875 images, 607 events; " * (number % 4)),
            *[
                Row(
                    (
                        Cell("x" * 40 + f" 日本 {number}", "nonlinear, last_stage_of_the_network"),
                        Cell("−0.836", "(−0.114 to −0.060)", bold=True),
                        Cell("0.632", "(0.598 to 0.665)"),
                        Cell("0.206"),
                        Cell("−0.152 to −0.061"),
                        Cell("<.001"),
                        Cell(".049999"),
                        Cell("12 345"),
                        Cell("not estimable"),
                    )
                )
            ]
            * 3,
        )
    ),
    notes=("A note that is as long as notes are, with 0123456789abcdef0123456789abcdef. " * 6,) * 6,
)


@pytest.mark.parametrize("room", ["one-column", "two-column", "landscape", "85", "160mm"])
def test_every_layout_has_room_for_every_table(room, pdflatex, tmp_path):
    layout = parse_layout(room)
    text = latex_table(WIDE, layout=layout)
    (tmp_path / "wide.tex").write_text(text, encoding="ascii")
    sideways = layout.environment == "sidewaystable"
    width, height = (layout.height, layout.width) if sideways else (layout.width, layout.height)
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs,threeparttable,rotating}"
        f"\\usepackage[textwidth={width}mm,textheight={height}mm]{{geometry}}"
        "\\begin{document}\\input{wide}\\end{document}\n",
        encoding="ascii",
    )
    assert compile_latex(pdflatex, tmp_path, "t.tex") == []
    # Nothing is lost: every row is in every part of columns, and every note once.
    rows = sum(isinstance(line, Row) for line in WIDE.body)
    assert text.count("not estimable") == rows
    assert text.count(r"\textbf{\ensuremath{-}0.836}") == rows
    assert text.count(r"\item") == len(WIDE.notes)


def test_every_part_of_a_table_is_a_slide_of_its_own(pdflatex, tmp_path):
    text = latex_table(WIDE, layout=parse_layout("beamer"))
    assert text.count(r"\begin{frame}") == text.count(r"\begin{tabular}") > 1
    (tmp_path / "wide.tex").write_text(text, encoding="ascii")
    (tmp_path / "t.tex").write_text(
        "\\documentclass{beamer}\\usepackage[T1]{fontenc}"
        "\\usepackage{lmodern,booktabs,threeparttable}"
        "\\begin{document}\\input{wide}\\end{document}\n",
        encoding="ascii",
    )
    said = compile_latex(pdflatex, tmp_path, "t.tex")
    assert [line for line in said if "rerunfilecheck" not in line] == []  # one run is enough


def test_a_layout_is_a_name_or_a_width():
    assert parse_layout("84").width == 84
    for text in ("wide", "20", "nan", ""):
        with pytest.raises(
            UserError, match="expected one-column, two-column, landscape, beamer, or a"
        ):
            parse_layout(text)


def test_rows_must_fit_the_columns():
    with pytest.raises(ValueError, match="'demo' has 3 columns, got a row of 1"):
        small_table(body=(Row((Cell("a"),)),))


def compile_latex(pdflatex, folder, name):
    done = subprocess.run(
        [pdflatex, "-interaction=nonstopmode", "-halt-on-error", name],
        cwd=folder, capture_output=True, text=True, errors="replace", timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    return re.findall(
        r"Overfull.*|.*Float too large.*|Package \w+ (?:Error|Warning).*", done.stdout
    )


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
