"""MRNet as distributed: series by plane, labels without a header, the published split."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from stats_tl.data import load_dataset
from stats_tl.errors import UserError
from stats_tl.study.plan import Task
from tests.data.conftest import IGNORE

EXAMS = {"train": ["0000", "0001", "0002", "0003"], "valid": ["1130", "1131"]}
RNG = np.random.default_rng(8)
SERIES = {
    exam: RNG.integers(0, 256, (3 + k, 16, 16)).astype(np.uint8)
    for k, exam in enumerate([*EXAMS["train"], *EXAMS["valid"]])
}


@pytest.fixture
def mrnet(tmp_path, write):
    for part, exams in EXAMS.items():
        for finding in ("acl", "meniscus", "abnormal"):
            rows = [f"{exam},{int(exam) % 2}" for exam in exams]
            write(f"MRNet-v1.0/{part}-{finding}.csv", "\n".join(rows) + "\n")
        for exam in exams:
            np.save(buffer := io.BytesIO(), SERIES[exam])
            write(f"MRNet-v1.0/{part}/sagittal/{exam}.npy", buffer.getvalue())
    return tmp_path / "MRNet-v1.0"


def load(path, *, plane="sagittal", frames="middle", **options):
    task = Task(name="t", adapter="mrnet", options=options, plane=plane, frames=frames)
    return load_dataset(task, path, audit=IGNORE)


def test_the_middle_slice_of_every_exam(mrnet):
    data = load(mrnet, finding="acl")
    assert data.cases["case"].tolist() == data.cases["patient"].tolist() == sorted(SERIES)
    assert data.cases["y_true"].tolist() == [0, 1, 0, 1, 0, 1]
    assert data.official.tolist() == [[0, 0, 0, 0, 2, 2]]
    for image, exam in zip(data.read_images(16), sorted(SERIES), strict=True):
        np.testing.assert_array_equal(image[0], SERIES[exam][len(SERIES[exam]) // 2])


def test_all_slices_are_cases_of_one_patient(mrnet):
    data = load(mrnet, frames="all", finding="meniscus")
    assert len(data) == sum(map(len, SERIES.values()))
    assert data.cases["patient"].value_counts().to_dict() == {e: len(s) for e, s in SERIES.items()}
    assert data.cases["case"].tolist()[:4] == ["0000#0001", "0000#0002", "0000#0003", "0001#0001"]
    assert data.official.shape == (1, len(data))
    expected = np.concatenate([SERIES[exam] for exam in sorted(SERIES)])
    np.testing.assert_array_equal(data.read_images(16)[:, 0], expected)


def test_as_a_zip_with_a_stray_file(mrnet, tmp_path):
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("README.txt", "x")
        for path in sorted(mrnet.rglob("*.*")):
            archive.write(path, path.relative_to(tmp_path))
    packed, unpacked = load(tmp_path / "m.zip", finding="acl"), load(mrnet, finding="acl")
    assert packed.images_sha256 == unpacked.images_sha256


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "set `finding`"),
        ({"finding": "acl", "plane": None}, "set `plane`"),
        ({"finding": "acl", "frames": "one"}, "`frames`"),
        ({"finding": "acl", "plane": "axial"}, r"missing files \(6\)"),
        ({"finding": "tear"}, "allowed: abnormal, acl, meniscus"),
    ],
)
def test_what_the_plan_does_not_say(mrnet, keys, message):
    with pytest.raises(UserError, match=message):
        load(mrnet, **keys)


def test_a_table_with_a_header_is_refused(mrnet, write):
    write("MRNet-v1.0/train-acl.csv", "exam,label\n0000,1\n")
    with pytest.raises(UserError, match=r"exams of train that are no numbers.*'exam'"):
        load(mrnet, finding="acl")
