"""BUSI as distributed: a folder per finding, with segmentation masks beside the images.

References
----------
.. [1] W. Al-Dhabyani, M. Gomaa, H. Khaled and A. Fahmy (2020). Dataset of breast ultrasound
   images. Data in Brief 28, 104863. doi:10.1016/j.dib.2019.104863
"""

from __future__ import annotations

__all__ = ["NORMALS", "load_busi", "normals_choice"]

import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from ...errors import UserError
from ...study.plan import Audit, Task
from ..dataset import Dataset, build_dataset
from ..files import open_store
from ..formats import Reading
from ..images import FileImages
from ..listing import images_among
from ..options import Option, read_options
from ..problems import Problems

FINDINGS = ("benign", "malignant", "normal")
NORMALS = Option("normals", choices=("benign", "exclude"))
_MASK = re.compile(r"_mask(_\d+)?$")


def normals_choice(options: dict[str, Any], where: str) -> int:
    """The label of a normal image: 0, or -1 to leave it out; the plan must say which."""
    if options["normals"] is None:
        raise UserError(
            f"{where}: set `normals` in options: 'benign' counts the normal images as benign "
            "(as published; it asks 'malignant or not'), 'exclude' leaves them out "
            "(it asks 'malignant or benign lesion')"
        )
    return 0 if options["normals"] == "benign" else -1


def load_busi(task: Task, path: Path | None, audit: Audit) -> Dataset:
    """The task from ``{benign,malignant,normal}/… (n).png``; masks are skipped.

    Notes
    -----
    BUSI names no patients, so every image is its own patient; it is known to hold
    near-duplicates, for which ``[audit] near_duplicates = "group"`` is the remedy.
    """
    where = f"task {task.name!r}"
    options = read_options(task, NORMALS)
    store = open_store(path, where=where, marker="malignant")
    code = {"benign": 0, "malignant": 1, "normal": normals_choice(options, where)}
    problems = Problems(f"{where}: {store.path}")
    names: list[str] = []
    findings: list[str] = []
    masks: list[str] = []
    for finding in FINDINGS:
        files = store.names(finding)
        own = {name for name in files if _MASK.search(PurePosixPath(name).stem)}
        masks += sorted(own)
        images = images_among(store, [name for name in files if name not in own], problems)
        if not images and finding != "normal":
            problems.add("class folders without images", finding)
        for name in images:
            said = next((f for f in FINDINGS if PurePosixPath(name).name.startswith(f)), finding)
            if said != finding:
                problems.add("files whose name contradicts their folder", name)
        names += images
        findings += [finding] * len(images)
    problems.raise_if_any("Expected the folders benign, malignant and normal of BUSI.")
    cases = pd.DataFrame({"case": [PurePosixPath(name).stem for name in names]})
    cases["patient"] = cases["case"]
    cases["y_true"] = np.array([code[finding] for finding in findings], dtype=np.int8)
    cases["finding"] = findings
    return build_dataset(
        task.name,
        cases,
        FileImages(store, names, Reading.of(task)),
        description=(
            "BUSI, breast ultrasound images, malignant against benign, normal images "
            f"{'counted as benign' if options['normals'] == 'benign' else 'left out'}; "
            "patients unknown, every image counts as its own patient "
            "(Al-Dhabyani et al., Data in Brief 2020, doi:10.1016/j.dib.2019.104863)."
        ),
        audit=audit,
        patients_known=False,
        left_out={"segmentation masks": masks},
    )
