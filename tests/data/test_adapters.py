"""Each layout users have, and the damage that layout meets."""

from __future__ import annotations

import zipfile

import numpy as np
import pandas as pd
import pytest

from stats_tl.data import load_dataset
from stats_tl.errors import UserError
from tests.data.conftest import IGNORE, encode, task, tiny


def load(adapter, path, /, **options):
    return load_dataset(task(adapter, **options), path, audit=IGNORE)


# BUS-BRA ------------------------------------------------------------------------------

BUS = "ID,Case,Histology,Pathology,BIRADS,Device,Width,Height,Side,BBOX\n" + "".join(
    f'bus_{k:04d}-{side},{k},cyst,{"malignant" if k % 2 else "benign"},3,G,9,9,{side},"[1,2,3,4]"\n'
    for k in range(1, 5)
    for side in "lr"
)
FOLDS = "ID,Pathology,kFold,valid_1,valid_2\n" + "".join(
    f"bus_{k:04d}-{side},{'malignant' if k % 2 else 'benign'},{1 + (k > 2)},"
    # In fold 1 the first image of patient 3 is for validation, of patient 4 the second.
    + ("NaN,1\n" if k <= 2 else f"{int((k, side) not in {(3, 'l'), (4, 'r')})},NaN\n")
    for k in range(1, 5)
    for side in "lr"
)


@pytest.fixture
def busbra(tmp_path, write):
    write("b/bus_data.csv", BUS)
    write("b/5-fold-cv.csv", FOLDS)
    for k in range(1, 5):
        for number, side in enumerate("lr"):
            write(f"b/Images/bus_{k:04d}-{side}.png", tiny(10 * k + number))
    return tmp_path / "b"


def test_busbra(busbra):
    data = load("busbra", busbra)
    assert data.cases["patient"].tolist() == ["1", "1", "2", "2", "3", "3", "4", "4"]
    assert data.cases["y_true"].tolist() == [1, 1, 0, 0, 1, 1, 0, 0]
    assert data.cases.columns[4:].tolist() == ["device", "birads", "histology", "side"]
    # Validation: patient 3 follows its first image, patient 4 as well.
    assert data.official.tolist() == [[2, 2, 2, 2, 1, 1, 0, 0], [0, 0, 0, 0, 2, 2, 2, 2]]
    assert data.read_images(12).shape == (8, 1, 12, 12)
    assert "doi:10.1002/mp.16812" in data.description


def test_busbra_does_not_depend_on_the_order_of_rows(busbra, write):
    expected = load("busbra", busbra).official
    header, *rows = FOLDS.strip().split("\n")
    write("b/5-fold-cv.csv", "\n".join([header, *rows[::-1]]))
    header, *rows = BUS.strip().split("\n")
    write("b/bus_data.csv", "\n".join([header, *rows[::-1]]))
    np.testing.assert_array_equal(load("busbra", busbra).official, expected)


def test_busbra_without_folds_and_with_another_file(busbra):
    (busbra / "5-fold-cv.csv").rename(busbra / "mine.csv")
    assert load("busbra", busbra).official is None
    assert load("busbra", busbra, folds_file="mine.csv").official.shape == (2, 8)
    with pytest.raises(UserError, match="leaves the data folder"):
        load("busbra", busbra, folds_file="../b/mine.csv")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("r,malignant,1,NaN,1\nbus_0002", "r,malignant,2,1,NaN\nbus_0002", "1 patient on two.*'1 "),
        ("bus_0001-r,malignant,1", "bus_0001-r,benign,1", r"labels other than.*'bus_0001-r'"),
        ("bus_0001-r,", "bus_9999-r,", r"cases not in bus_data.csv.*\n.*without a fold"),
        ("malignant,1,NaN", "malignant,7,NaN", "must number the folds 1, 2"),
        ("malignant,1,NaN,1", "malignant,1,0,1", "given for a test case"),
        ("malignant,1,NaN,1", "malignant,1,NaN,2", "neither 0 nor 1"),
        ("kFold", "fold", "no column 'kFold'"),
    ],
)
def test_busbra_fold_file_that_is_wrong(busbra, write, old, new, message):
    assert old in FOLDS
    write("b/5-fold-cv.csv", FOLDS.replace(old, new))
    with pytest.raises(UserError, match=message):
        load("busbra", busbra)


def test_busbra_ids_cannot_climb(busbra, write):
    write("b/bus_data.csv", BUS.replace("bus_0001-l", "../../bus_0001-l"))
    (busbra / "5-fold-cv.csv").unlink()
    with pytest.raises(UserError, match="leaves the data folder"):
        load("busbra", busbra)


def test_busbra_as_published(shared):
    data = load("busbra", shared / "data/busbra/busbra_sq256_jpg.zip")
    cases = data.cases
    assert len(cases) == 1875
    patients = cases.groupby("patient")["y_true"].first()
    # Counts of the data paper: 722 benign and 342 malignant patients.
    assert patients.value_counts().to_dict() == {0: 722, 1: 342}
    assert (data.official == 2).sum(axis=0).tolist() == [1] * 1875
    share = (data.official == 1).sum(axis=1) / (data.official != 2).sum(axis=1)
    assert share.min() > 0.18
    assert share.max() < 0.21


# BUSI ---------------------------------------------------------------------------------


@pytest.fixture
def busi(tmp_path, write):
    for finding in ("benign", "malignant", "normal"):
        for k in (1, 2):
            name = f"D/Dataset_BUSI_with_GT/{finding}/{finding} ({k})"
            write(name + ".png", tiny(k, colour=True))
            write(name + "_mask.png", tiny(0))
        write(f"D/Dataset_BUSI_with_GT/{finding}/{finding} (2)_mask_1.png", tiny(0))
    return tmp_path / "D"


def test_busi_masks_are_skipped_and_the_plan_says_what_normals_are(busi):
    data = load("busi", busi, normals="benign")
    assert data.cases["case"].tolist() == [
        f"{finding} ({k})" for finding in ("benign", "malignant", "normal") for k in (1, 2)
    ]
    assert data.cases["y_true"].tolist() == [0, 0, 1, 1, 0, 0]
    assert (data.cases["patient"] == data.cases["case"]).all()
    assert "own patient" in data.description
    assert len(load("busi", busi, normals="exclude")) == 4
    with pytest.raises(UserError, match="set `normals`"):
        load("busi", busi)


def test_busi_file_in_the_wrong_folder(busi, write):
    write("D/Dataset_BUSI_with_GT/benign/malignant (9).png", tiny(9))
    with pytest.raises(UserError, match=r"contradicts their folder \(1\).*malignant \(9\)"):
        load("busi", busi, normals="benign")


def test_busi_somewhere_else(tmp_path):
    with pytest.raises(UserError, match=r"class folders without images \(2\)"):
        load("busi", tmp_path, normals="benign")


# RadImageNet --------------------------------------------------------------------------


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


# MedMNIST -----------------------------------------------------------------------------


def medmnist(path, colour=False, **changes):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 6), ("val", 2), ("test", 4)):
        shape = (n, 28, 28, 3) if colour else (n, 28, 28)
        arrays[f"{split}_images"] = rng.integers(0, 256, shape, dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(n) % 2).astype(np.uint8)[:, None]
    arrays.update(changes)
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path, arrays


@pytest.mark.parametrize("colour", [False, True])
def test_medmnist(tmp_path, colour):
    path, arrays = medmnist(tmp_path / "breastmnist.npz", colour)
    data = load("medmnist", path, positive=0)
    assert data.cases["case"].tolist()[:4] == [f"test_{k:06d}" for k in range(4)]
    assert data.official.tolist() == [[2] * 4 + [0] * 6 + [1] * 2]
    assert data.cases["y_true"].tolist()[:4] == [1, 0, 1, 0]
    images = data.read_images(28)
    expected = arrays["test_images"] if colour else arrays["test_images"][..., None]
    np.testing.assert_array_equal(images[:4], np.moveaxis(expected, 3, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val_labels": None}, "has no array `val_labels`"),
        ({"val_labels": np.array(["a", "b"], dtype=object)}, "not a readable|expected integers"),
        ({"test_labels": np.zeros((4, 14), np.uint8)}, "multi-label"),
        ({"test_images": np.zeros((4, 28, 28), np.float32)}, "expected uint8"),
        ({"test_images": np.zeros((4, 28, 28, 28), np.uint8)}, "expected uint8"),
        ({"test_images": np.zeros((4, 64, 64), np.uint8)}, "differ in size"),
        ({"test_images": np.zeros((3, 28, 28), np.uint8)}, "for 3 images"),
    ],
)
def test_medmnist_that_is_not(tmp_path, changes, message):
    path, _ = medmnist(tmp_path / "x.npz", **changes)
    with pytest.raises(UserError, match=message):
        load("medmnist", path, positive=0)


def test_medmnist_needs_to_know_what_is_positive(tmp_path):
    path, _ = medmnist(tmp_path / "x.npz")
    with pytest.raises(UserError, match=r"set `positive`.*found 0, 1"):
        load("medmnist", path)


def test_medmnist_header_that_claims_more_than_the_file_holds(tmp_path):
    path, _ = medmnist(tmp_path / "x.npz")
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    head = files["train_images.npy"]
    claim = head.replace(b"(6, 28, 28), }      ", b"(1000000, 28, 28), }", 1)
    files["train_images.npy"] = claim
    assert files["train_images.npy"] != head
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(UserError, match=r"claims 784,000,000 bytes|not a readable"):
        load("medmnist", path, positive=0)


def test_medmnist_never_unpickles(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was executed",))

    bomb = np.empty(6, dtype=object)
    bomb[:] = [Bomb() for _ in range(6)]
    path, _ = medmnist(tmp_path / "x.npz", train_labels=bomb)
    with pytest.raises(UserError, match="expected integers"):
        load("medmnist", path, positive=0)


def test_medmnist_damaged_anywhere_is_a_clear_error(tmp_path):
    path, _ = medmnist(tmp_path / "x.npz")
    good = path.read_bytes()
    for position in range(0, len(good), 41):
        bad = bytearray(good)
        bad[position] ^= 0x81
        path.write_bytes(bad)
        try:
            load("medmnist", path, positive=0)
        except UserError:
            continue


# Folders and CSV ----------------------------------------------------------------------


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
        ("b.png;1", "b.png;2", "cannot tell which class is positive"),
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
