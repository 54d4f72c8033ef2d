"""Weight files: read without executing anything, and mapped to torchvision's keys.

Users have the same network under different keys: torchvision's own; a backbone inside a
larger model (``module.``, ``model.``, ``backbone.``, ``encoder.``); the ``features`` of a
network alone; or, as RadImageNet's, an ``nn.Sequential`` of a network's children, which
numbers them (``backbone.4.0.conv1.weight`` is ``layer1.0.conv1.weight`` of a ResNet).
:func:`map_to_torchvision` finds the one reading under which every tensor of the backbone
is there, with its shape.

Files in Python's pickle format are read by torch's restricted reader, which builds
tensors and plain containers only.
"""

from __future__ import annotations

__all__ = [
    "RECORD_KEY",
    "StateFile",
    "map_to_torchvision",
    "read_state_file",
    "state_digest",
]

import functools
import hashlib
import io
import itertools
import json
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from ...errors import UserError
from ...study.plan import BACKBONES
from .backbones import build_backbone, torchvision_network

State = dict[str, torch.Tensor]

#: Under this key the metadata of our safetensors files hold our record, as JSON.
RECORD_KEY = "stats_tl"
#: What training scripts put in front of a backbone's keys.
WRAPPERS = ("module.", "_orig_mod.", "model.", "backbone.", "encoder.")
WRAPPED = re.compile(f"^(?:{'|'.join(map(re.escape, WRAPPERS))})+")
#: Where training scripts keep the state among other things.
CONTAINERS = ("state_dict", "model_state_dict", "model", "net")
#: Modules of a whole network that are not part of its backbone.
HEADS = ("fc.", "classifier.", "head.", "heads.", "linear.", "AuxLogits.")
#: Batch counters; older files lack them, and evaluation does not use them.
COUNTER = "num_batches_tracked"
#: torchvision's first DenseNet files have a dot too many: ``norm.1`` for ``norm1``.
DENSELAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
INCEPTION_AUX = "AuxLogits"
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
NAMED = 4


@dataclass(frozen=True)
class StateFile:
    """A weight file as it was read.

    Attributes
    ----------
    name : str
        Of the file, without its folder.
    sha256 : str
        Of its bytes.
    state_dict : dict of str to Tensor
        Keys as in the file.
    record : dict
        What stats_tl wrote into the file's metadata; empty in the files of others.
    """

    name: str
    sha256: str
    state_dict: State
    record: dict[str, Any]


def read_state_file(path: Path, *, expected_sha256: str | None = None) -> StateFile:
    """Read a state dict from a safetensors or torch file.

    Parameters
    ----------
    path : Path
        ``*.safetensors``; anything else is read as a torch file.
    expected_sha256 : str, optional
        Checked before the content is looked at.

    Returns
    -------
    StateFile

    Raises
    ------
    UserError
        If there is no such file, its hash differs, it is damaged, holds anything but
        tensors, or numbers that are not finite.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"weights {path}: cannot be read ({error.strerror})") from None
    sha256 = hashlib.sha256(data).hexdigest()
    if expected_sha256 is not None and sha256 != expected_sha256.strip().lower():
        raise UserError(
            f"weights {path}: the file's sha256 is {sha256}, expected {expected_sha256}; "
            "it is another version or damaged: fetch it again, or mend the plan's `sha256`"
        )
    record: dict[str, Any] = {}
    if path.suffix == ".safetensors":
        state, record = _read_safetensors(data, path)
    else:
        state = _read_torch(data, path)
    for key, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise UserError(f"weights {path}: {key} holds numbers that are not finite")
    return StateFile(path.name, sha256, state, record)


def _read_safetensors(data: bytes, path: Path) -> tuple[State, dict[str, Any]]:
    try:
        state = safetensors.torch.load(data)
    except SafetensorError as error:
        raise _damaged(path, error) from None
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    text = header.get("__metadata__", {}).get(RECORD_KEY, "{}")
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise _damaged(path, error) from None
    return state, record if isinstance(record, dict) else {}


def _read_torch(data: bytes, path: Path) -> State:
    if data.startswith(HDF5_SIGNATURE):
        raise UserError(
            f"weights {path}: a Keras file; these come from a training of their own and have no "
            "torchvision counterpart. Expected a PyTorch or safetensors state dict"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        called = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise UserError(
            f"weights {path}: refused, and nothing of it was executed: the file holds more than "
            f"tensors{f' (it calls {called[1]})' if called else ''}, or something else "
            "altogether. Expected a plain state dict, as torch.save(model.state_dict(), ...) or "
            "safetensors write it"
        ) from None
    except Exception as error:  # torch raises many types for a damaged file
        raise _damaged(path, error) from None
    for key in CONTAINERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        found = "an empty one" if isinstance(content, Mapping) else type(content).__name__
        raise UserError(f"weights {path}: expected a state dict (names and tensors), found {found}")
    strange = [
        str(key)
        for key, value in content.items()
        if not (isinstance(key, str) and torch.is_tensor(value))
    ]
    if strange:
        raise UserError(
            f"weights {path}: expected a state dict (names and tensors), but it also holds "
            f"{_some(strange)}; save model.state_dict() alone, or under the key 'state_dict'"
        )
    return dict(content)


def _damaged(path: Path, error: Exception) -> UserError:
    reason = f"{type(error).__name__}: {error}".splitlines()[0].split(". ")[0]
    kind = "safetensors" if path.suffix == ".safetensors" else "torch"
    return UserError(
        f"weights {path}: not a readable {kind} file, or cut off ({reason}); fetch it again"
    )


@functools.cache
def _shapes(backbone: str) -> dict[str, torch.Size]:
    state = build_backbone(backbone).torchvision_state_dict()
    return {key: value.shape for key, value in state.items()}


@dataclass(frozen=True)
class _Reading:
    """A way to write torchvision's keys: numbers for the names of some children."""

    numbers: Mapping[str, int]
    dropped: str = ""

    def write(self, key: str) -> str:
        """What a file calls a torchvision key."""
        child, _, rest = key.removeprefix(self.dropped).partition(".")
        return f"{self.numbers.get(child, child)}.{rest}"


@functools.cache
def _readings(backbone: str) -> tuple[_Reading, ...]:
    with torch.device("meta"):
        lazy = {"init_weights": False} if backbone == "inception_v3" else {}
        children = [name for name, _ in torchvision_network(backbone, **lazy).named_children()]
    orders = [children]
    if backbone == "inception_v3":
        # With auxiliary logits their module comes in between and shifts what follows.
        place = children.index("Mixed_7a")
        orders.append([*children[:place], INCEPTION_AUX, *children[place:]])
    sequential = [_Reading({child: i for i, child in enumerate(order)}) for order in orders]
    return (_Reading({}), _Reading({}, dropped="features."), *sequential)


def _prefixes(keys: list[str]) -> list[str]:
    """Chains of wrappers that some key begins with, the empty one first."""
    found = [""]
    for prefix in found:
        found += [
            prefix + wrapper
            for wrapper in WRAPPERS
            if any(key.startswith(prefix + wrapper) for key in keys)
        ]
    return found


@dataclass(frozen=True)
class _Fit:
    """How well a state dict fits a backbone, under its best reading."""

    placed: int
    prefix: str
    reading: _Reading
    keys: Mapping[str, str]  # torchvision's to the file's

    def is_head(self, key: str) -> bool:
        """Whether a key of the file belongs to a classifier or to auxiliary logits."""
        numbered = tuple(
            f"{self.prefix}{number}."
            for child, number in self.reading.numbers.items()
            if f"{child}." in HEADS
        )
        return key.startswith(numbered) or WRAPPED.sub("", key).startswith(HEADS)


def _best_fit(state: Mapping[str, torch.Tensor], backbone: str) -> _Fit:
    shapes = _shapes(backbone)
    fits = []
    for prefix, reading in itertools.product(_prefixes(list(state)), _readings(backbone)):
        keys = {key: prefix + reading.write(key) for key in shapes}
        placed = sum(
            source in state and state[source].shape == shapes[key] for key, source in keys.items()
        )
        fits.append(_Fit(placed, prefix, reading, keys))
    return max(fits, key=lambda fit: fit.placed)


def map_to_torchvision(
    state_dict: Mapping[str, torch.Tensor], backbone: str, *, name: str
) -> tuple[State, list[str]]:
    """Bring a state dict to torchvision's keys, without a classifier, in float32.

    Parameters
    ----------
    state_dict : mapping of str to Tensor
        As read.
    backbone : str
    name : str
        Of the file, for messages.

    Returns
    -------
    state_dict : dict of str to Tensor
        Every tensor of the backbone, batch counters included (0 where the file has none).
    dropped : list of str
        Keys that were left out: a classifier, or auxiliary logits.

    Raises
    ------
    UserError
        If a tensor is missing, has another shape, or belongs to no part of the network;
        the message says which backbone the file looks like.
    """
    state = {DENSELAYER.sub(r"\1\2", key): value for key, value in state_dict.items()}
    fit, shapes = _best_fit(state, backbone), _shapes(backbone)
    keys = fit.keys
    missing = [
        source for key, source in keys.items() if source not in state and not key.endswith(COUNTER)
    ]
    misshapen = [
        f"{source} {tuple(state[source].shape)} for {tuple(shapes[key])}"
        for key, source in keys.items()
        if source in state and state[source].shape != shapes[key]
    ]
    rest = sorted(set(state) - set(keys.values()))
    unexpected = [key for key in rest if not fit.is_head(key)]
    if missing or misshapen or unexpected:
        problems = [
            f"{len(found)} {what} ({_some(found)})"
            for what, found in [
                ("missing", missing), ("of another shape", misshapen), ("unexpected", unexpected),
            ]
            if found
        ]  # fmt: skip
        raise UserError(
            f"weights {name} do not fit {backbone}: of {len(shapes)} tensors "
            f"{'; '.join(problems)}{_resemblance(state, backbone)}"
        )
    zero = torch.zeros((), dtype=torch.int64)
    placed = {key: state.get(source, zero) for key, source in keys.items()}
    return {
        key: value.to(torch.float32) if value.is_floating_point() else value
        for key, value in placed.items()
    }, rest


def _resemblance(state: Mapping[str, torch.Tensor], backbone: str) -> str:
    """The tail of a message: the backbone that the file looks like."""
    share = {other: _best_fit(state, other).placed / len(_shapes(other)) for other in BACKBONES}
    likeliest = max(share, key=share.__getitem__)
    if share[likeliest] < 0.5:
        return "; it looks like no backbone known here"
    if likeliest == backbone:
        return "; expected the state dict of torchvision's network, or of its backbone"
    return f"; the file looks like {likeliest}"


def _some(names: list[str]) -> str:
    more = f", and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def state_digest(state_dict: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of names, shapes and values, whatever the file format.

    Examples
    --------
    >>> state_digest({"a": torch.zeros(2)})[:8] == state_digest({"a": torch.ones(2)})[:8]
    False
    """
    digest = hashlib.sha256()
    for key in sorted(state_dict):
        value = state_dict[key].detach().cpu().contiguous()
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
