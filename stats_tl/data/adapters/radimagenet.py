"""RadImageNet's downstream tasks: ACL tears (MRNet slices) and breast lesions (BUSI).

References
----------
.. [1] X. Mei et al. (2022). RadImageNet: an open radiologic deep learning research dataset
   for effective transfer learning. Radiology: Artificial Intelligence 4(5), e210315.
   doi:10.1148/ryai.210315
.. [2] N. Bien et al. (2018). Deep-learning-assisted diagnosis for knee magnetic resonance
   imaging: development and retrospective validation of MRNet. PLOS Medicine 15(11),
   e1002699. doi:10.1371/journal.pmed.1002699
"""

from __future__ import annotations

__all__ = ["load_radimagenet"]

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from ...errors import UserError
from ...study.plan import Audit, Task
from ...study.splits import TEST, TRAIN, VALIDATION
from ..dataset import Dataset, build_dataset
from ..files import FolderStore, Store, open_store, safe_name
from ..formats import Reading
from ..images import FileImages
from ..labels import binary_labels, clean_label
from ..options import Option, read_options
from ..problems import Problems
from ..tables import read_table
from .busi import NORMALS, normals_choice

PARTITIONS = {"train": TRAIN, "val": VALIDATION, "test": TEST}
MAX_FOLDS = 100


@dataclass(frozen=True)
class _Layout:
    prefix: str
    label: str
    positive: str
    pattern: re.Pattern[str]


LAYOUTS = {
    "acl": _Layout("", "acl_label", "yes", re.compile(r"(\d+)_sagittal_(\d+)(?:\.\d+)?")),
    "breast": _Layout(
        "breast_", "label", "malignant", re.compile(r"(benign|malignant|normal) ?\(\d+\)")
    ),
}


def load_radimagenet(task: Task, path: Path | None, audit: Audit) -> Dataset:
    """The task from ``<subset>/dataframe/*.csv`` and ``<subset>/images``.

    Notes
    -----
    Options: ``subset`` = ``"acl"`` or ``"breast"``; for breast, ``normals`` = ``"benign"``
    or ``"exclude"``. `path` holds the subset's folder, or is that folder. An ACL exam is a
    patient (MRNet names exams, not persons); breast images have no patient ids.
    """
    where = f"task {task.name!r}"
    subset = task.options.get("subset")
    if subset is None:
        raise UserError(f"{where}: set `subset` in options; allowed: acl, breast")
    breast = subset == "breast"
    choice = Option("subset", choices=tuple(LAYOUTS))
    options = read_options(task, choice, *([NORMALS] if breast else []))
    layout = LAYOUTS[subset]
    normal = normals_choice(options, where) if breast else 0

    store = open_store(path, where=where, marker=subset)
    root = subset
    if store.size(f"{subset}/dataframe/{layout.prefix}test_fold1.csv") is None:
        root = ""
        if isinstance(store, FolderStore) and path is not None:
            store = open_store(path, where=where, marker="dataframe")
    names, labels, official = _fold_lists(store, root, layout, where)

    problems = Problems(where)
    matches = [layout.pattern.fullmatch(PurePosixPath(name).stem) for name in names]
    unknown = [name for name, match in zip(names, matches, strict=True) if match is None]
    problems.add("file names of another form than RadImageNet's", *unknown)
    problems.raise_if_any("Use the file names of the published lists.")
    parts = [match.groups() for match in matches if match is not None]
    cases = pd.DataFrame({"case": [PurePosixPath(name).stem for name in names]})
    y_true = binary_labels(
        labels, names, positive=layout.positive, where=f"{where}: {layout.label}"
    )
    if breast:
        finding = np.array([part[0] for part in parts], dtype=object)
        wrong = (finding == "malignant") != (y_true == 1)
        problems.add("labels that contradict the file name", *np.array(names)[wrong])
        problems.raise_if_any("Correct the lists, or the names of these files.")
        y_true[finding == "normal"] = normal
        cases["patient"], cases["y_true"], cases["finding"] = cases["case"], y_true, finding
        note = (
            "malignant against benign, normal images "
            f"{'left out' if normal < 0 else 'counted as benign'}; patients unknown, every image "
            "counts as its own patient (Mei et al. 2022, doi:10.1148/ryai.210315; images: BUSI, "
            "Al-Dhabyani et al. 2020, doi:10.1016/j.dib.2019.104863)."
        )
    else:
        cases["patient"], cases["y_true"] = [part[0] for part in parts], y_true
        cases["slice"] = [str(int(part[1])) for part in parts]
        note = (
            f"ACL tear against none, {cases['patient'].nunique():,} exams, an exam counts as a "
            "patient (Mei et al. 2022, doi:10.1148/ryai.210315; images: MRNet, Bien et al. 2018, "
            "doi:10.1371/journal.pmed.1002699)."
        )
    prefix = f"{root}/" if root else ""
    return build_dataset(
        task.name,
        cases,
        FileImages(store, [prefix + name for name in names], Reading.of(task)),
        description=f"RadImageNet's {subset} task: {note}",
        audit=audit,
        patients_known=False,
        official=official,
    )


def _fold_lists(
    store: Store, root: str, layout: _Layout, where: str
) -> tuple[list[str], list[str], np.ndarray]:
    """File names, labels and official partitions out of the fold lists."""
    folder = f"{root}/dataframe" if root else "dataframe"
    label_of: dict[str, str] = {}
    sides: list[dict[str, int]] = []
    problems = Problems(f"{where}: {store.path}/{folder}")
    for fold in range(1, MAX_FOLDS + 1):
        if fold > 1 and store.size(f"{folder}/{layout.prefix}test_fold{fold}.csv") is None:
            break
        side: dict[str, int] = {}
        for part, code in PARTITIONS.items():
            name = f"{folder}/{layout.prefix}{part}_fold{fold}.csv"
            table = read_table(store, name, columns=("filename", layout.label))
            for file, label in zip(table["filename"], table[layout.label], strict=True):
                file, label = safe_name(file, where=f"{where}: {name}"), clean_label(label)
                if file in side:
                    problems.add("images listed twice in one fold", f"{file} (fold {fold})")
                if label_of.setdefault(file, label) != label:
                    problems.add("images with two different labels", f"{file} (fold {fold})")
                side[file] = code
        sides.append(side)
    names = sorted(label_of)
    tested = {name: sum(side.get(name) == TEST for side in sides) for name in names}
    for fold, side in enumerate(sides, start=1):
        lacking = [name for name in names if name not in side]
        problems.add("images that a fold lacks", *(f"{name} (fold {fold})" for name in lacking))
    problems.add(
        "images not tested exactly once", *(n for n, count in tested.items() if count != 1)
    )
    problems.raise_if_any("The test folds must be disjoint and cover all; use the published lists.")
    official = np.array([[side[name] for name in names] for side in sides], dtype=np.int8)
    return names, [label_of[name] for name in names], official
