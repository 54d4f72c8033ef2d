"""The AUC of each reader of a reader study, with every arm."""

from __future__ import annotations

__all__ = ["readers"]

from collections.abc import Iterator

import pandas as pd

from ..evidence.alignment import SETTING
from ..rendering.labels import join_words, varies
from ..rendering.numbers import format_number
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.material import Material
from .notes import secondary_notes


def readers(material: Material) -> Iterator[Section | Absent]:
    """The table of readers; nothing where there are none."""
    numbers = reader_aucs(material)
    if numbers.empty:
        return
    if not material.metric.is_auc:
        reason = f"it is of AUCs, and the arms are compared by the {material.metric.label}"
        yield Absent("readers", "table of readers", reason)
        return
    shown = material.labels.applied(numbers)
    arms = list(dict.fromkeys(shown["arm"]))
    wide = shown.pivot_table(
        index=[*SETTING, "reader"], columns="arm", values="auc", sort=False, observed=True
    ).reset_index()
    keys = [key for key in SETTING if varies(wide[key])]
    body: list[Row | Panel] = []
    before = ""
    for row in wide.to_dict("records"):
        panel = ", ".join(str(row[key]) for key in keys if row[key])
        if panel != before:
            body.append(Panel(panel))
            before = panel
        cells = [Cell(format_number(row[arm])) for arm in arms]
        body.append(Row((Cell(str(row["reader"])), *cells)))
    table = Table(
        name="readers",
        caption=f"AUC of each reader with {join_words(arms)}"
        + (f". {material.title}." if material.title else "."),
        columns=(
            Column("Reader", "wrap"),
            *(Column(arm, "decimal", "AUC") for arm in arms),
        ),
        body=tuple(body),
        notes=(
            "AUCs are empirical (trapezoidal). The test of the difference is in the table of "
            "comparisons; differences of single readers are not tested.",
            *secondary_notes(material),
        ),
    )
    yield Section(table, numbers)


def reader_aucs(material: Material) -> pd.DataFrame:
    """One row per setting, reader and arm, the reference last: ``reader, arm, auc``, cases."""
    parts = []
    for aligned in material.settings:
        if not aligned.readers:
            continue
        own = material.aucs
        for key, value in aligned.setting.items():
            own = own[own[key].astype(str) == value]
        named = own.assign(reader=own["seed"].map(aligned.readers))
        parts.append(named[[*SETTING, "reader", "arm", "auc", "n_cases", "n_events"]])
    if not parts:
        return pd.DataFrame()
    frame = pd.concat(parts)
    last = frame["arm"] == material.reference
    return pd.concat([frame[~last], frame[last]]).sort_values(
        [*SETTING, "reader"], kind="stable", ignore_index=True
    )
