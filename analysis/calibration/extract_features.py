"""Pooled features of real images, the populations of the calibration on real data.

    python analysis/calibration/extract_features.py --plan analysis/busbra/plan.toml \
        --data busbra_sq256_jpg.zip --weights <folder of the weight files> --out features

writes one ``<backbone>-<arm>.npz`` for each frozen backbone and arm of the plan: ``features``
(images, p), ``y_true`` and ``patients``. Random weights are one draw.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from stats_tl.data import load_dataset
from stats_tl.study.loading import load_plan
from stats_tl.study.plan import IMAGE_SIZES
from stats_tl.train.fitting.features import compute_activations
from stats_tl.train.networks.backbones import build_backbone
from stats_tl.train.networks.preprocessing import PREPROCESSING
from stats_tl.train.networks.weights import resolve_weights


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="data of the plan's first task")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("features"))
    options = parser.parse_args()
    plan = load_plan(options.plan)
    dataset = load_dataset(plan.tasks[0], options.data)
    options.out.mkdir(parents=True, exist_ok=True)
    frozen = {name for block in plan.grid if 0 in block.unfreeze for name in block.backbones}
    for name in sorted(frozen):
        images = dataset.read_images(IMAGE_SIZES[name])
        for arm in plan.arms:
            weights = resolve_weights(arm, name, base=options.weights, seed=plan.study.seed)
            backbone = build_backbone(name)
            backbone.load_torchvision_state_dict(weights.state_dict)
            batches = compute_activations(
                images, backbone, len(backbone.stages),
                PREPROCESSING[weights.record["preprocessing"]], torch.device("cpu"),
            )  # fmt: skip
            features = np.concatenate(list(batches))
            path = options.out / f"{name}-{arm.name}.npz"
            np.savez_compressed(
                path,
                features=features,
                y_true=dataset.cases["y_true"].to_numpy(),
                patients=np.unique(dataset.cases["patient"], return_inverse=True)[1],
            )
            print(f"{path}: {features.shape[0]} images, {features.shape[1]} features")


if __name__ == "__main__":
    main()
