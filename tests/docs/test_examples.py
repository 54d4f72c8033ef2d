"""Every example of the site runs, and its numbers are those of other libraries."""

import runpy
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats as sps
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

from stats_tl.reporting.figures import FIGURES

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"
GALLERY = sorted((EXAMPLES / "gallery").glob("*.py"))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run an example in an empty folder; its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    mpl.use("agg")
    yield lambda name: runpy.run_path(str(EXAMPLES / f"{name}.py"))
    plt.close("all")


def mean_difference(scores, a, b):
    """Mean over repeats and folds of the difference in AUC, by scikit-learn."""
    auc = {
        key: roc_auc_score(part["y_true"], part["score"])
        for key, part in scores.groupby(["arm", "repeat", "fold"])
    }
    table = pd.Series(auc).rename_axis(["arm", "repeat", "fold"]).reset_index(name="auc")
    table = table.pivot_table(index=["repeat", "fold"], columns="arm", values="auc")
    return (table[a] - table[b]).mean()


def test_own_images(run, capsys):
    names = run("tutorials/plot_1_own_images")
    assert names["exit_code"] == 0
    scores = names["archive"].scores(partition="test")
    splits = names["archive"].splits("nodules")
    patients = names["archive"].cases("nodules").set_index("case")["patient"]
    sides = splits.assign(patient=splits["case"].map(patients))
    assert sides.groupby(["repeat", "fold", "patient"])["partition"].nunique().max() == 1
    assert names["table"]["difference"].iloc[0] == pytest.approx(
        mean_difference(scores, "second", "first"), abs=1e-12
    )
    assert len(names["archive"].cells) == 12
    # The dry run came first and saw all of them to do.
    assert "12 pending" in capsys.readouterr().out


def test_predictions(run):
    names = run("tutorials/plot_2_predictions")
    assert names["exit_code"] == 0
    expected = mean_difference(names["predictions"], "new", "old")
    tables = [
        pd.read_csv(f"analysis/{name}/tables/significance.csv").iloc[0] for name in ("mine", "wide")
    ]
    for row in (names["table"].iloc[0], *tables):
        assert row["difference"] == pytest.approx(expected, abs=1e-12)
        assert row["pvalue"] == pytest.approx(names["table"]["pvalue"].iloc[0], rel=1e-9)
    assert pd.read_csv("analysis/mine/tables/subgroups.csv")["subgroup"].nunique() >= 2


def test_reader_study(run):
    names = run("tutorials/plot_3_reader_study")
    auc = [[roc_auc_score(names["y_true"], own) for own in arm] for arm in names["scores"]]
    assert names["result"].reader_estimates == pytest.approx(np.array(auc), abs=1e-12)
    row = names["table"].iloc[0]
    assert row["difference"] == pytest.approx(-np.diff(np.mean(auc, axis=1))[0], abs=1e-12)
    assert row["pvalue"] == pytest.approx(names["result"].pvalue, rel=1e-9)


def test_planning(run):
    names = run("tutorials/plot_4_planning")
    n1, n0 = names["n_positive"], names["n_negative"]
    assert n1 / (n1 + n0) == pytest.approx(0.3, abs=0.01)
    # Power by brute force: paired binormal scores with correlation .5.
    rng = np.random.default_rng(0)
    rejected = []
    for _ in range(400):
        draws = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], n1 + n0)
        draws[:n1] += np.sqrt(2) * sps.norm.ppf([0.85, 0.80])
        rejected.append(paired_delong(draws[:n1], draws[n1:]))
    assert np.mean(rejected) == pytest.approx(0.8, abs=3.5 * np.sqrt(0.16 / 400))
    assert (np.diff(names["power"], axis=0) > 0).all()
    assert (np.diff(names["power"], axis=1) > 0).all()


def paired_delong(positive, negative):
    """Whether DeLong's test rejects, straight from its definition."""
    wins = positive[:, None, :] > negative[None, :, :]
    ten, one = (np.diff(wins.mean(axis=axis))[:, 0] for axis in (1, 0))
    error = np.sqrt(ten.var(ddof=1) / len(ten) + one.var(ddof=1) / len(one))
    return abs(ten.mean() / error) > sps.norm.isf(0.025)


def test_tour_of_stats(run, capsys):
    names = run("tutorials/plot_5_tour_of_stats")
    y, a, b = (names[key] for key in ("y_true", "a", "b"))
    assert names["result"].estimates == pytest.approx(
        (roc_auc_score(y, a), roc_auc_score(y, b)), abs=1e-12
    )
    printed = capsys.readouterr().out
    wide = names["wide"]
    assert f"{(wide['b'] - wide['a']).mean():.4f}" in printed  # the mixed model, balanced data
    assert f"p = {sps.wilcoxon(wide['a'], wide['b']).pvalue:.4f}" in printed
    holm = multipletests([0.003, 0.02, 0.04, 0.3], method="holm")[1]
    assert str(holm[0]) in printed


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_gallery(run, path):
    names = run(f"gallery/{path.stem}")
    figure = names.get("figure") or names["fig"]
    assert isinstance(figure, Figure)
    drawn = [artist for ax in figure.axes for artist in (*ax.lines, *ax.collections, *ax.patches)]
    assert drawn
    if "material" in names:
        row = names["material"].comparisons.iloc[0]
        expected = mean_difference(names["scores"], "radimagenet", "imagenet")
        assert row["difference"] == pytest.approx(expected, abs=1e-12)


def test_the_gallery_shows_every_figure():
    """Each figure of a report has an example that names it, or a function of its module."""
    shown = " ".join(path.read_text(encoding="utf-8") for path in GALLERY)
    for name, make in FIGURES.items():
        module = {"critical_difference": "ranks"}.get(name, name)
        assert (
            f'FIGURES["{name}"]' in shown
            or f"{module}_figure" in shown
            or (f"draw_{module}" in shown)
        ), make
