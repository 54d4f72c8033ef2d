"""The comparisons once more by every secondary metric of the plan."""

from __future__ import annotations

__all__ = ["METRIC_COLUMNS", "compare_further_metrics"]

import dataclasses

import pandas as pd

from ...stats import adjust_pvalues
from ..evidence.alignment import SETTING
from ..measures.study_metric import StudyMetric, further_metrics
from .comparisons import SEPARATOR, compare_study
from .material import Material

METRIC_COLUMNS = (
    *SETTING,
    "arm",
    "reference",
    "metric",
    "label",
    "higher_is_better",
    "value",
    "value_low",
    "value_high",
    "value_reference",
    "value_reference_low",
    "value_reference_high",
    "difference",
    "standard_error",
    "difference_low",
    "difference_high",
    "confidence_level",
    "test",
    "pvalue",
    "pvalue_adjusted",
    "correction",
    "alpha",
    "n_cases",
    "n_events",
    "warnings",
    "method",
)


def compare_further_metrics(material: Material) -> pd.DataFrame:
    """Every arm against the reference by the metrics that the plan names after the first.

    Returns
    -------
    DataFrame
        A row for each comparison and metric, in the order of the comparisons, with the columns
        :data:`METRIC_COLUMNS`; empty without such metrics. All P values are one family.
        Differences of likelihood ratios are of their logarithms.

    Raises
    ------
    UserError
        If a metric needs probabilities or thresholds that are not there, or is not defined.
    """
    metrics = further_metrics(material.options)
    if not metrics:
        return pd.DataFrame(columns=list(METRIC_COLUMNS))
    frames = [_by(material, study, order) for order, study in enumerate(metrics)]
    keys = [*SETTING, "arm", "reference"]
    rows = material.comparisons[keys].assign(place=range(len(material.comparisons)))
    table = pd.concat(frames, ignore_index=True).merge(rows, on=keys)
    table = table.sort_values(["place", "order"], kind="stable", ignore_index=True)
    adjusted = adjust_pvalues(table["pvalue"].to_numpy(dtype=float), material.options.correction)
    return table.assign(pvalue_adjusted=adjusted)[list(METRIC_COLUMNS)]


def _by(material: Material, study: StudyMetric, order: int) -> pd.DataFrame:
    """Rows of one metric: no margin is of it, and no comparison by it is primary."""
    text = material.options.metric[1 + order]
    options = dataclasses.replace(
        material.options, metric=(text,), margin=None, primary={}, families=()
    )
    compared = compare_study(
        material.settings,
        material.reference,
        options=options,
        missing=material.evidence.missing,
        allow_incomplete=True,
        inputs=material.inputs,
    )
    ends = {name: name.replace("auc", "value", 1) for name in study.of_columns()}
    return compared.table.rename(columns=ends).assign(
        metric=text,
        label=study.header,
        higher_is_better=study.metric.higher_is_better,
        warnings=[SEPARATOR.join(own) for own in compared.warnings],
        order=order,
    )
