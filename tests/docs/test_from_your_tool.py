"""Every line of docs/from_your_tool.md, run; the numbers are scikit-learn's."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

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
    (block,) = blocks("PyTorch", "python")
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
