"""ROC, calibration and decision curves against independent computations."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from matplotlib.figure import Figure
from scipy import special
from scipy.integrate import trapezoid
from sklearn.metrics import roc_curve

from stats_tl.reporting import AnalysisOptions, Predictions, gather_material
from stats_tl.reporting.figures import (
    CurveScores,
    calibration_data,
    calibration_summary,
    curve_settings,
    decision_data,
    draw_calibration,
    draw_decision,
    draw_roc,
    roc_data,
)
from stats_tl.reporting.figures.risks import as_risks

from ..simulate import simulate_scores


def made_up(*, n_patients=300, runs=1, folds=1, seed=0) -> CurveScores:
    """Logits of two arms for patients of one to three images."""
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(n_patients), rng.integers(1, 4, n_patients))
    n = patients.size
    risk = rng.normal(-0.7, 1.2, n_patients)[patients] + rng.normal(0, 0.4, n)
    scores = {
        arm: 1.3 * risk + 0.3 + noise * rng.standard_normal((runs, n))
        for arm, noise in (("old", 1.2), ("new", 0.5))
    }
    return CurveScores(
        title="",
        setting={"task": "", "backbone": "", "head": "", "unfreeze": ""},
        reference="old",
        y_true=rng.random(n) < special.expit(risk),
        groups=patients,
        folds=np.array([rng.permutation(n_patients)[patients] % folds for _ in range(runs)]),
        scores=scores,
        repeats=np.arange(runs),
    )


@pytest.fixture(scope="module")
def material(scores):
    return gather_material(Predictions(scores), AnalysisOptions(reference="imagenet"))


def test_one_fold_is_the_empirical_curve():
    scores = made_up()
    data = roc_data(scores)
    own = data[data["arm"] == "new"]
    fpr, tpr, _ = roc_curve(scores.y_true, scores.scores["new"][0], drop_intermediate=False)
    highest = [tpr[fpr <= rate + 1e-12].max() for rate in own["fpr"]]
    np.testing.assert_allclose(own["tpr"], highest, atol=1e-12)


def test_tied_scores_are_joined_by_a_slope():
    scores = made_up(n_patients=60)
    constant = dataclasses.replace(scores, scores={"old": np.zeros((1, scores.y_true.size))})
    np.testing.assert_allclose(roc_data(constant)["tpr"], np.linspace(0, 1, 101), atol=1e-12)


def test_the_area_under_the_mean_curve_is_the_auc_of_the_table(material):
    settings, _ = curve_settings(material)
    assert len(settings) == 4
    for scores in settings:
        rows = material.comparisons
        for key, word in scores.setting.items():
            rows = rows[rows[key] == word]
        data = roc_data(scores)
        for arm, auc in (
            ("RadImageNet", rows["auc"].iloc[0]),
            ("ImageNet", rows["auc_reference"].iloc[0]),
        ):
            own = data[data["arm"] == arm]
            # The grid of a hundred steps costs up to half a step.
            assert trapezoid(own["tpr"], own["fpr"]) == pytest.approx(auc, abs=0.005)


def test_the_band_is_that_of_a_bootstrap_over_patients():
    scores = made_up(n_patients=400)
    data = roc_data(scores)
    own = data[data["arm"] == "new"].set_index(data["fpr"].iloc[:101].round(2))
    rng = np.random.default_rng(1)
    members = [np.flatnonzero(scores.groups == g) for g in range(400)]
    rates = [0.1, 0.2, 0.3, 0.5, 0.7]
    curves = []
    for _ in range(400):
        drawn = np.concatenate([members[g] for g in rng.integers(400, size=400)])
        fpr, tpr, _ = roc_curve(scores.y_true[drawn], scores.scores["new"][0][drawn])
        curves.append(np.interp(rates, fpr, tpr))
    spread = np.std(curves, axis=0, ddof=1)
    width = (own["high"] - own["low"]).loc[rates].to_numpy() / (2 * 1.959964)
    np.testing.assert_allclose(width / spread, 1, atol=0.2)


def test_repeats_widen_the_spread_and_leave_the_band():
    one, many = made_up(runs=1, folds=5, seed=3), made_up(runs=8, folds=5, seed=3)
    width = {}
    for name, scores in (("one", one), ("many", many)):
        data = roc_data(scores)
        assert (data["most"] - data["least"]).gt(0).any() == (name == "many")
        width[name] = (data["high"] - data["low"]).mean()
    # Repeats are no further patients: the band must not shrink with their number.
    assert width["many"] == pytest.approx(width["one"], rel=0.1)


def test_calibration_intercept_and_slope_are_those_of_a_clustered_logistic_regression():
    scores = made_up()
    summary = calibration_summary(scores).set_index("arm")
    for arm in ("old", "new"):
        logits = scores.scores[arm][0]
        y = scores.y_true.astype(float)
        options = {"cov_type": "cluster", "cov_kwds": {"groups": scores.groups}}
        family = sm.families.Binomial()
        offset = sm.GLM(y, np.ones_like(y), family=family, offset=logits).fit(**options)
        slope = sm.GLM(y, sm.add_constant(logits), family=family).fit(**options)
        row = summary.loc[arm]
        assert row["intercept"] == pytest.approx(offset.params[0], abs=1e-6)
        assert row["slope"] == pytest.approx(slope.params[1], abs=1e-6)
        assert row["offset"] == pytest.approx(slope.params[0], abs=1e-6)
        low, high = slope.conf_int()[1]
        assert (row["slope_low"], row["slope_high"]) == pytest.approx((low, high), rel=2e-3)


def test_groups_of_risk_are_of_equal_size_and_cover_all_cases():
    scores = made_up(runs=3, folds=5)
    data = calibration_data(scores)
    for _, own in data.groupby("arm"):
        assert own["predicted"].is_monotonic_increasing
        assert own["observed"].mean() == pytest.approx(scores.y_true.mean(), abs=0.01)
        assert (own["low"] <= own["observed"]).all()
        assert (own["high"] >= own["observed"]).all()


def test_constant_risks_have_no_slope():
    scores = made_up(n_patients=50)
    constant = dataclasses.replace(scores, scores={"old": np.zeros((1, scores.y_true.size))})
    row = calibration_summary(constant).iloc[0]
    assert np.isnan(row["slope"])
    assert row["intercept"] == pytest.approx(special.logit(scores.y_true.mean()))
    draw_calibration(
        calibration_data(constant), calibration_summary(constant), ax=Figure().subplots(),
        reference="old",
    )  # fmt: skip


def test_net_benefit_is_counted_from_true_and_false_positives():
    scores = made_up()
    data = decision_data(scores)
    for threshold in (0.05, 0.2, 0.5, 0.8):
        row = data[(data["arm"] == "new") & np.isclose(data["threshold"], threshold)].iloc[0]
        called = special.expit(scores.scores["new"][0]) >= threshold
        true = (called & scores.y_true).mean()
        false = (called & ~scores.y_true).mean()
        assert row["net_benefit"] == pytest.approx(true - false * threshold / (1 - threshold))
        share = scores.y_true.mean()
        everyone = share - (1 - share) * threshold / (1 - threshold)
        assert row["treat_all"] == pytest.approx(everyone)


def test_axes_go_in_and_come_out():
    scores = made_up(n_patients=80)
    for draw, data in (
        (lambda **k: draw_roc(roc_data(scores), **k), 2),
        (lambda **k: draw_decision(decision_data(scores), **k), 2),
    ):
        ax = Figure().subplots()
        assert draw(ax=ax, reference="old") is ax
        assert len(ax.lines) >= data


class Logits(Predictions):
    """Evidence that says it is an archive, with a plan."""

    reference = "imagenet"

    def __init__(self, scores, weights):
        super().__init__(scores)
        self.plan = {"training": {"class_weights": weights}, "grid": [{}, {"training": {}}]}


def test_class_weights_are_undone(scores):
    options = AnalysisOptions(reference="imagenet")
    one = scores[(scores["task"] == "acl") & (scores["backbone"] == "resnet18")]
    plain, weighted = (
        gather_material(Logits(one, weights), options) for weights in ("none", "balanced")
    )
    settings, _ = curve_settings(plain)
    before, note, reason = as_risks(settings, plain)
    after, told, _ = as_risks(settings, weighted)
    assert (note, reason) == ("", "")
    assert "class weights" in told
    shift = after[0].scores["ImageNet"] - before[0].scores["ImageNet"]
    share = settings[0].y_true.mean()
    np.testing.assert_allclose(shift, np.log(share / (1 - share)))


def test_scores_that_are_no_probabilities_are_not_taken_for_risks(material, scores):
    settings, _ = curve_settings(material)
    risks, _, reason = as_risks(settings, material)
    assert risks == []
    assert "not probabilities" in reason
    one = scores[(scores["task"] == "acl") & (scores["backbone"] == "resnet18")]
    probable = one.assign(score=special.expit(one["score"]))
    other = gather_material(Predictions(probable), AnalysisOptions(reference="imagenet"))
    risks, _, reason = as_risks(curve_settings(other)[0], other)
    assert reason == ""
    first = curve_settings(other)[0][0].scores["ImageNet"]
    np.testing.assert_allclose(special.expit(risks[0].scores["ImageNet"]), first, atol=1e-5)


def test_many_settings_show_the_primary_one_not_the_best():
    frames = [
        simulate_scores(backbone=f"net{i}", model_seed=i, repeats=1, n_patients=60)
        for i in range(8)
    ]
    scores = pd.concat(frames, ignore_index=True)
    chosen = {}
    for primary in ({}, {"backbone": "net5"}):
        options = AnalysisOptions(reference="imagenet", primary=primary)
        settings, why = curve_settings(gather_material(Predictions(scores), options))
        chosen[bool(primary)] = [s.setting["backbone"] for s in settings]
        assert "8" in why
    assert chosen == {False: ["net0"], True: ["net5"]}
