"""From a fitted mixed model: means of the arms, and joint tests of interactions.

The fixed part is coded by hand in :mod:`.results.mixed` (an arm by 0 and 1 against the reference,
the factors as deviations from their mean), so that every mean is a short sum of coefficients:

    reference:            intercept
    arm a:                intercept + arm_a
    arm a in level l:     intercept + arm_a + level_l + (arm_a x level_l)

with the last level of a factor minus the sum of the others. Means over all levels weigh them
equally. The degrees of freedom are those of the model's rule.
"""

from __future__ import annotations

__all__ = ["Layout", "arm_means", "interaction_tests"]

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

MEAN_COLUMNS = (
    "factor",
    "level",
    "arm",
    "estimate",
    "standard_error",
    "df",
    "ci_low",
    "ci_high",
)
TEST_COLUMNS = ("effect", "statistic", "df_numerator", "df_denominator", "pvalue")


@dataclass
class Layout:
    """Names of the coded columns.

    Attributes
    ----------
    reference : str
    arms : dict of str to str
        Candidate arm → its column.
    factors : dict of str to list of str
        Factor that interacts with the arm → its levels; level number k (from 1) has the
        columns ``<factor>k`` and ``<arm column>:<factor>k``, the last has none.
    """

    reference: str
    arms: dict[str, str] = field(default_factory=dict)
    factors: dict[str, list[str]] = field(default_factory=dict)


def arm_means(fit: Any, layout: Layout) -> pd.DataFrame:
    """Marginal means of every arm: over all levels, then within each level of a factor.

    Parameters
    ----------
    fit : MixedModelResult
    layout : Layout

    Returns
    -------
    DataFrame
        Columns :data:`MEAN_COLUMNS`; `factor` and `level` are empty for the overall means.
        Means that the design does not allow (a column was dropped) are left out.
    """
    known = set(fit.coefficients.index)
    rows = []
    for factor, level, arm, weights in _weights(layout):
        if not set(weights) <= known:
            continue
        mean = fit.contrast(weights)
        rows.append(
            (
                factor,
                level,
                arm,
                mean.estimate,
                mean.standard_error,
                mean.df,
                mean.confidence_interval.low,
                mean.confidence_interval.high,
            )
        )
    return pd.DataFrame(rows, columns=list(MEAN_COLUMNS))


def interaction_tests(fit: Any, interactions: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Joint F test that all coefficients of an interaction are zero, for each interaction.

    Returns
    -------
    DataFrame
        Columns :data:`TEST_COLUMNS`.
    """
    names = list(fit.coefficients.index)
    rows = []
    for effect, columns in interactions.items():
        own = [names.index(column) for column in columns if column in names]
        if not own:
            continue
        test = fit.contrast(np.eye(len(names))[own])
        df = test.df if isinstance(test.df, tuple) else (float(len(own)), test.df)
        rows.append((effect, test.statistic, df[0], df[1], test.pvalue))
    return pd.DataFrame(rows, columns=list(TEST_COLUMNS))


def _weights(layout: Layout) -> Iterator[tuple[str, str, str, dict[str, float]]]:
    arms = {layout.reference: None, **layout.arms}
    for arm, column in arms.items():
        yield "", "", arm, {"(Intercept)": 1.0, **({column: 1.0} if column else {})}
    for factor, levels in layout.factors.items():
        others = range(1, len(levels))
        for number, level in enumerate(levels, 1):
            signs = {number: 1.0} if number < len(levels) else dict.fromkeys(others, -1.0)
            for arm, column in arms.items():
                weights = {"(Intercept)": 1.0}
                weights |= {f"{factor}{k}": sign for k, sign in signs.items()}
                if column:
                    weights[column] = 1.0
                    weights |= {f"{column}:{factor}{k}": sign for k, sign in signs.items()}
                yield factor, level, arm, weights
