"""Where a cell's inputs come from: activations at the freeze boundary, or images.

Everything in front of the freeze boundary is fixed, so without augmentation its
output is computed once per task, backbone, arm and boundary, and shared by all cells
behind it. With augmentation the images pass through the frozen stages in every epoch.
"""

from __future__ import annotations

__all__ = ["CachedActivations", "ImagePass", "Inputs", "compute_activations"]

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch

from .augmentation import apply_affine, draw_affine
from .backbones import Backbone

#: Cases at a time when nothing is trained: images on the CPU profit from staying in its
#: cache, features are small.
CPU_BATCH, CUDA_BATCH, FEATURES_BATCH = 16, 256, 4096

Preprocess = Callable[[torch.Tensor], torch.Tensor]


def image_batch(device: torch.device) -> int:
    """Images that pass through a network at a time when nothing is trained."""
    return CUDA_BATCH if device.type == "cuda" else CPU_BATCH


class Inputs(Protocol):
    """Inputs of the trainable part for any cases.

    Attributes
    ----------
    evaluation_size : int
        Cases to evaluate at a time.
    """

    evaluation_size: int

    def training_batch(
        self, cases: torch.Tensor, generator: torch.Generator | None, epoch: int
    ) -> torch.Tensor: ...

    def evaluation_batch(self, cases: torch.Tensor) -> torch.Tensor: ...


class CachedActivations:
    """Activations at the freeze boundary of all cases of a task.

    Parameters
    ----------
    activations : ndarray of shape (n, ...)
        May be memory-mapped.
    device : torch.device
    """

    def __init__(self, activations: np.ndarray, device: torch.device):
        self._activations = torch.from_numpy(activations)
        self.evaluation_size = FEATURES_BATCH if activations.ndim == 2 else image_batch(device)
        if device.type != "cpu":
            self._activations = self._activations.to(device)

    def training_batch(
        self, cases: torch.Tensor, generator: torch.Generator | None, epoch: int
    ) -> torch.Tensor:
        """Activations of `cases`; `generator` is not used, for nothing is drawn."""
        return self.evaluation_batch(cases)

    def evaluation_batch(self, cases: torch.Tensor) -> torch.Tensor:
        """Activations of `cases`."""
        return self._activations.index_select(0, cases.to(self._activations.device))

    def all_of(self, cases: torch.Tensor) -> torch.Tensor:
        """Activations of any number of `cases`, gathered at once."""
        return self.evaluation_batch(cases)


class ImagePass:
    """Images through the frozen stages, each time anew.

    Parameters
    ----------
    images : ndarray of shape (n, channels, size, size), dtype uint8
    backbone : Backbone
        Its stages before `boundary` are frozen.
    boundary : int
    preprocess : callable
        From uint8 images to the backbone's input.
    augment : bool
        Draw a new affine transform of every training image.
    device : torch.device
    """

    def __init__(
        self,
        images: np.ndarray,
        backbone: Backbone,
        boundary: int,
        preprocess: Preprocess,
        *,
        augment: bool,
        device: torch.device,
    ):
        self._images = torch.from_numpy(images)
        if device.type != "cpu":
            self._images = self._images.to(device)
        self._backbone, self._boundary = backbone, boundary
        self._preprocess, self._augment = preprocess, augment
        self.evaluation_size = image_batch(device)

    def training_batch(
        self, cases: torch.Tensor, generator: torch.Generator | None, epoch: int
    ) -> torch.Tensor:
        """Activations of `cases`, augmented by transforms drawn from `generator`."""
        images = self._images[cases.to(self._images.device)]
        if self._augment:
            assert generator is not None
            images = apply_affine(images, draw_affine(len(cases), generator))
        return self._through_prefix(images)

    def evaluation_batch(self, cases: torch.Tensor) -> torch.Tensor:
        """Activations of `cases`, never augmented."""
        return self._through_prefix(self._images[cases.to(self._images.device)])

    @torch.no_grad()
    def _through_prefix(self, images: torch.Tensor) -> torch.Tensor:
        inputs = self._preprocess(images).contiguous(memory_format=torch.channels_last)
        return self._backbone.prefix(inputs, self._boundary)


@torch.inference_mode()
def compute_activations(
    images: np.ndarray,
    backbone: Backbone,
    boundary: int,
    preprocess: Preprocess,
    device: torch.device,
) -> np.ndarray:
    """Output of the frozen stages for every image.

    Parameters
    ----------
    images : ndarray of shape (n, channels, size, size), dtype uint8
    backbone : Backbone
    boundary : int
        Number of frozen stages.
    preprocess : callable
    device : torch.device

    Returns
    -------
    ndarray of shape (n, ...), dtype float32
        Pooled features where every stage is frozen.
    """
    backbone = backbone.to(device).eval()
    size, batches = image_batch(device), []
    for start in range(0, len(images), size):
        batch = torch.from_numpy(np.ascontiguousarray(images[start : start + size])).to(device)
        inputs = preprocess(batch).contiguous(memory_format=torch.channels_last)
        output = backbone.prefix(inputs, boundary)
        batches.append(output.float().contiguous().cpu().numpy())
    return np.concatenate(batches)
