"""What a result says of its procedure, as data."""

import copy
import dataclasses
import pickle
import warnings

import numpy as np
import pytest
import scipy.stats

from stats_tl import stats
from stats_tl.stats import DegenerateDataWarning, Procedure, Resampling, ResultWarning

COLUMNS = [
    *("estimate_a", "estimate_b", "estimate", "standard_error", "ci_low", "ci_high"),
    *("confidence_level", "statistic", "df", "df_denominator", "pvalue", "alternative"),
    *("null_value", "n_cases", "n_groups", "method", "warnings"),
]


@pytest.fixture
def study():
    rng = np.random.default_rng(3)
    y = np.arange(90) % 3 == 0
    groups = np.arange(90) // 2
    folds = np.array([rng.permutation(15).repeat(6) % 5 for _ in range(4)])
    case = y + rng.standard_normal(90)
    a, b = (case + 0.5 * rng.standard_normal((4, 90)) for _ in range(2))
    half = (a[:3], b[:3], np.array([rng.permutation(15).repeat(6) % 2 for _ in range(3)]))
    return {"y": y, "a": a, "b": b, "folds": folds, "groups": groups, "half": half}


def test_a_cross_validation_says_what_it_did(study):
    y, a, b, folds = (study[k] for k in ("y", "a", "b", "folds"))
    groups, half = study["groups"], study["half"]
    result = stats.repeated_cv_test(y, a, b, folds, groups=groups, half=half)
    parts = stats.repeated_cv_components(y, a, b, folds, groups=groups, half=half)
    found = result.procedure
    assert (found.name, found.variance, found.automatic) == ("repeated-cv", "learning-curve", True)
    assert (found.n_repeats, found.n_folds, found.n_half_repeats, found.n_seeds) == (4, 5, 3, 1)
    assert found.clustered
    assert (found.elasticity, found.elasticity_error) == (parts.elasticity, parts.elasticity_error)
    sources = {name: (value, variance) for name, value, variance in found.elasticity_sources}
    assert sources == {name: tuple(own) for name, own in parts.elasticity_sources.items()}
    assert "half-sample repeats" in sources


@pytest.mark.parametrize(
    "method", ["learning-curve", "repeat-delong", "larger-variance", "nadeau-bengio"]
)
def test_a_chosen_variance_is_named(study, method):
    y, a, b, folds = (study[k] for k in ("y", "a", "b", "folds"))
    found = stats.repeated_cv_test(y, a, b, folds, method=method).procedure
    assert (found.variance, found.automatic, found.clustered) == (method, False, False)
    assert found.n_half_repeats == 0
    one = stats.repeated_cv_test(y, a[0], b[0], folds[0]).procedure
    assert (one.variance, one.automatic, one.n_repeats) == ("nadeau-bengio", True, 1)


def test_warnings_are_strings_with_codes(study):
    y, a, b, folds = (study[k] for k in ("y", "a", "b", "folds"))
    found = stats.repeated_cv_test(y, a, b, folds).warnings
    assert [note.code for note in found] == ["few-repeats", "few-units"]
    assert isinstance(found[0], str)
    assert "; ".join(found) == stats.repeated_cv_test(y, a, b, folds).to_frame()["warnings"].item()
    again = pickle.loads(pickle.dumps(found[0]))
    assert (again, again.code) == (found[0], "few-repeats")
    assert copy.deepcopy(found[0]).code == "few-repeats"
    with pytest.raises(ValueError, match="`code` must be one of"):
        ResultWarning("nonsense", "text")


def test_degenerate_warnings_are_scipys_and_point_at_the_caller():
    assert issubclass(DegenerateDataWarning, scipy.stats.DegenerateDataWarning)
    y = [0, 0, 1, 1]
    calls = (
        lambda: stats.delong_test(y, y, y),
        lambda: stats.roc_auc([0, 0, 1], [1, 2, 3], method="bootstrap"),
        lambda: stats.partial_auc_test([0, 0, 1], [1, 2, 3], [1, 2, 3]),
        lambda: stats.corrected_resampled_ttest([0.1, 0.1], n_train=4, n_test=1),
        lambda: stats.equivalence_test(stats.paired_ttest([1, 2], [1, 2]), 0.1),
    )
    for call in calls:
        with pytest.warns(scipy.stats.DegenerateDataWarning) as seen:
            call()
        assert {record.filename for record in seen} == {__file__}


def every_paired_test(y, a, b, groups):
    """Each paired test of two models on one test set, by the name of its procedure."""
    how = Resampling(n_resamples=99, rng=0)
    return {
        "delong": stats.delong_test(y, a, b, groups=groups),
        "bootstrap": stats.bootstrap_auc_test(y, a, b, groups=groups, resampling=how),
        "permutation": stats.permutation_auc_test(y, a, b, groups=groups, resampling=how),
        "venkatraman": stats.venkatraman_test(y, a, b, groups=groups, resampling=how),
        "partial-auc": stats.partial_auc_test(y, a, b, groups=groups, resampling=how),
        "roc-point": stats.roc_point_test(y, a, b, specificity=0.8, groups=groups, resampling=how),
        "average-precision": stats.average_precision_test(y, a, b, groups=groups, resampling=how),
        "mcnemar": stats.operating_point_test(
            y, a, b, threshold_a=0.5, threshold_b=0.5, groups=groups
        ),
        "delong-omnibus": stats.delong_omnibus_test(y, [a, b], groups=groups),
    }


@pytest.mark.parametrize("clustered", [False, True])
def test_every_test_names_its_procedure(study, clustered):
    groups = study["groups"] if clustered else None
    for name, result in every_paired_test(study["y"], study["a"][0], study["b"][0], groups).items():
        assert result.procedure.name == name
        assert result.procedure.clustered is clustered
        assert (result.n_groups is not None) is clustered
        assert list(result.to_frame().columns) == COLUMNS
        if name in ("permutation", "venkatraman"):
            assert (result.procedure.n_resamples, result.procedure.exhaustive) == (99, False)
        if name in ("bootstrap", "partial-auc"):
            assert result.procedure.n_resamples == 99
            assert result.procedure.version == {"bootstrap": "BCa"}.get(name, "percentile")
        hash(result.procedure)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": [0, 1, 2] * 30}, "`y_true` must hold 0"),
        ({"y": np.zeros(90)}, "`y_true` must hold both classes"),
        ({"a": np.zeros(89)}, "`scores_a` must have one entry per case"),
        ({"b": np.full(90, np.nan)}, "`scores_b` has 90 missing values"),
        ({"groups": np.zeros(90)}, "`groups` puts all 90 cases in one patient"),
        ({"groups": [None] * 90}, "`groups` has 90 missing identifiers"),
    ],
)
@pytest.mark.parametrize("test", ["delong", "bootstrap", "permutation", "venkatraman", "pauc"])
def test_paired_tests_refuse_the_same_input_alike(study, test, change, message):
    function = {
        "delong": stats.delong_test,
        "bootstrap": stats.bootstrap_auc_test,
        "permutation": stats.permutation_auc_test,
        "venkatraman": stats.venkatraman_test,
        "pauc": stats.partial_auc_test,
    }[test]
    given = {"y": study["y"], "a": study["a"][0], "b": study["b"][0], "groups": study["groups"]}
    given |= change
    with pytest.raises(ValueError, match=message):
        function(given["y"], given["a"], given["b"], groups=given["groups"])


RESAMPLED = {
    stats.bootstrap_auc_test: {"method": "basic", "stratified": False},
    stats.partial_auc_test: {"method": "BCa"},
    stats.average_precision_test: {"method": "basic"},
    stats.permutation_auc_test: {},
    stats.venkatraman_test: {},
}


@pytest.mark.parametrize("function", RESAMPLED)
def test_the_object_and_the_keywords_give_the_same(study, function):
    own = RESAMPLED[function]
    y, a, b = study["y"], study["a"][0], study["b"][0]
    by_keyword = function(y, a, b, n_resamples=79, rng=4, return_draws=True, **own)
    names = {"interval" if name == "method" else name: value for name, value in own.items()}
    how = Resampling(n_resamples=79, rng=4, return_draws=True, **names)
    by_object = function(y, a, b, resampling=how)
    assert by_object == by_keyword
    np.testing.assert_array_equal(by_object.draws, by_keyword.draws)
    with pytest.raises(ValueError, match="`n_resamples` and `resampling` were both given"):
        function(y, a, b, n_resamples=79, resampling=how)
    with pytest.raises(ValueError, match="must be a Resampling, got dict"):
        function(y, a, b, resampling={"rng": 1})


def test_resampling_is_checked():
    for change, message in (
        ({"n_resamples": 0}, "at least 1"),
        ({"n_resamples": 1.5}, "whole number"),
        ({"interval": "bca"}, "`interval` must be one of"),
    ):
        with pytest.raises(ValueError, match=message):
            Resampling(**change)


def test_a_derived_test_keeps_its_origin(study):
    result = stats.delong_test(study["y"], study["a"][0], study["b"][0])
    derived = stats.equivalence_test(result, 0.1)
    assert derived.procedure == Procedure(name="equivalence", margin=0.1, of=result.procedure)
    assert dataclasses.replace(derived, warnings=()).procedure.of.name == "delong"


def test_mixed_model_warnings_have_codes():
    import pandas as pd

    rng = np.random.default_rng(0)
    data = pd.DataFrame(
        {"g": np.arange(24) % 6, "x": np.arange(24) // 12, "y": rng.normal(size=24)}
    )
    data["x2"] = data["x"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = stats.fit_mixed_model("y ~ x + x2 + (1 | g)", data)
    assert {note.code for note in fit.warnings} <= {"model", "singular-fit"}
    assert fit.warnings[0].code == "model"
