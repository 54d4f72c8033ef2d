"""Power formulas, each against the test it describes on simulated data."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats as sps
from scipy.integrate import trapezoid

from stats_tl.stats import (
    binormal_difference_variance,
    corrected_resampled_ttest,
    corrected_ttest_power,
    delong_power,
    delong_sample_size,
    delong_test,
    mrmc_power,
    repeated_cv_components,
    repeated_cv_power,
    simulate_design,
    smallest_detectable_difference,
)


def monte_carlo(p, n, width=3.5):
    return width * math.sqrt(p * (1 - p) / n)


def test_smallest_detectable_difference():
    with pytest.raises(TypeError, match="positional"):
        smallest_detectable_difference(1.0, 9, 0.05)  # a level is never read as something else
    # The textbook multiples of the standard error.
    assert smallest_detectable_difference(1.0) == pytest.approx(1.959964 + 0.841621, abs=1e-6)
    assert smallest_detectable_difference(0.02, alpha=0.1, power=0.9) == pytest.approx(
        0.02 * (sps.norm.isf(0.05) + sps.norm.isf(0.1)), rel=1e-12
    )
    for df in (2, 9, 60):
        shift = smallest_detectable_difference(1.0, df=df)
        assert sps.nct.sf(sps.t.isf(0.025, df), df, shift) == pytest.approx(0.8, abs=1e-9)
    assert smallest_detectable_difference(1.0, df=1e6) == pytest.approx(2.801585, abs=1e-4)
    assert smallest_detectable_difference(0.0) == 0.0
    for wrong in ({"alpha": 0}, {"power": 1}, {"power": 0.01}, {"df": 0}):
        with pytest.raises(ValueError, match="`"):
            smallest_detectable_difference(1.0, **wrong)
    with pytest.raises(ValueError, match="`standard_error`"):
        smallest_detectable_difference(-1.0)


def binormal(rng, auc, n1, n0, correlation, b):
    shift = math.sqrt(1 + b * b) * sps.norm.ppf(auc)
    factor = [np.linalg.cholesky([[1, r], [r, 1]]) for r in correlation]
    x = rng.standard_normal((n1, 2)) @ factor[0].T + shift
    y = b * rng.standard_normal((n0, 2)) @ factor[1].T
    return np.repeat([1, 0], [n1, n0]), np.vstack([x, y]).T


@pytest.mark.parametrize(
    ("auc", "n1", "n0", "correlation", "b"),
    [((0.85, 0.75), 40, 80, (0.6, 0.6), 1.0), ((0.9, 0.85), 60, 50, (0.2, 0.8), 1.6)],
)
def test_delong_power_against_delong(auc, n1, n0, correlation, b):
    rng = np.random.default_rng(31)
    n_sim = 500
    results = []
    for _ in range(n_sim):
        y, scores = binormal(rng, auc, n1, n0, correlation, b)
        results.append(delong_test(y, *scores))
    estimates = np.array([r.estimate for r in results])
    variance = binormal_difference_variance(*auc, n1, n0, correlation=correlation, sd_ratio=b)
    assert estimates.var(ddof=1) == pytest.approx(variance, rel=3.5 * math.sqrt(2 / n_sim))
    power = delong_power(*auc, n1, n0, correlation=correlation, sd_ratio=b)
    rejected = np.mean([r.pvalue < 0.05 and r.estimate > 0 for r in results])
    # The statistic is a little skewed at these sizes: .02 beyond Monte-Carlo error.
    assert rejected == pytest.approx(power, abs=monte_carlo(power, n_sim) + 0.02)


def test_exact_variance_of_one_pair_of_cases_by_quadrature():
    """With b = 1, rho = 0 and equal AUCs the variance is twice that of one AUC (Bamber)."""
    auc, n1, n0 = 0.8, 30, 50
    z = sps.norm.ppf(auc)
    # E[F(X)^2] for X normal: P(two independent negatives lie below X).
    x = np.linspace(-9, 9, 20001)
    shared = trapezoid(sps.norm.pdf(x) * sps.norm.cdf(x + math.sqrt(2) * z) ** 2, x)
    excess = shared - auc**2
    expected = 2 * (auc - auc**2 + (n0 - 1 + n1 - 1) * excess) / (n1 * n0)
    value = binormal_difference_variance(auc, auc, n1, n0, correlation=0.0)
    assert value == pytest.approx(expected, rel=1e-7)


def test_obuchowski_mcclish_variance():
    # Single-AUC variance for b = 1 from the closed form e^{-a^2/2} (a^2 + 8)(1 + 1/R)/(32 pi n1),
    # R = n0/n1, a = sqrt(2) z; two independent arms add up.
    auc, n1, n0 = 0.85, 100, 300
    a = math.sqrt(2) * sps.norm.ppf(auc)
    single = math.exp(-a * a / 2) * (a * a + 8) * (1 + n1 / n0) / (32 * math.pi * n1)
    value = binormal_difference_variance(
        auc, auc, n1, n0, correlation=0.0, method="obuchowski-mcclish"
    )
    assert value == pytest.approx(2 * single, rel=1e-10)
    empirical = binormal_difference_variance(auc, auc, n1, n0, correlation=0.0)
    assert 1.0 < empirical / value < 1.15
    for method in ("empirical", "obuchowski-mcclish"):
        perfect = binormal_difference_variance(auc, auc, n1, n0, correlation=1.0, method=method)
        assert perfect == pytest.approx(0.0, abs=1e-12)


def test_sample_size_is_the_smallest_that_suffices():
    auc, kwargs = (0.88, 0.84), {"correlation": (0.5, 0.7), "sd_ratio": 0.8}
    n1, n0 = delong_sample_size(*auc, prevalence=0.25, power=0.9, **kwargs)
    assert n0 == pytest.approx(3 * n1, abs=3)
    assert delong_power(*auc, n1, n0, **kwargs) == pytest.approx(0.9, abs=0.003)
    assert delong_power(*auc, round(0.9 * n1), round(0.9 * n0), **kwargs) < 0.89


def test_corrected_t_power_in_the_world_it_assumes():
    rng = np.random.default_rng(13)
    n_sim, n_values, rho, delta = 1000, 25, 0.2, 1.2
    shared = rng.standard_normal((n_sim, 1)) * math.sqrt(rho)
    d = delta + shared + rng.standard_normal((n_sim, n_values)) * math.sqrt(1 - rho)
    for alternative in ("two-sided", "greater", "less"):
        power = corrected_ttest_power(
            delta,
            math.sqrt(1 - rho),
            n_values=n_values,
            n_train=80,
            n_test=20,
            alternative=alternative,
        )
        rejected = np.mean(
            [
                corrected_resampled_ttest(x, n_train=80, n_test=20, alternative=alternative).pvalue
                < 0.05
                for x in d
            ]
        )
        assert rejected == pytest.approx(power, abs=monte_carlo(max(power, 0.01), n_sim))


def test_mrmc_power_against_the_obuchowski_rockette_model():
    rng = np.random.default_rng(5)
    readers, n_sim, delta = 5, 4000, 0.05
    tr, error, cov1, cov2, cov3 = 2e-4, 8e-4, 3.4e-4, 3.6e-4, 2.4e-4
    same_arm = np.kron(np.eye(2), np.ones((readers, readers))) > 0
    same_reader = np.kron(np.ones((2, 2)), np.eye(readers)) > 0
    matrix = np.where(same_arm & same_reader, error, np.where(same_reader, cov1, cov3))
    matrix = np.where(same_arm & ~same_reader, cov2, matrix)
    matrix = matrix + tr * np.eye(2 * readers)
    aucs = rng.multivariate_normal(np.zeros(2 * readers), matrix, size=n_sim)
    aucs = aucs.reshape(n_sim, 2, readers)
    aucs[:, 0] += delta
    difference = aucs[:, 0] - aucs[:, 1]
    ms_tr = difference.var(axis=1, ddof=1) / 2
    ms_t = readers * difference.mean(axis=1) ** 2 / 2
    denominator = ms_tr + readers * (cov2 - cov3)
    df2 = denominator**2 / (ms_tr**2 / (readers - 1))
    rejected = np.mean(sps.f.sf(ms_t / denominator, 1, df2) < 0.05)
    parts = {
        "n_readers": readers,
        "n_cases": 200,
        "pilot_cases": 200,
        "arm_reader_variance": tr,
        "error_variance": error,
        "cov1": cov1,
        "cov2": cov2,
        "cov3": cov3,
    }
    # Hillis' df are an approximation on both sides.
    assert rejected == pytest.approx(mrmc_power(delta, **parts), abs=0.04)
    z = delta / math.sqrt(2 / readers * (error - cov1 + (readers - 1) * (cov2 - cov3)))
    fixed = sps.norm.sf(1.959964 - z) + sps.norm.cdf(-1.959964 - z)
    assert mrmc_power(delta, readers="fixed", **parts) == pytest.approx(fixed, abs=1e-6)
    assert mrmc_power(0.0, **parts) == pytest.approx(0.05)
    more = [mrmc_power(delta, **(parts | {"n_cases": n})) for n in (100, 200, 400)]
    assert more == sorted(more)
    with pytest.raises(ValueError, match="`readers`"):
        mrmc_power(delta, readers="some", **parts)
    with pytest.raises(ValueError, match="`error_variance`"):
        mrmc_power(delta, **(parts | {"cov1": 1.0}))


@pytest.fixture(scope="module")
def components():
    rng = np.random.default_rng(0)
    n, repeats = 600, 8
    y = np.arange(n) % 3 == 0
    folds = np.array([rng.permutation(n // 3).repeat(3) % 5 for _ in range(repeats)])
    shared = y + rng.standard_normal(n)
    arms = (
        shared + 0.5 * rng.standard_normal((2, 1, n)) + 0.4 * rng.standard_normal((2, repeats, n))
    )
    return repeated_cv_components(y, *arms, folds)


def test_simulated_and_closed_power_agree(components):
    for method in ("learning-curve", "repeat-delong", "larger-variance"):
        row = simulate_design(
            components, difference=0.05, n_repeats=(10,), elasticity=0.3, method=method, rng=1
        ).iloc[0]
        closed = repeated_cv_power(
            0.05,
            case_variance=components.case_variance,
            shared_variance=components.shared_variance,
            repeat_variance=components.repeat_variance,
            n_repeats=10,
            elasticity=0.3,
            method=method,
        )
        assert row["power"] == pytest.approx(closed, abs=monte_carlo(closed, 4000) + 0.01)
    level = simulate_design(components, n_repeats=(10,), method="learning-curve", rng=1)["size"][0]
    assert level == pytest.approx(0.05, abs=monte_carlo(0.05, 4000) + 0.003)


@pytest.mark.parametrize("elasticity", [-0.4, 0.5, 1.0, 1.8])
def test_training_may_add_more_than_testing_or_take_away(components, elasticity):
    """Halvings measure elasticities outside of 0 to 1; the noncentral t with that variance."""
    shared, repeat = components.shared_variance, components.repeat_variance
    variance = (1 + elasticity) ** 2 * shared + repeat / 10
    df = 2 * variance**2 / (2 * (repeat / 10) ** 2 / 9)
    critical, shift = sps.t.isf(0.025, df), 0.03 / np.sqrt(variance)
    expected = sps.nct.sf(critical, df, shift)  # a wrong direction is no success
    power = repeated_cv_power(
        0.03,
        case_variance=components.case_variance,
        shared_variance=shared,
        repeat_variance=repeat,
        n_repeats=10,
        elasticity=elasticity,
    )
    assert power == pytest.approx(expected, abs=1e-8)
    measured = dataclasses.replace(components, elasticity=elasticity)
    plan = simulate_design(measured, difference=0.03, n_repeats=(10,), rng=1)
    assert plan["true_standard_error"][0] == pytest.approx(np.sqrt(variance))


def test_designs_move_power_the_right_way(components):
    plan = simulate_design(
        components,
        difference=0.04,
        n_repeats=(3, 10, 40),
        n_seeds=(1, 5),
        n_units=(300, 600, 1200),
        seed_variance=components.repeat_variance / 2,
        rng=2,
    )
    assert len(plan) == 18
    wide = plan.pivot_table(index=["n_units", "n_seeds"], columns="n_repeats", values="power")
    slack = 0.02
    assert (wide.diff(axis=1).iloc[:, 1:] > -slack).all().all()
    by_units = plan.pivot_table(index=["n_repeats", "n_seeds"], columns="n_units", values="power")
    assert (by_units.diff(axis=1).iloc[:, 1:] > 0).all().all()
    by_seeds = plan.pivot_table(
        index=["n_units", "n_repeats"], columns="n_seeds", values="true_standard_error"
    )
    assert (by_seeds[5] < by_seeds[1]).all()
    again = simulate_design(components, difference=0.04, n_repeats=(3,), rng=2)
    assert again.equals(simulate_design(components, difference=0.04, n_repeats=(3,), rng=2))
    nb = simulate_design(components, n_repeats=(10,), method="nadeau-bengio", elasticity=0.0, rng=3)
    assert nb["size"][0] < 0.05


def test_wrong_input_is_named(components):
    one = {"case_variance": 1e-4, "shared_variance": 1e-4, "repeat_variance": 1e-4}
    cases = [
        (lambda: delong_power(1.0, 0.8, 10, 10), "`auc_a`"),
        (lambda: delong_power(0.9, 0.8, 1, 10), "`n_positive`"),
        (lambda: delong_power(0.9, 0.8, 10, 10, correlation=2), "`correlation`"),
        (lambda: delong_power(0.9, 0.8, 10, 10, sd_ratio=0), "`sd_ratio`"),
        (lambda: delong_power(0.9, 0.8, 10, 10, alternative="up"), "`alternative`"),
        (lambda: binormal_difference_variance(0.9, 0.8, 9, 9, method="ml"), "`method`"),
        (lambda: delong_sample_size(0.8, 0.8, prevalence=0.5), "must differ"),
        (lambda: corrected_ttest_power(1, 0, n_values=5, n_train=4, n_test=1), "`standard_dev"),
        (lambda: repeated_cv_power(0.1, **one, n_repeats=1), "`n_repeats`"),
        (lambda: repeated_cv_power(0.1, **one, n_repeats=5, elasticity=-2), "`elasticity`"),
        (lambda: repeated_cv_power(0.1, **one, n_repeats=5, method="nb"), "`method`"),
        (lambda: simulate_design(components, n_seeds=(2,)), "`seed_variance` is needed"),
        (lambda: simulate_design(components, seed_variance=1.0), "`seed_variance` must"),
        (lambda: simulate_design(components, method="nb"), "`method`"),
        (lambda: simulate_design(components, n_repeats=(1,)), "`n_repeats`"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(("auc_a", "auc_b"), [(0.8, 0.85), (0.9, 0.93), (0.95, 0.97), (0.5, 0.99)])
@pytest.mark.parametrize("prevalence", [0.1, 0.27, 0.5])
def test_sample_size_is_the_least_that_has_the_power(auc_a, auc_b, prevalence):
    found = delong_sample_size(auc_a, auc_b, prevalence=prevalence, power=0.9)
    n = 2
    while True:  # every size from below, by the model of the power itself
        sizes = (max(2, math.ceil(n * prevalence)), max(2, math.ceil(n * (1 - prevalence))))
        if delong_power(auc_a, auc_b, *sizes) >= 0.9:
            break
        n += 1
    assert found == sizes
