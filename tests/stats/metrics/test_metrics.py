"""Every metric: scikit-learn's value, brute-force jackknife, value under weights."""

import numpy as np
import pytest
import sklearn.metrics as skm
import statsmodels.api as sm
from scipy import special
from sklearn.utils import check_random_state

from stats_tl.stats import get_metric, metric_names
from stats_tl.stats._shared.fold_cells import fold_cells
from stats_tl.stats.metrics.base import UndefinedMetricError

CUT = 0.45


def _specificity(y, d):
    return skm.recall_score(~y, ~d)


def _at_prevalence(y, d, pi):
    sensitivity, fall_out = d[y].mean(), d[~y].mean()
    return pi * sensitivity / (pi * sensitivity + (1 - pi) * fall_out)


def _slope(y, p):
    return sm.Logit(y, sm.add_constant(special.logit(p))).fit(disp=0).params[1]


def _intercept(y, p):
    model = sm.GLM(y, np.ones(y.size), family=sm.families.Binomial(), offset=special.logit(p))
    return model.fit().params[0]


def _net_benefit(y, p, t):
    called = p >= t
    return (called & y).mean() - (called & ~y).mean() * t / (1 - t)


def _partial(y, s):
    """McClish's standardisation in scikit-learn, undone."""
    standardised = skm.roc_auc_score(y, s, max_fpr=0.2)
    low, high = 0.2**2 / 2, 0.2
    return (2 * standardised - 1) * (high - low) + low


# name, options, truth from labels and what the metric needs.
TRUTHS = [
    ("roc_auc", {}, skm.roc_auc_score),
    ("average_precision", {}, skm.average_precision_score),
    ("partial_auc", {"specificity": (0.8, 1)}, _partial),
    ("brier_score", {}, skm.brier_score_loss),
    ("log_loss", {}, skm.log_loss),
    ("accuracy", {}, skm.accuracy_score),
    ("balanced_accuracy", {}, skm.balanced_accuracy_score),
    ("f1", {}, skm.f1_score),
    ("matthews_corrcoef", {}, skm.matthews_corrcoef),
    ("sensitivity", {}, skm.recall_score),
    ("specificity", {}, _specificity),
    ("ppv", {}, skm.precision_score),
    ("npv", {}, lambda y, d: skm.precision_score(~y, ~d)),
    ("ppv", {"prevalence": 0.05}, lambda y, d: _at_prevalence(y, d, 0.05)),
    ("npv", {"prevalence": 0.05}, lambda y, d: _at_prevalence(~y, ~d, 0.95)),
    (
        "positive_likelihood_ratio",
        {},
        lambda y, d: np.log(skm.class_likelihood_ratios(y, d)[0]),
    ),
    (
        "negative_likelihood_ratio",
        {},
        lambda y, d: np.log(skm.class_likelihood_ratios(y, d)[1]),
    ),
    ("calibration_intercept", {}, _intercept),
    ("calibration_slope", {}, _slope),
    ("net_benefit", {"threshold": 0.3}, lambda y, p: _net_benefit(y, p, 0.3)),
    ("mean", {}, lambda y, v: v.mean()),
]
IDS = [f"{name}{list(options.values()) or ''}" for name, options, _ in TRUTHS]


def sample(n, metric, *, seed=0, decimals=None):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.35
    p = special.expit(1.3 * y - 0.9 + rng.normal(size=n))
    if decimals is not None:
        p = np.clip(p.round(decimals), 0.02, 0.98)
    return y, p >= CUT if metric.needs == "decisions" else p


@pytest.mark.parametrize(("name", "options", "truth"), TRUTHS, ids=IDS)
@pytest.mark.parametrize("decimals", [None, 1])
def test_value_is_that_of_the_reference(name, options, truth, decimals):
    metric = get_metric(name, **options)
    y, values = sample(240, metric, decimals=decimals)
    assert metric.evaluate(y, values)[0] == pytest.approx(truth(y, values), abs=1e-7)


def test_every_metric_has_a_reference():
    points = {"sensitivity_at_specificity", "specificity_at_sensitivity"}
    assert {name for name, _, _ in TRUTHS} | points == set(metric_names())


def jackknife(metric, y, values):
    """What the value loses with each case, times (n - 1) / n: first order in 1 / n."""
    whole = metric.evaluate(y, values)[0]
    keep = ~np.eye(y.size, dtype=bool)
    without = np.array([metric.evaluate(y[k], values[k])[0] for k in keep])
    loss = whole - without
    if metric.by_class:
        for own in (y, ~y):
            loss[own] -= loss[own].mean()
    return loss


@pytest.mark.parametrize(("name", "options", "truth"), TRUTHS, ids=IDS)
@pytest.mark.parametrize("decimals", [None, 1])
def test_influence_is_that_of_the_jackknife(name, options, truth, decimals):
    metric = get_metric(name, **options)
    y, values = sample(700, metric, decimals=decimals, seed=3)
    influence = metric.evaluate(y, values)[1]
    brute = jackknife(metric, y, values)
    # Second-order terms, of relative size 1 / n, and for few called cases more.
    assert np.corrcoef(influence, brute)[0, 1] > 0.999
    assert np.sum(influence**2) == pytest.approx(np.sum(brute**2), rel=0.04)
    sides = (y, ~y) if metric.by_class else (slice(None),)
    for own in sides:
        assert influence[own].sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("name", "options", "truth"), TRUTHS, ids=IDS)
def test_influence_is_the_derivative_by_weight(name, options, truth):
    """Weights near one by repeating cases a thousand times and one of them once more."""
    metric = get_metric(name, **options)
    y, values = sample(60, metric, decimals=1, seed=5)
    influence = metric.evaluate(y, values)[1]
    times = 1000
    under = metric.evaluator(y, values, np.arange(y.size), y.size)
    base = np.full((1, y.size), times, dtype=np.int32)
    rows = base + np.eye(y.size, dtype=np.int32)
    slope = (under(rows) - under(base)) * times
    if name == "partial_auc":  # kinks where the end of the range meets a step of the curve
        assert np.median(np.abs(slope - influence)) < 1e-3
        return
    np.testing.assert_allclose(slope, influence, atol=3e-3 * np.abs(influence).max())


ALL = [*TRUTHS, ("sensitivity_at_specificity", {"specificity": 0.9}, None)]


@pytest.mark.parametrize(("name", "options", "truth"), ALL)
@pytest.mark.parametrize("decimals", [None, 1])
def test_value_under_weights_is_that_of_repeated_cases(name, options, truth, decimals):
    metric = get_metric(name, **options)
    y, values = sample(120, metric, decimals=decimals)
    unit = np.arange(120) // 2
    weights = check_random_state(0).multinomial(60, np.full(60, 1 / 60), size=7).astype(np.int32)
    found = metric.evaluator(y, values, unit, 60)(weights)
    for row, own in zip(found, weights, strict=True):
        drawn = np.repeat(np.arange(120), own[unit])
        assert row == pytest.approx(metric.evaluate(y[drawn], values[drawn])[0], abs=1e-7)


@pytest.mark.parametrize(("name", "options", "truth"), ALL)
def test_folds_are_evaluated_one_by_one(name, options, truth):
    metric = get_metric(name, **options)
    y, values = sample(200, metric)
    rng = np.random.default_rng(1)
    folds = np.stack([rng.permutation(200) % 4 for _ in range(2)])
    both = np.stack([values, values[::-1]])
    cells = fold_cells(y, folds, 2)
    found, components = metric.within(y, both, cells)
    for repeat in range(2):
        for fold in range(4):
            own = folds[repeat] == fold
            value, influence = metric.evaluate(y[own], both[repeat, own])
            assert found[repeat, fold] == pytest.approx(value, abs=1e-12)
            expected = influence * metric.sizes(y[own])
            ours = components[repeat, own]
            sides = (y[own], ~y[own]) if metric.by_class else (np.ones(own.sum(), dtype=bool),)
            for side in sides:
                np.testing.assert_allclose(
                    ours[side] - ours[side].mean(),
                    np.broadcast_to(expected, own.sum())[side],
                    atol=1e-9,
                )


@pytest.mark.parametrize("given", ["specificity", "sensitivity"])
def test_points_of_the_curve_vary_as_their_influences_say(given):
    """The jackknife fails for quantiles: samples in its place, the true variance known."""
    other = {"specificity": "sensitivity", "sensitivity": "specificity"}[given]
    metric = get_metric(f"{other}_at_{given}", **{given: 0.85})
    rng = np.random.default_rng(8)
    values, variances = [], []
    for _ in range(400):
        y = np.arange(400) < 160
        value, influence = metric.evaluate(y, 1.2 * y + rng.normal(size=400))
        values.append(value)
        variances.append(np.sum(influence**2))
    assert np.mean(variances) == pytest.approx(np.var(values), rel=0.2)


@pytest.mark.parametrize("name", ["calibration_slope", "calibration_intercept"])
def test_calibration_of_probabilities_that_are_far_off(name):
    """From a bad start Newton's steps overshoot; the models exist all the same."""
    truth = {"calibration_slope": _slope, "calibration_intercept": _intercept}[name]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y = rng.random(90) < 0.3
        p = np.clip(rng.random(90) ** rng.choice([0.05, 1, 20]), 1e-9, 1 - 1e-9)
        found = get_metric(name).evaluate(y, p)[0]
        assert found == pytest.approx(truth(y, p), rel=1e-5, abs=1e-5)


def test_what_is_not_defined_is_said():
    y = np.array([True, False, True, False])
    none = np.zeros(4, dtype=bool)
    for name, words in (
        ("ppv", "no case that is called positive"),
        ("positive_likelihood_ratio", "no true or no false positive"),
    ):
        with pytest.raises(UndefinedMetricError, match=words):
            get_metric(name).evaluate(y, none)
    assert get_metric("matthews_corrcoef").evaluate(y, none)[0] == 0
    with pytest.raises(UndefinedMetricError, match="separate the classes"):
        get_metric("calibration_slope").evaluate(y, np.array([0.9, 0.1, 0.8, 0.2]))
    cells = fold_cells(y, [0, 0, 1, 1], 1)
    with pytest.raises(UndefinedMetricError, match="2 of 2 folds"):
        get_metric("ppv").within(y, none[None], cells)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: get_metric("brier_scor"), "did you mean 'brier_score'"),
        (lambda: get_metric("net_benefit"), "needs `threshold`"),
        (lambda: get_metric("net_benefit", threshold=1), "above 0 and below 1"),
        (lambda: get_metric("ppv", prevalence=5), "`prevalence` must be above 0"),
        (lambda: get_metric("ppv", specificity=0.9), "`specificity` is no option of metric 'ppv'"),
        (lambda: get_metric("sensitivity_at_specificity", specificity=90), "above 0 and below 1"),
        (lambda: get_metric(get_metric("f1"), threshold=0.5), "belongs to the making"),
    ],
)
def test_options_are_checked(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_other_names_are_understood():
    assert get_metric("recall") == get_metric("recall")
    assert get_metric("mcc").name == "matthews_corrcoef"
    assert get_metric("brier").name == "brier_score"
