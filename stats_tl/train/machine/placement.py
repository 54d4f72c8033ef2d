"""Arrays that every batch takes rows of: on the device where they fit, else in main memory."""

from __future__ import annotations

__all__ = ["DeviceRows"]

import numpy as np
import torch

from .resources import available_memory

#: Of the device's free memory, what one array may take; the rest is for training.
SHARE = 0.5


class DeviceRows:
    """Rows of an array, on a device.

    Parameters
    ----------
    array : ndarray of shape (n, ...)
        May be memory-mapped.
    device : torch.device
    room : int, optional
        Bytes that the array may take on the device; by default :data:`SHARE` of what is free
        there. A larger one stays in main memory, and the rows of a batch are copied.

    Attributes
    ----------
    resident : bool
        True if the whole array lies on the device.
    """

    def __init__(self, array: np.ndarray, device: torch.device, *, room: int | None = None):
        self._rows, self._device = torch.from_numpy(array), device
        self.resident = device.type == "cpu"
        if not self.resident:
            if room is None:
                room = int(SHARE * available_memory(str(device)))
            if array.nbytes <= room:
                self._rows, self.resident = self._rows.to(device), True

    def take(self, indices: torch.Tensor) -> torch.Tensor:
        """The rows at `indices`, of any device."""
        rows = self._rows.index_select(0, indices.to(self._rows.device))
        return rows.to(self._device)
