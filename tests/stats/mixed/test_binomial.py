"""Logistic mixed models against lme4's glmer and against numerical integration."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, optimize, special

from stats_tl.stats import (
    MixedModelConvergenceWarning,
    SingularFitWarning,
    fit_binomial_mixed_model,
)


def simulate(seed, *, cases=60, rows=6, sd=1.0):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"case": np.repeat(np.arange(cases), rows)})
    data["arm"] = rng.choice(["a", "b"], len(data))
    log_odds = 0.5 + sd * rng.normal(size=cases)[data["case"]] + 0.8 * (data["arm"] == "b")
    data["correct"] = (rng.random(len(data)) < special.expit(log_odds)).astype(int)
    return data


class TestGold:
    """case_glmm2_2400; `tight` is lme4 with tolPwrss = 1e-13."""

    @pytest.fixture(scope="class")
    @classmethod
    def fit(cls, gold_data):
        formula = "correct ~ pretrain + (1 | case) + (1 | seed)"
        return fit_binomial_mixed_model(formula, gold_data("case_level_2400"))

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls, gold):
        return gold["mixed"]["case_glmm2_2400"]

    def test_fixed_effects(self, fit, reference):
        tight = pd.DataFrame(reference["tight_tolPwrss_1e_13"]["fixef"]).set_index("term")
        # The intercept is flat (SE .3) and lme4 stops 2e-5 short of the maximum.
        assert_allclose(fit.coefficients["estimate"], tight["Estimate"], rtol=1e-6, atol=3e-5)
        assert_allclose(fit.coefficients["standard_error"], tight["Std. Error"], rtol=1e-4)
        assert_allclose(fit.coefficients["statistic"].iloc[1], tight["z value"].iloc[1], rtol=1e-4)
        assert_allclose(fit.coefficients["pvalue"], tight["Pr(>|z|)"], rtol=1e-3)

    def test_variances_and_likelihood(self, fit, reference):
        tight = reference["tight_tolPwrss_1e_13"]
        variances = [row["vcov"] for row in tight["varcorr"]]
        assert list(fit.variance_components["group"]) == [row["grp"] for row in tight["varcorr"]]
        assert_allclose(fit.variance_components["variance"], variances, rtol=1e-5)
        assert_allclose(fit.log_likelihood, tight["logLik"], atol=1e-6)
        assert fit.log_likelihood >= tight["logLik"]
        # lme4's default stopping rule leaves 7e-4 in these.
        assert_allclose([fit.aic, fit.bic], [reference["AIC"], reference["BIC"]], atol=2e-3)
        assert not fit.singular

    def test_odds_ratio_and_probabilities(self, fit, reference):
        expected = reference["odds_ratio"][0]  # of imagenet over radimagenet, default tolerance
        row = fit.odds_ratios.loc["pretrainradimagenet"]
        assert_allclose(1 / row["odds_ratio"], expected["odds.ratio"], rtol=1e-3)
        ends = [1 / row["ci_high"], 1 / row["ci_low"]]
        assert_allclose(ends, [expected["asymp.LCL"], expected["asymp.UCL"]], rtol=5e-3)
        means = pd.DataFrame(reference["emm_prob"])
        table = fit.marginal_means("pretrain").table
        assert_allclose(table["estimate"], means["prob"], rtol=2e-4)
        assert_allclose(table["standard_error"], means["SE"], rtol=2e-3)

    def test_likelihood_ratio(self, fit, reference, gold_data):
        formula = "correct ~ 1 + (1 | case) + (1 | seed)"
        reduced = fit_binomial_mixed_model(formula, gold_data("case_level_2400"))
        statistic = 2 * (fit.log_likelihood - reduced.log_likelihood)
        assert_allclose(statistic, reference["lrt"]["chisq"], rtol=1e-3)


def test_deviance_is_laplaces_approximation_of_the_integral():
    """One random intercept: mode and curvature of each case's integrand, found one by one."""
    data = simulate(1, cases=25)
    fit = fit_binomial_mixed_model("correct ~ arm + (1 | case)", data)
    sd = fit.variance_components["sd"].item()
    fixed = fit.coefficients["estimate"].to_numpy()
    eta = fixed[0] + fixed[1] * (data["arm"] == "b")
    total, exact = 0.0, 0.0
    for case in range(25):
        e, y = (
            eta[data["case"] == case].to_numpy(),
            data["correct"][data["case"] == case].to_numpy(),
        )

        def log_joint(u, e=e, y=y):
            linear = e + sd * u
            return float(np.sum(y * linear - np.logaddexp(0, linear)) - u**2 / 2)

        mode = optimize.minimize_scalar(lambda u: -log_joint(u), tol=1e-12).x
        p = special.expit(e + sd * mode)
        total += log_joint(mode) - math.log(1 + sd**2 * np.sum(p * (1 - p))) / 2
        density = integrate.quad(lambda u: math.exp(log_joint(u)), -9, 9)[0]
        exact += math.log(density / math.sqrt(2 * math.pi))
    assert_allclose(fit.log_likelihood, total, rtol=1e-9)
    assert abs(fit.log_likelihood - exact) < 0.02 * abs(exact)


def test_without_variance_it_is_logistic_regression():
    # Outcomes dealt out to the cases in turn: they differ less than by chance.
    data = simulate(2).sort_values(["arm", "correct"])
    data["case"] = np.arange(len(data)) % 60
    with pytest.warns(SingularFitWarning):
        fit = fit_binomial_mixed_model("correct ~ arm + (1 | case)", data)
    counts = data.groupby("arm")["correct"].agg(["sum", "count"])
    log_odds = special.logit(counts["sum"] / counts["count"])
    estimate = fit.coefficients["estimate"]
    assert fit.singular
    assert_allclose(estimate, [log_odds["a"], log_odds["b"] - log_odds["a"]], rtol=1e-5)
    failures = counts["count"] - counts["sum"]
    se = math.sqrt((1 / counts["sum"] + 1 / failures).sum())
    assert_allclose(fit.coefficients.loc["armb", "standard_error"], se, rtol=1e-5)


def test_boolean_response_and_row_order():
    data = simulate(3)
    a = fit_binomial_mixed_model("correct ~ arm + (1 | case)", data)
    shuffled = data.assign(correct=data["correct"] == 1).sample(frac=1, random_state=1)
    b = fit_binomial_mixed_model("correct ~ arm + (1 | case)", shuffled)
    assert_allclose(b.coefficients["estimate"], a.coefficients["estimate"], atol=1e-5)
    assert "Laplace" in str(a)
    assert "Odds ratios" in str(a)


def test_separated_outcomes_are_refused():
    data = simulate(4)
    data.loc[data["arm"] == "b", "correct"] = 1
    with pytest.warns(MixedModelConvergenceWarning, match="separate"):
        fit = fit_binomial_mixed_model("correct ~ arm + (1 | case)", data)
    assert not fit.converged
    assert fit.coefficients[["estimate", "standard_error", "pvalue"]].isna().all(axis=None)
    assert math.isnan(fit.log_likelihood)


@pytest.mark.parametrize(
    ("outcome", "message"),
    [([0, 1, 2], "must be 0/1"), ([1], "both classes are needed")],
)
def test_refusals(outcome, message):
    data = simulate(5)
    data["correct"] = np.resize(outcome, len(data))
    with pytest.raises(ValueError, match=message):
        fit_binomial_mixed_model("correct ~ arm + (1 | case)", data)


def test_correlated_slopes_agree_with_glmer():
    """lme4 1.1-31: glmer(y ~ arm + x + (x | g), d, family = binomial,

    control = glmerControl(tolPwrss = 1e-12)) on the same (simulated) rows.
    """
    data = pd.read_csv(Path(__file__).parent / "reference" / "binary_slope.csv")
    fit = fit_binomial_mixed_model("y ~ arm + x + (x | g)", data)
    assert_allclose(
        fit.coefficients["estimate"], [-0.08973344129, 0.15615727195, -0.51968144534], atol=2e-5
    )
    assert_allclose(
        fit.coefficients["standard_error"], [0.2041162100, 0.2299529908, 0.2336560514], rtol=1e-4
    )
    assert_allclose(fit.variance_components["variance"], [0.32576254973, 0.71547665336], rtol=5e-5)
    assert_allclose(fit.correlations["correlation"], [0.1018139997], atol=1e-4)
    assert_allclose(fit.log_likelihood, -254.528915721, atol=1e-6)


def test_a_maximum_on_the_boundary_is_found():
    """Correlation -1 in small clusters; maximum of an independent dense Laplace likelihood

    (Newton per cluster, Nelder-Mead from five starts) and of lme4 1.1-31 with bobyqa.
    """
    data = pd.read_csv(Path(__file__).parent / "reference" / "binary_boundary.csv")
    with pytest.warns(SingularFitWarning):
        fit = fit_binomial_mixed_model("y ~ arm + (x | g)", data)
    assert_allclose(fit.log_likelihood, -52.822892, atol=1e-5)
    assert_allclose(fit.coefficients["estimate"], [-0.04877, 0.10886], atol=2e-5)
    assert_allclose(fit.correlations["correlation"], [-1.0], atol=1e-6)
    shifted = data.assign(x=1000 * (data["x"] + 30))
    with pytest.warns(SingularFitWarning):
        moved = fit_binomial_mixed_model("y ~ arm + (x | g)", shifted)
    assert_allclose(moved.log_likelihood, fit.log_likelihood, atol=1e-6)
    assert_allclose(moved.coefficients, fit.coefficients, rtol=1e-3)


def test_offset_of_the_log_odds():
    data = simulate(6)
    fit = fit_binomial_mixed_model("correct ~ arm + offset(two) + (1 | case)", data.assign(two=2.0))
    plain = fit_binomial_mixed_model("correct ~ arm + (1 | case)", data)
    assert_allclose(fit.log_likelihood, plain.log_likelihood, rtol=1e-8)
    assert_allclose(fit.coefficients.iloc[0, 0], plain.coefficients.iloc[0, 0] - 2, atol=1e-5)
    assert_allclose(fit.fitted, plain.fitted, atol=1e-5)
