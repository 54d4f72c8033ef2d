#!/usr/bin/env bash
# tifffile 2026.3.3 (imagecodecs 2026.3.6): 12-bit integers that imwrite() packs into a big-endian
# TIFF do not come back, not even through tifffile.
#
# Guess: bitspersample=12 packs samples most significant bit first in files of either byte order, as
# TIFF 6.0 has it (the byte order concerns numbers of whole bytes), and imread() gives them back.
# Behaviour: in big-endian files the two bytes of each sample are exchanged before the lowest 12 bits
# are packed: 1 becomes 256, and the upper bits are lost. No warning. A big-endian file
# packed as libtiff does it is read right, so that the loss is in what was written. 10 and 14
# bits go the same way; it matters to tests of 12-bit cameras and scanners that use tifffile as their writer.
# Output:
#   stored [0, 1, 2, 3, 255, 256, 257, 4095]
#   little endian [0, 1, 2, 3, 255, 256, 257, 4095]
#   big endian [0, 256, 512, 768, 3840, 1, 257, 3855]
#   big endian, packed as in little endian [0, 1, 2, 3, 255, 256, 257, 4095]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import io

import numpy as np
import tifffile

samples = np.array([[0, 1, 2, 3, 255, 256, 257, 4095]], dtype=np.uint16)
files, packed = {}, {}
for order in "<>":
    tifffile.imwrite(file := io.BytesIO(), samples, bitspersample=12, byteorder=order)
    files[order] = file.getvalue()
    with tifffile.TiffFile(io.BytesIO(files[order])) as tiff:
        start, length = tiff.pages[0].dataoffsets[0], tiff.pages[0].databytecounts[0]
    packed[order] = slice(start, start + length)


def read(data):
    return tifffile.imread(io.BytesIO(data)).ravel().tolist()


mended = bytearray(files[">"])
mended[packed[">"]] = files["<"][packed["<"]]
print("stored", samples.ravel().tolist())
print("little endian", read(files["<"]))
print("big endian", read(files[">"]))
print("big endian, packed as in little endian", read(bytes(mended)))
assert read(files["<"]) == samples.ravel().tolist()
assert read(files[">"]) == [0, 256, 512, 768, 3840, 1, 257, 3855]
assert read(bytes(mended)) == samples.ravel().tolist()
PY
