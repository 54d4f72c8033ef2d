"""MRNet as distributed: knee MR, an ``.npy`` series per exam and plane, labels without headers.

References
----------
.. [1] N. Bien et al. (2018). Deep-learning-assisted diagnosis for knee magnetic resonance
   imaging: development and retrospective validation of MRNet. PLOS Medicine 15(11),
   e1002699. doi:10.1371/journal.pmed.1002699
"""

from __future__ import annotations

__all__ = ["load_mrnet"]

from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import UserError
from ...study.plan import Audit, Task
from ...study.splits import TEST, TRAIN
from ..dataset import Dataset, build_dataset
from ..files import open_store
from ..formats import Reading
from ..images import FileImages
from ..labels import binary_labels
from ..options import Option, read_options
from ..problems import Problems
from ..tables import read_table

FINDINGS = ("acl", "meniscus", "abnormal")
PARTS = {"train": TRAIN, "valid": TEST}


def load_mrnet(task: Task, path: Path | None, audit: Audit) -> Dataset:
    """The task from ``{train,valid}/<plane>/NNNN.npy`` and ``{train,valid}-<finding>.csv``.

    Notes
    -----
    Option ``finding``: ``acl``, ``meniscus`` or ``abnormal``. The task's ``plane`` and
    ``frames`` say which series and which of its slices (20 to 60) are read. The published
    split is a single official fold: the 120 exams of ``valid`` test, as MRNet's own test
    set was never released. An exam counts as a patient.
    """
    where = f"task {task.name!r}"
    options = read_options(task, Option("finding", choices=FINDINGS))
    if options["finding"] is None:
        raise UserError(f"{where}: set `finding` in options; allowed: {', '.join(FINDINGS)}")
    if task.plane is None or task.frames == "one":
        raise UserError(
            f"{where}: a series of MRNet has dozens of slices; set `plane` (axial, coronal or "
            'sagittal) and `frames` ("middle", "all" or a number) in the task'
        )
    store = open_store(path, where=where, marker=f"train-{options['finding']}.csv")
    exams: list[str] = []
    labels: list[str] = []
    names: list[str] = []
    sides: list[int] = []
    problems = Problems(f"{where}: {store.path}")
    for part, side in PARTS.items():
        table = read_table(store, f"{part}-{options['finding']}.csv", header=("exam", "label"))
        bad = ~table["exam"].str.fullmatch(r"\d{1,6}")
        problems.add(f"exams of {part} that are no numbers", *table.loc[bad, "exam"])
        exams += table["exam"].tolist()
        labels += table["label"].tolist()
        names += [f"{part}/{task.plane}/{exam}.npy" for exam in table["exam"]]
        sides += [side] * len(table)
    problems.raise_if_any("Use the tables that came with MRNet.")
    cases = pd.DataFrame({"case": exams, "patient": exams})
    cases["y_true"] = binary_labels(labels, exams, positive="1", where=where)
    slices = "every slice" if task.frames == "all" else f"slice: {task.frames}"
    return build_dataset(
        task.name,
        cases,
        FileImages(store, names, Reading.of(task)),
        description=(
            f"MRNet, {options['finding']}, {len(exams):,} exams, {task.plane} series, {slices}; an "
            "exam counts as a patient (Bien et al. 2018, doi:10.1371/journal.pmed.1002699)."
        ),
        audit=audit,
        patients_known=False,
        official=np.array([sides], dtype=np.int8),
    )
