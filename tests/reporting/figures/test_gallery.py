"""Whole figures: nothing overlaps or is cut off, captions say what bands are, bytes repeat."""

import itertools

import pandas as pd
import pytest

from stats_tl.reporting import (
    AnalysisOptions,
    Predictions,
    forest_figure,
    gather_material,
    render_figure,
)
from stats_tl.reporting.figures import FIGURES
from stats_tl.reporting.figures.side_by_side import render_side_by_side
from stats_tl.reporting.figures.style import printable
from stats_tl.reporting.rendering.parts import Absent

from ..simulate import simulate_scores

HOSTILE = ("<script>alert(1)</script>", r"$\frac{x", 'a_b & "c" 50 %', "Ünï中")


class Made(Predictions):
    synthetic = True


def study(*, tasks=1, backbones=2, heads=1, arms=HOSTILE[:2], kind=Predictions, **options):
    frames = [
        simulate_scores(
            task=f"task {HOSTILE[task % 4]} {task}",
            backbone=f"{HOSTILE[backbone % 4]} net {backbone}",
            head=f"head {head}",
            arms=[(arm, 1.0 + 0.2 * number) for number, arm in enumerate(arms)],
            seed=task,
            model_seed=10 * backbone + head,
            **options,
        )
        for task, backbone, head in itertools.product(range(tasks), range(backbones), range(heads))
    ]
    scores = pd.concat(frames, ignore_index=True)
    return gather_material(kind(scores), AnalysisOptions(reference=arms[0], margin=0.03))


def texts_of(figure):
    """Everything that is written; ticks outside the limits exist and are not drawn."""
    yield from figure.texts
    for ax in figure.axes:
        yield from ax.texts
        yield from (ax.xaxis.label, ax.yaxis.label, ax.title, ax._left_title)
        for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
            low, high = sorted(limits)
            for label, place in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True):
                if low <= place <= high:
                    yield label


def assert_legible(figure):
    """No text beyond the edge of the figure, and none over another."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    width, height = figure.canvas.get_width_height()
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in texts_of(figure)
        if text.get_text().strip()
    ]
    assert boxes
    for text, box in boxes:
        assert box.x0 >= -1, text
        assert box.x1 <= width + 1, text
        assert box.y0 >= -1, text
        assert box.y1 <= height + 1, text
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 0.5 or down <= 1.5, (one, other, across, down)


STUDIES = {
    "several arms": {"arms": (*HOSTILE[:2], "an arm with a rather long name, version 2", "b")},
    "one test set": {"folds": 1, "repeats": 1},
    "seeds": {"seeds": 2, "repeats": 3},
    "twenty rows": {"tasks": 2, "backbones": 5, "heads": 2, "n_patients": 45, "repeats": 2},
    "many tasks": {"tasks": 5, "backbones": 2, "n_patients": 45, "repeats": 1},
}


@pytest.mark.parametrize("name", list(STUDIES))
def test_nothing_overlaps_or_is_cut_off(name):
    material = study(**STUDIES[name])
    drawn = set()
    for figure_name, build in FIGURES.items():
        drawing = build(material)
        if isinstance(drawing, Absent):
            assert drawing.reason
            assert not drawing.reason.endswith(".")
            continue
        drawn.add(figure_name)
        assert drawing.figure.get_size_inches()[0] == pytest.approx(3.35)  # 85 mm
        assert drawing.caption.endswith(".")
        assert drawing.alt
        assert_legible(drawing.figure)
    assert {"forest", "roc"} <= drawn
    assert ("differences" in drawn) == (name != "one test set")
    assert ("critical_difference" in drawn) == (name == "many tasks")
    assert "calibration" not in drawn  # these scores are no probabilities


def test_fifty_rows_fit_a_page():
    rows = study(tasks=2, n_patients=45, repeats=1).comparisons
    table = pd.concat(
        [
            rows.assign(head=f"a long name of a head {number}", unfreeze="all")
            for number in range(13)
        ]
    ).sort_values("task", ignore_index=True)
    assert len(table) == 52
    figure = forest_figure(table)
    assert figure.get_size_inches()[1] < 9.5
    assert_legible(figure)


def test_probabilities_are_calibrated_and_decided_on(scores):
    from scipy import special

    one = scores[scores["task"] == "acl"]
    probable = one.assign(score=special.expit(one["score"]))
    material = gather_material(Made(probable), AnalysisOptions(reference="imagenet"))
    for name in ("calibration", "decision"):
        drawing = FIGURES[name](material)
        assert not isinstance(drawing, Absent)
        assert_legible(drawing.figure)
        assert "Synthetic data." in [text.get_text() for text in drawing.figure.texts]


def test_captions_say_what_a_band_is_not(scores):
    material = gather_material(
        Predictions(scores), AnalysisOptions(reference="imagenet", margin=0.02)
    )
    roc = FIGURES["roc"](material).caption
    assert "clustered by patient" in roc
    assert "not a test of a difference" in roc
    assert "never ranked together" in roc
    assert "not a confidence interval" in roc
    assert "not independent" in FIGURES["differences"](material).caption
    assert "no second verdict" in FIGURES["detectable"](material).caption
    listed = FIGURES["forest"](material).alt
    assert all(name in listed for name in ("acl", "breast", "DenseNet-121", "ResNet-18"))


def test_figures_are_the_same_bytes_every_time():
    material = study(seeds=2, repeats=2, n_patients=60)
    for name in ("roc", "variance"):
        first, second = (render_figure(FIGURES[name](material).figure) for _ in range(2))
        assert first == second


def test_letters_that_the_font_lacks_are_named():
    assert printable("a 中\tb\n") == "a U+4E2D b"
    assert printable("é − ≤ β") == "é − ≤ β"


def test_processes_draw_the_same_bytes(monkeypatch):
    material = study(backbones=1, repeats=2)
    names = ("forest", "differences", "roc")
    alone = [render_figure(FIGURES[name](material).draw()) for name in names]
    assert render_side_by_side([FIGURES[name](material).draw for name in names], 2) == alone

    def lose(*arguments, **options):
        raise OSError("cannot fork")

    monkeypatch.setattr("stats_tl.reporting.figures.side_by_side.ProcessPoolExecutor", lose)
    assert render_side_by_side([FIGURES["forest"](material).draw], 1) == alone[:1]
    assert render_side_by_side([FIGURES[name](material).draw for name in names], 2) == alone


def test_what_fails_in_a_process_is_told():
    def fail():
        raise ZeroDivisionError("of a figure")

    with pytest.raises(ZeroDivisionError, match="of a figure"):
        render_side_by_side([fail, fail], 2)
