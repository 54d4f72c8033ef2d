"""The weights that an arm of a study begins with, and where they came from.

Every source ends in the same thing: torchvision's keys for the whole backbone, and a
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

import contextlib
import json
import re
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import huggingface_hub
import safetensors.torch
import torch

from ...errors import UserError, suggest
from ...study.plan import Arm
from .backbones import Backbone, build_backbone
from .checkpoint import Placed, State, map_to_torchvision, state_digest
from .companions import check_companions
from .preprocessing import GREY, default_preprocessing
from .reading import RECORD_KEY, StateFile, read_state_file
from .torchvision_ops import models

RADIMAGENET_REPOSITORY = "Lab-Rasool/RadImageNet"
RADIMAGENET_FILES = {
    "resnet50": "ResNet50.pt",
    "densenet121": "DenseNet121.pt",
    "inception_v3": "InceptionV3.pt",
}
#: Of the hub's files, where it has been established.
RADIMAGENET_SHA256 = {
    "resnet50": "08629f7e7bd3e29b8ee9522ca3f65ce4d010a7ddf74f0ea3c7e3f3d0bbab0734"
}
LICENCES = {
    "imagenet": "torchvision weights, BSD-3-Clause; ImageNet's images are for research use",
    "radimagenet": "tagged MIT on the hub; the authors' terms for redistribution are unclear",
    "random": "none needed",
    "checkpoint": "not stated",
}
#: What of the record in a file of ours is carried on.
LINEAGE = ("cell_id", "key", "weights")
TIMEOUT = 20.0  # seconds without an answer


@dataclass(frozen=True)
class LoadedWeights:
    """Weights of a backbone.

    Attributes
    ----------
    state_dict : dict of str to Tensor
        By torchvision's keys, float32, for :meth:`Backbone.load_torchvision_state_dict`.
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
    path, origin = _locate(arm, backbone, base)
    expected = arm.sha256.get(backbone)
    file = read_state_file(path, expected_sha256=expected)
    if backbone in arm.files:
        origin = file.name
        differences = _differences(arm, backbone, file)
    else:
        _check_published(arm, backbone, path, file)
        differences = []
    variant = _torchvision_entry(arm, backbone).name if arm.source == "imagenet" else None
    stated = check_companions(path, backbone, file.architecture)
    placed = map_to_torchvision(
        file.groups, backbone, name=file.name, network=arm.network.get(backbone)
    )
    trained = file.record.get("weights", {}) if arm.source == "checkpoint" else {}
    scaling = arm.preprocessing or trained.get("preprocessing") or stated
    return LoadedWeights(
        placed.state,
        {
            "name": f"{backbone} {variant or arm.source}",
            "source": arm.source,
            "variant": variant,
            "licence": trained.get("licence", LICENCES[arm.source]),
            "sha256": file.sha256,
            "preprocessing": _preprocessing(arm, backbone, placed, scaling, file.name),
            "origin": origin,
            "seed": None,
            "dropped": placed.dropped,
            "notes": differences + placed.notes + file.notes,
            "trained_from": {key: file.record[key] for key in LINEAGE if key in file.record}
            or None,
        },
    )


def _locate(arm: Arm, backbone: str, base: Path) -> tuple[Path, str]:
    """The file of the weights, fetched if need be, and where it comes from."""
    if backbone in arm.files:
        path = arm.weight_file(backbone, base)
        if not path.is_file():
            raise UserError(
                f"arm {arm.name!r}: no weights of {backbone} at {path}; "
                f"expected the file that the plan's `files` names"
            )
        return path, path.name
    if arm.source == "imagenet":
        url = _torchvision_entry(arm, backbone).url
        return _fetch_torchvision(arm, backbone, url), url
    if arm.source == "radimagenet":
        path = _fetch_radimagenet(arm, backbone)
        return path, _hub_address(path)
    raise UserError(
        f"arm {arm.name!r}: no weights of {backbone} are named; expected a key of it in "
        f"files = {{ {backbone} = '<path>' }}"
    )


def _check_published(arm: Arm, backbone: str, path: Path, file: StateFile) -> None:
    """Compare a fetched or cached file with what its source published."""
    if arm.source == "imagenet":
        _check_cached(path, file, _hash_in_name(_torchvision_entry(arm, backbone).url))
    elif backbone not in arm.sha256:
        _check_cached(path, file, RADIMAGENET_SHA256.get(backbone, ""))


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
    return scaling or default_preprocessing(arm.source, backbone)


def _random(arm: Arm, backbone: str, seed: int | None) -> LoadedWeights:
    if seed is None:
        raise ValueError("`seed` must be given for random weights, got None")
    state = build_backbone(backbone, seed=seed).torchvision_state_dict()
    record: dict[str, Any] = {
        "name": f"{backbone} random",
        "source": "random",
        "variant": None,
        "licence": LICENCES["random"],
        "sha256": state_digest(state),
        "preprocessing": arm.preprocessing or default_preprocessing("random", backbone),
        "origin": "initialised by torchvision",
        "seed": seed,
        "dropped": [],
        "notes": [],
        "trained_from": None,
    }
    return LoadedWeights(state, record)


def _torchvision_entry(arm: Arm, backbone: str) -> Any:
    """torchvision's weights of the variant that the plan asks for."""
    variants = models.get_model_weights(backbone)
    if arm.variant not in variants.__members__:
        raise UserError(
            f"arm {arm.name!r}: torchvision has no weights {arm.variant!r} of {backbone}; "
            f"{suggest(arm.variant, variants.__members__)}"
        )
    return variants[arm.variant]


def _hash_in_name(url: str) -> str:
    """The beginning of a file's sha256, which torchvision's file names carry."""
    found = re.search(r"-([0-9a-f]{8,})\.", url)
    return found[1] if found else ""


def _differences(arm: Arm, backbone: str, file: StateFile) -> list[str]:
    """How a local file differs from what its source publishes, as far as is known."""
    if arm.source == "imagenet":
        entry = _torchvision_entry(arm, backbone)
        published = f"torchvision's {_file_name(entry.url)} ({entry.name})"
        known = _hash_in_name(entry.url)
    elif arm.source == "radimagenet":
        published = f"{RADIMAGENET_REPOSITORY}'s {RADIMAGENET_FILES.get(backbone)}"
        known = RADIMAGENET_SHA256.get(backbone, "")
    else:
        return []
    if known and file.sha256.startswith(known):
        return []
    reason = "has another hash" if known else "has no hash to compare with"
    return [f"local file taken as given: {published} {reason}"]


def _check_cached(path: Path, file: StateFile, known: str) -> None:
    if not file.sha256.startswith(known):
        raise UserError(
            f"weights {path}: the file's sha256 is {file.sha256}, its source published "
            f"{known}...; remove it to have it fetched again, or, if this version is meant, "
            "name it in the arm's `files`"
        )


def _fetch_torchvision(arm: Arm, backbone: str, url: str) -> Path:
    path = Path(torch.hub.get_dir()) / "checkpoints" / _file_name(url)
    if path.is_file():
        return path

    def fetch() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(
            url, str(path), hash_prefix=_hash_in_name(url), progress=sys.stderr.isatty()
        )

    _or_missing(fetch, arm, backbone, path.name, address=url, folder=path.parent)
    return path


def _fetch_radimagenet(arm: Arm, backbone: str) -> Path:
    name = RADIMAGENET_FILES.get(backbone)
    if name is None:
        raise UserError(
            f"arm {arm.name!r}: RadImageNet published no weights of {backbone}, only of "
            f"{', '.join(RADIMAGENET_FILES)}; use one of these, or name a file of your own: "
            f"files = {{ {backbone} = '<path>' }}"
        )
    cached = huggingface_hub.try_to_load_from_cache(RADIMAGENET_REPOSITORY, name)
    if isinstance(cached, str):
        return Path(cached)
    address = huggingface_hub.hf_hub_url(RADIMAGENET_REPOSITORY, name)

    def fetch() -> str:
        # The hub's client tries for half a minute where there is no network at all.
        if not huggingface_hub.constants.HF_HUB_OFFLINE:
            with contextlib.suppress(HTTPError):
                urlopen(Request(address, method="HEAD"), timeout=TIMEOUT).close()
        return huggingface_hub.hf_hub_download(RADIMAGENET_REPOSITORY, name)

    return Path(_or_missing(fetch, arm, backbone, name, address=address, folder=None))


def _or_missing(
    fetch: Callable[[], Any],
    arm: Arm,
    backbone: str,
    name: str,
    *,
    address: str,
    folder: Path | None,
) -> Any:
    """What `fetch` gives, or one sentence that says where to get the file and put it."""
    try:
        with _timeout():
            return fetch()
    # Name resolution, proxies, HTTP, hash and disk fail in as many types.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        place = f"put it into {folder}, or " if folder else ""
        raise UserError(
            f"arm {arm.name!r}: {name}, the {arm.source} weights of {backbone}, is not on this "
            f"machine and could not be fetched ({reason}): download it from {address} where "
            f"there is a network, then {place}name it in the plan's arm: "
            f"files = {{ {backbone} = '<path to {name}>' }}"
        ) from None


@contextlib.contextmanager
def _timeout() -> Iterator[None]:
    """A time limit for sockets, which torch.hub does not set: a firewall may never answer."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _file_name(url: str) -> str:
    return Path(urlparse(url).path).name


def _hub_address(path: Path) -> str:
    """Repository, revision and file, from where the hub's cache keeps it."""
    revision = path.parent.name if path.parent.parent.name == "snapshots" else "main"
    return f"hf://{RADIMAGENET_REPOSITORY}@{revision}/{path.name}"


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
        for key, value in backbone.torchvision_state_dict().items()
    }
    # One entry: safetensors writes several in random order.
    text = json.dumps(dict(record), sort_keys=True, allow_nan=False)
    return safetensors.torch.save(state, metadata={RECORD_KEY: text})
