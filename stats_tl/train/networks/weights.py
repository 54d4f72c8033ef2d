"""The weights that an arm of a study begins with, and where they came from.

Every source ends in the same thing: the library's keys for the whole backbone, and a
record for the archive that says what was loaded. Files are looked at before they are
trusted: hash, names, shapes, finite numbers. Nothing is bundled with stats_tl; what is
not on the machine is fetched from where its authors published it, or missed in one
sentence that says where to get it and where to put it.

References
----------
.. [1] X. Mei et al., "RadImageNet: an open radiologic deep learning research dataset for
   effective transfer learning", Radiology: Artificial Intelligence 4, 2022.
   :doi:`10.1148/ryai.210315`
"""

from __future__ import annotations

__all__ = ["LoadedWeights", "resolve_weights", "save_backbone"]

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch

from ...errors import UserError
from ...study.keys import table_key
from ...study.plan import TIMM, Arm
from .backbones import build_backbone
from .checkpoint import Placed, State, find_backbone, state_digest
from .companions import check_companions
from .preprocessing import GREY, default_preprocessing
from .published import Published, published_weights
from .reading import RECORD_KEY, StateFile, read_state_file
from .staged import Backbone
from .timm_networks import describe_timm, scaling_of

UNSTATED = "not stated"  # the licence of a checkpoint
#: What of the record in a file of ours is carried on.
LINEAGE = ("cell_id", "key", "weights")


@dataclass(frozen=True)
class LoadedWeights:
    """Weights of a backbone.

    Attributes
    ----------
    state_dict : dict of str to Tensor
        By its library's keys, float32, for :meth:`Backbone.load_library_state_dict`.
    record : dict
        As JSON types: ``name``, ``source``, ``variant``, ``licence``, ``sha256`` (of the
        file; of the tensors where there is none), ``preprocessing``, ``origin`` (file name
        or address), ``seed``, ``dropped`` (keys left out), ``notes``, ``trained_from``
        (for a backbone that stats_tl trained: its cell, and the weights that began with).
    """

    state_dict: State
    record: dict[str, Any]


def resolve_weights(arm: Arm, backbone: str, *, base: Path, seed: int | None) -> LoadedWeights:
    """Load the weights of an arm for a backbone.

    Parameters
    ----------
    arm : Arm
        An arm of the plan.
    backbone : str
    base : Path
        Folder of the plan, to which its paths are relative.
    seed : int or None
        Of random weights; other sources do not use it.

    Returns
    -------
    LoadedWeights

    Raises
    ------
    UserError
        If the weights are not to be had, are not those that the plan says, or do not fit.

    Examples
    --------
    >>> arm = Arm(name="scratch", source="random")
    >>> weights = resolve_weights(arm, "squeezenet1_1", base=Path(), seed=1)
    >>> weights.record["origin"], weights.record["preprocessing"]
    ('initialised by torchvision', 'imagenet')
    """
    if arm.source == "random":
        return _random(arm, backbone, seed)
    published = published_weights(arm, backbone)
    path, origin = _locate(arm, backbone, base, published)
    file = read_state_file(path, expected_sha256=arm.sha256.get(backbone))
    own = backbone in arm.files
    if published is not None and not own and not _pinned(arm, backbone):
        _check_cached(path, file, published.sha256)
    differences = _differences(published, file) if published is not None and own else []
    stated = check_companions(path, backbone, file.architecture)
    placed = find_backbone(file.groups, backbone, name=file.name, network=arm.network.get(backbone))
    trained = file.record.get("weights", {}) if arm.source == "checkpoint" else {}
    scaling = arm.preprocessing or trained.get("preprocessing") or stated
    if scaling is None and published is not None:
        scaling = published.preprocessing
    variant = published.variant if published is not None else None
    licence = published.licence if published is not None else UNSTATED
    return LoadedWeights(
        placed.state,
        {
            "name": f"{backbone} {variant or arm.source}",
            "source": arm.source,
            "variant": variant,
            "licence": trained.get("licence", licence),
            "sha256": file.sha256,
            "preprocessing": _preprocessing(arm, backbone, placed, scaling, file.name),
            "origin": file.name if own else origin,
            "seed": None,
            "dropped": placed.dropped,
            "notes": differences + placed.notes + file.notes + _network_notes(backbone),
            "trained_from": {key: file.record[key] for key in LINEAGE if key in file.record}
            or None,
        },
    )


def _locate(arm: Arm, backbone: str, base: Path, published: Published | None) -> tuple[Path, str]:
    """The file of the weights, fetched if need be, and where it comes from."""
    if backbone in arm.files:
        path = arm.weight_file(backbone, base)
        if not path.is_file():
            raise UserError(
                f"arm {arm.name!r}: no weights of {backbone} at {path}; "
                f"expected the file that the plan's `files` names"
            )
        return path, path.name
    if published is None:
        raise UserError(
            f"arm {arm.name!r}: no weights of {backbone} are named; expected a key of it in "
            f"files = {{ {table_key(backbone)} = '<path>' }}"
        )
    return published.fetch()


def _differences(published: Published, file: StateFile) -> list[str]:
    """How a local file differs from what its source publishes, as far as is known."""
    if published.sha256 and file.sha256.startswith(published.sha256):
        return []
    reason = "has another hash" if published.sha256 else "has no hash to compare with"
    return [f"local file taken as given: {published.name} {reason}"]


def _pinned(arm: Arm, backbone: str) -> bool:
    """Whether the plan's own hash stands for the published one."""
    return arm.source == "radimagenet" and backbone in arm.sha256


def _check_cached(path: Path, file: StateFile, known: str) -> None:
    if not file.sha256.startswith(known):
        raise UserError(
            f"weights {path}: the file's sha256 is {file.sha256}, its source published "
            f"{known}...; remove it to have it fetched again, or, if this version is meant, "
            "name it in the arm's `files`"
        )


def _network_notes(backbone: str) -> list[str]:
    """Whose network the weights were put into, where that changes with a release."""
    if not backbone.startswith(TIMM):
        return []
    found = describe_timm(backbone)
    return [f"network and input of timm {found.version}, configuration {found.configuration}"]


def _preprocessing(arm: Arm, backbone: str, placed: Placed, scaling: str | None, name: str) -> str:
    """The input scaling, where it can be known; a wrong one is silent, so none is guessed."""
    if placed.one_channel and scaling not in GREY:
        given = "none is given" if scaling is None else f"{scaling!r} differs between channels"
        raise UserError(
            f"weights {name}: the first layer takes grey images of one channel, which needs a "
            f"scaling that is the same for all, and {given}: set the arm's preprocessing to "
            "'xrayvision' (torchxrayvision, -1024 to 1024), 'symmetric' (-1 to 1) or 'unit' "
            "(0 to 1)"
        )
    if scaling is None and arm.source == "checkpoint" and backbone == "inception_v3":
        raise UserError(
            f"weights {name}: InceptionV3 needs the arm's preprocessing, which no file states: "
            "'symmetric' if it was fine-tuned from torchvision's weights (whose network rescales "
            "ImageNet's scaling to -1..1 inside) or is timm's, 'imagenet' if it was trained from "
            "scratch on images scaled so"
        )
    return scaling or _default_scaling(arm.source, backbone)


def _default_scaling(source: str, backbone: str) -> str:
    """timm's configuration says what a network of it wants; else what the source's authors fed."""
    if backbone.startswith(TIMM):
        return scaling_of(describe_timm(backbone))
    return default_preprocessing(source, backbone)


def _random(arm: Arm, backbone: str, seed: int | None) -> LoadedWeights:
    if seed is None:
        raise ValueError("`seed` must be given for random weights, got None")
    state = build_backbone(backbone, seed=seed).library_state_dict()
    library = "timm" if backbone.startswith(TIMM) else "torchvision"
    record: dict[str, Any] = {
        "name": f"{backbone} random",
        "source": "random",
        "variant": None,
        "licence": "none needed",
        "sha256": state_digest(state),
        "preprocessing": arm.preprocessing or _default_scaling("random", backbone),
        "origin": f"initialised by {library}",
        "seed": seed,
        "dropped": [],
        "notes": _network_notes(backbone),
        "trained_from": None,
    }
    return LoadedWeights(state, record)


def save_backbone(backbone: Backbone, record: Mapping[str, Any]) -> bytes:
    """A trained backbone as the bytes of a safetensors file.

    Such a file is an arm of a later study: ``source = "checkpoint"``. Its metadata hold
    `record`, whose entry ``weights`` (of :class:`LoadedWeights`) hands the input scaling
    and the licence on.

    Parameters
    ----------
    backbone : Backbone
    record : mapping
        JSON types.

    Returns
    -------
    bytes
        The same for the same tensors and record.
    """
    state = {
        key: value.detach().cpu().contiguous()
        for key, value in backbone.library_state_dict().items()
    }
    # One entry: safetensors writes several in random order.
    text = json.dumps(dict(record), sort_keys=True, allow_nan=False)
    return safetensors.torch.save(state, metadata={RECORD_KEY: text})
