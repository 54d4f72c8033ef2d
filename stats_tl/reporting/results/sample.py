"""Who and what was studied: patients, images and events of each task."""

from __future__ import annotations

__all__ = ["sample_table"]

import math
from collections.abc import Mapping

import pandas as pd

_DESIGN = {"n_repeats": "repeat", "n_folds": "fold", "n_seeds": "seed"}
_SIZES = ("n_train", "n_validation", "n_test")


def sample_table(
    cases: Mapping[str, pd.DataFrame], cells: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Counts of every task.

    Parameters
    ----------
    cases : mapping of str to DataFrame
        Cases of each task: ``case, y_true``, where known ``patient``, and, where images are
        related in another way, ``related_group``.
    cells : DataFrame, optional
        One row per trained cell: ``task, repeat, fold, seed`` and, where known, ``n_train,
        n_validation, n_test`` (cases).

    Returns
    -------
    DataFrame
        One row per task: ``n_patients``, ``n_patients_events`` (patients with at least one
        event), ``n_cases``, ``n_events``, ``prevalence`` (of cases),
        ``max_cases_per_patient``, ``n_groups`` (of related images, where there are
        any), the numbers of repeats, folds and seeds, and the mean
        number of cases of a fold that trained, tuned and tested. NaN where not known.

    Examples
    --------
    >>> import pandas as pd
    >>> cases = pd.DataFrame({"case": [1, 2, 3], "patient": ["a", "a", "b"], "y_true": [1, 1, 0]})
    >>> sample_table({"breast": cases})[["task", "n_patients", "n_cases", "n_events"]]
         task  n_patients  n_cases  n_events
    0  breast           2        3         2
    """
    rows = []
    for task in sorted(cases):
        frame = cases[task]
        known = "patient" in frame.columns and frame["patient"].notna().all()
        events = frame.loc[frame["y_true"] == 1]
        row = {
            "task": task,
            "n_patients": frame["patient"].nunique() if known else math.nan,
            "n_patients_events": events["patient"].nunique() if known else math.nan,
            "n_cases": len(frame),
            "n_events": len(events),
            "prevalence": len(events) / len(frame),
            "max_cases_per_patient": frame["patient"].value_counts().max() if known else math.nan,
        }
        groups = frame["related_group"] if "related_group" in frame.columns else None
        row["n_groups"] = math.nan if groups is None else groups.nunique()
        own = cells[cells["task"].astype(str) == task] if cells is not None else None
        for name, column in _DESIGN.items():
            row[name] = math.nan if own is None else own[column].nunique()
        for name in _SIZES:
            row[name] = math.nan if own is None or name not in own else own[name].mean()
        rows.append(row)
    return pd.DataFrame(rows)
