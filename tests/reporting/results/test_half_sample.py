"""The report uses extra two-fold repeats, where both arms have them whole."""

# ruff: noqa: PD010

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps

from stats_tl.errors import IncompleteError, UserError
from stats_tl.reporting import AnalysisOptions, compare_arms, fold_aucs, read_predictions
from stats_tl.reporting.build import build_report
from stats_tl.stats import repeated_cv_test

from ..simulate import simulate_scores

ARMS = ("radimagenet", "imagenet")


def with_half(*, n_patients=120, seeds=1, repeats=5):
    """Five repeats of five folds, and three of two folds with a weaker signal."""
    full = simulate_scores(n_patients=n_patients, seeds=seeds, repeats=repeats)
    weaker = (("imagenet", 0.8), ("radimagenet", 1.0))
    half = simulate_scores(n_patients=n_patients, repeats=3, folds=2, arms=weaker, model_seed=9)
    labels = full.drop_duplicates("case").set_index("case")["y_true"]
    assert (half["case"].map(labels) == half["y_true"]).all()
    return pd.concat([full.assign(design="cv"), half.assign(design="half")], ignore_index=True)


def arrays(scores, design, seed=0):
    own = scores[(scores["design"] == design) & (scores["seed"] == seed)]
    wide = [
        own[own["arm"] == arm].pivot(index="repeat", columns="case", values="score").to_numpy()
        for arm in ARMS
    ]
    folds = own[own["arm"] == ARMS[0]].pivot(index="repeat", columns="case", values="fold")
    return (*wide, folds.to_numpy())


def direct(scores, seed=0, **options):
    first = scores.drop_duplicates("case").sort_values("case")
    return repeated_cv_test(
        first["y_true"], *arrays(scores, "cv", seed), groups=first["patient"],
        half=arrays(scores, "half"), **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def curved():
    return with_half()


def test_the_p_value_is_that_of_the_test_with_half(curved):
    row = compare_arms(curved, "imagenet").iloc[0]
    result = direct(curved)
    assert row["pvalue"] == pytest.approx(result.pvalue, rel=1e-12)
    assert row["standard_error"] == pytest.approx(result.standard_error, rel=1e-12)
    assert row["difference_high"] == pytest.approx(result.confidence_interval.high, rel=1e-12)
    assert row["method"] == result.method
    assert f"({row['test']}, " in result.method
    assert row["test"] == "learning-curve"
    assert row["n_half_repeats"] == 3


def test_they_are_named_and_change_no_auc(curved):
    plain = curved[curved["design"] == "cv"]
    without = compare_arms(plain.drop(columns="design"), "imagenet").iloc[0]
    row = compare_arms(curved, "imagenet").iloc[0]
    assert "no half-sample repeats supplied" in without["method"]
    assert "3 half-sample repeats" in row["method"]
    assert without["n_half_repeats"] == 0
    for column in ("auc", "auc_reference", "difference", "auc_low", "pvalue_delong", "n_repeats"):
        assert row[column] == without[column]
    pd.testing.assert_frame_equal(fold_aucs(curved), fold_aucs(plain.drop(columns="design")))


def test_order_of_rows_does_not_matter(curved):
    shuffled = curved.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        compare_arms(shuffled, "imagenet"), compare_arms(curved, "imagenet")
    )


def test_seeds_average_the_estimate_and_the_variance():
    scores = with_half(n_patients=300, seeds=3)
    row = compare_arms(scores, "imagenet").iloc[0]
    results = [direct(scores, seed, method=row["test"]) for seed in range(3)]
    assert f"({row['test']}, " in direct(scores).method
    estimate = np.mean([result.estimate for result in results])
    error = np.sqrt(np.mean([result.standard_error**2 for result in results]))
    df = min(result.df for result in results)
    assert row["difference"] == pytest.approx(estimate, rel=1e-12)
    assert row["standard_error"] == pytest.approx(error, rel=1e-12)
    assert row["pvalue"] == pytest.approx(2 * sps.t.sf(abs(estimate / error), df), rel=1e-9)
    low, high = estimate + np.array([-1, 1]) * sps.t.isf(0.025, df) * error
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((low, high))
    assert row["difference"] == pytest.approx(row["auc"] - row["auc_reference"])
    assert row["method"].endswith("averaged over 3 training seeds")


def test_an_incomplete_half_sample_repeat_is_an_incomplete_pair(curved):
    lost = curved["arm"].eq("radimagenet") & curved["design"].eq("half") & curved["repeat"].eq(1)
    torn = curved[~(lost & curved["fold"].eq(0))]
    with pytest.raises(IncompleteError, match="half-sample repeat 1: 'radimagenet' lacks fold 0"):
        compare_arms(torn, "imagenet")
    row = compare_arms(torn, "imagenet", allow_incomplete=True).iloc[0]
    rest = curved[~(curved["design"].eq("half") & curved["repeat"].eq(1))]
    assert row["n_half_repeats"] == 2
    assert "half-sample repeat 1" in row["left_out"]
    assert row["pvalue"] == compare_arms(rest, "imagenet").iloc[0]["pvalue"]


def test_half_sample_cells_that_were_not_trained_are_listed(curved):
    plain = curved[curved["design"] == "cv"]
    keys = {"task": "breast", "backbone": "resnet18", "head": "linear", "unfreeze": "0"}
    missing = pd.DataFrame(
        [
            {**keys, "arm": arm, "repeat": 0, "fold": fold, "seed": 0, "design": "half"}
            for arm in ARMS
            for fold in range(2)
        ]
    )
    with pytest.raises(IncompleteError, match="half-sample repeat 0: not trained"):
        compare_arms(plain, "imagenet", missing=missing)
    row = compare_arms(plain, "imagenet", missing=missing, allow_incomplete=True).iloc[0]
    assert (row["test"], row["n_half_repeats"]) == ("learning-curve", 0)
    assert "half-sample repeat 0" in row["left_out"]
    assert row["n_repeats"] == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.assign(design="Half"), "must hold 'cv', 'half'.*'Half'"),
        (lambda f: f.assign(design="half"), "every score has design = 'half'"),
        (lambda f: f.assign(design=f["design"].where(f["case"] != "c0000")), "'design' has"),
        (
            lambda f: pd.concat([f, f[f["design"] == "half"].assign(seed=0)]),
            "half-sample repeat 0, seed 0: .* more than one score",
        ),
        (
            lambda f: f.assign(
                fold=f["fold"].where(f["design"].eq("cv") | f["case"].gt("c0050"), 2)
            ),
            "half-sample repeat 0 has 3 folds; .*two-fold",
        ),
        (
            lambda f: f.assign(fold=f["fold"].where(f["design"].eq("half"), f["fold"] % 2)),
            "three folds or more, got 2",
        ),
        (
            lambda f: f[f["design"].eq("half") | f["repeat"].eq(0)].assign(
                fold=lambda g: g["fold"].where(g["design"].eq("half"), 0)
            ),
            "three folds or more, got 1",
        ),
    ],
)
def test_bad_designs_are_refused(curved, change, message):
    with pytest.raises(UserError, match=message):
        compare_arms(change(curved), "imagenet")


def test_a_csv_with_designs_is_reported_with_the_test_that_was_used(curved, tmp_path):
    path = tmp_path / "scores.csv"
    curved.drop(columns="partition").to_csv(path, index=False)
    evidence = read_predictions(path)
    assert len(evidence.cells) == 2 * 5 * 5
    assert len(evidence.scores()) == (curved["design"] == "cv").sum()
    report = build_report(evidence, AnalysisOptions(reference="imagenet"), formats=("latex", "csv"))
    row = report.comparisons.iloc[0]
    assert row["pvalue"] == pytest.approx(direct(curved).pvalue, rel=1e-9)
    notes = " ".join(report.terminal.notes)
    assert "learning-curve corrected test" in notes
    assert "3 extra repeats of two-fold cross-validation" in notes
    assert report.sample["n_repeats"].tolist() == [5]
    assert report.mixed.n_rows == 2 * 5 * 5
