"""A small calibration, with bounds by binomial error; plans; the command."""

import math

import numpy as np
import pandas as pd
import pytest

from stats_tl.calibration import HALVED, OFFERED, SLOW, Design, load_calibration_plan, run_design
from stats_tl.calibration.__main__ import main
from stats_tl.errors import UserError

DESIGN = Design(
    role="test", population="gaussian", files=(), patients=200, folds=5, auc=0.7, prevalence=0.35,
    images=1, learner="ridge", features=20, shared=0.5, mixture=False, advantage=1.0,
    datasets=400, repeats=(1, 5, 10), half_repeats=5, slow=False,
)  # fmt: skip
PLAN = """
name = "small"
seed = 3
datasets = 6
repeats = [1, 3]
[[blocks]]
role = "null"
patients = [60, 80]
auc = [0.8]
prevalence = [0.4]
learners = ["ridge", "parzen"]
"""


def within(rate, nominal, n, errors=3.5):
    return abs(rate - nominal) < errors * math.sqrt(nominal * (1 - nominal) / n)


def rates(design, seed=1):
    return run_design(design, seed).set_index(["n_repeats", "procedure"])


def test_offered_tests_hold_where_common_ones_fail():
    table = rates(DESIGN)["rejected"]
    for name in ("auto", "auto with half-sample repeats"):
        for m in (5, 10):
            assert within(table[m, name], 0.05, DESIGN.datasets)
    assert table[1, "nadeau-bengio"] < 0.05 + 3.5 * math.sqrt(0.05 * 0.95 / DESIGN.datasets)
    assert table[10, "t over folds and repeats"] > 0.3
    # DeLong's variance alone leaves out what a case does as a training case.
    assert table[10, "DeLong, averaged scores"] > table[10, "auto"]


def test_clustered_patients_and_a_nonlinear_learner():
    design = DESIGN.model_copy(
        update={"images": 3, "learner": "random-relu", "datasets": 300, "repeats": (5,)}
    )
    table = rates(design)
    assert within(table.loc[(5, "auto"), "rejected"], 0.05, 300)
    assert within(table.loc[(5, "auto"), "covered"], 0.95, 300)


def test_power_and_coverage_at_a_difference():
    design = DESIGN.model_copy(update={"advantage": 1.6, "datasets": 200, "repeats": (10,)})
    table = rates(design)
    auto = table.loc[(10, "auto with half-sample repeats")]
    assert auto["difference"] > 0.05
    assert auto["rejected"] > auto["oracle"] - 0.12
    assert within(auto["covered"], 0.95, 200)


def test_halvings_are_studied_beside_the_rest():
    design = DESIGN.model_copy(
        update={"datasets": 4, "repeats": (3,), "patients": 80, "auc": None, "separation": 1.0,
                "halvings": 5}
    )  # fmt: skip
    table = rates(design)
    halved = table.loc[(3, HALVED)]
    assert halved["datasets"] == 4
    assert halved["variance_ratio"] > 0
    assert halved["variance_ratio"] != table.loc[(3, "auto"), "variance_ratio"]
    assert HALVED not in rates(design.model_copy(update={"halvings": 0})).index.get_level_values(1)


def test_a_mirror_changes_nothing_but_the_aucs():
    design = DESIGN.model_copy(update={"datasets": 10, "repeats": (5,)})
    plain, turned = rates(design, 3), rates(design.model_copy(update={"mirrored": True}), 3)
    assert plain["auc_a"].iloc[0] > 0.6
    assert turned["auc_a"].iloc[0] < 0.4


def test_unlike_arms_take_the_mean_estimate_for_the_truth():
    design = DESIGN.model_copy(
        update={"datasets": 10, "repeats": (3,), "learner": "parzen", "against": "ridge"}
    )
    assert not design.null
    row = rates(design).loc[(3, "auto")]
    assert row["difference"] == pytest.approx(row["auc_a"] - row["auc_b"])


@pytest.mark.slow
def test_slow_procedures_run_too():
    design = DESIGN.model_copy(update={"slow": True, "datasets": 20, "repeats": (5,)})
    assert set(SLOW) <= set(run_design(design, 1)["procedure"])


def test_rows_are_reproducible_and_complete():
    design = DESIGN.model_copy(update={"datasets": 5, "repeats": (3,), "patients": 60})
    first, second = run_design(design, 7), run_design(design, 7)
    pd.testing.assert_frame_equal(first, second)
    assert set(OFFERED) <= set(first["procedure"])
    assert not run_design(design, 8)["standard_error"].equals(first["standard_error"])


def test_the_command_resumes_and_writes_one_table(tmp_path, capsys):
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    out = tmp_path / "out"
    assert main(["--plan", str(plan), "--out", str(out)]) == 0
    table = pd.read_csv(out / "results.csv")
    assert table[["patients", "learner"]].drop_duplicates().shape[0] == 4
    assert (table["datasets"] == 6).all()
    summary = pd.read_csv(out / "summary.csv", keep_default_na=False)
    assert (summary["designs"] == 4).all()
    row = summary[(summary["procedure"] == "auto") & (summary["n_repeats"] == 3)].iloc[0]
    own = table[(table["procedure"] == "auto") & (table["n_repeats"] == 3)]["rejected"]
    assert (row["rejected_min"], row["rejected_max"]) == (own.min(), own.max())
    assert row["right"] == pytest.approx(own.between(0.035, 0.065).mean())
    figure = (out / "calibration.png").read_bytes()
    victim = sorted((out / "designs").glob("*.csv"))[0]
    before = {p: p.read_bytes() for p in (out / "designs").glob("*.csv")}
    kept = (out / "results.csv").read_bytes()
    victim.unlink()
    assert main(["--plan", str(plan), "--out", str(out)]) == 0
    assert {p: p.read_bytes() for p in (out / "designs").glob("*.csv")} == before
    assert (out / "results.csv").read_bytes() == kept
    assert (out / "calibration.png").read_bytes() == figure
    assert main(["--plan", str(plan), "--list"]) == 0
    assert capsys.readouterr().out.count("patients=60") == 2


def test_wrong_plans_are_named(tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.replace('"ridge"', '"rigde"').replace("seed = 3", "sed = 3"))
    with pytest.raises(UserError, match="unknown learner 'rigde'; known: ridge, ") as caught:
        load_calibration_plan(plan)
    assert "learners" in str(caught.value)
    assert "sed" in str(caught.value)
    with pytest.raises(UserError, match="cannot read"):
        load_calibration_plan(tmp_path / "none.toml")
    plan.write_text(PLAN)
    with pytest.raises(UserError, match="no such design; roles: null"):
        main(["--plan", str(plan), "--role", "other"])
    bare = DESIGN.model_copy(update={"auc": None})
    with pytest.raises(UserError, match="needs `auc`"):
        run_design(bare, 1)
    assert np.isfinite(DESIGN.auc)
