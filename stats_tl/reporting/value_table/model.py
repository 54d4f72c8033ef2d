"""Means of values of cases, and their differences between arms."""

from __future__ import annotations

__all__ = ["ValueFit", "fit_values"]

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...errors import IncompleteError, UserError
from ...stats import (
    Metric,
    TestResult,
    equivalence_test,
    get_metric,
    metric_estimate,
    noninferiority_test,
    paired_metric_test,
    repeated_cv_components,
    repeated_cv_test_from_components,
)
from ..evidence.options import AnalysisOptions
from ..rendering.labels import plural
from ..results.verdicts import judge
from .sources import ValueTable

_LISTED = 5


@dataclass(frozen=True)
class ValueFit:
    """Arms and comparisons.

    Attributes
    ----------
    means : DataFrame
        ``arm, mean, ci_low, ci_high``.
    comparisons : DataFrame
        A row for each arm but the reference, with what :func:`.judge` adds.
    design : str
        What was compared, for the notes: cases, patients, repeats and folds.
    procedure : str
        What the conclusion is about.
    clustered : bool
        Whether patients are the independent units.
    warnings : tuple of str
        Of the tests.
    """

    means: pd.DataFrame
    comparisons: pd.DataFrame
    design: str
    procedure: str
    clustered: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Values:
    """Values of all arms for the same cases in the same runs."""

    arms: dict[str, np.ndarray]  # (runs, cases)
    folds: np.ndarray | None
    groups: np.ndarray | None
    without: int  # cases (of repeats) that no arm has a value of

    @property
    def cross_validated(self) -> bool:
        return self.folds is not None


def fit_values(table: ValueTable, options: AnalysisOptions, *, higher_is_better: bool) -> ValueFit:
    """Compare every arm with the reference by the means of their values.

    Parameters
    ----------
    table : ValueTable
    options : AnalysisOptions
        With a reference.
    higher_is_better : bool
        Direction of the value.

    Returns
    -------
    ValueFit

    Raises
    ------
    UserError
        If the reference is no arm, or arms do not have the same cases in the same folds.
    """
    values = _aligned(table.frame)
    if options.reference not in values.arms:
        known = ", ".join(values.arms)
        raise UserError(f"which arm is the reference? Say --reference NAME; arms: {known}")
    metric = get_metric("mean", higher_is_better=higher_is_better)
    level = 1 - options.alpha
    reference = values.arms[options.reference]
    rows, notes = [], []
    if values.without:
        left = plural(values.without, "case was", "cases were")
        notes.append(f"{left} left out, since no arm has a value of them")
    for arm, own in values.arms.items():
        if arm == options.reference:
            continue
        try:
            result = _compare(values, own, reference, metric, level)
        except ValueError as error:
            raise UserError(f"{arm} and {options.reference}: {error}") from None
        notes += [str(warning) for warning in result.warnings]
        rows.append(_row(arm, options, result))
    judged = judge(pd.DataFrame(rows), options, higher_is_better=higher_is_better)
    means = [_mean(values, arm, own, metric, level) for arm, own in values.arms.items()]
    units = "cases" if values.groups is None else "patients"
    return ValueFit(
        pd.DataFrame(means),
        judged,
        _design(values),
        f"training procedures, for new {units} and new training runs at this sample size"
        if values.cross_validated
        else f"these models, for new {units}",
        values.groups is not None,
        tuple(dict.fromkeys(notes)),
    )


def _compare(
    values: _Values, own: np.ndarray, reference: np.ndarray, metric: Metric, level: float
) -> TestResult:
    if values.folds is None:
        return paired_metric_test(
            None,
            own[0],
            reference[0],
            metric=metric,
            groups=values.groups,
            confidence_level=level,
        )
    parts = repeated_cv_components(
        None, own, reference, values.folds, groups=values.groups, metric=metric
    )
    return repeated_cv_test_from_components(parts, confidence_level=level)


def _row(arm: str, options: AnalysisOptions, result: TestResult) -> dict[str, object]:
    equivalent = inferior = np.nan
    if options.margin is not None:
        equivalent = equivalence_test(result, options.margin).pvalue
        inferior = noninferiority_test(result, options.margin).pvalue
    return {
        "task": "",
        "backbone": "",
        "head": "",
        "unfreeze": "",
        "arm": arm,
        "reference": options.reference,
        "mean": result.estimates[0],
        "mean_reference": result.estimates[1],
        "difference": result.estimate,
        "standard_error": result.standard_error,
        "df": result.df,
        "ci_low": result.confidence_interval.low,
        "ci_high": result.confidence_interval.high,
        "confidence_level": result.confidence_level,
        "pvalue": result.pvalue,
        "equivalence_pvalue": equivalent,
        "noninferiority_pvalue": inferior,
        "method": result.method,
    }


def _mean(
    values: _Values, arm: str, own: np.ndarray, metric: Metric, level: float
) -> dict[str, object]:
    """Mean of an arm with its interval; beside an arm of zeros where there are folds."""
    if values.folds is None:
        found = metric_estimate(
            None, own[0], metric=metric, groups=values.groups, confidence_level=level
        )
        low, high = found.confidence_interval
        return {"arm": arm, "mean": found.estimate, "ci_low": low, "ci_high": high}
    parts = repeated_cv_components(
        None, own, np.zeros_like(own), values.folds, groups=values.groups, metric=metric
    )
    result = repeated_cv_test_from_components(parts, confidence_level=level)
    low, high = result.confidence_interval
    return {"arm": arm, "mean": result.estimate, "ci_low": low, "ci_high": high}


def _aligned(frame: pd.DataFrame) -> _Values:
    """The same cases in the same runs for every arm, or an error that names what is missing."""
    if "repeat" not in frame.columns:
        frame = frame.assign(repeat="0")
    if "fold" not in frame.columns:
        frame = frame.assign(fold="0")
    keys = ["arm", "repeat", "case"]
    doubled = frame[frame.duplicated(keys)]
    if len(doubled):
        row = doubled.iloc[0]
        raise UserError(
            f"case {str(row['case'])!r} has more than one value of {str(row['arm'])!r} in a repeat "
            f"({plural(len(doubled), 'row')}); give one, or number the repeats in a column 'repeat'"
        )
    arms = list(dict.fromkeys(frame["arm"].astype(str)))
    if len(arms) < 2:
        raise UserError(f"the only arm is {arms[0]!r}; nothing to compare")
    wide = frame.pivot_table(
        index=["repeat", "case"], columns="arm", values="value", aggfunc="first", dropna=False
    )
    n_rows = len(wide)
    wide = wide.dropna(how="all")
    without = n_rows - len(wide)
    missing = wide[wide.isna().any(axis=1)]
    if len(missing):
        _refuse(missing, wide)
    table = wide.unstack("repeat")  # noqa: PD010 - arms by repeats, one row a case
    absent = int(table.isna().to_numpy().any(axis=1).sum())
    if absent:
        raise IncompleteError(
            f"{plural(absent, 'case is', 'cases are')} not in every repeat; every case must be "
            "tested once in every repeat"
        )
    return _Values(
        {arm: table[arm].to_numpy(dtype=float).T for arm in arms},
        _folds(frame, wide.index, table.index),
        _patients(frame, table.index),
        without,
    )


def _folds(frame: pd.DataFrame, rows: pd.Index, cases: pd.Index) -> np.ndarray | None:
    """Fold of each case in each repeat; None of one test set."""
    kept = frame.assign(fold=frame["fold"].astype(str))[["repeat", "case", "fold"]]
    kept = kept.drop_duplicates()
    moved = kept[kept.duplicated(["repeat", "case"])]
    if len(moved):
        row = moved.iloc[0]
        raise UserError(
            f"case {str(row['case'])!r} is in different folds of repeat {row['repeat']} in "
            "different arms; the comparison is paired: cross-validate all arms with the same folds"
        )
    fold = kept.set_index(["repeat", "case"])["fold"].reindex(rows)
    placed = fold.unstack("repeat").reindex(cases).to_numpy().T  # noqa: PD010
    if len(np.unique(placed[0])) > 1:
        return np.stack([pd.factorize(row, sort=True)[0] for row in placed])
    if len(placed) > 1:
        raise UserError(
            "several repeats, but no column 'fold': say which fold of the cross-validation tested "
            "each case, or average the values of a case"
        )
    return None


def _patients(frame: pd.DataFrame, cases: pd.Index) -> np.ndarray | None:
    if "patient" not in frame.columns:
        return None
    known = frame[["case", "patient"]].drop_duplicates()
    doubled = known[known.duplicated("case")]
    if len(doubled):
        raise UserError(f"case {str(doubled['case'].iloc[0])!r} has more than one patient")
    if known["patient"].isna().any():
        raise UserError(f"patient: {int(known['patient'].isna().sum())} cases have none")
    found: np.ndarray = known.set_index("case")["patient"].reindex(cases).astype(str).to_numpy()
    return found


def _refuse(missing: pd.DataFrame, wide: pd.DataFrame) -> None:
    counts = wide.isna().sum()
    arms = ", ".join(f"{arm}: {count}" for arm, count in counts.items() if count)
    cases = [str(case) for _, case in missing.index[:_LISTED]]
    more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
    raise IncompleteError(
        f"{plural(len(missing), 'case has', 'cases have')} a value in some arms only ({arms} "
        f"without): {', '.join(cases)}{more}; leaving them out would favour an arm. Give the "
        "value, e.g. --empty-value 1 for the Dice of an empty structure that was left empty, or "
        "remove the cases from all arms"
    )


def _design(values: _Values) -> str:
    runs, n = next(iter(values.arms.values())).shape
    cases = plural(n, "case")
    if values.groups is not None:
        cases += f" of {plural(len(np.unique(values.groups)), 'patient')}"
    if values.folds is None:
        return f"{cases}, one test set"
    folds = len(np.unique(values.folds[0]))
    return f"{cases}, {plural(runs, 'repeat')} of {folds}-fold cross-validation"
