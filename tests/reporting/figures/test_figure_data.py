"""What the other figures show: differences, variances, ranks, power."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from stats_tl.reporting import AnalysisOptions, Predictions, gather_material
from stats_tl.reporting.figures import (
    detectable_data,
    differences_data,
    draw_differences,
    draw_power,
    draw_ranks,
    draw_variance,
    pair_components,
    rank_table,
    ranks_data,
    single_test_data,
    variance_data,
)
from stats_tl.stats import nemenyi_pvalues

from ..simulate import simulate_scores


@pytest.fixture(scope="module")
def material(scores):
    return gather_material(Predictions(scores), AnalysisOptions(reference="imagenet"))


@pytest.fixture(scope="module")
def components(material):
    return material.components


def test_the_components_of_a_report_are_computed_once(material, components):
    assert all(a is b for a, b in zip(pair_components(material), components, strict=True))


def test_every_fold_is_a_dot_with_its_own_difference(material, components):
    layout, points = differences_data(material.comparisons, components)
    assert len(points) == 4 * 25
    keys = ["task", "backbone", "repeat", "fold"]
    auc = material.aucs.set_index(["arm", *keys])["auc"]
    expected = (auc["radimagenet"] - auc["imagenet"]).rename("expected")
    found = points.join(material.comparisons[["task", "backbone"]], on="row")
    both = found.join(expected, on=keys)
    np.testing.assert_allclose(both["difference"], both["expected"], atol=1e-12)
    means = points.groupby("row")["difference"].mean()
    np.testing.assert_allclose(means, layout["estimate"], atol=1e-12)
    ax = Figure().subplots()
    assert draw_differences(layout, points, ax=ax) is ax


def test_lanes_of_repeats_stay_within_their_row(material, components):
    layout, points = differences_data(material.comparisons, components)
    for row, own in points.groupby("row"):
        assert own["y"].nunique() == 5
        away = (own["y"] - layout["y"].iloc[row]).abs().max()
        assert away < layout["height"].iloc[row] / 2
    for row in range(len(layout) - 1):
        upper, lower = (points.loc[points["row"] == r, "y"] for r in (row, row + 1))
        assert upper.max() < lower.min()


def test_components_add_up_to_the_variance_of_one_and_of_all_repeats(material, components):
    layout, parts = variance_data(material.comparisons, components)
    for row, pair in enumerate(components):
        own = parts[parts["row"] == row].groupby("repeats")["variance"].sum()
        shared = pair.parts.through_cases
        assert own[1] == pytest.approx(shared + pair.parts.repeat_variance)
        assert own[5] == pytest.approx(shared + pair.parts.repeat_variance / 5)
    np.testing.assert_allclose(layout["used"], material.comparisons["standard_error"] ** 2)
    ax = Figure().subplots()
    assert draw_variance(layout, parts, ax=ax) is ax
    # Two stacked bars a row, of four sources each.
    assert len(ax.patches) == 4 * 2 * 4


def test_the_variance_between_seeds_is_told_apart():
    scores = simulate_scores(seeds=3, repeats=4, n_patients=60)
    material = gather_material(Predictions(scores), AnalysisOptions(reference="imagenet"))
    (pair,) = material.components
    means = pd.Series(pair.differences.mean(axis=1)).groupby(pair.repeats)
    assert pair.seed_variance == pytest.approx(means.var(ddof=1).mean())
    _, parts = variance_data(material.comparisons, [pair])
    seeds = parts[parts["source"] == "seeds"].set_index("repeats")["variance"]
    assert seeds[4] == pytest.approx(seeds[1] / 12)


def test_cliques_are_the_largest_sets_that_nemenyi_cannot_tell_apart():
    rng = np.random.default_rng(5)
    table = pd.DataFrame(
        rng.normal(size=(9, 7)) + np.arange(7) * 0.9, columns=[f"m{i}" for i in range(7)]
    )
    ranks, cliques, critical = ranks_data(table, alpha=0.05)
    assert ranks["rank"].is_monotonic_increasing
    pairs = nemenyi_pvalues(table)
    apart = {frozenset((a, b)) for a, b, p in pairs[["a", "b", "pvalue"]].to_numpy() if p < 0.05}
    names = list(ranks["method"])

    def joined(start, stop):
        return frozenset((names[start], names[stop])) not in apart

    expected = [
        (i, j)
        for i in range(7)
        for j in range(i + 1, 7)
        if joined(i, j) and not (i > 0 and joined(i - 1, j)) and not (j < 6 and joined(i, j + 1))
    ]
    assert cliques == expected
    assert len(cliques) > 1
    ax = Figure().subplots()
    assert draw_ranks(ranks, cliques, critical, ax=ax) is ax


def test_ranks_take_tasks_as_the_sample(material):
    table, reason = rank_table(material.aucs)
    assert table.empty
    assert "this study has 2" in reason
    aucs = pd.concat([material.aucs.assign(task=f"t{i}") for i in range(5)])
    table, reason = rank_table(aucs)
    assert reason == ""
    assert table.shape == (5, 4)
    assert "ImageNet, ResNet-18" in table.columns
    # A method that a task lacks is left out, for everybody's rank would depend on it.
    short = aucs[~((aucs["task"] == "t0") & (aucs["backbone"] == "resnet18"))]
    table, reason = rank_table(short)
    assert "three methods" in reason


def test_power_reaches_the_wanted_one_at_the_smallest_detectable_difference(components):
    parts = components[0].parts
    curve, sizes = detectable_data(
        parts, method="repeat-delong", standard_error=0.02, n_repeats=(5, 20)
    )
    present = sizes[(sizes["n_units"] == parts.n_units) & (sizes["n_repeats"] == 5)].iloc[0]
    own = curve[curve["n_repeats"] == 5]
    assert np.interp(present["low"], own["difference"], own["high"]) == pytest.approx(0.8, abs=0.01)
    assert np.interp(present["high"], own["difference"], own["low"]) == pytest.approx(0.8, abs=0.01)
    for _, own in sizes.groupby("n_repeats"):
        assert (own.sort_values("n_units")["low"].diff().dropna() < 0).all()
    assert (curve["low"] <= curve["high"]).all()


def test_power_agrees_with_simulation(components):
    # A test whose variance is the true one: normal estimate, variance C + s2 / M, no elasticity.
    import dataclasses

    from stats_tl.stats import repeated_cv_power

    parts = dataclasses.replace(components[0].parts, elasticity=0.0, elasticity_error=0.0)
    curve, _ = detectable_data(parts, method="repeat-delong", standard_error=0.02, n_repeats=(5,))
    difference = float(curve["difference"].iloc[20])
    rng = np.random.default_rng(0)
    true = math.sqrt(max(parts.shared_variance, 0) + parts.repeat_variance / 5)
    used = math.sqrt(parts.case_variance)
    estimates = difference + true * rng.standard_normal(200_000)
    simulated = np.mean(estimates > 1.959964 * used)
    assert curve["low"].iloc[20] == pytest.approx(simulated, abs=0.005)
    assert curve["low"].equals(curve["high"])
    closed = repeated_cv_power(
        difference, case_variance=parts.case_variance,
        shared_variance=max(parts.shared_variance, 0), repeat_variance=parts.repeat_variance,
        n_repeats=5, elasticity=0.0, method="repeat-delong",
    )  # fmt: skip
    assert closed == pytest.approx(simulated, abs=0.005)


def test_one_test_set_scales_with_its_patients():
    curve, sizes = single_test_data(0.02, 200)
    assert curve["low"].iloc[0] == pytest.approx(0.025)
    by_size = sizes.set_index("n_units")["low"]
    assert by_size[200] == pytest.approx(0.02 * (1.959964 + 0.841621), rel=1e-5)
    assert by_size[800] == pytest.approx(by_size[200] / 2)
    ax = Figure().subplots()
    assert draw_power(curve, ax=ax, margin=0.01) is ax
