"""Designs as people have them: recognised, or refused with the reason."""

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

from stats_tl.errors import UserError
from stats_tl.report import main as report
from stats_tl.reporting import AnalysisOptions, build_report, compare_arms
from stats_tl.reporting.evidence.designs import are_bootstrap
from stats_tl.reporting.evidence.predictions import Predictions

N = 120
Y = np.arange(N) % 3 == 0
ARMS = {"old": 0.7, "new": 1.5}
LATENT = {arm: s * Y + np.random.default_rng(4).standard_normal(N) for arm, s in ARMS.items()}


def table(parts, rng=None):
    """Rows of test parts: (repeat, fold, positions of cases)."""
    rng = rng or np.random.default_rng(7)
    rows = [
        pd.DataFrame(
            {
                "case": own, "patient": own, "y_true": Y[own].astype(int), "arm": arm,
                "repeat": repeat, "fold": fold,
                "score": LATENT[arm][own] + 0.5 * rng.standard_normal(len(own)),
            }
        )
        for repeat, fold, own in parts
        for arm in ARMS
    ]  # fmt: skip
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def hold_outs():
    splitter = StratifiedShuffleSplit(15, test_size=0.2, random_state=1)
    return table([(r, 0, own) for r, (_, own) in enumerate(splitter.split(np.zeros(N), Y))])


def nadeau_bengio(frame):
    """By hand: mean difference and P value over the hold-outs."""
    wide = frame.pivot_table(index=["repeat", "case", "y_true"], columns="arm", values="score")
    differences = [
        roc_auc_score(own.index.get_level_values("y_true"), own["new"])
        - roc_auc_score(own.index.get_level_values("y_true"), own["old"])
        for _, own in wide.groupby("repeat")
    ]
    count, cases = len(differences), frame["case"].nunique()
    test = frame.groupby(["repeat", "arm"]).size().mean()
    error = math.sqrt((1 / count + test / (cases - test)) * np.var(differences, ddof=1))
    mean = np.mean(differences)
    return mean, 2 * stats.t.sf(abs(mean) / error, count - 1)


def of_repeats(frame):
    return frame


def of_iterations(frame):
    return frame.drop(columns="fold").rename(columns={"repeat": "fold"})


def of_names(frame):
    names = "Resample" + (frame["repeat"] + 1).astype(str).str.zfill(2)
    return frame.drop(columns="repeat").assign(fold=names)


class TestHoldOuts:
    @pytest.mark.parametrize("form", [of_repeats, of_iterations, of_names])
    def test_are_analysed_together(self, tmp_path, hold_outs, form):
        form(hold_outs).to_csv(tmp_path / "p.csv", index=False)
        out = tmp_path / "out"
        code = report([
            "--scores", str(tmp_path / "p.csv"), "--reference", "old", "--out", str(out),
            "--format", "json,words",
        ])  # fmt: skip
        assert code == 0
        summary = json.loads((out / "summary.json").read_text())
        (row,) = summary["tables"]["significance"]["rows"]
        difference, pvalue = nadeau_bengio(hold_outs)
        assert row["difference"] == pytest.approx(difference, abs=1e-12)
        assert row["pvalue"] == pytest.approx(pvalue, rel=1e-9)
        assert (row["test"], row["n_repeats"]) == ("nadeau-bengio", 15)
        assert row["auc_low"] < row["auc"] < row["auc_high"] <= 1
        methods = (out / "methods.md").read_text()
        assert "15 random hold-outs (Monte Carlo cross-validation)" in methods
        assert "one fixed test set" not in methods
        assert "logit scale" not in methods

    def test_no_repeat_is_ever_picked(self, hold_outs):
        """Numbered otherwise, the result is the same."""
        expected = compare_arms(hold_outs, "old").iloc[0]
        turned = hold_outs.assign(repeat=14 - hold_outs["repeat"])
        found = compare_arms(turned, "old", allow_incomplete=True).iloc[0]
        assert found["pvalue"] == pytest.approx(expected["pvalue"], rel=1e-12)

    def test_seeds_of_a_hold_out_are_averaged(self, hold_outs):
        doubled = pd.concat([hold_outs.assign(seed=0), hold_outs.assign(seed=1)])
        row = compare_arms(doubled, "old").iloc[0]
        assert (row["n_repeats"], row["n_seeds"]) == (15, 2)
        assert row["pvalue"] == pytest.approx(nadeau_bengio(hold_outs)[1], rel=1e-9)

    def test_an_arm_without_a_case_is_refused(self, hold_outs):
        with pytest.raises(UserError, match="1 case has a score in one arm only"):
            compare_arms(hold_outs[1:], "old")

    def test_a_whole_report(self, hold_outs):
        options = AnalysisOptions(reference="old")
        built = build_report(Predictions(hold_outs), options, formats=["latex", "figures"])
        assert "15 random hold-outs" in built.files["tables/significance.tex"].decode()
        assert "hold-outs share test cases" in built.mixed.reason
        assert built.material.components == (None,)

    def test_unfinished_cross_validation_is_none(self):
        """With planned cells missing, a part of the cases is a gap."""
        folds = StratifiedKFold(5, shuffle=True, random_state=1)
        parts = [(r, 0, next(iter(folds.split(np.zeros(N), Y)))[1]) for r in range(3)]
        frame = table(parts)
        assert len(compare_arms(frame, "old", allow_incomplete=True)) == 1
        keys = ["task", "backbone", "head", "unfreeze", "arm", "repeat", "fold", "seed"]
        missing = pd.DataFrame([["", "", "", "", "old", 0, 1, 0]], columns=keys)
        with pytest.raises(UserError, match="not complete"):
            compare_arms(frame, "old", missing=missing)


class TestBootstrap:
    def bags(self, seed=0, n=N, count=25):
        rng = np.random.default_rng(seed)
        return [np.setdiff1d(np.arange(n), rng.integers(0, n, n)) for _ in range(count)]

    def test_is_refused_with_the_reason(self):
        frame = table([(r, 0, own) for r, own in enumerate(self.bags())])
        with pytest.raises(UserError, match="that bootstrap samples leave out"):
            compare_arms(frame, "old")

    @pytest.mark.parametrize("seed", range(20))
    def test_is_recognised(self, seed):
        tested = np.zeros((25, N), dtype=bool)
        for row, own in zip(tested, self.bags(seed), strict=True):
            row[own] = True
        assert are_bootstrap(tested)

    @pytest.mark.parametrize("share", [0.1, 0.2, 0.25, 0.368, 0.5])
    def test_hold_outs_are_none(self, share):
        rng = np.random.default_rng(2)
        tested = np.zeros((25, N), dtype=bool)
        for row in tested:
            row[rng.choice(N, round(share * N), replace=False)] = True
        assert not are_bootstrap(tested)

    @pytest.mark.parametrize("seed", range(10))
    def test_patients_with_images_of_any_number_are_what_was_drawn(self, seed):
        rng = np.random.default_rng(seed)
        patients = np.repeat(np.arange(N), rng.integers(1, 9, N))
        held_out = [rng.choice(N, round(0.368 * N), replace=False) for _ in range(25)]
        tested = np.array([np.isin(patients, own) for own in held_out])
        assert not are_bootstrap(tested, patients)
        tested = np.array([np.isin(patients, own) for own in self.bags(seed)])
        assert are_bootstrap(tested, patients)


class TestLeaveOneOut:
    def test_by_case(self):
        frame = table([(0, k, np.array([k])) for k in range(N)])
        with pytest.raises(UserError, match="every fold leaves out one case: there is no AUC"):
            compare_arms(frame, "old")

    def test_by_patient(self):
        frame = table([(0, k, np.arange(3 * k, 3 * k + 3)) for k in range(N // 3)])
        # Patients of one class each.
        frame = frame.assign(patient=frame["case"] // 3)
        frame["y_true"] = (frame["patient"] % 2).astype(int)
        with pytest.raises(UserError, match="every fold leaves out one patient"):
            compare_arms(frame, "old")

    def test_hospitals_left_out_have_an_auc_each(self):
        """Few large folds of both classes are a cross-validation, whatever they are named by."""
        frame = table([(0, k, np.arange(12 * k, 12 * k + 12)) for k in range(10)])
        row = compare_arms(frame.assign(patient=frame["case"] // 12), "old").iloc[0]
        assert row["n_folds"] == 10


class TestExternal:
    def test_stands_beside_the_cross_validation(self):
        splitter = StratifiedKFold(4, shuffle=True, random_state=0)
        inside = np.arange(0, 90)
        parts = [(0, f, inside[t]) for f, (_, t) in enumerate(splitter.split(inside, Y[inside]))]
        outside = np.arange(90, N)
        cv = table(parts).assign(partition="test")
        external = table([(0, f, outside) for f in range(4)]).assign(partition="external")
        frame = pd.concat([cv, external]).astype({"case": str, "patient": str})
        evidence = Predictions(frame.drop(columns="repeat"))
        rows = build_report(evidence, AnalysisOptions(reference="old"), formats=[]).comparisons
        rows = rows.set_index("task")
        alone = compare_arms(cv, "old").iloc[0]
        assert rows.loc["", "pvalue"] == alone["pvalue"]
        own = rows.loc["external test set"]
        assert (own["test"], own["n_seeds"], own["n_cases"]) == ("obuchowski-rockette", 4, 30)
        assert own["estimand"] != rows.loc["", "estimand"]
        aucs = [
            roc_auc_score(part["y_true"], part["score"])
            for _, part in external[external["arm"] == "new"].groupby("fold")
        ]
        assert own["auc"] == pytest.approx(np.mean(aucs), abs=1e-12)


def test_labels_of_several_raters(hold_outs):
    frame = pd.concat([hold_outs, hold_outs.assign(y_true=1 - hold_outs["y_true"], repeat=99)])
    with pytest.raises(UserError, match="has to be the reference standard"):
        Predictions(frame)


def test_hold_outs_survive_a_copy(hold_outs):
    """A sensitivity analysis reduces the cases of the aligned scores."""
    from stats_tl.reporting.evidence.alignment import align, check_scores

    (aligned,) = align(check_scores(hold_outs))
    assert aligned.hold_outs
    assert dataclasses.replace(aligned, cases=aligned.cases).hold_outs
