"""Milliseconds an image of a backbone on this CPU: float32 beside bfloat16.

Run ``python -m benchmarks.precision`` from the root of the repository: one thread, 224 pixels,
in turns, medians. It says whether torch finds instructions for bfloat16, without which a plan's
``precision = "bfloat16"`` is trained in float32, and what that choice gains or spares.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import torch

from stats_tl.train.machine.precision import computes_bfloat16
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.staged import Backbone

WAYS = {
    "float32, as tensors come": (torch.contiguous_format, torch.float32),
    "float32, channels last": (torch.channels_last, torch.float32),
    "bfloat16, channels last": (torch.channels_last, torch.bfloat16),
}


def pass_images(backbone: Backbone, images: torch.Tensor, dtype: torch.dtype, train: bool) -> float:
    """Seconds of one pass, backwards too where `train`."""
    backbone.train(train)
    start = time.perf_counter()
    lower = dtype is not torch.float32
    with torch.set_grad_enabled(train), torch.autocast("cpu", dtype=torch.bfloat16, enabled=lower):
        features = backbone(images)
    if train:
        torch.autograd.backward(features.float().square().mean())
        backbone.zero_grad(set_to_none=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=16, help="images (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("backbones", nargs="*", default=["squeezenet1_1", "resnet18", "resnet50"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, bfloat16 by the processor: {computes_bfloat16()}")
    for name in options.backbones:
        for train in (False, True):
            times: dict[str, list[float]] = {way: [] for way in WAYS}
            for turn in range(options.rounds + 1):
                for way, (layout, dtype) in WAYS.items():
                    backbone = build_backbone(name, seed=0).to(memory_format=layout)
                    images = torch.rand(options.batch, 3, 224, 224).contiguous(memory_format=layout)
                    seconds = pass_images(backbone, images, dtype, train)
                    if turn:
                        times[way].append(seconds)
            print(f"{name}, {'training' if train else 'inference'}")
            for way, own in times.items():
                print(f"  {way:26} {1000 * median(own) / options.batch:7.1f} ms an image")


if __name__ == "__main__":
    main()
