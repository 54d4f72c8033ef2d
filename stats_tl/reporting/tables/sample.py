"""Table 1: patients, images, events and design of each task."""

from __future__ import annotations

__all__ = ["sample", "sample_text_table"]

from collections.abc import Iterator, Sequence

import pandas as pd

from ..rendering.numbers import MISSING, format_count, format_number
from ..rendering.parts import Section
from ..rendering.table import Cell, Column, Row, Table
from ..results.material import Material
from .notes import general_notes


def sample(material: Material) -> Iterator[Section]:
    """The table of the sample, from the material of a report."""
    cautions = general_notes(material)
    table = sample_text_table(material.sample, title=material.title, cautions=cautions)
    yield Section(table, material.sample)


def sample_text_table(
    sample: pd.DataFrame, *, title: str = "", cautions: Sequence[str] = ()
) -> Table:
    """Table 1: patients, images, events and design of each task."""
    columns: list[tuple[Column, str]] = [
        (Column("In all", "right", "Patients"), "n_patients"),
        (Column("With event", "right", "Patients"), "n_patients_events"),
        (Column("In all", "right", "Images"), "n_cases"),
        (Column("Events", "right", "Images"), "n_events"),
        (Column("Events, %", "right", "Images"), "prevalence"),
        (Column("Repeats", "right", "Cross-validation"), "n_repeats"),
        (Column("Folds", "right", "Cross-validation"), "n_folds"),
        (Column("Seeds", "right", "Cross-validation"), "n_seeds"),
        (Column("Train", "right", "Images of a fold"), "n_train"),
        (Column("Tune", "right", "Images of a fold"), "n_validation"),
        (Column("Test", "right", "Images of a fold"), "n_test"),
    ]
    shown = [(column, key) for column, key in columns if sample[key].notna().any()]
    body = []
    for row in sample.to_dict("records"):
        cells = [
            Cell(
                format_number(100 * row[key], 1) if key == "prevalence" else format_count(row[key])
            )
            for _, key in shown
        ]
        body.append(Row((Cell(row["task"] or "all cases"), *cells)))
    notes = ["Event: a case that is positive by the reference standard."]
    if sample["n_patients"].isna().any():
        notes.append(
            f"{MISSING}: no patient identifiers were given; images are then taken as independent."
        )
    if sample["n_train"].notna().any():
        notes.append("Images of a fold: mean over folds; tune: inner validation.")
    return Table(
        name="sample",
        caption="Patients, images and events." + (f" {title}." if title else ""),
        columns=(Column("Task", "wrap"), *(column for column, _ in shown)),
        body=tuple(body),
        notes=(*notes, *cautions),
    )
