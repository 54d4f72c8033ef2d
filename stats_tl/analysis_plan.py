"""The ``[analysis]`` table of a plan: fixed before the results are seen.

Both wings know it: a study's plan holds it, and a report of predictions that were made
elsewhere is given it in a file of its own.
"""

from __future__ import annotations

__all__ = ["CORRECTIONS", "SETTING_KEYS", "Analysis", "AnalysisFile", "Correction", "SettingKey"]

from functools import partial
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import AfterValidator, Field

from .metric_names import check_metrics
from .schema import Table

Correction = Literal["holm", "hochberg", "hommel", "bonferroni", "bh", "by", "none"]
CORRECTIONS: tuple[Correction, ...] = get_args(Correction)
#: Names of a setting: texts.
SettingKey = Literal["task", "backbone", "head", "unfreeze", "arm"]
SETTING_KEYS: tuple[SettingKey, ...] = get_args(SettingKey)

#: Above 0 and below 1.
Share = Annotated[float, Field(gt=0, lt=1)]

_Entry = TypeVar("_Entry", bound=str | float)


def _check_unique(entries: list[_Entry]) -> list[_Entry]:
    if len(set(entries)) < len(entries):
        what = "a name" if isinstance(entries[0], str) else "a number"
        raise ValueError(f"{what} is there more than once")
    return entries


class Analysis(Table):
    """``[analysis]``: fixed before the results are seen."""

    younger: ClassVar[dict[str, Any]] = {
        "metric": None,
        "families": None,
        "subgroups": None,
        "target_sensitivity": None,
        "threshold": None,
        "clinical_table": True,
        "prevalence": None,
        "net_benefit_thresholds": None,
    }

    alpha: float = Field(0.05, gt=0, lt=0.5)
    margin: float | None = Field(
        None, gt=0, lt=0.5, description="Differences within ± margin are equivalent."
    )
    metric: Annotated[str | list[str] | None, AfterValidator(check_metrics)] = Field(
        None, description="What is compared, the primary metric first; without it the AUC."
    )
    correction: Correction = "holm"
    primary: dict[SettingKey, str] = Field(
        {}, description="The primary comparison, by its keys; the others are secondary."
    )
    families: Annotated[list[SettingKey], AfterValidator(_check_unique)] | None = Field(
        None, description="Keys within whose values secondary p values are adjusted."
    )
    subgroups: Annotated[list[str], AfterValidator(_check_unique)] | None = Field(
        None, description="Covariates of the cases whose subgroups are compared."
    )
    target_sensitivity: float | None = Field(
        None, gt=0, lt=1, description="Of the thresholds set on the tuning cases; else Youden's."
    )
    threshold: float | None = Field(
        None, description="Scores that reach it are called positive, in every model."
    )
    clinical_table: bool = Field(True, description="Whether clinical metrics are compared.")
    prevalence: Share | None = Field(
        None, description="At which predictive values are given beside those of the sample."
    )
    net_benefit_thresholds: Annotated[list[Share], AfterValidator(_check_unique)] | None = Field(
        None, description="Thresholds of risk at which the net benefit is given."
    )


class AnalysisFile(Analysis):
    """``[analysis]`` in a file without arms."""

    reference: str | None = Field(None, description="The arm that others are compared with.")
    metric: Annotated[
        str | list[str] | None, AfterValidator(partial(check_metrics, classes=True))
    ] = Field(None, description="What is compared; also metrics of several classes.")
