"""Studies that are compared by something else than the AUC, beside direct tests of it."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

from stats_tl.errors import UserError
from stats_tl.reporting import AnalysisOptions, Predictions, build_report, compare_arms
from stats_tl.stats import (
    noninferiority_test,
    obuchowski_rockette_test,
    paired_metric_test,
    repeated_cv_test,
    youden_threshold,
)

from ..simulate import simulate_halvings, simulate_scores

CASES = ["case", "patient", "y_true"]


def options(*metrics, **more):
    return AnalysisOptions(reference="imagenet", metric=metrics, **more)


@pytest.fixture(scope="module")
def risks():
    """Out-of-fold probabilities of two arms; 'radimagenet' is the better one."""
    scores = simulate_scores(arms=(("imagenet", 0.4), ("radimagenet", 2.0)), seed=3)
    centred = scores["score"] - scores.groupby(["arm", "repeat", "fold"])["score"].transform("mean")
    return scores.assign(score=special.expit(centred - 0.6))


def arrays(scores, arm):
    own = scores[scores["arm"] == arm]
    wide = [own.pivot_table(index="repeat", columns="case", values=c).to_numpy()
            for c in ("score", "fold")]  # fmt: skip
    return wide[0], wide[1].astype(int)


def direct(scores, metric, **more):
    cases = scores.drop_duplicates("case").sort_values("case")
    a, folds = arrays(scores, "radimagenet")
    b, _ = arrays(scores, "imagenet")
    return repeated_cv_test(
        cases["y_true"], a, b, folds, groups=cases["patient"], metric=metric, **more
    )


@pytest.mark.parametrize(
    ("spelt", "name", "threshold"),
    [
        ("brier_score", "brier_score", None),
        ("average_precision", "average_precision", None),
        ("f1:threshold=0.4", "f1", 0.4),
        ("log_loss", "log_loss", None),
    ],
)
def test_the_report_has_the_p_value_of_the_test(risks, spelt, name, threshold):
    row = compare_arms(risks, "imagenet", options=options(spelt, margin=0.05)).iloc[0]
    result = direct(risks, name, threshold=threshold)
    assert row["pvalue"] == pytest.approx(result.pvalue, rel=1e-9)
    assert row[name] == pytest.approx(result.estimates[0])
    assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
    assert row["difference_low"] == pytest.approx(result.confidence_interval.low)
    assert row["noninferiority_pvalue_adjusted"] == pytest.approx(
        noninferiority_test(result, 0.05).pvalue
    )
    assert row["verdict"] == "superior"
    turned = compare_arms(risks, "radimagenet", options=options(spelt)).iloc[0]
    assert turned["verdict"] == "inferior"
    assert turned["difference"] == pytest.approx(-row["difference"])


def test_seeds_hold_outs_one_test_set_and_runs(risks):
    one = risks[risks["repeat"] == 0].drop(columns=["repeat", "fold", "seed"])
    cases = one[one["arm"] == "imagenet"].sort_values("case")
    a, b = (
        one[one["arm"] == arm].sort_values("case")["score"] for arm in ("radimagenet", "imagenet")
    )
    row = compare_arms(one, "imagenet", options=options("brier_score")).iloc[0]
    plain = paired_metric_test(cases["y_true"], a, b, metric="brier_score", groups=cases["patient"])
    assert (row["pvalue"], row["test"]) == (pytest.approx(plain.pvalue), "paired-metric")
    runs = risks.assign(seed=risks["repeat"], repeat=0, fold=0)
    row = compare_arms(runs, "imagenet", options=options("brier_score")).iloc[0]
    stacked = np.stack([arrays(risks, arm)[0] for arm in ("radimagenet", "imagenet")])
    mrmc = obuchowski_rockette_test(
        cases["y_true"], stacked, metric="brier_score", groups=cases["patient"]
    )
    assert row["pvalue"] == pytest.approx(mrmc.pvalue)
    held = risks[risks["fold"] == risks["repeat"]]
    row = compare_arms(held, "imagenet", options=options("brier_score")).iloc[0]
    loss = held.assign(loss=(held["score"] - held["y_true"]) ** 2)
    means = loss.pivot_table(index="repeat", columns="arm", values="loss")
    assert row["test"] == "nadeau-bengio"
    assert row["difference"] == pytest.approx((means["radimagenet"] - means["imagenet"]).mean())
    assert row["verdict"] == "superior"


def test_halvings_serve_any_metric_and_half_samples_the_auc_alone(risks):
    extra = simulate_halvings(risks, 6).assign(score=lambda own: special.expit(own["score"]))
    row = compare_arms(
        pd.concat([risks.assign(design="cv"), extra]), "imagenet", options=options("brier_score")
    ).iloc[0]
    assert row["n_halvings"] == 6
    half = risks[risks["repeat"] < 2].assign(design="half", fold=lambda own: own["fold"] % 2)
    both = pd.concat([risks.assign(design="cv"), half])
    row = compare_arms(both, "imagenet", options=options("brier_score")).iloc[0]
    assert row["n_half_repeats"] == 0
    assert row["pvalue"] == pytest.approx(direct(risks, "brier_score").pvalue)


def test_thresholds_are_set_on_tuning_cases(risks):
    tuning = risks.assign(partition="validation", fold=(risks["fold"] + 1) % 5)
    both = pd.concat([risks, tuning])
    report = build_report(Predictions(both), options("f1"), formats=())
    cuts = [
        np.array(
            [
                [
                    youden_threshold(own["y_true"], own["score"])
                    for _, own in rows.sort_values("fold").groupby("fold")
                ]
                for _, rows in tuning[tuning["arm"] == arm].groupby("repeat")
            ]
        )
        for arm in ("radimagenet", "imagenet")
    ]
    expected = direct(risks, "f1", threshold=tuple(cuts))
    assert report.comparisons["pvalue"].iloc[0] == pytest.approx(expected.pvalue)
    assert "thresholds set on the tuning cases" in " ".join(report.words.methods)


class Archived(Predictions):
    """Logits, as an archive has them."""

    source = "archive"
    seal = None

    def patients_known(self, task):
        return True

    def records(self):
        return ()


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_logits_of_an_archive_become_probabilities(risks, weights):
    logits = risks.assign(score=special.logit(risks["score"]))
    odds = special.logit(risks["y_true"].mean())
    evidence = Archived(logits.assign(score=logits["score"] - odds * (weights == "balanced")))
    evidence.plan = {"training": {"class_weights": weights}}
    report = build_report(evidence, options("brier_score", "accuracy:threshold=0.4"), formats=())
    assert report.comparisons["difference"].iloc[0] == pytest.approx(
        direct(risks, "brier_score").estimate
    )
    further = next(part for part in report.sections if part.name == "metrics").numbers
    called = direct(risks, "accuracy", threshold=0.4)
    assert further["difference"].iloc[0] == pytest.approx(called.estimate)


@pytest.fixture(scope="module")
def report(risks):
    names = ("brier_score", "roc_auc", "npv:threshold=0.4", "calibration_slope")
    return build_report(Predictions(risks), options(*names, margin=0.02))


def test_secondary_metrics_stand_in_a_table_of_their_own(report, risks):
    table = next(part for part in report.sections if part.name == "metrics")
    rows = table.numbers.set_index("metric")
    assert list(rows.index) == ["roc_auc", "npv:threshold=0.4", "calibration_slope"]
    assert rows.loc["roc_auc", "pvalue"] == pytest.approx(direct(risks, "roc_auc").pvalue)
    npv = direct(risks, "npv", threshold=0.4)
    assert rows.loc["npv:threshold=0.4", "pvalue"] == pytest.approx(npv.pvalue)
    assert rows["pvalue_adjusted"].ge(rows["pvalue"]).all()
    notes = " ".join(table.table.notes)
    assert "secondary to that by the Brier score" in notes
    assert "Caution (Calibration slope): models are calibrated to the cases" in notes
    assert "Of calibration slope neither direction is better" in notes
    assert "secondary metrics (AUC, negative predictive value and calibration slope)" in " ".join(
        report.words.methods
    )


def test_nothing_calls_the_metric_an_auc(report):
    """Numbers and words of the comparison; what is of AUCs is absent, with the reason."""
    methods = " ".join(report.words.methods).replace("secondary metrics (AUC", "")
    assert "AUC" not in methods
    assert "AUC" not in report.words.results[1]
    assert report.words.results[1].startswith("Mean Brier score was 0.")
    significance = next(part for part in report.sections if part.name == "significance")
    table = significance.table
    assert "AUC" not in str((table.caption, table.columns, table.body, table.notes[:4]))
    assert "lower Brier score is in bold" in " ".join(significance.table.notes)
    assert "negative values favour the candidate" in " ".join(significance.table.notes)
    assert "brier_score_reference_low" in significance.numbers
    assert not significance.numbers.filter(like="auc").shape[1]
    absent = {part.name: part.reason for part in report.absent}
    assert {"roc", "mixed_model"} <= set(absent)
    assert absent["roc"] == "it is of AUCs, and the arms are compared by the Brier score"
    assert "figures/forest.pdf" in report.files
    page = report.files["report.html"].decode()
    assert "The measure is the Brier score, of which lower values are better" in page


def test_the_auc_by_name_is_the_default(risks):
    named = compare_arms(risks, "imagenet", options=options("roc_auc"))
    pd.testing.assert_frame_equal(named, compare_arms(risks, "imagenet", options=options()))


def test_a_change_of_the_planned_metric_is_a_departure():
    planned = AnalysisOptions.from_plan({"metric": ["brier_score", "f1"]}, source="plan")
    assert planned.metric == ("brier_score", "f1")
    (said,) = planned.override("on the command line", metric=["log_loss"]).departures
    assert said == "metric log_loss (on the command line; planned: brier_score, f1)"


def test_refusals_name_the_remedy(risks):
    logits = risks.assign(score=special.logit(risks["score"]))
    with pytest.raises(UserError, match=r"needs probabilities from 0 to 1, and [\d,]+ of .* lie"):
        compare_arms(logits, "imagenet", options=options("brier_score"))
    with pytest.raises(UserError, match=r"there are no tuning cases .* f1:threshold=0\.5"):
        compare_arms(risks, "imagenet", options=options("f1"))
    with pytest.raises(UserError, match=r"command line: metric = .*no metric; did you mean"):
        options().override("on the command line", metric=["brier"])
    sure = risks.assign(score=np.where(risks["y_true"] == 1, 0.0, risks["score"]))
    with pytest.raises(UserError, match=r"use 'brier_score'"):
        compare_arms(sure, "imagenet", options=options("log_loss"))
    never = risks.assign(score=risks["score"] / 10)
    with pytest.raises(UserError, match=r"positive predictive value is not defined"):
        compare_arms(never, "imagenet", options=options("ppv:threshold=0.5"))
