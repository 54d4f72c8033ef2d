"""RadImageNet's downstream tasks: published lists, and lists that are wrong."""

from __future__ import annotations

import zipfile

import pandas as pd
import pytest

from stats_tl.errors import UserError
from tests.data.adapters.conftest import load
from tests.data.conftest import tiny


def unpack(shared, tmp_path, limit=None):
    """The published fold lists, with a tiny image for every name."""
    with zipfile.ZipFile(shared / "data/radimagenet_folds.zip") as archive:
        archive.extractall(tmp_path)
    image = tiny(0, size=4)
    for subset in ("acl", "breast"):
        (tmp_path / subset / "images").mkdir()
        for table in (tmp_path / subset / "dataframe").glob("*1.csv"):
            for name in pd.read_csv(table)["filename"]:
                (tmp_path / subset / name).write_bytes(image)
    return tmp_path


def test_radimagenet_acl_as_published(shared, tmp_path):
    data = load("radimagenet", unpack(shared, tmp_path), subset="acl")
    assert len(data) == 1021
    assert data.cases["patient"].nunique() == 498
    assert data.cases["y_true"].sum() == 569
    assert (data.official == 2).sum(axis=1).tolist() == [208, 203, 213, 201, 196]
    assert ((data.official == 2).sum(axis=0) == 1).all()
    assert data.cases.loc[0, ["case", "patient", "slice"]].tolist() == [
        "0001_sagittal_11.000000",
        "0001",
        "11",
    ]
    # The subset's own folder is accepted as well.
    assert load("radimagenet", tmp_path / "acl", subset="acl").labels_sha256 == data.labels_sha256


def test_radimagenet_breast_as_published(shared, tmp_path):
    root = unpack(shared, tmp_path)
    data = load("radimagenet", root, subset="breast", normals="benign")
    assert (len(data), data.cases["y_true"].sum()) == (780, 210)
    assert (data.official == 2).sum(axis=1).tolist() == [156] * 5
    without = load("radimagenet", root, subset="breast", normals="exclude")
    assert (len(without), without.cases["y_true"].sum()) == (647, 210)
    assert set(without.cases["finding"]) == {"benign", "malignant"}
    with pytest.raises(UserError, match="set `normals`"):
        load("radimagenet", root, subset="breast")


@pytest.fixture
def acl(tmp_path, write):
    """Two folds over six exams with one slice each."""
    names = [f"images/000{k}_sagittal_9.000000.png" for k in range(6)]
    for k, name in enumerate(names):
        write(f"r/acl/{name}", tiny(k))
    parts = {1: (names[:2], names[2:3], names[3:]), 2: (names[4:], names[3:4], names[:3])}
    for fold, lists in parts.items():
        for part, files in zip(("train", "val", "test"), lists, strict=True):
            rows = [f"{f},{'yes' if int(f[10]) % 2 else 'no'}" for f in files]
            write(
                f"r/acl/dataframe/{part}_fold{fold}.csv", "\n".join(["filename,acl_label", *rows])
            )
    return tmp_path / "r"


def test_radimagenet_small(acl):
    data = load("radimagenet", acl, subset="acl")
    assert data.official.tolist() == [[0, 0, 1, 2, 2, 2], [2, 2, 2, 1, 0, 0]]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("test_fold1", ",yes", ",no", r"two different labels \(2\)"),
        ("test_fold1", "0005", "0004", r"listed twice in one fold \(1\)"),
        ("test_fold2", "0002_", "0003_", "not tested exactly once"),
        ("val_fold1", "images/", "../../", "leaves the data folder"),
        ("train_fold1", "acl_label", "label", "no column 'acl_label'; did you mean 'label'"),
        ("train_fold1", ",no", ",maybe", r"two different labels|3 classes"),
        ("train_fold1", "images/0001", "images/0001x", "fold lacks"),
    ],
)
def test_radimagenet_lists_that_are_wrong(acl, file, old, new, message):
    path = acl / f"acl/dataframe/{file}.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(UserError, match=message):
        load("radimagenet", acl, subset="acl")


def test_radimagenet_exam_on_two_sides(acl):
    """Slices of one exam in training and test: what image-level splitting does."""
    for table in (acl / "acl/dataframe").iterdir():
        table.write_text(table.read_text().replace("0005_sagittal_9", "0001_sagittal_10"))
    images = acl / "acl/images"
    (images / "0005_sagittal_9.000000.png").rename(images / "0001_sagittal_10.000000.png")
    with pytest.raises(UserError, match=r"1 patient on two sides.*'0001 \(fold 1, 2\)'"):
        load("radimagenet", acl, subset="acl")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "set `subset`"),
        ({"subset": "brest"}, "did you mean 'breast'|allowed: acl, breast"),
        ({"subset": "acl", "normals": "benign"}, "unknown option `normals`"),
    ],
)
def test_radimagenet_options(acl, options, message):
    with pytest.raises(UserError, match=message):
        load("radimagenet", acl, **options)
