"""What was checked about the data and the runs, and what was found: for the page and summary.

Nothing is checked again here: splits and patients are verified whenever an archive is
opened, near-duplicates when the data were read. This lists the findings side by side.
"""

from __future__ import annotations

__all__ = ["audit_cautions", "audit_findings"]

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..rendering.labels import plural
from .verdicts import reversed_arms

if TYPE_CHECKING:
    from .material import Material

#: What a problem would change in the comparisons.
_EFFECTS = {
    "near-duplicates": "models were tested on copies of images they were trained on, so that AUCs "
    "may be too high, and more so in an arm that memorises more",
    "test folds": "these folds are in no mean",
    "untrained models": "this can be chance in a small fold, or training that failed, which the "
    "difference would then partly be about",
}
COLUMNS = ("check", "task", "finding", "detail")


def audit_findings(material: Material) -> pd.DataFrame:
    """Findings on leakage, near-duplicates, missing and failed cells, and the mixed model.

    Returns
    -------
    DataFrame
        ``check, task, finding, detail``; `finding` is ``ok``, ``problem`` or ``unknown``,
        `task` is empty where the check is about the whole study.
    """
    rows: list[tuple[str, str, str, str]] = []
    evidence = material.evidence
    for task in material.sample["task"]:
        rows += _data_findings(task, evidence.tasks.get(task), material)
    rows += _cell_findings(material)
    mixed = material.mixed
    if mixed.reason:
        rows.append(("mixed model", "", "unknown", f"not fitted: {mixed.reason}"))
    elif mixed.singular:
        rows.append(
            ("mixed model", "", "problem", "the fit is singular: a variance was estimated as zero")
        )
    else:
        rows.append(("mixed model", "", "ok", "converged"))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def audit_cautions(material: Material) -> list[tuple[str, str, str]]:
    """Problems that change how a comparison is read: task, what was found, what it would change.

    What has a caution of its own is not among them: missing cells, patients on both sides of a
    split and reversed scores; and the mixed model, which is no test.
    """
    audit = audit_findings(material)
    rows = audit[(audit["finding"] == "problem") & audit["check"].isin(list(_EFFECTS))]
    return [
        (str(row["task"]), str(row["detail"]), _EFFECTS[str(row["check"])])
        for row in rows.to_dict("records")
    ]


def _data_findings(task: str, known: dict[str, Any] | None, material: Material) -> list[Any]:
    own = material.sample.set_index("task").loc[task]
    if pd.isna(own["n_patients"]):
        leak = ("unknown", "patients are unknown, so that no check is possible")
    elif known is not None:
        leak = ("ok", "no patient is on two sides of a split (verified on the archive)")
    else:
        straddling = len(material.divided.get(str(task), ()))
        leak = (
            (
                "problem",
                f"{plural(straddling, 'patient is', 'patients are')} on both sides of a split",
            )
            if straddling
            else ("ok", "no patient is in two test folds of a repeat; training sets are unknown")
        )
    found = (known or {}).get("near_duplicates")
    if not found:
        copies = ("unknown", "the images were not searched for near-duplicates")
    elif found.get("across_partitions", 0):
        copies = (
            "problem",
            f"{found['across_partitions']} of {plural(found['pairs'], 'near-duplicate pair')} "
            f"{'is' if found['across_partitions'] == 1 else 'are'} split across partitions",
        )
    else:
        copies = (
            "ok",
            f"{plural(found['pairs'], 'near-duplicate pair')}, none split across partitions",
        )
    return [("patients across partitions", task, *leak), ("near-duplicates", task, *copies)]


def _cell_findings(material: Material) -> list[Any]:
    missing = material.evidence.missing
    trained = len(material.evidence.cells)
    rows = []
    if len(missing) or material.lacking:
        detail = f"{plural(len(missing), 'planned cell')} without a result"
        rows.append(("missing cells", "", "problem", "; ".join([detail, *material.lacking])))
    else:
        rows.append(
            (
                "missing cells",
                "",
                "ok",
                f"none; {plural(trained, 'cell was', 'cells were')} trained",
            )
        )
    for cell, failure in sorted(material.evidence.failures().items()):
        rows.append(("failed cells", "", "problem", f"{cell}: {failure.get('reason', 'unknown')}"))
    undefined = int(material.aucs["auc"].isna().sum())
    if undefined:
        detail = (
            f"{plural(undefined, 'test fold')} with cases of one class only, and thus without AUC"
        )
        rows.append(("test folds", "", "problem", detail))
    of_aucs = material.comparisons if material.metric.is_auc else material.comparisons.iloc[:0]
    turned = {
        (str(row["task"]), arm) for row in of_aucs.to_dict("records") for arm in reversed_arms(row)
    }
    for task, arm in sorted(turned):
        detail = f"the AUC of {arm} is below 0.5: the scores look like those of the other class"
        rows.append(("reversed scores", task, "problem", detail))
    cells = zip(material.aucs["task"].astype(str), material.aucs["arm"].astype(str), strict=True)
    plausible = [cell not in turned for cell in cells]
    chance = material.aucs[np.array(plausible) & (material.aucs["auc"] <= 0.5)]
    detail = f"{plural(len(chance), 'model')} with a test AUC of 0.5 or less"
    rows.append(("untrained models", "", "problem" if len(chance) else "ok", detail))
    return rows
