#!/usr/bin/env bash
# pydicom 3.0.2 (numpy 2.4.6): a VOI LUT of 8-bit entries with more than 256 of them is read at
# positions modulo 256.
#
# Guess: apply_voi_lut() looks up each value in the table, whatever the bits of its entries. A table
# of 4,096 entries of 8 bits is how a 12-bit image is commonly given an 8-bit display curve.
# Behaviour: the positions are kept in an array of the type of the *entries* (uint8), so that 300
# becomes 44 and 2048 becomes 0. No warning. Entries of 10 to 16 bits are read right.
# Output:
#   12-bit values: [0, 100, 300, 2048, 4095]
#   8-bit entries: [0, 6, 2, 0, 15] instead of [0, 6, 18, 128, 255]
#   16-bit entries: [0, 6, 18, 128, 255]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pydicom==3.0.2 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_voi_lut
from pydicom.uid import ExplicitVRLittleEndian

values = np.array([0, 100, 300, 2048, 4095], dtype=np.uint16)
entries = np.arange(4096) // 16


def looked_up(bits):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.VOILUTSequence = [item]
    return apply_voi_lut(values, data).tolist()


print("12-bit values:", values.tolist())
print("8-bit entries:", looked_up(8), "instead of", entries[values].tolist())
print("16-bit entries:", looked_up(16))
assert looked_up(8) == [0, 6, 2, 0, 15]
assert looked_up(16) == entries[values].tolist()
PY
