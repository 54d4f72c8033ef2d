"""The square that a network is given, and sources of images."""

from __future__ import annotations

import numpy as np
from PIL import Image

from stats_tl.data.files import FolderStore
from stats_tl.data.formats import Reading
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
