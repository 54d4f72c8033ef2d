"""What a report is made from: a run archive, or whatever can take its place."""

from __future__ import annotations

__all__ = ["Evidence", "Source"]

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol

import pandas as pd

Source = Literal["archive", "predictions"]


class Evidence(Protocol):
    """The part of :class:`stats_tl.archive.Archive` that a report reads.

    Attributes
    ----------
    name : str
        Name of the study.
    source : {"archive", "predictions"}
        Whether the training is on record, or the scores alone are known.
    plan : dict
        The resolved plan of the study; empty for predictions.
    tasks : mapping of str to mapping
        Descriptions of the data sets; empty for predictions.
    cells : DataFrame
        One row a trained model of the cross-validation: its keys, and what else is known.
    """

    name: str
    plan: dict[str, Any]
    cells: pd.DataFrame

    @property
    def source(self) -> Source: ...

    @property
    def tasks(self) -> Mapping[str, dict[str, Any]]: ...

    @property
    def labels(self) -> dict[str, dict[str, str]]:
        """What readers see in place of names, by kind and name."""
        ...

    @property
    def reference(self) -> str | None:
        """The reference arm of the plan."""
        ...

    @property
    def synthetic(self) -> bool:
        """Whether any data set is made up."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of the scores and the plan."""
        ...

    @property
    def missing(self) -> pd.DataFrame:
        """Keys of the planned cells without a result."""
        ...

    def patients_known(self, task: str) -> bool:
        """Whether the column ``patient`` of the cases names patients."""
        ...

    def cases(self, task: str) -> pd.DataFrame:
        """Cases of a task: ``case, y_true``, where known ``patient, group``, covariates."""
        ...

    def scores(self, *, as_categories: bool = False, **filters: Any) -> pd.DataFrame:
        """Scores by case and cell, of the rows that match."""
        ...

    def records(self) -> Iterable[dict[str, Any]]:
        """The record of each trained model; none for predictions."""
        ...

    def failures(self) -> Mapping[str, dict[str, Any]]:
        """Why a cell failed, by its identifier."""
        ...
