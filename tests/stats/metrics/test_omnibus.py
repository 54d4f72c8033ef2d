"""Several models at once, by any metric: the pair squared, DeLong's, invariances."""

import numpy as np
import pytest
from scipy import special

from stats_tl.stats import (
    delong_omnibus_test,
    get_metric,
    metric_omnibus_test,
    multiclass_auc_test,
    paired_metric_test,
    weighted_kappa_test,
)


def classes(n=200, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    return y, np.eye(4)[y] + rng.normal(size=(3, n, 4)), np.arange(n) // 2


def binary(n=200, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.4
    return y, special.expit(y + rng.normal(size=(3, n))), np.arange(n) // 2


@pytest.mark.parametrize("patients", [False, True])
@pytest.mark.parametrize("metric", ["roc_auc", "brier_score", "average_precision", "f1"])
def test_two_models_are_the_pair_squared(metric, patients):
    y, arms, groups = binary()
    how = {"groups": groups if patients else None, "metric": metric}
    how |= {"threshold": 0.5} if get_metric(metric).needs == "decisions" else {}
    pair = paired_metric_test(y, arms[1], arms[0], **how)
    both = metric_omnibus_test(y, arms[:2], **how)
    assert both.statistic == pytest.approx(pair.statistic**2, rel=1e-9)
    assert both.df == 1


@pytest.mark.parametrize("patients", [False, True])
def test_two_models_of_several_classes(patients):
    y, arms, groups = classes()
    own = groups if patients else None
    for average, metric in (("macro", "roc_auc_ovr"), ("hand-till", "roc_auc_ovo")):
        pair = multiclass_auc_test(y, arms[1], arms[0], average=average, groups=own)
        both = metric_omnibus_test(y, arms[:2], metric=metric, groups=own)
        assert both.statistic == pytest.approx(pair.statistic**2, rel=1e-9)
        assert both.pvalue == pytest.approx(pair.pvalue, rel=1e-9)
    grades = arms.argmax(axis=2)
    pair = weighted_kappa_test(y, grades[1], grades[0], groups=own)
    both = metric_omnibus_test(y, grades[:2], metric="quadratic_kappa", groups=own)
    assert both.statistic == pytest.approx(pair.statistic**2, rel=1e-9)


def test_auc_is_delongs_and_order_does_not_matter():
    y, arms, groups = binary()
    for own in (None, groups):
        ours, theirs = (
            metric_omnibus_test(y, arms, groups=own),
            delong_omnibus_test(y, arms, groups=own),
        )
        assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9)
        assert ours.estimates == pytest.approx(theirs.estimates)
    for metric in ("brier_score", "average_precision"):
        forth, back = (metric_omnibus_test(y, o, metric=metric) for o in (arms, arms[::-1]))
        assert forth.statistic == pytest.approx(back.statistic, rel=1e-9)
        assert forth.df == 2


def test_models_that_are_alike_and_bad_input():
    y, arms, _ = classes()
    same = metric_omnibus_test(y, np.stack([arms[0]] * 3), metric="roc_auc_ovr")
    assert (same.statistic, same.pvalue) == (0.0, 1.0)
    with pytest.raises(ValueError, match="at least two arms"):
        metric_omnibus_test(y, arms[:1], metric="roc_auc_ovr")
    with pytest.raises(ValueError, match="a score for each of the 4 classes"):
        metric_omnibus_test(y, arms[:, :, :3], metric="roc_auc_ovo")
    with pytest.raises(ValueError, match="use `multiclass_auc`"):
        paired_metric_test(y, arms[0][:, 0], arms[1][:, 0], metric="roc_auc_ovr")
