"""``python -m stats_tl.run_grid``: what it does, and what it says to wrong use and bad luck.

Most tests call the command in this process. Those about signals, permissions and a fresh
interpreter start a real one.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import itertools
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from huggingface_hub import constants as hub
from PIL import Image

from benchmarks.kill import workers_of
from stats_tl.archive import load
from stats_tl.archive.__main__ import main as archive_main
from stats_tl.archive.files import (
    checksum,
    parquet_bytes,
    read_sealed,
    write_atomically,
    write_sealed,
)
from stats_tl.commands import run_command
from stats_tl.run_grid import main
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan
from stats_tl.train import worker
from stats_tl.train.machine.scratch import ScratchError
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.weights import save_backbone
from stats_tl.train.planning import memory

ROOT = Path(__file__).resolve().parents[1]
TINY = {
    "study": {"name": "tiny", "seed": 3},
    "tasks": [
        {"name": "breast", "adapter": "phantom-breast", "options": {"n_patients": 24, "size": 64}}
    ],
    "cv": {"folds": 2, "repeats": 1, "validation_share": 0.3},
    "arms": [
        {"name": "a", "source": "random", "reference": True},
        {"name": "b", "source": "random"},
    ],
    "grid": [{"backbones": ["squeezenet1_1"], "heads": ["linear"]}],
    "training": {"epochs": 2, "batch_size": 16, "image_size": 32},
    "audit": {"near_duplicates": "ignore"},
}
N_CELLS = 4


def toml(value) -> str:
    """`value` as TOML, tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


@pytest.fixture
def raw():
    """A plan of four cells, a tenth of a second each."""
    return copy.deepcopy(TINY)


@pytest.fixture
def plan(tmp_path, raw):
    """Function that writes the plan (after changes to `raw`) and returns its path."""

    def write(name="plan.toml"):
        path = tmp_path / name
        path.write_text("\n".join(f"{k} = {toml(v)}" for k, v in raw.items()), encoding="utf-8")
        return path

    return write


class Answer:
    """What a command said and returned."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def refused(self, code, *words):
        """Assert the exit code, words of the message, and that it is no traceback."""
        assert self.code == code, self.err or self.out
        assert "Traceback" not in self.err
        assert self.err.startswith("error: ")
        for word in words:
            assert word in self.err, self.err
        return self

    def done(self, code=0):
        """Assert that the command ended well, or with `code`."""
        assert self.code == code, self.err or self.out
        assert "Traceback" not in self.err
        return self


def call(*arguments) -> Answer:
    """The command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run_command(lambda: main([str(a) for a in arguments]))
        except SystemExit as stop:  # argparse's own way out
            code = int(stop.code or 0)
    return Answer(code, out.getvalue(), err.getvalue())


@pytest.fixture
def grid_run(tmp_path, plan):
    """Function that runs the plan with one process and further arguments."""

    def run(*arguments, path=None):
        path = plan() if path is None else path
        return call("--plan", path, "--runs", tmp_path / "runs", "--jobs", 1, *arguments)

    return run


def start(*arguments, **options) -> subprocess.Popen:
    """The command in a process and a process group of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-m", "stats_tl.run_grid", *map(str, arguments)],
        cwd=ROOT, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # A suite that runs in the background of a shell would pass on that it ignores Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler), **options,
    )  # fmt: skip


def finish(process) -> Answer:
    out, err = process.communicate(timeout=120)
    return Answer(process.returncode, out, err)


def wait_for(condition, process):
    """Wait until something happens on disk, as long as the process lives."""
    for _ in range(4000):
        if condition():
            return
        if process.poll() is not None:
            pytest.fail(f"the process ended too early: {process.communicate()}")
        time.sleep(0.02)
    pytest.fail("waited in vain")


def parts(root):
    return sorted((root / "parts").glob("*.json"))


# The command line itself


def test_help_needs_no_torch_and_shows_every_default():
    code = (
        "import sys\n"
        "from stats_tl.run_grid import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    print({'torch', 'pandas', 'numpy'} & set(sys.modules))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.endswith("set()\n")
    options = set(re.findall(r"^  (--[a-z-]+)", process.stdout, re.M))
    assert options >= {
        "--plan", "--select", "--resume", "--retry-failed", "--extend", "--runs", "--data",
        "--salt", "--weights", "--device", "--jobs", "--backend", "--scheduler-address",
        "--cache-gib", "--dry-run", "--progress",
    }  # fmt: skip
    assert "examples:" in process.stdout
    assert "exit codes:" in process.stdout
    described = process.stdout.split("what to run")[1].split("examples:")[0]
    assert described.count("(default") >= len(options) - 3  # flags that only switch


def test_version():
    answer = call("--version").done()
    assert re.fullmatch(r"stats_tl \d+\.\d+\.\d+\n", answer.out)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--jobs", "0"], ["--jobs 0", "1 or more"]),
        (["--scheduler-address", "tcp://x:1"], ["--scheduler-address", "add --backend dask"]),
        (["--cache-gib", "-1"], ["--cache-gib -1", "0 or more"]),
        (["--cache-gib", "nan"], ["--cache-gib nan"]),
        (["--cache-gib", "inf"], ["--cache-gib inf"]),
        (["--select", "backbone"], ["--select 'backbone'", "KEY=VALUE"]),
        (["--select", "backbon=resnet50"], ["backbon", "did you mean 'backbone'"]),
        (
            ["--select", "backbone=squeezenet"],
            ["backbone=squeezenet", "not in this plan", "did you mean 'squeezenet1_1'"],
        ),
        (["--select", "fold=2"], ["fold=2", "allowed: 0, 1"]),
        (["--data", "breast"], ["--data 'breast'", "TASK=PATH"]),
        (["--data", "brest=x"], ["brest", "did you mean 'breast'"]),
        (["--data", "brest=x", "--dry-run"], ["brest", "did you mean 'breast'"]),
        (["--data", "breast=x", "--data", "breast=y"], ["--data", "breast", "twice"]),
        (["--device", "cdua"], ["--device 'cdua'", "cpu, cuda or cuda:N"]),
        (["--device", "meta"], ["--device 'meta'", "cpu, cuda or cuda:N"]),
    ],
)
def test_wrong_options_are_refused_in_words(grid_run, tmp_path, arguments, words):
    grid_run(*arguments).refused(2, *words)
    assert not (tmp_path / "runs").exists()


def test_a_device_that_is_not_there(grid_run):
    device = f"cuda:{torch.cuda.device_count()}"
    grid_run("--device", device).refused(2, f"--device {device}", "CUDA")


def test_options_that_argparse_refuses_have_the_same_exit_code():
    for arguments in (["--jobs", "two"], ["--progress", "loud"], ["--nonsense"]):
        answer = call(*arguments).done(2)
        assert "error:" in answer.err


# The plan


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("training", {"epoch": 3}, ["[training] epoch", "unknown key", "did you mean 'epochs'"]),
        ("training", {"epochs": "3"}, ["[training] epochs", '"3"', "integer"]),
        ("cv", {"folds": 2.5}, ["[cv] folds", "2.5", "integer"]),
        (
            "grid",
            [{"backbones": ["squezenet1_1"], "heads": ["linear"]}],
            ["squezenet1_1", "did you mean 'squeezenet1_1'", "resnet50"],
        ),
        ("cv", {"folds": 50}, ["task 'breast'", "fewer folds"]),
    ],
)
def test_a_plan_that_is_wrong(grid_run, raw, table, change, words):
    raw[table] = change if isinstance(change, list) else {**raw[table], **change}
    grid_run().refused(2, *words)


def test_plans_that_are_no_plan(grid_run, tmp_path):
    (tmp_path / "empty.toml").write_text("")
    (tmp_path / "latin.toml").write_bytes("[study]\nname = 'Übung'".encode("latin-1"))
    for name, word in (
        (".", "directory"),
        ("empty.toml", "[study]: missing"),
        ("latin.toml", "UTF-8"),
        ("nowhere.toml", "No such file"),
    ):
        grid_run(path=tmp_path / name).refused(2, str(tmp_path / name), word)


@pytest.mark.parametrize("name", ["plan.toml", "my plän 😀.toml"])
def test_a_plan_may_come_from_another_system(grid_run, plan, tmp_path, name):
    """With a byte order mark and Windows' line ends, under any name: the same study."""
    path = plan(name)
    grid_run("--select", "fold=0", path=path).done()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    grid_run(path=path).done()
    assert len(load(tmp_path / "runs" / "tiny").cells) == N_CELLS


def test_a_head_that_no_process_has_memory_for(grid_run, raw, tmp_path, monkeypatch):
    raw["grid"][0].update(backbones=["resnet50"], heads=["convskip"])
    monkeypatch.setattr(memory, "worker_memory", lambda device, jobs: 2**30)
    # F = 2048, 16 filters: the dense layer of (2048 + 16 * 2049) * F / 2 ... is what counts.
    answer = grid_run().refused(2, "convskip", "resnet50", "603,553,922", "GiB")
    (size,) = re.findall(r"([\d,]{9,}) parameters", answer.err)
    assert int(size.replace(",", "")) > 5e8
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_for_a_cluster_asks_nothing_of_this_machine(grid_run):
    """Which may have no GPU; and the cluster need not run yet."""
    arguments = ("--backend", "dask", "--scheduler-address", "tcp://x:1", "--device", "cuda")
    answer = grid_run("--dry-run", *arguments).done()
    assert "4 to train with the workers of tcp://x:1 on cuda" in answer.out
    assert "no estimate of the time" in answer.out


def test_fewer_processes_where_memory_is_short(plan, tmp_path, monkeypatch):
    """By default; with --jobs it is the user's word."""
    arguments = ("--plan", plan(), "--runs", tmp_path / "runs")
    monkeypatch.setattr("stats_tl.train.machine.resources.choose_jobs", lambda device: 5)
    need = memory.largest_head(plan_cells(parse_plan(TINY))).size
    monkeypatch.setattr(memory, "worker_memory", lambda device, jobs: 3 * need // jobs)
    answer = call(*arguments, "--dry-run").done()
    assert "with 3 processes, as memory allows, on cpu" in answer.out
    call(*arguments, "--jobs", 5).refused(2, "each of 5 processes has", "fewer --jobs")
    monkeypatch.setattr(memory, "worker_memory", lambda device, jobs: 0)
    answer = call(*arguments).refused(2, "a process has 0.0 GiB")
    assert "--jobs" not in answer.err


# The data


@pytest.fixture
def table(tmp_path, raw):
    """A CSV task of 24 patients, two images each; returns a frame to change and write."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "data"
    folder.mkdir()
    rows = []
    for i in range(48):
        Image.fromarray(rng.integers(0, 255, (32, 32), dtype=np.uint8)).save(folder / f"{i}.png")
        patient = i // 2
        rows.append((f"{i}.png", f"p{patient}", patient % 2, patient // 2 % 2 + 1))
    raw["tasks"] = [{"name": "mine", "adapter": "csv", "path": "data/cases.csv"}]
    return pd.DataFrame(rows, columns=["path", "patient", "label", "fold"])


def write_cases(tmp_path, table):
    table.to_csv(tmp_path / "data" / "cases.csv", index=False)


def test_a_csv_task_runs_from_a_folder_with_any_name(grid_run, table, tmp_path):
    write_cases(tmp_path, table)
    moved = tmp_path / "where the däta are"
    (tmp_path / "data").rename(moved)
    grid_run().refused(2, "task 'mine'", "cases.csv")
    grid_run("--data", f"mine={moved / 'cases.csv'}").done()
    assert len(load(tmp_path / "runs" / "tiny").cells) == N_CELLS


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="label"), ["no column 'label'", "path, patient"]),
        (lambda t: t.assign(label=t["label"].where(t.index != 7)), ["label", "7.png"]),
        (
            lambda t: t.assign(label=t["label"].where(t.index != 7, 2)),
            ["'0' (24), '1' (23), '2' (1)", "set `positive`"],
        ),
        (lambda t: t.assign(path=t["path"].where(t.index != 7, "70.png")), ["70.png"]),
        (lambda t: t.assign(path="../" + t["path"]), ["../0.png"]),
    ],
    ids=["column missing", "label missing", "three classes", "file missing", "climbing"],
)
def test_a_csv_that_is_wrong(grid_run, table, tmp_path, change, words):
    write_cases(tmp_path, change(table))
    grid_run().refused(2, *words)
    assert not (tmp_path / "runs").exists()


def test_a_truncated_image_is_named_before_training(grid_run, table, tmp_path):
    write_cases(tmp_path, table)
    for name in ("3.png", "30.png"):
        path = tmp_path / "data" / name
        path.write_bytes(path.read_bytes()[:200])
    grid_run().refused(2, "mine", "3.png", "30.png", "Restore")
    assert not (tmp_path / "runs").exists()


def test_a_fold_column_that_tears_a_patient_is_refused(grid_run, table, raw, tmp_path):
    raw["cv"]["official_folds"] = True
    write_cases(tmp_path, table)
    grid_run("--select", "fold=0").done()
    raw["study"]["name"] = "torn"
    table.loc[5, "fold"] = 3 - table.loc[5, "fold"]
    write_cases(tmp_path, table)
    grid_run().refused(2, "mine", "p2", "patient")
    assert "this plan would not run here:\ntask 'mine'" in grid_run("--dry-run").done(2).out
    assert not (tmp_path / "runs" / "torn").exists()


def test_one_class_is_refused(grid_run, table, tmp_path):
    write_cases(tmp_path, table.assign(label=1))
    grid_run().refused(2, "mine")


# The weights


@pytest.fixture
def checkpoint(tmp_path, raw):
    """Two checkpoint arms; function that sets the file of the second."""
    path = tmp_path / "good.safetensors"
    path.write_bytes(save_backbone(build_backbone("squeezenet1_1", seed=1), {}))
    for arm in raw["arms"]:
        arm.update(source="checkpoint", files={"squeezenet1_1": path.name})

    def use(name, content=None, **keys):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        raw["arms"][1].update(files={"squeezenet1_1": name}, **keys)

    return use


def test_weights_of_another_architecture(grid_run, checkpoint, tmp_path):
    checkpoint("r18.safetensors", save_backbone(build_backbone("resnet18", seed=1), {}))
    grid_run().refused(2, "r18.safetensors", "squeezenet1_1", "resnet18")
    assert not (tmp_path / "runs").exists()


def test_weights_with_another_hash(grid_run, checkpoint, tmp_path):
    checkpoint("good.safetensors", sha256={"squeezenet1_1": "0" * 64})
    grid_run().refused(2, "good.safetensors", "0" * 64, "sha256")
    assert not (tmp_path / "runs").exists()


def test_weights_that_are_a_program_are_not_run(grid_run, checkpoint, tmp_path):
    witness = tmp_path / "executed"

    class Evil:
        def __reduce__(self):
            return (Path.touch, (witness,))

    for name, content in (("evil.pkl", pickle.dumps({"w": Evil()})), ("evil.pt", io.BytesIO())):
        if isinstance(content, io.BytesIO):
            torch.save({"w": Evil()}, content)
            content = content.getvalue()
        checkpoint(name, content)
        grid_run().refused(2, name, "nothing of it was executed")
    assert not witness.exists()
    pickle.loads(pickle.dumps(Evil()))  # the file would have done it
    assert witness.exists()


def test_weights_that_are_cut_off(grid_run, checkpoint, tmp_path):
    checkpoint("cut.safetensors", (tmp_path / "good.safetensors").read_bytes()[:5000])
    grid_run().refused(2, "cut.safetensors", "cut off")


def test_a_missing_local_file_of_weights(grid_run, checkpoint, tmp_path):
    checkpoint("nowhere.safetensors")
    grid_run().refused(2, str(tmp_path / "nowhere.safetensors"), "arm 'b'")


def test_weights_folder(grid_run, checkpoint, tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "good.safetensors").rename(tmp_path / "w" / "good.safetensors")
    grid_run().refused(2, "good.safetensors")
    grid_run("--weights", tmp_path / "w", "--select", "fold=0").done()


def test_torchvision_weights_that_are_nowhere_are_one_sentence(
    grid_run, raw, tmp_path, monkeypatch
):
    """Offline: what is missing, where it comes from, where to put it."""
    raw["arms"][1]["source"] = "imagenet"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    folder = str(tmp_path / "torch" / "hub" / "checkpoints")
    answer = grid_run().refused(
        2, "arm 'b'", "squeezenet1_1-b8a52dc0.pth", "https://download.pytorch.org", folder, "files"
    )
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_hub_weights_that_are_nowhere_are_one_sentence(grid_run, raw, tmp_path, monkeypatch):
    """What the environment variables of the hub's client, read at its import, come to."""
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "hub"))
    raw["arms"][1]["source"] = "radimagenet"
    raw["grid"][0]["backbones"] = ["resnet50"]
    answer = grid_run().refused(
        2, "arm 'b'", "ResNet50.pt", "https://huggingface.co/Lab-Rasool/RadImageNet", "files = {"
    )
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


# The archive


def replace_fitting(monkeypatch, function):
    """Put a function in the place of training, of one cell and of several."""
    for name in ("fit_cell", "fit_together"):
        monkeypatch.setattr(worker, name, function)


def test_dry_run_counts_and_estimates(grid_run, tmp_path, monkeypatch):
    answer = grid_run("--dry-run").done()
    assert f"0 done, 0 failed, {N_CELLS} pending" in answer.out
    assert re.search(r"about (\d+ s|\d+ min) with 1 process on cpu", answer.out)
    assert re.search(r"\d+ images of \d+ patients, \d+ positive, \d+ negative", answer.out)
    assert not (tmp_path / "runs").exists()

    grid_run("--select", "fold=0").done()
    with monkeypatch.context() as broken:
        replace_fitting(broken, lambda *a, **k: 1 / 0)
        grid_run("--select", "fold=1", "--select", "arm=a").done(1)
    answer = grid_run("--dry-run").done()
    assert "2 done, 1 failed, 1 pending" in answer.out
    assert "ZeroDivisionError" in answer.out
    assert "1 failed" not in grid_run("--dry-run", "--select", "fold=0").done().out


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        MemoryError(),
        FloatingPointError("the training loss is not finite in epoch 1"),
    ],
)
def test_a_cell_that_cannot_be_trained_is_failed_and_the_rest_goes_on(
    grid_run, tmp_path, monkeypatch, error
):
    """Heads side by side are too much, so they are tried one by one; one alone is too much too."""
    fit, calls = worker.fit_cell, []

    def fails(*_, **__):
        raise error

    def fails_once(*arguments, **keywords):
        calls.append(1)
        if len(calls) == 2:
            raise error
        return fit(*arguments, **keywords)

    monkeypatch.setattr(worker, "fit_together", fails)
    monkeypatch.setattr(worker, "fit_cell", fails_once)
    answer = grid_run().done(1)
    assert f"1 × {type(error).__name__}" in answer.err
    archive = load(tmp_path / "runs" / "tiny")
    (failure,) = archive.failures().values()
    assert str(error) in failure["reason"]
    assert "fails_once" in failure["log"]
    assert len(archive.cells) == N_CELLS - 1
    assert len(calls) == N_CELLS
    grid_run("--retry-failed").done()


def test_a_failure_of_other_cells_is_not_one_of_this_run(grid_run, monkeypatch):
    with monkeypatch.context() as broken:
        replace_fitting(broken, lambda *a, **k: 1 / 0)
        answer = grid_run("--select", "fold=1").done(1)
    assert "2 cells failed" in answer.err
    assert "division by zero" in answer.err
    grid_run("--select", "fold=0").done()
    grid_run("--select", "fold=0").done()
    assert "2 cells failed" in grid_run().done(1).err
    grid_run("--retry-failed").done()
    assert "nothing to do" in grid_run().done().out


def test_progress(grid_run, raw):
    def say(style, fold):
        return grid_run("--progress", style, "--select", f"fold={fold}").done()

    lines = say("lines", 0)
    assert re.search(
        r"^\[1/2\] breast squeezenet1_1 linear .* AUC 0\.\d+ .* left$", lines.out, re.M
    )
    assert re.search(r"^\[2/2\] .* AUC 0\.\d+ ", lines.out, re.M)
    assert lines.err == ""
    bar = say("bar", 1)
    assert "2/2" in bar.err
    assert "[1/2]" not in bar.out
    raw["study"]["name"] = "other"
    quiet = say("none", 0)
    assert "[1/2]" not in quiet.out
    assert quiet.err == ""
    assert "2 cells in" in quiet.out


def test_no_resume_protects_what_is_there(grid_run):
    grid_run("--no-resume", "--select", "fold=0").done()
    grid_run("--no-resume").refused(2, "already holds 2 cells", "--no-resume")
    grid_run("--resume").done()


def test_a_changed_plan_is_refused_with_the_difference(grid_run, raw, tmp_path):
    grid_run().done()
    digest = load(tmp_path / "runs" / "tiny").digest
    raw["training"]["epochs"] = 3
    raw["arms"][1]["preprocessing"] = "unit"
    for arguments in ([], ["--dry-run"]):
        grid_run(*arguments).refused(
            2,
            "training.epochs: archived 2, given 3",
            "arms.b.preprocessing: archived None, given 'unit'",
            "another folder",
        )
    grid_run("--extend").refused(2, "4 archived cells are not in this plan", "only grow")
    assert load(tmp_path / "runs" / "tiny").digest == digest


def everything(folder):
    """Every file of a folder, to the bit."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.mark.parametrize("change", ["arm", "epochs", "data", "options", "weights"])
def test_whatever_refuses_an_extension_leaves_every_byte(grid_run, raw, tmp_path, change):
    grid_run().done()
    before = everything(tmp_path / "runs")
    raw["cv"]["repeats"] = 2
    if change == "arm":
        del raw["arms"][1]
        raw["arms"].append({"name": "c", "source": "random"})
    elif change == "epochs":
        raw["training"]["epochs"] = 3
    elif change == "data":
        raw["tasks"][0]["options"]["n_patients"] = 25
    elif change == "options":
        raw["tasks"][0]["options"]["seed"] = 5
    else:
        files = {"squeezenet1_1": "nowhere.pth"}
        raw["arms"].append({"name": "c", "source": "checkpoint", "files": files})
    answer = grid_run("--extend")
    answer.refused(2)
    assert "another version" not in answer.err
    assert everything(tmp_path / "runs") == before


def test_an_archive_without_a_cell_takes_any_plan(grid_run, raw, tmp_path, monkeypatch):
    """Begun and failed with one plan, it is trained with another, and is that of the other."""
    with monkeypatch.context() as broken:
        replace_fitting(broken, lambda *a, **k: 1 / 0)
        grid_run().done(1)
    assert list((tmp_path / "runs/tiny/failed").iterdir())
    raw["training"]["epochs"] = 3
    raw["cv"]["folds"] = 3
    raw["tasks"][0]["options"]["n_patients"] = 30
    before = everything(tmp_path / "runs")
    assert "0 failed, 6 pending" in grid_run("--dry-run").done().out
    assert everything(tmp_path / "runs") == before
    assert "begun again" in grid_run().done().out
    continued = load(tmp_path / "runs" / "tiny")
    grid_run("--runs", tmp_path / "other").done()
    fresh = load(tmp_path / "other" / "tiny")
    assert continued.plan == fresh.plan
    assert continued.tasks == fresh.tasks
    pd.testing.assert_frame_equal(continued.scores(), fresh.scores())
    assert continued.missing.empty
    assert not list((tmp_path / "runs/tiny/failed").iterdir())
    raw["training"]["epochs"] = 2
    grid_run().refused(2, "training.epochs: archived 3, given 2")


def test_other_data_before_the_first_cell_replace_the_archived(
    grid_run, table, tmp_path, monkeypatch
):
    write_cases(tmp_path, table)
    with monkeypatch.context() as broken:
        replace_fitting(broken, lambda *a, **k: 1 / 0)
        grid_run().done(1)
    table.loc[0, "label"] = 1 - table.loc[0, "label"]
    write_cases(tmp_path, table)
    grid_run("--retry-failed").done()
    table.loc[0, "label"] = 1 - table.loc[0, "label"]
    write_cases(tmp_path, table)
    assert load(tmp_path / "runs" / "tiny").missing.empty


def test_extend_adds_cells_and_keeps_the_others(grid_run, raw, tmp_path):
    grid_run().done()
    before = load(tmp_path / "runs" / "tiny")
    raw["cv"]["repeats"] = 2
    grid_run().refused(2, "cv.repeats: archived 1, given 2", "--extend")
    assert f"{N_CELLS} done, 0 failed, {N_CELLS} pending" in grid_run("--extend", "--dry-run").out
    grid_run("--extend").done()
    after = load(tmp_path / "runs" / "tiny")
    assert len(after.cells) == 2 * N_CELLS
    pd.testing.assert_frame_equal(before.scores(), after.scores(repeat=0))
    assert "nothing to do" in grid_run().done().out


def test_a_refused_extension_leaves_the_archive_as_it_was(grid_run, raw, tmp_path, monkeypatch):
    grid_run().done()
    root = tmp_path / "runs" / "tiny"
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    raw["cv"]["repeats"] = 2
    monkeypatch.setattr("stats_tl.data.dataset.Dataset.labels_sha256", "0" * 64)
    grid_run("--extend").refused(2, "labels differ from the archived ones", "another name")
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_extend_accepts_a_change_of_the_analysis_alone(grid_run, raw, tmp_path):
    """No cell is pending then, and the archived plan has to follow all the same."""
    grid_run().done()
    raw["analysis"] = {"margin": 0.03}
    grid_run().refused(2, "analysis.margin: archived None, given 0.03")
    grid_run("--extend").done()
    assert load(tmp_path / "runs" / "tiny").plan["analysis"]["margin"] == 0.03
    grid_run().done()


@pytest.mark.parametrize(
    "damage", ["part", "scores", "task", "header", "no scores", "no task", "no header"]
)
def test_a_damaged_archive_is_noticed_and_repaired(grid_run, tmp_path, damage):
    grid_run().done()
    root = tmp_path / "runs" / "tiny"
    whole = load(root).digest
    path = {
        "part": parts(root)[0],
        "scores": parts(root)[0].with_suffix(".parquet"),
        "no scores": parts(root)[0].with_suffix(".parquet"),
        "task": root / "tasks" / "breast.splits.parquet",
        "no task": root / "tasks" / "breast.json",
        "header": root / "archive.json",
        "no header": root / "archive.json",
    }[damage]
    if damage.startswith("no "):
        path.unlink()
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    grid_run().refused(3, path.name, "--retry-failed")
    grid_run("--dry-run").refused(3, path.name)
    grid_run("--retry-failed").done()
    assert load(root).digest == whole
    assert "nothing to do" in grid_run().done().out


def test_archived_splits_that_tear_a_patient_are_noticed_and_repaired(grid_run, tmp_path):
    """Whole by every checksum, and wrong all the same."""
    grid_run().done()
    root = tmp_path / "runs" / "tiny"
    whole, path = load(root), root / "tasks" / "breast.json"
    splits = whole.splits("breast").astype({"partition": str})
    patient = whole.cases("breast")["patient"].value_counts().index[0]
    cases = whole.cases("breast").query("patient == @patient")["case"]
    for case, side in zip(cases, ("train", "test"), strict=False):
        splits.loc[(splits["fold"] == 0) & (splits["case"] == case), "partition"] = side
    data = parquet_bytes(splits)
    write_atomically(path.with_suffix(".splits.parquet"), data)
    description = read_sealed(path)
    description["files"]["breast.splits.parquet"] = checksum(data)
    write_sealed(path, description)
    grid_run().refused(3, "two sides", patient, "breast.splits.parquet")
    grid_run("--retry-failed").done()
    assert load(root).digest == whole.digest


def test_runs_that_is_a_file(grid_run, tmp_path):
    (tmp_path / "runs").write_text("mine")
    grid_run().refused(2, str(tmp_path / "runs"))
    assert (tmp_path / "runs").read_text() == "mine"


def test_kept_backbones_are_an_arm_of_the_next_study(grid_run, raw, tmp_path):
    raw["keep"] = {"backbones": True}
    raw["grid"][0]["unfreeze"] = [1]
    grid_run("--select", "fold=0", "--select", "arm=a").done()
    root = tmp_path / "runs" / "tiny"
    (kept,) = (root / "backbones").iterdir()
    (record,) = load(root).records()
    sha256 = hashlib.sha256(kept.read_bytes()).hexdigest()
    assert record["backbones"] == {kept.name: sha256}
    raw["study"]["name"] = "next"
    raw["arms"][1].update(source="checkpoint", files={"squeezenet1_1": str(kept)})
    raw["grid"][0]["unfreeze"] = [0]
    grid_run("--select", "fold=0").done()
    used = {r["key"]["arm"]: r["weights"] for r in load(tmp_path / "runs" / "next").records()}
    assert used["b"]["sha256"] == sha256
    assert used["b"]["trained_from"]["cell_id"] == record["cell_id"]


def test_hashed_identifiers(grid_run, raw, table, tmp_path):
    """No name of a patient or image is anywhere in the archive; everything else is the same."""
    table["patient"] = ["Frau Müller-" + p for p in table["patient"]]
    write_cases(tmp_path, table)
    raw["audit"] = {"near_duplicates": "report", "hash_distance": 64}
    grid_run().done()
    root = tmp_path / "runs" / "tiny"
    plain = load(root)
    raw["keep"] = {"identifiers": "hashed"}
    grid_run("--extend").refused(2, "identifiers as they were given", "another name")
    raw["study"]["name"] = "quiet"
    grid_run().done()
    quiet = load(tmp_path / "runs" / "quiet")
    for path in quiet.root.rglob("*"):
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
            text = frame.to_csv()
            assert list(frame["case"]) == sorted(frame["case"]) or frame["case"].duplicated().any()
        else:
            text = path.read_text() if path.is_file() else ""
        assert "ller-" not in text
        assert not re.search(r"\b\d+\.png", text)
    # The same models: only names, and with them the order of cases, differ.
    one, other = plain.scores(partition="test"), quiet.scores(partition="test")
    assert other["case"].str.fullmatch("[0-9a-f]{20}").all()
    keys = ["arm", "fold", "y_true", "score"]
    pd.testing.assert_frame_equal(
        one[keys].sort_values(keys, ignore_index=True),
        other[keys].sort_values(keys, ignore_index=True),
    )
    assert other.groupby("patient", observed=True)["case"].nunique().eq(2).all()
    assert quiet.cases("mine").groupby("patient")["y_true"].nunique().eq(1).all()
    salt = tmp_path / "quiet.salt"
    assert salt.stat().st_mode & 0o077 == 0
    # The salt is needed to go on, and another one is refused.
    raw["cv"]["repeats"] = 2
    kept = salt.read_text()
    salt.unlink()
    grid_run("--extend").refused(2, "quiet.salt", "--salt")
    salt.write_text("0" * 64)
    grid_run("--extend").refused(2, "quiet.salt", "another salt")
    salt.write_text("secret")
    grid_run("--extend").refused(2, "quiet.salt", "64 hexadecimal digits")
    (tmp_path / "elsewhere").write_text(kept)
    grid_run("--extend", "--salt", tmp_path / "elsewhere").done()
    assert len(load(quiet.root).cells) == 2 * N_CELLS


# What may happen to the process


@pytest.fixture
def long(raw):
    """The plan with eight cells of a quarter of a second, in four parts."""
    raw["cv"]["repeats"] = 2
    raw["grid"][0]["unfreeze"] = [1]
    raw["training"]["epochs"] = 6
    return raw


@pytest.fixture(scope="module")
def uninterrupted_digests():
    """Digests by plan: the same archive serves every test."""
    return {}


@pytest.fixture
def uninterrupted(tmp_path, plan, long, uninterrupted_digests):
    """Digest of the archive that the long plan gives undisturbed."""
    key = json.dumps(long)
    if key not in uninterrupted_digests:
        call("--plan", plan("whole.toml"), "--runs", tmp_path / "whole", "--jobs", 1).done()
        uninterrupted_digests[key] = load(tmp_path / "whole" / "tiny").digest
    return uninterrupted_digests[key]


def test_kill_in_the_middle_of_a_cell(grid_run, plan, long, uninterrupted, tmp_path):
    root = tmp_path / "runs" / "tiny"
    process = start("--plan", plan(), "--runs", tmp_path / "runs", "--jobs", 1)
    wait_for(lambda: parts(root), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert 0 < len(load(root).cells) < 8
    grid_run().done()
    assert load(root).digest == uninterrupted


def test_workers_end_with_a_run_that_is_killed(plan, long, tmp_path):
    long["training"]["epochs"] = 1000
    process = start("--plan", plan(), "--runs", tmp_path / "runs", "--jobs", 2)
    claims = tmp_path / "runs" / "tiny" / "claims"
    wait_for(lambda: len(list(claims.glob("*.holder"))) >= 2, process)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    process.kill()
    process.wait()  # not for its pipes, which the workers hold open
    limit = time.monotonic() + 60
    while alive := [pid for pid in workers if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < limit, alive
        time.sleep(0.1)


def test_a_clock_that_goes_backwards(grid_run, plan, *, long, uninterrupted, tmp_path, monkeypatch):
    """A killed run on a machine a year ahead, and a next one whose clock falls at every look."""
    root = tmp_path / "runs" / "tiny"
    process = start("--plan", plan(), "--runs", tmp_path / "runs", "--jobs", 1)
    wait_for(lambda: parts(root), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (root / "parts" / ".writing-left").write_bytes(b"half of a part")
    ahead = time.time() + 365 * 86400
    for path in [root, *root.rglob("*")]:
        os.utime(path, (ahead, ahead))
    clock = itertools.count(int(time.time()), -3600)
    monkeypatch.setattr("time.time", lambda: float(next(clock)))
    grid_run().done()
    assert load(root).digest == uninterrupted
    assert archive_main(["verify", str(root)]) == 0


@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_ends_a_run_cleanly_and_the_next_continues(
    grid_run, plan, *, long, uninterrupted, tmp_path, times
):
    """As a terminal does it: to every process of the group; an impatient user more than once."""
    root, scratch = tmp_path / "runs" / "tiny", tmp_path / "scratch"
    scratch.mkdir()
    process = start(
        "--plan", plan(), "--runs", tmp_path / "runs", "--jobs", 2,
        env={"TMPDIR": str(scratch)},
    )  # fmt: skip
    wait_for(lambda: parts(root), process)
    for _ in range(times):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.2)
    answer = finish(process)
    # A shell calls a process that died of the signal itself, at the end of its exit, 130 too.
    assert answer.code in ((130,) if times == 1 else (130, -signal.SIGINT)), answer.err
    if times == 1:
        assert "the next run continues" in answer.err
        assert list(root.rglob(".writing-*")) == []
        assert list(scratch.glob("stats_tl-*")) == []
    assert 0 < len(load(root).cells) < 8
    grid_run().done()
    assert load(root).digest == uninterrupted


def test_the_end_of_a_batch_job_is_an_interruption(grid_run, tmp_path, monkeypatch):
    """Batch systems send SIGTERM; the scratch folder must not stay behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = signal.getsignal(signal.SIGTERM)
    replace_fitting(monkeypatch, lambda *a, **k: os.kill(os.getpid(), signal.SIGTERM))
    answer = grid_run().done(130)
    assert "the next run continues" in answer.err
    assert list(tmp_path.glob("stats_tl-*")) == []
    assert signal.getsignal(signal.SIGTERM) is before
    assert load(tmp_path / "runs" / "tiny").failures() == {}


def test_a_worker_that_is_killed_is_replaced(plan, long, uninterrupted, tmp_path):
    """As the system does when memory runs out."""
    root = tmp_path / "runs" / "tiny"
    if not Path("/proc/self/task").exists():
        pytest.skip("needs Linux's /proc to find the workers")

    def kill():
        while not parts(root):
            time.sleep(0.02)
        for pid in workers_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    answer = call("--plan", plan(), "--runs", tmp_path / "runs", "--jobs", 2)
    killer.join(60)
    answer.done()
    assert re.search(
        r"worker process was killed .* memory .*; \d cells are tried again", answer.out
    )
    assert load(root).digest == uninterrupted


def test_two_processes_on_one_archive(plan, long, uninterrupted, tmp_path):
    arguments = ["--plan", plan(), "--runs", tmp_path / "runs", "--jobs", 1]
    root = tmp_path / "runs" / "tiny"
    other = start(*arguments)
    wait_for((root / "archive.json").exists, other)
    call(*arguments, "--select", "repeat=1").done()
    finish(other).done()
    archive = load(root)
    assert archive.missing.empty
    assert archive.digest == uninterrupted


@pytest.fixture
def small_disk(tmp_path):
    """An empty file system of 200 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_keeps_what_is_finished(plan, long, uninterrupted, small_disk, tmp_path):
    def fill(keep):
        """Leave `keep` bytes."""
        (small_disk / "ballast").unlink(missing_ok=True)
        status = os.statvfs(small_disk)
        (small_disk / "ballast").write_bytes(b"\0" * (status.f_bavail * status.f_frsize - keep))

    command = ["--plan", plan(), "--runs", small_disk / "runs", "--jobs", 1]
    call(*command, "--select", "repeat=0", "--select", "arm=a").done()
    root = small_disk / "runs" / "tiny"
    fill(keep=16 * 1024)
    call(*command).refused(2, "cannot write", "No space left on device", "kept")
    assert list(root.rglob(".writing-*")) == []
    kept = len(load(root).cells)
    assert 2 <= kept < 8
    (small_disk / "ballast").unlink()
    call(*command).done()
    assert load(root).digest == uninterrupted


def test_a_temporary_folder_that_fills_up_blames_no_cell(grid_run, tmp_path, monkeypatch):
    def full(*_):
        raise ScratchError("cannot write activations: No space left on device; set TMPDIR")

    with monkeypatch.context() as patch:
        patch.setattr("stats_tl.train.machine.scratch.Scratch.get_or_make", full)
        grid_run().refused(2, "No space left", "TMPDIR")
    assert load(tmp_path / "runs" / "tiny").failures() == {}
    grid_run().done()
    assert len(load(tmp_path / "runs" / "tiny").cells) == N_CELLS


def test_a_full_scratch_disk_is_a_sentence(plan, small_disk, tmp_path, monkeypatch):
    """Decoded images go to the folder of temporary files, which may be small."""
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    (small_disk / "ballast").write_bytes(b"\0" * 180_000)
    answer = call("--plan", plan(), "--runs", tmp_path / "runs", "--jobs", 1)
    answer.refused(2, "cannot write", "TMPDIR", str(small_disk))
    assert list(small_disk.glob("stats_tl-*")) == []


@pytest.fixture
def read_only():
    """Function that makes a folder read-only until the test ends."""
    undo = []

    def protect(folder):
        if os.geteuid():
            folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
            for path in folders:
                path.chmod(0o555)
            undo.append(lambda: [path.chmod(0o755) for path in folders])
            return
        # Permissions do not bind root; a read-only mount does.
        bind = subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False)
        if bind.returncode:
            pytest.skip("root needs to mount a folder on itself to have it read-only")
        undo.append(lambda: subprocess.run(["umount", folder], check=True))
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)

    yield protect
    for step in undo:
        step()


def test_an_archive_that_may_not_be_written(grid_run, read_only, tmp_path):
    runs = tmp_path / "runs"
    grid_run("--select", "fold=0").done()
    before = load(runs / "tiny").digest
    read_only(runs)
    grid_run().refused(2, "cannot write", str(runs), "kept")
    grid_run("--dry-run").done()
    grid_run("--select", "fold=0").done()
    assert load(runs / "tiny").digest == before
