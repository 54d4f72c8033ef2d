"""BUSI: masks, normals, and files in the wrong folder."""

from __future__ import annotations

import pytest

from stats_tl.errors import UserError
from tests.data.adapters.conftest import load
from tests.data.conftest import tiny


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
