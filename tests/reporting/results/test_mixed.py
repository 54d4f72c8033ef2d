"""The mixed model of the folds' AUCs."""

# ruff: noqa: PD010

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps

from stats_tl.reporting import fold_aucs, mixed_report


def grid(tasks=("a",), backbones=("r",), heads=("h",), arms=("new", "old"), repeats=4, folds=5,
         seeds=1, effect=0.05, seed=0):  # fmt: skip
    """Made-up AUCs of a crossed design."""
    rng = np.random.default_rng(seed)
    rows = []
    for task in tasks:
        slope, level = rng.normal(effect, 0.02), rng.normal(0.8, 0.05)
        for repeat in range(repeats):
            split = rng.normal(0, 0.01)
            for fold in range(folds):
                test_cases = rng.normal(0, 0.03)
                for backbone in backbones:
                    for head in heads:
                        for arm in arms:
                            for s in range(seeds):
                                auc = level + split + test_cases + slope * (arm == "new")
                                auc += rng.normal(0, 0.01)
                                rows.append((task, backbone, head, "0", arm, repeat, fold, s, auc))
    names = ["task", "backbone", "head", "unfreeze", "arm", "repeat", "fold", "seed", "auc"]
    return pd.DataFrame(rows, columns=names)


def test_balanced_folds_give_the_paired_t_test():
    data = grid()
    report = mixed_report(data, "old")
    wide = data.pivot(index=["repeat", "fold"], columns="arm", values="auc")
    paired = sps.ttest_rel(wide["new"], wide["old"])
    row = report.coefficients.set_index("effect").loc["new − old"]
    assert row["estimate"] == pytest.approx((wide["new"] - wide["old"]).mean(), rel=1e-9)
    assert row["statistic"] == pytest.approx(paired.statistic, rel=1e-6)
    assert row["df"] == pytest.approx(len(wide) - 1, rel=1e-6)
    assert row["pvalue"] == pytest.approx(paired.pvalue, rel=1e-4)
    assert list(report.variance_components["source"]) == [
        "Repeat (split)",
        "Fold within repeat (test cases)",
        "Residual (arm × fold, training noise)",
    ]
    assert report.variance_components["share"].sum() == pytest.approx(1)
    assert report.ddf == "kenward-roger"


def test_the_residual_is_the_anova_mean_square():
    data = grid()
    wide = data.pivot(index=["repeat", "fold"], columns="arm", values="auc")
    expected = (wide["new"] - wide["old"]).var(ddof=1) / 2
    residual = mixed_report(data, "old").variance_components.iloc[-1]
    assert residual["variance"] == pytest.approx(expected, rel=1e-5)


def test_an_arm_effect_is_the_mean_over_backbones_and_swaps_its_sign():
    data = grid(backbones=("r", "s", "t"))
    data.loc[data["backbone"] == "s", "auc"] += 0.03 * (data["arm"] == "new")
    means = data.groupby(["backbone", "arm"])["auc"].mean().unstack()
    gains = means["new"] - means["old"]
    one = mixed_report(data, "old").coefficients.set_index("effect")
    assert one.loc["new − old", "estimate"] == pytest.approx(gains.mean(), rel=1e-9)
    deviation = one.loc["new − old with s, deviation from the mean", "estimate"]
    assert deviation == pytest.approx(gains["s"] - gains.mean(), rel=1e-9)
    assert one.loc["AUC of old, mean over backbones", "estimate"] == pytest.approx(
        means["old"].mean(), rel=1e-9
    )
    other = mixed_report(data, "new").coefficients.set_index("effect")
    assert other.loc["old − new", "estimate"] == pytest.approx(-gains.mean(), rel=1e-9)
    assert other.loc["old − new", "pvalue"] == pytest.approx(
        one.loc["new − old", "pvalue"], rel=1e-4
    )


def test_three_tasks_are_random_with_a_slope_of_the_arm():
    data = grid(tasks=("a", "b", "c", "d"), seed=2)
    report = mixed_report(data, "old")
    assert "(1 | task_arm)" in report.formula
    row = report.coefficients.set_index("effect").loc["new − old"]
    # With the task as the unit, the balanced design gives the t test over the tasks' differences.
    gains = data.groupby(["task", "arm"])["auc"].mean().unstack()
    paired = sps.ttest_rel(gains["new"], gains["old"])
    assert row["df"] == pytest.approx(3, rel=1e-3)
    assert row["statistic"] == pytest.approx(paired.statistic, rel=1e-4)


def test_terms_follow_the_design():
    two = mixed_report(grid(tasks=("a", "b"), heads=("h", "i"), seeds=2), "old")
    assert two.described == (
        "auc ~ arm * task + classifier + (1 | repeat) + (1 | fold) + (1 | seed)"
    )
    one = mixed_report(grid(repeats=1), "old")
    assert one.described == "auc ~ arm + (1 | fold)"


def test_three_arms_have_a_coefficient_each():
    report = mixed_report(grid(arms=("new", "old", "other")), "old")
    assert list(report.coefficients["effect"][1:]) == ["new − old", "other − old"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (grid(arms=("old",)), "at least one other arm"),
        (grid(arms=("new",)), "at least one other arm"),
        (grid(repeats=1, folds=2), "at least three test folds"),
    ],
)
def test_no_model_is_explained(data, reason):
    report = mixed_report(data, "old")
    assert reason in report.reason
    assert report.coefficients.empty


def test_undefined_aucs_are_left_out_and_counted():
    data = grid()
    data.loc[0, "auc"] = np.nan
    report = mixed_report(data, "old")
    assert report.n_rows == len(data) - 1
    assert report.remarks[0].startswith("1 test fold with cases of one class only has no AUC")


def test_real_cells_of_scores(scores):
    report = mixed_report(fold_aucs(scores), "imagenet")
    assert report.n_rows == 200
    assert report.coefficients["estimate"].notna().all()
