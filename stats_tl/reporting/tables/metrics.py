"""The secondary metrics of the plan, comparison by comparison."""

from __future__ import annotations

__all__ = ["metrics", "metrics_table"]

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ..evidence.alignment import SETTING
from ..evidence.options import AnalysisOptions
from ..measures.study_metric import StudyMetric, further_metrics, primary_metric
from ..rendering.labels import (
    CORRECTION_NAMES,
    Labels,
    comparison_labels,
    join_words,
    varies,
)
from ..rendering.numbers import format_interval, format_number, format_p
from ..rendering.parts import Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.comparisons import SEPARATOR
from ..results.further_metrics import compare_further_metrics
from ..results.material import Material
from .notes import secondary_notes


def metrics(material: Material) -> Iterator[Section]:
    """The table of secondary metrics; nothing where the plan names none."""
    numbers = compare_further_metrics(material)
    if numbers.empty:
        return
    table = metrics_table(
        numbers,
        material.options,
        title=material.title,
        cautions=secondary_notes(material),
        labels=material.labels,
    )
    yield Section(table, numbers)


def metrics_table(
    numbers: pd.DataFrame,
    options: AnalysisOptions,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
    labels: Labels | None = None,
) -> Table:
    """Metrics to print, from the rows of :func:`.compare_further_metrics`."""
    numbers = (labels or Labels()).applied(numbers)
    names = comparison_labels(numbers)
    several = len(numbers[[*SETTING, "arm"]].drop_duplicates()) > 1
    body: list[Row | Panel] = []
    before = ""
    for name, row in zip(names, numbers.to_dict("records"), strict=True):
        task = str(row["task"]) if varies(numbers["task"]) else ""
        panel = ", ".join(filter(None, [task, *name])) if several else ""
        if panel != before:
            body.append(Panel(panel))
            before = panel
        body.append(_row(row))
    arms = list(dict.fromkeys(numbers["arm"]))
    candidate = arms[0] if len(arms) == 1 else "Candidate"
    level = f"Estimate ({100 * (1 - options.alpha):g} % CI)"
    return Table(
        name="metrics",
        caption=f"Secondary metrics: {join_words(arms)} compared with "
        f"{numbers['reference'].iloc[0]}." + (f" {title}." if title else ""),
        columns=(
            Column("Metric", "wrap"),
            Column(candidate, "decimal", level),
            Column(str(numbers["reference"].iloc[0]), "decimal", level),
            Column("Difference", "decimal", level),
            Column("Raw", "p", "P value"),
            Column("Adjusted", "p", "P value"),
        ),
        body=tuple(body),
        notes=(*_notes(numbers, options), *cautions),
    )


def _row(row: Mapping[Any, Any]) -> Row:
    directed = row["higher_is_better"] in (True, False)
    significant = row["pvalue_adjusted"] < row["alpha"] and directed
    better = (row["difference"] > 0) == bool(row["higher_is_better"])

    def cell(name: str, bold: bool = False) -> Cell:
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        below = "" if math.isnan(low) or math.isnan(high) else f"({format_interval(low, high)})"
        return Cell(format_number(row[name]), below, bold)

    return Row(
        (
            Cell(str(row["label"])),
            cell("value", significant and better),
            cell("value_reference", significant and not better),
            cell("difference"),
            Cell(format_p(row["pvalue"], row["alpha"])),
            Cell(format_p(row["pvalue_adjusted"], row["alpha"])),
        )
    )


def _notes(numbers: pd.DataFrame, options: AnalysisOptions) -> Iterator[str]:
    studied = further_metrics(options)
    yield (
        f"These comparisons are secondary to that by the {primary_metric(options).label}. Values "
        "are means over test folds and repeats where there are such, differences are candidate − "
        "reference, and the test is that of the table of comparisons with the influences of the "
        "cases on the metric." + _directions(studied)
    )
    if tuned := [own.label for own in studied if own.by_case]:
        yield (
            f"The thresholds of {join_words(tuned)} were set on the tuning cases of each model; no "
            "test case was used."
        )
    fixed = [f"{own.label}, {own.threshold:g}" for own in studied if own.threshold is not None]
    if fixed:
        yield f"Thresholds that were named beforehand: {'; '.join(fixed)}."
    if options.correction == "none" or len(numbers) == 1:
        yield "P values are not adjusted for the number of comparisons."
    else:
        yield (
            f"Adjusted P values use {CORRECTION_NAMES[options.correction]} over the {len(numbers)} "
            "P values of this table, which are a family of their own."
        )
    yield from _cautions(numbers)


def _directions(studied: Sequence[StudyMetric]) -> str:
    lower = [own.label for own in studied if own.metric.higher_is_better is False]
    between = [own.label for own in studied if own.metric.higher_is_better is None]
    logs = [own.label for own in studied if own.logarithmic]
    text = f" Lower values are better of {join_words(lower)}." if lower else ""
    if between:
        text += (
            f" Of {join_words(between)} neither direction is better: an intercept of 0 and a slope "
            "of 1 are."
        )
    return text + (f" Differences of {join_words(logs)} are of logarithms." if logs else "")


def _cautions(numbers: pd.DataFrame) -> Iterator[str]:
    """What the tests warn of, each once, with the metrics that it is about."""
    where: dict[str, list[str]] = {}
    for label, text in zip(numbers["label"], numbers["warnings"], strict=True):
        for warning in filter(None, text.split(SEPARATOR)):
            named = where.setdefault(warning, [])
            if label not in named:
                named.append(label)
    every = numbers["label"].nunique()
    for warning, labels in where.items():
        about = f" ({join_words(labels)})" if len(labels) < every else ""
        yield f"Caution{about}: {warning}."
