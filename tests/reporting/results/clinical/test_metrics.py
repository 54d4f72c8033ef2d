"""Clinical metrics of two arms, against scikit-learn, statsmodels and the tests themselves."""

import numpy as np
import pandas as pd
import pytest
from scipy import special
from sklearn import metrics as sk

from stats_tl.errors import UserError
from stats_tl.reporting import AnalysisOptions, Predictions, build_report, read_analysis_plan
from stats_tl.stats import (
    corrected_resampled_ttest,
    get_metric,
    obuchowski_rockette_test,
    paired_metric_test,
    repeated_cv_test,
    youden_threshold,
)

from ...simulate import simulate_scores

OPTIONS = {"reference": "imagenet", "planned": True, "correction": "none"}


def numbers(scores, **options):
    report = build_report(
        Predictions(scores, name="demo"), AnalysisOptions(**{**OPTIONS, **options}), formats=[]
    )
    (section,) = [part for part in report.sections if part.name == "clinical"]
    return section.numbers, section.table


def row(table, metric, at=None):
    own = table[table["metric"] == metric]
    own = own[own["at"].isna()] if at is None else own[own["at"] == at]
    assert len(own) == 1, (metric, at)
    return own.iloc[0]


def arm_of(scores, name):
    return scores[scores["arm"] == name].sort_values("case")


@pytest.fixture(scope="module")
def probabilities():
    """One test set of independent images: probabilities of two arms."""
    scores = simulate_scores(folds=1, repeats=1, n_patients=260).drop(columns="patient")
    return scores.assign(score=special.expit(scores["score"]))


@pytest.fixture(scope="module")
def found(probabilities):
    return numbers(probabilities, threshold=0.6, prevalence=0.05, net_benefit_thresholds=(0.2, 0.4))


class TestOneTestSet:
    def test_values_are_those_of_scikit_learn(self, found, probabilities):
        for arm, name in (("radimagenet", "value"), ("imagenet", "value_reference")):
            own = arm_of(probabilities, arm)
            y, p = own["y_true"].to_numpy(), own["score"].to_numpy()
            called = p >= 0.6
            tn, fp, fn, tp = sk.confusion_matrix(y, called).ravel()
            sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
            odds = 0.05 / 0.95
            expected = {
                ("ppv", None): sk.precision_score(y, called),
                ("npv", None): tn / (tn + fn),
                ("ppv", 0.05): 1 / (1 + (1 - specificity) / (sensitivity * odds)),
                ("npv", 0.05): 1 / (1 + (1 - sensitivity) * odds / specificity),
                ("positive_likelihood_ratio", None): sk.class_likelihood_ratios(y, called)[0],
                ("negative_likelihood_ratio", None): sk.class_likelihood_ratios(y, called)[1],
                ("f1", None): sk.f1_score(y, called),
                ("accuracy", None): sk.accuracy_score(y, called),
                ("brier_score", None): sk.brier_score_loss(y, p),
            }
            for at in (0.2, 0.4):
                benefit = (y * (p >= at) - (1 - y) * (p >= at) * at / (1 - at)).mean()
                expected["net_benefit", at] = benefit
            for (metric, at), value in expected.items():
                assert row(found[0], metric, at)[name] == pytest.approx(value, rel=1e-12), metric

    def test_calibration_is_that_of_a_logistic_regression(self, found, probabilities):
        sm = pytest.importorskip("statsmodels.api")
        own = arm_of(probabilities, "imagenet")
        y, logit = own["y_true"].to_numpy(), special.logit(own["score"].to_numpy())
        slope = sm.Logit(y, np.c_[np.ones(y.size), logit]).fit(disp=0).params[1]
        assert row(found[0], "calibration_slope")["value_reference"] == pytest.approx(slope)
        large = sm.GLM(
            y, np.ones((y.size, 1)), family=sm.families.Binomial(), offset=logit
        ).fit().params[0]  # fmt: skip
        assert row(found[0], "calibration_intercept")["value_reference"] == pytest.approx(large)

    def test_differences_and_p_values_are_those_of_the_paired_test(self, found, probabilities):
        a, b = (arm_of(probabilities, arm) for arm in ("radimagenet", "imagenet"))
        for metric, options in (
            ("f1", {"threshold": 0.6}),
            ("brier_score", {}),
            ("positive_likelihood_ratio", {"threshold": 0.6}),
        ):
            test = paired_metric_test(a["y_true"], a["score"], b["score"], metric=metric, **options)
            own = row(found[0], metric)
            assert own["pvalue"] == own["pvalue_adjusted"] == test.pvalue
            ratio = metric.endswith("ratio")
            expected = np.exp(test.estimate) if ratio else test.estimate
            assert own["difference"] == pytest.approx(expected)
            assert own["scale"] == ("ratio" if ratio else "difference")

    def test_the_table_says_what_was_given_and_what_is_concluded(self, found):
        text = " ".join(found[1].notes)
        assert "a threshold of 0.6, which was given" in text
        assert "these fitted models, for new images" in text
        assert "P values are not adjusted" in text
        assert found[1].columns[-1].header == "P"

    def test_settings_of_a_plan(self, tmp_path, probabilities):
        path = tmp_path / "analysis.toml"
        path.write_text(
            "[analysis]\nthreshold = 0.6\nprevalence = 0.05\nnet_benefit_thresholds = [0.2]\n"
        )
        table, _, sha256 = read_analysis_plan(path)
        options = AnalysisOptions.from_plan(
            table, source="plan", reference="imagenet", sha256=sha256
        )
        report = build_report(Predictions(probabilities), options, formats=[])
        (section,) = [part for part in report.sections if part.name == "clinical"]
        assert row(section.numbers, "ppv", 0.05)["value"] > 0
        assert report.summary["analysis"]["net_benefit_thresholds"] == [0.2]


@pytest.mark.parametrize(
    "setting",
    [
        {"prevalence": 1.2},
        {"net_benefit_thresholds": [0.1, 0.1]},
        {"net_benefit_thresholds": [0]},
        {"clinical_table": "yes"},
    ],
)
def test_bad_settings_are_refused_by_name(setting):
    with pytest.raises(UserError, match=next(iter(setting))):
        AnalysisOptions.from_plan(setting, source="plan")


def test_tuned_thresholds_are_tested_over_folds():
    test = simulate_scores(n_patients=150).assign(partition="test")
    tuning = test.assign(partition="validation", fold=(test["fold"] + 1) % 5)
    both = pd.concat([test, tuning], ignore_index=True)
    found, table = numbers(both)
    values = {}
    for (arm, repeat, fold), own in both.groupby(["arm", "repeat", "fold"]):
        tuned, tested = (own[own["partition"] == name] for name in ("validation", "test"))
        cut = youden_threshold(tuned["y_true"], tuned["score"])
        values[arm, repeat, fold] = sk.f1_score(tested["y_true"], tested["score"] >= cut)
    series = pd.Series(values)
    a, b = (series[arm].to_numpy().reshape(5, 5) for arm in ("radimagenet", "imagenet"))
    own = row(found, "f1")
    assert own["value"] == pytest.approx(a.mean())
    assert own["value_reference"] == pytest.approx(b.mean())
    expected = corrected_resampled_ttest(a - b, n_train=4, n_test=1)
    assert own["pvalue"] == pytest.approx(expected.pvalue)
    text = " ".join(table.notes)
    assert "largest Youden index on its tuning cases" in text
    assert "not studied for the other metrics" in text


def test_ranks_are_tested_by_the_test_for_repeated_cross_validation():
    scores = simulate_scores(n_patients=150)
    found, table = numbers(scores)
    frames = dict(list(scores.groupby("arm")))
    wide = {
        arm: own.pivot_table(index="repeat", columns="case", values="score")
        for arm, own in frames.items()
    }
    folds = frames["imagenet"].pivot_table(index="repeat", columns="case", values="fold")
    cases = arm_of(scores[scores["repeat"] == 0], "imagenet")
    at = get_metric("sensitivity_at_specificity", specificity=0.9)
    expected = repeated_cv_test(
        cases["y_true"], wide["radimagenet"], wide["imagenet"], folds, groups=cases["patient"],
        metric=at,
    )  # fmt: skip
    own = row(found, "sensitivity_at_specificity", 0.9)
    assert own["pvalue"] == pytest.approx(expected.pvalue)
    assert (own["value"], own["value_reference"]) == pytest.approx(expected.estimates)
    # The scores are no probabilities, and there is no tuning case: what needs these is left out.
    without = found[found["value"].isna()]
    assert set(without["metric"]) == {
        "ppv", "npv", "positive_likelihood_ratio", "negative_likelihood_ratio", "f1", "accuracy",
        "brier_score", "calibration_intercept", "calibration_slope",
    }  # fmt: skip
    notes = " ".join(table.notes)
    assert "Left out (Brier score, calibration intercept and calibration slope)" in notes
    assert "some lie outside 0 to 1" in notes
    assert "no threshold: no tuning cases" in notes
    assert len(table.rows) == 4


def test_several_trainings_are_readers():
    scores = simulate_scores(folds=1, repeats=3, n_patients=200)
    scores["score"] = special.expit(scores["score"])
    found, _ = numbers(scores)
    stacked = np.stack(
        [
            own.pivot_table(index="repeat", columns="case", values="score").to_numpy()
            for _, own in sorted(scores.groupby("arm"), reverse=True)
        ]
    )
    cases = arm_of(scores[scores["repeat"] == 0], "imagenet")
    expected = obuchowski_rockette_test(
        cases["y_true"], stacked, groups=cases["patient"].to_numpy(), metric="brier_score"
    )
    own = row(found, "brier_score")
    assert own["pvalue"] == pytest.approx(expected.pvalue)
    assert own["difference"] == pytest.approx(expected.estimate)


def test_the_primary_comparison_alone_where_there_is_one():
    frames = [simulate_scores(backbone=f"net{i}", model_seed=i, repeats=2) for i in range(8)]
    scores = pd.concat(frames, ignore_index=True)
    for primary, shown in (({"backbone": "net5"}, "net5"), ({}, "net0")):
        found, table = numbers(scores, primary=primary)
        assert set(found["backbone"]) == {shown}
        assert "1 of 8 comparisons" in " ".join(table.notes)


def test_it_can_be_left_out(probabilities):
    options = AnalysisOptions(reference="imagenet", clinical_table=False)
    report = build_report(Predictions(probabilities), options, formats=[])
    assert "clinical_table = false" in report.summary["absent"]["clinical"]


def test_words_name_what_differs(probabilities):
    options = AnalysisOptions(reference="imagenet", threshold=0.6)
    report = build_report(Predictions(probabilities), options, formats=["words"])
    methods, results = (report.files[f"{name}.md"].decode() for name in ("methods", "results"))
    assert "were compared as secondary metrics" in methods
    assert "@efron1981" in methods
    assert "clinical metrics" in results
