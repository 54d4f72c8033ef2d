#!/usr/bin/env bash
# pydicom 3.0.2 (numpy 2.4.6): pixel_array does not look at HighBit.
#
# Guess: of an image with 16 bits allocated, 12 stored and HighBit 15 (left-justified, as files of
# older digitisers are; editions of PS3.5 before the present one allow it), the sample is
# in bits 4 to 15, and pixel_array either gives it or refuses the file.
# Behaviour: the lowest 12 bits are taken as the sample, the upper four, which lead it, are dropped:
# 4095 and 255 both read as 4080. No warning; what comes out looks like a wrapped image.
# Output:
#   samples [0, 1, 255, 256, 4095]
#   pixel_array [0, 16, 4080, 0, 4080]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pydicom==3.0.2 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import warnings

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

samples = np.array([[0, 1, 255, 256, 4095]], dtype=np.uint16)
data = Dataset()
data.file_meta = FileMetaDataset()
data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
data.SOPClassUID = SecondaryCaptureImageStorage
data.Rows, data.Columns = samples.shape
data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 15, 0
data.PixelData = (samples << 4).tobytes()
with warnings.catch_warnings():
    warnings.simplefilter("error")
    seen = data.pixel_array.ravel().tolist()
print("samples", samples.ravel().tolist())
print("pixel_array", seen)
assert seen == [0, 16, 4080, 0, 4080]
PY
