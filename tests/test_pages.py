"""What the README and the pages show is what the code gives."""

import doctest
import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest

from stats_tl.study.loading import parse_plan

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(text, language, containing):
    found = [b for b in re.findall(rf"```{language}\n(.*?)```", text, re.S) if containing in b]
    assert len(found) == 1
    return found[0]


def test_the_example_of_the_readme_prints_what_it_shows():
    example = block(README, "python", ">>> ")
    test = doctest.DocTestParser().get_doctest(example, {}, "README", "README.md", 0)
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.summarize() == doctest.TestResults(0, len(test.examples))


def test_the_plan_of_the_readme_is_a_plan():
    plan = parse_plan(tomllib.loads(block(README, "toml", "[study]")))
    assert plan.reference == "imagenet"


def test_the_table_of_the_start_page_is_the_committed_one():
    page = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    table = pd.read_csv(ROOT / "analysis/busbra/tables/significance.csv")
    for row in table.itertuples():
        numbers = (row.auc, row.auc_reference, row.difference)
        numbers += (row.difference_low, row.difference_high)
        a, b, d, low, high = (f"{x:.3f}".removeprefix("0") for x in numbers)
        assert f"| {a} | {b} | {d} ({low} to {high}) |" in page


def test_the_way_from_an_archive_to_the_test(monkeypatch, capsys):
    page = (ROOT / "docs/which_test.md").read_text(encoding="utf-8")
    monkeypatch.chdir(ROOT)
    names = {}
    exec(block(page, "python", "repeated_cv_test("), names)
    result = names["repeated_cv_test"](
        names["cases"]["y_true"],
        *names["wide"]("cv"),
        groups=names["cases"]["patient"],
    )
    assert "1875 cases of 1064 patients" in capsys.readouterr().out
    table = pd.read_csv("analysis/busbra/tables/significance.csv").set_index(
        ["backbone", "head", "unfreeze"]
    )
    own = table.loc[("squeezenet1_1", "linear", 0)]
    assert result.estimate == pytest.approx(own["difference"], rel=1e-12)
    assert result.pvalue == pytest.approx(own["pvalue"], rel=1e-9)


def test_the_walk_through_a_report_runs(capsys):
    page = (ROOT / "analysis/example_report/README.md").read_text(encoding="utf-8")
    names = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.S):
        exec(code, names)
    printed = capsys.readouterr().out
    row = names["row"]
    assert f"difference {row['difference']:.3f}" in printed
    assert {"operating_points", "subgroups", "significance"} <= set(names["tables"])
    assert "no table of all pairs: there are only two arms" in printed


def test_the_report_page_names_every_table_and_flag():
    from stats_tl.report import build_parser
    from stats_tl.reporting.contents import TABLES

    page = (ROOT / "docs/report.md").read_text(encoding="utf-8")
    assert len(TABLES) >= 7
    for name in ("sample", "significance", "mixed_model", "marginal_means", "all_pairs"):
        assert f"`tables/{name}" in page or f"`{name}`" in page
    for flag in ("--scores", "--arms", "--columns", "--aucs", "--plan", "--allow-incomplete"):
        assert flag in page
        assert flag in build_parser().format_help()
    analysis = tomllib.loads(block(page, "toml", "[analysis]"))["analysis"]
    from stats_tl.reporting import AnalysisOptions

    assert AnalysisOptions.from_plan(analysis, source="docs/report.md").families == ("task",)
