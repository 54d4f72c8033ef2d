"""Whose device it is, and what memory each worker has."""

import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from stats_tl.train.machine import resources
from stats_tl.train.machine.resources import choose_jobs, take_device, worker_memory
from stats_tl.train.machine.scratch import Scratch
from stats_tl.train.worker import holdings_of_thread


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
                return [holdings_of_thread(scratch).device("cuda") for _ in range(2)]

            found = list(pool.map(work, range(5)))
        assert all(first == again for first, again in found)
        counts = Counter(first for first, _ in found)
        assert sorted(counts) == ["cuda:0", "cuda:1", "cuda:2"]
        assert max(counts.values()) == 2

    def test_that_of_a_dead_worker_is_free_again(self, gpus, tmp_path):
        code = (
            "import pathlib, sys, torch; torch.cuda.device_count = lambda: 3\n"
            "from stats_tl.train.machine.resources import take_device\n"
            "from stats_tl.train.machine.scratch import Scratch\n"
            "print(take_device('cuda', Scratch(pathlib.Path(sys.argv[1]))))"
        )
        for _ in range(2):
            command = [sys.executable, "-c", code, str(tmp_path)]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            assert answer.stdout.strip() == "cuda:0"

    @pytest.mark.parametrize("name", ["cpu", "cuda:1"])
    def test_a_named_device_stays(self, gpus, tmp_path, name):
        assert take_device(name, Scratch(tmp_path)) == name
        assert not list(tmp_path.iterdir())

    def test_one_gpu_needs_no_places(self, monkeypatch, tmp_path):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        assert take_device("cuda", Scratch(tmp_path)) == "cuda"

    def test_workers_and_their_memory(self, gpus, monkeypatch):
        monkeypatch.setattr(resources, "available_memory", lambda device: 600)
        assert [choose_jobs(device) for device in ("cuda", "cuda:1")] == [3, 1]
        assert [worker_memory("cuda", jobs) for jobs in (1, 3, 4)] == [600, 600, 300]
        assert [worker_memory(device, 3) for device in ("cuda:0", "cpu")] == [200, 200]
