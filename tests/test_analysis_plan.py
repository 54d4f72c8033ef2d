"""One ``[analysis]`` table, whether it stands in a study's plan or in a file of its own."""

import pytest

from stats_tl.analysis_plan import CORRECTIONS, SETTING_KEYS
from stats_tl.errors import UserError
from stats_tl.reporting import AnalysisOptions
from stats_tl.stats import adjust_pvalues
from stats_tl.study.loading import parse_plan

from .study.conftest import PLAN

WRONG = [
    {"alpha": 0.5},
    {"alpha": "0.05"},
    {"alpha": float("nan")},
    {"margin": True},
    {"margin": -0.1, "alpha": 0},
    {"target_sensitivity": 1.0},
    {"correction": "bonferoni"},
    {"families": ["task", "task"]},
    {"families": ["tsk"]},
    {"families": "task"},
    {"subgroups": ["scanner", "scanner"]},
    {"primary": {"task": 3}},
    {"primary": {"tsk": "a"}},
    {"metric": "brier"},
    {"metric": ["f1", "f1"]},
    {"metric": []},
    {"metric": 3},
    {"metric": ["calibration_slope", "roc_auc"]},
    {"metric": "sensitivity_at_specificity"},
]


@pytest.mark.parametrize("table", WRONG, ids=str)
def test_a_plan_and_a_file_refuse_the_same_in_the_same_words(table):
    with pytest.raises(UserError) as file:
        AnalysisOptions.from_plan(table, source="file")
    with pytest.raises(UserError) as plan:
        parse_plan({**PLAN, "analysis": table})
    problems = str(file.value).splitlines()[1:]
    assert problems == str(plan.value).splitlines()[1:]
    assert len(problems) == len(table)
    for key, problem in zip(sorted(table), sorted(problems), strict=True):
        assert problem.startswith(f"  - [analysis] {key}")


def test_only_a_file_without_arms_names_its_reference():
    assert AnalysisOptions.from_plan({"reference": "b"}, source="file").reference == "b"
    with pytest.raises(UserError, match=r"\[analysis\] reference: unknown key"):
        parse_plan({**PLAN, "analysis": {"reference": "b"}})


def test_what_a_plan_leaves_out_is_what_the_options_have():
    assert AnalysisOptions.from_archive(
        parse_plan(PLAN).analysis.model_dump(), reference="random"
    ) == AnalysisOptions(reference="random")


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_every_correction_of_a_plan_is_offered(correction):
    adjusted = adjust_pvalues([0.01, 0.04], method=correction)
    assert (adjusted >= [0.01, 0.04]).all()


def test_keys_of_a_setting_are_those_of_the_cells():
    cell = {"task", "backbone", "head", "unfreeze", "arm"}
    assert set(SETTING_KEYS) == cell
