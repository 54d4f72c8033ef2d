"""Of a DICOM header nothing reaches a run but what the plan names: every file is searched."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from pydicom.dataset import Dataset

from stats_tl.run_grid import main
from tests.data.formats.dicoms import NAME, dataset_of, written

#: Planted in headers, one element each; searched for in every file of the run.
PLANTED = {
    "PatientBirthDate": "18450327",
    "AccessionNumber": "ACC7781234",
    "InstitutionName": "Julius Hospital",
    "ReferringPhysicianName": "KOELLIKER^ALBERT",
    "OtherPatientNames": "LUDWIG^ANNA",
    "StudyDescription": "HAND WITH RING",
    "WindowCenterWidthExplanation": "for ANNA",
    "ImageComments": "first of its kind",
}
PLAN = """
study = {{name = "hand", seed = 3}}
cv = {{folds = 2, repeats = 1, validation_share = 0.3}}
arms = [{{name = "a", source = "random", reference = true}}, {{name = "b", source = "random"}}]
grid = [{{backbones = ["squeezenet1_1"], heads = ["linear"]}}]
training = {{epochs = 1, batch_size = 16, image_size = 32}}
keep = {{identifiers = "{identifiers}"}}
[[tasks]]
name = "hand"
adapter = "folders"
path = "data"
intensity = {{window = "first"}}
options = {{patient_tag = "{tag}"}}
"""


@pytest.fixture
def run(tmp_path):
    """Function that trains on DICOM files with planted headers; returns the text of each file."""

    def train(**keys):
        rng = np.random.default_rng(0)
        for index in range(24):
            data = dataset_of(
                rng.integers(0, 4096, (32, 32)).astype(np.uint16),
                patient=f"PAT{index // 2:04d}X", WindowCenter=2000, WindowWidth=3000, **PLANTED,
            )  # fmt: skip
            nested = Dataset()
            nested.PatientName = NAME
            data.RequestAttributesSequence = [nested]
            path = tmp_path / "data" / ("no", "yes")[index // 2 % 2] / f"IM{index:03d}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(written(data))
        plan = tmp_path / "plan.toml"
        plan.write_text(PLAN.format(**keys))
        assert main(["--plan", str(plan), "--runs", str(tmp_path / "runs"), "--jobs", "1"]) == 0
        return {
            path.relative_to(tmp_path): text_of(path)
            for path in tmp_path.rglob("*")
            if path.is_file() and "data" not in path.relative_to(tmp_path).parts
        }

    return train


def text_of(path):
    """All that a file says; Parquet compresses, so it is read."""
    text = path.read_bytes().decode("latin-1")
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        text += json.dumps(frame.astype(str).to_dict("list"))
    return text


def holding(files, words):
    return {(str(path), word) for path, text in files.items() for word in words if word in text}


@pytest.mark.parametrize(
    ("tag", "identifiers", "seen", "unseen"),
    [
        ("PatientID", "as-given", "PAT0007X", "1.2.826."),
        ("StudyInstanceUID", "as-given", "1.2.826.", "PAT0007X"),
        ("PatientID", "hashed", None, "PAT0007X"),
    ],
)
def test_nothing_of_the_header_but_what_the_plan_names(run, tag, identifiers, seen, unseen):
    files = run(tag=tag, identifiers=identifiers)
    assert len([path for path in files if path.suffix == ".parquet"]) >= 3
    assert not holding(files, [*PLANTED.values(), *NAME.split("^"), unseen])
    if seen is not None:
        assert holding(files, [seen])  # the search finds what is there
    if identifiers == "hashed":
        assert not holding(files, ["IM000", "IM023"])
