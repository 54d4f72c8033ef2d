"""Write ``library_keys.json``: names and shapes of the libraries' networks.

They are facts about the releases named in it. Run where the libraries are installed::

    python -m tests.train.networks.library_keys
"""

import json
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import safetensors.torch
import torch

from stats_tl.train.networks.torchvision_ops import models

from .test_libraries import KEYS, LIBRARIES

PACKAGES = {
    "transformers ResNet": "transformers",
    "transformers timm wrapper": "transformers",
    "MONAI DenseNet121": "monai",
    "MONAI TorchVisionFCModel": "monai",
    "torchxrayvision DenseNet": "torchxrayvision",
    "segmentation-models-pytorch Unet": "segmentation-models-pytorch",
    "lightning": "lightning",
    "fastai": "fastai",
}


def main() -> None:
    """Build each network on the spot and write down what its file holds."""
    assert models
    warnings.simplefilter("ignore")
    recorded = {}
    for name, package in PACKAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            backbone, path, _ = LIBRARIES[name](Path(folder))
            if path.suffix == ".safetensors":
                state = safetensors.torch.load_file(path)
            else:
                state = torch.load(path, weights_only=False)
                state = state.get("state_dict", state.get("model", state))
        recorded[name] = {
            "release": f"{package} {version(package)}",
            "backbone": backbone,
            "keys": {key: list(value.shape) for key, value in sorted(state.items())},
        }
    KEYS.write_text(json.dumps(recorded, separators=(",", ":")).replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()
