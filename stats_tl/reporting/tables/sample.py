"""Table 1: patients, images, events and design of each task."""

from __future__ import annotations

__all__ = ["sample", "sample_text_table"]

from collections.abc import Iterator, Sequence

import pandas as pd

from ..rendering.labels import Labels
from ..rendering.numbers import format_count, format_number
from ..rendering.parts import Section
from ..rendering.table import Cell, Column, Row, Table
from ..results.material import Material
from .notes import general_notes


def sample(material: Material) -> Iterator[Section]:
    """The table of the sample, from the material of a report."""
    cautions = general_notes(material)
    table = sample_text_table(
        material.sample,
        title=material.title,
        cautions=cautions,
        labels=material.labels,
        readers=material.of_readers,
    )
    yield Section(table, material.sample)


def sample_text_table(
    sample: pd.DataFrame,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
    labels: Labels | None = None,
    readers: bool = False,
) -> Table:
    """Table 1: patients, images, events and design of each task."""
    sample = (labels or Labels()).applied(sample)
    runs: list[tuple[Column, str]] = [
        (Column("Repeats", "right", "Cross-validation"), "n_repeats"),
        (Column("Folds", "right", "Cross-validation"), "n_folds"),
        (Column("Seeds", "right", "Cross-validation"), "n_seeds"),
    ]
    columns: list[tuple[Column, str]] = [
        (Column("All", "right", "Patients"), "n_patients"),
        (Column("With event", "right", "Patients"), "n_patients_events"),
        (Column("All", "right", "Images"), "n_cases"),
        (Column("Events", "right", "Images"), "n_events"),
        (Column("Events, %", "right", "Images"), "prevalence"),
        *([(Column("Readers", "right"), "n_seeds")] if readers else runs),
        (Column("Train", "right", "Images per fold"), "n_train"),
        (Column("Tune", "right", "Images per fold"), "n_validation"),
        (Column("Test", "right", "Images per fold"), "n_test"),
    ]
    # That patients are unknown is shown, not left out.
    shown = [
        (column, key) for column, key in columns if key == "n_patients" or sample[key].notna().any()
    ]
    body = []
    for row in sample.to_dict("records"):
        cells = [Cell(_text(key, row[key])) for _, key in shown]
        body.append(Row((Cell(row["task"] or "All cases"), *cells)))
    notes = ["Events are cases that are positive by the reference standard."]
    if sample["n_patients"].isna().any():
        notes.append(
            "Patients are unknown where it says so; images count as independent, except those of "
            "one group of related images (near-duplicates, or of one examination)."
            if sample["n_groups"].notna().any()
            else "Patients are unknown where it says so; their images count as independent."
        )
    if sample["n_train"].notna().any():
        notes.append("Images per fold are means over folds; tuning images choose the epoch.")
    what = "Images" if sample["n_patients"].isna().all() else "Patients, images"
    return Table(
        name="sample",
        caption=f"{what} and events." + (f" {title}." if title else ""),
        columns=(Column("Task", "wrap"), *(column for column, _ in shown)),
        body=tuple(body),
        notes=(*notes, *cautions),
    )


def _text(key: str, value: float) -> str:
    if key == "prevalence":
        return format_number(100 * value, 1)
    if key == "n_patients" and pd.isna(value):
        return "unknown"
    return format_count(value)
