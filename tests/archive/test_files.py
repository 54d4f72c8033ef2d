"""Files are whole or absent, and notice damage."""

import json
import os

import pytest

from stats_tl.archive.files import (
    checksum,
    read_sealed,
    unseal,
    write_atomically,
    write_sealed,
)
from stats_tl.errors import ArchiveDamagedError, UserError


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_atomically(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device; what was finished"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.json"]  # noqa: PTH208


def test_bytes_that_were_unsealed_before_are_known_and_others_are_not(tmp_path):
    path = tmp_path / "file.json"
    write_sealed(path, {"a": 1})
    whole = path.read_bytes()
    assert unseal(whole, path, known=checksum(whole)) == {"a": 1}
    with pytest.raises(ArchiveDamagedError):
        unseal(whole.replace(b"1", b"2", 1), path, known=checksum(whole))


def test_the_plain_seal_notices_every_flip(tmp_path):
    path = tmp_path / "file.json"
    write_sealed(path, {"a": [1.5, "ä", None]}, large=True)
    whole = path.read_bytes()
    assert json.loads(whole)["content"] == read_sealed(path) == {"a": [1.5, "ä", None]}
    for position in range(len(whole)):
        for bit in range(8):
            data = bytearray(whole)
            data[position] ^= 1 << bit
            with pytest.raises(ArchiveDamagedError):
                unseal(bytes(data), path)
        with pytest.raises(ArchiveDamagedError):
            unseal(whole[:position], path)
