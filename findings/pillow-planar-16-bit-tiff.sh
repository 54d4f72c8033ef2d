#!/usr/bin/env bash
# Pillow 13.0.0: a planar RGB TIFF of 16 bits (microscopes, slide scanners) is read without an error,
# as other pixels.
#
# Guess: it is read as the chunky file of the same samples is, by the high byte of each sample, or it
# is refused.
# Behaviour: the planes of 16-bit samples are taken for planes of bytes, so that the low and high
# bytes of the first half of a plane become two pixels each.
# Output:
#   chunky, distinct values of red: [16]
#   planar, distinct values of red: [52, 16] in turn
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import io

import numpy as np
import tifffile
from PIL import Image

samples = np.zeros((8, 8, 3), np.uint16)
samples[..., 0] = 0x1034


def red(array, layout):
    tifffile.imwrite(file := io.BytesIO(), array, photometric="rgb", planarconfig=layout)
    with Image.open(io.BytesIO(file.getvalue())) as image:
        assert image.mode == "RGB"
        return np.asarray(image)[..., 0].ravel()


chunky = red(samples, "contig")
planar = red(np.ascontiguousarray(np.moveaxis(samples, 2, 0)), "separate")
print("chunky, distinct values of red:", sorted(set(chunky.tolist())))
print("planar, distinct values of red:", planar[:2].tolist(), "in turn")
assert set(chunky.tolist()) == {0x10}
assert set(planar.tolist()) == {0x34, 0x10}
assert planar[:4].tolist() == [0x34, 0x10, 0x34, 0x10]
PY
