"""Power of the paired test of any metric, beside simulated studies."""

import math

import numpy as np
import pytest
from scipy import special
from scipy import stats as sps

from stats_tl.stats import (
    delong_test,
    equivalence_test,
    noninferiority_test,
    paired_metric_power,
    paired_metric_sample_size,
    paired_metric_test,
)


def study(rng, n, size=1, extra=0.6):
    """Labels by patient, probabilities of two arms, patients."""
    groups = np.arange(n * size) // size
    y = (rng.random(n) < 0.4)[groups]
    logit = 1.6 * y - 0.8 + rng.normal(size=n)[groups] * 0.6 + 0.6 * rng.normal(size=n * size)
    a = special.expit(logit + 0.4 * rng.normal(size=n * size))
    b = special.expit(logit + math.hypot(0.4, extra) * rng.normal(size=n * size))
    return y, a, b, groups


@pytest.mark.parametrize(
    ("metric", "threshold", "size"),
    [
        ("brier_score", None, 1),
        ("brier_score", None, 2),
        ("average_precision", None, 1),
        ("sensitivity", 0.5, 1),
        ("roc_auc", None, 2),
    ],
)
def test_power_is_that_of_simulated_studies(metric, threshold, size):
    rng = np.random.default_rng(7)

    def test(n):
        y, a, b, groups = study(rng, n, size)
        return paired_metric_test(
            y, a, b, metric=metric, threshold=threshold, groups=groups if size > 1 else None
        )

    pilot = test(20_000)
    predicted = paired_metric_power(pilot, 150, difference=pilot.estimate)
    found = np.mean([test(150).pvalue < 0.05 for _ in range(400)])
    assert 0.06 < predicted < 0.95
    # Four standard errors, and what the normal approximation is off at 150 units.
    assert abs(found - predicted) < 4 * math.sqrt(predicted * (1 - predicted) / 400) + 0.02


def test_equivalence_and_noninferiority_of_a_metric_of_which_lower_is_better():
    rng = np.random.default_rng(8)
    results = [paired_metric_test(*study(rng, 150)[:3], metric="brier_score") for _ in range(400)]
    pilot = paired_metric_test(*study(rng, 20_000)[:3], metric="brier_score")
    truth = pilot.estimate  # below 0: the candidate is better
    for kind, test, margin in (
        ("equivalence", equivalence_test, 0.04),
        ("noninferiority", noninferiority_test, 0.01),
    ):
        found = np.mean([test(result, margin).pvalue < 0.05 for result in results])
        predicted = paired_metric_power(pilot, 150, difference=truth, margin=margin, kind=kind)
        assert 0.2 < predicted < 0.98, kind
        assert abs(found - predicted) < 4 * math.sqrt(predicted * (1 - predicted) / 400) + 0.02, (
            kind
        )
    worse = paired_metric_power(pilot, 150, difference=-truth, margin=0.01, kind="noninferiority")
    assert worse < 0.05


def test_a_mean_has_the_power_of_the_paired_t_test():
    rng = np.random.default_rng(1)
    values = rng.normal(size=50)
    pilot = paired_metric_test(None, values, np.zeros(50), metric="mean")
    sd = values.std(ddof=1)
    n, difference = 30, 0.4
    t = sps.t.isf(0.025, n - 1)
    expected = sps.nct.sf(t, n - 1, difference / (sd / math.sqrt(n)))
    assert paired_metric_power(pilot, n, difference=difference) == pytest.approx(expected, abs=1e-6)


def test_sizes_are_the_fewest():
    pilot = paired_metric_test(*study(np.random.default_rng(2), 300)[:3], metric="brier_score")
    for how in (
        {"difference": -0.01},
        {"difference": -0.02, "alternative": "less", "power": 0.9},
        {"margin": 0.02},
        {"margin": 0.02, "kind": "noninferiority", "difference": 0.005},
    ):
        n = paired_metric_sample_size(pilot, **how)
        power = how.pop("power", 0.8)
        assert paired_metric_power(pilot, n, **how) >= power
        assert paired_metric_power(pilot, n - 1, **how) < power


def test_refusals():
    y, a, b, _ = study(np.random.default_rng(3), 100)
    pilot = paired_metric_test(y, a, b, metric="brier_score")
    slope = paired_metric_test(y, a, b, metric="calibration_slope")
    for call, said in (
        (lambda: paired_metric_power(pilot, 100), "`difference` must be given"),
        (lambda: paired_metric_power(pilot, 1, difference=0.1), "`n`"),
        (lambda: paired_metric_power(pilot, 100, margin=-1), "`margin` must be positive"),
        (lambda: paired_metric_power(pilot, 100, difference=math.nan), "finite number"),
        (lambda: paired_metric_power(pilot, 100, margin=1, kind="sup"), "`kind`"),
        (
            lambda: paired_metric_power(slope, 100, margin=1, kind="noninferiority"),
            "best at a value in between",
        ),
        (
            lambda: paired_metric_power(delong_test(y, a, b), 100, difference=0.1),
            "must be a result of `paired_metric_test`",
        ),
        (
            lambda: paired_metric_power(paired_metric_test(y, a, a), 100, difference=0.1),
            "`pilot` has no variance",
        ),
        (lambda: paired_metric_sample_size(pilot, difference=0.0), "No number of units"),
        (
            lambda: paired_metric_sample_size(pilot, difference=0.1, alternative="less"),
            "No number of units",
        ),
        (lambda: paired_metric_sample_size(pilot, difference=0.1, margin=0.05), "No number of"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
