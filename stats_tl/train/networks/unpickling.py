"""torch's pickle formats, read in Python without calling anything that a file names.

A pickle is a program: it names classes and functions, and calls them. Here every name gets
an inert stand-in, whatever it is called with; only the few names with which torch writes
tensors and dictionaries are known, and they give descriptions of tensors
(:class:`StoredTensor`), whose bytes are looked up when they are asked for. So a checkpoint
with a training script's objects beside its state can be read, and ``torch.load`` is not
needed: before torch 2.10 its restricted reader could corrupt memory [1]_.

References
----------
.. [1] CVE-2026-24747, https://nvd.nist.gov/vuln/detail/CVE-2026-24747
"""

from __future__ import annotations

__all__ = ["Inert", "StoredTensor", "read_legacy", "read_zip"]

import io
import math
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import torch

#: With which torch's format of before 1.6 begins.
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "UntypedStorage": torch.uint8,
}
#: Tensors that torch writes in another way than as numbers with strides.
OTHERS = {
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_sparse_csr_tensor": "a sparse tensor",
    "_rebuild_qtensor": "a quantised tensor",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_meta_tensor_no_storage": "a tensor on the meta device",
    "_rebuild_wrapper_subclass": "a tensor of another class",
    "_rebuild_device_tensor_from_numpy": "a tensor of another device",
}
#: Of a zip member's own header, in front of its name and contents.
LOCAL_HEADER = struct.Struct("<4s5HLLLHH")


class Inert:
    """Stands for what a file asks to build; takes whatever it is given and does nothing."""

    name = ""

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        """Ignore the arguments."""
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def __call__(self, *args: Any) -> Inert:
        """Stand for the result, too."""
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def _ignore(self, _: Any) -> None:
        pass

    __setstate__ = append = extend = add = _ignore


class Builder:
    """A name that is known: what a file may call, and cannot change."""

    __slots__ = ("_call",)
    _call: Callable[..., Any]

    def __init__(self, call: Callable[..., Any]):
        object.__setattr__(self, "_call", call)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise pickle.UnpicklingError("sets an attribute of a function")

    def __call__(self, *args: Any) -> Any:
        """What the name stands for, of plain arguments."""
        return self._call(*args)

    def __setstate__(self, state: Any) -> None:
        pass


class Dictionary(dict[Any, Any]):
    """For ``OrderedDict`` and its like, whose attributes are left out."""

    def __setstate__(self, state: Any) -> None:
        pass


def _dictionary(*args: Any) -> Dictionary:
    return Dictionary(args[-1] if args and isinstance(args[-1], (list, dict)) else ())


@dataclass(frozen=True)
class Storage:
    """Bytes somewhere in the file."""

    dtype: torch.dtype | None
    key: str
    offset: int = 0


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as the file describes it; `other` says what it is, if not plain numbers."""

    shape: torch.Size
    stride: tuple[int, ...] = ()
    offset: int = 0
    storage: Storage | None = None
    dtype: torch.dtype | None = None
    other: str = ""

    def __setstate__(self, state: Any) -> None:
        pass  # attributes of a tensor

    def load(self, data: Callable[[str], memoryview]) -> torch.Tensor:
        """The tensor, over the bytes that `data` gives for the storage's key."""
        if self.storage is None or self.dtype is None:
            raise ValueError(self.other)
        first = self.storage.offset + self.offset
        count = math.prod(self.shape)
        steps = zip(self.shape, self.stride, strict=True)
        last = first + sum((length - 1) * step for length, step in steps) if count else first
        size = self.dtype.itemsize
        content = data(self.storage.key)
        length = len(content) // size
        if min(self.stride, default=0) < 0 or first < 0 or last >= length + (not count):
            raise ValueError("a tensor reaches beyond its data")
        if count > length:
            raise ValueError("a tensor repeats its data")
        if not count:
            return torch.empty(self.shape, dtype=self.dtype)
        flat = torch.frombuffer(content[: length * size], dtype=self.dtype)
        return flat.as_strided(self.shape, self.stride, first)


def _sizes(values: Any) -> tuple[int, ...]:
    if not all(isinstance(value, int) for value in values):
        raise pickle.UnpicklingError("the shape of a tensor is not made of integers")
    return tuple(values)


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *rest: Any) -> StoredTensor:
    """``_rebuild_tensor``, its second and third version (which has a dtype)."""
    dtype = next((value for value in rest if isinstance(value, torch.dtype)), None)
    shape = torch.Size(_sizes(size))
    if not isinstance(storage, Storage) or not isinstance(offset, int):
        return StoredTensor(shape, other="a tensor without data")
    if min(shape, default=0) < 0:
        raise pickle.UnpicklingError("the shape of a tensor is negative")
    dtype = dtype or storage.dtype
    other = "" if dtype else "a tensor of an unknown type"
    return StoredTensor(shape, _sizes(stride), offset, storage, dtype, other)


def _first(value: Any, *_: Any) -> Any:
    return value


def _of_type(build: Any, _: Any, args: Any, *__: Any) -> Any:
    """A tensor of a subclass, or with attributes."""
    return build(*args) if isinstance(build, Builder) else Inert()


def _other(kind: str) -> Callable[..., StoredTensor]:
    return lambda *_: StoredTensor(torch.Size(()), other=kind)


KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _dictionary,
    ("collections", "defaultdict"): _dictionary,
    ("builtins", "dict"): _dictionary,
    ("__builtin__", "dict"): _dictionary,
    ("torch", "Size"): lambda values=(): _sizes(values),
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch._utils", "_rebuild_parameter_with_state"): _first,
    ("torch._tensor", "_rebuild_from_type_v2"): _of_type,
    **{("torch._utils", name): _other(kind) for name, kind in OTHERS.items()},
}


# The interpreter's own unpickler in Python: the one in C trusts a file's sizes more.
class Unpickler(pickle._Unpickler):
    """Builds plain values, descriptions of tensors, and stand-ins."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file, encoding="utf-8", errors="replace")
        self.item_sizes: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Any:
        """A builder for a name that is known, else a class of stand-ins."""
        known = KNOWN.get((module, name))
        if known is not None:
            return Builder(known)
        found = getattr(torch, name, None) if module == "torch" else None
        if isinstance(found, torch.dtype):
            return found
        if module in ("torch", "torch.storage") and name.endswith("Storage"):
            return Storage(STORAGES.get(name), "")
        return type("Inert", (Inert,), {"name": f"{module}.{name}"})

    def get_extension(self, code: int) -> NoReturn:
        """Refuse: the interpreter's registry gives what it holds without asking."""
        raise pickle.UnpicklingError("names a class by number")

    def persistent_load(self, pid: Any) -> Any:
        """A storage, or a stand-in for the source code of a module."""
        kind, *rest = pid
        if kind != "storage":
            return Inert()
        where, key, _, _, *more = rest
        view = more[1] if len(more) > 1 else None
        dtype = where.dtype if isinstance(where, Storage) else None
        self.item_sizes[str(key)] = dtype.itemsize if dtype else 1
        return Storage(dtype, str(key), view[1] if view else 0)


def _materialise(value: Any, data: Callable[[str], memoryview]) -> Any:
    """The value with tensors in place of their descriptions in all mappings of texts.

    What cannot be had as a tensor stays a description.
    """
    done: dict[int, dict[Any, Any]] = {}

    def convert(item: Any) -> Any:
        if isinstance(item, StoredTensor) and not item.other:
            return item.load(data)
        if not isinstance(item, Mapping) or not all(isinstance(key, str) for key in item):
            return item
        if id(item) not in done:
            made = done[id(item)] = {}
            made.update({key: convert(entry) for key, entry in item.items()})
        return done[id(item)]

    return convert(value)


def read_zip(data: bytearray) -> Any:
    """What ``torch.save`` wrote, as nested dictionaries of tensors and stand-ins.

    Parameters
    ----------
    data : bytearray
        The file; the tensors lie over it.

    Raises
    ------
    Exception
        Of any kind, where the file is damaged.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {info.filename: info for info in archive.infolist()}
    (root,) = (name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl"))

    def content(name: str) -> memoryview:
        info = members[root + name]
        if info.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{info.filename} is compressed, which torch never does")
        *_, name_length, extra = LOCAL_HEADER.unpack_from(data, info.header_offset)
        start = info.header_offset + LOCAL_HEADER.size + name_length + extra
        if start + info.file_size > len(data):
            raise ValueError(f"{info.filename} is cut off")
        return memoryview(data)[start : start + info.file_size]

    if root + "byteorder" in members and bytes(content("byteorder")) != b"little":
        raise ValueError("written on a machine of another byte order")
    value = Unpickler(io.BytesIO(content("data.pkl"))).load()
    return _materialise(value, lambda key: content(f"data/{key}"))


def read_legacy(data: bytearray) -> Any:
    """What ``torch.save`` wrote before torch 1.6; as :func:`read_zip`.

    Another pickle is read as it is; tensors that it holds are stand-ins.
    """
    file = io.BytesIO(data)
    value = Unpickler(file).load()
    if value != MAGIC:
        return value
    protocol, _ = Unpickler(file).load(), Unpickler(file).load()
    if protocol != PROTOCOL:
        raise ValueError(f"protocol {protocol}")
    unpickler = Unpickler(file)
    value = unpickler.load()
    places: dict[str, tuple[int, int]] = {}
    for key in map(str, Unpickler(file).load()):
        count = int.from_bytes(file.read(8), "little")
        start, length = file.tell(), count * unpickler.item_sizes[key]
        if start + length > len(data):
            raise ValueError("cut off")
        places[key] = start, start + length
        file.seek(start + length)
    return _materialise(value, lambda key: memoryview(data)[slice(*places[key])])
