"""Backends, each as a function that runs chunks somewhere else.

``loky`` are joblib's processes on this machine; ``dask`` and ``ray`` are optional extras that
bring other machines. What they have in common: a task is called with each chunk, results come in
any order, and a worker that dies raises :class:`LostWorkersError`.
"""

from __future__ import annotations

__all__ = ["Backend", "LostWorkersError", "open_backend"]

import contextlib
import functools
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import joblib

from ... import __version__
from ...errors import UserError

_LOST = {"BrokenProcessPool", "KilledWorker", "RayActorError", "WorkerCrashedError"}
#: Chunks a worker that are dispatched at once where a backend returns lists only.
_SLICE = 4
#: Chunks that each thread of a dask cluster has, or has waiting.
_UNDER_WAY = 2
#: Seconds to wait for a scheduler.
TIMEOUT = 20
#: Seconds after which a worker notices that its parent has died.
WATCH_SECONDS = 1
T = TypeVar("T")
R = TypeVar("R")


class LostWorkersError(Exception):
    """Worker processes were ended from outside."""


@dataclass(frozen=True)
class Backend:
    """An open backend.

    Attributes
    ----------
    name : str
    jobs : int
        Workers.
    client : distributed.Client or None
        Of dask's scheduler.
    """

    name: str
    jobs: int
    client: Any = None

    def run(self, task: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """``task(item)`` for every item, in any order.

        Raises
        ------
        LostWorkersError
            If a worker died. Results that were not yielded are lost.
        """
        if self.jobs == 1 and self.name in ("loky", "threading"):
            yield from map(task, items)
        else:
            yield from self.apart(task, items)

    def apart(self, task: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """As :meth:`run`, but never in this process."""
        jobs = max(2, self.jobs)  # joblib runs a single job in the calling process
        try:
            if self.client is not None:
                yield from _submit(self.client, task, items)
            elif self.name == "ray":  # returns lists only
                stream = iter(items)
                while batch := list(itertools.islice(stream, _SLICE * jobs)):
                    pool = joblib.Parallel(n_jobs=jobs, backend="ray", batch_size=1)
                    yield from pool(joblib.delayed(_call)(task, item) for item in batch)
            else:
                pool = joblib.Parallel(
                    n_jobs=jobs, backend=self.name,
                    return_as="generator_unordered", pre_dispatch="2 * n_jobs", batch_size=1,
                )  # fmt: skip
                own = os.getpid() if self.name == "loky" else None
                yield from pool(joblib.delayed(_call)(task, item, own) for item in items)
        except Exception as error:
            if _is_loss(error):
                raise LostWorkersError(str(error)) from error
            raise


def _submit(client: Any, task: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Results of dask's workers, two chunks each under way, however many come and go.

    Not through joblib, which looks at the cluster once, and calls one worker none. If workers
    die, what the others are doing is waited for before that is told.
    """
    from distributed import as_completed

    stream, running = iter(items), as_completed(loop=client.loop)
    died: Exception | None = None

    def refill() -> None:
        wanted = _UNDER_WAY * max(1, sum(client.nthreads().values())) - running.count()
        more = itertools.islice(stream, max(0, wanted))
        running.update([client.submit(_call, task, item, pure=False) for item in more])

    refill()
    try:
        for future in running:
            try:
                result = future.result()
            except Exception as error:
                if not _is_loss(error):
                    raise
                died = error
                continue
            yield result
            if died is None:
                refill()
    finally:
        client.cancel(list(running.futures))
    if died is not None:
        raise died


def _is_loss(error: Exception) -> bool:
    return bool(_LOST & {kind.__name__ for kind in type(error).__mro__})


def _call(task: Callable[[T], R], item: T, parent: int | None = None) -> R:
    """A plain function, by whose name dask knows its work."""
    if parent is not None:
        _end_with(parent)
    return task(item)


@functools.cache
def _end_with(parent: int) -> None:
    """See to it that this worker ends when the process that started it is killed.

    It would wait five minutes for more work, and keep its memory and that of a GPU from the
    next run. Whatever it is doing, nothing is lost: cells are archived whole or not at all.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    if os.getppid() == parent:
        threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def open_backend(name: str, jobs: int, address: str | None, folder: Path) -> Iterator[Backend]:
    """Connect to, or start, what runs the chunks.

    Parameters
    ----------
    name : str
        loky, threading, dask or ray.
    jobs : int
        Workers of a backend on this machine.
    address : str or None
        Of a running dask scheduler or ray cluster.
    folder : Path
        A folder that every worker has to see.

    Raises
    ------
    UserError
        If the backend is not installed, the cluster does not answer, or its workers cannot
        do the work.
    """
    if name == "dask":
        with _dask(jobs, address, folder) as (client, workers):
            yield Backend(name, workers, client)
    elif name == "ray":
        with _ray(jobs, address, folder) as workers:
            yield Backend(name, workers)
    else:
        yield Backend(name, jobs)


@contextlib.contextmanager
def _dask(jobs: int, address: str | None, folder: Path) -> Iterator[tuple[Any, int]]:
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise UserError(
            "--backend dask: dask is not installed; pip install 'stats_tl[dask]'"
        ) from None
    with contextlib.ExitStack() as stack:
        if address is None:
            address = stack.enter_context(
                LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None)
            )
        try:
            client = stack.enter_context(Client(address, timeout=TIMEOUT, set_as_default=False))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"--scheduler-address {address}: no dask scheduler answers there ({error})"
            ) from None
        workers = sum(client.nthreads().values())
        if not workers:
            raise UserError(
                f"--scheduler-address {address}: the cluster has no worker yet; wait until one has "
                "started"
            )
        try:
            answers: dict[str, tuple[bool, str]] = client.run(_probe, str(folder))
            client.run_on_scheduler(_probe, str(folder))  # it unpacks what it hands on
        except Exception as error:
            raise UserError(
                f"the scheduler or a worker of {address} cannot run stats_tl "
                f"({type(error).__name__}: {error}); install the same version there"
            ) from None
        _check_workers(answers, folder)
        yield client, workers


def _probe(folder: str) -> tuple[bool, str]:
    """What a run has to know of a worker: whether it sees a folder, and its version."""
    return Path(folder).is_dir(), __version__


def _check_workers(answers: Mapping[str, tuple[bool, str]], folder: Path) -> None:
    """Refuse workers that do not see the run's folder, or have another version."""
    for worker, (sees, version) in sorted(answers.items()):
        if version != __version__:
            raise UserError(
                f"the worker {worker} has stats_tl {version}, this is {__version__}; install the "
                "same version everywhere"
            )
        if not sees:
            raise UserError(
                f"the worker {worker} does not see {folder}; --runs has to be on a file system "
                "that all workers share, under the same path"
            )


@contextlib.contextmanager
def _ray(jobs: int, address: str | None, folder: Path) -> Iterator[int]:
    try:
        import ray
        from ray.util.joblib import register_ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
    except ImportError:
        raise UserError(
            "--backend ray: ray is not installed; pip install 'stats_tl[ray]'"
        ) from None
    began = not ray.is_initialized()
    if began:
        try:
            local: dict[str, Any] = {}
            if address is None:
                local = {"num_cpus": jobs, "include_dashboard": False}
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(
                f"--scheduler-address {address}: no ray cluster answers there ({error})"
            ) from None
    try:
        probe = ray.remote(_probe)
        answers = {
            node["NodeName"]: probe.options(
                num_cpus=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], False),
            ).remote(str(folder))
            for node in ray.nodes()
            if node["Alive"]
        }
        _check_workers({name: ray.get(answer) for name, answer in answers.items()}, folder)
        register_ray()
        yield max(1, int(ray.cluster_resources().get("CPU", jobs)))
    finally:
        if began:
            ray.shutdown()
