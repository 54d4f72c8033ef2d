"""Scores that are not what they are taken for: said where the comparison is read."""

import numpy as np
import pytest

from stats_tl.errors import UserError
from stats_tl.reporting import AnalysisOptions, Predictions, build_report, compare_arms
from stats_tl.reporting.evidence.alignment import align, check_scores
from stats_tl.reporting.evidence.checks import divided_patients, score_problems

from .simulate import simulate_scores

OPTIONS = AnalysisOptions(reference="imagenet")


@pytest.fixture(scope="module")
def scores():
    """Probabilities, 2 repeats of 5 folds."""
    frame = simulate_scores(repeats=2, n_patients=120)
    offset = frame.groupby(["arm", "repeat", "fold"])["score"].transform("mean")
    return frame.assign(score=1 / (1 + np.exp(offset - frame["score"])))


def told(frame, **options):
    """Notes of the table, of the terminal, the paragraphs and the page, as one text each."""
    report = build_report(Predictions(frame), OPTIONS, formats=["words", "html", "json"], **options)
    table = next(s.table for s in report.sections if s.name == "significance")
    return report, (
        " ".join(table.notes),
        " ".join(report.terminal.notes),
        " ".join(report.words.results),
        report.files["report.html"].decode(),
    )


def kinds(frame):
    return {(p.kind, p.arm) for p in score_problems(align(check_scores(frame)))}


def test_sound_scores_are_not_accused(scores):
    assert kinds(scores) == set()
    _, texts = told(scores)
    assert not any("other class" in text or "LEAKAGE" in text for text in texts)


def test_one_reversed_arm_is_named_and_the_other_is_not(scores):
    turned = scores["arm"] == "radimagenet"
    mirrored = scores.assign(score=scores["score"].where(~turned, 1 - scores["score"]))
    report, texts = told(mirrored)
    for text in texts:
        assert "the AUC with RadImageNet is below 0.5" in text
        assert "Are its scores the probability of the other class?" in text
        assert "The scores of ImageNet are not reversed" in text
        assert "the AUC with ImageNet is below" not in text
        assert "near chance" not in text
    assert "unless the scores of RadImageNet are reversed" in texts[2]
    assert "rank the cases the wrong way round" in texts[3]
    checks = report.audit.set_index("check")["finding"]
    assert checks["reversed scores"] == "problem"
    assert checks["untrained models"] == "ok"  # those of the other arm are above 1/2


def test_the_confidence_in_the_predicted_class_is_recognised(scores):
    confident = scores.assign(score=np.maximum(scores["score"], 1 - scores["score"]))
    assert kinds(confident) == {("confidence", "imagenet"), ("confidence", "radimagenet")}
    report, texts = told(confident)
    assert all("looks like the confidence in the predicted class" in text for text in texts)
    assert "calibration" in {part.name for part in report.absent}


@pytest.mark.parametrize(
    ("change", "kind", "phrase"),
    [
        (lambda s: (s > 0.5).astype(float), "labels", "take two values only and look like labels"),
        (
            lambda s: np.where(s > 0.6, 1.0, np.where(s < 0.4, 0.0, s)),
            "saturated",
            "exactly 0 or 1",
        ),
    ],
)
def test_labels_and_saturated_scores_are_no_ranking(scores, change, kind, phrase):
    turned = scores["arm"] == "radimagenet"
    hard = scores.assign(score=scores["score"].where(~turned, change(scores["score"])))
    assert kinds(hard) == {(kind, "radimagenet")}
    report, texts = told(hard)
    assert all(phrase in text for text in texts)
    left_out = {part.name: part.reason for part in report.absent}
    assert "no risks" in left_out["calibration"]
    assert "no risks" in left_out["decision"]


def test_ratings_are_not_labels(scores):
    assert kinds(scores.assign(score=np.ceil(5 * scores["score"]))) == set()


class TestLeakage:
    @pytest.fixture
    def leaky(self, scores):
        """Folds drawn by image: most patients with several images are torn."""
        cases = sorted(scores["case"].unique())
        folds = dict(zip(cases, np.random.default_rng(0).integers(0, 5, len(cases)), strict=True))
        return scores.assign(fold=scores["case"].map(folds))

    def test_the_patients_are_those_in_two_folds(self, leaky):
        once = leaky[(leaky["repeat"] == 0) & (leaky["arm"] == "imagenet")]
        counts = once.groupby("patient")["fold"].nunique()
        found = divided_patients(align(check_scores(leaky)))
        assert found == {"breast": frozenset(counts.index[counts > 1])}

    def test_no_report_without_being_asked_for(self, leaky):
        with pytest.raises(UserError, match=r"both sides of a split:\n  - breast: \d+ of 120"):
            build_report(Predictions(leaky), OPTIONS, formats=["csv"])

    def test_numbers_have_no_verdict_and_every_table_is_marked(self, leaky):
        report, texts = told(leaky, allow_leakage=True)
        assert set(report.comparisons["verdict"]) == {"none (leakage)"}
        assert np.isfinite(report.comparisons["pvalue"]).all()
        for section in report.sections:
            if section.name != "reproducibility":
                assert any("LEAKAGE" in note for note in section.table.notes), section.name
        assert all("no verdict is given" in text for text in texts)
        assert "superior" not in texts[2]

    def test_a_patient_who_was_tuned_on_must_not_be_tested(self, scores):
        sound = scores[(scores["repeat"] == 0) & (scores["fold"] == 0)]
        tuning = sound.head(1).assign(partition="validation", case="another image")
        found = divided_patients(align(check_scores(sound)), [tuning])
        assert found == {"breast": frozenset({sound["patient"].iloc[0]})}


def test_numbers_that_cannot_be_are_not_given():
    """A handful of cases: no difference that is possible would be found."""
    frame = simulate_scores(repeats=1, n_patients=12, seed=3).drop(columns=["repeat", "fold"])
    row = compare_arms(frame, "imagenet", options=OPTIONS).iloc[0]
    most = max(row["auc_reference"], 1 - row["auc_reference"])
    assert not row["smallest_detectable_difference"] > most
    assert -1 <= row["difference_low"] <= row["difference"] <= row["difference_high"] <= 1


def test_a_detectable_difference_beyond_the_possible_is_left_out_with_the_reason():
    noisy = simulate_scores(repeats=2, n_patients=30)
    noisy = noisy.assign(score=np.random.default_rng(1).random(len(noisy)))
    row = compare_arms(noisy, "imagenet", options=OPTIONS).iloc[0]
    assert np.isnan(row["smallest_detectable_difference"])
    assert "even the largest possible difference" in row["warnings"]
    assert row["difference_low"] >= -1
    assert row["difference_high"] <= 1
