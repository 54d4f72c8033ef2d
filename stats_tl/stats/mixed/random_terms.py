"""Likelihood-ratio test of each random term against the model without it."""

from __future__ import annotations

__all__ = ["random_term_tests"]

import math

import numpy as np
import pandas as pd
import scipy

from .likelihood.solver import Solution, Standardized, solve
from .specification.design import MixedDesign, RandomTerm, build_design
from .specification.formula import RandomTermFormula, effect_labels


def random_term_tests(solution: Solution, n_parameters: int, *, converged: bool) -> pd.DataFrame:
    """The table behind :meth:`MixedModelResult.ranova`."""
    design = solution.std.design
    value = -solution.deviance / 2 if converged else math.nan
    rows = {"<none>": _row(n_parameters, value)}
    written = design.formula.random
    for term in sorted(design.random, key=lambda t: written.index(t.formula)):
        for label, instead in _reductions(term, written):
            formula = design.formula.without(term.formula, *instead)
            smaller = build_design(formula, design.data, design.weights) if formula.random else None
            if smaller is None:
                count = design.fixed.matrix.shape[1] + 1
                reduced = _linear_log_likelihood(design, reml=solution.reml)
            else:
                fit = solve(Standardized(smaller), reml=solution.reml)
                count = smaller.n_parameters
                reduced = math.nan if fit.failure else -fit.deviance / 2
            df = n_parameters - count
            statistic = max(2 * (value - reduced), 0.0) if converged else math.nan
            rows[label] = _row(count, reduced) | {
                "statistic": statistic,
                "df": df,
                "pvalue": float(scipy.stats.chi2.sf(statistic, df)),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("removed")


def _row(count: int, log_likelihood: float) -> dict[str, float]:
    return {
        "n_parameters": count,
        "log_likelihood": log_likelihood,
        "aic": 2 * count - 2 * log_likelihood,
        "statistic": math.nan,
        "df": math.nan,
        "pvalue": math.nan,
    }


def _reductions(
    term: RandomTerm, others: tuple[RandomTermFormula, ...]
) -> list[tuple[str, tuple[RandomTermFormula, ...]]]:
    """Without each slope; or intercepts for a factor's ``(0 + f | g)``; or without the term."""
    written = term.formula
    effects = effect_labels(written.effects)
    slopes = [effect for effect in effects if effect != "1"]
    intercept = RandomTermFormula("1", written.factors)
    if slopes and "1" not in effects:
        # One effect a level of a factor holds the intercept; a numeric slope does not.
        spans_intercept = len(slopes) == 1 and np.allclose(term.z.sum(axis=1), 1.0)
        if spans_intercept and term.z.shape[1] > 1 and intercept not in others:
            return [(f"{slopes[0]} in {written}", (intercept,))]
    if not slopes or "1" not in effects:
        return [(str(written), ())]
    out: list[tuple[str, tuple[RandomTermFormula, ...]]] = []
    for slope in slopes:
        rest = " + ".join(effect for effect in effects if effect != slope)
        out.append((f"{slope} in {written}", (RandomTermFormula(rest, written.factors),)))
    return out


def _linear_log_likelihood(design: MixedDesign, *, reml: bool) -> float:
    """The (restricted) log-likelihood of the model without random effects."""
    std = Standardized(design)
    nu = design.n_rows - design.fixed.matrix.shape[1] if reml else design.n_rows
    unit = nu * (1 + math.log(2 * math.pi * design.n_rows / nu))
    return -(unit + std.deviance_shift(reml=reml)) / 2
