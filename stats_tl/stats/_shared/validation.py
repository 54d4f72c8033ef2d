"""Checks on labels, scores and groups that every function of :mod:`stats_tl.stats` shares.

Each check returns a plain NumPy array or raises ValueError naming the argument,
what was given and what was expected. Lists, pandas objects, booleans and object
arrays of numbers are accepted; nothing is ever reordered, dropped or aligned.
"""

from __future__ import annotations

__all__ = [
    "as_groups",
    "as_labels",
    "as_score_matrix",
    "as_scores",
    "as_weights",
    "check_option",
    "check_positive_int",
    "variance_obstacle",
]

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..procedure import ResultWarning


def as_labels(y_true: Any, *, name: str = "y_true", both_classes: bool = True) -> np.ndarray:
    """Reference standard as a boolean array of shape (n,), True for positive cases.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        Labels 0 and 1 (or booleans).
    name : str
        Name of the argument, for the error message.
    both_classes : bool
        Whether at least one case of each class is required.

    Raises
    ------
    ValueError
        If `y_true` is not one-dimensional, is empty, holds missing values or anything
        but 0 and 1, or holds one class only although both are required.
    """
    raw = _as_array(y_true, name)
    if raw.ndim != 1:
        raise ValueError(f"`{name}` must be one-dimensional, got shape {raw.shape}.")
    if raw.size == 0:
        raise ValueError(f"`{name}` is empty; at least one case of each class is needed.")
    if raw.dtype == np.bool_:
        labels = raw
    else:
        values = _as_float(raw, name, "labels 0 and 1")
        n_missing = int(np.isnan(values).sum())
        if n_missing:
            raise ValueError(
                f"`{name}` has {n_missing} missing values (NaN) of {values.size}; "
                "remove or correct these cases."
            )
        labels = values == 1.0
        wrong = ~labels & (values != 0.0)
        if wrong.any():
            found = np.unique(values[wrong])[:5]
            raise ValueError(
                f"`{name}` must hold 0 (negative) and 1 (positive) only, got also "
                f"{', '.join(f'{v:g}' for v in found)}; recode, e.g. `(labels == positive)`."
            )
    if both_classes:
        n_positive = int(labels.sum())
        if n_positive in (0, labels.size):
            only = "negative (0)" if n_positive == 0 else "positive (1)"
            raise ValueError(
                f"`{name}` must hold both classes, got {labels.size} cases, all {only}; "
                "the ROC curve is not defined."
            )
    return labels


def as_scores(scores: Any, n_cases: int | None = None, *, name: str = "scores") -> np.ndarray:
    """Scores as a float array of shape (n,); infinite scores are kept, they have a rank.

    Parameters
    ----------
    scores : array_like of shape (n,)
        Higher means more likely positive.
    n_cases : int, optional
        Required length, that of the labels.
    name : str
        Name of the argument, for the error message.

    Raises
    ------
    ValueError
        If `scores` is not one-dimensional or numeric, holds NaN, or has another length.
    """
    raw = _as_array(scores, name)
    if raw.ndim != 1:
        raise ValueError(f"`{name}` must be one-dimensional, got shape {raw.shape}.")
    _check_length(raw.shape[0], n_cases, name)
    values = _as_float(raw, name, "numbers")
    _check_nan(values, name)
    return values


def as_score_matrix(
    scores: Any,
    n_cases: int | None = None,
    *,
    ndim: int = 2,
    name: str = "scores",
    missing: bool = False,
) -> np.ndarray:
    """Scores of several models as a float array whose last axis is the cases.

    Parameters
    ----------
    scores : array_like of shape (m, n), or with `ndim` axes of which the last is cases
        Higher means more likely positive.
    n_cases : int, optional
        Required length of the last axis.
    ndim : int
        Required number of axes.
    name : str
        Name of the argument, for the error message.
    missing : bool
        Whether scores may be missing (NaN).

    Raises
    ------
    ValueError
        If the number of axes or the length differs, or a score is NaN or no number.
    """
    raw = _as_array(scores, name)
    if raw.ndim != ndim:
        raise ValueError(
            f"`{name}` must have {ndim} axes, the last one cases, got shape {raw.shape}."
        )
    if 0 in raw.shape[:-1]:
        raise ValueError(f"`{name}` must hold at least one model, got shape {raw.shape}.")
    _check_length(raw.shape[-1], n_cases, name, axis=" on its last axis")
    values = _as_float(raw, name, "numbers")
    if not missing:
        _check_nan(values, name)
    return values


def as_groups(groups: Any, n_cases: int, *, name: str = "groups") -> np.ndarray | None:
    """Group (patient) of each case as integer codes 0, 1, ..., G - 1, or None for None.

    Parameters
    ----------
    groups : array_like of shape (n,) or None
        Numbers, strings or any hashable identifiers.
    n_cases : int
        Required length.
    name : str
        Name of the argument, for the error message.

    Raises
    ------
    ValueError
        If `groups` is not one-dimensional, has another length or a missing identifier.
    """
    if groups is None:
        return None
    if isinstance(groups, list | tuple) and not any(
        isinstance(group, list | np.ndarray) for group in groups
    ):
        # One object each: NumPy would turn a list of texts, numbers and NaN into texts.
        raw = pd.Series(list(groups), dtype=object).to_numpy()
    else:
        raw = _as_array(groups, name)
    if raw.ndim != 1:
        raise ValueError(f"`{name}` must be one-dimensional, got shape {raw.shape}.")
    _check_length(raw.shape[0], n_cases, name)
    n_missing = int(pd.isna(raw).sum())
    if n_missing:
        raise ValueError(
            f"`{name}` has {n_missing} missing identifiers of {n_cases}; "
            "give every case the identifier of its patient."
        )
    codes, _ = pd.factorize(raw)
    return np.asarray(codes, dtype=np.intp)


def as_weights(weights: Any, labels: np.ndarray) -> np.ndarray | None:
    """Weights of the cases as floats, or None for None.

    Raises
    ------
    ValueError
        If the length differs, a weight is negative, infinite or missing, or a class has no
        weight at all.
    """
    if weights is None:
        return None
    values = as_scores(weights, labels.size, name="sample_weight")
    wrong = values[(values < 0) | ~np.isfinite(values)]
    if wrong.size:
        raise ValueError(
            f"`sample_weight` must hold finite numbers of at least 0, got {wrong[0]:g}."
        )
    for own, word in ((labels, "positive"), (~labels, "negative")):
        if not values[own].any():
            raise ValueError(f"`sample_weight` is 0 for every {word} case.")
    return values


def check_positive_int(value: Any, *, name: str, minimum: int = 1) -> int:
    """`value` as int, or ValueError unless it is a whole number of at least `minimum`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise ValueError(f"`{name}` must be a whole number, got {value!r}.")
    if value < minimum:
        raise ValueError(f"`{name}` must be at least {minimum}, got {value}.")
    return int(value)


def check_option(value: Any, allowed: Sequence[str], *, name: str) -> str:
    """`value`, or ValueError unless it is one of the `allowed` strings."""
    if value not in allowed:
        raise ValueError(f"`{name}` must be one of {tuple(allowed)}, got {value!r}.")
    return str(value)


def variance_obstacle(
    labels: np.ndarray, codes: np.ndarray | None, *, name: str = "groups"
) -> ResultWarning | None:
    """Why the variance of an AUC cannot be estimated from these cases, or None if it can.

    A single positive or negative case leaves nothing to estimate its variance from; that
    is an answer (NaN, with the returned text as warning). Several cases of one class that
    all come from one patient are a mistake in the design or in `groups`.

    Raises
    ------
    ValueError
        If all cases, or all of the several cases of one class, belong to one patient.
    """
    if codes is not None:
        if not codes.any():
            raise ValueError(
                f"`{name}` puts all {codes.size} cases in one patient; the variance between "
                f"patients needs at least two. Leave `{name}` out if the cases are independent."
            )
        for selected, word in ((labels, "positive"), (~labels, "negative")):
            own = codes[selected]
            if own.size > 1 and (own == own[0]).all():
                raise ValueError(
                    f"`{name}` puts all {own.size} {word} cases in one patient; the variance "
                    f"between patients needs at least two patients with {word} cases."
                )
    n_positive = int(labels.sum())
    for count, word in ((n_positive, "positive"), (labels.size - n_positive, "negative")):
        if count == 1:
            return ResultWarning(
                "single-case", f"only one {word} case: the variance cannot be estimated"
            )
    return None


def _as_array(given: Any, name: str) -> np.ndarray:
    """`given` as an array; masked entries become None, which counts as missing."""
    if np.ma.is_masked(given):
        plain = np.ma.getdata(given).astype(object)
        plain[np.ma.getmaskarray(given)] = None
        return plain
    try:
        raw = np.asarray(given)
    except ValueError as error:
        raise ValueError(f"`{name}` must be an array with rows of one length: {error}") from None
    # Arrays of FITS, IDL or older MATLAB files are big-endian, which pandas and Cython refuse.
    return raw if raw.dtype.isnative else raw.astype(raw.dtype.newbyteorder("="))


def _as_float(raw: np.ndarray, name: str, expected: str) -> np.ndarray:
    if raw.dtype.kind == "c" or raw.dtype.kind in "mM":
        raise ValueError(f"`{name}` must hold {expected}, got dtype {raw.dtype}.")
    if raw.dtype.kind in "OUS":
        text = next((v for v in raw.flat if isinstance(v, str | bytes)), None)
        if text is not None:
            raise ValueError(f"`{name}` must hold {expected}, got text such as {str(text)!r}.")
        # None and pandas' NA become NaN and are counted as missing.
        raw = np.where(pd.isna(raw), np.nan, raw)
    try:
        return raw.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{name}` must hold {expected}: {error}.") from None


def _check_length(given: int, expected: int | None, name: str, axis: str = "") -> None:
    if expected is not None and given != expected:
        raise ValueError(
            f"`{name}` must have one entry per case{axis}: expected {expected}, got {given}."
        )


def _check_nan(values: np.ndarray, name: str) -> None:
    # The sum is NaN if any entry is (or if +inf meets -inf), and needs no temporary.
    with np.errstate(invalid="ignore", over="ignore"):
        suspicious = np.isnan(values.sum())
    if suspicious:
        n_missing = int(np.isnan(values).sum())
        if n_missing:
            raise ValueError(
                f"`{name}` has {n_missing} missing values (NaN) of {values.size}; "
                "a score is needed for every case."
            )
