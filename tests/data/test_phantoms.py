"""SYNTHETIC images: reproducible, hard enough, and leaky when split by image."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stats_tl.data import load_dataset
from stats_tl.data.phantoms import PREVALENCE, draw_phantoms
from stats_tl.errors import UserError
from tests.data.conftest import task

KINDS = ("breast", "knee")


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_images_other_seed_others(kind):
    one, two = (draw_phantoms(kind, n_patients=5, seed=7, size=48) for _ in range(2))
    np.testing.assert_array_equal(one.images, two.images)
    other = draw_phantoms(kind, n_patients=5, seed=8, size=48)
    assert one.images[0].tobytes() != other.images[0].tobytes()


def test_pixels_are_drawn_when_they_are_asked_for(monkeypatch):
    data = load_dataset(task("phantom-knee", n_patients=10, size=32), None)
    drawn = draw_phantoms("knee", n_patients=10, size=32).images
    with monkeypatch.context() as patch:
        patch.setattr("stats_tl.data.phantoms._DRAW", {})
        assert len(load_dataset(task("phantom-knee", n_patients=10, size=32), None)) == len(drawn)
    np.testing.assert_array_equal(data.read_images(32)[:, 0], drawn)


@pytest.mark.parametrize("kind", KINDS)
def test_composition(kind):
    phantoms = draw_phantoms(kind, n_patients=60, size=32)
    counts = np.bincount(phantoms.patient)
    assert counts.min() == 1
    assert counts.max() == 4
    label = {p: set(phantoms.y_true[phantoms.patient == p]) for p in range(60)}
    assert all(len(values) == 1 for values in label.values())
    assert sum(values == {1} for values in label.values()) == round(60 * PREVALENCE[kind])
    assert phantoms.images.dtype == np.uint8
    # Full range used, and no two images equal.
    assert phantoms.images.std() > 20
    assert len({image.tobytes() for image in phantoms.images}) == len(phantoms.images)


def auc(phantoms, splitter):
    pixels = phantoms.images.reshape(len(phantoms.images), 16, 4, 16, 4).mean(axis=(2, 4))
    model = make_pipeline(StandardScaler(), PCA(40), LogisticRegression(C=0.03, max_iter=500))
    groups = phantoms.patient if isinstance(splitter, StratifiedGroupKFold) else None
    scores = cross_val_predict(
        model,
        pixels.reshape(len(pixels), -1),
        phantoms.y_true,
        groups=groups,
        cv=splitter,
        method="decision_function",
    )
    return roc_auc_score(phantoms.y_true, scores)


@pytest.mark.parametrize("kind", KINDS)
def test_an_easy_classifier_is_neither_lost_nor_perfect_and_leaks_by_image(kind):
    phantoms = draw_phantoms(kind, n_patients=120, size=64, seed=1)
    grouped, by_image = (
        np.mean([auc(phantoms, kfold(5, shuffle=True, random_state=seed)) for seed in range(4)])
        for kfold in (StratifiedGroupKFold, StratifiedKFold)
    )
    assert 0.62 < grouped < 0.94
    assert by_image > grouped + 0.005


def test_at_difficulty_one_the_label_is_unrelated():
    phantoms = draw_phantoms("breast", n_patients=150, size=64, seed=5, difficulty=1)
    grouped = auc(phantoms, StratifiedGroupKFold(5, shuffle=True, random_state=0))
    assert abs(grouped - 0.5) < 0.12  # about two and a half standard errors


def test_everything_says_synthetic():
    for adapter in ("phantom-breast", "phantom-knee"):
        data = load_dataset(task(adapter, n_patients=10, size=32), None)
        assert data.synthetic
        assert data.description.startswith("SYNTHETIC")
        assert data.cases["device"].str.startswith("synthetic").all()
        assert data.official is None


def test_a_path_is_refused(tmp_path):
    with pytest.raises(UserError, match="takes no `path`"):
        load_dataset(task("phantom-knee"), tmp_path)


@pytest.mark.parametrize("options", [{"n_patients": 3}, {"difficulty": 2}, {"size": 10_000}])
def test_options_are_bounded(options):
    with pytest.raises(UserError, match="must lie between"):
        load_dataset(task("phantom-knee", **options), None)
