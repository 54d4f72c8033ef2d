"""Which comparisons are primary, P values adjusted in their families, and what they mean."""

from __future__ import annotations

__all__ = ["judge", "reversed_arms"]

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...errors import UserError
from ...stats import adjust_pvalues
from ..evidence.alignment import SETTING
from ..evidence.options import AnalysisOptions


def reversed_arms(row: Mapping[Any, Any]) -> tuple[str, ...]:
    """Arms of a comparison whose AUC lies below 1/2 with its whole interval."""
    sides = ((row["arm"], row["auc_high"]), (row["reference"], row["auc_reference_high"]))
    return tuple(str(arm) for arm, high in sides if high < 0.5)


def judge(
    table: pd.DataFrame, options: AnalysisOptions, *, higher_is_better: bool = True
) -> pd.DataFrame:
    """A table with roles, families, adjusted P values and verdicts.

    Parameters
    ----------
    table : DataFrame
        Rows of comparisons with ``pvalue``, ``equivalence_pvalue`` and
        ``noninferiority_pvalue``.
    options : AnalysisOptions
    higher_is_better : bool, optional
        Whether the arm with the higher value is the superior one.

    Returns
    -------
    DataFrame
        A copy with ``role, family, verdict`` and ``<name>_adjusted`` of the three.

    Raises
    ------
    UserError
        If the primary comparison is not among the rows.
    """
    primary = np.ones(len(table), dtype=bool)
    for key, word in options.primary.items():
        primary &= (table[key] == str(word)).to_numpy()
    if options.primary and not primary.any():
        keys = ", ".join(f"{key} = {word!r}" for key, word in options.primary.items())
        raise UserError(
            f"[analysis] primary: no comparison has {keys}; there are:\n"
            + "\n".join(
                "  - " + " / ".join(row)
                for row in table[[*SETTING, "arm"]].astype(str).to_numpy().tolist()
            )
        )
    table = table.copy()
    table["role"] = np.where(primary, "primary", "secondary") if options.primary else ""
    table["family"] = [
        "" if role == "primary" else " / ".join(str(row[key]) for key in options.families)
        for role, row in zip(table["role"], table.to_dict("records"), strict=True)
    ]
    for name in ("pvalue", "equivalence_pvalue", "noninferiority_pvalue"):
        adjusted = np.full(len(table), np.nan)
        for family in table.groupby(["role", "family"], sort=False).indices.values():
            values = table[name].to_numpy(dtype=float)[family]
            adjusted[family] = adjust_pvalues(values, options.correction)
        table[f"{name}_adjusted"] = adjusted
    better = 1 if higher_is_better else -1
    table["verdict"] = [_verdict(row, options.alpha, better) for _, row in table.iterrows()]
    return table


def _verdict(row: pd.Series, alpha: float, better: int) -> str:
    if row["standard_error"] == 0 and row["difference"] == 0:
        return "identical"
    if math.isnan(row["pvalue"]):
        return "not estimable"
    if row["pvalue_adjusted"] < alpha:
        return "superior" if better * row["difference"] > 0 else "inferior"
    if row["equivalence_pvalue_adjusted"] < alpha:
        return "equivalent"
    # One-sided at half of alpha: non-inferior only if the interval shown is above -margin.
    if row["noninferiority_pvalue_adjusted"] < alpha / 2:
        return "non-inferior"
    return "inconclusive"
