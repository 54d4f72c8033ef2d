"""Arms compared by a metric of several classes, class by class, and all at once."""

from __future__ import annotations

__all__ = ["METRICS", "ClassFit", "fit_classes"]

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ...errors import UserError
from ...stats import (
    ConfidenceInterval,
    DegenerateDataWarning,
    TestResult,
    adjust_pvalues,
    delong_test,
    equivalence_test,
    metric_omnibus_test,
    multiclass_auc,
    multiclass_auc_test,
    noninferiority_test,
    obuchowski_rockette_test,
    repeated_cv_comparison,
    repeated_cv_omnibus_test,
    roc_auc,
    weighted_kappa,
    weighted_kappa_test,
)
from ..evidence.checks import divided_patients
from ..evidence.options import AnalysisOptions
from ..rendering.labels import plural
from ..results.comparisons import without_verdicts
from ..results.verdicts import judge
from .settings import (
    ClassSetting,
    Kind,
    describe_design,
    read_settings,
    sample_of_classes,
    where_in,
)
from .sources import ClassTable

#: Metrics of several classes by name, in words, and what `multiclass_auc` calls them.
METRICS = {
    "roc_auc_ovr": "macro-averaged one-versus-rest AUC",
    "roc_auc_ovo": "Hand–Till M",
    "quadratic_kappa": "quadratically weighted kappa",
}
_AVERAGES = {"roc_auc_ovr": "macro", "roc_auc_ovo": "hand-till"}


@dataclass(frozen=True)
class ClassFit:
    """What a report of several classes shows.

    Attributes
    ----------
    metric : str
        A key of :data:`METRICS`.
    settings : tuple of ClassSetting
    comparisons : DataFrame
        A row a setting and arm, with what :func:`.judge` adds.
    second : DataFrame
        The same by the other AUC; empty of grades.
    by_class : DataFrame
        A row a setting, arm and class; empty of grades.
    omnibus : DataFrame
        A row a setting with three arms or more.
    pairs : DataFrame
        Every two arms of these settings.
    sample : DataFrame
        ``task, class, n_cases, n_patients``.
    clustered : bool
        Whether patients are the independent units.
    designs : tuple of str
        What was compared, once each.
    warnings, class_warnings : tuple of str
        Of the tests; those that only tests of single classes have.
    """

    metric: str
    settings: tuple[ClassSetting, ...] = field(repr=False)
    comparisons: pd.DataFrame
    second: pd.DataFrame
    by_class: pd.DataFrame
    omnibus: pd.DataFrame
    pairs: pd.DataFrame
    sample: pd.DataFrame
    clustered: bool
    designs: tuple[str, ...]
    warnings: tuple[str, ...]
    class_warnings: tuple[str, ...]

    @property
    def cross_validated(self) -> bool:
        """Whether any setting is."""
        return any(own.cross_validated for own in self.settings)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What the runs of the settings are, once each."""
        return tuple(dict.fromkeys(own.kind for own in self.settings))


def fit_classes(
    table: ClassTable,
    options: AnalysisOptions,
    *,
    metric: str = "roc_auc_ovr",
    allow_incomplete: bool = False,
    allow_leakage: bool = False,
) -> ClassFit:
    """Compare every arm with the reference in every setting.

    Parameters
    ----------
    table : ClassTable
    options : AnalysisOptions
        With a reference.
    metric : str
        A key of :data:`METRICS`; of grades it is kappa.
    allow_incomplete : bool, optional
        Compare on the runs that are complete in all arms.
    allow_leakage : bool, optional
        Give numbers, without verdicts, where patients are on both sides of a split.

    Returns
    -------
    ClassFit

    Raises
    ------
    UserError
        If the reference is no arm, arms are not paired, or the design has no test for classes.
    IncompleteError
        If runs are incomplete and `allow_incomplete` is false.
    """
    chosen = "quadratic_kappa" if table.graded else metric
    settings, lacking = read_settings(table, options, allow_incomplete=allow_incomplete)
    torn = divided_patients([own.aligned for own in settings])
    if torn and not allow_leakage:
        task, patients = next(iter(torn.items()))
        raise UserError(
            "patients have cases on both sides of a split: "
            f"{f'{task}: ' if task else ''}{plural(len(patients), 'patient')}, for example "
            f"{min(patients)!r}. Split by patient and train again, or correct the column "
            "'patient'; --allow-leakage shows the numbers without verdicts"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)  # they are in the notes
        found = _compared(settings, options, chosen)
        second = [] if table.graded else _compared(settings, options, _other(chosen))
        classes = [] if table.graded else list(_by_class(settings, options, table.classes))
        omnibus = [_omnibus(own, chosen) for own in settings if len(own.aligned.arms) > 2]
        pairs = _pairs(settings, options, chosen)
    if not found:
        raise UserError(f"nothing to compare with the reference {options.reference!r}")
    notes = [warning for row in found for warning in row.pop("warnings")]
    of_classes = [warning for row in classes for warning in row.pop("warnings")]
    for row in (*second, *pairs):
        row.pop("warnings")
    known = {warning.code for warning in notes}
    return ClassFit(
        metric=chosen,
        settings=settings,
        comparisons=without_verdicts(judge(pd.DataFrame(found), options), torn),
        second=_adjusted(second, options),
        by_class=_adjusted(classes, options),
        omnibus=pd.DataFrame(omnibus),
        pairs=_adjusted(pairs, options),
        sample=sample_of_classes(settings, table),
        clustered=any(own.aligned.groups is not None for own in settings),
        designs=tuple(dict.fromkeys(map(describe_design, settings))),
        warnings=tuple(
            dict.fromkeys(
                [*_calls(settings), *map(str, notes), *(f"left out: {t}" for t in lacking)]
            )
        ),
        class_warnings=tuple(dict.fromkeys(str(w) for w in of_classes if w.code not in known)),
    )


def _calls(settings: Sequence[ClassSetting]) -> Iterator[str]:
    """Arms whose scores are predicted classes."""
    for own in settings:
        for arm in own.aligned.arms:
            scores = own.scores(arm)
            if scores.ndim == 3 and np.isin(scores, (0.0, 1.0)).all():
                yield (
                    f"the scores of {arm!r} are 0 and 1 only, as predicted classes are: its AUCs "
                    "are those of one operating point; give probabilities or logits"
                )


def _other(metric: str) -> str:
    return next(name for name in _AVERAGES if name != metric)


def _compared(
    settings: Sequence[ClassSetting], options: AnalysisOptions, metric: str
) -> list[dict[str, Any]]:
    rows = []
    for own in settings:
        for arm in own.aligned.arms:
            if arm != options.reference:
                pair = (arm, str(options.reference))
                rows.append(_row(own, pair, _compare(own, pair, metric, options), options))
    return rows


def _compare(
    own: ClassSetting, pair: tuple[str, str], metric: str, options: AnalysisOptions
) -> tuple[TestResult, Sequence[ConfidenceInterval]]:
    arm, reference = pair
    a, b = own.scores(arm), own.scores(reference)
    how: dict[str, Any] = {"groups": own.aligned.groups, "confidence_level": 1 - options.alpha}
    try:
        if own.cross_validated:
            found = repeated_cv_comparison(
                own.labels, a, b, own.folds, repeats=own.repeats, metric=metric,
                **own.halvings(arm, reference), **how,
            )  # fmt: skip
            return found.primary, found.intervals
        if len(own.runs) > 1:
            return _of_runs(own.labels, (a, b), metric, **how)
        if metric == "quadratic_kappa":
            return weighted_kappa_test(own.labels, a[0], b[0], **how), [
                weighted_kappa(own.labels, each, **how).confidence_interval for each in (a[0], b[0])
            ]
        how["average"] = _AVERAGES[metric]
        return multiclass_auc_test(own.labels, a[0], b[0], **how), [
            multiclass_auc(own.labels, each, **how).confidence_interval for each in (a[0], b[0])
        ]
    except ValueError as error:
        said = re.sub(r"\bclass (\d+)", lambda match: _name(own, match), str(error))
        raise UserError(f"{where_in(own.aligned)}{arm} and {reference}: {said}") from None


def _of_runs(
    labels: np.ndarray, pair: tuple[np.ndarray, np.ndarray], metric: str, **how: Any
) -> tuple[TestResult, Sequence[ConfidenceInterval]]:
    """Readers, or training runs, that all scored the same cases."""
    found = obuchowski_rockette_test(labels, np.stack(pair), metric=metric, **how)
    bounds = found.arms[["ci_low", "ci_high"]].clip(-1, 1).to_numpy()
    return found, [ConfidenceInterval(*map(float, own)) for own in bounds]


def _name(own: ClassSetting, match: re.Match[str]) -> str:
    """The class that a test calls by its number."""
    return f"class {own.names[int(match[1])]!r}"


def _row(
    own: ClassSetting,
    pair: tuple[str, str],
    found: tuple[TestResult, Sequence[ConfidenceInterval]],
    options: AnalysisOptions,
    **more: Any,
) -> dict[str, Any]:
    (arm, reference), (result, intervals) = pair, found
    equivalent = inferior = np.nan
    if options.margin is not None:
        equivalent = equivalence_test(result, options.margin).pvalue
        inferior = noninferiority_test(result, options.margin).pvalue
    (low, high), (low_reference, high_reference) = intervals
    return {
        **own.aligned.setting,
        "arm": arm,
        "reference": reference,
        **more,
        "value": result.estimates[0],
        "value_low": low,
        "value_high": high,
        "value_reference": result.estimates[1],
        "value_reference_low": low_reference,
        "value_reference_high": high_reference,
        "difference": result.estimate,
        "standard_error": result.standard_error,
        "df": result.df,
        "difference_low": result.confidence_interval.low,
        "difference_high": result.confidence_interval.high,
        "confidence_level": result.confidence_level,
        "pvalue": result.pvalue,
        "equivalence_pvalue": equivalent,
        "noninferiority_pvalue": inferior,
        "n_cases": result.n_cases,
        "n_patients": np.nan if result.n_groups is None else result.n_groups,
        "method": result.method,
        "warnings": list(result.warnings),
    }


def _by_class(
    settings: Sequence[ClassSetting], options: AnalysisOptions, names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Every class against the rest, by the tests of two classes."""
    reference = str(options.reference)
    for own in settings:
        how: dict[str, Any] = {"groups": own.aligned.groups, "confidence_level": 1 - options.alpha}
        for arm in own.aligned.arms:
            if arm == reference:
                continue
            a, b, further = own.scores(arm), own.scores(reference), own.halvings(arm, reference)
            for number, name in enumerate(names):
                y = own.labels == number
                intervals: Sequence[ConfidenceInterval]
                if own.cross_validated:
                    halves: dict[str, Any] = {
                        key: (one[..., number], other[..., number], folds)
                        for key, (one, other, folds) in further.items()
                    }
                    found = repeated_cv_comparison(
                        y, a[..., number], b[..., number], own.folds, repeats=own.repeats,
                        **halves, **how,
                    )  # fmt: skip
                    result, intervals = found.primary, found.intervals
                elif len(own.runs) > 1:
                    both = (a[..., number], b[..., number])
                    result, intervals = _of_runs(y, both, "roc_auc", **how)
                else:
                    both = (a[0, :, number], b[0, :, number])
                    result = delong_test(y, *both, **how)
                    low, high = (roc_auc(y, each, **how).confidence_interval for each in both)
                    intervals = (low, high)
                more = {"class": name, "n_of_class": int(y.sum())}
                yield _row(own, (arm, reference), (result, intervals), options, **more)


def _omnibus(own: ClassSetting, metric: str) -> dict[str, Any]:
    """All arms of a setting at once."""
    arms, groups = own.aligned.arms, own.aligned.groups
    values = np.stack([own.scores(arm) for arm in arms])
    row: dict[str, Any] = {**own.aligned.setting, "arms": len(arms)}
    first = np.unique(own.repeats, return_index=True)[1]
    try:
        found: TestResult
        if not own.cross_validated and len(own.runs) > 1:
            found = obuchowski_rockette_test(own.labels, values, metric=metric, groups=groups)
        elif not own.cross_validated:
            found = metric_omnibus_test(own.labels, values[:, 0], metric=metric, groups=groups)
        elif first.size < 2:
            reason = "one repeat shows no variance between repeats"
            return {**row, "statistic": np.nan, "df": np.nan, "pvalue": np.nan, "method": reason}
        else:
            # Further seeds on a split are no further splits.
            found = repeated_cv_omnibus_test(
                own.labels, values[:, first], own.folds[first], metric=metric, groups=groups
            )
    except ValueError as error:
        raise UserError(f"{where_in(own.aligned)}{error}") from None
    df = found.df if isinstance(found.df, tuple) else (found.df, np.inf)
    return {
        **row,
        "statistic": found.statistic,
        "df": df[0],
        "df_residual": df[1],
        "pvalue": found.pvalue,
        "method": found.method,
    }


def _pairs(
    settings: Sequence[ClassSetting], options: AnalysisOptions, metric: str
) -> list[dict[str, Any]]:
    """Every two arms where there are more than two; the reference comes second."""
    rows = []
    for own in settings:
        arms = [arm for arm in own.aligned.arms if arm != options.reference]
        order = [*arms, str(options.reference)]
        if len(order) < 3:
            continue
        for number, second in enumerate(order):
            for first in order[:number]:
                pair = (first, second)
                rows.append(_row(own, pair, _compare(own, pair, metric, options), options))
    return rows


def _adjusted(rows: Sequence[Mapping[str, Any]], options: AnalysisOptions) -> pd.DataFrame:
    """Rows with P values adjusted as one family."""
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    table["pvalue_adjusted"] = adjust_pvalues(table["pvalue"].to_numpy(float), options.correction)
    return table
