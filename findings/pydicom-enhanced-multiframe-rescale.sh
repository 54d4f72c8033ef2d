#!/usr/bin/env bash
# pydicom 3.0.2 (numpy 2.4.6): apply_modality_lut() and apply_voi_lut() leave enhanced multi-frame
# images as they are, without a word.
#
# Guess: the slope, intercept and window of an Enhanced CT or MR image, which by the standard stand
# in its functional groups and not at the top, are found there.
# Behaviour: only the top level is looked at; stored values come back as if they were Hounsfield
# units, and no window is applied. No warning.
# Output:
#   stored [0, 1024, 2024], rescaled [0, 1024, 2024] instead of [-1024, 0, 1000]
#   windowed: unchanged
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pydicom==3.0.2 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import warnings

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import EnhancedCTImageStorage

warnings.simplefilter("error")
rescale, window, shared, data = Dataset(), Dataset(), Dataset(), Dataset()
rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = "1", "-1024", "HU"
window.WindowCenter, window.WindowWidth = "40", "400"
shared.PixelValueTransformationSequence = [rescale]
shared.FrameVOILUTSequence = [window]
data.SOPClassUID = EnhancedCTImageStorage
data.PhotometricInterpretation = "MONOCHROME2"
data.BitsStored, data.PixelRepresentation, data.NumberOfFrames = 16, 0, 1
data.SharedFunctionalGroupsSequence = [shared]
stored = np.array([0, 1024, 2024], dtype=np.uint16)
rescaled = apply_modality_lut(stored, data)
windowed = apply_voi_lut(rescaled, data)
print(f"stored {stored.tolist()}, rescaled {rescaled.tolist()} instead of [-1024, 0, 1000]")
print("windowed:", "unchanged" if np.array_equal(windowed, rescaled) else windowed.tolist())
assert np.array_equal(rescaled, stored)
assert np.array_equal(windowed, stored)
PY
