"""Affine views: ranges, geometry against an independent warp, pairing."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from stats_tl.train.fitting.augmentation import apply_affine, draw_affine


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth_images(n: int = 4, size: int = 48, channels: int = 1) -> torch.Tensor:
    """Blurred noise with a black frame, so that interpolation and border hardly matter."""
    rng = np.random.default_rng(2)
    noise = ndimage.gaussian_filter(rng.normal(size=(n, channels, size, size)), (0, 0, 3, 3))
    noise = 255 * (noise - noise.min()) / np.ptp(noise)
    noise[..., :8, :] = noise[..., -8:, :] = noise[..., :8] = noise[..., -8:] = 0
    return torch.from_numpy(noise).float()


def decompose(matrices: torch.Tensor) -> dict[str, np.ndarray]:
    """Flip, angle, scale, shear and shift of each view, from its matrix."""
    inverse = matrices[:, :, :2].double().numpy()
    forward = np.linalg.inv(inverse)
    shift = -(forward @ matrices[:, :, 2:].double().numpy())[:, :, 0] / 2
    flip = np.sign(np.linalg.det(forward))
    unflipped = forward * np.stack([flip, np.ones_like(flip)], axis=1)[:, None, :]
    # R * s * [[1, shear], [0, 1]]: the first column is s (cos, sin).
    scale = np.hypot(unflipped[:, 0, 0], unflipped[:, 1, 0])
    angle = np.degrees(np.arctan2(unflipped[:, 1, 0], unflipped[:, 0, 0]))
    shear = (unflipped[:, :, 0] * unflipped[:, :, 1]).sum(axis=1) / scale**2
    return {"flip": flip, "angle": angle, "scale": scale, "shear": shear, "shift": shift}


def test_ranges_are_those_of_the_study_and_are_used_fully():
    parts = decompose(draw_affine(4000, generator()))
    assert abs(parts["flip"].mean()) < 0.06  # 4000 fair coins: sd .016
    for name, low, high in [
        ("angle", -10, 10), ("scale", 0.9, 1.1), ("shear", -0.1, 0.1), ("shift", -0.1, 0.1),
    ]:  # fmt: skip
        values = parts[name]
        slack = 1e-5 * (high - low)
        assert values.min() >= low - slack
        assert values.max() <= high + slack
        # Uniform: the deciles lie where they should.
        share = (np.quantile(values, [0.1, 0.5, 0.9]) - low) / (high - low)
        np.testing.assert_allclose(share, [0.1, 0.5, 0.9], atol=0.03)


def test_warp_agrees_with_scipy():
    images = smooth_images()
    n, _, size, _ = images.shape
    matrices = draw_affine(n, generator(3))
    views = apply_affine(images, matrices)
    # Coordinates -1..1 from edge to edge: pixel i has its centre at (2 i + 1) / size - 1.
    axis = (2 * np.arange(size) + 1) / size - 1
    x, y = np.meshgrid(axis, axis)
    for image, view, matrix in zip(images, views, matrices.double().numpy(), strict=True):
        source = np.tensordot(matrix, np.stack([x, y, np.ones_like(x)]), axes=1)
        columns, rows = ((source + 1) * size - 1) / 2
        expected = ndimage.map_coordinates(image[0].numpy(), [rows, columns], order=1, cval=0)
        np.testing.assert_allclose(view[0], expected, atol=0.05)


def test_the_same_generator_gives_the_same_views_and_touches_nothing_else():
    state = torch.get_rng_state()
    first = draw_affine(6, generator(1))
    assert torch.equal(first, draw_affine(6, generator(1)))
    assert not torch.equal(first, draw_affine(6, generator(2)))
    assert torch.equal(torch.get_rng_state(), state)
    assert len(torch.unique(first.flatten(1), dim=0)) == 6


def test_identity_keeps_images_and_bytes_are_taken():
    images = smooth_images(channels=3).to(torch.uint8)
    identity = torch.eye(2, 3).expand(len(images), 2, 3)
    views = apply_affine(images, identity)
    assert views.dtype == torch.float32
    torch.testing.assert_close(views, images.float(), rtol=0, atol=1e-2)
    assert torch.equal(apply_affine(images.float(), identity), views)


def test_beyond_the_border_is_black():
    matrices = draw_affine(64, generator(4))
    views = apply_affine(torch.full((64, 1, 32, 32), 200.0), matrices)
    assert views.min() == 0
    torch.testing.assert_close(views.max(), torch.tensor(200.0), rtol=1e-5, atol=0)


def test_wrong_shapes():
    with pytest.raises(ValueError, match=r"`images` must have shape .* got \(1, 1, 8, 9\)"):
        apply_affine(torch.zeros(1, 1, 8, 9), torch.eye(2, 3)[None])
    with pytest.raises(ValueError, match=r"`matrices` must have shape \(2, 2, 3\)"):
        apply_affine(torch.zeros(2, 1, 8, 8), torch.eye(2, 3)[None])
