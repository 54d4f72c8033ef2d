"""Intervals and paired tests of metrics: classical tests, brute-force bootstrap, refusals."""

import numpy as np
import pytest
import sklearn.metrics as skm
from scipy import special
from scipy import stats as sps

from stats_tl.stats import (
    DegenerateDataWarning,
    bootstrap_metric_test,
    delong_test,
    equivalence_test,
    metric_estimate,
    metric_names,
    noninferiority_test,
    paired_metric_test,
    roc_auc,
    sensitivity_specificity,
)

OPTIONS = {
    "net_benefit": {"threshold": 0.3},
    "sensitivity_at_specificity": {"specificity": 0.8},
    "specificity_at_sensitivity": {"sensitivity": 0.8},
}
DECISIONS = {
    "accuracy",
    "balanced_accuracy",
    "f1",
    "matthews_corrcoef",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "positive_likelihood_ratio",
    "negative_likelihood_ratio",
}


def options(name):
    return OPTIONS.get(name, {"threshold": 0.4} if name in DECISIONS else {})


def sample(n=400, seed=0, size=1):
    """Labels, probabilities of two arms, patients of `size` cases."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) // size
    case = 0.8 * rng.normal(size=n) + 0.6 * rng.normal(size=groups.max() + 1)[groups]
    y = rng.random(n) < special.expit(1.5 * case - 0.7)
    a, b = (special.expit(1.5 * case - 0.7 + s * rng.normal(size=n)) for s in (0.5, 1.0))
    return y, a, b, groups


@pytest.mark.parametrize("grouped", [False, True])
def test_of_the_auc_it_is_delongs(grouped):
    y, a, b, groups = sample(size=2)
    given = groups if grouped else None
    ours, theirs = paired_metric_test(y, a, b, groups=given), delong_test(y, a, b, groups=given)
    assert ours.estimate == pytest.approx(theirs.estimate, abs=1e-12)
    assert ours.standard_error == pytest.approx(theirs.standard_error, rel=1e-9)
    assert ours.pvalue == pytest.approx(theirs.pvalue, rel=1e-8)
    one, other = metric_estimate(y, a, groups=given), roc_auc(y, a, groups=given, method="logit")
    assert tuple(one.confidence_interval) == pytest.approx(other.confidence_interval, rel=1e-9)


def test_of_means_it_is_the_paired_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 25))
    ours, theirs = paired_metric_test(None, a, b, metric="mean"), sps.ttest_rel(a, b)
    assert (ours.statistic, ours.pvalue) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert tuple(ours.confidence_interval) == pytest.approx(tuple(theirs.confidence_interval()))
    one = metric_estimate(None, a, metric="mean")
    expected = sps.ttest_1samp(a, 0).confidence_interval()
    assert tuple(one.confidence_interval) == pytest.approx(tuple(expected))
    assert one.n_positive is None


def test_patients_with_one_case_change_nothing_and_copies_do():
    y, a, b, _ = sample(n=100)
    for name in metric_names():
        labels = None if name == "mean" else y
        plain = paired_metric_test(labels, a, b, metric=name, **options(name))
        alone = paired_metric_test(
            labels, a, b, metric=name, groups=np.arange(100), **options(name)
        )
        assert alone.standard_error == pytest.approx(plain.standard_error, rel=1e-9), name
        twice = (None if labels is None else np.tile(y, 2), np.tile(a, 2), np.tile(b, 2))
        copied = paired_metric_test(
            *twice, metric=name, groups=np.tile(np.arange(100), 2), **options(name)
        )
        # Copies are worth no more than what was copied.
        assert copied.estimate == pytest.approx(plain.estimate, abs=1e-9), name
        assert copied.standard_error == pytest.approx(plain.standard_error, rel=0.03), name


def test_proportions_have_wilsons_interval():
    y, a, _, groups = sample(size=2)
    for given in (None, groups):
        point = sensitivity_specificity(y, a, threshold=0.4, groups=given)
        for name in ("sensitivity", "specificity"):
            ours = metric_estimate(y, a, metric=name, threshold=0.4, groups=given)
            theirs = getattr(point, name)
            assert ours.estimate == pytest.approx(theirs.estimate)
            assert ours.confidence_interval == pytest.approx(
                theirs.confidence_interval, abs=2e-3 if given is not None else 1e-12
            )
    sure = metric_estimate([0, 0, 1, 1, 1], [0, 0, 1, 1, 1], metric="accuracy", threshold=0.5)
    assert sure.confidence_interval.high == 1
    assert 0.5 < sure.confidence_interval.low < 0.6


def test_difference_of_accuracies_is_mcnemars_without_its_null_variance():
    y, a, b, _ = sample()
    right = [(s >= 0.4) == y for s in (a, b)]
    only_a, only_b = (right[0] & ~right[1]).sum(), (right[1] & ~right[0]).sum()
    n = y.size
    result = paired_metric_test(y, a, b, metric="accuracy", threshold=0.4)
    difference = (only_a - only_b) / n
    variance = ((only_a + only_b) / n - difference**2) / (n - 1)
    assert result.estimate == pytest.approx(difference)
    assert result.standard_error == pytest.approx(np.sqrt(variance))


@pytest.mark.parametrize("name", metric_names())
@pytest.mark.parametrize("size", [1, 2])
def test_the_bootstrap_agrees_with_the_influences(name, size):
    y, a, b, groups = sample(size=size, seed=4)
    given = None if size == 1 else groups
    labels = None if name == "mean" else y
    same = {"metric": name, "groups": given, **options(name)}
    plain = paired_metric_test(labels, a, b, **same)
    drawn = bootstrap_metric_test(labels, a, b, n_resamples=1500, rng=0, **same)
    assert drawn.estimates == pytest.approx(plain.estimates)
    # A point of the curve is discrete; others within Monte-Carlo error and second order.
    tolerance = 0.25 if "_at_" in name else 0.12
    assert drawn.standard_error == pytest.approx(plain.standard_error, rel=tolerance)
    assert drawn.procedure.metric == plain.procedure.metric == name


def test_the_bootstrap_is_that_of_a_loop():
    y, a, b, _ = sample(n=60)
    result = bootstrap_metric_test(
        y, a, b, metric="brier_score", n_resamples=4000, rng=0, return_draws=True
    )
    drawn = np.random.default_rng(5).integers(60, size=(4000, 60))
    loop = ((a - y) ** 2 - (b - y) ** 2)[drawn].mean(axis=1)
    assert result.draws.mean() == pytest.approx(loop.mean(), abs=5e-4)
    assert result.draws.std() == pytest.approx(loop.std(), rel=0.06)


@pytest.mark.parametrize(
    "name", ["average_precision", "brier_score", "f1", "calibration_slope", "net_benefit", "npv"]
)
def test_size_and_coverage(name):
    """Arms that are alike, of 150 cases; the interval of one arm holds the large-sample truth."""
    extra = options(name)
    y, a, _, _ = sample(n=200_000, seed=99)
    truth = metric_estimate(y, a, metric=name, **extra).estimate
    rejected = covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        case = rng.normal(size=150)
        y = rng.random(150) < special.expit(1.5 * case - 0.7)
        own = special.expit(1.5 * case - 0.7 + 0.6 * rng.normal(size=(2, 150)))
        rejected += paired_metric_test(y, *own, metric=name, **extra).pvalue < 0.05
        y, a, _, _ = sample(n=150, seed=seed)
        low, high = metric_estimate(y, a, metric=name, **extra).confidence_interval
        covered += low <= truth <= high
    assert 0.015 <= rejected / 200 <= 0.09
    assert covered / 200 >= 0.905


def test_equivalence_and_noninferiority_know_the_direction():
    y, a, b, _ = sample()
    better = paired_metric_test(y, a, b, metric="brier_score")
    assert better.estimate < 0
    assert not better.procedure.higher_is_better
    result = noninferiority_test(better, margin=0.01)
    assert result.pvalue < 0.01
    assert result.alternative == "less"
    assert result.null_value == 0.01
    worse = paired_metric_test(y, b, a, metric="brier_score")
    assert noninferiority_test(worse, margin=0.001).pvalue > 0.9
    assert equivalence_test(worse, margin=0.2).pvalue < 0.001
    rng = np.random.default_rng(0)
    error = rng.random((2, 100))
    times = paired_metric_test(None, *error, metric="mean", higher_is_better=False)
    assert noninferiority_test(times, margin=1.0).alternative == "less"
    # Of a metric for which higher is better all stays as it was.
    auc = noninferiority_test(paired_metric_test(y, a, b), margin=0.01)
    assert auc.alternative == "greater"
    assert auc.null_value == -0.01


@pytest.mark.parametrize("name", ["calibration_intercept", "calibration_slope"])
def test_neither_direction_of_calibration_is_better(name):
    y, a, b, _ = sample()
    result = paired_metric_test(y, a, b, metric=name)
    assert result.procedure.higher_is_better is None
    with pytest.raises(ValueError, match="neither sign of a difference is worse"):
        noninferiority_test(result, margin=0.1)
    assert equivalence_test(result, margin=5.0).pvalue < 0.05


def test_resamples_without_a_value_are_counted():
    y, a, b, _ = sample(n=60)
    cut = float(np.sort(a)[-2])
    result = bootstrap_metric_test(
        y, a, b, metric="ppv", threshold=(cut, 0.4), n_resamples=200, rng=0
    )
    (dropped,) = (w for w in result.warnings if w.code == "resamples-dropped")
    assert "have no positive predictive value" in dropped


def test_likelihood_ratios_are_compared_as_ratios():
    y, a, b, _ = sample()
    result = paired_metric_test(y, a, b, metric="positive_likelihood_ratio", threshold=(0.4, 0.5))
    one, other = result.estimates
    assert result.estimate == pytest.approx(np.log(one / other))
    assert one == pytest.approx(skm.class_likelihood_ratios(y, a >= 0.4)[0])
    assert "logarithms" in result.method
    single = metric_estimate(y, a, metric="positive_likelihood_ratio", threshold=0.4)
    low, high = single.confidence_interval
    assert low * high == pytest.approx(single.estimate**2)


def test_identical_arms_are_no_difference():
    y, a, _, _ = sample()
    for name in metric_names():
        labels = None if name == "mean" else y
        result = paired_metric_test(labels, a, a, metric=name, **options(name))
        assert result.pvalue == 1
        assert result.warnings[0].code == "no-difference"
    with pytest.warns(DegenerateDataWarning):
        shifted = paired_metric_test(None, a + 1, a, metric="mean")
    assert np.isnan(shifted.pvalue)


def test_few_cases_behind_a_metric_are_said():
    y, a, b, _ = sample(n=60)
    result = paired_metric_test(y, a, b, metric="sensitivity_at_specificity", specificity=0.95)
    assert [w.code for w in result.warnings] == ["small-counts"]
    few = metric_estimate(y, a, metric="ppv", threshold=np.sort(a)[-3])
    assert [w.code for w in few.warnings] == ["small-counts"]
    assert not paired_metric_test(y, a, b, metric="brier_score").warnings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metric": "brier_score", "scores_a": [2.0, -3, 0.5, 0.5]}, "expit"),
        ({"metric": "f1"}, "needs `threshold`"),
        ({"metric": "brier_score", "threshold": 0.5}, "takes no `threshold`"),
        ({"metric": "f1", "threshold": (0.1, 0.2, 0.3)}, "pair"),
        ({"metric": "f1", "threshold": np.nan}, "NaN"),
        ({"metric": "f1", "threshold": "a"}, "must be a number"),
        ({"metric": "f1", "threshold": np.array([0.4, 0.5])}, "as a tuple"),
        ({"metric": "sensitivity_at_specificity", "specificity": (0.8, 0.9)}, "must be numbers"),
        ({"metric": "ppv", "threshold": 0.5, "prevalence": "x"}, "must be numbers"),
        ({"metric": "net_benefit"}, "needs `threshold`"),
        ({"metric": "net_benefit", "threshold": (0.1, 0.2)}, "one threshold for both arms"),
        ({"metric": "log_loss", "scores_b": [1.0, 0.5, 0.5, 0.0]}, "infinite"),
        ({"metric": "calibration_slope", "scores_b": [1.0, 0.5, 0.5, 0.4]}, "logit is infinite"),
        ({"metric": "mean"}, "have no labels"),
        ({"metric": "mean", "y_true": None, "scores_b": [1, 2, 3, np.nan]}, "missing values"),
        ({"metric": "mean", "y_true": None, "scores_b": [1, 2, 3, np.inf]}, "infinite values"),
        ({"metric": "mean", "y_true": None, "scores_b": [1, 2, 3]}, "expected 4, got 3"),
        ({"y_true": None}, "needs labels"),
        ({"metric": "ppv", "threshold": 9}, "no case that is called positive"),
        ({"metric": "f1", "threshold": 0.5, "groups": [1, 1, 1, 1]}, "all 4 cases in one patient"),
        ({"metric": "kappa"}, "must be one of"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(change, words):
    given = {
        "y_true": [0, 1, 0, 1],
        "scores_a": [0.2, 0.7, 0.3, 0.6],
        "scores_b": [0.4, 0.5, 0.3, 0.6],
    } | change
    with pytest.raises(ValueError, match=words):
        paired_metric_test(**given)


def test_results_become_frames_and_text():
    y, a, _, groups = sample(size=2)
    result = metric_estimate(y, a, metric="npv", threshold=0.4, prevalence=0.02, groups=groups)
    assert "prevalence 0.02" in result.method
    assert "patients random" in str(result)
    frame = result.to_frame()
    assert frame.metric.item() == "npv"
    assert frame.n_groups.item() == 200
