"""docs/errors.md: every row is caused, and ends as the page says."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.damage import quiet
from benchmarks.sound import make_sound
from stats_tl import __main__ as commands
from stats_tl import report, run_grid
from stats_tl.archive import __main__ as archive
from stats_tl.archive.files import read_sealed, write_sealed
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan
from stats_tl.train import grid
from stats_tl.train.networks.timm_networks import describe_timm
from stats_tl.train.planning import memory

from .archive.conftest import RAW, commit, fill, make_result
from .data.formats.dicoms import dicom
from .test_run_grid_command import toml

PAGE = (Path(__file__).resolve().parents[1] / "docs/errors.md").read_text(encoding="utf-8")
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in PAGE.split("| what it says |\n|---|---|---|---|\n")[1].split("\n\n")[0].splitlines()
]
COMMANDS = {
    "run_grid": (run_grid.main,),
    "report": (report.main,),
    "archive verify": (archive.main, "verify"),
    "archive seal": (archive.main, "seal"),
    "archive merge": (archive.main, "merge"),
    "stats_tl": (commands.main,),
}
SCORES = pd.DataFrame(
    {
        "case": [f"c{i}" for i in range(40)] * 2,
        "y_true": ["0", "1"] * 40,
        "arm": ["a"] * 40 + ["b"] * 40,
        "fold": ["0"] * 20 + ["1"] * 20 + ["0"] * 20 + ["1"] * 20,
        "score": [str(0.01 * (i * 37 % 80)) for i in range(80)],
    }
)
TEXT = SCORES.assign(y_true=SCORES["y_true"].map({"0": "benign", "1": "malignant"}))
THROUGH = pd.concat([SCORES, SCORES.assign(fold=SCORES["fold"].map({"0": "2", "1": "3"}))])


def out_of_bag():
    rng, parts = np.random.default_rng(0), []
    for repeat in range(20):
        drawn = {f"c{number}" for number in rng.integers(0, 40, 40)}
        parts.append(SCORES[~SCORES["case"].isin(drawn)].assign(repeat=repeat, fold=0))
    return pd.concat(parts)


def two_halvings():
    """Two repeats of two folds, and two divisions of the cases into halves."""
    i = SCORES.groupby("arm").cumcount()
    cv = [SCORES.assign(design="cv", repeat=r, fold=i // (2 + 2 * r) % 2) for r in range(2)]
    halves = [i // 2 % 2, i // 20]
    return pd.concat(
        [
            *cv,
            *(
                SCORES.assign(design="halving", repeat=r, fold=2 * halves[r // 2] + i // d % 2)
                for r, d in enumerate((4, 8, 2, 4))
            ),
        ]
    )


class World:
    """Files to be wrong with."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        monkeypatch.chdir(folder)
        self.raw = json.loads(json.dumps(RAW))

    def plan(self, **changes):
        self.raw.update(changes)
        text = "\n".join(f"{key} = {toml(value)}" for key, value in self.raw.items())
        Path("plan.toml").write_text(text)
        return ["--plan", "plan.toml", "--runs", "runs"]

    def by(self, metric, added=0):
        """A report by a metric, of scores that something is added to."""
        moved = SCORES.assign(score=[str(added + float(s)) for s in SCORES["score"]])
        return [*self.scores(moved), "--metric", metric]

    def nothing_on_path(self):
        self.monkeypatch.setenv("PATH", "")
        self.monkeypatch.delenv("CXX", raising=False)
        return self.plan()

    def archive(self, name="runs/demo", cells=slice(0, -2)):
        plan = parse_plan(RAW)
        fill(self.folder / name, plan, plan_cells(plan)[cells])
        return self.folder / name

    def sound(self):
        root = self.archive()
        make_sound(root)
        return root

    def changed_since_sealed(self):
        root = self.sound()
        archive.main(["seal", str(root)])
        header = read_sealed(root / "archive.json")
        write_sealed(root / "archive.json", {**header, "written_by": "me"})
        return root

    def scores(self, frame):
        frame.to_csv("scores.csv", index=False)
        return ["--scores", "scores.csv", "--reference", "a", "--out", "out"]

    def damaged(self):
        root = self.archive()
        path = next((root / "parts").glob("*.parquet"))
        path.write_bytes(path.read_bytes()[:-1])
        return root


def classes(**labels):
    """Two arms, two folds, three classes."""
    i = np.arange(len(SCORES))
    frame = SCORES.drop(columns="score").assign(y_true=(i % 40 // 2) % 3)
    names = ("benign", "malignant", "normal")
    frame["y_true"] = frame["y_true"].map(dict(enumerate(labels.get("y", names))))
    return frame.assign(prob_benign=0.25, prob_malignant=0.25, prob_normal=0.5)


def values():
    return SCORES.drop(columns="y_true").rename(columns={"score": "value"})


def without_a_value():
    frame = values()
    return frame[(frame["arm"] == "a") | (frame["case"] != "c3")]


def later(world):
    path = world.archive() / "archive.json"
    write_sealed(path, {**read_sealed(path), "schema_version": 99})
    return world.plan()


def runs_is_a_file(world):
    Path("runs").write_text("mine")
    tiny = {"name": "t", "adapter": "phantom-breast", "options": {"n_patients": 24, "size": 64}}
    arms = [
        {"name": "random", "source": "random", "reference": True},
        {"name": "r2", "source": "random"},
    ]
    grid = [{"backbones": ["squeezenet1_1"], "heads": ["linear"]}]
    return [*world.plan(tasks=[tiny], arms=arms, grid=grid), "--jobs", "1"]


def too_many_pixels(world):
    world.monkeypatch.setattr(memory, "available_memory", lambda: 8 * 2**30)
    task = {"name": "t", "adapter": "phantom-knee", "options": {"n_patients": 5000, "size": 512}}
    audit = {"near_duplicates": "ignore"}
    return world.plan(tasks=[task], audit=audit, training={"image_size": 2048})


def stray_files(world):
    for label in ("no", "yes"):
        Path("d", label).mkdir(parents=True)
        Image.new("L", (8, 8)).save(Path("d", label, "a.png"))
    Path("d/yes/report.txt").write_text("x")
    return world.plan(tasks=[{"name": "mine", "adapter": "folders", "path": "d"}])


def dicom_files(world):
    for label in ("no", "yes"):
        Path("d", label).mkdir(parents=True)
        Path("d", label, "IM1").write_bytes(dicom(np.zeros((8, 8), np.uint16)))
    return world.plan(tasks=[{"name": "mine", "adapter": "folders", "path": "d"}])


def no_timm(world):
    world.monkeypatch.setitem(sys.modules, "timm", None)
    describe_timm.cache_clear()
    return world.plan(grid=[{"backbones": ["timm:resnet18"], "heads": ["linear"]}])


def bad_weights(world):
    arms = json.loads(json.dumps(RAW["arms"]))
    arms[1].update(source="checkpoint", files={"resnet18": "w.safetensors"})
    tiny = {"name": "t", "adapter": "phantom-breast", "options": {"n_patients": 24, "size": 64}}
    return [*world.plan(arms=arms, tasks=[tiny]), "--jobs", "1"]


def differing(world):
    command = world.scores(SCORES)
    assert quiet(report.main, *command)[0] == 0
    table = next(Path("out/tables").glob("*.csv"))
    table.write_text(table.read_text().replace("0", "1"))
    return [*command, "--check"]


def conflicting(world):
    plan = parse_plan(RAW)
    roots = [world.archive("a/demo"), world.archive("b/demo")]
    for seed, root in enumerate(roots):
        commit(root, plan_cells(plan)[-1], seed=seed)
    return [*roots, "--into", "into"]


def other_plans(world):
    raw = json.loads(json.dumps(RAW))
    raw["training"] = {"epochs": 7}
    plan = parse_plan(raw)
    fill(world.folder / "b/demo", plan, plan_cells(plan))
    return [world.archive("a/demo"), world.folder / "b/demo", "--into", "into"]


def interrupted(world):
    def stop(*_, **__):
        raise KeyboardInterrupt

    world.monkeypatch.setattr(grid, "load_dataset", stop)
    return world.plan()


def text(name, content):
    Path(name).write_text(content)
    return name


LONG = f"[study]\nseed = {'1' * 5000}"
DEEP = f"[study]\nseed = {'[' * 2000}"
CAUSES = {
    ("an option has a wrong value", "run_grid"): lambda w: ["--jobs", "0"],
    ("an option lacks its form", "run_grid"): lambda w: ["--data", "breast"],
    ("a selection names no key of a cell", "run_grid"): lambda w: [
        *w.plan(), "--select", "backbon=resnet18",
    ],
    ("a selection is not in the plan", "run_grid"): lambda w: [*w.plan(), "--select", "fold=7"],
    ("an option needs another", "run_grid"): lambda w: ["--scheduler-address", "tcp://x:1"],
    ("a device does not exist", "run_grid"): lambda w: [*w.plan(), "--device", "cdua"],
    ("--compile, and no compiler", "run_grid"): lambda w: [*w.nothing_on_path(), "--compile"],
    ("the plan is not there", "run_grid"): lambda w: ["--plan", "nowhere.toml"],
    ("the plan is no TOML", "run_grid"): lambda w: ["--plan", text("p.toml", "[study")],
    ("a number of 5,000 digits", "run_grid"): lambda w: ["--plan", text("p.toml", LONG)],
    ("arrays that nest too deeply", "run_grid"): lambda w: ["--plan", text("p.toml", DEEP)],
    ("more cells than are allowed", "run_grid"): lambda w: w.plan(
        cv={"folds": 100, "repeats": 1000, "seeds": 1000},
    ),
    ("images have no room in memory", "run_grid"): too_many_pixels,
    ("the plan has a wrong key", "run_grid"): lambda w: w.plan(training={"epoch": 3}),
    ("the plan has a wrong value", "run_grid"): lambda w: w.plan(cv={"folds": 1.5}),
    ("fewer halvings than a test can use", "run_grid"): lambda w: w.plan(
        cv={"folds": 2, "repeats": 2, "halvings": 2},
    ),
    ("data are not where the plan says", "run_grid"): lambda w: w.plan(
        tasks=[{"name": "mine", "adapter": "csv", "path": "no.csv"}],
    ),
    ("class folders hold what is no image", "run_grid"): stray_files,
    ("nobody knows whose DICOM files they are", "run_grid"): dicom_files,
    ("a network of timm, without timm", "run_grid"): no_timm,
    ("weights are not there", "run_grid"): bad_weights,
    ("a weight file is something else", "run_grid"): lambda w: (
        text("w.safetensors", "version https://git-lfs.github.com/spec/v1"), bad_weights(w),
    )[1],
    ("the archive is of another plan", "run_grid"): lambda w: (
        w.archive(), w.plan(training={"epochs": 31}),
    )[1],
    ("the archive holds cells, and --no-resume", "run_grid"): lambda w: (
        w.archive(), [*w.plan(), "--no-resume"],
    )[1],
    ("the archive is of a later version", "run_grid"): later,
    ("the archive is damaged", "run_grid"): lambda w: (w.damaged(), w.plan())[1],
    ("the output folder is a file", "run_grid"): runs_is_a_file,
    ("there is no archive", "report"): lambda w: ["--runs", "nowhere"],
    ("a format is unknown", "report"): lambda w: ["--format", "pdf"],
    ("a layout is unknown", "report"): lambda w: [*w.scores(SCORES), "--layout", "wide"],
    ("the archive is damaged", "report"): lambda w: ["--runs", w.damaged()],
    ("a number of 5,000 digits", "report"): lambda w: [
        *w.scores(SCORES), "--plan", text("p.toml", LONG),
    ],
    ("arrays that nest too deeply", "report"): lambda w: [
        *w.scores(SCORES), "--plan", text("p.toml", DEEP),
    ],
    ("files contradict each other", "report"): lambda w: ["--runs", w.archive()],
    ("predictions lack a column", "report"): lambda w: w.scores(SCORES.drop(columns="score")),
    ("predictions are no table", "report"): lambda w: ["--scores", text("s.csv", "")],
    ("a row has more or fewer fields than the heading", "report"): lambda w: [
        "--scores", text("s.csv", 'a,"b\n1'),
    ],
    ("predictions have no heading", "report"): lambda w: ["--scores", text("s.csv", "1,0,0.5\n")],
    ("predictions are a spreadsheet", "report"): lambda w: [
        "--scores", text("s.csv", "PK\x03\x04"),
    ],
    ("several files, and no arm of each", "report"): lambda w: ["--scores", "a.csv", "b.csv"],
    ("labels of some cases are not there", "report"): lambda w: [
        *w.scores(SCORES.drop(columns="y_true")), "--truth",
        text("t.csv", SCORES[1:40][["case", "y_true"]].to_csv(index=False)),
    ],
    ("predictions hold no number", "report"): lambda w: w.scores(
        SCORES.assign(score=SCORES["score"].where(SCORES.index != 3, "inf")),
    ),
    ("predictions hold another label", "report"): lambda w: w.scores(
        SCORES.assign(y_true=SCORES["y_true"].where(SCORES.index != 3, "2")),
    ),
    ("predictions hold two other labels", "report"): lambda w: w.scores(TEXT),
    ("no case has the positive label", "report"): lambda w: [
        *w.scores(TEXT), "--positive", "malignnt",
    ],
    ("a name of a fold has no known form", "report"): lambda w: w.scores(
        SCORES.assign(fold=SCORES["fold"].replace("1", "last")),
    ),
    ("iterations are no repeats of K folds", "report"): lambda w: [
        *w.scores(pd.concat([SCORES, SCORES.assign(fold=SCORES["fold"].replace("0", "1"))])),
        "--folds", "2",
    ],
    ("folds of all repeats are numbered through", "report"): lambda w: w.scores(THROUGH),
    ("readers have not read all cases", "report"): lambda w: w.scores(
        pd.concat([SCORES.assign(reader="R0"), SCORES[SCORES.index % 40 > 1].assign(reader="R1")])
        .drop(columns="fold"),
    ),
    ("a file of readers ends early", "report"): lambda w: [
        "--scores", text("s.lrc", 'Title\nAmes\n"a" "b"\nL L\n1 2\n'),
    ],
    ("each fold leaves out one case", "report"): lambda w: w.scores(
        SCORES.assign(fold=SCORES["case"].str[1:]),
    ),
    ("a hold-out has one class", "report"): lambda w: w.scores(
        SCORES.drop(columns="fold").assign(repeat=SCORES["y_true"]),
    ),
    ("tests on what bootstrap samples leave out", "report"): lambda w: w.scores(out_of_bag()),
    ("predictions of every tuning value", "report"): lambda w: w.scores(
        pd.concat([SCORES.assign(k=1), SCORES.assign(k=2)]),
    ),
    ("a class has no column of scores", "report"): lambda w: w.scores(
        classes().replace({"y_true": {"normal": "cyst"}})
    ),
    ("columns and labels call the classes otherwise", "report"): lambda w: w.scores(
        classes(y=(0, 1, 2))
    ),
    ("some probabilities of the classes do not sum to 1", "report"): lambda w: w.scores(
        classes().assign(prob_benign=np.where(np.arange(80) == 0, 0.9, 0.25))
    ),
    ("a fold has no case of a class", "report"): lambda w: w.scores(
        classes().assign(fold=lambda f: f["fold"].where(f["y_true"] != "normal", "1"))
    ),
    ("too few halvings", "report"): lambda w: w.scores(two_halvings()),
    ("a metric is unknown", "report"): lambda w: [*w.by("brier")],
    ("a metric needs probabilities", "report"): lambda w: w.by("brier_score", 2),
    ("a metric needs a threshold", "report"): lambda w: w.by("f1"),
    ("a metric is of several classes", "report"): lambda w: [
        *w.scores(SCORES), "--metric", "roc_auc_ovr",
    ],
    ("values of cases have no such metric", "report"): lambda w: [
        *w.scores(values()),
        "--metric",
        "f1",
    ],
    ("nobody says which values are better", "report"): lambda w: w.scores(values()),
    ("a case has a value in some arms only", "report"): lambda w: [
        *w.scores(without_a_value()),
        "--higher-is-better",
    ],
    ("patients are on both sides of a split", "report"): lambda w: w.scores(
        SCORES.assign(
            repeat=0, fold=SCORES.groupby("arm").cumcount() % 2,
            patient=SCORES.groupby("arm").cumcount() // 2,
        ),
    ),
    ("pairs are incomplete", "report"): lambda w: w.scores(SCORES[:60]),
    ("committed tables differ", "report"): differing,
    ("there is no archive", "archive verify"): lambda w: ["nowhere"],
    ("the archive is damaged", "archive verify"): lambda w: [w.damaged()],
    ("files contradict each other", "archive verify"): lambda w: [w.archive()],
    ("the archive is incomplete", "archive verify"): lambda w: [w.sound()],
    ("the archive is not sealed", "archive seal"): lambda w: [w.archive(), "--check"],
    ("files have changed since they were sealed", "archive seal"): lambda w: [
        w.changed_since_sealed(), "--check",
    ],
    ("the target holds something", "archive merge"): lambda w: [
        w.archive("a/demo"), w.archive("b/demo"), "--into", w.archive("c/demo"),
    ],
    ("archives are of different plans", "archive merge"): other_plans,
    ("archives conflict", "archive merge"): conflicting,
    ("a command is unknown", "stats_tl"): lambda w: ["reprot"],
    ("an interrupted run", "run_grid"): interrupted,
}  # fmt: skip


def test_the_page_and_the_causes_are_the_same():
    assert [(row[0], row[1].strip("`")) for row in ROWS] == list(CAUSES)
    assert make_result  # the archives here are made of its results


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]} {row[0]}")
def test_every_error_ends_as_the_page_says(row, tmp_path, monkeypatch):
    what, command, code, sentence = row
    main, *before = COMMANDS[command.strip("`")]
    arguments = CAUSES[what, command.strip("`")](World(tmp_path, monkeypatch))
    found, said = quiet(main, *before, *arguments)
    assert "Traceback" not in said
    assert str(found) == code, said
    wanted = ".*".join(re.escape(part) for part in sentence.split("…"))
    assert re.search(wanted, " ".join(said.split())), said
