"""Shifting and scaling any numeric column changes the numbers exactly as it should."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from stats_tl.stats import MixedModelWarning, SingularFitWarning, fit_mixed_model


def simulate(seed=0, n=150):
    rng = np.random.default_rng(seed)
    g = np.arange(n) % 12
    data = pd.DataFrame({"g": g, "h": rng.integers(0, 6, n), "arm": rng.choice(["a", "b"], n)})
    data["x"] = rng.normal(size=n)
    data["z"] = rng.uniform(-1, 1, n)
    data["y"] = (
        rng.normal(size=12)[g]
        + (0.5 + 0.6 * rng.normal(size=12)[g]) * data["x"]
        + 0.7 * rng.normal(size=6)[data["h"]]
        + 0.3 * (data["arm"] == "b")
        + rng.normal(size=n)
    )
    return data


def fit(formula, data, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", SingularFitWarning)
        return fit_mixed_model(formula, data, **kwargs)


FORMULA = "y ~ x * arm + z + (x | g) + (1 | h)"
DDF = st.sampled_from(["kenward-roger", "satterthwaite"])


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 50),
    shift=st.floats(-1e6, 1e6),
    scale=st.floats(-6, 6).map(lambda e: 10.0**e),
    ddf=DDF,
)
def test_covariates(seed, shift, scale, ddf):
    """x enters as random slope and in an interaction, z as a fixed covariate only."""
    data = simulate(seed)
    a = fit(FORMULA, data, ddf=ddf)
    moved = data.assign(x=scale * (data["x"] + shift), z=(data["z"] - shift) / scale)
    b = fit(FORMULA, moved, ddf=ddf)
    # Restricted likelihoods hold the determinant of X'V^-1X, which has the units of X.
    units = 2 * math.log(scale) - math.log(scale)
    assert_allclose(a.log_likelihood - b.log_likelihood, units, atol=1e-5)
    slopes = {"x": 1 / scale, "z": scale, "x:armb": 1 / scale}
    for name, unit in slopes.items():
        old, new = a.coefficients.loc[name], b.coefficients.loc[name]
        assert_allclose(new[["estimate", "standard_error"]] / unit, old.iloc[:2], rtol=1e-4)
        assert_allclose(new["df"], old["df"], rtol=1e-4)
    # Marginal means stand at the mean of the covariates, wherever that is.
    means = [f.marginal_means("arm").table[["estimate", "standard_error", "df"]] for f in (a, b)]
    assert_allclose(means[1], means[0], rtol=1e-4)
    assert_allclose(b.fitted, a.fitted, rtol=1e-4, atol=1e-5)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 50),
    shift=st.floats(-1e6, 1e6),
    scale=st.floats(-8, 8).map(lambda e: 10.0**e),
    ddf=DDF,
)
def test_response(seed, shift, scale, ddf):
    data = simulate(seed)
    a = fit(FORMULA, data, ddf=ddf)
    b = fit(FORMULA, data.assign(y=scale * (data["y"] + shift)), ddf=ddf)
    moved = a.coefficients["estimate"] + np.where(a.coefficients.index == "(Intercept)", shift, 0)
    assert_allclose(b.coefficients["estimate"] / scale, moved, rtol=1e-5, atol=1e-5)
    se = b.coefficients["standard_error"] / scale
    assert_allclose(se, a.coefficients["standard_error"], rtol=1e-5)
    assert_allclose(b.coefficients["df"], a.coefficients["df"], rtol=1e-5)
    assert_allclose(
        b.log_likelihood, a.log_likelihood - (150 - 5) * math.log(scale), rtol=1e-7, atol=1e-5
    )


@pytest.mark.parametrize("ddf", ["kenward-roger", "satterthwaite"])
@pytest.mark.parametrize("shift", [1000.0, 2000.0, 7000.0, 1e6])
def test_calendar_years_as_random_slope(shift, ddf):
    """x = 2000 to 2009: the df were 428,276 where years since 2000 give 17.4."""
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(15), 10), np.tile(np.arange(10.0), 15)
    y = 10 + rng.normal(0, 2, 15)[g] + (0.7 + rng.normal(0, 0.3, 15)[g]) * x + rng.normal(size=150)
    data = pd.DataFrame({"g": g, "x": x, "y": y})
    a = fit("y ~ x + (x | g)", data, ddf=ddf)
    b = fit("y ~ x + (x | g)", data.assign(x=x + shift), ddf=ddf)
    assert_allclose(b.log_likelihood, a.log_likelihood, rtol=1e-8)
    assert_allclose(b.coefficients.loc["x"], a.coefficients.loc["x"], rtol=1e-6)
    assert_allclose(
        b.variance_components["variance"].iloc[1:],
        a.variance_components["variance"].iloc[1:],
        rtol=1e-6,
    )
    # The intercept is the value at x = 0: its variance follows from the covariance matrix.
    intercept, slope = a.variance_components["variance"].iloc[:2]
    covariance = a.correlations["covariance"].item()
    expected = intercept - 2 * shift * covariance + shift**2 * slope
    assert_allclose(b.variance_components["variance"].iloc[0], expected, rtol=1e-6)
    assert_allclose(
        b.confint_variance().iloc[1, 2:].astype(float),
        a.confint_variance().iloc[1, 2:].astype(float),
        rtol=1e-5,
    )


@pytest.mark.parametrize("ratio", [1e-2, 1e-3])
def test_a_small_residual(ratio):
    """Residual SD far below the SD between levels: the numbers of the analysis of variance."""
    rng = np.random.default_rng(5)
    s = np.repeat(np.arange(10), 6)
    arm = np.tile(["a", "b"], 30)
    y = rng.normal(size=10)[s] + ratio * (0.5 * (arm == "b") + rng.normal(size=60))
    data = pd.DataFrame({"s": s, "arm": arm, "y": y})
    result = fit("y ~ arm + (1 | s)", data)
    means = data.groupby(["s", "arm"])["y"].transform("mean")
    by_subject = data.groupby("s")["y"].transform("mean")
    by_arm = data.groupby("arm")["y"].transform("mean")
    rest = y - by_subject - by_arm + y.mean()
    sigma = math.sqrt((rest**2).sum() / (60 - 10 - 1))
    assert means.notna().all()
    row = result.coefficients.loc["armb"]
    assert_allclose(result.sigma, sigma, rtol=1e-5)
    assert_allclose(row["df"], 49, rtol=1e-5)
    difference = data.loc[data["arm"] == "b", "y"].mean() - data.loc[data["arm"] == "a", "y"].mean()
    assert_allclose(row["estimate"], difference, rtol=1e-5)
    assert_allclose(row["standard_error"], sigma * math.sqrt(2 / 30), rtol=1e-5)


def test_weights_are_those_of_averages():
    """A mean of w replicates has the residual variance over w."""
    rng = np.random.default_rng(8)
    data = simulate(8, n=90)
    data["w"] = rng.integers(1, 5, 90)
    a = fit("y ~ x + arm + (1 | g)", data, weights="w")
    b = fit("y ~ x + arm + (1 | g)", data, weights=10 * data["w"])
    assert_allclose(b.sigma, math.sqrt(10) * a.sigma, rtol=1e-7)
    assert_allclose(b.log_likelihood, a.log_likelihood, rtol=1e-9)
    assert_allclose(b.coefficients, a.coefficients, rtol=1e-6)
    # The definition, as a second implementation.
    variance = a.variance_components["variance"].to_numpy()
    V = np.diag(variance[1] / data["w"]) + variance[0] * np.equal.outer(
        data["g"].to_numpy(), data["g"].to_numpy()
    )
    X = np.column_stack([np.ones(90), data["x"], data["arm"] == "b"]).astype(float)
    inverse = np.linalg.inv(V)
    phi = np.linalg.inv(X.T @ inverse @ X)
    r = data["y"] - X @ phi @ X.T @ inverse @ data["y"]
    value = np.linalg.slogdet(V)[1] - np.linalg.slogdet(phi)[1] + r @ inverse @ r
    assert_allclose(a.log_likelihood, -(value + 87 * math.log(2 * math.pi)) / 2, rtol=1e-9)
    assert_allclose(a.vcov_unadjusted, phi, rtol=1e-7)


def test_offset_is_subtracted():
    data = simulate(9)
    a = fit("y ~ x + offset(2 * z) + (1 | g)", data)
    b = fit("v ~ x + (1 | g)", data.assign(v=data["y"] - 2 * data["z"]))
    assert_allclose(a.coefficients, b.coefficients, rtol=1e-9)
    assert_allclose(a.fitted + a.residuals, data["y"])
    assert_allclose(a.fitted, b.fitted + 2 * data["z"])


@pytest.mark.parametrize("weights", ["nope", [1.0], [0.0] * 90, [math.nan] * 90, ["a"] * 90])
def test_bad_weights_are_refused(weights):
    with pytest.raises(ValueError, match="`weights`"):
        fit_mixed_model("y ~ x + (1 | g)", simulate(n=90), weights=weights)


def test_a_constant_column_is_aliased_wherever_it_stands():
    with pytest.warns(MixedModelWarning, match="dropped.*one"):
        fit_mixed_model("y ~ one + x + (1 | g)", simulate().assign(one=1e9 + 0.1))
