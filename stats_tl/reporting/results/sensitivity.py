"""The comparisons once more, without the cases that an audit found affected.

Nothing is trained again: the scores of the other cases are those of the same models. What
leaving a case out of the test sets cannot undo is that models were trained on its copy.
"""

from __future__ import annotations

__all__ = ["SENSITIVITY_COLUMNS", "Affected", "affected_cases", "sensitivity_analyses"]

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...errors import UserError
from ..evidence.alignment import SETTING, Aligned
from ..rendering.parts import Absent
from .comparisons import compare_study, without_verdicts
from .material import Material

SENSITIVITY_COLUMNS = (
    *SETTING,
    "arm",
    "reference",
    "role",
    "analysis",
    "n_left_out",
    "n_cases",
    "n_events",
    "auc",
    "auc_reference",
    "difference",
    "difference_low",
    "difference_high",
    "confidence_level",
    "pvalue",
    "pvalue_adjusted",
    "correction",
    "alpha",
    "verdict",
)


@dataclass(frozen=True)
class Affected:
    """Cases that an audit found affected.

    Attributes
    ----------
    analysis : str
        What the comparison is without them, for the rows of a table.
    cases : dict of str to frozenset of str
        By task.
    undivided : bool
        Whether without them no patient is on both sides of a split.
    """

    analysis: str
    cases: Mapping[str, frozenset[str]]
    undivided: bool = False


def affected_cases(material: Material) -> list[Affected]:
    """What audits found, each with the cases to leave out; tasks without any are not there."""
    copies = {
        str(task): cases
        for task, known in material.evidence.tasks.items()
        if (cases := _straddling_copies(known.get("near_duplicates") or {}))
    }
    torn = {task: _cases_of(material, task, people) for task, people in material.divided.items()}
    found = [
        Affected("without near-duplicates across splits", copies),
        Affected("without patients on both sides of a split", torn, undivided=True),
    ]
    return [affected for affected in found if affected.cases]


def _straddling_copies(audit: Mapping[str, Any]) -> frozenset[str]:
    """Cases with a near-duplicate on the other side; of older archives where all are named."""
    if "cases" in audit:
        return frozenset(map(str, audit["cases"]))
    examples = audit.get("examples", [])
    if len(examples) < audit.get("across_partitions", 0):
        return frozenset()
    return frozenset(str(case) for pair in examples for case in pair[:2])


def _cases_of(material: Material, task: str, people: Collection[str]) -> frozenset[str]:
    return frozenset(
        str(case)
        for aligned in material.settings
        if aligned.setting["task"] == task and aligned.patients is not None
        for case in aligned.cases[np.isin(aligned.patients.astype(str), list(people))]
    )


def sensitivity_analyses(material: Material) -> pd.DataFrame | Absent:
    """The primary comparisons, or all where none is primary, with and without affected cases.

    Returns
    -------
    DataFrame or Absent
        One row per comparison and analysis, the comparison of all cases first, with the columns
        :data:`SENSITIVITY_COLUMNS`; P values are adjusted as in the main table.
    """
    found = affected_cases(material)
    if not found:
        return _absent(_why_none(material))
    frames = [material.comparisons.assign(analysis="all cases", n_left_out=0, order=0)]
    for number, affected in enumerate(found, 1):
        try:
            frames.append(_without(material, affected).assign(order=number))
        except UserError as error:
            return _absent(f"{affected.analysis}, there is no test ({error})")
    table = pd.concat(frames, ignore_index=True)
    tasks = {task for affected in found for task in affected.cases}
    table = table[table["task"].astype(str).isin(tasks)]
    if (table["role"] == "primary").any():
        table = table[table["role"] == "primary"]
    keys = [*SETTING, "arm", "reference"]
    rank = {key: n for n, key in enumerate(dict.fromkeys(map(tuple, table[keys].to_numpy())))}
    place = [rank[key] for key in map(tuple, table[keys].to_numpy())]
    table = table.assign(place=place).sort_values(["place", "order"], kind="stable")
    return table[list(SENSITIVITY_COLUMNS)].reset_index(drop=True)


def _without(material: Material, affected: Affected) -> pd.DataFrame:
    """All comparisons without some cases, so that P values are adjusted over the same family."""
    settings = [
        _kept(own, affected.cases.get(own.setting["task"], frozenset()))
        for own in material.settings
    ]
    table = compare_study(
        settings,
        material.reference,
        options=material.options,
        missing=material.evidence.missing,
        allow_incomplete=True,
        inputs=material.inputs,
    ).table
    if not affected.undivided:
        table = without_verdicts(table, material.divided)
    before = material.comparisons["n_cases"].to_numpy()
    left_out = before - table["n_cases"].to_numpy() if len(before) == len(table) else 0
    table = table.assign(analysis=affected.analysis, n_left_out=left_out)
    return table[table["task"].astype(str).isin(list(affected.cases))]


def _kept(aligned: Aligned, left_out: Collection[str]) -> Aligned:
    """The scores without some cases."""
    if not left_out:
        return aligned
    keep = ~np.isin(aligned.cases.astype(str), list(left_out))
    if len(set(aligned.y_true[keep].tolist())) < 2:
        raise UserError("the cases that remain are of one class")
    patients = None if aligned.patients is None else aligned.patients[keep]
    groups = patients
    if aligned.groups is not None and aligned.groups is not aligned.patients:
        groups = aligned.groups[keep]
    return dataclasses.replace(
        aligned,
        cases=aligned.cases[keep],
        y_true=aligned.y_true[keep],
        patients=patients,
        groups=groups,
        folds=aligned.folds[..., keep],
        scores=aligned.scores[..., keep],
        further={design: _kept(own, left_out) for design, own in aligned.further.items()},
    )


def _why_none(material: Material) -> str:
    audits: Iterator[Any] = (
        material.evidence.tasks.get(str(task), {}).get("near_duplicates")
        for task in material.sample["task"]
    )
    known = list(audits)
    if any(own and own.get("across_partitions") for own in known):
        return (
            "the archive does not name all near-duplicates across its splits; it is of an earlier "
            "version"
        )
    if not all(known):
        return "it is not known which images are near-duplicates"
    return "the audit found no cases that are affected"


def _absent(reason: str) -> Absent:
    return Absent("sensitivity", "sensitivity analysis", reason)
