"""Weight files: told apart by what is in them, and read without executing anything.

safetensors and torch's own formats, whatever the file's suffix. What else is found under
the name of a weight file is refused by what it is, with the way out: a pointer of Git LFS,
a page of HTML, Keras, TorchScript, a compressed file.
"""

from __future__ import annotations

__all__ = ["NUMBERS", "RECORD_KEY", "StateFile", "Tensors", "read_state_file", "some"]

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from ...errors import UserError
from .unpickling import Inert, StoredTensor, read_legacy, read_zip

#: Tensors by name; a :class:`StoredTensor` where a file's tensor is none of plain numbers.
Tensors = dict[str, torch.Tensor | StoredTensor]

#: Under this key the metadata of our safetensors files hold our record, as JSON.
RECORD_KEY = "stats_tl"
#: Groups of tensors in a file: no training script nests them deeper.
DEPTH = 4
#: Names of a list in a message.
NAMED = 4
EXPECTED = "Expected a state dict, as torch.save(model.state_dict(), ...) or safetensors write it"
CONVERT = (
    'where the file was written, and if you trust it, run python -c "import torch; torch.save('
    "{}, 'weights.pt')\" and name that file"
)
NUMBERS = (
    "expected numbers of type float32, float64, float16 or bfloat16: save the network before it is "
    "quantised or compressed, or convert it"
)
#: Types of numbers that every release of safetensors reads, and what the name of one looks like.
READ = frozenset(
    ["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I64", "I32", "I16", "I8", "U8", "BOOL"]
)
_TYPE = re.compile(r"[A-Z][A-Z0-9_]{0,15}")
SIGNATURES = {
    b"\x89HDF\r\n\x1a\n": "a Keras file; these come from a training of their own and have no "
    "torchvision counterpart",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: run `git lfs pull` in "
    "its repository, or download the file",
    b"\x1f\x8b": "compressed with gzip: unpack it first",
    b"BZh": "compressed with bzip2: unpack it first",
    b"\xfd7zXZ": "compressed with xz: unpack it first",
    b"\x93NUMPY": "an array of NumPy",
}
ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class StateFile:
    """A weight file as it was read.

    Attributes
    ----------
    name : str
        Of the file, without its folder.
    sha256 : str
        Of its bytes.
    groups : dict of str to dict of str to Tensor
        Tensors by name, for each mapping in the file: ``""`` is the file's own, ``"model"``
        that under this key, ``"a/b"`` that under ``b`` in ``a``.
    record : dict
        What stats_tl wrote into the file's metadata; empty in the files of others.
    architecture : str
        What the file itself calls its network (``arch``, as timm writes it), or "".
    notes : list of str
        What of the file was not read.
    """

    name: str
    sha256: str
    groups: dict[str, Tensors]
    record: dict[str, Any]
    architecture: str = ""
    notes: list[str] = field(default_factory=list)


def read_state_file(path: Path, *, expected_sha256: str | None = None) -> StateFile:
    """Read the state dicts of a safetensors or torch file.

    Parameters
    ----------
    path : Path
        Its suffix does not matter.
    expected_sha256 : str, optional
        Checked before the content is looked at.

    Returns
    -------
    StateFile

    Raises
    ------
    UserError
        If there is no such file, its hash differs, it is damaged, of another kind, or
        holds no tensors.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"weights {path}: cannot be read ({error.strerror})") from None
    sha256 = hashlib.sha256(data).hexdigest()
    if expected_sha256 is not None and sha256 != expected_sha256.strip().lower():
        raise UserError(
            f"weights {path}: the file's sha256 is {sha256}, expected {expected_sha256}; "
            "it is another version or damaged: fetch it again, or correct the plan's `sha256`"
        )
    if _is_safetensors(data) or (path.suffix == ".safetensors" and not data.startswith(ZIP)):
        _refuse_by_kind(data, path)
        state, record = _read_safetensors(data, path)
        return StateFile(path.name, sha256, {"": state}, record)
    _refuse_by_kind(data, path)
    content = _read_torch(bytearray(data), path)
    groups, strangers = _groups(content)
    if isinstance(content, Inert) or not groups or any(place in groups for place, _ in strangers):
        raise _not_a_state_dict(groups, strangers, content, path)
    arch = content.get("arch") if isinstance(content, Mapping) else None
    names = [name for _, name in strangers]
    notes = [f"not read, and nothing of it executed: {some(names)}"] if names else []
    return StateFile(path.name, sha256, groups, {}, arch if isinstance(arch, str) else "", notes)


def _is_safetensors(data: bytes) -> bool:
    length = int.from_bytes(data[:8], "little")
    return data[8:9] == b"{" and length <= len(data) - 8


def _refuse_by_kind(data: bytes, path: Path) -> None:
    """Raise an error that says what the file is, where it is of no kind that is read."""
    kind = next((text for start, text in SIGNATURES.items() if data.startswith(start)), "")
    if data[:512].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        kind = (
            "a web page, not the weights: what was downloaded is an error or a log-in page; "
            "fetch the file again"
        )
    if data.startswith(ZIP):
        kind = _kind_of_zip(data)
    if kind:
        raise UserError(f"weights {path}: {kind}. {EXPECTED}")


def _kind_of_zip(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return ""  # damaged, which reading it says
    if any(name.endswith("/constants.pkl") for name in names):
        return (
            "TorchScript, a program with its weights; "
            + CONVERT.format(f"torch.jit.load({'<file>'!r}).state_dict()")
        )  # fmt: skip
    if "model.weights.h5" in names:
        return SIGNATURES[b"\x89HDF\r\n\x1a\n"]
    if not any(name.endswith("/data.pkl") for name in names):
        return f"a zip file of {some(sorted(names))}, not one that torch.save wrote"
    return ""


def _read_safetensors(data: bytes, path: Path) -> tuple[Tensors, dict[str, Any]]:
    try:
        state: Tensors = dict(safetensors.torch.load(data))
        record = json.loads(_header(data).get("__metadata__", {}).get(RECORD_KEY, "{}"))
    except Exception as error:  # the bytes may say anything
        if unknown := _unknown_type(data):
            raise UserError(
                f"weights {path}: holds numbers of type {unknown!r}; {NUMBERS}"
            ) from None
        raise _damaged(path, error) from None
    return state, record if isinstance(record, dict) else {}


def _header(data: bytes) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header


def _unknown_type(data: bytes) -> str | None:
    """A type of numbers that the format has and readers do not know; each release says it anew."""
    try:
        kinds = [str(entry["dtype"]) for key, entry in _header(data).items() if key[:2] != "__"]
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        return None
    return next((kind for kind in kinds if _TYPE.fullmatch(kind) and kind not in READ), None)


def _read_torch(data: bytearray, path: Path) -> Any:
    try:
        return read_zip(data) if data.startswith(ZIP) else read_legacy(data)
    except Exception as error:  # the bytes may say anything
        raise _damaged(path, error) from None


def _groups(content: Any) -> tuple[dict[str, Tensors], list[tuple[str, str]]]:
    """All mappings of names to tensors, and what was not built: its group and its name."""
    groups: dict[str, Tensors] = {}
    strangers: list[tuple[str, str]] = []
    seen: set[int] = set()

    def visit(value: Any, path: str, depth: int) -> None:
        if isinstance(value, Inert):
            strangers.append((path.rpartition("/")[0], f"{path} ({value.name})"))
        if not isinstance(value, Mapping) or id(value) in seen or depth > DEPTH:
            return
        seen.add(id(value))
        tensors = {
            key: entry
            for key, entry in value.items()
            if isinstance(key, str) and isinstance(entry, (torch.Tensor, StoredTensor))
        }
        if tensors:
            groups[path] = tensors
        for key, entry in value.items():
            visit(entry, f"{path}/{key}" if path else str(key), depth + 1)

    visit(content, "", 0)
    return groups, strangers


def _not_a_state_dict(
    groups: dict[str, Tensors], strangers: list[tuple[str, str]], content: Any, path: Path
) -> UserError:
    """Why a file cannot be used that torch could read."""
    whole = isinstance(content, Inert)
    if not whole and not strangers:
        found = "an empty one" if content == {} else _describe(content)
        return UserError(
            f"weights {path}: expected a state dict (names and tensors), found {found}"
        )
    # A stand-in among the tensors themselves: a script's own state, or an attack.
    among = [name for place, name in strangers if place in groups]
    called = content.name if whole else (among or [name for _, name in strangers])[0]
    load = "torch.load('<file>', 'cpu', weights_only=False)"
    tensors = f"{{k: v for k, v in {load}.items() if torch.is_tensor(v)}}"
    return UserError(
        f"weights {path}: refused, and nothing of it was executed: the file holds more than "
        f"tensors (it calls {called}). {EXPECTED}: "
        f"{CONVERT.format(f'{load}.state_dict()' if whole else tensors)}"
    )


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"{some([str(key) for key in content])}, none of which is a named tensor"
    tensor = isinstance(content, (torch.Tensor, StoredTensor))
    return "a tensor" if tensor else type(content).__name__


def _damaged(path: Path, error: Exception) -> UserError:
    lines = str(error).splitlines() or [""]
    reason = f"{type(error).__name__}: {lines[0]}".split(". ")[0]
    kind = "safetensors" if path.suffix == ".safetensors" else "torch"
    return UserError(
        f"weights {path}: not a readable {kind} file, or cut off ({reason}); fetch it again"
    )


def some(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f", and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
