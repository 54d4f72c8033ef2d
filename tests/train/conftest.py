"""Small plans on phantoms, quick enough for a test."""

import copy

import pytest

from stats_tl.study.loading import parse_plan
from stats_tl.train.grid import GridRun
from stats_tl.train.options import GridOptions
from stats_tl.train.state import open_grid

TINY = {
    "study": {"name": "tiny", "seed": 3},
    "tasks": [
        {"name": "breast", "adapter": "phantom-breast", "options": {"n_patients": 30, "size": 64}}
    ],
    "cv": {"folds": 2, "repeats": 2, "validation_share": 0.3},
    "arms": [
        {"name": "a", "source": "random", "reference": True},
        {"name": "b", "source": "random"},
    ],
    "grid": [{"backbones": ["squeezenet1_1"], "heads": ["linear", "nonlinear"]}],
    "training": {"epochs": 3, "batch_size": 16, "image_size": 48},
    "audit": {"near_duplicates": "ignore"},
}


@pytest.fixture
def tiny():
    """A fresh copy of a plan of 16 cells as nested dictionaries."""
    return copy.deepcopy(TINY)


@pytest.fixture
def run_plan(tmp_path):
    """Function that runs a plan into a folder and returns outcomes by key."""

    def run(raw, runs="runs", *, jobs=1, cache_bytes=2**30, base=tmp_path, **options):
        given = GridOptions(
            runs=tmp_path / runs, base=base, jobs=jobs, cache_bytes=cache_bytes, **options
        )
        grid = GridRun(open_grid(parse_plan(raw), given), given)
        return list(grid.train(grid.load_datasets()))

    return run
