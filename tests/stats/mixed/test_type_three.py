"""Type III tests: hypotheses on marginal means, whatever the coding, nesting or empty cells."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from stats_tl.stats import MixedModelWarning, fit_mixed_model

DDF = ("satterthwaite", "kenward-roger", "wald")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(11)
    n = 150
    frame = pd.DataFrame(
        {
            "task": rng.choice([f"t{i}" for i in range(8)], n),
            "arm": rng.choice(list("abc"), n, p=[0.5, 0.3, 0.2]),
            "bb": rng.choice(list("pqr"), n, p=[0.2, 0.5, 0.3]),
            "x": rng.normal(3, 1, n),
        }
    )
    task = rng.normal(0, 0.05, 8)[frame["task"].str[1:].astype(int)]
    frame["y"] = (
        0.8
        + 0.02 * (frame["arm"] == "b")
        - 0.03 * (frame["bb"] == "q")
        + 0.05 * ((frame["arm"] == "c") & (frame["bb"] == "r"))
        + 0.01 * frame["x"] * (frame["arm"] == "b")
        + task
        + rng.normal(0, 0.05, n)
    )
    return frame


def joint(fit, rows):
    """F test of linear functions of the fit's own coefficients."""
    test = fit.contrast(np.asarray(rows))
    return [*test.df, test.statistic, test.pvalue]


def row(table, term):
    return table.loc[term, ["df_numerator", "df_denominator", "statistic", "pvalue"]].to_list()


@pytest.mark.parametrize("ddf", DDF)
@pytest.mark.parametrize("coding", ["contr.sum", "contr.helmert", "contr.poly", "contr.SAS"])
@pytest.mark.parametrize(
    "formula",
    ["{arm} * {bb}", "{arm} * x", "{arm} / {bb}", "{arm} + {bb} + x", "x + {arm}:x", "{arm}"],
)
def test_coding_does_not_matter(data, formula, coding, ddf):
    if ddf != "satterthwaite" and coding != "contr.sum":
        return  # the denominators' rules differ in nothing that the coding could touch
    coded = formula.format(arm=f"C(arm, {coding})", bb=f"C(bb, {coding})")
    plain = formula.format(arm="arm", bb="bb")
    a = fit_mixed_model(f"y ~ {plain} + (1 | task)", data, ddf=ddf).anova()
    b = fit_mixed_model(f"y ~ {coded} + (1 | task)", data, ddf=ddf).anova()
    assert_allclose(b, a, rtol=1e-6)


def test_the_hypothesis_is_equal_marginal_means(data):
    fit = fit_mixed_model("y ~ arm * bb + (1 | task)", data)
    means = fit.marginal_means("arm").weights
    assert_allclose(row(fit.anova(), "arm"), joint(fit, means[1:] - means[0]), rtol=1e-8)


@pytest.mark.parametrize("nested", ["arm / bb", "arm + bb %in% arm", "arm + arm:bb"])
def test_nesting_keeps_the_outer_test(data, nested):
    crossed = fit_mixed_model("y ~ arm * bb + (1 | task)", data)
    fit = fit_mixed_model(f"y ~ {nested} + (1 | task)", data)
    assert_allclose(fit.log_likelihood, crossed.log_likelihood, rtol=1e-10)
    assert_allclose(row(fit.anova(), "arm"), row(crossed.anova(), "arm"), rtol=1e-7)
    # The inner term: equal means of bb within every arm, six degrees of freedom.
    cells = fit.marginal_means("bb", by="arm")
    rows = [
        cells.weights[3 * arm + level] - cells.weights[3 * arm]
        for arm in range(3)
        for level in (1, 2)
    ]
    assert_allclose(row(fit.anova(), "arm:bb"), joint(fit, rows), rtol=1e-7)


def test_an_interaction_alone_compares_all_cells(data):
    with pytest.warns(MixedModelWarning, match="dropped"):
        fit = fit_mixed_model("y ~ arm:bb + (1 | task)", data)
    cells = fit.marginal_means(["arm", "bb"]).weights
    assert_allclose(row(fit.anova(), "arm:bb"), joint(fit, cells[1:] - cells[0]), rtol=1e-7)


def test_an_empty_cell_leaves_three_degrees_of_freedom(data):
    holed = data[~((data["arm"] == "c") & (data["bb"] == "r"))]
    with pytest.warns(MixedModelWarning, match="rank deficient"):
        fit = fit_mixed_model("y ~ arm * bb + (1 | task)", holed)
    table = fit.anova()
    # The interactions that the other eight cells leave: all coefficients of the term.
    names = list(fit.coefficients.index)
    rows = np.eye(len(names))[[":" in name for name in names]]
    assert_allclose(row(table, "arm:bb"), joint(fit, rows), rtol=1e-7)
    assert table.loc["arm:bb", "df_numerator"] == 3
    # Of the marginal means of arm, that of c is not estimable: a and b can still be compared.
    means = fit.marginal_means("arm").weights
    assert_allclose(row(table, "arm"), joint(fit, [means[1] - means[0]]), rtol=1e-7)


def test_an_aliased_covariate_changes_nothing(data):
    doubled = data.assign(twice=2 * data["x"])
    plain = fit_mixed_model("y ~ arm * bb + x + (1 | task)", data).anova()
    with pytest.warns(MixedModelWarning, match="dropped"):
        fit = fit_mixed_model("y ~ arm * bb + x + twice + (1 | task)", doubled)
    table = fit.anova()
    assert_allclose(table.drop(index="twice"), plain, rtol=1e-7)
    assert table.loc["twice", "df_numerator"] == 0
    assert table.loc["twice"].drop("df_numerator").isna().all()


def test_numeric_terms_are_tested_jointly(data):
    fit = fit_mixed_model("y ~ poly(x, 3) * arm + (1 | task)", data)
    names = list(fit.coefficients.index)
    plain = [names.index(f"poly(x, 3){i}") for i in (1, 2, 3)]
    rows = np.zeros((3, len(names)))
    for i, at in enumerate(plain):
        rows[i, at] = 1
        for arm in "bc":  # the slope averaged over the arms
            rows[i, names.index(f"poly(x, 3){i + 1}:arm{arm}")] = 1 / 3
    assert_allclose(row(fit.anova(), "poly(x, 3)"), joint(fit, rows), rtol=1e-7)
    assert fit.anova().loc["poly(x, 3):arm", "df_numerator"] == 6


def test_a_second_factor_without_intercept_is_compared_not_tested_for_zero():
    """``0 + arm + bb`` spans the columns of ``arm + bb``; `bb` has the same test in both."""
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"g": rng.integers(0, 8, 120), "x": rng.normal(size=120)})
    data["arm"], data["bb"] = rng.choice(list("uvw"), 120), rng.choice(list("pq"), 120)
    data["y"] = 3 + rng.normal(size=8)[data["g"]] + rng.normal(size=120)
    whole = fit_mixed_model("y ~ arm + bb + (1 | g)", data).anova().loc["bb"]
    without = fit_mixed_model("y ~ 0 + arm + bb + (1 | g)", data).anova().loc["bb"]
    assert without["df_numerator"] == 1
    np.testing.assert_allclose(without, whole, rtol=1e-7)
