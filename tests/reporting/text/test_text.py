"""The paragraphs and checklists: exact, cited, no stronger than the tests, safe as LaTeX."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from stats_tl.reporting import AnalysisOptions, Predictions, build_report
from stats_tl.reporting.summary import plain
from stats_tl.reporting.text import references
from stats_tl.reporting.text.checklist import CLAIM, TRIPOD_AI
from stats_tl.reporting.text.prose import prose_files, prose_latex, prose_markdown
from stats_tl.reporting.text.references import known_entries, references_bib

from ..simulate import simulate_scores

OPTIONS = AnalysisOptions(
    reference="imagenet",
    margin=0.03,
    planned=True,
    plan_sha256="f" * 64,
    plan_source="the plan file",
)


@pytest.fixture(scope="module")
def report(scores):
    return build_report(Predictions(scores, name="demo"), OPTIONS, formats=["words", "json"])


def text(report, name):
    return report.files[name].decode()


def test_every_citation_has_an_entry_and_every_entry_is_cited(report):
    cited = set(
        re.findall(r"@([\w-]+)", " ".join(re.findall(r"\[(@.*?)\]", text(report, "methods.md"))))
    )
    entries = set(re.findall(r"^@\w+\{([\w-]+),", text(report, "references.bib"), re.M))
    assert cited == entries
    assert "obuchowski1997" in entries
    assert "schuirmann1987" in entries
    in_latex = set(
        ",".join(re.findall(r"\\citep\{([^}]*)\}", text(report, "methods.tex"))).split(",")
    )
    assert in_latex == cited


@pytest.mark.parametrize("key", known_entries())
def test_a_reference_is_complete(key):
    entry = known_entries()[key]
    kind = re.match(r"@(\w+)", entry)[1]
    fields = dict(re.findall(r"^  (\w+) = \{(.+)\},$", entry, re.M))
    needed = {
        "article": ("author", "title", "journal", "year", "pages"),
        "misc": ("author", "year"),
    }
    assert all(fields.get(name) for name in needed[kind])
    if fields.get("doi"):
        assert fields["doi"].startswith("10.")
    assert entry.count("{") == entry.count("}")


def test_every_entry_of_the_file_is_known():
    path = Path(references.__file__).with_name("references.bib")
    entries = re.findall(r"@\w+\{", path.read_text(encoding="ascii"))
    assert len(known_entries()) == len(entries) > 20


def test_the_methods_say_what_was_done(report):
    words = text(report, "methods.md")
    for piece in (
        "trained elsewhere; how these were trained, tuned and selected is not known",
        "learning-curve corrected test for repeated cross-validation",
        ", clustered by patient [@obuchowski1997]",
        "adjusted by Holm’s method",
        "Differences within ± 0.03 were considered negligible (equivalence margin)",
        "new patients and new training runs at this sample size",
        "SHA-256 " + "f" * 12 + "…",
        "is not recorded in the data",
    ):
        assert piece in words
    assert "DeLong’s test for paired curves" not in words
    assert "Sensitivity and specificity were" not in words  # the report has no operating points


def test_the_results_give_the_numbers_of_the_table_and_its_verdicts(report):
    words = text(report, "results.md").replace("\\", "")
    for row in report.comparisons.itertuples():
        assert f"mean AUC was {row.auc:.3f} with RadImageNet" in words
    for verdict, phrase in (
        ("superior", "), in favour of RadImageNet."),
        ("inferior", "), in favour of ImageNet."),
    ):
        assert words.count(phrase) == (report.comparisons["verdict"] == verdict).sum()
    assert not re.search(r"\bP = (0|\.000)|significan|no difference between", words)


def test_an_inconclusive_comparison_is_no_equality():
    scores = simulate_scores(arms=(("imagenet", 1.0), ("other", 1.0)), n_patients=60)
    words = text(build_report(Predictions(scores), OPTIONS, formats=["words"]), "results.md")
    assert "neither a difference nor equivalence within ± 0.03 was shown" in words
    assert "the test would have detected a difference of" in words


def test_without_a_plan_the_words_say_exploratory(scores):
    options = AnalysisOptions(reference="imagenet")
    report = build_report(Predictions(scores), options, formats=["words"])
    assert "No analysis plan was given, so that the comparisons are exploratory." in text(
        report, "methods.md"
    )


def test_names_cannot_break_out_of_latex_or_markdown():
    evil = r"\input{x} [@delong1988] <b>_*$%&#"
    scores = simulate_scores(arms=(("imagenet", 1.0), (evil, 1.2)), repeats=2)
    report = build_report(Predictions(scores), OPTIONS, formats=["words"])
    latex = text(report, "results.tex")
    assert r"\input" not in latex
    assert r"\textbackslash{}input\{x\}" in latex
    assert "<b>" not in text(report, "results.md").replace("\\<b\\>", "")


def test_the_checklists_are_whole_and_blank_where_nothing_is_known(report):
    frame = report.words.checklist
    assert len(frame) == len(CLAIM) + len(TRIPOD_AI) == 44 + 52
    answers = frame.set_index(["guideline", "item"])["answer"]
    for item in ("14", "31", "33", "44"):  # reference standard, explainability, external, funding
        assert answers["CLAIM 2024", item] == ""
    assert answers["TRIPOD+AI", "17"] == ""
    # Predictions made elsewhere: nothing is known of the training.
    for item in ("9", "22", "25", "26"):
        assert answers["CLAIM 2024", item] == ""
    assert "The table of comparisons has 95 % confidence intervals" in answers["CLAIM 2024", "29"]


def test_the_summary_is_strict_json_with_the_numbers_of_the_tables(report):
    def refuse(constant):
        raise ValueError(constant)

    summary = json.loads(report.files["summary.json"], parse_constant=refuse)
    rows = pd.DataFrame(summary["tables"]["significance"]["rows"])
    pd.testing.assert_series_equal(
        rows["pvalue"].astype(float), report.comparisons["pvalue"], check_exact=True
    )
    assert summary["analysis"]["plan_sha256"] == "f" * 64
    assert plain(float("nan")) is None
    assert plain(float("-inf")) == "-inf"


ODD = "a$b$ ~c~ ^d^ #e x--y z... 'f' \"g\" @h [i](j) <k> *l* _m_ |n| \\\\o"


def test_names_are_text_for_markdown():
    pandoc = shutil.which("pandoc")
    if pandoc is None:
        pytest.skip("pandoc is not installed")
    markdown = prose_markdown("T", [f"The arm {ODD} was better [@holm1979]."])
    tree = json.loads(
        subprocess.run(
            [pandoc, "-f", "markdown", "-t", "json"],
            input=markdown, capture_output=True, text=True, check=True,
        ).stdout
    )  # fmt: skip
    inlines = tree["blocks"][-1]["c"]
    assert {part["t"] for part in inlines} == {"Str", "Space", "Cite"}
    text = "".join(part["c"] if part["t"] == "Str" else " " for part in inlines)
    assert text.replace("\N{NO-BREAK SPACE}", " ").startswith(f"The arm {ODD} was better ")


def test_citations_stand_in_brackets_with_natbib_and_without():
    latex = prose_latex(["Holm’s method [@holm1979] was used."])
    assert r"method~\citep{holm1979} was" in latex
    assert latex.index(r"\providecommand{\citep}{\cite}") < latex.index("Holm")


def test_a_doi_that_styles_print_as_inverted_marks_is_left_out():
    entries = references_bib(["youden1950", "holm1979", "delong1988"])
    files = prose_files(["[@youden1950]"], [], entries, [])
    written = files["references.bib"].decode()
    assert not re.search("[<>]", written)
    assert written.count("@article") == 3
    assert "doi = {10.2307/2531595}" in written
    assert "Index for rating diagnostic tests" in written
