"""The numbers of the significance table, recomputed from their definitions."""

# ruff: noqa: PD010

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

from stats_tl import stats
from stats_tl.errors import IncompleteError, UserError
from stats_tl.reporting import AnalysisOptions, compare_arms, fold_aucs
from stats_tl.reporting.results.comparisons import compare_study

from ..simulate import simulate_scores

ARMS = ("radimagenet", "imagenet")


def fold_table(scores, arm):
    """AUC of every run and fold by scikit-learn, shape (runs, folds)."""
    own = scores[scores["arm"] == arm]
    aucs = own.groupby(["repeat", "seed", "fold"])[["y_true", "score"]].apply(
        lambda cell: roc_auc_score(cell["y_true"], cell["score"])
    )
    return aucs.unstack("fold").to_numpy()


def placements_of(y, scores):
    """Placement values by comparing every positive with every negative case."""
    wins = np.sign(scores[:, None] - scores[None, :]) / 2 + 0.5
    return np.where(y == 1, wins[:, y == 0].mean(axis=1), 1 - wins[:, y == 1].mean(axis=1))


def clustered_variance(values, y, patients):
    """DeLong's variance with patients as clusters: Obuchowski 1997.

    S10 and S01 are sums over clusters of squared sums of centred placements, times C / (C - 1)
    with C the clusters of that class; S11 is the covariance of the two sums within a cluster,
    which is zero here, as a patient of the simulation is of one class.
    """
    total = 0.0
    for label in (0, 1):
        own = y == label
        centred = pd.Series(values[own] - values[own].mean()).groupby(patients[own]).sum()
        count = len(centred)
        total += count / (count - 1) * (centred**2).sum() / own.sum() ** 2
    return total


def repeat_averaged_variance(scores, arm, minus=None):
    """Mean over runs of the variance of a mean over folds, whose cases are independent."""
    variances = []
    for _, run in scores.groupby(["repeat", "seed"]):
        wide = run.pivot(index="case", columns="arm", values="score")
        first = run.drop_duplicates("case").set_index("case").loc[wide.index]
        of_folds = []
        for fold in first["fold"].unique():
            own = (first["fold"] == fold).to_numpy()
            y = first["y_true"].to_numpy()[own]
            psi = placements_of(y, wide[arm].to_numpy()[own])
            if minus:
                psi -= placements_of(y, wide[minus].to_numpy()[own])
            of_folds.append(clustered_variance(psi, y, first["patient"].to_numpy()[own]))
        variances.append(np.sum(of_folds) / len(of_folds) ** 2)
    return np.mean(variances)


@pytest.fixture(scope="module")
def one():
    """Scores of one comparison and its row."""
    scores = simulate_scores(repeats=5, seed=3)
    options = AnalysisOptions(margin=0.04)
    return scores, compare_arms(scores, "imagenet", options=options).iloc[0]


class TestRepeatedCrossValidation:
    def test_aucs_are_means_of_fold_aucs(self, one):
        scores, row = one
        a, b = (fold_table(scores, arm).mean() for arm in ARMS)
        assert row["auc"] == pytest.approx(a, rel=1e-12)
        assert row["auc_reference"] == pytest.approx(b, rel=1e-12)
        assert row["difference"] == pytest.approx(a - b, abs=1e-12)

    def test_the_primary_test_is_that_of_the_library(self, one):
        scores, row = one
        wide = [
            scores[scores["arm"] == arm].pivot(index="repeat", columns="case", values="score")
            for arm in ARMS
        ]
        own = scores[scores["arm"] == ARMS[0]]
        folds = own.pivot(index="repeat", columns="case", values="fold")
        cases = own.drop_duplicates("case").set_index("case").loc[folds.columns]
        result = stats.repeated_cv_test(cases["y_true"], *wide, folds, groups=cases["patient"])
        assert row["test"] == "learning-curve"
        assert row["pvalue"] == pytest.approx(result.pvalue, rel=1e-10)
        assert row["standard_error"] == pytest.approx(result.standard_error, rel=1e-10)
        low, high = result.confidence_interval
        assert (row["difference_low"], row["difference_high"]) == pytest.approx((low, high))

    def test_delong_p_uses_the_mean_clustered_variance(self, one):
        scores, row = one
        z = row["difference"] / np.sqrt(repeat_averaged_variance(scores, *ARMS))
        assert row["pvalue_delong"] == pytest.approx(2 * sps.norm.sf(abs(z)), rel=1e-9)

    def test_auc_intervals_are_wald_on_the_logit_scale(self, one):
        scores, row = one
        for column, arm in (("auc", ARMS[0]), ("auc_reference", ARMS[1])):
            auc = row[column]
            error = np.sqrt(repeat_averaged_variance(scores, arm)) / (auc * (1 - auc))
            ends = np.log(auc / (1 - auc)) + np.array([-1, 1]) * sps.norm.isf(0.025) * error
            expected = 1 / (1 + np.exp(-ends))
            assert (row[f"{column}_low"], row[f"{column}_high"]) == pytest.approx(tuple(expected))

    def test_corrected_t_is_nadeau_and_bengio(self, one):
        scores, row = one
        d = (fold_table(scores, ARMS[0]) - fold_table(scores, ARMS[1])).ravel()
        t = d.mean() / (d.std(ddof=1) * np.sqrt(1 / d.size + 1 / 4))  # n_test/n_train = 1/(K-1)
        assert row["pvalue_corrected_t"] == pytest.approx(2 * sps.t.sf(abs(t), d.size - 1))

    def test_equivalence_is_two_one_sided_tests(self, one):
        _, row = one
        z = (0.04 - abs(row["difference"])) / row["standard_error"]
        assert row["equivalence_pvalue_adjusted"] == pytest.approx(sps.t.sf(z, row["df"]))
        z = (row["difference"] + 0.04) / row["standard_error"]
        assert row["noninferiority_pvalue_adjusted"] == pytest.approx(sps.t.sf(z, row["df"]))

    def test_the_detectable_difference_is_found_with_the_power_it_names(self, one):
        _, row = one
        shift = row["smallest_detectable_difference"] / row["standard_error"]
        power = sps.nct.sf(sps.t.isf(0.025, row["df"]), row["df"], shift)
        assert power == pytest.approx(0.8, abs=1e-6)

    def test_counts(self, one):
        scores, row = one
        cases = scores.drop_duplicates("case")
        assert row["n_cases"] == len(cases)
        assert row["n_patients"] == cases["patient"].nunique() == 120
        assert row["n_events"] == cases["y_true"].sum()
        assert (row["n_repeats"], row["n_folds"], row["n_seeds"]) == (5, 5, 1)

    def test_the_estimand_is_the_procedure(self, one):
        assert one[1]["estimand"].startswith("training procedures")


class TestOtherDesigns:
    def test_one_repeat_is_tested_by_the_corrected_t(self):
        row = compare_arms(simulate_scores(repeats=1), "imagenet").iloc[0]
        assert row["test"] == "nadeau-bengio"
        assert row["pvalue"] == row["pvalue_corrected_t"] != row["pvalue_delong"]
        assert row["df"] == 4
        shift = row["smallest_detectable_difference"] / row["standard_error"]
        power = sps.nct.sf(sps.t.isf(0.025, 4), 4, shift)
        assert power == pytest.approx(0.8, abs=1e-6)
        assert "one repeat only" in row["warnings"]

    def test_seeds_are_runs_for_delong_and_averaged_for_the_corrected_t(self):
        scores = simulate_scores(repeats=5, seeds=3)
        row = compare_arms(scores, "imagenet").iloc[0]
        assert row["test"] == "learning-curve"
        z = row["difference"] / np.sqrt(repeat_averaged_variance(scores, *ARMS))
        assert row["pvalue_delong"] == pytest.approx(2 * sps.norm.sf(abs(z)), rel=1e-9)
        d = fold_table(scores, ARMS[0]) - fold_table(scores, ARMS[1])
        d = d.reshape(5, 3, 5).mean(axis=1).ravel()
        t = d.mean() / (d.std(ddof=1) * np.sqrt(1 / d.size + 1 / 4))
        assert row["pvalue_corrected_t"] == pytest.approx(2 * sps.t.sf(abs(t), d.size - 1))
        assert "3 training seeds" in row["method"]

    def test_seeds_do_not_stand_in_for_splits(self):
        row = compare_arms(simulate_scores(repeats=1, seeds=6), "imagenet").iloc[0]
        assert row["test"] == "nadeau-bengio"
        assert row["df"] == 4

    def test_one_test_set_is_clustered_delong(self):
        scores = simulate_scores(repeats=1, folds=1)
        row = compare_arms(scores, "imagenet").iloc[0]
        assert row["test"] == "delong"
        assert row["estimand"].startswith("these fitted models")
        assert row["standard_error"] ** 2 == pytest.approx(repeat_averaged_variance(scores, *ARMS))
        assert np.isnan(row["pvalue_corrected_t"])

    def test_without_patients_cases_are_independent(self):
        scores = simulate_scores(repeats=1, folds=1)
        alone = compare_arms(scores.drop(columns="patient"), "imagenet").iloc[0]
        each = compare_arms(scores.assign(patient=scores["case"]), "imagenet").iloc[0]
        assert alone["pvalue"] == pytest.approx(each["pvalue"], rel=1e-12)
        assert alone["pvalue"] != compare_arms(scores, "imagenet").iloc[0]["pvalue"]
        assert np.isnan(alone["n_patients"])

    def test_several_trainings_on_one_test_set_are_mrmc(self):
        row = compare_arms(simulate_scores(repeats=1, folds=1, seeds=4), "imagenet").iloc[0]
        assert row["test"] == "obuchowski-rockette"
        assert "this training set" in row["estimand"]
        assert 0 <= row["auc_low"] < row["auc"] < row["auc_high"] <= 1


class TestInvariance:
    def test_swapping_the_reference_flips_the_sign(self, scores):
        options = AnalysisOptions(margin=0.05)
        a = compare_arms(scores, "imagenet", options=options)
        b = compare_arms(scores, "radimagenet", options=options)
        for column in (
            "pvalue",
            "pvalue_adjusted",
            "pvalue_corrected_t",
            "standard_error",
            "smallest_detectable_difference",
            "equivalence_pvalue_adjusted",
        ):
            np.testing.assert_allclose(a[column], b[column], rtol=1e-9)
        np.testing.assert_allclose(a["difference"], -b["difference"], rtol=1e-12)
        np.testing.assert_allclose(a["difference_low"], -b["difference_high"], rtol=1e-9)
        np.testing.assert_allclose(a["auc_low"], b["auc_reference_low"], rtol=1e-9)
        flip = {"superior": "inferior", "inferior": "superior"}
        two_sided = a["verdict"] != "non-inferior"
        expected = a["verdict"].map(lambda word: flip.get(word, word))
        assert list(expected[two_sided]) == list(b["verdict"][two_sided])

    def test_order_of_rows_and_of_columns_does_not_matter(self, scores):
        shuffled = scores.sample(frac=1, random_state=1)[list(scores.columns)[::-1]]
        pd.testing.assert_frame_equal(
            compare_arms(shuffled, "imagenet"), compare_arms(scores, "imagenet")
        )

    def test_names_of_cases_folds_and_repeats_do_not_matter(self, scores):
        renamed = scores.assign(
            case="x" + scores["case"].str[::-1],
            patient=scores["patient"].str[::-1],
            fold=7 - scores["fold"],
            repeat=scores["repeat"] * 10 + 3,
        )
        pd.testing.assert_frame_equal(
            compare_arms(renamed, "imagenet"), compare_arms(scores, "imagenet")
        )

    def test_a_monotone_change_of_the_scores_changes_nothing(self, scores):
        squashed = scores.assign(score=np.arctan(scores["score"]))
        pd.testing.assert_frame_equal(
            compare_arms(squashed, "imagenet"), compare_arms(scores, "imagenet")
        )

    def test_tasks_can_be_given_one_by_one(self, scores):
        frames = (frame for _, frame in scores.groupby("task"))
        pd.testing.assert_frame_equal(
            compare_arms(frames, "imagenet"), compare_arms(scores, "imagenet")
        )

    def test_the_scale_of_a_fold_does_not_matter(self, scores):
        # Scores of different folds come from different models and are never compared.
        moved = scores.assign(score=scores["score"] + 100 * scores["fold"])
        pd.testing.assert_frame_equal(
            compare_arms(moved, "imagenet"), compare_arms(scores, "imagenet")
        )


class TestFamilies:
    def test_all_comparisons_are_one_family(self, scores):
        table = compare_arms(scores, "imagenet")
        assert len(table) == 4
        expected = multipletests(table["pvalue"], method="holm")[1]
        np.testing.assert_allclose(table["pvalue_adjusted"], expected, rtol=1e-12)

    def test_the_primary_comparison_is_tested_alone(self, scores):
        options = AnalysisOptions(primary={"task": "breast", "backbone": "resnet18"})
        table = compare_arms(scores, "imagenet", options=options)
        primary = table["role"] == "primary"
        assert primary.sum() == 1
        assert (table["pvalue_adjusted"] == table["pvalue"])[primary].all()
        expected = multipletests(table.loc[~primary, "pvalue"], method="holm")[1]
        np.testing.assert_allclose(table.loc[~primary, "pvalue_adjusted"], expected)

    def test_a_primary_comparison_that_is_not_there_is_named(self, scores):
        options = AnalysisOptions(primary={"task": "brest"})
        with pytest.raises(UserError, match=r"no comparison has task = 'brest'"):
            compare_arms(scores, "imagenet", options=options)

    def test_settings_are_in_the_order_of_depth(self):
        base = simulate_scores(repeats=1)
        depths = ["all", "10", "2", "0"]
        scores = pd.concat([base.assign(unfreeze=depth) for depth in depths])
        assert list(compare_arms(scores, "imagenet")["unfreeze"]) == ["0", "2", "10", "all"]


@pytest.mark.parametrize(
    ("signal", "margin", "verdict"),
    [
        (4.0, None, "superior"),
        (0.0, None, "inferior"),
        (1.02, None, "inconclusive"),
        (1.0, 0.2, "equivalent"),
        (1.1, 0.035, "non-inferior"),
        (1.02, 0.005, "inconclusive"),
    ],
)
def test_verdicts(signal, margin, verdict):
    scores = simulate_scores(arms=(("imagenet", 1.0), ("radimagenet", signal)), seed=5)
    options = AnalysisOptions(margin=margin)
    assert compare_arms(scores, "imagenet", options=options).iloc[0]["verdict"] == verdict


def test_identical_scores_are_called_identical():
    scores = simulate_scores(arms=(("imagenet", 1.0),))
    scores = pd.concat([scores, scores.assign(arm="copy")])
    row = compare_arms(scores, "imagenet", options=AnalysisOptions(margin=0.1)).iloc[0]
    assert (row["verdict"], row["pvalue"], row["difference"]) == ("identical", 1.0, 0.0)
    assert np.isnan(row["smallest_detectable_difference"])


def test_one_positive_case_has_no_test():
    scores = simulate_scores(repeats=1, folds=1).drop(columns="patient")
    positive = scores["y_true"] == 1
    scores = scores[~positive | (scores["case"] == scores.loc[positive, "case"].iloc[0])]
    row = compare_arms(scores, "imagenet", options=AnalysisOptions(margin=0.1)).iloc[0]
    assert row["verdict"] == "not estimable"
    assert np.isnan(row["pvalue_adjusted"])
    assert row["warnings"]
    assert 0 <= row["auc"] <= 1


class TestPairing:
    def test_a_case_missing_in_one_arm_is_listed(self, scores):
        broken = scores.drop(scores.index[(scores["case"] == "c0007")][:1])
        with pytest.raises(
            UserError, match=r"1 case has a score in one arm only \(c0007; "
        ) as error:
            compare_arms(broken, "imagenet", allow_incomplete=True)
        assert error.value.exit_code == 2

    def test_a_fold_missing_in_one_arm_is_incomplete(self, scores):
        gone = (scores["repeat"] == 3) & (scores["fold"] == 2) & (scores["arm"] == "imagenet")
        gone &= scores["task"] == "acl"
        with pytest.raises(IncompleteError, match=r"acl / .*repeat 3: 'imagenet' lacks fold 2"):
            compare_arms(scores[~gone], "imagenet")
        table = compare_arms(scores[~gone], "imagenet", allow_incomplete=True)
        assert list(table["n_repeats"]) == [4, 4, 5, 5]
        whole = compare_arms(
            scores[(scores["task"] == "acl") & (scores["repeat"] != 3)], "imagenet"
        )
        np.testing.assert_allclose(table["auc"][:2], whole["auc"], rtol=1e-12)
        assert table["left_out"][0] == (
            "acl / densenet121 / linear / 0: repeat 3: 'imagenet' lacks fold 2"
        )

    def test_a_fold_missing_in_both_arms_is_incomplete(self, scores):
        gone = (scores["repeat"] == 3) & (scores["fold"] == 2)
        with pytest.raises(IncompleteError, match="cases are not tested in it"):
            compare_arms(scores[~gone], "imagenet")

    def test_planned_cells_without_a_result_are_listed(self, scores):
        one = scores[(scores["task"] == "acl") & (scores["backbone"] == "resnet18")]
        keys = ["task", "backbone", "head", "unfreeze", "arm", "repeat", "fold", "seed"]
        missing = pd.DataFrame(
            [
                ["acl", "resnet18", "linear", "0", "imagenet", 5, 0, 0],
                ["acl", "resnet18", "conv", "0", "imagenet", 0, 0, 0],
                ["acl", "resnet18", "linear", "0", "random", 0, 0, 0],
            ],
            columns=keys,
        )
        with pytest.raises(IncompleteError) as error:
            compare_arms(one, "imagenet", missing=missing)
        for line in (
            "acl / resnet18 / linear / 0: repeat 5: not trained",
            "acl / resnet18 / conv / 0: not trained",
            "acl / resnet18 / linear / 0: 'random' has no scores",
        ):
            assert line in str(error.value)
        compared = compare_study(one, "imagenet", missing=missing, allow_incomplete=True)
        assert len(compared.table) == 1
        assert len(compared.lacking) == 3

    def test_where_no_run_is_complete_the_common_folds_are_compared(self):
        scores = simulate_scores(repeats=1)
        gone = (scores["fold"] == 4) & (scores["arm"] == "imagenet")
        row = compare_arms(scores[~gone], "imagenet", allow_incomplete=True).iloc[0]
        whole = compare_arms(scores[scores["fold"] != 4], "imagenet").iloc[0]
        assert row["n_folds"] == 4
        assert row["pvalue"] == whole["pvalue"]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda s: s.assign(fold=s["fold"].where(s["arm"] == "imagenet", (s["fold"] + 1) % 5)),
             "in different folds"),
            (lambda s: pd.concat([s, s.head(1)]), "1 case has more than one score \\(c0000\\)"),
            (lambda s: s.assign(y_true=s["y_true"].where(s.index != 0, 1 - s["y_true"])),
             "1 case has more than one y_true \\(c0000\\)"),
            (lambda s: s.assign(patient=s["patient"].where(s.index != 0, "p119")),
             "1 case has more than one patient"),
            (lambda s: s.assign(y_true=1), "all 248 cases have y_true = 1"),
            (lambda s: s.assign(y_true=s["y_true"] + 1), "'y_true' must hold 0 .* got also 2"),
            (lambda s: s.assign(score=np.inf), "not finite numbers, .* case 'c0000'"),
            (lambda s: s.assign(score=s["score"].where(s.index != 5)), "'score' has 1 missing"),
            (lambda s: s.assign(fold=s["fold"] + 0.5), "'fold' must hold whole numbers"),
            (lambda s: s.drop(columns=["case", "arm"]), "lack the columns case, arm; given: "),
            (lambda s: s.head(0), "there are no scores"),
            (lambda s: s[s["arm"] == "imagenet"], "nothing to compare with the reference"),
            (lambda s: s[s["arm"] != "imagenet"], "no arm is called 'imagenet'; .*radimagenet"),
        ],
    )  # fmt: skip
    def test_ambiguous_input_is_refused(self, change, message):
        scores = simulate_scores(repeats=2)
        with pytest.raises(UserError, match=message):
            compare_arms(change(scores), "imagenet")

    def test_errors_of_the_statistics_name_the_setting(self):
        scores = simulate_scores(repeats=2)
        # All positive cases of repeat 0 in one fold: the others have one class.
        fold = scores["fold"].where((scores["y_true"] == 0) | (scores["repeat"] > 0), 0)
        with pytest.raises(UserError, match=r"breast / resnet18 / .*has no positive case"):
            compare_arms(scores.assign(fold=fold), "imagenet")


def test_fold_aucs_are_those_of_scikit_learn(scores):
    aucs = fold_aucs(scores)
    one = scores[(scores["task"] == "acl") & (scores["backbone"] == "resnet18")]
    own = aucs[(aucs["task"] == "acl") & (aucs["backbone"] == "resnet18")]
    for arm in ARMS:
        found = own[own["arm"] == arm].pivot(index="repeat", columns="fold", values="auc")
        np.testing.assert_allclose(found, fold_table(one, arm), rtol=1e-12)
    assert len(aucs) == 4 * 2 * 25
