#!/usr/bin/env bash
# pydicom 3.0.2 with pylibjpeg-openjpeg 2.6.0: Dataset.compress() to JPEG 2000 fails for images with
# a side of less than 32 pixels.
#
# Guess: compress() encodes an image of any size, as it decodes one of any size.
# Behaviour: the plugin always asks OpenJPEG for six resolutions, which need 2^5 pixels a side, and
# gives up below that. Small images (fixtures of tests, icon images, thumbnails) cannot be written.
# Output:
#   32 x 32: compressed
#   31 x 32: RuntimeError, failure result from 'opj_start_compress()'
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pydicom==3.0.2 numpy==2.4.6 pylibjpeg==2.1.0 pylibjpeg-openjpeg==2.6.0
"$work/venv/bin/python" - 2>/dev/null <<'PY'
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, SecondaryCaptureImageStorage


def compress(rows, columns):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    data.Rows, data.Columns, data.SamplesPerPixel = rows, columns, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.PixelData = np.zeros((rows, columns), np.uint16).tobytes()
    try:
        data.compress(JPEG2000Lossless)
        return "compressed"
    except RuntimeError as error:
        return f"RuntimeError, {str(error).split(': ')[-1].split('data: ')[-1]}"


found = {size: compress(*size) for size in ((32, 32), (31, 32))}
for (rows, columns), what in found.items():
    print(f"{rows} x {columns}: {what}")
assert found[32, 32] == "compressed"
assert "opj_start_compress" in found[31, 32]
PY
