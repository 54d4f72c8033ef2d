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

_Name = TypeVar("_Name", bound=str)


def _check_unique(names: list[_Name]) -> list[_Name]:
    if len(set(names)) < len(names):
        raise ValueError("a name is there more than once")
    return names


class Analysis(Table):
    """``[analysis]``: fixed before the results are seen."""

    younger: ClassVar[dict[str, Any]] = {
        "metric": None,
        "families": None,
        "subgroups": None,
        "target_sensitivity": None,
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


class AnalysisFile(Analysis):
    """``[analysis]`` in a file without arms."""

    reference: str | None = Field(None, description="The arm that others are compared with.")
    metric: Annotated[
        str | list[str] | None, AfterValidator(partial(check_metrics, classes=True))
    ] = Field(None, description="What is compared; also metrics of several classes.")
