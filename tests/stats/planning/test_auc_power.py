"""Power of a test of one AUC, and of the equivalence of two."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from stats_tl.stats import (
    auc_power,
    auc_sample_size,
    delong_equivalence_power,
    delong_equivalence_sample_size,
    delong_power,
    delong_test,
    equivalence_test,
    noninferiority_test,
)


@pytest.mark.parametrize(
    ("auc", "n_positive", "n_negative", "options", "expected"),
    [
        # power.roc.test(auc =, ncases =, ncontrols =, sig.level =) of pROC 1.18.0, which
        # rounds the constant of the variance to two digits.
        (0.8, 41, 72, {}, 0.9999509834),
        (0.75, 30, 60, {"alpha": 0.01}, 0.9296524879),
    ],
)
def test_one_curve_as_in_proc(auc, n_positive, n_negative, options, expected):
    found = auc_power(auc, n_positive, n_negative, method="obuchowski", **options)
    assert found == pytest.approx(expected, abs=0.002)


def test_sample_size_as_in_proc():
    # power.roc.test(auc = 0.8, power = 0.9, kappa = 2): 12.80825 and 25.61651 cases.
    assert auc_sample_size(0.8, prevalence=1 / 3, power=0.9, method="obuchowski") == (13, 26)


def binormal(rng, auc, n_positive, n_negative, size):
    shift = np.sqrt(2) * norm.ppf(auc)
    return rng.normal(shift, size=(size, n_positive)), rng.normal(size=(size, n_negative))


def test_power_at_one_half_is_that_of_the_rank_sum_test():
    positive, negative = binormal(np.random.default_rng(1), 0.65, 40, 60, 4000)
    pvalues = mannwhitneyu(positive, negative, axis=1, use_continuity=False, method="asymptotic")
    expected = auc_power(0.65, 40, 60)
    assert np.mean(pvalues.pvalue < 0.05) == pytest.approx(expected, abs=0.025)


def test_directions_and_symmetry():
    assert auc_power(0.7, 30, 50, null_value=0.8) == pytest.approx(
        auc_power(0.3, 50, 30, null_value=0.2, sd_ratio=1)
    )
    one = auc_power(0.8, 30, 50, null_value=0.7, alternative="greater", alpha=0.025)
    assert one == pytest.approx(auc_power(0.8, 30, 50, null_value=0.7))
    assert auc_power(0.8, 30, 50, null_value=0.7, alternative="less") < 0.001
    # With the difference at nought the one-sided power is the level.
    assert auc_power(0.7, 30, 50, null_value=0.7, alternative="greater") == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("size_of", "power_of"),
    [
        (
            lambda **how: auc_sample_size(0.85, null_value=0.75, **how),
            lambda *n: auc_power(0.85, *n, null_value=0.75),
        ),
        (
            lambda **how: delong_equivalence_sample_size(0.84, 0.85, margin=0.05, **how),
            lambda *n: delong_equivalence_power(0.84, 0.85, *n, margin=0.05),
        ),
        (
            lambda **how: delong_equivalence_sample_size(
                0.86, 0.85, margin=0.03, kind="noninferiority", **how
            ),
            lambda *n: delong_equivalence_power(0.86, 0.85, *n, margin=0.03, kind="noninferiority"),
        ),
    ],
)
@pytest.mark.parametrize("prevalence", [0.1, 0.5])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_sample_sizes_are_the_least_that_suffice(size_of, power_of, prevalence, power):
    n_positive, n_negative = size_of(prevalence=prevalence, power=power)
    assert power_of(n_positive, n_negative) >= power
    total = n_positive + n_negative - 2
    fewer = np.ceil(total * prevalence), np.ceil(total * (1 - prevalence))
    assert power_of(*(int(n) for n in fewer)) < power


def test_equivalence_power_by_simulation():
    rng, n_sets = np.random.default_rng(5), 800
    y, found = np.repeat([0, 1], [100, 80]), {"equivalence": 0, "noninferiority": 0}
    for _ in range(n_sets):
        scores = rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], size=180)
        scores += y[:, None] * np.sqrt(2) * norm.ppf([0.86, 0.85])
        result = delong_test(y, *scores.T)
        found["equivalence"] += equivalence_test(result, 0.07).pvalue < 0.05
        found["noninferiority"] += noninferiority_test(result, 0.07).pvalue < 0.05
    for kind, count in found.items():
        expected = delong_equivalence_power(
            0.86, 0.85, 80, 100, margin=0.07, kind=kind, correlation=0.7
        )
        assert count / n_sets == pytest.approx(expected, abs=0.05)


def test_noninferiority_at_the_edge_of_the_margin_has_the_level():
    edge = {"margin": 0.05, "kind": "noninferiority", "alpha": 0.025}
    assert delong_equivalence_power(0.8, 0.85, 100, 100, **edge) == pytest.approx(0.025)
    # Showing no loss beyond a margin of nearly nothing is showing a gain, one-sided.
    gain = delong_equivalence_power(0.9, 0.85, 60, 90, margin=1e-9, kind="noninferiority")
    superior = delong_power(0.9, 0.85, 60, 90, alternative="greater")
    assert gain == pytest.approx(superior, abs=1e-6)
    assert delong_equivalence_power(0.8, 0.8, 5, 5, margin=0.01) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: auc_power(1.2, 10, 10), "`auc` must be between 0 and 1"),
        (lambda: auc_power(0.8, 10, 10, null_value=1), "`null_value` must be between"),
        (lambda: auc_power(0.8, 1, 10), "`n_positive` must be at least 2"),
        (lambda: auc_power(0.8, 10, 10, method="delong"), "`method` must be one of"),
        (lambda: auc_power(0.8, 10, 10, sd_ratio=0), "`sd_ratio` must be positive"),
        (lambda: auc_sample_size(0.5, prevalence=0.5), "`auc` must be other than `null_value`"),
        (
            lambda: auc_sample_size(0.4, prevalence=0.5, alternative="greater"),
            "`auc` must be above `null_value`",
        ),
        (lambda: auc_sample_size(0.8, prevalence=0.5, alternative="x"), "`alternative` must be"),
        (
            lambda: delong_equivalence_sample_size(0.9, 0.8, margin=0.1, prevalence=0.5),
            "must lie within the margin",
        ),
        (lambda: delong_equivalence_power(0.8, 0.8, 9, 9, margin=0), "`margin` must be positive"),
        (
            lambda: delong_equivalence_power(0.8, 0.8, 9, 9, margin=0.1, kind="x"),
            "`kind` must be one of",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
