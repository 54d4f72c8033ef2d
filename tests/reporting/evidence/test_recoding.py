"""Labels and folds as caret, tidymodels and mlr write them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold

from stats_tl.errors import UserError
from stats_tl.reporting import compare_arms, read_predictions

ARMS = {"old": "p_old", "new": "p_new"}


@pytest.fixture(scope="module")
def wide():
    """Three repeats of five folds with numbered iterations, and the mean AUC of each arm."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3 == 0
    parts = []
    splitter = RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=1)
    for number, (_, test) in enumerate(splitter.split(np.zeros(60), y)):
        parts.append(pd.DataFrame({"case": test, "y_true": y[test].astype(int), "iter": number}))
    frame = pd.concat(parts, ignore_index=True)
    for arm, signal in (("p_old", 0.5), ("p_new", 1.5)):
        frame[arm] = signal * frame["y_true"] + rng.standard_normal(len(frame))
    means = {
        arm: np.mean(
            [roc_auc_score(own["y_true"], own[column]) for _, own in frame.groupby("iter")]
        )
        for arm, column in ARMS.items()
    }
    return frame, means


def names(frame, form):
    repeat, fold = frame["iter"] // 5 + 1, frame["iter"] % 5 + 1
    match form:
        case "caret":
            return {"fold": "Fold" + fold.astype(str) + ".Rep" + repeat.astype(str)}
        case "caret of ten":
            return {"fold": [f"Fold{f:02d}.Rep{r:02d}" for f, r in zip(fold, repeat, strict=True)]}
        case "tidymodels":
            return {"repeat": "Repeat" + repeat.astype(str), "fold": "Fold" + fold.astype(str)}
        case "mlr":
            return {"fold": frame["iter"] + 1}
        case "from 0":
            return {"fold": frame["iter"]}


def read(tmp_path, frame, **options):
    frame.to_csv(tmp_path / "p.csv", index=False)
    return read_predictions(tmp_path / "p.csv", arms=ARMS, **options)


@pytest.mark.parametrize("form", ["caret", "caret of ten", "tidymodels", "mlr", "from 0"])
def test_folds_as_tools_name_them(tmp_path, wide, form):
    frame, means = wide
    table = frame.drop(columns="iter").assign(**names(frame, form))
    folds = 5 if form in ("mlr", "from 0") else None
    evidence = read(tmp_path, table, folds=folds)
    row = compare_arms(evidence.scores(), "old").iloc[0]
    assert (row["n_repeats"], row["n_folds"]) == (3, 5)
    assert row["auc"] == pytest.approx(means["new"], abs=1e-12)
    assert row["auc_reference"] == pytest.approx(means["old"], abs=1e-12)


@pytest.mark.parametrize(
    ("negative", "positive", "said"),
    [
        ("benign", "malignant", "malignant"),
        (1, 2, "2"),
        (2.0, 1.0, "1"),
        ("no", "no way", "no way"),
    ],
)
def test_the_positive_label_is_named(tmp_path, wide, negative, positive, said):
    frame, means = wide
    labels = frame["y_true"].map({0: negative, 1: positive})
    table = frame.rename(columns={"iter": "fold"}).assign(y_true=labels)
    evidence = read(tmp_path, table, folds=5, positive=said)
    row = compare_arms(evidence.scores(), "old").iloc[0]
    assert row["auc"] == pytest.approx(means["new"], abs=1e-12)
    with pytest.raises(UserError, match="which is positive\\? Say --positive"):
        read(tmp_path, table, folds=5)


def test_true_and_false_are_labels(tmp_path, wide):
    frame, means = wide
    table = frame.rename(columns={"iter": "fold"})
    for words in ("True", "False"), ("TRUE", "FALSE"):
        labels = table.assign(y_true=table["y_true"].map({1: words[0], 0: words[1]}))
        row = compare_arms(read(tmp_path, labels, folds=5).scores(), "old").iloc[0]
        assert row["auc"] == pytest.approx(means["new"], abs=1e-12)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {}, "tested in 3 of 15 folds, and there is no column 'repeat'.*--folds 5"),
        ({}, {"folds": 3}, "--folds 3: case .* more than once in the iterations"),
        ({}, {"folds": 4}, "numbered 1 to a multiple of 4, or from 0, got 15 numbers from 0 to 14"),
        ({"repeat": 0}, {"folds": 5}, "there is a column 'repeat' already"),
        ({"fold": "a"}, {"folds": 5}, "expected iterations as whole numbers, got 'a'"),
        ({"fold": "last"}, {}, "column 'fold' holds 'last'; known are whole numbers, Fold1"),
        ({"fold": "Rep1"}, {}, "holds 'Rep1', which names no fold"),
        ({"fold": "Fold1.Rep2", "repeat": 1}, {}, "names a repeat .* column 'repeat'"),
        ({"y_true": 3}, {"positive": "1"}, "--positive 1: no case has this label"),
    ],
)
def test_what_is_not_exact_is_refused(tmp_path, wide, change, options, message):
    table = wide[0].rename(columns={"iter": "fold"}).assign(**change)
    with pytest.raises(UserError, match=message):
        read(tmp_path, table, **options)


def test_a_positive_label_and_two_others(tmp_path, wide):
    table = wide[0].rename(columns={"iter": "fold"})
    labels = np.array(["normal", "benign", "malignant"])[table["case"] % 3]
    with pytest.raises(UserError, match=r"other cases have 2 labels \('benign', 'normal'\)"):
        read(tmp_path, table.assign(y_true=labels), folds=5, positive="malignant")


def test_names_of_folds_of_two_forms(tmp_path, wide):
    table = wide[0].drop(columns="iter")
    table["fold"] = ["Fold1", *["Fold1.Rep1"] * (len(table) - 1)]
    with pytest.raises(UserError, match="the names of folds need one form"):
        read(tmp_path, table)


def test_predictions_of_every_tuning_value(tmp_path, wide):
    frame, _ = wide
    caret = frame.drop(columns="iter").assign(**names(frame, "caret"))
    every = pd.concat([caret.assign(k=k, p_new=caret["p_new"] + k) for k in (5, 7, 9)])
    with pytest.raises(UserError, match=r"3 scores in one fold .*k = 5, 7, 9.*best tune"):
        read(tmp_path, every)
