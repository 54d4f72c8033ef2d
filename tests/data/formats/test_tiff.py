"""TIFF of every sample format and layout: as tifffile reads it, or refused by name."""

from __future__ import annotations

import io
import struct

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


def packed(samples, bits, photometric=1, order="<"):
    """A file of samples of `bits` bits without gaps, as libtiff writes it (rows begin a byte).

    The byte order does not concern packed samples, only the header. By hand, for older releases of
    imagecodecs read them and cannot write them.
    """
    height, width, *planes = samples.shape
    depth = planes[0] if planes else 1
    of_rows = samples.astype(np.uint16).reshape(height, -1, 1) >> np.arange(bits)[::-1] & 1
    data = np.packbits(of_rows.reshape(height, -1).astype(np.uint8), axis=1).tobytes()
    start = 8
    depths = start + len(data)  # of three samples, which are too many for the directory
    entries = [
        (256, 3, 1, width), (257, 3, 1, height),
        (258, 3, depth, bits if depth == 1 else depths), (259, 3, 1, 1),
        (262, 3, 1, photometric), (273, 4, 1, start), (277, 3, 1, depth),
        (278, 3, 1, height), (279, 4, 1, len(data)),
    ]  # fmt: skip
    mark = {"<": b"II", ">": b"MM"}[order]
    directory = struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        wide = kind == 4 or count > 2
        field = struct.pack(order + ("I" if wide else "HH"), *([value] if wide else [value, 0]))
        directory += struct.pack(order + "HHI", tag, kind, count) + field
    after = struct.pack(order + "3H", bits, bits, bits)
    header = mark + struct.pack(order + "HI", 42, depths + len(after))
    return header + data + after + directory + struct.pack(order + "I", 0)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("kind", ["minisblack", "miniswhite", "rgb"])
def test_packed_samples(bits, kind, order):
    samples = (COLOUR if kind == "rgb" else GREY.astype(np.uint16)) >> max(0, 12 - bits)
    photometric = {"miniswhite": 0, "minisblack": 1, "rgb": 2}[kind]
    data = packed(samples, bits, photometric, order)
    if order == "<":
        with tifffile.TiffFile(io.BytesIO(data)) as tiff:
            np.testing.assert_array_equal(tiff.asarray(), samples)
    expected = 255 - own_range(samples) if kind == "miniswhite" else own_range(samples)
    np.testing.assert_allclose(np.asarray(decode(data)), expected, atol=1)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_one_bit(photometric):
    mask = GREY > 2000
    seen = np.asarray(decode(written(mask, photometric=photometric)))
    np.testing.assert_array_equal(seen, 255 * (mask if photometric == "minisblack" else ~mask))
    for compression in ("group3", "group4"):
        file = io.BytesIO()
        Image.fromarray(mask).save(file, "TIFF", compression=compression)
        np.testing.assert_array_equal(np.asarray(decode(file.getvalue())), 255 * mask)


@pytest.mark.parametrize("kind", [">f4", ">f8", ">i2"])
@pytest.mark.parametrize("predictor", [False, True])
def test_big_endian(kind, predictor):
    samples = (GREY * 1.5 - 100).astype(kind)
    options = {"compression": "deflate", "predictor": True} if predictor else {}
    seen = np.asarray(decode(written(samples, byteorder=">", **options)))
    np.testing.assert_allclose(seen, own_range(samples), atol=1)


@pytest.mark.parametrize("compression", ["jpeg2000", "jpegxl", "webp", "lerc", "png", "jpegxr"])
def test_compressions_that_pillow_lacks_at_eight_bits(compression):
    """By imagecodecs; Pillow calls such files no images."""
    samples = (COLOUR // 16).astype(np.uint8)
    options = {"compressionargs": {"lossless": True}} if compression == "webp" else {}
    data = written(samples, photometric="rgb", compression=compression, **options)
    np.testing.assert_array_equal(np.asarray(decode(data)), tifffile.imread(io.BytesIO(data)))
    if compression != "webp":
        white = written(samples[..., 0], photometric="miniswhite", compression=compression)
        stored = tifffile.imread(io.BytesIO(white))
        np.testing.assert_array_equal(np.asarray(decode(white)), 255 - stored)


@pytest.mark.parametrize("photometric", ["ycbcr", "rgb", "minisblack"])
def test_jpeg_inside(photometric):
    smooth = np.repeat(np.linspace(20, 230, 32).astype(np.uint8)[None], 32, axis=0)
    samples = smooth if photometric == "minisblack" else np.dstack([smooth, smooth.T, 255 - smooth])
    data = written(samples, photometric=photometric, compression="jpeg")
    stored = tifffile.imread(io.BytesIO(data))
    np.testing.assert_allclose(np.asarray(decode(data)).astype(int), stored, atol=2)


@pytest.mark.parametrize("depth", [8, 16])
def test_palettes(depth):
    indices = (GREY >> (0 if depth == 16 else 4)).astype(f"uint{depth}")
    palette = RNG.integers(0, 65536, (3, 2**depth)).astype(np.uint16)
    seen = np.asarray(decode(written(indices, photometric="palette", colormap=palette)))
    np.testing.assert_allclose(seen, np.moveaxis(palette[:, indices], 0, -1) / 257, atol=1)


def test_cmyk_of_sixteen_bits():
    ink = np.dstack([65535 - COLOUR * 16, np.zeros_like(COLOUR[..., 0])])
    seen = np.asarray(decode(written(ink, photometric="separated")))
    np.testing.assert_allclose(seen, COLOUR * 16 / 257, atol=1)


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (np.repeat(COLOUR[..., :1], 5, axis=2), {"photometric": "minisblack"}, "5 samples a pixel"),
        (COLOUR, {"photometric": "minisblack"}, "3 samples a pixel"),
        (
            (COLOUR // 16).astype(np.uint8),
            {"photometric": "ycbcr", "compression": "jpeg2000", "subsampling": (1, 1)},
            "YCBCR compressed as JPEG2000",
        ),
    ],
)
def test_channels_of_no_known_meaning_are_refused(samples, options, message):
    with pytest.raises(UnreadableImageError, match=message):
        decode(written(samples, planarconfig="contig", **options))
