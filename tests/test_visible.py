"""Names that act or hide, on the terminal, the page, in Markdown and in CSVs."""

import ast
import re
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.damage import quiet
from stats_tl import report
from stats_tl.commands import run_command
from stats_tl.errors import UserError
from stats_tl.reporting.rendering.encoding import csv_bytes
from stats_tl.train.progress import ProgressView
from stats_tl.visible import visible

ROOT = Path(__file__).resolve().parents[1]
CASES = pd.DataFrame({"case": ["a", "b"], "patient": ["a", "b"], "y_true": [0, 1]})
HOSTILE = {
    "\x1b[31mred": r"\x1b[31mred",
    "bell\x07": r"bell\x07",
    "c1\x9b31m": r"c1\x9b31m",
    "gnp\u202etxt": r"gnp\u202etxt",
    "isolate\u2066d": r"isolate\u2066d",
    "over\rwritten": r"over\rwritten",
    "latin-1 \udce9": r"latin-1 \xe9",
    "line\u2028separator": r"line\u2028separator",
}


@pytest.mark.parametrize(("name", "shown"), HOSTILE.items(), ids=range(len(HOSTILE)))
def test_what_acts_or_hides_is_shown(name, shown):
    assert visible(name) == shown
    visible(name).encode()


def test_text_stays():
    text = "Gómez 日本 שלום naïve – µ\tand\nlines"
    assert visible(text) == text
    assert visible("a\nb", breaks=False) == r"a\nb"


def test_no_control_or_direction_mark_is_left():
    every = "".join(map(chr, range(0x11_0000)))
    kept = set(visible(every, breaks=False))
    assert not {char for char in kept if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")}
    marks = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert not {char for char in kept if unicodedata.bidirectional(char) in marks}


def test_an_error_does_not_reach_the_terminal_raw(capsys):
    def fail():
        raise UserError("cannot read \x1b]0;owned\x07.png")

    run_command(fail)
    assert capsys.readouterr().err == "error: cannot read \\x1b]0;owned\\x07.png\n"


def test_commands_print_through_say_only():
    """A bare print would show a hostile name as it is; lines that count begin with a return."""
    bare = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "stats_tl").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "print"
        and not ast.unparse(node.args[0])[2:].startswith("\\r")
    ]
    assert bare == ["stats_tl/visible.py"]


def test_progress_of_a_run_shows_names_of_others_as_text(capsys):
    view = ProgressView("lines")
    view.note("not read: model/\x1b[2J (os.system)")
    view.dataset("t", "images of \x9b31m\u202e", CASES, patients_known=False)
    view.failures({"c": "file \x07.png\n is missing"})
    said = capsys.readouterr()
    assert r"not read: model/\x1b[2J (os.system)" in said.out
    assert r"images of \x9b31m\u202e" in said.out
    assert "1 × file \\x07.png\n is missing" in said.err


@pytest.mark.parametrize("sign", ["=", "+", "@", "\t", "＝", "＋", "＠", "－", "-x"])
def test_formulas_of_spreadsheets(sign):
    (_, line) = csv_bytes(pd.DataFrame({"arm": [f"{sign}cmd|x"]})).decode().splitlines()
    assert line.strip('"').startswith("'")


def test_every_output_of_a_report(tmp_path):
    """Arms and tasks with names that a terminal, a browser or a spreadsheet would obey."""
    arms = ["ref\x1b[2J", "\u202etset", "＝HYPERLINK", "שלום"]
    rows = [
        (f"c{case}", case % 2, arm, (case * 37 % 23) / 23 + 0.2 * number * (case % 2))
        for number, arm in enumerate(arms)
        for case in range(24)
    ]
    table = pd.DataFrame(rows, columns=["case", "y_true", "arm", "score"])
    table.to_csv(tmp_path / "s.csv", index=False)
    out = tmp_path / "out"
    code, said = quiet(
        report.main, "--scores", tmp_path / "s.csv", "--reference", arms[0], "--out", out,
        "--format", "latex,csv,words,html",
    )  # fmt: skip
    assert code == 0, said
    texts = {path: path.read_text() for path in out.rglob("*") if path.is_file()}
    for where, text in {"terminal": said, **texts}.items():
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text), where
    page = (out / "report.html").read_text()
    assert r"\u202etset" in page
    assert "<bdi>שלום</bdi>" in page
    assert "'＝HYPERLINK" in (out / "tables/significance.csv").read_text()
