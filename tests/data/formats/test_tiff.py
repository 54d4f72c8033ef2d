"""TIFF of every sample format and layout: as tifffile reads it, or refused by name."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from stats_tl.data.formats import Reading, UnreadableImageError, count_frames, decode

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 4096, (20, 24))
COLOUR = RNG.integers(0, 4096, (20, 24, 3)).astype(np.uint16)


def written(samples, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


def pages(*arrays):
    """A file of pages, each an array and the kind of subfile that it is."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for array, kind in arrays:
            writer.write(array, subfiletype=kind, photometric="minisblack")
    return buffer.getvalue()


def own_range(samples):
    samples = samples.astype(float)
    return np.rint((samples - samples.min()) / (samples.max() - samples.min()) * 255)


@pytest.mark.parametrize(
    "kind", ["int16", "uint16", ">u2", "int32", "uint32", "uint64", "float16", "float32", "float64"]
)
def test_sample_formats_are_scaled_from_their_own_range(kind):
    samples = GREY.astype(kind)
    seen = np.asarray(decode(written(samples, photometric="minisblack")))
    np.testing.assert_allclose(seen, own_range(samples), atol=1)


def test_signed_bytes_and_large_unsigned_numbers_do_not_wrap():
    signed = np.arange(-128, 128, dtype=np.int8).reshape(16, 16)
    np.testing.assert_allclose(np.asarray(decode(written(signed))), own_range(signed), atol=1)
    large = (GREY.astype(np.uint32) << 20) + 7
    assert large.max() > 2**31
    np.testing.assert_allclose(np.asarray(decode(written(large))), own_range(large), atol=1)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("layout", ["contig", "separate"])
def test_colour_in_both_layouts(depth, layout):
    samples = COLOUR if depth == 16 else (COLOUR // 16).astype(np.uint8)
    stored = samples if layout == "contig" else np.ascontiguousarray(np.moveaxis(samples, 2, 0))
    seen = np.asarray(decode(written(stored, photometric="rgb", planarconfig=layout)))
    expected = own_range(samples) if depth == 16 else samples
    np.testing.assert_allclose(seen, expected, atol=1)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_white_is_zero_is_inverted_at_every_depth(kind):
    samples = (GREY // 16).astype(kind)
    seen = np.asarray(decode(written(samples, photometric="miniswhite")))
    expected = 255 - samples if kind == "uint8" else 255 - own_range(samples)
    np.testing.assert_allclose(seen, expected, atol=1)


@pytest.mark.parametrize("compression", ["lzw", "deflate", "zstd", "packbits"])
def test_compressed_sixteen_bits(compression):
    samples = GREY.astype(np.uint16)
    seen = np.asarray(decode(written(samples, compression=compression)))
    np.testing.assert_allclose(seen, own_range(samples), atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_at_sixteen_bits_is_that_of_eight(orientation):
    tag = [(274, "H", 1, orientation, True)]
    eight, sixteen = (
        np.asarray(decode(written(samples, extratags=tag, photometric="minisblack")))
        for samples in ((GREY // 16).astype(np.uint8), GREY.astype(np.uint16))
    )
    assert eight.shape == sixteen.shape
    assert np.corrcoef(eight.ravel(), sixteen.ravel())[0, 1] > 0.999


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        ((COLOUR // 16).astype(np.uint8), {"photometric": "cielab"}, "CIELAB"),
        (GREY.astype(np.complex64), {"photometric": "minisblack"}, "complex64"),
    ],
)
def test_what_is_neither_grey_nor_colour_is_refused_by_name(samples, options, message):
    with pytest.raises(UnreadableImageError, match=message):
        decode(written(samples, **options))


def test_a_thumbnail_is_not_a_second_image():
    image, small = GREY.astype(np.uint16), GREY[::4, ::4].astype(np.uint16)
    for data in (
        pages((image, 0), (small, 1)),
        pages((small, 1), (image, 0)),
        pages((image, 0), (small, 0)),
    ):
        np.testing.assert_allclose(np.asarray(decode(data)), own_range(image), atol=1)
        assert count_frames(data) == 1
    eight = pages(((GREY // 16).astype(np.uint8), 0), ((GREY[::4, ::4] // 16).astype(np.uint8), 1))
    np.testing.assert_array_equal(np.asarray(decode(eight)), GREY // 16)


def test_pages_of_one_size_are_frames_and_of_two_sizes_are_refused():
    stack = RNG.integers(0, 256, (5, 20, 24)).astype(np.uint8)
    data = written(stack, photometric="minisblack")
    assert count_frames(data) == 5
    with pytest.raises(UnreadableImageError, match="5 frames"):
        decode(data)
    np.testing.assert_array_equal(np.asarray(decode(data, Reading(frames="middle"))), stack[2])
    np.testing.assert_array_equal(np.asarray(decode(data, Reading(frames="all"), 4)), stack[4])
    other = pages((stack[0], 0), (stack[0].T.copy(), 0))
    with pytest.raises(UnreadableImageError, match="frames of different kinds"):
        decode(other)


def test_eight_bits_are_those_of_pillow():
    for samples in ((GREY // 16).astype(np.uint8), (COLOUR // 16).astype(np.uint8)):
        data = written(samples)
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(np.asarray(decode(data)), np.asarray(image))
