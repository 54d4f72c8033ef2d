"""PNG, GIF, WebP, JPEG 2000, MPO: every depth and frame that Pillow gives, cuts or counts."""

from __future__ import annotations

import io

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
