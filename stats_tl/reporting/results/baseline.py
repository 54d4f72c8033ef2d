"""'Table 1': the covariates of the patients (or images), by class and by partition.

What is the same in all images of a patient is counted by patient, everything else by image. The
conventions are those of tableone [1]_: n (%) of what is known, mean (SD) or median [quartiles],
missing values counted, standardised differences [2]_ in place of P values, which would test
whether a random sample is random.

References
----------
.. [1] Pollard TJ, Johnson AEW, Raffa JD, Mark RG. tableone: an open source Python package for
   producing summary statistics for research papers. JAMIA Open 2018;1:26-31.
   :doi:`10.1093/jamiaopen/ooy012`
.. [2] Yang D, Dalton JE. A unified approach to measuring the effect size between two groups using
   SAS. SAS Global Forum 2012, paper 335.
"""

from __future__ import annotations

__all__ = ["BASELINE_COLUMNS", "baseline_table", "standardised_difference"]

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..rendering.parts import Absent
from .material import IDENTIFIERS, Material, analysed_cases

BASELINE_COLUMNS = (
    "task",
    "covariate",
    "unit",
    "kind",
    "level",
    "by",
    "group",
    "n",
    "n_missing",
    "count",
    "share",
    "mean",
    "sd",
    "median",
    "q1",
    "q3",
    "smd",
)
#: A numeric covariate with more values is a quantity; any other with more levels is left out.
MOST_LEVELS = 12
#: Beyond this skewness a quantity is described by its median and quartiles.
SKEWED = 1.0
#: Partitions in the order of the table.
PARTITIONS = {"train": "Training", "validation": "Tuning", "test": "Test"}
CLASSES = {1: "With event", 0: "Without event"}


def baseline_table(material: Material) -> pd.DataFrame | Absent:
    """Covariates of the cases of every task, by class and, with one test set, by partition.

    Returns
    -------
    DataFrame or Absent
        One row per covariate, level (empty of a quantity) and group, with the columns
        :data:`BASELINE_COLUMNS`. ``by`` is ``all``, ``class`` or ``partition``; ``smd`` is the
        largest absolute standardised difference of two groups of a kind.
    """
    rows: list[dict[str, Any]] = []
    for task in material.sample["task"].astype(str):
        cases = analysed_cases(material.evidence, task)
        names = [name for name in cases.columns if name not in (*IDENTIFIERS, "partition")]
        partition = _partitions(material, task, cases) if names else None
        for name in names:
            rows += _covariate(task, cases, str(name), partition)
    if not rows:
        return Absent(
            "baseline", "table of baseline characteristics", "the cases have no covariates"
        )
    return pd.DataFrame(rows)[list(BASELINE_COLUMNS)]


def standardised_difference(first: pd.Series, second: pd.Series, *, quantity: bool) -> float:
    """Absolute standardised difference of a covariate between two groups.

    Parameters
    ----------
    first, second : Series
        Values of the two groups; missing ones are left out.
    quantity : bool
        Whether values are numbers on a scale: the difference of means over the root of the mean
        variance. Else it is the Mahalanobis distance of the shares of the levels.

    Returns
    -------
    float
        NaN where a group is empty or nothing varies.

    Examples
    --------
    >>> import pandas as pd
    >>> a, b = pd.Series(["x"] * 3 + ["y"]), pd.Series(["x", "y", "y", "y"])
    >>> round(standardised_difference(a, b, quantity=False), 3)
    1.155
    """
    first, second = first.dropna(), second.dropna()
    if not len(first) or not len(second):
        return math.nan
    if quantity:
        spread = math.sqrt((first.var() + second.var()) / 2)
        return abs(float(first.mean() - second.mean())) / spread if spread > 0 else math.nan
    levels = sorted({*first, *second}, key=str)[1:]
    if not levels:
        return 0.0
    p, q = (np.array([(own == level).mean() for level in levels]) for own in (first, second))
    covariance = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q)) / 2
    if np.linalg.matrix_rank(covariance) < len(levels):
        return math.nan
    return math.sqrt(float((p - q) @ np.linalg.solve(covariance, p - q)))


def _covariate(
    task: str, cases: pd.DataFrame, name: str, partition: pd.Series | None
) -> Iterator[dict[str, Any]]:
    """Rows of one covariate; none where it has too many levels, or one value in every case."""
    values, quantity = _typed(cases[name])
    frame = pd.DataFrame({"value": values, "class": cases["y_true"].astype(int)})
    if partition is not None:
        frame["partition"] = partition.to_numpy()
    unit = "image"
    if "patient" in cases.columns and cases["patient"].notna().all():
        people = cases["patient"].to_numpy()
        pairs = pd.DataFrame({"patient": people, "value": frame["value"]}).drop_duplicates()
        if pairs["patient"].is_unique:
            unit = "patient"
            ways = {"value": "first", "class": "max"}
            ways |= {"partition": "first"} if partition is not None else {}
            frame = frame.groupby(people, sort=False).agg(ways)
    levels: list[Any] = [""]
    if not quantity:
        levels = sorted(values.dropna().unique(), key=lambda v: (isinstance(v, str), v))
        if len(levels) > MOST_LEVELS or not levels:
            return
    skewed = quantity and abs(float(stats.skew(frame["value"].dropna()))) > SKEWED
    kind = "categorical" if not quantity else "median" if skewed else "mean"
    groups: dict[str, dict[str, pd.Series]] = {"all": {"All": frame["value"]}}
    for by, labels in (("class", CLASSES), ("partition", PARTITIONS)):
        if by in frame:
            own = {label: frame.loc[frame[by] == key, "value"] for key, label in labels.items()}
            groups[by] = {label: found for label, found in own.items() if len(found)}
    for by, own in groups.items():
        smd = _largest(list(own.values()), quantity)
        for (group, found), level in itertools.product(own.items(), levels):
            yield {
                "task": task,
                "covariate": name,
                "unit": unit,
                "kind": kind,
                "level": str(level),
                "by": by,
                "group": group,
                **_described(found, level, quantity),
                "smd": smd,
            }


def _typed(values: pd.Series) -> tuple[pd.Series, bool]:
    """Values as numbers where all are, else as text; and whether they are a quantity."""
    given = values.astype(object).where(values.notna() & (values.astype(str).str.strip() != ""))
    numbers = pd.to_numeric(given, errors="coerce").astype(float)
    if numbers.notna().sum() == given.notna().sum() and numbers.notna().any():
        if numbers.nunique() > MOST_LEVELS:
            return numbers, True
        whole = numbers.dropna().mod(1).eq(0).all()
        return numbers.astype("Int64").astype(object).where(numbers.notna()) if whole else (
            numbers
        ), False
    return given.where(given.isna(), given.astype(str)), False


def _described(values: pd.Series, level: Any, quantity: bool) -> dict[str, float]:
    """Counts of a level, or mean and quartiles of a quantity."""
    known = values.dropna()
    found: dict[str, float] = dict.fromkeys(
        ("count", "share", "mean", "sd", "median", "q1", "q3"), math.nan
    )
    found |= {"n": len(values), "n_missing": len(values) - len(known)}
    if not len(known):
        return found
    if not quantity:
        count = int((known == level).sum())
        return found | {"count": count, "share": count / len(known)}
    q1, median, q3 = known.quantile([0.25, 0.5, 0.75])
    return found | {
        "mean": float(known.mean()),
        "sd": float(known.std()),
        "median": float(median),
        "q1": float(q1),
        "q3": float(q3),
    }


def _largest(groups: Sequence[pd.Series], quantity: bool) -> float:
    """The largest standardised difference of any two groups; NaN where there is none."""
    found = [
        standardised_difference(a, b, quantity=quantity)
        for a, b in itertools.combinations(groups, 2)
    ]
    known = [value for value in found if not math.isnan(value)]
    return max(known) if known else math.nan


def _partitions(material: Material, task: str, cases: pd.DataFrame) -> pd.Series | None:
    """Partition of every case where there is one test set; None under cross-validation."""
    tested: set[str] = set()
    for aligned in material.settings:
        if aligned.setting["task"] != task:
            continue
        if aligned.hold_outs or len(np.unique(aligned.folds[aligned.folds >= 0])) != 1:
            return None
        tested |= set(aligned.cases.astype(str))
    scores = material.evidence.scores(task=task, partition="validation")
    tuned = set(scores["case"].astype(str))
    where: Mapping[bool, str] = {True: "validation", False: "train"}
    names = cases["case"].astype(str)
    found = [("test" if name in tested else where[name in tuned]) for name in names]
    return pd.Series(found) if len(set(found)) > 1 else None
