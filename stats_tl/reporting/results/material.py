"""What every table, figure and paragraph of a report is made from, computed once.

Scores are read and aligned one time (:class:`~..evidence.alignment.Aligned`, arrays of arms
x runs x cases) and the comparisons and the mixed model computed one time; builders
take the :class:`Material` and only choose what to show.
"""

from __future__ import annotations

__all__ = ["IDENTIFIERS", "Material", "analysed_cases", "gather_material"]

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ...errors import IncompleteError, UserError
from ...metric_names import CLASS_METRICS
from ..evidence.alignment import DESIGNS, SETTING, Aligned, align, check_scores
from ..evidence.base import Evidence
from ..evidence.checks import ScoreProblem, divided_patients, score_problems
from ..evidence.options import AnalysisOptions
from ..measures.inputs import MetricInputs, class_weights, log_odds
from ..measures.study_metric import StudyMetric, primary_metric
from ..measures.thresholds import THRESHOLD_KEYS, cell_thresholds
from ..rendering.labels import KINDS, Labels
from .aucs import cell_aucs
from .comparisons import Comparisons, compare_study, without_verdicts
from .mixed import MixedReport, mixed_report, no_mixed_model
from .pairs import PairComponents, pair_components
from .sample import sample_table

#: Columns of cases that are no covariates.
IDENTIFIERS = ("case", "patient", "related_group", "y_true")
#: Of a record, what a report tells; histories and file names are many and not told.
_RECORDED = ("key", "weights", "seeds", "selection", "configuration", "environment")


@dataclass(frozen=True)
class Material:
    """The evidence of a study and what was computed from it.

    Attributes
    ----------
    evidence : Archive or Predictions
    options : AnalysisOptions
        With a reference.
    labels : Labels
        What readers see in place of names.
    settings : tuple of Aligned
        Test scores of every task, backbone, head and depth as arrays.
    aucs : DataFrame
        One row per cell: its keys and ``auc`` (and what else the archive records).
    compared : Comparisons
        Every arm against the reference, with the warnings of the tests and what is lacking.
    mixed : MixedReport
    sample : DataFrame
        As from :func:`~stats_tl.reporting.sample_table`.
    divided : mapping of str to frozenset of str
        Patients with cases on both sides of a split, by task: no verdict is given there.
    problems : tuple of ScoreProblem
        Arms whose scores do not look like scores of the positive class.
    thresholds : DataFrame
        As from :func:`~..measures.thresholds.cell_thresholds`; empty where no tuning
        cases were scored.
    inputs : MetricInputs
        What metrics other than the AUC take of the scores.
    """

    evidence: Evidence
    options: AnalysisOptions
    labels: Labels
    settings: tuple[Aligned, ...] = field(repr=False)
    aucs: pd.DataFrame = field(repr=False)
    compared: Comparisons = field(repr=False)
    mixed: MixedReport = field(repr=False)
    sample: pd.DataFrame = field(repr=False)
    thresholds: pd.DataFrame = field(repr=False)
    divided: Mapping[str, frozenset[str]] = field(default_factory=dict)
    problems: tuple[ScoreProblem, ...] = ()
    inputs: MetricInputs = field(default_factory=MetricInputs, repr=False)

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.evidence.name

    @property
    def title(self) -> str:
        """Title of the study without a full stop; may be empty."""
        return str(self.evidence.plan.get("study", {}).get("title", "")).rstrip(".")

    @property
    def reference(self) -> str:
        """The arm that the others are compared with."""
        return str(self.options.reference)

    @cached_property
    def metric(self) -> StudyMetric:
        """What the arms are compared by."""
        return primary_metric(self.options)

    @cached_property
    def shown(self) -> pd.DataFrame:
        """The comparisons with labels in place of names."""
        return self.labels.applied(self.comparisons)

    @property
    def synthetic(self) -> bool:
        """Whether any data set is made up."""
        return self.evidence.synthetic

    @property
    def comparisons(self) -> pd.DataFrame:
        """As from :func:`~stats_tl.reporting.compare_arms`."""
        return self.compared.table

    @property
    def lacking(self) -> tuple[str, ...]:
        """One sentence for each gap; empty where the study is complete."""
        return self.compared.lacking

    @cached_property
    def records(self) -> tuple[dict[str, Any], ...]:
        """What the archive records of each model, read once; empty for predictions."""
        read = self.evidence.records()
        return tuple({name: r[name] for name in _RECORDED if name in r} for r in read)

    @cached_property
    def components(self) -> tuple[PairComponents | None, ...]:
        """What the variance of each row of `comparisons` consists of.

        None where there is no cross-validation.
        """
        return tuple(
            pair_components(
                self.aligned(row),
                row["arm"],
                row["reference"],
                study=self.metric,
                inputs=self.inputs,
            )
            for _, row in self.comparisons.iterrows()
        )

    @property
    def of_readers(self) -> bool:
        """Whether people gave the scores: a reader study."""
        return any(aligned.readers for aligned in self.settings)

    def aligned(self, row: pd.Series) -> Aligned:
        """The scores that a row of `comparisons` was computed from."""
        return self._by_setting[tuple(str(row[key]) for key in SETTING)]

    @cached_property
    def _by_setting(self) -> dict[tuple[str, ...], Aligned]:
        return {tuple(aligned.setting.values()): aligned for aligned in self.settings}


def gather_material(
    evidence: Evidence,
    options: AnalysisOptions,
    *,
    allow_incomplete: bool = False,
    allow_leakage: bool = False,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    step: Callable[[str], None] = lambda _: None,
) -> Material:
    """Read the scores of a study and compute what its report shows.

    Parameters
    ----------
    evidence : Archive or Predictions
    options : AnalysisOptions
        With a reference.
    allow_incomplete : bool, optional
        Compare on the complete runs only.
    allow_leakage : bool, optional
        Give numbers, without verdicts, where patients are on both sides of a split.
    labels : mapping of str to mapping, optional
        Labels by kind and name that prevail over those of the plan.
    step : callable, optional
        Called with the name of each long step.

    Raises
    ------
    UserError
        If the evidence does not allow the comparison, or patients are on both sides of a split
        and `allow_leakage` is false.
    IncompleteError
        If pairs are incomplete and `allow_incomplete` is false.
    """
    of_classes = [name for name in options.metric if name in CLASS_METRICS]
    if of_classes:
        raise UserError(
            f"metric {of_classes[0]!r} is of several classes, and these scores are of two: name "
            "another metric, or give a score of each class (--classes)"
        )
    if options.reference is None:
        arms = ", ".join(sorted(set(evidence.cells["arm"].astype(str))))
        raise UserError(f"which arm is the reference? Say --reference NAME; arms: {arms}")
    if evidence.cells.empty:
        raise IncompleteError(
            f"{evidence.name} has no trained cell yet; run python -m stats_tl.run_grid"
        )
    cases = {
        task: analysed_cases(evidence, task)
        for task in sorted(evidence.cells["task"].astype(str).unique())
    }
    settings: list[Aligned] = []
    thresholds, tuned = [], []
    for task, own in cases.items():
        test, tuning = _scores(evidence, task, own)
        archived = evidence.source == "archive"
        # Predictions were checked when they were read.
        settings += align(check_scores(test) if archived else test, planned=archived)
        if len(tuning):
            thresholds.append(cell_thresholds(tuning, options.target_sensitivity))
            tuned.append(tuning)
    divided = divided_patients(settings, tuned)
    if divided and not allow_leakage:
        raise UserError(_divided_message(divided, settings))
    aucs = _cell_aucs(evidence, settings)
    tuning = (
        pd.concat(thresholds, ignore_index=True)
        if thresholds
        else pd.DataFrame(columns=[*THRESHOLD_KEYS, "threshold", "n_tuning"])
    )
    inputs = _metric_inputs(evidence, cases, tuning)
    step("comparing the arms")
    compared = compare_study(
        settings,
        options.reference,
        options=options,
        missing=evidence.missing,
        allow_incomplete=allow_incomplete,
        inputs=inputs,
    )
    compared = dataclasses.replace(compared, table=without_verdicts(compared.table, divided))
    step("mixed model")
    shown, by = _labels(evidence, options, cases, labels or {}), primary_metric(options)
    return Material(
        evidence=evidence,
        options=options,
        labels=shown,
        settings=tuple(settings),
        aucs=aucs,
        compared=compared,
        mixed=(
            no_mixed_model("random hold-outs share test cases, which the model does not know")
            if any(aligned.hold_outs for aligned in settings)
            else no_mixed_model("the test of the reader study has readers and cases as random")
            if any(aligned.readers for aligned in settings)
            else no_mixed_model(f"it is of AUCs, and the arms are compared by the {by.label}")
            if not by.is_auc
            else mixed_report(
                aucs, options.reference, confidence_level=1 - options.alpha, labels=shown
            )
        ),
        sample=sample_table(cases, evidence.cells),
        divided=divided,
        problems=tuple(score_problems(settings)),
        thresholds=tuning,
        inputs=inputs,
    )


def _metric_inputs(
    evidence: Evidence, cases: Mapping[str, pd.DataFrame], thresholds: pd.DataFrame
) -> MetricInputs:
    """What is known of the scores: those of an archive are logits, of weighted classes or not."""
    archived = evidence.source == "archive"
    shifts = {}
    if archived and class_weights(evidence.plan) == {"balanced"}:
        shifts = {task: log_odds(own["y_true"].to_numpy()) for task, own in cases.items()}
    return MetricInputs.of_table(thresholds, logits=archived, shifts=shifts)


def _divided_message(divided: Mapping[str, frozenset[str]], settings: Sequence[Aligned]) -> str:
    """Why there is no report, task by task."""
    lines = []
    for task, torn in divided.items():
        known = [s.patients for s in settings if s.setting["task"] == task]
        total = len({str(p) for own in known if own is not None for p in own})
        where = f"{task}: " if task else ""
        lines.append(f"  - {where}{len(torn)} of {total} patients, for example {min(torn)!r}")
    return (
        "patients have cases on both sides of a split:\n" + "\n".join(lines) + "\n"
        "Their models were tested on patients they were trained on, so that AUCs are too high and "
        "no verdict is possible. Split by patient and train again, or correct the column "
        "'patient'; --allow-leakage shows the numbers without verdicts"
    )


def _labels(
    evidence: Evidence,
    options: AnalysisOptions,
    cases: Mapping[str, pd.DataFrame],
    given: Mapping[str, Mapping[str, str]],
) -> Labels:
    """Labels of all names of the study: those given, those of its plan, else known ones."""
    cells = evidence.cells
    names: dict[str, set[str]] = {
        kind: {str(name) for column in columns if column in cells for name in cells[column]}
        for kind, columns in KINDS.items()
    }
    names["arms"].add(str(options.reference))
    names["covariates"] |= {
        str(column) for own in cases.values() for column in own.columns if column not in IDENTIFIERS
    }
    planned = evidence.labels
    kinds = {*planned, *given}
    chosen = {kind: {**planned.get(kind, {}), **given.get(kind, {})} for kind in kinds}
    return Labels.of_names(names, chosen)


def analysed_cases(evidence: Evidence, task: str) -> pd.DataFrame:
    """Cases with what is known of the units that they belong to.

    Returns
    -------
    DataFrame
        The cases of the evidence, with ``patient`` only where patients are known, and with
        ``related_group``, the images that were kept on one side of every split, where these are
        neither the patients nor single images: near-duplicates, or images of one examination.
    """
    cases = evidence.cases(task)
    if evidence.source != "archive":
        return cases
    groups = cases["group"] if "group" in cases.columns else cases["patient"]
    cases = cases.drop(columns=[c for c in ("group",) if c in cases.columns])
    if not evidence.patients_known(task):
        cases = cases.drop(columns="patient")
        tied = groups.nunique() < len(cases)
    else:
        tied = bool((groups.astype(str) != cases["patient"].astype(str)).any())
    return cases.assign(related_group=groups) if tied else cases


def _scores(
    evidence: Evidence, task: str, cases: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of the test cases and of the tuning cases of a task, read together.

    One task at a time: they can be large. Patients and groups are those of the cases.
    """
    scores = evidence.scores(task=task, design=list(DESIGNS), as_categories=True)
    if evidence.source == "archive":
        scores = scores.drop(columns="patient")
        for unit in ("patient", "related_group"):
            if unit in cases.columns:
                own = cases.set_index("case")[unit]
                scores = scores.assign(**{unit: _mapped(scores["case"], own)})
    tuning = scores["partition"] == "validation"
    if not tuning.any():
        return scores, scores.iloc[:0]
    compared = scores["design"] == "cv"
    return scores[scores["partition"] == "test"], scores[tuning & compared]


def _mapped(column: pd.Series, values: pd.Series) -> pd.Categorical | np.ndarray:
    """What `values` says of each entry, looked up once a category."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column.map(values).to_numpy()
    own = values.reindex(column.cat.categories).to_numpy(dtype=object)
    return pd.Categorical(own[column.cat.codes.to_numpy()])


def _cell_aucs(evidence: Evidence, settings: Sequence[Aligned]) -> pd.DataFrame:
    """AUC of every cell, as recorded, or computed from the scores."""
    if "auc" in evidence.cells.columns:
        return evidence.cells.astype({key: str for key in (*SETTING, "arm")})
    return cell_aucs(settings)
