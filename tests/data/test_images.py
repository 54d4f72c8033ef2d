"""The square that a network is given, and sources of images."""

from __future__ import annotations

import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import nibabel
import numpy as np
import pytest
from PIL import Image

from stats_tl.data.files import FolderStore
from stats_tl.data.formats import Reading, volumes
from stats_tl.data.images import FileImages, resize
from tests.data.conftest import encode


def test_resize_is_antialiased():
    # A checkerboard of single pixels averages to grey; point sampling would alias.
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    small = resize(Image.fromarray(board.astype(np.uint8)), 8)
    assert np.abs(small.astype(int) - 127).max() <= 8


def test_every_frame_is_an_image_where_the_plan_wants_all(tmp_path, write):
    frames = [np.full((6, 8), level, np.uint8) for level in (10, 20, 30)]
    pages = [Image.fromarray(frame) for frame in frames[1:]]
    write("a.tif", encode(frames[0], "TIFF", save_all=True, append_images=pages))
    write("b.png", encode(frames[0] + 50))
    store = FolderStore(tmp_path)
    images, counts = FileImages(store, ["a.tif", "b.png"], Reading(frames="all")).split_frames("t")
    assert counts.tolist() == [3, 1]
    levels = [int(np.asarray(images.open(k, images.read(k))).max()) for k in range(len(images))]
    assert levels == [10, 20, 30, 60]
    kept = images.take(np.array([2, 0]))
    assert np.asarray(kept.open(0, kept.read(0))).max() == 30
    same, ones = FileImages(store, ["b.png"]).split_frames("t")
    assert (len(same), ones.tolist()) == (1, [1])


@pytest.mark.parametrize("suffix", ["npy", "nii.gz"])
def test_a_file_is_read_and_inflated_once_for_all_of_its_frames(tmp_path, monkeypatch, suffix):
    volumes_of = np.random.default_rng(3).integers(0, 256, (6, 9, 8, 8)).astype(np.uint8)
    names = [f"{number}.{suffix}" for number in range(len(volumes_of))]
    for name, volume in zip(names, volumes_of, strict=True):
        if suffix == "npy":
            np.save(tmp_path / name, volume)
        else:
            nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / name)
    reads, inflated = Counter(), []
    store, gunzip = FolderStore(tmp_path), volumes.gzip.open
    monkeypatch.setattr(
        FolderStore,
        "open",
        lambda self, name: (reads.update([name]), (self.path / name).open("rb"))[1],
    )
    monkeypatch.setattr(volumes.gzip, "open", lambda file: (inflated.append(1), gunzip(file))[1])
    source = FileImages(store, names, Reading(frames="all", plane="sagittal"))
    images, counts = source.split_frames("t")
    assert counts.tolist() == [9] * 6
    reads.clear()
    inflated.clear()
    images = pickle.loads(pickle.dumps(images))  # a copy begins without files
    slices = [np.asarray(images.open(k, images.read(k))) for k in range(len(images))]
    assert reads == dict.fromkeys(names, 1)
    assert len(inflated) == (0 if suffix == "npy" else len(names))
    with ThreadPoolExecutor(4) as pool:  # some may lag behind, and read a file again
        again = list(pool.map(lambda k: images.open(k, images.read(k)), range(len(images))))
    assert all(np.array_equal(*pair) for pair in zip(slices, again, strict=True))
    assert len({one.tobytes() for one in slices}) == 54
