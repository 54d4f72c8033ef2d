"""Linear mixed models: exact results, invariances, refusals, and the bugs of other packages."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import optimize
from scipy import stats as sps

from stats_tl.stats import (
    MixedModelConvergenceWarning,
    MixedModelWarning,
    SingularFitWarning,
    fit_mixed_model,
    likelihood_ratio_test,
)


def simulate(seed, *, n=120, g=8, h=5, sd=(1.0, 0.5, 1.0), balanced=False):
    """Two crossed factors and a treatment; rows balanced or at random."""
    rng = np.random.default_rng(seed)
    rows = np.arange(n)
    data = pd.DataFrame(
        {
            "g": rows % g if balanced else rng.integers(0, g, n),
            "h": rows // g % h if balanced else rng.integers(0, h, n),
            "arm": rng.choice(["img", "rad"], n),
            "x": rng.normal(size=n),
        }
    )
    data["y"] = (
        sd[0] * rng.normal(size=g)[data["g"]]
        + sd[1] * rng.normal(size=h)[data["h"]]
        + 0.4 * (data["arm"] == "rad")
        + sd[2] * rng.normal(size=n)
    )
    return data


def paired(seed, *, subjects=9, sd_between=1.0):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"s": np.repeat(np.arange(subjects), 2), "arm": ["a", "b"] * subjects})
    data["y"] = sd_between * np.repeat(rng.normal(size=subjects), 2) + rng.normal(size=len(data))
    return data


class TestExactInBalancedDesigns:
    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 10_000), st.integers(4, 12))
    def test_kenward_roger_is_the_paired_t_test(self, seed, subjects):
        data = paired(seed, subjects=subjects, sd_between=3.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularFitWarning)
            fit = fit_mixed_model("y ~ arm + (1 | s)", data)
        wide = data.pivot_table(index="s", columns="arm", values="y")
        if fit.singular:  # a negative correlation between the arms: the model is another one
            assert np.corrcoef(wide["a"], wide["b"])[0, 1] <= 1e-6
            return
        test = sps.ttest_rel(wide["b"], wide["a"])
        row = fit.coefficients.loc["armb"]
        assert_allclose(row["df"], subjects - 1, rtol=1e-9)
        assert_allclose([row["statistic"], row["pvalue"]], [test.statistic, test.pvalue], rtol=1e-8)

    def test_kenward_roger_is_welch_free_two_sample_t_between_groups(self):
        # Arms between subjects, r rows each: exactly the t test on subject means.
        rng = np.random.default_rng(5)
        subject = np.repeat(np.arange(12), 4)
        data = pd.DataFrame({"s": subject, "arm": np.where(subject < 6, "a", "b")})
        data["y"] = 2 * rng.normal(size=12)[subject] + rng.normal(size=48)
        row = fit_mixed_model("y ~ arm + (1 | s)", data).coefficients.loc["armb"]
        means = data.groupby(["arm", "s"])["y"].mean()
        test = sps.ttest_ind(means["b"], means["a"])
        assert_allclose(row["df"], 10, rtol=1e-9)
        assert_allclose([row["statistic"], row["pvalue"]], [test.statistic, test.pvalue], rtol=1e-8)

    def test_f_test_is_the_randomised_block_anova(self):
        rng = np.random.default_rng(2)
        data = pd.DataFrame(
            [(b, t) for b in range(7) for t in "pqrs"], columns=["block", "treatment"]
        )
        data["y"] = 2 * rng.normal(size=7)[data["block"]] + rng.normal(size=28)
        table = fit_mixed_model("y ~ treatment + (1 | block)", data).anova()
        wide = data.pivot_table(index="block", columns="treatment", values="y").to_numpy()
        residual = wide - wide.mean(0) - wide.mean(1, keepdims=True) + wide.mean()
        mean_sq = (residual**2).sum() / 18
        f = 7 * wide.mean(0).var(ddof=1) / mean_sq
        assert_allclose(table.loc["treatment", "statistic"], f, rtol=1e-8)
        assert_allclose(table.loc["treatment", "df_denominator"], 18, rtol=1e-8)

    def test_reml_equals_anova_estimators(self):
        data = paired(3, subjects=30, sd_between=2.0)
        fit = fit_mixed_model("y ~ arm + (1 | s)", data)
        wide = data.pivot_table(index="s", columns="arm", values="y").to_numpy()
        within = (wide[:, 1] - wide[:, 0]).var(ddof=1) / 2
        between = wide.mean(axis=1).var(ddof=1) - within / 2
        assert_allclose(fit.variance_components["variance"], [between, within], rtol=1e-8)


class TestInvariance:
    FORMULA = "y ~ arm + x + (1 | g) + (1 | h)"

    @settings(max_examples=10, deadline=None)
    @given(st.integers(0, 1000), st.floats(1e-6, 1e6), st.floats(-1e3, 1e3))
    def test_scale_and_shift(self, seed, scale, shift):
        """The same fit for an AUC, an AUC times 100, and an AUC in parts per million."""
        data = simulate(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularFitWarning)
            a = fit_mixed_model(self.FORMULA, data)
            b = fit_mixed_model(self.FORMULA, data.assign(y=scale * (data["y"] + shift)))
        assert a.singular == b.singular
        assert_allclose(b.coefficients["df"], a.coefficients["df"], rtol=1e-5)
        assert_allclose(b.theta, a.theta, rtol=1e-5, atol=1e-6)
        assert_allclose(b.coefficients["statistic"][1:], a.coefficients["statistic"][1:], rtol=1e-5)

    def test_rows_labels_and_dtypes_do_not_matter(self):
        data = simulate(1)
        reference = fit_mixed_model(self.FORMULA, data).coefficients
        shuffled = data.sample(frac=1, random_state=0)
        relabelled = data.assign(
            g=pd.Categorical(data["g"].map("level {}: [T.]".format)),
            h=data["h"].astype("Int64") * 10,
            arm=data["arm"].astype(object),
        )
        for other in (shuffled, relabelled, data.set_index("x", drop=False)):
            coefficients = fit_mixed_model(self.FORMULA, other).coefficients
            assert_allclose(coefficients, reference, rtol=1e-7)

    def test_scale_of_a_slope_regressor(self):
        data = simulate(4, n=300)
        data["y"] += data["x"] * np.random.default_rng(0).normal(size=8)[data["g"]]
        a = fit_mixed_model("y ~ x + arm + (x | g)", data)
        b = fit_mixed_model("y ~ x + arm + (x | g)", data.assign(x=1e5 * data["x"]))
        assert not b.singular
        # Restricted likelihoods hold the determinant of X'V^-1 X, which has the units of x.
        assert_allclose(a.log_likelihood - b.log_likelihood, math.log(1e5), rtol=1e-7)
        assert_allclose(b.coefficients["df"], a.coefficients["df"], rtol=1e-6)
        sds = b.variance_components["sd"] / a.variance_components["sd"]
        assert_allclose(sds, [1, 1e-5, 1], rtol=1e-6)

    def test_reference_level_turns_the_contrast(self):
        data = simulate(2)
        a = fit_mixed_model("y ~ arm + (1 | g)", data)
        turned = pd.Categorical(data["arm"], categories=["rad", "img"])
        b = fit_mixed_model("y ~ arm + (1 | g)", data.assign(arm=turned))
        assert_allclose(
            a.coefficients.loc["armrad", "statistic"], -b.coefficients.loc["armimg", "statistic"]
        )

    def test_equivalent_formulas(self):
        data = simulate(6, n=400)
        nested = fit_mixed_model("y ~ arm + (1 | g/h)", data)
        written = fit_mixed_model("y ~ arm + (1 | g) + (1 | h:g)", data)
        assert_allclose(nested.log_likelihood, written.log_likelihood, rtol=1e-12)
        assert list(nested.variance_components["group"]) == ["h:g", "g", "Residual"]
        double = fit_mixed_model("y ~ arm + (x || g)", data)
        single = fit_mixed_model("y ~ arm + (1 | g) + (0 + x | g)", data)
        assert_allclose(double.log_likelihood, single.log_likelihood, rtol=1e-12)
        assert double.formula == single.formula
        assert list(double.random_effects["g"].columns) == ["(Intercept)", "x"]


def dense_criterion(data, variances, sigma2):
    """The restricted likelihood by its n x n definition, as a second implementation."""
    X = np.column_stack([np.ones(len(data)), data["arm"] == "rad", data["x"]]).astype(float)
    y = data["y"].to_numpy()
    V = sigma2 * np.eye(len(y))
    for name, variance in variances.items():
        V += variance * np.equal.outer(data[name].to_numpy(), data[name].to_numpy())
    inverse = np.linalg.inv(V)
    phi = np.linalg.inv(X.T @ inverse @ X)
    beta = phi @ X.T @ inverse @ y
    r = y - X @ beta
    logdet = np.linalg.slogdet(V)[1] - np.linalg.slogdet(phi)[1]
    n, p = X.shape
    return -(logdet + r @ inverse @ r + (n - p) * math.log(2 * math.pi)) / 2, beta, phi


class TestSecondImplementations:
    def test_likelihood_by_its_definition(self):
        data = simulate(3)
        fit = fit_mixed_model("y ~ arm + x + (1 | g) + (1 | h)", data, ddf="wald")
        variance = fit.variance_components.set_index("group")["variance"]
        value, beta, phi = dense_criterion(data, variance.drop("Residual"), variance["Residual"])
        assert_allclose(fit.log_likelihood, value, rtol=1e-11)
        assert_allclose(fit.coefficients["estimate"], beta, rtol=1e-9)
        assert_allclose(fit.vcov, phi, rtol=1e-9)
        for name in variance.index:
            for factor in (0.97, 1.03):
                moved = variance.copy()
                moved[name] *= factor
                below = dense_criterion(data, moved.drop("Residual"), moved["Residual"])[0]
                assert below < value

    def test_statsmodels_random_intercept(self):
        data = simulate(8, n=400, sd=(1.0, 0.0, 1.0))
        ours = fit_mixed_model("y ~ arm + x + (1 | g)", data, ddf="wald")
        theirs = smf.mixedlm("y ~ arm + x", data, groups=data["g"]).fit(reml=True)
        assert_allclose(ours.coefficients["estimate"], theirs.fe_params, atol=1e-5)
        assert_allclose(ours.coefficients["standard_error"], theirs.bse_fe, rtol=1e-3)
        expected = [float(theirs.cov_re.iloc[0, 0]), theirs.scale]
        assert_allclose(ours.variance_components["variance"], expected, rtol=1e-3)
        assert_allclose(ours.log_likelihood, theirs.llf, rtol=1e-8)

    def test_kenward_roger_by_its_definition(self):
        """Adjusted covariance and df from n x n matrices, formulas of the 1997 paper."""
        data = simulate(9, n=90)
        fit = fit_mixed_model("y ~ arm + x + (1 | g) + (1 | h)", data)
        variance = fit.variance_components.set_index("group")["variance"]
        n = len(data)
        G = [np.equal.outer(data[k].to_numpy(), data[k].to_numpy()) * 1.0 for k in ("g", "h")]
        G.append(np.eye(n))
        V = sum(variance[k] * m for k, m in zip(["g", "h", "Residual"], G, strict=True))
        inv = np.linalg.inv(V)
        X = np.column_stack([np.ones(n), data["arm"] == "rad", data["x"]]).astype(float)
        phi = np.linalg.inv(X.T @ inv @ X)
        P = [-X.T @ inv @ g @ inv @ X for g in G]
        Q = [[X.T @ inv @ a @ inv @ b @ inv @ X for b in G] for a in G]
        info = np.array(
            [
                [
                    np.trace(inv @ G[i] @ inv @ G[j])
                    - 2 * np.trace(phi @ Q[i][j])
                    + np.trace(phi @ P[i] @ phi @ P[j])
                    for j in range(3)
                ]
                for i in range(3)
            ]
        )
        W = 2 * np.linalg.inv(info)
        U = sum(W[i, j] * (Q[i][j] - P[i] @ phi @ P[j]) for i in range(3) for j in range(3))
        assert_allclose(fit.vcov, phi + 2 * phi @ U @ phi, rtol=1e-7, atol=1e-10)
        weights = np.array([0.0, 1.0, 0.0])
        u = np.array([weights @ phi @ p @ phi @ weights / (weights @ phi @ weights) for p in P])
        assert_allclose(fit.coefficients.loc["armrad", "df"], 2 / (u @ W @ u), rtol=1e-7)

    def test_satterthwaite_by_finite_differences(self):
        data = simulate(10, n=80)
        fit = fit_mixed_model("y ~ arm + x + (1 | g) + (1 | h)", data, ddf="satterthwaite")
        components = fit.variance_components.set_index("group")["variance"]
        names = list(components.index[:-1])
        at = components.to_numpy()

        def evaluate(v):
            value, _, phi = dense_criterion(data, dict(zip(names, v[:-1], strict=True)), v[-1])
            return -2 * value, phi[1, 1]

        h = 1e-4 * at
        hessian = np.empty((3, 3))
        for i in range(3):
            for j in range(3):
                steps = [(a, b) for a in (1, -1) for b in (1, -1)]
                values = [
                    a * b * evaluate(at + a * h * np.eye(3)[i] + b * h * np.eye(3)[j])[0]
                    for a, b in steps
                ]
                hessian[i, j] = sum(values) / (4 * h[i] * h[j])
        slope = [
            (evaluate(at + h * e)[1] - evaluate(at - h * e)[1]) / (2 * h[i])
            for i, e in enumerate(np.eye(3))
        ]
        variance = evaluate(at)[1]
        df = 2 * variance**2 / (slope @ (2 * np.linalg.inv(hessian)) @ slope)
        assert_allclose(fit.coefficients.loc["armrad", "df"], df, rtol=1e-3)

    @pytest.mark.parametrize("level", [0.8, 0.95])
    def test_profile_solves_the_equation(self, level):
        """At the ends of the interval the refitted likelihood is a quantile below its maximum."""
        data = simulate(11, n=150)
        fit = fit_mixed_model("y ~ 1 + (1 | g)", data, reml=False, ddf="wald")
        row = fit.confint_variance(confidence_level=level).iloc[0]
        y = data["y"].to_numpy()
        same = np.equal.outer(data["g"].to_numpy(), data["g"].to_numpy())

        def profile(sd):
            def negative(log_sigma):
                V = math.exp(2 * log_sigma) * np.eye(len(y)) + sd**2 * same
                inverse = np.linalg.inv(V)
                r = y - inverse.sum(0) @ y / inverse.sum()
                return np.linalg.slogdet(V)[1] + r @ inverse @ r

            found = optimize.minimize_scalar(negative, bounds=(-1, 1), method="bounded")
            return found.fun + len(y) * math.log(2 * math.pi)

        for end in (row["ci_low"], row["ci_high"]):
            statistic = profile(end) + 2 * fit.log_likelihood
            assert_allclose(statistic, sps.chi2.ppf(level, 1), rtol=1e-4)


class TestOtherPackagesBugs:
    def test_no_false_boundary_on_small_scales(self):
        # statsmodels calls a variance of 1e-6 (an AUC!) 'on the boundary': its threshold is
        # absolute. Ours is relative to the residual.
        data = simulate(12)
        data["y"] = 0.9 + 1e-3 * data["y"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fit = fit_mixed_model("y ~ arm + (1 | g) + (1 | h)", data)
        assert not fit.singular

    def test_crossed_effects_at_5000_rows(self):
        # statsmodels needs 14.6 s and ends 1 % off, lme-python 3e-4. Balanced, REML is the
        # method of moments of the analysis of variance.
        a, b, r = 50, 20, 5
        rng = np.random.default_rng(8)
        y = (
            0.9
            + 0.02 * rng.normal(size=a)[:, None, None]
            + 0.01 * rng.normal(size=b)[:, None]
            + 0.015 * rng.normal(size=(a, b, r))
        )
        rows, columns = y.mean(axis=(1, 2)), y.mean(axis=(0, 2))
        rest = y - rows[:, None, None] - columns[:, None] + y.mean()
        error = (rest**2).sum() / (y.size - a - b + 1)
        expected = [
            rows.var(ddof=1) - error / (b * r),
            columns.var(ddof=1) - error / (a * r),
            error,
        ]
        data = pd.DataFrame(
            {"a": np.repeat(np.arange(a), b * r), "b": np.tile(np.repeat(np.arange(b), r), a)}
        )
        fit = fit_mixed_model("y ~ 1 + (1 | a) + (1 | b)", data.assign(y=y.ravel()))
        assert_allclose(fit.variance_components["variance"], expected, rtol=1e-8)

    def test_degrees_of_freedom_stay_below_the_sample_size(self):
        # interlace-lme 0.3.2 gives df = 10094 with n = 500 where 471 is right.
        data = simulate(13, n=500, g=20, h=10)
        for ddf in ("satterthwaite", "kenward-roger"):
            df = fit_mixed_model("y ~ arm + x + (1 | g) + (1 | h)", data, ddf=ddf).coefficients[
                "df"
            ]
            assert 450 < df["armrad"] < 497
            assert df["(Intercept)"] < 30

    def test_kenward_roger_is_not_satterthwaite_in_disguise(self):
        # mixedlm 1.3.0 divides Satterthwaite's df by an ad hoc factor and leaves the SE alone.
        data = simulate(14, n=60, sd=(1.0, 0.3, 1.0)).sort_values("arm").iloc[:45]
        formula = "y ~ arm + x + (1 | g) + (1 | h)"
        kr = fit_mixed_model(formula, data)
        satterthwaite = fit_mixed_model(formula, data, ddf="satterthwaite")
        ratio = kr.coefficients["standard_error"] / satterthwaite.coefficients["standard_error"]
        assert (ratio > 1 + 1e-4).all()
        assert_allclose(kr.vcov_unadjusted, satterthwaite.vcov, rtol=1e-12)

    @pytest.mark.parametrize(
        ("column", "reason"),
        [("constant", "fit the response exactly"), ("determined", "residual variance is zero")],
    )
    def test_degenerate_fits_are_refused(self, column, reason):
        # statsmodels #10239: a plausible table from a fit that cannot be.
        data = simulate(15).assign(constant=1.0)
        data["determined"] = 3.0 * data["g"]
        with pytest.warns(MixedModelConvergenceWarning, match=reason):
            fit = fit_mixed_model(f"{column} ~ arm + (1 | g)", data)
        assert not fit.converged
        assert fit.coefficients.isna().all(axis=None)
        assert fit.variance_components["variance"].isna().all()
        assert math.isnan(fit.log_likelihood)
        assert math.isnan(fit.contrast("armrad").pvalue)
        assert fit.anova()["pvalue"].isna().all()
        assert fit.marginal_means("arm").pairs()["pvalue"].isna().all()
        assert fit.confint_variance()["ci_low"].isna().all()
        assert reason in str(fit)
        assert "nan" in str(fit)

    def test_precision_is_kept_or_its_loss_is_said(self):
        # Residual ever smaller beside the effects: right to 1e-5, or refused; never in between.
        outcomes = []
        for size in 10.0 ** -np.arange(1, 8):
            data = simulate(16, n=300, sd=(1.0, 0.5, 0.0))
            noise = np.random.default_rng(0).normal(size=300)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", MixedModelConvergenceWarning)
                fit = fit_mixed_model(
                    "y ~ x + arm + (1 | g) + (1 | h)", data.assign(y=data["y"] + size * noise)
                )
            outcomes.append(fit.converged)
            # With such effects the residual is what least squares leaves with all as fixed.
            frame = data.assign(y=size * noise, g=data["g"].astype(str), h=data["h"].astype(str))
            within = smf.ols("y ~ x + arm + g + h", frame).fit()
            if fit.converged and size < 0.01:
                assert_allclose(fit.sigma, math.sqrt(within.scale), rtol=1e-5)
        assert outcomes[:2] == [True, True]
        assert not outcomes[-1]


class TestSingularFits:
    def test_a_variance_of_zero_is_said(self):
        data = simulate(20, n=400, sd=(1.0, 0.0, 1.0), balanced=True)
        data["y"] -= data.groupby("h")["y"].transform("mean")
        with pytest.warns(SingularFitWarning, match="between levels of h is estimated as zero"):
            fit = fit_mixed_model("y ~ x + (1 | g) + (1 | h)", data)
        assert fit.singular
        assert fit.converged
        assert "singular fit" in str(fit)
        variance = fit.variance_components.set_index("group")["variance"]
        assert variance["h"] < 1e-12
        # The maximum is that of the model without the factor, whose inference KR reproduces.
        smaller = fit_mixed_model("y ~ x + (1 | g)", data)
        assert_allclose(fit.log_likelihood, smaller.log_likelihood, rtol=1e-12)
        assert_allclose(fit.coefficients["estimate"], smaller.coefficients["estimate"], rtol=1e-8)
        row = fit.confint_variance().iloc[1]
        assert row["group"] == "h"
        assert row["ci_low"] == 0 < row["ci_high"]
        assert math.isnan(fit.confint_variance("wald").iloc[1]["ci_high"])

    def test_a_perfect_correlation_is_said(self):
        data = simulate(21, n=300)
        u = np.random.default_rng(3).normal(size=8)[data["g"]]
        data["y"] = u + 0.8 * u * data["x"] + np.random.default_rng(4).normal(size=300)
        with pytest.warns(SingularFitWarning, match="perfectly correlated"):
            fit = fit_mixed_model("y ~ x + (x | g)", data)
        assert_allclose(fit.correlations["correlation"], [1.0], atol=1e-6)
        assert fit.confint_variance().query("term.str.startswith('cor')")["ci_high"].item() == 1

    def test_the_boundary_is_left_when_it_is_a_saddle(self):
        # At zero the derivative in theta vanishes for every variance; the optimum is inside.
        data = simulate(22, n=200, sd=(5.0, 0.2, 1.0))
        assert not fit_mixed_model("y ~ arm + (1 | g) + (1 | h)", data).singular


@pytest.fixture(scope="module")
def fit():
    return fit_mixed_model("y ~ arm * x + (1 | g) + (1 | h)", simulate(30, n=200))


class TestVariancesThatCannotBeToldApart:
    @pytest.mark.parametrize(
        "random",
        ["(1 | g) + (1 | same)", "(1 | g) + (x | g)", "(1 | g/same)", "(arm || g)"],
    )
    @pytest.mark.parametrize("reml", [True, False])
    @pytest.mark.filterwarnings("ignore::stats_tl.stats.SingularFitWarning")
    @pytest.mark.filterwarnings("ignore::stats_tl.stats.MixedModelConvergenceWarning")
    def test_redundant_terms_are_said(self, random, reml):
        data = simulate(22)
        data["same"] = "level " + data["g"].astype(str)
        with pytest.warns(MixedModelWarning, match="do not identify the variance components"):
            fit = fit_mixed_model(f"y ~ arm + {random}", data, reml=reml, ddf="satterthwaite")
        assert "do not identify" in str(fit)

    def test_the_sum_and_the_fixed_effects_still_hold(self):
        data = simulate(22)
        data["same"] = "level " + data["g"].astype(str)
        with pytest.warns(MixedModelWarning, match="do not identify"):
            fit = fit_mixed_model("y ~ arm + (1 | g) + (1 | same)", data)
        single = fit_mixed_model("y ~ arm + (1 | g)", data)
        assert_allclose(fit.coefficients, single.coefficients, rtol=1e-6)
        assert_allclose(
            fit.variance_components["variance"].iloc[:2].sum(),
            single.variance_components["variance"].iloc[0],
            rtol=1e-6,
        )

    def test_fixed_effects_in_the_place_of_a_random_term(self):
        data = simulate(22)
        with pytest.warns(MixedModelWarning, match="do not identify"):
            fit_mixed_model("y ~ arm + C(g) + (1 | g)", data)

    @pytest.mark.parametrize(
        "random", ["(1 | g) + (1 | h)", "(x | g) + (1 | h)", "(x || g)", "(1 | g/h)", "(arm | g)"]
    )
    def test_nothing_is_said_of_others(self, random):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", SingularFitWarning)
            fit_mixed_model(f"y ~ arm + {random}", simulate(22))


class TestAnswers:
    def test_contrast_of_one_coefficient_is_its_row(self, fit):
        test, row = fit.contrast("armrad"), fit.coefficients.loc["armrad"]
        assert_allclose(
            [test.estimate, test.standard_error, test.df, test.pvalue], row.iloc[[0, 1, 2, 4]]
        )
        assert_allclose(test.confidence_interval, row[["ci_low", "ci_high"]])
        assert "Kenward-Roger" in test.method

    def test_contrast_forms_agree(self, fit):
        by_name = fit.contrast({"armrad": 1.0, "armrad:x": 0.5})
        by_position = fit.contrast([0, 1, 0, 0.5])
        assert by_name.estimate == by_position.estimate
        joint = fit.contrast([[0, 1, 0, 0.5]])
        assert_allclose(joint.statistic, by_name.statistic**2)
        assert_allclose(joint.pvalue, by_name.pvalue)

    def test_one_sided_and_shifted(self, fit):
        two = fit.contrast("armrad", null_value=0.1)
        greater = fit.contrast("armrad", null_value=0.1, alternative="greater")
        less = fit.contrast("armrad", null_value=0.1, alternative="less")
        assert_allclose(greater.pvalue + less.pvalue, 1)
        assert_allclose(2 * min(greater.pvalue, less.pvalue), two.pvalue)

    def test_marginal_means_at_covariate_values(self, fit):
        at = fit.marginal_means("arm", at={"x": 2.0})
        slope = fit.contrast([0, 1, 0, 2.0])
        pair = at.pairs("none", reverse=True).iloc[0]
        assert pair["contrast"] == "rad - img"
        assert_allclose([pair["estimate"], pair["df"]], [slope.estimate, slope.df])

    def test_fitted_and_residuals(self, fit):
        y = simulate(30, n=200)["y"]
        assert_allclose(fit.fitted + fit.residuals, y)
        # lme4's conditional residuals: their penalised sum of squares is (n - p) sigma^2.
        variance = fit.variance_components.set_index("group")["variance"]
        penalty = sum((fit.random_effects[k] ** 2).sum().sum() / variance[k] for k in ("g", "h"))
        total = (fit.residuals**2).sum() / fit.sigma**2 + penalty
        assert_allclose(total, 200 - 4, rtol=1e-7)

    def test_wald_is_the_normal_reference(self):
        fit = fit_mixed_model("y ~ arm + (1 | g)", simulate(31), ddf="wald")
        row = fit.coefficients.loc["armrad"]
        assert row["df"] == math.inf
        assert_allclose(row["pvalue"], 2 * sps.norm.sf(abs(row["statistic"])))
        assert_allclose(fit.anova().loc["arm", "pvalue"], row["pvalue"])

    def test_logit_scale(self):
        data = simulate(32)
        data["auc"] = 1 / (1 + np.exp(-(2 + 0.5 * data["y"])))
        fit = fit_mixed_model("logit(auc) ~ arm + (1 | g)", data)
        same = fit_mixed_model("z ~ arm + (1 | g)", data.assign(z=2 + 0.5 * data["y"]))
        assert_allclose(fit.coefficients, same.coefficients, rtol=1e-8)
        linear, back = fit.marginal_means("arm"), fit.marginal_means("arm", transform="logit")
        for name in ("estimate", "ci_low", "ci_high"):
            assert_allclose(back.table[name], 1 / (1 + np.exp(-linear.table[name])))
        mean = back.table["estimate"]
        slope = mean * (1 - mean)
        assert_allclose(back.table["standard_error"], slope * linear.table["standard_error"])
        assert_allclose(back.pairs()["estimate"], linear.pairs()["estimate"])

    def test_likelihood_ratio_refuses_what_is_not_nested(self):
        data = simulate(33)
        a = fit_mixed_model("y ~ arm + (1 | g)", data)
        b = fit_mixed_model("y ~ x + (1 | g)", data)
        with pytest.raises(ValueError, match="not nested"):
            likelihood_ratio_test(a, b)
        c = fit_mixed_model("y ~ 1 + (1 | g)", data.iloc[1:])
        with pytest.raises(ValueError, match="same response to the same rows"):
            likelihood_ratio_test(c, a)

    def test_printout(self, fit):
        text = str(fit)
        for part in ("REML", "Kenward-Roger", "200 observations", "Random effects", "armrad:x"):
            assert part in text
        assert "averaged with equal weights" not in str(fit.marginal_means("arm"))

    def test_maximum_likelihood_says_it_uses_satterthwaite(self):
        with pytest.warns(MixedModelWarning, match="REML fits only"):
            fit = fit_mixed_model("y ~ arm + (1 | g)", simulate(34), reml=False)
        assert fit.ddf == "satterthwaite"
        assert "Satterthwaite" in str(fit)


class TestRankDeficiency:
    def test_aliased_columns_are_dropped_as_in_r(self):
        data = simulate(40)
        data["again"] = data["arm"]
        with pytest.warns(MixedModelWarning, match="dropped, as R does: againrad"):
            fit = fit_mixed_model("y ~ arm + again + x + (1 | g)", data)
        plain = fit_mixed_model("y ~ arm + x + (1 | g)", data)
        assert fit.dropped_terms == ("againrad",)
        assert list(fit.coefficients.index) == ["(Intercept)", "armrad", "x"]
        assert_allclose(fit.coefficients, plain.coefficients, rtol=1e-9)

    def test_an_empty_cell_is_not_estimable(self):
        data = simulate(41).assign(b=lambda d: np.where(d["x"] > 0, "u", "v"))
        data = data[~((data["arm"] == "rad") & (data["b"] == "v"))]
        with pytest.warns(MixedModelWarning, match="rank deficient"):
            fit = fit_mixed_model("y ~ arm * b + (1 | g)", data)
        table = fit.marginal_means(["arm", "b"]).table
        empty = (table["arm"] == "rad") & (table["b"] == "v")
        assert table["estimate"].isna().to_list() == empty.to_list()
        assert fit.marginal_means("arm").table["estimate"].isna().to_list() == [False, True]


REFUSED = [
    ("y ~ arm", "no random term"),
    ("y ~ arm + 1 | g", "parentheses of its own"),
    ("~ arm + (1 | g)", "must read"),
    ("y ~ arm + (1 | g", "unbalanced"),
    ("y ~ arm + (1 | nope)", "no column 'nope'"),
    ("y ~ nope + (1 | g)", "no column 'nope'"),
    ("y ~ arm + (1 | row)", "as there are|one row per"),
    ("y ~ arm + (1 | one)", "one level only"),
    ("y ~ arm + (x | pair)", "not identifiable"),
    ("y ~ arm + (1 | g) + (1 | g)", "same random term twice"),
    ("arm ~ x + (1 | g)", "must be numeric"),
    ("y ~ holes + (1 | g)", r"missing values in 2 of 120 rows \('holes': 2\)"),
    ("logit(y) ~ arm + (1 | g)", "not finite"),
    ("y ~ arm + (1 | g*h)", "must be a column"),
    ("y ~ arm - (1 | g)", "cannot be subtracted"),
]


@pytest.mark.parametrize(("formula", "message"), REFUSED)
def test_refusals_name_the_cause(formula, message):
    data = simulate(50).assign(one=1, row=np.arange(120), pair=np.arange(120) // 2)
    data["holes"] = data["x"].where(data.index > 1)
    with pytest.raises(ValueError, match=message):
        fit_mixed_model(formula, data)


def test_bad_arguments_are_named():
    data = simulate(51)
    fit = fit_mixed_model("y ~ arm + (1 | g)", data)
    with pytest.raises(ValueError, match="`ddf`"):
        fit_mixed_model("y ~ arm + (1 | g)", data, ddf="containment")
    with pytest.raises(ValueError, match="`confidence_level`"):
        fit_mixed_model("y ~ arm + (1 | g)", data, confidence_level=95)
    with pytest.raises(ValueError, match="`data`"):
        fit_mixed_model("y ~ arm + (1 | g)", data.to_dict())
    with pytest.raises(ValueError, match="`weights`"):
        fit.contrast("armtypo")
    with pytest.raises(ValueError, match="`adjust`"):
        fit.marginal_means("arm").pairs("fdr")
    with pytest.raises(ValueError, match="no variable of the fixed part"):
        fit.marginal_means("g")
    with pytest.raises(ValueError, match="`method`"):
        fit.confint_variance("bootstrap")


@pytest.mark.slow
def test_kenward_roger_keeps_its_level():
    """Six tasks, random slopes, unbalanced: a 5 % test rejects at most about 5 % of the time.

    It is conservative here, because a quarter of the fits are singular.
    """
    rng = np.random.default_rng(0)
    rejections, n_simulations = 0, 500
    for _ in range(n_simulations):
        task = rng.integers(0, 6, 60)
        arm = rng.choice(["a", "b"], 60)
        effect = rng.normal(size=(6, 2))
        y = effect[task, 0] + effect[task, 1] * (arm == "b") + rng.normal(size=60)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = fit_mixed_model(
                "y ~ arm + (arm | task)", pd.DataFrame({"task": task, "arm": arm, "y": y})
            )
        rejections += fit.coefficients.loc["armb", "pvalue"] < 0.05
    assert 0.01 < rejections / n_simulations < 0.07
