"""The report uses halvings where both arms have them, in place of all other evidence."""

# ruff: noqa: PD010

import pandas as pd
import pytest

from stats_tl.errors import IncompleteError, UserError
from stats_tl.reporting import AnalysisOptions, compare_arms, read_predictions
from stats_tl.reporting.build import build_report
from stats_tl.reporting.evidence import further
from stats_tl.reporting.evidence.predictions import Predictions
from stats_tl.stats import repeated_cv_test
from stats_tl.stats.crossvalidation import halvings as stats_halvings

from ..simulate import simulate_halvings, simulate_scores

ARMS = ("radimagenet", "imagenet")
N_FOLDS = 5


@pytest.fixture(scope="module")
def plain():
    return simulate_scores().assign(design="cv")


@pytest.fixture(scope="module")
def halves(plain):
    return simulate_halvings(plain, 5)


@pytest.fixture(scope="module")
def halved(plain, halves):
    return pd.concat([plain, halves], ignore_index=True)


@pytest.fixture(scope="module")
def half():
    weaker = (("imagenet", 0.8), ("radimagenet", 1.0))
    return simulate_scores(repeats=3, folds=2, arms=weaker, model_seed=9).assign(design="half")


def arrays(scores, design):
    own = scores[scores["design"] == design]
    wide = [
        own[own["arm"] == arm].pivot(index="repeat", columns="case", values="score").to_numpy()
        for arm in ARMS
    ]
    folds = own[own["arm"] == ARMS[0]].pivot(index="repeat", columns="case", values="fold")
    return (*wide, folds.to_numpy())


def direct(scores, **options):
    first = scores.drop_duplicates("case").sort_values("case")
    return repeated_cv_test(
        first["y_true"], *arrays(scores, "cv"), groups=first["patient"],
        halvings=arrays(scores, "halving"), **options,
    )  # fmt: skip


def test_the_p_value_is_that_of_the_test_with_halvings(halved, plain):
    row = compare_arms(halved, "imagenet").iloc[0]
    result = direct(halved)
    assert row["pvalue"] == pytest.approx(result.pvalue, rel=1e-12)
    assert row["standard_error"] == pytest.approx(result.standard_error, rel=1e-12)
    assert row["method"] == result.method
    assert "from 5 halvings;" in result.method
    assert (row["n_halvings"], row["n_half_repeats"], row["n_repeats"]) == (5, 0, 5)
    without = compare_arms(plain, "imagenet").iloc[0]
    assert without["n_halvings"] == 0
    assert row["pvalue"] != without["pvalue"]
    for column in ("auc", "auc_reference", "difference", "auc_low", "pvalue_delong"):
        assert row[column] == without[column]


def test_they_stand_in_for_half_sample_repeats_and_the_report_says_so(halved, half, tmp_path):
    both = pd.concat([halved, half], ignore_index=True)
    path = tmp_path / "scores.csv"
    both.drop(columns="partition").to_csv(path, index=False)
    evidence = read_predictions(path)
    assert len(evidence.cells) == 2 * 5 * 5
    report = build_report(evidence, AnalysisOptions(reference="imagenet"), formats=("latex", "csv"))
    row = report.comparisons.iloc[0]
    assert row["pvalue"] == pytest.approx(direct(halved).pvalue, rel=1e-9)
    assert (row["n_halvings"], row["n_half_repeats"]) == (5, 3)
    assert "from 5 halvings in place of 3 half-sample repeats;" in row["method"]
    notes = " ".join(report.terminal.notes)
    assert "from 5 random divisions of the patients into halves" in notes
    assert "extra repeats of two-fold cross-validation were not used" in notes
    assert "difficulty" not in notes


def test_a_halving_without_a_fold_is_an_incomplete_pair(plain):
    six = pd.concat([plain, simulate_halvings(plain, 6)], ignore_index=True)
    repeat = six["design"].eq("halving") & six["repeat"].eq(3)
    torn = six[~(repeat & six["arm"].eq("imagenet") & six["fold"].ge(8))]
    with pytest.raises(IncompleteError, match="halving repeat 3: 'imagenet' lacks folds 8, 9"):
        compare_arms(torn, "imagenet")
    row = compare_arms(torn, "imagenet", allow_incomplete=True).iloc[0]
    # The whole halving is left out, as one repeat of it says nothing of its noise.
    rest = six[~(six["design"].eq("halving") & six["repeat"].isin([2, 3]))]
    assert row["n_halvings"] == 5
    assert row["pvalue"] == compare_arms(rest, "imagenet").iloc[0]["pvalue"]
    lost = rest["design"].eq("halving") & rest["repeat"].eq(8) & rest["fold"].eq(2)
    few = rest[~(lost & rest["arm"].eq("imagenet"))]
    row = compare_arms(few, "imagenet", allow_incomplete=True).iloc[0]
    assert row["n_halvings"] == 0
    assert "4 complete halvings, fewer than the 5 that a test needs" in row["left_out"]
    assert row["pvalue"] == compare_arms(plain, "imagenet").iloc[0]["pvalue"]
    assert further.FEWEST_HALVINGS == stats_halvings.FEWEST_HALVINGS


def test_with_one_complete_repeat_they_are_left_out_by_name(halved):
    torn = halved[halved["design"].eq("halving") | halved["repeat"].eq(0) | halved["fold"].ne(1)]
    row = compare_arms(torn, "imagenet", allow_incomplete=True).iloc[0]
    assert (row["test"], row["n_halvings"]) == ("nadeau-bengio", 0)
    assert "one complete repeat, with which no test uses halvings" in row["left_out"]


def of_halvings(change):
    def changed(frame):
        own = frame["design"].eq("halving")
        return pd.concat([frame[~own], change(frame[own])], ignore_index=True)

    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f[f["design"].eq("halving")], "every score has design = 'halving'"),
        (of_halvings(lambda f: f[f["repeat"] < 8]), "'halving': .*at least 5 halvings, got 4"),
        (of_halvings(lambda f: f[f["repeat"] % 2 == 0]), "at least two repeats of every halving"),
        (of_halvings(lambda f: f[f["fold"] < N_FOLDS]), "cases are not tested in it"),
        (of_halvings(lambda f: f.assign(fold=f["fold"] % N_FOLDS)), "must number 10 folds"),
        (of_halvings(lambda f: f[f["arm"] == "imagenet"]), "'radimagenet' lacks folds"),
        (of_halvings(lambda f: f.assign(case="x" + f["case"])), "cases are not tested in it"),
        (
            of_halvings(lambda f: pd.concat([f, f.assign(seed=1)])),
            "halving repeat 0 has 2 seeds; give each training",
        ),
        (
            lambda f: f[f["design"].eq("halving") | f["fold"].eq(0)].assign(
                fold=lambda g: g["fold"].where(g["design"].eq("halving"), 0)
            ),
            "belong to a cross-validation, and these are random hold-outs",
        ),
        (
            lambda f: f[f["design"].eq("halving") | f["repeat"].eq(0)],
            "two repeats or more, got 1 with 5 folds; leave the rows",
        ),
        (
            of_halvings(
                lambda f: f.assign(
                    fold=(f["fold"] + N_FOLDS * f["case"].isin(["c0003"])) % (2 * N_FOLDS)
                )
            ),
            "into both halves",
        ),
    ],
)
def test_what_are_no_halvings_is_refused(halved, change, message):
    with pytest.raises(UserError, match=message):
        compare_arms(change(halved), "imagenet")


def test_patients_on_both_sides_of_a_halving_end_the_report(halved):
    own = halved["design"].eq("halving") & halved["case"].eq("c0003")
    torn = halved.assign(fold=halved["fold"].mask(own, (halved["fold"] + 1) % N_FOLDS))
    with pytest.raises(UserError, match="on both sides of a split"):
        build_report(Predictions(torn), AnalysisOptions(reference="imagenet"))


def test_halvings_that_say_nothing_are_a_warning(plain, halves):
    empty = pd.concat([plain, halves.assign(score=0.0)], ignore_index=True)
    row = compare_arms(empty, "imagenet").iloc[0]
    assert "the halvings were not used" in row["warnings"]
    assert "the 5 halvings are of no use" in row["method"]
    assert row["n_halvings"] == 0
    assert row["pvalue"] == compare_arms(plain, "imagenet").iloc[0]["pvalue"]


@pytest.mark.parametrize("scores", [0.0, "labels"])
def test_half_sample_repeats_that_say_nothing_are_a_warning(plain, half, scores):
    own = half.assign(score=half["y_true"].astype(float) if scores == "labels" else scores)
    row = compare_arms(pd.concat([plain, own], ignore_index=True), "imagenet").iloc[0]
    assert "the half-sample repeats were not used" in row["warnings"]
    assert "the 3 half-sample repeats are of no use" in row["method"]
    assert row["n_half_repeats"] == 0
    assert row["pvalue"] == compare_arms(plain, "imagenet").iloc[0]["pvalue"]
