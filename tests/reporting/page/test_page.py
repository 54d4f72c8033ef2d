"""The page as text: everything is there, escaped, allowed by its policy, the same every time."""

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from stats_tl.reporting import AnalysisOptions, Predictions, build_report
from stats_tl.reporting.page import build_page
from stats_tl.reporting.page.summary import VERDICTS, cautions_of_tests, plain_summary
from stats_tl.reporting.page.views import sort_key, table_view
from stats_tl.reporting.rendering.parts import Absent, RenderedDrawing, Words
from stats_tl.reporting.results.comparisons import Comparisons
from stats_tl.reporting.results.findings import warning_findings
from stats_tl.reporting.text.bibliography import describe_entry, number_references, paragraph

from ..simulate import simulate_scores

HOSTILE = "<script>document.title='gone'</script> & \"a_b\" 'c' 50 % ünï 中 </style>"
OPTIONS = AnalysisOptions(reference="imagenet", margin=0.03, planned=True)
#: One point, transparent.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WORDS = Words(
    methods=(f"We compared {HOSTILE} [@one2001; @two2002].", "Again [@two2002] and [@unknown]."),
    results=("It was so.",),
    references={
        "one2001": "@article{one2001, author = {One, Ann}, title = {{On}}, year = {2001}}",
        "two2002": "@article{two2002, author = {Two, Bo}, title = {{To}}, doi = {10.1/two}}",
    },
    checklist=pd.DataFrame(
        [
            ("CLAIM 2024", "1", "Title", "State it", HOSTILE),
            ("CLAIM 2024", "2", "Abstract", "?", ""),
        ],
        columns=["guideline", "item", "topic", "request", "answer"],
    ),
)


class Outline(HTMLParser):
    """Elements with their attributes, and the text outside style and script."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self._open = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"style", "script"} & set(self._open):
            self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def report(scores):
    return build_report(Predictions(scores, name="demo"), OPTIONS, formats=[])


def make(report, **changes):
    parts = {
        "title": "A study",
        "tables": [section.table for section in report.sections],
        "figures": [
            RenderedDrawing("forest", "A caption.", "Forest plot. a: 1; b: 2.", {".png": PNG})
        ],
        "absent": [Absent("roc", "ROC curves", "there are none")],
        "words": WORDS,
        "warnings": [],
        "audit": report.audit,
        "summary": report.summary,
        "cells": report.material.aucs,
    }
    return build_page(**{**parts, **changes}).decode()


@pytest.fixture(scope="module")
def page(report):
    return make(report)


def test_everything_is_on_the_page(report, page):
    text = " ".join(" ".join(Outline(page).text).split())
    for section in report.sections:
        assert " ".join(section.table.caption.split()) in text
        for note in section.table.notes:
            assert " ".join(note.split()) in text
    for row in report.audit.to_dict("records"):
        assert row["detail"] in text
    for piece in ("No ROC curves: there are none.", "A caption.", "to be filled in", "It was so."):
        assert piece in text
    assert f"All {len(report.material.aucs)} trained models" in text


def test_the_same_parts_give_the_same_bytes(report, page):
    assert make(report) == page


def test_nothing_is_loaded_and_only_our_own_style_and_script_are_allowed(page):
    outline = Outline(page)
    policy = next(
        m["content"]
        for m in outline.all("meta")
        if m.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    for tag, attributes in outline.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("src", "data:").startswith("data:")
        if tag == "a":
            assert attributes["href"].startswith(("#", "https://doi.org/"))


def test_names_are_text_wherever_they_stand():
    frame = simulate_scores(
        arms=(("imagenet", 1.0), (HOSTILE, 1.2)),
        task=HOSTILE,
        backbone=HOSTILE,
        n_patients=60,
        repeats=1,
    )
    hostile = build_report(Predictions(frame, name="demo"), OPTIONS, formats=[])
    figures = [RenderedDrawing(HOSTILE, HOSTILE, HOSTILE, {".png": PNG})]
    absent = [Absent(HOSTILE, HOSTILE, HOSTILE)]
    page = make(hostile, title=HOSTILE, figures=figures, absent=absent)
    outline = Outline(page)
    assert len(outline.all("script")) == len(outline.all("style")) == 1
    assert len(outline.all("title")) == 1
    text = "".join(outline.text)
    assert text.count(HOSTILE) > 20
    assert any(HOSTILE in attributes.get("alt", "") for attributes in outline.all("img"))


def test_headers_have_scopes_and_figures_have_texts(page):
    outline = Outline(page)
    assert all(attributes.get("scope") for attributes in outline.all("th"))
    assert all(attributes.get("alt") for attributes in outline.all("img"))
    assert len(outline.all("caption")) == len(outline.all("table"))
    for tag in ("header", "nav", "main", "footer"):
        assert len(outline.all(tag)) == 1
    ids = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [a["aria-labelledby"] for _, a in outline.elements if "aria-labelledby" in a]
    assert set(named) <= set(ids)
    links = [a["href"][1:] for a in outline.all("a") if a["href"].startswith("#")]
    assert set(links) <= set(ids)


def test_rows_have_as_many_cells_as_there_are_columns(page):
    for table in re.findall(r"<table.*?</table>", page, re.DOTALL):
        head = re.search(r"<thead>(.*?)</thead>", table, re.DOTALL)[1]
        columns = len(re.findall(r"<th[ >]", head.split("<tr>")[-1]))
        for row in re.findall(r"<tr>(.*?)</tr>", table.split("</thead>")[1], re.DOTALL):
            assert len(re.findall(r"<t[hd][ >]", row)) == columns


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["−0.2", "0.000", "0.013"], [-0.2, 0, 0.013]),
        (["<.001", ".001", ".03", ">.99"], None),
        (["98.5", "1 875", "12\N{NARROW NO-BREAK SPACE}345"], [98.5, 1875, 12345]),
    ],
)
def test_sort_keys_are_in_the_order_of_the_numbers(texts, numbers):
    keys = [float(sort_key(text)) for text in texts]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    if numbers is not None:
        assert keys == numbers


def test_words_have_no_sort_key():
    assert [sort_key(text) for text in ("linear", "–", "", "3 of 5", "0.1 to 0.2")] == [""] * 5


def test_a_table_keeps_panels_and_second_lines(report):
    table = next(s.table for s in report.sections if s.name == "significance")
    view = table_view(table, 2)
    assert [group["panel"].split(":")[0] for group in view["groups"]] == ["acl", "breast"]
    cell = view["groups"][0]["rows"][0][1]
    assert re.fullmatch(r"\(0\.\d+ to 0\.\d+\)", cell["below"])
    assert float(cell["key"]) == float(cell["text"])


def verdict_summary(report, verdict, **changes):
    summary = {**report.summary, "analysis": {**report.summary["analysis"]}}
    row = {**summary["tables"]["significance"]["rows"][0], "verdict": verdict, **changes}
    summary["tables"] = {"significance": {"rows": [row]}}
    return plain_summary(summary)


@pytest.mark.parametrize("verdict", list(VERDICTS))
def test_every_verdict_is_told_and_explained(report, verdict):
    told = verdict_summary(report, verdict)
    (finding,) = told["findings"]
    assert finding["verdict"] == verdict
    assert told["verdicts"] == [(verdict, VERDICTS[verdict])]
    claims = {
        "superior": " was better than ",
        "inferior": " was worse than ",
        "equivalent": " were equivalent within the margin of ± 0.03",
        "non-inferior": " was not worse than ",
        "inconclusive": "does not show that they are equal",
        "identical": " rank the cases in the same way",
        "not estimable": "do not allow a test",
    }
    for name, claim in claims.items():
        assert (claim in finding["text"]) == (name == verdict)


def test_what_is_not_known_is_not_told(report):
    told = verdict_summary(
        report, "not estimable", auc=None, difference=None, difference_low=None, pvalue=None
    )
    assert "nan" not in str(told).lower()
    told = verdict_summary(report, "inconclusive", smallest_detectable_difference=None)
    assert "would have been detected" not in told["findings"][0]["text"]


def test_the_summary_warns(report):
    summary = {
        **report.summary,
        "study": {**report.summary["study"], "synthetic": True, "incomplete": ["a gap"]},
        "analysis": {**report.summary["analysis"], "planned": False, "margin": None},
        "audit": [{"check": "c", "task": "", "finding": "problem", "detail": "d"}],
    }
    told = plain_summary(summary)
    for piece in ("generated by a program", "1 gap", "exploratory", "1 problem"):
        assert any(piece in warning for warning in told["warnings"])
    assert any("No margin was set" in limit for limit in told["limits"])


def test_cautions_of_the_tests_are_told_once_with_their_number(report):
    table = report.comparisons.iloc[:2]
    warnings = warning_findings(Comparisons(table, ((HOSTILE, "few patients"), (HOSTILE,))))
    told = cautions_of_tests(warnings)
    assert told == [f"{HOSTILE} (2 of 2 comparisons).", "Few patients (1 of 2 comparisons)."]
    text = "".join(Outline(make(report, warnings=warnings)).text)
    assert "Warnings of the tests" in text
    assert told[0] in text
    assert "Warnings of the tests" not in make(report, warnings=[])


def test_many_comparisons_are_counted_and_the_primary_one_told(report):
    row = report.summary["tables"]["significance"]["rows"][0]
    rows = [
        {**row, "backbone": f"net{i}", "role": "primary" if i == 7 else "secondary",
         "verdict": "superior" if i == 7 else "inconclusive"}
        for i in range(12)
    ]  # fmt: skip
    told = plain_summary({**report.summary, "tables": {"significance": {"rows": rows}}})
    (finding,) = told["findings"]
    assert finding["where"] == "net7"
    assert finding["primary"]
    assert "There were 11 further comparisons, all inconclusive" in told["more"]


def test_citations_are_numbered_as_they_come():
    references = number_references(WORDS)
    assert [(key, entry["number"]) for key, entry in references.items()] == [
        ("one2001", 1),
        ("two2002", 2),
    ]
    parts = paragraph(WORDS.methods[1], references)
    assert parts[0]["text"] == "Again"
    assert [c["number"] for c in parts[0]["citations"]] == [2]
    # A citation of nothing is left as it was written.
    assert parts[1]["text"] == " and [@unknown]."


def test_bibtex_becomes_a_line():
    entry = r"""@article{d, author = {Dem{\v{s}}ar, Janez and M\"uller, A. B.}, year = 2006,
        title = {{Comparisons of {ROC} curves: are they equal?}}, journal = {J. Mach. Learn. Res.},
        volume = {7}, pages = {1--30}, doi = {10.1/x_y}}"""
    found = describe_entry(entry)
    assert found["text"] == (
        "Demšar J, Müller AB. Comparisons of ROC curves: are they equal? "
        "J. Mach. Learn. Res. 2006;7:1–30."
    )
    assert found["address"] == "https://doi.org/10.1/x_y"


def test_a_report_writes_its_page_with_figures(scores):
    one = scores[(scores["task"] == "acl") & (scores["backbone"] == "resnet18")]
    report = build_report(Predictions(one, name="demo"), OPTIONS, formats=["html"])
    assert set(report.files) == {"report.html"}
    page = Outline(report.files["report.html"].decode())
    # Forest, ROC, differences, variance, power; the scores are no probabilities, one task.
    assert len(page.all("img")) == 5
    text = "".join(page.text)
    assert "No calibration curves: " in text
    assert "No critical-difference diagram: " in text


def test_more_cells_than_a_page_holds_are_counted(report):
    cells = pd.concat([report.material.aucs] * 12)
    page = make(report, cells=cells)
    assert f"{len(cells) - 2000} further models are not listed here" in page
    assert page.count("<td") < 30_000


def test_words_are_optional_in_part(report):
    empty = dataclasses.replace(WORDS, methods=(), references={}, checklist=pd.DataFrame())
    page = make(report, words=empty)
    assert 'id="checklist"' not in page
    assert "Statistical analysis" not in page
    assert "It was so." in page
