"""MedMNIST: headers are checked before anything of their size is read."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from stats_tl.errors import UserError
from tests.data.adapters.conftest import load


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
