"""Comparing fits by their likelihoods: nested models, and models without a random term."""

from __future__ import annotations

__all__ = ["likelihood_ratio_test", "random_term_tests"]

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats as sps

from ..results import ConfidenceInterval, TestResult
from .likelihood.solver import Solution, Standardized, solve
from .specification.design import MixedDesign, RandomTerm, build_design
from .specification.formula import RandomTermFormula, ordered_terms

if TYPE_CHECKING:
    from .result import MixedModelResult


def likelihood_ratio_test(reduced: MixedModelResult, full: MixedModelResult) -> TestResult:
    """Likelihood-ratio test between two nested mixed models of the same data.

    Models fitted by REML are refitted by maximum likelihood, because restricted
    likelihoods with different fixed effects are not comparable. The reference is
    chi-square with as many degrees of freedom as `full` has more parameters.

    Parameters
    ----------
    reduced, full : MixedModelResult
        Fits of the same rows; every term of `reduced` is a term of `full`. That the
        models are nested is checked by the column space of their fixed parts and by the
        number of their parameters.

    Returns
    -------
    TestResult
        ``statistic`` chi-square, ``df``, ``pvalue``; no estimate.

    Raises
    ------
    ValueError
        Where the responses differ, or `reduced` is not nested in `full`.

    Notes
    -----
    For fixed effects with few groups the test is anti-conservative: prefer
    Kenward-Roger. For a variance, whose null value is on the boundary, it is
    conservative.

    References
    ----------
    Pinheiro JC, Bates DM (2000). Mixed-Effects Models in S and S-PLUS, section 2.4.
    doi:10.1007/b98882

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from stats_tl.stats import fit_mixed_model, likelihood_ratio_test
    >>> rng = np.random.default_rng(1)
    >>> data = pd.DataFrame({"seed": np.repeat(np.arange(8), 6), "arm": ["a", "b"] * 24})
    >>> seed_effect = rng.normal(0, 0.02, 8)[data["seed"]]
    >>> data["auc"] = 0.8 + seed_effect + 0.01 * (data["arm"] == "b") + rng.normal(0, 0.01, 48)
    >>> full = fit_mixed_model("auc ~ arm + (1 | seed)", data)
    >>> reduced = fit_mixed_model("auc ~ 1 + (1 | seed)", data)
    >>> test = likelihood_ratio_test(reduced, full)
    >>> test.df, round(test.statistic, 2)
    (1.0, 8.3)
    """
    designs = [model._solution.std.design for model in (reduced, full)]
    small, large = designs
    if small.n_rows != large.n_rows or not np.array_equal(small.y, large.y):
        raise ValueError(
            "`reduced` and `full` must be fits of the same response to the same rows; got "
            f"{small.n_rows} and {large.n_rows} rows of {small.formula.response!r} and "
            f"{large.formula.response!r}."
        )
    df = full.n_parameters - reduced.n_parameters
    X, x = large.fixed.matrix, small.fixed.matrix
    rest = x - X @ np.linalg.lstsq(X, x, rcond=None)[0]
    if df <= 0 or np.abs(rest).max() > 1e-6 * np.abs(x).max():
        raise ValueError(
            f"`reduced` ({reduced.formula}, {reduced.n_parameters} parameters) is not nested in "
            f"`full` ({full.formula}, {full.n_parameters} parameters)."
        )
    fits = [
        model._solution if not model.reml else solve(model._solution.std, reml=False)
        for model in (reduced, full)
    ]
    refitted = reduced.reml or full.reml
    failures = [fit.failure for fit in fits if fit.failure]
    statistic = math.nan if failures else float(max(fits[0].deviance - fits[1].deviance, 0.0))
    return TestResult(
        statistic=statistic,
        pvalue=float(sps.chi2.sf(statistic, df)),
        df=float(df),
        estimate=math.nan,
        estimates=(),
        standard_error=math.nan,
        confidence_interval=ConfidenceInterval(math.nan, math.nan),
        confidence_level=full.confidence_level,
        alternative="two-sided",
        null_value=0.0,
        n_cases=full.n_rows,
        n_groups=None,
        method=(
            "Likelihood-ratio test of nested linear mixed models"
            + (" (refitted by maximum likelihood)" if refitted else "")
            + f": {reduced.formula} against {full.formula}"
        ),
        warnings=tuple(f"a refit failed: {failure}" for failure in failures),
    )


def random_term_tests(solution: Solution, n_parameters: int, *, converged: bool) -> pd.DataFrame:
    """The table behind :meth:`MixedModelResult.ranova`."""
    design = solution.std.design
    value = -solution.deviance / 2 if converged else math.nan
    rows = {"<none>": _row(n_parameters, value)}
    written = design.formula.random
    for term in sorted(design.random, key=lambda t: written.index(t.formula)):
        for label, instead in _reductions(term, written):
            formula = design.formula.without(term.formula, *instead)
            smaller = build_design(formula, design.data) if formula.random else None
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
                "pvalue": float(sps.chi2.sf(statistic, df)),
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
    effects = [str(t) for t in ordered_terms(written.effects)]
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
