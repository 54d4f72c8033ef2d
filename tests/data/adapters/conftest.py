"""Loading a task as a plan would, without the near-duplicate audit."""

from __future__ import annotations

from stats_tl.data import load_dataset
from tests.data.conftest import IGNORE, task


def load(adapter, path, /, **options):
    return load_dataset(task(adapter, **options), path, audit=IGNORE)
