"""Repeated cross-validation of metrics other than the AUC: brute force, invariances, refusals."""

import numpy as np
import pytest
from scipy import special

from stats_tl.stats import (
    corrected_resampled_ttest,
    equivalence_test,
    get_metric,
    metric_names,
    repeated_cv_components,
    repeated_cv_test,
)

OPTIONS = {
    "net_benefit": {"threshold": 0.3},
    "sensitivity_at_specificity": {"specificity": 0.8},
    "specificity_at_sensitivity": {"sensitivity": 0.8},
}


def study(n=240, repeats=4, k=4, seed=0, size=1):
    """Labels, probabilities of two arms (repeats, n), folds by patient, patients."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) // size
    y = (rng.random(n // size) < 0.4)[groups]
    folds = np.stack([(rng.permutation(n // size) % k)[groups] for _ in range(repeats)])
    case = 1.5 * y - 0.7 + rng.normal(size=n)
    a, b = (
        special.expit(case + s * rng.normal(size=n) + 0.3 * rng.normal(size=(repeats, n)))
        for s in (0.3, 0.8)
    )
    return y, a, b, folds, groups


def given(name):
    metric = get_metric(name, **OPTIONS.get(name, {}))
    return {"metric": metric, "threshold": 0.5 if metric.needs == "decisions" else None}


def cases_of(name, y):
    return None if name == "mean" else y


@pytest.mark.parametrize("name", metric_names())
def test_estimate_is_the_mean_over_folds(name):
    y, a, b, folds, _ = study()
    how = given(name)
    parts = repeated_cv_components(cases_of(name, y), a, b, folds, **how)
    metric = how["metric"]
    for arm, value in ((a, parts.aucs[0]), (b, parts.aucs[1])):
        own = arm >= 0.5 if metric.needs == "decisions" else arm
        each = [
            metric.evaluate(y[folds[r] == k], own[r, folds[r] == k])[0]
            for r in range(4)
            for k in range(4)
        ]
        assert value == pytest.approx(np.mean(each), abs=1e-12)
    result = repeated_cv_test(cases_of(name, y), a, b, folds, **how)
    assert result.estimate == pytest.approx(parts.aucs[0] - parts.aucs[1], abs=1e-12)
    assert result.procedure.metric == name
    assert 0 < result.pvalue <= 1
    if name != "roc_auc":
        assert f"of the {metric.label}" in result.method
        assert equivalence_test(result, margin=100.0).pvalue < 0.05


def brute_covariance(components, folds):
    """Of the means over folds, for a mean over all cases: every pair of folds, unbiased."""
    m = len(components)
    found = np.zeros((m, m))
    k = folds.max() + 1
    for r in range(m):
        for s in range(m):
            for i in range(k):
                for j in range(k):
                    one, other = folds[r] == i, folds[s] == j
                    both = one & other
                    n1, n2, o = one.sum(), other.sum(), both.sum()
                    if o == 0:
                        continue
                    x = components[r, both] - components[r, one].mean()
                    z = components[s, both] - components[s, other].mean()
                    kept = 1 - 1 / n1 - 1 / n2 + o / (n1 * n2)
                    found[r, s] += float(x @ z) / (n1 * n2 * k * k) / kept
    return found


def test_components_of_a_mean_are_those_of_brute_force():
    y, a, b, folds, _ = study()
    parts = repeated_cv_components(y, a, b, folds, metric="brier_score")
    loss = (a - y) ** 2 - (b - y) ** 2
    matrix = brute_covariance(loss, folds)
    assert parts.case_variance == pytest.approx(np.trace(matrix) / 4, rel=1e-9)
    shared = (matrix.sum() - np.trace(matrix)) / 12
    assert parts.shared_variance == pytest.approx(shared, rel=1e-9)


def test_patients_of_one_case_change_nothing_and_copies_do():
    y, a, b, folds, _ = study()
    for name in ("brier_score", "f1", "average_precision", "sensitivity", "mean"):
        labels, how = cases_of(name, y), given(name)
        plain = repeated_cv_components(labels, a, b, folds, **how)
        alone = repeated_cv_components(labels, a, b, folds, groups=np.arange(240), **how)
        assert alone.shared_variance == pytest.approx(plain.shared_variance, rel=1e-9), name
        twice = [np.tile(own, 2) for own in (a, b, folds)]
        both = None if labels is None else np.tile(labels, 2)
        copied = repeated_cv_components(both, *twice, groups=np.tile(np.arange(240), 2), **how)
        assert copied.estimate == pytest.approx(plain.estimate, abs=1e-9), name
        assert copied.shared_variance == pytest.approx(plain.shared_variance, rel=0.05), name


def test_values_that_are_no_labels():
    _, a, b, folds, _ = study()
    result = repeated_cv_test(None, 100 * a, 100 * b, folds, metric="mean")
    small = repeated_cv_test(None, a, b, folds, metric="mean")
    assert result.pvalue == pytest.approx(small.pvalue, rel=1e-9)
    assert result.confidence_interval.low < result.estimate - 1  # beyond ±1: not an AUC
    swapped = repeated_cv_test(None, b, a, folds, metric="mean")
    assert swapped.pvalue == pytest.approx(small.pvalue, rel=1e-9)
    shifted = repeated_cv_test(None, a + 7, b + 7, folds, metric="mean")
    assert shifted.pvalue == pytest.approx(small.pvalue, rel=1e-6)


def test_thresholds_of_the_folds():
    y, a, b, folds, _ = study()
    same = repeated_cv_test(y, a, b, folds, metric="f1", threshold=0.4)
    every = np.full((4, 4), 0.4)
    assert repeated_cv_test(y, a, b, folds, metric="f1", threshold=every) == same
    assert repeated_cv_test(y, a, b, folds, metric="f1", threshold=(every, 0.4)) == same
    moved = every.copy()
    moved[1, 2] = 0.6
    ours = repeated_cv_components(y, a, b, folds, metric="f1", threshold=(moved, every))
    inside = folds[1] == 2
    expected = get_metric("f1").evaluate(y[inside], a[1, inside] >= 0.6)[0]
    reference = get_metric("f1").evaluate(y[inside], b[1, inside] >= 0.4)[0]
    assert ours.differences[1, 2] == pytest.approx(expected - reference)


def test_nadeau_and_bengio_take_the_folds_metrics():
    y, a, b, folds, _ = study()
    parts = repeated_cv_components(y, a, b, folds, metric="log_loss")
    ours = repeated_cv_test(y, a, b, folds, metric="log_loss", method="nadeau-bengio")
    theirs = corrected_resampled_ttest(parts.differences, n_train=180, n_test=60)
    assert ours.pvalue == theirs.pvalue


def test_halvings_of_any_metric():
    rng = np.random.default_rng(3)
    y, a, b, folds, _ = study()
    rows = []
    for _ in range(6):
        second = rng.permutation(240) % 2
        rows += [4 * second + (rng.permutation(240) // 2) % 4 for _ in range(2)]
    halves = np.stack(rows)
    noise = 0.05 * rng.random((2, 12, 240))
    extra = (np.clip(a[:1] + noise[0], 0, 1), np.clip(b[:1] + noise[1], 0, 1), halves)
    result = repeated_cv_test(y, a, b, folds, metric="brier_score", halvings=extra)
    assert "6 halvings" in result.method
    assert result.standard_error > 0
    with pytest.raises(ValueError, match="one threshold an arm"):
        repeated_cv_test(
            y, a, b, folds, metric="f1", threshold=np.full((4, 4), 0.4), halvings=extra
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metric": "brier_score", "scores_a": 3.0}, "expit"),
        ({"metric": "f1"}, "needs `threshold`"),
        ({"metric": "f1", "threshold": np.zeros((2, 4))}, r"\(repeats, folds\) = \(4, 4\)"),
        ({"metric": "ppv", "threshold": 2.0}, "not defined in 16 of 16 folds"),
        ({"metric": "roc_auc", "threshold": 0.5}, "takes no `threshold`"),
        ({"metric": "mean"}, "have no labels"),
        ({"metric": "brier_score", "half": ([[0.5]], [[0.5]], [[0]])}, "`half` tells of"),
        ({"metric": "log_loss", "scores_a": 0.0}, "infinite"),
        ({"metric": "sensitivity_at_specificity"}, "needs `specificity`"),
        ({"metric": "mean", "y_true": None, "scores_b": np.nan}, "missing values"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(change, words):
    y, a, b, folds, _ = study()
    arguments = {"y_true": y, "scores_a": a, "scores_b": b} | change
    for arm in ("scores_a", "scores_b"):
        if np.ndim(arguments[arm]) == 0:
            arguments[arm] = np.full((4, 240), arguments[arm])
    with pytest.raises(ValueError, match=words):
        repeated_cv_test(folds=folds, **arguments)


def test_few_cases_of_a_kind_are_said():
    y, a, b, folds, _ = study()
    rare = repeated_cv_test(y, a, a[::-1], folds, metric="sensitivity", threshold=0.4)
    assert "small-counts" not in [w.code for w in rare.warnings]
    point = get_metric("sensitivity_at_specificity", specificity=0.97)
    result = repeated_cv_test(y, a, b, folds, metric=point)
    assert "small-counts" in [w.code for w in result.warnings]
