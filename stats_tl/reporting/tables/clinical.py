"""Clinical metrics of both arms: predictive values, likelihood ratios, calibration, net benefit."""

from __future__ import annotations

__all__ = ["clinical", "clinical_table"]

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from ..evidence.options import AnalysisOptions
from ..rendering.labels import (
    CORRECTION_NAMES,
    Labels,
    comparison_labels,
    join_words,
    sentence_case,
)
from ..rendering.numbers import format_interval, format_number, format_p
from ..rendering.parts import Absent, Section
from ..rendering.table import Cell, Column, Panel, Row, Table
from ..results.clinical.metrics import compare_clinical_metrics
from ..results.clinical.risks import risk_rule
from ..results.comparisons import SEPARATOR
from ..results.material import Material
from .notes import secondary_notes

#: Decimals of metrics that are no shares.
_DIGITS = {
    "positive_likelihood_ratio": 2,
    "negative_likelihood_ratio": 2,
    "calibration_intercept": 2,
    "calibration_slope": 2,
}
#: Metrics that are computed from risks.
_OF_RISKS = ("brier_score", "calibration_intercept", "calibration_slope", "net_benefit")


def clinical(material: Material) -> Iterator[Section | Absent]:
    """The table of clinical metrics, from the material of a report."""
    numbers = compare_clinical_metrics(material)
    if isinstance(numbers, Absent):
        yield numbers
        return
    rule = risk_rule(material)
    table = clinical_table(
        numbers,
        material.options,
        title=material.title,
        cautions=(
            *([rule.note] if rule.note and not rule.reason else []),
            *_test_cautions(numbers, material),
            *secondary_notes(material),
        ),
        labels=material.labels,
        n_comparisons=len(material.comparisons),
        readers=material.of_readers,
    )
    yield Section(table, numbers)


def clinical_table(
    numbers: pd.DataFrame,
    options: AnalysisOptions,
    *,
    title: str = "",
    cautions: Sequence[str] = (),
    labels: Labels | None = None,
    n_comparisons: int | None = None,
    readers: bool = False,
) -> Table:
    """Clinical metrics to print, from the rows of :func:`.compare_clinical_metrics`."""
    numbers = (labels or Labels()).applied(numbers)
    level = f"{100 * (1 - options.alpha):g} %"
    names = comparison_labels(numbers)
    arms = list(dict.fromkeys(numbers["arm"]))
    reference = str(numbers["reference"].iloc[0])
    adjusted = options.correction != "none"
    body: list[Row | Panel] = []
    shown = ""
    for name, row in zip(names, numbers.to_dict("records"), strict=True):
        panel = ": ".join(filter(None, [str(row["task"]), ", ".join(filter(None, name))]))
        if panel != shown:
            body.append(Panel(panel))
            shown = panel
        if not math.isnan(row["value"]):
            body.append(_row(row, options.alpha))
    return Table(
        name="clinical",
        caption=f"Clinical metrics, {join_words(arms)} compared with {reference}."
        + (f" {title}." if title else ""),
        columns=(
            Column("Metric", "wrap"),
            Column("Candidate", "decimal", f"Value ({level} CI)"),
            Column("Reference", "decimal", f"Value ({level} CI)"),
            Column("Difference", "decimal"),
            Column("Adjusted P" if adjusted else "P", "p"),
        ),
        body=tuple(body),
        notes=(*_notes(numbers, options, n_comparisons, readers=readers), *cautions),
    )


def _row(row: dict[Any, Any], alpha: float) -> Row:
    digits = _DIGITS.get(row["metric"], 3)
    better = row["higher_is_better"]
    ratio = row["scale"] == "ratio"
    above = row["difference"] > (1 if ratio else 0)
    wins = row["pvalue_adjusted"] < alpha and better is not None and not pd.isna(better)

    def value(name: str, bold: bool = False, null: float = 0.0) -> Cell:
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        below = "" if math.isnan(low) else f"({format_interval(low, high, digits, null)})"
        return Cell(format_number(row[name], digits), below, bold)

    return Row(
        (
            Cell(sentence_case(row["label"]), "compared by their ratio" if ratio else ""),
            value("value", bool(wins and above == better)),
            value("value_reference", bool(wins and above != better)),
            value("difference", null=1.0 if ratio else 0.0),
            Cell(format_p(row["pvalue_adjusted"], alpha)),
        )
    )


def _notes(
    numbers: pd.DataFrame, options: AnalysisOptions, n_comparisons: int | None, *, readers: bool
) -> Iterator[str]:
    yield " ".join(_definitions(numbers))
    if decided := _thresholds(numbers, options):
        yield decided
    yield " ".join(_tests(numbers, options, readers=readers))
    estimands = list(dict.fromkeys(numbers["estimand"]))
    yield f"The conclusions apply to {'; and to '.join(estimands)}."
    if options.correction == "none" or numbers["pvalue"].notna().sum() < 2:
        yield "P values are not adjusted for the number of comparisons."
    else:
        yield (
            f"P values are adjusted by {CORRECTION_NAMES[options.correction]} over the "
            f"{numbers['pvalue'].notna().sum()} of this table, which are secondary to the main "
            "comparison; the unadjusted ones are in the file of its numbers."
        )
    few = list(dict.fromkeys(numbers.loc[numbers["few_cases"], "label"]))
    if few:
        yield sentence_case(
            f"{join_words(few)} {'rests' if len(few) == 1 else 'rest'} on too few cases for a "
            "normal approximation to be good; their intervals and P values are rough."
        )
    yield from _left_out(numbers)
    if n_comparisons is not None and _count(numbers) < n_comparisons:
        yield (
            f"The table shows {_count(numbers)} of {n_comparisons} comparisons: the primary ones, "
            "or else those of the first setting of each task in the order of the tables."
        )


def _count(numbers: pd.DataFrame) -> int:
    keys = ["task", "backbone", "head", "unfreeze", "arm", "reference"]
    return len(numbers.drop_duplicates(keys))


def _definitions(numbers: pd.DataFrame) -> Iterator[str]:
    shown = set(numbers.loc[numbers["value"].notna(), "metric"])
    crossed = (numbers["n_folds"] > 1).any()
    if crossed:
        yield "Every metric is that of a test fold, averaged over folds, then over repeats."
    yield (
        "Differences are candidate − reference; likelihood ratios are compared by their ratio, for "
        "which no difference is 1."
    )
    if shown & {"sensitivity_at_specificity", "specificity_at_sensitivity"}:
        yield (
            "A sensitivity at a specificity, or the reverse, is a point of the ROC curve of the "
            f"test cases{' of a fold' if crossed else ''}; no threshold is carried over from other "
            "cases."
        )
    if shown & {"brier_score", "negative_likelihood_ratio"}:
        yield "A lower Brier score and a lower negative likelihood ratio are better."
    if shown & {"calibration_intercept", "calibration_slope"}:
        yield (
            "Ideal are a calibration intercept of 0 (below: risks too high) and a slope of 1 "
            "(below: risks too extreme), so that a difference in either favours no arm."
        )


def _thresholds(numbers: pd.DataFrame, options: AnalysisOptions) -> str:
    """How cases were called positive."""
    if not (numbers["threshold_rule"].ne("") & numbers["value"].notna()).any():
        return ""
    what = "Predictive values, likelihood ratios, F1 and accuracy"
    if options.threshold is not None:
        return f"{what} are at a threshold of {options.threshold:g}, which was given."
    at = (
        "the largest Youden index"
        if options.target_sensitivity is None
        else f"a sensitivity of {100 * options.target_sensitivity:g} %"
    )
    given = (
        f" (“at prevalence {options.prevalence:g}”: at that one)"
        if options.prevalence is not None
        else ""
    )
    return (
        f"{what} are at thresholds of each model, set at {at} on its tuning cases; no test case "
        f"was used. Predictive values are at the prevalence of the sample{given}."
    )


def _tests(numbers: pd.DataFrame, options: AnalysisOptions, *, readers: bool) -> Iterator[str]:
    """Tests and intervals, by design."""
    if (numbers["n_folds"] > 1).any():
        yield (
            "Tests are those for repeated cross-validation, with the variance of the influences "
            "of the cases in place of DeLong’s; intervals of an arm are from the mean over repeats "
            "of that variance."
        )
        tuned = numbers["threshold_rule"].ne("") & numbers["value"].notna()
        if tuned.any() and options.threshold is None:
            yield (
                "With thresholds from tuning cases, which vary with the training cases, tests and "
                "intervals are Nadeau and Bengio’s, over folds: conservative for sensitivity and "
                "specificity in simulations, and not studied for the other metrics."
            )
    elif ((numbers["n_repeats"] > 1) | (numbers["n_seeds"] > 1)).any():
        yield (
            "Tests and intervals use Obuchowski and Rockette’s variance, over "
            f"{'readers' if readers else 'training runs'} and cases."
        )
    else:
        yield (
            "Tests are paired, with the variance of the influences of the cases (infinitesimal "
            "jackknife), the models and their thresholds fixed; proportions have Wilson’s "
            "intervals, other metrics logit, log or Wald’s."
        )


def _left_out(numbers: pd.DataFrame) -> Iterator[str]:
    """Metrics that are not there, by reason."""
    without = numbers[numbers["value"].isna()]
    for reason, rows in without.groupby("reason", sort=False):
        labels = list(dict.fromkeys(rows["label"]))
        yield f"Left out ({join_words(labels)}): {reason}."


def _test_cautions(numbers: pd.DataFrame, material: Material) -> Iterator[str]:
    """What tests of single metrics warn of, and those of the main comparison do not."""
    said = {str(note) for notes in material.compared.warnings for note in notes}
    where: dict[str, list[str]] = {}
    for row in numbers.to_dict("records"):
        for warning in filter(None, str(row["warnings"]).split(SEPARATOR)):
            if warning not in said and row["label"] not in where.setdefault(warning, []):
                where[warning].append(row["label"])
    for warning, labels in where.items():
        yield f"Caution ({join_words(labels)}): {warning}."
