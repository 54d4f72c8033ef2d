"""What a report is made from: a run archive, or whatever can take its place."""

from __future__ import annotations

__all__ = ["Evidence"]

from typing import Any, Protocol

import pandas as pd


class Evidence(Protocol):
    """The part of :class:`stats_tl.archive.Archive` that a report reads."""

    name: str
    plan: dict[str, Any]
    cells: pd.DataFrame

    @property
    def reference(self) -> str | None: ...

    @property
    def labels(self) -> dict[str, dict[str, str]]: ...

    @property
    def synthetic(self) -> bool: ...

    @property
    def digest(self) -> str: ...

    @property
    def missing(self) -> pd.DataFrame: ...

    def cases(self, task: str) -> pd.DataFrame: ...

    def scores(self, *, as_categories: bool = False, **filters: Any) -> pd.DataFrame: ...
