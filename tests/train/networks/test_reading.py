"""Weight files by their content: what torch itself reads of them, and what they really are."""

import argparse
import contextlib
import functools
import gzip
import io
import json
import os
import pickle
import pickletools
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from stats_tl.errors import UserError
from stats_tl.train.networks.reading import read_state_file
from stats_tl.train.networks.unpickling import Inert, read_legacy, read_zip


def tensors(zipped: bool) -> dict:
    """Every type and arrangement of numbers that torch writes as plain tensors.

    In its older format, torch itself does not read float8 again.
    """
    torch.manual_seed(1)
    base = torch.randn(4, 6)
    types = (
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
        torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64,
        *([torch.float8_e5m2] if zipped else []),
    )  # fmt: skip
    return {
        **{str(dtype): (base * 9).to(dtype) for dtype in types},
        "view": base[1:, 2:],
        "transposed": base.T,
        "parameter": torch.nn.Parameter(base[0]),
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(7),
        "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    }


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_those_that_torch_reads(zipped):
    buffer = io.BytesIO()
    torch.save({"a": tensors(zipped), "epoch": 3}, buffer, _use_new_zipfile_serialization=zipped)
    data = bytearray(buffer.getvalue())
    content = read_zip(data) if zipped else read_legacy(data)
    buffer.seek(0)
    expected = torch.load(buffer, weights_only=True)
    assert content["epoch"] == 3
    assert set(content["a"]) == set(expected["a"])
    for key, value in expected["a"].items():
        found = content["a"][key]
        assert (found.dtype, found.shape) == (value.dtype, value.shape), key
        assert torch.equal(found.to(torch.complex128), value.to(torch.complex128)), key


def extras(folder: Path) -> dict:
    """What training scripts keep beside their networks."""
    return {
        "args": argparse.Namespace(lr=0.1, out=folder),
        "metric": np.float64(0.9),
        "schedule": functools.partial(max, 3),
        "config": {"folder": folder, "when": np.arange(3)},
    }


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_extras_are_passed_over_and_named(tmp_path, zipped):
    path = tmp_path / "last.ckpt"
    content = {"state_dict": {"a": torch.ones(2)}, **extras(tmp_path)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    file = read_state_file(path)
    assert list(file.groups) == ["state_dict"]
    assert torch.equal(file.groups["state_dict"]["a"], torch.ones(2))
    (note,) = file.notes
    assert "nothing of it executed: args (argparse.Namespace)" in note


class Calls:
    """Runs what it is given when it is unpickled."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_beside_a_state_dict_is_executed(tmp_path, zipped):
    target = tmp_path / "executed"
    path = tmp_path / "x.pt"
    content = {
        "state_dict": {"a": torch.ones(2)},
        "mkdir": Calls(os.mkdir, (str(target),)),
        "eval": Calls(eval, (f"__import__('os').mkdir({str(target)!r})",)),
        "map": Calls(map, (os.mkdir, [str(target)])),
    }
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    file = read_state_file(path)
    assert "mkdir (posix.mkdir), eval (__builtin__.eval), map" in file.notes[0]
    assert not target.exists()
    content["mkdir"].call[0](target)  # the bait would work


def program(*opcodes: bytes) -> bytes:
    return b"\x80\x04" + b"".join(opcodes) + b"."


@pytest.mark.parametrize(
    "data",
    [
        # BUILD with a state of slots would set the defaults of a function.
        program(b"ctorch._utils\n_rebuild_tensor\n", b"N}\x8c\x0c__defaults__N\x85s\x86b"),
        program(b"\x82\x01"),  # EXT1
        program(b"cos\nsystem\n", b"\x8c\x02id\x85R"),
        program(b"(ios\nsystem\n"),  # INST
        program(b"cos\nsystem\n)\x81}b"),  # NEWOBJ, BUILD
        program(b"ccollections\nOrderedDict\n", b"N}\x8c\x01aNs\x86b"),
    ],
)
def test_programs_in_pickles(data):
    from stats_tl.train.networks import unpickling

    before = unpickling._tensor.__defaults__
    with contextlib.suppress(pickle.UnpicklingError, AttributeError, TypeError, ValueError):
        assert isinstance(read_legacy(bytearray(data)), (Inert, unpickling.Builder, dict))
    assert unpickling._tensor.__defaults__ == before


def test_no_name_of_a_file_is_imported(monkeypatch):
    import builtins

    seen = []
    original = builtins.__import__

    def watch(name, *args, **kwargs):
        seen.append(name)
        return original(name, *args, **kwargs)

    data = pickle.dumps(Calls(os.mkdir, ("x",))).replace(b"posix", b"xyzzy")
    monkeypatch.setattr(builtins, "__import__", watch)
    assert isinstance(read_legacy(bytearray(data)), Inert)
    assert "xyzzy" not in seen
    assert "xyzzy" in [argument for _, argument, _ in pickletools.genops(data)]


@pytest.mark.parametrize("change", ["beyond", "repeated", "negative"])
def test_tensors_that_do_not_fit_their_data_are_damage(tmp_path, change):
    class View:
        def __reduce__(self):
            size, stride = {
                "beyond": ((5,), (1,)), "repeated": ((10**12,), (0,)), "negative": ((2,), (-1,)),
            }[change]  # fmt: skip
            storage = torch.ones(4).untyped_storage()
            typed = torch.storage.TypedStorage(
                wrap_storage=storage, dtype=torch.float32, _internal=True
            )
            return torch._utils._rebuild_tensor_v2, (typed, 0, size, stride, False, {})

    path = tmp_path / "x.pt"
    torch.save({"a": View()}, path)
    with pytest.raises(UserError, match="not a readable torch file"):
        read_state_file(path)


def test_safetensors_under_another_suffix(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    safetensors.torch.save_file({"a": torch.ones(2)}, path)
    assert torch.equal(read_state_file(path).groups[""]["a"], torch.ones(2))
    torch.save({"a": torch.zeros(2)}, tmp_path / "model.safetensors")
    assert torch.equal(
        read_state_file(tmp_path / "model.safetensors").groups[""]["a"], torch.zeros(2)
    )


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "run `git lfs pull`",
        ),
        (b"\n<!DOCTYPE html><html>Sign in</html>", "a web page, not the weights"),
        (zipped("m/data.pkl", "m/constants.pkl", "m/code/a.py"), r"TorchScript.*torch\.jit\.load"),
        (zipped("config.json", "metadata.json", "model.weights.h5"), "a Keras file"),
        (zipped("a.txt"), "a zip file of a.txt, not one that torch.save wrote"),
        (gzip.compress(b"weights"), "compressed with gzip"),
    ],
    ids=["git-lfs", "html", "torchscript", "keras", "zip", "gzip"],
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".keras"])
def test_other_kinds_are_named(tmp_path, data, message, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(data)
    with pytest.raises(UserError, match=message):
        read_state_file(path)


@pytest.mark.filterwarnings("ignore")
def test_torchscript_itself_is_recognised(tmp_path):
    path = tmp_path / "x.pt"
    torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(path)
    with pytest.raises(UserError, match="TorchScript"):
        read_state_file(path)


@pytest.mark.parametrize("kind", ["F8_E8M0", "F4"])
def test_types_of_numbers_that_the_format_knows_and_its_reader_does_not(tmp_path, kind):
    header = json.dumps({"a": {"dtype": kind, "shape": [4], "data_offsets": [0, 4]}}).encode()
    if kind == "F4":
        header = header.replace(b"[4]", b"[8]")
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(UserError, match=f"of type '{kind}'; expected numbers"):
        read_state_file(path)
