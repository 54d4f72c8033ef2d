"""report.docx, read back: every cell, caption, figure, reference; the same bytes every time."""

import io
import re
import zipfile

import docx
import pandas as pd
import pytest
from docx.oxml.ns import qn
from PIL import Image

from stats_tl.reporting.rendering.parts import RenderedDrawing, Words
from stats_tl.reporting.rendering.table import Cell, Column, Panel, Row, Table
from stats_tl.reporting.text.references import references_bib
from stats_tl.reporting.word import build_document
from stats_tl.reporting.word.tables import TEXT_WIDTH

from ..rendering.test_latex_cells import TABLE, WRAPPED

HOSTILE = "a\x07b <w:t> & \uffff ‮c 日本"


def picture(width=600, height=300):
    content = io.BytesIO()
    Image.new("L", (width, height), 200).save(content, "PNG")
    return content.getvalue()


def parts(tables=(TABLE, WRAPPED)):
    words = Words(
        methods=("Holm’s method [@holm1979] was used.", HOSTILE),
        results=("No difference [@holm1979; @delong1988].",),
        references=references_bib(["holm1979", "delong1988"]),
        checklist=pd.DataFrame(
            {
                "guideline": ["CLAIM 2024", "TRIPOD+AI"],
                "item": ["1", "3a"],
                "topic": ["Title", "Aim"],
                "request": ["Say it.", "Say why."],
                "answer": ["Done.", None],
            }
        ),
    )
    drawing = RenderedDrawing(
        "roc", "ROC curves.", "Two curves. The upper is A.", {".png": picture()}
    )
    return {
        "title": f"Study {HOSTILE}",
        "tables": list(tables),
        "figures": [drawing],
        "words": words,
        "provenance": ["archive sha256: abc"],
    }


@pytest.fixture(scope="module")
def document():
    return docx.Document(io.BytesIO(build_document(**parts())))


def cells_of(word_table):
    """Texts of a table's own cells, a merged one once."""
    texts = []
    for row in word_table._tbl.tr_lst:
        cells = [docx.table._Cell(cell, word_table) for cell in row.tc_lst]
        texts.append([cell.text for cell in cells])
    return texts


@pytest.mark.parametrize(("number", "table"), [(0, TABLE), (1, WRAPPED)])
def test_every_cell_is_there(document, number, table):
    expected = [[text for text, _, _ in table.spans()]] if any(table.spans()) else []
    expected.append([column.header for column in table.columns])
    for line in table.body:
        if isinstance(line, Panel):
            expected.append([line.text])
        else:
            expected.append(["\n".join(filter(None, (c.text, c.below))) for c in line.cells])
    assert cells_of(document.tables[number]) == expected


def test_header_rows_are_repeated_and_no_row_is_split(document):
    for table, heads in zip(document.tables[:2], (2, 1), strict=True):
        repeated = [row.find(".//" + qn("w:tblHeader")) is not None for row in table._tbl.tr_lst]
        assert repeated == [True] * heads + [False] * (len(repeated) - heads)
        assert all(row.find(".//" + qn("w:cantSplit")) is not None for row in table._tbl.tr_lst)


def test_three_rules_and_nothing_between_columns(document):
    for table in document.tables:
        borders = table._tbl.tblPr.find(qn("w:tblBorders"))
        assert [border.tag for border in borders] == [qn("w:top"), qn("w:bottom")]
        sides = {
            side.tag for side in table._tbl.iter() if side.getparent().tag == qn("w:tcBorders")
        }
        assert sides == {qn("w:bottom")}


def test_bold_cells_are_bold(document):
    bold = {
        run.text
        for table in document.tables
        for row in table._tbl.tr_lst
        for cell in row.tc_lst
        for paragraph in docx.table._Cell(cell, table).paragraphs
        for run in paragraph.runs
        if run.bold
    }
    assert bold == {"0.812"}


def test_captions_have_the_fields_that_lists_of_tables_look_for(document):
    captions = [p for p in document.paragraphs if p.style.name == "Caption"]
    fields = [p._p.find(qn("w:fldSimple")).get(qn("w:instr")).split() for p in captions]
    assert [field[:2] for field in fields] == [
        ["SEQ", "Table"],
        ["SEQ", "Table"],
        ["SEQ", "Figure"],
    ]
    texts = ["".join(t.text for t in p._p.iter(qn("w:t"))) for p in captions]
    assert texts == [
        "Table 1. All kinds of cells.", "Table 2. Two columns.", "Figure 1. ROC curves.",
    ]  # fmt: skip
    assert all(p.paragraph_format.keep_with_next for p in captions[:2])


def test_a_figure_has_its_width_and_its_text(document):
    (shape,) = document.inline_shapes
    assert shape.width.mm == pytest.approx(50.8, abs=0.1)
    assert shape._inline.docPr.get("descr") == "Two curves. The upper is A."
    (embedded,) = [p for p in document.part.package.iter_parts() if p.partname.endswith(".png")]
    assert embedded.blob == picture()


def test_citations_are_numbers_of_the_list(document):
    texts = [p.text for p in document.paragraphs]
    assert "Holm’s method [1] was used." in texts
    assert "No difference [1, 2]." in texts
    (first,) = [text for text in texts if text.startswith("1. ")]
    assert first.startswith("1. Holm S. A simple sequentially rejective")
    assert any(text.startswith("2. DeLong ER") for text in texts)


def test_names_that_act_or_that_xml_cannot_hold_are_shown(document):
    texts = [p.text for p in document.paragraphs]
    assert "a\\x07b <w:t> & \\uffff \\u202ec 日本" in texts


def test_notes_and_checklist(document):
    notes = [p.text for p in document.paragraphs if p.style.name == "Table Notes"]
    assert notes[0] == "P < .05 & more."
    assert (
        notes[1:] == ["Answers are filled in from the data; blank items are for the authors."] * 2
    )
    assert document.element.body[-2].tag == qn("w:p")  # before the properties of the section
    assert cells_of(document.tables[2]) == [
        ["Item", "Request", "Answer"], ["1", "Title: Say it.", "Done."],
    ]  # fmt: skip
    assert cells_of(document.tables[3])[1] == ["3a", "Aim: Say why.", ""]


def test_the_same_bytes_without_a_date_of_today():
    content = build_document(**parts())
    assert content == build_document(**parts())
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert {part.date_time for part in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert len(set(file.namelist())) == len(file.namelist())
        core = file.read("docProps/core.xml").decode()
    assert set(re.findall(r"\b20\d\d-\d\d\S*Z", core)) == {"2000-01-01T00:00:00Z"}
    assert "archive sha256: abc" in core


@pytest.mark.parametrize("letters", [3, 40, 400])
def test_columns_fit_the_page(letters):
    name = "x" * letters
    columns = [Column(name, "wrap"), *[Column("AUC", "decimal")] * 9]
    row = Row((Cell(name), *[Cell("−0.123", "(−0.1 to 0.2)")] * 9))
    wide = Table("wide", "Wide.", tuple(columns), (row,))
    document = docx.Document(io.BytesIO(build_document(**parts([wide]))))
    table = document.tables[0]._tbl
    widths = [int(column.get(qn("w:w"))) for column in table.tblGrid]
    assert sum(widths) <= TEXT_WIDTH
    assert table.tblPr.find(qn("w:tblW")).get(qn("w:type")) == "pct"
