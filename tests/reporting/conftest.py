"""Data sets that several test modules share."""

import shutil

import pandas as pd
import pytest

from .simulate import simulate_scores


@pytest.fixture(scope="session")
def scores() -> pd.DataFrame:
    """Two tasks, two backbones, two arms; 5 repeats of 5 folds."""
    return pd.concat(
        [
            simulate_scores(task=task, backbone=backbone, seed=number)
            for number, (task, backbone) in enumerate(
                (task, backbone)
                for task in ("acl", "breast")
                for backbone in ("densenet121", "resnet18")
            )
        ],
        ignore_index=True,
    )


@pytest.fixture(scope="session")
def pdflatex() -> str:
    """Path of pdflatex, with the packages the tables need; skips without them."""
    path = shutil.which("pdflatex")
    if path is None:
        pytest.skip("pdflatex is not installed")
    return path
