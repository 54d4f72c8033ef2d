"""The secondary tables: all pairs, operating points, subgroups, means, reproducibility."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps

from stats_tl.errors import UserError
from stats_tl.reporting import (
    AnalysisOptions,
    Predictions,
    build_report,
    compare_arms,
)
from stats_tl.stats import adjust_pvalues, sensitivity_threshold, youden_threshold

from ..simulate import simulate_scores

ARMS = (("imagenet", 0.9), ("radimagenet", 1.5), ("random", 0.5))
OPTIONS = AnalysisOptions(reference="imagenet", planned=True)


@pytest.fixture(scope="module")
def scores():
    """Three arms with tuning cases (a fifth of the cases of other folds) and a covariate."""
    test = simulate_scores(arms=ARMS, n_patients=150).assign(partition="test")
    # As tuning cases of fold k serve the test cases of fold k + 1, with a constant offset.
    tuning = test.assign(partition="validation", fold=(test["fold"] + 1) % 5)
    both = pd.concat([test, tuning], ignore_index=True)
    both["scanner"] = np.where(both["patient"].str[-1].isin(list("0123456")), "A", "B")
    both["site"] = "only one"
    return both


@pytest.fixture(scope="module")
def report(scores):
    return build_report(Predictions(scores, name="demo"), OPTIONS, formats=["latex", "words"])


def section(report, name):
    return next(s for s in report.sections if s.name == name)


class TestAllPairs:
    def test_every_two_arms_are_compared_with_the_reference_second(self, report):
        rows = section(report, "all_pairs").numbers
        pairs = list(zip(rows["arm"], rows["reference"], strict=True))
        assert pairs == [
            ("radimagenet", "imagenet"),
            ("radimagenet", "random"),
            ("random", "imagenet"),
        ]
        expected = adjust_pvalues(rows["pvalue"], "holm")
        np.testing.assert_allclose(rows["pvalue_adjusted"], expected)

    def test_a_pair_is_the_comparison_of_these_two(self, report, scores):
        test = scores[scores["partition"] == "test"]
        row = section(report, "all_pairs").numbers.iloc[1]
        expected = compare_arms(test[test["arm"] != "imagenet"], "random").iloc[0]
        assert row["difference"] == pytest.approx(expected["difference"], rel=1e-12)
        assert row["pvalue"] == pytest.approx(expected["pvalue"], rel=1e-12)

    def test_two_arms_have_no_such_table(self, scores):
        two = scores[scores["arm"] != "random"]
        report = build_report(Predictions(two), OPTIONS, formats=[])
        assert {part.name for part in report.absent} == {"all_pairs", "sensitivity"}


class TestOperatingPoints:
    def test_sensitivity_is_that_of_thresholds_from_the_tuning_cases(self, report, scores):
        own = scores[scores["arm"] == "radimagenet"]
        called = []
        for key, test in own[own["partition"] == "test"].groupby(["repeat", "fold"]):
            tuning = own[
                (own["partition"] == "validation")
                & (own["repeat"] == key[0])
                & (own["fold"] == key[1])
            ]
            threshold = youden_threshold(tuning["y_true"], tuning["score"])
            called.append(test.assign(called=test["score"] >= threshold))
        called = pd.concat(called)
        rows = section(report, "operating_points").numbers
        rows = rows[rows["arm"] == "radimagenet"].set_index("metric")
        sensitivity = called.loc[called["y_true"] == 1, "called"].mean()
        specificity = 1 - called.loc[called["y_true"] == 0, "called"].mean()
        assert rows.loc["sensitivity", "value"] == pytest.approx(sensitivity, rel=1e-12)
        assert rows.loc["specificity", "value"] == pytest.approx(specificity, rel=1e-12)

    def test_a_target_sensitivity_moves_the_thresholds(self, scores):
        options = AnalysisOptions(reference="imagenet", target_sensitivity=0.95)
        report = build_report(Predictions(scores), options, formats=[])
        row = report.material.thresholds.iloc[7]
        keys = ["arm", "repeat", "fold"]
        own = scores[(scores[keys] == row[keys]).all(axis=1)]
        tuning = own[own["partition"] == "validation"]
        expected = sensitivity_threshold(tuning["y_true"], tuning["score"], 0.95)
        assert row["threshold"] == expected
        assert row["n_tuning"] == len(tuning)
        text = " ".join(section(report, "operating_points").table.notes)
        assert "at a sensitivity of 95 % on its tuning cases" in text

    def test_the_notes_say_what_the_test_is_and_is_not(self, report):
        text = " ".join(section(report, "operating_points").table.notes)
        assert "no test case was used" in text
        assert "It is conservative" in text
        assert "a family of their own" in text

    def test_without_tuning_cases_there_is_a_reason(self, scores):
        test = scores[scores["partition"] == "test"]
        report = build_report(Predictions(test), OPTIONS, formats=[])
        (absent,) = [part for part in report.absent if part.name == "operating_points"]
        assert "partition 'validation'" in absent.reason

    def test_a_given_threshold_needs_no_tuning_cases(self, scores):
        test = scores[scores["partition"] == "test"]
        options = AnalysisOptions(reference="imagenet", threshold=0.8)
        report = build_report(Predictions(test), options, formats=["words"])
        rows = section(report, "operating_points").numbers
        rows = rows[rows["arm"] == "radimagenet"].set_index("metric")
        own = test[test["arm"] == "radimagenet"]
        called = own["score"] >= 0.8
        expected = called[own["y_true"] == 1].mean(), 1 - called[own["y_true"] == 0].mean()
        assert tuple(rows.loc[["sensitivity", "specificity"], "value"]) == pytest.approx(expected)
        assert rows["threshold_rule"].eq("fixed at 0.8").all()
        table = section(report, "operating_points").table
        said = " ".join([table.caption, *table.notes, report.files["methods.md"].decode()])
        assert "a threshold of 0.8, which was given" in said
        assert "tuning cases" not in said

    def test_one_test_set_is_mcnemars(self):
        frame = simulate_scores(folds=1, repeats=1).drop(columns="patient")
        both = pd.concat([frame, frame.assign(partition="validation")], ignore_index=True)
        report = build_report(Predictions(both), OPTIONS, formats=[])
        row = section(report, "operating_points").numbers.iloc[0]
        only = row["only_candidate_right"], row["only_reference_right"]
        expected = sps.binomtest(int(only[0]), int(sum(only)), 0.5).pvalue
        assert row["pvalue"] == pytest.approx(expected, rel=1e-9)


class TestSubgroups:
    def test_named_subgroups_are_compared_in_every_comparison(self, scores):
        options = AnalysisOptions(reference="imagenet", subgroups=("scanner",), planned=True)
        report = build_report(Predictions(scores), options, formats=[])
        rows = section(report, "subgroups").numbers
        assert list(rows["subgroup"]) == ["A", "B"] * 2
        assert rows["planned"].all()
        counted = scores.drop_duplicates("case").groupby("scanner").size()
        assert list(rows["n_cases"][:2]) == list(counted)
        firsts = rows.drop_duplicates("arm")
        np.testing.assert_allclose(
            firsts["interaction_pvalue_adjusted"],
            adjust_pvalues(firsts["interaction_pvalue"], "holm"),
        )

    def test_unplanned_subgroups_are_exploratory(self, scores):
        two = scores[scores["arm"] != "random"]
        report = build_report(Predictions(two), OPTIONS, formats=[])
        found = section(report, "subgroups")
        assert set(found.numbers["covariate"]) == {"scanner"}
        assert (
            "These subgroup analyses were not prespecified and are exploratory."
            in found.table.notes
        )

    @pytest.mark.parametrize(
        ("changes", "planned"), [({"alpha": 0.01}, True), ({"subgroups": ["scanner"]}, False)]
    )
    def test_methods_and_table_agree_on_what_was_planned(self, scores, changes, planned):
        two = scores[scores["arm"] != "random"].assign(site=lambda f: f["scanner"])
        options = AnalysisOptions(reference="imagenet", subgroups=("site",), planned=True)
        report = build_report(Predictions(two), options.override("later", **changes), formats=[])
        assert (section(report, "subgroups").numbers["planned"] == planned).all()
        negation = "" if planned else "not "
        assert any(
            f"Subgroup analyses were {negation}prespecified." in text
            for text in report.words.methods
        )

    def test_few_repeats_give_intervals_and_no_p(self, scores):
        few = scores[scores["repeat"] < 2]
        options = AnalysisOptions(reference="imagenet", subgroups=("scanner",))
        found = section(build_report(Predictions(few), options, formats=[]), "subgroups")
        assert found.numbers["interaction_pvalue"].isna().all()
        assert found.numbers["difference_low"].notna().all()
        assert any(note.startswith("No P values are given") for note in found.table.notes)

    def test_an_unknown_covariate_is_refused(self, scores):
        options = AnalysisOptions(reference="imagenet", subgroups=("scaner",))
        with pytest.raises(UserError, match="no such covariate; did you mean 'scanner'"):
            build_report(Predictions(scores), options, formats=[])


class TestFamilies:
    def test_families_divide_the_secondary_comparisons(self, scores):
        other = scores.assign(task="knee")
        test = pd.concat([scores, other])[lambda f: f["partition"] == "test"]
        options = AnalysisOptions(reference="imagenet", families=("task",))
        rows = compare_arms(test, "imagenet", options=options)
        for _, own in rows.groupby("task"):
            np.testing.assert_allclose(
                own["pvalue_adjusted"], adjust_pvalues(own["pvalue"], "holm")
            )
        assert set(rows["family"]) == {"breast", "knee"}


def test_marginal_means_agree_with_the_means_of_a_balanced_grid(report, scores):
    rows = section(report, "marginal_means").numbers.set_index("arm")
    for arm, own in report.material.aucs.groupby("arm"):
        assert rows.loc[arm, "estimate"] == pytest.approx(own["auc"].mean(), rel=1e-9)


def test_every_table_is_in_the_document_and_says_what_is_missing(report):
    names = {part.name for part in report.sections}
    assert {"sample", "significance", "reproducibility", "all_pairs"} <= names
    document = report.files["all.tex"].decode()
    assert all(rf"\input{{tables/{name}.tex}}" in document for name in names)
    assert r"\input{methods.tex}" in document
