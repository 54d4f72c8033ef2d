"""Tables of several classes: the comparison, class by class, all arms at once, the cases."""

from __future__ import annotations

__all__ = ["ClassTables"]

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..evidence.alignment import SETTING
from ..evidence.options import AnalysisOptions
from ..rendering.labels import (
    CORRECTION_NAMES,
    Labels,
    join_words,
    plural,
    sentence_case,
    setting_phrase,
    varies,
)
from ..rendering.numbers import format_count, format_interval, format_number, format_p
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..tables.notes import exploratory_notes, plan_notes
from .model import METRICS, ClassFit
from .settings import Kind

_MEANING = {
    "roc_auc_ovr": (
        "The macro-averaged one-versus-rest AUC is the mean over classes of the AUC of the class "
        "against all others; every class counts alike, however rare"
    ),
    "roc_auc_ovo": (
        "M of Hand and Till is the mean over pairs of classes of the AUCs between the two; it does "
        "not depend on how frequent the classes are"
    ),
    "quadratic_kappa": (
        "Kappa is the agreement of the grades with the reference grades beyond chance; "
        "disagreement counts by the square of its distance"
    ),
}
#: What a conclusion is about.
_ABOUT: Mapping[Kind, str] = {
    "cross-validation": (
        "training procedures, for new {units} and new training runs at this sample size"
    ),
    "readers": "these modalities, for new readers and new {units}",
    "reader": "this reader, for new {units}",
    "training runs": "training on this training set, for new {units} and new training runs",
    "models": "these fitted models, for new {units}",
}
#: At the head of a column.
_SHORT = {"roc_auc_ovr": "Macro AUC", "roc_auc_ovo": "M", "quadratic_kappa": "Kappa"}


@dataclass(frozen=True)
class ClassTables:
    """A fit as tables."""

    fit: ClassFit
    options: AnalysisOptions
    labels: Labels

    @property
    def level(self) -> str:
        """Of the intervals, at the head of a column."""
        return f"{100 * (1 - self.options.alpha):g} % CI"

    @property
    def metric(self) -> str:
        """What is compared, in words."""
        return METRICS[self.fit.metric]

    @property
    def second(self) -> str:
        """The other AUC."""
        return "roc_auc_ovo" if self.fit.metric == "roc_auc_ovr" else "roc_auc_ovr"

    @property
    def procedure(self) -> str:
        """What the conclusion is about."""
        units = "patients" if self.fit.clustered else "cases"
        found = [_ABOUT[kind].format(units=units) for kind in self.fit.kinds]
        return join_words(found)

    def sections(self) -> Iterator[Section]:
        """All tables that there are, the main one first."""
        yield Section(self._comparisons(), self.fit.comparisons)
        if len(self.fit.by_class):
            yield Section(self._by_class(), self.fit.by_class)
        if len(self.fit.second):
            yield Section(self._second(), self.fit.second)
        if len(self.fit.omnibus):
            yield Section(self._omnibus(), self.fit.omnibus)
            yield Section(self._pairs(), self.fit.pairs)
        yield Section(self._sample(), self.fit.sample)

    def absent(self) -> Iterator[Absent]:
        """What the study does not allow."""
        if self.fit.metric == "quadratic_kappa":
            yield Absent("by_class", "table of the classes", "grades have no score of a class")
        if not len(self.fit.omnibus):
            yield Absent("omnibus", "test of all arms at once", "there are only two arms")

    def notes(self) -> tuple[str, ...]:
        """Below the main table."""
        margin = self.options.margin
        designs = "; ".join(self.fit.designs)
        average = (
            " Values are computed within folds and averaged over folds, then over repeats; the "
            "shares of the classes are taken as they are."
            if self.fit.cross_validated and self.fit.metric != "quadratic_kappa"
            else " Values are computed within folds and averaged over folds, then over repeats."
            if self.fit.cross_validated
            else ""
        )
        notes = [
            f"{sentence_case(designs)}. {_MEANING[self.fit.metric]}.{average} Differences are arm "
            f"minus reference. The comparison is about {self.procedure}.",
            self.adjustment(self.fit.comparisons, judged=True),
            f"Differences within ± {margin:g} were considered negligible (equivalence margin)."
            if margin is not None
            else "No equivalence margin was given.",
            *(f"{sentence_case(text)}." for text in self.fit.warnings),
            *exploratory_notes(self.options),
            *plan_notes(self.options),
        ]
        return tuple(filter(None, notes))

    def adjustment(self, table: pd.DataFrame, *, judged: bool = False) -> str:
        """How the P values of a table were adjusted."""
        correction = self.options.correction
        if len(table) == 1 or correction == "none":
            return "P values are not adjusted."
        name = CORRECTION_NAMES[correction]
        if judged and self.options.primary:
            return (
                "The primary comparison is tested by itself; “Adjusted” P values of the secondary "
                f"ones use {name}."
            )
        families = (
            " within " + ", ".join(self.options.families)
            if judged and (self.options.families)
            else ""
        )
        return (
            f"“Adjusted” P values use {name} over the {plural(len(table), 'comparison')}{families}."
        )

    def pair(self, row: Mapping[Any, Any]) -> str:
        """The two arms of a row."""
        return f"{self.labels.arm(str(row['arm']))} − {self.labels.arm(str(row['reference']))}"

    def setting(self, row: Mapping[Any, Any], table: pd.DataFrame) -> str:
        """What distinguishes the setting of a row from the others of a table."""
        keys = [key for key in SETTING if varies(table[key])]
        return setting_phrase(dict(self.labels.applied(pd.DataFrame([dict(row)])).iloc[0]), keys)

    def _body(
        self, table: pd.DataFrame, cells: Any, *, panel: str | None = None
    ) -> tuple[Row | Panel, ...]:
        """Rows with a panel a setting, and, with `panel`, a panel a value of that column."""
        body: list[Row | Panel] = []
        last: tuple[str, ...] = ()
        for row in table.to_dict("records"):
            words = [self.setting(row, table)]
            if panel:
                words.append(str(row[panel]))
            head = tuple(filter(None, words))
            if head and head != last:
                body.append(Panel(": ".join(head)))
            last = head
            body.append(Row(tuple(cells(row))))
        return tuple(body)

    def _estimates(self, row: Mapping[Any, Any], *, adjusted: bool) -> list[Cell]:
        found = [
            Cell(format_number(row["value"]), format_interval(row["value_low"], row["value_high"])),
            Cell(
                format_number(row["value_reference"]),
                format_interval(row["value_reference_low"], row["value_reference_high"]),
            ),
            Cell(
                format_number(row["difference"]),
                format_interval(row["difference_low"], row["difference_high"]),
            ),
            Cell(format_p(row["pvalue"], self.options.alpha)),
        ]
        if adjusted:
            found.append(Cell(format_p(row["pvalue_adjusted"], self.options.alpha)))
        return found

    def _columns(self, short: str, *, adjusted: bool) -> list[Column]:
        found = [
            Column("Arm", "decimal", f"{short} ({self.level})"),
            Column("Reference", "decimal", f"{short} ({self.level})"),
            Column(f"Difference ({self.level})", "decimal"),
            Column("P", "p"),
        ]
        if adjusted:
            found.append(Column("Adjusted", "p"))
        return found

    def _is_adjusted(self, table: pd.DataFrame) -> bool:
        return len(table) > 1 and self.options.correction != "none"

    def _comparisons(self) -> Table:
        table = self.fit.comparisons
        adjusted = self._is_adjusted(table)

        def cells(row: Mapping[Any, Any]) -> list[Cell]:
            own = self._estimates(row, adjusted=adjusted)
            return [Cell(self.pair(row)), *own, Cell(row["verdict"])]

        return Table(
            name="multiclass",
            caption=f"Comparison of arms by the {self.metric}.",
            columns=(
                Column("Comparison"),
                *self._columns(_SHORT[self.fit.metric], adjusted=adjusted),
                Column("Verdict"),
            ),
            body=self._body(table, cells),
            notes=self.notes(),
        )

    def _by_class(self) -> Table:
        table = self.fit.by_class
        adjusted = self._is_adjusted(table)

        def cells(row: Mapping[Any, Any]) -> list[Cell]:
            name = f"{row['class']} (n = {format_count(row['n_of_class'])})"
            return [Cell(name), *self._estimates(row, adjusted=adjusted)]

        pairs = table.assign(pair=[self.pair(row) for row in table.to_dict("records")])
        return Table(
            name="by_class",
            caption="AUC of every class against the rest.",
            columns=(Column("Class"), *self._columns("AUC", adjusted=adjusted)),
            body=self._body(pairs, cells, panel="pair"),
            notes=(
                f"One versus rest: the cases of a class against all others. {self._about()}",
                f"{self.adjustment(table)} The table says which classes differ; the overall "
                "comparison is that of the averages.",
                *(f"{sentence_case(text)}." for text in self.fit.class_warnings),
            ),
        )

    def _about(self) -> str:
        return f"The comparison is about {self.procedure}."

    def _second(self) -> Table:
        return self._plain(
            self.fit.second,
            "multiclass_second",
            f"Comparison of arms by the {METRICS[self.second]}.",
            _SHORT[self.second],
            f"{_MEANING[self.second]}. A further view of the comparison, without verdicts.",
        )

    def _pairs(self) -> Table:
        return self._plain(
            self.fit.pairs,
            "multiclass_pairs",
            f"Pairwise comparisons of all arms by the {self.metric}.",
            _SHORT[self.fit.metric],
            f"{_MEANING[self.fit.metric]}. They follow the test of all arms at once.",
            heads=("First", "Second"),
        )

    def _plain(
        self,
        table: pd.DataFrame,
        name: str,
        caption: str,
        short: str,
        note: str,
        *,
        heads: Sequence[str] = ("Arm", "Reference"),
    ) -> Table:
        adjusted = self._is_adjusted(table)

        def cells(row: Mapping[Any, Any]) -> list[Cell]:
            return [Cell(self.pair(row)), *self._estimates(row, adjusted=adjusted)]

        columns = self._columns(short, adjusted=adjusted)
        columns[:2] = [
            Column(head, "decimal", column.spanner)
            for head, column in zip(heads, columns[:2], strict=True)
        ]
        return Table(
            name=name,
            caption=caption,
            columns=(Column("Comparison"), *columns),
            body=self._body(table, cells),
            notes=(f"{note} {self._about()}", self.adjustment(table)),
        )

    def _unused(self) -> Iterator[str]:
        """What the test of all arms at once does without, and those of pairs use."""
        several = [
            own for own in self.fit.settings if own.cross_validated and len(own.aligned.arms) > 2
        ]
        if any(np.unique(own.repeats).size < len(own.runs) for own in several):
            yield "Of several trainings on the same splits it uses the first."
        if any(own.aligned.further["halving"].runs for own in several):
            yield "It does not use the halvings, which the tests of two arms do."

    def _omnibus(self) -> Table:
        table = self.fit.omnibus

        def cells(row: Mapping[Any, Any]) -> list[Cell]:
            degrees = format_number(row["df"], 0)
            if np.isfinite(row.get("df_residual", np.inf)):
                degrees += f", {format_number(row['df_residual'], 1)}"
            return [
                Cell(str(row["arms"])),
                Cell(format_number(row["statistic"], 2)),
                Cell(degrees),
                Cell(format_p(row["pvalue"], self.options.alpha)),
            ]

        found = np.isfinite(table["df_residual"]) if "df_residual" in table else np.array([False])
        statistic = "F" if found.all() else "χ²" if not found.any() else "F or χ²"
        return Table(
            name="multiclass_omnibus",
            caption=f"Test that all arms have an equal {self.metric}.",
            columns=(
                Column("Arms", "right"),
                Column(statistic, "decimal"),
                Column("df"),
                Column("P", "p"),
            ),
            body=self._body(table, cells),
            notes=(
                f"It tells that some arm differs, not which. {self._about()}",
                *self._unused(),
                *dict.fromkeys(
                    f"Not tested: {row['method']}."
                    for row in table.to_dict("records")
                    if np.isnan(row["pvalue"])
                ),
            ),
        )

    def _sample(self) -> Table:
        table = self.fit.sample
        known = table["n_patients"].notna().any()

        def cells(row: Mapping[Any, Any]) -> list[Cell]:
            own = [Cell(str(row["class"])), Cell(format_count(row["n_cases"]))]
            return [*own, Cell(format_count(row["n_patients"]))] if known else own

        columns = [Column("Class"), Column("Cases", "right")]
        if known:
            columns.append(Column("Patients", "right"))
        graded = self.fit.metric == "quadratic_kappa"
        shown = table.assign(**{key: "" for key in SETTING if key != "task"})
        return Table(
            name="classes",
            caption=f"Cases of every {'grade' if graded else 'class'}.",
            columns=tuple(columns),
            body=self._body(shown, cells),
            notes=("A patient with cases of several classes counts in each.",) if known else (),
        )
