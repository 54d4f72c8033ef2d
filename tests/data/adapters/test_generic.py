"""A folder per class, and a CSV with a path and a label for every image."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from stats_tl.errors import UserError
from tests.data.adapters.conftest import load
from tests.data.conftest import encode, tiny


@pytest.fixture
def folders(tmp_path, write):
    for label in ("cat", "dog", "none"):
        for patient in ("p1", "p2"):
            for k in (1, 2):
                write(f"f/{label}/{label}{patient}/{k}.png", tiny(k))
                write(f"f/{label}/{label}{patient}/{k}_mask.png", tiny(0))
    write("f/readme.txt", "x")
    write("f/cover.png", tiny(5))
    return tmp_path / "f"


def test_folders(folders):
    options = {"positive": "cat", "negative": "dog", "exclude": "none", "skip": "_mask"}
    data = load("folders", folders, **options, patient_pattern=r"/(\w+p\d)/")
    assert len(data) == 8
    assert data.cases.loc[0, ["case", "patient"]].tolist() == ["cat/catp1/1.png", "catp1"]
    assert data.cases["patient"].nunique() == 4
    assert data.cases["y_true"].tolist() == [1] * 4 + [0] * 4
    alone = load("folders", folders, **options)
    assert (alone.cases["patient"] == alone.cases["case"]).all()
    assert "own patient" in alone.description


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positive": "cat"}, "3 classes were found"),
        ({"positive": "cow"}, "'cow' does not occur; classes found: 'cat'"),
        ({"patient_pattern": "("}, "no regular expression"),
        ({"patient_pattern": r"(p1)/"}, r"finds no patient in these names \(12\)"),
        ({"skip": "."}, "no images in class folders"),
        ({"patients": "x"}, "did you mean 'patient_pattern'|unknown option"),
    ],
)
def test_folders_options(folders, options, message):
    with pytest.raises(UserError, match=message):
        load("folders", folders, **options)


CSV = "img;dx;id;dev;part\na.png;0;p1;A;1\nb.png;1;p2;B;2\nc.png;1;p3;A;1\nd.png;0;p4;B;2\n"
COLUMNS = {"path": "img", "label": "dx", "patient": "id", "fold": "part", "covariates": ["dev"]}


@pytest.fixture
def csv_file(write):
    for k, name in enumerate("abcd"):
        write(f"images/{name}.png", tiny(k))
    return write("my.csv", CSV)


def test_csv_with_columns_of_other_names(csv_file):
    data = load("csv", csv_file, root="images", **COLUMNS)
    assert data.cases["dev"].tolist() == ["A", "B", "A", "B"]
    assert data.cases["patient"].tolist() == ["p1", "p2", "p3", "p4"]
    assert data.official.tolist() == [[2, 0, 2, 0], [0, 2, 0, 2]]
    assert data.read_images(12).shape == (4, 1, 12, 12)


def test_csv_in_a_folder_and_in_a_zip(csv_file, tmp_path):
    base = load("csv", csv_file, root="images", **COLUMNS)
    inside = load("csv", tmp_path, table="my.csv", root="images", **COLUMNS)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for path in (csv_file, *(tmp_path / "images").iterdir()):
            archive.write(path, path.relative_to(tmp_path))
    packed = load("csv", tmp_path / "z.zip", table="my.csv", root="images", **COLUMNS)
    assert base.images_sha256 == inside.images_sha256 == packed.images_sha256


def test_csv_split_in_words(csv_file, write):
    rows = CSV.strip().split("\n")
    for k, word in enumerate(("train", "Test", "val", "train"), start=1):
        rows[k] = rows[k].rsplit(";", 1)[0] + ";" + word
    data = load("csv", write("my.csv", "\n".join(rows)), root="images", **COLUMNS)
    assert data.official.tolist() == [[0, 2, 1, 0]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("img", "file", "no column 'img'; .*allowed"),
        ("b.png;1", "b.png;NaN", r"cases without a label \(1\): 'b.png'"),
        ("b.png;1", "b.png;2", "cannot determine which class is positive"),
        ("b.png;1;p2", "b.png;1;", "cases without a patient.*'b.png'"),
        ("b.png", "a.png", r"occur more than once \(1\): 'a.png'"),
        ("b.png", "../b.png", "leaves the data folder"),
        ("b.png", "/etc/passwd", "leaves the data folder"),
        ("A;1", "A;x", "is the number of the fold|does not fit"),
        ("A;1", "A;2", "2 to 100"),
        ("dev", "score", "no column 'dev'"),
    ],
)
def test_csv_that_is_wrong(csv_file, write, old, new, message):
    path = write("my.csv", CSV.replace(old, new))
    with pytest.raises(UserError, match=message):
        load("csv", path, root="images", **COLUMNS)


def test_csv_absolute_paths_only_when_allowed(csv_file, write, tmp_path):
    path = write("my.csv", CSV.replace("b.png", str(tmp_path / "images/b.png")))
    with pytest.raises(UserError, match="leaves the data folder"):
        load("csv", path, root="images", **COLUMNS)
    data = load("csv", path, root="images", absolute_paths=True, **COLUMNS)
    base = load("csv", write("other.csv", CSV), root="images", **COLUMNS)
    by_patient = data.cases["patient"].argsort()
    np.testing.assert_array_equal(data.read_images(4)[by_patient], base.read_images(4))


def test_csv_covariate_of_a_reserved_name(csv_file, write):
    path = write("my.csv", CSV.replace("dev", "score"))
    with pytest.raises(UserError, match="a covariate cannot be named 'score'"):
        load("csv", path, root="images", **{**COLUMNS, "covariates": ["score"]})


def test_csv_images_that_are_bombs_are_named(csv_file, write):
    from tests.data.conftest import png_claiming

    write("images/b.png", png_claiming(100_000, 100_000))
    write("images/d.png", encode(np.zeros((9, 9), np.uint8))[:40])
    data = load("csv", csv_file, root="images", **COLUMNS)
    with pytest.raises(UserError, match=r"unreadable images \(2\): 'images/b.png: .*images/d.png"):
        data.read_images(8)
