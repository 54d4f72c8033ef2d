"""Likelihood-ratio test of two nested mixed models."""

from __future__ import annotations

__all__ = ["likelihood_ratio_test"]

import math

import numpy as np
import scipy

from ..procedure import Procedure, ResultWarning
from ..results import ConfidenceInterval, TestResult
from .likelihood.solver import solve
from .result import MixedModelResult
from .specification.syntax import deparse


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
    if (
        small.n_rows != large.n_rows
        or not np.array_equal(small.y - small.fixed.offset, large.y - large.fixed.offset)
        or not np.array_equal(small.weights, large.weights)
    ):
        raise ValueError(
            "`reduced` and `full` must be fits of the same response to the same rows, with the "
            "same offset and weights; got "
            f"{small.n_rows} and {large.n_rows} rows of {deparse(small.formula.response)!r} and "
            f"{deparse(large.formula.response)!r}."
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
        pvalue=float(scipy.stats.chi2.sf(statistic, df)),
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
        warnings=tuple(
            ResultWarning("refit-failed", f"a refit failed: {failure}") for failure in failures
        ),
        procedure=Procedure(name="likelihood-ratio"),
    )
