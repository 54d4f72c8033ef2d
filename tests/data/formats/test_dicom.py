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
    JPEG2000Lossless,
    JPEGBaseline8Bit,
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
