"""The studies that ship: their plans are valid and say what a run would do."""

import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stats_tl.calibration import COMMON, LEARNERS, load_calibration_plan, run_design, summarise
from stats_tl.run_grid import main
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import load_plan

ROOT = Path(__file__).resolve().parents[1]
PLANS = sorted(
    path for path in ROOT.glob("analysis/*/plan*.toml") if path.parent.name != "calibration"
)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_committed_plan_is_valid(path):
    plan = load_plan(path)
    pairs = {}
    for cell in plan_cells(plan):
        pairs.setdefault(cell.pair_id, set()).add(cell.setting.arm.name)
    assert all(arms == {arm.name for arm in plan.arms} for arms in pairs.values())


CALIBRATION = ROOT / "analysis/calibration"
#: What makes a row of the calibration's table a design's.
DESIGN = ["role", "population", "files", "patients", "folds", "auc", "prevalence", "images",
          "learner", "features", "shared", "mixture", "advantage"]  # fmt: skip


@pytest.fixture(scope="module")
def calibration():
    options = {"keep_default_na": False, "na_values": [""]}
    return pd.read_csv(CALIBRATION / "results.csv", **options)


def test_the_calibration_has_a_row_for_every_design_of_its_plan(calibration):
    designs = load_calibration_plan(CALIBRATION / "plan.toml").designs()
    assert calibration.drop_duplicates(DESIGN)["role"].value_counts().to_dict() == dict(
        Counter(design.role for design in designs)
    )
    summary = pd.read_csv(CALIBRATION / "summary.csv", keep_default_na=False, na_values=[""])
    again = summarise(calibration)
    pd.testing.assert_frame_equal(summary, again, rtol=2e-3, check_dtype=False)


def test_the_plan_of_many_learners_names_each_design_once():
    designs = load_calibration_plan(CALIBRATION / "learners.toml").designs()
    assert len({design.digest(0) for design in designs}) == len(designs) == 22
    learners = {design.learner for design in designs} | {design.against for design in designs}
    assert {*LEARNERS, None} - learners == {"parzen"}  # in plan.toml


@pytest.mark.slow
def test_a_row_of_the_calibration_can_be_computed_again(calibration):
    plan = load_calibration_plan(CALIBRATION / "plan.toml")
    design = min(
        (d for d in plan.designs() if d.role == "small" and d.learner == "ridge"),
        key=lambda d: (d.patients, d.folds, d.images, d.features),
    )
    table = run_design(design, plan.seed)
    key = {k: v for k, v in design.model_dump().items() if k in DESIGN and k != "files"}
    committed = calibration[(calibration[list(key)] == pd.Series(key)).all(axis=1)]
    # The table shows the learning-curve variance as it was before; see the study's page.
    unchanged = ["repeat-delong", "nadeau-bengio", *COMMON]
    table, committed = (t[t["procedure"].isin(unchanged)] for t in (table, committed))
    assert set(table["procedure"]) == set(unchanged)
    columns = ["n_repeats", "procedure", "rejected", "covered"]
    pd.testing.assert_frame_equal(
        table[columns].reset_index(drop=True), committed[columns].reset_index(drop=True),
        atol=1e-3, check_dtype=False,
    )  # fmt: skip


def test_the_radimagenet_study_is_what_it_says():
    plan = load_plan(ROOT / "analysis/radimagenet/plan.toml")
    cells = plan_cells(plan)
    # 2 tasks × 2 arms × (50 splits + 10 halves)
    # × 3 backbones × (4 frozen heads + 2 heads × 2 depths)
    assert len(cells) == 2 * 2 * (50 + 10) * 3 * (4 + 2 * 2)


def test_the_published_grid_has_its_88_cells_less_the_doubles():
    plan = load_plan(ROOT / "analysis/radimagenet/plan_as_published.toml")
    grid = {
        (c.setting.backbone, c.setting.head.name, c.setting.arm.name)
        for c in plan_cells(plan)
        if c.setting.head.name.endswith(("-beta", "-cosine"))
    }
    # 11 named heads of which 7 differ, 2 decays, 2 backbones, 2 arms
    assert len(grid) == 7 * 2 * 2 * 2


@pytest.fixture(scope="module")
def radimagenet_folder(tmp_path_factory):
    """The published fold lists with grey squares for images."""
    archive = ROOT.parent / "shared" / "data" / "radimagenet_folds.zip"
    if not archive.is_file():
        pytest.skip(f"the published fold lists are not at {archive}")
    root = tmp_path_factory.mktemp("radimagenet")
    with zipfile.ZipFile(archive) as lists:
        lists.extractall(root)
    shade = np.random.default_rng(0)
    for table in root.glob("*/dataframe/*_fold1.csv"):
        for line in table.read_text().splitlines()[1:]:
            path = table.parents[1] / line.split(",")[0]
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(shade.integers(0, 255, (32, 32), dtype=np.uint8)).save(path)
    return root


@pytest.mark.parametrize(("name", "cells"), [("plan", 5760), ("plan_as_published", 660)])
def test_a_dry_run_of_the_radimagenet_study(name, cells, radimagenet_folder, tmp_path, capsys):
    arguments = ["--plan", str(ROOT / f"analysis/radimagenet/{name}.toml"), "--dry-run"]
    arguments += ["--runs", str(tmp_path), "--device", "cpu"]
    for task in ("acl", "breast"):
        arguments += ["--data", f"{task}={radimagenet_folder}"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert f"0 done, 0 failed, {cells} pending" in printed
    assert "about" in printed
    assert not list(tmp_path.iterdir())


def test_a_dry_run_without_the_data_says_what_is_missing(tmp_path, capsys):
    plan = ROOT / "analysis/radimagenet/plan.toml"
    assert main(["--plan", str(plan), "--dry-run", "--runs", str(tmp_path)]) == 2
    printed = capsys.readouterr().out
    assert "5760 pending" in printed
    assert "0 done, 0 failed, 960 pending" in printed
    assert "no estimate of the time" in printed
    assert "radimagenet_tasks" in printed
