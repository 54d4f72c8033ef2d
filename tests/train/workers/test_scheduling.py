"""Claims and rounds: each cell once, whoever dies, whoever else is at work."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from benchmarks.kill import try_kills
from stats_tl.archive import ArchiveWriter, load
from stats_tl.archive import claims as claims_module
from stats_tl.archive.claims import Claims
from stats_tl.archive.schema import CellResult, scores_digest
from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan
from stats_tl.train.workers.backends import Backend, LostWorkersError
from stats_tl.train.workers.scheduling import CellOutcome, WorkerLostError, train_cells

from ...archive.conftest import make_result
from ..machine.test_scratch import dead_process


@pytest.fixture
def cells(tiny):
    """Sixteen cells of squeezenet, in units of four."""
    return plan_cells(parse_plan(tiny))


@pytest.fixture
def archive(tiny, tmp_path):
    writer = ArchiveWriter(tmp_path / "tiny")
    writer.open(parse_plan(tiny).portable())
    return writer


class Maker:
    """A worker that makes scores up; dies with cells in `deadly`, notes what it did in a file."""

    def __init__(self, writer, deadly=(), times=None):
        self.writer, self.deadly, self.times = writer, set(deadly), times
        self.notes = writer.root / "notes"

    def __call__(self, chunk):
        with self.notes.open("a") as file:
            file.write("".join(f"{cell.cell_id}\n" for cell in chunk.cells))
        if self.deadly & {cell.cell_id for cell in chunk.cells}:
            died = self.notes.read_text().count(min(self.deadly))
            if self.times is None or died <= self.times:
                os.kill(os.getpid(), signal.SIGKILL)
        results = [make_result(cell) for cell in chunk.cells]
        settings = {cell.setting.digest: cell.setting.configuration for cell in chunk.cells}
        self.writer.commit(results, {"configurations": settings})
        return [CellOutcome(cell, 0.5, 0.0) for cell in chunk.cells]

    def fail(self, cell, reason, log):
        self.writer.record_failure({"cell_id": cell.cell_id, "key": cell.key}, reason, log)
        return CellOutcome(cell, float("nan"), 0.0, reason)

    def calls(self):
        return self.notes.read_text().split()


def claims_of(writer):
    return Claims(writer.root.resolve(), frozenset())


def outcomes(cells, worker, jobs=2, said=None):
    claims = claims_of(worker.writer)
    said = [] if said is None else said
    found = list(train_cells(cells, worker, claims, Backend("loky", jobs), report=said.append))
    return found, said


class TestClaims:
    def test_a_cell_is_held_once_until_it_is_given_back(self, archive):
        one, other = claims_of(archive), claims_of(archive)
        with one.hold(["a", "b"]) as mine:
            assert mine == {"a", "b"}
            with other.hold(["b", "c"]) as theirs:
                assert theirs == {"c"}
            assert other.taken() == {"a", "b"}
        with other.hold(["a", "b"]) as theirs:
            assert theirs == {"a", "b"}
        assert list(one.folder.iterdir()) == []

    def test_what_is_committed_meanwhile_is_not_held(self, archive, cells):
        claims = claims_of(archive)
        Maker(archive)(type("Chunk", (), {"cells": cells[:2]}))
        with claims.hold([cell.cell_id for cell in cells[:3]]) as mine:
            assert mine == {cells[2].cell_id}

    def test_threads_that_race_hold_each_cell_once(self, archive):
        wanted = [f"c{i}" for i in range(40)]
        all_hold = threading.Barrier(8, timeout=120)  # on a busy machine, too, none lets go before

        def take(_):
            with claims_of(archive).hold(wanted) as mine:
                all_hold.wait()
                return mine

        with ThreadPoolExecutor(8) as pool:
            held = list(pool.map(take, range(8)))
        assert sum(map(len, held)) <= len(wanted)
        assert set().union(*held) == set(wanted)

    def claim_of(self, archive, owner):
        folder = claims_of(archive).folder
        folder.mkdir(exist_ok=True)
        (folder / "x.0").write_text(owner)

    def test_the_claim_of_a_dead_process_binds_nobody(self, archive):
        self.claim_of(archive, dead_process())
        one, other = claims_of(archive), claims_of(archive)
        assert one.taken() == set()
        with one.hold(["x"]) as mine, other.hold(["x"]) as theirs:
            assert (mine, theirs) == ({"x"}, set())
        assert list(one.folder.iterdir()) == []

    def test_a_process_number_that_is_used_again(self, archive):
        owner = json.loads(dead_process())
        self.claim_of(archive, json.dumps({**owner, "pid": os.getpid(), "birth": "1"}))
        assert claims_of(archive).taken() == set()

    @pytest.mark.parametrize("owner", ["elsewhere", "unreadable"])
    def test_another_machine_is_believed_as_long_as_it_shows_life(
        self, archive, owner, monkeypatch
    ):
        """Time passes by this process's monotonic clock only; the other's clock may be wrong."""
        text = json.dumps({**json.loads(dead_process()), "machine": "other"})
        self.claim_of(archive, text if owner == "elsewhere" else "")
        claims, seen, now = claims_of(archive), {}, [1000.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        monkeypatch.setattr(time, "time", lambda: -now[0])  # goes backwards: nobody looks at it
        path = claims.folder / "x.0"
        for beat in range(20):
            os.utime(path, ns=(10**9 * beat, 10**9 * (5000 - beat)))  # a clock that is set back
            assert claims.watch(seen) == frozenset()
            now[0] += 100
        assert claims.watch(seen) == frozenset()
        with claims.hold(["x"]) as mine:
            assert mine == set()
        now[0] += 1000
        void = Claims(claims.root, claims.known, void=claims.watch(seen))
        assert void.taken() == set()
        with void.hold(["x"]) as mine:
            assert mine == {"x"}

    def test_two_who_looked_at_different_moments_do_not_both_win(self, archive, monkeypatch):
        """One saw a void generation that is given back by now, the other an empty folder."""
        one, other = claims_of(archive), claims_of(archive)
        with contextlib.ExitStack() as stack:
            held = []
            for claims, looked in ((one, {"x": 0}), (other, {})):
                with monkeypatch.context() as patch:
                    patch.setattr(Claims, "_generations", lambda self, looked=looked: looked)
                    held.append(stack.enter_context(claims.hold(["x"])))
            assert held == [{"x"}, set()]
            assert one.taken() == {"x"}
        assert list(one.folder.iterdir()) == []

    def test_a_file_system_without_links(self, archive, monkeypatch):
        def refuse(*_):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        one, other = claims_of(archive), claims_of(archive)
        with one.hold(["a"]) as mine, other.hold(["a", "b"]) as theirs:
            assert (mine, theirs) == ({"a"}, {"b"})
        assert list(one.folder.iterdir()) == []


class TestWorkersThatDie:
    def test_a_chunk_that_killed_once_is_tried_again(self, archive, cells):
        worker = Maker(archive, [cells[0].cell_id], times=1)
        found, said = outcomes(cells, worker)
        assert {outcome.cell.cell_id for outcome in found} == {cell.cell_id for cell in cells}
        assert not any(outcome.reason for outcome in found)
        assert len(load(archive.root, strict=False).score_hashes) == len(cells)
        assert any("tried again by a worker alone" in line for line in said)

    def test_a_cell_that_kills_always_is_failed_with_its_log(self, archive, cells):
        worker = Maker(archive, [cells[0].cell_id])
        found, _ = outcomes(cells, worker)
        assert len(found) == len(cells)
        (failed,) = [outcome for outcome in found if outcome.reason]
        assert failed.cell.cell_id == cells[0].cell_id
        (record,) = load(archive.root, strict=False).failures().values()
        assert "died while it trained this cell alone" in record["reason"]
        assert "SIGKILL" in record["log"]

    def test_workers_that_die_before_they_begin_end_the_run(self, archive, cells):
        with pytest.raises(WorkerLostError, match="fewer --jobs than 2"):
            list(train_cells(cells, Maker(archive), claims_of(archive), _Dying()))

    def test_on_a_cluster_that_sends_their_work_elsewhere_by_itself(self, archive, cells):
        """Where its claim is another machine's, of whose death nothing can be known."""
        worker, said = Maker(archive, [cells[0].cell_id]), []
        cluster = _Cluster("loky", 2)
        found = list(train_cells(cells, worker, claims_of(archive), cluster, report=said.append))
        assert [outcome.cell for outcome in found if outcome.reason] == [cells[0]]
        assert len(found) == len(cells)
        assert not list(claims_of(archive).folder.iterdir())
        assert len(said) == 1


class _Cluster(Backend):
    """Two machines, as dask sees them: what a worker dies with is sent to another."""

    def run(self, task, items):
        machines = itertools.cycle(["node1", "node2"])
        for item in items:
            for _ in range(3):
                with contextlib.suppress(LostWorkersError):
                    yield from super().apart(_Elsewhere(task, next(machines)), [item])
                    break
            else:
                raise LostWorkersError("three workers")

    apart = run


class _Elsewhere:
    def __init__(self, task, name):
        self.task, self.name = task, name

    def __call__(self, item):
        claims_module.machine = lambda: self.name
        return self.task(item)


class _Dying(Backend):
    """A backend whose workers die before they claim anything."""

    def __init__(self):
        super().__init__("loky", 2)

    def run(self, task, items):
        raise LostWorkersError("died")
        yield


def test_others_are_waited_for_and_their_cells_taken_over_if_they_fail(archive, cells):
    """Another run holds four cells, commits one, fails one, and gives two back."""
    other, worker = claims_of(archive), Maker(archive)
    ids, said = [cell.cell_id for cell in cells[:4]], []
    with ThreadPoolExecutor(1) as pool:
        with other.hold(ids):
            running = pool.submit(outcomes, cells, worker, 1, said)
            while not said and not running.done():
                time.sleep(0.01)
            Maker(archive)(type("Chunk", (), {"cells": cells[:1]}))
            worker.fail(cells[1], "no memory", "log")
        found, _ = running.result(60)
    assert len(found) == len(cells)
    assert [o.cell for o in found if o.reason] == [cells[1]]
    assert said == ["  waiting for 4 cells that other processes are training"]
    assert sorted(worker.calls()) == sorted({c.cell_id for c in cells} - {ids[1]})


def test_a_worker_that_outlives_its_run_blames_no_cell(tiny, tmp_path, monkeypatch, run_plan):
    """The next run removes the scratch folder of a killed one; its last worker stumbles."""
    from stats_tl.train import worker
    from stats_tl.train.machine import scratch

    folders = []
    take = scratch.tempfile.mkdtemp

    def noted(**options):
        folders.append(take(**options))
        return folders[-1]

    def stumbles(*_, **__):
        scratch._remove(scratch.Path(folders[-1]))
        raise FileNotFoundError("activations.npy")

    monkeypatch.setattr(scratch.tempfile, "mkdtemp", noted)
    for name in ("fit_cell", "fit_together"):
        monkeypatch.setattr(worker, name, stumbles)
    with pytest.raises(worker.RunEndedError):
        run_plan(tiny)
    assert not load(tmp_path / "runs" / "tiny").failures()


@pytest.mark.slow
def test_kill_9_at_random_moments(tmp_path):
    """A few of the 200 kills of ``python -m benchmarks.kill``."""
    counts = try_kills(6, tmp_path, np.random.default_rng(1))
    assert counts["grids"]


def test_four_processes_train_each_cell_once(tiny, tmp_path, run_plan):
    """On one archive; two of them on different halves of the plan."""
    from ...test_run_grid_command import ROOT, toml

    run_plan(tiny, "whole")
    plan = tmp_path / "plan.toml"
    plan.write_text("\n".join(f"{key} = {toml(value)}" for key, value in tiny.items()))
    command = [sys.executable, "-m", "stats_tl.run_grid", "--plan", plan, "--jobs", "1"]
    command += ["--runs", tmp_path / "runs"]
    halves = [["--select", f"repeat={repeat}"] for repeat in (0, 1)]
    processes = [
        subprocess.Popen(
            [*map(str, command), *more], cwd=ROOT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for more in ([], [], *halves)
    ]  # fmt: skip
    for process in processes:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    root = tmp_path / "runs" / "tiny"
    archive = load(root)
    assert archive.missing.empty
    assert archive.digest == load(tmp_path / "whole" / "tiny").digest
    records = [
        cell["cell_id"]
        for path in (root / "parts").glob("*.json")
        for cell in json.loads(path.read_bytes())["content"]["cells"]
    ]
    assert len(records) == len(set(records)) == 16
    assert list((root / "claims").iterdir()) == []


def test_made_up_scores_have_their_digest(cells):
    """The worker of these tests writes what the archive takes for whole."""
    result = make_result(cells[0])
    assert isinstance(result, CellResult)
    assert result.record["scores_sha256"] == scores_digest(result.scores)
    assert np.isfinite(result.scores["logit_1"]).all()
