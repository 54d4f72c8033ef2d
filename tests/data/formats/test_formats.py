"""Decoding: right pixels from good files, a clear refusal of all others."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stats_tl.data.formats import UnreadableImageError, count_frames, decode
from tests.data.conftest import encode, png_claiming, tiny

GREY = np.arange(144, dtype=np.uint8).reshape(12, 12)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_grey(kind):
    image = decode(encode(GREY, kind))
    assert image.mode == "L"
    np.testing.assert_array_equal(np.asarray(image), GREY)


def test_grey_in_three_channels_is_grey_and_colour_is_not():
    assert decode(encode(np.repeat(GREY[..., None], 3, axis=2))).mode == "L"
    colour = np.stack([GREY, GREY, 255 - GREY], axis=2)
    image = decode(encode(colour))
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), colour)


def test_transparency_is_dropped():
    rgba = np.dstack([GREY, GREY, GREY, np.zeros_like(GREY)])
    np.testing.assert_array_equal(np.asarray(decode(encode(rgba))), GREY)


def test_sixteen_bits_are_scaled_from_minimum_and_maximum():
    twelve = (GREY.astype(np.uint16) * 16) + 100
    expected = np.rint((twelve - 100.0) / (143 * 16) * 255)
    np.testing.assert_array_equal(np.asarray(decode(encode(twelve))), expected)


def test_flat_sixteen_bits_are_black():
    assert np.asarray(decode(encode(np.full((4, 4), 700, np.uint16)))).max() == 0


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 270 degrees to view
    wide = np.zeros((16, 48), dtype=np.uint8)
    assert decode(encode(wide, "JPEG", exif=exif)).size == (16, 48)


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (2**31 - 1, 1), (70_000_000, 1)])
def test_header_that_claims_too_many_pixels_is_refused_undecoded(width, height):
    with pytest.raises(UnreadableImageError, match=r"limit|exceeds|pixels"):
        decode(png_claiming(width, height))


def test_jpeg_header_that_claims_too_many_pixels():
    data = bytearray(encode(GREY, "JPEG"))
    frame = data.find(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65_000, 65_000)
    with pytest.raises(UnreadableImageError, match=r"limit|exceeds"):
        decode(bytes(data))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
def test_truncated_files_are_refused(kind):
    data = encode(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8), kind)
    with pytest.raises(UnreadableImageError):
        decode(data[: len(data) * 2 // 3])


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"NRRD0005\ntype: short\n", "an NRRD file"),
        (b"ObjectType = Image\nNDims = 3\n", "a MetaImage file"),
        (b"\0" * 344 + b"ni1\0", "a NIfTI header"),
        (b"\xff\x0a\xff\xff", "a JPEG XL file"),
        (b"\0\0\0\x1cftypavif", "an AVIF file"),
        (b"\0\0\0\x18ftypmp42", "a video"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "`git lfs pull`$"),
        (b"", "an empty file"),
        (b"\0" * 400, "zeros alone"),
    ],
)
def test_what_a_file_is_instead_of_an_image_is_said(data, name):
    for action in (decode, count_frames):
        with pytest.raises(UnreadableImageError, match=rf"^not an image but .*{name}"):
            action(data)


@pytest.mark.parametrize("data", [b"", b"no image", b"GIF89a" + b"\0" * 50, b"%PDF-1.4"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(UnreadableImageError, match="not an image"):
        decode(data)


def test_several_frames_are_refused():
    frames = [Image.fromarray(GREY), Image.fromarray(GREY.T.copy())]
    with pytest.raises(UnreadableImageError, match="frames"):
        decode(encode(GREY, "TIFF", save_all=True, append_images=frames[1:]))


def test_not_a_number_is_refused():
    with pytest.raises(UnreadableImageError, match="finite"):
        decode(encode(np.full((4, 4), np.nan, np.float32), "TIFF"))


SEEDS = [tiny(0), tiny(1, colour=True), *(encode(GREY, k) for k in ("JPEG", "BMP", "TIFF"))]


def mutated(choice, edits, cut):
    data = bytearray(SEEDS[choice])
    for position, value in edits:
        data[position % len(data)] = value
    return bytes(data[: len(data) - cut % len(data)])


MUTATIONS = (
    st.integers(0, len(SEEDS) - 1),
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 255)), max_size=8),
    st.integers(0, 2_000) | st.just(0),
)


def check(data):
    try:
        image = decode(data)
    except UnreadableImageError:
        return
    assert image.mode in ("L", "RGB")


@settings(max_examples=400, deadline=None)
@given(*MUTATIONS)
def test_damaged_images_decode_or_are_refused(choice, edits, cut):
    check(mutated(choice, edits, cut))


@pytest.mark.slow
@settings(max_examples=100_000, deadline=None, database=None)
@given(*MUTATIONS)
def test_damaged_images_decode_or_are_refused_at_length(choice, edits, cut):
    check(mutated(choice, edits, cut))
