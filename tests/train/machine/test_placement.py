"""What lies on the device, what has to be copied to it, and whose device it is."""

import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from stats_tl.train.machine import placement, resources
from stats_tl.train.machine.placement import DeviceRows
from stats_tl.train.machine.resources import choose_jobs, worker_device, worker_memory
from stats_tl.train.machine.scratch import Scratch

ARRAY = np.arange(12, dtype=np.float32).reshape(4, 3)
#: Like a GPU in that nothing gets there by itself; its tensors have no values.
OTHER = torch.device("meta")


def test_rows_by_index():
    rows = DeviceRows(ARRAY, torch.device("cpu"))
    assert rows.resident
    np.testing.assert_array_equal(rows.take(torch.tensor([3, 0, 3])), ARRAY[[3, 0, 3]])


@pytest.mark.parametrize(("room", "resident"), [(ARRAY.nbytes, True), (ARRAY.nbytes - 1, False)])
def test_an_array_too_large_for_the_device_is_copied_row_by_row(room, resident):
    rows = DeviceRows(ARRAY, OTHER, room=room)
    assert rows.resident == resident
    taken = rows.take(torch.tensor([1, 2]))
    assert (taken.device, taken.shape) == (OTHER, (2, 3))


def test_half_of_what_is_free_may_be_taken(monkeypatch):
    for free, resident in ((2 * ARRAY.nbytes, True), (2 * ARRAY.nbytes - 2, False)):
        monkeypatch.setattr(placement, "available_memory", lambda device, free=free: free)
        assert DeviceRows(ARRAY, OTHER).resident == resident


class TestWorkers:
    """Several GPUs, which this machine need not have: only their number is asked for."""

    @pytest.fixture
    def gpus(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)

    def test_each_has_a_gpu_of_its_own_while_there_are_some(self, gpus, tmp_path):
        scratch = Scratch(tmp_path)
        with ThreadPoolExecutor(5) as pool:
            barrier = threading.Barrier(5)

            def work(_):
                barrier.wait()
                return [worker_device("cuda", scratch) for _ in range(2)]

            found = list(pool.map(work, range(5)))
        assert all(first == again for first, again in found)
        counts = Counter(first for first, _ in found)
        assert sorted(counts) == ["cuda:0", "cuda:1", "cuda:2"]
        assert max(counts.values()) == 2

    def test_that_of_a_dead_worker_is_free_again(self, gpus, tmp_path):
        code = (
            "import pathlib, sys, torch; torch.cuda.device_count = lambda: 3\n"
            "from stats_tl.train.machine.resources import worker_device\n"
            "from stats_tl.train.machine.scratch import Scratch\n"
            "print(worker_device('cuda', Scratch(pathlib.Path(sys.argv[1]))))"
        )
        for _ in range(2):
            command = [sys.executable, "-c", code, str(tmp_path)]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            assert answer.stdout.strip() == "cuda:0"

    @pytest.mark.parametrize("name", ["cpu", "cuda:1"])
    def test_a_named_device_stays(self, gpus, tmp_path, name):
        assert worker_device(name, Scratch(tmp_path)) == name
        assert not list(tmp_path.iterdir())

    def test_one_gpu_needs_no_places(self, monkeypatch, tmp_path):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        assert worker_device("cuda", Scratch(tmp_path)) == "cuda"

    def test_workers_and_their_memory(self, gpus, monkeypatch):
        monkeypatch.setattr(resources, "available_memory", lambda device: 600)
        assert [choose_jobs(device) for device in ("cuda", "cuda:1")] == [3, 1]
        assert [worker_memory("cuda", jobs) for jobs in (1, 3, 4)] == [600, 600, 300]
        assert [worker_memory(device, 3) for device in ("cuda:0", "cpu")] == [200, 200]
