"""Populations have the moments they state; cross-validation deals patients, not images."""

import numpy as np
import pytest

from stats_tl.calibration import (
    LEARNERS,
    ExclusiveOrPopulation,
    FeaturePopulation,
    GaussianPopulation,
    PhantomPopulation,
    WeakFeaturesPopulation,
    cross_validate,
    load_features,
)
from stats_tl.calibration.simulate import HOSPITALS, hospital_folds, separation_for_auc
from stats_tl.errors import UserError
from stats_tl.stats import repeated_cv_components


def real_like(seed=0, n_patients=200, p=6):
    rng = np.random.default_rng(seed)
    patients = np.arange(n_patients).repeat(rng.integers(1, 3, n_patients))
    y = (np.arange(n_patients) % 4 == 0).astype(int)[patients]
    mixing = rng.standard_normal((p, p))
    return rng.standard_normal((patients.size, p)) @ mixing + y[:, None], y, patients


def test_gaussian_moments():
    population = GaussianPopulation(separation=1.5, prevalence=0.3, shared=0.6, n_features=4)
    data = population.draw(40_000, np.random.default_rng(0))
    assert data.y_true.mean() == pytest.approx(0.3)
    a, b = data.views
    gap = [
        view[data.y_true == 1].mean(axis=0) - view[data.y_true == 0].mean(axis=0) for view in (a, b)
    ]
    np.testing.assert_allclose(gap, 0.75, atol=0.05)  # 1.5 over four features
    negative = data.y_true == 0
    correlation = np.corrcoef(a[negative, 0], b[negative, 0])[0, 1]
    assert correlation == pytest.approx(0.6, abs=0.02)
    assert a[negative, 1].var() == pytest.approx(1, abs=0.04)


def test_few_features_may_tell_and_tails_may_be_heavy():
    rng = np.random.default_rng(1)
    population = GaussianPopulation(separation=2, n_features=4, informative=1, prevalence=0.5)
    y, _, (view, _) = population.draw(20_000, rng)
    gap = view[y == 1].mean(axis=0) - view[y == 0].mean(axis=0)
    np.testing.assert_allclose(gap, [2, 0, 0, 0], atol=0.06)
    heavy = GaussianPopulation(separation=0, n_features=1, tails="heavy").draw(20_000, rng)
    # P(|t| > 3.182) = .05 with three degrees of freedom; .0015 for a normal variable.
    assert np.mean(np.abs(heavy.views[0]) > 3.182) == pytest.approx(0.05, abs=0.006)
    skewed = GaussianPopulation(separation=0, n_features=1, tails="skewed").draw(20_000, rng)
    assert np.log(skewed.views[1]).std() == pytest.approx(0.7, abs=0.02)


def test_only_the_product_of_signs_tells():
    y, _, (view, _) = ExclusiveOrPopulation(main=0.0).draw(20_000, np.random.default_rng(0))
    means = np.stack([view[y == label].mean(axis=0) for label in (0, 1)])
    np.testing.assert_allclose(means, 0, atol=0.06)
    product = view[:, 0] * view[:, 1]
    assert product[y == 1].mean() == pytest.approx(1, abs=0.1)
    assert product[y == 0].mean() == pytest.approx(-1, abs=0.1)


def test_weak_features_and_score_are_as_far_apart_as_they_say():
    population = WeakFeaturesPopulation(n_features=9, separation=1.5, score=1.0)
    y, _, (weak, score) = population.draw(20_000, np.random.default_rng(0))
    assert weak.shape[1] == 9
    assert score.shape[1] == 1
    gap = weak[y == 1].mean(axis=0) - weak[y == 0].mean(axis=0)
    np.testing.assert_allclose(gap, 0.5, atol=0.06)
    assert score[y == 1].mean() - score[y == 0].mean() == pytest.approx(1, abs=0.05)


def test_lesions_are_darker_in_positives_and_alike_in_both_arms():
    population = PhantomPopulation(size=24, separation=4)
    y, _, views = population.draw(600, np.random.default_rng(0))
    assert views[0].shape == (600, 24, 24)
    centre = [view[:, 9:15, 9:15].mean(axis=(1, 2)) - view.mean(axis=(1, 2)) for view in views]
    gaps = [own[y == 1].mean() - own[y == 0].mean() for own in centre]
    assert max(gaps) < -0.1
    assert gaps[0] == pytest.approx(gaps[1], abs=0.06)
    assert not np.array_equal(*views)


def test_hospitals_are_unequal_and_have_both_classes():
    labels = (np.arange(400) < 120).astype(int)
    folds = hospital_folds(labels, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(folds) / 400, HOSPITALS, atol=0.005)
    np.testing.assert_allclose(np.bincount(folds[labels == 1]) / 120, HOSPITALS, atol=0.01)
    data = GaussianPopulation(prevalence=0.3).draw(400, np.random.default_rng(1))
    study = cross_validate(
        data, LEARNERS["ridge"], n_folds=5, n_repeats=3, partition="hospitals", n_half_repeats=0,
        rng=np.random.default_rng(2),
    )  # fmt: skip
    assert (study.folds == study.folds[0]).all()
    assert study.half is None


def test_images_of_a_patient_are_alike_and_share_a_label():
    population = GaussianPopulation(images=3, patient_share=0.5, n_features=2)
    data = population.draw(6000, np.random.default_rng(1))
    counts = np.bincount(data.patients)
    assert set(counts) == {1, 2, 3}
    first = np.flatnonzero(np.diff(data.patients) == 0)
    assert (data.y_true[first] == data.y_true[first + 1]).all()
    same = first[data.y_true[first] == 0]
    x = data.views[0][:, 0]
    assert np.corrcoef(x[same], x[same + 1])[0, 1] == pytest.approx(0.5, abs=0.05)


def test_smoothed_features_keep_mean_and_covariance_of_a_class():
    x, y, patients = real_like()
    population = FeaturePopulation(x, y, patients)
    data = population.draw(20_000, np.random.default_rng(2))
    for label in (0, 1):
        drawn, given = data.views[0][data.y_true == label], x[y == label]
        np.testing.assert_allclose(drawn.mean(axis=0), given.mean(axis=0), atol=0.2)
        np.testing.assert_allclose(np.cov(drawn.T), np.cov(given.T), rtol=0.25, atol=0.4)
    assert np.unique(data.views[0][:, 0]).size == data.y_true.size  # no case twice


def test_patients_stay_within_a_fold():
    data = GaussianPopulation(images=3).draw(60, np.random.default_rng(0))
    study = cross_validate(
        data, LEARNERS["ridge"], n_folds=5, n_repeats=3, rng=np.random.default_rng(1)
    )
    parts = repeated_cv_components(
        study.y_true, study.scores_a, study.scores_b, study.folds, groups=study.groups,
        half=study.half,
    )  # fmt: skip
    assert parts.straddling == 0
    assert parts.n_half_repeats == 5
    assert study.first(2).scores_a.shape[0] == 2


def test_halvings_keep_patients_in_one_half_and_unlike_arms_differ():
    data = GaussianPopulation(images=2, n_features=6).draw(100, np.random.default_rng(0))
    study = cross_validate(
        data, LEARNERS["ridge"], against=LEARNERS["parzen"], n_folds=4, n_repeats=2,
        n_halvings=5, rng=np.random.default_rng(1),
    )  # fmt: skip
    parts = repeated_cv_components(
        study.y_true, study.scores_a, study.scores_b, study.folds, groups=study.groups,
        halvings=study.halvings,
    )  # fmt: skip
    assert parts.n_halvings == 5
    alone = cross_validate(
        data, LEARNERS["parzen"], n_folds=4, n_repeats=2, rng=np.random.default_rng(1)
    )
    np.testing.assert_array_equal(study.scores_b, alone.scores_b)
    assert not np.allclose(study.scores_a, alone.scores_a)


def test_halves_deal_the_features_anew():
    x, y, patients = real_like()
    population = FeaturePopulation(x, y, patients)
    assert population.halves
    data = population.draw(80, np.random.default_rng(3))
    study = cross_validate(
        data, LEARNERS["ridge"], n_folds=4, n_repeats=6, halves=True, rng=np.random.default_rng(4)
    )
    assert not np.allclose(study.scores_a, study.scores_b)
    spread = [np.ptp([s[study.y_true == 1].mean() for s in arm]) for arm in (study.scores_a,)]
    assert spread[0] > 0


def test_the_wanted_auc_is_met():
    plain = GaussianPopulation(prevalence=0.3, n_features=8)
    separation = separation_for_auc(plain, LEARNERS["ridge"], 200, 5, 0.8)
    rng, aucs = np.random.default_rng(9), []
    for _ in range(40):
        study = cross_validate(
            plain.with_separation(separation).draw(200, rng), LEARNERS["ridge"],
            n_folds=5, n_repeats=1, n_half_repeats=0, rng=rng,
        )  # fmt: skip
        parts = repeated_cv_components(study.y_true, study.scores_a, study.scores_b, study.folds)
        aucs.append(parts.aucs[1])
    assert np.mean(aucs) == pytest.approx(0.8, abs=0.02)


def test_feature_files(tmp_path):
    x, y, patients = real_like()
    for name, values in (("a", x), ("b", 2 * x)):
        np.savez(tmp_path / f"{name}.npz", features=values, y_true=y, patients=patients)
    both = load_features([tmp_path / "a.npz", tmp_path / "b.npz"], n_components=3)
    assert not both.halves
    data = both.draw(20, np.random.default_rng(0))
    # Components have unit variance, so that twice the features are the same components.
    np.testing.assert_allclose(np.abs(data.views[0]), np.abs(data.views[1]), atol=1e-3)
    np.savez(tmp_path / "c.npz", features=x, y_true=1 - y, patients=patients)
    with pytest.raises(UserError, match="other images than"):
        load_features([tmp_path / "a.npz", tmp_path / "c.npz"])
    (tmp_path / "d.npz").write_bytes(b"no")
    with pytest.raises(UserError, match=r"expected an \.npz file"):
        load_features([tmp_path / "d.npz"])
