"""The mixed model of a published grid, against the t tests that it becomes in pairs."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps

from stats_tl.errors import IncompleteError, UserError
from stats_tl.reporting import AnalysisOptions, build_grid_report, fit_grid, read_aucs


def make_grid(n=12, seed=0, backbones=("r50", "d121")):
    """Matched configurations of two arms, the gain differing between backbones."""
    rng = np.random.default_rng(seed)
    rows = []
    for task in ("acl", "breast"):
        for number in range(n):
            backbone = backbones[number % len(backbones)]
            level = 0.8 + 0.05 * rng.standard_normal()
            for arm in ("imagenet", "radimagenet"):
                gain = (0.04 if backbone == "r50" else -0.02) * (arm == "radimagenet")
                auc = level + gain + 0.01 * rng.standard_normal()
                rows.append((task, backbone, f"c{number:02d}", arm, min(auc, 1.0)))
    return pd.DataFrame(rows, columns=["task", "backbone", "configuration", "arm", "auc"])


def gains_of(grid):
    wide = grid.set_index(["configuration", "arm"])["auc"].unstack()  # noqa: PD010
    return (wide["radimagenet"] - wide["imagenet"]).to_numpy()


def test_matched_pairs_give_the_paired_t_test():
    """With two arms in every configuration the model's difference is the paired t test."""
    grid = make_grid()
    rows = fit_grid(grid, "imagenet").effects
    for task in ("acl", "breast"):
        gains = gains_of(grid[grid["task"] == task])
        expected = sps.ttest_1samp(gains, 0)
        row = rows[(rows["task"] == task) & (rows["backbone"] == "")].iloc[0]
        assert row["estimate"] == pytest.approx(gains.mean(), rel=1e-9)
        assert row["standard_error"] == pytest.approx(
            gains.std(ddof=1) / np.sqrt(len(gains)), rel=1e-5
        )
        assert row["df"] == pytest.approx(len(gains) - 1, rel=1e-5)
        assert row["pvalue"] == pytest.approx(expected.pvalue, rel=1e-3)


def test_the_interaction_is_the_two_sample_test_of_the_gains():
    """In pairs, arm x backbone is the pooled two-sample t test of the gains: F is its square."""
    grid = make_grid()
    own = grid[grid["task"] == "acl"]
    by_backbone = {b: gains_of(own[own["backbone"] == b]) for b in ("r50", "d121")}
    rows = fit_grid(grid, "imagenet").effects
    rows = rows[rows["task"] == "acl"].set_index("backbone")
    for backbone, gains in by_backbone.items():
        assert rows.loc[backbone, "estimate"] == pytest.approx(gains.mean(), rel=1e-9)
        assert rows.loc[backbone, "n_configurations"] == len(gains)
    expected = sps.ttest_ind(*by_backbone.values())
    joint = fit_grid(grid, "imagenet").effects
    joint = joint[(joint["task"] == "acl") & joint["effect"].str.endswith("(F test)")].iloc[0]
    assert joint["statistic"] == pytest.approx(expected.statistic**2, rel=1e-4)
    assert joint["pvalue"] == pytest.approx(expected.pvalue, rel=1e-3)


def test_means_are_those_of_the_arms():
    grid = make_grid()
    means = fit_grid(grid, "imagenet").means
    expected = grid.groupby(["task", "arm"])["auc"].mean()
    overall = means[means["backbone"] == ""].set_index(["task", "arm"])["estimate"]
    for key, value in expected.items():
        assert overall[key] == pytest.approx(value, rel=1e-9)


def write(tmp_path, frame, name="grid.csv"):
    path = tmp_path / name
    frame.to_csv(path, index=False)
    return path


def test_other_names_and_a_configuration_from_the_other_columns(tmp_path):
    grid = make_grid(n=4).rename(columns={"auc": "test_auc"}).drop(columns="configuration")
    grid["head"] = np.repeat(np.arange(8), 2)
    frame, digest = read_aucs(write(tmp_path, grid), columns={"auc": "test_auc"})
    assert len(digest) == 64
    assert frame["configuration"].iloc[0] == "d121 / 1"
    assert len(fit_grid(frame, "imagenet").effects) == 2 * 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.drop(columns="auc"), "no column auc"),
        (lambda g: g.assign(auc=97.3), r"outside 0 to 1, the first '97\.3'"),
        (lambda g: g.assign(configuration="same"), "rows repeat a configuration of an arm"),
        (lambda g: g[["task", "arm", "auc"]], "no column distinguishes the models of an arm"),
    ],
)
def test_bad_tables_are_explained(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        read_aucs(write(tmp_path, change(make_grid())))


def test_a_configuration_without_its_partner_is_named():
    grid = make_grid()
    lacking = grid.drop(index=grid.index[3])
    with pytest.raises(IncompleteError, match=r"1 configuration lacks one of the arms.*acl / c01"):
        fit_grid(lacking, "imagenet")
    fit = fit_grid(lacking, "imagenet", allow_incomplete=True)
    assert fit.remarks[0] == "Configurations that lack an arm were left out: acl / c01."
    assert fit.effects["n_configurations"].iloc[0] == 11


def test_the_report_of_a_grid_says_what_it_is_about():
    options = AnalysisOptions(reference="imagenet")
    report = build_grid_report(make_grid(), options, name="g", digest="0" * 64)
    assert {"tables/grid.tex", "tables/grid.csv", "methods.md", "summary.json"} <= set(report.files)
    text = report.files["tables/grid.tex"].decode()
    assert "other patients are not covered" in text
    assert "No analysis plan was given" in text
    rows = json.loads(report.files["summary.json"])["tables"]["grid"]["rows"]
    assert rows[0]["estimate"] == report.fit.effects["estimate"].iloc[0]
    again = build_grid_report(
        make_grid().sample(frac=1, random_state=1), options, name="g", digest="0" * 64
    )
    assert again.fit.effects["estimate"].iloc[0] == pytest.approx(rows[0]["estimate"], rel=1e-9)


def test_an_arm_may_look_like_a_citation():
    grid = make_grid().replace({"arm": {"radimagenet": "rin [@2022]"}})
    report = build_grid_report(
        grid, AnalysisOptions(reference="imagenet"), name="g", digest="0" * 64
    )
    assert b"2022" not in report.files["references.bib"]
    assert rb"rin \[\@2022\]" in report.files["methods.md"]


def test_configurations_may_be_numbered_anew_for_every_backbone(tmp_path):
    grid = make_grid()
    own = grid.groupby(["task", "backbone", "arm"]).cumcount().astype(str)
    frame, _ = read_aucs(write(tmp_path, grid.assign(configuration=own)))
    expected = fit_grid(grid, "imagenet").effects
    found = fit_grid(frame, "imagenet").effects
    np.testing.assert_allclose(found["estimate"], expected["estimate"])
    np.testing.assert_allclose(found["pvalue"], expected["pvalue"])
