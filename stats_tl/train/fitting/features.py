"""Where a cell's inputs come from: activations at the freeze boundary, or images.

Everything in front of the freeze boundary is fixed, so without augmentation its
output is computed once per task, backbone, arm and boundary, and shared by all cells
behind it. So is that of a number of augmentation views, which epochs then take in turn;
with new views in every epoch the images pass through the frozen stages each time.
"""

from __future__ import annotations

__all__ = [
    "CachedActivations",
    "ImagePass",
    "Inputs",
    "compute_activations",
]

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch

from ..machine.placement import DeviceRows
from ..machine.precision import lower_precision
from ..networks.staged import Backbone
from .augmentation import apply_affine, draw_affine

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
    activations : ndarray of shape ((1 + views) n, ...), dtype float32 or float16
        Of the n images, then of each view of them. May be memory-mapped.
    device : torch.device
    views : int, optional
        Epochs train on these in turn; on the images themselves where there are none.

    Attributes
    ----------
    pooled : bool
        True if these are features behind the last stage.
    """

    def __init__(self, activations: np.ndarray, device: torch.device, *, views: int = 0):
        self._activations = DeviceRows(activations, device)
        self._n, self._views = len(activations) // (1 + views), views
        self.pooled = activations.ndim == 2
        self.evaluation_size = FEATURES_BATCH if self.pooled else image_batch(device)

    def training_batch(
        self, cases: torch.Tensor, generator: torch.Generator | None, epoch: int
    ) -> torch.Tensor:
        """Activations of `cases` in the view of an epoch; nothing is drawn from `generator`."""
        view = 1 + (epoch - 1) % self._views if self._views else 0
        return self._activations.take(cases + view * self._n).float()

    def evaluation_batch(self, cases: torch.Tensor) -> torch.Tensor:
        """Activations of `cases`, never augmented."""
        return self._activations.take(cases).float()


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
    views : sequence of Tensor of shape (n, 2, 3), optional
        Transforms of every image that epochs take in turn, instead of new ones.
    precision : {"float32", "float16", "bfloat16"}, optional
        Of the frozen stages, as in the plan's ``activations``: float16 rounds their output,
        bfloat16 is what they compute in where the device has it.
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
        views: Sequence[torch.Tensor] = (),
        precision: str = "float32",
    ):
        self._images = DeviceRows(images, device)
        self._backbone, self._boundary = backbone, boundary
        self._preprocess, self._augment = preprocess, augment
        self._views, self._precision = views, precision
        self._device = device
        # What could be cached has the precision of the cache, whatever that of training.
        self._full_precision = boundary > 0 and (not augment or len(views) > 0)
        self.evaluation_size = image_batch(device)

    def training_batch(
        self, cases: torch.Tensor, generator: torch.Generator | None, epoch: int
    ) -> torch.Tensor:
        """Activations of `cases`, augmented by the epoch's view or by draws from `generator`."""
        images = self._images.take(cases)
        if self._views:
            images = apply_affine(images, self._views[(epoch - 1) % len(self._views)][cases])
        elif self._augment:
            assert generator is not None
            images = apply_affine(images, draw_affine(len(cases), generator))
        return self._through_prefix(images)

    def evaluation_batch(self, cases: torch.Tensor) -> torch.Tensor:
        """Activations of `cases`, never augmented."""
        return self._through_prefix(self._images.take(cases))

    def _through_prefix(self, images: torch.Tensor) -> torch.Tensor:
        if self._full_precision or not torch.is_autocast_enabled(self._device.type):
            context = _frozen_precision(self._precision, self._device)
        else:
            context = torch.autocast(self._device.type)
        with context:
            output = _through_prefix(images, self._backbone, self._boundary, self._preprocess)
        return output.half().float() if self._precision == "float16" else output


def _frozen_precision(precision: str, device: torch.device) -> torch.autocast:
    """What frozen stages compute in; also within the autocast of those that are trained."""
    dtype = lower_precision("bfloat16", device) if precision == "bfloat16" else None
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)


@torch.no_grad()
def _through_prefix(
    images: torch.Tensor, backbone: Backbone, boundary: int, preprocess: Preprocess
) -> torch.Tensor:
    """Output of the frozen stages.

    On the CPU always :data:`CPU_BATCH` images at a time, the last batch filled up: a library
    may choose another algorithm, which rounds differently, for another number of images.
    So an image has the same output in whatever company it comes, and what is cached has
    the bits of what is computed in every epoch.
    """
    if images.device.type == "cpu":
        missing = -len(images) % CPU_BATCH
        filled = torch.cat([images, images[-1:].expand(missing, *images.shape[1:])])
        batches = torch.split(filled, CPU_BATCH)
    else:
        batches = (images,)
    outputs = [
        backbone.prefix(preprocess(x).contiguous(memory_format=torch.channels_last), boundary)
        for x in batches
    ]
    return torch.cat(outputs)[: len(images)]


def compute_activations(
    images: np.ndarray,
    backbone: Backbone,
    boundary: int,
    preprocess: Preprocess,
    device: torch.device,
    *,
    views: Sequence[torch.Tensor] = (),
    precision: str = "float32",
) -> Iterator[np.ndarray]:
    """Output of the frozen stages for every image, then for every view of it.

    Parameters
    ----------
    images : ndarray of shape (n, channels, size, size), dtype uint8
    backbone : Backbone
    boundary : int
        Number of frozen stages.
    preprocess : callable
    device : torch.device
    views : sequence of Tensor of shape (n, 2, 3), optional
        From :func:`stats_tl.train.fitting.augmentation.draw_affine`.
    precision : {"float32", "float16", "bfloat16"}, optional
        As in :class:`ImagePass`; float16 is kept so, the others in float32.

    Yields
    ------
    ndarray of shape (batch, ...), dtype float32 or float16
        A batch at a time, (1 + views) n rows in all, so that what is larger than memory can
        go to a file. Pooled features where every stage is frozen.
    """
    backbone = backbone.to(device).eval()
    size = image_batch(device)
    for view in (None, *views):
        for start in range(0, len(images), size):
            part = slice(start, start + size)
            with torch.inference_mode():
                batch = torch.from_numpy(np.ascontiguousarray(images[part])).to(device)
                if view is not None:
                    batch = apply_affine(batch, view[part])
                with _frozen_precision(precision, device):
                    output = _through_prefix(batch, backbone, boundary, preprocess)
                output = output.half() if precision == "float16" else output.float()
                yield output.contiguous().cpu().numpy()
