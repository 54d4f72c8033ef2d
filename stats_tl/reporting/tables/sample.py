"""Table 1: patients, images, events and design of each task."""

from __future__ import annotations

__all__ = ["sample", "sample_text_table"]

from collections.abc import Iterator, Sequence

import pandas as pd

from ..rendering.labels import Labels
from ..rendering.numbers import MISSING, format_count, format_number
from ..rendering.parts import Section
from ..rendering.table import Cell, Column, Row, Table
from ..results.material import Material
from .notes import general_notes


def sample(material: Material) -> Iterator[Section]:
    """The table of the sample, from the material of a report."""
    cautions = general_notes(material)
    table = sample_text_table(
        material.sample, title=material.title, cautions=cautions, labels=material.labels
    )
    yield Section(table, material.sample)


def sample_text_table(
    sample: pd.DataFrame,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
    labels: Labels | None = None,
) -> Table:
    """Table 1: patients, images, events and design of each task."""
    sample = (labels or Labels()).applied(sample)
    columns: list[tuple[Column, str]] = [
        (Column("All", "right", "Patients"), "n_patients"),
        (Column("With event", "right", "Patients"), "n_patients_events"),
        (Column("All", "right", "Images"), "n_cases"),
        (Column("Events", "right", "Images"), "n_events"),
        (Column("Events, %", "right", "Images"), "prevalence"),
        (Column("Repeats", "right", "Cross-validation"), "n_repeats"),
        (Column("Folds", "right", "Cross-validation"), "n_folds"),
        (Column("Seeds", "right", "Cross-validation"), "n_seeds"),
        (Column("Train", "right", "Images per fold"), "n_train"),
        (Column("Tune", "right", "Images per fold"), "n_validation"),
        (Column("Test", "right", "Images per fold"), "n_test"),
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
        body.append(Row((Cell(row["task"] or "All cases"), *cells)))
    notes = ["Events are cases that are positive by the reference standard."]
    if sample["n_patients"].isna().any():
        notes.append(
            f"A dash ({MISSING}) means that patients were not identified; their images are treated "
            "as independent."
        )
    if sample["n_train"].notna().any():
        notes.append("Images per fold are means over folds; tuning images choose the epoch.")
    return Table(
        name="sample",
        caption="Patients, images and events." + (f" {title}." if title else ""),
        columns=(Column("Task", "wrap"), *(column for column, _ in shown)),
        body=tuple(body),
        notes=(*notes, *cautions),
    )
