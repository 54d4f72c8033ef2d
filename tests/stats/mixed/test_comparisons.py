"""Families of comparisons of marginal means: multivariate t, Dunnett, contrasts by name."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats as sps

from stats_tl.stats import MixedModelWarning, fit_mixed_model
from stats_tl.stats.mixed.simultaneous import MaximumOfT


def simulate(seed=0, n=120, arms="abcd"):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {
            "g": rng.integers(0, 10, n),
            "arm": rng.choice(
                list(arms), n, p=np.arange(len(arms), 0, -1) / sum(range(len(arms) + 1))
            ),
            "bb": rng.choice(["p", "q"], n),
        }
    )
    return data.assign(y=rng.normal(size=10)[data["g"]] + rng.normal(size=n))


@pytest.fixture(scope="module")
def means():
    return fit_mixed_model("y ~ arm * bb + (1 | g)", simulate()).marginal_means("arm")


class TestMaximumOfT:
    @pytest.mark.parametrize("df", [4.0, 17.5, np.inf])
    @pytest.mark.parametrize("k", [3, 5])
    def test_balanced_pairs_are_tukeys(self, k, df):
        a, b = np.triu_indices(k, 1)
        L = np.eye(k)[a] - np.eye(k)[b]
        joint = MaximumOfT(L @ L.T)
        for t in (1.5, 2.5, 4.0):
            expected = sps.studentized_range.sf(t * np.sqrt(2), k, df)
            assert_allclose(joint.sf(t, df), expected, rtol=2e-3, atol=2e-6)

    def test_equal_correlations_are_scipys_dunnett(self):
        # Dunnett's published table: two-sided 5 % points for 3 treatments and a control.
        joint = MaximumOfT(np.full((3, 3), 0.5) + np.eye(3) / 2)
        assert_allclose([joint.isf(0.05, df) for df in (10, 20, 60)], [2.76, 2.54, 2.41], atol=5e-3)

    def test_independent_and_identical_statistics(self):
        single = 2 * sps.norm.sf(2.0)
        assert_allclose(MaximumOfT(np.eye(3)).sf(2.0, np.inf), 1 - (1 - single) ** 3, rtol=1e-4)
        assert_allclose(MaximumOfT(np.ones((3, 3))).sf(2.0, np.inf), single, rtol=1e-12)

    def test_against_a_library(self):
        covariance = np.array([[1.0, 0.6, -0.2], [0.6, 2.0, 0.3], [-0.2, 0.3, 1.5]])
        sd = np.sqrt(np.diag(covariance))
        theirs = 1 - sps.multivariate_t(shape=covariance / np.outer(sd, sd), df=9).cdf(
            [2.2] * 3, lower_limit=[-2.2] * 3, random_state=1, maxpts=1_000_000
        )
        assert_allclose(MaximumOfT(covariance).sf(2.2, 9), theirs, atol=1e-4)


def test_intervals_belong_to_the_p_values(means):
    for adjust in ("mvt", "bonferroni", "none", "tukey"):
        table = means.pairs(adjust)
        critical = (table["ci_high"] - table["estimate"]) / table["standard_error"]
        at_edge = table["statistic"].abs() > critical
        assert ((table["pvalue"] < 0.05) == at_edge).all()


def test_mvt_lies_between_single_and_bonferroni(means):
    single, joint, bonferroni = (means.pairs(a)["pvalue"] for a in ("none", "mvt", "bonferroni"))
    assert (joint >= single - 1e-12).all()
    assert (joint <= bonferroni + 1e-4).all()


def test_against_the_reference(means):
    table = means.against_reference("b", "none")
    assert table["contrast"].to_list() == ["a - b", "c - b", "d - b"]
    pairs = means.pairs("none", reverse=True).set_index("contrast")
    assert_allclose(table["estimate"].iloc[1:], pairs["estimate"][["c - b", "d - b"]])
    first = means.against_reference()
    assert (first["adjust"] == "mvt").all()
    assert first["contrast"].to_list() == ["b - a", "c - a", "d - a"]
    turned = means.against_reference(reverse=True)
    assert_allclose(turned["estimate"], -first["estimate"])
    assert_allclose(turned["pvalue"], first["pvalue"])
    with pytest.raises(ValueError, match="`reference` must be one of 'a'"):
        means.against_reference("z")
    with pytest.raises(ValueError, match="all pairs"):
        means.against_reference(adjust="tukey")


def test_contrasts_of_contrasts():
    fit = fit_mixed_model("y ~ arm * bb + (1 | g)", simulate(arms="ab"))
    means = fit.marginal_means("arm | bb")
    table = means.contrasts(
        {
            "gain in p": {"b p": 1, "a p": -1},
            "gain in q": {"b q": 1, "a q": -1},
            "difference": {"gain in q": 1, "gain in p": -1},
        },
        adjust="none",
    ).set_index("contrast")
    row = fit.coefficients.loc["armb:bbq"]
    assert_allclose(table.loc["difference", "estimate"], row["estimate"])
    assert_allclose(table.loc["difference", "pvalue"], row["pvalue"])
    pairs = means.pairs("none", reverse=True)
    assert_allclose(table["estimate"].iloc[:2], pairs["estimate"])
    with pytest.raises(ValueError, match="names 'nope'"):
        means.contrasts({"one": {"nope": 1}})
    with pytest.raises(ValueError, match="is taken"):
        means.contrasts({"a p": {"b p": 1}})


@pytest.mark.parametrize("adjust", ["holm", "bonferroni", "mvt", "tukey"])
def test_what_is_not_estimable_counts_in_no_family(adjust):
    """Level d lacks a cell: its pairs are NaN, and the others are those of three levels."""
    data = simulate()
    data = data[~((data["arm"] == "d") & (data["bb"] == "q"))]
    with pytest.warns(MixedModelWarning, match="rank deficient"):
        fit = fit_mixed_model("y ~ arm * bb + (1 | g)", data)
    means = fit.marginal_means("arm")
    table = means.pairs(adjust).set_index("contrast")
    lost = table.index.str.contains("d")
    assert table.loc[lost, ["estimate", "pvalue", "ci_low"]].isna().all(axis=None)
    single = means.pairs("none").set_index("contrast").loc[~lost]
    kept = table.loc[~lost]
    factor = {"holm": 3, "bonferroni": 3}.get(adjust)
    if factor:
        assert_allclose(kept["pvalue"].min(), min(1, factor * single["pvalue"].min()))
    elif adjust == "tukey":
        expected = sps.studentized_range.sf(kept["statistic"].abs() * np.sqrt(2), 3, kept["df"])
        assert_allclose(kept["pvalue"], expected, rtol=1e-9)
    else:
        assert (kept["pvalue"] <= 3 * single["pvalue"] + 1e-4).all()


def test_an_estimable_difference_of_means_that_are_not():
    """An empty cell elsewhere takes the means, but not a difference that does not need it."""
    data = simulate()
    data["batch"] = np.where(data["bb"] == "p", "u", np.where(np.arange(len(data)) % 2, "v", "w"))
    with pytest.warns(MixedModelWarning, match="dropped"):
        fit = fit_mixed_model("y ~ arm + bb + batch + (1 | g)", data)
    means = fit.marginal_means("arm")
    assert means.table["estimate"].isna().all()
    assert_allclose(
        means.pairs("none", reverse=True)["estimate"].iloc[:3],
        fit.coefficients["estimate"].iloc[1:4],
    )
