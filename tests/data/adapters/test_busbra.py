"""BUS-BRA: published folds by patient, and lists that are wrong."""

from __future__ import annotations

import numpy as np
import pytest

from stats_tl.errors import UserError
from tests.data.adapters.conftest import load
from tests.data.conftest import tiny

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
