"""The built-in SYNTHETIC tasks, which need no files."""

from __future__ import annotations

__all__ = ["load_phantom"]

from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import UserError
from ...study.plan import Audit, Task
from ..dataset import Dataset, build_dataset
from ..images import ArrayImages
from ..options import Option, read_options
from ..phantoms import draw_phantoms

WHAT = {
    "breast": "breast-like ultrasound phantoms, irregular 'malignant' against smooth lesions",
    "knee": "knee-like MR phantoms, torn against intact anterior cruciate ligament",
}


def load_phantom(task: Task, path: Path | None, audit: Audit) -> Dataset:
    """The task ``phantom-breast`` or ``phantom-knee``.

    Notes
    -----
    Options: ``n_patients`` (10 to 5,000, default 120), ``seed`` (default 0), ``difficulty``
    (0 to 1, default 0.3), ``size`` (32 to 512 pixels, default 112).
    """
    options = read_options(
        task,
        Option("n_patients", int, default=120, low=10, high=5_000),
        Option("seed", int, default=0, low=0, high=2**32 - 1),
        Option("difficulty", float, default=0.3, low=0, high=1),
        Option("size", int, default=112, low=32, high=512),
    )
    if path is not None:
        raise UserError(
            f"task {task.name!r}: adapter {task.adapter!r} draws its images and takes no `path`; "
            "remove it"
        )
    kind = "breast" if task.adapter == "phantom-breast" else "knee"
    phantoms = draw_phantoms(kind, **options)  # type: ignore[arg-type]
    view = np.concatenate([np.arange(n) for n in np.bincount(phantoms.patient)])
    patient = [f"P{index:04d}" for index in phantoms.patient]
    cases = pd.DataFrame(
        {
            "case": [f"{name}-{number}" for name, number in zip(patient, view, strict=True)],
            "patient": patient,
            "y_true": phantoms.y_true,
            "device": phantoms.scanner,
        }
    )
    return build_dataset(
        task.name,
        cases,
        ArrayImages(phantoms, task.adapter),
        description=(
            f"SYNTHETIC: {WHAT[kind]}; {len(cases):,} images of {options['n_patients']:,} "
            "simulated patients. No result on them says anything about patients."
        ),
        audit=audit,
        synthetic=True,
    )
