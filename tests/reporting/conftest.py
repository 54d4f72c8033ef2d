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
            simulate_scores(
                task=task,
                backbone=backbone,
                arms=(("imagenet", 1.0), ("radimagenet", signal)),
                seed=data,
                model_seed=model,
            )
            for data, task in enumerate(("acl", "breast"))
            for model, (backbone, signal) in enumerate((("densenet121", 1.4), ("resnet18", 1.05)))
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
