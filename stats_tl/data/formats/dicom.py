"""DICOM: decoded by pydicom and its plugins; modality, window and polarity as the standard says.

References
----------
.. [1] DICOM PS3.3, C.7.6.3 (pixels and palettes), C.11.1 (modality LUT), C.11.2 (VOI LUT).
"""

from __future__ import annotations

__all__ = ["count_frames", "decode", "read_identifier"]

import functools
import io
import re
import zlib
from collections.abc import Callable
from functools import partial
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ...study.plan import Intensity
from .intensity import bounds, grey_or_colour, map_samples, render, stretch
from .reading import Reading, UnreadableImageError, check_size, choose_frame

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_PALETTE = tuple(
    f"{kind}{colour}PaletteColorLookupTableData"
    for kind in ("", "Segmented")
    for colour in ("Red", "Green", "Blue", "Alpha")
)
#: All that is parsed of headers of some hundred elements: what pydicom asks for pixels, and we.
ELEMENTS = (
    *PIXELS,
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "NumberOfFrames", "Rows", "Columns"),
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "PixelRepresentation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "VOILUTSequence"),
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction"),
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")),
    *_PALETTE,
    *("SOPClassUID", "PixelPresentation"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
MAX_INFLATED = 512 * 2**20
_DEFLATED = "1.2.840.10008.1.2.1.99"
_LITTLE_ENDIAN = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", _DEFLATED)
_ONE_CHANNEL = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
_NUMBER = re.compile(rb" *[+-]?\d+(\.\d+)? *")
_Levels = Callable[[np.ndarray], np.ndarray]


def decode(data: bytes, reading: Reading, frame: int | None = None) -> Image.Image:
    """A frame of the DICOM file in `data` as mode L or RGB."""
    dataset = _parse(data)
    _refuse_without_pixels(dataset)
    check_size(int(dataset.Columns), int(dataset.Rows))
    number = choose_frame(_frames_of(dataset), reading, frame)
    samples, photometric = _native_grey(dataset, number) or _samples(dataset, number)
    if samples.ndim == 3 and photometric != "RGB":
        raise UnreadableImageError(
            f"photometric interpretation {photometric}; convert it to grey levels or RGB"
        )
    if photometric == "PALETTE COLOR":
        samples = _palette(samples, dataset)
    if samples.ndim == 3:
        if reading.intensity.window is not None:
            raise UnreadableImageError(
                f"`intensity` asks for the window {reading.intensity.window!r}; colour has none"
            )
        if samples.dtype == np.uint8 and reading.intensity.auto:
            return grey_or_colour(samples)
        if photometric == "PALETTE COLOR" and reading.intensity.auto:
            return grey_or_colour(map_samples(samples, partial(stretch, low=0, high=65535)))
        return render(samples, reading.intensity)
    return Image.fromarray(_grey(samples, dataset, number, photometric, reading.intensity))


def count_frames(data: bytes) -> int:
    """How many images the file holds."""
    dataset = _parse(data, stop_before_pixels=True)
    return _frames_of(dataset)


def read_identifier(file: IO[bytes], name: str) -> str:
    """The text of one element of the header, e.g. ``PatientID``; empty if it is not there.

    Raises
    ------
    UnreadableImageError
        If the file is no DICOM file.
    """
    pydicom = _pydicom()
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[name], force=True)
        return str(dataset.get(name) or "").strip()
    except Exception as error:  # damaged headers make pydicom raise nearly anything
        raise UnreadableImageError(f"not a readable DICOM header ({error})") from error


def _pydicom() -> Any:
    try:
        import pydicom
    except ImportError:
        raise UnreadableImageError(
            "a DICOM file, which needs pydicom: pip install 'stats_tl[dicom]'"
        ) from None
    return pydicom


def _parse(data: bytes, *, stop_before_pixels: bool = False) -> Dataset:
    pydicom = _pydicom()
    if _DEFLATED.encode() in data[:4096]:
        _refuse_bomb(data)
    dataset: Dataset = pydicom.dcmread(
        io.BytesIO(data),
        force=True,
        stop_before_pixels=stop_before_pixels,
        specific_tags=_needed_tags(),
    )
    return dataset


@functools.cache
def _needed_tags() -> list[Any]:
    from pydicom.tag import Tag

    return [Tag(_tag(keyword)) for keyword in ELEMENTS]


@functools.cache
def _tag(keyword: str) -> int:
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    assert tag is not None
    return int(tag)


def _value(dataset: Dataset, keyword: str) -> Any:
    """The value of an element, None where it is not there.

    As ``dataset.get(keyword)``, which takes long to find that nothing is there, and to check and
    wrap what is: single numbers and codes of explicit files are taken from their bytes.
    """
    tag, present = _tag(keyword), dataset.keys()
    if tag not in present:
        return None
    raw: Any = dataset.get_item(tag)
    if raw.VR == "US" and isinstance(raw.value, bytes) and len(raw.value) == 2:
        return int.from_bytes(raw.value, "little" if raw.is_little_endian else "big")
    if raw.VR in ("OB", "OW") and isinstance(raw.value, bytes):
        return raw.value
    if raw.VR == "CS" and isinstance(raw.value, bytes) and b"\\" not in raw.value:
        return raw.value.decode("latin-1").strip("\0 ")
    if raw.VR == "DS" and isinstance(raw.value, bytes) and _NUMBER.fullmatch(raw.value):
        return float(raw.value)
    return dataset[tag].value


def _refuse_bomb(data: bytes) -> None:
    """Inflate a deflated data set within bounds; pydicom has none."""
    # After the preamble, `DICM` and the 12 bytes of the first element, whose value is the
    # length of the rest of the file's meta information, in little endian.
    start = 144 + int.from_bytes(data[140:144], "little")
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[start:], MAX_INFLATED + 1)
    if len(inflated) > MAX_INFLATED:
        raise UnreadableImageError(f"inflates to more than the limit of {MAX_INFLATED:,} bytes")


def _refuse_without_pixels(dataset: Dataset) -> None:
    present = dataset.keys()
    if any(_tag(key) in present for key in PIXELS):
        return
    kind = getattr(_value(dataset, "SOPClassUID"), "name", None) or "no image"
    raise UnreadableImageError(f"a DICOM file without pixels ({kind}); take it out of the data")


def _frames_of(dataset: Dataset) -> int:
    return int(_value(dataset, "NumberOfFrames") or 1)


def _syntax(dataset: Dataset) -> UID:
    from pydicom.uid import ImplicitVRLittleEndian

    meta = getattr(dataset, "file_meta", None)
    syntax = meta.get("TransferSyntaxUID") if meta is not None else None
    return syntax or ImplicitVRLittleEndian  # no meta information: what DICOM's default says


def _native_grey(dataset: Dataset, number: int) -> tuple[np.ndarray, str] | None:
    """Uncompressed samples of one channel as they lie in the file; None if they are others.

    pydicom takes the stored bits to be the lowest ones, whatever `HighBit` says, and longer.
    """
    keys = ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "Rows", "Columns")
    values = [_value(dataset, key) for key in keys]
    photometric = str(_value(dataset, "PhotometricInterpretation"))
    data = _value(dataset, "PixelData")
    if (
        str(_syntax(dataset)) not in _LITTLE_ENDIAN
        or _value(dataset, "SamplesPerPixel") != 1
        or photometric not in _ONE_CHANNEL
        or not isinstance(data, bytes)
        or not all(isinstance(value, int) for value in values)
    ):
        return None
    allocated, stored, high, signed, rows, columns = values
    size = rows * columns
    whole = len(data) >= size * allocated // 8 * _frames_of(dataset)
    if allocated not in (8, 16) or not 0 < stored <= high + 1 <= allocated or not whole or not size:
        return None
    kind = np.dtype(f"<{'i' if signed else 'u'}{allocated // 8}")
    samples = np.frombuffer(data, kind, size, number * size * kind.itemsize)
    if stored < allocated:  # other bits may hold overlays; the sign is that of the stored bits
        samples = samples << (allocated - 1 - high) >> (allocated - stored)
    return samples.reshape(rows, columns), photometric


def _samples(dataset: Dataset, number: int) -> tuple[np.ndarray, str]:
    """The samples of a frame, colour as RGB, and what they then are."""
    from pydicom.pixels.decoders.base import get_decoder

    syntax = _syntax(dataset)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise UnreadableImageError(
            f"compressed as {syntax.name}, which no plugin of pydicom decodes; convert it to PNG "
            "or to an uncompressed transfer syntax"
        ) from None
    if not decoder.is_available:
        raise UnreadableImageError(
            f"compressed as {syntax.name}; install one of: "
            f"{'; '.join(decoder.missing_dependencies)} (pip install 'stats_tl[dicom]')"
        )
    try:
        samples, found = decoder.as_array(dataset, index=number)
    except RuntimeError:
        if not _is_twelve_bit_jpeg(dataset, syntax):
            raise
        # The plugins leave these to a library under the GPL.
        return _twelve_bit_jpeg(dataset, number), str(dataset.PhotometricInterpretation)
    return samples, str(found["photometric_interpretation"])


def _is_twelve_bit_jpeg(dataset: Dataset, syntax: UID) -> bool:
    from pydicom.uid import JPEGExtended12Bit

    grey = _value(dataset, "SamplesPerPixel") == 1
    return grey and syntax == JPEGExtended12Bit and _value(dataset, "BitsStored") == 12


def _twelve_bit_jpeg(dataset: Dataset, number: int) -> np.ndarray:
    import imagecodecs
    from pydicom.encaps import get_frame

    frame = get_frame(dataset.PixelData, number, number_of_frames=_frames_of(dataset))
    return np.asarray(imagecodecs.jpeg8_decode(frame))


def _palette(samples: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Palette colour as RGB, uint8 or uint16."""
    from pydicom.pixels.processing import apply_color_lut

    entries, first = dataset.RedPaletteColorLookupTableDescriptor[:2]
    # Clipped here: pydicom lets positions beyond a table of 8-bit entries wrap around.
    positions = np.clip(samples.astype(np.int64), first, first + (entries or 65536) - 1)
    colours = apply_color_lut(positions, dataset)
    return np.ascontiguousarray(colours[..., :3])


def _grey(
    samples: np.ndarray, dataset: Dataset, number: int, photometric: str, intensity: Intensity
) -> np.ndarray:
    modality = _modality(_group(dataset, number, "PixelValueTransformationSequence"))
    window = _window(_group(dataset, number, "FrameVOILUTSequence"), intensity)
    if window is None:
        low, high = _own_bounds(samples, dataset, modality, intensity)
        window = partial(stretch, low=low, high=high)
    inverted = photometric == "MONOCHROME1"

    def shown(values: np.ndarray) -> np.ndarray:
        grey = window(modality(values))
        return 255 - grey if inverted else grey

    return map_samples(samples, shown)


def _group(dataset: Dataset, number: int, name: str) -> Dataset:
    """Where a frame's transformation stands: its functional group, the shared one, or the top."""
    for key, position in (
        ("PerFrameFunctionalGroupsSequence", number),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        groups = _value(dataset, key)
        items = _value(groups[position], name) if groups and position < len(groups) else None
        if items:
            group: Dataset = items[0]
            return group
    return dataset


def _modality(group: Dataset) -> _Levels:
    """Stored values to those of the modality (Hounsfield units, for example)."""
    sequence = _value(group, "ModalityLUTSequence")
    if sequence:
        return _table(sequence[0])[0]
    slope, intercept = _value(group, "RescaleSlope"), _value(group, "RescaleIntercept")
    if slope is None or intercept is None or (slope == 1 and intercept == 0):
        return _identity
    if slope == 0:
        raise UnreadableImageError("a rescale slope of 0, which leaves nothing of the image")
    return lambda values: values * float(slope) + float(intercept)


def _identity(values: np.ndarray) -> np.ndarray:
    return values


def _table(item: Dataset) -> tuple[_Levels, int]:
    """A LUT as a function of float values, and the bits of its entries."""
    entries, first, bits = (int(value) for value in item.LUTDescriptor)
    raw = item.LUTData
    if isinstance(raw, bytes):
        raw = np.frombuffer(raw, dtype="<u2" if len(raw) >= 2 * (entries or 65536) else "u1")
    lut = np.asarray(raw).astype(np.float64)
    # Own positions: pydicom 3.0 lets those beyond 255 wrap around where entries have 8 bits.
    return lambda values: lut[np.clip(values - first, 0, len(lut) - 1).astype(np.int64)], bits


def _window(group: Dataset, intensity: Intensity) -> _Levels | None:
    """Modality values to grey by the file's VOI LUT or window; None: by the image's own range."""
    if not intensity.auto and intensity.window is None:
        return None
    luts = list(_value(group, "VOILUTSequence") or [])
    centres, widths = (_numbers(_value(group, key)) for key in ("WindowCenter", "WindowWidth"))
    if intensity.window in (None, "first"):
        if luts:
            return _voi_table(luts[0])
        if centres and widths:
            return _windowing(centres[0], widths[0], group)
        if intensity.window is None:
            return None
        raise UnreadableImageError("`intensity` asks for the first window, and the file has none")
    names = [str(_value(lut, "LUTExplanation") or "").strip() for lut in luts]
    if intensity.window in names:
        return _voi_table(luts[names.index(intensity.window)])
    names = _texts(_value(group, "WindowCenterWidthExplanation"))
    if intensity.window in names:
        position = names.index(intensity.window)
        if position < min(len(centres), len(widths)):
            return _windowing(centres[position], widths[position], group)
    raise UnreadableImageError(f"has no window that is named {intensity.window!r}")


def _voi_table(item: Dataset) -> _Levels:
    lookup, bits = _table(item)
    return lambda values: stretch(lookup(values), 0, 2**bits - 1)


def _windowing(centre: float, width: float, group: Dataset) -> _Levels:
    """PS3.3, C.11.2.1.2 and C.11.2.1.3, with an output of 0 to 255."""
    function = str(_value(group, "VOILUTFunction") or "LINEAR").upper()
    if function == "SIGMOID" and width > 0:

        def sigmoid(values: np.ndarray) -> np.ndarray:
            exponent = np.clip(-4 * (values - centre) / width, -700, 700)
            return stretch(255 / (1 + np.exp(exponent)), 0, 255)

        return sigmoid
    if function == "LINEAR" and width >= 1:
        if width == 1:
            return lambda values: np.where(values > centre - 0.5, 255, 0).astype(np.uint8)
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    elif function == "LINEAR_EXACT" and width > 0:
        low, high = centre - width / 2, centre + width / 2
    else:
        raise UnreadableImageError(f"a window of width {width:g} with the function {function!r}")
    return partial(stretch, low=low, high=high)


def _own_bounds(
    samples: np.ndarray, dataset: Dataset, modality: _Levels, intensity: Intensity
) -> tuple[float, float]:
    """The plan's bounds, or those of the image, whose padding is no part of it."""
    if intensity.range is not None:
        return intensity.range
    whole_bytes = samples.dtype == np.uint8 and _value(dataset, "BitsStored") == 8
    if intensity.auto and whole_bytes and modality is _identity:
        return 0.0, 255.0
    if not np.isfinite(samples).all():
        raise UnreadableImageError("samples that are not finite numbers")
    padding = _value(dataset, "PixelPaddingValue")
    if padding is not None:
        limit = _value(dataset, "PixelPaddingRangeLimit")
        ends = sorted(_as_stored(samples, end) for end in (padding, limit) if end is not None)
        inside = samples[(samples < ends[0]) | (samples > ends[-1])]
        samples = inside if inside.size else samples
    if intensity.percentiles is None:
        samples = np.unique(samples)
    return bounds(modality(samples.astype(np.float64)), intensity)


def _as_stored(samples: np.ndarray, value: int) -> int:
    """A padding value in the type of the samples: -2000 is often written as 63536."""
    turn = 256**samples.dtype.itemsize
    return int(value) - (turn if samples.dtype.kind == "i" and value >= turn // 2 else 0)


def _numbers(value: Any) -> list[float]:
    if value is None or value == "":
        return []
    return [float(item) for item in value] if _is_list(value) else [float(value)]


def _texts(value: Any) -> list[str]:
    items = value if _is_list(value) else [value or ""]
    return [str(item).strip() for item in items]


def _is_list(value: Any) -> bool:
    return not isinstance(value, str) and hasattr(value, "__iter__")
