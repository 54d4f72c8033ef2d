"""The forest plot: what it shows, and that it is the same every time."""

from itertools import pairwise

import pandas as pd
import pytest
from matplotlib.figure import Figure

from stats_tl.reporting import (
    AnalysisOptions,
    compare_arms,
    draw_forest,
    forest_data,
    forest_figure,
    render_figure,
)

from ..simulate import simulate_scores


@pytest.fixture(scope="module")
def table(scores):
    return compare_arms(scores, "imagenet", options=AnalysisOptions(margin=0.03))


def test_every_comparison_has_its_estimate_and_interval_on_the_axes(table):
    ax = Figure().subplots()
    data = forest_data(table)
    assert draw_forest(data, ax=ax, reference="ImageNet", margin=0.03) is ax
    bars = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_ydata()[0] != 0]
    bars = [tuple(map(float, line.get_xdata())) for line in bars]
    assert bars == list(zip(table["difference_low"], table["difference_high"], strict=True))
    points = [float(line.get_xdata()[0]) for line in ax.lines if len(line.get_xdata()) == 1]
    assert points == list(table["difference"])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["DenseNet-121", "ResNet-18"] * 2
    assert ax.get_xlabel() == "Difference in AUC (RadImageNet − ImageNet)"
    assert {text.get_text() for text in ax.texts} == {"acl", "breast"}


def test_markers_are_filled_where_the_adjusted_test_rejects(table):
    ax = Figure().subplots()
    draw_forest(forest_data(table), ax=ax)
    filled = [
        line.get_markerfacecolor() != "white" for line in ax.lines if len(line.get_xdata()) == 1
    ]
    assert filled == list(table["pvalue_adjusted"] < 0.05)


def test_rows_of_the_plot_do_not_overlap(table):
    heights = forest_data(table)["y"]
    assert (heights.diff().dropna() >= 1).all()


def test_nothing_is_cut_off_or_overlaps():
    arms = (("imagenet", 1.0), ("a_rather_long_name_of_an_arm", 1.2), ("b", 0.8))
    scores = pd.concat(
        simulate_scores(arms=arms, backbone=b, task="a task with a long name", repeats=1)
        for b in ("squeezenet1_1", "densenet121")
    )
    figure = forest_figure(compare_arms(scores, "imagenet"), synthetic=True)
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    ax = figure.axes[0]
    labels = [label.get_window_extent(renderer) for label in ax.get_yticklabels()]
    other = [ax.xaxis.label.get_window_extent(renderer)]
    other += [text.get_window_extent(renderer) for text in (*figure.texts, *ax.texts)]
    low, high = ax.get_xlim()
    other += [
        label.get_window_extent(renderer)
        for label, where in zip(ax.get_xticklabels(), ax.get_xticks(), strict=True)
        if low <= where <= high
    ]
    width, height = figure.canvas.get_width_height()
    for box in (*labels, *other):
        assert box.x0 >= -1
        assert box.x1 <= width + 1
        assert box.y0 >= -1
        assert box.y1 <= height + 1
    for above, below in pairwise(labels):
        assert above.y0 >= below.y1 - 1


def test_the_figure_fits_one_column_and_says_what_is_synthetic(table):
    figure = forest_figure(table, synthetic=True, incomplete=True)
    assert figure.get_size_inches()[0] == pytest.approx(3.35)  # 85 mm
    said = figure.texts[0].get_text()
    assert "Synthetic data." in said
    assert "Incomplete: " in said
    plain = forest_figure(table).texts[0].get_text()
    assert "Synthetic" not in plain
    assert "Incomplete" not in plain


def test_the_files_are_the_same_bytes_every_time(table):
    first, second = (render_figure(forest_figure(table)) for _ in range(2))
    assert first == second
    assert first[".pdf"].startswith(b"%PDF")
    assert first[".png"].startswith(b"\x89PNG")
    for word in (b"CreationDate", b"Matplotlib", b"matplotlib"):
        assert word not in first[".pdf"]
        assert word not in first[".png"]


def test_a_name_with_dollar_signs_is_no_formula():
    scores = simulate_scores(arms=(("imagenet", 1.0), (r"$\frac{x", 1.2)), repeats=1)
    figure = forest_figure(compare_arms(scores, "imagenet"))
    assert render_figure(figure)[".png"]
