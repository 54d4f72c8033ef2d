"""Families of comparisons between marginal means: pairs, against a reference, by name."""

from __future__ import annotations

__all__ = ["ADJUSTMENTS", "MeanRows", "compare", "named_weights"]

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy

from ..decisions.multiplicity import adjust_pvalues
from .inference import Inference
from .simultaneous import MaximumOfT
from .specification.design import FixedDesign

ADJUSTMENTS = ("holm", "tukey", "mvt", "bonferroni", "none")
_ESTIMABLE = 1e-8


@dataclass(frozen=True)
class MeanRows:
    """Linear functions of all columns of the model matrix, one per marginal mean.

    ``full`` has shape (means, columns), aliased columns included: whether a function is
    estimable can be seen there only.
    """

    full: np.ndarray
    offset: np.ndarray
    fixed: FixedDesign
    beta: np.ndarray
    inference: Inference | None

    @property
    def estimable(self) -> np.ndarray:
        """Which of the rows are estimable."""
        lost = np.abs(self.full @ self.fixed.null_space).max(axis=1, initial=0.0)
        return np.asarray(lost < _ESTIMABLE * np.maximum(1.0, np.abs(self.full).max(axis=1)))

    @property
    def kept(self) -> np.ndarray:
        """The rows over the coefficients of the fit; NaN where not estimable."""
        return np.where(self.estimable[:, None], self.full[:, self.fixed.kept], np.nan)

    def combined(self, weights: np.ndarray) -> MeanRows:
        """Rows that are weighted sums of these."""
        return MeanRows(
            weights @ self.full, weights @ self.offset, self.fixed, self.beta, self.inference
        )

    def table(self) -> pd.DataFrame:
        """Estimate, standard error and degrees of freedom of each row."""
        rows = []
        for row, offset in zip(self.kept, self.offset, strict=True):
            estimate = standard_error = df = math.nan
            if self.inference is not None and np.isfinite(row).all():
                estimate = float(row @ self.beta + offset)
                standard_error = self.inference.standard_error(row)
                df = self.inference.df(row)
            rows.append((estimate, standard_error, df))
        return pd.DataFrame(rows, columns=["estimate", "standard_error", "df"])


def named_weights(
    contrasts: Mapping[str, Mapping[str, float]], labels: Sequence[str]
) -> np.ndarray:
    """Weights over the means, from contrasts that name means or contrasts before them."""
    known = {label: row for label, row in zip(labels, np.eye(len(labels)), strict=True)}
    rows = []
    for name, weights in contrasts.items():
        unknown = [part for part in weights if part not in known]
        if unknown:
            raise ValueError(
                f"`contrasts`: {name!r} names {unknown[0]!r}, which is neither a mean nor a "
                f"contrast defined before it; there are {', '.join(map(repr, known))}."
            )
        row = sum((float(w) * known[part] for part, w in weights.items()), np.zeros(len(labels)))
        if name in known:
            raise ValueError(f"`contrasts`: the name {name!r} is taken.")
        known[name] = row
        rows.append(row)
    return np.array(rows).reshape(len(rows), len(labels))


def compare(
    means: MeanRows, weights: np.ndarray, labels: Sequence[str], *, adjust: str, level: float
) -> pd.DataFrame:
    """One family of contrasts between means with its simultaneous p values and intervals.

    A contrast that is not estimable is NaN and counts in no family.
    """
    contrasts = means.combined(weights)
    frame = contrasts.table()
    frame.insert(0, "contrast", list(labels))
    used = frame["df"].notna().to_numpy()
    t = (frame["estimate"] / frame["standard_error"]).to_numpy()
    pvalue = np.full(len(frame), math.nan)
    critical = pvalue.copy()
    if used.any():
        covariance = None
        if adjust == "mvt":
            rows = contrasts.kept[used]
            assert means.inference is not None
            covariance = rows @ means.inference.vcov @ rows.T
        n_means = int((np.abs(weights[used]).max(axis=0) > 0).sum())
        pvalue[used], critical[used] = _adjusted(
            t[used], frame["df"].to_numpy()[used], adjust, level, (n_means, covariance)
        )
    half = critical * frame["standard_error"]
    return frame.assign(
        statistic=t,
        pvalue=pvalue,
        ci_low=frame["estimate"] - half,
        ci_high=frame["estimate"] + half,
        adjust=adjust,
    )


def _adjusted(
    t: np.ndarray,
    df: np.ndarray,
    adjust: str,
    level: float,
    family: tuple[int, np.ndarray | None],
) -> tuple[np.ndarray, np.ndarray]:
    """P values and critical values of t."""
    n_means, covariance = family
    m = len(t)
    raw = 2 * scipy.stats.t.sf(np.abs(t), df)
    if covariance is not None:
        joint = MaximumOfT(covariance)
        pvalues = [joint.sf(abs(value), nu) for value, nu in zip(t, df, strict=True)]
        return np.array(pvalues), _each_df(df, lambda nu: joint.isf(1 - level, nu))
    if adjust == "tukey" and n_means > 2:
        root = math.sqrt(2)
        pvalue = np.minimum(scipy.stats.studentized_range.sf(np.abs(t) * root, n_means, df), 1.0)
        return pvalue, _each_df(
            df, lambda nu: float(scipy.stats.studentized_range.isf(1 - level, n_means, nu)) / root
        )
    if adjust == "bonferroni":
        return np.minimum(raw * m, 1.0), scipy.stats.t.isf((1 - level) / (2 * m), df)
    if adjust == "holm":
        return adjust_pvalues(raw, "holm"), scipy.stats.t.isf((1 - level) / (2 * m), df)
    return raw, scipy.stats.t.isf((1 - level) / 2, df)


def _each_df(df: np.ndarray, critical: Callable[[float], float]) -> np.ndarray:
    """One quantile for each distinct number of degrees of freedom: quantiles are slow."""
    values, back = np.unique(df, return_inverse=True)
    return np.array([critical(float(value)) for value in values])[back]
