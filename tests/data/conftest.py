"""Small data sets on disk, in the layouts that users have."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stats_tl.study.plan import Audit, Task

IGNORE = Audit(near_duplicates="ignore")


def encode(pixels: np.ndarray, kind: str = "PNG", **options) -> bytes:
    """`pixels` as an image file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def tiny(seed: int, size: int = 12, colour: bool = False) -> bytes:
    """A PNG of random pixels; every seed another image."""
    shape = (size, size, 3) if colour else (size, size)
    return encode(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def png_claiming(width: int, height: int) -> bytes:
    """A few bytes that claim to be an image of that size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 100)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes | str], Path]:
    """Write a file below the test's folder."""

    def to(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to


def task(adapter: str, **options) -> Task:
    return Task(name="t", adapter=adapter, options=options)
