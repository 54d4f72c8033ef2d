"""BUS-BRA: 1,875 breast ultrasound images of 1,064 patients, biopsy-proven.

References
----------
.. [1] W. Gómez-Flores, M. J. Gregorio-Calas and W. Coelho de Albuquerque Pereira (2024).
   BUS-BRA: a breast ultrasound dataset for assessing computer-aided diagnosis systems.
   Medical Physics 51(4), 3110-3123. doi:10.1002/mp.16812
"""

from __future__ import annotations

__all__ = ["load_busbra"]

from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import UserError
from ...study.plan import Audit, Task
from ...study.splits import TEST, TRAIN, VALIDATION
from ..dataset import Dataset, build_dataset
from ..files import Store, open_store, safe_name
from ..formats import Reading
from ..images import FileImages
from ..labels import MISSING, binary_labels
from ..options import Option, read_options
from ..problems import Problems
from ..tables import read_table

TABLE = "bus_data.csv"
FOLDS = "5-fold-cv.csv"


def load_busbra(task: Task, path: Path | None, audit: Audit) -> Dataset:
    """The task from a BUS-BRA folder or zip: images, ``bus_data.csv``, fold lists.

    Notes
    -----
    Option ``folds_file``: the list of official folds, by default ``5-fold-cv.csv`` if it
    is there. ``kFold`` is the fold in which a case is tested; ``valid_k`` is 0 for
    validation and 1 for training in fold k. The published validation sets were drawn by
    *image* (in each of the five folds about 210 of 851 patients stand in training and in
    validation), so here a patient goes where its first image went: the same patients for
    everyone, a fifth of the training part, and nobody on two sides. The test folds are
    by patient and kept as published.
    """
    where = f"task {task.name!r}"
    options = read_options(task, Option("folds_file"))
    store = open_store(path, where=where, marker=TABLE)
    table = read_table(
        store, TABLE, columns=("ID", "Case", "Histology", "Pathology", "BIRADS", "Device", "Side")
    )
    folds_file = options["folds_file"] or (FOLDS if store.size(FOLDS) is not None else None)
    cases = pd.DataFrame(
        {
            "case": table["ID"],
            "patient": table["Case"],
            "y_true": binary_labels(
                table["Pathology"].tolist(),
                table["ID"].tolist(),
                positive="malignant",
                where=f"{where}: {TABLE}",
            ),
            "device": table["Device"],
            "birads": table["BIRADS"],
            "histology": table["Histology"],
            "side": table["Side"],
        }
    )
    official = None
    if folds_file is not None:
        official = _official(store, safe_name(folds_file, where=where), table, where)
    return build_dataset(
        task.name,
        cases,
        FileImages(
            store,
            [_image_name(store, safe_name(id_, where=where)) for id_ in cases.case],
            Reading.of(task),
        ),
        description=(
            f"BUS-BRA, {len(cases):,} breast ultrasound images of "
            f"{cases.patient.nunique():,} patients, malignant against benign by biopsy "
            "(Gómez-Flores et al., Medical Physics 2024, doi:10.1002/mp.16812)."
        ),
        audit=audit,
        official=official,
    )


def _image_name(store: Store, case: str) -> str:
    names = [f"{folder}{case}{end}" for folder in ("Images/", "") for end in (".png", ".jpg")]
    return next((name for name in names if store.size(name) is not None), names[0])


def _official(store: Store, name: str, table: pd.DataFrame, where: str) -> np.ndarray:
    folds = read_table(store, name, columns=("ID", "kFold"))
    where = f"{where}: {name}"
    problems = Problems(where)
    problems.add("cases that occur more than once", *folds.loc[folds["ID"].duplicated(), "ID"])
    problems.add(f"cases not in {TABLE}", *sorted(set(folds["ID"]) - set(table["ID"])))
    problems.add("cases without a fold", *sorted(set(table["ID"]) - set(folds["ID"])))
    problems.raise_if_any("Use the fold list that came with the data.")
    folds = folds.set_index("ID").loc[table["ID"]].reset_index()
    if "Pathology" in folds:
        other = folds["Pathology"].to_numpy() != table["Pathology"].to_numpy()
        problems.add(f"labels other than in {TABLE}", *folds.loc[other, "ID"])
        problems.raise_if_any("One of the two files is wrong.")
    numbers = pd.to_numeric(folds["kFold"], errors="coerce")
    n_folds = numbers.nunique()
    if set(numbers) != set(range(1, n_folds + 1)) or n_folds < 2:
        raise UserError(
            f"{where}: `kFold` must number the folds 1, 2, ...; found "
            f"{', '.join(sorted(set(folds['kFold']))[:20])}"
        )
    official = np.full((n_folds, len(folds)), TRAIN, dtype=np.int8)
    for fold in range(1, n_folds + 1):
        test = (numbers == fold).to_numpy()
        official[fold - 1, test] = TEST
        column = f"valid_{fold}"
        if column not in folds:
            continue
        mark = pd.to_numeric(folds[column], errors="coerce")
        unknown = ~test & ~mark.isin([0, 1]).to_numpy()
        said = test & ~folds[column].str.lower().isin(MISSING).to_numpy()
        problems.add(f"`{column}` neither 0 nor 1 in training", *folds.loc[unknown, "ID"])
        problems.add(f"`{column}` given for a test case", *folds.loc[said, "ID"])
        # Sorted, so that a patient's first image does not depend on the order of the rows.
        first = mark[table.sort_values("ID").index].groupby(table["Case"]).transform("first")
        official[fold - 1, ~test & (first.sort_index() == 0).to_numpy()] = VALIDATION
    problems.raise_if_any("Use the fold list that came with the data.")
    return official
