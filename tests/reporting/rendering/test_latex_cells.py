"""Every cell of a LaTeX table, as a small parser and as pandoc read it, is that of the table."""

import json
import re
import shutil
import subprocess
import unicodedata

import pytest

from stats_tl.reporting import latex_table
from stats_tl.reporting.rendering.table import Cell, Column, Panel, Row, Table

#: Every kind of column, panels, spanners, second lines, bold, what is no number, odd names.
TABLE = Table(
    name="cells",
    caption="All kinds of cells.",
    columns=(
        Column("Name", "wrap"),
        Column("n", "right"),
        Column("A", "decimal", "AUC (95 % CI)"),
        Column("B", "decimal", "AUC (95 % CI)"),
        Column("95 % CI", "center"),
        Column("Raw", "p", "P value"),
        Column("Adjusted", "p", "P value"),
        Column("Verdict"),
    ),
    body=(
        Panel("first_task: 3 patients; 50 %"),
        Row(
            (
                Cell("net_1 †", "linear, [frozen]"),
                Cell("12"),
                Cell("0.812", "(0.7 to 0.9)", bold=True),
                Cell("−12.5", "(−13 to 1)"),
                Cell("−0.1 to 0.2"),
                Cell("<.001"),
                Cell(".03"),
                Cell("superior"),
            )
        ),
        Row((Cell('a "b" & c*'), Cell(""), *[Cell("–")] * 4, Cell(">.99"), Cell(""))),
        Panel("second {task} ~ b^c"),
        Row((Cell("Gómez α±2 |x|"), *[Cell("7")] * 5, Cell(""), Cell("a–b — c"))),
    ),
    notes=("P < .05 & more.",),
)
#: The last column wraps, as in the table of what is needed to repeat a study.
WRAPPED = Table(
    name="wrapped",
    caption="Two columns.",
    columns=(Column("Item", "wrap", width=42), Column("Value", "wrap", width=80)),
    body=(
        Panel("Data"),
        Row((Cell("SHA-256"), Cell("0123456789abcdef" * 4))),
        Panel("Design"),
        Row((Cell("seed", "of the study"), Cell("[20261123]", "a_b"))),
    ),
)


def expected_rows(table: Table) -> list[list[str]]:
    """The table as rows of text, a cell across columns as one cell, second lines as rows."""
    rows = []
    if any(column.spanner for column in table.columns):
        spanners: list[str] = []
        for before, column in zip((None, *table.columns), table.columns, strict=False):
            if not (before and column.spanner and column.spanner == before.spanner):
                spanners.append(column.spanner)
        rows.append(spanners)
    rows.append([column.header for column in table.columns])
    for line in table.body:
        if isinstance(line, Panel):
            rows.append([line.text])
            continue
        rows.append([cell.text for cell in line.cells])
        if any(cell.below for cell in line.cells):
            rows.append([cell.below for cell in line.cells])
    return rows


def parsed_rows(latex: str) -> list[list[str]]:
    """The cells of a table as TeX would print them."""
    body = latex[latex.index(r"\toprule") : latex.index(r"\bottomrule")]
    body = re.sub(r"\\unless\\iffalse.*?\\fi\n?", "", body)
    body = re.sub(r"\\(top|mid)rule\n", "", body)
    rows = re.split(r" \\(?:\\|tabularnewline)(?:\[\dpt\])?\n", body)
    return [[printed(cell) for cell in re.split(r"(?<!\\)&", row)] for row in rows if row]


def printed(latex: str) -> str:
    """Text of a cell without the commands that print nothing."""
    text = re.sub(r"\\phantom\{(?:[^{}]|\{[^{}]*\})*\}", "", latex)
    text = re.sub(r"\\multicolumn\{\d+\}\{[lc]\}", "", text)
    text = re.sub(r"\\fontsize\{7\}\{9.5\}", "", text)
    text = re.sub(r"\\(raggedright|selectfont|itshape|textbf|allowbreak)(\{\})?", "", text)
    text = re.sub(r"\\'\{o\}", "ó", text)
    for command, character in (
        ("ensuremath{\\alpha}", "α"), ("ensuremath{\\dagger}", "†"), ("ensuremath{\\pm}", "±"),
        ("ensuremath{-}", "−"), ("ensuremath{|}", "|"), ("textless{}", "<"),
        ("textgreater{}", ">"), ('texttt{\\string"}', '"'), ("textasciitilde{}", "~"),
        ("textasciicircum{}", "^"),
    ):  # fmt: skip
        text = text.replace("\\" + command, character)
    text = text.replace("{---}", "—").replace("{--}", "–")
    text = re.sub(r"(?<!\\)[{}]", "", text)
    return re.sub(r"\\([&%_{}])", r"\1", text).strip()


@pytest.fixture(scope="session")
def pandoc() -> str:
    """Path of pandoc; skips without it."""
    path = shutil.which("pandoc")
    if path is None:
        pytest.skip("pandoc is not installed")
    return path


def pandoc_rows(pandoc: str, latex: str) -> list[list[str]]:
    """The cells of a table as pandoc reads it."""
    done = subprocess.run(
        [pandoc, "-f", "latex", "-t", "json"], input=latex, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (table,) = [block for block in flat(json.loads(done.stdout)["blocks"]) if block["t"] == "Table"]
    _, _, _, head, bodies, _ = table["c"]
    rows = [*head[1], *(row for body in bodies for row in (*body[2], *body[3]))]
    return [[inline_text(cell[4]) for cell in row[1]] for row in rows]


def flat(blocks):
    for block in blocks:
        yield block
        if block["t"] == "Div":
            yield from flat(block["c"][1])


def inline_text(content) -> str:
    """Text of pandoc's tree, mathematics as the characters it prints."""
    if isinstance(content, list):
        return "".join(map(inline_text, content))
    if not isinstance(content, dict):
        return ""
    if content["t"] == "Str":
        return content["c"]
    if content["t"] in ("Space", "SoftBreak"):
        return " "
    if content["t"] in ("Math", "Code"):
        text = content["c"][1]
        known = {"-": "−", r"\alpha": "α", r"\dagger": "†", r"\pm": "±"}
        return known.get(text, text)
    return inline_text(content.get("c"))


@pytest.mark.parametrize("table", [TABLE, WRAPPED], ids=lambda table: table.name)
def test_every_cell_is_printed(table):
    assert parsed_rows(latex_table(table)) == expected_rows(table)


@pytest.mark.parametrize("table", [TABLE, WRAPPED], ids=lambda table: table.name)
def test_pandoc_reads_every_cell(table, pandoc):
    read = [
        [unicodedata.normalize("NFC", cell) for cell in row]
        for row in pandoc_rows(pandoc, latex_table(table))
    ]
    assert read == expected_rows(table)


def test_only_columns_that_pandoc_knows():
    for table in (TABLE, WRAPPED):
        (specification,) = re.findall(r"\\begin\{tabular\}\{@\{\}(.*)@\{\}\}", latex_table(table))
        assert re.fullmatch(r"(?:[lcr]|p\{[\d.]+pt\})+", specification)
