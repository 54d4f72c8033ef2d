"""'Table 1': covariates by class and by partition, in tableone's conventions."""

from __future__ import annotations

__all__ = ["baseline", "baseline_text_table"]

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from ..rendering.labels import Labels, sentence_case
from ..rendering.numbers import format_count, format_number
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.baseline import MOST_LEVELS, SKEWED, baseline_table
from ..results.material import Material
from .notes import general_notes

_SPANNERS = {"class": "By class", "partition": "By partition"}


def baseline(material: Material) -> Iterator[Section | Absent]:
    """The table of baseline characteristics, from the material of a report."""
    numbers = baseline_table(material)
    if isinstance(numbers, Absent):
        yield numbers
        return
    table = baseline_text_table(
        numbers,
        title=material.title,
        cautions=general_notes(material),
        labels=material.labels,
    )
    yield Section(table, numbers)


def baseline_text_table(
    numbers: pd.DataFrame,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
    labels: Labels | None = None,
) -> Table:
    """Characteristics to print, from the rows of :func:`.baseline_table`."""
    numbers = (labels or Labels()).applied(numbers)
    groups = list(dict.fromkeys(zip(numbers["by"], numbers["group"], strict=True)))
    columns = [Column("Characteristic", "wrap"), Column("Missing", "right")]
    keys: list[tuple[str, str]] = []
    for by in ("all", "class", "partition"):
        own = [group for of, group in groups if of == by]
        for group in own:
            columns.append(Column(group, "right", _SPANNERS.get(by, "")))
            keys.append((by, group))
        if len(own) > 1:
            columns.append(Column("SMD", "right", _SPANNERS[by]))
            keys.append((by, ""))
    body: list[Row | Panel] = []
    for task, rows in numbers.groupby("task", sort=False):
        if task:
            body.append(Panel(str(task)))
        for unit, of_unit in rows.groupby("unit", sort=False):
            body.append(_sizes(of_unit, keys, str(unit)))
        for _, of_covariate in rows.groupby("covariate", sort=False):
            body += _covariate(of_covariate, keys)
    return Table(
        name="baseline",
        caption="Baseline characteristics." + (f" {title}." if title else ""),
        columns=tuple(columns),
        body=tuple(body),
        notes=(*_notes(numbers), *cautions),
    )


def _sizes(rows: pd.DataFrame, keys: Sequence[tuple[str, str]], unit: str) -> Row:
    found = rows.drop_duplicates(["by", "group"]).set_index(["by", "group"])["n"]
    cells = [format_count(found[key]) if key in found.index else "" for key in keys]
    return Row((Cell(f"{sentence_case(unit)}s, n"), Cell(""), *map(Cell, cells)))


def _covariate(rows: pd.DataFrame, keys: Sequence[tuple[str, str]]) -> Iterator[Row]:
    first = rows.iloc[0]
    kind, unit = first["kind"], first["unit"]
    what = {"categorical": "n (%)", "mean": "mean (SD)", "median": "median [quartiles]"}[kind]
    by_image = " of images" if unit == "image" and kind == "categorical" else ""
    name = f"{sentence_case(str(first['covariate']))}, {what}{by_image}"
    missing = format_count(first["n_missing"])
    smds = {by: value for by, value in zip(rows["by"], rows["smd"], strict=True)}
    head = [
        Cell(format_number(smds[by], 2)) if not group and by in smds else Cell("")
        for by, group in keys
    ]
    cells = {
        str(own["level"].to_list()[0]): {
            (row["by"], row["group"]): _text(row, kind) for row in own.to_dict("records")
        }
        for _, own in rows.groupby("level", sort=False)
    }
    if kind != "categorical":
        (only,) = cells.values()
        filled = [Cell(only.get(key, "")) if key[1] else head[n] for n, key in enumerate(keys)]
        yield Row((Cell(name), Cell(missing), *filled))
        return
    yield Row((Cell(name), Cell(missing), *head))
    for level, own in cells.items():
        filled = [Cell(own.get(key, "")) for key in keys]
        yield Row((Cell(f"\N{EM SPACE}{level}"), Cell(""), *filled))


def _text(row: dict[Any, Any], kind: str) -> str:
    if kind == "categorical":
        if math.isnan(row["share"]):
            return ""
        return f"{format_count(row['count'])} ({format_number(100 * row['share'], 1)})"
    if math.isnan(row["mean"]):
        return ""
    if kind == "mean":
        return f"{format_number(row['mean'], 1)} ({format_number(row['sd'], 1)})"
    ends = f"{format_number(row['q1'], 1)}, {format_number(row['q3'], 1)}"
    return f"{format_number(row['median'], 1)} [{ends}]"


def _notes(numbers: pd.DataFrame) -> Iterator[str]:
    units = set(numbers["unit"])
    if units == {"patient", "image"}:
        yield (
            "Characteristics that are the same in all images of a patient are of patients, others "
            "of images."
        )
    elif units == {"image"}:
        yield "Characteristics are of images."
    if "patient" in units:
        yield "A patient with at least one positive image counts as with event."
    yield (
        "Percentages and means are of what is known. Quantities whose skewness is beyond "
        f"{SKEWED:g} have median and quartiles. SMD is the absolute standardised mean difference "
        "(of several levels, the Mahalanobis distance of their shares), and of several groups the "
        "largest; P values are not given, since groups were not made at random, or if so, differ "
        f"by chance. Text with more than {MOST_LEVELS} levels is left out."
    )
    if not numbers["by"].eq("partition").any():
        yield (
            "Partitions are not compared: every case is a test case once in a cross-validation, or "
            "all cases belong to the test set."
        )
