"""Random affine views of a batch of images, on the device where the images are.

One view is a horizontal flip (half of the time), a shear, a scaling, a rotation and a
translation about the centre of the image, each uniform in the ranges of the study that
this project grew from. With the image's coordinates in -1..1, a point p of the original
is moved to

    q = R(angle) * scale * H(shear) * F * p + 2 t,

where H is [[1, shear], [0, 1]] (a slope, not an angle), F the flip and t the translation
as a share of the image. What comes from beyond the border is black, as in torchvision;
so images are augmented in 0..255, before they are normalised.

Transforms are drawn on the CPU from a generator of the caller: the arms of a pair get
the same views, and so do a CPU and a GPU.
"""

from __future__ import annotations

__all__ = ["apply_affine", "draw_affine"]

import math

import torch
from torch.nn import functional

FLIP_PROBABILITY = 0.5
MAX_ROTATION = 10.0  # degrees
MAX_TRANSLATION = 0.1  # of the image, along each axis
SCALE = (0.9, 1.1)
MAX_SHEAR = 0.1


def draw_affine(n: int, generator: torch.Generator) -> torch.Tensor:
    """Draw one view for each of `n` images.

    Parameters
    ----------
    n : int
    generator : torch.Generator
        On the CPU. Six uniform numbers an image are taken from it.

    Returns
    -------
    Tensor of shape (n, 2, 3), dtype float32
        From the coordinates of the view to those of the original, as
        :func:`torch.nn.functional.affine_grid` has it.

    Examples
    --------
    >>> draw_affine(8, torch.Generator().manual_seed(0)).shape
    torch.Size([8, 2, 3])
    """
    uniform = torch.rand(n, 6, generator=generator, dtype=torch.float64)
    symmetric = 2 * uniform - 1
    flip = torch.where(uniform[:, 0] < FLIP_PROBABILITY, -1.0, 1.0).double()
    angle = symmetric[:, 1] * math.radians(MAX_ROTATION)
    scale = SCALE[0] + (SCALE[1] - SCALE[0]) * uniform[:, 2]
    shear = symmetric[:, 3] * MAX_SHEAR
    shift = 2 * MAX_TRANSLATION * symmetric[:, 4:, None]
    cos, sin, one, zero = angle.cos(), angle.sin(), torch.ones_like(angle), torch.zeros_like(angle)
    rotation = _stack(cos, -sin, sin, cos)
    linear = scale[:, None, None] * rotation @ _stack(one, shear, zero, one)
    inverse = torch.linalg.inv(linear @ _stack(flip, zero, zero, one))
    return torch.cat([inverse, -inverse @ shift], dim=2).float()


def _stack(*entries: torch.Tensor) -> torch.Tensor:
    """(n, 2, 2) from four vectors, row by row."""
    return torch.stack(entries, dim=-1).view(-1, 2, 2)


def apply_affine(images: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """Views of images, bilinear, black beyond the border.

    Parameters
    ----------
    images : Tensor of shape (n, channels, size, size)
        uint8 or floating point, in 0..255, not normalised.
    matrices : Tensor of shape (n, 2, 3)
        From :func:`draw_affine`; on any device.

    Returns
    -------
    Tensor of shape (n, channels, size, size)
        On the device of `images`; float32 (not rounded) for uint8, else of the dtype of
        `images`.

    Raises
    ------
    ValueError
        If the images are not square, or the numbers of images and matrices differ.

    Examples
    --------
    >>> mirror = torch.tensor([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> image = torch.tensor([[[[0, 80], [0, 80]]]], dtype=torch.uint8)
    >>> apply_affine(image, mirror)
    tensor([[[[80.,  0.],
              [80.,  0.]]]])
    """
    if images.ndim != 4 or images.shape[2] != images.shape[3]:
        raise ValueError(
            f"`images` must have shape (n, channels, size, size), got {tuple(images.shape)}"
        )
    if matrices.shape != (len(images), 2, 3):
        raise ValueError(
            f"`matrices` must have shape ({len(images)}, 2, 3), one an image, "
            f"got {tuple(matrices.shape)}"
        )
    x = images if images.is_floating_point() else images.to(torch.float32)
    matrices = matrices.to(device=x.device, dtype=x.dtype)
    grid = functional.affine_grid(matrices, list(x.shape), align_corners=False)
    return functional.grid_sample(
        x, grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
