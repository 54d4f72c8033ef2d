"""Fit a linear mixed model from a formula and a table."""

from __future__ import annotations

__all__ = ["fit_mixed_model"]

import math
import warnings as _warnings

import numpy as np
import pandas as pd
import scipy
from numpy.typing import ArrayLike

from .._shared.inference import check_confidence_level
from ..procedure import ResultWarning
from .inference import DDF_METHODS, Inference, make_inference
from .likelihood.solver import (
    SINGULAR_TOLERANCE,
    Solution,
    Standardized,
    slope_scales,
    solve,
)
from .result import MixedModelResult
from .specification.design import MixedDesign, build_design
from .specification.formula import parse_formula
from .tables import component_tables, random_effect_tables
from .warnings import (
    MixedModelConvergenceWarning,
    MixedModelWarning,
    SingularFitWarning,
    result_warnings,
)


def fit_mixed_model(
    formula: str,
    data: pd.DataFrame,
    *,
    reml: bool = True,
    ddf: str = "kenward-roger",
    confidence_level: float = 0.95,
    weights: str | ArrayLike | None = None,
) -> MixedModelResult:
    r"""Fit a linear mixed model with crossed or nested random effects.

    The model is :math:`y = X\beta + Zu + e` with :math:`u \sim N(0, \sigma^2\Lambda\Lambda')`
    and :math:`e \sim N(0, \sigma^2 I)`, fitted by restricted maximum likelihood.

    Parameters
    ----------
    formula : str
        lme4's language: ``(1 | g)`` random intercepts, ``(x | g)`` correlated intercepts
        and slopes, ``(x || g)`` uncorrelated ones, ``(0 + x | g)`` slopes only, several
        terms for crossed factors, ``(1 | a/b)`` for nested ones, ``(1 | a:b)`` for an
        interaction. Columns and their names are those of R's ``model.matrix``: ``*``, ``:``,
        ``/``, ``%in%``, ``^``, ``-``, ``offset()``, ``I()``, ``poly()``, ``scale()``,
        ``factor()``, ``C()``, ``log()``, ``logit()`` and more; what is not available is
        refused by name.
    data : DataFrame of n rows
        Text, boolean and categorical columns are factors with R's treatment contrasts:
        the reference is the first level in alphabetical (code point) order, or the
        first category. Ordered categoricals get polynomial contrasts, as ordered factors
        in R. No value in use may be missing.
    reml : bool
        Restricted (default) or ordinary maximum likelihood.
    ddf : {"kenward-roger", "satterthwaite", "wald"}
        Degrees of freedom of the t and F tests. Kenward and Roger's rule also adjusts
        the standard errors; it is defined for REML fits only, so a maximum-likelihood
        fit falls back to Satterthwaite's with a `MixedModelWarning`, and ``.ddf`` says so.
    confidence_level : float
        Coverage of the intervals.
    weights : str or array-like of shape (n,), optional
        Prior weights (or the column that holds them), as lme4's: the residual variance of a
        row is :math:`\sigma^2` over its weight.

    Returns
    -------
    MixedModelResult
        Estimates, variance components, tests, marginal means; ``print`` it.

    Raises
    ------
    ValueError
        Where the formula cannot be read, a column is absent or has missing values, the
        response is not finite, or a grouping factor has one level only or as many
        levels as there are rows.

    Warns
    -----
    SingularFitWarning
        A variance is estimated as zero, or a correlation as ±1.
    MixedModelConvergenceWarning
        No maximum was found: every number of the result is NaN.
    MixedModelWarning
        Aliased columns were dropped, `ddf` was replaced, or the variance components are not
        identifiable.

    Notes
    -----
    The profiled likelihood is evaluated on cross-products (Bates et al. 2015), the
    largest random term eliminated analytically, and minimised by Newton's method with
    exact derivatives. The cost of an evaluation grows with the square of the number of
    random effects *outside* the largest term and with its cube where that is large: two
    crossed factors of some thousand levels *each* are slow here.

    Do not use it where the number of levels of the factor that matters is tiny (with
    two seeds there is no variance between seeds to speak of), for 0/1 outcomes
    (:func:`fit_binomial_mixed_model`), nor to compare training procedures on
    *one* data set by repeated cross-validation: folds share cases and training data, so
    the random effects do not describe their dependence and the test is far too liberal.
    With tasks or data sets as the unit it is the right tool.

    References
    ----------
    .. [1] Bates D, Mächler M, Bolker B, Walker S (2015). Fitting linear mixed-effects
       models using lme4. J Stat Softw 67(1). doi:10.18637/jss.v067.i01
    .. [2] Kenward MG, Roger JH (1997). Small sample inference for fixed effects from
       restricted maximum likelihood. Biometrics 53:983. doi:10.2307/2533558
    .. [3] Kuznetsova A, Brockhoff PB, Christensen RHB (2017). lmerTest package: tests in
       linear mixed effects models. J Stat Softw 82(13). doi:10.18637/jss.v082.i13

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from stats_tl.stats import fit_mixed_model
    >>> rng = np.random.default_rng(0)
    >>> data = pd.DataFrame(
    ...     [(f"t{t}", f"s{s}", arm) for t in range(6) for s in range(4) for arm in ("a", "b")],
    ...     columns=["task", "seed", "arm"],
    ... )
    >>> task, seed = rng.normal(0, 0.05, 6), rng.normal(0, 0.01, 4)
    >>> data["auc"] = (
    ...     0.85 + task[data["task"].str[1:].astype(int)] + seed[data["seed"].str[1:].astype(int)]
    ...     + 0.02 * (data["arm"] == "b") + rng.normal(0, 0.01, len(data))
    ... )
    >>> fit = fit_mixed_model("auc ~ arm + (1 | task) + (1 | seed)", data)
    >>> fit.coefficients.loc["armb", ["estimate", "df"]].round(4).tolist()
    [0.025, 38.0]
    >>> fit.marginal_means("arm").table.round(3)["estimate"].tolist()
    [0.854, 0.879]
    """
    if ddf not in DDF_METHODS:
        raise ValueError(f"`ddf` must be one of {DDF_METHODS}, got {ddf!r}.")
    level = check_confidence_level(confidence_level)
    design = build_design(parse_formula(formula), data, weights)
    notes: list[tuple[type[Warning], str]] = []
    if design.fixed.dropped:
        notes.append(
            (
                MixedModelWarning,
                "the fixed-effects matrix is rank deficient; dropped, as R does: "
                + ", ".join(design.fixed.dropped),
            )
        )
    if not reml and ddf == "kenward-roger":
        ddf = "satterthwaite"
        notes.append(
            (
                MixedModelWarning,
                "Kenward-Roger inference is defined for REML fits only; this maximum-likelihood "
                "fit uses Satterthwaite's degrees of freedom",
            )
        )
    solution = solve(Standardized(design), reml=bool(reml))
    if solution.failure:
        text = f"the model was not fitted, and all its numbers are NaN: {solution.failure}"
        notes.append((MixedModelConvergenceWarning, text))
    elif solution.singular:
        notes.append((SingularFitWarning, f"singular fit: {_boundary(solution)}"))
    if not solution.std.exact and not solution.identifiable:
        notes.append(
            (
                MixedModelWarning,
                "the data do not identify the variance components: two random terms group the "
                "rows alike, or the fixed effects explain all that a random term could. How the "
                "variance is shared out among them is arbitrary; drop one of the terms",
            )
        )
    for category, text in notes:
        _warnings.warn(text, category, stacklevel=2)
    return _assemble(design, solution, ddf, level, result_warnings(notes))


def _boundary(solution: Solution) -> str:
    """Which variances are zero or correlations ±1."""
    parts = []
    std = solution.std
    relative = std.map.factors(solution.theta)
    for term, L, own in zip(std.design.random, relative, solution.factors, strict=True):
        zero = slope_scales(term.z) * np.sqrt((own**2).sum(axis=1)) < SINGULAR_TOLERANCE
        parts += [
            f"the variance of {name} between levels of {term.name} is estimated as zero"
            for name, is_zero in zip(term.coefficients, zero, strict=True)
            if is_zero
        ]
        if not zero.any() and (np.diag(L) < SINGULAR_TOLERANCE).any():
            parts.append(f"the random effects of {term.name} are estimated as perfectly correlated")
    return "; ".join(parts) + ". Inference on them is not to be trusted; consider a simpler model"


def _assemble(
    design: MixedDesign,
    solution: Solution,
    ddf: str,
    level: float,
    notes: tuple[ResultWarning, ...],
) -> MixedModelResult:
    failed = bool(solution.failure)
    names = design.fixed.names
    inference = make_inference(solution, ddf)
    p = len(names)
    empty = np.full((p, p), math.nan)
    vcov = empty if failed else inference.vcov
    plain = empty if failed else solution.vcov
    beta = np.full(p, math.nan) if failed else solution.beta
    deviance = solution.deviance if not failed else math.nan
    effects = (
        [np.full((t.n_levels, len(t.coefficients)), math.nan) for t in design.random]
        if failed
        else solution.random_effects()
    )
    fitted = design.fixed.matrix @ beta + design.fixed.offset
    for term, values in zip(design.random, effects, strict=True):
        fitted = fitted + (term.z * values[term.codes]).sum(axis=1)
    covariances = [cov * (math.nan if failed else 1.0) for cov in solution.covariances]
    sigma = math.nan if failed else solution.sigma
    variances, correlations = component_tables(design.random, covariances, sigma)
    count = design.n_parameters
    theta = solution.std.map.theta(solution.factors) if not failed else solution.theta * math.nan
    return MixedModelResult(
        formula=str(design.formula),
        coefficients=_coefficients(names, beta, vcov, inference, level=level, failed=failed),
        variance_components=variances,
        correlations=correlations,
        vcov=pd.DataFrame(vcov, index=names, columns=names),
        vcov_unadjusted=pd.DataFrame(plain, index=names, columns=names),
        random_effects=random_effect_tables(design.random, effects),
        fitted=fitted,
        residuals=design.y - fitted,
        log_likelihood=-deviance / 2,
        aic=deviance + 2 * count,
        bic=deviance + math.log(design.n_rows) * count,
        deviance=deviance,
        sigma=sigma,
        theta=theta,
        n_rows=design.n_rows,
        n_parameters=count,
        n_groups={t.formula.group: t.n_levels for t in design.random},
        reml=solution.reml,
        converged=not failed,
        singular=not failed and solution.singular,
        ddf=ddf,
        confidence_level=level,
        dropped_terms=design.fixed.dropped,
        warnings=notes,
        _solution=solution,
        _inference=inference,
    )


def _coefficients(
    names: list[str],
    beta: np.ndarray,
    vcov: np.ndarray,
    inference: Inference,
    *,
    level: float,
    failed: bool,
) -> pd.DataFrame:
    se = np.sqrt(np.diag(vcov))
    unit = np.eye(len(names))
    df = np.array([math.nan if failed else inference.df(row) for row in unit])
    statistic = beta / se
    half = scipy.stats.t.isf((1 - level) / 2, df) * se
    return pd.DataFrame(
        {
            "estimate": beta,
            "standard_error": se,
            "df": df,
            "statistic": statistic,
            "pvalue": 2 * scipy.stats.t.sf(np.abs(statistic), df),
            "ci_low": beta - half,
            "ci_high": beta + half,
        },
        index=pd.Index(names, name="term"),
    )
