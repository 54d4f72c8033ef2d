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


def test_the_table_of_the_readme_is_the_committed_one():
    table = pd.read_csv(ROOT / "analysis/busbra/tables/significance.csv")
    for row in table.itertuples():
        numbers = (row.auc, row.auc_reference, row.difference)
        numbers += (row.difference_low, row.difference_high)
        a, b, d, low, high = (f"{x:.3f}".removeprefix("0") for x in numbers)
        assert f"| {a} | {b} | {d} ({low} to {high}) |" in README


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
