"""Nobody knows the patients: nothing that is written may speak of them as if somebody did."""

import re

import numpy as np
import pandas as pd
import pytest

from stats_tl.reporting import AnalysisOptions, Predictions, build_report, compare_arms

from .simulate import simulate_scores

OPTIONS = AnalysisOptions(reference="imagenet")
#: What may be said of patients where they are unknown; everything else is a claim.
ALLOWED = (
    r"[Pp]atients (are )?unknown",
    r"Patients are unknown where it says so",
    r"images of one patient may lie on both sides",
    r"disjoint by patient\.",
    r"Patient and public involvement|Patients and public",
    r"patients benefit",
    r"[>{]Patients[<}]",  # the heading of a column that says "unknown"
    r"patients across partitions",
    r"by image where patients are unknown",
)


class Archived(Predictions):
    """Predictions in the place of an archive, whose patients are images or examinations."""

    source = "archive"
    known = False
    seal = None

    def __init__(self, scores, groups=None):
        super().__init__(scores, name="demo")
        self.groups = groups
        self.tasks = {"breast": {"description": "Images.", "near_duplicates": None}}

    def patients_known(self, task):
        return self.known

    def cases(self, task):
        cases = super().cases(task)
        group = cases["patient"] if self.groups is None else cases["case"].map(self.groups)
        return cases.assign(group=group)

    def records(self):
        return ()


@pytest.fixture(scope="module")
def scores():
    return simulate_scores(repeats=2, n_patients=90)


def claims(report):
    """Sentences of all files of a report that speak of patients and may not."""
    found = []
    for name, content in report.files.items():
        if name.endswith((".pdf", ".png", ".json", ".csv", ".bib")) or name == "all.tex":
            continue
        text = re.sub(r"(?s)<style>.*?</style>|<script>.*?</script>|\s+", " ", content.decode())
        for pattern in ALLOWED:
            text = re.sub(pattern, "", text)
        found += [f"{name}: {part}" for part in re.findall(r"(?i).{0,60}patient.{0,40}", text)]
    return found


@pytest.mark.parametrize("kind", [Predictions, Archived])
def test_no_file_claims_to_know_patients(scores, kind):
    alone = scores.assign(patient=scores["case"])
    evidence = Predictions(alone.drop(columns="patient")) if kind is Predictions else kind(alone)
    report = build_report(evidence, OPTIONS, formats=["latex", "words", "html", "json"])
    assert claims(report) == []
    for section in report.sections:
        if section.name in ("sample", "significance", "mixed_model"):
            assert any("patients are unknown" in note for note in section.table.notes), section.name
    row = report.comparisons.iloc[0]
    assert np.isnan(row["n_patients"])
    assert row["estimand"].startswith("training procedures, for new images")
    panel = report.terminal.body[0].text
    assert "images" in panel
    assert "patients unknown" in panel


def test_where_patients_are_known_they_are_named(scores):
    report = build_report(Predictions(scores), OPTIONS, formats=["words"])
    words = report.files["results.md"].decode()
    assert "of 90 patients" in words
    assert "unknown" not in words


def test_groups_of_images_cluster_and_are_no_patients(scores):
    """Near-duplicates of unknown patients: the variance is clustered, nobody counts patients."""
    images = scores.assign(patient=scores["case"])
    groups = scores.drop_duplicates("case").set_index("case")["patient"]
    found = build_report(Archived(images, groups), OPTIONS, formats=["words"]).comparisons.iloc[0]
    clustered = compare_arms(scores, "imagenet", options=OPTIONS).iloc[0]
    assert found["standard_error"] == pytest.approx(clustered["standard_error"], rel=1e-12)
    assert (found["n_groups"], found["clustered_by"]) == (90, "group")
    assert np.isnan(found["n_patients"])
    assert "clustered by group" in found["method"]


def test_patients_with_shared_images_are_still_counted_one_by_one(scores):
    """Two patients whose images are near-duplicates are one unit of the test and two patients."""

    class Known(Archived):
        known = True

    groups = scores.drop_duplicates("case").set_index("case")["patient"]
    groups = groups.replace({"p001": "p000"})
    found = build_report(Known(scores, groups), OPTIONS, formats=["words"]).comparisons.iloc[0]
    assert (found["n_patients"], found["n_groups"]) == (90, 89)
    assert found["clustered_by"] == "patient-group"


def test_a_covariate_called_group_does_not_cluster(scores):
    with_covariate = scores.assign(group=np.where(scores["y_true"] == 1, "old", "young"))
    plain, named = (
        compare_arms(frame, "imagenet", options=OPTIONS) for frame in (scores, with_covariate)
    )
    pd.testing.assert_frame_equal(plain, named)
