"""Reports of several classes and of grades: the tests themselves, layouts of tools, refusals."""

import json

import docx
import numpy as np
import pandas as pd
import pytest
from scipy import special

from stats_tl.errors import IncompleteError, UserError
from stats_tl.report import main
from stats_tl.reporting import AnalysisOptions, build_class_report, read_classes
from stats_tl.stats import (
    adjust_pvalues,
    delong_test,
    metric_omnibus_test,
    multiclass_auc_test,
    obuchowski_rockette_test,
    repeated_cv_omnibus_test,
    repeated_cv_test,
    weighted_kappa_test,
)

NAMES = ("benign", "malignant", "normal")
ARMS = {"big": 0.3, "mid": 0.7, "small": 1.2}
REFERENCE = AnalysisOptions(reference="small", margin=0.05)


def study(n=120, repeats=3, folds=4, seed=0):
    """Classes, probabilities of the arms (repeats, n, 3), folds, patients; cases c000 ..."""
    rng = np.random.default_rng(seed)
    patient = np.arange(n) // 2
    of_patient = rng.permutation(np.arange(n // 2) % 3)
    fold = np.zeros((repeats, n // 2), dtype=int)
    for own in fold:
        for number in range(3):
            rows = np.flatnonzero(of_patient == number)
            own[rows] = rng.permutation(rows.size) % folds
    y = of_patient[patient]
    base = 1.2 * np.eye(3)[y] + rng.normal(size=(n, 3))
    scores = {
        arm: special.softmax(
            base + s * rng.normal(size=(n, 3)) + 0.3 * rng.normal(size=(repeats, n, 3)), axis=2
        )
        for arm, s in ARMS.items()
    }
    return y, scores, fold[:, patient], patient


def table(arms=tuple(ARMS), *, crossed=True, column="prob_{}", **options):
    y, scores, folds, patient = study(**options)
    parts = []
    for arm in arms:
        for repeat in range(len(folds) if crossed else 1):
            own = pd.DataFrame(scores[arm][repeat], columns=[column.format(n) for n in NAMES])
            own["case"] = [f"c{number:03d}" for number in range(y.size)]
            own["patient"] = patient
            own["y_true"] = np.array(NAMES)[y]
            own["arm"] = arm
            if crossed:
                own["repeat"], own["fold"] = repeat, folds[repeat]
            parts.append(own)
    return pd.concat(parts, ignore_index=True)


def read(tmp_path, frame, **options):
    frame.to_csv(tmp_path / "scores.csv", index=False)
    return read_classes({"": tmp_path / "scores.csv"}, **options)


def built(tmp_path, frame, options=REFERENCE, **more):
    reading = {k: more.pop(k) for k in ("columns", "classes", "names", "truth") if k in more}
    found = read(tmp_path, frame, **reading)
    assert found is not None
    return build_class_report(found, options, formats=more.pop("formats", ("csv",)), **more)


def test_numbers_are_those_of_the_tests(tmp_path):
    fit = built(tmp_path, table()).fit
    y, scores, folds, patient = study()
    for metric, rows in (("roc_auc_ovr", fit.comparisons), ("roc_auc_ovo", fit.second)):
        for row in rows.to_dict("records"):
            direct = repeated_cv_test(
                y, scores[row["arm"]], scores["small"], folds, groups=patient, metric=metric
            )
            assert row["difference"] == pytest.approx(direct.estimate)
            assert row["pvalue"] == pytest.approx(direct.pvalue)
            assert (row["value"], row["value_reference"]) == pytest.approx(direct.estimates)
    row = fit.by_class.iloc[1]
    own, other = scores[row["arm"]][..., 1], scores["small"][..., 1]
    direct = repeated_cv_test(y == 1, own, other, folds, groups=patient)
    assert row["class"] == "malignant"
    assert row["pvalue"] == pytest.approx(direct.pvalue)
    adjusted = adjust_pvalues(fit.by_class["pvalue"].to_numpy(), "holm")
    assert fit.by_class["pvalue_adjusted"].to_numpy() == pytest.approx(adjusted)
    together = np.stack([scores[arm] for arm in ARMS])
    direct = repeated_cv_omnibus_test(y, together, folds, groups=patient, metric="roc_auc_ovr")
    assert fit.omnibus["pvalue"].item() == pytest.approx(direct.pvalue)
    assert list(zip(fit.pairs["arm"], fit.pairs["reference"], strict=True)) == [
        ("big", "mid"), ("big", "small"), ("mid", "small"),
    ]  # fmt: skip
    assert fit.sample["n_cases"].tolist() == np.bincount(y).tolist()
    assert fit.sample["n_patients"].tolist() == (np.bincount(y) // 2).tolist()


def test_the_test_of_all_arms_says_what_it_does_without(tmp_path):
    frame = table()
    again = pd.concat([frame.assign(seed=0), frame.assign(seed=1)])
    once, twice = (built(tmp_path, own) for own in (frame, again))
    for report, words in ((once, False), (twice, True)):
        section = next(s for s in report.sections if s.name == "multiclass_omnibus")
        assert ("uses the first" in " ".join(section.table.notes)) == words
        assert "halvings" not in " ".join(section.table.notes)
    assert twice.fit.omnibus["pvalue"].item() == once.fit.omnibus["pvalue"].item()


def test_one_test_set(tmp_path):
    fit = built(tmp_path, table(crossed=False), metric="roc_auc_ovo").fit
    y, scores, _, patient = study()
    big, small = scores["big"][0], scores["small"][0]
    direct = multiclass_auc_test(y, big, small, average="hand-till", groups=patient)
    assert fit.comparisons["pvalue"].iloc[0] == pytest.approx(direct.pvalue)
    direct = delong_test(y == 2, big[:, 2], small[:, 2], groups=patient)
    assert fit.by_class["pvalue"].iloc[2] == pytest.approx(direct.pvalue)
    together = np.stack([scores[arm][0] for arm in ARMS])
    direct = metric_omnibus_test(y, together, metric="roc_auc_ovo", groups=patient)
    assert fit.omnibus["pvalue"].item() == pytest.approx(direct.pvalue)


@pytest.mark.parametrize("column", ["seed", "reader"])
def test_training_runs_and_readers_on_one_test_set(tmp_path, column):
    frame = table().drop(columns="fold").rename(columns={"repeat": column})
    report = built(tmp_path, frame, formats=("csv", "words"))
    y, scores, _, patient = study()
    pair = np.stack([scores["big"], scores["small"]])
    row = report.fit.comparisons.iloc[0]
    direct = obuchowski_rockette_test(y, pair, metric="roc_auc_ovr", groups=patient)
    assert row["pvalue"] == pytest.approx(direct.pvalue)
    assert row["value_low"] == pytest.approx(direct.arms["ci_low"].iloc[0])
    direct = obuchowski_rockette_test(y == 0, pair[..., 0], groups=patient)
    assert report.fit.by_class["pvalue"].iloc[0] == pytest.approx(direct.pvalue)
    together = np.stack([scores[arm] for arm in ARMS])
    direct = obuchowski_rockette_test(y, together, metric="roc_auc_ovr", groups=patient)
    assert report.fit.omnibus["pvalue"].item() == pytest.approx(direct.pvalue)
    what = "3 readers" if column == "reader" else "3 training runs"
    assert report.fit.designs[0].endswith(what)
    assert "Obuchowski and Rockette" in report.files["methods.md"].decode()


def test_an_external_test_set_is_a_task_of_its_own(tmp_path):
    frame = table(("big", "small"))
    own = frame.assign(case="x" + frame["case"], patient=frame["patient"] + 1000)
    models = own["fold"] + 4 * own["repeat"]
    outside = pd.concat(own.assign(fold=models * 0 + k, partition="external") for k in range(4))
    both = pd.concat([frame.assign(partition="test"), outside])
    fit = built(tmp_path, both).fit
    assert fit.comparisons["task"].tolist() == ["", "external test set"]
    assert fit.kinds == ("cross-validation", "training runs")
    alone = built(tmp_path, frame).fit
    assert fit.comparisons["pvalue"].iloc[0] == pytest.approx(alone.comparisons["pvalue"].iloc[0])


def test_command_writes_what_it_checks(tmp_path, capsys):
    frame = table()
    frame.assign(note=range(len(frame))).to_csv(tmp_path / "scores.csv", index=False)
    given = ["--scores", str(tmp_path / "scores.csv"), "--reference", "small"]
    out = tmp_path / "out"
    assert main([*given, "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "macro-averaged one-versus-rest AUC" in printed.out
    assert "No web page: it is made of scores of two classes alone." in printed.out
    assert (
        "columns left unused, because they differ between the rows of a case: note" in printed.err
    )
    assert main([*given, "--out", str(out), "--check"]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["study"]["classes"] == list(NAMES)
    assert summary["study"]["metric"] == "roc_auc_ovr"
    assert (out / "figures/roc_by_class.png").stat().st_size > 1000
    document = docx.Document(out / "report.docx")
    assert [len(own.rows) for own in document.tables][1] == 1 + 1 + 2 * (1 + 3)
    assert len(document.inline_shapes) == 1
    methods, results = ((out / f"{name}.md").read_text() for name in ("methods", "results"))
    assert "the mean over classes of the AUC of each class against all others" in methods
    assert "The macro-averaged one-versus-rest AUC was" in results
    assert "benign 40 cases" in results
    caption = (out / "tables/by_class.tex").read_text()
    assert "AUC of every class against the rest" in caption


def pvalues(report):
    return report.fit.comparisons["pvalue"].to_numpy()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return pvalues(built(tmp_path_factory.mktemp("expected"), table(("big", "small"))))


@pytest.mark.parametrize(
    "column", ["score[{}]", "score_{}", "Score.{}", ".pred_{}", "p_{}", "prob_{}", "probability_{}"]
)
def test_names_of_columns(tmp_path, expected, column):
    frame = table(("big", "small"), column=column)
    frame[".pred_class"] = "benign"  # tidymodels writes it beside the probabilities
    assert pvalues(built(tmp_path, frame)) == pytest.approx(expected)


@pytest.mark.parametrize("column", ["score_{}", "y_score_{}", "prob{}"])
def test_numbered_classes(tmp_path, expected, column):
    frame = table(("big", "small"))
    numbered = {f"prob_{name}": column.format(number) for number, name in enumerate(NAMES)}
    frame = frame.rename(columns=numbered).replace(dict(zip(NAMES, (0.0, 1.0, 2.0), strict=True)))
    assert pvalues(built(tmp_path, frame)) == pytest.approx(expected)


def test_columns_that_have_the_names_of_the_classes(tmp_path, expected):
    frame = table(("big", "small"), column="{}")  # AutoGluon's predict_proba
    found = built(tmp_path, frame, classes={name: name for name in NAMES})
    assert pvalues(found) == pytest.approx(expected)
    text = table(("big", "small"), column="x{}")
    text["y_true"] = text["y_true"].map(dict(zip(NAMES, (0, 1, 2), strict=True)))
    classes = {str(number): f"x{name}" for number, name in enumerate(NAMES)}
    assert pvalues(built(tmp_path, text, classes=classes)) == pytest.approx(expected)


def test_files_of_the_arms_without_heading_and_labels_elsewhere(tmp_path, expected):
    """As MedMNIST's evaluator writes scores: the number of the image, then a column a class."""
    frame = table(("big", "small"))
    scores = [f"prob_{name}" for name in NAMES]
    cases = frame.drop_duplicates("case")
    labels = cases["y_true"].map(dict(zip(NAMES, range(3), strict=True)))
    cases[["case", "patient"]].assign(y_true=labels).to_csv(tmp_path / "truth.csv", index=False)
    for arm, own in frame.groupby("arm"):
        own[["case", "repeat", "fold", *scores]].to_csv(
            tmp_path / f"{arm}.csv", index=False, header=False
        )
    found = read_classes(
        {arm: tmp_path / f"{arm}.csv" for arm in ("big", "small")},
        names=["case", "repeat", "fold", "score_0", "score_1", "score_2"],
        truth=tmp_path / "truth.csv",
    )
    report = build_class_report(found, REFERENCE, formats=())
    assert pvalues(report) == pytest.approx(expected)


def test_order_of_rows_does_not_matter(tmp_path):
    frame = table()
    report = built(tmp_path, frame, formats=("csv", "words"))
    again = built(tmp_path, frame.sample(frac=1, random_state=1), formats=("csv", "words"))
    for path, content in report.files.items():
        if path.startswith("tables/"):
            assert again.files[path] == content, path


def test_tasks_tuning_cases_and_incomplete_runs(tmp_path):
    frame = table(("big", "small"))
    both = pd.concat([frame.assign(task="breast"), frame.assign(task="thyroid")])
    fit = built(tmp_path, both).fit
    assert fit.comparisons["task"].tolist() == ["breast", "thyroid"]
    assert fit.comparisons["pvalue_adjusted"].iloc[0] == pytest.approx(
        min(2 * fit.comparisons["pvalue"].iloc[0], 1)
    )
    tuning = frame[frame["fold"] == 0].assign(partition="validation", fold=1, case="tuned")
    tuning["case"] = [f"t{number}" for number in range(len(tuning))]
    tuning["patient"] = tuning["case"]
    tuned = pd.concat([frame.assign(partition="test"), tuning])
    assert pvalues(built(tmp_path, tuned)) == pytest.approx(pvalues(built(tmp_path, frame)))
    gap = frame[~((frame["arm"] == "big") & (frame["repeat"] == 2) & (frame["fold"] == 1))]
    with pytest.raises(IncompleteError, match="'big' lacks fold 1"):
        built(tmp_path, gap)
    left = built(tmp_path, gap, allow_incomplete=True).fit
    assert "2 repeats of 4-fold" in left.designs[0]
    assert any(text.startswith("left out: ") for text in left.warnings)


def test_grades_are_compared_by_kappa(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(1, 6, 150)
    grades = {
        a: np.clip(truth + rng.integers(-s, s + 1, 150), 1, 5) for a, s in (("a", 1), ("b", 2))
    }
    frame = pd.concat(
        pd.DataFrame({"case": range(150), "y_true": truth, "arm": arm, "birads": own})
        for arm, own in grades.items()
    )
    options = AnalysisOptions(reference="b")
    report = built(tmp_path, frame, options, columns={"grade": "birads"}, formats=("csv", "words"))
    direct = weighted_kappa_test(truth, grades["a"], grades["b"])
    row = report.fit.comparisons.iloc[0]
    assert (row["pvalue"], row["value"]) == pytest.approx((direct.pvalue, direct.estimates[0]))
    assert "quadratically weighted kappa" in report.files["results.md"].decode()
    assert {own.name for own in report.absent} == {"by_class", "omnibus", "roc_by_class"}
    with pytest.raises(UserError, match="grades must be whole numbers"):
        built(tmp_path, frame.assign(y_true=frame["y_true"] + 0.5), options,
              columns={"grade": "birads"})  # fmt: skip


def test_two_classes_stay_what_they_are(tmp_path):
    y, scores, _, _ = study()
    binary = pd.concat(
        pd.DataFrame({"case": range(120), "y_true": y == 0, "arm": arm, "score": own[0, :, 0]})
        for arm, own in scores.items()
    )
    assert read(tmp_path, binary) is None
    wide = pd.DataFrame({"case": range(120), "y_true": (y == 0).astype(int)})
    for arm, own in scores.items():
        wide[f"p_{arm}"] = own[0, :, 0]
    assert read(tmp_path, wide) is None
    several = table(crossed=False).rename(columns={"prob_benign": "score"})
    assert read(tmp_path, several) is None


CLASSES = {name: f"prob_{name}" for name in NAMES}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.replace({"y_true": {"normal": "cyst"}}), r"holds 'cyst', and nobody scored"),
        (lambda f: f.replace({"y_true": dict(zip(NAMES, "012", strict=True))}),
         r"names do not match; say which is which: --classes 0=COLUMN,1=COLUMN"),
        (lambda f: f.assign(prob_cyst=0.0), r"no case is of class 'cyst'"),
        (lambda f: f.assign(prob_benign=f["prob_benign"].where(f.index != 5, 0.9)),
         r"1 row of probabilities does not sum to 1 though the others do, .* case 'c005'"),
        (lambda f: f.assign(prob_benign=f["prob_benign"].where(f.index != 5)),
         r"'prob_benign' has 1 values that are not finite numbers, the first in row 6"),
        (lambda f: f.assign(y_true=f["y_true"].where(f.index != 5)), r"1 missing values"),
        (lambda f: f.assign(y_true=f["y_true"].where(f.index != 5, "benign")
                            if f["y_true"][5] != "benign" else "normal"),
         r"case 'c005' has more than one label"),
        (lambda f: f.assign(fold=f["fold"].where((f["y_true"] != "benign") | (f["fold"] != 1), 2)),
         r"fold 1 of repeat 0 has no case of class 'benign'"),
        (lambda f: f[f["case"].str[1:].astype(int) % 3 != f["repeat"]].drop(columns="fold"),
         r"random hold-outs of several classes have no test here"),
        (lambda f: f.assign(fold=f["fold"].where(f.index % 240 != 0, (f["fold"] + 1) % 4)),
         r"patients have cases on both sides|in different folds"),
        (lambda f: f[f["arm"] == "small"], r"needs the reference 'small' and another"),
        (lambda f: f.assign(score_a=1.0, score_b=1.0, score_c=1.0), r"more than one kind of col"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_a_sentence(tmp_path, change, said):
    with pytest.raises(UserError, match=said):
        built(tmp_path, change(table()))


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ({"benign": "prob_benin"}, "no such column; did you mean 'prob_benign'"),
        ({"benign": "prob_benign", "normal": "prob_normal"}, "of two classes give the score of"),
        (CLASSES | {"cyst": "prob_normal"}, "'prob_normal' is given for two classes"),
    ],
)
def test_classes_that_name_columns(tmp_path, classes, said):
    with pytest.raises(UserError, match=said):
        built(tmp_path, table(), classes=classes)


def test_unknown_reference_and_metric(tmp_path):
    frame = table(crossed=False)
    with pytest.raises(UserError, match="Say --reference NAME; arms: big, mid, small"):
        built(tmp_path, frame, AnalysisOptions())
    with pytest.raises(UserError, match="no arm is called 'smal'"):
        built(tmp_path, frame, AnalysisOptions(reference="smal"))
    with pytest.raises(UserError, match="metric 'quadratic_kappa' is not of scores of several"):
        built(tmp_path, frame, metric="quadratic_kappa")
    planned = AnalysisOptions(reference="small", metric=("roc_auc_ovo",))
    assert built(tmp_path, frame, planned).fit.metric == "roc_auc_ovo"
    with pytest.raises(UserError, match="metric 'brier_score' is not of scores of several"):
        built(tmp_path, frame, AnalysisOptions(reference="small", metric=("brier_score",)))


def test_predicted_classes_in_place_of_scores_are_told(tmp_path):
    frame = table(("big", "small"), crossed=False)
    columns = [f"prob_{name}" for name in NAMES]
    calls = np.eye(3)[frame[columns].to_numpy().argmax(axis=1)]
    called = frame.assign(**dict(zip(columns, calls.T, strict=True)))
    told = built(tmp_path, frame.where(frame["arm"] != "big", called)).fit.warnings
    assert [own for own in told if "as predicted classes are" in own] == [
        "the scores of 'big' are 0 and 1 only, as predicted classes are: its AUCs are those of "
        "one operating point; give probabilities or logits"
    ]
    assert not any("operating point" in own for own in built(tmp_path, frame).fit.warnings)


def test_leakage_gives_numbers_without_verdicts(tmp_path):
    frame = table()
    moved = frame.assign(fold=frame["fold"].where(frame["case"] != "c000", (frame["fold"] + 1) % 4))
    with pytest.raises(UserError, match="patients have cases on both sides of a split: 1 patient"):
        built(tmp_path, moved)
    fit = built(tmp_path, moved, allow_leakage=True).fit
    assert set(fit.comparisons["verdict"]) == {"none (leakage)"}
