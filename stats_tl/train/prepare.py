"""What the chunks of a unit share: weights, the network, and the inputs behind the boundary."""

from __future__ import annotations

__all__ = [
    "Prepared",
    "activation_bytes",
    "describe_caches",
    "prepare_unit",
]

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from .fitting.augmentation import draw_affine
from .fitting.features import (
    CachedActivations,
    ImagePass,
    Inputs,
    compute_activations,
)
from .machine.scratch import Scratch
from .networks.backbones import build_backbone, freeze_boundary
from .networks.preprocessing import PREPROCESSING
from .networks.staged import Backbone, freeze
from .networks.survey import survey_backbone
from .networks.weights import LoadedWeights, resolve_weights
from .planning.memory import format_bytes
from .planning.units import Unit, image_size, views_seed, weights_seed


@dataclass(frozen=True)
class Prepared:
    """Shared by the cells of a unit; the backbone is not to be changed."""

    weights: LoadedWeights
    backbone: Backbone
    inputs: Inputs


def activation_bytes(unit: Unit, n_cases: int) -> int:
    """Size of the activations of a unit; 0 where nothing about them is fixed."""
    if not unit.cacheable:
        return 0
    setting = unit.first.setting
    values = unit.rows * n_cases
    for length in survey_backbone(setting.backbone, image_size(unit.first)).shapes[unit.boundary]:
        values *= length
    return values * (2 if setting.training.activations == "float16" else 4)


def describe_caches(
    units: Iterable[Unit], n_cases: Mapping[str, int], cache_bytes: int
) -> Iterator[str]:
    """Sentences on what is kept of the frozen stages, and what is too large for it.

    Parameters
    ----------
    units : iterable of Unit
    n_cases : mapping of str to int
        Cases by task.
    cache_bytes : int
        Largest set of activations kept for one feature pass.
    """
    sizes = [activation_bytes(unit, n_cases[unit.first.setting.task.name]) for unit in units]
    kept = [size for size in sizes if 0 < size <= cache_bytes]
    large = [size for size in sizes if size > cache_bytes]
    if kept:
        each = "" if len(kept) == 1 else f", the largest {format_bytes(max(kept))}"
        passes = "1 feature pass" if len(kept) == 1 else f"{len(kept)} feature passes"
        yield (
            f"activations of {passes} are kept in the temporary folder: "
            f"{format_bytes(sum(kept))}{each}"
        )
    if large:
        passes = "those of 1 more are" if len(large) == 1 else f"those of {len(large)} more are"
        yield (
            f"{passes} larger than --cache-gib {cache_bytes / 2**30:g} (up to "
            f"{format_bytes(max(large))}): there the images pass through the frozen stages in "
            "every epoch"
        )


def prepare_unit(
    unit: Unit, scratch: Scratch, base: Path, device: torch.device, cache_bytes: int
) -> Prepared:
    """Load weights, and compute or find activations.

    Parameters
    ----------
    unit : Unit
    scratch : Scratch
        Holds the images of the task; gets the activations.
    base : Path
        Folder that relative weight files start from.
    device : torch.device
    cache_bytes : int
        Larger activations are recomputed in every epoch.
    """
    first = unit.first
    weights = resolve_weights(
        first.setting.arm, first.setting.backbone, base=base, seed=weights_seed(first)
    )
    backbone = _backbone(unit, weights).to(device)
    inputs = _inputs(
        unit, weights, backbone, scratch=scratch, device=device, cache_bytes=cache_bytes
    )
    return Prepared(weights, backbone, inputs)


def _backbone(unit: Unit, weights: LoadedWeights) -> Backbone:
    backbone = build_backbone(unit.first.setting.backbone)
    backbone.load_library_state_dict(weights.state_dict)
    depth = unit.first.setting.unfreeze
    # Refuses a depth that would train nothing on this very network.
    freeze(backbone, freeze_boundary(backbone, "all" if depth == "all" else int(depth)))
    # torch's annotations lack the keyword.
    laid_out: Backbone = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return laid_out


def _inputs(
    unit: Unit,
    weights: LoadedWeights,
    backbone: Backbone,
    *,
    scratch: Scratch,
    device: torch.device,
    cache_bytes: int,
) -> Inputs:
    """Cached activations where they are fixed and fit, else the images themselves."""
    training, task = unit.first.setting.training, unit.first.setting.task.name
    images = scratch.get(f"images-{task}-{image_size(unit.first)}")
    preprocess = PREPROCESSING[weights.record["preprocessing"]]
    views = [
        draw_affine(len(images), torch.Generator().manual_seed(views_seed(unit.first, view)))
        for view in range(training.augmentation_views)
    ]
    if unit.cacheable and activation_bytes(unit, len(images)) <= cache_bytes:
        activations = scratch.get_or_make(
            "activations-" + "-".join(map(str, unit.key)),
            unit.rows * len(images),
            lambda: compute_activations(
                images,
                backbone,
                unit.boundary,
                preprocess,
                device,
                views=views,
                precision=training.activations,
            ),
        )
        return CachedActivations(activations, device, views=len(views))
    return ImagePass(
        images, backbone, unit.boundary, preprocess, augment=training.augmentation != "none",
        device=device, views=views, precision=training.activations,
    )  # fmt: skip
