"""Reports of a value of every case: our table, nnU-Net's and MONAI's files, refusals."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps

from stats_tl.errors import UserError
from stats_tl.report import main
from stats_tl.reporting import has_values, read_values
from stats_tl.stats import repeated_cv_test


def dice(n=40, seed=0):
    rng = np.random.default_rng(seed)
    case = rng.beta(8, 2, n)
    return np.clip(case + 0.05 * rng.normal(size=n), 0, 1), np.clip(case - 0.03, 0, 1)


def summary(values, *, labels=("1",)):
    """As nnU-Net 2.8.1 writes it: sorted keys, NaN where a label is in neither mask."""
    cases = [
        {
            "metrics": {
                label: {"Dice": value, "FN": 3, "FP": 2, "IoU": value / (2 - value)}
                for label in labels
            },
            "prediction_file": f"/out/case_{number:03d}.nii.gz",
            "reference_file": f"/ref/case_{number:03d}.nii.gz",
        }
        for number, value in enumerate(values)
    ]
    return json.dumps({"foreground_mean": {}, "mean": {}, "metric_per_case": cases}, sort_keys=True)


def test_two_summaries_of_nnunet_in_one_line(tmp_path, capsys):
    a, b = dice()
    for name, values in (("big", a), ("small", b)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").write_text(summary(values))
    files = [f"{name}={tmp_path / name / 'summary.json'}" for name in ("big", "small")]
    out = tmp_path / "out"
    code = main(["--scores", *files, "--reference", "small", "--out", str(out)])
    assert code == 0
    table = pd.read_csv(out / "tables/values.csv")
    expected = sps.ttest_rel(a, b)
    assert table.pvalue.item() == pytest.approx(expected.pvalue)
    assert (table.ci_low.item(), table.ci_high.item()) == pytest.approx(
        tuple(expected.confidence_interval())
    )
    assert table.verdict.item() == "superior"
    text = (out / "results.md").read_text()
    assert "mean Dice" in text
    assert json.loads((out / "summary.json").read_text())["study"]["higher_is_better"] is True
    assert "Comparison of mean Dice" in capsys.readouterr().out
    assert main(["--scores", *files, "--reference", "small", "--out", str(out), "--check"]) == 0


def test_folds_of_a_model_of_nnunet(tmp_path):
    a, b = dice(60)
    fold = np.arange(60) % 5
    for name, values in (("one", a), ("other", b)):
        for k in range(5):
            folder = tmp_path / name / f"fold_{k}" / "validation"
            folder.mkdir(parents=True)
            cases = json.loads(summary(values))
            own = np.flatnonzero(fold == k)
            cases["metric_per_case"] = [cases["metric_per_case"][i] for i in own]
            (folder / "summary.json").write_text(json.dumps(cases))
    out = tmp_path / "out"
    files = [f"{name}={tmp_path / name}" for name in ("one", "other")]
    assert main(["--scores", *files, "--reference", "other", "--out", str(out)]) == 0
    row = pd.read_csv(out / "tables/values.csv").iloc[0]
    expected = repeated_cv_test(None, a, b, fold, metric="mean")
    assert row.pvalue == pytest.approx(expected.pvalue)
    note = json.loads((out / "summary.json").read_text())
    assert "with one repeat only" in json.dumps(note).lower()


def test_monais_raw_reports(tmp_path):
    """As MONAI 1.6.1 writes them: file names unquoted, nan, the mean of the classes last."""
    rows = ["filename,class0,class1,mean", "/d/a.nii.gz,0.8,0.9,0.85", "/d/b,1.nii.gz,nan,0.7,0.7"]
    path = tmp_path / "mean_dice_raw.csv"
    path.write_text("\n".join(rows) + "\n")
    table = read_values({"a": path, "b": path})
    assert table.what == "mean_dice"
    assert table.higher_is_better is True
    assert table.frame["case"].tolist()[:2] == ["/d/a.nii.gz", "/d/b,1.nii.gz"]
    assert table.frame["value"].tolist()[:2] == [0.85, 0.7]
    one = read_values({"a": path}, columns={"value": "class1"})
    assert one.frame["value"].tolist() == [0.9, 0.7]
    assert one.what == "mean_dice:class1"


def table_of(n=120, repeats=5, seed=1):
    rng = np.random.default_rng(seed)
    patient = np.arange(n) // 2
    case = rng.exponential(5, n) + rng.normal(size=n // 2)[patient]
    rows = []
    for repeat in range(repeats):
        fold = (rng.permutation(n // 2) % 5)[patient]
        for arm, shift in (("a", 0.0), ("b", 0.4)):
            rows.append(
                pd.DataFrame(
                    {
                        "case": [f"c{i}" for i in range(n)],
                        "patient": patient,
                        "arm": arm,
                        "repeat": repeat,
                        "fold": fold,
                        "value": case + shift + 0.3 * rng.normal(size=n),
                    }
                )
            )
    return pd.concat(rows)


def wide(frame, arm):
    own = frame[frame.arm == arm].pivot_table(index="repeat", columns="case", values="value")
    return own.to_numpy()


def test_repeated_cross_validation_by_patient_where_lower_is_better(tmp_path):
    frame = table_of()
    path = tmp_path / "errors.csv"
    frame.to_csv(path, index=False)
    assert has_values(path)
    out = tmp_path / "out"
    flags = ["--reference", "b", "--lower-is-better", "--margin", "0.01", "--out", str(out)]
    assert main(["--scores", str(path), *flags]) == 0
    row = pd.read_csv(out / "tables/values.csv").iloc[0]
    own = frame[frame.arm == "a"]
    folds = own.pivot_table(index="repeat", columns="case", values="fold").to_numpy()
    groups = own[own.repeat == 0].set_index("case").patient.sort_index().to_numpy()
    expected = repeated_cv_test(
        None, wide(frame, "a"), wide(frame, "b"), folds, groups=groups, metric="mean"
    )
    assert row.difference == pytest.approx(expected.estimate)
    assert row.pvalue == pytest.approx(expected.pvalue)
    assert row.difference < 0
    assert row.verdict == "superior"
    assert "patients as the independent units" in (out / "methods.md").read_text()
    means = pd.read_csv(out / "tables/value_means.csv").set_index("arm")
    assert means.loc["a", "ci_low"] < means.loc["a", "mean"] < means.loc["a", "ci_high"]


def test_scores_stay_scores(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("case,y_true,arm,score,value\n1,0,a,.5,3\n")
    assert not has_values(path)


@pytest.mark.parametrize(
    ("change", "flags", "words"),
    [
        (lambda f: f, [], "Say --higher-is-better"),
        (lambda f: f, ["--lower-is-better", "--reference", "z"], "arms: a, b"),
        (lambda f: f[f.arm == "a"], ["--lower-is-better"], "nothing to compare"),
        (
            lambda f: f[(f.arm == "a") | (f.case != "c3")],
            ["--lower-is-better"],
            "a value in some arms only",
        ),
        (lambda f: pd.concat([f, f]), ["--lower-is-better"], "more than one value"),
        (lambda f: f.assign(value="x"), ["--lower-is-better"], "is no number"),
        (lambda f: f.assign(value=np.inf), ["--lower-is-better"], "have no mean"),
        (
            lambda f: f.assign(fold=np.where(f.arm == "a", 0, f.fold)),
            ["--lower-is-better"],
            "different folds",
        ),
        (lambda f: f.drop(columns="fold"), ["--lower-is-better"], "no column 'fold'"),
        (lambda f: f, ["--lower-is-better", "--positive", "1"], "--positive describes"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(tmp_path, change, flags, words):
    path = tmp_path / "values.csv"
    change(table_of(40, 2)).to_csv(path, index=False)
    given = flags if "--reference" in flags else [*flags, "--reference", "b"]
    with pytest.raises(UserError, match=words):
        main(["--scores", str(path), *given, "--out", str(tmp_path / "out")])


def test_an_empty_structure_needs_a_value(tmp_path):
    a, b = dice(20)
    a[3] = np.nan
    for name, values in (("a", a), ("b", b)):
        (tmp_path / f"{name}.json").write_text(summary(values))
    files = {name: tmp_path / f"{name}.json" for name in "ab"}
    filled = read_values(files, empty_value=1.0).frame
    assert filled[filled.case == "case_003"].value.tolist()[0] == 1.0
    flags = ["--scores", *(f"{name}={path}" for name, path in files.items()), "--reference", "b"]
    with pytest.raises(UserError, match="--empty-value 1"):
        main([*flags, "--out", str(tmp_path / "out")])
