"""Data that carry no variance, or whose answer is a convention: what is said, and how."""

from __future__ import annotations

__all__ = ["ALIKE", "CARRIES_NO_VARIANCE", "NO_VARIANCE", "perfect", "warn_degenerate"]

import sys
import warnings

from ..procedure import ResultWarning

PACKAGE = __name__.rsplit(".", 2)[0]

ALIKE = ResultWarning(
    "identical-ranking",
    "both scores rank the cases alike: the difference is 0 in every sample of these cases",
)
NO_VARIANCE = ResultWarning(
    "zero-variance",
    "the placement values do not vary, so the variance of the difference is estimated as 0 "
    "although the AUCs differ from the null value: no test is possible",
)
CARRIES_NO_VARIANCE = ResultWarning(
    "zero-variance", "the scores carry no variance, so that the test is not defined"
)


def perfect(auc: float, *, several: bool = False) -> ResultWarning:
    """That both (or all `several`) AUCs are 0 or 1."""
    return ResultWarning(
        "perfect-auc",
        f"{'all' if several else 'both'} AUCs are {auc:g}: the estimated variance is 0, which says "
        "nothing about new cases; p = 1 is a convention",
    )


def warn_degenerate(warning: ResultWarning) -> ResultWarning:
    """Emit `warning` as a DegenerateDataWarning where user code called this package; return it."""
    from .degenerate_data import DegenerateDataWarning  # slow to import, rarely needed

    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(str(warning), DegenerateDataWarning, stacklevel=level)
    return warning
