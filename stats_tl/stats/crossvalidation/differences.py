"""Checks and the spread of cross-validation's differences, shared by the tests on them."""

from __future__ import annotations

__all__ = ["FOLDS_AGREE", "NO_SPREAD", "as_differences", "check_sizes", "spread", "warn_if"]

import math
import numbers
from typing import Any

import numpy as np

from .._shared.degenerate import warn_degenerate
from ..procedure import ResultWarning

NO_SPREAD = ResultWarning(
    "zero-variance", "all differences are equal, so that no variance can be estimated"
)
FOLDS_AGREE = ResultWarning("zero-variance", "the two folds of every repeat agree exactly")


def as_differences(differences: Any) -> np.ndarray:
    """Differences as floats of shape (repeats, folds) or (resamples,), or ValueError."""
    try:
        values = np.asarray(differences, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`differences` must be an array of numbers: {error}.") from None
    if values.ndim not in (1, 2):
        raise ValueError(
            f"`differences` must have shape (repeats, folds) or (resamples,), got {values.shape}."
        )
    if values.size < 2:
        raise ValueError(f"`differences` must hold at least two values, got {values.size}.")
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise ValueError(
            f"`differences` has {n_bad} values that are not finite of {values.size}; "
            "drop the repeats they belong to."
        )
    return values


def check_sizes(n_train: float, n_test: float) -> tuple[float, float]:
    """Both sizes as floats, or ValueError unless positive."""
    for name, value in (("n_train", n_train), ("n_test", n_test)):
        if not (isinstance(value, numbers.Real) and math.isfinite(value) and value > 0):
            raise ValueError(f"`{name}` must be a positive number of cases, got {value!r}.")
    return float(n_train), float(n_test)


def spread(values: np.ndarray) -> float:
    """Standard deviation; 0 where the values are equal up to rounding."""
    # Equal values may leave a rounding residue; a spread below it is no spread.
    sd = float(values.std(ddof=1))
    return 0.0 if sd <= 4 * np.finfo(float).eps * float(np.abs(values).max()) else sd


def warn_if(condition: bool, warning: ResultWarning) -> tuple[ResultWarning, ...]:
    """`warning` for the result, and emitted, where `condition` holds."""
    return (warn_degenerate(warning),) if condition else ()
