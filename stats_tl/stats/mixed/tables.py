"""Tables that the linear and the logistic result have in common."""

from __future__ import annotations

__all__ = ["component_tables", "format_table", "random_effect_tables"]

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .specification.design import RandomTerm


def component_tables(
    terms: Sequence[RandomTerm], covariances: Sequence[np.ndarray], residual_sd: float | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Variances (with a residual row where there is a residual) and correlations."""
    rows, pairs = [], []
    for term, cov in zip(terms, covariances, strict=True):
        names = term.coefficients
        sd = np.sqrt(np.diag(cov))
        rows += [(term.name, name, cov[i, i], sd[i]) for i, name in enumerate(names)]
        for i in range(len(names)):
            for j in range(i + 1, len(names)):
                product = sd[i] * sd[j]
                correlation = cov[i, j] / product if product > 0 else math.nan
                pairs.append((term.name, names[i], names[j], cov[i, j], correlation))
    if residual_sd is not None:
        rows.append(("Residual", "", residual_sd**2, residual_sd))
    columns = ["group", "term_1", "term_2", "covariance", "correlation"]
    return (
        pd.DataFrame(rows, columns=["group", "term", "variance", "sd"]),
        pd.DataFrame(pairs, columns=columns).astype({"covariance": float, "correlation": float}),
    )


def random_effect_tables(
    terms: Sequence[RandomTerm], effects: Sequence[np.ndarray]
) -> dict[str, pd.DataFrame]:
    """One table a grouping factor, the effects of all its terms side by side."""
    frames: dict[str, list[pd.DataFrame]] = {}
    for term, values in zip(terms, effects, strict=True):
        index = pd.Index(term.levels, name=term.formula.group)
        frame = pd.DataFrame(values, index=index, columns=list(term.coefficients))
        frames.setdefault(term.formula.group, []).append(frame)
    return {group: pd.concat(parts, axis=1) for group, parts in frames.items()}


def format_table(frame: pd.DataFrame, *, index: bool = True) -> str:
    """A table for a printout: p values and degrees of freedom short, the rest to five digits."""
    out = frame.copy()
    for name in out.columns:
        if name == "pvalue":
            out[name] = [
                "nan" if np.isnan(p) else "<0.0001" if p < 1e-4 else f"{p:.4f}" for p in out[name]
            ]
        elif out[name].dtype.kind == "f":
            digits = ".1f" if name == "df" else ".5g"
            out[name] = [format(value, digits) for value in out[name]]
    return out.rename_axis(None).to_string(index=index)
