"""What limits the results is data before it is a sentence."""

import dataclasses
from typing import get_args

import pytest

from stats_tl.reporting import AnalysisOptions, Predictions, gather_material
from stats_tl.reporting.results.comparisons import Comparisons
from stats_tl.reporting.results.findings import (
    Code,
    Finding,
    general_findings,
    secondary_findings,
    warning_findings,
)
from stats_tl.reporting.results.findings import (
    test_findings as findings_of_tests,
)
from stats_tl.reporting.tables.notes import finding_note

from ..simulate import simulate_scores


@pytest.fixture(scope="module")
def material():
    evidence = Predictions(simulate_scores(repeats=2))
    return gather_material(evidence, AnalysisOptions(reference="imagenet"))


def codes(findings):
    return [finding.code for finding in findings]


def test_what_is_lacking_reaches_every_kind_of_table(material):
    assert codes(general_findings(material)) == []
    assert codes(secondary_findings(material)) == ["unplanned"]
    gaps = dataclasses.replace(material.compared, lacking=("breast: repeat 1: not trained",))
    torn = dataclasses.replace(material, compared=gaps)
    for find, complete in (
        (general_findings, False),
        (findings_of_tests, True),
        (secondary_findings, True),
    ):
        last = find(torn)[-1]
        assert last.code == "incomplete"
        assert last.values == {"gaps": gaps.lacking, "complete_runs": complete}


def test_a_warning_names_its_tasks_unless_all_have_it(material):
    table = material.comparisons.iloc[[0, 0, 0]].assign(task=["a", "b", "b"])
    # One is part of the other, and one has the separator of the files in it.
    warnings = (("few", "few | cases"), ("few", "few cases"), ("few", "few cases", "few cases"))
    found = {f.values["warning"]: f for f in warning_findings(Comparisons(table, warnings))}
    assert {name: f.tasks for name, f in found.items()} == {
        "few": (),
        "few | cases": ("a",),
        "few cases": ("b",),
    }
    assert {name: f.values["comparisons"] for name, f in found.items()} == {
        "few": 3,
        "few | cases": 1,
        "few cases": 2,
    }
    assert finding_note(found["few cases"]) == "Caution (b): few cases."


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (AnalysisOptions(), "unplanned"),
        (AnalysisOptions(planned=True), None),
        (AnalysisOptions(planned=True, departures=("alpha 0.01",)), "departures"),
    ],
)
def test_an_analysis_off_its_plan_is_a_finding(material, options, code):
    found = codes(secondary_findings(dataclasses.replace(material, options=options)))
    assert found == ([code] if code else [])


def test_every_code_has_a_sentence():
    values = {
        "leakage": {"patients": 2},
        "audit": {"found": "2 pairs", "effect": "AUCs may be too high"},
        "reversed": {"arm": "a", "auc": 0.2, "low": 0.1, "high": 0.3, "others": ("b",)},
        "score-problem": {"kind": "labels", "arm": "a", "share": 1.0},
        "test-warning": {"warning": "w", "comparisons": 1, "of": 1},
        "departures": {"departures": ("alpha 0.01",)},
        "plan": {"sha256": "ab", "source": "the file"},
        "incomplete": {"gaps": tuple("abcdefghij"), "complete_runs": True},
    }
    for code in get_args(Code):
        assert finding_note(Finding(code, values=values.get(code, {}))).endswith(".")
    listed = finding_note(Finding("incomplete", values=values["incomplete"]))
    assert "10 gaps: a; b; c; d; e; f; g; h; and 2 more." in listed
