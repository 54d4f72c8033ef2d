#!/usr/bin/env bash
# Version:   timm 1.0.31 (torch 2.13.0, torchvision 0.28.0, pillow 13.0.0, numpy 2.4.6)
# Behaviour: for a network made with in_chans=1, timm's own resolve_data_config and create_transform still give an
#            input of three channels and ImageNet's three means, so that the transform fails on a grey image. One
#            would expect an input of one channel, with one mean, as the network has.
# Seen:      first layer: 1 channel; input_size: (3, 224, 224); means: 3; a grey image: RuntimeError
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q \
    torch==2.13.0 torchvision==0.28.0 timm==1.0.31 pillow==13.0.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" -W ignore - >seen.txt 2>log.txt <<'PYTHON' || { cat log.txt; exit 1; }
import torch

# torchvision's compiled operators may be missing beside a torch without CUDA; none is used here.
library = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    try:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:
        pass

import timm
from PIL import Image
from timm.data import create_transform, resolve_data_config

network = timm.create_model("resnet18", in_chans=1)
config = resolve_data_config({}, model=network)
try:
    found = tuple(create_transform(**config)(Image.new("L", (256, 256))).shape)
except RuntimeError as error:
    found = type(error).__name__
print(
    f"first layer: {network.conv1.in_channels} channel; input_size: {config['input_size']}; "
    f"means: {len(config['mean'])}; a grey image: {found}"
)
PYTHON
tail -1 seen.txt
grep -qxF "first layer: 1 channel; input_size: (3, 224, 224); means: 3; a grey image: RuntimeError" seen.txt
