"""A small plan that other tests change."""

import copy

import pytest

PLAN = {
    "study": {"name": "demo", "seed": 7},
    "tasks": [{"name": "breast", "adapter": "phantom-breast", "options": {"n_patients": 20}}],
    "cv": {"folds": 3, "repeats": 2, "seeds": 2},
    "arms": [
        {"name": "random", "source": "random", "reference": True},
        {"name": "imagenet", "source": "imagenet", "files": {"resnet18": "w/r18.safetensors"}},
    ],
    "grid": [{"backbones": ["resnet18"], "heads": ["linear", "conv"], "unfreeze": [0, 1]}],
}


@pytest.fixture
def raw():
    """A fresh copy of the plan as nested dictionaries."""
    return copy.deepcopy(PLAN)
