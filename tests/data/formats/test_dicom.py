"""DICOM: what pydicom's own pipeline shows, within a grey level, or a refusal by name."""

from __future__ import annotations

import io
import sys

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
)

from stats_tl.data.formats import Reading, UnreadableImageError, count_frames, decode, dicom
from stats_tl.data.formats.dicom import read_identifier
from stats_tl.study.plan import Intensity
from tests.data.conftest import encode
from tests.data.formats import dicoms
from tests.data.formats.dicoms import dataset_of, fill_header, lut, written

RNG = np.random.default_rng(6)
CT = RNG.integers(0, 4096, (40, 36)).astype(np.uint16)
RESCALED = {"RescaleSlope": "2.5", "RescaleIntercept": "-1024"}
WINDOWS = {
    "WindowCenter": [40, 300],
    "WindowWidth": [400, 1500],
    "WindowCenterWidthExplanation": ["SOFT", "BONE"],
}


def shown(data, frame=None, frames="one", **intensity):
    return np.asarray(decode(data, Reading(Intensity(**intensity), frames), frame))


def own_range(values):
    values = values.astype(float)
    return np.rint((values - values.min()) / (values.max() - values.min()) * 255)


def by_pydicom(data, index=0):
    """The whole pipeline of pydicom; its output range is that of the stored bits, rescaled."""
    source = pydicom.dcmread(io.BytesIO(data))
    values = apply_voi_lut(apply_modality_lut(source.pixel_array, source), source, index)
    signed = source.PixelRepresentation
    ends = np.array([0, 2**source.BitsStored - 1]) - signed * 2 ** (source.BitsStored - 1)
    low, high = ends * float(source.get("RescaleSlope", 1)) + float(
        source.get("RescaleIntercept", 0)
    )
    return (values - low) / (high - low) * 255


def test_without_a_window_the_image_is_scaled_from_its_own_range():
    np.testing.assert_allclose(shown(dicoms.dicom(CT, stored=12)), own_range(CT), atol=1)
    np.testing.assert_allclose(
        shown(dicoms.dicom(CT, stored=12, **RESCALED)), own_range(CT), atol=1
    )


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("kind", ["<u2", "<i2"])
def test_the_first_window_is_the_default_and_others_go_by_name(function, kind):
    stored = 12 if kind == "<u2" else 16
    data = dicoms.dicom(
        CT.astype(kind), stored=stored, **RESCALED, **WINDOWS, VOILUTFunction=function
    )
    np.testing.assert_allclose(shown(data), by_pydicom(data), atol=1)
    np.testing.assert_allclose(shown(data, window="first"), by_pydicom(data), atol=1)
    np.testing.assert_allclose(shown(data, window="BONE"), by_pydicom(data, 1), atol=1)
    with pytest.raises(UnreadableImageError, match="no window that is named 'LUNG'"):
        shown(data, window="LUNG")


def test_other_intensities_take_the_place_of_the_window():
    data = dicoms.dicom(CT, stored=12, **RESCALED, **WINDOWS)
    values = CT * 2.5 - 1024
    np.testing.assert_allclose(shown(data, own_range=True), own_range(CT), atol=1)
    expected = np.clip((values + 160) / 400, 0, 1) * 255
    np.testing.assert_allclose(shown(data, range=(-160, 240)), expected, atol=1)
    low, high = np.percentile(values, (5, 90))
    expected = np.clip((values - low) / (high - low), 0, 1) * 255
    np.testing.assert_allclose(shown(data, percentiles=(5, 90)), expected, atol=1)


def test_a_file_without_windows_has_no_first_one():
    with pytest.raises(UnreadableImageError, match="the file has none"):
        shown(dicoms.dicom(CT), window="first")


@pytest.mark.parametrize("elements", [{}, WINDOWS, {"PresentationLUTShape": "INVERSE"}])
def test_monochrome1_is_inverted_once(elements):
    plain = shown(dicoms.dicom(CT, stored=12, **{**WINDOWS, **elements}))
    inverted = shown(
        dicoms.dicom(CT, stored=12, photometric="MONOCHROME1", **{**WINDOWS, **elements})
    )
    np.testing.assert_array_equal(inverted, 255 - plain)


def test_modality_and_voi_tables():
    curve = np.rint(65535 * (np.arange(4096) / 4095) ** 2).astype(int)
    data = dicoms.dicom(CT, stored=12, ModalityLUTSequence=[lut(curve, 0, 16)])
    np.testing.assert_allclose(shown(data), own_range(curve[CT]), atol=1)
    data = dicoms.dicom(CT, stored=12, VOILUTSequence=[lut(curve, 0, 16)])
    np.testing.assert_allclose(shown(data), by_pydicom(data) * 4095 / 65535, atol=1)
    # Entries of 8 bits in a table of 4,096, which pydicom 3.0.2 reads at positions modulo 256.
    data = dicoms.dicom(CT, stored=12, VOILUTSequence=[lut(curve // 257, 0, 8)])
    np.testing.assert_allclose(shown(data), (curve // 257)[CT], atol=1)
    named = lut(curve, 100, 16)
    named.LUTExplanation = "STEEP"
    data = dicoms.dicom(CT, stored=12, VOILUTSequence=[lut(curve, 0, 16), named])
    expected = curve[np.clip(CT.astype(int) - 100, 0, 4095)] / 65535 * 255
    np.testing.assert_allclose(shown(data, window="STEEP"), expected, atol=1)


def test_padding_is_no_part_of_the_own_range():
    samples = CT.astype("<i2") + 100
    samples[:4] = -2000
    seen = shown(dicoms.dicom(samples, PixelPaddingValue=-2000))
    np.testing.assert_allclose(seen[4:], own_range(samples[4:]), atol=1)
    assert (seen[:4] == 0).all()


@pytest.mark.parametrize("bits", [8, 16])
def test_palette_colour_becomes_rgb(bits):
    indices = RNG.integers(0, 256, (20, 24)).astype(np.uint8)
    palette = RNG.integers(0, 2**bits, (3, 256)).astype(f"<u{bits // 8}")
    elements = {}
    for name, entries in zip(("Red", "Green", "Blue"), palette, strict=True):
        elements[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        elements[f"{name}PaletteColorLookupTableData"] = entries.tobytes()
    seen = shown(dicoms.dicom(indices, photometric="PALETTE COLOR", **elements))
    expected = np.moveaxis(palette[:, indices], 0, -1) * (255 / (2**bits - 1))
    np.testing.assert_allclose(seen, expected, atol=1)


def test_ybr_is_as_the_decoder_gives_it():
    colour = np.zeros((16, 16, 3), np.uint8)
    colour[..., 0] = 180
    data = dataset_of(colour, photometric="YBR_FULL_422")
    data.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    data.PixelData = pydicom.encaps.encapsulate([encode(colour, "JPEG", quality=95)])
    data["PixelData"].VR = "OB"
    seen = shown(written(data))
    np.testing.assert_allclose(seen, colour, atol=4)
    np.testing.assert_allclose(seen, pixel_array(io.BytesIO(written(data))), atol=1)
    full = RNG.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    data = dicoms.dicom(full, photometric="YBR_FULL")
    np.testing.assert_array_equal(shown(data), pixel_array(io.BytesIO(data)))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, DeflatedExplicitVRLittleEndian])
def test_lossless_transfer_syntaxes(syntax):
    data = dataset_of(CT, **RESCALED)
    if syntax.is_encapsulated:
        data.compress(syntax, generate_instance_uid=False)
    else:
        data.file_meta.TransferSyntaxUID = syntax
    np.testing.assert_allclose(shown(written(data)), own_range(CT), atol=1)


def test_jpeg_ls_by_gdcm():
    import imagecodecs

    data = dataset_of(CT)
    data.file_meta.TransferSyntaxUID = JPEGLSLossless
    data.PixelData = pydicom.encaps.encapsulate([imagecodecs.jpegls_encode(CT)])
    data["PixelData"].VR = "OB"
    np.testing.assert_allclose(shown(written(data)), own_range(CT), atol=1)


def test_a_missing_plugin_and_an_undecodable_syntax_are_named(monkeypatch):
    data = dataset_of(CT)
    data.compress(JPEG2000Lossless, generate_instance_uid=False)
    decoder = pydicom.pixels.get_decoder(JPEG2000Lossless)
    monkeypatch.setattr(decoder, "_available", {})
    monkeypatch.setattr(decoder, "_unavailable", {"gdcm": ("python-gdcm>=3.0.24",)})
    with pytest.raises(UnreadableImageError, match=r"JPEG 2000.*gdcm.*stats_tl\[dicom\]"):
        shown(written(data))
    data.file_meta.TransferSyntaxUID = MPEG2MPML
    with pytest.raises(UnreadableImageError, match=r"MPEG2.*no plugin"):
        shown(written(data))


def test_without_pydicom_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(UnreadableImageError, match=r"pip install 'stats_tl\[dicom\]'"):
        shown(b"\0" * 128 + b"DICM" + b"\0" * 200)


def test_frames_by_plan_and_their_own_transformations():
    stack = np.stack([CT + 100 * k for k in range(4)])
    data = dataset_of(stack, NumberOfFrames=4)
    with pytest.raises(UnreadableImageError, match="4 frames"):
        shown(written(data))
    assert count_frames(written(data)) == 4
    groups = []
    for centre in (10, 20, 30, 500):
        window = Dataset()
        window.WindowCenter, window.WindowWidth = centre, 300
        group = Dataset()
        group.FrameVOILUTSequence = [window]
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = groups
    rescale, shared = Dataset(), Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept = "0.5", "-900"
    shared.PixelValueTransformationSequence = [rescale]
    data.SharedFunctionalGroupsSequence = [shared]
    data = written(data)
    for frame, centre in ((0, 10), (3, 500)):
        values = stack[frame] * 0.5 - 900
        expected = np.clip((values - (centre - 0.5)) / 299 + 0.5, 0, 1) * 255
        np.testing.assert_allclose(shown(data, frame, "all"), expected, atol=1)
    np.testing.assert_array_equal(shown(data, frames="middle"), shown(data, 2, "all"))
    np.testing.assert_array_equal(shown(data, frames=4), shown(data, 3, "all"))


def test_a_file_without_preamble():
    data = dicoms.dicom(CT, preamble=False)
    assert b"DICM" not in data
    np.testing.assert_allclose(shown(data), own_range(CT), atol=1)


def test_what_holds_no_pixels_or_too_many_is_refused(monkeypatch):
    data = dataset_of(CT)
    del data.PixelData
    with pytest.raises(UnreadableImageError, match=r"without pixels \(Secondary Capture"):
        shown(written(data))
    data = dataset_of(CT, Rows=60_000, Columns=60_000)
    with pytest.raises(UnreadableImageError, match="more than the limit"):
        shown(written(data))
    data = dataset_of(np.zeros((1000, 1000), np.uint16))
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    monkeypatch.setattr(dicom, "MAX_INFLATED", 1_000_000)
    with pytest.raises(UnreadableImageError, match="inflates to more than"):
        shown(written(data))


def test_identifiers():
    file = written(dataset_of(CT, patient=" P-1 "))
    assert read_identifier(io.BytesIO(file), "PatientID") == "P-1"
    assert read_identifier(io.BytesIO(file), "StudyInstanceUID").startswith("1.2.826")
    assert read_identifier(io.BytesIO(file), "AccessionNumber") == ""


def test_damage_anywhere_is_an_image_or_a_clear_error():
    compressed = dataset_of(CT, **WINDOWS, **RESCALED)
    compressed.compress(RLELossless, generate_instance_uid=False)
    for good in (dicoms.dicom(CT, **WINDOWS, **RESCALED), written(compressed)):
        for position in range(128, len(good), 37):
            bad = bytearray(good)
            bad[position] ^= 0x55
            try:
                assert decode(bytes(bad)).mode in ("L", "RGB")
            except UnreadableImageError:
                continue


def test_a_long_header_changes_nothing():
    samples = np.arange(64, dtype=np.uint16).reshape(8, 8) * 60
    window = {"WindowCenter": 900, "WindowWidth": 2500, "RescaleSlope": 2, "RescaleIntercept": -9}
    bare, full = (dataset_of(samples, stored=12, **window) for _ in range(2))
    fill_header(full)
    # What is said of other pixels inside a sequence is not said of these.
    item = dataset_of(np.zeros((4, 2), np.uint16), stored=16, WindowCenter=1, WindowWidth=1)
    del item.file_meta
    full.ReferencedImageSequence = [item]
    full["ReferencedImageSequence"].is_undefined_length = True
    assert len(full) > len(bare) + 100
    expected = np.asarray(decode(written(bare)))
    assert len(np.unique(expected)) > 15
    assert np.array_equal(np.asarray(decode(written(full))), expected)


@pytest.mark.parametrize("stored", [8, 10, 12, 16])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("rest", ["zero", "sign", "overlay"])
def test_only_the_stored_bits_count(stored, signed, rest):
    """Bits above the stored ones hold zeros, copies of the sign, or overlays of old files."""
    values = RNG.integers(0, 2**stored, (20, 24)) - signed * 2 ** (stored - 1)
    words = values.astype(np.int64) & 0xFFFF
    above = 0xFFFF & ~(2**stored - 1)
    if rest != "sign":
        words &= ~above
    if rest == "overlay":
        words |= (RNG.integers(0, 65536, words.shape) & above).astype(np.int64)
    data = dataset_of(words.astype(np.uint16), stored=stored, RescaleSlope=1, RescaleIntercept=7)
    data.PixelRepresentation = int(signed)
    np.testing.assert_allclose(shown(written(data)), own_range(values), atol=1)
    np.testing.assert_array_equal(pixel_array(io.BytesIO(written(data))), values)


def test_the_high_bit_says_where_the_stored_bits_lie():
    """pydicom 3.0.2 takes the lowest ones whatever it says."""
    for signed in (False, True):
        values = CT.astype(np.int64) - signed * 2048
        data = dataset_of(((values << 4) & 0xFFFF).astype(np.uint16) | 5, stored=12, HighBit=15)
        data.PixelRepresentation = int(signed)
        np.testing.assert_allclose(shown(written(data)), own_range(values), atol=1)


def test_eight_bits_without_a_window_are_left_as_they_are():
    grey = (CT // 20).astype(np.uint8)
    assert grey.max() < 210
    for elements in ({}, {"RescaleSlope": 1, "RescaleIntercept": 0}):
        np.testing.assert_array_equal(shown(dicoms.dicom(grey, **elements)), grey)
    inverted = shown(dicoms.dicom(grey, photometric="MONOCHROME1"))
    np.testing.assert_array_equal(inverted, 255 - grey)
    np.testing.assert_allclose(shown(dicoms.dicom(grey), own_range=True), own_range(grey), atol=1)


@pytest.mark.parametrize("padding", [-2000, 63536])
def test_padding_of_signed_samples_is_often_written_unsigned(padding):
    samples = CT.astype("<i2") - 900
    samples[:4], samples[4] = -2000, -1995
    data = dataset_of(samples)
    data.add_new("PixelPaddingValue", "SS" if padding < 0 else "US", padding)
    data.add_new("PixelPaddingRangeLimit", "SS" if padding < 0 else "US", padding + 10)
    seen = shown(written(data))
    np.testing.assert_allclose(seen[5:], own_range(samples[5:]), atol=1)
    assert (seen[:5] == 0).all()


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("planar", [0, 1])
def test_colour_in_both_planar_configurations(depth, planar):
    colour = RNG.integers(0, 200, (20, 24, 3)).astype(f"uint{depth}")
    data = dataset_of(colour, photometric="RGB", PlanarConfiguration=planar)
    if planar:
        data.PixelData = np.moveaxis(colour, 2, 0).tobytes()
    expected = colour if depth == 8 else own_range(colour)
    np.testing.assert_allclose(shown(written(data)), expected, atol=1)
    np.testing.assert_array_equal(pixel_array(io.BytesIO(written(data))), colour)


@pytest.mark.parametrize("photometric", ["HSV", "YBR_RCT", "YBR_PARTIAL_420"])
def test_colour_that_nobody_converts_is_refused_by_name(photometric):
    colour = RNG.integers(0, 256, (20, 24, 3)).astype(np.uint8)
    with pytest.raises(UnreadableImageError, match=f"interpretation {photometric}; convert"):
        shown(dicoms.dicom(colour, photometric=photometric))


def test_extended_jpeg_of_twelve_bits():
    import imagecodecs

    smooth = np.repeat(np.linspace(100, 4000, 48).astype(np.uint16)[None], 40, axis=0)
    frame = imagecodecs.jpeg8_encode(smooth, bitspersample=12, level=95)
    data = dataset_of(smooth, stored=12, **WINDOWS)
    data.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    data.PixelData = pydicom.encaps.encapsulate([frame])
    data["PixelData"].VR = "OB"
    stored = imagecodecs.jpeg8_decode(frame).astype(float)
    expected = np.clip((stored - 299.5) / 1499 + 0.5, 0, 1) * 255
    np.testing.assert_allclose(shown(written(data), window="BONE"), expected, atol=1)
    data.PixelData = pydicom.encaps.encapsulate([frame[:60]])
    data["PixelData"].VR = "OB"
    with pytest.raises(UnreadableImageError):
        shown(written(data))


@pytest.mark.parametrize("kind", ["grey", "grey of 8 bits", "colour"])
def test_explicit_big_endian(kind):
    samples = {
        "grey": CT, "grey of 8 bits": (CT // 16).astype(np.uint8),
        "colour": RNG.integers(0, 256, (20, 24, 3)).astype(np.uint8),
    }[kind]  # fmt: skip
    photometric = "RGB" if kind == "colour" else "MONOCHROME2"
    data = dataset_of(samples, photometric=photometric)
    data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    data.PixelData = samples.astype(samples.dtype.newbyteorder(">")).tobytes()
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True, little_endian=False, implicit_vr=False)
    expected = own_range(CT) if kind == "grey" else samples
    np.testing.assert_allclose(shown(file.getvalue()), expected, atol=1)


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_float_pixel_data(kind):
    values = (CT / 7 - 90).astype(kind)
    data = dataset_of(CT)
    del data.PixelData, data.BitsStored, data.HighBit, data.PixelRepresentation
    data.BitsAllocated = 8 * values.dtype.itemsize
    setattr(data, "FloatPixelData" if kind == "f4" else "DoubleFloatPixelData", values.tobytes())
    np.testing.assert_allclose(shown(written(data)), own_range(values), atol=1)


def test_a_private_class_and_a_segmentation_of_one_bit():
    data = dataset_of(CT)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.113619.4.30"
    np.testing.assert_allclose(shown(written(data)), own_range(CT), atol=1)
    mask = CT[:, :32] > 2000
    packed = np.packbits(mask, bitorder="little").reshape(1, -1)
    data = dataset_of(packed, Rows=40, Columns=32, BitsAllocated=1, stored=1)
    data.BitsStored, data.HighBit = 1, 0
    np.testing.assert_array_equal(shown(written(data)), 255 * mask)


def test_each_frame_of_an_enhanced_file_has_its_own_rescaling():
    data = dataset_of(np.stack([CT] * 3), NumberOfFrames=3, stored=12)
    groups = []
    for frame in range(3):
        rescale, group = Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept = str(frame + 1), str(-100 * frame)
        group.PixelValueTransformationSequence = [rescale]
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = groups
    for frame in range(3):
        values = CT.astype(float) * (frame + 1) - 100 * frame
        expected = np.clip(values / 3000, 0, 1) * 255
        seen = shown(written(data), frame, "all", range=(0, 3000))
        np.testing.assert_allclose(seen, expected, atol=1)


def test_a_slope_of_zero_is_refused():
    with pytest.raises(UnreadableImageError, match="slope of 0"):
        shown(dicoms.dicom(CT, RescaleSlope=0, RescaleIntercept=0))


def test_overlays_are_not_drawn():
    data = dataset_of(CT)
    plain = shown(written(data))
    data.add_new(0x60000010, "US", 40)
    data.add_new(0x60000011, "US", 36)
    data.add_new(0x60000050, "SS", [1, 1])
    data.add_new(0x60000100, "US", 1)
    data.add_new(0x60000102, "US", 0)
    data.add_new(0x60003000, "OW", b"\xff" * 180)
    np.testing.assert_array_equal(shown(written(data)), plain)
