"""What lies on the device, and what has to be copied to it."""

import numpy as np
import pytest
import torch

from stats_tl.train.machine import placement
from stats_tl.train.machine.placement import DeviceRows

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
