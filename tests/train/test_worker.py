"""What a worker holds between the chunks of a run."""

import numpy as np
import pytest
import torch

from stats_tl.study.cells import plan_cells
from stats_tl.study.loading import parse_plan
from stats_tl.train import worker
from stats_tl.train.machine.scratch import Scratch
from stats_tl.train.planning.units import plan_units
from stats_tl.train.worker import Holdings, holdings_of_thread, release_holdings

CPU = torch.device("cpu")


@pytest.fixture
def units(tiny):
    return plan_units(plan_cells(parse_plan(tiny)))


@pytest.fixture
def scratch(tmp_path):
    scratch = Scratch(tmp_path)
    scratch.put("images-breast-48", 5, [np.zeros((5, 1, 48, 48), np.uint8)])
    return scratch


def test_what_was_prepared_last_is_kept(units, scratch, tmp_path):
    holdings = Holdings(scratch)
    first = holdings.prepared(units[0], tmp_path, CPU, 2**30)
    assert holdings.prepared(units[0], tmp_path, CPU, 2**30) is first
    assert holdings.prepared(units[0], tmp_path, CPU, 10) is not first  # another limit
    other = holdings.prepared(units[1], tmp_path, CPU, 2**30)
    assert holdings.prepared(units[1], tmp_path, CPU, 2**30) is other
    assert holdings.prepared(units[0], tmp_path, CPU, 2**30) is not first  # let go meanwhile


def test_the_last_is_let_go_before_the_next_takes_memory(units, scratch, tmp_path, monkeypatch):
    holdings = Holdings(scratch)
    monkeypatch.setattr(worker, "prepare_unit", lambda *_: object())
    holdings.prepared(units[0], tmp_path, CPU, 2**30)
    held = []

    def prepare(*_):
        held.append(holdings._prepared)
        raise MemoryError

    monkeypatch.setattr(worker, "prepare_unit", prepare)
    with pytest.raises(MemoryError):
        holdings.prepared(units[1], tmp_path, CPU, 2**30)
    assert held == [None]
    monkeypatch.setattr(worker, "prepare_unit", lambda *_: "again")
    assert holdings.prepared(units[0], tmp_path, CPU, 2**30) == "again"


def test_a_thread_holds_for_one_run_only(scratch, tmp_path):
    first = holdings_of_thread(scratch)
    assert holdings_of_thread(Scratch(tmp_path)) is first  # the same folder, sent anew
    (tmp_path / "other").mkdir()
    assert holdings_of_thread(Scratch(tmp_path / "other")) is not first
    release_holdings()
    assert holdings_of_thread(scratch) is not first
    release_holdings()
