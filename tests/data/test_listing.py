"""What lies in class folders is read, or named and counted; and whose DICOM files are."""

from __future__ import annotations

import numpy as np
import pytest

from stats_tl.errors import UserError
from tests.data.adapters.conftest import load
from tests.data.conftest import encode, tiny
from tests.data.formats.dicoms import dicom

GREY = np.arange(144, dtype=np.uint8).reshape(12, 12)


@pytest.fixture
def folders(tmp_path, write):
    """Two classes with files as cameras, browsers, PACS and operating systems name them."""
    for label in ("no", "yes"):
        write(f"f/{label}/a.png", tiny(1))
        write(f"f/{label}/b.jfif", encode(GREY, "JPEG"))
        write(f"f/{label}/c.webp", encode(GREY, "WEBP"))
        write(f"f/{label}/d.JP2", encode(GREY, "JPEG2000"))
        write(f"f/{label}/e.gif", encode(GREY, "GIF"))
        write(f"f/{label}/IM000001", tiny(2))
        write(f"f/{label}/Thumbs.db", "x")
        write(f"f/{label}/.DS_Store", "x")
    return tmp_path / "f"


def test_no_image_is_left_out(folders):
    data = load("folders", folders)
    assert len(data) == 12
    assert data.read_images(12).shape == (12, 1, 12, 12)


def test_what_is_no_image_is_counted_per_class_and_can_be_skipped(folders, write):
    write("f/no/report.txt", "x")
    write("f/no/scan.mha", "x")
    write("f/yes/notes", "x")
    with pytest.raises(UserError) as error:
        load("folders", folders)
    text = str(error.value)
    assert "files in 'no' that are no images (2): 'no/report.txt', 'no/scan.mha'" in text
    assert "files in 'yes' that are no images (1): 'yes/notes'" in text
    assert "`skip`" in text
    assert len(load("folders", folders, skip=r"\.(txt|mha)$|/notes$")) == 12


@pytest.fixture
def dicoms(tmp_path, write):
    for k in range(6):
        name = ("a.dcm", "1.2.840.113.77", "IM1")[k % 3]
        file = dicom(np.roll(GREY.astype(np.uint16), k), patient=f"P{k // 2}")
        write(f"d/{('no', 'yes')[k % 2]}/{k}/{name}", file)
    return tmp_path / "d"


def test_patients_by_dicom_headers(dicoms):
    data = load("folders", dicoms, patient_tag="PatientID")
    assert data.cases["patient"].value_counts().to_dict() == {"P0": 2, "P1": 2, "P2": 2}
    assert data.cases.columns.tolist() == ["case", "patient", "group", "y_true"]
    studies = load("folders", dicoms, patient_tag="StudyInstanceUID").cases["patient"]
    assert studies.nunique() == 3
    assert studies.str.startswith("1.2.826.").all()
    alone = load("folders", dicoms, patient_tag="none")
    assert (alone.cases["patient"] == alone.cases["case"]).all()


def test_dicom_files_need_a_patient(dicoms, write):
    with pytest.raises(UserError, match=r"6 DICOM files, .*`patient_tag`.*'PatientID'"):
        load("folders", dicoms)
    assert len(load("folders", dicoms, patient_pattern=r"/(\d)/")) == 6
    write("d/no/x.png", tiny(3))
    write("d/no/y.dcm", dicom(GREY, patient=""))
    with pytest.raises(UserError) as error:
        load("folders", dicoms, patient_tag="PatientID")
    assert "files that are no DICOM files (1): 'no/x.png'" in str(error.value)
    assert "files without PatientID (1): 'no/y.dcm'" in str(error.value)


def test_a_csv_takes_patients_from_dicom_headers(dicoms, write):
    names = sorted(str(path.relative_to(dicoms)) for path in dicoms.rglob("*") if path.is_file())
    rows = [f"{name},{int(name.startswith('yes'))}" for name in names]
    path = write("d/t.csv", "\n".join(["path,label", *rows]))
    data = load("csv", path, patient_tag="PatientID")
    assert data.cases["patient"].nunique() == 3
    with pytest.raises(UserError, match="`patient_tag`"):
        load("csv", path)
