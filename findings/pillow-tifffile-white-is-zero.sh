#!/usr/bin/env bash
# Pillow 13.0.0 and tifffile 2026.3.3: whether a white-is-zero TIFF (MINISWHITE, how many film
# digitisers and fax-like scanners save) comes back inverted depends on its depth and on the reader.
#
# Guess: a reader either inverts such files or leaves that to its caller, at every depth.
# Behaviour: Pillow inverts 8 bits and does not invert 16; tifffile inverts neither. A data set that
# mixes both depths, or both readers, mixes negatives with positives.
# Output (stored 0 and the maximum):
#   8 bits: Pillow [255, 0], tifffile [0, 255]
#   16 bits: Pillow [0, 65535], tifffile [0, 65535]
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

found = []
for kind, top in (("uint8", 255), ("uint16", 65535)):
    tifffile.imwrite(file := io.BytesIO(), np.array([[0, top]], kind), photometric="miniswhite")
    data = file.getvalue()
    with Image.open(io.BytesIO(data)) as image:
        by_pillow = np.asarray(image)[0].tolist()
    by_tifffile = tifffile.imread(io.BytesIO(data))[0].tolist()
    print(f"{kind[4:]} bits: Pillow {by_pillow}, tifffile {by_tifffile}")
    found.append((by_pillow, by_tifffile))
assert found == [([255, 0], [0, 255]), ([0, 65535], [0, 65535])]
PY
