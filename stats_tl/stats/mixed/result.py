"""The result of :func:`stats_tl.stats.fit_mixed_model`."""

from __future__ import annotations

__all__ = ["MixedModelResult"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from .._shared.inference import check_confidence_level
from ..procedure import ResultWarning
from ..results import TestResult, format_number
from .contrasts import contrast_test, f_statistic, joint_test, weights_from
from .inference import Inference
from .likelihood.solver import Solution
from .means import MarginalMeans, marginal_means
from .profile import profile_intervals, wald_intervals
from .random_terms import random_term_tests
from .tables import format_table
from .type_three import type_three_hypotheses


@dataclass(frozen=True)
class MixedModelResult:
    """A fitted linear mixed model; made by :func:`~stats_tl.stats.fit_mixed_model`.

    Attributes
    ----------
    formula : str
        The formula, nestings and double bars written out.
    coefficients : DataFrame
        Index: term, named as R names it. Columns ``estimate``, ``standard_error``, ``df``,
        ``statistic`` (t), ``pvalue``, ``ci_low``, ``ci_high``.
    variance_components : DataFrame
        Columns ``group``, ``term``, ``variance``, ``sd``; the last row is the residual.
        Groups come in lme4's order (most levels first), and a group with several
        uncorrelated terms appears as ``g``, ``g.1``, ….
    correlations : DataFrame
        Columns ``group``, ``term_1``, ``term_2``, ``covariance``, ``correlation``: one row
        for each pair of correlated random effects; empty where there is none.
    vcov : DataFrame
        Covariance matrix behind the standard errors: Kenward and Roger's adjusted one
        under that rule.
    vcov_unadjusted : DataFrame
        Covariance matrix at the estimated variances (R's ``vcov``).
    random_effects : dict of DataFrame
        Conditional modes (BLUPs) by grouping factor; index: level, one column an effect.
    fitted, residuals : ndarray of shape (n,)
        Conditional on the random effects.
    log_likelihood, aic, bic, deviance : float
        Of the restricted likelihood where ``reml``. Compare models with different fixed
        effects by maximum likelihood only.
    sigma : float
        Residual standard deviation.
    theta : ndarray
        lme4's parameters: relative Cholesky factors, lower triangles by column.
    n_rows, n_parameters : int
        Observations; fixed effects + covariance parameters + residual variance.
    n_groups : dict
        Levels of each grouping factor.
    reml, converged, singular : bool
        Criterion; whether a maximum was found; whether a variance is zero or a
        correlation ±1 there.
    ddf : {"kenward-roger", "satterthwaite", "wald"}
        Rule behind ``df``.
    confidence_level : float
        Coverage of ``ci_low`` to ``ci_high``.
    dropped_terms : tuple of str
        Aliased columns that were left out.
    warnings : tuple of ResultWarning
        What the reader of the numbers must know.
    """

    formula: str
    coefficients: pd.DataFrame
    variance_components: pd.DataFrame
    correlations: pd.DataFrame
    vcov: pd.DataFrame
    vcov_unadjusted: pd.DataFrame
    random_effects: dict[str, pd.DataFrame]
    fitted: np.ndarray
    residuals: np.ndarray
    log_likelihood: float
    aic: float
    bic: float
    deviance: float
    sigma: float
    theta: np.ndarray
    n_rows: int
    n_parameters: int
    n_groups: dict[str, int]
    reml: bool
    converged: bool
    singular: bool
    ddf: str
    confidence_level: float
    dropped_terms: tuple[str, ...]
    warnings: tuple[ResultWarning, ...]
    _solution: Solution = field(repr=False, compare=False)
    _inference: Inference = field(repr=False, compare=False)

    @property
    def _usable(self) -> Inference | None:
        return self._inference if self.converged else None

    def contrast(
        self,
        weights: str | Mapping[str, float] | np.ndarray,
        *,
        null_value: float = 0.0,
        alternative: str = "two-sided",
        confidence_level: float | None = None,
    ) -> TestResult:
        """Test a linear function of the fixed effects, or several jointly.

        Parameters
        ----------
        weights : mapping, str or array-like of shape (p,) or (q, p)
            Weight of each coefficient, by name or in the order of `coefficients`; a name
            alone means weight one. A matrix asks for the joint F test that all q
            functions are zero.
        null_value : float
            Value under the null hypothesis (single functions).
        alternative : {"two-sided", "less", "greater"}
            Alternative (single functions).
        confidence_level : float, optional
            That of the fit where not given.

        Returns
        -------
        TestResult
            With `ddf` degrees of freedom.

        Raises
        ------
        ValueError
            Where a name is unknown or a shape does not fit.
        """
        level = check_confidence_level(
            self.confidence_level if confidence_level is None else confidence_level
        )
        array = weights_from(weights, list(self.coefficients.index))
        if array.ndim == 2:
            if null_value != 0 or alternative != "two-sided":
                raise ValueError(
                    "`null_value` and `alternative` do not apply to a joint F test; pass `weights` "
                    "of shape (p,) for a single function."
                )
            return joint_test(
                self._usable,
                array,
                ddf=self.ddf,
                n_rows=self.n_rows,
                confidence_level=level,
                warnings=self.warnings,
            )
        return contrast_test(
            self._usable,
            self.coefficients["estimate"].to_numpy(),
            array,
            ddf=self.ddf,
            n_rows=self.n_rows,
            null_value=float(null_value),
            alternative=alternative,
            confidence_level=level,
            warnings=self.warnings,
        )

    def marginal_means(
        self,
        factors: str | Sequence[str],
        *,
        by: str | Sequence[str] | None = None,
        at: Mapping[str, object] | None = None,
        transform: str | None = None,
        confidence_level: float | None = None,
    ) -> MarginalMeans:
        """Estimated marginal means of the levels of `factors`.

        Parameters
        ----------
        factors : str or sequence of str
            Factors whose levels are compared; ``"arm | backbone"`` is short for
            ``factors="arm", by="backbone"``.
        by : str or sequence of str, optional
            Compare within the levels of these.
        at : mapping, optional
            Values (or lists of values) of covariates, levels of factors; covariates
            default to their mean.
        transform : {None, "logit", "log"}
            The scale on which the response was modelled. Given one, the means and the
            ends of their intervals are brought back from it and the standard errors
            follow by the delta method; the mean of ``logit(auc)`` comes back as a median-
            like AUC, inside [0, 1]. Differences (`pairs`) stay on the modelled scale.
        confidence_level : float, optional
            That of the fit where not given.

        Returns
        -------
        MarginalMeans
            ``.table`` holds the means, ``.pairs(adjust=...)`` their differences.

        Raises
        ------
        ValueError
            Where a name is no variable of the fixed part.
        """
        return marginal_means(
            self._solution.std.design.fixed,
            self.coefficients["estimate"].to_numpy(),
            self._usable,
            factors,
            by=by,
            at=at,
            transform=transform,
            confidence_level=(
                self.confidence_level if confidence_level is None else confidence_level
            ),
        )

    def anova(self) -> pd.DataFrame:
        """Type III tests of the fixed terms.

        Each hypothesis is one on marginal means with equal weights (for numeric terms, on
        their slopes), so it depends neither on cell counts nor on the coding of factors,
        and ``arm / bb`` gives ``arm`` the test that ``arm * bb`` gives it. Numeric
        variables that interact with a term are at zero, as in SAS and lmerTest: centre
        them where zero is no value of interest.

        Returns
        -------
        DataFrame
            Index: term. Columns ``sum_sq``, ``mean_sq``, ``df_numerator``,
            ``df_denominator``, ``statistic`` (F), ``pvalue``. Where cells of the design are
            empty, ``df_numerator`` counts what is estimable of the hypothesis; it is 0, and
            the rest NaN, where nothing is, or where the term is aliased with earlier ones.
        """
        fixed = self._solution.std.design.fixed
        rows = {}
        for term, weights in type_three_hypotheses(fixed).items():
            test, pvalue = f_statistic(self._usable, weights)
            mean_sq = test.statistic * self.sigma**2
            rows[term] = {
                "sum_sq": mean_sq * test.df_numerator,
                "mean_sq": mean_sq,
                "df_numerator": test.df_numerator,
                "df_denominator": test.df_denominator,
                "statistic": test.statistic,
                "pvalue": pvalue,
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("term")

    def ranova(self) -> pd.DataFrame:
        """Likelihood-ratio test of each random term against the model without it.

        A term with slopes is compared with the term without each slope, as lmerTest's
        ``ranova`` does; the criterion is that of the fit (REML or ML).

        Returns
        -------
        DataFrame
            Index: what was removed (first row ``<none>``). Columns ``n_parameters``,
            ``log_likelihood``, ``aic``, ``statistic``, ``df``, ``pvalue``.

        Notes
        -----
        The null value of a variance is on the boundary, where the chi-square reference
        is conservative: for one variance the p value may be halved.
        """
        return random_term_tests(self._solution, self.n_parameters, converged=self.converged)

    def confint_variance(
        self, method: str = "profile", *, confidence_level: float | None = None
    ) -> pd.DataFrame:
        """Intervals for the standard deviations and correlations of the random effects.

        Parameters
        ----------
        method : {"profile", "wald"}
            "profile" inverts the likelihood-ratio test (of the ML likelihood, as lme4);
            "wald" is a normal interval for the log standard deviation and for Fisher's z
            of the correlation: quick, poor with few levels, NaN on the boundary.
        confidence_level : float, optional
            That of the fit where not given.

        Returns
        -------
        DataFrame
            Columns ``group``, ``term``, ``estimate``, ``ci_low``, ``ci_high``; a
            correlation has the term ``"cor(a, b)"``, the last row is the residual.
        """
        level = check_confidence_level(
            self.confidence_level if confidence_level is None else confidence_level
        )
        if method not in ("profile", "wald"):
            raise ValueError(f"`method` must be 'profile' or 'wald', got {method!r}.")
        intervals = profile_intervals if method == "profile" else wald_intervals
        return intervals(self._solution, level, converged=self.converged)

    def __str__(self) -> str:
        criterion = "REML" if self.reml else "maximum likelihood"
        rule = {
            "kenward-roger": "Kenward-Roger degrees of freedom and standard errors",
            "satterthwaite": "Satterthwaite degrees of freedom",
            "wald": "Wald tests",
        }[self.ddf]
        groups = ", ".join(f"{name} {count}" for name, count in self.n_groups.items())
        lines = [
            f"Linear mixed model fitted by {criterion}; {rule}",
            f"formula: {self.formula}",
            f"{self.n_rows} observations; levels: {groups}",
            f"log-likelihood {format_number(self.log_likelihood, 3)}, "
            f"AIC {format_number(self.aic, 1)}, BIC {format_number(self.bic, 1)}",
            "",
            "Random effects",
            format_table(self.variance_components, index=False),
        ]
        if len(self.correlations):
            lines += [format_table(self.correlations, index=False)]
        lines += [
            "",
            f"Fixed effects ({100 * self.confidence_level:g} % confidence intervals)",
            format_table(self.coefficients),
        ]
        lines += [f"warning: {text}" for text in self.warnings]
        return "\n".join(lines)
