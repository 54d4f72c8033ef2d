"""PNG, JPEG, BMP, GIF, WebP, JPEG 2000: by Pillow; by imagecodecs what Pillow cuts to 8 bits."""

from __future__ import annotations

__all__ = ["count_frames", "decode"]

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from .intensity import grey_or_colour, render
from .reading import Reading, UnreadableImageError, check_size, choose_frame

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "JPEG2000", "TIFF")
_COLOUR = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
_GREY = ("1", "L", "LA", "La")
_ORIENTATION = 0x0112
_JPEG_LS = 0xF7  # the marker of its frame header


def decode(data: bytes, reading: Reading, frame: int | None = None) -> Image.Image:
    """The image in `data`, upright, as mode L or RGB."""
    decoder = _deep_jpeg(data)
    if decoder is not None:
        choose_frame(1, reading, frame)
        return render(decoder(data), reading.intensity)
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        check_size(*image.size)
        number = choose_frame(_frames_of(image), reading, frame)
        if number:
            image.seek(number)
        deep = _deep_colour(data, image)
        if deep is not None:
            return upright(render(deep, reading.intensity), image.getexif().get(_ORIENTATION, 1))
        image.load()
        return to_eight_bit(ImageOps.exif_transpose(image), reading)


def count_frames(data: bytes) -> int:
    """How many images the file holds."""
    if _deep_jpeg(data) is not None:
        return 1
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return _frames_of(image)


def _frames_of(image: Image.Image) -> int:
    # The further pictures of an MPO are other views, depth or gain maps of the first.
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


def to_eight_bit(image: Image.Image, reading: Reading) -> Image.Image:
    """A decoded image as mode L or RGB; transparency is dropped."""
    if image.mode not in _GREY + _COLOUR:
        samples = np.asarray(image)
        if samples.ndim != 2:
            raise UnreadableImageError(
                f"pixels of mode {image.mode}; convert it to grey levels or RGB"
            )
        return render(samples, reading.intensity)
    image = image.convert("L" if image.mode in _GREY else "RGB")
    if reading.intensity.auto:
        return grey_or_colour(image)
    return render(np.asarray(image), reading.intensity)


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """`image` turned as the EXIF or TIFF orientation (1 to 8) says."""
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _deep_colour(data: bytes, image: Image.Image) -> np.ndarray | None:
    """Colour or grey-with-alpha samples of more than 8 bits, which Pillow would cut."""
    if image.format == "PNG":
        # Bytes 24 and 25 of every PNG: bit depth and colour type.
        if data[24] != 16 or data[25] not in (2, 4, 6):
            return None
        import imagecodecs

        return _without_alpha(imagecodecs.png_decode(data))
    if image.format == "JPEG2000" and image.mode != "L" and not image.mode.startswith("I"):
        start = data.find(b"\xff\x4f\xff\x51")
        # The SIZ segment ends with the depth of each component, less one.
        if start < 0 or (data[start + 42] & 0x7F) + 1 <= 8:
            return None
        import imagecodecs

        return _without_alpha(imagecodecs.jpeg2k_decode(data))
    return None


def _deep_jpeg(data: bytes) -> Callable[[bytes], np.ndarray] | None:
    """What decodes a JPEG-LS file, or a JPEG of more than 8 bits; Pillow opens neither."""
    position = 2
    while data.startswith(b"\xff\xd8") and position + 9 < len(data):
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        if marker == _JPEG_LS or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            depth = data[position + 4]
            height, width = (int.from_bytes(data[position + k : position + k + 2]) for k in (5, 7))
            if marker != _JPEG_LS and depth <= 8:
                return None
            check_size(width, height)
            import imagecodecs

            return imagecodecs.jpegls_decode if marker == _JPEG_LS else imagecodecs.jpeg8_decode
        position += 2 + length
    return None


def _without_alpha(samples: np.ndarray) -> np.ndarray:
    if samples.ndim == 2:
        return samples
    return samples[..., 0] if samples.shape[2] < 3 else np.ascontiguousarray(samples[..., :3])
