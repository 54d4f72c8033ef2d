"""Table 2, the comparisons: which columns are shown, how they are printed, what is bold."""

from __future__ import annotations

__all__ = ["significance", "significance_table", "terminal_table"]

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from ..evidence.options import AnalysisOptions
from ..measures.study_metric import StudyMetric, primary_metric
from ..rendering.labels import Labels, comparison_labels, join_words, varies
from ..rendering.numbers import format_interval, format_number, format_p
from ..rendering.parts import Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.material import Material
from ..results.pairs import of_hold_outs
from .notes import CURVE_TESTS, significance_notes, terminal_notes, test_notes

#: Names longer than this would make a column wider than its numbers.
_LONGEST_HEADER = 14


def significance(material: Material) -> Iterator[Section]:
    """The significance table, from the material of a report."""
    table = significance_table(
        material.comparisons,
        material.options,
        title=material.title,
        cautions=test_notes(material),
        labels=material.labels,
    )
    yield Section(table, material.comparisons.rename(columns=material.metric.of_columns()))


def significance_table(
    table: pd.DataFrame,
    options: AnalysisOptions,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
    labels: Labels | None = None,
) -> Table:
    """The significance table of a paper, from the rows of :func:`~stats_tl.reporting.compare_arms`.

    Parameters
    ----------
    table : DataFrame
        As from :func:`~stats_tl.reporting.compare_arms`.
    options : AnalysisOptions
        Those it was computed with.
    title : str, optional
        Title of the study.
    cautions : sequence of str, optional
        Further notes.
    labels : Labels, optional
        What is shown in place of names.
    """
    table = (labels or Labels()).applied(table)
    candidate, reference = _arm_headers(table)
    pvalues = _pvalue_columns(table)
    by = primary_metric(options)
    interval = f"{by.header} ({100 * table['confidence_level'].iloc[0]:g} % CI)"
    columns = [
        Column(_label_header(table), "wrap"),
        Column(candidate, "decimal", interval),
        Column(reference, "decimal", interval),
        Column("Difference", "decimal"),
        *(Column(header, "p", "P value") for header, _ in pvalues),
        Column("SDD", "decimal"),
        Column("Verdict"),
    ]
    return Table(
        name="significance",
        caption=_caption(table, by, title),
        columns=tuple(columns),
        body=tuple(_body(table, pvalues)),
        notes=(*significance_notes(table, options).lines(), *cautions),
    )


def terminal_table(
    table: pd.DataFrame,
    options: AnalysisOptions,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
    labels: Labels | None = None,
) -> Table:
    """The significance table for a terminal: what fits in 100 columns."""
    table = (labels or Labels()).applied(table)
    candidate, reference = _arm_headers(table)
    pvalues, by = _pvalue_columns(table), primary_metric(options)
    columns = [
        Column(_label_header(table), "wrap"),
        Column(candidate, "right", by.header),
        Column(reference, "right", by.header),
        Column("difference", "right"),
        *(Column(header.lower(), "right", "P value") for header, _ in pvalues),
        Column("SDD", "right"),
        Column("verdict"),
    ]
    return Table(
        name="significance",
        caption=_caption(table, by, title),
        columns=tuple(columns),
        body=tuple(map(_for_terminal, _body(table, pvalues))),
        notes=(*terminal_notes(table, options), *cautions),
    )


def _body(table: pd.DataFrame, pvalues: Sequence[tuple[str, str]]) -> Iterator[Row | Panel]:
    """A panel for each task, and below it a row for each comparison."""
    names = comparison_labels(table)
    for task, rows in table.groupby("task", sort=False).indices.items():
        yield Panel(_panel(str(task), table.iloc[rows]))
        for number in rows:
            row = table.iloc[number]
            mark = " †" if row["role"] == "primary" else ""
            yield _significance_row(row, names[number], mark, [key for _, key in pvalues])


def _for_terminal(part: Row | Panel) -> Row | Panel:
    """A row without the intervals of the AUCs, parentheses and bold."""
    if isinstance(part, Panel):
        return part
    label, auc, other, *rest = part.cells
    return Row(
        (
            label,
            Cell(auc.text),
            Cell(other.text),
            *(Cell(cell.text, cell.below.strip("()")) for cell in rest),
        )
    )


def _significance_row(
    row: pd.Series, label: tuple[str, str], mark: str, pvalues: Sequence[str]
) -> Row:
    return Row(
        (
            Cell(label[0] + mark, label[1]),
            Cell(
                format_number(row["auc"]),
                _below(row["auc_low"], row["auc_high"]),
                bold=row["verdict"] == "superior",
            ),
            Cell(
                format_number(row["auc_reference"]),
                _below(row["auc_reference_low"], row["auc_reference_high"]),
                bold=row["verdict"] == "inferior",
            ),
            Cell(
                format_number(row["difference"]),
                _below(row["difference_low"], row["difference_high"]),
            ),
            *(Cell(format_p(row[key], row["alpha"])) for key in pvalues),
            Cell(format_number(row["smallest_detectable_difference"])),
            Cell(row["verdict"]),
        )
    )


def _below(low: float, high: float) -> str:
    return "" if math.isnan(low) or math.isnan(high) else f"({format_interval(low, high)})"


def _pvalue_columns(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Headers and keys of the p values that the designs have."""
    curve = table["test"].isin(CURVE_TESTS).any()
    # Beside the test of the learning curve there is room for one other.
    columns = [("Corr. t", "pvalue_corrected_t")]
    if not curve:
        columns.insert(0, ("DeLong", "pvalue_delong"))
    shown = [(header, key) for header, key in columns if table[key].notna().any()]
    if curve:
        shown.append(("Raw", "pvalue"))
    elif table["test"].isin(["obuchowski-rockette", "mrmc"]).any():
        shown.append(("MRMC", "pvalue"))
    return [*shown, ("Adjusted", "pvalue_adjusted")]


def _arm_headers(table: pd.DataFrame) -> tuple[str, str]:
    arms = list(dict.fromkeys(table["arm"]))
    reference = table["reference"].iloc[0]
    candidate = arms[0] if len(arms) == 1 else "Candidate"
    return tuple(  # type: ignore[return-value]
        name if len(name) <= _LONGEST_HEADER else fallback
        for name, fallback in ((candidate, "Candidate"), (reference, "Reference"))
    )


def _label_header(table: pd.DataFrame) -> str:
    by_arm = varies(table["arm"]) or not table["backbone"].ne("").all()
    return "Candidate" if by_arm else "Backbone"


def _caption(table: pd.DataFrame, by: StudyMetric, title: str) -> str:
    arms = list(dict.fromkeys(table["arm"]))
    text = f"{by.header} of {join_words(arms)} compared with {table['reference'].iloc[0]}"
    fixed = []
    if not varies(table["head"]) and table["head"].iloc[0]:
        fixed.append(table["head"].iloc[0])
    if not varies(table["unfreeze"]) and table["unfreeze"].iloc[0]:
        fixed.append(table["unfreeze"].iloc[0])
    if fixed:
        text += f" ({', '.join(fixed)})"
    return f"{text}. {title}." if title else f"{text}."


def _panel(task: str, rows: pd.DataFrame) -> str:
    """The task, its sample and its design."""
    counts = [_count(rows["n_cases"], "image"), _count(rows["n_events"], "event")]
    known = rows["n_patients"].notna().all()
    if known:
        counts.insert(0, _count(rows["n_patients"], "patient"))
    text = f"{task}: {', '.join(counts)}" if task else ", ".join(counts)
    text += "" if known else "; patients unknown"
    runs = rows["n_repeats"] * rows["n_seeds"]
    if (rows["n_folds"] > 1).any():
        folds = _range(rows["n_folds"])
        text += f"; {_count(rows['n_repeats'], 'repeat')} of {folds}-fold cross-validation"
        return text + (
            f", {_count(rows['n_seeds'], 'seed')}" if (rows["n_seeds"] > 1).any() else ""
        )
    if of_hold_outs(rows).all():
        return f"{text}; {_range(rows['n_repeats'])} random hold-outs" + (
            f", {_count(rows['n_seeds'], 'seed')}" if (rows["n_seeds"] > 1).any() else ""
        )
    if (rows["test"] == "mrmc").all():
        return f"{text}; {_count(runs, 'reader')}"
    text += "; one test set"
    return text + (f", {_count(runs, 'training run')}" if (runs > 1).any() else "")


def _count(values: pd.Series, noun: str) -> str:
    """A count with its noun, or from where to where it goes."""
    return f"{_range(values)} {noun if (values == 1).all() else noun + 's'}"


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"
