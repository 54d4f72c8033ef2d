"""Every line of docs/from_your_tool.md, run; the numbers are scikit-learn's."""

import json
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from stats_tl.report import main as report

PAGE = (Path(__file__).resolve().parents[2] / "docs/from_your_tool.md").read_text(encoding="utf-8")


def blocks(heading, language):
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.S)


def run(command):
    """A command of the page; the table of comparisons that it writes, if any."""
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:3] == ["python", "-m", "stats_tl.report"]
    assert report([*words[3:], "--out", "out", "--format", "csv"]) == 0
    tables = {path.stem: pd.read_csv(path) for path in Path("out/tables").glob("*.csv")}
    return tables


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_scikit_learn():
    X, y = make_classification(160, 6, n_informative=3, flip_y=0.2, random_state=0)
    patient = np.arange(160) // 2
    y = y[patient * 2]  # the images of a patient share their outcome
    first = LogisticRegression(C=1e-3)
    names = {
        "X": X,
        "y": y,
        "patient": patient,
        "models": {"small": first, "large": LogisticRegression()},
    }
    for block in blocks("scikit-learn", "python"):
        exec(block, names)
    predictions = names["predictions"]
    assert predictions.groupby(["arm", "repeat"])["case"].nunique().eq(160).all()
    assert predictions.groupby(["repeat", "patient"])["fold"].nunique().max() == 1
    (command,) = blocks("scikit-learn", "bash")
    row = run(command)["significance"].iloc[0]
    auc = {
        key: roc_auc_score(part["y_true"], part["score"])
        for key, part in predictions.groupby(["arm", "repeat", "fold"])
    }
    means = {arm: np.mean([v for k, v in auc.items() if k[0] == arm]) for arm in ("large", "small")}
    assert row["difference"] == pytest.approx(means["large"] - means["small"], abs=1e-12)


def test_halvings():
    X, y = make_classification(240, 6, n_informative=3, flip_y=0.2, random_state=0)
    patient = np.arange(240) // 2
    names = {
        "X": X,
        "y": y[patient * 2],
        "patient": patient,
        "models": {"small": LogisticRegression(C=1e-3), "large": LogisticRegression()},
    }
    for block in [blocks("scikit-learn", "python")[0], *blocks("Halvings", "python")]:
        exec(block.replace("halvings=20", "halvings=6"), names)
    scores = pd.read_csv("halved.csv")
    own = scores[scores["design"] == "halving"]
    assert own.groupby(["arm", "repeat"])["case"].nunique().eq(240).all()
    assert own.groupby(["repeat", "patient"])["fold"].nunique().max() == 1
    (command,) = blocks("Halvings", "bash")
    row = run(command)["significance"].iloc[0]
    assert row["n_halvings"] == 6
    assert "from 6 halvings;" in row["method"]


def test_pytorch():
    names: dict = {}
    block, *_ = blocks("PyTorch", "python")
    exec(block, names)
    network = torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Dropout(0.5))
    images = torch.randn(10, 4) * 30
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images, torch.zeros(10)), batch_size=3
    )
    scores = names["scores_of"](network, loader)
    logits = images @ network[0].weight.T + network[0].bias
    expected = (logits[:, 1] - logits[:, 0]).detach().double().numpy()
    assert scores == pytest.approx(expected, rel=1e-5, abs=1e-5)


class StandIn:
    """What `Trainer.predict` returns: Lightning's batches, or Hugging Face's tuple."""

    def __init__(self, logits, labels=None, strategy="random"):
        self.logits, self.labels = logits, labels
        self.args = SimpleNamespace(train_sampling_strategy=strategy)

    def predict(self, *_):
        if self.labels is None:
            return list(torch.tensor(self.logits, dtype=torch.float32).split(7))
        return SimpleNamespace(
            predictions=self.logits.astype("float32"), label_ids=self.labels, metrics={}
        )


def test_trainers_of_lightning_and_hugging_face():
    names: dict = {}
    for block in blocks("PyTorch", "python"):
        exec(block, names)
    rng = np.random.default_rng(4)
    y = np.arange(50) % 2
    case = [f"c{i}" for i in range(50)]
    (command,) = blocks("PyTorch", "bash")
    for lightning in (True, False):
        expected = {}
        for arm, signal in (("small", 0.5), ("large", 1.5)):
            logits = rng.normal(size=(50, 2)) + signal * np.c_[-y, y]
            if lightning:
                table = names["by_lightning"](StandIn(logits), None, None, case, y)
            else:
                table = names["by_trainer"](StandIn(logits, y), None, case)
            table.to_csv(f"{arm}.csv", index=False)
            expected[arm] = roc_auc_score(y, logits[:, 1] - logits[:, 0])
        row = run(command)["significance"].iloc[0]
        found = [row["auc"], row["auc_reference"]]
        assert found == pytest.approx([expected["large"], expected["small"]], abs=1e-12)
    with pytest.raises(ValueError, match="change the order"):
        names["by_trainer"](StandIn(logits, y, "group_by_length"), None, case)


def test_r():
    (table,) = blocks("R", "text")
    header, *rows = table.strip().splitlines()
    assert len(rows) == 2
    rng = np.random.default_rng(0)
    lines = [header]
    for number in range(60):
        words = rows[number % 2].replace("malignant", "1").replace("benign", "0").split(",")
        words[0] = f'"c{number}"'
        words[2:] = [f"{value:.4f}" for value in rng.random(2) + (number % 2) * 0.2]
        lines.append(",".join(words).replace('"0"', "0").replace('"1"', "1"))
    Path("predictions.csv").write_text("\n".join(lines) + "\n")
    (command,) = blocks("R", "bash")
    row = run(command)["significance"].iloc[0]
    frame = pd.read_csv("predictions.csv")
    expected = [roc_auc_score(frame["truth"], frame[name]) for name in ("m2", "m1")]
    assert (row["auc"], row["auc_reference"]) == pytest.approx(expected, abs=1e-12)


def test_spreadsheet():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"image_id": range(80), "malignant": np.arange(80) % 2})
    frame["pid"] = frame["image_id"] // 4
    for name in ("p_in", "p_rin"):
        frame[name] = rng.random(80) + 0.3 * frame["malignant"]
    frame.to_csv("wide.csv", index=False)
    (command,) = blocks("A spreadsheet", "bash")
    row = run(command)["significance"].iloc[0]
    expected = [roc_auc_score(frame["malignant"], frame[name]) for name in ("p_rin", "p_in")]
    assert (row["auc"], row["auc_reference"]) == pytest.approx(expected, abs=1e-12)


def test_aucs_only():
    (table,) = blocks("AUCs only", "text")
    header = table.splitlines()[0].split(",")
    rng = np.random.default_rng(2)
    rows = []
    for number in range(8):
        level = 0.8 + 0.05 * rng.normal()
        rows += [
            ("imagenet", level, f"c{number}", "breast"),
            ("radimagenet", level + 0.02 + 0.005 * rng.normal(), f"c{number}", "breast"),
        ]
    frame = pd.DataFrame(rows, columns=header)
    frame.to_csv("grid.csv", index=False)
    (command,) = blocks("AUCs only", "bash")
    tables = run(command)
    wide = frame.pivot_table(index="configuration", columns="arm", values="auc")
    expected = (wide["radimagenet"] - wide["imagenet"]).mean()
    numbers = np.concatenate(
        [t.select_dtypes("number").to_numpy().ravel() for t in tables.values()]
    )
    assert np.nanmin(np.abs(numbers - expected)) < 1e-9


def test_segmentation_regression_times():
    rng = np.random.default_rng(0)
    fold, patient = rng.permutation(60) % 5, np.arange(60)
    large = rng.random(60)
    arms = {"large": large, "small": large + 0.1 + 0.02 * rng.normal(size=60)}
    errors = [
        pd.DataFrame(
            {
                "case": patient,
                "patient": patient,
                "arm": arm,
                "repeat": 0,
                "fold": fold,
                "value": own,
            }
        )
        for arm, own in arms.items()
    ]
    pd.concat(errors).to_csv("errors.csv", index=False)
    for arm, own in arms.items():
        Path(arm).mkdir()
        cases = [
            {"prediction_file": f"/x/{i}.nii.gz", "metrics": {"1": {"Dice": float(value) / 2}}}
            for i, value in enumerate(own)
        ]
        Path(arm, "summary.json").write_text(json.dumps({"metric_per_case": cases}))
        rows = [f"/x/{i}.nii.gz,{value / 2:.4f},{value / 2:.4f}" for i, value in enumerate(own)]
        Path(arm, "mean_dice_raw.csv").write_text("\n".join(["filename,class0,mean", *rows]))
    by_hand, nnunet, monai = blocks("Segmentation, regression, times", "bash")
    difference = np.mean(arms["large"] - arms["small"])
    folds = [np.mean((arms["large"] - arms["small"])[fold == k]) for k in range(5)]
    assert run(by_hand)["values"]["difference"].item() == pytest.approx(np.mean(folds))
    assert run(by_hand)["values"]["verdict"].item() == "superior"
    assert run(nnunet)["values"]["difference"].item() == pytest.approx(difference / 2)
    assert run(monai)["values"]["difference"].item() == pytest.approx(difference / 2, abs=1e-4)
    assert run(monai)["values"]["verdict"].item() == "inferior"


WORDS = np.array(["benign", "malignant"])


class TestOtherPrograms:
    """Files in the form in which the programs were seen to write them."""

    @pytest.fixture
    def frame(self):
        rng = np.random.default_rng(5)
        y = np.arange(60) % 3 == 0
        frame = pd.DataFrame(
            {"case": range(60), "y": y.astype(int), "fold": np.arange(60) // 3 % 5}
        )
        for arm, signal in (("small", 0.6), ("large", 1.4)):
            frame[arm] = 1 / (1 + np.exp(-(signal * y + rng.standard_normal(60))))
        return frame

    def means(self, frame, *, within_folds=True):
        parts = [own for _, own in frame.groupby("fold")] if within_folds else [frame]
        return [
            np.mean([roc_auc_score(own["y"], own[arm]) for own in parts])
            for arm in ("large", "small")
        ]

    def check(self, heading, frame, **options):
        section = PAGE.split(f"\n### {heading}\n")[1].split("\n##")[0]
        (command,) = re.findall(r"```bash\n(.*?)```", section, re.S)
        row = run(command)["significance"].iloc[0]
        expected = self.means(frame, **options)
        assert [row["auc"], row["auc_reference"]] == pytest.approx(expected, abs=1e-12)

    def test_caret(self, frame):
        label = WORDS[frame["y"]]
        pd.DataFrame(
            {
                "pred": label, "obs": label, "malignant": frame["small"], "p_glm": frame["large"],
                "rowIndex": frame["case"] + 1, "k": 9,
                "Resample": [f"Fold{fold + 1}.Rep1" for fold in frame["fold"]],
            }
        ).to_csv("caret.csv")  # fmt: skip
        self.check("caret", frame)

    def test_tidymodels(self, frame):
        for arm in ("small", "large"):
            pd.DataFrame(
                {
                    "id": "Repeat1", "id2": [f"Fold{fold + 1}" for fold in frame["fold"]],
                    ".pred_benign": 1 - frame[arm], ".pred_malignant": frame[arm],
                    ".row": frame["case"] + 1, ".pred_class": "benign", "dx": WORDS[frame["y"]],
                    ".config": "Preprocessor1_Model1",
                }
            ).to_csv(f"{arm}.csv", index=False)  # fmt: skip
        self.check("tidymodels", frame)

    def test_mlr3(self, frame):
        again = frame.assign(fold=(frame["fold"] + frame["case"] // 15) % 5 + 5)
        both = pd.concat([frame, again])
        for arm in ("small", "large"):
            pd.DataFrame(
                {
                    "iter": both["fold"] + 1, "row_ids": both["case"] + 1,
                    "truth": WORDS[both["y"]], "response": "benign",
                    "prob.malignant": both[arm], "prob.benign": 1 - both[arm],
                }
            ).to_csv(f"{arm}.csv", index=False)  # fmt: skip
        self.check("mlr3", both)

    def test_orange(self, frame):
        p = frame[["small", "large"]].map("{:.6g}".format)
        frame = frame.assign(**p.astype(float))
        lines = [
            "diagnosis,name,small,large,small (benign),small (malignant),"
            "large (benign),large (malignant),Fold,f0",
            "benign malignant,string,benign malignant,benign malignant,continuous,continuous,"
            "continuous,continuous,1 2 3 4 5,continuous",
            "class,meta,meta,meta,meta,meta,meta,meta,meta,",
        ]
        order = frame.sort_values("fold").index  # fold by fold, as Orange writes them
        lines += [
            f"{WORDS[frame['y'][i]]},c{i},benign,benign,{1 - frame['small'][i]:.6g},"
            f"{p['small'][i]},{1 - frame['large'][i]:.6g},{p['large'][i]},"
            f"{frame['fold'][i] + 1},-2.32503"
            for i in order
        ]
        Path("orange.csv").write_text("\n".join(lines) + "\n")
        self.check("Orange", frame)

    def test_spss_and_stata(self, frame):
        section = PAGE.split("\n### SPSS and Stata\n")[1].split("\n##")[0]
        of_spss, of_stata = re.findall(r"```bash\n(.*?)```", section, re.S)
        own = pd.DataFrame(
            {
                "id": frame["case"] + 1_000_000_000_000.0, "dx": WORDS[frame["y"]],
                "p_small": frame["small"], "p_large": frame["large"],
            }
        )  # fmt: skip
        own.to_csv("predictions.csv", index=False)
        expected = pytest.approx(self.means(frame, within_folds=False), abs=1e-12)
        row = run(of_spss)["significance"].iloc[0]
        assert [row["auc"], row["auc_reference"]] == expected
        own.to_csv("predictions.csv", index=False, sep=";", decimal=",")  # in a German locale
        row = run(of_spss)["significance"].iloc[0]
        assert [row["auc"], row["auc_reference"]] == expected
        for version in (114, 118):
            own.assign(dx=frame["y"] + 1).to_stata(
                "predictions.dta", version=version, write_index=False,
                value_labels={"dx": {1: "benign", 2: "malignant"}},
            )  # fmt: skip
            row = run(of_stata)["significance"].iloc[0]
            assert [row["auc"], row["auc_reference"]] == expected

    def test_mlr(self, frame):
        for arm in ("small", "large"):
            pd.DataFrame(
                {
                    "id": frame["case"] + 1, "truth": WORDS[frame["y"]],
                    "prob.benign": 1 - frame[arm], "prob.malignant": frame[arm],
                    "response": "benign", "iter": frame["fold"] + 1, "set": "test",
                }
            ).to_csv(f"{arm}.csv")  # fmt: skip
        self.check("mlr", frame)

    def test_autogluon(self, frame):
        for arm in ("small", "large"):
            frame.assign(benign=1 - frame[arm], malignant=frame[arm])[
                ["benign", "malignant"]
            ].to_csv(f"{arm}.csv")
        pd.DataFrame({"diagnosis": WORDS[frame["y"]]}).to_csv("labels.csv")
        self.check("AutoGluon and PyCaret", frame, within_folds=False)

    def test_h2o(self, frame):
        for arm in ("small", "large"):
            pd.DataFrame(
                {
                    "predict": "benign", "benign": 1 - frame[arm], "malignant": frame[arm],
                    "fold_assignment": frame["fold"], "diagnosis": WORDS[frame["y"]],
                }
            ).to_csv(f"{arm}.csv", index=False)  # fmt: skip
        self.check("H2O", frame)

    def test_weka(self, frame):
        frame = frame.sort_values("fold", ignore_index=True)
        frame[["small", "large"]] = frame[["small", "large"]].round(3)
        number = frame.groupby("fold").cumcount() + 1
        for arm in ("small", "large"):
            lines = ["", "", "=== Predictions under cross-validation ===", ""]
            lines.append(" inst#     actual  predicted error distribution (id)")
            for n, y, p, case in zip(number, frame["y"], frame[arm], frame["case"], strict=True):
                actual = "2:malignan" if y else "1:benign"
                error = "  +  " if y else "     "
                lines.append(
                    f"{n:6d} {actual:>10}   1:benign {error} *{1 - p:.3g},{p:.3g} (c{case})"
                )
            Path(f"{arm}.txt").write_text("\n".join(lines) + "\n")
        self.check("WEKA", frame)

    def test_medmnist(self, frame):
        for arm in ("small", "large"):
            own = frame.assign(negative=1 - frame[arm])
            own[["case", "negative", arm]].to_csv(f"{arm}.csv", index=False, header=False)
        frame.rename(columns={"y": "y_true"})[["case", "y_true"]].to_csv("labels.csv", index=False)
        self.check("MedMNIST and MONAI", frame, within_folds=False)


def test_several_classes():
    X, y = make_classification(
        150, 6, n_informative=4, n_classes=3, n_clusters_per_class=1, random_state=0
    )
    names = np.array(["benign", "malignant", "normal"])
    arms = {"small": LogisticRegression(C=1e-3), "large": LogisticRegression()}
    (block,) = blocks("Several classes", "python")
    parts, frames = [], {}
    test = np.arange(75, 150)
    for arm, model in arms.items():
        model.fit(X[:75], names[y[:75]])
        scope = {"model": model, "X": X, "test": test}
        exec(block, scope)
        frames[arm] = pd.DataFrame(scope["by_class"])
        parts.append(frames[arm].assign(case=test, y_true=names[y[75:]], arm=arm))
        model_columns = dict(zip(frames[arm].columns, names, strict=True))
        frames[arm].rename(columns=model_columns).to_csv(f"{arm}.csv")
        frames[arm].to_csv(f"{arm}_medmnist.csv", header=False)
    pd.concat(parts).to_csv("classes.csv", index=False)
    pd.DataFrame({"diagnosis": names[y[75:]]}).to_csv("labels.csv")
    pd.DataFrame({"case": range(75), "y_true": y[75:]}).to_csv("numbers.csv", index=False)
    grades = [own.to_numpy().argmax(axis=1) for own in frames.values()]
    pd.concat(
        pd.DataFrame({"case": test, "y_true": y[75:], "arm": arm, "birads": own})
        for arm, own in zip(arms, grades, strict=True)
    ).to_csv("grades.csv", index=False)
    *by_class, kappa = blocks("Several classes", "bash")
    expected = [roc_auc_score(y[75:], frames[arm], multi_class="ovr") for arm in ("large", "small")]
    for command in by_class:
        row = run(command)["multiclass"].iloc[0]
        assert [row["value"], row["value_reference"]] == pytest.approx(expected, abs=1e-12)
    row = run(kappa)["multiclass"].iloc[0]
    expected = [cohen_kappa_score(y[75:], own, weights="quadratic") for own in grades[::-1]]
    assert [row["value"], row["value_reference"]] == pytest.approx(expected, abs=1e-12)


def test_reader_study():
    rng = np.random.default_rng(6)
    lines = ["A study"]
    ratings = {}
    for who in ("Ames", "Brown", "Clark"):
        lines += [who] if ratings else [who, '"cine" "SE"', "L L"]
        for label in (0, 1):
            own = rng.integers(1, 5, (20, 2)) + label * np.array([0, 1])
            ratings.setdefault(label, []).append(own)
            lines += [f"{a} {b} case" for a, b in own] + ["*"]
    Path("study.lrc").write_text("\n".join([*lines, "#"]) + "\n")
    (command,) = blocks("Readers", "bash")
    tables = run(command)
    expected = [
        [roc_auc_score([0] * 20 + [1] * 20, np.r_[a[:, arm], b[:, arm]]) for arm in (1, 0)]
        for a, b in zip(ratings[0], ratings[1], strict=True)
    ]
    row = tables["significance"].iloc[0]
    assert row["test"] == "mrmc"
    assert [row["auc"], row["auc_reference"]] == pytest.approx(np.mean(expected, 0), abs=1e-12)
    assert len(tables["readers"]) == 6
