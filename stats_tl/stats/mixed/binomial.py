"""Logistic mixed models of 0/1 outcomes: who was classified correctly, and by which arm."""

from __future__ import annotations

__all__ = ["BinomialMixedModelResult", "fit_binomial_mixed_model"]

import math
import warnings as _warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import scipy

from .._shared.inference import check_confidence_level
from ..procedure import ResultWarning
from ..results import format_number
from .inference import Wald
from .likelihood.laplace import LaplaceCriterion
from .likelihood.laplace_search import maximise
from .likelihood.solver import SINGULAR_TOLERANCE, random_basis
from .means import MarginalMeans, marginal_means
from .specification.design import MixedDesign, build_design
from .specification.formula import parse_formula
from .specification.syntax import Name, deparse
from .tables import component_tables, format_table, random_effect_tables
from .warnings import (
    MixedModelConvergenceWarning,
    MixedModelWarning,
    SingularFitWarning,
    result_warnings,
)

#: Log odds beyond which a coefficient means separation, not an effect.
_SEPARATED = 15.0


class _KnownCovariance(Wald):
    """Wald inference from a covariance matrix alone."""

    def __init__(self, vcov: np.ndarray) -> None:
        self.vcov = vcov


@dataclass(frozen=True)
class BinomialMixedModelResult:
    """A fitted logistic mixed model; made by :func:`fit_binomial_mixed_model`.

    Attributes
    ----------
    formula : str
        The formula, nestings and double bars written out.
    coefficients : DataFrame
        Log odds. Index: term; columns ``estimate``, ``standard_error``, ``df`` (infinite),
        ``statistic`` (z), ``pvalue``, ``ci_low``, ``ci_high``.
    odds_ratios : DataFrame
        Index: term (without the intercept); columns ``odds_ratio``, ``standard_error``
        (delta method), ``ci_low``, ``ci_high``, ``pvalue``.
    variance_components : DataFrame
        Columns ``group``, ``term``, ``variance``, ``sd``, on the scale of log odds. There
        is no residual row.
    correlations : DataFrame
        Columns ``group``, ``term_1``, ``term_2``, ``covariance``, ``correlation``: one row
        for each pair of correlated random effects.
    random_effects : dict of DataFrame
        Conditional modes by grouping factor.
    vcov : DataFrame
        Covariance matrix of the coefficients, from the Hessian of the Laplace deviance in
        all parameters.
    fitted : ndarray of shape (n,)
        Probabilities, conditional on the random effects.
    log_likelihood, aic, bic : float
        By Laplace's approximation.
    n_rows, n_parameters : int
        Observations and parameters.
    n_groups : dict
        Levels of each grouping factor.
    converged, singular : bool
        Whether a maximum was found; whether a variance is zero there.
    confidence_level : float
        Coverage of the intervals.
    warnings : tuple of ResultWarning
        What the reader of the numbers must know.
    """

    formula: str
    coefficients: pd.DataFrame
    odds_ratios: pd.DataFrame
    variance_components: pd.DataFrame
    correlations: pd.DataFrame
    random_effects: dict[str, pd.DataFrame]
    vcov: pd.DataFrame
    fitted: np.ndarray
    log_likelihood: float
    aic: float
    bic: float
    n_rows: int
    n_parameters: int
    n_groups: dict[str, int]
    converged: bool
    singular: bool
    confidence_level: float
    warnings: tuple[ResultWarning, ...]
    _design: MixedDesign = field(repr=False, compare=False)

    def marginal_means(
        self,
        factors: str | Sequence[str],
        *,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, object] | None = None,
        transform: str | None = "logit",
        confidence_level: float | None = None,
    ) -> MarginalMeans:
        """Probabilities for the levels of `factors`, for an average (zero) random effect.

        Arguments as in :meth:`MixedModelResult.marginal_means`; ``transform=None`` gives
        log odds. Differences (`pairs`) are log odds ratios.
        """
        return marginal_means(
            self._design.fixed,
            self.coefficients["estimate"].to_numpy(),
            _KnownCovariance(self.vcov.to_numpy()) if self.converged else None,
            factors,
            by=by,
            at=at,
            transform=transform,
            confidence_level=(
                self.confidence_level if confidence_level is None else confidence_level
            ),
        )

    def __str__(self) -> str:
        groups = ", ".join(f"{name} {count}" for name, count in self.n_groups.items())
        lines = [
            "Logistic mixed model fitted by maximum likelihood (Laplace approximation); Wald tests",
            f"formula: {self.formula}",
            f"{self.n_rows} observations; levels: {groups}",
            f"log-likelihood {format_number(self.log_likelihood, 3)}, "
            f"AIC {format_number(self.aic, 1)}, BIC {format_number(self.bic, 1)}",
            "",
            "Random effects (log odds)",
            format_table(self.variance_components, index=False),
            *([format_table(self.correlations, index=False)] if len(self.correlations) else []),
            "",
            f"Fixed effects, log odds ({100 * self.confidence_level:g} % confidence intervals)",
            format_table(self.coefficients.drop(columns="df")),
        ]
        if len(self.odds_ratios):
            lines += ["", "Odds ratios", format_table(self.odds_ratios)]
        lines += [f"warning: {text}" for text in self.warnings]
        return "\n".join(lines)


def fit_binomial_mixed_model(
    formula: str, data: pd.DataFrame, *, confidence_level: float = 0.95
) -> BinomialMixedModelResult:
    r"""Fit a logistic mixed model of 0/1 outcomes by Laplace's approximation.

    The model is :math:`\mathrm{logit} P(y_i = 1) = x_i'\beta + z_i'u` with
    :math:`u \sim N(0, \Lambda\Lambda')`, as lme4's ``glmer(family = binomial)``.

    Parameters
    ----------
    formula : str
        As for :func:`fit_mixed_model`, with a 0/1 (or boolean) response, for example
        ``"correct ~ arm + (1 | case) + (1 | seed)"``.
    data : DataFrame of n rows
        One row an outcome.
    confidence_level : float
        Coverage of the Wald intervals.

    Returns
    -------
    BinomialMixedModelResult
        Log odds, odds ratios, variance components, marginal probabilities.

    Raises
    ------
    ValueError
        As :func:`fit_mixed_model`, and where the response is not 0/1 or has one class.

    Warns
    -----
    SingularFitWarning
        A variance is estimated as zero, or a correlation as ±1.
    MixedModelConvergenceWarning
        No maximum was found, or the outcomes are separated: every number is NaN.

    Notes
    -----
    The deviance is minimised with its exact gradient, the mode of the random effects
    found to rounding at every point; lme4 agrees once its ``tolPwrss`` is small. Standard
    errors come from the Hessian in all parameters, by central differences of the gradient.
    Laplace's approximation is biased towards zero variance where a level has few rows and
    the outcomes are rare. Odds ratios are conditional on the random effects and lie further
    from 1 than population-averaged ones. For a difference of AUCs use :func:`delong_test`,
    not this.

    References
    ----------
    .. [1] Bates D, Mächler M, Bolker B, Walker S (2015). Fitting linear mixed-effects
       models using lme4. J Stat Softw 67(1). doi:10.18637/jss.v067.i01
    .. [2] Breslow NE, Clayton DG (1993). Approximate inference in generalized linear mixed
       models. J Am Stat Assoc 88:9. doi:10.1080/01621459.1993.10594284

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from stats_tl.stats import fit_binomial_mixed_model
    >>> rng = np.random.default_rng(3)
    >>> data = pd.DataFrame({"case": np.repeat(np.arange(60), 6), "arm": ["a", "b"] * 180})
    >>> log_odds = 1 + rng.normal(size=60)[data["case"]] + 0.8 * (data["arm"] == "b")
    >>> data["correct"] = (rng.random(360) < 1 / (1 + np.exp(-log_odds))).astype(int)
    >>> fit = fit_binomial_mixed_model("correct ~ arm + (1 | case)", data)
    >>> fit.odds_ratios.round(2)["odds_ratio"].tolist()
    [1.79]
    """
    level = check_confidence_level(confidence_level)
    design = build_design(parse_formula(formula), _numeric_response(formula, data))
    response = deparse(design.formula.response)
    if not np.isin(design.y, (0.0, 1.0)).all():
        raise ValueError(f"The response {response!r} must be 0/1 or boolean.")
    if design.y.min() == design.y.max():
        raise ValueError(
            f"The response {response!r} is {design.y[0]:g} in every row; both classes are needed."
        )
    bases = [random_basis(t.z) for t in design.random]
    zs = [np.linalg.solve(T.T, t.z.T).T for t, T in zip(design.random, bases, strict=True)]
    # An orthonormal basis of X keeps the search and its differences well scaled.
    Q, R = np.linalg.qr(design.fixed.matrix)
    unit = math.sqrt(design.n_rows)
    criterion = LaplaceCriterion(design.random, zs, unit * Q, design.y, design.fixed.offset)
    parameters, covariance, failure = maximise(criterion)
    size = len(criterion.map.entries)
    theta = criterion.map.normalised(parameters[:size])
    mode = criterion.mode(np.concatenate([theta, parameters[size:]]))
    transform = np.linalg.inv(R) * unit
    beta = transform @ parameters[size:]
    vcov = transform @ covariance[size:, size:] @ transform.T
    fixed_part = np.abs(design.fixed.matrix @ beta).max()
    if not failure and max(2 * fixed_part, np.abs(mode.linear_predictor).max()) > 2 * _SEPARATED:
        failure = (
            "the outcomes are separated: some fitted probabilities are 0 or 1, and a coefficient "
            "or a variance is infinite"
        )
    singular = bool((theta[criterion.map.diagonal] < SINGULAR_TOLERANCE).any())
    notes: list[tuple[type[Warning], str]] = []
    if design.fixed.dropped:
        text = "the fixed-effects matrix is rank deficient; dropped, as R does: "
        notes.append((MixedModelWarning, text + ", ".join(design.fixed.dropped)))
    if failure:
        text = f"the model was not fitted, and all its numbers are NaN: {failure}"
        notes.append((MixedModelConvergenceWarning, text))
    elif singular:
        text = "singular fit: a variance is estimated as zero or a correlation as ±1"
        notes.append((SingularFitWarning, text))
    for category, text in notes:
        _warnings.warn(text, category, stacklevel=2)
    blank = math.nan if failure else 1.0
    names = design.fixed.names
    coefficients = _coefficient_table(names, blank * beta, blank * vcov, level)
    covariances = [
        blank * np.linalg.solve(T, f) @ np.linalg.solve(T, f).T
        for f, T in zip(criterion.map.factors(theta), bases, strict=True)
    ]
    variances, correlations = component_tables(design.random, covariances, None)
    effects = [
        blank * np.linalg.solve(T, values.T).T
        for values, T in zip(criterion.effects(mode), bases, strict=True)
    ]
    count = size + len(names)
    log_likelihood = -blank * mode.deviance / 2
    return BinomialMixedModelResult(
        formula=str(design.formula),
        coefficients=coefficients,
        odds_ratios=_odds_ratios(coefficients),
        variance_components=variances,
        correlations=correlations,
        random_effects=random_effect_tables(design.random, effects),
        vcov=pd.DataFrame(blank * vcov, index=names, columns=names),
        fitted=blank / (1 + np.exp(-mode.linear_predictor)),
        log_likelihood=log_likelihood,
        aic=2 * count - 2 * log_likelihood,
        bic=math.log(design.n_rows) * count - 2 * log_likelihood,
        n_rows=design.n_rows,
        n_parameters=count,
        n_groups={t.formula.group: t.n_levels for t in design.random},
        converged=not failure,
        singular=not failure and singular,
        confidence_level=level,
        warnings=result_warnings(notes),
        _design=design,
    )


def _numeric_response(formula: str, data: pd.DataFrame) -> pd.DataFrame:
    """Booleans as 0/1 where they are the response (elsewhere they are factors)."""
    response = parse_formula(formula).response
    if (
        isinstance(response, Name)
        and isinstance(data, pd.DataFrame)
        and response.name in data.columns
    ):
        name = response.name
        column = data[name]
        if pd.api.types.is_bool_dtype(column.dtype) and not column.isna().any():
            return data.assign(**{name: column.astype(int)})
    return data


def _coefficient_table(
    names: list[str], beta: np.ndarray, vcov: np.ndarray, level: float
) -> pd.DataFrame:
    se = np.sqrt(np.diag(vcov))
    half = scipy.stats.norm.isf((1 - level) / 2) * se
    return pd.DataFrame(
        {
            "estimate": beta,
            "standard_error": se,
            "df": math.inf,
            "statistic": beta / se,
            "pvalue": 2 * scipy.stats.norm.sf(np.abs(beta / se)),
            "ci_low": beta - half,
            "ci_high": beta + half,
        },
        index=pd.Index(names, name="term"),
    )


def _odds_ratios(coefficients: pd.DataFrame) -> pd.DataFrame:
    kept = coefficients.drop(index="(Intercept)", errors="ignore")
    ratio = np.exp(kept["estimate"])
    return pd.DataFrame(
        {
            "odds_ratio": ratio,
            "standard_error": ratio * kept["standard_error"],
            "ci_low": np.exp(kept["ci_low"]),
            "ci_high": np.exp(kept["ci_high"]),
            "pvalue": kept["pvalue"],
        }
    )
