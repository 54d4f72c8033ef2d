"""What every data set promises, whatever the adapter."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stats_tl.data import load_dataset
from stats_tl.data.dataset import build_dataset
from stats_tl.data.images import ArrayImages, FileImages, decode
from stats_tl.errors import UserError
from stats_tl.study.plan import Audit
from tests.data.conftest import IGNORE, encode, task, tiny

ROWS = [("a.png", "p1", 1), ("b.png", "p1", 1), ("c.png", "p2", 0), ("d.png", "p3", 0)]


@pytest.fixture
def csv_data(write):
    """Write the images and a CSV of (path, patient, label[, fold]); return its path."""

    def make(rows=ROWS, header="path,patient,label", images=True):
        for k, row in enumerate(rows):
            if images:
                write(row[0], tiny(k))
        return write("t.csv", "\n".join([header, *(",".join(map(str, row)) for row in rows)]))

    return make


def load(path, /, **options):
    return load_dataset(task("csv", **options), path, audit=IGNORE)


def test_columns_types_and_order(csv_data):
    cases = load(csv_data(ROWS[::-1])).cases
    assert cases.columns.tolist() == ["case", "patient", "group", "y_true"]
    assert cases["case"].tolist() == ["a.png", "b.png", "c.png", "d.png"]
    assert cases["patient"].tolist() == ["p1", "p1", "p2", "p3"]
    assert cases["y_true"].dtype == np.int8
    assert cases.index.equals(pd.RangeIndex(4))


def test_images_are_those_of_the_cases(csv_data):
    data = load(csv_data())
    images = data.read_images(8)
    assert images.shape == (4, 1, 8, 8)
    assert images.dtype == np.uint8
    for k in range(4):
        with Image.open(io.BytesIO(tiny(k))) as image:
            expected = np.asarray(image.resize((8, 8), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(images[k, 0], expected)
    np.testing.assert_array_equal(images, data.read_images(8))


def test_one_colour_image_makes_three_channels(csv_data, write):
    path = csv_data()
    write("c.png", tiny(9, colour=True))
    images = load(path).read_images(12)
    assert images.shape == (4, 3, 12, 12)
    for k in (0, 1, 3):
        np.testing.assert_array_equal(images[k, 0], images[k, 2])
    with Image.open(io.BytesIO(tiny(9, colour=True))) as image:
        np.testing.assert_array_equal(np.moveaxis(images[2], 0, 2), np.asarray(image))


def test_progress_ends_at_the_total(csv_data):
    seen = []
    load(csv_data()).read_images(4, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (4, 4)


def test_all_missing_files_are_named_at_once(csv_data):
    with pytest.raises(UserError, match=r"missing files \(4\): 'a.png', 'b.png', 'c.png', 'd.png'"):
        load(csv_data(images=False))


def test_of_many_missing_files_twenty_are_named(csv_data):
    rows = [(f"{k:03d}.png", f"p{k}", k % 2) for k in range(50)]
    with pytest.raises(UserError, match=r"missing files \(50\): '000.png'.*'019.png' and 30 more"):
        load(csv_data(rows, images=False))


def test_all_unreadable_images_are_named_at_once(csv_data, write):
    path = csv_data()
    write("b.png", b"no image")
    write("d.png", tiny(3)[:60])
    data = load(path)
    with pytest.raises(UserError, match=r"unreadable images \(2\): .*b\.png: not an image.*d\.png"):
        data.read_images(8)


def test_several_kinds_of_problem_in_one_message(csv_data):
    path = csv_data([*ROWS, ("a.png", "p1", 1), ("x.png", "p" * 300, 0)], images=False)
    with pytest.raises(UserError) as error:
        load(path)
    text = str(error.value)
    assert "case ids that occur more than once (1): 'a.png'" in text
    assert "patient ids that are empty, too long or not printable (1)" in text
    assert "missing files (6)" in text


def test_labels_hash_ignores_order_and_notices_every_change(csv_data):
    base = load(csv_data()).labels_sha256
    assert load(csv_data(ROWS[::-1])).labels_sha256 == base
    for changed in (("a.png", "p1", 0), ("a.png", "p9", 1)):
        assert load(csv_data([changed, *ROWS[1:]])).labels_sha256 != base
    assert len(base) == 64


def test_images_hash_ignores_order_and_notices_a_byte(csv_data, write):
    path = csv_data()
    base = load(path)
    early = base.images_sha256
    base.read_images(8)
    assert base.images_sha256 == early
    for k, row in enumerate(ROWS[::-1]):
        write(row[0], tiny(3 - k))
    assert load(path).images_sha256 == early
    # Same pixels, other bytes: another file.
    with Image.open(io.BytesIO(tiny(0))) as image:
        write("a.png", encode(np.asarray(image), compress_level=0))
    assert load(path).images_sha256 != early


@pytest.mark.parametrize("near_duplicates", ["group", "report", "ignore"])
def test_an_image_is_decoded_once_for_all_announced_sizes(csv_data, monkeypatch, near_duplicates):
    path, audit, opened = csv_data(), Audit(near_duplicates=near_duplicates), []
    monkeypatch.setattr(
        FileImages, "open", lambda self, index, data: opened.append(index) or decode(data)
    )
    data = load_dataset(task("csv"), path, audit=audit, sizes=(6, 8))
    both = {size: data.read_images(size) for size in (8, 6)}
    assert len(data.images_sha256) == 64
    assert data.near_duplicates is not None
    assert sorted(opened) == [0, 1, 2, 3]
    for size, images in both.items():
        np.testing.assert_array_equal(images, load(path).read_images(size))


def test_it_travels_to_another_process(csv_data):
    data = load(csv_data())
    other = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(other.read_images(6), data.read_images(6))


def test_official_folds_that_divide_a_patient_are_refused(csv_data):
    rows = [(*row, fold) for row, fold in zip(ROWS, (1, 2, 1, 2), strict=True)]
    with pytest.raises(UserError, match=r"put 1 patient on two sides.*'p1 \(fold 1, 2\)'"):
        load(csv_data(rows, header="path,patient,label,fold"))


def test_official_folds_that_divide_near_duplicates_are_refused_when_asked_for(csv_data, write):
    rows = [(*row, fold) for row, fold in zip(ROWS, (1, 1, 2, 1), strict=True)]
    path = csv_data(rows, header="path,patient,label,fold")
    write("c.png", tiny(3))  # the same image as d.png, of another patient
    audit = Audit(near_duplicates="group", hash_distance=0)
    data = load_dataset(task("csv"), path, audit=audit)
    assert data.cases.set_index("case")["group"]["c.png"] == "p2"
    assert data.cases.set_index("case")["group"]["d.png"] == "p2"
    with pytest.raises(UserError, match=r"put 1 group on two sides.*p2.*official_folds = false"):
        data.check_official()
    load(path).check_official()


def test_one_class_is_refused():
    cases = pd.DataFrame({"case": ["a", "b"], "patient": ["a", "b"], "y_true": [1, 1]})
    images = ArrayImages(np.zeros((2, 4, 4), np.uint8), "x")
    with pytest.raises(UserError, match="both classes are needed"):
        build_dataset("t", cases, images, description="", audit=IGNORE)


def test_excluded_cases_leave_cases_images_and_folds():
    cases = pd.DataFrame({"case": list("dcba"), "patient": list("dcba"), "y_true": [1, -1, 0, 1]})
    pixels = np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    official = np.array([[2, 0, 0, -1]])
    data = build_dataset(
        "t", cases, ArrayImages(pixels, "x"), description="", audit=IGNORE, official=official
    )
    assert data.cases["case"].tolist() == ["a", "b", "d"]
    assert data.read_images(4)[:, 0, 0, 0].tolist() == [3, 2, 0]
    assert data.official.tolist() == [[-1, 0, 2]]


@pytest.mark.parametrize("size", [0, 100_000])
def test_absurd_sizes_are_refused(csv_data, size):
    with pytest.raises(ValueError, match="`size` must be between"):
        load(csv_data()).read_images(size)
