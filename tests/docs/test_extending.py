"""The code of docs/extending.md does what the page says, put where it says."""

import doctest
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats as sps

from stats_tl import data
from stats_tl.errors import UserError
from stats_tl.reporting import AnalysisOptions, Predictions, build_report, contents
from stats_tl.stats import paired_metric_test
from stats_tl.study import plan
from stats_tl.train.networks import backbones, staged
from stats_tl.train.networks.torchvision_ops import models

from ..reporting.simulate import simulate_scores

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")


def code_of(heading):
    """The Python block of a section."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```python\n(.*?)```", section, re.S)
    return block


def names_of(heading):
    names: dict = {}
    exec(code_of(heading), names)
    return names


def test_the_places_that_the_steps_name_exist():
    for place in re.findall(r"`(stats_tl/[\w/.]+|tests/[\w/.]+|docs/[\w/.]+)`", PAGE):
        assert (ROOT / place).exists(), place
    for name, place in re.findall(r"`([A-Z_]{4,})`[^`]*? in\s+`(stats_tl/[\w/]+\.py)`", PAGE):
        assert re.search(rf"^{name}\b", (ROOT / place).read_text(), re.M), (name, place)


def test_a_metric():
    youden = names_of("A metric")["youden_index"]()
    rng = np.random.default_rng(0)
    y, a, b = rng.integers(0, 2, 80), *rng.random((2, 80))
    result = paired_metric_test(y, a, b, metric=youden, threshold=0.5)
    for estimate, scores in zip(result.estimates, (a, b), strict=True):
        called = scores >= 0.5
        assert estimate == pytest.approx(called[y == 1].mean() - called[y == 0].mean())
    assert result.standard_error > 0


def test_a_test():
    names = names_of("A test")
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 40)
    scores = rng.integers(0, 9, 80) + y  # with ties
    estimate, low, high = names["somers_d"](y, scores)
    assert estimate == pytest.approx(sps.somersd(y, scores).statistic, abs=1e-12)
    assert low < estimate < high
    with pytest.raises(ValueError, match="class"):
        names["somers_d"]([1, 1], [1, 2])
    text = inspect.getdoc(names["somers_d"])
    test = doctest.DocTestParser().get_doctest(text, names, "somers_d", None, 0)
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.summarize() == doctest.TestResults(0, 1)


def test_a_table(monkeypatch):
    build = names_of("A table of the report")["fold_range"]
    monkeypatch.setattr(contents, "TABLES", (*contents.TABLES, build))
    monkeypatch.setattr("stats_tl.reporting.build.TABLES", contents.TABLES, raising=False)
    scores = simulate_scores(n_patients=60, repeats=2, folds=3)
    options = AnalysisOptions(reference="imagenet")
    report = build_report(Predictions(scores), options, formats=["latex", "csv"])
    (section,) = [section for section in report.sections if section.name == "fold_range"]
    assert list(section.numbers["arm"]) == ["imagenet", "radimagenet"]
    assert (section.numbers["min"] < section.numbers["max"]).all()
    written = " ".join(map(str, report.files))
    assert "fold_range" in written


def test_an_adapter(monkeypatch, tmp_path):
    load = names_of("An adapter")["load_named"]
    monkeypatch.setitem(data._ADAPTERS, "busi", load)  # plans know their adapters by name
    for patient in range(6):
        for number in range(2):
            name = f"p{patient}_{patient % 2}_{number}.png"
            Image.fromarray(np.full((40, 40), 9 * patient, np.uint8)).save(tmp_path / name)
    dataset = data.load_dataset(plan.Task(name="mine", adapter="busi"), tmp_path)
    assert len(dataset) == 12
    assert dataset.cases.groupby("patient")["y_true"].nunique().max() == 1
    assert dataset.cases.set_index("patient")["y_true"]["p3"].iloc[0] == 1
    first = dataset.read_images(32)
    assert first.shape[0] == 12
    task = plan.Task(name="mine", adapter="busi", options={"positiv": "1"})
    with pytest.raises(UserError, match="did you mean 'positive'"):
        data.load_dataset(task, tmp_path)


def test_a_backbone(monkeypatch):
    for owner, name in ((plan, "STAGE_COUNTS"), (plan, "IMAGE_SIZES")):
        monkeypatch.setattr(owner, name, dict(getattr(owner, name)))
        monkeypatch.setattr(backbones, name, getattr(owner, name), raising=False)
    for name in ("STAGES", "N_FEATURES"):
        monkeypatch.setattr(backbones, name, dict(getattr(backbones, name)))
    for owner in (plan, backbones):
        monkeypatch.setattr(owner, "BACKBONES", (*plan.BACKBONES[:6], "resnet34"), raising=False)
    names_of("A backbone")
    ours = backbones.build_backbone("resnet34", seed=1).eval()
    theirs = models.resnet34(weights=None)
    theirs.fc = torch.nn.Identity()
    theirs.load_state_dict(ours.library_state_dict())
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = theirs.eval()(images)
        torch.testing.assert_close(ours(images), expected)
        for boundary in range(6):
            part = ours.tail(ours.prefix(images, boundary), boundary)
            torch.testing.assert_close(part, expected)
    trained = [staged.parameter_counts(ours, torch.nn.Linear(512, 2), 5 - k)[0] for k in range(6)]
    assert trained == sorted(set(trained))
