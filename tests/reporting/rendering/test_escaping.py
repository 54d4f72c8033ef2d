"""Any text in LaTeX prints as that text."""

import re
import shutil
import subprocess
from pathlib import Path

import matplotlib
import pytest

from stats_tl.reporting.rendering.escaping import definitions, escape

#: What users' names can hold; the second entry is what pdftotext reads back, if it differs.
NAMES = [
    "net_1 & 50% of $x #3 {a} ~b ^c \\d",
    "<script>alert('1')</script>",
    "[b] * [c]",
    "Gómez-Flores Łódź ñ ß Åse Čapek ő",
    "a--b---c",
    "α−β ≤ 3 µm ± 2",
    "=1+1 | x",
]


@pytest.mark.parametrize("name", NAMES)
def test_escaped_text_is_ascii_without_bare_special_characters(name):
    text = escape(name)
    assert text.isascii()
    bare = re.sub(r"\\[&%$#_{}\"'`^~=.]", "", text)  # escaped characters and accents
    bare = re.sub(r"\\(?:textasciitilde|textasciicircum|textbackslash)\{\}", "", bare)
    assert not re.search(r"[&%$#_~^]", bare)
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("plain text, 0.812 to 0.9", "plain text, 0.812 to 0.9"),
        ("net_1", r"net\_1"),
        ("50 %", r"50 \%"),
        ("é", r"\'{e}"),
        ("e\u0301", r"\'{e}"),
        ("a--b", "a-{}-b"),
        ("[x", "{[}x"),
        ("α", r"\ensuremath{\alpha}"),
        ("Ο", r"\ensuremath{O}"),
        ("ș", r"\textcommabelow{s}"),
        ("ộ", r"\d{\^{o}}"),
        ("ế", r"{\fontencoding{T1}\selectfont\'{\^{e}}}"),
        ('"', r'\texttt{\string"}'),
        ("đ", r"\UseTextSymbol{T1}{\dj}"),
        ("−1", r"\ensuremath{-}1"),
        ("中", r"\statstlchar{20013}{[U+4E2D]}"),
        ("a\nb\tc\x00d", "a b c d"),
        ("", ""),
    ],
)
def test_known_escapes(text, latex):
    assert escape(text) == latex


def test_long_words_may_break_and_short_ones_may_not():
    assert escape("a_b-c", breakable=True) == r"a\_b-c"
    long = escape("resnet50_radimagenet-v2 5-fold", breakable=True)
    assert long == r"resnet50\_\allowbreak{}radimagenet-\allowbreak{}v2 5-fold"
    assert escape("x" * 20, breakable=True) == "x" * 16 + r"\allowbreak{}" + "x" * 4


@pytest.mark.parametrize("encoding", ["T1", "OT1"])
def test_every_character_below_u0400_compiles(pdflatex, tmp_path, encoding):
    characters = [chr(code) for code in range(0x20, 0x400)] + list("–—‘’“”…•†−≤≥×→中😀\u0301ếộặșț")
    body = "\n\n".join(escape(f"x{character}{character}x") for character in characters)
    fonts = rf"\usepackage[{encoding}]{{fontenc}}\usepackage{{lmodern,textcomp}}"
    preamble = "\n".join([rf"\documentclass{{article}}{fonts}", *definitions(body)])
    (tmp_path / "t.tex").write_text(
        f"{preamble}\\begin{{document}}\n{body}\n\\end{{document}}\n", encoding="ascii"
    )
    done = subprocess.run(
        [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("engine", ["pdflatex", "xelatex", "lualatex"])
def test_other_scripts_are_printed_where_engine_and_font_have_them(engine, tmp_path):
    """DejaVu, which is matplotlib's, has Cyrillic and no Chinese."""
    if shutil.which(engine) is None or shutil.which("pdftotext") is None:
        pytest.skip(f"{engine} or pdftotext is not installed")
    fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
    own = rf"\usepackage{{fontspec}}\setmainfont{{DejaVuSerif.ttf}}[Path={fonts.as_posix()}/]"
    caption, text = escape("Подпись"), escape("Сеть_中", breakable=True)
    lines = [
        r"\documentclass{article}",
        "" if engine == "pdflatex" else own,
        r"\begin{document}\listoftables",
        *definitions(caption + text),
        rf"\begin{{table}}\caption{{{caption}}}{text}\end{{table}}",
        r"\end{document}",
    ]
    (tmp_path / "t.tex").write_text("\n".join(lines), encoding="ascii")
    for _ in range(2):  # the list is made of the last run's captions
        done = subprocess.run(
            [engine, "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
            cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:]
    seen = subprocess.run(["pdftotext", "t.pdf", "-"], cwd=tmp_path, capture_output=True)
    found = "".join(seen.stdout.decode().split())
    if engine == "pdflatex":
        code_points = "".join(f"[U+{ord(letter):04X}]" for letter in "Подпись")
        assert found.count(code_points) == 2
        assert "[U+0421]" in found
    else:
        assert found.count("Подпись") == 2
        assert "Сеть_[U+4E2D]" in found


def test_pandoc_reads_code_points():
    if shutil.which("pandoc") is None:
        pytest.skip("pandoc is not installed")
    latex = escape("日本 x", breakable=True)
    text = "\n".join([*definitions(latex), latex])
    done = subprocess.run(
        ["pandoc", "-f", "latex", "-t", "plain"], input=text, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[U+65E5][U+672C] x"
