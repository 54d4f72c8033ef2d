"""The comparison without affected cases is the comparison of the table without their rows."""

import numpy as np
import pandas as pd
import pytest

from stats_tl.reporting import AnalysisOptions, build_report, compare_arms
from stats_tl.reporting.rendering.parts import Absent
from stats_tl.reporting.results.material import gather_material
from stats_tl.reporting.results.sensitivity import sensitivity_analyses

from ..simulate import simulate_scores
from ..test_unknown_patients import Archived

OPTIONS = AnalysisOptions(reference="imagenet", primary={"backbone": "resnet18"})
COPIES = ["c0003", "c0004", "c0010", "c0050"]


class Known(Archived):
    known = True


@pytest.fixture(scope="module")
def scores():
    nets = [simulate_scores(repeats=2, backbone=b, model_seed=i)
            for i, b in enumerate(("resnet18", "densenet121"))]  # fmt: skip
    return pd.concat(nets, ignore_index=True)


def archived(scores, audit):
    evidence = Known(scores)
    evidence.tasks = {"breast": {"description": "Images.", "near_duplicates": audit}}
    return evidence


AUDIT = {"pairs": 3, "between_patients": 2, "across_partitions": 2, "cases": COPIES, "examples": []}


def test_rows_are_those_of_the_scores_without_the_cases(scores):
    table = sensitivity_analyses(gather_material(archived(scores, AUDIT), OPTIONS))
    assert list(table["analysis"]) == ["all cases", "without near-duplicates across splits"]
    assert set(table["backbone"]) == {"resnet18"}  # the primary comparison alone
    for row, frame in zip(
        table.to_dict("records"), (scores, scores[~scores["case"].isin(COPIES)]), strict=True
    ):
        every = compare_arms(frame, "imagenet", options=OPTIONS)
        own = every[every["backbone"] == "resnet18"].iloc[0]
        for key in ("auc", "difference", "difference_low", "pvalue", "pvalue_adjusted", "n_cases"):
            assert row[key] == pytest.approx(own[key], rel=1e-12), key
    assert list(table["n_left_out"]) == [0, len(COPIES)]


def test_the_problem_is_a_caution_where_the_comparison_is_read(scores):
    report = build_report(archived(scores, AUDIT), OPTIONS, formats=["words", "html", "latex"])
    page = report.files["report.html"].decode()
    sections = {section.name: section for section in report.sections}
    phrase = "2 of 3 near-duplicate pairs are split across partitions; models were tested on copies"
    for text in (
        " ".join(sections["significance"].table.notes),
        " ".join(report.terminal.notes),
        " ".join(report.words.results),
        page,
    ):
        assert phrase in text
    assert "Without near-duplicates across splits" in page
    assert "(4 images left out), the difference was" in " ".join(report.words.results)
    assert "tables/sensitivity.tex" in report.files


@pytest.mark.parametrize(
    ("audit", "reason"),
    [
        (None, "it is not known which images are near-duplicates"),
        ({"pairs": 0, "across_partitions": 0, "examples": []}, "found no cases that are affected"),
        (
            {"pairs": 40, "across_partitions": 21, "examples": [["c0001", "c0002", 3]] * 20},
            "does not name all near-duplicates",
        ),
    ],
)
def test_why_there_is_none(scores, audit, reason):
    found = sensitivity_analyses(gather_material(archived(scores, audit), OPTIONS))
    assert isinstance(found, Absent)
    assert reason in found.reason


def test_older_archives_that_name_every_pair_are_enough(scores):
    audit = {"pairs": 1, "across_partitions": 1, "examples": [["c0001", "c0002", 3]]}
    table = sensitivity_analyses(gather_material(archived(scores, audit), OPTIONS))
    assert list(table["n_left_out"]) == [0, 2]


def test_patients_on_both_sides_are_left_out(scores):
    once = scores.drop_duplicates("case")
    torn = scores["case"].isin(once[once.duplicated("patient")]["case"].head(2))
    moved = scores.assign(fold=np.where(torn, (scores["fold"] + 1) % 5, scores["fold"]))
    material = gather_material(Known(moved), OPTIONS, allow_leakage=True)
    table = sensitivity_analyses(material)
    people = material.divided["breast"]
    assert table["n_left_out"].iloc[1] == once["patient"].isin(people).sum() > 0
    assert table["verdict"].iloc[0] == "none (leakage)"
    assert table["verdict"].iloc[1] != "none (leakage)"
