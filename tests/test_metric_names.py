"""Metrics as plans spell them, beside the metrics that the statistics have."""

import inspect

import pytest

from stats_tl.metric_names import (
    CLASS_METRICS,
    STUDY_METRICS,
    check_metrics,
    parse_metric,
)
from stats_tl.stats import get_metric, metric_names
from stats_tl.stats.metrics import registry
from stats_tl.stats.metrics.registry import METRICS


def test_metrics_of_several_classes_are_for_tables_of_them_alone():
    assert list(CLASS_METRICS) == list(registry.CLASS_METRICS)
    for name in CLASS_METRICS:
        assert parse_metric(name) == (name, {})
        assert check_metrics(name, classes=True) == name
        with pytest.raises(ValueError, match="is of several classes, and a plan trains for two"):
            check_metrics(["roc_auc", name])
    with pytest.raises(ValueError, match="'threshold=1' is no option of metric 'roc_auc_ovr'"):
        parse_metric("roc_auc_ovr:threshold=1")


def test_the_names_are_those_of_the_statistics():
    assert list(STUDY_METRICS) == [name for name in metric_names() if name != "mean"]
    for name, options in STUDY_METRICS.items():
        own = set(inspect.signature(METRICS[name]).parameters)
        assert own <= set(options), name
        needs_threshold = METRICS[name].__module__.endswith("counts") or name == "accuracy"
        assert ("threshold" in options) == (needs_threshold or name == "net_benefit"), name


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("brier_score", "brier_score", {}),
        ("f1:threshold=-0.5", "f1", {"threshold": -0.5}),
        ("ppv: prevalence=0.1, threshold=0.3", "ppv", {"prevalence": 0.1, "threshold": 0.3}),
        ("partial_auc:sensitivity=0.8-1", "partial_auc", {"sensitivity": (0.8, 1.0)}),
    ],
)
def test_reading(text, name, options):
    assert parse_metric(text) == (name, options)
    own = {key: value for key, value in options.items() if key != "threshold"}
    assert get_metric(name, **own).name == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("brier", r"'brier' is no metric; did you mean 'brier_score'\? allowed: accuracy"),
        ("mean", "a table with a column 'value'"),
        (
            "brier_score:threshold=0.5",
            "'threshold=0.5' is no option of metric 'brier_score', which",
        ),
        ("f1:cut=0.5", "which takes threshold=NUMBER"),
        ("f1:threshold=high", "threshold of metric 'f1' must be a number, got 'high'"),
        ("f1:threshold=nan", "must be a number, got 'nan'"),
        ("f1:threshold=0.5,threshold=0.6", "is there more than once"),
        ("ppv:prevalence=10", "must be a number above 0 and below 1, got '10'"),
        ("net_benefit", "needs one option: net_benefit:threshold=0.1"),
        ("net_benefit:threshold=1", "above 0 and below 1"),
        ("partial_auc:specificity=0.9", "a range from 0 to 1, such as 0.9-1, got '0.9'"),
        ("partial_auc:specificity=1-0.9", "a range from 0 to 1"),
    ],
)
def test_refusals_name_the_remedy(text, said):
    with pytest.raises(ValueError, match=said):
        parse_metric(text)


def test_a_calibration_metric_is_secondary():
    with pytest.raises(ValueError, match="name another metric first"):
        check_metrics("calibration_slope")
    assert check_metrics(["roc_auc", "calibration_slope"]) == ["roc_auc", "calibration_slope"]
