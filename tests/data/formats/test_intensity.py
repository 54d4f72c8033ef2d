"""Which samples become black and white."""

from __future__ import annotations

import numpy as np
import pytest

from stats_tl.data.formats import Reading, UnreadableImageError, decode
from stats_tl.data.formats.intensity import map_samples
from stats_tl.study.plan import Intensity
from tests.data.conftest import encode

SATURATED = np.random.default_rng(0).integers(200, 1000, (40, 40)).astype(np.uint16)
SATURATED[3, 3] = 65535


def shown(samples, **intensity):
    return np.asarray(decode(encode(samples), Reading(Intensity(**intensity))))


def test_one_saturated_pixel_need_not_darken_the_others():
    others = SATURATED != 65535
    assert shown(SATURATED)[others].max() <= 4
    by_percentiles = shown(SATURATED, percentiles=(0.5, 99.5))
    low, high = np.percentile(SATURATED, (0.5, 99.5))
    expected = np.rint(np.clip((SATURATED - low) / (high - low), 0, 1) * 255)
    np.testing.assert_allclose(by_percentiles, expected, atol=1)
    assert np.ptp(by_percentiles[others]) == 255


def test_a_fixed_range_is_the_same_for_all_images():
    expected = np.rint(np.clip((SATURATED - 0.0) / 1000, 0, 1) * 255)
    np.testing.assert_allclose(shown(SATURATED, range=(0, 1000)), expected, atol=1)
    np.testing.assert_allclose(
        shown(SATURATED[5:9, :5], range=(0, 1000)), expected[5:9, :5], atol=1
    )


def test_eight_bits_change_only_where_the_plan_says_so():
    grey = np.arange(100, 200, dtype=np.uint8).reshape(10, 10)
    np.testing.assert_array_equal(shown(grey), grey)
    assert np.ptp(shown(grey, own_range=True)) == 255


def test_colour_is_scaled_jointly():
    colour = np.zeros((4, 4, 3), np.uint8)
    colour[0, 0], colour[1, 1] = (100, 60, 0), (0, 20, 40)
    seen = shown(colour, own_range=True)
    assert seen[0, 0].tolist() == [255, 153, 0]
    assert seen[1, 1].tolist() == [0, 51, 102]


def test_a_dicom_window_of_what_is_no_dicom_is_refused():
    with pytest.raises(UnreadableImageError, match="this is no DICOM file"):
        shown(SATURATED, window="first")


@pytest.mark.parametrize("kind", ["u1", "i1", "<u2", ">u2", "<i2", "u4", "f4"])
def test_the_table_is_the_function(kind):
    kinds = np.dtype(kind)
    limits = (-100, 100) if kinds.kind != "u" else (0, 200)
    samples = np.random.default_rng(1).integers(*limits, (9, 7)).astype(kinds)

    def function(values):
        assert values.dtype == np.float64
        return (values / 2 + 60).astype(np.uint8)

    np.testing.assert_array_equal(
        map_samples(samples, function), function(samples.astype(np.float64))
    )
