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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy

from .._shared.inference import check_confidence_level
from .comparisons import ADJUSTMENTS, MeanRows, compare, named_weights
from .inference import Inference
from .specification.design import FixedDesign


@dataclass(frozen=True)
class MarginalMeans:
    """Marginal means of the levels of one or more factors.

    Attributes
    ----------
    table : DataFrame
        One row per level (or combination of levels): the factors, ``estimate``,
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

    Notes
    -----
    `pairs` compares all levels with each other, `against_reference` each with one (Dunnett),
    `contrasts` whatever is named.
    """

    table: pd.DataFrame
    factors: tuple[str, ...]
    by: tuple[str, ...]
    confidence_level: float
    transform: str | None
    description: str
    _rows: MeanRows = field(repr=False)

    @property
    def weights(self) -> np.ndarray:
        """Weights of the coefficients in each mean; NaN where it is not estimable."""
        return self._rows.kept

    @property
    def labels(self) -> list[str]:
        """Names of the means: the levels, with those of `by` behind them."""
        names = [*self.factors, *self.by]
        return [" ".join(map(str, row)) for row in self.table[names].itertuples(index=False)]

    def to_frame(self) -> pd.DataFrame:
        """A copy of the table, unrounded."""
        return self.table.copy()

    def pairs(self, adjust: str = "holm", *, reverse: bool = False) -> pd.DataFrame:
        """All pairwise differences, first minus second, on the scale of the fit.

        Parameters
        ----------
        adjust : {"holm", "tukey", "mvt", "bonferroni", "none"}
            Adjustment for the number of pairs, within each combination of `by`. "mvt" is
            the joint multivariate t distribution of the estimates, exact where they have
            one number of degrees of freedom; Tukey uses the studentised range, which is
            that distribution in a balanced design. Intervals are simultaneous: by
            Bonferroni for Holm (which has no intervals of its own), otherwise those that
            belong to the p values. A pair that is not estimable counts in no family.
        reverse : bool
            Second minus first: candidate minus reference, where the reference is the
            first level.

        Returns
        -------
        DataFrame
            The `by` factors, ``contrast``, ``estimate``, ``standard_error``, ``df``,
            ``statistic``, ``pvalue``, ``ci_low``, ``ci_high``, ``adjust``.
        """
        pairs = {
            stratum: [(b, a) if reverse else (a, b) for a, b in itertools.combinations(rows, 2)]
            for stratum, rows in self._strata().items()
        }
        return self._differences(pairs, adjust)

    def against_reference(
        self, reference: object = None, adjust: str = "mvt", *, reverse: bool = False
    ) -> pd.DataFrame:
        """Dunnett's comparisons: every level minus the reference level.

        Parameters
        ----------
        reference : optional
            The level (or combination, as it stands in `labels`) that the others are compared
            with; by default the first.
        adjust : {"mvt", "holm", "bonferroni", "none"}
            "mvt" is Dunnett's: the joint multivariate t distribution of the differences.
        reverse : bool
            Reference minus the others.

        Returns
        -------
        DataFrame
            As of :meth:`pairs`.

        References
        ----------
        Dunnett CW (1955). J Am Stat Assoc 50:1096. doi:10.1080/01621459.1955.10501294
        """
        if adjust == "tukey":
            raise ValueError("`adjust`: Tukey's is for all pairs; use 'mvt' against a reference.")
        names = self._names_in_stratum()
        pairs = {}
        for stratum, rows in self._strata().items():
            first = rows[0]
            if reference is not None:
                found = [row for row in rows if names[row] == str(reference)]
                if not found:
                    levels = ", ".join(repr(names[row]) for row in rows)
                    raise ValueError(f"`reference` must be one of {levels}, got {reference!r}.")
                first = found[0]
            others = [row for row in rows if row != first]
            pairs[stratum] = [(first, b) if reverse else (b, first) for b in others]
        return self._differences(pairs, adjust)

    def contrasts(
        self, contrasts: Mapping[str, Mapping[str, float]], adjust: str = "holm"
    ) -> pd.DataFrame:
        """Contrasts between means by name, and contrasts of contrasts.

        Parameters
        ----------
        contrasts : mapping
            For each contrast its name and the weights of the means, which are named as in
            `labels`. A weight may also be that of a contrast defined before it.
        adjust : {"holm", "mvt", "bonferroni", "none"}
            Adjustment for the number of contrasts.

        Returns
        -------
        DataFrame
            As of :meth:`pairs`.

        Examples
        --------
        Does the gain of b over a differ between the backbones p and q?

        >>> import numpy as np, pandas as pd
        >>> from stats_tl.stats import fit_mixed_model
        >>> rng = np.random.default_rng(0)
        >>> cells = [(t, arm, bb) for t in range(8) for arm in "ab" for bb in "pq"]
        >>> data = pd.DataFrame(cells, columns=["task", "arm", "bb"])
        >>> data["auc"] = 0.8 + 0.02 * (data["arm"] == "b") + rng.normal(0, 0.01, len(data))
        >>> means = fit_mixed_model("auc ~ arm * bb + (1 | task)", data).marginal_means("arm | bb")
        >>> table = means.contrasts({
        ...     "gain in p": {"b p": 1, "a p": -1},
        ...     "gain in q": {"b q": 1, "a q": -1},
        ...     "difference of gains": {"gain in p": 1, "gain in q": -1},
        ... }, adjust="none")
        >>> table["estimate"].round(3).tolist()
        [0.022, 0.021, 0.002]
        """
        if adjust == "tukey":
            raise ValueError("`adjust`: Tukey's is for all pairs; use 'mvt' for other contrasts.")
        _check_adjustment(adjust)
        weights = named_weights(contrasts, self.labels)
        if not len(weights):
            raise ValueError("`contrasts` is empty.")
        return compare(
            self._rows, weights, list(contrasts), adjust=adjust, level=self.confidence_level
        )

    def _strata(self) -> dict[tuple[object, ...], list[int]]:
        """Rows of the table within each combination of the `by` factors."""
        if not self.by:
            return {(): list(range(len(self.table)))}
        strata: dict[tuple[object, ...], list[int]] = {}
        for row, key in enumerate(self.table[list(self.by)].itertuples(index=False, name=None)):
            strata.setdefault(key, []).append(row)
        return strata

    def _names_in_stratum(self) -> list[str]:
        return [
            " ".join(map(str, row))
            for row in self.table[list(self.factors)].itertuples(index=False)
        ]

    def _differences(
        self, pairs: Mapping[tuple[object, ...], Sequence[tuple[int, int]]], adjust: str
    ) -> pd.DataFrame:
        """One family of differences for each combination of the `by` factors."""
        _check_adjustment(adjust)
        names, unit = self._names_in_stratum(), np.eye(len(self.table))
        frames = []
        for stratum, chosen in pairs.items():
            if not chosen:
                continue
            frame = compare(
                self._rows,
                np.array([unit[a] - unit[b] for a, b in chosen]),
                [f"{names[a]} - {names[b]}" for a, b in chosen],
                adjust=adjust,
                level=self.confidence_level,
            )
            for position, (name, level) in enumerate(zip(self.by, stratum, strict=True)):
                frame.insert(position, name, np.full(len(frame), level, dtype=object))
            frames.append(frame)
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
    offsets = fixed.offset_of(grid)
    offset = np.array([offsets[numbers == i].mean() for i in range(numbers.max() + 1)])
    table = grid.loc[[int(np.argmax(numbers == i)) for i in range(len(full))], keys]
    table = table.reset_index(drop=True)
    # As in R: within the `by` factors, the first factor named varies fastest.
    order = np.lexsort([pd.factorize(table[name])[0] for name in keys])
    means = MeanRows(full[order], offset[order], fixed, beta, inference)
    table = table.iloc[order].reset_index(drop=True)
    for column, values in _mean_columns(means.table(), transform, level).items():
        table[column] = values
    averaged = [name for name in fixed.factors if name not in keys]
    text = f"Marginal means of {', '.join(wanted)}"
    text += f" within {', '.join(within)}" if within else ""
    text += f", averaged with equal weights over {', '.join(averaged)}" if averaged else ""
    text += f"; back-transformed from the {transform} scale" if transform else ""
    return MarginalMeans(
        table=table,
        factors=tuple(wanted),
        by=tuple(within),
        confidence_level=level,
        transform=transform,
        description=text,
        _rows=means,
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


def _check_adjustment(adjust: str) -> None:
    if adjust not in ADJUSTMENTS:
        raise ValueError(f"`adjust` must be one of {ADJUSTMENTS}, got {adjust!r}.")


def _mean_columns(
    frame: pd.DataFrame, transform: str | None, level: float
) -> dict[str, np.ndarray]:
    estimate, se = frame["estimate"].to_numpy(), frame["standard_error"].to_numpy()
    half = scipy.stats.t.isf((1 - level) / 2, frame["df"].to_numpy()) * se
    low, high = estimate - half, estimate + half
    if transform is not None:
        inverse = np.exp if transform == "log" else scipy.special.expit
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
