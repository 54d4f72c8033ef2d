"""MedMNIST: headers are checked before anything of their size is read."""

from __future__ import annotations

import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

from stats_tl.data import load_dataset
from stats_tl.data.adapters import medmnist as medmnist_adapter
from stats_tl.errors import UserError
from stats_tl.study.plan import Task
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
        ({"test_images": np.zeros((4, 28, 28, 28), np.uint8)}, "28 x 28 x 28; the 3-D sets .Organ"),
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


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_images_are_a_stream_in_any_order(tmp_path, monkeypatch, save):
    monkeypatch.setattr(medmnist_adapter, "BLOCK", 3)
    _, arrays = medmnist(tmp_path / "x.npz")
    save(tmp_path / "y.npz", **arrays)
    data = load("medmnist", tmp_path / "y.npz", positive=0)
    stacked = np.concatenate([arrays[f"{part}_images"] for part in ("test", "train", "val")])
    np.testing.assert_array_equal(data.read_images(28)[:, 0], stacked)
    other = pickle.loads(pickle.dumps(data))
    for index in (11, 0, 6, 5, 11, 1):
        assert other.images.read(index) == stacked[index].tobytes()


def test_memory_does_not_grow_with_the_file(tmp_path):
    parts = {}
    for split, n in (("train", 3000), ("val", 2), ("test", 2)):
        parts[f"{split}_images"] = np.zeros((n, 100, 100), np.uint8)
        parts[f"{split}_labels"] = (np.arange(n) % 2).astype(np.uint8)[:, None]
    np.savez_compressed(tmp_path / "x.npz", **parts)
    del parts
    tracemalloc.start()
    try:
        data = load("medmnist", tmp_path / "x.npz", positive=0)
        for index in range(len(data)):
            data.images.read(index)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 15_000_000  # of 30 MB of pixels


def test_stored_arrays_are_mapped_and_compressed_ones_streamed(tmp_path):
    parts = {}
    for split, n in (("train", 300), ("val", 2), ("test", 2)):
        pixels = np.arange(n * 100 * 100, dtype=np.uint32) // 7 % 251
        parts[f"{split}_images"] = pixels.astype(np.uint8).reshape(n, 100, 100)
        parts[f"{split}_labels"] = (np.arange(n) % 2).astype(np.uint8)[:, None]
    np.savez(tmp_path / "stored.npz", **parts)
    np.savez_compressed(tmp_path / "packed.npz", **parts)
    stacked = np.concatenate([parts[f"{part}_images"] for part in ("test", "train", "val")])
    peaks = {}
    for name in ("stored", "packed"):
        data = load("medmnist", tmp_path / f"{name}.npz", positive=0)
        tracemalloc.start()
        for index in (0, 303, 5, 200, 3):
            assert data.images.read(index) == stacked[index].tobytes()
        peaks[name] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks["stored"] < 200_000 < 2_000_000 < peaks["packed"]
    # A file that was cut behind the reading of its headers: an error with its name.
    data = load("medmnist", tmp_path / "stored.npz", positive=0)
    whole = (tmp_path / "stored.npz").read_bytes()
    (tmp_path / "stored.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be read"):
        data.read_images(28)


def test_keys_of_files_have_no_meaning(tmp_path):
    path, _ = medmnist(tmp_path / "x.npz")
    task = Task(name="t", adapter="medmnist", options={"positive": 0}, frames="middle")
    with pytest.raises(UserError, match="`frames` has no meaning"):
        load_dataset(task, path)
