"""The grid on clusters: real dask and ray workers, one of which dies; the serial run's results."""

import os
import signal
import threading
import time

import pytest

from stats_tl.archive import load
from stats_tl.errors import UserError
from stats_tl.train.workers import backends
from stats_tl.train.workers.backends import open_backend

pytestmark = pytest.mark.xdist_group("clusters")


@pytest.fixture
def small(tiny):
    """Eight cells in four chunks, a moment each."""
    tiny["grid"][0]["heads"] = ["linear"]
    tiny["training"]["epochs"] = 2
    return tiny


def test_a_dask_cluster_that_loses_a_worker_gives_the_serial_results(small, run_plan, tmp_path):
    """Two worker processes; one is killed when the first part is there."""
    distributed = pytest.importorskip("distributed")
    run_plan(small, "serial")
    root = tmp_path / "runs" / "tiny"
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        pids = [worker.pid for worker in cluster.workers.values()]

        def kill():
            while not list((root / "parts").glob("*.json")):
                time.sleep(0.01)
            os.kill(pids[0], signal.SIGKILL)

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        outcomes = run_plan(
            small, jobs=2, backend="dask", scheduler_address=cluster.scheduler_address
        )
        killer.join(60)
    assert len(outcomes) == 8
    assert not any(outcome.reason for outcome in outcomes)
    assert load(root).missing.empty
    assert load(root).digest == load(tmp_path / "serial" / "tiny").digest
    assert not list(root.glob(".scratch-*"))


def test_ray_gives_the_serial_results(small, run_plan, tmp_path):
    pytest.importorskip("ray")
    small["cv"]["repeats"] = 1
    run_plan(small, "serial")
    outcomes = run_plan(small, jobs=2, backend="ray")
    assert len(outcomes) == 4
    assert load(tmp_path / "runs" / "tiny").digest == load(tmp_path / "serial" / "tiny").digest


def test_no_scheduler_at_the_address(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(backends, "TIMEOUT", 2)
    with (
        pytest.raises(UserError, match=r"tcp://127.0.0.1:9: no dask scheduler answers there"),
        open_backend("dask", 2, "tcp://127.0.0.1:9", tmp_path),
    ):
        pass


def test_an_extra_that_is_not_installed(tmp_path, monkeypatch):
    import sys

    for name, module in (("dask", "distributed"), ("ray", "ray")):
        monkeypatch.setitem(sys.modules, module, None)
        with (
            pytest.raises(UserError, match=rf"pip install 'stats_tl\[{name}\]'"),
            open_backend(name, 2, None, tmp_path),
        ):
            pass


def where(_):
    """A task: the process that does it."""
    return os.getpid()


def test_a_dask_cluster_of_one_thread_does_the_work_itself(tmp_path):
    """As the recipe for SLURM begins: the head node may have no GPU, and others to serve."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        open_backend("dask", 4, cluster.scheduler_address, tmp_path) as backend,
    ):
        worker = next(iter(cluster.workers.values())).pid
        for call in (backend.run, backend.apart):
            assert list(call(where, range(5))) == [worker] * 5


@pytest.mark.parametrize(
    ("answer", "words"),
    [((False, backends.__version__), "does not see"), ((True, "0.0.1"), "has stats_tl 0.0.1")],
)
@pytest.mark.parametrize("name", ["dask", "ray"])
def test_workers_that_cannot_do_the_work(name, answer, words, tmp_path, monkeypatch):
    pytest.importorskip({"dask": "distributed"}.get(name, name))
    monkeypatch.setattr(backends, "_probe", lambda folder: answer)
    with pytest.raises(UserError, match=words), open_backend(name, 1, None, tmp_path):
        pass
