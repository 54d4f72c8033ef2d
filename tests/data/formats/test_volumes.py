"""Volumes: NumPy's as MRNet has them, NIfTI turned to how radiologists look at it."""

from __future__ import annotations

import gzip
import io
import struct

import nibabel
import numpy as np
import pytest

from stats_tl.data.formats import Reading, UnreadableImageError, count_frames, decode, volumes
from stats_tl.study.plan import Intensity

SERIES = np.random.default_rng(7).integers(0, 256, (5, 12, 16)).astype(np.uint8)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def nifti(array, affine=None, *, packed=False):
    image = nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine)
    data = image.to_bytes()
    return gzip.compress(data, mtime=0) if packed else data


def shown(data, frame=None, **reading):
    return np.asarray(decode(data, Reading(**reading), frame))


def test_slices_of_a_numpy_series():
    data = npy(SERIES)
    assert count_frames(data) == 5
    np.testing.assert_array_equal(shown(data, frames="middle"), SERIES[2])
    np.testing.assert_array_equal(shown(data, frames=5), SERIES[4])
    np.testing.assert_array_equal(shown(data, 1, frames="all"), SERIES[1])
    np.testing.assert_array_equal(shown(npy(np.asfortranarray(SERIES)), frames=1), SERIES[0])
    with pytest.raises(UnreadableImageError, match="5 frames"):
        shown(data)


def test_a_numpy_image_is_one_frame_and_an_npz_of_one_array_is_that_array():
    np.testing.assert_array_equal(shown(npy(SERIES[0])), SERIES[0])
    colour = np.dstack([SERIES[0], SERIES[1], SERIES[2]])
    np.testing.assert_array_equal(shown(npy(colour)), colour)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, series=SERIES)
    np.testing.assert_array_equal(shown(buffer.getvalue(), frames=2), SERIES[1])
    np.savez(buffer := io.BytesIO(), a=SERIES, b=SERIES)
    with pytest.raises(UnreadableImageError, match="2 arrays"):
        shown(buffer.getvalue())


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array(["a"], dtype=object), "array of object"),
        (np.zeros((2, 3, 4, 5)), "expected .slices, height, width"),
        (np.zeros(7), "expected .slices"),
    ],
)
def test_arrays_that_are_no_images_are_refused_unpickled(array, message):
    with pytest.raises(UnreadableImageError, match=message):
        shown(npy(array))


def marked():
    """A volume in RAS+ with one bright voxel: right, anterior and superior of the centre."""
    volume = np.zeros((10, 12, 14), np.int16)
    volume[8, 9, 11] = 100
    return volume


@pytest.mark.parametrize("packed", [False, True])
def test_planes_show_superior_and_anterior_up_and_right_at_the_left(packed):
    data = nifti(marked(), packed=packed)
    place = {}
    for plane, number in (("axial", 12), ("coronal", 10), ("sagittal", 9)):
        seen = shown(data, plane=plane, frames=number)
        ((row,), (column,)) = np.nonzero(seen)
        place[plane] = (seen.shape, row, column)
    assert place["axial"] == ((12, 10), 11 - 9, 9 - 8)
    assert place["coronal"] == ((14, 10), 13 - 11, 9 - 8)
    assert place["sagittal"] == ((14, 12), 13 - 11, 11 - 9)


@pytest.mark.parametrize("codes", ["LPS", "SPL", "AIR"])
def test_the_storage_order_does_not_matter(codes):
    image = nibabel.Nifti1Image(marked(), np.eye(4))
    start = nibabel.orientations.io_orientation(np.eye(4))
    turn = nibabel.orientations.ornt_transform(
        start, nibabel.orientations.axcodes2ornt(tuple(codes))
    )
    turned = image.as_reoriented(turn)
    assert nibabel.aff2axcodes(turned.affine) == tuple(codes)
    for plane in ("axial", "coronal", "sagittal"):
        for frame in range(count_frames(image.to_bytes(), Reading(plane=plane))):
            np.testing.assert_array_equal(
                shown(turned.to_bytes(), frame, plane=plane),
                shown(image.to_bytes(), frame, plane=plane),
            )


def test_scaled_nifti_is_scaled_and_a_single_slice_needs_no_plane():
    image = nibabel.Nifti1Image(marked()[:, :, 11:12], np.eye(4))
    image.header.set_slope_inter(2.0, -50.0)
    seen = shown(image.to_bytes())
    assert seen.shape == (12, 10)
    assert seen.max() == 255
    assert (seen > 0).sum() == 1


def test_a_volume_without_a_plane_and_a_bomb_are_refused(monkeypatch):
    with pytest.raises(UnreadableImageError, match="10 x 12 x 14; set `plane`"):
        shown(nifti(marked()), frames="middle")
    with pytest.raises(UnreadableImageError, match="expected one volume"):
        shown(nifti(np.zeros((4, 4, 4, 3), np.int16)), plane="axial", frames=1)
    monkeypatch.setattr(volumes, "MAX_VOLUME_BYTES", 1000)
    with pytest.raises(UnreadableImageError, match="more than 1,000 bytes"):
        shown(nifti(marked(), packed=True), plane="axial", frames=1)
    with pytest.raises(UnreadableImageError, match="at most 1,000 bytes"):
        shown(npy(np.zeros((20, 20, 20))), frames=1)


def test_damage_anywhere_is_an_image_or_a_clear_error():
    for good in (npy(SERIES), nifti(marked()), nifti(marked(), packed=True)):
        for position in range(0, min(len(good), 400), 3):
            bad = bytearray(good)
            bad[position] ^= 0x55
            try:
                assert decode(bytes(bad), Reading(frames=1, plane="axial")).mode in ("L", "RGB")
            except UnreadableImageError:
                continue


def test_a_last_axis_of_channels_is_no_axis_of_slices():
    grey = (np.arange(30 * 40).reshape(30, 40) % 251).astype(np.uint8)
    colour = np.dstack([grey, grey.T[:30, :30].repeat(2, 1)[:, :40], 255 - grey])
    alpha = np.dstack([colour, grey])
    for samples, expected in ((grey[..., None], grey), (colour, colour), (alpha, colour)):
        np.testing.assert_array_equal(np.asarray(decode(npy(samples))), expected)
        stack = npy(np.stack([samples, samples[::-1]]))
        assert count_frames(stack) == 2
        second = np.asarray(decode(stack, Reading(frames=2)))
        np.testing.assert_array_equal(second, expected[::-1])


@pytest.mark.parametrize(("slope", "intercept"), [(2.5, -1024.0), (1.0, -1000.0)])
def test_nifti_is_read_with_its_scale(slope, intercept):
    stored = np.random.default_rng(8).integers(0, 800, (12, 14, 3)).astype(np.int16)
    data = bytearray(nibabel.Nifti1Image(stored, np.eye(4)).to_bytes())
    struct.pack_into("<ff", data, 112, slope, intercept)  # scl_slope, scl_inter
    reference = nibabel.Nifti1Image.from_bytes(bytes(data)).get_fdata()
    np.testing.assert_allclose(reference, stored * slope + intercept)
    reading = Reading(Intensity(range=(-500, 600)), 2, "axial")
    seen = np.asarray(decode(bytes(data), reading))
    expected = np.clip((reference[::-1, ::-1, 1].T + 500) / 1100, 0, 1) * 255
    np.testing.assert_allclose(seen, expected, atol=1)


@pytest.mark.parametrize("names", ["RGB", "RGBA"])
def test_colour_nifti(names):
    voxels = np.zeros((12, 14, 2), dtype=[(name, "u1") for name in names])
    colours = np.random.default_rng(9).integers(0, 256, (12, 14, 2, 3)).astype(np.uint8)
    for channel, name in enumerate("RGB"):
        voxels[name] = colours[..., channel]
    data = nibabel.Nifti1Image(voxels, np.eye(4)).to_bytes()
    seen = np.asarray(decode(data, Reading(frames=2, plane="axial")))
    np.testing.assert_array_equal(seen, np.swapaxes(colours[::-1, ::-1, 1], 0, 1))
