"""What the sources of weights published, and how it comes onto this machine.

torchvision's weights by its own index, timm's and RadImageNet's by the Hugging Face hub.
What is in torch's or the hub's cache is not fetched again; what cannot be fetched is missed
in one sentence that says where to get it and where to put it.
"""

from __future__ import annotations

__all__ = ["Published", "published_weights"]

import contextlib
import re
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

import huggingface_hub
import torch

from ...errors import UserError, suggest
from ...study.keys import table_key
from ...study.plan import TIMM, Arm
from .preprocessing import default_preprocessing
from .timm_networks import TimmNetwork, describe_timm, scaling_of
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
TIMEOUT = 20.0  # seconds without an answer


#: Tags of timm's weights that were trained to tell ImageNet's classes.
IMAGENET_TAG = re.compile(r"(?:^|_)in(?:1|12|21|22)k(?:_|$)")
HUB_FILE = "model.safetensors"


@dataclass(frozen=True)
class Published:
    """What a source published of a backbone.

    Attributes
    ----------
    name : str
        Whose, and which file.
    variant : str or None
    licence : str
    preprocessing : str
        The scaling of its images.
    sha256 : str
        Of the file, or the beginning of it; "" if not known.
    fetch : callable
        Gives the file on this machine and where it comes from.
    cached : callable
        Gives the file if it is on this machine, else None; nothing is fetched.
    address : str
        Where it would be fetched from; "" where nothing is published.
    """

    name: str
    variant: str | None
    licence: str
    preprocessing: str
    sha256: str
    fetch: Callable[[], tuple[Path, str]]
    cached: Callable[[], Path | None]
    address: str


def published_weights(arm: Arm, backbone: str) -> Published | None:
    """What the source of an arm published of a backbone; None for sources that publish nothing.

    Parameters
    ----------
    arm : Arm
    backbone : str

    Returns
    -------
    Published or None

    Raises
    ------
    UserError
        If it has no weights of the arm's variant.
    """
    if arm.source == "radimagenet":
        return _radimagenet(arm, backbone)
    if arm.source != "imagenet":
        return None
    return _timm(arm, backbone) if backbone.startswith(TIMM) else _torchvision(arm, backbone)


def _torchvision(arm: Arm, backbone: str) -> Published:
    variants = models.get_model_weights(backbone)
    if arm.variant not in variants.__members__:
        raise UserError(
            f"arm {arm.name!r}: torchvision has no weights {arm.variant!r} of {backbone}; "
            f"{suggest(arm.variant, variants.__members__)}"
        )
    url = variants[arm.variant].url
    return Published(
        name=f"torchvision's {_file_name(url)} ({arm.variant})",
        variant=arm.variant,
        licence="torchvision weights, BSD-3-Clause; ImageNet's images are for research use",
        preprocessing=default_preprocessing("imagenet", backbone),
        sha256=_hash_in_name(url),
        fetch=lambda: (_fetch_torchvision(arm, backbone, url), url),
        cached=lambda: _existing(_torchvision_place(url)),
        address=url,
    )


def _timm(arm: Arm, backbone: str) -> Published:
    found = _timm_configuration(arm, backbone)
    if not IMAGENET_TAG.search(found.tag):
        raise UserError(
            f"arm {arm.name!r}: timm's tag {found.tag!r} of {backbone} does not say that the "
            "weights were trained on ImageNet's classes (in1k, in12k, in21k, in22k); choose a tag "
            f"that does in `variant` or in the name ({backbone.partition('.')[0]}.<tag>), or "
            'fetch the file and use source = "checkpoint"'
        )
    repository = found.cfg.get("hf_hub_id")
    file = found.cfg.get("hf_hub_filename") or HUB_FILE

    def fetch() -> tuple[Path, str]:
        if not repository:
            raise UserError(
                f"arm {arm.name!r}: timm {found.version} publishes {found.configuration} on no "
                f"hub; name a file: files = {{ {table_key(backbone)} = '<path>' }}"
            )
        path = _fetch_hub(repository, file, arm, backbone)
        return path, _hub_address(repository, path)

    return Published(
        name=f"timm's {found.configuration} ({repository or 'on no hub'})",
        variant=found.tag,
        licence=f"timm's weights, {found.cfg.get('license') or 'licence not stated'}; "
        "ImageNet's images are for research use",
        preprocessing=arm.preprocessing or scaling_of(found),
        sha256="",
        fetch=fetch,
        cached=lambda: _cached_from_hub(repository, file) if repository else None,
        address=huggingface_hub.hf_hub_url(repository, file) if repository else "",
    )


def _timm_configuration(arm: Arm, backbone: str) -> TimmNetwork:
    """The configuration by the arm's variant, else by the tag in the name, else timm's default."""
    if arm.variant == type(arm).model_fields["variant"].default:
        return describe_timm(backbone)
    return describe_timm(f"{backbone.partition('.')[0]}.{arm.variant}")


def _radimagenet(arm: Arm, backbone: str) -> Published:
    file = RADIMAGENET_FILES.get(backbone)

    def fetch() -> tuple[Path, str]:
        if file is None:
            raise UserError(
                f"arm {arm.name!r}: RadImageNet published no weights of {backbone}, only of "
                f"{', '.join(RADIMAGENET_FILES)}; use one of these, or name a file of your own: "
                f"files = {{ {table_key(backbone)} = '<path>' }}"
            )
        path = _fetch_hub(RADIMAGENET_REPOSITORY, file, arm, backbone)
        return path, _hub_address(RADIMAGENET_REPOSITORY, path)

    return Published(
        name=f"{RADIMAGENET_REPOSITORY}'s {file}",
        variant=None,
        licence="tagged MIT on the hub; the authors' terms for redistribution are unclear",
        preprocessing=default_preprocessing("radimagenet", backbone),
        sha256=RADIMAGENET_SHA256.get(backbone, ""),
        fetch=fetch,
        cached=lambda: _cached_from_hub(RADIMAGENET_REPOSITORY, file) if file else None,
        address=huggingface_hub.hf_hub_url(RADIMAGENET_REPOSITORY, file) if file else "",
    )


def _hash_in_name(url: str) -> str:
    """The beginning of a file's sha256, which torchvision's file names carry."""
    found = re.search(r"-([0-9a-f]{8,})\.", url)
    return found[1] if found else ""


def _torchvision_place(url: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / _file_name(url)


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _cached_from_hub(repository: str, name: str) -> Path | None:
    cached = huggingface_hub.try_to_load_from_cache(repository, name)
    return Path(cached) if isinstance(cached, str) else None


def _fetch_torchvision(arm: Arm, backbone: str, url: str) -> Path:
    path = _torchvision_place(url)
    if path.is_file():
        return path

    def fetch() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(
            url, str(path), hash_prefix=_hash_in_name(url), progress=sys.stderr.isatty()
        )

    _or_missing(fetch, arm, backbone, path.name, address=url, folder=path.parent)
    return path


def _fetch_hub(repository: str, name: str, arm: Arm, backbone: str) -> Path:
    if cached := _cached_from_hub(repository, name):
        return cached
    address = huggingface_hub.hf_hub_url(repository, name)

    def fetch() -> str:
        # The hub's client tries for half a minute where there is no network at all.
        if not huggingface_hub.constants.HF_HUB_OFFLINE:
            with contextlib.suppress(HTTPError):
                urlopen(Request(address, method="HEAD"), timeout=TIMEOUT).close()
        return huggingface_hub.hf_hub_download(repository, name)

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
            f"files = {{ {table_key(backbone)} = '<path to {name}>' }}"
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


def _hub_address(repository: str, path: Path) -> str:
    """Repository, revision and file, from where the hub's cache keeps it."""
    revision = path.parent.name if path.parent.parent.name == "snapshots" else "main"
    return f"hf://{repository}@{revision}/{path.name}"
