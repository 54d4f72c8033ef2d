"""Estimated marginal means and their pairwise comparisons.

A marginal mean is the model's prediction for a level of a factor, averaged with equal
weights over the levels of the other factors (not over the rows at hand), covariates at
their means. An unbalanced archive therefore does not shift the comparison.

References
----------
Searle SR, Speed FM, Milliken GA (1980). Population marginal means in the linear model.
The American Statistician 34:216. doi:10.1080/00031305.1980.10483031
"""

from __future__ import annotations

__all__ = ["MarginalMeans", "marginal_means"]

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import special
from scipy import stats as sps

from .._shared.inference import check_confidence_level
from ..decisions.multiplicity import adjust_pvalues
from .inference import Inference
from .specification.design import FixedDesign

ADJUSTMENTS = ("holm", "tukey", "bonferroni", "none")


@dataclass(frozen=True)
class MarginalMeans:
    """Marginal means of the levels of one or more factors.

    Attributes
    ----------
    table : DataFrame
        One row a level (or combination of levels): the factors, ``estimate``,
        ``standard_error``, ``df``, ``ci_low``, ``ci_high``. NaN where a mean is not
        estimable because a cell of the design is empty.
    factors, by : tuple of str
        The factors compared, and those within whose levels they are compared.
    confidence_level : float
        Coverage of the intervals.
    transform : str or None
        The scale of the response from which the table was brought back.
    description : str
        One sentence on what was averaged.
    """

    table: pd.DataFrame
    factors: tuple[str, ...]
    by: tuple[str, ...]
    confidence_level: float
    transform: str | None
    description: str
    weights: np.ndarray = field(repr=False)
    _beta: np.ndarray = field(repr=False)
    _inference: Inference | None = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """A copy of the table, unrounded."""
        return self.table.copy()

    def pairs(self, adjust: str = "holm", *, reverse: bool = False) -> pd.DataFrame:
        """All pairwise differences, first minus second, on the scale of the fit.

        Parameters
        ----------
        adjust : {"holm", "tukey", "bonferroni", "none"}
            Adjustment for the number of pairs, within each combination of `by`. Tukey
            uses the studentised range. Intervals are simultaneous: by Bonferroni for
            Holm (which has no intervals of its own), by the studentised range for Tukey.
        reverse : bool
            Second minus first: candidate minus reference, where the reference is the
            first level.

        Returns
        -------
        DataFrame
            The `by` factors, ``contrast``, ``estimate``, ``standard_error``, ``df``,
            ``statistic``, ``pvalue``, ``ci_low``, ``ci_high``, ``adjust``.
        """
        if adjust not in ADJUSTMENTS:
            raise ValueError(f"`adjust` must be one of {ADJUSTMENTS}, got {adjust!r}.")
        labels = self.table[list(self.factors)].astype(str).agg(" ".join, axis=1).tolist()
        strata = (
            [np.arange(len(self.table))]
            if not self.by
            else [
                np.asarray(rows)
                for rows in self.table.groupby(
                    list(self.by), sort=False, observed=True
                ).indices.values()
            ]
        )
        frames = []
        for rows in strata:
            pairs = list(itertools.combinations(rows, 2))
            if reverse:
                pairs = [(b, a) for a, b in pairs]
            frame = pd.DataFrame(
                [
                    {
                        **{name: self.table[name].iloc[a] for name in self.by},
                        "contrast": f"{labels[a]} - {labels[b]}",
                        **_linear(self._inference, self._beta, self.weights[a] - self.weights[b]),
                    }
                    for a, b in pairs
                ]
            )
            if len(frame):
                frames.append(_adjusted(frame, adjust, len(rows), self.confidence_level))
        if not frames:
            raise ValueError("`pairs` needs a factor with at least two levels.")
        return pd.concat(frames, ignore_index=True)

    def __str__(self) -> str:
        level = f"{100 * self.confidence_level:g} % confidence intervals"
        return "\n".join(
            [self.description, level, self.table.to_string(index=False, float_format="%.5g")]
        )


def marginal_means(
    fixed: FixedDesign,
    beta: np.ndarray,
    inference: Inference | None,
    factors: str | Sequence[str],
    *,
    by: str | Sequence[str] | None,
    at: Mapping[str, object] | None,
    transform: str | None,
    confidence_level: float,
) -> MarginalMeans:
    """See :meth:`MixedModelResult.marginal_means`."""
    level = check_confidence_level(confidence_level)
    if transform not in (None, "logit", "log"):
        raise ValueError(f"`transform` must be None, 'logit' or 'log', got {transform!r}.")
    wanted, within = _names(factors), _names(by)
    if isinstance(factors, str) and "|" in factors:
        left, right = factors.split("|", 1)
        wanted, within = tuple(left.replace("*", " ").split()), (*right.split(), *within)
    at = dict(at or {})
    known = [*fixed.factors, *fixed.covariates]
    for name in (*wanted, *within, *at):
        if name not in known:
            raise ValueError(
                f"{name!r} is no variable of the fixed part; it has {', '.join(map(repr, known))}."
            )
    grid = _reference_grid(fixed, at)
    rows = fixed.rows(grid)
    keys = [*wanted, *within]
    if not keys:
        raise ValueError("`factors` must name at least one factor.")
    numbers = grid.groupby([*within, *wanted], sort=False, observed=True).ngroup().to_numpy()
    full = np.array([rows[numbers == i].mean(axis=0) for i in range(numbers.max() + 1)])
    estimable = np.abs(full @ fixed.null_space).max(axis=1, initial=0.0) < 1e-8
    weights = np.where(estimable[:, None], full[:, fixed.kept], np.nan)
    offsets = fixed.offset_of(grid)
    offset = np.array([offsets[numbers == i].mean() for i in range(numbers.max() + 1)])
    table = grid.loc[[int(np.argmax(numbers == i)) for i in range(len(full))], keys]
    table = table.reset_index(drop=True)
    columns = _mean_columns(
        inference, beta, weights, offset=offset, transform=transform, level=level
    )
    for column, values in columns.items():
        table[column] = values
    # As in R: within the `by` factors, the first factor named varies fastest.
    order = np.lexsort([pd.factorize(table[name])[0] for name in keys])
    averaged = [name for name in fixed.factors if name not in keys]
    text = f"Marginal means of {', '.join(wanted)}"
    text += f" within {', '.join(within)}" if within else ""
    text += f", averaged with equal weights over {', '.join(averaged)}" if averaged else ""
    text += f"; back-transformed from the {transform} scale" if transform else ""
    return MarginalMeans(
        table=table.iloc[order].reset_index(drop=True),
        factors=tuple(wanted),
        by=tuple(within),
        confidence_level=level,
        transform=transform,
        description=text,
        weights=weights[order],
        _beta=beta,
        _inference=inference,
    )


def _names(names: str | Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)


def _reference_grid(fixed: FixedDesign, at: Mapping[str, object]) -> pd.DataFrame:
    axes: dict[str, list[object]] = {}
    for name, levels in fixed.factors.items():
        chosen = at.get(name, levels)
        chosen = (
            list(chosen)
            if isinstance(chosen, Sequence) and not isinstance(chosen, str)
            else [chosen]
        )
        unknown = [value for value in chosen if value not in levels]
        if unknown:
            raise ValueError(f"`at`: {unknown[0]!r} is no level of {name!r}: {list(levels)}.")
        axes[name] = chosen
    for name, mean in fixed.covariates.items():
        axes[name] = np.atleast_1d(np.asarray(at.get(name, mean), dtype=float)).tolist()
    # The first factor varies fastest, as in R's expand.grid.
    product = list(itertools.product(*reversed(list(axes.values()))))
    grid = pd.DataFrame(product, columns=list(reversed(axes)))
    return grid[list(axes)] if axes else pd.DataFrame(index=[0])


def _linear(inference: Inference | None, beta: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    if inference is None or not np.isfinite(weights).all():
        return {"estimate": math.nan, "standard_error": math.nan, "df": math.nan}
    return {
        "estimate": float(weights @ beta),
        "standard_error": inference.standard_error(weights),
        "df": inference.df(weights),
    }


def _mean_columns(
    inference: Inference | None,
    beta: np.ndarray,
    weights: np.ndarray,
    *,
    offset: np.ndarray,
    transform: str | None,
    level: float,
) -> dict[str, np.ndarray]:
    frame = pd.DataFrame([_linear(inference, beta, row) for row in weights])
    estimate, se = frame["estimate"].to_numpy() + offset, frame["standard_error"].to_numpy()
    half = sps.t.isf((1 - level) / 2, frame["df"].to_numpy()) * se
    low, high = estimate - half, estimate + half
    if transform is not None:
        inverse = np.exp if transform == "log" else special.expit
        estimate, low, high = inverse(estimate), inverse(low), inverse(high)
        # Delta method for the standard error; the interval is the image of its ends.
        se = se * (estimate if transform == "log" else estimate * (1 - estimate))
    return {
        "estimate": estimate,
        "standard_error": se,
        "df": frame["df"].to_numpy(),
        "ci_low": low,
        "ci_high": high,
    }


def _adjusted(frame: pd.DataFrame, adjust: str, n_means: int, level: float) -> pd.DataFrame:
    """Statistics, p values and simultaneous intervals of one family of pairs."""
    t = (frame["estimate"] / frame["standard_error"]).to_numpy()
    df = frame["df"].to_numpy()
    raw = 2 * sps.t.sf(np.abs(t), df)
    pvalue, m = raw, len(frame)
    critical = sps.t.isf((1 - level) / 2, df)
    if adjust == "bonferroni":
        pvalue = np.minimum(raw * m, 1.0)
    elif adjust == "holm":
        pvalue = adjust_pvalues(raw, "holm")
    if adjust in ("bonferroni", "holm"):
        critical = sps.t.isf((1 - level) / (2 * m), df)
    elif adjust == "tukey" and n_means > 2:
        root = math.sqrt(2)
        pvalue = np.minimum(sps.studentized_range.sf(np.abs(t) * root, n_means, df), 1.0)
        # One quantile for each distinct df: the quantile is slow.
        values, back = np.unique(df, return_inverse=True)
        critical = (sps.studentized_range.isf(1 - level, n_means, values) / root)[back]
    half = critical * frame["standard_error"]
    return frame.assign(
        statistic=t,
        pvalue=pvalue,
        ci_low=frame["estimate"] - half,
        ci_high=frame["estimate"] + half,
        adjust=adjust,
    )
