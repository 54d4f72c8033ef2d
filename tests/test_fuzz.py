"""A small, repeatable share of ``python -m benchmarks.fuzz``; and bombs that it cannot hit upon."""

import io
import struct
import zlib

import pytest
from PIL import Image

from benchmarks.fuzz import TARGETS, fuzz
from stats_tl.data.images import UnreadableImageError, decode
from stats_tl.errors import UserError
from stats_tl.reporting import read_predictions


@pytest.mark.parametrize("target", TARGETS)
def test_broken_and_hostile_input_is_refused_in_words(target, tmp_path):
    inputs = 20 if target.startswith("archive-") else 60  # an archive takes longer to read
    counts = fuzz(target, inputs, tmp_path, derandomize=True)
    assert sum(counts.values()) >= inputs
    assert counts["refused"]


def test_a_header_of_ten_thousand_million_pixels():
    """Valid, with the right checksum; the pixels would take 10 GB."""
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = struct.pack(">II", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(UnreadableImageError, match="10000000000 pixels"):
        decode(bytes(data))


@pytest.mark.slow
def test_a_field_of_a_gigabyte(tmp_path):
    """Needs 1 GB of disk for a moment; on a sparse file system less."""
    path = tmp_path / "scores.csv"
    with path.open("wb") as file:
        file.write(b"case,y_true,arm,score\n")
        for _ in range(1024):
            file.write(b"A" * 2**20)
        file.write(b",1,a,0.5\n")
    with pytest.raises(UserError, match="longer than"):
        read_predictions(path)
