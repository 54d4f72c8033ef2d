"""PNG, GIF, WebP, JPEG 2000, MPO: every depth and frame that Pillow gives, cuts or counts."""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from stats_tl.data.formats import Reading, UnreadableImageError, count_frames, decode
from tests.data.conftest import encode

RNG = np.random.default_rng(4)
TWELVE = RNG.integers(300, 4096, (20, 24, 4)).astype(np.uint16)


def own_range(samples):
    samples = samples.astype(float)
    return np.rint((samples - samples.min()) / (samples.max() - samples.min()) * 255)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bit_colour_png_is_scaled_from_its_own_range(channels):
    samples = np.ascontiguousarray(TWELVE[..., :channels])
    seen = np.asarray(decode(imagecodecs.png_encode(samples)))
    kept = samples[..., 0] if channels == 2 else samples[..., :3]  # without transparency
    assert seen.shape == kept.shape
    np.testing.assert_allclose(seen, own_range(kept), atol=1)


@pytest.mark.parametrize("codec", ["jp2", "j2k"])
@pytest.mark.parametrize("samples", [TWELVE[..., 0], TWELVE[..., :3]], ids=["grey", "colour"])
def test_jpeg_2000_of_twelve_bits(codec, samples):
    data = imagecodecs.jpeg2k_encode(np.ascontiguousarray(samples), codecformat=codec, level=0)
    np.testing.assert_allclose(np.asarray(decode(data)), own_range(samples), atol=1)


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "JPEG2000"])
def test_eight_bit_formats_of_the_web(kind):
    grey = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[None], 20, axis=0)
    options = {"WEBP": {"lossless": True}, "JPEG2000": {"irreversible": False}}.get(kind, {})
    np.testing.assert_array_equal(np.asarray(decode(encode(grey, kind, **options))), grey)


def test_an_mpo_is_its_first_image():
    first, second = (np.full((16, 16), level, np.uint8) for level in (40, 200))
    data = encode(first, "MPO", save_all=True, append_images=[Image.fromarray(second)])
    with Image.open(io.BytesIO(data)) as image:
        assert image.n_frames == 2  # otherwise this would test nothing
    for frames in ("one", "middle", 1):
        assert np.asarray(decode(data, Reading(frames=frames))).max() < 50
    assert count_frames(data) == 1


def test_frames_of_an_animation_by_plan():
    levels = [np.full((8, 8), level, np.uint8) for level in (10, 60, 110, 160)]
    rest = [Image.fromarray(level) for level in levels[1:]]
    data = encode(levels[0], "GIF", save_all=True, append_images=rest)
    assert count_frames(data) == 4
    with pytest.raises(UnreadableImageError, match=r'4 frames; .*`frames` = "middle"'):
        decode(data)
    for frames, level in (("middle", 110), (1, 10), (4, 160)):
        assert np.asarray(decode(data, Reading(frames=frames))).max() == level
    with pytest.raises(UnreadableImageError, match="has no frame 5: it holds 4"):
        decode(data, Reading(frames=5))


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("palette", [False, True])
def test_png_of_few_bits(bits, palette):
    """Written chunk by chunk: Pillow saves grey of fewer than 8 bits as 8 or as 1."""

    def chunk(kind, data):
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    levels = TWELVE[..., 0] >> (12 - bits)
    rows = b"".join(
        b"\0" + int("".join(f"{level:0{bits}b}" for level in row), 2).to_bytes(24 * bits // 8)
        for row in levels
    )
    colours = RNG.integers(0, 256, (2**bits, 3)).astype(np.uint8)
    header = struct.pack(">IIBBBBB", 24, 20, bits, 3 if palette else 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    if palette:
        data += chunk(b"PLTE", colours.tobytes()) + chunk(b"tRNS", bytes(2**bits))
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    expected = colours[levels] if palette else levels * (255 / (2**bits - 1))
    np.testing.assert_array_equal(np.asarray(decode(data)), expected)


def test_jpeg_in_cmyk_and_rgb_is_what_was_saved():
    colour = np.zeros((32, 32, 3), np.uint8)
    colour[:, :16] = (200, 60, 30)
    colour[:, 16:] = (20, 120, 220)
    cmyk = io.BytesIO()
    Image.fromarray(colour).convert("CMYK").save(cmyk, "JPEG", quality=98, subsampling=0)
    kept = encode(colour, "JPEG", quality=98, keep_rgb=True)
    for data in (cmyk.getvalue(), kept):
        np.testing.assert_allclose(np.asarray(decode(data)).astype(int), colour, atol=6)


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        ("jpeg8", {"bitspersample": 12, "level": 95}),
        ("jpeg8", {"bitspersample": 16, "lossless": True}),
        ("ljpeg", {"bitspersample": 16}),
        ("jpegls", {}),
    ],
)
def test_deep_jpeg_and_jpeg_ls_are_scaled_from_their_own_range(encoder, options):
    grey = np.ascontiguousarray(TWELVE[..., 0])
    data = getattr(imagecodecs, f"{encoder}_encode")(grey, **options)
    stored = getattr(imagecodecs, f"{encoder}_decode")(data)
    assert stored.dtype == np.uint16
    assert np.abs(stored.astype(int) - grey).max() < 200
    np.testing.assert_allclose(np.asarray(decode(data)), own_range(stored), atol=1)
    assert count_frames(data) == 1
    with pytest.raises(UnreadableImageError, match="no frame 2"):
        decode(data, Reading(frames=2))


def test_jpeg_ls_of_eight_bits_is_left_as_it_is():
    grey = (TWELVE[..., 0] // 16).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(decode(imagecodecs.jpegls_encode(grey))), grey)
