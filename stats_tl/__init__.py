"""Paired comparison of pretrained models in medical imaging.

``python -m stats_tl`` lists the commands: ``run_grid`` turns a study plan into a run archive,
``report`` turns a run archive into tables and figures. :mod:`stats_tl.stats` can be used alone,
on arrays.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__version__ = "0.1.0"

#: Imported when they are asked for: none is needed by the others, and some are slow.
_WINGS = ("archive", "calibration", "data", "reporting", "stats", "study", "train")


def __getattr__(name: str) -> ModuleType:
    if name in _WINGS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["__version__", *_WINGS]
